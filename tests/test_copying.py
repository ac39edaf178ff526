"""Copying: what was said counts for values that begin as it does."""

import json

import pytest
import torch
from conftest import FAMILIES, examples, make_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from lafunc.compiling_lafunc import compile_tool
from lafunc.copying_lafunc import Transcript
from lafunc.filling_lafunc import Cursor
from lafunc.node_lafunc import continuations
from lafunc.scaffolding_lafunc import Scaffold
from lafunc.vocabulary_lafunc import Vocabulary


@pytest.fixture(scope="module", params=FAMILIES)
def vocabulary(request) -> Vocabulary:
    return Vocabulary(make_tokenizer(request.param))


WEATHER = {
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
}


def goes_on(said, written, rest):
    """Whether something of the rest may follow."""
    ids, _ = said.ahead(written.encode())
    return any(rest.encode().startswith(said.vocabulary.decode_bytes([id])) for id in ids)


@pytest.mark.parametrize(
    "text, values",
    [
        ("8.5 million people", ["8.5", "8500000"]),
        ("at 5% or 12.25 percent", ["5", "0.05", "12.25", "0.1225"]),
        ("1,500 of 2 k and $30k", ["1,500", "1500", "2000", "30000"]),
        ("two or Seventy", ["2", "70"]),
        ("0.5 thousand, 100%", ["500", "1"]),
        ("-3 degrees, 5km", ["-3", "3", "5"]),
        ('he said "hi"\nand left', [json.dumps('said "hi"\nand')[1:-1]]),
        ("東京の天気", ["東京", "天気"]),
    ],
)
def test_what_was_said_may_be_repeated_whole(vocabulary, text, values):
    said = Transcript([text], vocabulary)
    for value in values:
        for end in range(len(value)):  # each character may follow those before
            assert goes_on(said, value[:end], value[end:]), (value, end)
        assert said.ahead(value.encode())[1], value


def test_words_and_numbers_are_not_cut(vocabulary):
    said = Transcript(["Weather in Krakowitz for 1200 days"], vocabulary)
    assert not said.ahead(b"Krakow")[1] and goes_on(said, "Krakow", "itz")
    assert not said.ahead(b"12")[1] and goes_on(said, "12", "00")
    assert said.ahead(b"rakow") == (frozenset(), False)  # no word begins so
    assert said.ahead(b"200") == (frozenset(), False)
    assert said.ahead(b"")[1] is False


@settings(**examples(40), deadline=None)
@given(text=st.text(max_size=40), more=st.text(max_size=10))
def test_any_text_can_be_repeated_from_any_word(vocabulary, text, more):
    said = Transcript([more, text], vocabulary)
    written = json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", errors="replace")
    ids, whole = said.ahead(written)
    assert whole or not written  # text and more stand on lines of their own
    assert all(0 <= id < len(vocabulary) for id in ids)


def write(vocabulary, liked, texts, weight):
    """What a cursor writes whose logits like some tokens a little, with so much weight on copies."""
    scaffold = Scaffold([compile_tool(WEATHER, vocabulary)], vocabulary)
    said = Transcript(texts, vocabulary)
    cursor = Cursor(vocabulary, list(continuations(scaffold.chain)), said=said, copy_weight=weight)
    logits = torch.zeros(len(vocabulary))
    for text, much in liked.items():
        (token,) = vocabulary.encode(text)
        logits[token] = much
    while cursor.done is None:
        cursor.choose(logits)
    return scaffold.arguments(cursor.values)[0]


def test_a_value_goes_on_and_ends_as_what_was_said(vocabulary):
    liked = {"O": 1.5, "x": 1.4, "7": 1.0}
    texts = ["Oslo, for 72 days"]
    free = write(vocabulary, liked, texts, 0.0)
    assert free["city"] != "Oslo" and free["days"] != 72
    heard = write(vocabulary, liked, texts, 4.0)
    assert heard == {"city": "Oslo", "days": 72}


def test_one_who_is_sure_writes_something_else(vocabulary):
    scaffold = Scaffold([compile_tool(WEATHER, vocabulary)], vocabulary)
    values = scaffold.read([{"city": "Bergen", "days": 3}])
    tokens, said = scaffold.tokens(values), Transcript(["Oslo, for 72 days"], vocabulary)
    cursor = Cursor(vocabulary, list(continuations(scaffold.chain)), said=said, copy_weight=4.0)
    while cursor.done is None:
        logits = torch.zeros(len(vocabulary))
        logits[tokens[len(cursor.tokens)]] = 9.0
        cursor.choose(logits)
    assert scaffold.arguments(cursor.values) == [{"city": "Bergen", "days": 3}]
