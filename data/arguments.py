"""Arguments of tools as a person sees them: what each is about, read from its name, description and schema.

```python
>>> argument = read_arguments({"name": "f", "parameters": {"properties": {"radius_km": {"type": "integer"}}}})[0]
>>> argument.nouns, argument.unit
(('radius',), 'kilometers')
```

What a string is about is told from the argument's name, else from its description, which may also give examples
("e.g., rock, jazz") and a form ("YYYY-MM-DD"). Anything unknown gets invented words and codes: the head that learns
from these rows must copy what it has never seen.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..layouts_lafunc import layouts
from ..schema_lafunc import Part, SchemaReader
from ..validation_lafunc import SchemaError
from .meanings import LONGER, NUMBERS, STRINGS, UNIT_OF_NAME, UNIT_PATTERN, UNITS
from .words import WORDS


@dataclass(eq=False)
class Argument:
    """One property of a schema, read for its meaning.

    Attributes:
        words: the name's words, spelled out and in lower case.
        nouns: what a user may call it.
        kind: string, integer, number, boolean, enum, array, object, map, date, time, datetime or null.
        source: tables and compositions that strings come from.
        frames: how a string attaches to a request; `{}` is the value and `{n}` the noun.
        lone: no other argument of the tool attaches in the same way, so that a value can do without its noun.
        style: of numbers: money, percent, fraction, unit, year, month, id, or nothing.
        low, high: of numbers; nothing is known if the low one is higher.
    """

    name: str
    schema: Mapping[str, Any]
    required: bool
    words: str
    description: str
    kind: str = "string"
    nouns: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    lone: bool = True
    style: str = ""
    unit: str = ""
    low: float = 1
    high: float = 0
    decimals: int = 0
    form: str = ""
    item: "Argument | None" = None
    members: list["Argument"] = field(default_factory=list)


def read_arguments(tool: Mapping[str, Any]) -> list[Argument]:
    """The arguments of a tool that [`compile_tool`] accepts."""
    parameters = tool.get("parameters") or {"type": "object", "properties": {}}
    reader = SchemaReader(tool["name"], parameters)
    reader.left = float("inf")
    found = _members(reader, reader.top()[0])
    if any(re.search(r"\b(currency|unit|ingredient|food)\b", one.words) for one in found):
        for one in found:  # "$200" would contradict the currency, and "5 dollars" the unit
            one.style = "" if one.style == "money" else one.style
            bounded = {"maximum", "exclusiveMaximum"} & one.schema.keys()
            if one.kind in ("integer", "number") and "amount" in one.words and not bounded:
                one.high = max(one.high, 500)
    ways = Counter(map(_way, found))
    for one in found:
        one.lone = ways[_way(one)] == 1
    return found


def _way(argument: Argument) -> Any:
    """How a value attaches."""
    return (
        argument.unit or argument.style if argument.kind in ("integer", "number") else argument.frames or argument.name
    )


def _members(reader: SchemaReader, part: Part) -> list[Argument]:
    required = part.schema.get("required", ())
    return [
        _read(reader, name, inner, f"{part.place}.{name}", part.level, name in required)
        for name, inner in reader.properties(part.schema, part.place).items()
    ]


def _read(reader: SchemaReader, name: str, schema: Any, place: str, level: int, required: bool) -> Argument:
    outer = schema if isinstance(schema, dict) else {}
    cases = reader.cases(reader.parts(schema, place, level))
    if not cases:
        raise SchemaError(reader.tool, place, "no value satisfies the schema")
    described = outer.get("description") or cases[0][1].schema.get("description") or ""
    description = str(described).strip()
    plain = {"enum": 0, "string": 1, "integer": 2, "number": 3}
    kind, part = min([case for case in cases if case[0] != "null"] or cases, key=lambda case: plain.get(case[0], 4))
    schema, place, level = part
    found = Argument(name, schema, required, words_of(name), description)
    found.nouns = _nouns(found)
    if kind == "enum":
        found.kind = "enum"
        found.examples = tuple(reader.members(schema, place))
        _string(found)
        return found
    found.kind = kind
    if found.kind == "string":
        found.examples = tuple(str(one) for one in schema.get("examples", ()) if isinstance(one, str) and one)
        found.examples = found.examples or examples_in(description)
        _string(found)
        _date(found)
    elif found.kind in ("integer", "number"):
        _number(found)
    elif found.kind == "array":
        found.item = _read(
            reader, _singular(name), schema.get("items", {"type": "string"}), f"{place}.items", level, True
        )
        if not found.item.description:
            found.item.description = description
            if found.item.kind == "string":
                found.item.examples = found.item.examples or examples_in(description)
                _string(found.item)
        found.frames, found.source = found.item.frames, found.item.source
    elif found.kind == "object":
        found.members = _members(reader, part)
        if not found.members:
            extra = reader.extra(schema)
            found.kind = "map" if extra is not False else "null"
            if found.kind == "map":
                found.item = _read(
                    reader, "value", extra if extra is not True else {"type": "string"}, place, level, True
                )
            else:
                found.schema = {"const": {}}
    return found


_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")


def words_of(name: str) -> str:
    """`checkInDate`, `check_in_date`: check in date."""
    words = [word.lower() for word in _WORD.findall(name)]
    return " ".join(LONGER.get(word, word) for word in words) or name.strip() or "value"


def _singular(name: str) -> str:
    for end, short in (("ies", "y"), ("ches", "ch"), ("ses", "s"), ("s", "")):
        if name.endswith(end) and not name.endswith(("ss", "us", "is")) and len(name) > len(end) + 2:
            return name[: -len(end)] + short
    return name


_HEAD_END = re.compile(
    r"[,(.;:\[]| (?:required|to|for|that|which|in|from|where|when|whose|being|used|you|between|at|on|by|with|if|is|"
    r"are|such|e\.g|i\.e|as|per|whom|who|containing|including|using|like|before|after|during|should|must|can|will)\b"
)


def _nouns(argument: Argument) -> tuple[str, ...]:
    """What it may be called: the name's words, and the head of a description such as "The radius of the circle"."""
    words = argument.words
    if words.startswith("number of ") and words.endswith(" of"):
        words = words[:-3]
    found = [words]
    match = re.match(r"(?:the|an?|your) (.+)", argument.description, re.I)
    if match:
        head = _HEAD_END.split(match[1], maxsplit=1)[0].strip()
        head = re.sub(r"^(specific|specified|given|desired|target|particular|optional) ", "", head)
        whole = head.split(" of ")[0] if len(head.split()) > 4 else head
        if 1 <= len(whole.split()) <= 4 and whole != words and re.fullmatch(r"[\w '-]+", whole):
            if len(words) <= 2 or set(whole.lower().split()) & set(words.split()):
                found.append(whole if whole[:2].isupper() else whole[0].lower() + whole[1:])
    return tuple(found)


