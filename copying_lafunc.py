"""Copying: most values stand in the conversation, and what begins as something there goes on, or ends, as it does.

```python
>>> said = Transcript(["Flights to Lebron for 8.5 million"], vocabulary)
>>> ids, whole = said.ahead(b"Leb")
>>> vocabulary.id_of(b"ron") in ids, whole
(True, False)
>>> said.ahead(b"8500000")[1]
True
```
"""

import json
import re
from collections.abc import Iterator, Sequence

from .output_lafunc import joined
from .vocabulary_lafunc import Vocabulary

_NUMBER = re.compile(r"(\d[\d,]*\.?\d*|\.\d+)\s*(%|percent\b|k\b|thousand\b|million\b|billion\b)?", re.I)
_SCALES = {"k": 3, "thousand": 3, "million": 6, "billion": 9, "%": -2, "percent": -2}
_WORDS = {
    word: str(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty".split()
    )
} | {word: f"{tens}0" for tens, word in enumerate("thirty forty fifty sixty seventy eighty ninety hundred".split(), 3)}


class Transcript:
    """What was said, as a value may repeat it.

    Numbers count in digits, too: 8500000 for `8.5 million`, 0.05 for `5%`, 1500 for `1,500`, 2 for `two`.

    Args:
        texts: of the conversation's messages.
    """

    def __init__(self, texts: Sequence[str], vocabulary: Vocabulary):
        whole = "\n".join([*texts, *(number for text in texts for number in _numbers(text))])
        self.vocabulary = vocabulary
        starts, written, self._ends = [], bytearray(), set()
        for n, character in enumerate(whole):
            before, after = whole[max(0, n - 2) : n], whole[n : n + 2]
            if not joined(before, after):
                starts.append(len(written))
                self._ends.add(len(written))
            elif before[-1].isdigit() and not character.isdigit() and character not in ".,":
                self._ends.add(len(written))  # 5km
            # As it stands in a JSON string.
            written += json.dumps(character, ensure_ascii=False)[1:-1].encode("utf-8", errors="replace")
        self._ends.add(len(written))
        self.text = bytes(written)
        self._places: dict[bytes, list[int]] = {b"": starts}  # where what follows a written text begins
        self._ahead: dict[bytes, tuple[frozenset[int], bool]] = {}

    def ahead(self, written: bytes) -> tuple[frozenset[int], bool]:
        """The tokens by which a value that begins so goes on as something that was said, and whether it may end."""
        if written not in self._ahead:
            places = self._find(written)
            ids = frozenset(id for at in places for id, _ in self.vocabulary.tokens_at(self.text, at))
            self._ahead[written] = ids, bool(written) and any(at in self._ends for at in places)
        return self._ahead[written]

    def _find(self, written: bytes) -> list[int]:
        if written not in self._places:
            known = next(cut for cut in reversed(range(len(written))) if written[:cut] in self._places)
            rest = written[known:]
            self._places[written] = [
                at + len(rest) for at in self._places[written[:known]] if self.text.startswith(rest, at)
            ]
        return self._places[written]


def _numbers(text: str) -> Iterator[str]:
    """The numbers of a text in digits, where they are written otherwise."""
    for found in _NUMBER.finditer(text):
        digits, scale = found[1].replace(",", "").rstrip("."), _SCALES.get((found[2] or "").lower(), 0)
        if "," in found[1]:
            yield digits
        if scale:
            yield _shifted(digits, scale)
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in _WORDS:
            yield _WORDS[word]


def _shifted(digits: str, places: int) -> str:
    """Digits with their decimal point moved to the right: (`8.5`, 6) -> `8500000`, (`5`, -2) -> `0.05`."""
    whole, _, part = digits.partition(".")
    part, whole = (part.ljust(places, "0"), whole) if places > 0 else (part, whole.rjust(1 - places, "0"))
    moved = len(whole) + places
    whole, part = (whole + part)[:moved], (whole + part)[moved:].rstrip("0")
    whole = whole.lstrip("0") or "0"
    return f"{whole}.{part}" if part else whole
