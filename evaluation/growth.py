"""How cost grows: time, passes and tokens against what a request asks for.

    arguments    one call with 1 to 32 required arguments, of four types in turn
    calls        1 to 8 calls of one tool; their number is given, so that all systems write the same calls
    tools        1 to 64 offered tools, one of which fits
    prompt       256 to 4096 tokens of conversation before one call (the instructions and a tool take 200 already)
    batch        1 to 64 conversations that are answered at once, each with a tool of its own (no peers: these take
                 one conversation)

The requests are written by code and every value stands in them. Strings hold at most sixteen characters and integers
two digits, so that no system gets lost in one. Lengths still differ from system to system, so the tokens written are
counted as well.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tqdm import tqdm

from .. import LaFuncModel, LaFuncProcessor
from ..request_lafunc import FILLERS, check_options
from .modes import RANDOM_NOTE, Clock, timing
from .quantiles import spread
from .results import Journal

AXES: dict[str, tuple[int, ...]] = {
    "arguments": (1, 2, 4, 8, 16, 32),
    "calls": (1, 2, 4, 8),
    "tools": (1, 2, 4, 8, 16, 32, 64),
    "prompt": (256, 512, 1024, 2048, 4096),
    "batch": (1, 4, 16, 64),
}
SEED = 0
COUNTS = ("base_passes", "head_passes", "tokens", "valid")

PLACES = ("Lisbon", "Rome", "Oslo", "Cairo", "Lima", "Delhi", "Kyoto", "Quito", "Dublin", "Hanoi", "Tunis", "Riga")
TEXTS = ("owner", "city", "street", "company", "product", "airline", "hotel", "dish")
NUMBERS = ("age", "weight", "floor", "seats", "nights", "pages", "distance", "points")
CHOICES = {
    "color": ("red", "green", "blue"),
    "size": ("small", "medium", "large"),
    "season": ("spring", "summer", "autumn", "winter"),
    "meal": ("breakfast", "lunch", "dinner"),
    "metal": ("gold", "silver", "copper"),
    "drink": ("tea", "coffee", "water"),
    "fabric": ("cotton", "wool", "silk"),
    "shape": ("round", "square", "oval"),
}
SWITCHES = ("insured", "urgent", "gift", "fragile", "member", "paid", "printed", "vegan")
VERBS = ("cancel", "count", "find", "move", "print", "rate", "sell", "track")
NOUNS = ("book", "flight", "house", "letter", "movie", "parcel", "song", "ticket")
SMALL_TALK = (
    "The garden looks green after the rain and the birds are back. My sister baked bread on Sunday and we ate it with "
    "butter and honey. Later we walked along the river, sat on a bench in the sun and watched the boats go by. In the "
    "evening it was cold again, so we made a fire, played cards and went to bed early."
).split()
TURN = 40  # words


@dataclass(frozen=True)
class Case:
    """A request: the conversation, what is offered, and how many calls of the fitting tool it asks for."""

    messages: list[dict[str, str]]
    tools: list[dict[str, Any]]
    calls: int = 1


def cases(axis: str, x: int, processor: LaFuncProcessor, seed: int = SEED) -> list[Case]:
    """The request at one point of an axis, or x of them where these are a batch; the same for the same seed.

    A prompt is as long as it can be within `x` tokens; it falls short of it by less than what opens a turn.

    Raises:
        ValueError: there is no such axis, or no such point on it.
    """
    random = Random(f"{seed} {axis} {x}")
    if axis not in AXES:
        raise ValueError(f"axis {axis!r} is unknown; it must be one of {', '.join(AXES)}")
    if axis == "arguments":
        return [_form(x, random)]
    if axis == "calls":
        return [_tables(x, random)]
    if axis == "batch":  # one argument of each type, under other names in each conversation
        return [_form(4, Random(f"{seed} {axis} {n}"), which=n) for n in range(x)]
    one = _tables(1, random)
    if axis == "tools":
        if x > 1 + len(VERBS) * len(NOUNS):
            raise ValueError(f"at most {1 + len(VERBS) * len(NOUNS)} tools can be offered, not {x}")
        others = random.sample([(verb, noun) for verb in VERBS for noun in NOUNS], x - 1)
        tools = one.tools + [
            _tool(f"{verb}_{noun}", f"{verb.capitalize()} a {noun}.", {"name": _TEXT, "number": _NUMBER})
            for verb, noun in others
        ]
        random.shuffle(tools)
        return [Case(one.messages, tools)]
    words = bisect_right(range(x + 1), x, key=lambda n: len(processor.prompt(_talk(n) + one.messages, one.tools))) - 1
    if words < 0:
        shortest = len(processor.prompt(one.messages, one.tools))
        raise ValueError(f"no prompt has {x} tokens: the instructions, a tool and a request take {shortest}")
    return [Case(_talk(words) + one.messages, one.tools)]


_TEXT = {"type": "string", "maxLength": 16}
_NUMBER = {"type": "integer", "minimum": 0, "maximum": 99}


def _tool(name: str, description: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": dict(properties), "required": list(properties)}
    return {"name": name, "description": description, "parameters": schema}


def _form(x: int, random: Random, which: int = 0) -> Case:
    """One call with x arguments: text, number, choice, switch, and again; other names in each of several forms."""
    if x > 4 * len(TEXTS):
        raise ValueError(f"at most {4 * len(TEXTS)} arguments can be asked for, not {x}")
    properties: dict[str, Any] = {}
    values: list[Any] = []
    for text, number, choice, switch in zip(TEXTS, NUMBERS, CHOICES, SWITCHES, strict=True):
        properties |= {
            text: _TEXT,
            number: _NUMBER,
            choice: {"type": "string", "enum": list(CHOICES[choice])},
            switch: {"type": "boolean"},
        }
        values += [random.choice(PLACES), random.randint(1, 99), random.choice(CHOICES[choice])]
        values.append(random.choice(("true", "false")))
    said = dict(zip(properties, values, strict=True))
    names = (list(properties) * 2)[4 * which % len(properties) :][:x]
    given = ", ".join(f"{name} {said[name]}" for name in names)
    title = f"fill_form_{which}" if which else "fill_form"
    tool = _tool(title, "Fill in the form.", {name: properties[name] for name in names})
    return Case([{"role": "user", "content": f"Fill in the form: {given}."}], [tool])


def _tables(x: int, random: Random) -> Case:
    """x calls of one tool with two arguments each."""
    if x > len(PLACES):
        raise ValueError(f"at most {len(PLACES)} calls can be asked for, not {x}")
    wanted = [f"in {place} for {random.randint(2, 9)}" for place in random.sample(PLACES, x)]
    tool = _tool("book_table", "Book a table in a restaurant.", {"city": _TEXT, "guests": _NUMBER})
    return Case([{"role": "user", "content": f"Book a table {', a table '.join(wanted)}."}], [tool], calls=x)


def _talk(words: int) -> list[dict[str, str]]:
    """Earlier turns of a conversation, in which the user says so many words."""
    said = [SMALL_TALK[n % len(SMALL_TALK)] for n in range(words)]
    turns = []
    for start in range(0, words, TURN):
        turns.append({"role": "user", "content": " ".join(said[start : start + TURN])})
        turns.append({"role": "assistant", "content": "I see."})
    return turns


def growth(
    model: LaFuncModel,
    processor: LaFuncProcessor,
    journal: Journal,
    *,
    fillers: Sequence[str] = FILLERS,
    steps: int | None = None,
    peers: Mapping[str, Any] | None = None,
    repeats: int = 5,
    axes: Mapping[str, Sequence[int]] | None = None,
    seed: int = SEED,
    random: bool = False,
) -> dict[str, Any]:
    """Cost at each point of each axis, for LaFuNC's fillers and for peers.

    At each point every system answers once to warm up; then all take turns. Timed is the way from the conversation
    and the tools to the calls: making the prompt and compiling the schemas are part of it.

    Args:
        journal: receives a row per run: axis, x, system, repeat, prompt_tokens, ms and the counts, or its error. What
            is there already is not run again.
        steps: denoising steps; the config's unless given.
        peers: systems by name, with `call(prompt_ids, tools, calls=(at least, at most))` that returns an object with
            `tokens` written, `passes` of the base, and whether the calls are `valid`.
        repeats: runs at each point.
        axes: the points of each; `AXES` unless given.
        random: the weights are random.

    Returns:
        `axes`: by name `x`, `prompt_tokens` and `systems`; of these by name, one entry per x: `ms` (the median), `low`
        and `high` (10th and 90th percentile), the medians of `base_passes`, `head_passes` and of `tokens` of the
        calls, the share of `valid` runs, and `errors`. A system that raised has None and its error.

    Raises:
        RequestError: a filler or number of steps that is not one.
    """
    for filler in fillers:
        check_options("tool", filler, model.config.schedule, model.config.num_steps if steps is None else steps)
    axes = AXES if axes is None else axes
    systems: dict[str, Callable[[list[Case]], Any]] = {
        filler: _filler(model, processor, filler, steps) for filler in fillers
    }
    systems |= {name: _peer(peer, processor) for name, peer in (peers or {}).items()}
    clock = Clock(model.base.device)
    done = {(row["axis"], row["x"], row["system"], row["repeat"]) for row in journal.rows}
    failed = {(row["axis"], row["x"], row["system"]) for row in journal.rows if "error" in row}
    points = [(axis, x) for axis, xs in axes.items() for x in xs]
    able = {axis: [name for name in systems if axis != "batch" or name in fillers] for axis in axes}
    with (
        timing(model, clock) as untrained,
        tqdm(total=sum(len(able[axis]) for axis, _ in points), desc="growth", unit="system") as bar,
    ):
        for axis, x in points:
            runs = {}  # name -> the repeats that are missing, with one before them to warm up
            for name in able[axis]:
                left = [repeat for repeat in range(repeats) if (axis, x, name, repeat) not in done]
                runs[name] = [-1, *left] if left and (axis, x, name) not in failed else []
            asked = cases(axis, x, processor, seed)
            length = sum(len(processor.prompt(one.messages, one.tools)) for one in asked)
            for repeat in range(-1, repeats):
                for name in able[axis]:
                    if repeat not in runs[name]:
                        continue
                    row = {"axis": axis, "x": x, "system": name, "repeat": max(repeat, 0), "prompt_tokens": length}
                    try:
                        answer, ms = clock.time(lambda: systems[name](asked))  # noqa: B023
                    except Exception as error:  # whatever stops it is what is found at this point
                        journal.add({**row, "error": f"{type(error).__name__}: {error}"})
                        runs[name] = []
                        continue
                    if repeat >= 0:
                        journal.add({**row, "ms": ms, **_counts(answer, asked, processor)})
            bar.update(len(able[axis]))
    notes = [RANDOM_NOTE] if random else []
    if untrained:
        notes.append(f"Untrained heads answered ({', '.join(untrained)}): the lengths of their values are chance.")
    return {
        "weights": "random" if random else "pretrained",
        "untrained_heads": untrained,
        "notes": notes,
        "axes": {axis: _lines(journal.rows, axis, xs, able[axis]) for axis, xs in axes.items()},
    }


def _filler(
    model: LaFuncModel, processor: LaFuncProcessor, filler: str, steps: int | None
) -> Callable[[list[Case]], Any]:
    def answer(asked: list[Case]) -> Any:
        # One call of whichever tool it chooses, or so many of the only one.
        plan: dict[str, Any] = {"parallel_tool_calls": False}
        if asked[0].calls > 1:
            plan = {"tool_choice": [asked[0].tools[0]["name"]] * asked[0].calls}
        processor._tools.clear()  # peers compile the schemas of each request anew
        messages, tools = [one.messages for one in asked], [one.tools for one in asked]
        return model.generate_tool_call(
            messages, tools, processor=processor, mode="tool", filler=filler, num_steps=steps, **plan
        )

    return answer


def _peer(peer: Any, processor: LaFuncProcessor) -> Callable[[list[Case]], Any]:
    def answer(asked: list[Case]) -> Any:
        (one,) = asked
        prompt = processor.prompt(one.messages, one.tools)
        return peer.call(prompt, one.tools, calls=(one.calls, one.calls))

    return answer


def _counts(answer: Any, asked: Sequence[Case], processor: LaFuncProcessor) -> dict[str, Any]:
    """What an answer cost, beside time; a filler's is a list with an output per conversation."""
    if not isinstance(answer, list):
        return {"base_passes": answer.passes, "head_passes": 0, "tokens": answer.tokens, "valid": bool(answer.valid)}
    calls = [call for output in answer for call in output.tool_calls]
    texts = [json.dumps({"name": c.name, "arguments": c.arguments}, ensure_ascii=False) for c in calls]
    return {
        "base_passes": answer[0].stats.base_passes,  # a batch is read in groups, whose passes count together
        "head_passes": answer[0].stats.head_passes,
        "tokens": sum(len(processor.tokenizer.encode(text, add_special_tokens=False)) for text in texts),
        "valid": [len(output.tool_calls) for output in answer] == [one.calls for one in asked],
    }


