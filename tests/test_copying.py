"""Copying: what was said counts for values that begin as it does."""

import json

import pytest
import torch
from conftest import FAMILIES, examples, make_pair, make_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from page import Picture

from lafunc.__main__ import _show_written
from lafunc.calling_lafunc import Calls
from lafunc.compiling_lafunc import compile_tool
from lafunc.configuration_lafunc import LaFuncConfig
from lafunc.copying_lafunc import Transcript, rewritten, scalar
from lafunc.filling_lafunc import Cursor
from lafunc.mentions_lafunc import listed, mentioned, named
from lafunc.node_lafunc import continuations
from lafunc.output_lafunc import ToolCallOutput, assemble
from lafunc.scaffolding_lafunc import Scaffold
from lafunc.vocabulary_lafunc import Vocabulary, siblings


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
    said = Transcript([text], vocabulary, rewritten([text]))
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
    assert Transcript(["to Tokyo", "Osaka"], vocabulary).ahead(b"Tokyo") == (frozenset(), True)  # not into the next
    for text, value in (("twenty-five", b"20"), ("five million", b"5"), ("two hundred", b"100"), ("(3,4)", b"34")):
        assert not Transcript([text], vocabulary, rewritten([text])).ahead(value)[1], text
    assert said.ahead(b"")[1] is False


@settings(**examples(40), deadline=None)
@given(words=st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=5), data=st.data())
def test_any_text_can_be_repeated_from_any_word(vocabulary, words, data):
    words = [word for word in words if not word[0].isspace()] or ["a"]
    said = Transcript(["before", " ".join(words), "after"], vocabulary)
    text = " ".join(words[data.draw(st.integers(0, len(words) - 1)) :])
    written = json.dumps(text, ensure_ascii=False)[1:-1].encode()
    assert said.ahead(written)[1]
    end = data.draw(st.integers(0, len(written) - 1))
    ids, _ = said.ahead(written[:end])
    assert any(written[end:].startswith(vocabulary.decode_bytes([id])) for id in ids)


@pytest.mark.parametrize(
    "text, within, whole",
    [
        ("Is New York City nice", ["New", "New York"], ["New York City", "York City"]),
        ("Ask Ünal Ülker, Mr. Oh or O'Neil-West Ltd.", ["Ünal", "Mr.", "O'Neil-West"], ["Ünal Ülker", "Mr", "O'Neil"]),
        ("From Rome: Oslo. In Paris I ate", [], ["Rome", "Oslo", "Paris"]),
        ("New  York", [], ["New"]),
    ],
)
def test_a_copy_does_not_end_within_a_name(vocabulary, text, within, whole):
    said = Transcript([text], vocabulary)
    assert {name: said.ahead(name.encode())[1] for name in [*within, *whole]} == {
        **dict.fromkeys(within, False),
        **dict.fromkeys(whole, True),
    }


def write(vocabulary, liked, texts, weight):
    """What a cursor writes whose logits like some tokens a little, with so much weight on copies."""
    scaffold = Scaffold([compile_tool(WEATHER, vocabulary)], vocabulary)
    said = Transcript(texts, vocabulary, rewritten(texts))
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


@pytest.mark.parametrize(
    ("written", "begun", "closing"),
    [
        (b' "To', b"To", b'"'),
        (b' "say \\"hi', b'say \\"hi', b'"'),
        (b" 12", b"12", b",]"),
        (b' ["a", "To', b"To", b'"'),
        (b' ["a", "b"', b"", b",]"),
        (b" [1, -2.5", b"-2.5", b",]"),
        (b" [", b"", b",]"),
    ],
)
def test_the_last_string_or_number_of_a_value(written, begun, closing):
    assert scalar(written) == (begun, closing)


def chosen(vocabulary, schema, values, texts, weight, **liked):
    """The value that a cursor writes whose logits are those of `values` (4) but for what is liked otherwise."""
    parameters = {"type": "object", "properties": {"x": schema}, "required": ["x"]}
    scaffold = Scaffold([compile_tool({"name": "f", "parameters": parameters}, vocabulary)], vocabulary)
    tokens = scaffold.tokens(scaffold.read([{"x": values}]))
    said = Transcript(texts, vocabulary, rewritten(texts))
    cursor = Cursor(vocabulary, list(continuations(scaffold.chain)), said=said, copy_weight=weight)
    while cursor.done is None:
        logits = torch.zeros(len(vocabulary))
        at = len(cursor.tokens)
        if cursor.tokens == tokens[:at] and at < len(tokens):
            logits[tokens[at]] = 2.0
        cursor.choose(logits)
    return scaffold.arguments(cursor.values)[0]["x"]


