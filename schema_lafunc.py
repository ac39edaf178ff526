"""Reading JSON Schemas: references, combinations and keywords; what a scaffold cannot honour is refused. No torch.

A schema is read as *alternatives*: simple schemas without `$ref`, `allOf`, `anyOf`, `oneOf`, `not`, `if` or
dependencies, of which a value must satisfy one. `docs/json-schema.md` says keyword by keyword what is honoured, and
how; the rest that restricts values is refused with a [`SchemaError`] that names the tool, the place and the keyword.

```python
>>> SchemaReader("f", {"properties": {"a": {"contains": {"const": 1}}}})  # read; the compiler refuses `contains`
>>> SchemaReader("f", {"type": "dict"})
SchemaError: tool 'f', $.type: not a JSON Schema: 'dict' is not valid under any of the given schemas
```
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from .node_lafunc import equality_key
from .pattern_lafunc import FORMATS, PatternError, Text, characters
from .validation_lafunc import LEGACY, TYPES, SchemaError, as_json, dialect_of, found_in, validator

SUPPORTED = {
    "string": ("enum", "const", "minLength", "maxLength", "pattern", "format"),
    "number": ("enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    "object": (
        "properties",
        "required",
        "additionalProperties",
        "unevaluatedProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "dependentRequired",
        "dependentSchemas",
    ),
    "any": ("type", "enum", "const", "anyOf", "oneOf", "allOf", "not", "if", "$ref"),
}
REFUSED = {
    "array": ("contains", "unevaluatedItems"),
    "any": ("$dynamicRef", "$recursiveRef"),
}
# A schema without `type` is taken for the type that its keywords speak of.
TELLTALE = {
    "object": (
        "properties",
        "required",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
    ),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", *REFUSED["array"]),
    "string": ("minLength", "maxLength", "pattern", "_patterns", "_without", "_formats"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "_multiples"),
}
KEYWORDS = {keyword: kind for kind, keywords in TELLTALE.items() for keyword in keywords}
# Keywords that combine or refer to schemas; none is left in an alternative.
COMBINING = frozenset(
    ("$ref", "allOf", "anyOf", "oneOf", "not", "if", "dependencies", "dependentRequired", "dependentSchemas")
)
# Keywords that are written in another way before anything else looks at them.
REWRITTEN = frozenset(
    ("const", "additionalItems", "unevaluatedProperties", "unevaluatedItems", "then", "else", "$ref", "items")
    + ("exclusiveMinimum", "exclusiveMaximum")
)
ANYTHING: dict[str, Any] = {}  # always the same object
ANNOTATIONS = ("title", "description", "default", "examples", "$comment")
Names = frozenset[str] | None  # of members; None: any
NOBODY: frozenset[str] = frozenset()
Read = Callable[..., list["Part"]]  # (an inner schema, where it stands, …) -> its alternatives
MAX_SCHEMAS = 30_000  # references can make a small schema stand for an exponentially large one
MERGING = 20  # to merge two alternatives counts as so many schemas
MAX_ALTERNATIVES = 64  # of one value; combinations multiply
MAX_RECURSION = 5  # recursive references on the way to a value


class NoValue(SchemaError):
    """A schema that no value satisfies: fatal only where there must be one."""


class Unclear(Exception):
    """A keyword whose violation cannot be written as alternatives."""


class Part(NamedTuple):
    """A schema and where it stands.

    Attributes:
        schema: as given, or an alternative.
        place: its JSONPath.
        level: how many recursive references led to it.
    """

    schema: Any
    place: str
    level: int


class SchemaReader:
    """One tool's schema, whose places it names in errors.

    Args:
        strict: refuse what cannot be guaranteed, rather than leave it to a validation afterwards.

    Raises:
        SchemaError: the schema is malformed or not JSON.
    """

    def __init__(self, tool: str, parameters: Any, strict: bool = True):
        self.tool, self.strict = tool, strict
        self.schema: dict = as_json(tool, parameters)
        self.dialect = dialect_of(tool, self.schema)
        self.legacy = self.dialect in LEGACY
        self.left: float = MAX_SCHEMAS
        self.looking = 0
        self.rewritten: dict[int, tuple[dict, dict]] = {}
        self.combined: dict[tuple, tuple[dict, str, list[Part]]] = {}  # with the schema, which so keeps its id

    @cached_property
    def validator(self) -> Any:
        return validator(self.schema)

    def refuse(self, place: str, keyword: str, kind: str, message: str = "") -> SchemaError:
        known = ", ".join(SUPPORTED[kind])
        what = {"any": "here"}.get(kind, f"for {kind}s")
        message = message or f"the keyword {keyword!r} is not supported {what}; supported are {known}"
        return SchemaError(self.tool, f"{place}.{keyword}", message, keyword)

    # ------------------------------------------------------------------------------------------------ alternatives

    def parts(
        self, schema: Any, place: str = "$", level: int = 0, passed: tuple[str, ...] = (), outer: Names = NOBODY
    ) -> list[Part]:
        """The alternatives of a schema; none if no value satisfies it.

        Args:
            passed: the references that led here without going into a value.
            outer: the members that may be declared by what else the value has to satisfy.
        """
        self.left -= 1
        if self.left < 0:
            raise SchemaError(self.tool, place, f"the schema stands for more than {MAX_SCHEMAS} schemas; reuse fewer")
        if schema in (True, {}):
            return [Part(ANYTHING, place, level)]
        if schema is False:
            return []
        if not REWRITTEN.isdisjoint(schema):
            # Once for each, so that the same schema stays the same object.
            known = self.rewritten.get(id(schema))
            if known is None:
                known = self.rewritten[id(schema)] = schema, self.rewrite(schema)
            schema = known[1]
        if COMBINING.isdisjoint(schema):
            return [Part(schema, place, level)]
        # Once for each, so that the same alternatives stay the same objects.
        key = id(schema), level, passed, outer, self.looking
        if key not in self.combined:
            self.combined[key] = schema, place, self.combine(schema, place, level, passed, outer)
        _, first, found = self.combined[key]
        return [Part(part.schema, place + part.place[len(first) :], part.level) for part in found]

    def combine(self, schema: dict, place: str, level: int, passed: tuple[str, ...], outer: Names) -> list[Part]:
        """[`parts`] of a schema that combines others."""
        if "enum" in schema:
            members = self.members(schema, place)
            return [Part({**_annotations(schema), "enum": members}, place, level)] if members else []
        found = [Part({k: v for k, v in schema.items() if k not in COMBINING}, place, level)]

        def read(
            inner: Any, where: str, *keywords: str, beside: Iterable[Any] = (), denied: bool = False
        ) -> list[Part]:
            """Alternatives of what is merged with all but these keywords, and with what stands beside it in one; if
            `denied`, of what is also taken away from others, which may declare anything."""
            others = [{key: schema[key] for key in schema if key not in keywords}, *beside]
            rest = None if denied else self.declared({"allOf": others}, outer)
            return self.parts(inner, f"{place}.{where}", level, passed, rest)

        if "$ref" in schema:
            rest = self.declared({key: schema[key] for key in schema if key != "$ref"}, outer)
            found = self.both(found, self.follow(schema["$ref"], place, level, passed, rest), place, "$ref")
        denied = [(schema["not"], "not")] if "not" in schema else []
        every = schema.get("allOf", ())
        for at, inner in enumerate(every):
            if isinstance(inner, dict) and inner.keys() == {"not"}:
                denied.append((inner["not"], f"allOf[{at}].not"))  # clearer once all the rest is known
            else:
                mine = read(inner, f"allOf[{at}]", "allOf", beside=(*every[:at], *every[at + 1 :]))
                found = self.both(found, mine, place, "allOf")
        if "anyOf" in schema:
            either: list[Part] = []
            for at, inner in enumerate(schema["anyOf"]):
                either += read(inner, f"anyOf[{at}]", "anyOf")
            found = self.both(found, gathered(either), place, "anyOf")
        if "if" in schema:
            found = self.decide(schema, found, place, read, self.to_come(schema, outer, "else", *_LATER))
        found = self.depend(schema, found, place, level, read, self.to_come(schema, outer, *_LATER))
        if "oneOf" in schema:
            found = self.exclude(schema, found, place, level, read, outer)
        else:
            found = _evaluated(schema, found)
        for inner, where in denied:
            found = self.without(found, read(inner, where, denied=True), place, "not", outer)
        if "unevaluatedItems" in schema:
            more = {"items": schema["unevaluatedItems"]}
            found = [Part({**more, **part.schema}, part.place, part.level) for part in found]
        return found

    def rewrite(self, schema: dict) -> dict:
        """One way to say what drafts say in different ways."""
        if self.legacy and "$ref" in schema:
            return {"$ref": schema["$ref"], **_annotations(schema)}
        found = dict(schema)
        if "const" in found:
            const = found.pop("const")
            found["enum"] = [const] if "enum" not in found or any(same(const, one) for one in found["enum"]) else []
        if isinstance(found.get("items"), list):
            found["prefixItems"] = found.pop("items")
            if "additionalItems" in found:
                found["items"] = found["additionalItems"]
        found.pop("additionalItems", None)
        for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            if isinstance(found.get(exclusive), bool) and found.pop(exclusive) and bound in found:
                found[exclusive] = found.pop(bound)
        if not {"then", "else"} & found.keys():
            found.pop("if", None)
        if COMBINING.isdisjoint(found):
            if "unevaluatedProperties" in found:
                found.setdefault("additionalProperties", found.pop("unevaluatedProperties"))
            if "unevaluatedItems" in found and not {"contains"} & found.keys():
                found.setdefault("items", found.pop("unevaluatedItems"))
        return found

    def follow(self, target: str, place: str, level: int, passed: tuple[str, ...], outer: Names) -> list[Part]:
        if target in passed:
            raise self.refuse(place, "$ref", "any", f"{target} refers to itself without end")
        inner = self.lookup(target, place)
        if target in self.recursive:
            level += 1
            if level > MAX_RECURSION:
                return []
        return self.parts(inner, place, level, (*passed, target), outer)

    def decide(self, schema: dict, found: list[Part], place: str, read: Read, to_come: Names) -> list[Part]:
        """`if`, `then` and `else`."""
        condition = read(schema["if"], "if", denied=True)
        held = self.both(found, condition, place, "if")
        if "then" in schema:
            held = self.both(held, read(schema["then"], "then"), place, "then")
        failed = self.without(found, condition, place, "if", to_come)
        if schema.get("unevaluatedProperties", True) not in (True, {}):
            known = {name for part in found for name in part.schema.get("properties", ())}
            if any(part.schema.get("properties", {}).keys() - known for part in failed):
                message = "a condition on members that are not declared beside it is not supported here"
                raise self.refuse(place, "unevaluatedProperties", "object", message)
        if "else" in schema:
            failed = self.both(failed, read(schema["else"], "else"), place, "else")
        return held + failed

    def depend(
        self, schema: dict, found: list[Part], place: str, level: int, read: Read, to_come: Names
    ) -> list[Part]:
        """`dependentRequired`, `dependentSchemas` and, from earlier drafts, `dependencies`."""
        for keyword in _DEPENDENT:
            for name, needed in schema.get(keyword, {}).items():
                where = f"{place}.{keyword}.{name}"
                if isinstance(needed, list):
                    inner = [Part({"type": "object", "required": needed}, where, level)]
                else:
                    rest = {key: one for key, one in schema[keyword].items() if key != name}
                    inner = read(needed, f"{keyword}.{name}", keyword, beside=[{keyword: rest, "required": [name]}])
                there: list[Part] = []
                for part in found:
                    if self.unwritten(part.schema, name, to_come):
                        there.append(part)
                        continue
                    present = [Part({"type": "object", "required": [name]}, where, level)]
                    there += self.both(self.both([part], present, place, keyword), inner, place, keyword)
                    if name not in part.schema.get("required", ()):
                        absent = [Part({"properties": {name: False}}, where, level)]
                        there += self.both([part], absent, place, keyword)
                found = there
        return found

    def exclude(
        self, schema: dict, found: list[Part], place: str, level: int, read: Read, to_come: Names
    ) -> list[Part]:
        """`oneOf`: the alternatives of each branch without those of all others."""
        told_of = [
            isinstance(one, dict) and bool(one.get("properties") or one.get("required")) for one in schema["oneOf"]
        ]
        denied = not (schema.get("properties") or schema.get("required") or all(told_of))
        apart = [read(inner, f"oneOf[{at}]", denied=denied) for at, inner in enumerate(schema["oneOf"])]
        if all("enum" in part.schema for parts in apart for part in parts):
            told = Counter(
                equality_key(one)
                for parts in apart
                for one in {equality_key(m): m for part in parts for m in part.schema["enum"]}.values()
            )
            once = [
                one for parts in apart for part in parts for one in part.schema["enum"] if told[equality_key(one)] == 1
            ]
            parts = [Part({"enum": once}, place, level)] if once else []
            return _evaluated(schema, self.both(found, parts, place, "oneOf"))
        kept: list[Part] = []
        for at, alternatives in enumerate(apart):
            mine = _evaluated(schema, self.both(found, alternatives, place, "oneOf"))
            for other, parts in enumerate(apart):
                if other != at:
                    mine = self.without(mine, parts, place, "oneOf", to_come)
            kept += mine
        return kept

    def to_come(self, schema: dict, outer: Names, *keywords: str) -> Names:
        """The names of the members that these keywords, or what else a value has to satisfy, may declare."""
        return self.declared({key: schema[key] for key in keywords if key in schema}, outer)

    def declared(self, schema: Any, outer: Names = NOBODY) -> Names:
        """The names of the members that may be written because of a schema, and those of `outer`; None: any."""
        found, seen, todo = set(outer or ()), set(), [schema]
        while todo and outer is not None:
            inner = todo.pop()
            if not isinstance(inner, dict):
                continue
            rest = (inner.get(key, True) for key in ("additionalProperties", "unevaluatedProperties"))
            if not _UNBOUNDED.isdisjoint(inner) or any(one not in (True, False, {}) for one in rest):
                return None
            found |= {*inner.get("properties", ()), *inner.get("required", ())}
            todo += [inner[key] for key in ("if", "then", "else") if key in inner]
            todo += [one for key in ("allOf", "anyOf", "oneOf") for one in inner.get(key, ())]
            for key in _DEPENDENT:
                todo += [{"required": one} if isinstance(one, list) else one for one in inner.get(key, {}).values()]
            if "$ref" in inner and inner["$ref"] not in seen:
                seen.add(inner["$ref"])
                todo.append(self.lookup(inner["$ref"], "$"))
        return None if outer is None else frozenset(found)

    def unwritten(self, schema: dict, name: str, to_come: Names) -> bool:
        """Whether a member is never written for an alternative, although nothing forbids it.

        Args:
            to_come: the names of the members that it may still come to declare.
        """
        if to_come is None or name in to_come or not self.closed(schema):
            return False
        required = schema.get("required", ())
        few = schema.get("minProperties", 0) <= len(required)  # else others fill it up
        return few and name not in required and name not in schema.get("properties", ())

    def both(self, some: list[Part], others: list[Part], place: str, keyword: str) -> list[Part]:
        """What satisfies one of `some` and one of `others`."""
        if min(len(some), len(others)) > 1 and len(some) * len(others) > MAX_ALTERNATIVES:
            raise self.refuse(
                place, keyword, "any", f"more than {MAX_ALTERNATIVES} combinations of alternatives; merge some"
            )
        return [part for one in some for other in others if (part := self.merge(one, other, keyword)) is not None]

    # ------------------------------------------------------------------------------------------------ references

    def lookup(self, target: str, place: str) -> Any:
        """The schema that a reference means."""
        base, _, fragment = target.partition("#")
        found: Any = self.schema
        if base and base != str(self.schema.get("$id", self.schema.get("id", ""))).rstrip("#"):
            found = self.anchors.get(base)
        if fragment and not fragment.startswith("/"):
            found, fragment = self.anchors.get("#" + fragment), ""
        if found is None:
            raise self.refuse(
                place,
                "$ref",
                "any",
                f"{target!r} is not in this schema; only local references (#/…) are followed, nothing is fetched",
            )
        for part in fragment.split("/")[1:]:
            part = unquote(part).replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(part)] if isinstance(found, list) else found[part]
            except (KeyError, IndexError, ValueError, TypeError):
                raise self.refuse(place, "$ref", "any", f"{target!r} does not exist in this schema") from None
        if not isinstance(found, (dict, bool)):
            raise self.refuse(place, "$ref", "any", f"{target!r} is not a schema")
        return found

    @cached_property
    def anchors(self) -> dict[str, dict]:
        """Schemas by `$anchor` and `$id`."""
        found: dict[str, dict] = {}
        for schema in _inside(self.schema):
            if isinstance(schema, dict):
                if isinstance(anchor := schema.get("$anchor"), str):
                    found.setdefault("#" + anchor, schema)
                for key in ("$id", "id"):
                    if isinstance(id := schema.get(key), str):
                        found.setdefault(id.rstrip("#") if not id.startswith("#") else id, schema)
        return found

    @cached_property
    def recursive(self) -> set[str]:
        """The references that lead back to themselves."""
        leads: dict[str, set[str]] = {}
        todo = [
            one["$ref"] for one in _inside(self.schema) if isinstance(one, dict) and isinstance(one.get("$ref"), str)
        ]
        for target in todo:  # grows
            if target not in leads:
                try:
                    inner = self.lookup(target, "$")
                except SchemaError:
                    inner = True
                leads[target] = {
                    one["$ref"] for one in _inside(inner) if isinstance(one, dict) and isinstance(one.get("$ref"), str)
                }
                todo += leads[target]
        found = set()
        for target in leads:
            reached: set[str] = set()
            border = [target]
            while border:
                further = leads[border.pop()] - reached
                reached |= further
                border += further
            if target in reached:
                found.add(target)
        return found

    # ------------------------------------------------------------------------------------------------ conjunction

    def merge(self, a: Part, b: Part, keyword: str) -> Part | None:
        """What satisfies both alternatives; None if nothing can."""
        if not (b.schema.keys() - set(ANNOTATIONS)):
            return Part({**b.schema, **a.schema} if b.schema else a.schema, a.place, a.level)
        bare = not (a.schema.keys() - set(ANNOTATIONS))
        place, level = b.place if bare else a.place, max(a.level, b.level)
        if bare:
            return Part({**b.schema, **a.schema} if a.schema else b.schema, place, level)
        self.left -= MERGING
        found = self.merge_schemas(a.schema, b.schema, a.place, keyword)
        return None if found is None or self.hollow(found) else Part(found, place, level)

    def merge_schemas(self, a: dict, b: dict, place: str, keyword: str) -> dict | None:
        if "enum" in a or "enum" in b:
            some, other = (a, b) if "enum" in a else (b, a)
            members = [one for one in some["enum"] if self.allows(other, one, place) and self.allows(some, one, place)]
            return {**_annotations(b), **_annotations(a), "enum": members} if members else None
        found = {**b, **a}
        if "type" in a and "type" in b:
            types = _common(_types(a["type"]), _types(b["type"]))
            if not types:
                return None
            found["type"] = types
        for key in a.keys() & b.keys() - {"type", *ANNOTATIONS}:
            if same(a[key], b[key]):
                continue
            if key in _TIGHTER:
                found[key] = _TIGHTER[key](a[key], b[key])
            elif key in _LISTED or key.startswith("_"):
                listed = key if key.startswith("_") else _LISTED[key]
                found[key] = a[key]
                more = b[key] if key.startswith("_") else (b[key],)
                found[listed] = (*a.get(listed, ()), *(one for one in more if one not in a.get(listed, ())))
            elif key == "required":
                found[key] = list(dict.fromkeys([*a[key], *b[key]]))
            elif key in ("items", "propertyNames"):
                found[key] = {"allOf": [a[key], b[key]]}
            elif key in ("contains", "minContains", "maxContains"):
                raise self.refuse(place, keyword, "any", f"{key!r} is restricted twice; merge the two")
        if "prefixItems" in a or "prefixItems" in b:
            longest = max(len(one.get("prefixItems", ())) for one in (a, b))
            found["prefixItems"] = [_and(_at(a, n), _at(b, n)) for n in range(longest)]
        if not _OBJECTS.isdisjoint(a) and not _OBJECTS.isdisjoint(b):
            self.merge_members(found, a, b, place, keyword)
        return found

    def merge_members(self, found: dict, a: dict, b: dict, place: str, keyword: str) -> None:
        properties: dict[str, Any] = {}
        for name in dict.fromkeys([*a.get("properties", ()), *b.get("properties", ())]):
            properties[name] = _and(self.member(a, name), self.member(b, name))
        if properties:
            found["properties"] = properties
        patterns = dict(a.get("patternProperties", {}))
        for pattern, schema in b.get("patternProperties", {}).items():
            patterns[pattern] = _and(patterns[pattern], schema) if pattern in patterns else schema
        extras = [one.get("additionalProperties", True) for one in (a, b)]
        if patterns:
            for one, other, extra in ((a, b, extras[0]), (b, a, extras[1])):
                # What only the other's patterns match is additional here.
                for pattern in other.get("patternProperties", {}).keys() - one.get("patternProperties", {}).keys():
                    if extra in (True, {}):
                        continue
                    if one.get("patternProperties"):
                        raise self.refuse(
                            place, keyword, "any", "`patternProperties` on both sides of it; merge the two"
                        )
                    patterns[pattern] = _and(patterns[pattern], extra)
            found["patternProperties"] = patterns
        extra = _and(*extras)
        found.pop("additionalProperties", None)
        if "additionalProperties" in a or "additionalProperties" in b:  # also where it is true: that evaluates all
            found["additionalProperties"] = extra

    @staticmethod
    def member(schema: dict, name: str) -> Any:
        """What a schema asks of the member `name`, `patternProperties` aside where it is declared."""
        if name in schema.get("properties", {}):
            return schema["properties"][name]
        matching = [inner for pattern, inner in schema.get("patternProperties", {}).items() if found_in(pattern, name)]
        if matching:
            return matching[0] if len(matching) == 1 else {"allOf": matching}
        return schema.get("additionalProperties", True)

    def hollow(self, schema: dict) -> bool:
        """Whether it is plain that no value satisfies an alternative."""
        types = self.types(schema)
        for low, high, kinds in _BOUNDS:
            if low in schema and high in schema and kinds.issuperset(types):
                if schema[low] > schema[high] or (
                    low != high and "exclusive" in low + high and schema[low] == schema[high]
                ):
                    return True
        if types == ("object",) and self.looking < 2:
            for name in schema.get("required", ()):
                inner = self.member(schema, name)
                if inner is False:
                    return True
                if isinstance(inner, dict) and not COMBINING.isdisjoint(inner):
                    self.looking += 1  # no deeper: this is a quick look
                    try:
                        if not self.parts(inner, "$", MAX_RECURSION - 1, outer=None):
                            return True
                    except SchemaError:
                        continue  # what cannot be read is no reason to say that there is no value
                    finally:
                        self.looking -= 1
        # Where only words are excluded, many strings are left.
        few = "_excluded" in schema and ({"pattern", "format"} & schema.keys() or schema.get("maxLength") == 0)
        if types == ("string",) and ("_patterns" in schema or "_without" in schema or few):
            try:
                characters(text_of(schema))
            except PatternError as error:
                return "no string" in str(error)
        return False

    # ------------------------------------------------------------------------------------------------ negation

    def without(self, found: list[Part], parts: list[Part], place: str, keyword: str, to_come: Names) -> list[Part]:
        """What satisfies one of `found` and none of `parts`."""
        for part in parts:
            try:
                found = [rest for one in found for rest in self.subtract(one, part, place, keyword, to_come)]
            except Unclear as unclear:
                if not self.strict:
                    continue
                message = (
                    "branches that share a type cannot be told apart; use anyOf, or one type or other values each"
                    if keyword == "oneOf"
                    else f"{str(unclear)!r} cannot be negated; say what is allowed instead"
                )
                raise self.refuse(place, keyword, "any", message) from None
            if len(found) > MAX_ALTERNATIVES:
                raise self.refuse(
                    place, keyword, "any", f"more than {MAX_ALTERNATIVES} combinations of alternatives; merge some"
                )
        return found

    def subtract(self, x: Part, y: Part, place: str, keyword: str, to_come: Names) -> list[Part]:
        """The alternatives of what satisfies x and not y."""
        if "enum" in x.schema:
            members = [one for one in x.schema["enum"] if not self.allows(y.schema, one, place)]
            return [Part({**x.schema, "enum": members}, x.place, x.level)] if members else []
        if self.apart(x, y, keyword, to_come):
            return [x]
        found: list[Part] = []
        for kind in self.types(x.schema):
            only = {**x.schema, "type": kind}
            if "enum" in y.schema:
                rest = self.unequal(only, kind, y.schema)
            elif "type" in y.schema and not _common((kind,), _types(y.schema["type"])):
                rest = [only]
            elif kind == "number" and "type" in y.schema and "number" not in _types(y.schema["type"]):
                raise Unclear("type")
            else:
                rest = list(self.violations(only, kind, y.schema, to_come))
            found += [Part(one, x.place, x.level) for one in rest if not self.hollow(one)]
        return found

    def apart(self, x: Part, y: Part, keyword: str, to_come: Names) -> bool:
        """Whether no value that is written for x satisfies y."""
        if self.types(x.schema) == ("object",):
            if any(self.unwritten(x.schema, name, to_come) for name in y.schema.get("required", ())):
                return True
        return self.merge(x, y, keyword) is None

    @staticmethod
    def closed(schema: dict) -> bool:
        """Whether only declared members are written: where others are allowed without a word, too."""
        declared = bool(schema.get("properties") or schema.get("required"))
        extra = schema.get("additionalProperties", True)
        return (extra is False or (declared and extra in (True, {}))) and not schema.get("patternProperties")

    @staticmethod
    def unequal(x: dict, kind: str, y: dict) -> list[dict]:
        """x without the members of y's enum."""
        known = [one for one in y["enum"] if kind_of(one) == kind or (kind == "number" and kind_of(one) == "integer")]
        if not known:
            return [x]
        if kind == "null":
            return []
        if kind == "boolean":
            rest = [one for one in (True, False) if one not in known]
            return [{"enum": rest}] if rest else []
        if kind != "string":
            raise Unclear("enum")
        return [{**x, "_excluded": (*x.get("_excluded", ()), *known)}]

    def violations(self, x: dict, kind: str, y: dict, to_come: Names) -> Iterator[dict]:
        """The ways in which a value of x can violate y, both of one type."""
        family = "number" if kind == "integer" else kind
        for key in y:
            value = y[key]
            # What x asks for as well is never violated; which members are additional depends on the others.
            if KEYWORDS.get(key) != family or (key != "additionalProperties" and key in x and same(x[key], value)):
                continue
            if key in _OPPOSITE:
                opposite, by = _OPPOSITE[key]
                limit = value + by
                if limit >= 0 or not by:
                    more = {**x, opposite: _TIGHTER[opposite](x[opposite], limit) if opposite in x else limit}
                    if opposite == "minProperties" and to_come is not None and self.closed(x):
                        # Undeclared members would fill it up, although they were taken for unwritten.
                        if to_come:
                            raise Unclear(key)
                        more["additionalProperties"] = False
                    yield more
            elif key == "pattern":
                yield {**x, "_without": (*x.get("_without", ()), value)}
            elif key == "required":
                for name in value:
                    if name in x.get("required", ()):
                        continue
                    if self.unwritten(x, name, to_come):
                        yield x
                        return
                    yield {**x, "properties": {**x.get("properties", {}), name: False}}
            elif key == "properties":
                for name, inner in value.items():
                    if inner is True or self.unwritten(x, name, to_come):
                        continue
                    mine = self.member(x, name)
                    if mine is False or same(mine, inner):
                        continue
                    there = {**x, "required": list(dict.fromkeys([*x.get("required", ()), name]))}
                    if inner is not False:
                        there["properties"] = {**x.get("properties", {}), name: _and(mine, {"not": inner})}
                    yield there
            elif key == "additionalProperties" and value is False and to_come == NOBODY and self.closed(x):
                for name in x.get("properties", ()):
                    if self.member(y, name) is False:
                        yield {**x, "required": list(dict.fromkeys([*x.get("required", ()), name]))}
            elif value not in (True, {}):
                raise Unclear(key)
        if "format" in y and y["format"] in FORMATS and kind == "string":
            raise Unclear("format")

    # ------------------------------------------------------------------------------------------------ reading

    @staticmethod
    def types(schema: dict) -> tuple[str, ...]:
        """The types of an alternative."""
        if "type" in schema:
            found = _types(schema["type"])
            return tuple(one for one in found if one != "integer" or "number" not in found)
        for name, keywords in TELLTALE.items():
            if any(keyword in schema for keyword in keywords):
                return (name,)
        return tuple(one for one in TYPES if one != "integer")

    def cases(self, parts: Iterable[Part]) -> list[tuple[str, Part]]:
        """Alternatives, those of several types split: (type, or `enum`; alternative)."""
        found: list[tuple[str, Part]] = []
        for part in parts:
            if "enum" in part.schema:
                found.append(("enum", part))
            else:
                found += [(kind, part) for kind in self.types(part.schema)]
        return found

    def members(self, schema: dict, place: str) -> list:
        """The values that `enum` leaves, every other keyword beside it considered."""
        others = schema.keys() - {"enum", *ANNOTATIONS}
        if others <= {"type"} and schema.get("type", "string") == "string":
            if "type" not in schema or all(isinstance(member, str) for member in schema["enum"]):
                return schema["enum"]
        rest = {key: value for key, value in schema.items() if key != "enum"}  # itself would make it quadratic
        return [member for member in schema["enum"] if self.allows(rest, member, place)]

    def allows(self, schema: dict, value: Any, place: str) -> bool:
        """Whether a value satisfies a schema or an alternative."""
        kind = kind_of(value)
        kinds = {"integer", "number"} if kind == "integer" else {kind}
        if kind != "integer" or isinstance(value, int):  # drafts differ about 1.0
            if "type" in schema and kinds.isdisjoint(_types(schema["type"])):
                return False
            if kind == "string" and isinstance(schema.get("enum"), list):
                if value not in _strings(tuple(one for one in schema["enum"] if isinstance(one, str))):
                    return False
                schema = {key: schema[key] for key in schema if key != "enum"}
            if schema.keys() <= {"type", *ANNOTATIONS}:
                return True
        try:
            return self.validator.evolve(schema=public(schema)).is_valid(value)
        except RecursionError:
            raise
        except Exception as error:
            raise self.refuse(place, "enum", "any", f"its members cannot be checked: {error}") from None

    def top(self) -> list[Part]:
        """The alternatives of a call's arguments.

        Raises:
            SchemaError: they are no objects.
        """
        parts = self.parts(self.schema)
        cases = self.cases(parts)
        found = [part for kind, part in cases if kind == "object"]
        for kind, part in cases:
            if kind == "enum" and (members := [one for one in part.schema["enum"] if isinstance(one, dict)]):
                found.append(Part({"enum": members}, part.place, part.level))
        if not parts:
            raise NoValue(self.tool, "$", "no value satisfies the schema")
        if not found:
            kinds = " or ".join(
                dict.fromkeys(
                    one
                    for kind, part in cases
                    for one in (map(kind_of, part.schema["enum"]) if kind == "enum" else [kind])
                )
            )
            raise SchemaError(self.tool, "$.type", f"parameters must describe an object, not {kinds}", "type")
        return found

    def properties(self, schema: dict, place: str) -> dict[str, Any]:
        """The schemas of an object's members by name: those declared that may occur, and those only required."""
        names, declared = schema.get("required", ()), schema.get("properties", {})
        found = {}
        for name in [*declared, *(name for name in names if name not in declared)]:
            inner = declared.get(name, True)
            if name not in declared or schema.get("patternProperties"):
                matching = {**schema, "properties": {}}
                inner = (
                    self.member(matching, name) if name not in declared else _and(inner, self.patterned(schema, name))
                )
            if inner is False:
                if name in names and declared.get(name) is False:
                    message = "the schema `false` allows no value; remove the property"
                    raise NoValue(self.tool, f"{place}.properties.{name}", message)
                if name in names:
                    message = f"{name!r} is required but not among the properties"
                    raise NoValue(self.tool, f"{place}.required", message, "required")
                continue
            found[name] = inner
        return found

    @staticmethod
    def patterned(schema: dict, name: str) -> Any:
        """What `patternProperties` ask of a declared member."""
        found: Any = True
        for pattern, inner in schema.get("patternProperties", {}).items():
            if found_in(pattern, name):
                found = _and(found, inner)
        return found

    @staticmethod
    def extra(schema: dict) -> Any:
        """The schema of undeclared members."""
        return schema.get("additionalProperties", True)

    def check_keywords(self, schema: dict, place: str, kind: str) -> None:
        if not self.strict:
            return
        for keyword in REFUSED.get(kind, ()):
            if keyword in schema and not self.is_idle(keyword, schema):
                raise self.refuse(place, keyword, kind)

    @staticmethod
    def is_idle(keyword: str, schema: dict) -> bool:
        """Whether a refused keyword excludes nothing that would be written."""
        match keyword:
            case "contains":
                return schema.get("minContains") == 0 and "maxContains" not in schema
            case "unevaluatedItems":
                return schema[keyword] in (True, {}) or "items" in schema
        return False


