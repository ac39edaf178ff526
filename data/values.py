"""Arguments of tools as a person sees them, typed values for them, and the words in which those are said.

```python
>>> argument = read_arguments({"name": "f", "parameters": {"properties": {"radius_km": {"type": "integer"}}}})[0]
>>> draw(argument, random.Random(0))
Said(value=53, text='53 kilometers')
```

What a string is about is told from the argument's name, else from its description, which may also give examples
("e.g., rock, jazz") and a form ("YYYY-MM-DD"). Anything unknown gets invented words and codes: the head that learns
from these rows must copy what it has never seen.
"""

import datetime
import math
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..schema_lafunc import SchemaReader
from .words import COMPOSED, MONTHS, WORDS, compose, number_words

# Where strings come from; how they attach to a request, at the end unless a `{}` says where; pattern of the name's
# words, which goes on in indented lines. First match counts.
_STRING_TABLE = r"""
email; with the email, at, using; e ?mails?(?! (subject|body|text|content|title|template|type|id
    |list))( address(es)?)?
url; at, from, using; url|link|website|webpage|endpoint|uri
phone; with the phone number, at, on; phone|mobile|telephone|fax
ip; for, at, with IP; \bip\b|ip address
uuid; with UUID, for; uuid|guid
zip; for ZIP code, in, with postal code; \b(zip|postal|postcode|pincode)\b
coordinates; at, for the coordinates; coordinates
isbn; with ISBN, for ISBN; isbn
hex; with the color, in; \b(hex|colou?r code)\b
password; with the password, using the password; password|passcode|secret
version; version, for version, at version; \bversion\b
username; for, for user, as; (user|login|account|screen) ?name|\busername\b|\bhandle\b
code; with ID, for, with {n}, with the {n}; ids?|identifier|uid|sku|vin
code; with {n}, for {n}, with the {n}; (reference|barcode|serial|license plate|plate|token|(api ?)?key|apikey)
    |tracking|(order|invoice|case|account|flight|ticket|policy|confirmation|booking|reservation) (number|code|no)
dna; for, with the sequence; dna|rna|sequence
language; in, in, for; ^(language|lang|locale)$|(target|source|output|input|from|to) lang|languages?$
code_language; in, using; programming
country_code; for, in; country code
country; in, for; nationality|countr(y|ies)|\bnation\b
continent country state; in, for; continent|region
state; in, for; \b(state|province)\b
airport; at, for; airport
airline; with, on, flying; airline|carrier
address; at, at, with the {n}; street|address|venue
city; from, leaving from, starting in; \b(origin|departure|departing|from|start location|source city|pickup
    |start point)\b(?!.*(date|time|day))
city; to, going to; \b(destination|arrival|to city|to location|dropoff|end location|end point)\b(?!.*(date|time|day))
city; in, for, in; cit(y|ies)|town|\blocations?\b|\bplaces?\b|municipality|area name|^area$|where
timezone; in, in the {} time zone; time ?zone|\btz\b
weekday; on, for; weekday|day of (the )?week
month; in, for; \bmonth\b
period; for, over; time (period|range|frame|span|interval)|period|range|interval|timeframe|frequency
duration; for, lasting; duration
color; in, in, with the color; colou?rs?\b
currency; in, using; currency|currencies
crypto; for, of; crypto\w*|coin
ticker; for, of; ticker|stock|\bsymbol\b
company firm; for, of, at; company|corporation|employer|business|organi[sz]ation(?! type)|manufacturer|vendor
    |supplier|client|firm
brand; from, by, with brand; \bbrand\b|\bmake\b
car; for a, for the, with the {n}; vehicle|\bcar\b|\bmodel\b
movie title; for, about, called; movie|film|tv show|show|series
book title; for, about, called; \bbook\b|novel
song title; for, called; song|track|lyric|album
artist; by, from; artist|singer|band|composer|musician
instrument; for the, on the; instrument
genre; in the {} genre, of the genre; genre
artwork; for, of; artwork|painting|sculpture
game; for, called; \bgame\b
museum; at, in; museum
landmark; near, at, for; landmark|attraction|monument|\bsite\b
league; in, in the; league|tournament|competition
team; for, of; \bteams?\b|club
sport; in, for; \bsports?\b
first; with the first name, first name; ^(first|given) name$
last; with the last name, last name; ^(last|family|sur) ?name$|surname
person figure; by, with, with the {n}; author|director|writer|teacher|doctor|player|driver|coach|athlete|actor
    |instructor|inspector|therapist
person; for, for, with the {n}; (full|person|customer|patient|employee|student|contact|guest|user|passenger|client
    |recipient|sender|owner|member|artist|candidate|host) ?name|\bperson\b|recipients?|sender|attendees?
    |participants?|assignee|patient|customer|members?|owner|holder|borrower|defendant|plaintiff|donor|party|client
    |relative|people|friend|invitees?|names$
figure; for, by; scientist|historical figure|president|king
history; of, for, about; historical|battle|\bwar\b|revolution
planet; on, for; planet|celestial|star
animal; for a, of the; species|animal|\bpet\b|breed
plant; for, of; plant|flower|crop|tree
symptom; with, for; symptom
disease; for, with; disease|condition|illness|diagnosis|disorder
drug; for, of; drug|medication|medicine|prescription
exercise; for, doing; exercise|workout|activity|activities|hobby
formula; for, of; formula|chemical equation
compound; for, of; compound|chemical|molecule|reagent
element; for, of; element|metal|isotope
gas; for, of; \bgas\b
substance; for, of; substance|liquid|fluid|solvent|\bsample\b
material; made of, for, in; material|fabric
gene; for, of; gene|protein
cell; for a, of a; \bcells?\b
cuisine; with {} cuisine, serving {} food; cuisine
diet; that is, for a {} diet; diet|allerg\w*
ingredient; with, using; ingredient
food; for, of; food|dish|recipe|meal|menu
drink; of, for; drink|beverage|coffee
job; for a, as a; job|occupation|position|profession|role|career
industry; in the {} industry, for; industry|sector
skill; with, in; skill
university; at, for; university|school|college|institution
subject; in, for, on; course|subject(?! line)|class\b
topic; about, on; topics?|theme|interests|hobbies
event; for the, called; event|occasion|meeting|appointment
holiday; for, on; holiday
room; in the, for the; room
device; for the, on the; device|appliance
furniture; for a, of the; furniture
clothing; for a; cloth(es|ing)|garment|outfit
product; for, of, for a; products?|items?|goods|merchandise|article name
property; for a, of type; property type|house type
amenity; with; amenit(y|ies)
payment; by, with, paying by; payment
transport; by; transport\w*|travel mode
weather; when it is, in {} weather; weather
law; on, under; \blaw\b|legal topic|legislation|statute
court state; in, at; court|jurisdiction
crime; for; crime|offen[cs]e|violation
file; for, from, of; file ?name|\bfiles?\b|document|attachment|image|photo|picture|video|audio|dataset
folder; in, from, under; folder|director(y|ies)|path
extension; as, in {} format; extension|file (type|format)|format
table; in the {} table, from; \btables?\b|database|collection
column; by, for, on; columns?|fields?|attribute|feature|variable|metric
domain; for, on, at; domain|host|server|hostname
branch; on, from branch; branch
expression; of, for, {}; expression|equation|function|polynomial|formula
distribution; with a {} distribution, following a {} distribution; distribution
algorithm; using, with; algorithm
method; using, with; method|technique|approach|strategy|model type
shape; for a, of a; shape
gender; who is, {}; gender|\bsex\b
direction; to the, {}; direction
mood; for a {} mood, that feels; mood|emotion|feeling
priority; with {} priority, at {} priority; priority|urgency|severity|importance
level; at {} level, at the {} level; difficulty|\blevel\b|experience|grade
status; with status, that are, marked as; status
size; in size, in; size
unit; in, in; units?$|measurement
platform; on, for; platform|social|channel|network
category; in, in the {} category, for; categor(y|ies)|department|tags?\b|labels?\b|niche|market
query; for, for, about; query|search|keywords?|\bterms?\b|phrase
title title title event; titled, called, with the title; title|headline
thing; for, of the word; \bword\b
text; saying, with the {n}, :; text|message|content|body|sentence|paragraph|comment|caption|note|review|feedback
    |description|details|summary|prompt|question|input|reason|instructions|memo|transcript|string|data
title event topic; with the subject; subject
person firm title invented; named, called, for; name$
kind; of type, with {n}; type|kind|style|mode|option|plan|source
"""
_STRINGS = tuple(
    (
        re.compile(rf"\b(?:{pattern})(?:s|es)?\b"),
        tuple(source.split()),
        tuple(frame if "{}" in frame else f"{frame} {{}}" for frame in frames.split(", ")),
    )
    for source, frames, pattern in (
        line.split("; ") for line in re.sub(r"\n +", "", _STRING_TABLE.strip()).split("\n")
    )
)
_QUOTED = {"text", "title", "movie", "book", "song", "expression", "query"}
# (pattern, lowest, highest, decimals or not or as the schema says, how it is written)
_NUMBERS = tuple(
    (re.compile(rf"\b(?:{pattern})\b"), low, high, decimals, style)
    for pattern, low, high, decimals, style in (
        (r"lat|latitude", -89, 89, 4, ""),
        (r"lon|lng|long|longitude", -179, 179, 4, ""),
        (r"(heart|pulse) rate|pulse|bpm|beats per minute", 45, 190, 0, ""),
        (r"calories", 100, 3500, 0, "unit"),
        (r"credit score", 300, 850, 0, ""),
        (r"(loyalty|experience) points|points", 10, 900, 0, ""),
        (r"confidence level", 0.8, 0.99, 2, "fraction"),
        (r"probability|confidence|threshold|significance|alpha|proportion|fraction|ratio|dropout|slippage|efficiency",
         0, 1, 2, "fraction"),
        (r"(loan|repayment|lease|mortgage) (term|period|duration|years?|months?)|term|years|lifetime|life", 1, 40, 0,
        "unit"),
        (r"percent|percentage|discount|tax( rate)?|humidity|interest|rate|yield|margin|tip|inflation|growth", 1, 40,
        1, "percent"),
        (r"prices?|costs?|budgets?|amounts?|salary|income|principal|loan|fees?|revenues?|invest(ed|ment)s?|payments?|deposit"
         r"|balance|wage|rent|spending|expenses?|debts?|profit|money|fare|donation|mortgage|assets?|liabilit\w+|equity|cash"
         r"|capital|premium|coverage|deductible|contribution|savings|dividends?|deductions|returned|bill|utilities",
         5, 90000, 2,
         "money"),
        (r"ages?", 1, 95, 0, ""),
        (r"year|century", 1850, 2030, 0, "year"),
        (r"month", 1, 12, 0, "month"),
        (r"day", 1, 31, 0, ""),
        (r"hour", 0, 23, 0, ""),
        (r"minute|second", 0, 59, 0, ""),
        (r"hours|minutes|seconds|days|weeks|months|nights|duration|timeout|time|period|interval|delay|rest", 1, 90, 1,
        "unit"),
        (r"temperature|degrees?", -30, 120, 1, "unit"),
        (r"angle|rotation|heading", 0, 360, 1, "unit"),
        (r"brightness|volume level|battery|position|contrast", 0, 100, 0, "percentage"),
        (r"rating|stars", 1, 5, 1, ""),
        (r"scores?|grades?|marks|average", 0, 100, 1, ""),
        (r"weight|mass|dose", 1, 250, 1, "unit"),
        (r"height|length|width|depth|radius|diameter|base|side|distance|altitude|thickness|perimeter|area|volume|size|speed"
         r"|velocity|acceleration|force|pressure|density|energy|power|voltage|current|resistance|charge|frequency"
         r"|wavelength|capacity|concentration|gravity|leg", 1, 300, 2, "unit"),
        (r"mileage|population|views|followers|visitors|users|streams|steps", 100, 900000, 0, ""),
        (r"memory|disk|storage", 1, 2000, 0, "unit"),
        (r"ports?", 80, 65535, 0, ""),
        (r"pages", 1, 900, 0, ""),
        (r"page|offset|index|level|floor|rank|zone", 1, 30, 0, ""),
        (r"precision|decimals?|digits|places", 0, 8, 0, ""),
        (r"ids?|identifier|code|seed|number$", 1, 9999999, 0, "id"),
        (r"quantity|count|number of|limit|results|top|sides|size|repetitions|k", 1, 25, 0, ""),
        (r"coefficients?|slope|intercept|exponent", -12, 12, 1, ""),
    )
)  # fmt: skip
_UNITS = {
    "meters": "m", "kilometers": "km", "centimeters": "cm", "millimeters": "mm", "miles": "mi", "feet": "ft",
    "inches": "in", "yards": "yd", "kilograms": "kg", "grams": "g", "pounds": "lbs", "ounces": "oz", "liters": "L",
    "milliliters": "ml", "gallons": "gal", "seconds": "s", "minutes": "min", "hours": "h", "days": "", "weeks": "",
    "months": "", "years": "", "nights": "", "celsius": "°C", "fahrenheit": "°F", "kelvin": "K", "degrees": "°",
    "watts": "W", "kilowatts": "kW", "volts": "V", "amperes": "A", "ohms": "Ω", "hertz": "Hz", "newtons": "N",
    "joules": "J", "pascals": "Pa", "calories": "kcal", "km/h": "km/h", "mph": "mph", "m/s": "m/s", "m/s^2": "m/s^2",
    "kg/m^3": "kg/m^3", "moles": "mol", "megabytes": "MB", "gigabytes": "GB", "pixels": "px", "square meters": "sqm",
    "square feet": "sq ft", "kilowatt-hours": "kWh", "cubic meters": "m³", "coulombs": "C", "atmospheres": "atm",
    "nanometers": "nm", "milligrams": "mg", "radians": "rad", "acres": "", "milliseconds": "ms", "words": "",
    "characters": "", "people": "", "cups": "", "kilocalories": "kcal", "tesla": "T",
}  # fmt: skip
_UNIT_OF_NAME = {short: name for name, short in _UNITS.items() if short.isalpha() and len(short) > 1}
_UNIT_PATTERN = re.compile(
    r"\b(?:in|measured in|as) (" + "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True)) + r")\b", re.I
)
_LONGER = {
    "lat": "latitude", "lon": "longitude", "lng": "longitude", "num": "number of", "qty": "quantity",
    "addr": "address", "desc": "description", "min": "minimum", "max": "maximum", "temp": "temperature",
    "dob": "date of birth", "src": "source", "dest": "destination", "dst": "destination", "msg": "message",
    "lang": "language", "loc": "location", "amt": "amount", "avg": "average", "pct": "percentage",
    "tel": "phone number", "pwd": "password", "img": "image", "dept": "department", "freq": "frequency",
    "cat": "category", "dur": "duration", "info": "information", "std": "standard", "dev": "deviation",
    "prob": "probability", "coeff": "coefficient", "coef": "coefficient", "acc": "acceleration", "vel": "velocity",
    "init": "initial", "vol": "volume", "param": "parameter", "params": "parameters", "db": "database",
}  # fmt: skip
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
    """A value and what a user writes for it; `bare` without its unit. `joined` is set for what holds commas."""

    value: Any
    text: str
    joined: bool = False
    bare: str = ""


