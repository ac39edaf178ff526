"""Vocabularies and slot languages, against brute force."""

import gc
import itertools
import json
import random
import weakref
from decimal import Decimal
from types import SimpleNamespace

import pytest
from conftest import FAMILIES, examples, make_tokenizer
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lafunc.language_lafunc import Automaton, accepts, concat, literal, one_of, repeat, union
from lafunc.literals_lafunc import number, string
from lafunc.vocabulary_lafunc import TokenClass, Vocabulary

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DECIMALS = st.decimals(-2000, 2000, allow_nan=False, allow_infinity=False, places=2) | st.sampled_from(
    [Decimal(text) for text in ("0", "-1", "10", "0.001", "-0.5", "99.999", "1000000", "-123456.789")]
)
property_test = settings(**examples(60), deadline=None)


@pytest.fixture(scope="module", params=FAMILIES)
def vocabulary(request) -> Vocabulary:
    return Vocabulary(make_tokenizer(request.param))


@pytest.fixture(scope="module")
def llama() -> Vocabulary:
    return Vocabulary(make_tokenizer("llama"))


class Toy(Vocabulary):
    """Tokens `a`, `b`, `c`, `ab`, `bc`; longest match first."""

    def __init__(self):
        self.bytes = [b"a", b"b", b"c", b"ab", b"bc"]
        self._encoded = {}
        self.tokenizer = SimpleNamespace(encode=lambda text, **_: self._encode_bytewise(text.encode()))


def bytewise(vocabulary: Vocabulary, text: str) -> list[int]:
    """One token per byte."""
    return [vocabulary.exactly(bytes([byte]))[0] for byte in text.encode()]


def random_walk(language: Automaton, seed: int, patience: int = 30) -> list[int]:
    """A random string of the language; after `patience` tokens, the shortest way out."""
    chance = random.Random(seed)
    states, written = frozenset([language.start]), []
    while True:
        may_end = any(map(language.accepting, states))
        ids = sorted({id for state in states for group, _ in language.edges(state) for id in group.ids})
        assert ids or may_end, "a dead end"
        if not ids or (may_end and chance.random() < 0.15):
            return written
        if len(written) >= patience:
            return written + language.shortest(states)
        written.append(chance.choice(ids))
        states = language.step(states, written[-1])


def special_tokens(vocabulary: Vocabulary) -> dict[int, str]:
    added = vocabulary.tokenizer.added_tokens_decoder
    return {id: token.content for id, token in added.items() if token.special}


def toy_strings(length: int) -> list[tuple[int, ...]]:
    return [ids for n in range(length + 1) for ids in itertools.product(range(5), repeat=n)]


# --------------------------------------------------------------------------------------------------------------------
# Vocabulary
# --------------------------------------------------------------------------------------------------------------------


def test_a_token_writes_the_bytes_that_the_tokenizer_decodes(vocabulary):
    special = special_tokens(vocabulary)
    for id, written in enumerate(vocabulary.bytes):
        text = vocabulary.tokenizer.decode([id], clean_up_tokenization_spaces=False)
        if id not in special and "�" not in text:
            assert written == text.encode()


def test_every_byte_has_a_token(vocabulary):
    assert all(vocabulary.exactly(bytes([byte])) for byte in range(256))


@property_test
@given(text=TEXT)
def test_encoding_any_text_round_trips(vocabulary, text):
    assert vocabulary.decode(vocabulary.encode(text)) == text


@pytest.mark.parametrize("text", ["", " ", "  a", "▁", "\n\t\0", "日本 🎉 é e\u0301", "<0x41>", "a\u00a0b"])
def test_encoding_awkward_texts_round_trips(vocabulary, text):
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_special_tokens_are_never_written(vocabulary):
    special = special_tokens(vocabulary)
    for token in special.values():
        ids = vocabulary.encode(f"a{token}b")
        assert vocabulary.decode(ids) == f"a{token}b"
        assert not set(ids) & special.keys()
    assert not any(vocabulary.bytes[id] for id in special)


@pytest.mark.parametrize("prefix", [b"", b" ", b'"', b"lo", b"\xc3", b"\xff", b"no token begins so"])
def test_starting_with_finds_the_tokens_of_a_prefix(vocabulary, prefix):
    expected = {id for id, written in enumerate(vocabulary.bytes) if written and written.startswith(prefix)}
    assert set(vocabulary.starting_with(prefix)) == expected


@pytest.mark.parametrize("written", [b" ", b'"', b"location", b"A", b"\x80"])
def test_exactly_finds_the_tokens_of_a_text(vocabulary, written):
    assert set(vocabulary.exactly(written)) == {id for id, b in enumerate(vocabulary.bytes) if b == written}


def test_a_text_without_tokens_is_refused():
    with pytest.raises(ValueError, match="no tokens for b'd'"):
        Toy().encode("abd")


# --------------------------------------------------------------------------------------------------------------------
# Strings
# --------------------------------------------------------------------------------------------------------------------


