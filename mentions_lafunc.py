"""What texts mention of what arguments may hold: values that a schema lists, days, values as they stand, and series
of like things, of which one may be held and the next one not.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from .node_lafunc import Path, Slot

# Words of a boolean's name that say nothing of what it switches.
PASSING = frozenset(
    "add all allow and are enable flag for get has have include includes need needs only return set should show that "
    "the use uses want wants with".split()
)

_LISTED = re.compile(
    r"\b(?:e\.?g\b\.?|such as|for example|for instance|like|including|options?|values?|one of|either|"
    r"(?:can|could|may) be|enum)\b[^\w'\"`]*(?:(?:are|include|is) )?([^.;()\]]*)"
    r"|\(([^()]*(?:[,/]| or )[^()]*)\)"
    r"|(?<!\w)['\"`]([^'\"`]+)['\"`](?!\w)",
    re.I,
)
_COMMA = re.compile(r"[,/;]|\bor\b|\band\b")
TRUTH = frozenset({"true", "false"})

# Series are of numbers, or of what is quoted, has digits in it, or a name by its capitals.
_ITEM = re.compile(
    r"(?P<quoted>\"[^\"\n]{1,80}\"|“[^”\n]{1,80}”|(?<!\w)'[^'\n]{1,80}'(?!\w))"
    r"|(?P<number>(?<![\w.])[$€£]?(?:\d{1,3}(?:,\d{3})+|\d[\d.:/-]*(?<![.:/-]))(?:st|nd|rd|th)?(?!\w*\d))"
    r"|(?P<code>(?<!\w)(?:\w+-)*\w*\d[\w.-]*(?<![.-])|(?<!\w)\w+\.\w{2,4}(?!\w))"
    r"|(?P<name>(?<!\w)[A-Z][\w'’-]*(?: (?:of |the |de |la |du )?[A-Z][\w'’-]*)*)"
)
_BETWEEN = re.compile(
    r"[\"'”’)\]%°]*(?:[ -]?[^\W\d_]+[²³]?)?(?P<joint>,?\s+(?:and|or|as well as|&)\s+|\s*[,;/&]\s*)"
    r"(?:(?:a|about|an|another|at|both|by|either|for|from|how|in|it|many|much|of|on|one|the|then|to|with)\s+)*"
    r"[\"'“‘(\[$€£]*"
)
_OPENING = re.compile(  # has a capital where a sentence begins
    r"(?:(?<![^.!?:\n])|(?<=[.!?:] )|(?<=\n ))[\w'’-]+ ?"
    r"|(?:And|Also|Are|Can|Could|Do|Does|Find|For|Get|How|I|Is|On|Please|The|Then|What|When|Where|Which|Who|Whose)\b ?"
)
_BREAK = re.compile(r"""[.?!;]["”')]*\s+(?=["“'(-]?[^\Wa-z_])|[。！？]["”」』]*|\n\s*""")
_DIGITS = re.compile(r"\d+(?:\.\d+)?")
_SCALES = (1, 0.01, 1e3, 1e6, 1e9)  # 5% may be held as 0.05, and 8 million in digits
_LONGEST = 10_000  # characters of a request that are looked at, from its end: nobody lists more by hand


def mentioned(slot: Slot, texts: Sequence[str], others: Sequence[str] = ()) -> bool | None:
    """Whether texts name one of the values that a schema lists; of a boolean, and where "True" and "False" are listed,
    whether they hold all words of its own name (`include_reviews`), or none; and of a day or time in some layout,
    whether they name one that `others`, the other arguments, do not hold; likewise of what else is written in free
    text and the schema's words show by examples. None where they hold some, or nothing could name it; and where no day
    is named, which may be tomorrow, or no example.
    """
    if any(layout.said(texts) - layout.said(others) for layout in slot.layouts):
        return True
    if slot.kind == "boolean" or TRUTH <= {plain(as_said(member)) for member in slot.members}:
        name = next((part for part in reversed(slot.path) if isinstance(part, str)), "")
        words = [
            word
            for word in re.findall("[a-z]{3,}", plain(re.sub("(?<=[a-z])(?=[A-Z])", " ", name)))
            if word not in PASSING
        ]
        said = " ".join(map(plain, texts)) if words else ""
        # Without endings: "reviewed" has to do with "reviews".
        held = [re.search(rf"\b{word[: max(4, len(word) - 2)]}", said) is not None for word in words]
        return held[0] if len({*held}) == 1 else None
    if any(map(_name, slot.members)):
        return bool(named(slot.members, texts))
    shown = named(listed(slot.description), texts) if slot.kind in ("string", "array", "mixed") else []
    taken = " ".join(map(plain, others))
    return True if any(plain(one) not in taken for one in shown) else None


def listed(description: str) -> list[str]:
    """What a description lists, in a few words each.

    "Dietary needs (e.g. vegan, gluten-free)" -> vegan, gluten-free. "Must be 'asc' or 'desc'" -> asc, desc
    """
    lists = [text for found in _LISTED.finditer(description) for text in found.groups() if text]
    parts = (part.strip(" '\"`.:") for text in lists for part in _COMMA.split(text))
    return [re.sub("^(?:the|an?) ", "", part, flags=re.I) for part in parts if part.count(" ") < 3]


def named(members: Sequence[Any], texts: Sequence[str]) -> list[Any]:
    """Of the values that a schema lists, those that texts name, in whatever case; not a part of another's name.

    Short words and those that are said in passing ("any") name nothing.
    """
    said = [plain(text) for text in texts] if members else []
    found = {}
    for member in members:
        name = _name(member)
        if name and any(name in text and _count(name, text) for text in said):
            found[name] = member
    return [one for name, one in found.items() if not any(name != other and _count(name, other) for other in found)]


def _name(member: Any) -> str:
    """By which a text may name it, in plain letters; an empty one if a text that holds it need not mean it."""
    name = plain(as_said(member))
    worth = any(map(str.isdigit, name)) or len(name) > 2 and name not in ("any", "all")
    return name if worth and not isinstance(member, bool) else ""


def plain(text: str) -> str:
    return re.sub(r"[_-]+", " ", text.lower())


def sentences(text: str) -> list[str]:
    """The sentences of a text, and its lines."""
    cuts = [0, *(found.end() for found in _BREAK.finditer(text)), len(text)]
    return [one for start, end in pairwise(cuts) if (one := text[start:end].strip())]


def left_out(text: str, arguments: Sequence[Any], slots: Sequence[Slot] = ()) -> bool:
    """Whether calls hold a part of a series and not the rest, so that another call may be due for it.

    "Sunset in Oslo, Bergen and Tromsø?", `[{"city": "Oslo"}]` -> True

    So it is with the values that a schema lists, if the text names one that none of the calls holds.

    Args:
        text: a request.
        arguments: of the calls that answer it, so far.
        slots: of these calls.
    """
    return _unfinished(text, arguments, slots) is not None


def rest(text: str, arguments: Sequence[Any], slots: Sequence[Slot] = ()) -> str:
    """What is left of a text where something is [`left_out`], with spaces for the parts of series that calls hold.

    "Sunset in Oslo, Bergen and Tromsø?", `[{"city": "Oslo"}]` -> "Sunset in     , Bergen and Tromsø?"
    """
    for start, end in _unfinished(text, arguments, slots) or []:
        text = text[:start] + " " * (end - start) + text[end:]
    return text


def _unfinished(text: str, arguments: Sequence[Any], slots: Sequence[Slot]) -> list[tuple[int, int]] | None:
    """Where the parts stand that calls hold of series of which they do not hold all; None if there is no such series,
    nor a listed value that the text names and they do not hold.
    """
    before = max(0, len(text) - _LONGEST)
    text = text[before:]
    held = [as_said(leaf) for _, leaf in leaves(list(arguments)) if not isinstance(leaf, bool) and leaf is not None]
    some = [one for one in series(text, held) if len({is_held for *_, is_held in one}) == 2]
    found = [(start, end) for one in some for start, end, is_held in one if is_held]
    listed = {slot.members: {*map(as_said, named(slot.members, [text]))} for slot in slots}
    partly = [names for names in listed.values() if names - {*held}]
    found += [place for names in partly for name in names & {*held} for place in _spans(name, text)]
    return [(before + start, before + end) for start, end in found] if some or partly else None


def series(text: str, held: Sequence[str]) -> Iterator[list[tuple[int, int, bool]]]:
    """The series in a text: of each part where it begins and ends, and whether it is `held`, in these words or in a
    part of them.

    A series is of like things, with commas or words like "and" between them, at least one of these.

    "5, 10 and 25 kg from A to B", ["10", "B"] -> [(0, 1, False), (3, 5, True), (10, 12, False)]
    """
    parts = sorted(_parts(text, held))
    for alike in ([part for part in parts if part[2]], [part for part in parts if not part[2]]):
        run, joined_by = alike[:1], ""
        for before, part in pairwise(alike):
            between = _BETWEEN.fullmatch(text, before[1], part[0])
            if between is None:
                if joined_by.strip(" ,;/\n"):
                    yield [(start, end, is_held) for start, end, _, is_held in run]
                run, joined_by = [], ""
            else:
                joined_by += between["joint"]
            run.append(part)
        if joined_by.strip(" ,;/\n"):
            yield [(start, end, is_held) for start, end, _, is_held in run]


def _parts(text: str, held: Sequence[str]) -> Iterator[tuple[int, int, bool, bool]]:
    """Of what may be a part of a series: where it begins and ends, whether it is a number, and whether it is held."""
    words = [one.strip() for one in held if any(map(str.isalpha, one))]
    numbers = {float(one) for value in held for one in _DIGITS.findall(value.replace(",", ""))}
    spans = [span for word in words for span in _spans(word, text)]
    yield from ((start, end, False, True) for start, end in spans)
    for item in _ITEM.finditer(text):
        start, end = item.span()
        if item["name"] and (opening := _OPENING.match(text, start, end)) is not None:
            start = opening.end()
        if start >= end or any(start < last and first < end for first, last in spans):
            continue
        if item["number"]:
            values = [float(one) for one in _DIGITS.findall(item[0].replace(",", ""))]
            yield start, end, True, all(any(one * scale in numbers for scale in _SCALES) for one in values)
        else:
            said = plain(text[start:end]).strip("\"'“”")
            yield start, end, False, any(said in plain(word) or plain(word) in said for word in words)


def _spans(word: str, text: str) -> list[tuple[int, int]]:
    """Where a word or some stand in a text, in whatever case."""
    return [found.span() for found in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.I)]


