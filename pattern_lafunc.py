"""The languages of strings that match: regular expressions, formats, lengths, excluded words. No torch.

A [`Text`] says which strings are meant. It becomes a deterministic automaton over *characters*, by way of Python's own
parser of regular expressions, and is then lifted to the tokens that write such a string inside JSON quotes, escapes
and UTF-8 included. Libraries that turn expressions into automata know neither JSON escapes nor tokens, and a Hub file
may not import them.

```python
>>> accepts(text(vocabulary, Text(("^[a-z]{2}-[0-9]+$",))), vocabulary.encode("ab-7"))
True
```

Expressions are read as ECMA-262 and as Python at once: where the two differ (`\\d`, `\\w`, `\\s`, `.`, `$`), a string
is only written if both agree. Refused with a [`PatternError`]: back-references, word boundaries, looking around
anywhere but at the start, flags, and what needs too large an automaton.
"""

import re
import sys
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any, NamedTuple

from .language_lafunc import Automaton, Edges
from .vocabulary_lafunc import TokenClass, Vocabulary, remembered

Ranges = tuple[tuple[int, int], ...]  # of code points, both ends included, ascending
MAX_NODES = 20_000  # of a nondeterministic automaton
MAX_STATES = 6_000  # of a deterministic one
MAX_WORK = 400_000  # steps that making one may take: some tenths of a second
LAST = 0x10FFFF
SURROGATES = (0xD800, 0xDFFF)
ANY: Ranges = ((0, LAST),)
NONE: frozenset[int] = frozenset()
FOUND = frozenset([1])
OTHER = "\ud800"  # no word begins like this


class PatternError(ValueError):
    """An expression that no automaton of bearable size can follow, or that no string matches."""


@dataclass(frozen=True)
class Text:
    """Which strings are meant: those that satisfy everything here.

    Attributes:
        patterns: regular expressions that must be found in the string.
        without: regular expressions that must not be found.
        formats: names of [`FORMATS`].
        low, high: bounds on the number of characters.
        excluded: strings that are not meant.
        alphabet: the characters that may occur; None: all.
    """

    patterns: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    low: int = 0
    high: int | None = None
    excluded: frozenset[str] = frozenset()
    alphabet: Ranges | None = None

    @property
    def plain(self) -> bool:
        """Whether only the length counts."""
        return not (self.patterns or self.without or self.formats or self.excluded)


# --------------------------------------------------------------------------------------------------------------------
# Formats
# --------------------------------------------------------------------------------------------------------------------

_YEAR = r"(?:[1-9]\d{3}|0[1-9]\d\d|00[1-9]\d|000[1-9])"
_LEAP = r"(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DATE = (
    rf"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    rf"|02-(?:0[1-9]|1\d|2[0-8]))|{_LEAP}-02-29)"
)
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)"


def _labels(longest: int, more: int) -> str:
    label = rf"[A-Za-z0-9](?:[A-Za-z0-9-]{{0,{longest - 2}}}[A-Za-z0-9])?"
    return rf"{label}(?:\.{label}){{0,{more}}}"


# A label has at most 63 characters and a name 253 (RFC 1123): up to three labels of any length, or eight of up to 30.
_HOST = rf"(?:{_labels(63, 2)}|{_labels(30, 7)})"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_GROUP = r"[0-9A-Fa-f]{1,4}"
_IPV6 = (
    "(?:"
    + "|".join(
        [rf"{_GROUP}(?::{_GROUP}){{7}}", rf"(?:{_GROUP}:){{6}}{_IPV4}", r"::"]
        + [rf"(?:{_GROUP}(?::{_GROUP}){{0,{n - 1}}})::" for n in range(1, 8)]
        + [rf"::{_GROUP}(?::{_GROUP}){{0,6}}"]
        + [rf"{_GROUP}(?::{_GROUP}){{0,{n - 1}}}::{_GROUP}(?::{_GROUP}){{0,{6 - n}}}" for n in range(1, 7)]
    )
    + ")"
)
_CHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_NAME = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
_AUTHORITY = rf"(?:(?:{_NAME}|:)*@)?(?:{_NAME}*|\[{_IPV6}\])(?::\d*)?"
_TAIL = rf"(?:\?(?:{_CHAR}|[/?])*)?(?:#(?:{_CHAR}|[/?])*)?"
# Other formats are annotations: they restrict nothing.
FORMATS = {
    "date": _DATE,  # RFC 3339, full-date
    "time": _TIME,  # RFC 3339, full-time, without leap seconds
    "date-time": rf"{_DATE}[Tt]{_TIME}",
    "email": rf"{_ATOM}(?:\.{_ATOM})*@{_HOST}",  # RFC 5321 without quoted names and addresses in brackets
    "hostname": _HOST,  # RFC 1123
    "ipv4": _IPV4,
    "ipv6": _IPV6,  # RFC 4291
    # RFC 3986
    "uri": rf"[A-Za-z][A-Za-z0-9+.-]*:(?://{_AUTHORITY}(?:/{_CHAR}*)*|/?(?:{_CHAR}+(?:/{_CHAR}*)*)?){_TAIL}",
    "uuid": "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
}

