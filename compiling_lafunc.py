"""Tools → scaffold nodes: every leaf value gets a language that the schema allows. No torch.

```python
>>> compile_tool({"name": "f", "parameters": {"properties": {"a": {"type": "string", "pattern": "x"}}}}, vocabulary)
SchemaError: tool 'f', $.properties.a.pattern: the keyword 'pattern' is not supported for strings; supported are …
```
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import cache, lru_cache
from typing import Any

from .language_lafunc import Automaton, concat, literal, one_of, repeat, union
from .literals_lafunc import number, string
from .node_lafunc import MAX_ITEMS, Items, Member, Node, Object, Path, Slot, Tool, opener
from .schema_lafunc import SchemaError, SchemaReader
from .vocabulary_lafunc import Vocabulary

ANY_DEPTH = 1  # arrays and maps nested in a value of any type
# Positions that a slot has at first, where the schema does not say; a filling that needs more gets more.
STRING_TOKENS = 20
NUMBER_TOKENS = 8
MAX_COUNT = 4096  # length bounds above this would make automata that no budget can use
MAX_DEPTH = 32  # values nested deeper would exhaust the stack of whoever reads them


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
        compiler = _Compiler(name, parameters, vocabulary)
        compiler.check(compiler.arguments(0))
    except RecursionError:
        raise SchemaError(name, "$", "the schema is nested too deeply") from None
    return Tool(name, str(tool.get("description") or ""), compiler.schema, compiler.arguments)


class _Compiler(SchemaReader):
    """Builds the nodes of one tool; `arguments(call)` is the root of one call's."""

    def __init__(self, tool: str, parameters: dict, vocabulary: Vocabulary):
        super().__init__(tool, parameters)
        self.vocabulary = vocabulary
        self.arguments = lru_cache(maxsize=32)(self.root)

    def root(self, call: int) -> Node:
        """The node of one call's argument object."""
        return self.object(*self.top(), (call,), " ")

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
        is_object, switch = self.types(inner, where) == ("object",), None
        if alternative is not None or not required:
            switch = opener(self.vocabulary, lead, "{" if is_object else "[", path, not required, alternative)
        build = self.object if is_object else self.items
        return build(inner, where, inner_refs, path, lead, switch, alternative)

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
        switch: Slot | None = None,
        alternative: Slot | None = None,
    ) -> Object:
        self.check_keywords(schema, place, "any")
        self.check_keywords(schema, place, "object")
        names = schema.get("required", [])
        members = tuple(
            Member(
                name,
                self.node(inner, f"{place}.properties.{name}", refs, (*path, name), " ", name in names),
                name in names,
            )
            for name, inner in self.properties(schema, place).items()
        )
        return Object(path, lead, members, switch, alternative)

    def items(
        self,
        schema: dict,
        place: str,
        refs: tuple,
        path: Path,
        lead: str,
        switch: Slot | None = None,
        alternative: Slot | None = None,
    ) -> Items:
        self.check_keywords(schema, place, "any")
        low, high = self.counts(schema, place)

        @cache
        def element(at: int) -> Node:
            return self.node(schema["items"], f"{place}.items", refs, (*path, at), " " if at else "", at < low)

        limit = max(low, MAX_ITEMS)
        capped, high = high is None or high > limit, min(limit, limit if high is None else high)
        return Items(path, lead, element, low, high, capped, switch, alternative)

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
