"""The languages of JSON strings and numbers. No torch.

Both are over *bytes*: a token that ends in the middle of a UTF-8 character, or of an escape, leads to a state that
demands the rest of it.

```python
>>> accepts(number(vocabulary, low=Decimal(0), high=Decimal(23), integer=True), vocabulary.encode("24"))
False
```
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from .language_lafunc import Automaton, Edges, bytewise
from .vocabulary_lafunc import TokenClass, Vocabulary, remembered

# A decimal of at most this many digits survives text -> double -> text, so comparing doubles equals comparing texts.
DECIMAL_DIGITS = 15

# --------------------------------------------------------------------------------------------------------------------
# Strings
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


def _step_string(pending: tuple, byte: int) -> tuple | None:
    """The string automaton: the sets of bytes that must follow after this one; None if it may not stand here."""
    if pending:
        if byte not in pending[0]:
            return None
        return _UNICODE_ESCAPE if pending[0] is _ESCAPED and byte == ord("u") else pending[1:]
    if byte == ord("\\"):
        return (_ESCAPED,)
    if byte < 0x80:
        return None if byte < 0x20 or byte == ord('"') else ()
    return next((after for lead, after in _LEADS if byte in lead), None)


def _prune_dead_ends(table: dict[tuple, dict[tuple, TokenClass]]) -> dict[tuple, dict[tuple, TokenClass]]:
    """Drop edges into states from which the vocabulary cannot finish the character."""
    alive = {()}
    while grown := {s for s in table if s not in alive and any(to in alive for to, _ in table[s])}:
        alive |= grown
    return {s: {end: ids for end, ids in table[s].items() if end[0] in alive} for s in alive}


@remembered
def _string_edges(vocabulary: Vocabulary) -> dict[tuple, dict[tuple, TokenClass]]:
    """Inside a JSON string: pending bytes -> {(pending bytes after, characters completed): tokens}."""
    follow = vocabulary.follower(_step_string, lambda state: state == ())
    table: dict[tuple, dict[tuple, TokenClass]] = {}
    todo: list[tuple] = [()]
    while todo:
        state = todo.pop()
        if state not in table:
            table[state] = {(to, characters): group for group, to, characters in follow(state)}
            todo += [pending for pending, _ in table[state]]
    return _prune_dead_ends(table)


@remembered
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
        for (to, characters), group in _string_edges(vocabulary)[pending].items():
            # A character in progress will still be counted when it is complete.
            reached = count + characters
            if max_length is not None and reached + (to != ()) > max_length:
                continue
            found.append((group, (to, reached if max_length is not None else min(reached, min_length))))
        return tuple(found)

    return Automaton(((), 0), edges, lambda state: state[0] == () and state[1] >= min_length)


@remembered
def _merged_string_edges(vocabulary: Vocabulary) -> dict[tuple, dict[tuple, TokenClass]]:
    """`_string_edges` without the character counts: the common case, with few, large classes."""
    merged: dict[tuple, dict[tuple, TokenClass]] = {}
    for state, targets in _string_edges(vocabulary).items():
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


class _Digits(NamedTuple):
    """How far a number has been written, and how it compares with the two bounds on its magnitude so far."""

    phase: str = "start"  # start, sign, zero (a leading 0), whole, point, fraction
    negative: bool = False
    digits: int = 0
    places: int = 0  # digits after the point, as far as a bound or a divisor has any
    low: int = 0  # comparison of the digits so far with the lower bound's, -1 / 0 / 1
    high: int = 0
    rest: int = 0  # of the digits so far, divided by `multiple`


@remembered
def number(
    vocabulary: Vocabulary,
    low: Decimal | None = None,
    high: Decimal | None = None,
    low_strict: bool = False,
    high_strict: bool = False,
    integer: bool = False,
    multiple: int = 1,
    decimals: int = 0,
) -> Automaton:
    """JSON numbers between two bounds, without exponents.

    Where a bound itself is excluded, decimals have at most 15 digits, so that the double that a reader makes of the
    text compares with the bounds as the text does; otherwise rounding keeps the order, and they have at most 40.
    Integers are bounded by the budget alone.

    Args:
        multiple, decimals: the number is a multiple of `multiple` once its point is moved by `decimals`; with
            `decimals`, it has at most so many digits after the point.

    Raises:
        ValueError: no number lies between the bounds.
    """
    zero = Decimal(0)
    most = DECIMAL_DIGITS if low_strict or high_strict or decimals else 40
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
                state.digits,
                0,
                settled(state.low, state.digits, lower) if lower else 1,
                settled(state.high, state.digits, upper) if upper else -1,
                state.rest,
            )
        if state.phase == "zero":
            return None
        rest = (10 * state.rest + int(char)) % multiple
        if state.phase in ("start", "sign", "whole"):
            count = state.digits + 1
            if not integer and count > most:
                return None
            return _Digits(
                "zero" if state.digits == 0 and char == "0" else "whole",
                state.negative,
                min(count, widest + 1) if integer else count,
                0,
                compare(state.low, char, lower, state.digits, False),
                compare(state.high, char, upper, state.digits, False),
                rest,
            )
        if state.digits >= most or (decimals and state.places >= decimals):
            return None
        return _Digits(
            "fraction",
            state.negative,
            state.digits + 1,
            min(state.places + 1, max(finest, decimals)),
            compare(state.low, char, lower, state.places, True),
            compare(state.high, char, upper, state.places, True),
            rest,
        )

    def accepting(state: _Digits) -> bool:
        if state.phase not in ("zero", "whole", "fraction"):
            return False
        if multiple > 1 and state.rest * 10 ** (decimals - state.places) % multiple:
            return False
        lower, upper = bounds[state.negative]

        def order(so_far: int, bound: _Magnitude) -> int:
            """The comparison of the number as it stands with a bound."""
            if state.phase != "fraction":
                so_far = settled(so_far, state.digits, bound)
            return -1 if so_far == 0 and state.places < len(bound.fraction) else so_far

        low_ok = lower is None or order(state.low, lower) >= lower.strict
        return low_ok and (upper is None or order(state.high, upper) <= -upper.strict)

    if not bounds or finest > most:
        raise ValueError(f"no number of at most {most} digits lies between the bounds")
    found = bytewise(vocabulary, _Digits(), step, accepting, frozenset(b"-0123456789" if integer else b"-.0123456789"))
    both = low is not None and high is not None
    if widest + finest < most and multiple == 1 and not (integer and finest):
        # The bounds can be written themselves, and with one digit more a number between them.
        empty = both and (low > high or (low == high and (low_strict or high_strict)))  # type: ignore[operator]
    elif integer and not finest:
        empty = both and -(-int(low) // multiple) * multiple > high  # type: ignore[arg-type, operator]
    else:
        empty = not found.edges(found.start)
    if empty:
        raise ValueError("no value that can be written satisfies the bounds")
    return found