@pytest.mark.parametrize(
    ("schema", "value", "text"),
    [
        ({"type": ["string", "null"]}, "Oslo", "Weather in Oslo and Rome"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "Oslo", "Weather in Oslo and Rome"),
        (
            {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
            ["Oslo", "Rome"],
            "Oslo to Rome and on",
        ),
        ({"type": "array", "items": {"type": "integer"}}, [3, 14], "of 3 and 141 take 14"),
        ({"enum": ["celsius", "fahrenheit"]}, "fahrenheit", "How warm is it in the city center?"),
        ({"type": "integer"}, 720, "in 72 days"),
    ],
)
def test_values_that_are_due_are_not_driven_out(vocabulary, schema, value, text):
    assert chosen(vocabulary, schema, value, [text], 0.0) == value
    assert chosen(vocabulary, schema, value, [text], 1.5) == value


@pytest.mark.parametrize("filler", ["verified", "autoregressive"])
def test_a_model_copies(filler):
    """The weight reaches the cursor, of one request and of a batch."""
    pair = make_pair("llama", copy_weight=30.0)
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}}
    asked = [[{"role": "user", "content": text}] for text in ("Zanzibar", "Quito")]
    for conversation in asked:
        (call,) = pair.call(conversation, [tool], filler=filler, parallel_tool_calls=False).tool_calls
        assert call.arguments["x"] and call.arguments["x"] in conversation[0]["content"]
    outputs = pair.call(asked, [tool], filler=filler, parallel_tool_calls=False)
    assert all(
        out.tool_calls[0].arguments["x"] in text[0]["content"] for out, text in zip(outputs, asked, strict=True)
    )


@pytest.mark.parametrize(
    ("schema", "value", "text", "other"),
    [
        ({"enum": ["Sedan", "SUV"]}, "SUV", "an SUV, please", "Sedan"),
        ({"enum": ["drama", "Sci-Fi", "pop"]}, "Sci-Fi", "find a sci fi movie", "drama"),
        ({"enum": ["living_room", "room"]}, "living_room", "in the living room", "room"),
        ({"enum": [1, 2, 7]}, 2, "for two people", 7),
        ({"enum": ["low", 3, None]}, 3, "at level 3", "low"),
    ],
)
def test_a_listed_value_that_was_named_counts(vocabulary, schema, value, text, other):
    """Though the logits like another one a little more."""
    assert chosen(vocabulary, schema, other, [text], 0.0) == other
    assert chosen(vocabulary, schema, other, [text], 4.0) == value
    assert chosen(vocabulary, schema, other, ["nothing of it"], 4.0) == other


def test_what_was_said_goes_on_by_the_tokenizer_s_own_tokens(vocabulary, monkeypatch):
    """Within one of them, and where it cannot write what was said, by any that go on so."""
    text = "weather in the city"
    said = Transcript([f"by {text}, please"], vocabulary)
    ids = vocabulary.encode(text)
    assert all(said.ahead(vocabulary.decode_bytes(ids[:n]))[0] == {ids[n]} for n in range(1, len(ids)))
    assert ids[0] in said.ahead(b"")[0]
    n, whole = next((n, vocabulary.bytes[id]) for n, id in enumerate(ids) if len(vocabulary.bytes[id]) > 1)
    before = vocabulary.decode_bytes(ids[:n])
    rest = {
        id for id, part in enumerate(vocabulary.bytes) if part and text.encode()[len(before) + 1 :].startswith(part)
    }
    assert said.ahead(before + whole[:1])[0] == rest

    def cannot(self, text):
        raise ValueError

    monkeypatch.setattr(Vocabulary, "encode", cannot)
    assert Transcript([text], vocabulary).ahead(before)[0] >= {ids[n]}


def test_a_listed_value_is_not_taken_for_one_that_begins_like_it(vocabulary):
    """A base that likes "Family" does not speak for "Fantasy", which the tokenizer begins with "F"."""
    words = [text.decode() for text in vocabulary.bytes if text and text.isalpha() and len(text) > 2][:60]
    assert len(words) > 20  # and long enough to be named
    for word in words:
        shorter = f"{word[0]}~7"
        for members in ([shorter, word], [word, shorter]):
            assert chosen(vocabulary, {"enum": members}, word, [], 0.0) == word
            assert chosen(vocabulary, {"enum": members}, shorter, [], 0.0) == shorter
            assert chosen(vocabulary, {"enum": members}, shorter, [f"a {word} it is"], 4.0) == word