# --------------------------------------------------------------------------------------------------------------------
# Expressions -> nondeterministic automata over characters
# --------------------------------------------------------------------------------------------------------------------


def _union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _complement(ranges: Ranges) -> Ranges:
    found, at = [], 0
    for low, high in ranges:
        if low > at:
            found.append((at, low - 1))
        at = high + 1
    return (*found, (at, LAST)) if at <= LAST else tuple(found)


def _points(text: str) -> Ranges:
    return _union((ord(char), ord(char)) for char in text)


@cache
def unicode_categories() -> dict[str, Ranges]:
    """What Python means by `\\d`, `\\w` and `\\s`. Takes some hundredths of a second, once."""
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    found = {}
    for category in (r"\d", r"\w", r"\s"):
        found[category] = _union((run.start(), run.end() - 1) for run in re.finditer(category + "+", every))
    return found


# What ECMA-262 means by them; white space as both have it.
_ECMA = {
    r"\d": _union([(48, 57)]),
    r"\w": _union([(48, 57), (65, 90), (95, 95), (97, 122)]),
    r"\s": _union([*_points("\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000"), (0x2000, 0x200A)]),
}
_LINE_ENDS = _points("\n\r\u2028\u2029")
_CATEGORIES = {
    "CATEGORY_DIGIT": (r"\d", True),
    "CATEGORY_NOT_DIGIT": (r"\d", False),
    "CATEGORY_WORD": (r"\w", True),
    "CATEGORY_NOT_WORD": (r"\w", False),
    "CATEGORY_SPACE": (r"\s", True),
    "CATEGORY_NOT_SPACE": (r"\s", False),
}


def _category(name: str, wide: bool) -> Ranges:
    """The characters that both dialects count in, or, if `wide`, that either does."""
    category, positive = _CATEGORIES[name]
    if positive != wide:
        return _ECMA[category] if positive else _complement(_ECMA[category])
    python, more = unicode_categories()[category], _points("\ufeff") if category == r"\s" else ()
    either = _union([*python, *_ECMA[category], *more])
    return either if positive else _complement(either)


