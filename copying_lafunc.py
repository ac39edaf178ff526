"""Copying: most values stand in the conversation, so a value likely begins, goes on and ends as something there.

```python
>>> texts = ["Flights to Lebron for 8.5 million"]
>>> said = Transcript(texts, vocabulary, rewritten(texts))
>>> ids, whole = said.ahead(b"Leb")
>>> sorted(vocabulary.decode([id]) for id in ids), whole
(['ron'], False)
>>> said.ahead(b"8500000")[1]
True
```
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

from .layouts_lafunc import Layout
from .mentions_lafunc import joined, named, places
from .vocabulary_lafunc import Vocabulary

_SEAM = b"\xff"  # between texts; no value holds it
_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d])")  # 1,500,000
_NUMBER = re.compile(
    r"(minus |negative )?(\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+\.?\d*|\.\d+)"
    r"\s*(%|percent\b|[kK]\b|thousand\b|M\b|million\b|B\b|bn\b|billion\b)?"
)
_SCALES = {"k": 3, "thousand": 3, "m": 6, "million": 6, "b": 9, "bn": 9, "billion": 9, "%": -2, "percent": -2}
UNDER_HUNDRED = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
} | {word: 10 * n for n, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
_LARGE = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_IN_NAME = re.compile(r"[\w'.&-]+ (?!I\b)\w")  # New Y
_DATE = re.compile(r"(?<!\d)\d{4}-\d\d-\d\d(?!\d)")
_ELEMENT = re.compile(rb'"((?:[^"\\]|\\.)+)(?:"|\Z)|([-+.\d]+)')
_NEXT = re.compile(rb"""(?:\\?["'])?(?:,\s*(?:and|or)?\s*|\s(?:and|or)\s+(?=\\?["'A-Z]))(?:\\?["'])?(?=\w)""")
_NEXT_NUMBER = re.compile(rb"(?:%| ?[A-Za-z]+)?(?:,\s*(?:and|or)?\s*|\s(?:and|or|to)\s+)(?=[-.]?\d)")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')


class Transcript:
    """What was said, as a value may repeat it.

    Args:
        texts: of the conversation's messages.
        others: the same in other words, see [`rewritten`].
    """

    def __init__(self, texts: Sequence[str], vocabulary: Vocabulary, others: Sequence[str] = ()):
        self.vocabulary, self.texts, self.said = vocabulary, texts, [*texts, *others]
        self._dated: dict[tuple[Layout, ...], Transcript] = {}
        self._without: dict[str, Transcript] = {}
        starts: list[int] = []
        ends: set[int] = set()
        written = bytearray()
        self._listed: dict[tuple, list[str]] = {}
        self._spoken = 0  # where the texts end
        for number, text in enumerate(self.said):
            commas = {at for found in _GROUPED.finditer(text) for at in range(found.start(), found.end())}
            dated = {at for found in _DATE.finditer(text) for at in range(found.start() + 1, found.end())}
            for n, character in enumerate(text):
                before, after = text[max(0, n - 2) : n], text[n : n + 2]
                listed = "," in (character, before[-1:]) and n not in commas  # 3,4 are two numbers
                if n in dated:
                    pass  # 2025-08-01 is one
                elif listed or not joined(before, after):
                    if not _within_name(text, n):
                        ends.add(len(written))
                    if not character.isspace():
                        starts.append(len(written))
                elif before[-1:].isdigit() and not character.isdigit() and character not in ".,":
                    ends.add(len(written))  # 5km
                # As it stands in a JSON string.
                written += json.dumps(character, ensure_ascii=False)[1:-1].encode("utf-8", errors="replace")
            ends.add(len(written))
            written += _SEAM
            if number < len(texts):
                self._spoken = len(written)
        self.text, self._ends = bytes(written), ends
        self._places: dict[bytes, list[int]] = {b"": starts}  # where what follows a written text begins
        self._ahead: dict[bytes, tuple[frozenset[int], bool]] = {}

    def without(self, value: str) -> "Transcript":
        """The same, had this value not been said."""
        if value not in self._without:
            texts = [_without(value, text) for text in self.texts]
            others = [text for text in self.said[len(self.texts) :] if text != value]
            self._without[value] = Transcript(texts, self.vocabulary, others)
        return self._without[value]

    def dated(self, layouts: tuple[Layout, ...]) -> "Transcript":
        """What a value in one of these layouts may repeat: a day or time as a whole, if any was said."""
        if layouts not in self._dated:
            found = Transcript((), self.vocabulary)
            for text in (written.encode() for layout in layouts for written in layout.write(self.texts)):
                found._places[b""].append(len(found.text))
                found._ends.add(len(found.text) + len(text))
                found.text += text + _SEAM
            self._dated[layouts] = found if found.text else self
        return self._dated[layouts]

    def listed(self, members: tuple, written: bytes) -> tuple[frozenset[int], bool]:
        """The same as [`ahead`], for values that a schema lists: those that were named, without closing quotes."""
        if members not in self._listed:
            names = [json.dumps(one, ensure_ascii=False).removesuffix('"') for one in named(members, self.said)]
            self._listed[members] = [lead + name for name in names for lead in ("", " ")]
        whole = [text for text in self._listed[members] if text.encode().startswith(written)]
        ids = frozenset(id for text in whole for id in self._onward(text, len(written)))
        return ids, any(text.encode() == written for text in whole)

    def ahead(self, written: bytes) -> tuple[frozenset[int], bool]:
        """The tokens by which a value that begins so goes on as something that was said, and whether it may end."""
        if written not in self._ahead:
            places = self._find(written)
            whole = {self.text[at - len(written) : self._word_end(at)].decode(errors="ignore") for at in places}
            ids = frozenset(id for text in whole for id in self._onward(text, len(written)))
            self._ahead[written] = ids, bool(written) and any(at in self._ends for at in places)
        return self._ahead[written]

    def listing(self, written: bytes) -> tuple[frozenset[int], bool]:
        """The same as [`ahead`] for an array, with what closes its elements: it goes on and ends as a list does that
        was said.
        """
        begun, closing = scalar(written)
        ids, whole = self.ahead(begun)
        elements = [(string or number, not string) for string, number in _ELEMENT.findall(written)]
        quoted, closed = closing == b'"', not begun and closing != b'"' and written.endswith(b'"')
        last = elements.pop() if elements and (begun or closed) else None
        flat = written.count(b"[") == 1
        heard: frozenset[int] = frozenset()  # where the list so far ends
        for element in elements if flat else ():
            heard = self._going_on(*element, heard)
        if last is None:  # the next element begins
            starts = [start for at in heard if (start := self._next(at, elements[-1][1])) is not None]
            return frozenset(id for at in starts for id in self._onward(self._word(at), 0)) or ids, False
        if not (whole or closed):
            return ids, False
        more, over, quotes = (
            frozenset(self.vocabulary.starting_with(text))
            for text in ((b'",', b'"]', b'"') if quoted else (b",", b"]", b","))
        )
        near = quotes | over
        ends = [at for at in self._going_on(*last, heard) if at <= self._spoken] if flat else []
        on = {self._next(at, last[1]) is not None for at in ends}  # what is rewritten stands alone
        if on == {True}:
            wrong = over
        elif on == {False} and last[1]:
            wrong = more
        else:
            wrong = near if closed else frozenset()
        return (frozenset() if closed else ids) | near - wrong, whole

    def _going_on(self, value: bytes, number: bool, heard: Iterable[int]) -> frozenset[int]:
        """Where a value ends that was said; if some go on from others as in a list, these."""
        found = frozenset(at for at in self._find(value) if at in self._ends)
        starts = {self._next(at, number) for at in heard}
        return frozenset(at for at in found if at - len(value) in starts) or found

    def _next(self, at: int, number: bool) -> int | None:
        """Where the next one of a list begins, of numbers or not, that was said up to there."""
        following = (_NEXT_NUMBER if number else _NEXT).match(self.text, at)
        return following.end() if following else None

    def _word(self, at: int) -> str:
        return self.text[at : self._word_end(at)].decode(errors="ignore")

    def _word_end(self, at: int) -> int:
        """Where the token that begins at a place ends at the latest."""
        last = min(at + self.vocabulary.longest, len(self.text))
        ends = (self.text.find(stop, at + (stop == b" "), last) for stop in (b" ", _SEAM))
        return min([end for end in ends if end >= 0], default=last)

    def _onward(self, text: str, at: int) -> list[int]:
        """By what a text goes on at one of its bytes: the tokenizer's own token or, within one, any that does.

        Other beginnings of what the tokenizer writes whole are beginnings of something else: `G` of "Gilmo" where it
        has `Gu` for "Guillermo".
        """
        try:
            ids = self.vocabulary.encode(text)
        except ValueError:  # it cannot write all of it
            ids = ()
        starts = (0, *accumulate(len(self.vocabulary.decode_bytes([id])) for id in ids))
        own = dict(zip(starts, ids, strict=False)).get(at)
        return [own] if own is not None else [id for id, _ in self.vocabulary.tokens_at(text.encode(), at)]

    def _find(self, written: bytes) -> list[int]:
        if written not in self._places:
            known = next(cut for cut in reversed(range(len(written))) if written[:cut] in self._places)
            rest = written[known:]
            self._places[written] = [
                at + len(rest) for at in self._places[written[:known]] if self.text.startswith(rest, at)
            ]
        return self._places[written]


def _without(value: str, text: str) -> str:
    """A text, with line breaks where a value stood."""
    for start in reversed([*places(value, text, re.I)]):
        text = f"{text[:start]}\n{text[start + len(value) :]}"
    return text


def _within_name(text: str, at: int) -> bool:
    """Whether a space stands between two words with capitals, where nearly all values go on that got so far."""
    start, following = text.rfind(" ", 0, at) + 1, text[at + 1 : at + 2]
    capitals = text[at] == " " and text[start].isupper() and following.isupper()
    return capitals and _IN_NAME.match(text, start) is not None


def scalar(written: bytes) -> tuple[bytes, bytes]:
    """What is written of the last string or number of a JSON value, and what may close it within the value.

    (` ["a", "To`) -> (`To`, `"`), (` [1, 2`) -> (`2`, `,]`)
    """
    open_ = _STRING.sub(b"", written)
    if b'"' in open_:
        return open_[open_.index(b'"') + 1 :], b'"'
    (number,) = re.findall(rb"[-+.\deE]*\Z", open_)[:1]
    return number, b",]"


def rewritten(texts: Sequence[str], layouts: Iterable[Layout] = ()) -> list[str]:
    """What texts say as arguments have it: numbers in digits, and days and times in these layouts.

    8500000 for `8.5 million`, 0.05 for `5%`, 1500 for `1,500`, 25 for `twenty-five`.
    """
    numbers = [number for text in texts for number in _numbers(text)]
    return [*numbers, *(written for layout in layouts for written in layout.write(texts))]


def _numbers(text: str) -> Iterator[str]:
    for found in _NUMBER.finditer(text):
        digits, scale = found[2].replace(",", "").rstrip("."), _SCALES.get((found[3] or "").lower(), 0)
        number = _shifted(digits, scale)
        if number != found[2]:
            yield number
        if found[1]:
            yield f"-{number}"
    words = re.findall(r"[a-z]+|\d|[^\sa-z-]", text.lower())
    run: list[str] = []
    for word, following in pairwise([*words, "", ""]):
        if (
            word in UNDER_HUNDRED
            or run
            and (word in _LARGE or word == "and" and run[-1] in _LARGE and following in UNDER_HUNDRED)
        ):
            run.append(word)
        elif run:
            yield str(_counted(run))
            run = []


def _counted(words: Sequence[str]) -> int:
    """`two hundred and five thousand` -> 205000"""
    total, part = 0, 0
    for word in words:
        if word in UNDER_HUNDRED:
            part += UNDER_HUNDRED[word]
        elif word == "hundred":
            part *= 100
        elif word in _LARGE:
            total, part = total + part * _LARGE[word], 0
    return total + part


def _shifted(digits: str, places: int) -> str:
    """Digits with their decimal point moved to the right: (`8.5`, 6) -> `8500000`, (`5`, -2) -> `0.05`."""
    whole, _, part = digits.partition(".")
    whole, part = (whole, part.ljust(places, "0")) if places > 0 else (whole.rjust(1 - places, "0"), part)
    moved = len(whole) + places
    whole, part = (whole + part)[:moved], (whole + part)[moved:]
    if places:
        whole, part = whole.lstrip("0"), part.rstrip("0")
    return f"{whole or '0'}.{part}" if part else whole or "0"