@settings(**examples(40), deadline=None)
@given(st.data())
def test_each_token_speaks_for_one_of_its_siblings(vocabulary, data):
    tokens = [id for id, text in enumerate(vocabulary.bytes) if text]
    some = data.draw(
        st.lists(st.sampled_from(tokens), min_size=1, max_size=12, unique_by=lambda id: vocabulary.bytes[id])
    )
    kin = [set(group.kin) for group in siblings(vocabulary, tuple(some))]
    assert sum(map(len, kin)) == len(set().union(*kin))
    assert all(id in own for id, own in zip(some, kin, strict=True))
    for id, text in enumerate(vocabulary.bytes):
        begun = [other for other in some if text and text.startswith(vocabulary.bytes[other])]
        if begun:
            assert id in kin[some.index(max(begun, key=lambda other: len(vocabulary.bytes[other])))]


@pytest.mark.parametrize(
    ("members", "text", "found"),
    [
        (["Pop", "Rock", "Hip-Hop"], "some POP, or hip hop", ["Pop", "Hip-Hop"]),
        (["room", "living_room"], "the Living Room", ["living_room"]),
        (["any", "all", "C", "up"], "any and all, up to 5 C", []),
        (["3d", 2, 2.5, True], "in 3D, 2.5 of 12", ["3d", 2.5]),
        (["male", "female"], "male or female", ["male", "female"]),
        (["drama"], "dramatic", []),
        ([], "drama", []),
    ],
)
def test_listed_values_that_a_text_names(members, text, found):
    assert named(members, [text]) == found


@pytest.mark.parametrize(
    ("schema", "text", "found"),
    [
        ({"enum": ["Pop", "Rock"]}, "some pop", True),
        ({"enum": ["Pop", "Rock"]}, "some jazz", False),
        ({"enum": ["C", "F"]}, "in C", None),  # nothing could name it
        ({"type": "string"}, "x", None),
        ({"type": "boolean"}, "x, please", None),
        ({"type": "boolean", "title": "include_reviews"}, "the best ones, reviewed", True),
        ({"type": "boolean", "title": "includeReviews"}, "with a Review", True),
        ({"type": "boolean", "title": "is-pet-friendly"}, "pets are fine", None),
        ({"type": "boolean", "title": "is-pet-friendly"}, "near a carpet", False),
        ({"type": "boolean", "title": "include_all"}, "include all of them", None),
        ({"enum": ["True", "False", "dontcare"], "title": "good_for_kids"}, "good ones for my kids", True),
        ({"enum": ["True", "False", "dontcare"], "title": "good_for_kids"}, "for my kids", None),
        ({"enum": ["True", "False", "dontcare"], "title": "good_for_kids"}, "it is true", False),
        ({"type": "string", "description": "as YYYY-MM-DD"}, "on March 8th", True),
        ({"type": "string", "description": "as YYYY-MM-DD"}, "on 2023.3.8", True),
        ({"type": "string", "description": "as YYYY-MM-DD"}, "tomorrow at noon", None),
        ({"type": "string", "description": "as HH:MM"}, "tomorrow at noon", True),
        ({"type": "string", "description": "the day"}, "on March 8th", None),
        ({"type": "string", "description": "as 'City, State'"}, "on March 8th", None),
        ({"type": "array", "items": {"enum": ["Patio", "Wi-Fi"]}}, "with a patio", True),
        ({"type": "array", "items": {"enum": ["Patio", "Wi-Fi"]}}, "with a pool", False),
        ({"type": "array", "items": {"enum": ["Patio", "Wi-Fi"]}, "uniqueItems": True}, "with a patio", True),
        ({"type": "array", "prefixItems": [{"type": "integer"}], "items": {"enum": ["Patio"]}}, "with a patio", None),
        ({"type": "array", "items": {"type": "string"}, "description": "such as vegan or halal"}, "Vegan food", True),
        ({"type": "string", "description": "the diet (vegan, gluten-free)"}, "something gluten free", True),
        ({"type": ["string", "null"], "description": "the diet (vegan, gluten-free)"}, "something vegan", True),
        ({"type": "string", "description": "the diet, e.g. vegan"}, "meat", None),
        ({"type": "integer", "description": "a number such as 100"}, "100 of them", None),
    ],
)
def test_what_names_a_value_that_may_be_given(vocabulary, schema, text, found):
    name = schema.get("title", "x")
    parameters = {"type": "object", "properties": {name: schema}, "required": [name]}
    (member,) = compile_tool({"name": "f", "parameters": parameters}, vocabulary).arguments(0).members
    assert mentioned(member.node, [text, "thanks"]) is found


