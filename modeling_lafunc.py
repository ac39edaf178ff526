"""LaFuncModel: a frozen base model, a router, and a diffusion head that fills the JSON of tool calls.

    messages + tools
      └ base prefill ──► hidden states, key-value cache             1 base pass
          ├ router ──► chat | think | tool                          on a layer's state at the prompt's end
          ├ chat, think ──► base.generate                           the base as it always was
          └ tool ──► plan: the names, constrained to those offered  few base passes
               └ scaffold ──► filler ──► arguments ──► validated    see calling_lafunc.py

```python
>>> model = AutoModel.from_pretrained(repo, trust_remote_code=True)
>>> processor = AutoProcessor.from_pretrained(repo, trust_remote_code=True)
>>> messages = [{"role": "user", "content": "What's the weather in Tokyo?"}]
>>> out = model.generate_tool_call(messages, [get_weather], processor=processor)
>>> out.to_message()
{'role': 'assistant', 'content': '', 'tool_calls': [{'type': 'function', 'function': {'name': 'get_weather', …
```
"""

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from huggingface_hub import CommitInfo
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, DynamicCache, GenerationConfig, PreTrainedModel
from transformers.utils import cached_file

from .adapters_lafunc import FILE, FOLDER, adapter_weights, attach_adapters, bare, load_adapters, save_adapters
from .base_lafunc import CheckpointError, check_shareable, load_base
from .calling_lafunc import Calls, fill
from .configuration_lafunc import LaFuncConfig
from .diffusion_lafunc import DiffusionHead
from .filling_lafunc import Reader, Tell, slides
from .node_lafunc import Tool, json_path
from .objective_lafunc import objective
from .output_lafunc import Stats, ToolCallOutput, assemble
from .planning_lafunc import (
    SIDE_BY_SIDE,
    another,
    argument_texts,
    due_tools,
    follows,
    name_texts,
    plan,
    standing_calls,
    states_after,
    summed,
    together,
)
from .processing_lafunc import LaFuncProcessor
from .publishing_lafunc import MODEL_FILES, publish
from .request_lafunc import MODES, Request, check_options, read_request, split_batch
from .routing_lafunc import DEPTH, Router, listening
from .scaffolding_lafunc import Scaffold

# Tokens of prompts, with padding, that are read together. More is slower on CPUs: the memory for what the layers make
# of them is then asked of the system, and zeroed, each time anew.
TOKENS_AT_ONCE = {"cpu": 4096, "gpu": 65536}
# Arguments of `from_pretrained` that hold for a base which lies elsewhere, too.
FOR_THE_BASE = ("device_map", "max_memory", "attn_implementation", "token", "cache_dir", "local_files_only")
FOR_THE_CHECKPOINT = ("revision", "subfolder", "token", "cache_dir", "local_files_only")
# Arguments of `save_pretrained` that are for the Hub.
FOR_THE_HUB = ("repo_id", "private", "token", "revision", "create_pr", "commit_message", "commit_description", "tags")


