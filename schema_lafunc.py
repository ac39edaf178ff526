"""Reading JSON Schemas: references, unions and keywords; what a scaffold cannot honour is refused. No torch.

Honoured: `type` (also lists), `enum`, `const`, `properties`, `required`, `items`, `minItems`, `maxItems`, `minLength`,
`maxLength`, `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `anyOf`, `oneOf` with branches of different
types or values, `allOf` with one member, local `$ref`, and `additionalProperties` and `unevaluatedProperties`: maps,
when there are no `properties`. `format` is an annotation, as in the specification. Refused with a [`SchemaError`]: all
else that restricts values, recursion, and a choice between several objects or arrays of objects.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import jsonschema

SUPPORTED = {
    "string": ("enum", "const", "minLength", "maxLength"),
    "number": ("enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "array": ("items", "minItems", "maxItems"),
    "object": ("properties", "required", "additionalProperties", "unevaluatedProperties"),
    "any": ("type", "enum", "const", "anyOf", "oneOf", "allOf with one member", "$ref"),
}
REFUSED = {
    "string": ("pattern",),
    "number": ("multipleOf",),
    "array": ("uniqueItems", "prefixItems", "contains", "unevaluatedItems"),
    "object": (
        "minProperties",
        "maxProperties",
        "patternProperties",
        "propertyNames",
        "dependentRequired",
        "dependentSchemas",
        "dependencies",
    ),
    "any": ("not", "if", "$dynamicRef", "$recursiveRef"),
}
# A schema without `type` is taken for the type that its keywords speak of.
TELLTALE = {
    "object": ("properties", "required", "additionalProperties", "unevaluatedProperties", *REFUSED["object"]),
    "array": ("items", "minItems", "maxItems", *REFUSED["array"]),
    "string": ("minLength", "maxLength", *REFUSED["string"]),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", *REFUSED["number"]),
}
TYPES = ("string", "number", "integer", "boolean", "null", "array", "object")
# Keywords that never exclude a value, or that we satisfy by writing declared members only.
SILENT = (
    "title",
    "description",
    "default",
    "examples",
    "$comment",
    "$defs",
    "definitions",
    "$schema",
    "$id",
    "format",
)
MAX_SCHEMAS = 100_000  # references can make a small schema stand for an exponentially large one
# The first is assumed where a schema does not say. Older ones write exclusive bounds and `required` as booleans.
DIALECTS = (
    jsonschema.Draft202012Validator,
    jsonschema.Draft201909Validator,
    jsonschema.Draft7Validator,
    jsonschema.Draft6Validator,
)


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


class SchemaReader:
    """One tool's schema, whose places it names in errors.

    A schema *part* is (the schema, its JSONPath, the references that led to it).

    Raises:
        SchemaError: the schema is malformed or not JSON.
    """

    def __init__(self, tool: str, parameters: Any):
        self.tool = tool
        self.schema: dict = _plain(tool, parameters)
        self.validator = _dialect(tool, self.schema)(self.schema)
        self.left: float = MAX_SCHEMAS

    def refuse(self, place: str, keyword: str, kind: str, message: str = "") -> SchemaError:
        known = ", ".join(SUPPORTED[kind])
        what = {"any": "here"}.get(kind, f"for {kind}s")
        message = message or f"the keyword {keyword!r} is not supported {what}; supported are {known}"
        return SchemaError(self.tool, f"{place}.{keyword}", message, keyword)

    # ------------------------------------------------------------------------------------------------ resolution

    def resolve(self, schema: Any, place: str, refs: tuple[str, ...]) -> tuple[dict, str, tuple[str, ...]]:
        """Follow `$ref` and one-member `allOf`; returns the schema, its place and the references passed."""
        while True:
            self.left -= 1
            if self.left < 0:
                raise SchemaError(
                    self.tool, place, f"the schema stands for more than {MAX_SCHEMAS} schemas; reuse fewer"
                )
            if schema is True:
                return {}, place, refs
            if schema is False:
                raise SchemaError(self.tool, place, "the schema `false` allows no value; remove the property")
            keyword = "$ref" if "$ref" in schema else "allOf" if "allOf" in schema else None
            if keyword is None:
                return schema, place, refs
            siblings = {k: v for k, v in schema.items() if k != keyword}
            if keyword == "$ref":
                target = schema["$ref"]
                if target in refs:
                    raise self.refuse(
                        place, "$ref", "any", f"{target} refers to itself; recursive schemas are not supported"
                    )
                refs = (*refs, target)
                inner = self.lookup(target, place)
            else:
                if len(schema["allOf"]) != 1:
                    raise self.refuse(
                        place, "allOf", "any", "`allOf` of several schemas is not supported; merge them into one"
                    )
                inner = schema["allOf"][0]
            schema = self.merge(siblings, inner, place, keyword)

    def lookup(self, target: str, place: str) -> Any:
        if target != "#" and not target.startswith("#/"):
            raise self.refuse(
                place, "$ref", "any", f"{target!r} is not in this schema; only local references (#/…) are followed"
            )
        found: Any = self.schema
        for part in target[1:].split("/")[1:]:
            part = unquote(part).replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(part)] if isinstance(found, list) else found[part]
            except (KeyError, IndexError, ValueError, TypeError):
                raise self.refuse(place, "$ref", "any", f"{target!r} does not exist in this schema") from None
        return found

    def merge(self, outer: dict, inner: Any, place: str, keyword: str) -> Any:
        """`inner` with the keywords beside it. Both must hold, so no restricting keyword may be given twice."""
        if not isinstance(inner, dict):
            return outer if inner else inner
        for key in outer.keys() & inner.keys() - set(SILENT):
            if outer[key] != inner[key]:
                raise self.refuse(
                    place, keyword, "any", f"{key!r} is restricted both here and in `{keyword}`; merge the two"
                )
        # These see the properties beside them only; `unevaluatedProperties` sees those of what it refers to as well.
        for closed, other, keywords in (
            (outer, inner, ("additionalProperties",)),
            (inner, outer, ("additionalProperties", "unevaluatedProperties")),
        ):
            unseen = sorted(other.get("properties", {}).keys() - closed.get("properties", {}).keys())
            for key in keywords:
                if unseen and closed.get(key, True) not in (True, {}):
                    raise self.refuse(
                        place,
                        keyword,
                        "any",
                        f"{key!r} does not allow {unseen[0]!r} from across `{keyword}`; merge the two",
                    )
        return {**inner, **outer}

    def types(self, schema: dict, place: str) -> tuple[str, ...]:
        if "type" in schema:
            found = schema["type"]
            return (found,) if isinstance(found, str) else tuple(found)
        for name, keywords in TELLTALE.items():
            if any(keyword in schema for keyword in keywords):
                return (name,)
        return TYPES

    def branches(self, schema: dict, place: str, refs: tuple) -> Iterator[tuple[dict, str, tuple]] | None:
        """The alternatives of a union (`anyOf`, `oneOf`, several types), resolved; None if there is but one."""
        for keyword in ("anyOf", "oneOf"):
            if keyword not in schema:
                continue
            siblings = {k: v for k, v in schema.items() if k != keyword and k not in SILENT}
            found: list[tuple[dict, str, tuple]] = []
            for at, branch in enumerate(schema[keyword]):
                where = f"{place}.{keyword}[{at}]"
                inner, where, inner_refs = self.resolve(branch, where, refs)
                if inner is not branch or siblings:
                    inner = self.merge(siblings, inner, where, keyword)
                nested = self.branches(inner, where, inner_refs)
                found += list(nested) if nested is not None else [(inner, where, inner_refs)]
            if keyword == "oneOf":
                self.check_disjoint(found, place)
            return iter(found)
        types = self.types(schema, place)
        if len(types) > 1 and "enum" not in schema and "const" not in schema:
            return iter(
                [
                    ({**schema, "type": name}, place, refs)
                    for name in types
                    if not (name == "integer" and "number" in types)
                ]
            )
        return None

    def check_disjoint(self, branches: list, place: str) -> None:
        """Refuse a `oneOf` unless no value can satisfy two of its branches."""
        seen: list[tuple[set[str], list | None]] = []
        for schema, _, _ in branches:
            members, types = self.members(schema), schema.get("type", TYPES)
            if members is not None:
                types = [
                    name for name in TYPES if any(map(self.validator.evolve(schema={"type": name}).is_valid, members))
                ]
            names = {types} if isinstance(types, str) else set(types)
            if names & {"integer", "number"}:
                names |= {"integer", "number"}
            for others, known in seen:
                if not names & others:
                    continue
                if (
                    members is None
                    or known is None
                    or any(map(self.validator.evolve(schema={"enum": known}).is_valid, members))
                ):
                    message = (
                        "branches that share a type cannot be told apart; use anyOf, or one type or other values each"
                    )
                    raise self.refuse(place, "oneOf", "any", message)
            seen.append((names, members))

    def members(self, schema: dict) -> list | None:
        """The values that `enum` and `const` leave; None if there is neither."""
        if "const" in schema:
            found = [schema["const"]]
        elif "enum" in schema:
            found = schema["enum"]
        else:
            return None
        # Every other keyword is honoured beside these, by trying the members. `enum` itself would make that quadratic.
        others = {key: value for key, value in schema.items() if key != ("const" if "const" in schema else "enum")}
        check = self.validator.evolve(schema=others)
        return [member for member in found if check.is_valid(member)]

    # ------------------------------------------------------------------------------------------------ nodes

    def top(self) -> tuple[dict, str, tuple]:
        """The part that describes a call's arguments."""
        schema, place, refs = self.resolve(self.schema, "$", ())
        branches = list(self.branches(schema, place, refs) or [(schema, place, refs)])
        objects = [branch for branch in branches if "object" in self.types(*branch[:2])]
        if not objects:
            found = " or ".join(dict.fromkeys(name for branch in branches for name in self.types(*branch[:2])))
            raise SchemaError(self.tool, "$.type", f"parameters must describe an object, not {found}", "type")
        for keyword in ("anyOf", "oneOf", "enum", "const"):
            if keyword in objects[0][0] or (len(objects) > 1 and keyword in schema):
                raise self.refuse(
                    place, keyword, "any", "parameters must be one object; a choice between several is not supported"
                )
        return objects[0]

    def properties(self, schema: dict, place: str) -> dict[str, Any]:
        """The schemas of an object's members by name: those declared that may occur, and those only required."""
        names = schema.get("required", ())
        declared = schema.get("properties", {})
        found = {name: inner for name, inner in declared.items() if inner is not False or name in names}
        for name in names:
            if name not in declared:
                found[name] = self.extra(schema)
                if found[name] is False:
                    raise self.refuse(
                        place, "required", "object", f"{name!r} is required but not among the properties"
                    )
        return found

    @staticmethod
    def extra(schema: dict) -> Any:
        """The schema of undeclared members."""
        return schema.get("additionalProperties", schema.get("unevaluatedProperties", True))

    def check_keywords(self, schema: dict, place: str, kind: str) -> None:
        for keyword in REFUSED[kind]:
            if keyword in schema and not self.is_idle(keyword, schema):
                raise self.refuse(place, keyword, kind)
        if kind == "array" and isinstance(schema.get("items"), list):
            raise self.refuse(place, "items", "array", "tuples (a list of `items`) are not supported")

    @staticmethod
    def is_idle(keyword: str, schema: dict) -> bool:
        """Whether a refused keyword excludes nothing that would be written."""
        value, required = schema[keyword], schema.get("required", ())
        match keyword:
            case "multipleOf":
                return value == 1 and schema.get("type") == "integer"
            case "uniqueItems":
                return value is False or schema.get("maxItems", 2) < 2
            case "contains":
                return schema.get("minContains") == 0 and "maxContains" not in schema
            case "unevaluatedItems":
                return value in (True, {}) or "items" in schema
            case "propertyNames":
                return value in (True, {})
            case "minProperties":
                return value <= len(required)
            case "maxProperties":
                return "properties" in schema and value >= len({*required, *schema["properties"]})
            case "not":
                return value is False
            case "if":
                return not {"then", "else"} & schema.keys()
        return value == {}  # `patternProperties` and its like without entries


def _plain(tool: str, parameters: dict) -> dict:
    """The schema as JSON would carry it."""
    try:
        text = json.dumps(parameters, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError) as error:
        raise SchemaError(tool, "$", f"cannot be written as JSON: {error}") from None
    return json.loads(text)


def _dialect(tool: str, parameters: dict) -> type:
    """The validator class of a well-formed schema."""
    named = parameters.get("$schema")
    dialect = jsonschema.validators.validator_for({"$schema": named if isinstance(named, str) else ""}, DIALECTS[0])
    if dialect not in DIALECTS:
        raise SchemaError(tool, "$.$schema", f"the dialect {named} is not supported; use draft 6 or later", "$schema")
    try:
        dialect.check_schema(parameters)
    except jsonschema.exceptions.SchemaError as error:
        keyword = str(error.path[-1]) if error.path else None
        raise SchemaError(tool, error.json_path, f"not a JSON Schema: {error.message}", keyword) from None
    return dialect
