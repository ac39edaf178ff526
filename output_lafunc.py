"""What an answer consists of, and how values become one."""

import copy
import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from .configuration_lafunc import LaFuncConfig
from .mentions_lafunc import as_said, leaves, mentioned, places, stands
from .node_lafunc import Path, Slot, Tool, json_path
from .pattern_lafunc import PatternError
from .scaffolding_lafunc import Scaffold, Values
from .validation_lafunc import SchemaError, validator


@dataclass
class Stats:
    """What a request cost. Shared by the rows of a batch.

    Attributes:
        base_passes / head_passes: evaluations of the base model / of the diffusion head.
        fill_passes: of the base passes, those that read scaffolds and wrote or checked values; not those for prompts,
            router and plan.
        base_tokens: tokens that the base read, prompts included, padding not.
        prompt_tokens: of these, the prompt's.
        rounds: passes in which the verified filler checked what was guessed.
        seconds: wall-clock time by stage.
        settle: called where a stage begins and ends. Does nothing, unless somebody who times on a GPU has it wait.
    """

    base_passes: int = 0
    head_passes: int = 0
    fill_passes: int = 0
    base_tokens: int = 0
    prompt_tokens: int = 0
    rounds: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    settle: ClassVar[Any] = staticmethod(lambda: None)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to `seconds[name]`."""
        self.settle()
        start = time.perf_counter()
        try:
            yield
        finally:
            self.settle()
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class Source:
    """Where a value stands in the conversation: characters `start` to `end` of message `message`.

    Of a content in parts, they are counted over all its texts.
    """

    message: int
    start: int
    end: int


@dataclass
class ToolCall:
    """One call.

    Attributes:
        confidence: of each argument by its JSON path, the probability that the filler gave its value.
        sources: maps the JSON path of each text and number that stands word for word in a message to where.
        violation: where the arguments violate the schema, and how, or why that cannot be told; only ever of tools that
            were compiled with `strict=False`.
    """

    name: str
    arguments: dict[str, Any]
    confidence: dict[str, float] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    violation: str | None = None


@dataclass
class Need:
    """A required value that the conversation does not give: of which tool, where (JSON path), and what to ask."""

    name: str
    path: str
    question: str


@dataclass(frozen=True)
class Evidence:
    """What is known of whether the conversation gives a value.

    Attributes:
        absent: how likely it does not, as the router says, or else the head before anything was filled.
        confidence: of the value that was written all the same, as the filler has it; of an optional value that is not
            written yet, of the head's guess.
        stands: that value stands in the messages, word for word or (numbers) in words, and more often than other
            arguments hold it, and it is the first one that was written.
        closed: it is one of a few that the schema lists.
        named: whether the messages name one of these, a boolean or a day; see [`mentioned`].
    """

    absent: float
    confidence: float
    stands: bool
    closed: bool
    named: bool | None = None

    @property
    def features(self) -> list[float]:
        """What the weights of a config multiply, `named` for (1) or against (-1); the last one is 1."""
        named = 0.0 if self.named is None else 2.0 * self.named - 1
        return [logit(self.absent), logit(self.confidence), float(self.stands), float(self.closed), named, 1.0]

    def log_odds(self, weights: Sequence[float]) -> float:
        """That the value is missing; `weights`: `needs_weights` of a config, or its `optional_weights`."""
        return sum(w * x for w, x in zip(weights, self.features, strict=True))

    def missing(self, weights: Sequence[float]) -> float:
        """The probability that the value is missing."""
        return sigmoid(self.log_odds(weights))


@dataclass
class ToolCallOutput:
    """The answer to one conversation.

    Attributes:
        mode: `chat`, `think` or `tool`.
        mode_probabilities: the router's, or None if it was not asked.
        tool_probabilities: of each offered tool, the router's probability that it is called, or None likewise.
        plan: names of the planned calls.
        tool_calls: the calls that can be made.
        needs: what is missing for the planned calls that cannot.
        evidence: of each required value, and of each optional one that the diffusion head was asked about, what is
            known of whether the conversation gives it, by JSON path into the list of planned calls.
        text: the base's answer in chat and think mode.
        scaffold: the flat text with its slots, in tool mode.
        clipped: values that were ended at the longest allowed length, as JSON paths into the list of planned calls.
        stats: cost; one object for all conversations of a batch.
        trace: one dict per stage and denoising step, if asked for.
    """

    mode: str
    mode_probabilities: dict[str, float] | None = None
    tool_probabilities: dict[str, float] | None = None
    plan: list[str] = field(default_factory=list)
    tool_calls: list[ToolCall] = field(default_factory=list)
    needs: list[Need] = field(default_factory=list)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    text: str = ""
    scaffold: str = ""
    clipped: list[str] = field(default_factory=list)
    stats: Stats = field(default_factory=Stats)
    trace: list[dict[str, Any]] | None = None

    @property
    def decision(self) -> str:
        """What was decided before any text."""
        return "<|use_tool|>" if self.mode == "tool" else "<|answer|>"

    def to_message(self) -> dict[str, Any]:
        """The assistant message in the form of Hugging Face chat templates and OpenAI.

        Where values are missing its content asks for them.
        """
        text = self.text or " ".join(need.question for need in self.needs)
        if self.tool_calls:
            calls = [
                {"type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in self.tool_calls
            ]
            return {"role": "assistant", "content": text, "tool_calls": calls}
        return {"role": "assistant", "content": text}


def assemble(
    output: ToolCallOutput,
    scaffold: Scaffold,
    values: Values,
    confidence: Mapping[Path, float],
    absent: Mapping[Path, float],
    config: LaFuncConfig,
    texts: Sequence[str] = (),
    searched: Sequence[str] = (),
    optional: Mapping[Path, Evidence] | None = None,
    withdrawn: Collection[Path] = (),
) -> None:
    """Turn values into validated calls, or into what is missing for them.

    Args:
        confidence: of each value, as the filler has it.
        absent: of each slot, how likely the conversation does not give it.
        config: says when a required value is missing; then the schema's default is taken, or the call is not made.
        texts: of the conversation's messages, in which arguments have their sources.
        searched: these, and what they say as arguments have it, in which missing values are looked for.
        optional: what was known of optional values.
        withdrawn: of slots that held another argument's value first.

    Raises:
        SchemaError: the arguments of a strict tool violate the schema, which no filling of ours should.
    """
    output.evidence |= {json_path(path): known for path, known in (optional or {}).items()}
    slots = [piece for piece in scaffold.write(values) if not isinstance(piece, str)]
    for call, (tool, arguments) in enumerate(zip(scaffold.tools, scaffold.arguments(values), strict=True)):
        mine = [slot for slot in slots if slot.path[0] == call]
        needed: list[Need] = []
        whole = arguments  # with defaults for those that are filled
        filled: list[Path] = []
        for slot in mine:
            if not slot.optional and slot.path in absent:
                sure = confidence.get(slot.path, 0.5)
                known = evidence(slot, arguments, absent[slot.path], sure, searched)
                if slot.path in withdrawn:  # what was looked for stands nowhere; anything was found in its place
                    known = replace(known, stands=False)
                output.evidence[json_path(slot.path)] = known
                if known.missing(config.needs_weights) >= config.needs_threshold:
                    if (better := _with_default(tool, whole, slot.path[1:])) is not None:
                        whole, filled = better, [*filled, slot.path]
                    else:
                        needed.append(Need(tool.name, json_path(slot.path[1:]), question(slot)))
        if needed:
            output.needs += needed
            continue
        arguments = whole
        said = None
        try:
            violation = next(validator(tool.parameters).iter_errors(arguments), None)
        except PatternError as error:  # only where nothing was guaranteed
            said, violation = f"it cannot be checked: {error}", None
        if violation is not None:
            said = f"{violation.json_path}: {violation.message}"
            if tool.strict:
                message = f"the filled arguments violate it, so it cannot be honoured: {violation.message}"
                raise SchemaError(tool.name, violation.json_path, message, str(violation.validator))
        slope, offset = config.confidence_slope, config.confidence_offset
        trusted = {
            json_path(slot.path[1:]): calibrated(confidence[slot.path], slope, offset)
            for slot in mine
            if slot.path in confidence and slot.path not in filled
        }
        output.tool_calls.append(ToolCall(tool.name, arguments, trusted, violation=said))
    find_sources(output.tool_calls, texts)


def _with_default(tool: Tool, arguments: dict[str, Any], path: Path) -> dict[str, Any] | None:
    """The arguments with the schema's default for a value that nobody gave; None if it has none, or one that it does
    not allow itself.
    """
    schema: Any = tool.parameters
    for part in path:
        schema = schema.get("properties", {}).get(part) if isinstance(schema, Mapping) else None
    if not path or not isinstance(schema, Mapping) or "default" not in schema:
        return None
    whole = copy.deepcopy(arguments)
    _inside(whole, path[:-1])[path[-1]] = copy.deepcopy(schema["default"])
    return whole if not tool.strict or validator(tool.parameters).is_valid(whole) else None


def evidence(
    slot: Slot,
    arguments: Mapping[str, Any],
    absent: float,
    confidence: float,
    searched: Sequence[str],
    doubtful: Collection[Path] = (),
) -> Evidence:
    """What is known of whether the conversation gives a slot's value.

    Args:
        arguments: of its call, the value among them.
        absent, confidence: see [`Evidence`].
        searched: texts in which it may stand.
        doubtful: paths of values that other values need not leave room for in these.
    """
    path = slot.path[1:]
    others = [
        as_said(leaf)
        for at, leaf in leaves(arguments)
        if at[: len(path)] != path and not any(at[: len(one) - 1] == one[1:] for one in doubtful)
    ]
    standing = stands(_inside(arguments, path), searched, others)
    closed = slot.kind in ("boolean", "enum")
    return Evidence(absent, confidence, standing, closed, mentioned(slot, searched, others))


def calibrated(probability: float, slope: float, offset: float) -> float:
    """σ(slope · logit(probability) + offset); certain values stay certain."""
    if not 0 < probability < 1:
        return probability
    return sigmoid(slope * math.log(probability / (1 - probability)) + offset)


def logit(probability: float) -> float:
    """Log-odds, of what is neither certain nor impossible by more than a millionth."""
    bounded = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))


def sigmoid(log_odds: float) -> float:
    return 0.5 + 0.5 * math.tanh(log_odds / 2)


def question(slot: Slot) -> str:
    """What to ask for a missing value."""
    name = str(next((part for part in reversed(slot.path[1:]) if isinstance(part, str)), "value")).replace("_", " ")
    return f"What is the {name}?" + (f" ({slot.description.rstrip('.')})" if slot.description else "")


def find_sources(calls: Sequence[ToolCall], texts: Sequence[str]) -> None:
    """Note where in the conversation the arguments of calls stand, word for word.

    The last message that holds a value is its source; where it stands there several times, the first place that is not
    another argument's already. So two quantities of "2 teas and 2 coffees" have a source each.
    """
    taken: set[Source] = set()
    for call in calls:
        for path, value in leaves(call.arguments):
            text = as_said(value)
            if isinstance(value, bool) or value is None or not text.strip():
                continue
            for message in reversed(range(len(texts))):
                found = [Source(message, start, start + len(text)) for start in places(text, texts[message])]
                if found:
                    source = next((place for place in found if place not in taken), found[0])
                    taken.add(source)
                    call.sources[json_path(path)] = source
                    break


def _inside(arguments: Any, path: Path) -> Any:
    """The value that stands at a path; None where there is none, as in an array that dropped elements."""
    for part in path:
        if not isinstance(arguments, Mapping | list):  # the letters of a string are no elements
            return None
        try:
            arguments = arguments[part]
        except (LookupError, TypeError):
            return None
    return arguments