class _Nodes:
    """A nondeterministic automaton over characters: node 0 is the start, node 1 says that the expression was found.

    Attributes:
        reads: per node, (characters, next node).
        skips: per node, (condition, next node); the conditions are `""`, `"^"` (at the start) and `"$"` (at the end).
    """

    def __init__(self, wide: bool):
        self.wide = wide
        self.reads: list[list[tuple[Ranges, int]]] = [[], []]
        self.skips: list[list[tuple[str, int]]] = [[], []]

    def node(self) -> int:
        if len(self.reads) >= MAX_NODES:
            raise PatternError("it repeats too much to be followed")
        self.reads.append([])
        self.skips.append([])
        return len(self.reads) - 1

    def add(self, tree: Iterable, at: int) -> int:
        """Append what `tree` matches after node `at`; returns the node behind it."""
        for operation, argument in tree:
            at = self.one(str(operation), argument, at)
        return at

    def one(self, operation: str, argument: Any, at: int) -> int:
        match operation:
            case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
                to = self.node()
                self.reads[at].append((self.characters(operation, argument), to))
                return to
            case "BRANCH":
                to = self.node()
                for branch in argument[1]:
                    self.skips[self.add(branch, at)].append(("", to))
                return to
            case "SUBPATTERN":
                _, added, removed, tree = argument
                if added or removed:
                    raise PatternError("flags are not supported")
                return self.add(tree, at)
            case "MAX_REPEAT" | "MIN_REPEAT":
                low, high, tree = argument
                return self.repeat(low, high, tree, at)
            case "AT" if str(argument) in ("AT_BEGINNING", "AT_BEGINNING_STRING", "AT_END", "AT_END_STRING"):
                to = self.node()
                self.skips[at].append(("$" if "END" in str(argument) else "^", to))
                if self.wide and str(argument) == "AT_END":  # Python's `$` stands before a last line end, too
                    last = self.node()
                    self.reads[at].append((_points("\n"), last))
                    self.skips[last].append(("$", to))
                return to
        name = {"AT": str(argument), "GROUPREF": "a back-reference", "ASSERT": "looking around inside"}
        raise PatternError(f"{name.get(operation, operation).lower().replace('_', ' ')} is not supported")

    def repeat(self, low: int, high: Any, tree: Any, at: int) -> int:
        for _ in range(low):
            at = self.add(tree, at)
        if str(high) == "MAXREPEAT":
            loop, to = self.node(), self.node()
            self.skips[at].append(("", loop))
            self.skips[self.add(tree, loop)].append(("", loop))
            self.skips[loop].append(("", to))
            return to
        to = self.node()
        for _ in range(high - low):
            self.skips[at].append(("", to))
            at = self.add(tree, at)
        self.skips[at].append(("", to))
        return to

    def characters(self, operation: str, argument: Any) -> Ranges:
        match operation:
            case "LITERAL":
                return ((argument, argument),)
            case "NOT_LITERAL":
                return _complement(((argument, argument),))
            case "ANY":
                return ((0, 9), (11, LAST)) if self.wide else _complement(_LINE_ENDS)
        negated = str(argument[0][0]) == "NEGATE"
        parts: list[tuple[int, int]] = []
        for kind, value in argument[negated:]:
            match str(kind):
                case "LITERAL":
                    parts.append((value, value))
                case "RANGE":
                    parts.append(tuple(value))
                case _:
                    parts += _category(str(value), self.wide != negated)
        return _complement(_union(parts)) if negated else _union(parts)


@lru_cache(maxsize=1024)
def _parse(pattern: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = re._parser.parse(pattern)  # type: ignore[attr-defined]
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"not an expression that Python can read: {error}") from None
    if tree.state.flags & ~re.UNICODE.value:
        raise PatternError("flags are not supported")
    return list(tree)


# --------------------------------------------------------------------------------------------------------------------
# Deterministic automata over characters
# --------------------------------------------------------------------------------------------------------------------


class _Condition:
    """What a string must satisfy, as a deterministic automaton whose states are numbered as they are met.

    Characters come in classes that no condition tells apart; `prepare` says which. State 0 is the start.
    """

    def __init__(self, start: Any):
        self.states, self.numbers = [start], {start: 0}
        self.rows: dict[int, list[int]] = {}

    def row(self, number: int) -> list[int]:
        """The state after each class of characters; -1 if nothing that follows can help any more."""
        if number not in self.rows:
            following = self.steps(self.states[number])
            for state in dict.fromkeys(following):
                if state not in self.numbers:
                    self.numbers[state] = -1 if state is None else len(self.states)
                    self.states += [] if state is None else [state]
            self.rows[number] = [self.numbers[state] for state in following]
        return self.rows[number]

    def cuts(self) -> Iterable[int]:
        """Where characters begin to be told apart from those before."""
        return ()

    def marks(self, starts: list[int]) -> list[int]:
        """A mark for the characters from each of `starts` on; those with the same mark are not told apart."""
        return [0] * len(starts)

    def prepare(self, marks: list[int]) -> None:
        """The mark of each class of characters."""
        self.known = marks

    def steps(self, state: Any) -> list[Any]:
        """The state after each class of characters, or None."""
        raise NotImplementedError

    def accepting(self, state: Any, first: bool) -> bool:
        """Whether the string may end here, or, if `first`, be empty."""
        raise NotImplementedError


