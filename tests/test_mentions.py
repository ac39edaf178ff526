"""Series in requests, and what calls leave out of them."""

import time

import pytest
from conftest import make_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from lafunc.calling_lafunc import Calls
from lafunc.compiling_lafunc import compile_tool
from lafunc.mentions_lafunc import left_out, rest, sentences, series
from lafunc.scaffolding_lafunc import Scaffold
from lafunc.vocabulary_lafunc import Vocabulary


def of_series(text, held):
    return [[is_held for *_, is_held in parts] for parts in series(text, held)]


@pytest.mark.parametrize(
    ("text", "held", "parts"),
    [
        ("5, 10 and 25 kg from A to B", ["10", "B"], [[False, True, False]]),
        ("Sunset in Oslo, Bergen and Tromsø?", ["Oslo"], [[True, False, False]]),
        ("bread in Greek as well as in Turkish", ["Turkish"], [[False, True]]),
        ("on 2023-03-07 and on 2023-03-21", ["2023-03-07"], [[True, False]]),
        ("the 15th and 16th centuries", ["16"], [[False, True]]),
        ("the pairs (45, 60) and (81, 27)", ["45", "60"], [[True, True, False, False]]),
        ("the words 'good luck' and 'see you soon'", ["good luck"], [[True, False]]),
        ("photos beach.png, hut.jpg & lake.gif", ["hut.jpg"], [[False, True, False]]),
        ("for 1,5 and 10 years", ["1"], [[True, False, False]]),
        ("worth 1,500 and 2,000,000", ["1500"], [[True, False]]),
        ("orders AB-12 or CD-34", ["CD-34"], [[False, True]]),
        ("the sleeping mats and Trion tents", ["sleeping mats"], [[True, False]]),
        ("a rate of 5% and of 8 million", ["0.05", "8000000"], [[True, True]]),
        ("hotels in Paris, France", ["Paris"], []),  # a comma alone may say where a town is
        ("from 8 to 9", ["8"], []),
        ("Oslo is cold. Rome is warm", ["Oslo"], []),
    ],
)
def test_series_are_of_like_things_with_a_word_between_them(text, held, parts):
    assert of_series(text, held) == parts
    assert left_out(text, held) == any(any(one) and not all(one) for one in parts)


def test_a_sentence_does_not_begin_with_a_name():
    assert of_series("Sort A and B. And Whose is C?", ["B"]) == [[False, True]]


ROOM = {
    "name": "set_blinds",
    "parameters": {
        "type": "object",
        "properties": {"room": {"type": "string"}, "position": {"enum": ["open", "closed", "half"]}},
        "required": ["room", "position"],
    },
}


def test_calls_leave_out_what_the_request_lists():
    tool = compile_tool(ROOM, vocabulary := Vocabulary(make_tokenizer("llama")))
    scaffold = Scaffold([tool, tool], vocabulary)
    values = scaffold.read([{"room": "study", "position": "open"}, {"room": "attic", "position": "closed"}])
    calls = Calls(scaffold, values=values, asked="Blinds of the study open, of the attic closed")
    assert calls.leave_out(1) and not calls.leave_out(2)  # the other position
    assert not Calls(scaffold, values=values).leave_out(1)  # nobody asked
    calls.asked = "Open those in 1, 2 and 3"
    assert not calls.leave_out(2)  # none of these is held


def test_what_calls_hold_of_a_series_is_not_said_to_the_next_one():
    assert rest("Sunset in Oslo, Bergen and Tromsø?", ["Oslo"]) == "Sunset in     , Bergen and Tromsø?"
    assert rest("Sunset in Oslo and Bergen?", ["Oslo", "Bergen"]) == "Sunset in Oslo and Bergen?"
    long = "x" * 20_000 + " timers of 4 and 9 minutes in Oslo"
    assert rest(long, ["4", "Oslo"]) == long.replace("4", " ")


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200), st.lists(st.text(max_size=20), max_size=4))
def test_any_text_has_series_and_what_is_all_held_is_not_left_out(text, held):
    found = of_series(text, held)
    assert all(len(parts) > 1 for parts in found)
    assert left_out(text, held) == any(any(parts) and not all(parts) for parts in found)
    assert not left_out(text, [])
    shorter = rest(text, held)
    assert len(shorter) == len(text) and (shorter == text or left_out(text, held))


@pytest.mark.parametrize("text", ["1, " * 300_000, "A and " * 200_000, "'" * 500_000, "Aa " * 300_000, "1" * 900_000])
def test_long_requests_are_looked_at_in_a_moment(text):
    start = time.perf_counter()
    left_out(text, ["1", "A"])
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Weather in Oslo? And in Rome.", ["Weather in Oslo?", "And in Rome."]),
        ("Do this:\n1. a\n2. b", ["Do this:", "1. a", "2. b"]),
        ("Send 'Hi.' Then 3.5 km. 2 more", ["Send 'Hi.'", "Then 3.5 km.", "2 more"]),
        ("for e.g. a, i.e. b", ["for e.g. a, i.e. b"]),
        ("東京の天気は？大阪は？", ["東京の天気は？", "大阪は？"]),
        ("Hm...", ["Hm..."]),
        (" \n ", []),
    ],
)
def test_sentences(text, found):
    assert sentences(text) == found


@given(st.text())
def test_sentences_lose_nothing_but_space(text):
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())