@dataclass
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


# ------------------------------------------------------------------------------------------------ reading schemas


def read_arguments(tool: Mapping[str, Any]) -> list[Argument]:
    """The arguments of a tool that [`compile_tool`] accepts."""
    parameters = tool.get("parameters") or {"type": "object", "properties": {}}
    reader = SchemaReader(tool["name"], parameters)
    reader.left = float("inf")
    found = _members(reader, *reader.top())
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


def _members(reader: SchemaReader, schema: dict, place: str, refs: tuple) -> list[Argument]:
    required = schema.get("required", ())
    return [
        _read(reader, name, inner, f"{place}.{name}", refs, name in required)
        for name, inner in reader.properties(schema, place).items()
    ]


def _read(reader: SchemaReader, name: str, schema: Any, place: str, refs: tuple, required: bool) -> Argument:
    outer = schema if isinstance(schema, dict) else {}
    schema, place, refs = reader.resolve(schema, place, refs)
    description = str(outer.get("description") or schema.get("description") or "").strip()
    if not {"enum", "const"} & schema.keys():
        branches = list(reader.branches(schema, place, refs) or ())
        kinds = [branch for branch in branches if reader.types(*branch[:2]) != ("null",)] or branches
        plain = {"string": 0, "integer": 1, "number": 2}
        if kinds:
            schema, place, refs = min(kinds, key=lambda branch: plain.get(reader.types(*branch[:2])[0], 3))
    found = Argument(name, schema, required, words_of(name), description)
    found.nouns = _nouns(found)
    if "enum" in schema or "const" in schema:
        found.kind = "enum"
        found.examples = tuple(reader.members(schema) or ())
        _string(found)
        return found
    types = reader.types(schema, place)
    found.kind = types[0]
    if found.kind == "string":
        found.examples = tuple(str(one) for one in schema.get("examples", ()) if isinstance(one, str) and one)
        found.examples = found.examples or examples_in(description)
        _string(found)
        _date(found)
    elif found.kind in ("integer", "number"):
        _number(found)
    elif found.kind == "array":
        found.item = _read(
            reader, _singular(name), schema.get("items", {"type": "string"}), f"{place}.items", refs, True
        )
        if not found.item.description:
            found.item.description = description
            if found.item.kind == "string":
                found.item.examples = found.item.examples or examples_in(description)
                _string(found.item)
        found.frames, found.source = found.item.frames, found.item.source
    elif found.kind == "object":
        found.members = _members(reader, schema, place, refs)
        if not found.members:
            extra = reader.extra(schema)
            found.kind = "map" if extra is not False else "null"
            if found.kind == "map":
                found.item = _read(
                    reader, "value", extra if extra is not True else {"type": "string"}, place, refs, True
                )
            else:
                found.schema = {"const": {}}
    return found


