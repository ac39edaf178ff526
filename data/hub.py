"""Converters for the function-calling sets of the Hub: Glaive v2, xLAM/APIGen, ToolACE, Hermes.

Each takes one raw row, as `datasets` gives it, and yields [`Draft`]s. A raw row that cannot be read raises
[`RowError`]; what the drafts hold is checked when rows are made of them.

```python
>>> next(xlam({"query": "2 + 3?", "tools": "[…]", "answers": '[{"name": "add", "arguments": {"a": 2}}]'})).calls
[('add', {'a': 2})]
```
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..mentions_lafunc import left_out
from .dialects import arguments_of, made_up, tool_of
from .rows import RowError

DECODER = json.JSONDecoder(strict=False)  # raw line ends in strings are common
CALL = re.compile(r"<functioncall>\s*(.*)", re.DOTALL)
BLOCK = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)
TOOLS = re.compile(r"<tools>\s*([\[{].*?)\s*</tools>", re.DOTALL)  # the prompt speaks of the bare tags before
TURN = re.compile(r"\s*(USER|ASSISTANT|FUNCTION RESPONSE):\s*")
ROLES = {"user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant", "tool": "tool"}


class Draft(NamedTuple):
    """What a row is made of, see [`make_row`]."""

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] = ()
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    mode: str | None = None
    needs: Sequence[tuple[int, str]] = ()


def user(text: str) -> list[dict[str, Any]]:
    """A conversation of one message."""
    return [{"role": "user", "content": text.strip()}]


def make_calls(calls: Any, tools: Sequence[Mapping[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Calls of the form {name, arguments}, coerced to the schemas of the tools.

    Raises:
        RowError: another form, or a call of a tool that is not offered.
    """
    by_name = {tool["name"]: tool for tool in tools}
    made = []
    for call in [calls] if isinstance(calls, Mapping) else calls:
        if not isinstance(call, Mapping) or not isinstance(call.get("name"), str):
            raise RowError("a call has no name")
        name, arguments = call["name"].strip(), call.get("arguments", call.get("parameters"))
        if name not in by_name:
            raise RowError("a call names no offered tool", name)
        if isinstance(arguments, str):
            arguments = read_json(arguments or "{}", "arguments")
        made.append((name, arguments_of(arguments or {}, by_name[name])))
    return made


def make_tools(given: Any) -> list[dict[str, Any]]:
    """Tools in OpenAI's or the bare form; repeated ones once.

    Raises:
        RowError: it is no list of tools.
    """
    if isinstance(given, str):
        given = read_json(given, "tools") if given.strip() else []
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        raise RowError("tools are no list of objects")
    made: dict[str, dict[str, Any]] = {}
    for one in given:
        one = one["function"] if isinstance(one.get("function"), Mapping) else one
        tool = tool_of(one.get("name"), one.get("description"), one.get("parameters"), one.get("required"))
        made.setdefault(tool["name"], tool)
    return list(made.values())


def read_json(text: str, what: str) -> Any:
    """Raises RowError if the text is not JSON."""
    try:
        return DECODER.decode(text.strip())
    except json.JSONDecodeError as error:
        raise RowError(f"{what}: not JSON", error.msg) from None


def ground(draft: Draft) -> Draft:
    """Without arguments whose numbers nobody has said; each goes together with its parameter.

    Raises:
        RowError: it is required, or another call says it; or the calls are for a part of what the request lists.
    """
    asked = draft.messages[-1]
    if asked["role"] == "user" and left_out(asked["content"], [arguments for _, arguments in draft.calls]):
        raise RowError("the calls are for a part of a series", asked["content"])
    text = "\n".join(json.dumps(message, ensure_ascii=False) for message in draft.messages)
    gone = {(name, key) for name, arguments in draft.calls for key, value in arguments.items() if made_up(value, text)}
    if not gone:
        return draft
    tools = []
    for tool in draft.tools:
        parameters = tool["parameters"]
        lost = {key for name, key in gone if name == tool["name"]}
        if wanted := sorted(lost & set(parameters.get("required", ()))):
            raise RowError("a value is made up", f"{tool['name']}.{wanted[0]}")
        kept = {key: schema for key, schema in parameters["properties"].items() if key not in lost}
        tools.append({**tool, "parameters": {**parameters, "properties": kept}})
    calls = [
        (name, {key: value for key, value in arguments.items() if (name, key) not in gone})
        for name, arguments in draft.calls
    ]
    if any(
        (name, key) in gone and not made_up(value, text)
        for name, arguments in draft.calls
        for key, value in arguments.items()
    ):
        raise RowError("a value is made up", "one of several calls")
    return draft._replace(tools=tools, calls=calls)


def glaive(raw: Mapping[str, Any]) -> Iterator[Draft]:
    """glaiveai/glaive-function-calling-v2: `system` with the tools in prose, `chat` with marked turns.

    A draft for each assistant turn up to the first answer in words: the later ones add little.
    """
    system, chat = raw["system"], raw["chat"]
    tools = []
    at = system.find("{")
    while at >= 0:
        try:
            tool, end = DECODER.raw_decode(system, at)
        except json.JSONDecodeError as error:
            raise RowError("tools: not JSON", error.msg) from None
        tools.append(tool)
        at = system.find("{", end)
    tools = make_tools(tools)
    messages: list[dict[str, Any]] = []
    parts = TURN.split(chat)[1:]
    for role, text in zip(parts[::2], parts[1::2], strict=True):
        text = text.replace("<|endoftext|>", "").strip()
        if role == "USER":
            messages.append({"role": "user", "content": text})
        elif role == "FUNCTION RESPONSE":
            messages.append({"role": "tool", "content": text})
        elif match := CALL.search(text):
            calls = make_calls(_glaive_call(match[1]), tools)
            yield Draft(list(messages), tools, calls)
            messages.append(_called(calls))
        else:
            yield Draft([*messages, {"role": "assistant", "content": text}], tools, mode="chat")
            return
    if not messages:
        raise RowError("no messages")