class _Expression(_Condition):
    """Whether an expression is found somewhere in the string, read character by character."""

    def __init__(self, tree: Any, found: bool = True):
        self.found = found
        self.nodes = _Nodes(wide=not found)
        self.nodes.skips[self.nodes.add(tree, 0)].append(("", 1))
        super().__init__(self._closure([0], "^"))
        self.again = self._closure([0], "")  # the expression may begin anywhere
        # A mark has a bit for each set of characters that is read anywhere.
        sets = dict.fromkeys(ranges for reads in self.nodes.reads for ranges, _ in reads)
        self.bits = {ranges: 1 << at for at, ranges in enumerate(sets)}
        self.ways = [
            [(self.bits[ranges], self._closure([to], "")) for ranges, to in reads] for reads in self.nodes.reads
        ]

    def cuts(self) -> Iterable[int]:
        return (at for ranges in self.bits for low, high in ranges for at in (low, high + 1))

    def marks(self, starts: list[int]) -> list[int]:
        found = [0] * len(starts)
        for ranges, bit in self.bits.items():
            for low, high in ranges:
                for at in range(bisect_left(starts, low), bisect_right(starts, high)):
                    found[at] |= bit
        return found

    def _closure(self, nodes: Iterable[int], allowed: str) -> frozenset[int]:
        found, todo = set(), list(nodes)
        while todo:
            node = todo.pop()
            if node not in found:
                found.add(node)
                todo += [to for condition, to in self.nodes.skips[node] if condition in allowed]
        reads, skips = self.nodes.reads, self.nodes.skips
        return FOUND if 1 in found else frozenset(n for n in found if reads[n] or any(c == "$" for c, _ in skips[n]))

    def steps(self, state: frozenset[int]) -> list[frozenset[int] | None]:
        if state is FOUND:
            return [FOUND] * len(self.known)
        reached: dict[int, set[int]] = {}
        for node in state:
            for bit, to in self.ways[node]:
                reached.setdefault(bit, set()).update(to)
        told = sum(reached)  # of bits
        following: dict[int, frozenset[int] | None] = {}
        for mark in self.known:
            if mark & told not in following:
                found = self.again.union(*(to for bit, to in reached.items() if bit & mark))
                if 1 in found:
                    following[mark & told] = FOUND if self.found else None
                else:
                    following[mark & told] = found if found or not self.found else None
        return [following[mark & told] for mark in self.known]

    def accepting(self, state: frozenset[int], first: bool) -> bool:
        return (self._closure(state, "^$" if first else "$") is FOUND) == self.found


class _Words(_Condition):
    """The string is none of these words."""

    def __init__(self, words: frozenset[str]):
        super().__init__("")
        self.words = words
        self.next: dict[str, dict[str, str]] = {}
        for word in words:
            for at, char in enumerate(word):
                self.next.setdefault(word[:at], {})[char] = word[: at + 1]

    def cuts(self) -> Iterable[int]:
        return (at for char in set("".join(self.words)) for at in (ord(char), ord(char) + 1))

    def marks(self, starts: list[int]) -> list[int]:
        known = set("".join(self.words))
        return [code if chr(code) in known else -1 for code in starts]

    def prepare(self, marks: list[int]) -> None:
        self.known, self.at = marks, {chr(mark): at for at, mark in enumerate(marks) if mark >= 0}

    def steps(self, state: str) -> list[str]:
        found = [OTHER] * len(self.known)
        for char, further in self.next.get(state, {}).items():
            if char in self.at:
                found[self.at[char]] = further
        return found

    def accepting(self, state: str, first: bool) -> bool:
        return state not in self.words


class _AtLeast(_Condition):
    """The string has so many characters."""

    def __init__(self, low: int):
        super().__init__(0)
        self.low = low

    def steps(self, state: int) -> list[int]:
        return [min(state + 1, self.low)] * len(self.known)

    def accepting(self, state: int, first: bool) -> bool:
        return state >= self.low


