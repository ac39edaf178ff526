"""Tools → scaffold nodes: every leaf value gets a language that the schema allows. No torch.

Objects with declared members and arrays of such become nodes with slots inside. What has no fixed keys, or a choice
between several shapes, is one slot whose language holds whole JSON values: maps, tuples, unions of objects, recursion.

```python
>>> compile_tool({"name": "f", "parameters": {"properties": {"a": {"contains": {"const": 1}}}}}, vocabulary)
SchemaError: tool 'f', $.properties.a.contains: the keyword 'contains' is not supported for arrays; supported are …
```
"""

import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import cache, lru_cache
from typing import Any, NamedTuple

from .language_lafunc import Automaton, arrangements, concat, deferred, literal, one_of, record, repeat, union
from .layouts_lafunc import Layout, layouts
from .literals_lafunc import number, string
from .node_lafunc import MAX_ITEMS, Items, Member, Node, Object, Path, Slot, Tool, distinct, opener, plain_texts
from .pattern_lafunc import PatternError, Text, characters, text, unicode_categories
from .schema_lafunc import COMBINING, NoValue, Part, SchemaReader, same, text_of
from .validation_lafunc import SchemaError
from .vocabulary_lafunc import Vocabulary

NO_PARAMETERS = {"type", "properties", "required", "title", "description", "$schema", "$id"}  # that ask for none
ANY_DEPTH = 1  # free arrays and maps nested in a value of any type
# Positions that a slot has at first, where the schema does not say; a filling that needs more gets more.
STRING_TOKENS = 20
NUMBER_TOKENS = 8
VALUE_TOKENS = 64  # a whole object or array in one slot
AS_LAYOUTS = {"date": "YYYY-MM-DD", "date-time": "YYYY-MM-DDTHH:MM:SSZ", "time": "HH:MM:SSZ"}  # formats
MAX_COUNT = 4096  # length bounds above this would make automata that no budget can use
MAX_DEPTH = 32  # values nested deeper would exhaust the stack of whoever reads them
MAX_MULTIPLE = 1_000  # divisors above this would make automata of as many states
MAX_ARRANGED = 8  # values that several different ones must be chosen from
MANY_MEMBERS = 256  # of an enum, whose lengths are estimated from here on
MAX_TEXTS = 256  # ways to write one value that are tried


@dataclass(frozen=True)
class _Value:
    """A value that fits in one slot. `language(prefix)` begins with the text `prefix` and lacks the closing `close`.

    Attributes:
        budget: the positions that it has at first, a leading space included.
        least: positions that surely hold one of its texts, likewise.
        texts: a Python value -> the JSON texts by which the language may write it.
        tidy: a Python value as read -> without the elements that `uniqueItems` forbids; None: as it is.
        layouts: in which a string is.
        members: strings and numbers, of which it is one.
    """

    kind: str
    language: Callable[[str], Automaton]
    close: str = ""
    budget: int = STRING_TOKENS
    least: int = 2
    texts: Callable[[Any], Iterator[str]] = plain_texts
    tidy: Callable[[Any], Any] | None = None
    layouts: tuple[Layout, ...] = ()
    members: tuple[Any, ...] = ()


class _Depth(NamedTuple):
    """Where a value stands inside its slot: below how many arrays and objects, and below how many in a row that say
    nothing about what is in them."""

    all: int = 0
    free: int = 0

    def below(self, inner: Any = None) -> "_Depth":
        """Of a declared member or element; or of any others, which the schema `inner` describes."""
        return _Depth(self.all + 1, self.free + 1 if inner in (True, {}) else 0)


TOP = _Depth()


def prepare(vocabulary: Vocabulary) -> None:
    """Find out what most schemas need to know about a vocabulary, lest the first ones take longer: some tenths of a
    second."""
    unicode_categories()
    for language in (string(vocabulary), number(vocabulary), text(vocabulary, Text(("^a",)))):
        language.edges(language.start)


