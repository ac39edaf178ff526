"""The Berkeley Function-Calling Leaderboard (Patil et al. 2025): its rows, its dialect, its checker, its averages.

Rows and checker are those of the package `bfcl-eval`. Its dependencies (a dozen vendors' clients, an old numpy) stay
out: it is installed with `--no-deps`, and only the checker is imported. Nothing of it is ever trained or tuned on.

```python
>>> rows = load(["simple_python"], limit=3)
>>> score(rows[0], [("calculate_triangle_area", {"base": 10, "height": 5})]).valid
True
```
"""

import json
import math
import random
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata, util
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

SIMPLE = ("simple_python", "simple_java", "simple_javascript")
NON_LIVE = (*SIMPLE, "multiple", "parallel", "parallel_multiple")
LIVE = ("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple")
NO_CALL = ("irrelevance", "live_irrelevance")  # nothing offered fits: any call is wrong
ANY_CALL = ("live_relevance",)  # something fits: any call is right
CATEGORIES = (*NON_LIVE, "irrelevance", *LIVE, "live_irrelevance", *ANY_CALL)
SIZES = dict(zip(CATEGORIES, (400, 100, 50, 200, 200, 200, 240, 258, 1053, 16, 24, 884, 16), strict=True))  # rows

Calls = Sequence[tuple[str, Mapping[str, Any]]]  # (name, arguments) of each call


class EvaluationError(ValueError):
    """A measurement that cannot be made as asked: what is missing or unknown, and what to do."""


@dataclass(frozen=True)
class Row:
    """One question.

    Attributes:
        messages: the conversation.
        tools: what is offered, bare, as JSON Schema.
        functions: the same in BFCL's own dialect, for the checker.
        expected: per call that is due, name -> argument -> values that are right, `""` among them if it may be left
            out. Empty where none is due, or any.
    """

    id: str
    category: str
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    functions: list[dict[str, Any]]
    expected: list[dict[str, dict[str, list]]]

    @property
    def names(self) -> list[str]:
        """Names of the calls that are due, in order."""
        return [name for call in self.expected for name in call]


@dataclass(frozen=True)
class Verdict:
    """What the checker says of an answer; `error_type` is its own word."""

    valid: bool
    error_type: str = ""
    error: str = ""


# ---------------------------------------------------------------------------------------------------------------- rows


def load(categories: Sequence[str], limit: int | None = None, seed: int = 0) -> list[Row]:
    """The rows of some categories.

    Args:
        limit: at most so many a category, drawn at random with the seed; in the order of the data. The languages of
            simple, one category in three, share it.

    Raises:
        EvaluationError: a category is unknown, or `bfcl-eval` is not installed.
    """
    for category in categories:
        if category not in CATEGORIES:
            raise EvaluationError(f"category {category!r} is unknown; it must be one of {', '.join(CATEGORIES)}")
    if limit is not None and limit < 1:
        raise EvaluationError(f"limit must be at least 1, got {limit}")
    rows = []
    for category in categories:
        found = _load(category)
        shares = sum(name in SIMPLE for name in categories) if category in SIMPLE else 1
        most = len(found) if limit is None else math.ceil(limit / shares)
        if most < len(found):
            chosen = random.Random(f"{seed} {category}").sample(range(len(found)), most)
            found = [found[at] for at in sorted(chosen)]
        rows += found
    return rows


def _load(category: str) -> list[Row]:
    folder = _package_folder() / "data"
    file = f"BFCL_v4_{category}.json"
    answers = {}
    if category not in (*NO_CALL, *ANY_CALL):
        answers = {entry["id"]: entry["ground_truth"] for entry in _read(folder / "possible_answer" / file)}
    return [
        Row(
            id=entry["id"],
            category=category,
            messages=entry["question"][0],
            tools=[tool(function, category) for function in entry["function"]],
            functions=entry["function"],
            expected=answers.get(entry["id"], []),
        )
        for entry in _read(folder / file)
    ]


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


# ------------------------------------------------------------------------------------------------------------- dialect