class Characters(NamedTuple):
    """A deterministic automaton over characters, without dead ends. State 0 is the start.

    Attributes:
        starts: where runs of characters begin, ascending from 0.
        classes: [runs], the class of the characters of a run; -1: they never occur.
        to: [states][classes], the next state or -1.
        accepting: [states].
    """

    starts: list[int]
    classes: list[int]
    to: list[list[int]]
    accepting: list[bool]

    def step(self, state: int, code: int) -> int:
        """The state after a character, or -1."""
        at = self.classes[bisect_right(self.starts, code) - 1]
        return self.to[state][at] if at >= 0 else -1

    def matches(self, string: str) -> bool:
        state = 0
        for char in string:
            state = self.step(state, ord(char))
            if state < 0:
                return False
        return self.accepting[state]

    def ahead(self) -> list[int]:
        """Per state, how many characters the shortest way to the end has."""
        origins = _origins(self.to)
        found = [0 if final else -1 for final in self.accepting]
        todo = [state for state, final in enumerate(self.accepting) if final]
        for state in todo:  # grows: breadth first
            for origin in origins[state]:
                if found[origin] < 0:
                    found[origin] = found[state] + 1
                    todo.append(origin)
        return found

    def example(self) -> str:
        """A shortest string."""
        origins: dict[int, tuple[int, str]] = {0: (0, "")}
        for state in (todo := [0]):  # grows
            if self.accepting[state]:
                break
            for at, to in enumerate(self.to[state]):
                if to >= 0 and to not in origins:
                    origins[to] = (state, chr(self.starts[self.classes.index(at)]))
                    todo.append(to)
        found = ""
        while state:
            state, char = origins[state]
            found = char + found
        return found


def _expressions(pattern: str, found: bool) -> list[_Expression]:
    """The expression, and apart from it what it looks ahead for at its start."""
    tree = _parse(pattern)
    parts, at = [], 0
    if tree and str(tree[0][1]) in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
        begin, at = tree[:1], 1
        while at < len(tree) and str(tree[at][0]) in ("ASSERT", "ASSERT_NOT") and tree[at][1][0] == 1:
            parts.append((begin + list(tree[at][1][1]), str(tree[at][0]) == "ASSERT"))
            at += 1
        if parts:
            if not found:
                raise PatternError("looking ahead is not supported here")
            tree = begin + tree[at:]
    return [_Expression(tree, found), *(_Expression(*part) for part in parts)]


@lru_cache(maxsize=256)
def characters(text: Text) -> Characters:
    """The automaton of a text, whose `high` only matters if no string is short enough: [`text`] counts characters.

    Raises:
        PatternError: see the module.
    """
    parts: list[Any] = []
    for pattern in text.patterns:
        parts += _expressions(pattern, True)
    for pattern in text.without:
        parts += _expressions(pattern, False)
    parts += [_Expression(_parse(f"^(?:{FORMATS[name]})$")) for name in text.formats]
    if text.excluded:
        parts.append(_Words(text.excluded))
    if text.low:
        free = replace(text, low=0, high=None)
        if not free.plain and len(characters(free).example()) >= text.low:
            found = characters(free)
        else:
            found = _determine([*parts, _AtLeast(text.low)], ANY if text.alphabet is None else text.alphabet)
    else:
        found = _determine(parts, ANY if text.alphabet is None else text.alphabet)
    if text.high is not None and len(found.example()) > text.high:
        raise PatternError("no string satisfies it")
    return found