_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")


def words_of(name: str) -> str:
    """`checkInDate`, `check_in_date`: check in date."""
    words = [word.lower() for word in _WORD.findall(name)]
    return " ".join(_LONGER.get(word, word) for word in words) or name.strip() or "value"


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
        for pattern, source, frames in _STRINGS:
            if pattern.search(text):
                found.source, found.frames = source, frames
                return
    found.source, found.frames = ("invented", "title", "code"), ("with the {n} {}", "for {n} {}", "with {n} {}")


_NUMERAL = re.compile(
    r"^(?:minimum|maximum) (?!date|time)\w+$|\b(limit|offset|page|count|quantity|amount|price|age|rating|latitude|"
    r"longitude|width|height|weight|distance|radius|score|percentage|temperature|year|size of|maximum|minimum|"
    r"number of \w+|per page|salary|budget|rate|length|speed)$"
)
_DATE_NAME = re.compile(r"\b(date|day|birthday|deadline|dob|check ?in|check ?out|date of birth|due|when)\b")
_DATE_FORMS = (
    (r"yyyy-mm-dd ?t? ?hh:mm:ss", "%Y-%m-%dT%H:%M:%S"),
    (r"yyyy-mm-dd ?t? ?hh:mm", "%Y-%m-%d %H:%M"),
    (r"yyyy-mm-dd|\d{4}-\d\d-\d\d\b(?!t)|iso[ -]?8601|%y-%m-%d", "%Y-%m-%d"),
    (r"mm/dd/yyyy", "%m/%d/%Y"),
    (r"dd/mm/yyyy", "%d/%m/%Y"),
    (r"dd-mm-yyyy", "%d-%m-%Y"),
    (r"mm-dd-yyyy", "%m-%d-%Y"),
    (r"yyyy/mm/dd", "%Y/%m/%d"),
    (r"yyyymmdd", "%Y%m%d"),
    (r"yyyy-mm(?!-)", "%Y-%m"),
    (r"hh:mm", "%H:%M"),
)


