"""LaFuncConfig: the base, the heads' sizes, and how a request is answered by default."""

from dataclasses import field
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig

WEIGHTS = 6  # of what is known of a value, see `Evidence.features`
EVENLY = [1.0, 1.0, 0.0, 0.0]  # `more_weights` where none were found
WHOLE = [1.0, 0.0, 0.0]  # `sentence_weights` likewise


@strict
class LaFuncConfig(PreTrainedConfig):
    """Configuration of a [`LaFuncModel`].

    Args:
        base_config: the base model's own configuration.
        base: where the base's weights come from when they are not in the checkpoint: a Hub id, a folder, a path of a
            GGUF file, or `package://NAME/FILE.gguf` for one inside an installed Python package.
        base_revision: branch, tag or commit of a base on the Hub.
        base_included: the checkpoint holds the base's weights itself.
        trained: what has been trained, of `router`, `tools`: its word on how often tools are called, `arguments`: its
            word on which of their arguments are given, `diffusion`, and `calls`: the adapters' word, when calls are
            written, on whether these are all.
        router_layer: of the base, whose states the router reads; None: at 0.7 of the depth.
        router_hidden_size: of its hidden layers.
        head_hidden_size, head_layers, head_attention_heads: the diffusion head.
        adapter_rank: of the adapters by which the base reads what follows a prompt in tool mode; 0: none.
        adapts_prompt: in tool mode, and for the router, the base reads the prompt with the adapters on, too. Chat and
            thoughts are the bare base's all the same: it reads the prompt anew.
        noise_levels: T of training; a step at inference is given the nearest level.
        max_slot_tokens: no value is longer than this many tokens.
        max_calls: at most so many calls answer one request.
        filler: `autoregressive`, `diffusion` or `verified`, when the request does not say.
        schedule: `conservative`, `confidence` or `entropy_bound`, likewise.
        num_steps: denoising steps, likewise.
        keep_share: what `conservative` keeps of the previous prediction at each step.
        entropy_bound: sum of entropies, in nats, up to which `entropy_bound` commits at each step.
        presence_weight: what the word of the router, or else of the diffusion head, on whether an optional value is
            given counts beside the base's, where that writes, or beside the head's; 0: nothing.
        optional_weights: of what is known of an optional value, like `needs_weights`; the head's guess is what would
            stand there.
        copy_weight: what a token gains, in nats, by which a string or number begins, goes on or ends as something that
            was said, or a listed value as one that was named, where the base writes.
        more_weights: what counts for another call, once those before it are written: the base's log-odds that one is
            due, the router's that its tool is called once more, whether the calls hold a part of a series in the
            request and not the rest, and a constant.
        sentence_weights: in the log-odds that a tool is called so often, of what the router says of the request, of
            what it says of each of its sentences, added up, and a constant; for requests of several sentences.
        needs_weights: of what is known of a required value, see [`Evidence`], in the log-odds that it is missing: of
            logit(absent), logit(confidence), stands, closed, named, and a constant.
        needs_threshold: a required value is reported missing when that probability reaches this.
        confidence_slope, confidence_offset: a value's confidence is σ(slope · logit(p) + offset), p the geometric mean
            of its tokens' probabilities (Platt 1999); `lafunc eval calibration` finds them, threshold and weights.
    """

    model_type = "lafunc"
    sub_configs = {"base_config": AutoConfig}

    base_config: dict[str, Any] | PreTrainedConfig | None = None
    base: str | None = None
    base_revision: str | None = None
    base_included: bool = False
    trained: list[str] = field(default_factory=list)
    router_layer: int | None = None
    router_hidden_size: int = 128
    head_hidden_size: int = 256
    head_layers: int = 3
    head_attention_heads: int = 4
    adapter_rank: int = 0
    adapts_prompt: bool = False
    noise_levels: int = 4
    max_slot_tokens: int = 256
    max_calls: int = 8
    filler: str = "autoregressive"
    schedule: str = "confidence"
    num_steps: int = 2
    keep_share: float = 0.7
    entropy_bound: float = 1.0
    presence_weight: float = 0.0
    optional_weights: list[float] = field(default_factory=lambda: [1.0] + [0.0] * (WEIGHTS - 1))
    copy_weight: float = 0.0
    more_weights: list[float] = field(default_factory=EVENLY.copy)
    sentence_weights: list[float] = field(default_factory=WHOLE.copy)
    needs_weights: list[float] = field(default_factory=lambda: [1.0] + [0.0] * (WEIGHTS - 1))
    needs_threshold: float = 0.5
    confidence_slope: float = 1.0
    confidence_offset: float = 0.0
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs):
        if isinstance(self.base_config, dict):
            self.base_config = AutoConfig.for_model(**self.base_config)
        if self.head_hidden_size % (2 * self.head_attention_heads):
            raise ValueError(
                f"head_hidden_size {self.head_hidden_size} must be a multiple of twice head_attention_heads "
                f"{self.head_attention_heads}"
            )
        alone = [1.0] + [0.0] * (WEIGHTS - 1)
        for name, plain in {
            "optional_weights": alone,
            "needs_weights": alone,
            "more_weights": EVENLY,
            "sentence_weights": WHOLE,
        }.items():
            if len(getattr(self, name)) != len(plain):
                raise ValueError(
                    f"{name} must be {len(plain)} numbers, got {len(getattr(self, name))}: the checkpoint was "
                    f"calibrated by another version; set it to {plain} in config.json, then find better ones by "
                    "`lafunc eval calibration --write`"
                )
        super().__post_init__(**kwargs)

    def get_text_config(self, *args, **kwargs) -> PreTrainedConfig:
        """The base's configuration: generation and caches ask for it."""
        base: Any = self.base_config
        return self if base is None else base.get_text_config(*args, **kwargs)


LaFuncConfig.register_for_auto_class()