def examples_in(description: str) -> tuple[str, ...]:
    """The values that a description names: "(e.g., rock, jazz)", "such as A, B or C", "'day' or 'week'"."""
    match = _EXAMPLES.search(description)
    if match:
        text = re.split(r"\. |\.$", match[1])[0]
    elif len(found := re.findall(r"(?<!\w)['\"`]([^'\"`]{1,30})['\"`](?!\w)", description)) > 1:
        return tuple(dict.fromkeys(found))
    else:
        return ()
    parts = [part.strip(" '\"`“”‘’*") for part in re.split(r", ?(?:and|or) |,| or | and |/(?=\s)", text)]
    return tuple(dict.fromkeys(part for part in parts if part and len(part) < 40 and not _GENERIC.search(part)))


_EXAMPLES = re.compile(r"(?:e\.g\.?,?|for example,?|such as|eg\.?,?)[: ]+([^()\n;]+)", re.I)
_GENERIC = re.compile(
    r"^(etc|\.\.\.|others?|more|city|country|name|date|id|location|address|state|zip|region)|['\"=`]|\b(of|the|type)\b",
    re.I,
)


def _string(found: Argument) -> None:
    """Where the strings of an argument come from."""
    for text in (found.words, found.description.lower()[:80]):
        if found.kind == "string" and _NUMERAL.search(found.words) and not found.examples:
            found.item = Argument(found.name, {"type": "integer"}, True, found.words, found.description, "integer")
            _number(found.item)
            found.source, found.frames = ("numeral",), ("with the {n} {}", "with {n} {}", "with {n} of {}")
            return
        for pattern, source, frames in STRINGS:
            if pattern.search(text):
                found.source, found.frames = source, frames
                if found.kind == "string" and "city" in source and (place := _PLACE.search(found.description)):
                    code = place[1].isupper() and len(place[1]) == 2 and place[1] != "UK"
                    found.source, found.examples = ("city_state" if code else "city_country",), ()
                return
    found.source, found.frames = ("invented", "title", "code"), ("with the {n} {}", "for {n} {}", "with {n} {}")


