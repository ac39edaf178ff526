"""Typed values for arguments, and the words in which those are said.

```python
>>> argument = read_arguments({"name": "f", "parameters": {"properties": {"radius_km": {"type": "integer"}}}})[0]
>>> draw(argument, random.Random(0)).text
'198 kilometers'
```
"""

import datetime
import math
import random
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..pattern_lafunc import Characters, PatternError, Text, characters
from .arguments import Argument
from .meanings import UNITS
from .words import COMPOSED, MONTHS, WORDS, compose, number_words

_DIGIT = re.compile(r"\d").search
_CODE = re.compile(r"(?!\d{4}-\d\d)(?=(?:.*\d){3})[A-Z0-9]+(?:[-_/.#][A-Za-z0-9]+)*")
_QUOTED = {"text", "title", "movie", "book", "song", "expression", "query"}
_SYNONYMS = {
    "asc": ("ascending", "ascending order"), "desc": ("descending", "descending order"), "km": ("kilometers",),
    "mi": ("miles",), "kg": ("kilograms",), "lb": ("pounds",), "lbs": ("pounds",), "m": ("meters",),
    "cm": ("centimeters",),
    "ft": ("feet",), "in": ("inches",), "en": ("English",), "es": ("Spanish",), "fr": ("French",), "de": ("German",),
    "it": ("Italian",), "ja": ("Japanese",), "zh": ("Chinese",), "celsius": ("Celsius", "degrees Celsius"),
    "fahrenheit": ("Fahrenheit", "degrees Fahrenheit"), "usd": ("US dollars", "dollars"), "eur": ("euros",),
    "gbp": ("British pounds",), "jpy": ("Japanese yen",), "m/s": ("meters per second",),
    "km/h": ("kilometers per hour",),
    "mph": ("miles per hour",), "png": ("PNG",), "json": ("JSON",), "csv": ("CSV",), "html": ("HTML",), "pdf": ("PDF",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Said:
    """A value and what a user writes for it, nothing if another value tells it; `bare` without its unit. `joined` is
    set for what holds commas.
    """

    value: Any
    text: str
    joined: bool = False
    bare: str = ""


def draw(argument: Argument, rng: random.Random, depth: int = 0, length: int = 0) -> Said:
    """A value that the argument's schema allows, and how it is said; `length`: of lists of numbers, if allowed."""
    match argument.kind:
        case "enum":
            value = rng.choice(argument.examples)
            return Said(value, say_member(value, rng))
        case "boolean":
            on = rng.random() < 0.7
            return Said(on, rng.choice(("true", "yes", "on") if on else ("false", "no", "off")))
        case "integer" | "number":
            return _draw_number(argument, rng)
        case "date" | "time" | "datetime":
            return _fit(argument, rng, partial(_draw_date, argument, rng))
        case "array":
            return _draw_array(argument, rng, depth, length)
        case "object":
            pairs = [
                (member, draw(member, rng, depth + 1))
                for member in argument.members
                if member.required or rng.random() < 0.5 - 0.15 * depth
            ]
            return Said({member.name: said.value for member, said in pairs}, say_members(pairs, rng), True)
        case "map":
            keys = rng.sample(WORDS["column"], rng.randint(1, 3))
            assert argument.item is not None
            values = [draw(argument.item, rng, depth + 1) for _ in keys]
            text = join([f"{key} {said.text}" for key, said in zip(keys, values, strict=True)], rng)
            return Said({key: said.value for key, said in zip(keys, values, strict=True)}, text, True)
        case "null":
            return Said(argument.schema.get("const"), "none")
    return _fit(argument, rng, partial(_draw_string, argument, rng))


_MEASURES = {
    r"radius|length|width|height|side|base|depth|diameter|distance|altitude|thickness|perimeter|leg|elevation":
        ("meters", "m", "centimeters", "cm", "kilometers", "km", "feet", "ft", "inches", "miles", "yards", "mm"),
    r"weight|mass": ("kilograms", "kg", "grams", "g", "pounds", "lbs", "ounces", "tons"),
    r"temperature|temp": ("Celsius", "Fahrenheit", "Kelvin"),
    r"pressure": ("pascals", "atm", "bar", "psi", "kPa"),
    r"speed|velocity": ("km/h", "mph", "m/s", "knots"),
    r"volume|capacity": ("liters", "milliliters", "gallons", "ml"),
    r"energy": ("joules", "calories", "kWh"),
    r"duration|time": ("seconds", "minutes", "hours"),
}  # fmt: skip


_UNIT = re.compile(r"^(?:(?:input|measurement|length|distance|weight|temperature|radius) )?units?$")


def measured(
    arguments: Sequence[Argument], pairs: Sequence[tuple[Argument, Said]], rng: random.Random
) -> list[tuple[Argument, Said]]:
    """The pairs with a unit said beside its number, `5 meters` for 5 and meters, where a tool takes both."""
    unit = next((one for one in arguments if _UNIT.search(one.words) and one.kind in ("string", "enum")), None)
    if unit is None:
        return list(pairs)
    numbers = [one for one, _ in pairs if one.kind in ("integer", "number")]
    for pattern, names in _MEASURES.items():
        like = [one for one in numbers if re.search(rf"\b({pattern})\b", one.words)]
        if not like or any(one.unit or one.style == "unit" and one not in like for one in numbers):
            continue  # another quantity has a unit of its own
        if unit.kind == "enum":
            known = [value for value in unit.examples if {str(value), *_SYNONYMS.get(str(value), ())} & set(names)]
            if not known:
                continue
            value = rng.choice(known)
            word = rng.choice(sorted({str(value), *_SYNONYMS.get(str(value), ())} & set(names)))
        else:
            value = word = rng.choice(names)
        tight = len(word) < 3 and rng.random() < 0.4
        told = [
            (one, Said(said.value, f"{said.value}{'' if tight else ' '}{word}") if one in like else said)
            for one, said in pairs
            if one is not unit
        ]
        return [*told, (unit, Said(value, ""))]  # nothing more is to be said of it
    return list(pairs)


def join(parts: Sequence[str], rng: random.Random, last: str = "") -> str:
    """`a, b and c`, with varied joints unless the last one is given."""
    if len(parts) < 2:
        return "".join(parts)
    last = last or rng.choice((" and ", " and ", ", and ", ", "))
    if len(parts) == 2 and last != ", ":
        last = " and "
    return ", ".join(parts[:-1]) + last + parts[-1]


def say_members(pairs: Sequence[tuple[Argument, Said]], rng: random.Random) -> str:
    """The members of an object: `name Apple, quantity 3`."""
    style = rng.choice(("{} {}", "{} {}", "{}: {}", "{} of {}"))
    parts = [style.format(member.nouns[0], f"({said.text})" if said.joined else said.text) for member, said in pairs]
    return join(parts, rng) or "nothing"


def say_member(value: Any, rng: random.Random) -> str:
    """A member of an enumeration, in words."""
    if not isinstance(value, str):
        plain = isinstance(value, bool) or value is None
        return {True: "true", False: "false", None: "none"}[value] if plain else str(value)
    if not value.strip():
        return "empty"
    if value.lower() in _SYNONYMS and rng.random() < 0.4:
        return rng.choice(_SYNONYMS[value.lower()])
    spaced = re.sub(r"(?<=\w)[_-](?=\w)", " ", value)
    if rng.random() < 0.3:
        return value
    return spaced.lower() if len(value) > 4 and (value.isupper() or rng.random() < 0.5) else spaced


def _fit(argument: Argument, rng: random.Random, make: Any) -> Said:
    """A string of an allowed length, with the pattern if there is one."""
    low, high = argument.schema.get("minLength", 0), argument.schema.get("maxLength")
    automaton = None
    if pattern := argument.schema.get("pattern"):
        try:
            automaton = characters(Text((pattern,), low=low, high=high))
        except PatternError:
            return make()  # whoever checks the row drops it if it does not fit
    for _ in range(6):
        said = make()
        fits = low <= len(said.value) and (high is None or len(said.value) <= high)
        if automaton is None:
            if fits:
                return said
        # An example with digits is one of many of its form, and all rows would have it.
        elif fits and automaton.matches(said.value) and not (said.value in argument.examples and _DIGIT(said.value)):
            return said
    if automaton is not None:
        text = _walk(automaton, rng)
        return Said(text, text)
    length = int(max(low, min(8, high if high is not None else 8)))
    text = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=length))
    return Said(text, text or "empty")