def _glaive_call(text: str) -> dict[str, Any]:
    """Glaive quotes the arguments' JSON in single quotes, without escaping what is in it."""
    match = re.match(r"""\{\s*"name":\s*"([^"]*)"\s*(?:,\s*"arguments":\s*(.*))?\}""", text.strip(), re.DOTALL)
    if match is None:
        raise RowError("a call cannot be read")
    arguments = (match[2] or "{}").strip()
    if arguments[:1] == "'" and arguments[-1:] == "'":
        arguments = arguments[1:-1].replace("\\'", "'")
    return {"name": match[1], "arguments": read_json(arguments, "arguments")}


def _called(calls: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The message of the assistant that has made calls, for the history."""
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"type": "function", "function": {"name": name, "arguments": arguments}} for name, arguments in calls
        ],
    }


def xlam(raw: Mapping[str, Any]) -> Iterator[Draft]:
    """Salesforce/xlam-function-calling-60k: `query`; `tools` and `answers` as JSON text, parameters as a flat dict."""
    tools = make_tools(raw["tools"])
    if not tools:
        raise RowError("no tools")
    answers = raw["answers"]
    calls = make_calls(read_json(answers, "answers") if isinstance(answers, str) else answers, tools)
    yield Draft(user(raw["query"]), tools, calls)


def toolace(raw: Mapping[str, Any]) -> Iterator[Draft]:
    """Team-ACE/ToolACE: `system` ends with a JSON list of tools, calls look like `[name(a=1, b='x')]`.

    A draft for each assistant turn.
    """
    tools = make_tools(_list_in(raw["system"]))
    if not tools:
        raise RowError("no tools")
    messages: list[dict[str, Any]] = []
    for turn in raw["conversations"]:
        role, text = ROLES.get(turn.get("from")), turn.get("value") or ""
        if role is None:
            raise RowError("unknown role", str(turn.get("from")))
        if role != "assistant":
            messages.append({"role": role, "content": text})
        elif text.lstrip().startswith("["):
            calls = make_calls(read_calls(text, [tool["name"] for tool in tools]), tools)
            yield Draft(list(messages), tools, calls)
            messages.append(_called(calls))
        else:
            messages.append({"role": "assistant", "content": text})
            yield Draft(list(messages), tools, mode="chat")


def _list_in(text: str) -> list[Any]:
    """The first JSON list of objects in a text; empty if there is none."""
    for match in re.finditer(r"\[\s*\{", text):
        try:
            return DECODER.raw_decode(text, match.start())[0]
        except json.JSONDecodeError:
            continue
    return []


def read_calls(text: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Calls in the form `[name(a=1, b='x'), …]`; names may hold spaces and dots.

    Raises:
        RowError: another form, or values that are no literals.
    """
    text = text.strip()
    aliases = {}
    for at, name in enumerate(sorted(set(names), key=len, reverse=True)):
        alias = f"call_{at}_"
        text, found = re.subn(rf"(?<![\w.'\"]){re.escape(name)}\s*\(", f"{alias}(", text)
        if found:
            aliases[alias] = name
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise RowError("a call cannot be read") from None
    calls = []
    for node in tree.elts if isinstance(tree, ast.List) else [tree]:
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.args:
            raise RowError("a call cannot be read")
        if node.func.id not in aliases:
            raise RowError("a call names no offered tool", node.func.id)
        arguments = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise RowError("a call cannot be read")
            try:
                arguments[keyword.arg] = ast.literal_eval(keyword.value)
            except ValueError:
                if not (isinstance(keyword.value, ast.Name) and keyword.value.id in ("true", "false", "null")):
                    raise RowError("a value is no literal", keyword.arg) from None
                arguments[keyword.arg] = json.loads(keyword.value.id)
        calls.append({"name": aliases[node.func.id], "arguments": arguments})
    return calls


def hermes(raw: Mapping[str, Any]) -> Iterator[Draft]:
    """NousResearch/hermes-function-calling-v1: tools in the system turn's `<tools>`, calls in `<tool_call>` blocks.

    A draft for each assistant turn. The tools also stand in the column `tools`, where there is one.
    """
    tools = None
    if raw.get("tools"):
        tools = make_tools(raw["tools"])
    messages: list[dict[str, Any]] = []
    for turn in raw["conversations"]:
        speaker, text = turn.get("from"), turn.get("value") or ""
        if speaker == "system":
            if tools is None and (match := TOOLS.search(text)):
                tools = make_tools(_hermes_tools(match[1]))
        elif speaker not in ROLES:
            raise RowError("unknown role", str(speaker))
        elif ROLES[speaker] == "tool":
            messages.append({"role": "tool", "content": re.sub(r"</?tool_response>", "", text).strip()})
        elif ROLES[speaker] == "user":
            messages.append({"role": "user", "content": text})
        elif blocks := BLOCK.findall(text):
            calls = make_calls([_hermes_call(block) for block in blocks], tools or [])
            yield Draft(list(messages), tools or [], calls)
            messages.append(_called(calls))
        else:
            messages.append({"role": "assistant", "content": text})
            yield Draft(list(messages), tools or [], mode="chat")


def _hermes_tools(text: str) -> Any:
    """A JSON list, or one object a line."""
    if text.lstrip().startswith("["):
        return read_json(text, "tools")
    return [read_json(line, "tools") for line in text.splitlines() if line.strip()]


def _hermes_call(text: str) -> Any:
    """JSON, or the repr of a Python dict."""
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise RowError("a call cannot be read") from None
