"""Latency by mode: what a request costs before and after the router has decided.

    router    prefill of the prompt, and a small network on a state at its end
    chat      first token, then each further one          60 % of requests
    think     the same, with thinking asked for           15 %
    tool      plan, scaffold, fill, assemble              25 %

Every mode answers the same conversations with the same tools, one at a time, greedily. A request whose mode is open
pays the prefill and the router in each mode. Chat and think then read the prompt anew, as LaFuNC does so that they
equal the base bit for bit; a tool call goes on from the prefill that the router used.

Two times are weighted by the shares above, with the medians of the parts:

    answer    chat: prefill + router + first token + 32 more; think: likewise with 128 more; tool: the whole call
    useful    what a waiting user sees first. chat: prefill + router + first token; think: the answer as above, since
              a thought is not yet an answer; tool: the whole call, since half a call is of no use

A shape with random weights times the arithmetic of a model that is not here. Its answers mean nothing.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.generation import BaseStreamer

from .. import LaFuncModel, LaFuncProcessor
from ..output_lafunc import Stats
from ..request_lafunc import FILLERS, check_options
from .checkpoint import SHIPPED
from .quantiles import spread
from .results import ROOT

TOOLS = ROOT / "examples" / "tools.json"
SHARES = {"chat": 0.60, "think": 0.15, "tool": 0.25}
TOKENS = {"chat": 32, "think": 128}  # of an answer, after the first one
TIMED_TOKENS = 32  # what each of them takes is the mean of so many
STAGES = ("prepare", "prefill", "router", "plan", "scaffold", "fill", "assemble")

# SmolLM3-3B as its config.json on the Hub has it; what is not named here is SmolLM3Config's default.
SHAPES: dict[str, dict[str, Any]] = {
    "smollm3-3b": {
        "model_type": "smollm3",
        "vocab_size": 128256,
        "hidden_size": 2048,
        "intermediate_size": 11008,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 4,
        "max_position_embeddings": 65536,
        "no_rope_layer_interval": 4,
        "rope_parameters": {"rope_type": "default", "rope_theta": 5000000.0},
        "tie_word_embeddings": True,
        "eos_token_id": 128012,
    },
    "smollm2-135m": {
        "model_type": "llama",
        "vocab_size": 49152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "max_position_embeddings": 8192,
        "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0},
        "tie_word_embeddings": True,
        "pad_token_id": 2,
    },
}
RANDOM_SLOT_TOKENS = 24  # random weights do not know when a value is complete
RANDOM_NOTE = (
    "Random weights of the true shape were timed. Accuracy means nothing. Which tool is named and how long a value "
    "gets is chance; therefore the number of calls and of text tokens is given, and no value is longer than "
    f"{RANDOM_SLOT_TOKENS} tokens."
)

REQUESTS = (
    "What's the weather in Tokyo in celsius?",
    "Is it warm in Reykjavik right now?",
    "Set an alarm for half past six.",
    "Wake me at 7:15 every day and call the alarm Gym.",
    "Tell Anna and Ben that I am running ten minutes late.",
    "Write to Chiara: the meeting has moved to Thursday at noon.",
    "How much is 250 dollars in euros?",
    "Convert 19.90 Swiss francs to rupees, please.",
    "Order two bags of coffee beans to 12 Mill Lane, Leeds.",
    "I need 3 notebooks, 10 pencils and an eraser at Hauptstraße 5, 10827 Berlin.",
    "What's the weather in Paris and in London, in fahrenheit?",
    "Set alarms for 6:00 and for 6:10, and tell Maya that I will be on the early train.",
)


class Clock:
    """Points in time on a device: CUDA events there, the processor's clock elsewhere."""

    def __init__(self, device: torch.device | str):
        self.cuda = torch.device(device).type == "cuda"

    def wait(self) -> None:
        """Until the device has done what it was given."""
        if self.cuda:
            torch.cuda.synchronize()

    def point(self) -> Any:
        if not self.cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def between(self, start: Any, end: Any) -> float:
        """Milliseconds from one point to a later one."""
        if not self.cuda:
            return 1000 * (end - start)
        end.synchronize()
        return start.elapsed_time(end)

    def time(self, work: Callable[[], Any]) -> tuple[Any, float]:
        """What `work` returns, and how many milliseconds it took."""
        self.wait()
        start = self.point()
        result = work()
        return result, self.between(start, self.point())


