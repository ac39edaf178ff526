"""The systems that are compared on one base model: three fillers of the scaffold, and no scaffold at all.

A row's prompt is read and its plan is made once; each system fills the same plan on the same cache, one after the
other, so that answers and times are paired. What was shared is part of each system's cost.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from typing import Any

import jsonschema
import torch

from .. import LaFuncModel, LaFuncProcessor
from ..diffusion_lafunc import SCHEDULES
from ..filling_lafunc import Reader
from ..output_lafunc import Evidence, Stats
from ..request_lafunc import FILLERS, Request, check_options, read_request
from ..scaffolding_lafunc import CALL_OPEN, call_open
from .bfcl import EvaluationError, Row

RAW = "raw"
MAX_RAW_TOKENS = 192
MAX_REST = 40  # characters after a call that begin no other: `</tool_call>` fits, prose does not


@dataclass(frozen=True)
class System:
    """A way to fill: one of the fillers, or `raw`, in which the base writes JSON without a scaffold.

    Attributes:
        setting: of the config, that tells it from another one with the same filler.
    """

    filler: str
    steps: int = 2
    schedule: str = SCHEDULES[0]
    setting: str = ""

    @property
    def name(self) -> str:
        """`autoregressive`, `diffusion/2/confidence`, `verified/2/confidence`, `raw`; then the setting."""
        alone = self.filler in ("autoregressive", RAW)
        name = self.filler if alone else f"{self.filler}/{self.steps}/{self.schedule}"
        return f"{name}/{self.setting}" if self.setting else name


def systems(fillers: Sequence[str], steps: Sequence[int], schedules: Sequence[str]) -> list[System]:
    """All combinations for `diffusion` that differ: with one step every schedule commits everything.

    `verified` drafts with the first number of steps and the first schedule, since its answers do not depend on them.

    Raises:
        EvaluationError: an unknown filler.
        RequestError: an unknown schedule, or a number of steps below 1.
    """
    found: list[System] = []
    for filler in fillers:
        if filler not in (*FILLERS, RAW):
            raise EvaluationError(f"filler {filler!r} is unknown; it must be one of {', '.join((*FILLERS, RAW))}")
        varied = filler == "diffusion"
        for count in steps if varied else steps[:1]:
            for schedule in schedules if varied and count > 1 else schedules[:1]:
                check_options("tool", FILLERS[0], schedule, count)
                system = System(filler, count, schedule)
                if system.name not in [other.name for other in found]:
                    found.append(system)
    return found


@dataclass
class Answer:
    """What a system made of a row.

    Attributes:
        calls: (name, arguments).
        invalid: calls that name no offered tool, violate its schema or do not parse; must be 0 with a scaffold.
        confidence: per call, of each argument.
        evidence: see [`ToolCallOutput`].
        seconds: wall-clock time, the shared part included.
        saved: of these, what was not spent, since an earlier row has read the tools.
        error: what was raised, if anything was.
    """

    mode: str = ""
    plan: list[str] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    invalid: int = 0
    text: str = ""
    confidence: list[dict[str, float]] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    clipped: list[str] = field(default_factory=list)
    stats: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    saved: float = 0.0
    error: str | None = None


class Beginnings:
    """What the base made of a prompt's tools, kept for the next row with the same tools.

    Where a prompt is divided depends on its tools alone, so that an answer does not depend on the rows before it.
    """

    def __init__(self, model: LaFuncModel, processor: LaFuncProcessor):
        self.model, self.processor = model, processor
        self.tokens: list[int] = []
        self.reader: Reader | None = None
        self.seconds = 0.0

    def of(self, request: Request, row: Row) -> tuple[Reader | None, float, bool]:
        """A reader of what the request's prompt begins with, if it does; the seconds that it took to read that; and
        whether an earlier row has spent them."""
        context = list(takewhile(lambda message: message["role"] == "system", row.messages))
        thinking = {"chat": False, "think": True}.get(request.mode)
        # What two prompts that differ in the user's first letter have in common.
        prompts = [
            self.processor.prompt([*context, {"role": "user", "content": letter}], row.tools, enable_thinking=thinking)
            for letter in "Qz"
        ]
        tokens = os.path.commonprefix(prompts)
        if not tokens or request.prompt[: len(tokens)] != tokens or len(tokens) == len(request.prompt):
            return None, 0.0, False
        again = tokens == self.tokens
        if not again:
            self.reader = None  # freed before the next one is made
            start = time.perf_counter()
            reader = self.model.reader([tokens], Stats())
            self.tokens, self.reader, self.seconds = tokens, reader, time.perf_counter() - start
        return self.reader, self.seconds, again


@torch.no_grad()
def answers(
    model: LaFuncModel,
    processor: LaFuncProcessor,
    row: Row,
    systems: Sequence[System],
    gold_plan: bool = False,
    beginnings: Beginnings | None = None,
) -> Iterator[tuple[System, Answer]]:
    """Each system's answer to a row. An exception becomes the answer's error.

    Args:
        gold_plan: the calls that are due are given, by name and in order, so that filling is measured alone.
        beginnings: shared by rows with the same tools; each row's seconds are as if it had read the whole itself.
    """
    start, stats = time.perf_counter(), Stats()
    try:
        tools = row.tools or None
        decides = "router" in model.config.trained and not gold_plan
        mode = "auto" if decides else "tool" if tools else "chat"  # some rows of live_irrelevance offer nothing
        choice = row.names if gold_plan else "auto"
        # Which filler is asked for is no matter here: untrained heads are refused by the model, and measured here.
        request = read_request(row.messages, tools, processor, model.config, mode, choice, FILLERS[0])
        planned: list[Request] = []
        saved = 0.0
        reader: Reader | None = None
        if request.mode != "chat":
            asked = time.perf_counter()
            beginning, before, again = beginnings.of(request, row) if beginnings and tools else (None, 0.0, False)
            start += time.perf_counter() - asked - before
            saved = before if again else 0.0
            planned, reader = model._plan_calls([request], processor, True, stats, beginning)
            stats.base_tokens += beginning.lengths[0] if beginning else 0
            stats.seconds["prefill"] += before
    except Exception as error:
        for system in systems:
            yield system, Answer(error=_describe(error))
        return
    shared = time.perf_counter() - start
    if not planned:
        for system in systems:
            yield system, Answer(mode=request.mode, stats=asdict(stats), seconds=shared, saved=saved)
        return
    assert reader is not None
    mark, decided = reader.mark(), request.output
    for system in systems:
        reader.rewind(mark)
        reader.stats, request.output = deepcopy(stats), deepcopy(decided)
        start = time.perf_counter()
        try:
            if system.filler == RAW:
                answer = _raw(request, reader, processor, row, gold_plan)
            else:
                answer = _fill(model, request, reader, processor, system, row)
        except Exception as error:
            answer = Answer(error=_describe(error))
        answer.mode, answer.seconds, answer.saved = request.mode, shared + time.perf_counter() - start, saved
        answer.plan, answer.stats = request.output.plan or [tool.name for tool in request.plan], asdict(reader.stats)
        yield system, answer


def _fill(
    model: LaFuncModel, request: Request, reader: Reader, processor: LaFuncProcessor, system: System, row: Row
) -> Answer:
    """One filler in the scaffold."""
    model._fill_calls([request], reader, processor, system.filler, system.schedule, system.steps, reader.stats)
    out = request.output
    return Answer(
        calls=(calls := [(call.name, call.arguments) for call in out.tool_calls]),
        invalid=sum(not valid(row, *call) for call in calls),
        confidence=[call.confidence for call in out.tool_calls],
        needs=[f"{need.name} {need.path}" for need in out.needs],
        evidence=out.evidence,
        clipped=out.clipped,
    )


def _raw(request: Request, reader: Reader, processor: LaFuncProcessor, row: Row, gold_plan: bool) -> Answer:
    """The base writes on after `<tool_call>`, greedily, until it ends, turns to something else, or is past mending.

    With a gold plan the calls are begun for it, name by name, and it writes each to its end.
    """
    vocabulary = processor.vocabulary
    ends = set(processor.tokenizer.all_special_ids)
    heads = [CALL_OPEN.rstrip()]  # the space belongs to the name's first token
    if gold_plan:
        heads = [call_open(tool) for tool in request.plan]
    room = reader.lengths[0] + request.room
    text, unread = "", list[int]()
    for head in heads:
        head = "\n</tool_call>\n" + head if text else head
        unread += vocabulary.encode(head)
        begun = text + head
        written: list[int] = []
        while len(written) < MAX_RAW_TOKENS and reader.lengths[0] + len(unread) < room:
            token = int(reader.logits(reader.read([unread])[0, -1]).argmax())
            unread = []
            if token in ends:
                break
            written.append(token)
            unread = [token]
            text = begun + vocabulary.decode_bytes(written).decode(errors="replace")
            _, broken, rest = parse(text)
            if hopeless(text) or not broken and "{" not in rest and (gold_plan or len(rest) > MAX_REST):
                break
        text = begun + vocabulary.decode_bytes(written).decode(errors="replace")
    calls, broken, _ = parse(text)
    if broken:  # the leaderboard decodes an answer as a whole or not at all
        calls = []
    return Answer(calls=calls, invalid=broken + sum(not valid(row, *call) for call in calls), text=text)


def parse(text: str) -> tuple[list[tuple[str, dict[str, Any]]], int, str]:
    """What a text that nothing forced to be JSON holds.

    Returns:
        Its calls, how many objects were begun that cannot be read as calls, and the text after the last object.
    """
    calls: list[tuple[str, dict[str, Any]]] = []
    broken, end = 0, 0
    while (at := text.find("{", end)) >= 0:
        try:
            found, end = json.JSONDecoder().raw_decode(text, at)
            calls.append((str(found["name"]), dict(found["arguments"])))
        except (KeyError, TypeError):
            broken += 1
        except ValueError:
            broken += 1
            end = text.find("<tool_call>", at)
            if end < 0:
                return calls, broken, ""
    return calls, broken, text[end:]


def hopeless(text: str) -> bool:
    """Whether the last call that was begun can no longer become JSON, whatever follows."""
    last = text.rfind("<tool_call>")
    at = text.find("{", last)
    if at < 0:
        return False
    try:
        json.JSONDecoder().raw_decode(text, at)
    except json.JSONDecodeError as error:
        # What is cut off fails where it ends, at the start of its string, or within the word or number that it is in.
        return not error.msg.startswith("Unterminated") and error.pos < len(text.rstrip()) - len("\\uD83D\\uDE00")
    return False


def valid(row: Row, name: str, arguments: dict[str, Any]) -> bool:
    """Whether a call names an offered tool, holds no key that its schema does not have, and validates."""
    tool = next((tool for tool in row.tools if tool["name"] == name), None)
    if tool is None or arguments.keys() - tool["parameters"].get("properties", {}).keys():
        return False
    return jsonschema.Draft202012Validator(tool["parameters"]).is_valid(arguments)


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