@property_test
@given(text=TEXT)
def test_any_text_is_a_string(vocabulary, text):
    assert accepts(string(vocabulary), vocabulary.encode(json.dumps(text, ensure_ascii=False)[1:-1]))


@property_test
@given(text=TEXT, low=st.integers(0, 12), high=st.none() | st.integers(0, 20))
def test_length_bounds_count_characters(llama, text, low, high):
    assume(high is None or low <= high)
    written = llama.encode(json.dumps(text, ensure_ascii=False)[1:-1])
    expected = low <= len(text) and (high is None or len(text) <= high)
    assert accepts(string(llama, low, high), written) == expected


@pytest.mark.parametrize("low, high", [(0, None), (3, None), (0, 0), (0, 1), (2, 2), (3, 5)])
def test_every_random_walk_is_a_json_string_within_its_bounds(vocabulary, low, high):
    for seed in range(40):
        text = json.loads(b'"' + vocabulary.decode_bytes(random_walk(string(vocabulary, low, high), seed)) + b'"')
        text.encode()
        assert low <= len(text) <= (len(text) if high is None else high)


@pytest.mark.parametrize("text", ['"', "\\", "\n", "\\u12", "\\ud83d", "\\x", "\\u00e9"])
def test_broken_escapes_and_raw_controls_are_no_strings(vocabulary, text):
    assert not accepts(string(vocabulary), bytewise(vocabulary, text))