# --------------------------------------------------------------------------------------------------------------------
# Pieces of schemas
# --------------------------------------------------------------------------------------------------------------------

_OBJECTS = frozenset(("properties", "patternProperties", "additionalProperties"))
_TIGHTER: dict[str, Callable] = {
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), min),
    "uniqueItems": lambda a, b: a or b,
}
_LISTED = {"pattern": "_patterns", "format": "_formats", "multipleOf": "_multiples"}
_OPPOSITE = {
    "minimum": ("exclusiveMaximum", 0),
    "maximum": ("exclusiveMinimum", 0),
    "exclusiveMinimum": ("maximum", 0),
    "exclusiveMaximum": ("minimum", 0),
    "minLength": ("maxLength", -1),
    "maxLength": ("minLength", 1),
    "minItems": ("maxItems", -1),
    "maxItems": ("minItems", 1),
    "minProperties": ("maxProperties", -1),
    "maxProperties": ("minProperties", 1),
}
_DEPENDENT = ("dependentRequired", "dependentSchemas", "dependencies")
_LATER = (*_DEPENDENT, "oneOf", "unevaluatedProperties")
# What may bring members that no keyword names, or that are named elsewhere.
_UNBOUNDED = frozenset(("patternProperties", "minProperties"))
_NUMERIC, _TEXT = frozenset(("number", "integer")), frozenset(("string",))
_BOUNDS = (
    ("minimum", "maximum", _NUMERIC),
    ("exclusiveMinimum", "maximum", _NUMERIC),
    ("minimum", "exclusiveMaximum", _NUMERIC),
    ("exclusiveMinimum", "exclusiveMaximum", _NUMERIC),
    ("minLength", "maxLength", _TEXT),
    ("minItems", "maxItems", frozenset(("array",))),
    ("minProperties", "maxProperties", frozenset(("object",))),
)