def _determine(parts: list[Any], alphabet: Ranges) -> Characters:
    parts = parts or [_AtLeast(0)]
    cuts = {0, *(at for low, high in alphabet for at in (low, high + 1))}
    cuts |= {SURROGATES[0], SURROGATES[1] + 1}
    for part in parts:
        cuts.update(part.cuts())
    starts = sorted(at for at in cuts if at <= LAST)
    numbers: dict[tuple[int, ...], int] = {}
    classes = [
        numbers.setdefault(marks, len(numbers))
        if not SURROGATES[0] <= code <= SURROGATES[1] and any(low <= code <= high for low, high in alphabet)
        else -1
        for code, marks in zip(starts, zip(*(part.marks(starts) for part in parts), strict=True), strict=True)
    ]
    for part, marks in zip(parts, zip(*numbers, strict=True), strict=True):
        part.prepare(list(marks))
    begin = (0,) * len(parts)
    known: dict[tuple[int, ...], int] = {}
    order, to = [begin], []  # the start is a state of its own: `^` holds there
    for state in order:  # grows
        following = list(zip(*(part.row(at) for part, at in zip(parts, state, strict=True)), strict=True))
        for key in dict.fromkeys(following):
            if key not in known:
                known[key] = -1 if -1 in key else len(order)
                order += [] if -1 in key else [key]
        to.append([known[key] for key in following])
        if len(order) > MAX_STATES or len(order) * len(numbers) > MAX_WORK:
            raise PatternError("it needs too large an automaton to be followed")
    ends = [[part.accepting(state, False) for state in part.states] for part in parts]
    accepting = [all(end[at] for end, at in zip(ends, state, strict=True)) for state in order]
    accepting[0] = all(part.accepting(part.states[0], True) for part in parts)
    return _prune(starts, classes, to, accepting)


def _origins(to: list[list[int]]) -> list[set[int]]:
    """Per state, those that lead to it."""
    found: list[set[int]] = [set() for _ in to]
    for state, row in enumerate(to):
        for target in set(row):
            if target >= 0:
                found[target].add(state)
    return found


def _prune(starts: list[int], classes: list[int], to: list[list[int]], accepting: list[bool]) -> Characters:
    """Without the states from which no string can be completed."""
    origins = _origins(to)
    alive = {state for state, final in enumerate(accepting) if final}
    todo = list(alive)
    while todo:
        for origin in origins[todo.pop()] - alive:
            alive.add(origin)
            todo.append(origin)
    if 0 not in alive:
        raise PatternError("no string satisfies it")
    numbers = {state: at for at, state in enumerate(sorted(alive))}
    return Characters(
        starts,
        classes,
        [[numbers.get(target, -1) for target in to[state]] for state in numbers],
        [accepting[state] for state in numbers],
    )


# --------------------------------------------------------------------------------------------------------------------
# From characters to tokens
# --------------------------------------------------------------------------------------------------------------------

_ESCAPES = {ord(byte): ord(char) for byte, char in zip('"\\/bfnrt', '"\\/\b\f\n\r\t', strict=True)}
_HEX = {ord(digit): int(digit, 16) for digit in "0123456789abcdefABCDEF"}


