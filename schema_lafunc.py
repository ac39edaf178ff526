"""JSON Schema → scaffold nodes: every keyword is honoured by a slot language or refused by name and place. No torch.

Honoured: `type` (also lists), `enum`, `const`, `properties`, `required`, `items`, `minItems`, `maxItems`, `minLength`,
`maxLength`, `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `anyOf`, `oneOf` with branches of different
types or values, `allOf` with one member, local `$ref`, and `additionalProperties` and `unevaluatedProperties`: maps,
when there are no `properties`. `format` is an annotation, as in the specification. Refused with a [`SchemaError`]: all
else that restricts values, recursion, and a choice between several objects or arrays of objects.

```python
>>> compile_tool({"name": "f", "parameters": {"properties": {"a": {"type": "string", "pattern": "x"}}}}, vocabulary)
SchemaError: tool 'f', $.properties.a.pattern: the keyword 'pattern' is not supported for strings; supported are …
```
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import cache, lru_cache
from typing import Any
from urllib.parse import unquote

import jsonschema

from .language_lafunc import Automaton, Vocabulary, concat, literal, number, one_of, repeat, string, union
from .scaffolding_lafunc import MAX_ITEMS, Items, Member, Node, Object, Path, Slot, Tool, opener

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
ANY_DEPTH = 1  # arrays and maps nested in a value of any type
# Positions that a slot has at first, where the schema does not say; a filling that needs more gets more.
STRING_TOKENS = 20
NUMBER_TOKENS = 8
MAX_COUNT = 4096  # length bounds above this would make automata that no budget can use
MAX_DEPTH = 32  # values nested deeper would exhaust the stack of whoever reads them
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


@dataclass(frozen=True)
class _Value:
    """A value that fits in one slot. `language(prefix)` begins with the text `prefix` and lacks the closing `close`.

    `budget` is the number of positions that it has at first, a leading space included.
    """

    kind: str
    language: Callable[[str], Automaton]
    close: str = ""
    budget: int = STRING_TOKENS


def compile_tool(tool: Mapping[str, Any], vocabulary: Vocabulary) -> Tool:
    """Compile `{"name", "description", "parameters"}`, whose parameters are a JSON Schema of an object.

    Raises:
        SchemaError: see the module.
    """
    name, parameters = tool["name"], tool.get("parameters")
    parameters = {"type": "object", "properties": {}} if parameters in (None, {}) else parameters
    if not isinstance(parameters, dict):
        raise SchemaError(name, "$", f"parameters must be a JSON Schema object, got {type(parameters).__name__}")
    try:
        parameters = _plain(name, parameters)
        compiler = _Compiler(name, parameters, vocabulary, _dialect(name, parameters))
        compiler.check(compiler.arguments(0))
    except RecursionError:
        raise SchemaError(name, "$", "the schema is nested too deeply") from None
    return Tool(name, str(tool.get("description") or ""), parameters, compiler.arguments)


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


class _Compiler:
    def __init__(self, tool: str, root: dict, vocabulary: Vocabulary, validator: type):
        self.tool, self.schema, self.vocabulary = tool, root, vocabulary
        self.validator = validator(root)
        self.left: float = MAX_SCHEMAS
        self.arguments = lru_cache(maxsize=32)(self.root)

    def root(self, call: int) -> Node:
        """The node of one call's argument object."""
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
        return self.object(*objects[0], (call,), " ", True)

    def check(self, node: Node) -> None:
        """Compile the first elements of arrays, so that errors in them come before any work."""
        todo = [node]
        while todo:
            at = todo.pop()
            if at.bracket == "{":
                todo += [member.node for member in at.members]
            elif at.bracket == "[" and at.high:
                todo.append(at.element(0))
        self.left = math.inf

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
            found = []
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

    def node(self, schema: Any, place: str, refs: tuple, path: Path, lead: str, required: bool) -> Node:
        if len(path) > MAX_DEPTH:
            raise SchemaError(self.tool, place, f"values nested deeper than {MAX_DEPTH} levels are not supported")
        described = schema if isinstance(schema, dict) else {}
        schema, place, refs = self.resolve(schema, place, refs)
        description = str(described.get("description") or schema.get("description") or "")
        branches = [(schema, place, refs)]
        if not {"enum", "const"} & schema.keys():
            branches = list(self.branches(schema, place, refs) or branches)
        compound = [branch for branch in branches if self.is_compound(*branch)]
        plain = [branch for branch in branches if not self.is_compound(*branch)]
        if len(compound) > 1:
            where = "anyOf" if "anyOf" in schema else "oneOf" if "oneOf" in schema else "type"
            raise self.refuse(
                place, where, "any", "a choice between several objects or arrays of objects is not supported"
            )
        if not compound:
            value = self.value(schema, place, refs)
            return self.slot(value, path, lead, required, description)
        alternative = None
        if plain:
            value = self.union([self.value(*branch) for branch in plain])
            alternative = self.slot(value, path, lead, required, description)
            if alternative.close:
                language = concat(alternative.language, literal(self.vocabulary, alternative.close))
                alternative = replace(alternative, language=language, close="")
        inner, where, inner_refs = compound[0]
        build = self.object if self.types(inner, where) == ("object",) else self.items
        return build(inner, where, inner_refs, path, lead, required, alternative)

    def slot(self, value: _Value, path: Path, lead: str, required: bool, description: str) -> Slot:
        language = value.language(lead)
        budget = max(value.budget, len(language.shortest()))
        return Slot(path, value.kind, language, value.close, budget, not required, description)

    def object(
        self,
        schema: dict,
        place: str,
        refs: tuple,
        path: Path,
        lead: str,
        required: bool,
        alternative: Slot | None = None,
    ) -> Object:
        self.check_keywords(schema, place, "any")
        self.check_keywords(schema, place, "object")
        names = schema.get("required", [])
        properties = {**schema.get("properties", {})}
        for name in names:
            if name not in properties:
                extra = self.extra(schema)
                if extra is False:
                    raise self.refuse(
                        place, "required", "object", f"{name!r} is required but not among the properties"
                    )
                properties[name] = extra
        members = tuple(
            Member(
                name,
                self.node(inner, f"{place}.properties.{name}", refs, (*path, name), " ", name in names),
                name in names,
            )
            for name, inner in properties.items()
            if inner is not False or name in names
        )
        switch = None
        if alternative is not None or not required:
            switch = opener(self.vocabulary, lead, "{", path, not required, alternative)
        return Object(path, lead, members, switch, alternative)

    def items(
        self,
        schema: dict,
        place: str,
        refs: tuple,
        path: Path,
        lead: str,
        required: bool,
        alternative: Slot | None = None,
    ) -> Items:
        self.check_keywords(schema, place, "any")
        low, high = self.counts(schema, place)

        @cache
        def element(at: int) -> Node:
            return self.node(schema["items"], f"{place}.items", refs, (*path, at), " " if at else "", at < low)

        switch = None
        if alternative is not None or not required:
            switch = opener(self.vocabulary, lead, "[", path, not required, alternative)
        limit = max(low, MAX_ITEMS)
        capped = high is None or high > limit
        return Items(path, lead, element, low, limit if capped else high, capped, switch, alternative)

    def is_compound(self, schema: dict, place: str, refs: tuple) -> bool:
        """Whether a value of this (resolved, single-branch) schema needs fixed keys, so cannot be one slot."""
        if "enum" in schema or "const" in schema:
            return False
        types = self.types(schema, place)
        if types == ("object",):
            return bool(schema.get("properties") or schema.get("required"))
        if types != ("array",) or "items" not in schema or isinstance(schema["items"], list):
            return False
        inner = self.resolve(schema["items"], f"{place}.items", refs)
        return any(self.is_compound(*branch) for branch in (self.branches(*inner) or [inner]))

    # ------------------------------------------------------------------------------------------------ values

    def value(self, schema: dict, place: str, refs: tuple, depth: int = 0) -> _Value:
        """The language of a schema that [`is_compound`] denies."""
        if depth > MAX_DEPTH:
            raise SchemaError(self.tool, place, f"values nested deeper than {MAX_DEPTH} levels are not supported")
        if "const" in schema or "enum" in schema:
            return self.enum(schema, place)
        self.check_keywords(schema, place, "any")
        branches = self.branches(schema, place, refs)
        if branches is not None:
            if depth > ANY_DEPTH and not {"type", "anyOf", "oneOf"} & schema.keys():
                branches = iter(b for b in branches if b[0].get("type") not in ("array", "object"))
            return self.union([self.value(*branch, depth) for branch in branches])
        (kind,) = self.types(schema, place)
        v = self.vocabulary
        if kind == "string":
            return self.string(schema, place)
        if kind in ("number", "integer"):
            return self.number(schema, place, kind)
        if kind == "boolean":
            return _Value(
                "boolean",
                lambda prefix: one_of(v, (prefix + "true", prefix + "false")),
                "",
                self.longest("true", "false"),
            )
        if kind == "null":
            return _Value("mixed", lambda prefix: literal(v, prefix + "null"), "", self.longest("null"))
        return self.array(schema, place, refs, depth) if kind == "array" else self.map(schema, place, refs, depth)

    def enum(self, schema: dict, place: str) -> _Value:
        keyword = "const" if "const" in schema else "enum"
        members = self.members(schema)
        if not members:
            raise self.refuse(place, keyword, "any", "no member satisfies the other keywords beside it")
        texts = tuple(dict.fromkeys(json.dumps(member, ensure_ascii=False) for member in members))
        close = '"' if all(isinstance(member, str) for member in members) else ""
        texts = tuple(text[: len(text) - len(close)] for text in texts)
        budget = self.longest(*texts)
        return _Value(
            "enum", lambda prefix: one_of(self.vocabulary, tuple(prefix + text for text in texts)), close, budget
        )

    def longest(self, *texts: str) -> int:
        """Positions for the longest of several texts."""
        return max(len(self.vocabulary.encode(" " + text)) for text in texts)

    def string(self, schema: dict, place: str) -> _Value:
        self.check_keywords(schema, place, "string")
        low, high = int(schema.get("minLength", 0)), schema.get("maxLength")
        if high is not None and low > high:
            raise self.refuse(place, "maxLength", "string", f"minLength {low} exceeds maxLength {high}")
        if low > MAX_COUNT:
            raise self.refuse(
                place,
                "minLength",
                "string",
                f"strings of at least {low} characters are not supported; at most {MAX_COUNT}",
            )
        high = None if high is None else min(int(high), MAX_COUNT)
        body = string(self.vocabulary, low, high)
        budget = STRING_TOKENS if high is None else 1 + min(STRING_TOKENS - 1, high)
        return _Value("string", lambda prefix: concat(literal(self.vocabulary, prefix + '"'), body), '"', budget)

    def number(self, schema: dict, place: str, kind: str) -> _Value:
        self.check_keywords(schema, place, "number")
        # A decimal is compared with the text of a double, a whole number with its exact value.
        read = Decimal if kind == "integer" else lambda value: Decimal(repr(value))
        low, low_strict = self.bound(schema, "minimum", "exclusiveMinimum", max, read)
        high, high_strict = self.bound(schema, "maximum", "exclusiveMaximum", min, read)
        if kind == "integer":
            if low is not None:
                whole = low.to_integral_value(ROUND_CEILING)
                low, low_strict = (whole + 1 if low_strict and whole == low else whole), False
            if high is not None:
                whole = high.to_integral_value(ROUND_FLOOR)
                high, high_strict = (whole - 1 if high_strict and whole == high else whole), False
        try:
            digits = number(self.vocabulary, low, high, low_strict, high_strict, kind == "integer")
        except ValueError as error:
            keyword = (
                "maximum" if "maximum" in schema else "exclusiveMaximum" if "exclusiveMaximum" in schema else "minimum"
            )
            raise self.refuse(place, keyword, "number", f"between {low} and {high}: {error}") from None
        budget = NUMBER_TOKENS
        if kind == "integer" and low is not None and high is not None:
            budget = min(budget, 1 + max(len(str(low)), len(str(high))))
        return _Value(
            kind, lambda prefix: concat(literal(self.vocabulary, prefix), digits) if prefix else digits, "", budget
        )

    @staticmethod
    def bound(
        schema: dict, inclusive: str, exclusive: str, tighter: Callable, read: Callable[[Any], Decimal]
    ) -> tuple[Decimal | None, bool]:
        found = [
            (read(schema[keyword]), strict)
            for keyword, strict in ((inclusive, False), (exclusive, True))
            if keyword in schema
        ]
        if not found:
            return None, False
        best = tighter(value for value, _ in found)
        return best, any(strict for value, strict in found if value == best)

    def counts(self, schema: dict, place: str) -> tuple[int, int | None]:
        self.check_keywords(schema, place, "array")
        low, high = int(schema.get("minItems", 0)), schema.get("maxItems")
        if high is not None and low > high:
            raise self.refuse(place, "maxItems", "array", f"minItems {low} exceeds maxItems {high}")
        if low > MAX_COUNT:
            raise self.refuse(
                place, "minItems", "array", f"arrays of at least {low} items are not supported; at most {MAX_COUNT}"
            )
        return low, None if high is None else int(high)

    def array(self, schema: dict, place: str, refs: tuple, depth: int) -> _Value:
        low, high = self.counts(schema, place)
        if high == 0:
            return _Value("array", lambda prefix: literal(self.vocabulary, prefix + "[]"), "", self.longest("[]"))
        inner = self.resolve(schema.get("items", True), f"{place}.items", refs)
        item, v = self.value(*inner, depth + 1), self.vocabulary

        @cache  # or each level of nesting would double the work
        def language(prefix: str) -> Automaton:
            parts = [item.language(prefix + "[")]
            if high != 1:
                following = concat(literal(v, item.close + ","), item.language(" "))
                parts.append(repeat(following, max(low - 1, 0), None if high is None else high - 1))
            filled = concat(*parts, literal(v, item.close + "]"))
            return filled if low else union(literal(v, prefix + "[]"), filled)

        return _Value("array", language)

    def map(self, schema: dict, place: str, refs: tuple, depth: int) -> _Value:
        """An object without declared properties: free keys, values of `additionalProperties`."""
        self.check_keywords(schema, place, "object")
        extra, v = self.extra(schema), self.vocabulary
        if extra is False:
            return _Value("mixed", lambda prefix: literal(v, prefix + "{}"))
        inner = self.resolve(extra, f"{place}.additionalProperties", refs)
        if any(self.is_compound(*branch) for branch in (self.branches(*inner) or [inner])):
            raise self.refuse(
                place, "additionalProperties", "object", "maps whose values are objects are not supported"
            )
        value = self.value(*inner, depth + 1)

        @cache
        def language(prefix: str) -> Automaton:
            def pair(opening: str) -> Automaton:
                return concat(literal(v, opening), string(v), literal(v, '":'), value.language(" "))

            filled = concat(
                pair(prefix + '{"'), repeat(pair(value.close + ', "'), 0, None), literal(v, value.close + "}")
            )
            return union(literal(v, prefix + "{}"), filled)

        return _Value("mixed", language)

    def union(self, values: list[_Value]) -> _Value:
        """Any of several values; those with a closing quote of their own bring it along."""
        if len(values) == 1:
            return values[0]
        v = self.vocabulary

        def language(prefix: str) -> Automaton:
            return union(
                *(concat(x.language(prefix), literal(v, x.close)) if x.close else x.language(prefix) for x in values)
            )

        return _Value("mixed", language)

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
