"""Slot languages: which token strings a slot may hold, as automata over a tokenizer's vocabulary. No torch.

A JSON value has infinitely many texts and every text has many tokenizations; a filler may only choose among those that
the schema allows. An [`Automaton`] answers, for a state, "which classes of tokens may come next, and where do they
lead?" Edges are computed when they are first asked for, so a language costs what its visited states cost.

```python
>>> vocabulary = Vocabulary(tokenizer)
>>> language = concat(literal(vocabulary, ' "'), string(vocabulary, max_length=8))
>>> accepts(language, vocabulary.encode(' "Tokyo'))
True
```

Automata may be nondeterministic: readers carry a set of states. Every language here is over *bytes*: a token that ends
in the middle of a UTF-8 character leads to a state that demands the rest of that character.
"""

import json
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property, lru_cache
from typing import Any

State = Hashable
# A decimal of at most this many digits survives text -> double -> text, so comparing doubles equals comparing texts.
DECIMAL_DIGITS = 15


class TokenClass:
    """Token ids that do the same thing in a state.

    `ids` may be written. `kin` are the ids whose probability speaks for this class when the *base model* decides: the
    base likes to merge what the scaffold keeps apart (`"},` for `"`), so a fixed token is represented by every token
    that begins with it. Compared by identity: fillers cache one index tensor per class.
    """

    __slots__ = ("ids", "kin", "__weakref__")

    def __init__(self, ids: Iterable[int], kin: Iterable[int] | None = None):
        self.ids = tuple(ids)
        self.kin = self.ids if kin is None else tuple(kin)

    def __repr__(self) -> str:
        return f"TokenClass({self.ids[:4]}{'…' if len(self.ids) > 4 else ''})"


Edges = tuple[tuple[TokenClass, State], ...]


class Automaton:
    """A language of token strings.

    Args:
        start: the initial state.
        edges: state -> ((token class, next state), …); called once per state.
        accepting: state -> may the string end here? Called once per state, too.
    """

    def __init__(self, start: State, edges: Callable[[Any], Edges], accepting: Callable[[Any], bool]):
        self.start = start
        self.accepting = cache(accepting)
        self._edges = edges
        self._known: dict[State, Edges] = {}

    def edges(self, state: State) -> Edges:
        if state not in self._known:
            self._known[state] = self._edges(state)
        return self._known[state]

    def step(self, states: frozenset, token: int) -> frozenset:
        """The states after `token`, empty if the language forbids it."""
        return frozenset(to for state in states for group, to in self.edges(state) if token in _members(group))

    def shortest(self, states: frozenset | None = None) -> list[int]:
        """A shortest token string from `states` (default: the start) to an accepting state.

        Raises:
            ValueError: the language is empty.
        """
        origins: dict[State, tuple[State, int] | None] = dict.fromkeys(states or [self.start])
        todo = list(origins)
        for state in todo:  # grows: breadth first
            if self.accepting(state):
                written = []
                while (origin := origins[state]) is not None:
                    state, token = origin
                    written.append(token)
                return written[::-1]
            for group, to in self.edges(state):
                if to not in origins:
                    origins[to] = state, group.ids[0]
                    todo.append(to)
        raise ValueError("the language is empty")


@lru_cache(maxsize=4096)
def _members(group: TokenClass) -> frozenset[int]:
    return frozenset(group.ids)


def accepts(language: Automaton, tokens: Iterable[int]) -> bool:
    """Whether the language holds exactly this token string."""
    states = frozenset([language.start])
    for token in tokens:
        states = language.step(states, token)
    return any(language.accepting(state) for state in states)


# --------------------------------------------------------------------------------------------------------------------
# The vocabulary
# --------------------------------------------------------------------------------------------------------------------


