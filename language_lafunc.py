"""Slot languages: which token strings a slot may hold, as automata over a tokenizer's vocabulary. No torch.

A JSON value has infinitely many texts and every text has many tokenizations; a filler may only choose among those that
the schema allows. An [`Automaton`] answers, for a state, "which classes of tokens may come next, and where do they
lead?" Edges are computed when they are first asked for, so a language costs what its visited states cost.

```python
>>> language = concat(literal(vocabulary, ' "'), string(vocabulary, max_length=8))  # `string`: see literals_lafunc.py
>>> accepts(language, vocabulary.encode(' "Tokyo'))
True
```

Automata may be nondeterministic: readers carry a set of states.
"""

from collections.abc import Callable, Hashable, Iterable
from functools import cache, cached_property, wraps
from typing import Any
from weakref import WeakValueDictionary

from .vocabulary_lafunc import TokenClass, Vocabulary, remembered, siblings

State = Hashable
BEGIN = ("before a deferred language",)
Edges = tuple[tuple[TokenClass, State], ...]


class Automaton:
    """A language of token strings.

    Args:
        start: the initial state.
        edges: state -> ((token class, next state), …); called once per state.
        accepting: state -> may the string end here? Called once per state, too.
        after: (state, token) -> the next states, where that is faster than to look through the edges.
    """

    def __init__(
        self,
        start: State,
        edges: Callable[[Any], Edges],
        accepting: Callable[[Any], bool],
        after: Callable[[Any, int], Iterable[State]] | None = None,
    ):
        self.start = start
        self.accepting = cache(accepting)
        self._edges, self._after = edges, after
        self._known: dict[State, Edges] = {}

    def edges(self, state: State) -> Edges:
        if state not in self._known:
            self._known[state] = self._edges(state)
        return self._known[state]

    def after(self, state: State, token: int) -> Iterable[State]:
        """The states to which a token leads from one."""
        if self._after is not None:
            return self._after(state, token)
        return [to for group, to in self.edges(state) if token in group.members]

    def step(self, states: frozenset, token: int) -> frozenset:
        """The states after `token`, empty if the language forbids it."""
        return frozenset(to for state in states for to in self.after(state, token))

    @cached_property
    def forced(self) -> list[int]:
        """The tokens with which every string begins."""
        tokens: list[int] = []
        states = frozenset([self.start])
        while not any(self.accepting(state) for state in states):
            following = {token for state in states for group, _ in self.edges(state) for token in group.ids[:2]}
            if len(following) > 1:
                break
            tokens += following
            states = self.step(states, tokens[-1])
        return tokens

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

    def nearest(self, states: frozenset) -> list[TokenClass]:
        """The classes of tokens with which the shortest token strings begin that lead from `states`, none of which is
        accepting, to an accepting state.
        """
        ways = [(len(self.shortest(frozenset([to]))), group) for state in states for group, to in self.edges(state)]
        least = min(length for length, _ in ways)
        return list(dict.fromkeys(group for length, group in ways if length == least))

    def spell(self, text: bytes, vocabulary: Vocabulary) -> list[int] | None:
        """A string of the language that writes this text, in as few tokens as there are; None if there is none."""
        # By length of text: state -> (how many tokens, the last one, where and in which state that began)
        known: list[dict[State, tuple[int, int, int, State]]] = [{} for _ in range(len(text) + 1)]
        known[0][self.start] = (0, -1, -1, None)
        for at, states in enumerate(known[:-1]):
            for token, end in vocabulary.tokens_at(text, at) if states else ():
                for state, (count, *_) in states.items():
                    for to in self.after(state, token):
                        if known[end].get(to, (count + 2,))[0] > count + 1:
                            known[end][to] = (count + 1, token, at, state)
        ends = [(found[0], state) for state, found in known[-1].items() if self.accepting(state)]
        if not ends:
            return None
        at, state, written = len(text), min(ends, key=lambda end: end[0])[1], []
        while at:
            _, token, at, state = known[at][state]
            written.append(token)
        return written[::-1]


Look = Callable[[Automaton, State], Iterable[tuple[Any, State]]]  # (part, its state) -> (what is read, next state)


def _combined(
    start: State, ways: Callable[[Any, Look], Iterable[tuple[Any, State]]], accepting: Callable[[Any], bool]
) -> Automaton:
    """A language made of others, through which `ways` only looks by the function that it is given."""

    def after(state: State, token: int) -> list[State]:
        def look(part: Automaton, at: State) -> Iterable[tuple[Any, State]]:
            return ((None, to) for to in part.after(at, token))

        return [to for _, to in ways(state, look)]

    return Automaton(start, lambda state: tuple(ways(state, Automaton.edges)), accepting, after)


def accepts(language: Automaton, tokens: Iterable[int]) -> bool:
    """Whether the language holds exactly this token string."""
    states = frozenset([language.start])
    for token in tokens:
        states = language.step(states, token)
    return any(language.accepting(state) for state in states)