def _draw_string(argument: Argument, rng: random.Random) -> Said:
    if argument.examples and rng.random() < 0.75:
        text = rng.choice(argument.examples)
        if _CODE.fullmatch(text):  # one of many: its digits are others
            text = re.sub(r"\d", lambda digit: rng.choice("123456789" if digit[0] != "0" else "0123456789"), text)
        return Said(text, text)
    roll = rng.random()
    source = rng.choice(argument.source)
    formed, unheard = source in ("city_state", "city_country"), roll < 0.08
    if unheard and source in WORDS and not formed:
        source = "invented"
    if source == "numeral":
        assert argument.item is not None
        text = _draw_number(argument.item, rng, plain=True).text
        return Said(text, text)
    text = compose(source, rng) if source in COMPOSED else rng.choice(WORDS[source])
    if formed:
        city, *wider = text.split("/")
        if unheard:  # nobody knows where it is
            city = compose("invented", rng)
        value, long = f"{city}, {wider[0]}", f"{city}, {wider[-1]}"
        return Said(value, rng.choice((value, long) if unheard else (value, value, city, city, long)))
    if source in ("country", "museum", "landmark", "history") and text.startswith("the "):
        return Said(text[4:], text)
    if source == "person" and rng.random() < 0.25:
        text = text.split()[0]
    return Said(text, text)


