"""Whether a JSON Schema is one, and whether a value satisfies it: jsonschema's validators, made safe. No torch.

They fetch nothing, and follow expressions by automata: backtracking would let one take exponential time.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jsonschema

from .pattern_lafunc import PatternError, Text, characters

TYPES = ("string", "number", "integer", "boolean", "null", "array", "object")


def _name(uri: Any) -> str:
    return uri.rstrip("#").replace("https://", "http://", 1) if isinstance(uri, str) else ""


# The first is assumed where a schema does not say.
DIALECTS = {
    _name(dialect.ID_OF(dialect.META_SCHEMA)): dialect
    for dialect in (
        jsonschema.Draft202012Validator,
        jsonschema.Draft201909Validator,
        jsonschema.Draft7Validator,
        jsonschema.Draft6Validator,
        jsonschema.Draft4Validator,
    )
}
# Up to draft 7, what stands beside `$ref` is ignored.
LEGACY = (jsonschema.Draft7Validator, jsonschema.Draft6Validator, jsonschema.Draft4Validator)


class SchemaError(ValueError):
    """A tool whose schema is malformed, or that asks for what no scaffold can guarantee.

    Attributes:
        tool: the tool's name.
        path: JSONPath of the offending place within `parameters`.
        keyword: the keyword there, or None.
    """

    def __init__(self, tool: str, path: str, message: str, keyword: str | None = None):
        super().__init__(f"tool {tool!r}, {path}: {message}")
        self.tool, self.path, self.keyword = tool, path, keyword


def found_in(pattern: str, name: str) -> bool:
    """Whether an expression is found in a string; in time linear in it, if our automata can follow the expression."""
    try:
        return characters(Text((pattern,))).matches(name)
    except PatternError as error:
        if "no string" in str(error):
            return False
        raise


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    if validator.is_type(instance, "string") and not found_in(pattern, instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Mapping, instance: Any, schema: Any) -> Iterator[Any]:
    if validator.is_type(instance, "object"):
        for pattern, inner in patterns.items():
            for name, value in instance.items():
                if found_in(pattern, name):
                    yield from validator.descend(value, inner, path=name, schema_path=pattern)


def _additional_properties(validator: Any, extra: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if validator.is_type(instance, "object"):
        for name, value in instance.items():
            if name not in schema.get("properties", {}) and not any(
                found_in(pattern, name) for pattern in schema.get("patternProperties", ())
            ):
                yield from validator.descend(value, extra, path=name)


# Backtracking would let an expression take exponential time.
_SAFE = {
    dialect: jsonschema.validators.extend(
        dialect,
        {
            "pattern": _pattern,
            "patternProperties": _pattern_properties,
            "additionalProperties": _additional_properties,
        },
    )
    for dialect in DIALECTS.values()
}


def validator(schema: Mapping[str, Any]) -> Any:
    """A validator of jsonschema's for a well-formed schema. It fetches nothing, and expressions take linear time."""
    dialect = DIALECTS.get(_name(schema.get("$schema")), jsonschema.Draft202012Validator)
    return _SAFE[dialect](schema, registry=jsonschema.validators.SPECIFICATIONS)


def as_json(tool: str, parameters: dict) -> dict:
    """The schema as JSON would carry it."""
    try:
        text = json.dumps(parameters, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError) as error:
        raise SchemaError(tool, "$", f"cannot be written as JSON: {error}") from None
    return json.loads(text)


def dialect_of(tool: str, parameters: dict) -> type:
    """The validator class of a well-formed schema."""
    named = _name(parameters.get("$schema"))
    dialect = DIALECTS.get(named, jsonschema.Draft202012Validator)
    if "json-schema.org/draft-03" in named:
        raise SchemaError(
            tool, "$.$schema", f"the dialect {parameters['$schema']} is not supported; use draft 4 or later", "$schema"
        )
    if _well_formed(parameters, dialect is jsonschema.Draft4Validator):
        return dialect
    try:
        dialect.check_schema(parameters)
    except jsonschema.exceptions.SchemaError as error:
        keyword = str(error.path[-1]) if error.path else None
        raise SchemaError(tool, error.json_path, f"not a JSON Schema: {error.message}", keyword) from None
    return dialect


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_type(value: Any) -> bool:
    return value in TYPES if isinstance(value, str) else _is_names(value) and bool(value) and set(value) <= set(TYPES)


_FORMS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("$ref", "$id", "$schema", "$anchor", "$comment", "title", "description", "pattern"), _is_text),
    "format": _is_text,
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _is_count),
    **dict.fromkeys(("minContains", "maxContains"), _is_count),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    "multipleOf": lambda value: _is_number(value) and value > 0,
    "required": _is_names,
    "type": _is_type,
    "enum": lambda value: isinstance(value, list) and bool(value),
    "uniqueItems": lambda value: isinstance(value, bool),
    "dependentRequired": lambda value: isinstance(value, dict) and all(map(_is_names, value.values())),
}
_SCHEMA = (
    "additionalProperties",
    "additionalItems",
    "items",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies")


def _well_formed(parameters: Any, draft4: bool) -> bool:
    """Whether it is plain that this is a JSON Schema; the meta-schema, which takes long, is asked about the rest."""
    todo = [parameters]
    while todo:
        schema = todo.pop()
        if isinstance(schema, bool):
            continue
        if not isinstance(schema, dict):
            return False
        for key, value in schema.items():
            if key in _FORMS:
                exclusive = draft4 and key.startswith("exclusive") and isinstance(value, bool)
                if not exclusive and not _FORMS[key](value):
                    return False
            elif key in _SCHEMA and isinstance(value, (dict, bool)):
                todo.append(value)
            elif key in _SCHEMAS and isinstance(value, list):
                if not value and key != "items":
                    return False
                todo += value
            elif key in _NAMED and isinstance(value, dict):
                todo += [one for one in value.values() if key != "dependencies" or not _is_names(one)]
            elif key in _SCHEMA or key in _SCHEMAS or key in _NAMED:
                return False
    return True
