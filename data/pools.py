"""Pools of tools, in a file of one's own or inside public sets, as `{"name", "description", "parameters"}`.

Each reader of a set takes a `read` function, as the converters of [`lafunc.data.shared`] do, and yields what stands
there, in JSON Schema's own types; what a scaffold cannot honour is for [`accepted`] to leave out.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from ..compiling_lafunc import compile_tool
from ..processing_lafunc import RequestError, normalize_tools
from ..validation_lafunc import SchemaError
from ..vocabulary_lafunc import Vocabulary
from .rows import RowError
from .shared import Raw, Read, each

Tool = dict[str, Any]
_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}


def read_tools(path: Path) -> list[Any]:
    """What stands in a JSON list of tools. Raises ValueError with the place if the file is not one."""
    try:
        tools = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text: {error}") from None
    if not isinstance(tools, list):
        raise ValueError(f"{path}: must hold a list of tools, got {type(tools).__name__}")
    return tools


def seal_tools(read: Read) -> Iterator[Tool | RowError]:
    """The pool of Seal-Tools, from its file `tool`."""

    def tools(raw: Raw) -> Iterator[Tool]:
        properties = {
            name: {"type": _TYPES.get(one["type"], "string"), "description": one.get("description", "")}
            for name, one in raw["parameters"].items()
        }
        parameters = {"type": "object", "properties": properties, "required": raw.get("required", [])}
        yield {"name": raw["api_name"], "description": raw["api_description"], "parameters": parameters}

    return each(read("tool.*"), tools)


def toolace(read: Read) -> Iterator[Tool | RowError]:
    """What the rows of ToolACE and Hermes offer; files `toolace` and `hermes`."""
    for pattern in ("toolace.*", "hermes.*"):
        yield from each(read(pattern), lambda raw: raw["tools"])


def rottuning(read: Read) -> Iterator[Tool | RowError]:
    """What the system turns of RoTTuning list, `required` beside `parameters`; file `train`."""

    def tools(raw: Raw) -> Iterator[Tool]:
        match = re.search(r"\n(\[{.*}\])", raw["conversations"][0]["value"], re.S)
        for tool in json.loads(match[1]) if match else ():
            if tool["name"] in ("ask_to_user", "finish"):
                continue
            parameters = json.loads(json.dumps(tool["parameters"]).replace('"desciption"', '"description"'))
            yield {**tool, "parameters": {**parameters, "required": tool.get("required", [])}}

    return each(read("train.*"), tools)


def json_schemas(read: Read) -> Iterator[Tool | RowError]:
    """The function-call schemas of JSONSchemaBench, named after where they come from; at most three of a name.

    File `Glaiveai2K`.
    """
    names: Counter[str] = Counter()

    def tools(raw: Raw) -> Iterator[Tool]:
        name = re.sub(r"^Glaiveai2K---|_[0-9a-f]{8}\.json$", "", raw["file"])
        names[name] += 1
        if names[name] <= 3:
            yield {"name": name, "description": "", "parameters": raw["schema"]}

    return each(read("Glaiveai2K.*"), tools)


POOLS = {read.__name__: read for read in (seal_tools, toolace, rottuning, json_schemas)}


def accepted(tools: Iterable[Any], refused: Counter[str] | None = None) -> Iterator[Tool]:
    """The tools that a scaffold can honour, each once by name and schema; `refused` counts the others by error."""
    seen: set[str] = set()
    for tool in tools:
        try:
            plain = normalize_tools([tool])[0]
            compile_tool(plain, any_vocabulary())
        except (RequestError, SchemaError) as error:
            if refused is not None:
                refused[str(error)] += 1
            continue
        key = json.dumps(plain, sort_keys=True)
        if key not in seen:
            seen.add(key)
            yield plain


@cache
def any_vocabulary() -> Vocabulary:
    """A vocabulary of single bytes: whether a schema can be honoured does not depend on the tokenizer."""
    alphabet = {letter: at for at, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    backend = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return Vocabulary(PreTrainedTokenizerFast(tokenizer_object=backend))