def _walk(automaton: Characters, rng: random.Random, usual: int = 12) -> str:
    """A string of an automaton, of letters and digits where there is a choice; it ends soon after the usual length."""
    ahead, state, found = automaton.ahead(), 0, ""
    while True:
        enough = len(found) >= usual or rng.random() < 0.2
        if automaton.accepting[state] and (enough or max(automaton.to[state], default=-1) < 0):
            return found
        runs = [n for n, at in enumerate(automaton.classes) if at >= 0 and automaton.to[state][at] >= 0]
        if enough:  # only on the way to the end
            nearest = min(ahead[automaton.to[state][automaton.classes[n]]] for n in runs)
            runs = [n for n in runs if ahead[automaton.to[state][automaton.classes[n]]] == nearest]
        ends = [*automaton.starts[1:], sys.maxunicode + 1]
        chars = [chr(code) for n in runs for code in range(automaton.starts[n], min(ends[n], 127)) if code >= 32]
        plain = [char for char in chars if char.isalnum()]
        # One kind of character after the other is as likely: there are more letters than digits.
        kinds = [kind for kind in (str.isdigit, str.isupper, str.islower) if any(map(kind, plain))]
        if kinds:
            kind = rng.choice(kinds)
            char = rng.choice([char for char in plain if kind(char)])
        else:
            char = rng.choice(chars) if chars else chr(automaton.starts[rng.choice(runs)])
        found += char
        state = automaton.step(state, ord(char))