class Ticks(BaseStreamer):
    """A streamer of `generate` that notes when the prompt, the first token and each further one were there."""

    def __init__(self, clock: Clock):
        self.clock = clock
        self.points: list[Any] = []

    def put(self, value: Any) -> None:
        self.points.append(self.clock.point())

    def end(self) -> None:
        pass


@contextmanager
def timing(model: LaFuncModel, clock: Clock, **config) -> Iterator[list[str]]:
    """While a model is timed: untrained heads answer too, and a stage ends when the device is done with it.

    Args:
        config: fields of [`LaFuncConfig`] to set meanwhile.

    Yields:
        The heads that are untrained. Their answers are chance; what they cost is not, save for the length of values.
    """
    untrained = [head for head in ("router", "diffusion") if head not in model.config.trained]
    config = {**config, "trained": ["router", "diffusion"]}
    before = {name: getattr(model.config, name) for name in config}
    settle = vars(Stats)["settle"]
    try:
        for name, value in config.items():
            setattr(model.config, name, value)
        Stats.settle = staticmethod(clock.wait)
        yield untrained
    finally:
        Stats.settle = settle
        for name, value in before.items():
            setattr(model.config, name, value)


def modes(
    model: LaFuncModel,
    processor: LaFuncProcessor,
    requests: Sequence[str],
    tools: Sequence[Any],
    *,
    fillers: Sequence[str] = FILLERS,
    steps: int | None = None,
    repeats: int = 5,
    warmup: int = 2,
    max_slot_tokens: int | None = None,
    random: bool = False,
) -> dict[str, Any]:
    """Time by mode over some requests; the module says what the parts are and what is weighted.

    Args:
        requests: what users say, one or more.
        tools: what is offered with each.
        steps: denoising steps; the config's unless given.
        repeats: rounds over all requests that count. Modes take turns, so that a slow moment hits all alike.
        warmup: how often the first request is answered before that.
        max_slot_tokens: longest value, for all fillers; the config's unless given.
        random: the weights are random, see `RANDOM_NOTE`.

    Returns:
        `router`, `chat` and `think`, and `tool` by filler: of each part the median, p10 and p90 in milliseconds over
        all requests and repeats; of `base_passes` and `head_passes`, of these. `answer` and `useful` by filler: the
        milliseconds of each mode, and weighted. Furthermore what was timed: `weights`, `untrained_heads`, `notes`.

    Raises:
        RequestError: a filler or number of steps that is not one.
    """
    for filler in fillers:
        check_options("tool", filler, model.config.schedule, model.config.num_steps if steps is None else steps)
    clock = Clock(model.base.device)
    samples: dict[str, dict[str, list[float]]] = {name: {} for name in ("router", "chat", "think", *fillers)}

    def note(name: str, parts: Mapping[str, float]) -> None:
        for part, value in parts.items():
            samples[name].setdefault(part, []).append(value)

    def ask(query: str, **how) -> Any:
        messages = [{"role": "user", "content": query}]
        return model.generate_tool_call(messages, tools, processor=processor, **how)

    length = {"min_new_tokens": 1 + TIMED_TOKENS, "max_new_tokens": 1 + TIMED_TOKENS}
    thinks = bool(processor.empty_thought)
    rounds = [*list(requests[:1]) * warmup, *list(requests) * repeats]
    limits = {} if max_slot_tokens is None else {"max_slot_tokens": max_slot_tokens}
    with timing(model, clock, **limits) as untrained:
        for at, query in enumerate(tqdm(rounds, desc="latency by mode", unit="request")):
            if at == warmup:
                samples = {name: {} for name in samples}
            for mode in ("chat", "think") if thinks else ("chat",):
                ticks = Ticks(clock)
                clock.wait()
                start = clock.point()
                ask(query, mode=mode, streamer=ticks, do_sample=False, **length)
                _, first, *_, last = ticks.points
                note(mode, {"first": clock.between(start, first), "token": clock.between(first, last) / TIMED_TOKENS})
            for filler in fillers:
                how = {"filler": filler, "num_steps": steps, "parallel_tool_calls": not random}
                out, total = clock.time(lambda: ask(query, mode="tool", **how))  # noqa: B023
                spent = {stage: 1000 * seconds for stage, seconds in out.stats.seconds.items()}
                spent = {"prepare": total - sum(spent.values()), **spent, "total": total}
                note("router", {part: spent[part] for part in ("prefill", "router")})
                note(filler, spent)
                note(filler, {"base_passes": out.stats.base_passes, "head_passes": out.stats.head_passes})
    if not thinks:
        samples["think"] = samples["chat"]
    parts = {name: {part: spread(ms) for part, ms in of.items()} for name, of in samples.items()}
    tool = {filler: parts.pop(filler) for filler in fillers}
    medians = {name: {part: figure["median"] for part, figure in of.items()} for name, of in parts.items()}
    totals = {filler: of["total"]["median"] for filler, of in tool.items()}
    notes = [RANDOM_NOTE] if random else []
    if untrained:
        notes.append(f"Untrained heads answered ({', '.join(untrained)}): the lengths of their values are chance.")
    if not thinks:
        notes.append("This base cannot think: think is what chat measured, over more tokens.")
    return {
        "weights": "random" if random else "pretrained",
        "untrained_heads": untrained,
        "can_think": thinks,
        "notes": notes,
        "shares": SHARES,
        "tokens": TOKENS,
        "requests": len(requests),
        **parts,
        "tool": tool,
        "answer": {filler: weigh(medians, total)[0] for filler, total in totals.items()},
        "useful": {filler: weigh(medians, total)[1] for filler, total in totals.items()},
    }