def _byte_level_alphabet() -> dict[str, int]:
    """The printable stand-ins that byte-level BPE uses for bytes (Radford et al. 2019, `bytes_to_unicode`)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    alphabet = {chr(byte): byte for byte in plain}
    for byte in range(256):
        if byte not in plain:
            alphabet[chr(256 + len(alphabet) - len(plain))] = byte
    return alphabet


class Vocabulary:
    """What each token id of a (fast) tokenizer writes, in bytes; special tokens write nothing and are never used.

    Raises:
        ValueError: the tokenizer has no byte representation that we know how to read.
    """

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        special = set(tokenizer.all_special_ids) | {
            id for id, token in tokenizer.added_tokens_decoder.items() if token.special
        }
        kinds = json.loads(tokenizer.backend_tokenizer.to_str())
        decoder = json.dumps([kinds.get("decoder"), kinds.get("pre_tokenizer")])
        byte_level = _byte_level_alphabet() if '"ByteLevel"' in decoder else None
        self.bytes: list[bytes | None] = [None] * (max(tokenizer.get_vocab().values()) + 1)
        for token, id in tokenizer.get_vocab().items():
            if id in special:
                continue
            if token in tokenizer.added_tokens_encoder:
                written = token.encode()
            elif byte_level is not None:
                if any(char not in byte_level for char in token):
                    continue
                written = bytes(byte_level[char] for char in token)
            elif len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
                written = bytes([int(token[3:5], 16)])
            else:
                written = token.replace("▁", " ").encode()
            self.bytes[id] = written or None
        self._encoded: dict[str, tuple[int, ...]] = {}

    def __len__(self) -> int:
        return len(self.bytes)

    def encode(self, text: str) -> tuple[int, ...]:
        """The tokens of a text in the middle of a document (no special tokens, no invented leading space).

        Raises:
            ValueError: the tokenizer cannot write this text exactly.
        """
        if text not in self._encoded:
            ids = self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
            if self.decode_bytes(ids) != text.encode():
                ids = self._encode_bytewise(text.encode())
            if len(self._encoded) > 250_000:
                self._encoded.clear()
            self._encoded[text] = tuple(ids)
        return self._encoded[text]

    def _encode_bytewise(self, data: bytes) -> list[int]:
        """Longest match first: for the texts that the tokenizer would normalise or give a leading space."""
        ids, at = [], 0
        while at < len(data):
            for end in range(min(len(data), at + self._longest), at, -1):
                if data[at:end] in self._by_bytes:
                    ids.append(self._by_bytes[data[at:end]])
                    at = end
                    break
            else:
                raise ValueError(f"the tokenizer has no tokens for {data[at : at + 8]!r}, which a scaffold must write")
        return ids

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        return b"".join(self.bytes[id] or b"" for id in ids)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of complete tokens. Raises UnicodeDecodeError inside a character."""
        return self.decode_bytes(ids).decode()

    @cached_property
    def _sorted(self) -> tuple[list[bytes], list[int]]:
        pairs = sorted((written, id) for id, written in enumerate(self.bytes) if written)
        return [written for written, _ in pairs], [id for _, id in pairs]

    @cached_property
    def _by_bytes(self) -> dict[bytes, int]:
        written, ids = self._sorted
        return dict(zip(reversed(written), reversed(ids), strict=True))

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._by_bytes))

    @cached_property
    def _prefix_classes(self) -> dict[bytes, tuple[int, ...]]:
        return {}

    def starting_with(self, prefix: bytes) -> tuple[int, ...]:
        """Ids of all tokens whose bytes begin with `prefix`."""
        if prefix not in self._prefix_classes:
            written, ids = self._sorted
            end = bisect_left(written, prefix + b"\xff" * 64)
            self._prefix_classes[prefix] = tuple(ids[bisect_left(written, prefix) : end])
        return self._prefix_classes[prefix]

    def exactly(self, written: bytes) -> tuple[int, ...]:
        """Ids of the tokens that write just this."""
        return tuple(id for id in self.starting_with(written) if self.bytes[id] == written)

    def token_class(self, id: int) -> TokenClass:
        """The class of one fixed token."""
        if id not in self._single:
            self._single[id] = TokenClass((id,), self.starting_with(self.bytes[id] or b""))
        return self._single[id]

    @cached_property
    def _single(self) -> dict[int, TokenClass]:
        return {}

    def spelled(self, alphabet: frozenset[int]) -> list[tuple[int, bytes]]:
        """Tokens made of these bytes only."""
        if alphabet not in self._spelled:
            self._spelled[alphabet] = [
                (id, written) for id, written in enumerate(self.bytes) if written and alphabet.issuperset(written)
            ]
        return self._spelled[alphabet]

    @cached_property
    def _spelled(self) -> dict[frozenset[int], list[tuple[int, bytes]]]:
        return {}

    @cached_property
    def string_edges(self) -> dict[tuple, dict[tuple, TokenClass]]:
        """Inside a JSON string: pending bytes -> {(pending bytes after, characters completed): tokens}."""
        table: dict[tuple, dict[tuple, list[int]]] = {}
        todo: list[tuple] = [()]
        while todo:
            state = todo.pop()
            if state in table:
                continue
            targets: dict[tuple, list[int]] = {}
            for id, written in enumerate(self.bytes):
                if written and (end := _walk_string(state, written)) is not None:
                    targets.setdefault(end, []).append(id)
            table[state] = targets
            todo += [pending for pending, _ in targets]
        table = _prune_dead_ends(table)
        return {s: {end: TokenClass(ids) for end, ids in targets.items()} for s, targets in table.items()}


