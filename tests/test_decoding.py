"""Decoding: the best string of a slot's language, and what a denoising step commits."""

import gc
import itertools
import math
import random
import time
import weakref

import pytest
import torch
from conftest import examples, tool_of
from hypothesis import given, settings
from hypothesis import strategies as st

from lafunc.compiling_lafunc import compile_tool
from lafunc.diffusion_lafunc import _GRAPHS, MASK, NULL, SCHEDULES, Blank, best_strings, commit
from lafunc.language_lafunc import Automaton, accepts
from lafunc.vocabulary_lafunc import TokenClass

# --------------------------------------------------------------------------------------------------------------------
# The best string
# --------------------------------------------------------------------------------------------------------------------

TOKENS = 4  # of the toy vocabulary; column 4 is <NULL>


def random_automaton(chance: random.Random) -> Automaton:
    """Nondeterministic, with overlapping token classes, dead ends and loops."""
    states = range(chance.randint(1, 4))
    table = {
        state: tuple(
            (TokenClass(chance.sample(range(TOKENS), chance.randint(1, 3))), chance.choice(states))
            for _ in range(chance.randint(0, 3))
        )
        for state in states
    }
    accepting = {state for state in states if chance.random() < 0.4}
    return Automaton(0, table.__getitem__, accepting.__contains__)


def best_string(language: Automaton, log_probs: torch.Tensor, optional: bool, standing=None):
    """`best_strings` of one slot, wholly masked unless something stands."""
    (found,) = best_strings([Blank(language, standing or [MASK] * len(log_probs), optional)], log_probs)
    return found


def by_walking(language: Automaton, log_probs: torch.Tensor, optional: bool) -> tuple[list[int], float] | None:
    """`best_string` as plainly as it can be written: a dict of the states reached, one position after another."""
    rows = log_probs.tolist()
    tail = [sum(row[-1] for row in rows[at:]) for at in range(len(rows) + 1)]
    ends = [(tail[0], [])] if optional or language.accepting(language.start) else []
    frontier = {language.start: (0.0, [])}
    for at, row in enumerate(rows):
        reached: dict = {}
        for state, (score, written) in frontier.items():
            for group, to in language.edges(state):
                token = max(group.ids, key=row.__getitem__)
                if score + row[token] > reached.get(to, (-math.inf,))[0]:
                    reached[to] = (score + row[token], [*written, token])
        frontier = reached
        ends += [(s + tail[at + 1], written) for to, (s, written) in reached.items() if language.accepting(to)]
    score, tokens = max(ends, key=lambda end: end[0], default=(-math.inf, []))
    return None if score == -math.inf else (tokens, score)


def by_brute_force(language: Automaton, log_probs: torch.Tensor, optional: bool) -> float:
    """The score of the best filling, -inf if there is none."""
    length, best = len(log_probs), -math.inf
    for count in range(length + 1):
        for tokens in itertools.product(range(TOKENS), repeat=count):
            if accepts(language, tokens) or (optional and not tokens):
                best = max(best, score_of(tokens, log_probs))
    return best


def score_of(tokens, log_probs: torch.Tensor) -> float:
    filling = [*tokens, *[TOKENS] * (len(log_probs) - len(tokens))]
    return sum(float(log_probs[at, token]) for at, token in enumerate(filling))


@pytest.mark.parametrize("optional", [False, True])
@pytest.mark.parametrize("committed", [0, 1, 2])
def test_the_best_string_is_the_best_of_all_strings(optional, committed):
    for seed in range(150):
        chance = random.Random(seed)
        language, length = random_automaton(chance), chance.randint(1, 4)
        chances = torch.Generator().manual_seed(seed)
        log_probs = (torch.randn(length, TOKENS + 1, generator=chances) * 2).log_softmax(-1)
        for at in chance.sample(range(length), min(committed, length)):
            only = chance.randrange(TOKENS + 1)
            log_probs[at] = torch.full((TOKENS + 1,), -math.inf).index_fill(0, torch.tensor(only), 0.0)
        expected = by_brute_force(language, log_probs, optional)
        found = best_string(language, log_probs, optional)
        if expected == -math.inf:
            assert found is None
            continue
        tokens, score = found
        assert accepts(language, tokens) or (optional and not tokens)
        assert score == pytest.approx(expected, abs=1e-4)
        assert score_of(tokens, log_probs) == pytest.approx(expected, abs=1e-4)


