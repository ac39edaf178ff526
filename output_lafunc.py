"""What an answer consists of, and how values become one."""

import time
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .node_lafunc import Path, Slot, json_path
from .pattern_lafunc import PatternError
from .scaffolding_lafunc import Scaffold, Values
from .schema_lafunc import SchemaError, validator


@dataclass
class Stats:
    """What a request cost. Shared by the rows of a batch.

    Attributes:
        base_passes / head_passes: evaluations of the base model / of the diffusion head.
        base_tokens: tokens that the base read, prompts included, padding not.
        prompt_tokens: of these, the prompt's.
        rounds: drafts that the verified filler checked.
        seconds: wall-clock time by stage.
        settle: called where a stage begins and ends. Does nothing, unless somebody who times on a GPU has it wait.
    """

    base_passes: int = 0
    head_passes: int = 0
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


@dataclass
class ToolCall:
    """One call.

    Attributes:
        confidence: of each argument by its JSON path, the probability that the filler gave its value.
        violation: where the arguments violate the schema, and how, or why that cannot be told; only ever of tools that
            were compiled with `strict=False`.
    """

    name: str
    arguments: dict[str, Any]
    confidence: dict[str, float] = field(default_factory=dict)
    violation: str | None = None


@dataclass
class Need:
    """A required value that the conversation does not give: of which tool, where (JSON path), and what to ask."""

    name: str
    path: str
    question: str


@dataclass
class ToolCallOutput:
    """The answer to one conversation.

    Attributes:
        mode: `chat`, `think` or `tool`.
        mode_probabilities: the router's, or None if it was not asked.
        plan: names of the planned calls.
        tool_calls: the calls that can be made.
        needs: what is missing for the planned calls that cannot.
        text: the base's answer in chat and think mode.
        scaffold: the flat text with its slots, in tool mode.
        clipped: values that were ended at the longest allowed length, as JSON paths into the list of planned calls.
        stats: cost; one object for all conversations of a batch.
        trace: one dict per stage and denoising step, if asked for.
    """

    mode: str
    mode_probabilities: dict[str, float] | None = None
    plan: list[str] = field(default_factory=list)
    tool_calls: list[ToolCall] = field(default_factory=list)
    needs: list[Need] = field(default_factory=list)
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
    missing: Set[Path],
) -> None:
    """Turn values into validated calls, or into what is missing for them.

    Args:
        confidence: of each value.
        missing: slots that the conversation says nothing of; only required ones keep a call from being made.

    Raises:
        SchemaError: the arguments of a strict tool violate the schema, which no filling of ours should.
    """
    slots = [piece for piece in scaffold.write(values) if not isinstance(piece, str)]
    for call, (tool, arguments) in enumerate(zip(scaffold.tools, scaffold.arguments(values), strict=True)):
        mine = [slot for slot in slots if slot.path[0] == call]
        if needed := [slot for slot in mine if not slot.optional and slot.path in missing]:
            output.needs += [Need(tool.name, json_path(slot.path[1:]), question(slot)) for slot in needed]
            continue
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
        sure = {json_path(slot.path[1:]): confidence[slot.path] for slot in mine if slot.path in confidence}
        output.tool_calls.append(ToolCall(tool.name, arguments, sure, said))


def question(slot: Slot) -> str:
    """What to ask for a missing value."""
    name = str(next((part for part in reversed(slot.path[1:]) if isinstance(part, str)), "value")).replace("_", " ")
    return f"What is the {name}?" + (f" ({slot.description.rstrip('.')})" if slot.description else "")