# --------------------------------------------------------------------------------------------------------------------
# JSON strings
# --------------------------------------------------------------------------------------------------------------------

_CONTINUATION = range(0x80, 0xC0)
_HEX = frozenset(b"0123456789abcdefABCDEF")
_ESCAPED = frozenset(b'"\\/bfnrtu')
# After a lead byte: the bytes that UTF-8 demands (RFC 3629, section 4), surrogates and overlong forms excluded.
_LEADS: tuple[tuple[range, tuple], ...] = (
    (range(0xC2, 0xE0), (_CONTINUATION,)),
    (range(0xE0, 0xE1), (range(0xA0, 0xC0), _CONTINUATION)),
    (range(0xED, 0xEE), (range(0x80, 0xA0), _CONTINUATION)),
    (range(0xE1, 0xF0), (_CONTINUATION, _CONTINUATION)),
    (range(0xF0, 0xF1), (range(0x90, 0xC0), _CONTINUATION, _CONTINUATION)),
    (range(0xF1, 0xF4), (_CONTINUATION, _CONTINUATION, _CONTINUATION)),
    (range(0xF4, 0xF5), (range(0x80, 0x90), _CONTINUATION, _CONTINUATION)),
)
# \u is only offered for control characters, which JSON cannot write otherwise; so no surrogate can be written alone.
_UNICODE_ESCAPE = (frozenset(b"0"), frozenset(b"0"), frozenset(b"01"), _HEX)


def _walk_string(pending: tuple, written: bytes) -> tuple[tuple, int] | None:
    """The string automaton over bytes: (pending byte sets after, characters completed); None if it has no way on."""
    characters = 0
    for byte in written:
        if pending:
            if byte not in pending[0]:
                return None
            pending = _UNICODE_ESCAPE if pending[0] is _ESCAPED and byte == ord("u") else pending[1:]
        elif byte == ord("\\"):
            pending = (_ESCAPED,)
        elif byte < 0x80:
            if byte < 0x20 or byte == ord('"'):
                return None
        else:
            pending = next((after for lead, after in _LEADS if byte in lead), ())
            if not pending:
                return None
        characters += not pending
    return pending, characters


