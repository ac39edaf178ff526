"""Training rows: one format for every source, TRL's conversational tool-calling form with three columns more.

    messages   the conversation; in tool mode it ends with the assistant's `tool_calls`
    tools      what is offered: name, description, parameters (JSON Schema); may be empty
    mode       chat, think or tool: what the router should pick
    source     the set that the row comes from
    needs      in tool mode: [call, argument] pairs, required arguments that nobody has given and that are left out

Arguments are Python values, not JSON text. A row that breaks the form raises [`RowError`], whose `reason` is short
enough to be counted.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema

from ..pattern_lafunc import PatternError
from ..request_lafunc import MODES
from ..schema_lafunc import SchemaReader
from ..validation_lafunc import SchemaError

Row = dict[str, Any]
COLUMNS = ("messages", "tools", "mode", "source", "needs")


class RowError(ValueError):
    """A row that cannot be used. `reason` is the same for all rows with this fault."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


def make_row(
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]],
    source: str,
    calls: Sequence[tuple[str, Mapping[str, Any]]] = (),
    mode: str | None = None,
    needs: Sequence[tuple[int, str]] = (),
) -> Row:
    """A checked row.

    Args:
        messages: up to the user's or tool's message that is to be answered.
        calls: (name, arguments) of the answer, if it is calls.
        mode: `tool` if there are calls, else `chat`, unless given.

    Raises:
        RowError: see [`check_row`].
    """
    conversation = [dict(message) for message in messages]
    if calls:
        conversation.append(
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"type": "function", "function": {"name": name, "arguments": dict(arguments)}}
                    for name, arguments in calls
                ],
            }
        )
    row = {
        "messages": conversation,
        "tools": [dict(tool) for tool in tools],
        "mode": mode or ("tool" if calls else "chat"),
        "source": source,
        "needs": [list(need) for need in needs],
    }
    check_row(row)
    return row


def calls_of(row: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(name, arguments) of the calls with which a row's conversation ends; none in chat and think mode."""
    found = row["messages"][-1].get("tool_calls") or ()
    return [(call["function"]["name"], call["function"]["arguments"]) for call in found]


def prompt_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row's messages up to its answer."""
    messages = row["messages"]
    return messages[:-1] if messages[-1]["role"] == "assistant" else messages


def check_row(row: Mapping[str, Any]) -> None:
    """Raises RowError unless the row has the form, its calls name offered tools and their arguments are valid."""
    if missing := [name for name in COLUMNS if name not in row]:
        raise RowError("a column is missing", missing[0])
    if row["mode"] not in MODES:
        raise RowError("unknown mode", repr(row["mode"]))
    messages = row["messages"]
    if not messages or not all(isinstance(message, Mapping) and "role" in message for message in messages):
        raise RowError("no messages")
    prompt = prompt_of(row)
    if not prompt or prompt[-1]["role"] not in ("user", "tool"):
        raise RowError("the conversation does not end with a user or tool message")
    if not str(prompt[-1].get("content") or "").strip():
        raise RowError("the last message is empty")
    tools: dict[str, Mapping[str, Any]] = {}
    for tool in row["tools"]:
        if not isinstance(tool, Mapping) or not isinstance(tool.get("name"), str) or not tool["name"]:
            raise RowError("a tool has no name")
        if tool["name"] in tools:
            raise RowError("two tools have one name", tool["name"])
        tools[tool["name"]] = tool
    calls = calls_of(row)
    if bool(calls) != (row["mode"] == "tool"):
        raise RowError("tool mode without calls" if not calls else "calls outside of tool mode")
    needs = {(call, name) for call, name in row["needs"]}
    for at, (name, arguments) in enumerate(calls):
        if name not in tools:
            raise RowError("a call names no offered tool", name)
        if not isinstance(arguments, Mapping):
            raise RowError("arguments are no object", name)
        try:
            validator, schema, known = _read_schema(name, json.dumps(tools[name].get("parameters") or {}))
        except SchemaError as error:
            raise RowError("a tool's schema is refused", str(error)) from None
        if extra := sorted(arguments.keys() - known):
            raise RowError("an argument is not in the schema", f"{name}.{extra[0]}")
        required = [one for one in schema.get("required", ()) if (at, one) not in needs]
        try:
            validator.evolve(schema={**schema, "required": required}).validate(arguments)
        except jsonschema.ValidationError as error:
            raise RowError("arguments violate the schema", f"{name}{error.json_path[1:]}: {error.message}") from None
        except PatternError as error:
            raise RowError("a tool's schema is refused", f"tool {name!r}: a pattern: {error}") from None


@lru_cache(maxsize=10_000)
def _read_schema(tool: str, parameters: str) -> tuple[Any, dict[str, Any], frozenset[str]]:
    """(a validator that knows the references, the schema of the arguments, their names); raises SchemaError.

    Remembered, because many rows share a tool and the check takes long.
    """
    reader = SchemaReader(tool, json.loads(parameters))
    schema, place, _ = reader.top()[0]
    return reader.validator, schema, frozenset(reader.properties(schema, place))


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as JSON lines, gzip-compressed if the name ends so; its folder is made. Returns how many."""
    count = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    with (
        gzip.open(partial, "wt", encoding="utf-8")
        if path.suffix == ".gz"
        else partial.open("w", encoding="utf-8") as file
    ):
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    partial.replace(path)
    return count


def read_rows(path: Path) -> Iterator[Row]:
    """Rows of a file of JSON lines, gzip-compressed if its name ends so."""
    with (
        gzip.open(path, "rt", encoding="utf-8", newline="\n")
        if path.suffix == ".gz"
        else path.open(encoding="utf-8") as file
    ):
        for line in file:
            yield json.loads(line)
