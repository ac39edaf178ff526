"""Requests: checked before any work is done, and made into prompts."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .configuration_lafunc import LaFuncConfig
from .copying_lafunc import Transcript, rewritten
from .diffusion_lafunc import SCHEDULES
from .mentions_lafunc import sentences
from .node_lafunc import Tool
from .output_lafunc import ToolCallOutput
from .processing_lafunc import LaFuncProcessor, RequestError, content_text
from .vocabulary_lafunc import Vocabulary

MODES = ("chat", "think", "tool")
MAX_SENTENCES = 16  # of a request that are read each by itself
FILLERS = ("autoregressive", "diffusion", "verified")


@dataclass
class Request:
    """One conversation on its way.

    Attributes:
        prompt: token ids.
        opening: how an answer without thinking begins.
        preface: what is read before plan and calls: an empty thought, if there must be one.
        room: tokens that the base can read after prompt and preface.
        mode: `auto` until the router has decided.
        tools: what may be called.
        called: of the tools those that the router finds called, each as often; none where it was not asked.
        often: of each tool by name how likely it is called at least once, twice, ..., where the router was asked.
        whole, parts: the same, as the router says of the request, and of its sentences if they are several.
        plan: the calls to make, as far as they are settled.
        settled: it is not asked, once they are written, whether these are all.
        output: what has been found out so far.
        texts: of each message.
        asked: that of the last one, if it is the user's.
        tell: receives one dict per stage and step as it comes about, if anybody wants to know.
        sentences: the prompts that ask for one sentence of the request each, if they are several.
    """

    prompt: list[int]
    opening: list[int]
    preface: list[int]
    room: int
    mode: str
    tools: list[Tool]
    plan: list[Tool]
    output: ToolCallOutput
    texts: list[str] = field(default_factory=list)
    asked: str = ""
    called: list[Tool] = field(default_factory=list)
    often: dict[str, list[float]] | None = None
    whole: dict[str, list[float]] = field(default_factory=dict)
    parts: dict[str, list[float]] = field(default_factory=dict)
    settled: bool = False
    tell: Callable[[dict[str, Any]], None] | None = None
    sentences: Callable[[], list[list[int]]] = list
    _transcripts: dict[str, Transcript] = field(default_factory=dict)

    @cached_property
    def rewritten(self) -> list[str]:
        """What the texts say as arguments of the tools have it."""
        return self._rewrite(self.texts)

    def transcript(self, vocabulary: Vocabulary, asked: str) -> Transcript:
        """What was said, with this in the place of what was asked."""
        if asked not in self._transcripts:
            whole = asked == self.asked
            texts = self.texts if whole else [*self.texts[:-1], asked]
            self._transcripts[asked] = Transcript(texts, vocabulary, self.rewritten if whole else self._rewrite(texts))
        return self._transcripts[asked]

    def hear(self, often: dict[str, list[float]], most: int) -> None:
        """Note how often each tool is called, and which are, at most so many calls and at least one."""
        self.often = often
        self.output.tool_probabilities = {name: ps[0] for name, ps in often.items()}
        ways = [(p, n) for n, tool in enumerate(self.tools) for p in often[tool.name]]
        ways.sort(key=lambda way: -way[0])  # of one tool, once is likelier than twice
        sure = [n for p, n in ways if p >= 0.5] or [n for _, n in ways[:1]]
        self.called = [self.tools[n] for n in sorted(sure[:most])]

    def _rewrite(self, texts: Sequence[str]) -> list[str]:
        return rewritten(texts, dict.fromkeys(layout for tool in self.tools for layout in tool.layouts))


def check_options(mode: str, filler: str, schedule: str, num_steps: Any) -> None:
    """Raises RequestError, naming what is known, for an option that is not."""
    for name, value, known in (
        ("mode", mode, ("auto", *MODES)),
        ("filler", filler, FILLERS),
        ("schedule", schedule, SCHEDULES),
    ):
        if value not in known:
            raise RequestError(f"{name} {value!r} is unknown; it must be one of {', '.join(known)}")
    if not isinstance(num_steps, int) or num_steps < 1:
        raise RequestError(f"num_steps must be a whole number of at least 1, got {num_steps!r}")


def split_batch(messages: Sequence, tools: Sequence | None) -> tuple[list[tuple[Sequence, Sequence | None]], bool]:
    """(conversation, its tools) pairs, and whether a batch was given.

    Raises:
        RequestError: `messages` is no list, or a batch has another number of conversations than of tool lists.
    """
    if not isinstance(messages, (list, tuple)):
        raise RequestError(f"messages must be a list of messages, or of conversations, got {type(messages).__name__}")
    if not messages or isinstance(messages[0], Mapping):
        return [(messages, tools)], False
    if not tools or not all(one is None or isinstance(one, (list, tuple)) for one in tools):
        return [(conversation, tools) for conversation in messages], True
    if len(tools) != len(messages):
        raise RequestError(f"{len(messages)} conversations but {len(tools)} lists of tools")
    return list(zip(messages, tools, strict=True)), True


def read_request(
    messages: Sequence,
    tools: Sequence | None,
    processor: LaFuncProcessor,
    config: LaFuncConfig,
    mode: str,
    tool_choice: str | Mapping | Sequence[str] | None,
    filler: str,
    strict: bool = True,
) -> Request:
    """Check one conversation and make its prompt.

    Raises:
        RequestError, SchemaError: see [`LaFuncModel.generate_tool_call`].
    """
    if not hasattr(processor, "compile_tools"):
        raise RequestError(f"processor must be a LaFuncProcessor, got {type(processor).__name__}")
    if len(processor.vocabulary) > config.get_text_config().vocab_size:
        raise RequestError(
            f"the processor's tokenizer has {len(processor.vocabulary)} tokens, more than the base knows; load the "
            "processor of the same checkpoint"
        )
    offered = processor.compile_tools(tools, strict) if tools else []
    choice, forced = read_choice(tool_choice, [tool.name for tool in offered])
    if choice == "none" and mode == "tool":
        raise RequestError("mode='tool' and tool_choice='none' contradict each other")
    if choice == "required" and mode in ("chat", "think"):
        raise RequestError(f"mode={mode!r} and tool_choice={tool_choice!r} contradict each other")
    callable_tools = offered if choice != "none" else []
    if choice == "required":
        mode = "tool"
    if mode == "tool" and not callable_tools:
        raise RequestError("no tools were offered; pass at least one, or mode='chat'")
    if mode == "auto" and "router" not in config.trained:
        if callable_tools:
            raise RequestError(
                "mode='auto' needs a router, and the one of this checkpoint is untrained: its choice would be chance. "
                "Pass mode='tool', 'chat' or 'think', or tool_choice='required'; or train the heads"
            )
        mode = "chat"
    if callable_tools and mode in ("auto", "tool") and filler == "diffusion" and "diffusion" not in config.trained:
        raise RequestError(
            "filler='diffusion' needs a diffusion head, and the one of this checkpoint is untrained: its values would "
            "be chance. Pass filler='autoregressive' or 'verified', or train the heads"
        )
    room = getattr(config.get_text_config(), "max_position_embeddings", None) or sys.maxsize
    # Megabytes would take the tokenizer gigabytes.
    said = sum(len(str(message.get("content") or "")) for message in messages if isinstance(message, Mapping))
    if said // processor.vocabulary.longest >= room:
        raise RequestError(
            f"the conversation has {said} characters and the base reads {room} tokens; shorten the conversation"
        )
    thinking = {"chat": False, "think": True}.get(mode)
    prompt = processor.prompt(messages, tools, enable_thinking=thinking)
    if len(prompt) >= room:
        raise RequestError(
            f"the prompt has {len(prompt)} tokens and the base reads {room}; shorten the conversation or offer fewer "
            "tools"
        )
    opening = [] if mode == "think" else processor.opening(prompt)
    preface = processor.opening(prompt)[: room - len(prompt)] if callable_tools else []
    by_name = {tool.name: tool for tool in offered}
    plan = [by_name[name] for name in forced]
    texts = [content_text(message) for message in messages]
    asked = texts[-1] if messages[-1]["role"] == "user" else ""

    def prompts() -> list[list[int]]:
        found = sentences(asked)
        several = 1 < len(found) <= MAX_SENTENCES
        ways = ([*messages[:-1], {**messages[-1], "content": one}] for one in found if several)
        return [processor.prompt(way, tools, enable_thinking=thinking) for way in ways]

    return Request(
        prompt=prompt,
        opening=opening,
        preface=preface,
        room=room - len(prompt) - len(preface),
        mode=mode,
        tools=callable_tools,
        plan=plan,
        output=ToolCallOutput(mode),
        texts=texts,
        asked=asked,
        sentences=prompts,
    )


def read_choice(tool_choice: str | Mapping | Sequence[str] | None, names: Sequence[str]) -> tuple[str, list[str]]:
    """`auto`, `required` or `none`, and the names of the tools that must be called, if they are given.

    Raises:
        RequestError: neither of these words, nor the name of an offered tool, nor OpenAI's form of it, nor a list of
            such names.
    """
    if tool_choice is None or tool_choice in ("auto", "required", "none"):
        return str(tool_choice or "auto"), []
    function = tool_choice.get("function") if isinstance(tool_choice, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else tool_choice
    forced = name if isinstance(name, (list, tuple)) else [name]
    if not forced or any(name not in names for name in forced):
        raise RequestError(
            f"tool_choice {tool_choice!r} is unknown; it must be auto, required, none, the name of an offered tool "
            f"or a list of such names: {', '.join(names) or 'there are none'}"
        )
    return "required", [str(name) for name in forced]
