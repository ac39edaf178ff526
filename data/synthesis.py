"""Synthesis: training rows from tool schemas alone, by typed values and varied phrasing. No data, no model.

```python
>>> rows = synthesize([get_weather], count=1000, seed=0)
>>> next(rows)["messages"][0]["content"]
'Could you tell me the weather in Kraków for the next three days?'
```

Rows are calls of one tool; several calls; calls with a required value that nobody gave (`needs`); and requests for a
tool that is not offered (chat). Offered with the called tool are others, given or invented, in any order.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .catalogue import tools as invented_tools
from .phrasing import Target, frame, sequence, vary
from .rows import Row, RowError, make_row
from .values import Argument, Said, draw, is_valid

CATALOGUE = 6000  # invented tools that are in play at a time; each is drawn anew after some thousand rows


class Synthesizer:
    """A stream of rows.

    Args:
        tools: as [`normalize_tools`] gives them; accepted by [`compile_tool`].
        seed: the same tools and seed give the same rows.
        invented: share of rows that ask for an invented tool; 1 without tools.

    Attributes:
        refused: how many rows were drawn and not kept, by reason.
    """

    def __init__(self, tools: Sequence[Mapping[str, Any]], seed: int = 0, invented: float = 0.0):
        self.rng = random.Random(seed)
        self.own = [Target(tool) for tool in tools]
        self.invented = invented if self.own else 1.0
        self.source = invented_tools(self.rng)
        self.pool: list[Target] = []
        self.refused: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Row]:
        while True:
            yield self.row()

    def row(self) -> Row:
        """One more row."""
        while True:
            try:
                return self._try()
            except RowError as error:
                self.refused[error.reason] += 1

    # ------------------------------------------------------------------------------------------------ one row

    def _try(self) -> Row:
        rng = self.rng
        own = rng.random() >= self.invented
        target = rng.choice(self.own) if own else self._invent()
        kind = rng.choices(("one", "same", "several", "missing", "negative"), (62, 9, 8, 8, 13))[0]
        source = "synthesis" if own else "synthesis-invented"
        if kind == "negative":
            text = frame(target, self._values(target), rng)
            others = self._others([target], rng.choices((1, 2, 3, 4, 6), (30, 28, 20, 14, 8))[0], own)
            return make_row([_user(text)], [other.tool for other in others], source)
        calls: list[tuple[str, dict[str, Any]]]
        needs: list[tuple[int, str]] = []
        called = [target]
        pairs = self._values(target)
        if kind == "missing" and (
            required := [argument for argument in target.arguments if argument.required and argument.kind != "null"]
        ):
            gone = rng.sample(required, 1 if len(required) < 3 or rng.random() < 0.8 else 2)
            pairs = [(argument, said) for argument, said in pairs if argument not in gone]
            needs = [(0, argument.name) for argument in gone]
            text, calls = self._phrase(target, pairs), [(target.name, _call(pairs))]
        elif kind == "same" and (varied := self._varied(target, pairs)):
            text, calls = varied
        elif kind == "several":
            called += self._others([target], rng.choices((1, 2, 3), (65, 25, 10))[0], own)
            parts = [self._values(one) for one in called]
            text = sequence([frame(one, part, rng, bare=True) for one, part in zip(called, parts, strict=True)], rng)
            calls = [(one.name, _call(part)) for one, part in zip(called, parts, strict=True)]
        else:
            text, calls = self._phrase(target, pairs), [(target.name, _call(pairs))]
        more = rng.choices((0, 1, 2, 3, 4, 5, 6, 7), (22, 24, 20, 16, 8, 5, 3, 2))[0]
        offered = [*called, *self._others(called, max(0, more - len(called) + 1), own)]
        rng.shuffle(offered)
        return make_row([_user(text)], [one.tool for one in offered], source, calls, needs=needs)

    def _phrase(self, target: Target, pairs: Sequence[tuple[Argument, Said]]) -> str:
        return frame(target, pairs, self.rng)

    def _values(self, target: Target) -> list[tuple[Argument, Said]]:
        """Values for the required arguments and some of the others."""
        rng = self.rng
        keen = rng.choice((0.15, 0.4, 0.4, 0.75))
        found = []
        for argument in target.arguments:
            if not argument.required and rng.random() >= keen:
                continue
            said = draw(argument, rng)
            if not is_plain(argument) and not is_valid(argument, said.value):
                raise RowError("a drawn value is not valid", argument.name)
            found.append((argument, said))
        return found

    def _varied(
        self, target: Target, pairs: list[tuple[Argument, Said]]
    ) -> tuple[str, list[tuple[str, dict[str, Any]]]] | None:
        """A request for two to four calls of one tool with different values, and the calls."""
        rng = self.rng
        able = [argument for argument, _ in pairs if argument.kind in ("string", "integer", "number", "enum", "date")]
        if not able:
            return None
        argument = rng.choice(able)
        count = rng.choices((2, 3, 4), (55, 33, 12))[0]
        values: list[Said] = []
        for _ in range(3 * count):
            said = draw(argument, rng)
            if all(said.value != other.value for other in values) and "," not in said.text:
                values.append(said)
        values = values[:count]
        if len(values) < 2:
            return None
        shared = [(other, said) for other, said in pairs if other is not argument]
        calls = [
            (target.name, _call([(other, value if other is argument else said) for other, said in pairs]))
            for value in values
        ]
        if rng.random() < 0.6 or len(pairs) == 1:
            return vary(target, shared, argument, values, rng), calls
        # All values differ: a request each.
        sets = [self._values(target) for _ in values]
        return sequence([frame(target, one, rng, bare=True) for one in sets], rng), [
            (target.name, _call(one)) for one in sets
        ]

    def _others(self, called: Sequence[Target], count: int, own: bool) -> list[Target]:
        """Other tools, none of which is named like those that are called."""
        rng = self.rng
        found: list[Target] = []
        taken = [_stems(target.name) for target in called]
        for _ in range(20 * count):
            if len(found) == count:
                break
            if own and len(self.own) > 3 and rng.random() < 0.8:
                other = rng.choice(self.own)
            else:
                other = self._invent()
            stems = _stems(other.name)
            if any(len(stems & known) * 2 > min(len(stems), len(known)) for known in taken):
                continue
            taken.append(stems)
            found.append(other)
        return found

    def _invent(self) -> Target:
        """An invented tool, often one that was there before: checking a schema for the first time costs most."""
        if len(self.pool) < CATALOGUE and (len(self.pool) < 50 or self.rng.random() < 0.12):
            self.pool.append(next(self.source))
            return self.pool[-1]
        return self.rng.choice(self.pool)


def synthesize(tools: Sequence[Mapping[str, Any]], count: int, seed: int = 0, invented: float = 0.0) -> Iterator[Row]:
    """`count` rows for tools; see [`Synthesizer`]."""
    source = Synthesizer(tools, seed, invented)
    for _ in range(count):
        yield source.row()


def is_plain(argument: Argument) -> bool:
    """Whether what is drawn is valid without being checked."""
    return (
        argument.kind in ("boolean", "enum")
        or argument.kind == "string"
        and not {"minLength", "maxLength"} & argument.schema.keys()
    )


def _call(pairs: Sequence[tuple[Argument, Said]]) -> dict[str, Any]:
    return {argument.name: said.value for argument, said in pairs}


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def _stems(name: str) -> frozenset[str]:
    from .values import words_of

    return frozenset(word.rstrip("s") for word in words_of(name.replace(".", "_")).split())
