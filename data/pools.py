"""Pools of tools, in a file of one's own or inside public sets, as `{"name", "description", "parameters"}`.

Each reader of a set takes its folder and yields what is written there, in JSON Schema's own types; what a scaffold
cannot honour is for [`accepted`] to leave out.
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from ..compiling_lafunc import compile_tool
from ..processing_lafunc import RequestError, normalize_tools
from ..schema_lafunc import SchemaError
from ..vocabulary_lafunc import Vocabulary

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


def seal_tools(folder: Path) -> Iterator[Tool]:
    """The pool of Seal-Tools: `tool.jsonl.gz`."""
    for row in _lines(folder / "tool.jsonl.gz"):
        properties = {
            name: {"type": _TYPES.get(one["type"], "string"), "description": one.get("description", "")}
            for name, one in row["parameters"].items()
        }
        parameters = {"type": "object", "properties": properties, "required": row.get("required", [])}
        yield {"name": row["api_name"], "description": row["api_description"], "parameters": parameters}


def toolace(folder: Path) -> Iterator[Tool]:
    """What the rows of ToolACE and Hermes offer."""
    for name in ("toolace.jsonl.gz", "hermes.jsonl.gz"):
        for row in _lines(folder / name):
            yield from row["tools"]


def rottuning(folder: Path) -> Iterator[Tool]:
    """What the system turns of RoTTuning list; its `required` stands beside `parameters`."""
    for row in _lines(folder / "train.jsonl.gz"):
        match = re.search(r"\n(\[{.*}\])", row["conversations"][0]["value"], re.S)
        for tool in json.loads(match[1]) if match else ():
            if tool["name"] in ("ask_to_user", "finish"):
                continue
            parameters = json.loads(json.dumps(tool["parameters"]).replace('"desciption"', '"description"'))
            yield {**tool, "parameters": {**parameters, "required": tool.get("required", [])}}


def json_schemas(folder: Path) -> Iterator[Tool]:
    """The function-call schemas of JSONSchemaBench (Glaive), named after their files; at most three of a name."""
    names: Counter[str] = Counter()
    for row in _lines(folder / "Glaiveai2K.jsonl.gz"):
        name = re.sub(r"^Glaiveai2K---|_[0-9a-f]{8}\.json$", "", row["file"])
        names[name] += 1
        if names[name] <= 3:
            yield {"name": name, "description": "", "parameters": row["schema"]}


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


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        for line in file:
            yield json.loads(line)