# "San Francisco, CA": the form of a place that a description shows
_PLACE = re.compile(rf"[A-Z][\w.]+(?: [A-Z]\w+)*, (UK|USA|[A-Z]{{2}}|{'|'.join(WORDS['country'])})\b")
_NUMERAL = re.compile(
    r"^(?:minimum|maximum) (?!date|time)\w+$|\b(limit|offset|page|count|quantity|amount|price|age|rating|latitude|"
    r"longitude|width|height|weight|distance|radius|score|percentage|temperature|year|size of|maximum|minimum|"
    r"number of \w+|per page|salary|budget|rate|length|speed)$"
)
_DATE_NAME = re.compile(r"\b(date|day|birthday|deadline|dob|check ?in|check ?out|date of birth|due|when)\b")
_ISO = re.compile(r"\d{4}-\d\d-\d\d\b(?!t)|iso[ -]?8601|%y-%m-%d")


def _date(found: Argument) -> None:
    """Whether a string is a date or a time, and in which form."""
    text, format = found.description.lower(), found.schema.get("format")
    form = next((layout.strftime for layout in layouts(found.description)), "%Y-%m-%d" if _ISO.search(text) else "")
    if format == "date" or format == "date-time" or format == "time":
        form = {"date": "%Y-%m-%d", "date-time": "%Y-%m-%dT%H:%M:%SZ", "time": "%H:%M:%S"}[format]
    named = _DATE_NAME.search(found.words) or (
        re.search(r"^(start|end|from|to|since|until|before|after)$", found.words)
        and re.search(r"\b(date|day)\b", text)
    )
    clock = re.search(r"\btime(stamp)?\b", found.words) and not re.search(
        r"zone|period|range|frame|span|unit", found.words
    )
    if not form and not named and not clock or "timezone" in found.source or "weekday" in found.source:
        return
    if found.examples and not form:
        return
    found.form = form
    if "%M" in form:
        found.kind = "datetime" if "%d" in form else "time"
    elif form or named:
        found.kind = "date"
    else:
        found.kind = "time"
    found.frames = ("at {}", "for {}") if found.kind == "time" else ("on {}", "for {}", "on {}")
    if re.search(r"\b(start|from|begin(ning)?|check ?in|departure|after|since)\b", found.words):
        found.frames = ("from {}", "starting {}", "with the {n} {}")
    elif re.search(r"\b(end|to|until|check ?out|return|before|till|finish)\b", found.words):
        found.frames = ("until {}", "to {}", "with the {n} {}")
    elif re.search(r"birth|dob", found.words):
        found.frames = ("born on {}", "with the {n} {}")
    elif re.search(r"due|deadline", found.words):
        found.frames = ("due {}", "due on {}", "by {}")


_SPAN = re.compile(
    r"(?:from|between|range|\(|:) ?(-?\d+(?:\.\d+)?)(?: \([a-z ]+\))?(?: to | and |-| - |–)(\d+(?:\.\d+)?)\b"
)