# BFCL's words for types; the table is `GORILLA_TO_OPENAPI` in bfcl_eval/constants/type_mappings.py.
TYPES = {
    **dict.fromkeys(("string", "String", "char", "any", "Any"), "string"),
    **dict.fromkeys(("integer", "byte", "short", "long", "Bigint"), "integer"),
    **dict.fromkeys(("number", "float", "double"), "number"),
    **dict.fromkeys(("boolean", "bool", "Boolean"), "boolean"),
    **dict.fromkeys(("array", "list", "tuple", "Array", "ArrayList", "Queue", "Stack"), "array"),
    **dict.fromkeys(("object", "dict", "HashMap", "Hashtable"), "object"),
}
LANGUAGES = {"simple_java": ("Java", "Java 8 SDK"), "simple_javascript": ("JavaScript", "JavaScript")}


def tool(function: Mapping[str, Any], category: str) -> dict[str, Any]:
    """A function of BFCL as a tool with a JSON Schema.

    As BFCL itself does it for models that take tools (`func_doc_language_specific_pre_processing` and
    `convert_to_tool` in bfcl_eval): a hint names the language; the values of Java and JavaScript functions are strings
    that hold source text.

    Raises:
        EvaluationError: a type is none of the dialect's.
    """
    language, syntax = LANGUAGES.get(category, ("Python", "Python 3"))
    parameters = deepcopy(function["parameters"])
    if category in LANGUAGES:
        for schema in parameters["properties"].values():
            if schema["type"] == "any":
                hint = f" This parameter can be of any type of {language} object in string representation."
            else:
                hint = f" This is {language} {schema['type']} type parameter in string representation."
            if "items" in schema:
                of = schema["items"]["type"]
                hint += f" The list elements are of type {of}; they are not in string representation."
            if schema["type"] == "dict" and "properties" in schema:
                entries = json.dumps(schema["properties"])
                hint += " The dictionary entries have the following schema; they are not in string representation. "
                hint += entries
            schema["description"] = schema.get("description", "") + hint
            schema["type"] = "string"
            for key in ("items", "properties", "required", "enum", "default"):
                schema.pop(key, None)
    return {
        "name": function["name"],
        "description": f"{function['description']} Note that the provided function is in {syntax} syntax.",
        "parameters": _schema(parameters, function["name"]),
    }


def _schema(schema: Mapping[str, Any], place: str) -> dict[str, Any]:
    """A schema of the dialect as JSON Schema."""
    mapped = dict(schema)
    if "type" in mapped:
        if mapped["type"] not in TYPES:
            raise EvaluationError(f"{place}: type {mapped['type']!r} is not of BFCL's dialect")
        mapped["type"] = TYPES[mapped["type"]]
    if "properties" in mapped:
        mapped["properties"] = {
            name: _schema(member, f"{place}.{name}") for name, member in mapped["properties"].items()
        }
    if isinstance(mapped.get("items"), Mapping):
        mapped["items"] = _schema(mapped["items"], f"{place}[]")
    members = mapped.get("enum")
    if members and mapped.get("type") == "array" and not any(isinstance(member, list) for member in members):
        mapped["items"] = {**mapped.get("items", {}), "enum": mapped.pop("enum")}  # of the elements, it is meant
    elif members and mapped.get("type") in READ_AS:
        # "True", "False", "dontcare" for a boolean, "1", "2" for an integer: what the text says decides.
        read = READ_AS[mapped.pop("type")]
        mapped["enum"] = [
            read.get(member.lower(), member) if isinstance(member, str) else member for member in members
        ]
    return mapped


READ_AS: dict[str, dict[str, Any]] = {
    "boolean": {"true": True, "false": False},
    "integer": {str(number): number for number in range(10_000)},
}


# ------------------------------------------------------------------------------------------------------------- scoring


