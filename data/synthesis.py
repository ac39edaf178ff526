"""Synthesis: training rows from tool schemas alone, by typed values and varied phrasing. No data, no model.

```python
>>> rows = synthesize([get_weather], count=1000, seed=0)
>>> next(rows)["messages"][0]["content"]
'Could you tell me the weather in Kraków for the next three days?'
```

Rows are calls of one tool; several calls; calls with a required value that nobody gave (`needs`), or that is given
when the assistant asks for it; and requests for a tool that is not offered (chat). Offered with the called tool are
others, given or invented, in any order. Few given tools are often offered all together, called or not, and a request
that none of them answers is then for an invented one.
"""

import argparse
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .arguments import Argument, words_of
from .catalogue import tools as invented_tools
from .phrasing import Target, answer, combine, frame, gather, question, repeat, sequence, vary
from .pools import accepted, read_tools
from .rows import Row, RowError, make_row, write_rows
from .teacher import Teacher, append_rows
from .values import Said, draw, measured

_COMMON = frozenset(
    "get find calculate compute calc search create add list show check api information detail by a of the".split()
)
ATTEMPTS = 1000
CLOSE = 12  # of so many other tools, the closest is offered
CATALOGUE = 6000  # invented tools at most; new ones come along as rows are drawn
FEW = 12  # given tools at most that are offered together
_VAGUE = frozenset("name title text description email query message".split())  # of different things in different tools
MOST = 6  # calls of several tools that one request asks for


