"""Requests: checked before any work is done, and made into prompts."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .configuration_lafunc import LaFuncConfig
from .diffusion_lafunc import SCHEDULES
from .output_lafunc import ToolCallOutput
from .processing_lafunc import LaFuncProcessor, RequestError
from .scaffolding_lafunc import Tool

MODES = ("chat", "think", "tool")
FILLERS = ("autoregressive", "diffusion", "verified")


@dataclass
class Request:
    """One conversation on its way.

    Attributes:
        prompt: token ids.
        opening: how an answer without thinking begins.
        room: tokens that the base can read after the prompt.
        mode: `auto` until the router has decided.
        tools: what may be called.
        choice: `tool_choice` as given.
        output: what has been found out so far.
    """

    prompt: list[int]
    opening: list[int]
    room: int
    mode: str
    tools: list[Tool]
    choice: str
    output: ToolCallOutput


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
        RequestError: the batch has another number of conversations than of tool lists.
    """
    if not len(messages) or isinstance(messages[0], Mapping):
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
    choice: str,
    filler: str,
) -> Request:
    """Check one conversation and make its prompt.

    Raises:
        RequestError, SchemaError: see [`LaFuncModel.generate_tool_call`].
    """
    offered = processor.compile_tools(tools) if tools else []
    names = [tool.name for tool in offered]
    if choice not in ("auto", "required", "none", *names):
        raise RequestError(
            f"tool_choice {choice!r} is unknown; it must be auto, required, none or the name of an offered tool: "
            f"{', '.join(names) or 'there are none'}"
        )
    if choice == "none":
        if mode == "tool":
            raise RequestError("mode='tool' and tool_choice='none' contradict each other")
        callable_tools: list[Tool] = []
    else:
        callable_tools = [tool for tool in offered if choice in ("auto", "required", tool.name)]
    if mode == "tool" or choice not in ("auto", "none"):
        if mode in ("chat", "think"):
            raise RequestError(f"mode={mode!r} and tool_choice={choice!r} contradict each other")
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
    if callable_tools and filler == "diffusion" and "diffusion" not in config.trained:
        raise RequestError(
            "filler='diffusion' needs a diffusion head, and the one of this checkpoint is untrained: its values would "
            "be chance. Pass filler='autoregressive' or 'verified', or train the heads"
        )
    thinking = {"chat": False, "think": True}.get(mode)
    prompt = processor.prompt(messages, tools, enable_thinking=thinking)
    room = getattr(config.get_text_config(), "max_position_embeddings", None) or sys.maxsize
    if len(prompt) >= room:
        raise RequestError(
            f"the prompt has {len(prompt)} tokens and the base reads {room}; shorten the conversation or offer fewer "
            "tools"
        )
    thought = processor.empty_thought
    thoughtless = mode == "think" or not thought or prompt[-len(thought) :] == thought
    opening = [] if thoughtless else thought
    return Request(prompt, opening, room - len(prompt), mode, callable_tools, choice, ToolCallOutput(mode))