def _prune_dead_ends(table: dict[tuple, dict[tuple, list[int]]]) -> dict[tuple, dict[tuple, list[int]]]:
    """Drop edges into states from which the vocabulary cannot finish the character."""
    alive = {()}
    while grown := {s for s in table if s not in alive and any(to in alive for to, _ in table[s])}:
        alive |= grown
    return {s: {end: ids for end, ids in table[s].items() if end[0] in alive} for s in alive}


@lru_cache(maxsize=1024)
def string(vocabulary: Vocabulary, min_length: int = 0, max_length: int | None = None) -> Automaton:
    """The inside of a JSON string (without its quotes) of `min_length` to `max_length` characters.

    States are (pending bytes, characters so far); the count stops at `min_length` when there is no maximum.
    """

    def edges(state: tuple) -> Edges:
        pending, count = state
        if max_length is None and count == min_length == 0:
            merged: dict[tuple, TokenClass] = _merged_string_edges(vocabulary)[pending]
            return tuple((group, (to, 0)) for to, group in merged.items())
        found = []
        for (to, characters), group in vocabulary.string_edges[pending].items():
            # A character in progress will still be counted when it is complete.
            reached = count + characters
            if max_length is not None and reached + (to != ()) > max_length:
                continue
            found.append((group, (to, reached if max_length is not None else min(reached, min_length))))
        return tuple(found)

    return Automaton(((), 0), edges, lambda state: state[0] == () and state[1] >= min_length)


@lru_cache(maxsize=16)
def _merged_string_edges(vocabulary: Vocabulary) -> dict[tuple, dict[tuple, TokenClass]]:
    """`string_edges` without the character counts: the common case, with few, large classes."""
    merged: dict[tuple, dict[tuple, TokenClass]] = {}
    for state, targets in vocabulary.string_edges.items():
        ids: dict[tuple, list[int]] = {}
        for (to, _), group in targets.items():
            ids.setdefault(to, []).extend(group.ids)
        merged[state] = {to: TokenClass(sorted(members)) for to, members in ids.items()}
    return merged


# --------------------------------------------------------------------------------------------------------------------
# Numbers
# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Magnitude:
    """A bound on |x| as its decimal digits; `strict` excludes the bound itself."""

    whole: str
    fraction: str
    strict: bool

    @classmethod
    def of(cls, value: Decimal, strict: bool) -> "_Magnitude":
        whole, _, fraction = f"{value:f}".partition(".")
        return cls(whole.lstrip("0") or "0", fraction.rstrip("0"), strict)


@dataclass(frozen=True)
class _Digits:
    """How far a number has been written, and how it compares with the two bounds on its magnitude so far."""

    phase: str = "start"  # start, sign, zero (a leading 0), whole, point, fraction
    negative: bool = False
    count: int = 0  # digits
    places: int = 0  # digits after the point, as far as a bound has any
    low: int = 0  # comparison of the digits so far with the lower bound's, -1 / 0 / 1
    high: int = 0