def stands(value: Any, texts: Sequence[str], others: Sequence[str]) -> bool:
    """Whether every leaf of a value stands in the texts, word for word, more often than in other values."""
    parts = [as_said(leaf) for _, leaf in leaves(value)]
    return bool(parts) and all(
        part.strip() and sum(map(partial(_count, part), texts)) > sum(_count(part, other) > 0 for other in others)
        for part in parts
    )


def count(value: str, texts: Sequence[str]) -> int:
    """How often a value stands in texts, in whatever case."""
    return sum(1 for text in texts for _ in places(value, text, re.I))


def _count(value: str, text: str) -> int:
    """How often a value stands in a text."""
    return sum(1 for _ in places(value, text))


def as_said(leaf: Any) -> str:
    """A leaf as a conversation has it."""
    return leaf if isinstance(leaf, str) else json.dumps(leaf)


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The values inside objects and arrays that are neither, with their paths."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from leaves(member, (*path, name))
    elif isinstance(value, list):
        for at, element in enumerate(value):
            yield from leaves(element, (*path, at))
    else:
        yield path, value


def places(value: str, text: str, flags: int = 0) -> Iterator[int]:
    """Where a value begins in a text, not as a part of a longer word or number; flags: those of `re`."""
    for found in re.finditer(f"(?={re.escape(value)})", text, flags):
        start, end = found.start(), found.start() + len(value)
        before, after = text[max(0, start - 2) : start], text[end : end + 2]  # all that `joined` looks at
        if not (joined(before, value) or joined(value, after)):
            yield found.start()


def joined(left: str, right: str) -> bool:
    """Whether a word or number goes on from one text to the next. Scripts without case are taken to have no spaces."""
    if re.search(r"\d[.,]?\Z", left) and re.match(r"[.,]?\d", right):
        return True
    a, b = left[-1:], right[:1]
    return all(c.isdigit() or c.lower() != c.upper() for c in (a, b)) if a and b else False
