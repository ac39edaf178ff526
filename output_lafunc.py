"""What an answer consists of."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Stats:
    """What a request cost. Shared by the rows of a batch.

    Attributes:
        base_passes / head_passes: evaluations of the base model / of the diffusion head.
        base_tokens: tokens that the base read, prompts included, padding not.
        prompt_tokens: of these, the prompt's.
        rounds: drafts that the verified filler checked.
        seconds: wall-clock time by stage.
    """

    base_passes: int = 0
    head_passes: int = 0
    base_tokens: int = 0
    prompt_tokens: int = 0
    rounds: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to `seconds[name]`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


@dataclass
class ToolCall:
    """One call. `confidence` maps the JSON path of each argument to the probability that the filler gave its value."""

    name: str
    arguments: dict[str, Any]
    confidence: dict[str, float] = field(default_factory=dict)


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