def weigh(medians: Mapping[str, Mapping[str, float]], tool: float) -> tuple[dict[str, float], dict[str, float]]:
    """Time to the answer and to its first useful part: by mode, and weighted by the modes' shares.

    Args:
        medians: of the parts of `router`, `chat` and `think`, in milliseconds.
        tool: of a whole call, prefill and router included.
    """
    routing = medians["router"]["prefill"] + medians["router"]["router"]
    first = {mode: routing + medians[mode]["first"] for mode in TOKENS}
    whole = {mode: first[mode] + TOKENS[mode] * medians[mode]["token"] for mode in TOKENS}
    answer = {**whole, "tool": tool}
    useful = {"chat": first["chat"], "think": whole["think"], "tool": tool}
    for times in (answer, useful):
        times["weighted"] = sum(share * times[mode] for mode, share in SHARES.items())
    return answer, useful


def shape(
    name: str, checkpoint: Path = SHIPPED, device: torch.device | str = "cpu"
) -> tuple[LaFuncModel, LaFuncProcessor]:
    """A model of a known shape with random weights in bfloat16, made on the device, and the processor of a checkpoint.

    The checkpoint's vocabulary may be smaller than the shape's: of a larger one only the first ids are ever written.

    Raises:
        ValueError: there is no such shape.
    """
    if name not in SHAPES:
        raise ValueError(f"shape {name!r} is unknown; it must be one of {', '.join(SHAPES)}")
    processor = LaFuncProcessor.from_pretrained(str(checkpoint))
    torch.manual_seed(0)
    with torch.device(device):
        base = AutoModelForCausalLM.from_config(AutoConfig.for_model(**SHAPES[name]), dtype=torch.bfloat16)
    return LaFuncModel.from_base(base, max_slot_tokens=RANDOM_SLOT_TOKENS).eval(), processor


def show(data: Mapping[str, Any]) -> None:
    """Print what [`modes`] found: medians, in milliseconds."""

    def ms(figure: Mapping[str, float]) -> str:
        return f"{figure['median']:.1f} ms ({figure['p10']:.1f} to {figure['p90']:.1f})"

    for note in data["notes"]:
        print(f"note        {note}")
    print(f"router      prefill {ms(data['router']['prefill'])}, router {ms(data['router']['router'])}")
    for mode in TOKENS:
        print(f"{mode:<11} first token {ms(data[mode]['first'])}, then {ms(data[mode]['token'])} a token")
    columns = (*STAGES, "total", "base_passes", "head_passes")
    print(f"{'tool':<15}" + "".join(f"{column.replace('_', ' '):>12}" for column in columns))
    for filler, of in data["tool"].items():
        print(f"{filler:<15}" + "".join(f"{of[column]['median']:>12.1f}" for column in columns))
    shares = [f"{mode} {share:.0%}" for mode, share in SHARES.items()]
    for name in ("answer", "useful"):
        print(f"{name:<15}" + "".join(f"{column:>12}" for column in (*shares, "weighted")))
        for filler, of in data[name].items():
            print(f"{filler:<15}" + "".join(f"{of[column]:>12.1f}" for column in (*SHARES, "weighted")))
