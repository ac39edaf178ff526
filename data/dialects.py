"""Tools and values of other people's data sets as JSON Schema and JSON values.

Sets write types as Python does (`str`, `List[int]`, `str, optional`), put `required` where it does not belong,
misspell `description`, and quote numbers. [`parameters_of`] and [`coerce`] undo that; what a schema says stays.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from ..copying_lafunc import UNDER_HUNDRED
from .rows import RowError

TYPES = {
    **dict.fromkeys(("string", "str", "text", "char", "date", "datetime", "time", "any", "none", ""), "string"),
    **dict.fromkeys(("integer", "int", "long"), "integer"),
    **dict.fromkeys(("number", "float", "double", "decimal"), "number"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("array", "list", "tuple", "set", "sequence", "arraylist"), "array"),
    **dict.fromkeys(("object", "dict", "map", "mapping"), "object"),
    "null": "null",
}
WORD = re.compile(r"\d+|[^\W\d_]+")
ABSENT = (None, "", "None", "null", "N/A")


def tool_of(name: Any, description: Any, parameters: Any, required: Any = ()) -> dict[str, Any]:
    """A tool in the row format. `required`: names, if the set writes them beside `parameters`.

    Raises:
        RowError: the name is no text, or see [`parameters_of`].
    """
    if not isinstance(name, str) or not name.strip():
        raise RowError("a tool has no name")
    schema = parameters_of(parameters)
    names = [one for one in (*schema.get("required", ()), *(required or ())) if one in schema["properties"]]
    if names:
        schema["required"] = list(dict.fromkeys(names))
    return {"name": name.strip(), "description": str(description or "").strip(), "parameters": schema}


def parameters_of(given: Any) -> dict[str, Any]:
    """JSON Schema of an object, from one in any dialect or from a flat dict of properties.

    In a flat dict, a property is required unless it has a default, or says that it is optional.

    Raises:
        RowError: it is neither.
    """
    if not given:
        return {"type": "object", "properties": {}}
    if not isinstance(given, Mapping):
        raise RowError("parameters are no object", type(given).__name__)
    if isinstance(given.get("properties"), Mapping):
        return _schema({**given, "type": "object"})
    if given.get("type") in ("object", "dict") and not any(isinstance(one, Mapping) for one in given.values()):
        return {"type": "object", "properties": {}}
    properties, required = {}, []
    for name, one in given.items():
        if not isinstance(one, Mapping):
            raise RowError("a parameter has no schema", str(name))
        kind = str(one.get("type", ""))
        optional = "optional" in kind.lower() or "default" in one or one.get("required") is False
        if not optional:
            required.append(name)
        properties[name] = _schema(one)
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _schema(given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise RowError("a parameter has no schema", type(given).__name__)
    schema = dict(given)
    for wrong in ("desciption", "descripton", "desc"):
        if wrong in schema:
            schema.setdefault("description", schema.pop(wrong))
    if schema.get("default", 0) in ABSENT:
        schema.pop("default", None)
    kind = schema.get("type")
    if isinstance(kind, str):
        schema.update(type_of(kind))
    elif kind is None and not schema.keys() & {"enum", "anyOf", "oneOf", "allOf", "$ref", "const", "properties"}:
        schema["type"] = "string"
    if "properties" in schema:
        inner = schema["properties"] if isinstance(schema["properties"], Mapping) else {}
        flagged = [name for name, one in inner.items() if isinstance(one, Mapping) and one.get("required") is True]
        schema["properties"] = {name: _schema(one) for name, one in inner.items()}
        listed = schema.pop("required", None)
        names = [one for one in [*(listed if isinstance(listed, list) else ()), *flagged] if one in inner]
        if names:
            schema["required"] = list(dict.fromkeys(names))
    elif not isinstance(schema.get("required"), list):
        schema.pop("required", None)  # `true` beside a property: read by the object around it
    if schema.get("type") == "array":
        items = schema.get("items")
        schema["items"] = _schema(items) if isinstance(items, Mapping) and items else {"type": "string"}
    if schema.get("type") == "object" and "properties" not in schema:
        schema.setdefault("additionalProperties", {"type": "string"})
    if "enum" in schema and (not isinstance(schema["enum"], list) or not schema["enum"]):
        del schema["enum"]
    return schema


def type_of(text: str) -> dict[str, Any]:
    """A type as some set writes it, as JSON Schema: `List[int]` → an array of integers.

    Raises:
        RowError: no such type.
    """
    kind = text.strip().lower().removesuffix("optional").rstrip(" ,")
    if match := re.fullmatch(r"(?:optional|union)\[(.*?)\]?", kind):  # of several, the first
        kind = match[1].split(",")[0].strip() if not match[1].startswith(("list", "dict", "tuple")) else match[1]
    if match := re.fullmatch(r"(?:list|array|tuple|set|sequence|arraylist)\s*(?:\[|of |<)(.*?)[\]>]?", kind):
        inner = match[1].split(",")[0].strip().rstrip("s]") or "string"
        return {"type": "array", "items": _schema(type_of(inner))}
    kind = re.split(r"[\[<(]", kind)[0].strip()
    if kind not in TYPES:
        raise RowError("unknown type", text)
    return {"type": TYPES[kind]}


def coerce(value: Any, schema: Mapping[str, Any]) -> Any:
    """A value as its schema wants it, where there is no doubt: `"5"` for an integer is 5. Else unchanged."""
    kind = schema.get("type")
    if isinstance(value, str):
        text = value.strip()
        if kind == "integer" and re.fullmatch(r"[-+]?\d{1,15}(\.0+)?", text):
            return int(float(text))
        if kind == "number" and re.fullmatch(r"[-+]?\d{1,15}(\.\d+)?", text):
            return float(text) if "." in text else int(text)
        if kind == "boolean" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind in ("array", "object") and text[:1] in ("[", "{"):
            try:
                return coerce(json.loads(text), schema)
            except json.JSONDecodeError:
                return value
        if "enum" in schema and value not in schema["enum"]:
            alike = [one for one in schema["enum"] if isinstance(one, str) and one.lower() == text.lower()]
            return alike[0] if len(alike) == 1 else value
    elif isinstance(value, bool):
        return str(value).lower() if kind == "string" else value
    elif isinstance(value, int | float):
        if kind == "string":
            return str(value)
        if kind == "integer" and value == int(value):
            return int(value)
    elif isinstance(value, list) and kind == "array" and isinstance(schema.get("items"), Mapping):
        return [coerce(one, schema["items"]) for one in value]
    elif isinstance(value, Mapping) and kind == "object":
        properties = schema.get("properties", {})
        return {name: coerce(one, properties.get(name, {})) for name, one in value.items()}
    return value


def arguments_of(given: Any, tool: Mapping[str, Any]) -> dict[str, Any]:
    """A call's arguments: coerced, and without optional ones that say "nothing".

    Raises:
        RowError: they are no object.
    """
    if not isinstance(given, Mapping):
        raise RowError("arguments are no object", type(given).__name__)
    parameters = tool["parameters"]
    required, properties = parameters.get("required", ()), parameters["properties"]
    return {
        name: coerce(value, properties.get(name, {}))
        for name, value in given.items()
        if name in required or not (value is None or (isinstance(value, str) and value in ABSENT))
    }


def number_of(text: str) -> int | None:
    """An integer written in digits or in English words up to ninety-nine; else None."""
    text = text.strip().lower().rstrip(".")
    if re.fullmatch(r"\d{1,6}", text):
        return int(text)
    parts = re.split(r"[\s-]+", text)
    if all(part in UNDER_HUNDRED for part in parts):
        if len(parts) == 1:
            return UNDER_HUNDRED[parts[0]]
        if len(parts) == 2 and UNDER_HUNDRED[parts[0]] in range(20, 100) and UNDER_HUNDRED[parts[1]] in range(1, 10):
            return UNDER_HUNDRED[parts[0]] + UNDER_HUNDRED[parts[1]]
    return None


def words(text: str) -> list[str]:
    """Lower-case words and numbers of a text; `3pm` is two, so that it is the same as `3 pm`."""
    return WORD.findall(text.lower())


def stands_in(value: Any, text: str) -> bool:
    """Whether a value is said in a text: its words in a row; a number also as a word; each item of an array."""
    if isinstance(value, bool):
        return False
    said = words(text)
    if isinstance(value, int | float):
        if re.search(rf"(?<![\d.]){re.escape(str(value))}(?![\d]|\.\d)", text.replace(",", "")):
            return True
        return any(UNDER_HUNDRED.get(one) == value for one in said) or value in _pairs(said)
    if isinstance(value, str):
        wanted = words(value)
        return bool(wanted) and any(said[at : at + len(wanted)] == wanted for at in range(len(said) - len(wanted) + 1))
    if isinstance(value, list):
        return bool(value) and all(stands_in(one, text) for one in value)
    if isinstance(value, Mapping):
        return bool(value) and all(stands_in(one, text) for one in value.values())
    return False


def made_up(value: Any, text: str) -> bool:
    """Whether a value has numbers and the text has none of them, in digits or words."""
    if isinstance(value, bool) or value is None:
        return False
    numbers = {int(one) for one in words(json.dumps(value)) if one.isdecimal()}
    said = words(text)
    return bool(numbers) and not numbers & (
        {int(one) for one in said if one.isdecimal()}
        | {UNDER_HUNDRED[one] for one in said if one in UNDER_HUNDRED}
        | _pairs(said)
    )


def as_said(value: str, text: str) -> str | None:
    """The part of a text that says the words of a value, in the text's own spelling; None if none does."""
    said, wanted = [(one[0].lower(), *one.span()) for one in WORD.finditer(text)], words(value)
    for at in range(len(said) - len(wanted) + 1 if wanted else 0):
        if [one for one, _, _ in said[at : at + len(wanted)]] == wanted:
            return text[said[at][1] : said[at + len(wanted) - 1][2]]
    return None


def _pairs(said: list[str]) -> set[int]:
    """Numbers of two words, such as forty five."""
    found = (number_of(f"{one} {other}") for one, other in zip(said, said[1:], strict=False))
    return {one for one in found if one is not None}