_COMBINED: WeakValueDictionary[tuple, Automaton] = WeakValueDictionary()  # as long as a tool uses them


def _shared(combine: Callable[..., Automaton]) -> Callable[..., Automaton]:
    """The same languages, combined in the same way, are one automaton: its states are explored once for all slots."""

    @wraps(combine)
    def wrapped(*args: Automaton | int | None) -> Automaton:
        # By id: keys that held the parts would keep whole vocabularies. An automaton holds its parts, so while its
        # entry lives, no other part has such an id.
        key = (combine, *(id(part) if isinstance(part, Automaton) else part for part in args))
        automaton = _COMBINED.get(key)
        if automaton is None:
            automaton = _COMBINED[key] = combine(*args)
        return automaton

    return wrapped


@remembered
def literal(vocabulary: Vocabulary, text: str) -> Automaton:
    """Exactly this text, in the tokenizer's own tokenization."""
    ids = vocabulary.encode(text)

    def edges(at: int) -> Edges:
        return ((vocabulary.token_class(ids[at]), at + 1),) if at < len(ids) else ()

    return Automaton(0, edges, lambda at: at == len(ids))


@remembered
def one_of(vocabulary: Vocabulary, texts: tuple[str, ...]) -> Automaton:
    """One of these texts, as a tree of their tokens; linear in the texts' total length."""

    @cache
    def tree() -> tuple[list[dict], set[int]]:
        root: dict = {}
        nodes, ends = [root], set()
        for ids in vocabulary.encode_all(texts):
            node, number = root, 0
            for id in ids:
                if id not in node:
                    nodes.append({})
                    node[id] = (len(nodes) - 1, nodes[-1])
                number, node = node[id]
            ends.add(number)
        return nodes, ends

    def edges(at: int) -> Edges:
        ways = tree()[0][at]
        groups = siblings(vocabulary, tuple(ways))
        return tuple((group, number) for group, (number, _) in zip(groups, ways.values(), strict=True))

    return Automaton(0, edges, lambda at: at in tree()[1])


def deferred(build: Callable[[], Automaton]) -> Automaton:
    """A language that is built when its first edges are asked for."""
    made = cache(build)

    def ways(state: State, look: Look) -> Iterable:
        return look(made(), made().start if state is BEGIN else state)

    return _combined(BEGIN, ways, lambda state: made().accepting(made().start if state is BEGIN else state))


@_shared
def union(*languages: Automaton) -> Automaton:
    """Any of the languages."""

    def ways(state: tuple, look: Look) -> Iterable:
        if state == ():
            return tuple((g, (k, to)) for k, part in enumerate(languages) for g, to in look(part, part.start))
        k, at = state
        return tuple((group, (k, to)) for group, to in look(languages[k], at))

    def accepting(state: tuple) -> bool:
        if state == ():
            return any(part.accepting(part.start) for part in languages)
        return languages[state[0]].accepting(state[1])

    return _combined((), ways, accepting)


@_shared
def concat(*languages: Automaton) -> Automaton:
    """The languages one after the other. States are (which part, its state)."""

    def ways(state: tuple, look: Look) -> Iterable:
        k, at = state
        found = [(group, (k, to)) for group, to in look(languages[k], at)]
        while languages[k].accepting(at) and k + 1 < len(languages):
            k, at = k + 1, languages[k + 1].start
            found += [(group, (k, to)) for group, to in look(languages[k], at)]
        return tuple(found)

    def accepting(state: tuple) -> bool:
        k, at = state
        rest = languages[k + 1 :]
        return languages[k].accepting(at) and all(part.accepting(part.start) for part in rest)

    return _combined((0, languages[0].start), ways, accepting)


@_shared
def repeat(item: Automaton, low: int, high: int | None) -> Automaton:
    """`low` to `high` (None: any number) strings of `item`, which must not hold the empty string.

    States are (items begun, item's state); the count stops at `low` when there is no maximum.
    """

    def begin(count: int, look: Look) -> list:
        if high is not None and count >= high:
            return []
        following = count + 1 if high is not None or count < low else max(low, 1)
        return [(group, (following, to)) for group, to in look(item, item.start)]

    def ways(state: tuple, look: Look) -> Iterable:
        if state == ():
            return tuple(begin(0, look))
        count, at = state
        found = [(group, (count, to)) for group, to in look(item, at)]
        return tuple(found + begin(count, look)) if item.accepting(at) else tuple(found)

    def accepting(state: tuple) -> bool:
        return low == 0 if state == () else state[0] >= low and item.accepting(state[1])

    return _combined((), ways, accepting)