@lru_cache(maxsize=1024)
def number(
    vocabulary: Vocabulary,
    low: Decimal | None = None,
    high: Decimal | None = None,
    low_strict: bool = False,
    high_strict: bool = False,
    integer: bool = False,
) -> Automaton:
    """JSON numbers between two bounds, without exponents.

    Decimals have at most 15 digits, so that the double that a reader makes of the text compares with the bounds as the
    text does. Integers are bounded by the budget alone.

    Raises:
        ValueError: no number lies between the bounds.
    """
    zero = Decimal(0)
    bounds: dict[bool, tuple[_Magnitude | None, _Magnitude | None]] = {}
    if high is None or high > zero or (high == zero and not high_strict):
        bounds[False] = (
            _Magnitude.of(low, low_strict) if low is not None and low >= zero else None,
            _Magnitude.of(high, high_strict) if high is not None else None,
        )
    if low is None or low < zero:
        bounds[True] = (
            _Magnitude.of(-high, high_strict) if high is not None and high <= zero else None,
            _Magnitude.of(-low, low_strict) if low is not None else None,
        )
    widest = max((len(b.whole) for pair in bounds.values() for b in pair if b), default=0)
    finest = max((len(b.fraction) for pair in bounds.values() for b in pair if b), default=0)

    def compare(order: int, digit: str, bound: _Magnitude | None, at: int, in_fraction: bool) -> int:
        digits = (bound.fraction if in_fraction else bound.whole) if bound else ""
        if order:
            return order
        other = digits[at] if at < len(digits) else "0" if in_fraction else digit
        return (digit > other) - (digit < other)

    def settled(order: int, count: int, bound: _Magnitude) -> int:
        """The comparison of the whole parts once the last digit before the point is known."""
        return order if count == len(bound.whole) else (count > len(bound.whole)) - (count < len(bound.whole))

    def step(state: _Digits, byte: int) -> _Digits | None:
        char = chr(byte)
        if char == "-":
            return _Digits("sign", True) if state.phase == "start" and True in bounds else None
        if state.phase == "start" and False not in bounds:
            return None
        if state.negative not in bounds:
            return None
        lower, upper = bounds[state.negative]
        if char == ".":
            if integer or state.phase not in ("zero", "whole"):
                return None
            return _Digits(
                "point",
                state.negative,
                state.count,
                0,
                settled(state.low, state.count, lower) if lower else 1,
                settled(state.high, state.count, upper) if upper else -1,
            )
        if state.phase == "zero":
            return None
        if state.phase in ("start", "sign", "whole"):
            count = state.count + 1
            if not integer and count > DECIMAL_DIGITS:
                return None
            return _Digits(
                "zero" if state.count == 0 and char == "0" else "whole",
                state.negative,
                min(count, widest + 1) if integer else count,
                0,
                compare(state.low, char, lower, state.count, False),
                compare(state.high, char, upper, state.count, False),
            )
        if state.count >= DECIMAL_DIGITS:
            return None
        return _Digits(
            "fraction",
            state.negative,
            state.count + 1,
            min(state.places + 1, finest),
            compare(state.low, char, lower, state.places, True),
            compare(state.high, char, upper, state.places, True),
        )

    def accepting(state: _Digits) -> bool:
        if state.phase not in ("zero", "whole", "fraction"):
            return False
        lower, upper = bounds[state.negative]
        orders = []
        for order, bound in ((state.low, lower), (state.high, upper)):
            if bound is None:
                orders.append(None)
                continue
            if state.phase != "fraction":
                order = settled(order, state.count, bound)
            if order == 0 and state.places < len(bound.fraction):
                order = -1
            orders.append(order)
        low_ok = lower is None or orders[0] > 0 or (orders[0] == 0 and not lower.strict)
        high_ok = upper is None or orders[1] < 0 or (orders[1] == 0 and not upper.strict)
        return low_ok and high_ok

    if not bounds or finest > DECIMAL_DIGITS:
        raise ValueError("no number that a double can hold exactly lies between the bounds")
    return bytewise(vocabulary, _Digits(), step, accepting, frozenset(b"-0123456789" if integer else b"-.0123456789"))


def bytewise(
    vocabulary: Vocabulary,
    start: State,
    step: Callable[[Any, int], State | None],
    accepting: Callable[[Any], bool],
    alphabet: frozenset[int],
) -> Automaton:
    """Lift a finite deterministic automaton over bytes to the tokens of the vocabulary.

    States that cannot reach acceptance are removed first, so no filler can walk into a dead end.

    Raises:
        ValueError: the language is empty.
    """
    table: dict[State, dict[int, State]] = {}
    todo = [start]
    while todo:
        state = todo.pop()
        if state in table:
            continue
        table[state] = {byte: to for byte in sorted(alphabet) if (to := step(state, byte)) is not None}
        todo += table[state].values()
    alive = {state for state in table if accepting(state)}
    while grown := {s for s in table if s not in alive and any(to in alive for to in table[s].values())}:
        alive |= grown
    if start not in alive:
        raise ValueError("no value satisfies the bounds")

    def edges(state: State) -> Edges:
        targets: dict[State, list[int]] = {}
        for id, written in vocabulary.spelled(alphabet):
            at: State | None = state
            for byte in written:
                at = table[at].get(byte)
                if at is None or at not in alive:
                    break
            else:
                targets.setdefault(at, []).append(id)
        return tuple((TokenClass(ids), to) for to, ids in targets.items())

    return Automaton(start, edges, accepting)