def _date(found: Argument) -> None:
    """Whether a string is a date or a time, and in which form."""
    text, format = found.description.lower(), found.schema.get("format")
    form = next((form for pattern, form in _DATE_FORMS if re.search(pattern, text)), "")
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
    if "%H" in form:
        found.kind = "datetime" if "%Y" in form else "time"
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
        for pattern, at_least, at_most, places, style in _NUMBERS:
            if pattern.search(where):
                low, high, decimals, found.style = at_least, at_most, places, style
                break
        if high:
            break
    fraction = re.search(r"decimal(?! places)|fraction|0\.\d|between 0 and 1\b|0 to 1\b|0-1\b", text)
    if found.style == "percent" and fraction:
        found.style = "fraction"
    if not high and found.kind == "integer" and last.endswith("s") and len(last) > 3:
        low, high = 1, 60  # a count of things
    unit = _UNIT_PATTERN.search(found.description)
    found.unit = unit[1].lower() if unit else last if last in _UNITS else _UNIT_OF_NAME.get(last, "")
    if found.unit and last in (found.unit, _UNITS[found.unit].lower()) and found.style in ("", "unit", "id"):
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


# ------------------------------------------------------------------------------------------------ drawing values


def draw(argument: Argument, rng: random.Random, depth: int = 0, length: int = 0) -> Said:
    """A value that the argument's schema allows, and how it is said; `length`: of lists of numbers, if allowed."""
    match argument.kind:
        case "enum":
            value = rng.choice(argument.examples)
            return Said(value, say_member(value, rng))
        case "boolean":
            on = rng.random() < 0.6
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
    """A string of an allowed length."""
    low, high = argument.schema.get("minLength", 0), argument.schema.get("maxLength")
    for _ in range(6):
        said = make()
        if low <= len(said.value) and (high is None or len(said.value) <= high):
            return said
    length = int(max(low, min(8, high if high is not None else 8)))
    text = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=length))
    return Said(text, text or "empty")