class LaFuncModel(PreTrainedModel):
    """A frozen causal language model with a tool mode.

    `forward` and `generate` are the base's own. The base is loaded from where `config.base` says, unless the
    checkpoint holds it.
    """

    config: LaFuncConfig
    config_class = LaFuncConfig
    base: Any
    main_input_name = "input_ids"
    _keep_in_fp32_modules_strict = {"router"}
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, config: LaFuncConfig):
        super().__init__(config)
        if config.base_config is None:
            raise ValueError(
                "LaFuncConfig.base_config is missing; LaFuncModel.from_base(base) makes a model for a base"
            )
        hidden_size, layers = config.get_text_config().hidden_size, config.get_text_config().num_hidden_layers
        layer = round(DEPTH * layers) if config.router_layer is None else config.router_layer
        self.head = DiffusionHead(config, hidden_size)  # first: its dtype is the model's
        self.router = Router(hidden_size, config.router_hidden_size, layer)
        self.base = AutoModelForCausalLM.from_config(config.base_config) if config.base_included else None
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        std = self.config.initializer_range
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=std)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.RMSNorm):
            nn.init.ones_(module.weight)
        elif isinstance(module, DiffusionHead):
            nn.init.normal_(module.symbols, std=std)
            nn.init.ones_(module.prior)
            nn.init.zeros_(module.trust.weight)
            module.trust.weight.data[0] = 1.0  # the base predicts the very next token, and no other

    # ------------------------------------------------------------------------------------------------ the base

    @classmethod
    def from_base(
        cls,
        base: str | PreTrainedModel,
        *,
        revision: str | None = None,
        dtype: torch.dtype | str | None = None,
        device_map: Any = None,
        base_kwargs: Mapping[str, Any] | None = None,
        **config,
    ) -> "LaFuncModel":
        """A new model with untrained heads over a base.

        Args:
            base: a Hub id, a folder, a GGUF file, `package://NAME/FILE.gguf`, or a loaded model.
            revision, dtype, device_map: for loading the base.
            base_kwargs: more of the arguments of `AutoModelForCausalLM.from_pretrained`, such as `token`.
            config: fields of [`LaFuncConfig`].

        Raises:
            CheckpointError: the base cannot be loaded, or is of a kind that cannot be used.
            TypeError: `config` has a field that is not one.
        """
        known = LaFuncConfig.__annotations__.keys() - {"base_config", "base", "base_revision", "base_included"}
        if unknown := sorted(config.keys() - known):
            raise TypeError(
                f"{unknown[0]!r} is not a field of LaFuncConfig, which are {', '.join(sorted(known))}; arguments for "
                "loading the base go into base_kwargs"
            )
        if isinstance(base, str):
            base = load_base(base, revision, dtype=dtype, device_map=device_map, **(base_kwargs or {}))
        source = base.name_or_path or None
        base_config = copy.deepcopy(base.config)
        base_config.name_or_path = source or ""  # not the folder where this machine found it
        model = cls(
            LaFuncConfig(base_config=base_config, base=source, base_revision=revision, dtype=base.dtype, **config)
        )
        model.attach_base(base)
        return model

    def attach_base(self, base: PreTrainedModel) -> None:
        """Put the base in place, frozen, with adapters if the config has them.

        The heads follow its dtype, but for the router's, and its output layer's device.

        Raises:
            CheckpointError: the heads were made for a base of another shape, or the base is of a kind that cannot be
                used.
        """
        if base.get_decoder() is base or base.get_output_embeddings() is None or getattr(base, "_is_stateful", False):
            raise CheckpointError(
                f"{type(base).__name__} cannot be a base: it must be a causal language model of a decoder, an output "
                "layer and a key-value cache, such as SmolLM3, Llama, Qwen3 or Gemma 3"
            )
        expected, found = self.config.get_text_config(), base.config.get_text_config()
        for name in ("model_type", "hidden_size", "vocab_size", "num_hidden_layers"):
            if getattr(expected, name) != getattr(found, name):
                raise CheckpointError(
                    f"these heads do not fit the base {self.config.base!r}: they were made for {name} "
                    f"{getattr(expected, name)}, the base has {getattr(found, name)}. Point config.base at the right "
                    "one, or make new heads with LaFuncModel.from_base"
                )
        self.base = base.requires_grad_(False).eval()
        if self.config.adapter_rank:
            attach_adapters(base, self.config.adapter_rank)
        where = base.get_output_embeddings().weight
        self.router.to(where.device)
        self.router.attach(base)
        self.head.to(where.device, base.dtype)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, **kwargs):
        """Load a checkpoint, and its base from `config.base` unless the checkpoint holds it.

        Arguments are those of transformers.

        Raises:
            CheckpointError: weights are missing or damaged, or the base is missing or of another shape.
        """
        place = pretrained_model_name_or_path
        wants_info = kwargs.pop("output_loading_info", False)
        try:
            loaded: Any = super().from_pretrained(place, *args, output_loading_info=True, **kwargs)
        except OSError as error:
            raise CheckpointError(f"cannot load {place}: {error}") from error
        except SafetensorError as error:
            raise CheckpointError(
                f"the weights in {place} are damaged ({error}); download or save them again"
            ) from error
        except RuntimeError as error:
            if "mismatch" not in str(error):
                raise
            raise CheckpointError(f"the weights in {place} do not fit its config.json: {error}") from error
        model, info = loaded
        if missing := sorted(info["missing_keys"]):
            raise CheckpointError(
                f"{place} lacks the weights {', '.join(missing[:4])}{'…' if missing[4:] else ''}; save it again"
            )
        source = {name: kwargs[name] for name in FOR_THE_CHECKPOINT if name in kwargs}
        if model.base is None:
            if model.config.base is None:
                raise CheckpointError(
                    f"{place} holds the heads only and its config.json does not say where the base is; set `base` "
                    "there, or save the model with include_base=True"
                )
            forwarded = {name: kwargs[name] for name in FOR_THE_BASE if name in kwargs}
            base = load_base(model.config.base, model.config.base_revision, dtype=model.dtype, **forwarded)
            model.attach_base(base)
        else:
            try:
                model.base.generation_config = GenerationConfig.from_pretrained(place, **source)
            except OSError:
                pass  # saved without one: the base's defaults stand
            model.attach_base(model.base)
        if model.config.adapter_rank:
            source["subfolder"] = f"{source.get('subfolder', '')}/{FOLDER}".lstrip("/")
            try:
                load_adapters(model.base, str(cached_file(place, FILE, **source)))
            except (OSError, SafetensorError, ValueError) as error:
                raise CheckpointError(f"cannot load the adapters of {place}: {error}") from error
        return (model, info) if wants_info else model

    def save_pretrained(  # type: ignore[override]
        self, save_directory, *, include_base: bool = False, state_dict=None, push_to_hub: bool = False, **kwargs
    ) -> None:
        """Save the heads (a few MB); with `include_base`, all weights, so that the folder stands alone.

        With `push_to_hub`, the model is pushed as well, see there; `repo_id` is then the folder's name unless given.

        Raises:
            CheckpointError: heads only, but the config does not say where the base is.
        """
        for_the_hub = {name: kwargs.pop(name) for name in FOR_THE_HUB if name in kwargs}
        if not include_base and self.config.base is None:
            raise CheckpointError(
                "this model's base has no known source: save it with include_base=True, or set config.base"
            )
        state_dict = self.state_dict() if state_dict is None else state_dict
        of_base = {name: weight for name, weight in state_dict.items() if name.startswith("base.")}
        state_dict = {name: weight for name, weight in state_dict.items() if name not in of_base}
        if include_base:
            state_dict |= bare(of_base)
        was_included, self.config.base_included = self.config.base_included, include_base
        try:
            super().save_pretrained(save_directory, state_dict=state_dict, **kwargs)
            if include_base:
                self.base.generation_config.save_pretrained(save_directory)
            if self.config.adapter_rank and kwargs.get("is_main_process", True):
                weights = {name.removeprefix("base."): weight for name, weight in of_base.items()}
                save_adapters(self.base, weights, Path(save_directory) / FOLDER)
        finally:
            self.config.base_included = was_included
        if push_to_hub and kwargs.get("is_main_process", True):
            # Written anew: the folder may hold other files, and transformers would overlook the adapters.
            for_the_hub.setdefault("repo_id", Path(save_directory).resolve().name)
            max_shard_size = kwargs.get("max_shard_size", "50GB")
            self.push_to_hub(include_base=include_base, max_shard_size=max_shard_size, **for_the_hub)

    def push_to_hub(  # type: ignore[override]
        self, repo_id: str, *, include_base: bool = False, max_shard_size: int | str = "50GB", **kwargs
    ) -> CommitInfo:
        """Publish heads, adapters, code and config, as [`save_pretrained`] writes them, in one commit.

        Args:
            kwargs: `private`, `token`, `revision` and the others of [`publish`].

        Raises:
            CheckpointError: heads only, and the base lies where nobody else finds it.
            PublishError: the Hub did not take it.
        """
        if not include_base:
            check_shareable(self.config.base)
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder, include_base=include_base, max_shard_size=max_shard_size)
            return publish(folder, repo_id, replaces=MODEL_FILES, **kwargs)

    @property
    def trainable(self) -> list[nn.Parameter]:
        """What training moves: the heads, and the adapters if there are any."""
        router = [weight for weight in self.router.parameters() if weight.requires_grad]  # not its standardization
        return [*router, *self.head.parameters(), *adapter_weights(self.base)]

    def train(self, mode: bool = True) -> "LaFuncModel":
        """The base stays in evaluation mode: it is frozen."""
        super().train(mode)
        if self.base is not None:
            self.base.eval()
        return self

    def forward(self, *args, targets=None, **kwargs):
        """The base's forward; with `targets`, what they say of the heads, see [`objective`]."""
        if targets is not None:
            kwargs["adapts_prompt"] = self.config.adapts_prompt
            found = objective(self.base, self.router, self.head, targets=targets, **kwargs)
            # Processes that train together wait for each other's gradients: all that moves takes part in every batch.
            heads = [0.0 * weight.sum() for part in (self.router, self.head) for weight in part.parameters()]
            return {**found, "nothing": (found.get("nothing", (0.0, 1.0))[0] + torch.stack(heads).sum(), 1.0)}
        return self.base(*args, **kwargs)

    def generate(self, *args, **kwargs):
        """The base's generate."""
        return self.base.generate(*args, **kwargs)

    def reader(self, prompts: Sequence[Sequence[int]], stats: Stats, beginning: Reader | None = None) -> Reader:
        """The base after prompts, read as the config says; see [`Reader`]."""
        return Reader(self.base, prompts, stats, beginning, self.config.adapts_prompt)

    def get_input_embeddings(self) -> nn.Module:
        return self.base.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module:
        return self.base.get_output_embeddings()

    # ------------------------------------------------------------------------------------------------ requests

    @torch.no_grad()
    def generate_tool_call(
        self,
        messages: Sequence,
        tools: Sequence | None = None,
        *,
        processor: LaFuncProcessor,
        mode: str = "auto",
        tool_choice: str | Mapping | Sequence[str] | None = "auto",
        parallel_tool_calls: bool = True,
        filler: str | None = None,
        num_steps: int | None = None,
        schedule: str | None = None,
        return_trace: bool = False,
        on_step: Callable[[int, dict[str, Any]], None] | None = None,
        strict: bool = True,
        **generation,
    ) -> ToolCallOutput | list[ToolCallOutput]:
        """Answer a conversation, or a batch of them, with text or with tool calls.

        Args:
            messages: a conversation that ends with a user or tool message, or a list of conversations.
            tools: what may be called, see [`normalize_tools`]; for a batch, one list for all or one each.
            processor: of the same checkpoint.
            mode: `auto` asks the router; `chat`, `think` and `tool` do not.
            tool_choice: `auto`; `required` means a call for sure; `none` means no call; a tool's name, or OpenAI's
                form of it, one call of it; a list of names, exactly these calls in this order.
            parallel_tool_calls: whether several calls may answer one message.
            filler, num_steps, schedule: see [`LaFuncConfig`], whose values are the defaults.
            return_trace: record every step and value.
            on_step: called with each dict of the trace as soon as it comes about, after the index of its
                conversation. What it raises ends the request.
            strict: refuse schemas that cannot be guaranteed. Otherwise they are filled as well as they can be, and a
                call whose arguments violate its schema says so in `violation`.
            generation: arguments of the base's `generate`, for chat and think mode.

        Returns:
            One output per conversation; a list if a batch was given.

        Raises:
            RequestError: the request cannot be answered as put.
            SchemaError: a tool's schema cannot be honoured.
        """
        filler, schedule = filler or self.config.filler, schedule or self.config.schedule
        num_steps = self.config.num_steps if num_steps is None else num_steps
        check_options(mode, filler, schedule, num_steps)
        pairs, batched = split_batch(messages, tools)
        rows = [read_request(*pair, processor, self.config, mode, tool_choice, filler, strict) for pair in pairs]
        for index, row in enumerate(rows):
            row.output.trace = [] if return_trace else None
            if return_trace or on_step is not None:
                row.tell = _teller(index, row.output.trace, on_step)
        stats = Stats()
        for group in self._together([row for row in rows if row.mode in ("auto", "tool")]):
            planned, reader = self._plan_calls(group, processor, parallel_tool_calls, stats)
            if planned:
                self._fill_calls(planned, reader, processor, filler, schedule, num_steps, stats)
        for row in rows:
            if row.mode != "tool":
                _tell_mode(row)
                with stats.stage(row.mode):
                    row.output.text = self._chat(row, processor, generation, stats)
            row.output.mode, row.output.stats = row.mode, stats
        outputs = [row.output for row in rows]
        return outputs if batched else outputs[0]

    def _together(self, rows: Sequence[Request]) -> list[list[Request]]:
        """Those of a batch that are read together, in their order: of similar length, and no more than is read well at
        once.
        """
        most = TOKENS_AT_ONCE["cpu" if self.base.device.type == "cpu" else "gpu"]
        if slides(DynamicCache(config=self.base.config)):
            most = 1  # the columns that a batch pads would be counted by a sliding window
        groups: list[list[int]] = []
        for at in sorted(range(len(rows)), key=lambda at: len(rows[at].prompt)):  # a group's last one is its longest
            if groups and (len(groups[-1]) + 1) * len(rows[at].prompt) <= most:
                groups[-1].append(at)
            else:
                groups.append([at])
        return [[rows[at] for at in group] for group in sorted(map(sorted, groups))]

    def _chat(self, row: Request, processor: LaFuncProcessor, generation: Mapping[str, Any], stats: Stats) -> str:
        """The base's own answer, from a prompt that it reads anew: bit for bit what the base alone would write."""
        prompt = row.prompt + row.opening if row.mode == "chat" else row.prompt
        ids = torch.tensor([prompt], device=self.base.device)
        written = self.base.generate(ids, attention_mask=torch.ones_like(ids), **generation)[0, len(prompt) :]
        # One pass reads the prompt and writes a token; each further token takes one more.
        stats.prompt_tokens += len(prompt)
        stats.base_passes += len(written)
        stats.base_tokens += len(prompt) + max(len(written) - 1, 0)
        return processor.tokenizer.decode(written, skip_special_tokens=True)

    def _plan_calls(
        self,
        rows: list[Request],
        processor: LaFuncProcessor,
        parallel: bool,
        stats: Stats,
        beginning: Reader | None = None,
    ) -> tuple[list[Request], Reader]:
        """Decide the mode of each row; plan those in tool mode. Returns these, and the base after their prompts."""
        with stats.stage("prefill"):
            with listening() as heard:
                reader = self.reader([row.prompt for row in rows], stats, beginning)
            reader.open([row.preface for row in rows])
        with stats.stage("router"):
            if "router" in self.config.trained:
                ends = heard[self.router.source(self.base)][:, -1]  # [B, H]
                self._route(rows, ends, self.called(rows, ends, reader, processor, parallel))
        chosen = [at for at, row in enumerate(rows) if row.mode == "tool"]
        if chosen and len(chosen) < len(rows):
            reader.select(chosen)
        rows = [rows[at] for at in chosen]
        if rows:
            with stats.stage("plan"):
                self.ask_sentences(rows, reader, processor, parallel)
                for row in rows:
                    _tell_mode(row)
                    row.settled |= not parallel or bool(row.plan) or processor.vocabulary.end is None
                most = [self.config.max_calls if parallel else 1] * len(rows)
                plan(reader, processor.vocabulary, rows, most)
        return rows, reader

    def _fill_calls(
        self,
        rows: list[Request],
        reader: Reader,
        processor: LaFuncProcessor,
        filler: str,
        schedule: str,
        num_steps: int,
        stats: Stats,
    ) -> None:
        """Fill the planned calls of each row, and those that turn out to be due when these can be read."""
        vocabulary = processor.vocabulary
        with stats.stage("scaffold"):
            written = [
                Calls(
                    Scaffold(row.plan, vocabulary, row.room),
                    asked=row.asked,
                    searched=[*row.texts, *row.rewritten],
                    said=row.transcript(vocabulary, row.asked)
                    if self.config.copy_weight and filler != "diffusion"
                    else None,
                )
                for row in rows
            ]
            for row, one in zip(rows, written, strict=True):
                count = len(row.plan)
                while row.often and count > 1 and one.needed(filler) > row.room:  # the router knows nothing of room
                    count -= 1
                    one.keep(range(count))
                one.tell(row.tell)
        now = list(range(len(rows)))  # the rows that the reader holds
        while now:
            mark = reader.mark()
            if "arguments" in self.config.trained:
                with stats.stage("router"):
                    self._ask_arguments([rows[b] for b in now], [written[b] for b in now], reader, processor)
            with stats.stage("fill"):
                tells = [tell for b in now if (tell := rows[b].tell) is not None] or None  # all are told of, or none
                calls = [written[b] for b in now]
                before = stats.base_passes
                fill(calls, self.head, reader.branch(), self.config, filler, schedule, num_steps, tells)
                stats.fill_passes += stats.base_passes - before
            if "calls" not in self.config.trained:
                break
            with stats.stage("plan"):
                reader.rewind(mark)
                now = self._review(rows, written, now, reader, filler)
        with stats.stage("assemble"):
            for row, one in zip(rows, written, strict=True):
                row.output.plan = [tool.name for tool in one.scaffold.tools]
                row.output.scaffold = one.scaffold.block().text(vocabulary)
                assemble(
                    row.output,
                    one.scaffold,
                    one.values,
                    one.confidence,
                    one.absent,
                    self.config,
                    texts=row.texts,
                    searched=one.searched,
                    optional=one.evidence,
                    withdrawn=one.withdrawn,
                )
                row.output.clipped = [json_path(path) for path in one.ended]

    def _review(
        self, rows: list[Request], written: list[Calls], now: list[int], reader: Reader, filler: str
    ) -> list[int]:
        """Drop the calls that do not stand or repeat another, and name one more where one is due; these rows are left
        in the reader.
        """
        now = _narrowed(now, [not rows[b].settled for b in now], reader)
        going = []
        for b in now:
            calls, distinct = written[b], written[b].distinct()
            repeats = len(distinct) < len(calls.scaffold.tools)
            going.append(not repeats or not calls.scaffold.written)  # one that was added and repeats is the end
            if repeats:  # hardly any request means it
                calls.keep(distinct)
                calls.tell(rows[b].tell)
        now = _narrowed(now, going, reader)
        if not now:
            return []
        weights = self.config.more_weights
        tools: dict[int, list[Tool]] = {}  # of which one more call is due
        for b, due in zip(now, follows(reader, [written[b] for b in now]), strict=True):
            row, calls, planned = rows[b], written[b], len(written[b].scaffold.tools)
            stand = standing_calls(calls, due, row.often, weights)
            if stand < planned:
                calls.keep(range(stand))
                calls.tell(row.tell)
            # After a value that ran away another call would run away, too.
            if stand < self.config.max_calls and not calls.ended:
                tools[b] = due_tools(calls, stand, due[stand - 1], row.often, row.tools, weights)
        now = _narrowed(now, [bool(tools.get(b)) for b in now], reader)
        if not now:
            return []
        for b in now:
            if written[b].said is not None:  # what calls hold of a series is not said to the next one
                written[b].said = rows[b].transcript(written[b].scaffold.vocabulary, written[b].rest())
        now = _narrowed(now, another(reader, [written[b] for b in now], [tools[b] for b in now], filler), reader)
        for b in now:
            written[b].tell(rows[b].tell)
        return now

    def called(
        self, rows: list[Request], ends: Tensor, reader: Reader, processor: LaFuncProcessor, parallel: bool
    ) -> list[Tensor | None]:
        """How likely each tool of each row is called how often, [T, OFTEN]; None where that does not matter.

        Notes what is called. ends: [B, H]
        """
        if "tools" not in self.config.trained:
            return [None] * len(rows)
        most = self.config.max_calls if parallel else 1
        texts: list[list[list[int]]] = []
        for row in rows:
            matters = not row.plan and (row.mode == "auto" or len(row.tools) > 1 or most > 1)
            names = name_texts([tool.name for tool in row.tools], processor.vocabulary) if matters else []
            texts.append(names if all(len(text) <= row.room for text in names) else [])
        if not any(texts):
            return [None] * len(rows)
        found = states_after(reader, texts, self.router.source(self.base))
        odds = [
            self.router.called(states, end) if len(states) else None for states, end in zip(found, ends, strict=True)
        ]
        for row, each in zip(rows, odds, strict=True):
            if each is not None:
                row.whole = dict(zip([tool.name for tool in row.tools], each.tolist(), strict=True))
                row.hear(row.whole, most)
        return odds

    def ask_sentences(self, rows: list[Request], reader: Reader, processor: LaFuncProcessor, parallel: bool) -> None:
        """Weigh what the router says of the rows' requests with what it says of their sentences; see [`called`]."""
        weights, most = self.config.sentence_weights, self.config.max_calls if parallel else 1
        for b, row in enumerate(rows):
            if row.whole and weights[1] and (parts := self._in_sentences(b, row, reader, processor)):
                row.parts = parts
                row.hear(
                    {
                        name: [together(*pair, weights) for pair in zip(odds, parts[name], strict=True)]
                        for name, odds in row.whole.items()
                    },
                    most,
                )

    def _in_sentences(
        self, b: int, row: Request, reader: Reader, processor: LaFuncProcessor
    ) -> dict[str, list[float]]:
        """How likely each tool of a row is called how often by its sentences, each read as if it alone was asked; none
        if there are not several, or a window has forgotten what they share. The reader holds the row.
        """
        prompts, known = row.sentences(), reader.stats.prompt_tokens
        same = len(os.path.commonprefix([row.prompt, *prompts]))
        if not prompts or (beginning := reader.begun(b, min(same, *(len(prompt) - 1 for prompt in prompts)))) is None:
            return {}
        source = self.router.source(self.base)
        with listening() as heard:
            each = self.reader(prompts, reader.stats, beginning)
        reader.stats.prompt_tokens = known  # nobody's but ours
        each.open([row.preface] * len(prompts))
        names = name_texts([tool.name for tool in row.tools], processor.vocabulary)
        states = states_after(each, [names] * len(prompts), source)
        ends = heard[source][:, -1]  # [S, H]
        odds = [self.router.called(*pair).tolist() for pair in zip(states, ends, strict=True)]  # [S, T, OFTEN]
        return {tool.name: summed([part[n] for part in odds]) for n, tool in enumerate(row.tools)}

    def _ask_arguments(
        self, rows: Sequence[Request], written: Sequence[Calls], reader: Reader, processor: LaFuncProcessor
    ) -> None:
        """Note how likely the arguments of planned tools are given, of those not asked about before."""
        asked: list[list[tuple[str, str]]] = []  # (tool, argument)
        texts: list[list[list[int]]] = []
        for row, calls in zip(rows, written, strict=True):
            new = {tool.name: tool for tool in calls.scaffold.tools if tool.name not in calls.given}
            calls.given |= {name: {} for name in new}
            found = {
                (tool.name, name): text
                for tool in new.values()
                for name, text in argument_texts(tool, processor.vocabulary).items()
            }
            if sum(map(len, found.values())) > SIDE_BY_SIDE or any(len(text) > row.room for text in found.values()):
                found = {}  # the head has its word
            asked.append(list(found))
            texts.append(list(found.values()))
        if any(texts):
            states = states_after(reader, texts, self.router.source(self.base))
            for names, calls, each in zip(asked, written, states, strict=True):
                for (tool, name), p in zip(names, self.router.given(each).tolist() if names else [], strict=True):
                    calls.given[tool][name] = p

    def _route(self, rows: list[Request], states: Tensor, called: list[Tensor | None]) -> None:
        """The router's probabilities, and the mode of the rows that left it open. states: [B, H]"""
        probabilities = self.router.modes(states, called)  # [B, 3]
        for row, p in zip(rows, probabilities.tolist(), strict=True):
            row.output.mode_probabilities = dict(zip(MODES, p, strict=True))
            if row.mode == "auto":
                possible = MODES if row.tools else MODES[:2]
                row.mode = max(possible, key=row.output.mode_probabilities.__getitem__)


def _teller(index: int, trace: list[dict] | None, on_step: Callable[[int, dict], None] | None) -> Tell:
    """What records a conversation's steps and passes them on."""

    def tell(entry: dict[str, Any]) -> None:
        if trace is not None:
            trace.append(entry)
        if on_step is not None:
            on_step(index, entry)

    return tell


def _narrowed(rows: list[int], kept: list[bool], reader: Reader) -> list[int]:
    """Those that are kept, in the reader as well, unless none is."""
    if any(kept) and not all(kept):
        reader.select([at for at, keep in enumerate(kept) if keep])
    return [row for row, keep in zip(rows, kept, strict=True) if keep]


def _tell_mode(row: Request) -> None:
    if row.tell is not None:
        found, tools = row.output.mode_probabilities, row.output.tool_probabilities
        row.tell({"stage": "mode", "mode": row.mode, "probabilities": found, "tools": tools})


LaFuncModel.register_for_auto_class("AutoModel")