def compile_tool(tool: Mapping[str, Any], vocabulary: Vocabulary, strict: bool = True) -> Tool:
    """Compile `{"name", "description", "parameters"}`, whose parameters are a JSON Schema of an object.

    Args:
        strict: refuse what cannot be guaranteed. Otherwise it is left out of the languages, and the arguments have to
            be validated once they are filled.

    Raises:
        SchemaError: see the module.
    """
    name, parameters = tool["name"], tool.get("parameters")
    parameters = {"type": "object", "properties": {}} if parameters in (None, {}) else parameters
    if isinstance(parameters, dict) and parameters.get("properties") == {} and parameters.keys() <= NO_PARAMETERS:
        parameters = {**parameters, "additionalProperties": False}  # who lists none takes none
    if not isinstance(parameters, dict):
        raise SchemaError(name, "$", f"parameters must be a JSON Schema object, got {type(parameters).__name__}")
    try:
        compiler = _Compiler(name, parameters, vocabulary, strict)
        compiler.check(compiler.arguments(0))
    except RecursionError:
        raise SchemaError(name, "$", "the schema is nested too deeply") from None
    description = str(tool.get("description") or "")
    return Tool(name, description, compiler.schema, compiler.arguments, strict, tuple(compiler.layouts))


class _Compiler(SchemaReader):
    """Builds the nodes of one tool; `arguments(call)` is the root of one call's."""

    def __init__(self, tool: str, parameters: dict, vocabulary: Vocabulary, strict: bool = True):
        super().__init__(tool, parameters, strict)
        self.vocabulary = vocabulary
        self.arguments = lru_cache(maxsize=32)(self.root)
        self.layouts: dict[Layout, None] = {}  # that descriptions ask for
        self.known: dict[tuple, tuple[dict, _Value | NoValue]] = {}  # the schema keeps its id from being another's

    def root(self, call: int) -> Node:
        """The node of one call's argument object."""
        return self.shape([("object" if "enum" not in p.schema else "enum", p) for p in self.top()], (call,), " ")

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

    def node(self, schema: Any, place: str, level: int, path: Path, lead: str, required: bool) -> Node:
        """The node of a value; raises NoValue if there can be none."""
        if len(path) > MAX_DEPTH:
            raise SchemaError(self.tool, place, f"values nested deeper than {MAX_DEPTH} levels are not supported")
        parts = self.parts(schema, place, level)
        if not parts:
            raise self.nothing(schema, place)
        said = schema.get("description") if isinstance(schema, dict) else None
        description = str(said or parts[0].schema.get("description") or "")
        return self.shape(self.cases(parts), path, lead, required, description)

    def nothing(self, schema: Any, place: str) -> NoValue:
        if schema is False:
            return NoValue(self.tool, place, "the schema `false` allows no value; remove the property")
        for listed in ("enum", "const"):
            if listed in schema:
                message = "no member satisfies the other keywords beside it"
                return NoValue(self.tool, f"{place}.{listed}", message, listed)
        found = [key for key in schema if key in COMBINING]
        keyword = found[0] if found else None
        message = "no value satisfies this and what stands beside it"
        if keyword == "$ref" and schema["$ref"] in self.recursive:
            message = f"{schema['$ref']} leads back to itself in every value"
        return NoValue(self.tool, f"{place}.{keyword}" if keyword else place, message, keyword)

    def shape(
        self, cases: list[tuple[str, Part]], path: Path, lead: str, required: bool = True, description: str = ""
    ) -> Node:
        """The node of the cases of one value: of an object or array with fixed keys, or one slot."""
        compound = [case for case in cases if self.is_compound(*case)]
        if len(compound) != 1 or not self.is_regular(*compound[0]):
            return self.slot(self.join(cases), path, lead, required, description)
        kind, part = compound[0]
        alternative, switch = None, None
        if len(cases) > 1:
            value = self.join([case for case in cases if case not in compound])
            alternative = self.slot(value, path, lead, required, description)
            if alternative.close:
                language = concat(alternative.language, literal(self.vocabulary, alternative.close))
                alternative = replace(alternative, language=language, close="")
        bracket = "{" if kind == "object" else "["
        if alternative is not None or not required:
            switch = opener(self.vocabulary, lead, bracket, path, not required, alternative)
        return (self.object if kind == "object" else self.items)(part, path, lead, switch, alternative)

    def slot(self, value: _Value, path: Path, lead: str, required: bool, description: str) -> Slot:
        return Slot(
            path,
            value.kind,
            value.language(lead),
            value.close,
            max(value.budget, value.least),
            not required,
            description,
            value.texts,
            value.tidy,
            value.layouts,
            value.members,
        )

    def object(
        self, part: Part, path: Path, lead: str, switch: Slot | None = None, alternative: Slot | None = None
    ) -> Object:
        schema, place, level = part
        self.check_keywords(schema, place, "any")
        names = schema.get("required", ())
        members = []
        for name, inner in self.named(schema, place).items():
            try:
                node = self.node(inner, f"{place}.properties.{name}", level, (*path, name), " ", name in names)
            except NoValue:
                if name in names:
                    raise
                continue
            members.append(Member(name, node, name in names))
        return Object(path, lead, tuple(members), switch, alternative)

    def items(
        self, part: Part, path: Path, lead: str, switch: Slot | None = None, alternative: Slot | None = None
    ) -> Items:
        schema, place, level = part
        low, high = self.counts(schema, place)

        @cache
        def element(at: int) -> Node:
            return self.node(schema["items"], f"{place}.items", level, (*path, at), " " if at else "", at < low)

        limit = max(low, MAX_ITEMS)
        capped, high = high is None or high > limit, min(limit, limit if high is None else high)
        return Items(path, lead, element, low, high, capped, bool(schema.get("uniqueItems")), switch, alternative)

    def is_compound(self, kind: str, part: Part) -> bool:
        """Whether a value of this case has fixed keys, so that it would better not be one slot."""
        schema, place, level = part
        if kind == "object":
            return bool(schema.get("properties") or schema.get("required"))
        if kind != "array" or schema.get("items", True) in (True, False) or schema.get("prefixItems"):
            return False
        if schema.get("maxItems") == 0:
            return False
        inner = self.cases(self.parts(schema["items"], f"{place}.items", level))
        return any(self.is_compound(*case) for case in inner)

    def is_regular(self, kind: str, part: Part) -> bool:
        """Whether a compound value can be a node: its members are those declared, and no count of them matters."""
        schema, place, level = part
        if level:
            return False
        if kind == "array":
            return not (schema.get("uniqueItems") and schema.get("minItems", 0) > 1)
        few = schema.get("minProperties", 0) <= len(schema.get("required", ()))
        return few and "maxProperties" not in schema and self.closed(schema)

    def named(self, schema: dict, place: str) -> dict[str, Any]:
        """The members that may be written by their names, and their schemas."""
        found = self.properties(schema, place)
        if "propertyNames" not in schema:
            return found
        allowed = {}
        for name, inner in found.items():
            if self.allows({"allOf": [schema["propertyNames"]]}, name, f"{place}.propertyNames"):
                allowed[name] = inner
            elif name in schema.get("required", ()):
                raise NoValue(
                    self.tool, f"{place}.propertyNames", f"it forbids {name!r}, which is required", "propertyNames"
                )
        return allowed

    # ------------------------------------------------------------------------------------------------ values

    def value(self, schema: Any, place: str, level: int, depth: _Depth) -> _Value:
        """The language of a value inside a slot."""
        if depth.all > MAX_DEPTH:
            raise SchemaError(self.tool, place, f"values nested deeper than {MAX_DEPTH} levels are not supported")
        cases = self.cases(self.parts(schema, place, level))
        if depth.free > ANY_DEPTH:
            cases = [(kind, part) for kind, part in cases if kind not in ("array", "object")]
        if not cases:
            raise self.nothing(schema, place)
        return self.join(cases, depth)

    def join(self, cases: list[tuple[str, Part]], depth: _Depth = TOP) -> _Value:
        """Any of several cases; those that turn out to have no value fall away."""
        found: list[tuple[Part, _Value]] = []
        missing: NoValue | None = None
        for kind, part in cases:
            try:
                found.append((part, self.case(kind, part, depth)))
            except NoValue as error:
                missing = missing or error
        if not found:
            assert missing is not None
            raise missing
        return self.union(found)

    def case(self, kind: str, part: Part, depth: _Depth) -> _Value:
        """The language of one case; the same schema on the same level of recursion is compiled once."""
        key = (kind, id(part.schema), part.level, depth.free)
        if key not in self.known:
            try:
                self.known[key] = part.schema, self.compile(kind, part, depth)
            except NoValue as error:
                self.known[key] = part.schema, error
        found = self.known[key][1]
        if isinstance(found, NoValue):
            raise found
        return found

    def compile(self, kind: str, part: Part, depth: _Depth) -> _Value:
        schema, place, _ = part
        if kind == "enum":
            return self.enum(schema, place)
        self.check_keywords(schema, place, "any")
        match kind:
            case "string":
                return self.string(schema, place)
            case "number" | "integer":
                return self.number(schema, place, kind)
            case "boolean":
                return self.words("boolean", ("true", "false"))
            case "null":
                return self.words("mixed", ("null",))
            case "array":
                return self.array(part, depth)
        return self.map(part, depth)

    def words(self, kind: str, texts: tuple[str, ...], close: str = "") -> _Value:
        """One of these texts."""
        longest = max(len(self.vocabulary.encode(" " + text)) for text in sorted(texts, key=len)[-MANY_MEMBERS:])
        return _Value(
            kind,
            lambda prefix: one_of(self.vocabulary, tuple([prefix + text for text in texts]) if prefix else texts),
            close,
            longest,
            longest,
        )

    def enum(self, schema: dict, place: str) -> _Value:
        members = self.members(schema, place)
        if not members:
            raise NoValue(self.tool, f"{place}.enum", "no member satisfies the other keywords beside it", "enum")
        texts = tuple(dict.fromkeys(json.dumps(member, ensure_ascii=False) for member in members))
        close = '"' if all(isinstance(member, str) for member in members) else ""
        value = self.words("enum", tuple(text[: len(text) - len(close)] for text in texts), close)
        scalars = (one for one in members if isinstance(one, (str, int, float)) and not isinstance(one, bool))
        value = replace(value, members=tuple(scalars))
        if close:
            return value

        def written(given: Any) -> Iterator[str]:
            yield from (json.dumps(member, ensure_ascii=False) for member in members if same(member, given))

        return replace(value, texts=written)

    def string(self, schema: dict, place: str) -> _Value:
        meant = text_of(schema)
        asked = layouts(str(schema.get("description") or "")) if meant.plain else []
        if asked:
            default = schema.get("default")
            ways = [*(layout.pattern for layout in asked), *([re_escape(default)] if isinstance(default, str) else [])]
            meant = replace(meant, patterns=(f"^(?:{'|'.join(ways)})$",))
        low, high = meant.low, meant.high
        if high is not None and low > high:
            raise self.refuse(place, "maxLength", "string", f"minLength {low} exceeds maxLength {high}")
        if low > MAX_COUNT:
            raise self.refuse(
                place,
                "minLength",
                "string",
                f"strings of at least {low} characters are not supported; at most {MAX_COUNT}",
            )
        high = None if high is None else min(high, MAX_COUNT)
        least = 2 + low
        if meant.plain:
            body = string(self.vocabulary, low, high)
        else:
            try:
                meant = replace(meant, high=high)
                body = text(self.vocabulary, meant)
                shortest = characters(replace(meant, alphabet=self.vocabulary.alphabet)).example()
                least = 2 + len(json.dumps(shortest, ensure_ascii=False).encode())
            except PatternError as error:
                if asked:  # what the description asks for has another length
                    return self.string({**schema, "description": ""}, place)
                keyword = "pattern" if "pattern" in schema else "format" if "format" in schema else "not"
                if not self.strict:
                    return self.string({key: schema[key] for key in schema.keys() & {"minLength", "maxLength"}}, place)
                said = repr(schema[keyword]) if keyword in schema else "what is excluded"
                raise self.refuse(place, keyword, "string", f"{said} cannot be followed: {error}") from None
        asked += (one for name in meant.formats for one in layouts(AS_LAYOUTS.get(name, "")))
        self.layouts |= dict.fromkeys(asked)
        budget = STRING_TOKENS if high is None else 1 + min(STRING_TOKENS - 1, high)
        return _Value(
            "string",
            lambda prefix: concat(literal(self.vocabulary, prefix + '"'), body),
            '"',
            budget,
            least,
            layouts=tuple(asked),
        )

    def number(self, schema: dict, place: str, kind: str) -> _Value:
        multiple, places = self.multiple(schema, place)
        # Multiples of a whole number are whole numbers.
        whole = kind == "integer" or (multiple is not None and not places)
        # A decimal is compared with the text of a double, a whole number with its exact value.
        read = Decimal if whole else lambda value: Decimal(repr(value))
        low, low_strict = self.bound(schema, "minimum", "exclusiveMinimum", max, read)
        high, high_strict = self.bound(schema, "maximum", "exclusiveMaximum", min, read)
        if whole:
            if low is not None:
                edge = low.to_integral_value(ROUND_CEILING)
                low, low_strict = (edge + 1 if low_strict and edge == low else edge), False
            if high is not None:
                edge = high.to_integral_value(ROUND_FLOOR)
                high, high_strict = (edge - 1 if high_strict and edge == high else edge), False
        try:
            digits = number(self.vocabulary, low, high, low_strict, high_strict, whole, multiple or 1, places)
        except ValueError as error:
            keyword = (
                "maximum" if "maximum" in schema else "exclusiveMaximum" if "exclusiveMaximum" in schema else "minimum"
            )
            raise self.refuse(place, keyword, "number", f"between {low} and {high}: {error}") from None
        budget = NUMBER_TOKENS
        least = 4 + max((len(f"{edge:f}") for edge in (low, high) if edge is not None), default=0)
        if multiple is not None:
            least += len(str(multiple)) + places
        if whole and low is not None and high is not None:
            budget = min(budget, 1 + max(len(str(low)), len(str(high))))
            least = 1 + max(len(f"{edge:f}") for edge in (low, high))
        return _Value(
            kind,
            lambda prefix: concat(literal(self.vocabulary, prefix), digits) if prefix else digits,
            "",
            budget,
            least,
        )

    def multiple(self, schema: dict, place: str) -> tuple[int | None, int]:
        """(m, places): a multiple of m once its point is moved by so many places; (None, 0): of nothing."""
        found: tuple[int | None, int] = (None, 0)
        for value in (*([schema["multipleOf"]] if "multipleOf" in schema else ()), *schema.get("_multiples", ())):
            exact = Decimal(repr(value)).normalize()
            places = max(0, -int(exact.as_tuple().exponent))
            scaled = int(exact.scaleb(places))
            # Doubles are multiples of a decimal as readers reckon only if both are exact: 0.07 / 0.01 is not 7.
            if not self.strict and (float(value).as_integer_ratio()[1] > 1 << places or scaled > MAX_MULTIPLE):
                continue
            if places and float(value).as_integer_ratio()[1] > 1 << places:
                raise self.refuse(
                    place,
                    "multipleOf",
                    "number",
                    f"multiples of {value} are not exact in binary, so readers disagree about them; use whole numbers",
                )
            if scaled > MAX_MULTIPLE:
                raise self.refuse(place, "multipleOf", "number", f"only divisors up to {MAX_MULTIPLE} are supported")
            if found[0] is None:
                found = scaled, places
            else:
                most = max(places, found[1])
                found = math.lcm(scaled * 10 ** (most - places), found[0] * 10 ** (most - found[1])), most
        return found

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

    # ------------------------------------------------------------------------------------------------ arrays

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

    def array(self, part: Part, depth: _Depth) -> _Value:
        schema, place, level = part
        low, high = self.counts(schema, place)
        first: list[_Value] = []
        rest: _Value | None = None
        for at, inner in enumerate(schema.get("prefixItems", ())[:high]):
            try:
                first.append(self.value(inner, f"{place}.prefixItems[{at}]", level, depth.below()))
            except NoValue:
                if at < low:
                    raise
                high = at
                break
        if high is None or high > len(first):
            try:
                inner = schema.get("items", True)
                rest = self.value(inner, f"{place}.items", level, depth.below(inner))
            except NoValue:
                if len(first) < low:
                    raise
                high = len(first)
        if high == 0:
            return replace(self.words("array", ("[]",)), texts=plain_texts)
        if schema.get("uniqueItems") and high != 1:
            return self.unique(schema, place, first, rest, low, high)
        return self.sequence(first, rest, low, high)

    def sequence(self, first: list[_Value], rest: _Value | None, low: int, high: int | None) -> _Value:
        """An array of elements of different kinds (`first`), then of one kind."""
        v = self.vocabulary

        @cache  # or each level of nesting would double the work
        def language(prefix: str) -> Automaton:
            if not first:
                assert rest is not None
                parts = [rest.language(prefix + "[")]
                if high != 1:
                    following = concat(literal(v, rest.close + ","), rest.language(" "))
                    parts.append(repeat(following, max(low - 1, 0), None if high is None else high - 1))
                filled = concat(*parts, literal(v, rest.close + "]"))
            else:
                # From the end: what may follow element n.
                end = literal(v, "]")
                tail = end
                if rest is not None:
                    more = concat(literal(v, ","), _whole(v, rest, " "))
                    most = None if high is None else high - len(first)
                    tail = concat(repeat(more, max(low - len(first), 0), most), end)
                for at in range(len(first) - 1, 0, -1):
                    filled = concat(literal(v, ","), _whole(v, first[at], " "), tail)
                    tail = filled if at < low else union(end, filled)
                filled = concat(_whole(v, first[0], prefix + "["), tail)
            return filled if low else union(literal(v, prefix + "[]"), filled)

        def item(at: int) -> _Value | None:
            return first[at] if at < len(first) else rest

        def texts(given: Any) -> Iterator[str]:
            if isinstance(given, list) and (len(given) <= len(first) or rest is not None):
                ways = [_texts(item(at), one) for at, one in enumerate(given)]
                for way in itertools.islice(itertools.product(*ways), MAX_TEXTS):
                    yield f"[{', '.join(way)}]"

        def tidied(given: Any) -> Any:
            return [_tidied(item(at), one) for at, one in enumerate(given)] if isinstance(given, list) else given

        tidy = tidied if any(one is not None and one.tidy for one in (*first, rest)) else None
        least = 3 + sum(2 + one.least for at in range(low) if (one := item(at)) is not None)
        budget = STRING_TOKENS if not first else min(VALUE_TOKENS, 3 + sum(1 + one.budget for one in first))
        members = rest.members if rest is not None and not first else ()
        return _Value("array", language, "", budget, least, texts, tidy, members=members)

    def unique(
        self, schema: dict, place: str, first: list[_Value], rest: _Value | None, low: int, high: int | None
    ) -> _Value:
        """An array without equal elements: repetitions are dropped when it is read, as far as there may be fewer."""
        if first:
            raise self.refuse(place, "uniqueItems", "array", "`uniqueItems` of tuples is not supported")
        assert rest is not None
        if low > 1:
            members = [
                member
                for kind, part in self.cases(self.parts(schema.get("items", True), f"{place}.items"))
                for member in (
                    part.schema["enum"] if kind == "enum" else [True, False] if kind == "boolean" else [None, ...]
                )
            ]
            if ... in members or len(members) > MAX_ARRANGED:
                message = (
                    f"arrays of at least {low} different elements are only supported with an enum of at most "
                    f"{MAX_ARRANGED} members; say minItems 1, or drop uniqueItems"
                )
                if self.strict:
                    raise self.refuse(place, "uniqueItems", "array", message)
                return self.sequence(first, rest, low, high)
            if len(members) < low:
                raise NoValue(
                    self.tool, f"{place}.minItems", f"there are only {len(members)} different values", "minItems"
                )
            v = self.vocabulary
            texts = tuple(json.dumps(member, ensure_ascii=False) for member in members)

            @cache
            def language(prefix: str) -> Automaton:
                begin = tuple(literal(v, prefix + "[" + text) for text in texts)
                follow = tuple(literal(v, ", " + text) for text in texts)
                return concat(arrangements(begin, follow, low, high), literal(v, "]"))

            least = 3 + low * (2 + rest.least)
            return _Value("array", language, "", max(STRING_TOKENS, least), least)
        plain = self.sequence([], rest, low, high)

        def tidy(given: Any) -> Any:
            if not isinstance(given, list):
                return given
            return distinct(plain.tidy(given) if plain.tidy else given)

        return replace(plain, tidy=tidy)

    # ------------------------------------------------------------------------------------------------ objects

    def map(self, part: Part, depth: _Depth) -> _Value:
        """A whole object in one slot: declared members in their order, then others if there may be any."""
        schema, place, level = part
        self.check_keywords(schema, place, "object")
        required, v = schema.get("required", ()), self.vocabulary
        named: dict[str, _Value] = {}
        for name, inner in self.named(schema, place).items():
            try:
                named[name] = self.value(inner, f"{place}.properties.{name}", level, depth.below())
            except NoValue:
                if name in required:
                    raise
        low, high = int(schema.get("minProperties", 0)), schema.get("maxProperties")
        extras = self.extras(part, named, low, depth)
        if low > len(named) + bool(extras) or (high is not None and high < max(low, len(required))):
            if extras and (high is None or low <= high):
                raise self.refuse(
                    place, "minProperties", "object", f"maps of at least {low} members are not supported; declare some"
                )
            raise NoValue(self.tool, f"{place}.minProperties", "no object has so many members", "minProperties")
        if not named and not extras:
            return replace(self.words("mixed", ("{}",)), texts=plain_texts)

        def whole(prefix: str) -> Automaton:
            def pairs(opening: str) -> list[Automaton]:
                found = [_pair(v, opening + json.dumps(n, ensure_ascii=False) + ":", one) for n, one in named.items()]
                for keys, one in extras:
                    key = concat(literal(v, opening + '"'), keys)
                    found.append(concat(key, literal(v, '":'), _whole(v, one, " ")))
                return found

            return record(
                tuple(pairs(prefix + "{")),
                tuple(pairs(", ")),
                tuple(name in required for name in named),
                low,
                None if high is None else int(high),
                literal(v, prefix + "{}"),
                literal(v, "}"),
            )

        @cache
        def language(prefix: str) -> Automaton:
            return deferred(lambda: whole(prefix))

        def texts(given: Any) -> Iterator[str]:
            if not isinstance(given, dict) or (not extras and given.keys() - named.keys()):
                return
            order = [name for name in named if name in given] + [name for name in given if name not in named]
            ways = []
            for name in order:
                values = [named[name]] if name in named else [one for _, one in extras]
                written = dict.fromkeys(text for one in values for text in _texts(one, given[name]))
                ways.append([f"{json.dumps(name, ensure_ascii=False)}: {text}" for text in written])
            for way in itertools.islice(itertools.product(*ways), MAX_TEXTS):
                yield f"{{{', '.join(way)}}}"

        tidy = None
        if any(one.tidy for one in (*named.values(), *(one for _, one in extras))):

            def tidy(given: Any) -> Any:
                if not isinstance(given, dict):
                    return given
                found = {}
                for name, one in given.items():
                    if name in named:
                        found[name] = _tidied(named[name], one)
                    else:
                        # Keys tell extras apart; their languages are disjoint or equal in what they ask.
                        body = json.dumps(name, ensure_ascii=False)[1:-1].encode()
                        mine = [value for keys, value in extras if keys.spell(body, v) is not None]
                        found[name] = _tidied(mine[0] if mine else None, one)
                return found

        size = {name: 3 + len(v.encode(json.dumps(name, ensure_ascii=False))) for name in named}
        needed = [name for name in named if name in required]
        least = 3 + sum(size[name] + named[name].least for name in needed)
        if len(needed) < low:
            rest = sorted(size[name] + named[name].least for name in named if name not in required)
            least += sum(rest[: low - len(needed)]) + (max(30 + one.least for _, one in extras) if extras else 0)
        budget = min(VALUE_TOKENS, 3 + sum(size[name] + named[name].budget for name in named) + 20 * bool(extras))
        return _Value("mixed", language, "", budget, least, texts, tidy)

    def extras(self, part: Part, named: Iterable[str], low: int, depth: _Depth) -> list[tuple[Automaton, _Value]]:
        """Members that are not declared by name: (the language of their keys, their values)."""
        schema, place, level = part
        patterns = dict(schema.get("patternProperties", {}))
        declared = bool(schema.get("properties") or schema.get("required") or patterns)
        extra = self.extra(schema)
        if declared and extra in (True, {}) and low <= len([*named]):
            extra = False  # it may, but nobody asked for it
        found: list[tuple[Automaton, _Value]] = []
        keys = Text(excluded=frozenset([*schema.get("properties", ()), *schema.get("required", ())]))
        limits = self.key_limits(schema, place)
        groups: list[tuple[tuple[str, ...], Any, str]] = []
        chosen = [pattern for pattern in patterns if patterns[pattern] is not False]
        sizes = range(1, len(chosen) + 1) if len(chosen) <= 3 else (1,)
        for size in sizes:
            for these in itertools.combinations(chosen, size):
                inner = patterns[these[0]] if size == 1 else {"allOf": [patterns[pattern] for pattern in these]}
                groups.append((these, inner, f"{place}.patternProperties.{these[0]}"))
        if extra is not False:
            groups.append(((), extra, f"{place}.additionalProperties"))
        for these, inner, where in groups:
            others = tuple(pattern for pattern in patterns if pattern not in these)
            for limit in limits:
                meant = replace(
                    limit,
                    patterns=(*limit.patterns, *these),
                    without=(*limit.without, *others),
                    excluded=keys.excluded | limit.excluded,
                )
                try:
                    if meant.plain:
                        body = string(self.vocabulary, meant.low, meant.high)
                    else:
                        body = text(self.vocabulary, meant)
                except PatternError as error:
                    if "no string" in str(error):
                        continue
                    keyword = "patternProperties" if patterns else "propertyNames"
                    raise self.refuse(place, keyword, "object", f"its keys cannot be followed: {error}") from None
                try:
                    value = self.value(inner, where, level, depth.below(inner))
                except NoValue:
                    continue
                found.append((body, value))
        return found

    def key_limits(self, schema: dict, place: str) -> list[Text]:
        """What `propertyNames` ask of undeclared keys."""
        if "propertyNames" not in schema:
            return [Text()]
        found = []
        for kind, part in self.cases(self.parts(schema["propertyNames"], f"{place}.propertyNames")):
            if kind == "string":
                meant = text_of(part.schema)
                found.append(replace(meant, high=None if meant.high is None else min(meant.high, MAX_COUNT)))
            elif kind == "enum":
                names = [re_escape(one) for one in part.schema["enum"] if isinstance(one, str)]
                found.append(Text((f"^(?:{'|'.join(names)})$",)))
        return found

    def union(self, found: list[tuple[Part, _Value]]) -> _Value:
        """Any of several values; those with a closing quote of their own bring it along."""
        values = [value for _, value in found]
        if len(values) == 1:
            return values[0]
        v = self.vocabulary

        @cache
        def language(prefix: str) -> Automaton:
            return union(*(_whole(v, value, prefix) for value in values))

        def texts(given: Any) -> Iterator[str]:
            yield from dict.fromkeys(text for value in values for text in _texts(value, given))

        tidy = None
        if any(value.tidy for value in values):

            def tidy(given: Any) -> Any:
                for part, value in found:
                    tidied = _tidied(value, given)
                    if self.allows(part.schema, tidied, part.place):
                        return tidied
                return given

        budget, least = max(value.budget for value in values), min(value.least for value in values)
        asked = tuple(dict.fromkeys(layout for value in values for layout in value.layouts))
        return _Value("mixed", language, "", budget, least + 1, texts, tidy, asked)


def re_escape(word: str) -> str:
    """An expression that finds just this word."""
    return "".join(
        char if char.isalnum() else f"\\{char}" if ord(char) < 128 and char.isprintable() else char for char in word
    )


def _whole(vocabulary: Vocabulary, value: _Value, prefix: str) -> Automaton:
    language = value.language(prefix)
    return concat(language, literal(vocabulary, value.close)) if value.close else language


def _pair(vocabulary: Vocabulary, opening: str, value: _Value) -> Automaton:
    return concat(literal(vocabulary, opening), _whole(vocabulary, value, " "))


def _texts(value: _Value | None, given: Any) -> list[str]:
    return [] if value is None else list(itertools.islice(value.texts(given), MAX_TEXTS))


def _tidied(value: _Value | None, given: Any) -> Any:
    return given if value is None or value.tidy is None else value.tidy(given)