# --------------------------------------------------------------------------------------------------------------------
# Combinations
# --------------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def literal(vocabulary: Vocabulary, text: str) -> Automaton:
    """Exactly this text, in the tokenizer's own tokenization."""
    ids = vocabulary.encode(text)

    def edges(at: int) -> Edges:
        return ((vocabulary.token_class(ids[at]), at + 1),) if at < len(ids) else ()

    return Automaton(0, edges, lambda at: at == len(ids))


@lru_cache(maxsize=1024)
def one_of(vocabulary: Vocabulary, texts: tuple[str, ...]) -> Automaton:
    """One of these texts, as a tree of their tokens; linear in the texts' total length."""
    root: dict = {}
    nodes = [root]
    ends = set()
    for text in texts:
        node = root
        for id in vocabulary.encode(text):
            if id not in node:
                nodes.append({})
                node[id] = (len(nodes) - 1, nodes[-1])
            number, node = node[id]
        ends.add(number if node is not root else 0)

    def edges(at: int) -> Edges:
        return tuple((vocabulary.token_class(id), number) for id, (number, _) in nodes[at].items())

    return Automaton(0, edges, ends.__contains__)


def union(*languages: Automaton) -> Automaton:
    """Any of the languages."""

    def edges(state: tuple) -> Edges:
        if state == ():
            return tuple((g, (k, to)) for k, part in enumerate(languages) for g, to in part.edges(part.start))
        k, at = state
        return tuple((group, (k, to)) for group, to in languages[k].edges(at))

    def accepting(state: tuple) -> bool:
        if state == ():
            return any(part.accepting(part.start) for part in languages)
        return languages[state[0]].accepting(state[1])

    return Automaton((), edges, accepting)


def concat(*languages: Automaton) -> Automaton:
    """The languages one after the other. States are (which part, its state)."""

    def edges(state: tuple) -> Edges:
        k, at = state
        found = [(group, (k, to)) for group, to in languages[k].edges(at)]
        while languages[k].accepting(at) and k + 1 < len(languages):
            k, at = k + 1, languages[k + 1].start
            found += [(group, (k, to)) for group, to in languages[k].edges(at)]
        return tuple(found)

    def accepting(state: tuple) -> bool:
        k, at = state
        rest = languages[k + 1 :]
        return languages[k].accepting(at) and all(part.accepting(part.start) for part in rest)

    return Automaton((0, languages[0].start), edges, accepting)


def repeat(item: Automaton, low: int, high: int | None) -> Automaton:
    """`low` to `high` (None: any number) strings of `item`, which must not hold the empty string.

    States are (items begun, item's state); the count stops at `low` when there is no maximum.
    """

    def begin(count: int) -> list:
        if high is not None and count >= high:
            return []
        following = count + 1 if high is not None or count < low else max(low, 1)
        return [(group, (following, to)) for group, to in item.edges(item.start)]

    def edges(state: tuple) -> Edges:
        if state == ():
            return tuple(begin(0))
        count, at = state
        found = [(group, (count, to)) for group, to in item.edges(at)]
        return tuple(found + begin(count)) if item.accepting(at) else tuple(found)

    def accepting(state: tuple) -> bool:
        return low == 0 if state == () else state[0] >= low and item.accepting(state[1])

    return Automaton((), edges, accepting)