class Synthesizer:
    """A stream of rows.

    Args:
        tools: as [`normalize_tools`] gives them; accepted by [`compile_tool`].
        seed: the same tools and seed give the same rows.
        invented: share of rows that ask for an invented tool; 1 without tools.

    Attributes:
        refused: how many rows were drawn and not kept, by reason.
    """

    def __init__(self, tools: Sequence[Mapping[str, Any]], seed: int | str = 0, invented: float = 0.0):
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
        """One more row.

        Raises:
            ValueError: values for the tools cannot be drawn.
        """
        trouble = None
        for _ in range(ATTEMPTS):
            try:
                return self._try()
            except RowError as error:
                self.refused[error.reason] += 1
                trouble = error
        raise ValueError(
            f"no row in {ATTEMPTS} attempts, at last since {trouble}; leave out that tool or loosen its bounds"
        )

    # ------------------------------------------------------------------------------------------------ one row

    def _try(self) -> Row:
        rng = self.rng
        own = rng.random() >= self.invented
        target = rng.choice(self.own) if own else self._invent()
        kind = rng.choices(("one", "same", "several", "missing", "answer", "negative"), (37, 20, 20, 8, 4, 11))[0]
        source = "synthesis" if own else "synthesis-invented"
        few = own and len(self.own) <= FEW
        together = few and rng.random() < 0.5  # in rows of every kind, or what is offered would tell which it is
        if kind == "negative":
            if few:  # what they cannot do is something else, since people offer all of them
                target = self._foreign()
            text = frame(target, self._values(target), rng)
            count = rng.choices((1, 2, 3, 4, 6), (30, 28, 20, 14, 8))[0]
            others = rng.sample(self.own, len(self.own)) if together else self._others([target], count, own)
            return make_row([_user(text)], [other.tool for other in others], source)
        calls: list[tuple[str, dict[str, Any]]]
        needs: list[tuple[int, str]] = []
        called = [target]
        pairs = self._values(target, measures=kind in ("one", "several"))
        messages: list[dict[str, str]] = []
        if kind in ("missing", "answer") and (
            required := [argument for argument in target.arguments if argument.required and argument.kind != "null"]
        ):
            gone = rng.sample(required, 1 if len(required) < 3 or rng.random() < 0.8 else 2)
            complete, pairs = pairs, [(argument, said) for argument, said in pairs if argument not in gone]
            needs = [(0, argument.name) for argument in gone]
            if kind == "missing":
                text, calls = frame(target, pairs, rng), [(target.name, _call(pairs))]
            else:  # the assistant asks, and the user answers
                given = [(argument, said) for argument, said in complete if argument in gone]
                calls = [(target.name, _call(complete))]
                messages = [_user(frame(target, pairs, rng)), {"role": "assistant", "content": question(gone, rng)}]
                text, needs = answer(given, rng), []
        elif kind == "same" and (
            varied := self._varied(target, pairs, rng.choices((2, 3, 4, 5), (30, 30, 24, 16))[0])
        ):
            text, calls = varied
        elif kind == "several":
            shared = self._about_one(target, own) if rng.random() < 0.35 else None
            if shared:
                called, text, calls = shared
            else:
                called += self._others([target], rng.choices((1, 2, 3, 4), (34, 30, 22, 14))[0], own)
                text, calls = self._several(called)
        else:
            text, calls = frame(target, pairs, rng), [(target.name, _call(pairs))]
        more = rng.choices((0, 1, 2, 3, 4, 5, 6, 7), (22, 24, 20, 16, 8, 5, 3, 2))[0]
        others = (
            [one for one in self.own if one not in called]
            if together
            else self._others(called, max(0, more - len(called) + 1), own)
        )
        offered = [*called, *others]
        rng.shuffle(offered)
        messages.append(_user(text))
        return make_row(messages, [one.tool for one in offered], source, calls, needs=needs)

    def _values(self, target: Target, measures: bool = True) -> list[tuple[Argument, Said]]:
        """Values for the required arguments and some of the others; `measures`: a unit may be said with its number."""
        rng = self.rng
        keen = rng.choice((0.15, 0.4, 0.4, 0.75))
        length = rng.randint(2, 8) if rng.random() < 0.95 else 0  # lists of numbers in a call are mostly of one length
        found = []
        for argument in target.arguments:
            if not argument.required and rng.random() >= keen:
                continue
            found.append((argument, draw(argument, rng, length=length)))
        return measured(target.arguments, found, rng) if measures and rng.random() < 0.6 else found

    def _several(self, called: Sequence[Target]) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
        """A request that calls each of the tools, some more than once: a sentence a call in any order, or all calls
        of a tool in one.
        """
        rng = self.rng
        if rng.random() < 0.5:
            counts = {one: rng.choices((1, 2, 3), (40, 40, 20))[0] for one in called}
            while sum(counts.values()) > MOST:
                counts[max(counts, key=counts.__getitem__)] -= 1
            order = [(one, count) for one, count in counts.items()]
        else:
            order = [(one, 1) for one in called]
            while len(order) < MOST and rng.random() < 0.4:
                order.insert(rng.randint(0, len(order)), (rng.choice(called), 1))
        texts, calls = [], []
        for one, count in order:
            pairs = self._values(one, measures=count == 1)  # others of the number would come without the unit
            varied = self._varied(one, pairs, count, bare=True) if count > 1 else None
            text, made = varied or (frame(one, pairs, rng, bare=True), [(one.name, _call(pairs))])
            texts.append(text)
            calls += made
        return sequence(texts, rng), calls

    def _about_one(
        self, target: Target, own: bool
    ) -> tuple[list[Target], str, list[tuple[str, dict[str, Any]]]] | None:
        """Tools that take the same thing, such as a city, which is said once for all of them, and a request that calls
        each for it, or for each of several; None if no other tool takes what the first one does.
        """
        rng = self.rng
        things = [one for one in target.arguments if one.required and one.kind == "string" and one.source]
        things = [one for one in things if one.name not in _VAGUE]
        if not things:
            return None
        thing = rng.choice(things)
        pool = self.own if own else self.pool
        called, wanted = [target], rng.choices((2, 3, 4), (50, 30, 20))[0]
        for other in rng.sample(pool, len(pool)):
            if len(called) < wanted and any(
                one.required and (one.name, one.source) == (thing.name, thing.source) for one in other.arguments
            ):
                stems, known = _stems(other.name), [_stems(one.name) for one in called]
                if not any(len(stems & those) * 2 >= min(len(stems), len(those)) for those in known):
                    called.append(other)
        if len(called) < 2:
            return None
        values = self._different(thing, min(rng.choices((1, 2, 3), (50, 35, 15))[0], MOST // len(called)))
        rests = [[pair for pair in self._values(one) if pair[0].name != thing.name] for one in called]
        calls = [
            (one.name, {thing.name: said.value, **_call(rest)})
            for one, rest in zip(called, rests, strict=True)
            for said in values
        ]
        return called, gather(list(zip(called, rests, strict=True)), thing, values, rng), calls

    def _product(
        self, target: Target, pairs: list[tuple[Argument, Said]], able: Sequence[Argument], bare: bool
    ) -> tuple[str, list[tuple[str, dict[str, Any]]]] | None:
        """A request for every combination of some values of two arguments; None if there are not enough values."""
        rng = self.rng
        one, other = sorted(rng.sample(able, 2), key=able.index)
        varied = {
            argument: self._different(argument, count)
            for argument, count in zip((one, other), rng.choice(((2, 2), (2, 2), (2, 2), (2, 3), (3, 2))), strict=True)
        }
        if min(map(len, varied.values())) < 2:
            return None
        calls = [
            (target.name, _call([(a, {one: left, other: right}.get(a, said)) for a, said in pairs]))
            for left in varied[one]
            for right in varied[other]
        ]
        shared = [(argument, said) for argument, said in pairs if argument not in varied]
        return combine(target, shared, varied, rng, bare), calls

    def _varied(
        self, target: Target, pairs: list[tuple[Argument, Said]], count: int, bare: bool = False
    ) -> tuple[str, list[tuple[str, dict[str, Any]]]] | None:
        """A request for up to so many calls of one tool with different values, and the calls; None if its values
        cannot differ. `bare`: without greetings and the like.
        """
        rng = self.rng
        able = [argument for argument, _ in pairs if argument.kind in ("string", "integer", "number", "enum", "date")]
        if not able:
            return None
        if len(able) > 1 and count > 3 and rng.random() < 0.6 and (found := self._product(target, pairs, able, bare)):
            return found
        varied = {
            argument: self._different(argument, count)
            for argument in rng.sample(able, min(len(able), rng.choices((1, 2, 3), (55, 35, 10))[0]))
        }
        count = min(map(len, varied.values()))
        if count < 2:
            return None
        varied = {argument: values[:count] for argument, values in varied.items()}
        shared = [(argument, said) for argument, said in pairs if argument not in varied]
        calls = [
            (target.name, _call([(one, varied[one][n] if one in varied else said) for one, said in pairs]))
            for n in range(count)
        ]
        roll = rng.random()
        if roll < 0.35 or len(pairs) == 1:
            return vary(target, shared, varied, rng, bare), calls
        if roll < 0.65:
            sets = [[(argument, values[n]) for argument, values in varied.items()] for n in range(count)]
            return repeat(target, shared, sets, rng), calls
        # All values differ: a request each.
        sets = [self._values(target) for _ in range(count)]
        return sequence([frame(target, one, rng, bare=True) for one in sets], rng), [
            (target.name, _call(one)) for one in sets
        ]

    def _different(self, argument: Argument, count: int) -> list[Said]:
        """So many values, none twice; fewer if there are not enough."""
        values: list[Said] = []
        for _ in range(3 * count):
            said = draw(argument, self.rng)
            if all(said.value != other.value for other in values) and "," not in said.text:
                values.append(said)
        return values[:count]

    def _others(self, called: Sequence[Target], count: int, own: bool) -> list[Target]:
        """Other tools, none of which is named like those that are called; half of them take what these take."""
        rng = self.rng
        found: list[Target] = []
        taken = [_stems(target.name) for target in called]
        wanted = {argument.name for target in called for argument in target.arguments}
        for _ in range(20 * count):
            if len(found) == count:
                break
            mine = self.own and rng.random() < (0.8 if own and len(self.own) > 3 else 0.4)
            some = [rng.choice(self.own) if mine else self._invent() for _ in range(rng.choice((1, CLOSE)))]
            other = max(some, key=lambda one: len(wanted & {argument.name for argument in one.arguments}))
            stems = _stems(other.name)
            if any(len(stems & known) * 2 >= min(len(stems), len(known)) for known in taken):
                continue
            taken.append(stems)
            found.append(other)
        return found

    def _foreign(self) -> Target:
        """An invented tool that is named after nothing that a given one says it does, nor the other way round.

        Raises:
            RowError: none was found.
        """
        names = frozenset().union(*(_stems(target.name) for target in self.own))
        said = names.union(*map(_described, self.own))
        for _ in range(20):
            target = self._invent()
            if not said & _stems(target.name) and not names & _described(target):
                return target
        raise RowError("no invented tool differs from those given")

    def _invent(self) -> Target:
        """An invented tool, often one that was there before: checking a schema for the first time costs most."""
        if len(self.pool) < CATALOGUE and (len(self.pool) < 50 or self.rng.random() < 0.12):
            self.pool.append(next(self.source))
            return self.pool[-1]
        return self.rng.choice(self.pool)


def synthesize(
    tools: Sequence[Mapping[str, Any]], count: int, seed: int | str = 0, invented: float = 0.0
) -> Iterator[Row]:
    """`count` rows for tools; see [`Synthesizer`]."""
    source = Synthesizer(tools, seed, invented)
    for _ in range(count):
        yield source.row()


def _call(pairs: Sequence[tuple[Argument, Said]]) -> dict[str, Any]:
    return {argument.name: said.value for argument, said in pairs}


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def _stems(name: str) -> frozenset[str]:
    """What a tool's name is about, without verbs that say little."""
    words = {word.rstrip("s") for word in words_of(name.replace(".", "_")).split()}
    return frozenset(words - _COMMON or words)


def _described(target: Target) -> frozenset[str]:
    """What a tool's description is about."""
    return _stems(str(target.tool.get("description") or ""))


# ------------------------------------------------------------------------------------------------ the command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tools", metavar="FILE", help="JSON list of tools; none: invented tools only")
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="rows, as JSON lines; compressed if it ends in .gz"
    )
    parser.add_argument("--rows", type=int, default=2000, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed gives the same rows")
    parser.add_argument(
        "--invented",
        type=float,
        default=0.2,
        metavar="SHARE",
        help="of rows that ask for invented tools; default: %(default)s",
    )
    parser.add_argument(
        "--teacher", metavar="URL", help="an OpenAI-compatible endpoint, up to and with /v1; needs --model"
    )
    parser.add_argument("--model", metavar="NAME", help="the teacher's model, such as Qwen/Qwen3-32B")
    parser.add_argument(
        "--timeout", type=float, default=120, metavar="S", help="seconds for an answer; default: %(default)s"
    )


def run(options: argparse.Namespace) -> int:
    """`lafunc data synthesize`"""
    if options.rows < 1:
        raise ValueError(f"--rows must be at least 1, got {options.rows}")
    if not 0 <= options.invented <= 1:
        raise ValueError(f"--invented is a share from 0 to 1, got {options.invented}")
    if bool(options.teacher) != bool(options.model):
        raise ValueError("--teacher and --model go together: the endpoint, and the name of the model there")
    tools = _usable(Path(options.tools)) if options.tools else []
    out = Path(options.out)
    if not options.teacher:
        source = Synthesizer(tools, options.seed, options.invented)
        count = write_rows(out, _shown(source, options.rows))
        _report(count, out, source.refused)
        return 0
    if not tools:
        raise ValueError("a teacher needs tools to write about; pass --tools")
    if out.suffix == ".gz":
        raise ValueError(f"a teacher's rows are appended one by one, so {out} cannot be compressed; leave out .gz")
    teacher = Teacher(options.teacher, options.model, os.environ.get("LAFUNC_TEACHER_KEY"), options.timeout)
    # What is there already moves the seed, or a run that goes on would ask the same again.
    seed = options.seed + (out.stat().st_size if out.exists() else 0)
    count = 0
    for count in append_rows(out, teacher.rows(tools, seed), options.rows):
        _progress(count, options.rows)
    _report(count or options.rows, out, teacher.dropped)
    return 0


def _usable(path: Path) -> list[dict[str, Any]]:
    """The tools of a JSON file that a scaffold can honour; each of the others gets a line on the error output.

    Raises:
        ValueError: see [`read_tools`]; an empty list, or none that can be honoured.
    """
    given = read_tools(path)
    if not given:
        raise ValueError(f"{path}: the list is empty; it must hold at least one tool")
    refused: Counter[str] = Counter()
    tools = list(accepted(given, refused))
    for reason, count in refused.items():
        print(f"left out{f' ({count} times)' if count > 1 else ''}: {reason}", file=sys.stderr)
    if not tools:
        raise ValueError(f"{path}: none of the {len(given)} tools can be used, for the reasons above")
    return tools


def _shown(source: Synthesizer, count: int) -> Iterator[Row]:
    for at in range(1, count + 1):
        yield source.row()
        _progress(at, count)


def _progress(done: int, count: int) -> None:
    """A line on the error output that is written over, if a person looks."""
    if sys.stderr.isatty() and (done % 100 == 0 or done == count):
        print(f"\r{done} of {count} rows", end="\n" if done == count else "", file=sys.stderr, flush=True)


def _report(count: int, out: Path, refused: Counter[str]) -> None:
    print(f"{count} rows in {out}")
    for reason, times in refused.most_common():
        print(f"dropped {times}: {reason}")