def test_a_day_that_another_argument_holds_names_nothing(vocabulary):
    """Nor does it count twice where day and month may be either."""
    schema = {"type": "string", "description": "as YYYY-MM-DD"}
    (member,) = compile_tool(tool_of(schema), vocabulary).arguments(0).members
    leave, back = "2023-03-08", "2023-03-10"
    for texts, others, found in (
        (["from March 8th"], ["Rome"], True),
        (["from March 8th"], ["Rome", leave], None),
        (["from March 8th to March 10th"], [leave], True),
        (["from March 8th to March 10th"], [leave, back], None),
        (["on 3/8/2023"], [leave], None),
    ):
        searched = [*texts, *rewritten(texts, member.node.layouts)]  # in any year, where none was said
        assert mentioned(member.node, searched, others) is found


def test_an_example_that_another_argument_holds_names_nothing(vocabulary):
    schema = {"type": "string", "description": "The cuisine, e.g. Thai or Greek."}
    (member,) = compile_tool(tool_of(schema), vocabulary).arguments(0).members
    assert mentioned(member.node, ["A Thai restaurant"], ["Oslo"]) is True
    assert mentioned(member.node, ["A Thai restaurant"], ["thai restaurant"]) is None
    assert mentioned(member.node, ["Thai or Greek"], ["Thai"]) is True


@pytest.mark.parametrize(
    ("description", "found"),
    [
        ("Dietary needs, e.g. vegan, gluten-free. Default is an empty list.", ["vegan", "gluten-free"]),
        ("Possible options: business/general", ["business", "general"]),
        ("Must be 'asc' or `desc`", ["asc", "desc"]),
        ("The unit (kelvin or celsius)", ["kelvin", "celsius"]),
        ("The city, for instance the Hague", ["Hague"]),
        ("Sports like ball games where more than three play", []),
        ("Whether it's John's", []),
        ("", []),
    ],
)
def test_what_a_description_lists(description, found):
    assert listed(description) == found


def tool_of(schema):
    return {"name": "f", "parameters": {"type": "object", "properties": {"x": schema}, "required": ["x"]}}


@pytest.mark.parametrize(
    ("text", "written", "on", "over"),
    [
        ("A has 12, 24, 36 and B has 15, 30", b" [12", b",", b"]"),
        ("A has 12, 24, 36 and B has 15, 30", b" [12, 24, 36", b"]", b","),
        ("A has 12, 24, 36 and B has 15, 30", b" [12, ", b"2", b"1"),
        ("of 5%, 10% and 15% a year", b" [5, 10", b",", b"]"),
        ("3,4,5,2,8,5, please", b" [3,4,5", b",", b"]"),
        ("at 34.05 N, 118.24 W", b" [34.05", b",", b"]"),
        ("S&P 500, NASDAQ and DOW", b' ["S&P 500"', b",", b"]"),
        ("Oslo and Rome with tea", b' ["Oslo", "', b"R", b"O"),
        ("Oslo and Rome with tea", b' ["Oslo"', b",", b"]"),
        ("'tea', 'milk' and 'jam'", b' ["tea", "', b"m", b"j"),
    ],
)
def test_an_array_goes_on_and_ends_as_the_list_that_was_said(vocabulary, text, written, on, over):
    ids, _ = Transcript([text], vocabulary).listing(written)
    first = {vocabulary.decode_bytes([id])[:1] for id in ids}
    assert on in first and over not in first


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("3 bags for two and for five", b" [2"),
        ("tea and then jam", b' ["tea"'),
        ("tea with milk", b' ["tea"'),
        ("1 and 2 or 1 m", b" [1"),
        ("(1, 2)", b" [[1"),
    ],
)
def test_where_no_list_was_said_arrays_go_on_or_end(vocabulary, text, written):
    ids, whole = Transcript([text], vocabulary, rewritten([text])).listing(written)
    first = {vocabulary.decode_bytes([id])[:1] for id in ids}
    assert {b",", b"]"} <= first or not whole and not first & {b",", b"]"}