def _number(found: Argument) -> None:
    """The range and the way of writing numbers, within the schema's bounds."""
    low: float = 1
    high: float = 0
    decimals = 2
    text = found.description.lower()
    last = found.words.split()[-1]
    for where in (last, found.words, text[:80]):
        if where == last and last in ("number", "level", "value", "points", "base", "position"):
            continue  # `heart rate`, `order number`: the words before say more
        for pattern, at_least, at_most, places, style in NUMBERS:
            if pattern.search(where):
                low, high, decimals, found.style = at_least, at_most, places, style
                break
        if high:
            break
    fraction = re.search(r"decimal(?! places)|fraction|0\.\d|between 0 and 1\b|0 to 1\b|0-1\b", text)
    # The custom of programs: an interest rate of 5 % is 0.05 where nothing is said about percent.
    custom = re.search(
        r"\b(interest|yield|inflation|(tax|growth|discount|annual|yearly|mortgage|depreciation|return) rate"
        r"|rate of return|(annual|yearly|expected) return)\b",
        f"{found.words} {text}",
    ) and not re.search("percent|%", text)
    if found.style == "percent" and (fraction or custom and found.kind == "number"):
        found.style = "fraction"
    if not high and found.kind == "integer" and last.endswith("s") and len(last) > 3:
        low, high = 1, 60  # a count of things
    unit = UNIT_PATTERN.search(found.description)
    found.unit = unit[1].lower() if unit else last if last in UNITS else UNIT_OF_NAME.get(last, "")
    if found.unit and last in (found.unit, UNITS[found.unit].lower()) and found.style in ("", "unit", "id"):
        shorter = found.words[: -len(last)].removesuffix(" in ").strip()
        timed = last in (
            "days",
            "hours",
            "minutes",
            "weeks",
            "months",
            "years",
            "nights",
            "seconds",
        )  # `vacation days`
        if shorter and not timed and shorter not in ("number of", "n", "maximum", "minimum"):
            found.nouns = (shorter, *found.nouns[1:])
    if found.unit and found.style in ("money", "percent", "fraction", "id", "year", "month"):
        low, high, found.style = 1, 90, "unit"
    if found.kind == "integer":
        decimals = 0
    elif not high:
        decimals = 3
    found.decimals = decimals
    bottom, top = _bounds(found)
    if found.style == "fraction" and found.kind == "integer":
        found.style, low, high = "percent", 1, 40
    if top is not None and top <= 1 and found.kind == "number" and found.style == "percent":
        found.style = "fraction"
    if found.style == "fraction":
        low, high = 0, 1
    if bottom is not None and top is not None:
        low, high = bottom, top
    elif bottom is not None and low > high:
        low, high = bottom, bottom + 1000
    elif bottom is not None and bottom > low:
        low, high = bottom, high if high > bottom else bottom + 100
    elif top is not None and (low > high or top < high):
        low, high = min(low, top - 100 if low >= top else low), top
    if bottom is None and top is None and (span := _SPAN.search(text)) and float(span[1]) < float(span[2]):
        low, high, found.style = float(span[1]), float(span[2]), "" if found.style != "fraction" else "fraction"
        found.decimals = min(found.decimals, 2)
    if found.kind == "number" and low <= high and math.ceil(low) > math.floor(high):
        found.decimals = max(found.decimals, 1)
    found.low, found.high = low, high


def _bounds(argument: Argument) -> tuple[float | None, float | None]:
    """The lowest and the highest number that may be drawn; None where the schema sets no bound."""
    schema = argument.schema
    lows = [schema["minimum"]] if "minimum" in schema else []
    highs = [schema["maximum"]] if "maximum" in schema else []
    if "exclusiveMinimum" in schema:
        lows.append(math.nextafter(schema["exclusiveMinimum"], math.inf))
    if "exclusiveMaximum" in schema:
        highs.append(math.nextafter(schema["exclusiveMaximum"], -math.inf))
    if argument.kind == "integer":
        lows, highs = [math.ceil(low) for low in lows], [math.floor(high) for high in highs]
    return max(lows, default=None), min(highs, default=None)