def _annotations(schema: dict) -> dict:
    return {key: schema[key] for key in ANNOTATIONS if key in schema}


def _evaluated(schema: dict, found: list[Part]) -> list[Part]:
    """What `unevaluatedProperties` leaves of a schema's alternatives."""
    if "unevaluatedProperties" not in schema:
        return found
    rest = {"additionalProperties": schema["unevaluatedProperties"]}
    return [Part({**rest, **part.schema}, part.place, part.level) for part in found]


def _types(named: str | Iterable[str]) -> tuple[str, ...]:
    return (named,) if isinstance(named, str) else tuple(named)


def _common(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
    found = [one for one in a if one in b or (one == "integer" and "number" in b)]
    return tuple(dict.fromkeys([*found, *(one for one in b if one == "integer" and "number" in a)]))


def _and(a: Any, b: Any) -> Any:
    if a is False or b is False:
        return False
    if a in (True, {}) or same(a, b):
        return b
    return a if b in (True, {}) else {"allOf": [a, b]}


def _at(schema: dict, n: int) -> Any:
    """The schema of an array's element n."""
    first = schema.get("prefixItems", ())
    return first[n] if n < len(first) else schema.get("items", True)


def kind_of(value: Any) -> str:
    """The JSON type of a value."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "integer" if float(value).is_integer() else "number"
    if value is None:
        return "null"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def same(a: Any, b: Any) -> bool:
    """Equality in JSON, where 1 is 1.0 and not true."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


def gathered(parts: list[Part]) -> list[Part]:
    """The same alternatives, all enumerated values in one."""
    listed = [part for part in parts if "enum" in part.schema]
    if len(listed) < 2:
        return parts
    members = [one for part in listed for one in part.schema["enum"]]
    rest = [part for part in parts if "enum" not in part.schema]
    return [Part({"enum": members}, listed[0].place, max(part.level for part in listed)), *rest]


def text_of(schema: dict) -> Text:
    """The strings that an alternative allows."""
    listed = lambda key, more: (*((schema[key],) if key in schema else ()), *schema.get(more, ()))  # noqa: E731
    return Text(
        patterns=listed("pattern", "_patterns"),
        without=tuple(schema.get("_without", ())),
        formats=tuple(one for one in listed("format", "_formats") if one in FORMATS),
        low=int(schema.get("minLength", 0)),
        high=None if "maxLength" not in schema else int(schema["maxLength"]),
        excluded=frozenset(schema.get("_excluded", ())),
    )


def public(schema: dict) -> dict:
    """An alternative in the words of JSON Schema."""
    if not any(key.startswith("_") for key in schema):
        return schema
    found = {key: value for key, value in schema.items() if not key.startswith("_")}
    more: list[Any] = [{"pattern": one} for one in schema.get("_patterns", ())]
    more += [{"multipleOf": one} for one in schema.get("_multiples", ())]
    more += [{"not": {"pattern": one}} for one in schema.get("_without", ())]
    if "_excluded" in schema:
        more.append({"not": {"enum": list(schema["_excluded"])}})
    return {**found, "allOf": more}


@lru_cache(maxsize=8)
def _strings(strings: tuple[str, ...]) -> frozenset[str]:
    return frozenset(strings)


def _inside(schema: Any) -> Iterator[Any]:
    """Everything in a JSON value."""
    todo = [schema]
    while todo:
        at = todo.pop()
        yield at
        if isinstance(at, (dict, list)):
            todo += at.values() if isinstance(at, dict) else at