@pytest.mark.parametrize(("name", "value", "other"), [("city", "Oslo", "Rome"), ("days", 72, 95)])
def test_what_is_withdrawn_is_written_if_the_base_insists(vocabulary, name, value, other):
    """It loses what others gain."""
    parameters = {**WEATHER["parameters"], "properties": {name: WEATHER["parameters"]["properties"][name]}}
    tool = compile_tool({**WEATHER, "parameters": {**parameters, "required": [name]}}, vocabulary)
    said, scaffold = Transcript(["From Oslo to Rome for 72 of 95"], vocabulary), Scaffold([tool], vocabulary)
    ways = list(continuations(scaffold.chain))
    due, way = (scaffold.tokens(scaffold.read([{name: one}])) for one in (value, other))
    withdrawn = {(0, name): str(value)}
    for strength, known, written in ((6.0, withdrawn, other), (30.0, withdrawn, value), (6.0, {}, value)):
        cursor = Cursor(vocabulary, ways, said=said, copy_weight=4.0, withdrawn=known)
        while cursor.done is None:
            logits = torch.zeros(len(vocabulary))
            for tokens, much in ((way, 1.0), (due, strength)):
                if cursor.tokens == tokens[: len(cursor.tokens)] and len(cursor.tokens) < len(tokens):
                    logits[tokens[len(cursor.tokens)]] = much
            cursor.choose(logits)
        assert scaffold.arguments(cursor.values) == [{name: written}]


@pytest.mark.parametrize("wanted", [[12], [12, 24, 36, 70], [12, 24, 36]])
def test_a_base_that_begins_a_list_writes_that_list(vocabulary, wanted):
    schema = {"type": "array", "items": {"type": "integer"}}
    text = "A has 12, 24, 36 and B has 15, 70"
    assert chosen(vocabulary, schema, wanted, [text], 0.0) == wanted
    assert chosen(vocabulary, schema, wanted, [text], 4.0) == [12, 24, 36]
    assert chosen(vocabulary, schema, [7, 24], [text], 1.5) == [7, 24]


@pytest.mark.parametrize(
    ("text", "places", "absent", "withdrawn"),
    [
        ("By Ann", ("Ann", "Ann"), (0.1, 0.9), {1}),
        ("By Ann", ("Ann", "Ann"), (0.9, 0.1), {0}),
        ("By Ann and Ann", ("Ann", "Ann"), (0.1, 0.9), set()),
        ("By Ann and Bob", ("Ann", "Bob"), (0.1, 0.9), set()),
        ("By nobody", ("Ann", "Ann"), (0.1, 0.9), set()),  # it is no copy
        ("by ann", ("Ann", "Ann"), (0.1, 0.9), {1}),
    ],
)
def test_what_was_said_once_is_one_arguments(vocabulary, text, places, absent, withdrawn):
    names = ("author", "owner")
    properties = {name: {"type": "string"} for name in names}
    tool = {"name": "f", "parameters": {"type": "object", "properties": properties, "required": ["author"]}}
    scaffold = Scaffold([compile_tool(tool, vocabulary)], vocabulary)
    calls = Calls(scaffold, searched=[text], absent={(0, name): p for name, p in zip(names, absent, strict=True)})
    calls.values = scaffold.read([dict(zip(names, places, strict=True))])
    calls.confidence = dict.fromkeys(calls.values, 0.5)
    assert calls.withdraw() == bool(withdrawn)
    assert calls.withdrawn == {(0, names[n]): "Ann" for n in withdrawn}
    assert not calls.withdraw()  # that is known
    left_out = {path for path, odds in calls.present(LaFuncConfig()).items() if odds == -float("inf")}
    assert left_out == {(0, "owner")} & calls.withdrawn.keys()


TWO = {
    "name": "f",
    "parameters": {
        "type": "object",
        "properties": {name: {"type": "string"} for name in ("a", "b")},
        "required": ["a", "b"],
    },
}


def test_a_day_may_be_the_first_and_the_last_one(vocabulary):
    day = {"type": "string", "description": "in the format YYYY-MM-DD"}
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"a": day, "b": day}, "required": ["a", "b"]}}
    calls = Calls(Scaffold([compile_tool(tool, vocabulary)], vocabulary), searched=["On 2025-08-01"])
    calls.values = calls.scaffold.read([{"a": "2025-08-01", "b": "2025-08-01"}])
    assert not calls.withdraw()


