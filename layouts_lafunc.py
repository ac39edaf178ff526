"""Dates, times, places and literals: the layout that a description asks for, and what was said, in that layout.

Tools rarely say `"format": "date"`; they say "in the format YYYY-MM-DD". Who parses such a value fails on any other
text, so a layout that a description states is the slot's language, and dates that were said otherwise count as said
in it.

```python
>>> (layout,) = layouts("The date, in the format 'dd/mm/yyyy'.")
>>> layout.text
'dd/mm/yyyy'
>>> layout.write(["from the 5th of March 2024"])
['05/03/2024']
```
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

MONTHS = "January February March April May June July August September October November December".split()
_MONTHS = {name[:3].lower(): number for number, name in enumerate(MONTHS, 1)}
YEARS = range(1990, 2041)  # what a date without a year may be of, where no year was said
MANY = 12  # dates, and times, that are written at most

_FIELD = r"yyyy|yy|mmmm|mmm|mm|dd|hh|ss|am/pm"
_BETWEEN = r"[-/.:]|, ?| |'?t'?(?=hh)|"
_TEMPLATE = re.compile(rf"(?<![a-z0-9])(?:{_FIELD})(?:(?:{_BETWEEN})(?:{_FIELD}))+z?(?![-/.:]?[a-z0-9])", re.I)
_EXAMPLE = re.compile(
    r"((?:e\.?g\.?|such as|like|example|format|to|or)\W{0,3}|['\"`(])"
    r"\d{4}-\d\d-\d\d(?:([t ])\d\d:\d\d(:\d\d)?(z)?)?(?![-+.:]?\w| \d)",
    re.I,
)
_RANGE = re.compile(r"\W*(?:to|until|-|–|and)?\W*")
_OTHER = re.compile(r"\W*(?:format\b\W*)?(?:or|and)\b\W*(?:just |only |the )?", re.I)
_PLACE = re.compile(
    r"\b(?:city|town)(?:(?P<comma>, ?)| and | & )(?P<region>state|province|country)\b"
    r"(?! *(?:,|and|or) *(?:and |the )?(?:zip|postal|country|street))",
    re.I,
)
_STATED = re.compile(r"(?:^|^the |form(?:at)?\w*\W+(?:of |as |is |like |in )?(?:the )?|['\"`(])['\"`(]?\Z", re.I)
_FORMAT = re.compile(r"['\"`]? format", re.I)
_PLACE_EXAMPLE = re.compile(r"\b[A-Z][a-z.]+(?: [A-Z][a-z]+)*, ?(?!State|Country|Province)([A-Z][A-Za-z.]+)")
_PATTERNS = {
    "city": r"[^,]+",
    "region": r"[^,]+",
    "code": r"[A-Z]{2}",
    "year": r"[12][0-9]{3}",
    "short year": r"[0-9]{2}",
    "month": r"(?:0[1-9]|1[0-2])",
    "short name": f"(?:{'|'.join(name[:3] for name in MONTHS)})",
    "name": f"(?:{'|'.join(MONTHS)})",
    "day": r"(?:0[1-9]|[12][0-9]|3[01])",
    "hour": r"(?:[01][0-9]|2[0-3])",
    "hour of twelve": r"(?:0[1-9]|1[0-2])",
    "minute": r"[0-5][0-9]",
    "second": r"[0-5][0-9]",
    "half": r"(?:AM|PM)",
    "whole": r"-?(?:0|[1-9][0-9]*)",
    "decimal": r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?",
    "boolean": r"(?:true|false)",
    "capital boolean": r"(?:True|False)",
}
# How a string holds a value of a language's type, by the names of both in small letters.
_LITERALS: dict[str, dict[str, tuple[str, ...]]] = {
    "java": {
        **dict.fromkeys(("byte", "short", "int", "integer"), ("whole",)),
        "long": ("whole", "L"),
        "double": ("decimal",),
        "float": ("decimal", "f"),
        "boolean": ("boolean",),
    },
    "javascript": {
        "integer": ("whole",),
        **dict.fromkeys(("number", "float"), ("decimal",)),
        "boolean": ("boolean",),
    },
    "python": {"int": ("whole",), "float": ("decimal",), "bool": ("capital boolean",)},
}
_TYPE = re.compile(rf"\b({'|'.join(_LITERALS)}) (\w+)\b", re.I)
_AS_TEXT = re.compile(r"\b(?:in string representation|as a string|a string that holds|as text|source text)\b", re.I)
_CODES = {
    "year": "%Y",
    "short year": "%y",
    "month": "%m",
    "short name": "%b",
    "name": "%B",
    "day": "%d",
    "hour": "%H",
    "hour of twelve": "%I",
    "minute": "%M",
    "second": "%S",
    "half": "%p",
}
_FIELDS = {
    "yyyy": "year",
    "yy": "short year",
    "mmmm": "name",
    "mmm": "short name",
    "mm": "month",
    "dd": "day",
    "hh": "hour",
    "ss": "second",
    "am/pm": "half",
}
_HOUR = {"hour", "hour of twelve"}
_CLOCK = {*_HOUR, "minute", "second", "half"}
_CALENDAR = {"year", "short year", "month", "short name", "name", "day"}

_NAME = rf"(?P<name>{'|'.join(f'{name[:3]}(?:{name[3:]})?' for name in MONTHS)}|sept)\b\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_DATES = [
    re.compile(rf"(?<!\d){_YEAR}(?P<sep>[-/.])(?P<month>\d{{1,2}})(?P=sep)(?P<day>\d{{1,2}})(?!\d)"),
    re.compile(rf"(?<!\d){_YEAR}(?P<month>[01]\d)(?P<day>[0-3]\d)(?!\d)"),
    re.compile(rf"(?<!\d)(?P<day>\d{{1,2}})(?P<sep>[-/.])(?P<month>\d{{1,2}})(?P=sep){_YEAR}(?!\d)"),
    re.compile(rf"(?<!\d)(?P<month>\d{{1,2}})(?P<sep>[-/.])(?P<day>\d{{1,2}})(?P=sep){_YEAR}(?!\d)"),
    re.compile(rf"(?<![\d:]){_DAY}(?: of)?[ -]{_NAME}(?:,? ?(?:of )?-?{_YEAR}(?!\d))?", re.I),
    re.compile(rf"\b{_NAME} (?:the )?{_DAY}(?!\d)(?!:)(?:,? ?(?:of |in )?{_YEAR}(?!\d))?", re.I),
]
_TIME = re.compile(
    r"(?<![\d:.,/-])(?P<hour>\d{1,2})(?::(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?)?(?![\d:])"
    r"(?:\s?(?P<half>[ap])\.?m\b)?|(?P<word>\bnoon\b|\bmidday\b|\bmidnight\b)",
    re.I,
)
_HOURS = {"noon": 12, "midday": 12, "midnight": 0}


Clock = tuple[int, int, int]  # hour of 24, minute, second


@dataclass(frozen=True)
class Day:
    """A day as it was said; `year` is None where none was."""

    year: int | None
    month: int
    day: int


@dataclass(frozen=True)
class Layout:
    """How a date, a time, both, a place, or a literal of a programming language is written.

    Attributes:
        text: as the description has it.
        parts: names of fields and the text between them, in turns.
    """

    text: str
    parts: tuple[str, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        return self.parts[::2]

    @property
    def pattern(self) -> str:
        """A regular expression for what is written so. Days are not compared with their months."""
        return "".join(part if n % 2 == 0 else re.escape(part) for n, part in enumerate(self._filled(_PATTERNS)))

    @property
    def strftime(self) -> str:
        """The same for `datetime.strftime`; empty, if it is of something else."""
        return "".join(self._filled(_CODES)) if _CODES.keys() >= set(self.fields) else ""

    def write(self, texts: Sequence[str]) -> list[str]:
        """What texts say of days and times, each as this layout has it."""
        fields = set(self.fields)
        dated, timed = bool(fields & _CALENDAR), bool(fields & _CLOCK)
        if not (dated or timed):
            return []  # nobody knows where a city is; and literals are what was said
        clocks = times(texts)[-MANY:] or ([(0, 0, 0)] if dated else [])
        years = [int(year) for text in texts for year in re.findall(r"(?<!\d)(?:19|20)\d\d(?!\d)", text)] or YEARS
        written = []
        for day, clock in product(days(texts)[-MANY:] if dated else [None], clocks if timed else [None]):
            for year in years if day and day.year is None else [day.year if day else None]:
                written.append("".join(self._filled(_values(day, year, clock))))
        return list(dict.fromkeys(written))

    def said(self, texts: Sequence[str]) -> set:
        """Which days, or times, texts name that this layout can write; of days neither year nor order of its parts."""
        if set(self.fields) & _CALENDAR:
            return {frozenset((day.month, day.day)) for day in days(texts)}
        return set(times(texts)) if set(self.fields) & _CLOCK else set()

    def _filled(self, values: dict[str, str]) -> list[str]:
        return [values[part] if n % 2 == 0 else part for n, part in enumerate(self.parts)]


def layouts(description: str) -> list[Layout]:
    """The layouts that a description states, or shows by examples such as 2024-05-31; or that of a literal ("This is
    Java long type parameter in string representation").

    None if it leaves open whether a value is written in one of them ("YYYY-MM-DD or 'today'").
    """
    if not _TEMPLATE.search(description):
        description = _EXAMPLE.sub(_as_template, description)
    found: list[Layout] = []
    end: int | None = None
    for start, stop, layout in sorted([*_moments(description), *_places(description)], key=lambda one: one[0]):
        if layout is None or end is not None and _RANGE.fullmatch(description, end, start):
            return []
        other = _OTHER.match(description, stop)
        if other and not (_TEMPLATE.match(description, other.end()) or _PLACE.match(description, other.end())):
            return []
        found.append(layout)
        end = stop
    return list(dict.fromkeys(found)) or _literals(description)


def _literals(description: str) -> list[Layout]:
    """The literal that a string is said to hold, if any; types without one of their own, such as Java's String, and
    lists and maps, have none."""
    said = _TYPE.search(description) if _AS_TEXT.search(description) else None
    parts = _LITERALS[said[1].lower()].get(said[2].lower()) if said else None
    return [Layout(said[0], parts)] if said and parts else []


def _moments(description: str) -> Iterator[tuple[int, int, Layout | None]]:
    """Where templates of days and times stand, and what they are."""
    for template in _TEMPLATE.finditer(description):
        yield *template.span(), _moment(template[0])


def _places(description: str) -> Iterator[tuple[int, int, Layout]]:
    """Where templates of places stand, and what they are. A region is a code where that is said, or shown."""
    found = list(_PLACE.finditer(description))
    examples = _PLACE_EXAMPLE.findall(description) if found else []
    short = all(len(end) == 2 for end in examples) if examples else bool(re.search(r"\babb?r", description, re.I))
    templates = [
        template
        for template in found
        if (template["comma"] or examples)
        and (_STATED.search(description[: template.start()]) or _FORMAT.match(description, template.end()))
    ]
    for template in templates:
        # Of several templates, the one example may be the other's.
        code = short and (template["region"].lower() == "state" or len(examples) >= len(templates))
        parts = ("city", "," if template["comma"] == "," else ", ", "code" if code else "region")
        yield *template.span(), Layout(template[0], parts)


def _as_template(example: re.Match) -> str:
    before, between, seconds, zone = example.groups(default="")
    clock = f"{between}HH:MM{':SS' if seconds else ''}{zone}" if between else ""
    return f"{before}YYYY-MM-DD{clock}"


def _moment(text: str) -> Layout | None:
    """The parts of a template; None where it is none, as in mm/mm, or may be something else, as hhmm of time zones."""
    _, *pieces = re.split(f"({_FIELD})", text, flags=re.I)
    names = [piece.lower() for piece in pieces[::2]]
    fields = []
    for n, name in enumerate(names):
        field = _FIELDS[name]
        if name == "mm" and (names[n - 1 : n] == ["hh"] or names[n + 1 : n + 2] == ["ss"]):
            field = "minute"
        elif name == "hh" and "am/pm" in names:
            field = "hour of twelve"
        fields.append(field)
    calendar, clock = _CALENDAR.intersection(fields), set(fields) - _CALENDAR
    if len(set(fields)) < len(fields) or len(calendar) == 1 or clock and (len(clock) == 1 or not clock & _HOUR):
        return None
    if not calendar and not any(pieces[1:-1:2]):
        return None
    parts = [part for pair in zip(fields, pieces[1::2], strict=True) for part in pair]
    parts = [part.replace("'", "") if n % 2 else part for n, part in enumerate(parts)]
    return Layout(text, tuple(parts if parts[-1] else parts[:-1]))


def days(texts: Sequence[str]) -> list[Day]:
    """The days that texts name. Where a month may be a day, both are there."""
    return list(dict.fromkeys(day for text in texts for day in _days(text)))


def _days(text: str) -> Iterator[Day]:
    for said in sorted((said for form in _DATES for said in form.finditer(text)), key=lambda said: said.start()):
        given = said.groupdict()
        name, year = given.get("name"), given.get("year")
        month = _MONTHS[name[:3].lower()] if name else int(given["month"])
        if 1 <= month <= 12 and 1 <= int(given["day"]) <= 31:
            yield Day(int(year) if year else None, month, int(given["day"]))


def times(texts: Sequence[str]) -> list[Clock]:
    """The times of day that texts name."""
    return list(dict.fromkeys(clock for text in texts for clock in _times(text)))


def _times(text: str) -> Iterator[Clock]:
    for said in _TIME.finditer(text):
        if said["word"]:
            yield _HOURS[said["word"].lower()], 0, 0
            continue
        hour, half = int(said["hour"]), (said["half"] or "").lower()
        if not (half or said["minute"]) or hour > (12 if half else 23) or (half and not hour):
            continue  # a number
        yield hour % 12 + 12 * (half == "p") if half else hour, int(said["minute"] or 0), int(said["second"] or 0)


def _values(day: Day | None, year: int | None, clock: Clock | None) -> dict[str, str]:
    """Each field's text."""
    found: dict[str, str] = {}
    if day is not None:
        name = MONTHS[day.month - 1]
        found |= {"month": f"{day.month:02}", "day": f"{day.day:02}", "name": name, "short name": name[:3]}
    if year is not None:
        found |= {"year": str(year), "short year": f"{year % 100:02}"}
    if clock is not None:
        hour, minute, second = clock
        found |= {"hour": f"{hour:02}", "hour of twelve": f"{(hour - 1) % 12 + 1:02}"}
        found |= {"minute": f"{minute:02}", "second": f"{second:02}", "half": "AM" if hour < 12 else "PM"}
    return found