def _lines(rows: Iterable[Mapping[str, Any]], axis: str, xs: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    """The rows of one axis as a line per system."""
    rows = [row for row in rows if row["axis"] == axis]
    lengths = {row["x"]: row["prompt_tokens"] for row in rows}
    systems: dict[str, dict[str, list]] = {}
    for name in names:
        line = systems[name] = {key: [] for key in ("ms", "low", "high", *COUNTS, "errors")}
        for x in xs:
            mine = [row for row in rows if row["x"] == x and row["system"] == name]
            error = next((row["error"] for row in mine if "error" in row), None)
            line["errors"].append(error)
            time = None if error or not mine else spread([row["ms"] for row in mine])
            for key, part in (("ms", "median"), ("low", "p10"), ("high", "p90")):
                line[key].append(time and time[part])
            for key in COUNTS[:-1]:
                line[key].append(time and spread([row[key] for row in mine])["median"])
            line["valid"].append(time and sum(row["valid"] for row in mine) / len(mine))
    return {"x": list(xs), "prompt_tokens": [lengths.get(x) for x in xs], "systems": systems}


def show(data: Mapping[str, Any]) -> None:
    """Print what [`growth`] found: median milliseconds, and in brackets the base's passes."""
    for note in data["notes"]:
        print(f"note        {note}")
    for axis, lines in data["axes"].items():
        print(f"{axis:<15}" + "".join(f"{x:>14}" for x in lines["x"]))
        for name, line in lines["systems"].items():
            cells = [
                "error" if ms is None else f"{ms:.0f} ms ({passes:.0f})"
                for ms, passes in zip(line["ms"], line["base_passes"], strict=True)
            ]
            print(f"{name:<15}" + "".join(f"{cell:>14}" for cell in cells))
            for error in dict.fromkeys(filter(None, line["errors"])):
                print(f"{'':<15}{error}")