@pytest.mark.parametrize("filler", ["verified", "autoregressive"])
def test_a_model_gives_what_was_said_once_to_one_argument(filler, capsys):
    """A base that copies the first thing it sees into each argument has to look for another one, also in a batch; and
    trace and demo show what is written again once."""
    pair = make_pair("llama", copy_weight=30.0)
    asked = [[{"role": "user", "content": text}] for text in ("Quito Zanzibar", "x")]
    output = pair.call(asked[0], [TWO], filler=filler, parallel_tool_calls=False, return_trace=True)
    (call,) = output.tool_calls
    assert {*call.arguments.values()} <= {"Quito", "Zanzibar", "Quito Zanzibar"}
    assert call.arguments["a"] != call.arguments["b"]
    batch = pair.call(asked, [TWO], filler=filler, parallel_tool_calls=False, return_trace=True)
    assert batch[0].tool_calls[0].arguments == call.arguments
    picture, written = Picture("Quito Zanzibar"), {}
    stages = [entry["stage"] for entry in output.trace]
    assert stages.count("again") >= 1
    for entry in output.trace:
        picture.add(entry)
        written = {} if entry["stage"] == "again" else written
        for slot in entry["slots"] if entry["stage"] == "write" else []:
            written[slot["path"]] = written.get(slot["path"], "") + "".join(slot["tokens"])
    shown = {path: "".join(token for token, *_ in tokens) for path, tokens in picture.written.items()}
    assert shown == written
    assert {
        path[-1]: json.loads(text + '"' * (text.count('"') == 1)) for path, text in shown.items()
    } == call.arguments
    _show_written(output.trace)
    tokens = sum(len(tokens) for tokens in picture.written.values())
    assert capsys.readouterr().out.count(" · ") == tokens - len(written)


def test_a_model_takes_what_is_withdrawn_for_not_given():
    """Whatever is written in its place, and wherever that stands."""
    heads = {"needs_weights": [0.0, 0.0, -9.0, 0.0, 0.0, 4.0], "trained": ["router", "arguments"]}
    pair = make_pair("llama", copy_weight=30.0, **heads)
    asked = [{"role": "user", "content": "Quito Zanzibar"}]
    (need,) = pair.call(asked, [TWO], filler="autoregressive", parallel_tool_calls=False, mode="tool").needs
    assert need.path in ("$.a", "$.b")


@pytest.mark.parametrize(
    ("text", "value", "whole"),
    [("on 2025-08-01", b"2025", False), ("on 2025-08-01", b"01", False), ("on 2025-08-01", b"2025-08-01", True)]
    + [("room 2025-08", b"2025", True), ("in 2025, 8 of 12", b"2025", True)],
)
def test_no_number_begins_or_ends_within_a_date(vocabulary, text, value, whole):
    assert Transcript([text], vocabulary).ahead(value)[1] == whole


def test_what_is_withdrawn_goes_with_its_call(vocabulary):
    scaffold = Scaffold([compile_tool(WEATHER, vocabulary)] * 3, vocabulary)
    calls = Calls(scaffold, withdrawn={(0, "city"): "Oslo", (2, "city"): "Rome"})
    calls.keep([1, 2])
    assert calls.withdrawn == {(1, "city"): "Rome"}


def test_what_was_found_in_the_place_of_anothers_value_does_not_stand(vocabulary):
    """Where nobody gave a value, the first thing that is written is often another argument's."""
    properties = {name: {"type": "string"} for name in ("a", "b")}
    tool = {"name": "f", "parameters": {"type": "object", "properties": properties, "required": ["a", "b"]}}
    scaffold = Scaffold([compile_tool(tool, vocabulary)], vocabulary)
    values = scaffold.read([{"a": "Ann", "b": "Bob"}])
    known = dict.fromkeys(values, 0.5)
    config = LaFuncConfig(needs_weights=[0.0, 0.0, -9.0, 0.0, 0.0, 4.0])
    for withdrawn, needs in (((), []), ([(0, "b")], ["$.b"])):
        output = ToolCallOutput("tool")
        assemble(output, scaffold, values, known, known, config, searched=["Ann or Bob"], withdrawn=withdrawn)
        assert [need.path for need in output.needs] == needs and len(output.tool_calls) == 1 - len(needs)
        assert output.evidence["$[0].a"].stands and output.evidence["$[0].b"].stands != bool(withdrawn)