def _round_number(argument: Argument, rng: random.Random) -> float | int:
    low, high = argument.low, argument.high
    if low > high:  # nothing is known
        size = rng.choices((9, 99, 999, 9999, 9_999_999), (30, 35, 18, 11, 6))[0]
        value: float | int = rng.randint(1, size)
        if size > 999 and rng.random() < 0.3:
            value = rng.randint(11, 999) * 10 ** rng.choice((3, 4, 5, 6, 8))
        if rng.random() < (
            0.1 if len(argument.words) < 3 or argument.words in ("number", "value", "number list") else 0.02
        ):
            value = -value
        if argument.decimals and rng.random() < 0.4:
            value = round(value + rng.random(), rng.randint(1, argument.decimals))
        return value
    if argument.style == "money":
        value = rng.choice((rng.randint(5, 99), rng.randint(1, 99) * 10, rng.randint(1, 99) * 100, rng.randint(1,
        90) * 1000,
                            rng.randint(1, 50) * 10000, rng.randint(100, 99999),
                            rng.randint(10, 99) * 10 ** rng.randint(3, 7)))  # fmt: skip
        if argument.decimals and rng.random() < 0.2:
            value = round(value + rng.randint(1, 99) / 100, 2)
        if not low <= value <= max(high, 10**9):
            value = rng.randint(math.ceil(low), max(math.ceil(low), math.floor(high)))
        if argument.schema.keys() & {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}:
            value = min(max(value, low), high)
        return value
    if argument.decimals:
        places = rng.choice((0, 0, 1, argument.decimals)) if argument.decimals < 4 else rng.randint(2, 4)
        exact = min(max(rng.uniform(low, high), low), high)
        while not low <= (value := round(exact, places)) <= high:
            places += 1
        return value
    low, high = int(-(-low // 1)), int(high // 1)
    span = high - low
    if argument.style == "year":
        return (
            rng.randint(max(low, 1950), min(high, 2026))
            if rng.random() < 0.7 and low <= 1950 and high >= 2026
            else rng.randint(low, high)
        )
    if span > 400 and low >= -1:
        return min(high, max(low, low + rng.randint(0, min(span, rng.choice((10, 100, 1000, 100000, 9999999))))))
    value = rng.randint(low, max(low, high))
    if span >= 100 and rng.random() < 0.4:  # people like round numbers
        value = max(low, value // 5 * 5)
    return value


def _draw_number(argument: Argument, rng: random.Random, plain: bool = False) -> Said:
    if argument.style == "fraction" and argument.kind == "number" and not plain:
        percent = rng.choice((rng.randint(1, 99), rng.randint(1, 20), rng.randint(2, 60) / 2))
        value = round(percent / 100, 4)
        if argument.low <= value <= argument.high:
            text = (
                f"{percent:g}%"
                if rng.random() < 0.45
                else f"{percent:g} percent"
                if rng.random() < 0.15
                else f"{value:g}"
            )
            if percent == 50 and rng.random() < 0.3:
                text = "half"
            return Said(value, text)
    spans = () if plain else [one for one in SPANS.get(argument.unit, ()) if _allowed(argument, one[0])]
    if spans and rng.random() < 0.15:
        span, text = rng.choice(spans)
        return Said(span, text, bare=f"{span}")
    value = _round_number(argument, rng)
    if isinstance(value, float) and value == int(value):
        value = int(value)
    text = f"{value}" if plain else say_number(value, argument, rng)
    unit = argument.unit or argument.style in ("money", "percent", "percentage")
    return Said(value, text, bare=f"{value}" if unit else "")


SPANS: dict[str, tuple[tuple[int, str], ...]] = {  # of a unit, what is said of some numbers
    "seconds": ((60, "a minute"), (30, "half a minute"), (120, "two minutes"), (3600, "an hour")),
    "minutes": (
        (60, "an hour"), (30, "half an hour"), (90, "an hour and a half"), (120, "two hours"),
        (15, "a quarter of an hour"),
    ),
    "hours": ((24, "a day"), (12, "half a day"), (48, "two days"), (72, "three days"), (168, "a week")),
    "days": (
        (1, "a single day"), (7, "a week"), (7, "one week"), (7, "the next week"), (14, "two weeks"),
        (14, "a fortnight"), (21, "three weeks"), (30, "a month"), (365, "a year"),
    ),
    "nights": ((7, "a week"), (14, "two weeks")),
    "weeks": ((2, "a fortnight"), (4, "a month"), (52, "a year")),
    "months": (
        (1, "the next month"), (1, "a single month"), (3, "a quarter"), (6, "half a year"), (12, "a year"),
        (18, "a year and a half"), (24, "two years"),
    ),
    "years": (
        (1, "a single year"), (10, "a decade"), (10, "the past decade"), (20, "two decades"), (30, "three decades"),
        (100, "a century"),
    ),
}  # fmt: skip


def _allowed(argument: Argument, value: int) -> bool:
    """Whether a number lies between the bounds of an argument, as far as any are known."""
    keys = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"} & argument.schema.keys()
    return not keys or argument.low <= value <= argument.high and not keys & {"multipleOf"}


def say_number(value: float | int, argument: Argument, rng: random.Random) -> str:
    """Digits, mostly; sometimes words, thousands separators, `12k`, a currency, a unit."""
    text, style, roll = f"{value}", argument.style, rng.random()
    if style == "month" and roll < 0.5 and 1 <= value <= 12:
        return MONTHS[int(value) - 1]
    if style in ("year", "id"):
        return text
    if isinstance(value, int):
        if abs(value) >= 1000 and roll < 0.35:
            text = f"{value:,}"
        elif (
            0 <= value <= 12 and roll < 0.2 or 12 < value <= 100 and roll < 0.08 or 0 < value < 10000 and roll < 0.015
        ):
            text = number_words(value)
            if rng.random() < 0.3:
                text = text.replace("-", " ")
        elif value >= 10000 and roll < 0.8 and (short := _magnitude(value, rng)):
            text = short
    elif value == 0.5 and roll < 0.2:
        return rng.choice(("half", "one half", ".5"))
    if value < 0 and text.startswith("-") and rng.random() < 0.25:
        text = rng.choice(("minus ", "negative ")) + text[1:]
    wordy = text[0].isalpha()
    if style == "money":
        if wordy:
            return f"{text} dollars" if rng.random() < 0.7 else text
        return rng.choice(("${}", "${}", "${}", "{} dollars", "{} USD", "{}", "{}", "€{}", "{} euros")).format(text)
    if style in ("percent", "percentage") and not argument.unit:
        return rng.choice(("{}%", "{}%", "{} percent", "{}")).format(text) if not wordy else f"{text} percent"
    if argument.unit and rng.random() < 0.75:
        unit, short = argument.unit, UNITS[argument.unit]
        if value == 1 and unit.endswith("s") and "/" not in unit:
            unit = {"feet": "foot", "inches": "inch"}.get(unit, unit[:-1])
        if unit in ("celsius", "fahrenheit"):
            return text + (
                rng.choice((" degrees " + unit.title(), short, "°", " degrees")) if not wordy else " degrees"
            )
        if short and not wordy and rng.random() < 0.35:
            return text + ("" if short == "°" or rng.random() < 0.4 else " ") + short
        return f"{text} {unit}"
    return f"{text} units" if style == "unit" and not argument.unit and not wordy and rng.random() < 0.12 else text


def _magnitude(value: int, rng: random.Random) -> str:
    """A large round number as it is said: 8500000 is `8.5 million`, or `8.5M`; nothing if it has too many digits."""
    for power, forms in (
        (9, (" billion", " billion", "B")),
        (6, (" million", " million", "M")),
        (3, ("k", "K", " thousand")),
    ):
        if value >= 10**power:
            digits = f"{value / 10**power:.3f}".rstrip("0").rstrip(".")
            return digits + rng.choice(forms) if value % 10 ** (power - 3) == 0 and len(digits) <= 5 else ""
    return ""


def _draw_array(argument: Argument, rng: random.Random, depth: int, length: int) -> Said:
    item = argument.item
    assert item is not None
    low, high = int(argument.schema.get("minItems", 0)), argument.schema.get("maxItems")
    compound = item.kind in ("object", "array", "map")
    least = 2 if item.kind in ("integer", "number") and rng.random() < 0.95 else 1
    usual = 2 if compound else rng.choice((4, 4, 7, 12)) if item.kind in ("integer", "number") else 4
    count = rng.randint(max(least, low), max(usual, low))
    if length and item.kind in ("integer", "number"):
        count = max(low, length)
    if high is not None:
        count = min(count, int(high))
    if count == 0:
        return Said([], "nothing", True)
    if item.kind in ("integer", "number"):
        said = [_draw_number(item, rng, plain=True) for _ in range(count)]
        texts = [one.text for one in said]
        roll = rng.random()
        text = "[" + ", ".join(texts) + "]" if roll < 0.15 else ", ".join(texts) if roll < 0.4 else join(texts, rng)
        return Said([one.value for one in said], text, True)
    said = []
    for _ in range(3 * count):
        one = draw(item, rng, depth + 1)
        if all(one.value != other.value for other in said):
            said.append(one)
        if len(said) == count:
            break
    while len(said) < low:
        said.append(draw(item, rng, depth + 1))
    texts = [one.text for one in said]
    if compound:
        text = "; ".join(f"({one})" if rng.random() < 0.2 else one for one in texts)
    elif item.source and item.source[0] in _QUOTED or any("," in one for one in texts):
        text = join([f'"{one}"' for one in texts], rng)
    else:
        text = join(texts, rng)
    return Said([one.value for one in said], text, True)


def _draw_date(argument: Argument, rng: random.Random) -> Said:
    day = datetime.datetime(1995, 1, 1) + datetime.timedelta(
        days=rng.randrange(365 * 8) if re.search("birth|dob", argument.words) else 365 * 20 + rng.randrange(365 * 15),
        minutes=15 * rng.randrange(96),
    )
    clock = rng.choice(
        (f"{day.hour % 12 or 12}:{day:%M} {day:%p}", f"{day:%H:%M}", f"{day.hour % 12 or 12}:{day:%M}{day:%p}".lower())
    )
    if day.minute == 0 and rng.random() < 0.5:
        clock = f"{day.hour % 12 or 12} {day:%p}" if rng.random() < 0.5 else f"{day.hour % 12 or 12}{day:%p}".lower()
    if argument.kind == "time":
        return Said(day.strftime(argument.form), clock) if argument.form else Said(clock, clock)
    suffix = "th" if 10 <= day.day % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    month = f"{day:%B}"
    long = rng.choice(
        (
            f"{month} {day.day}, {day.year}",
            f"{month} {day.day}, {day.year}",
            f"{day.day} {month} {day.year}",
            f"{month} {day.day}{suffix}, {day.year}",
            f"the {day.day}{suffix} of {month} {day.year}",
            f"{month[:3]} {day.day}, {day.year}",
            f"{day:%Y-%m-%d}",
        )
    )
    if argument.kind == "datetime":
        moment = rng.choice((f"{long} at {clock}", f"{clock} on {long}", f"{day:%Y-%m-%d %H:%M}"))
        return Said(
            day.strftime(argument.form),
            moment + (" UTC" if argument.form.endswith("Z") and rng.random() < 0.6 else ""),
        )
    if not argument.form:
        text = (
            rng.choice(WORDS["relative_date"])
            if rng.random() < 0.4
            else rng.choice((long, f"{month} {day.day}", f"{day:%Y-%m-%d}"))
        )
        return Said(text, text)
    value = day.strftime(argument.form)
    if argument.form == "%Y-%m":
        return Said(value, rng.choice((f"{month} {day.year}", value)))
    return Said(value, rng.choice((long, long, value)))