def score(row: Row, calls: Calls) -> Verdict:
    """Whether the calls are right, by BFCL's own AST checker; by whether there are any, where it asks only for that.

    A checker that raises counts as wrong.
    """
    if row.category in NO_CALL:
        return Verdict(False, "irrelevance_error", "a call was made where none is due") if calls else Verdict(True)
    if row.category in ANY_CALL:
        return Verdict(True) if calls else Verdict(False, "relevance_error", "no call was made where one is due")
    if not calls:
        return Verdict(False, "no_call", "no call was made where one is due")
    made = [{name: dict(arguments)} for name, arguments in calls]
    checker = _checker()
    try:
        found = checker.ast_checker(row.functions, made, row.expected, _language(row), row.category, "lafunc")
    except Exception as error:  # the checker does not expect every answer
        return Verdict(False, "checker_error", f"{type(error).__name__}: {error}")
    if found["valid"]:
        return Verdict(True)
    return Verdict(False, str(found["error_type"]), str(found["error"]))


def score_argument(row: Row, name: str, argument: str, value: Any, right: Sequence[Any]) -> bool:
    """Whether the checker takes one value for right, all other arguments left aside."""
    function = next(function for function in row.functions if function["name"] == name)
    schema = function["parameters"]["properties"].get(argument)
    if schema is None:
        return False
    alone = {"name": name, "parameters": {"properties": {argument: schema}, "required": []}}
    made, expected = {name: {argument: value}}, {name: {argument: list(right)}}
    checker = _checker()
    try:
        return checker.simple_function_checker(alone, made, expected, _language(row), "lafunc")["valid"]
    except Exception:
        return False


def averages(accuracy: Mapping[str, tuple[int, int]]) -> dict[str, float | None]:
    """The leaderboard's averages (`generate_leaderboard_csv` in bfcl_eval), in percent.

    Args:
        accuracy: category -> (right, rows).

    Returns:
        `non_live_ast`: mean of simple (itself the mean of its three), multiple, parallel, parallel_multiple.
        `live_ast`: by number of rows. `irrelevance`: mean of both. `live_relevance`. None where a category is missing.
    """

    def percent(category: str) -> float | None:
        right, rows = accuracy.get(category, (0, 0))
        return 100 * right / rows if rows else None

    def mean(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known and len(known) == len(values) else None

    live = [accuracy.get(category, (0, 0)) for category in LIVE]
    return {
        "non_live_ast": mean([mean([percent(c) for c in SIMPLE]), *(percent(c) for c in NON_LIVE[len(SIMPLE) :])]),
        "live_ast": 100 * sum(right for right, _ in live) / sum(rows for _, rows in live)
        if all(rows for _, rows in live)
        else None,
        "irrelevance": mean([percent(c) for c in NO_CALL]),
        "live_relevance": percent("live_relevance"),
    }


def _language(row: Row) -> Any:
    return {"simple_java": _enums().JAVA, "simple_javascript": _enums().JAVASCRIPT}.get(row.category, _enums().PYTHON)


# ------------------------------------------------------------------------------------------------------------- package


def version() -> str:
    """The version of `bfcl-eval`."""
    _package_folder()
    return metadata.version("bfcl-eval")


@cache
def _package_folder() -> Path:
    found = util.find_spec("bfcl_eval")
    if found is None or not found.submodule_search_locations:
        raise EvaluationError(
            "the package bfcl-eval is not installed; its rows and its checker are needed, its dependencies are not: "
            "pip install --no-deps bfcl-eval==2026.3.23"
        )
    return Path(next(iter(found.submodule_search_locations)))


@cache
def _checker() -> Any:
    """bfcl_eval's ast_checker module.

    It imports the table of all models, and with it every vendor's client, to ask one thing: whether a model writes
    dots in names as underscores. A stand-in answers no.
    """
    _package_folder()
    table = "bfcl_eval.constants.model_config"
    stand_in: Any = ModuleType(table)
    stand_in.MODEL_CONFIG_MAPPING = defaultdict(lambda: SimpleNamespace(underscore_to_dot=False))
    replaced = sys.modules.get(table)
    sys.modules[table] = stand_in
    try:
        return import_module("bfcl_eval.eval_checker.ast_eval.ast_checker")
    finally:
        if replaced is None:
            del sys.modules[table]
        else:
            sys.modules[table] = replaced


@cache
def _enums() -> Any:
    _package_folder()
    return import_module("bfcl_eval.constants.enums").Language