def test_a_slot_without_room_for_any_string_has_no_best_string():
    language = Automaton(
        0, lambda state: ((TokenClass([1]), state + 1),) if state < 3 else (), lambda state: state == 3
    )
    uniform = torch.full((2, TOKENS + 1), -1.0)
    assert best_string(language, uniform, optional=False) is None
    assert best_string(language, uniform, optional=True) == ([], -2.0)


@st.composite
def slots(draw) -> tuple[Automaton, list[list[float]], bool]:
    """An automaton over the toy vocabulary, a score per token and position (often forbidden), optional or not."""
    states = draw(st.integers(1, 5))
    group = st.sets(st.integers(0, TOKENS - 1), min_size=1).map(TokenClass)
    edge = st.tuples(group, st.integers(0, states - 1))
    table = draw(st.lists(st.lists(edge, max_size=4), min_size=states, max_size=states))
    accepting = draw(st.sets(st.integers(0, states - 1)))
    score = st.just(-math.inf) | st.floats(-20, 0, width=32)
    rows = st.lists(st.lists(score, min_size=TOKENS + 1, max_size=TOKENS + 1), min_size=1, max_size=6)
    return Automaton(0, lambda at: tuple(table[at]), accepting.__contains__), draw(rows), draw(st.booleans())


@settings(**examples(200), deadline=None)
@given(st.lists(slots(), min_size=1, max_size=4))
def test_slots_decoded_together_get_what_each_gets_alone(drawn):
    blanks = [Blank(language, [MASK] * len(rows), optional) for language, rows, optional in drawn]
    together = best_strings(blanks, torch.tensor([row for _, rows, _ in drawn for row in rows]))
    for found, (language, rows, optional) in zip(together, drawn, strict=True):
        expected = by_walking(language, torch.tensor(rows), optional)
        if expected is None:
            assert found is None
            continue
        assert accepts(language, found[0]) or (optional and not found[0])
        assert found[1] == pytest.approx(expected[1], abs=1e-6)
        assert score_of(found[0], torch.tensor(rows)) == pytest.approx(expected[1], abs=1e-6)


@settings(**examples(200), deadline=None)
@given(slots(), st.data())
def test_what_stands_is_certain(drawn, data):
    language, rows, optional = drawn
    standing = data.draw(st.lists(st.just(MASK) | st.integers(-2, TOKENS - 1), min_size=len(rows), max_size=len(rows)))
    masked = [row for row, token in zip(rows, standing, strict=True) if token == MASK]
    found = best_string(language, torch.tensor(masked).view(-1, TOKENS + 1), optional, standing)
    certain = torch.tensor(rows)
    for at, token in enumerate(standing):
        if token != MASK:
            certain[at] = -math.inf
            certain[at, -1 if token == NULL else token] = 0.0
    expected = by_walking(language, certain, optional)
    assert (found is None) == (expected is None)
    if found is not None:
        assert found[1] == pytest.approx(expected[1], abs=1e-6)
        assert score_of(found[0], certain) == pytest.approx(expected[1], abs=1e-6)


def test_of_equally_probable_strings_a_shortest_is_chosen():
    some = Automaton(0, lambda at: ((TokenClass([2, 1]), 0),), lambda at: True)
    for _ in range(3):
        assert best_string(some, torch.full((3, TOKENS + 1), -1.0), optional=False) == ([], -3.0)


SCHEMAS = {
    "any": {},
    "map": {"type": "object"},
    "long string": {"type": "string", "maxLength": 300},
    "string": {"type": "string", "minLength": 3},
    "array": {"type": "array", "minItems": 2, "maxItems": 9, "items": {"type": ["number", "null"]}},
    "enum": {"enum": [f"member {at * 7919 % 5000}" for at in range(300)]},
    "number": {"type": "number", "minimum": -12.5, "maximum": 99.25},
}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_real_languages_are_decoded_as_by_walking(pair, schema):
    vocabulary = pair.processor.vocabulary
    tool = compile_tool(tool_of(SCHEMAS[schema], "a"), vocabulary)
    language = tool.arguments(0).members[0].node.language
    for seed in range(3):
        log_probs = torch.randn(12, len(vocabulary) + 1, generator=torch.Generator().manual_seed(seed)).mul(3)
        log_probs = log_probs.log_softmax(-1)
        expected, found = by_walking(language, log_probs, False), best_string(language, log_probs, False)
        assert found[0] == expected[0] and accepts(language, found[0])
        assert found[1] == pytest.approx(expected[1], abs=1e-6)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_no_language_is_slow(pair, schema):
    """Measured: a few milliseconds at most, once a language is known. The bound leaves room for busy machines."""
    vocabulary = pair.processor.vocabulary
    tool = compile_tool(tool_of(SCHEMAS[schema], "a"), vocabulary)
    language = tool.arguments(0).members[0].node.language
    log_probs = torch.randn(24, len(vocabulary) + 1).log_softmax(-1)
    seconds = []
    for _ in range(4):
        begin = time.process_time()
        best_string(language, log_probs, False)
        seconds.append(time.process_time() - begin)
    assert seconds[0] < 2 and min(seconds[1:]) < 0.05


