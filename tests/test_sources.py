"""Where in the conversation the arguments stand."""

import pytest
from conftest import make_pair, tool_of
from hypothesis import given
from hypothesis import strategies as st

from lafunc import ToolCallOutput
from lafunc.output_lafunc import Source, ToolCall, find_sources


def sources(arguments, *texts: str) -> dict[str, Source]:
    call = ToolCall("f", arguments)
    find_sources([call], texts)
    return call.sources


@pytest.mark.parametrize(
    "value, text, start",
    [
        ("Tokyo", "What's the weather in Tokyo?", 22),
        (6, "Wake me at 6:45.", 11),
        (45, "Wake me at 6:45.", 13),
        (1.5, "Take 1.5 l.", 5),
        ("東京", "明日の東京の天気は?", 3),
        ("New York", "New York, New Yorkers", 0),
        (-3, "It is -3 outside", 6),
    ],
)
def test_a_value_s_source(value, text, start):
    assert sources({"a": value}, text) == {"$.a": Source(0, start, start + len(str(value)))}


@pytest.mark.parametrize(
    "value, text",
    [
        ("Tok", "Tokyo"),  # part of a word
        (5, "15 and 50 and 1.5 and 5.1 and 5,000"),  # parts of numbers
        ("Oslo", "oslo"),
        (True, "true"),
        (None, "null"),
        ("", "anything"),
        (" ", "a b"),
    ],
)
def test_no_source(value, text):
    assert sources({"a": value}, text) == {}


def test_paths_of_nested_values():
    found = sources({"items": [{"odd name": "tea"}, {"odd name": "milk"}]}, "milk and tea")
    assert found == {'$.items[0]["odd name"]': Source(0, 9, 12), '$.items[1]["odd name"]': Source(0, 0, 4)}


def test_the_last_message_that_holds_a_value_is_its_source():
    assert sources({"a": "Rome"}, "Rome", "In Rome?", "yes")["$.a"] == Source(1, 3, 7)


def test_equal_values_have_a_place_each_while_there_are_places():
    found = sources({"a": 2, "b": 2, "c": 2}, "2 teas and 2 coffees")
    assert [found[path].start for path in ("$.a", "$.b", "$.c")] == [0, 11, 0]


def test_the_calls_of_an_answer_share_the_places():
    calls = [ToolCall("f", {"a": "x"}), ToolCall("f", {"a": "x"})]
    find_sources(calls, ["x or x"])
    assert [call.sources["$.a"].start for call in calls] == [0, 5]


words = st.text(st.sampled_from("ab 1.,é東\"'\n"), max_size=6)


@given(st.lists(st.one_of(words, st.integers(-20, 20))), st.lists(words, max_size=4))
def test_what_stands_at_a_source_is_the_value(values, texts):
    found = sources({"a": values}, *texts)
    for at, value in enumerate(values):
        if (source := found.get(f"$.a[{at}]")) is not None:
            assert texts[source.message][source.start : source.end] == str(value)


@given(words.filter(str.strip), words, words)
def test_a_value_between_spaces_is_found(value, before, after):
    assert "$.a" in sources({"a": value}, f"{before} {value} {after}")


def test_an_answer_names_the_message_and_the_characters():
    pair = make_pair("llama")
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "In Ro"}, {"type": "text", "text": "me, please"}]},
    ]
    output = pair.call(messages, [tool_of({"const": "Rome"}, "a")], parallel_tool_calls=False)
    assert isinstance(output, ToolCallOutput)
    assert output.tool_calls[0].sources == {"$.a": Source(1, 3, 7)}