@pytest.mark.parametrize("text", [b"\x80", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"])
def test_broken_utf8_is_no_string(vocabulary, text):
    assert not accepts(string(vocabulary), [vocabulary.exactly(bytes([byte]))[0] for byte in text])


def test_all_tokenizations_of_a_string_are_accepted(vocabulary):
    text = 'Tokyo \\" 東京 🎉'
    assert accepts(string(vocabulary, 12, 12), bytewise(vocabulary, text))
    assert accepts(string(vocabulary, 12, 12), vocabulary.encode(text))


# --------------------------------------------------------------------------------------------------------------------
# Numbers
# --------------------------------------------------------------------------------------------------------------------


def within(value: Decimal, low, high, low_strict, high_strict) -> bool:
    above = low is None or (value > low if low_strict else value >= low)
    return above and (high is None or (value < high if high_strict else value <= high))


BOUNDS = st.tuples(st.none() | DECIMALS, st.none() | DECIMALS, st.booleans(), st.booleans())


@settings(**examples(250), deadline=None)
@given(bounds=BOUNDS, value=DECIMALS, near=st.sampled_from([None, 0, 1]), integer=st.booleans())
def test_a_number_is_accepted_if_and_only_if_it_lies_within_the_bounds(llama, bounds, value, near, integer):
    if near is not None and bounds[near] is not None:
        value = bounds[near] + (value % 3 - 1) / 10
    text = f"{value:f}"
    if integer:
        text = text.partition(".")[0]
    value = Decimal(text)
    # "-0" is only offered where negative numbers are.
    assume(len(text.strip("-").replace(".", "")) <= 15 and not (text.startswith("-") and value == 0))
    try:
        language = number(llama, *bounds, integer)
    except ValueError:
        assert not within(value, *bounds)
        return
    assert accepts(language, bytewise(llama, text)) == within(value, *bounds)


@settings(**examples(80), deadline=None)
@given(bounds=BOUNDS, integer=st.booleans(), seed=st.integers(0, 1000))
def test_every_random_walk_is_a_number_within_the_bounds(llama, bounds, integer, seed):
    try:
        language = number(llama, *bounds, integer)
    except ValueError:
        return
    text = llama.decode(random_walk(language, seed))
    assert within(Decimal(text), *bounds)
    assert isinstance(json.loads(text), int) or not integer


@pytest.mark.parametrize(
    "text", ["", "-", "+1", "01", "-01", "1.", ".5", "1e5", "1E5", "0x1", "1 ", "1.2.3", "--1", "NaN"]
)
def test_what_json_does_not_call_a_number_is_not_accepted(vocabulary, text):
    assert not accepts(number(vocabulary), bytewise(vocabulary, text))


@pytest.mark.parametrize("text", ["1.0", "0.5", "1."])
def test_integers_have_no_point(vocabulary, text):
    assert not accepts(number(vocabulary, integer=True), bytewise(vocabulary, text))


@pytest.mark.parametrize(
    "low, high, low_strict, high_strict, integer",
    [
        ("5", "4", False, False, False),
        ("5", "5", True, False, False),
        ("5", "5", False, True, True),
        ("0", "0", True, True, False),
        ("0", "0", False, True, False),
        ("1e50", None, False, False, False),  # no decimal of 40 digits is as large
        ("1e20", None, True, False, False),  # nor one of 15
        ("1e-50", "1e-49", False, False, False),
    ],
)
def test_an_empty_range_is_refused(llama, low, high, low_strict, high_strict, integer):
    with pytest.raises(ValueError, match="no (number|value)"):
        number(llama, Decimal(low), high and Decimal(high), low_strict, high_strict, integer)


def test_decimals_end_at_fifteen_digits_where_a_bound_is_excluded_and_integers_do_not(llama):
    strict = number(llama, low=Decimal(0), low_strict=True)
    assert accepts(strict, bytewise(llama, "0.12345678901234"))
    assert not accepts(strict, bytewise(llama, "0.123456789012345"))
    assert accepts(number(llama), bytewise(llama, "0." + "1" * 39))
    assert not accepts(number(llama), bytewise(llama, "0." + "1" * 40))
    assert accepts(number(llama, integer=True), bytewise(llama, "9" * 40))


# --------------------------------------------------------------------------------------------------------------------
# Combinations, on a toy vocabulary
# --------------------------------------------------------------------------------------------------------------------


def test_a_literal_has_one_tokenization():
    toy = Toy()
    assert [ids for ids in toy_strings(4) if accepts(literal(toy, "abc"), ids)] == [(3, 2)]


@pytest.mark.parametrize("texts", [("a",), ("a", "ab"), ("ab", "abc", "bc"), ("",), ("", "a"), ("cab", "ca", "cc")])
def test_one_of_holds_its_texts_and_nothing_else(texts):
    toy = Toy()
    found = {ids for ids in toy_strings(4) if accepts(one_of(toy, texts), ids)}
    assert found == {toy.encode(text) for text in texts}


def random_language(toy: Toy, chance: random.Random) -> tuple[Automaton, set[tuple[int, ...]]]:
    """A few texts, as an automaton and as the set of their token strings."""
    texts = tuple("".join(chance.choices("abc", k=chance.randint(1, 2))) for _ in range(chance.randint(1, 3)))
    return one_of(toy, texts), {toy.encode(text) for text in texts}


@pytest.mark.parametrize("seed", range(20))
def test_union_concat_and_repeat_agree_with_enumeration(seed):
    toy, chance = Toy(), random.Random(seed)
    (a, in_a), (b, in_b) = random_language(toy, chance), random_language(toy, chance)
    low, high = chance.randint(0, 2), chance.choice([None, 2, 3])
    empty = literal(toy, "")
    powers = [{()}]
    for _ in range(5):
        powers.append({x + y for x in powers[-1] for y in in_a})
    pairs = {x + y for x in in_a for y in in_b}
    for language, expected in (
        (union(a, b), in_a | in_b),
        (union(a, empty), in_a | {()}),
        (concat(a, b), pairs),
        (concat(a, union(b, empty)), pairs | in_a),
        (concat(union(a, empty), b, empty), pairs | in_b),
        (repeat(a, low, high), set().union(*powers[low : 6 if high is None else high + 1])),
    ):
        found = {ids for ids in toy_strings(5) if accepts(language, ids)}
        assert found == {ids for ids in expected if len(ids) <= 5}


@pytest.mark.parametrize("seed", range(20))
def test_shortest_is_a_shortest_string(seed):
    toy, chance = Toy(), random.Random(seed)
    (a, in_a), (b, in_b) = random_language(toy, chance), random_language(toy, chance)
    language = concat(repeat(a, 2, None), b)
    found = language.shortest()
    assert accepts(language, found)
    assert len(found) == 2 * min(map(len, in_a)) + min(map(len, in_b))


def test_shortest_completes_what_has_begun():
    toy = Toy()
    language = one_of(toy, ("cab", "cba"))
    assert language.shortest(language.step(frozenset([language.start]), 2)) == [3]


@pytest.mark.parametrize("seed", range(20))
def test_nearest_is_how_all_shortest_strings_begin(seed):
    toy, chance = Toy(), random.Random(seed)
    (a, in_a), (b, in_b) = random_language(toy, chance), random_language(toy, chance)
    for language, strings in (
        (a, in_a),
        (union(a, b), in_a | in_b),
        (concat(a, b), {x + y for x in in_a for y in in_b}),
    ):
        for begun in {one[:n] for one in strings for n in range(len(one))}:
            states = frozenset([language.start])
            for token in begun:
                states = language.step(states, token)
            endings = {one[len(begun) :] for one in strings if one[: len(begun)] == begun}
            least = min(map(len, endings))
            expected = {ending[0] for ending in endings if len(ending) == least} if least else set()
            if expected:
                assert {token for group in language.nearest(states) for token in group.ids} == expected


def test_shortest_of_an_empty_language_is_refused():
    nothing = Automaton(0, lambda state: ((TokenClass([0]), 0),), lambda state: False)
    with pytest.raises(ValueError, match="empty"):
        nothing.shortest()


def test_the_same_languages_combined_alike_are_one_automaton_for_as_long_as_it_is_used():
    toy = Toy()
    a, b = literal(toy, "a"), literal(toy, "b")
    for combine in (lambda: concat(a, b), lambda: union(a, concat(a, b)), lambda: repeat(a, 1, 3)):
        language = combine()
        assert combine() is language
        gone = weakref.ref(language)
        del language
        gc.collect()
        assert gone() is None
    assert len({concat(a, b), concat(b, a), union(a, b), union(b, a)}) == 4
    assert repeat(a, 1, 3) is not repeat(a, 1, None)