def _draw_string(argument: Argument, rng: random.Random) -> Said:
    if argument.examples and rng.random() < 0.75:
        text = rng.choice(argument.examples)
        return Said(text, text)
    roll = rng.random()
    source = rng.choice(argument.source)
    if roll < 0.08 and source in WORDS:
        source = "invented"
    if source == "numeral":
        assert argument.item is not None
        text = _draw_number(argument.item, rng, plain=True).text
        return Said(text, text)
    text = compose(source, rng) if source in COMPOSED else rng.choice(WORDS[source])
    if source in ("country", "museum", "landmark", "history") and text.startswith("the "):
        return Said(text[4:], text)
    if source == "person" and rng.random() < 0.25:
        text = text.split()[0]
    return Said(text, text)


def _round_number(argument: Argument, rng: random.Random) -> float | int:
    low, high = argument.low, argument.high
    if low > high:  # nothing is known
        size = rng.choices((9, 99, 999, 9999, 9_999_999), (30, 35, 18, 11, 6))[0]
        value: float | int = rng.randint(1, size)
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
                            rng.randint(1, 50) * 10000, rng.randint(100, 99999)))  # fmt: skip
        if argument.decimals and rng.random() < 0.2:
            value = round(value + rng.randint(1, 99) / 100, 2)
        if not low <= value <= max(high, 500000):
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
    value = _round_number(argument, rng)
    if isinstance(value, float) and value == int(value):
        value = int(value)
    text = f"{value}" if plain else say_number(value, argument, rng)
    unit = argument.unit or argument.style in ("money", "percent", "percentage")
    return Said(value, text, bare=f"{value}" if unit else "")


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
        elif value >= 10000 and value % 1000 == 0 and roll < 0.45:
            text = f"{value // 1000}k" if value < 10**6 or value % 10**6 else f"{value // 10**6} million"
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
        unit, short = argument.unit, _UNITS[argument.unit]
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


def _draw_array(argument: Argument, rng: random.Random, depth: int, length: int) -> Said:
    item = argument.item
    assert item is not None
    low, high = int(argument.schema.get("minItems", 0)), argument.schema.get("maxItems")
    compound = item.kind in ("object", "array", "map")
    least = 2 if item.kind in ("integer", "number") and rng.random() < 0.95 else 1
    usual = 2 if compound else 7 if item.kind in ("integer", "number") and rng.random() < 0.5 else 4
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