class _Bytes:
    """The automaton over the bytes inside JSON quotes.

    States are a state of `characters`; `("\\\\", state)` after a backslash; `("u", state, digits, value)` inside
    `\\u`, which is only offered for control characters; or, inside a UTF-8 character, (bytes to come, ((lowest,
    highest, state), …)), the code points that they may still add.
    """

    def __init__(self, characters: Characters):
        self.characters = characters
        self.to = characters.step
        self.step = cache(self._step)
        self.escapes = cache(self._escapes)

    def _escapes(self, state: int) -> dict[int, Any]:
        found: dict[int, Any] = {byte: to for byte, code in _ESCAPES.items() if (to := self.to(state, code)) >= 0}
        if any(self.to(state, code) >= 0 for code in range(0x20)):
            found[ord("u")] = ("u", state, 0, 0)
        return found

    def controls(self, state: int, digits: int, value: int) -> list[int]:
        """The states behind the control characters whose four digits begin with these."""
        return [to for code in range(0x20) if code >> 16 - 4 * digits == value and (to := self.to(state, code)) >= 0]

    def _step(self, state: Any, byte: int) -> Any:
        """The state after a byte; None if there is no way on."""
        if isinstance(state, int):
            if byte < 0x20 or byte == 0x22:
                return None
            if byte == 0x5C:
                return ("\\", state) if self.escapes(state) else None
            if byte < 0x80:
                to = self.to(state, byte)
                return to if to >= 0 else None
            for more, (first, last, least) in enumerate(
                ((0xC2, 0xDF, 0x80), (0xE0, 0xEF, 0x800), (0xF0, 0xF4, 1 << 16)), 1
            ):
                if first <= byte <= last:
                    base = (byte - (0xC0, 0xE0, 0xF0)[more - 1]) << 6 * more
                    return self._inside(more, self._ways(state, max(base, least), base + (1 << 6 * more)), base)
            return None
        if state[0] == "\\":
            return self.escapes(state[1]).get(byte)
        if state[0] == "u":
            _, at, digits, value = state
            value = 16 * value + _HEX.get(byte, 99)
            if digits == 3:
                to = self.to(at, value) if value < 0x20 else -1
                return to if to >= 0 else None
            return ("u", at, digits + 1, value) if self.controls(at, digits + 1, value) else None
        more, ways = state
        if not 0x80 <= byte < 0xC0:
            return None
        base = (byte - 0x80) << 6 * (more - 1)
        return self._inside(more - 1, ways, base)

    def _ways(self, state: int, low: int, end: int) -> list[tuple[int, int, int]]:
        """The code points from `low` up to `end` that may come next."""
        starts, classes, row = self.characters.starts, self.characters.classes, self.characters.to[state]
        found: list[tuple[int, int, int]] = []
        for at in range(bisect_right(starts, low) - 1, len(starts)):
            first, last = max(starts[at], low), (starts[at + 1] if at + 1 < len(starts) else LAST + 1) - 1
            if first >= end:
                break
            if classes[at] >= 0 and (to := row[classes[at]]) >= 0:
                found.append((first, min(last, end - 1), to))
        return found

    @staticmethod
    def _inside(more: int, ways: Iterable[tuple[int, int, int]], base: int) -> Any:
        found: list[tuple[int, int, int]] = []
        for low, high, to in ways:
            low, high = max(low - base, 0), min(high - base, (1 << 6 * more) - 1)
            if low <= high:
                if found and found[-1][2] == to and found[-1][1] == low - 1:
                    low = found.pop()[0]
                found.append((low, high, to))
        if not found:
            return None
        return (more, tuple(found)) if more else found[0][2]


@remembered
def text(vocabulary: Vocabulary, meant: Text) -> Automaton:
    """The inside of JSON quotes whose string is one that is meant.

    States are (a state of [`_Bytes`], characters so far); nothing is counted where there is no upper bound.

    Raises:
        PatternError: see the module.
    """
    known = characters(replace(meant, alphabet=vocabulary.alphabet))
    walk, ahead, high = _Bytes(known), known.ahead(), meant.high

    @cache
    def still(at: Any) -> int:
        """The characters that a state needs at least to come to an end."""
        if isinstance(at, int):
            return ahead[at]
        if at[0] == "\\":
            return min(1 + ahead[to] if isinstance(to, int) else still(to) for to in walk.escapes(at[1]).values())
        if at[0] == "u":
            return 1 + min(ahead[to] for to in walk.controls(*at[1:]))
        return 1 + min(ahead[to] for _, _, to in at[1])

    def is_whole(at: Any) -> bool:
        """Whether a token may end here."""
        return vocabulary.bytewise or isinstance(at, int) or at[0] in ("\\", "u")

    follow = vocabulary.follower(walk.step, lambda at: high is not None and isinstance(at, int))

    @cache
    def ways(at: Any) -> list[tuple[TokenClass, Any, int]]:
        """(tokens, the state that they lead to, the characters that they complete)."""
        return [way for way in follow(at) if is_whole(way[1])]

    def fits(to: Any, count: int) -> bool:
        return high is None or count + still(to) <= high

    def edges(state: tuple) -> Edges:
        at, so_far = state
        return tuple((group, (to, so_far + count)) for group, to, count in ways(at) if fits(to, so_far + count))

    def after(state: tuple, token: int) -> Iterable[tuple]:
        at, count = state
        written = vocabulary.bytes[token]
        for byte in written or ():
            at = walk.step(at, byte)
            if at is None:
                return ()
            count += high is not None and isinstance(at, int)
        return ((at, count),) if written and is_whole(at) and fits(at, count) else ()

    return Automaton((0, 0), edges, lambda state: isinstance(state[0], int) and known.accepting[state[0]], after)