def test_a_graph_is_freed_with_its_language():
    language = random_automaton(random.Random(0))
    best_string(language, torch.zeros(3, TOKENS + 1), True)
    known, gone = len(_GRAPHS), weakref.ref(language)
    del language
    gc.collect()
    assert gone() is None and len(_GRAPHS) < known


# --------------------------------------------------------------------------------------------------------------------
# Schedules
# --------------------------------------------------------------------------------------------------------------------

YES, NO = True, False
COMMITS = {
    # schedule, sure, entropy, open, steps left, expected
    "half of the open, the surest": ("confidence", [-3, -1, -2, -4], [9] * 4, [YES] * 4, 2, [NO, YES, YES, NO]),
    "rounded up": ("confidence", [-3, -1, -2], [9] * 3, [YES] * 3, 2, [NO, YES, YES]),
    "open ones only": ("confidence", [0, -5, -9, -7], [9] * 4, [NO, YES, YES, YES], 3, [YES, YES, NO, NO]),
    "ties in order": ("confidence", [-1] * 4, [9] * 4, [YES] * 4, 4, [YES, NO, NO, NO]),
    "-inf is least sure": ("confidence", [-math.inf, -1], [9] * 2, [YES] * 2, 2, [NO, YES]),
    "entropies within the bound": ("entropy_bound", [0] * 4, [0.6, 0.1, 2.0, 0.5], [YES] * 4, 2, [YES, YES, NO, YES]),
    "the one that exceeds it": ("entropy_bound", [0] * 3, [0.9, 0.9, 0.9], [YES] * 3, 2, [YES, YES, NO]),
    "at least one": ("entropy_bound", [0] * 3, [5.0, 4.0, 6.0], [YES] * 3, 2, [NO, YES, NO]),
    "committed ones do not count": ("entropy_bound", [0] * 3, [0.0, 7.0, 6.0], [NO, YES, YES], 2, [YES, NO, YES]),
    "keep 70 % of ten": (
        "conservative", [-9, -1, -2, -3, -4, -5, -6, -7, -8, -10], [9] * 10, [YES] * 10, 3, [NO] + [YES] * 7 + [NO] * 2
    ),
    "rounded up as well": ("conservative", [-1, -2, -3, -4], [9] * 4, [YES] * 4, 2, [YES, YES, YES, NO]),
    "committed ones may be revised": (
        "conservative", [-9, -1, -1, -1], [9] * 4, [NO, NO, NO, YES], 2, [NO, YES, YES, YES]
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", COMMITS)
def test_commit(case):
    schedule, sure, entropy, open, steps_left, expected = COMMITS[case]
    found = commit(
        schedule,
        torch.tensor(sure, dtype=torch.float),
        torch.tensor(entropy, dtype=torch.float),
        torch.tensor(open),
        steps_left,
        keep=0.7,
        bound=1.0,
    )
    assert found.tolist() == expected


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_last_step_commits_everything(schedule):
    sure, open = torch.tensor([-1.0, -50.0, -2.0]), torch.tensor([True, True, False])
    assert commit(schedule, sure, -sure, open, 1, 0.7, 1.0).all()


@pytest.mark.parametrize("schedule", ["confidence", "entropy_bound"])
@pytest.mark.parametrize("seed", range(20))
def test_committed_stays_committed_and_every_step_commits_more(schedule, seed):
    chance = torch.Generator().manual_seed(seed)
    open = torch.ones(13, dtype=torch.bool)
    for steps_left in (4, 3, 2, 1):
        if not open.any():
            break
        sure, entropy = -torch.rand(13, generator=chance), torch.rand(13, generator=chance)
        committed = commit(schedule, sure, entropy, open, steps_left, 0.7, 1.0)
        assert committed[~open].all()
        assert committed.sum() > (~open).sum()
        open = ~committed
    assert not open.any()