def record(
    first: tuple[Automaton, ...],
    following: tuple[Automaton, ...],
    required: tuple[bool, ...],
    low: int,
    high: int | None,
    empty: Automaton,
    end: Automaton,
) -> Automaton:
    """Members of an object: those declared in their order, each at most once, then others in any number.

    States are (which member, declared members so far, others so far, did it open the object, its state); "" is before
    the object and its end is ("", state of `end`).

    Args:
        first, following: each member as it opens the object, and as it follows another one.
        required: of the declared members; those beyond are the others.
        low, high: bounds on the number of members. Others may have equal keys, so they count as one towards `low`.
        empty: the object without members.
    """
    declared = len(required)
    needed = [sum(required[at:]) for at in range(declared + 1)]

    def counted(n: int) -> int:
        return n if high is not None else min(n, low)

    def begin(at: int, names: int, others: int, opening: bool, look: Look) -> list:
        found: list = []
        for j in range(at, len(following)):
            n, x = (
                (counted(names + 1), others)
                if j < declared
                else (names, min(others + 1, 1) if high is None else others + 1)
            )
            fits = high is None or n + x + (needed[j + 1] if j < declared else 0) <= high
            # Whoever writes this one must still be able to reach `low`.
            most = n + (declared - j - 1 + (len(following) > declared) if j < declared else 1)
            if fits and (high is None and low == 0 or most >= low):
                part = first[j] if opening else following[j]
                found += [(group, (j, n, x, opening, to)) for group, to in look(part, part.start)]
            if j < declared and required[j]:
                return found
        if at <= declared and needed[min(at, declared)]:
            return found
        if names + min(others, 1) >= low:
            part = empty if opening else end
            found += [(group, ("", opening, to)) for group, to in look(part, part.start)]
        return found

    def ways(state: Any, look: Look) -> Iterable:
        if state == "":
            return tuple(begin(0, 0, 0, True, look))
        if state[0] == "":
            _, opening, at = state
            part = empty if opening else end
            return tuple((group, ("", opening, to)) for group, to in look(part, at))
        j, names, others, opening, at = state
        part = first[j] if opening else following[j]
        found = [(group, (j, names, others, opening, to)) for group, to in look(part, at)]
        if part.accepting(at):
            found += begin(min(j + 1, declared), names, others, False, look)
        return tuple(found)

    def accepting(state: Any) -> bool:
        return state != "" and state[0] == "" and (empty if state[1] else end).accepting(state[2])

    return _combined("", ways, accepting)


def arrangements(
    first: tuple[Automaton, ...], following: tuple[Automaton, ...], low: int, high: int | None
) -> Automaton:
    """`low` to `high` different ones of some texts, in any order; low is at least 1.

    States are (those written, the one being written, its state).
    """
    most = len(first) if high is None else min(high, len(first))

    def ways(state: Any, look: Look) -> Iterable:
        if state == ():
            return tuple(
                (g, (frozenset([k]), k, to)) for k, part in enumerate(first) for g, to in look(part, part.start)
            )
        written, k, at = state
        part = first[k] if len(written) == 1 else following[k]
        found = [(group, (written, k, to)) for group, to in look(part, at)]
        if part.accepting(at) and len(written) < most:
            for other, part in enumerate(following):
                if other not in written:
                    found += [(group, (written | {other}, other, to)) for group, to in look(part, part.start)]
        return tuple(found)

    def accepting(state: Any) -> bool:
        if state == ():
            return False
        written, k, at = state
        return len(written) >= low and (first[k] if len(written) == 1 else following[k]).accepting(at)

    return _combined((), ways, accepting)


def bytewise(
    vocabulary: Vocabulary,
    start: State,
    step: Callable[[Any, int], State | None],
    accepting: Callable[[Any], bool],
    alphabet: frozenset[int],
) -> Automaton:
    """Lift a finite deterministic automaton over bytes to the tokens of the vocabulary.

    States that cannot reach acceptance are left out, so no filler can walk into a dead end. They are found when the
    first edges are asked for; an empty language has none.
    """

    @cache
    def table() -> dict[State, dict[int, State]]:
        found: dict[State, dict[int, State]] = {}
        origins: dict[State, list[State]] = {start: []}
        todo = [start]
        while todo:
            state = todo.pop()
            if state in found:
                continue
            found[state] = {byte: to for byte in sorted(alphabet) if (to := step(state, byte)) is not None}
            for to in found[state].values():
                origins.setdefault(to, []).append(state)
                todo.append(to)
        alive = {state for state in found if accepting(state)}
        todo = list(alive)
        while todo:
            further = set(origins[todo.pop()]) - alive
            alive |= further
            todo += further
        return {
            state: {byte: to for byte, to in ways.items() if to in alive}
            for state, ways in found.items()
            if state in alive
        }

    def edges(state: State) -> Edges:
        known = table()
        targets: dict[State, list[int]] = {}
        for id, written in vocabulary.spelled(alphabet) if state in known else ():
            at: State | None = state
            for byte in written:
                at = known[at].get(byte)
                if at is None:
                    break
            else:
                targets.setdefault(at, []).append(id)
        return tuple((TokenClass(ids), to) for to, ids in targets.items())

    return Automaton(start, edges, accepting)
