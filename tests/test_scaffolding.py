"""Scaffolds: both readings of the tree, and the way back to arguments."""

import json
import random
import time

import jsonschema
import pytest
import torch
from conftest import ORDER, WEATHER, make_tokenizer

from lafunc.compiling_lafunc import compile_tool
from lafunc.filling_lafunc import Cursor
from lafunc.language_lafunc import accepts
from lafunc.node_lafunc import MAX_ITEMS, Slot, continuations
from lafunc.scaffolding_lafunc import FIRST_ITEMS, Capacity, Scaffold, can_go_on
from lafunc.vocabulary_lafunc import Vocabulary


@pytest.fixture(scope="module", params=["llama", "gemma3"])
def vocabulary(request) -> Vocabulary:
    return Vocabulary(make_tokenizer(request.param))


NESTED = {
    "name": "nested",
    "parameters": {
        "type": "object",
        "properties": {
            "a": {"type": ["number", "null"]},
            "o": {"type": "object", "properties": {"p": {"type": "object", "properties": {"x": {"type": "string"}}}}},
            "u": {"anyOf": [{"type": "integer"}, {"type": "object", "properties": {"k": {"enum": [1, "b", None]}}}]},
            "l": {
                "type": "array",
                "minItems": 1,
                "maxItems": 3,
                "items": {
                    "type": ["object", "string"],
                    "properties": {
                        "n": {"type": "array", "items": {"type": "object", "properties": {"y": {"type": "boolean"}}}}
                    },
                },
            },
            "m": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
        "required": ["u", "l"],
    },
}
TOOLS = {"weather": [WEATHER["function"]], "order": [ORDER], "nested": [NESTED], "several": [ORDER, NESTED, ORDER]}


def test_long_arguments_are_read_in_a_moment():
    """Whatever their tokens: neither all edges of all states on the way nor all tokenizations are looked at."""
    vocabulary = Vocabulary(make_tokenizer("llama"))
    names = {f"rule-{n}-of-many": {"enum": ["off", "warning", "error"]} for n in range(40)}
    schema = {
        "type": "object",
        "properties": names,
        "additionalProperties": {"type": "string", "pattern": "^[a-z ]*$"},
    }
    scaffold = one_argument(vocabulary, schema)
    value = {**dict.fromkeys(names, "warning"), "rule-of-more": "as long as anything " * 20}
    start = time.perf_counter()
    assert scaffold.accepts([{"a": value}]) and not scaffold.accepts([{"a": {**value, "rule-of-more": "No"}}])
    assert time.perf_counter() - start < 5


def scaffold_of(vocabulary: Vocabulary, *tools) -> Scaffold:
    return Scaffold([compile_tool(tool, vocabulary) for tool in tools], vocabulary)


def one_argument(vocabulary: Vocabulary, schema, required=True) -> Scaffold:
    names = ["a"] if required else []
    parameters = {"type": "object", "properties": {"a": schema}, "required": names}
    return scaffold_of(vocabulary, {"name": "f", "parameters": parameters})


def values_of(vocabulary: Vocabulary, **texts) -> dict:
    return {(0, *path.split("__")): list(vocabulary.encode(text)) for path, text in texts.items()}


def written_at_random(scaffold: Scaffold, seed: int, max_slot_tokens: int = 12) -> Cursor:
    """A left-to-right walk whose every decision is random."""
    ways = list(continuations(scaffold.chain))
    cursor = Cursor(scaffold.vocabulary, ways, max_slot_tokens=max_slot_tokens)
    chance = torch.Generator().manual_seed(seed)
    while cursor.done is None:
        cursor.choose(torch.randn(len(scaffold.vocabulary), generator=chance))
    return cursor


# --------------------------------------------------------------------------------------------------------------------
# The flat block
# --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tools", TOOLS)
def test_a_block_is_open_exactly_at_its_slots(vocabulary, tools):
    block = scaffold_of(vocabulary, *TOOLS[tools]).block()
    open = [at for at, token in enumerate(block.tokens) if token == -1]
    assert open == [at for span in block.spans for at in span.positions]
    assert len({span.slot.path for span in block.spans}) == len(block.spans)


@pytest.mark.parametrize("tools", TOOLS)
def test_every_slot_has_room_for_its_shortest_value(vocabulary, tools):
    for span in scaffold_of(vocabulary, *TOOLS[tools]).block().spans:
        assert 1 <= len(span.slot.language.shortest()) <= span.budget


def test_a_blocks_text_shows_its_slots(vocabulary):
    text = scaffold_of(vocabulary, WEATHER["function"]).block().text(vocabulary)
    head = '<tool_call>\n{"name": "get_weather", "arguments": {"location": ‹string 20›", "unit": ‹enum? '
    assert text.startswith(head) and text.endswith("›}}\n</tool_call>")


def test_a_blocks_text_shows_values(vocabulary):
    block = scaffold_of(vocabulary, WEATHER["function"]).block()
    text = block.text(vocabulary, {(0, "location"): ' "Rome', (0, "unit"): ' "celsius', (0, "days"): " 3"})
    assert text.endswith('"arguments": {"location": "Rome", "unit": "celsius", "days": 3}}\n</tool_call>')


def test_capacity_widens_slots_and_lengthens_arrays(vocabulary):
    scaffold = scaffold_of(vocabulary, ORDER)
    block = scaffold.block(Capacity({(0, "express"): 9}, {(0, "items"): 5}))
    assert next(span.budget for span in block.spans if span.slot.path == (0, "express")) == 9
    assert {span.slot.path[2] for span in block.spans if span.slot.path[1] == "items"} == set(range(5))


# --------------------------------------------------------------------------------------------------------------------
# From values to text and arguments
# --------------------------------------------------------------------------------------------------------------------

ROUND_TRIPS = [
    ({"type": "string"}, {"a": ' "Tokyo'}, "Tokyo"),
    ({"type": "string"}, {"a": ' "'}, ""),
    ({"type": ["integer", "null"]}, {"a": " null"}, None),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"a": ' "x"'}, "x"),
    ({"enum": ["b", 1]}, {"a": ' "b"'}, "b"),
    ({"type": "object", "properties": {"x": {"type": "null"}}}, {"a__x": " null"}, {"x": None}),
    ({"type": "object", "properties": {"x": {"type": "null"}}}, {}, {}),
    ({"type": ["object", "null"], "properties": {"x": {}}}, {"a": " null"}, None),
    ({"type": ["object", "null"], "properties": {"x": {}}}, {"a": " {", "a__x": " 1"}, {"x": 1}),
    ({"type": ["object", "null"], "properties": {"x": {}}}, {"a": " {"}, {}),
]


@pytest.mark.parametrize("schema, texts, expected", ROUND_TRIPS)
def test_values_become_text_and_arguments(vocabulary, schema, texts, expected):
    scaffold, values = one_argument(vocabulary, schema), values_of(vocabulary, **texts)
    assert scaffold.arguments(values) == [{"a": expected}]
    body = json.dumps({"a": expected})
    text = f'<tool_call>\n{{"name": "f", "arguments": {body}}}\n</tool_call>'
    assert vocabulary.decode(scaffold.tokens(values)) == text


def test_what_is_not_given_is_left_out(vocabulary):
    scaffold = scaffold_of(vocabulary, WEATHER["function"])
    assert scaffold.arguments(values_of(vocabulary, location=' "a', days=" 3")) == [{"location": "a", "days": 3}]


def test_values_inside_an_absent_object_are_not_written(vocabulary):
    scaffold = one_argument(vocabulary, {"type": "object", "properties": {"x": {}}}, required=False)
    values = values_of(vocabulary, a__x=" 1")
    assert scaffold.arguments(values) == [{}]
    assert [piece.path for piece in scaffold.write(values) if isinstance(piece, Slot)] == []


def test_an_array_ends_at_its_first_absent_element(vocabulary):
    items = {"type": "array", "items": {"type": "object", "properties": {"x": {}}, "required": ["x"]}}
    brace = [*vocabulary.encode("{")], [*vocabulary.encode(" {")]
    values = {(0, "a", 0): brace[0], (0, "a", 2): brace[1]}
    values |= {(0, "a", at, "x"): [*vocabulary.encode(f" {at}")] for at in range(3)}
    assert one_argument(vocabulary, items).arguments(values) == [{"a": [{"x": 0}]}]


def test_each_call_has_its_own_values(vocabulary):
    scaffold = scaffold_of(vocabulary, WEATHER["function"], WEATHER["function"])
    values = {(call, "location"): list(vocabulary.encode(f' "{name}')) for call, name in enumerate(["A", "B"])}
    assert scaffold.arguments(values) == [{"location": "A"}, {"location": "B"}]
    call = '<tool_call>\n{"name": "get_weather", "arguments": {"location": "%s"}}\n</tool_call>'
    assert vocabulary.decode(scaffold.tokens(values)) == f"{call % 'A'}\n{call % 'B'}"


def test_awkward_names_are_written_as_json(vocabulary):
    name = 'a "b"\\\n<|eot_id|>'
    tool = {"name": name, "parameters": {"properties": {name: {"const": 1}}, "required": [name]}}
    scaffold = scaffold_of(vocabulary, tool)
    cursor = written_at_random(scaffold, 0)
    assert scaffold.arguments(cursor.values) == [{name: 1}]
    assert json.loads(vocabulary.decode(cursor.tokens)[len("<tool_call>\n") : -len("\n</tool_call>")])["name"] == name


# --------------------------------------------------------------------------------------------------------------------
# Openers, and the two readings
# --------------------------------------------------------------------------------------------------------------------


def openers(scaffold: Scaffold) -> dict:
    return {span.slot.path[1:]: span.slot for span in scaffold.block().spans if span.slot.kind == "opener"}


def test_only_objects_whose_presence_is_open_have_an_opener(vocabulary):
    inner = {"type": "object", "properties": {"x": {}}}
    assert not openers(one_argument(vocabulary, inner))
    assert openers(one_argument(vocabulary, inner, required=False))[("a",)].optional
    assert not openers(one_argument(vocabulary, {**inner, "type": ["object", "null"]}))[("a",)].optional


def test_an_opener_chooses_between_the_bracket_and_the_alternatives(vocabulary):
    schema = {"type": ["object", "null", "string"], "properties": {"x": {}}}
    slot = openers(one_argument(vocabulary, schema))[("a",)]
    for text, expected in (
        (" {", True),
        (" null", True),
        (' "x"', True),
        (' "x', False),
        (" {}", False),
        (" 1", False),
    ):
        assert accepts(slot.language, vocabulary.encode(text)) == expected


def test_an_optional_object_is_not_opened_for_nothing(vocabulary):
    inner = {"type": "object", "properties": {"x": {"type": "null"}}}
    texts = [way.text for way in continuations(one_argument(vocabulary, inner, required=False).chain)]
    assert sorted(text.partition('"arguments": ')[2] for text in texts) == ['{"a": {"x":', "{}}\n</tool_call>"]


def test_the_ways_on_grow_with_the_members_and_not_exponentially(vocabulary):
    inner = {"type": "object", "properties": {"x": {}, "y": {"type": "array", "items": NESTED["parameters"]}}}
    ways = [
        len(list(continuations(scaffold_of(vocabulary, {"name": "f", "parameters": {"properties": members}}).chain)))
        for members in ({f"o{at}": inner for at in range(count)} for count in (1, 2, 20))
    ]
    assert ways[2] - 1 == 20 * (ways[0] - 1) == 10 * (ways[1] - 1)


@pytest.mark.parametrize("tools", TOOLS)
@pytest.mark.parametrize("seed", range(12))
def test_both_readings_agree_on_random_values(vocabulary, tools, seed):
    scaffold = scaffold_of(vocabulary, *TOOLS[tools])
    cursor = written_at_random(scaffold, seed)
    assert scaffold.tokens(cursor.values) == cursor.tokens
    for tool, arguments in zip(TOOLS[tools], scaffold.arguments(cursor.values), strict=True):
        jsonschema.validate(arguments, tool["parameters"])
        assert f'"arguments": {json.dumps(arguments)[:1]}' in vocabulary.decode(cursor.tokens)
    for piece in scaffold.write(cursor.values):
        if isinstance(piece, Slot):
            assert accepts(piece.language, cursor.values[piece.path])


OPTIONAL = {
    "name": "f",
    "parameters": {
        "type": "object",
        "properties": {
            "a": {"type": "boolean"},
            "b": {"type": "boolean"},
            "c": {"enum": ["x", "y"]},
            "d": {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 2},
            "e": {"type": "object", "properties": {"g": {"type": "boolean"}}, "required": ["g"]},
        },
        "required": ["b"],
    },
}


@pytest.mark.parametrize("given", ["", "a", "c", "d", "e", "ad", "ce", "acde"])
def test_what_is_said_of_presence_counts_beside_the_logits(vocabulary, given):
    scaffold = scaffold_of(vocabulary, OPTIONAL)
    present = {(0, name): 50.0 if name in given else -50.0 for name in "acde"}
    cursor = Cursor(vocabulary, list(continuations(scaffold.chain)), present=present)
    while cursor.done is None:
        cursor.choose(torch.randn(len(vocabulary), generator=torch.Generator().manual_seed(len(cursor.tokens))))
    (arguments,) = scaffold.arguments(cursor.values)
    assert set(arguments) == {"b", *given}


@pytest.mark.parametrize("seed", range(12))
def test_the_block_has_room_for_what_was_written_left_to_right(vocabulary, seed):
    scaffold = scaffold_of(vocabulary, ORDER, NESTED)
    values = written_at_random(scaffold, seed).values
    budgets = {s.slot.path: s.budget for s in scaffold.block(scaffold.room_for(values, Capacity())).spans}
    present = [piece.path for piece in scaffold.write(values) if isinstance(piece, Slot)]
    assert all(budgets[path] > len(values[path]) - 1 for path in present)
    assert values.keys() <= budgets.keys()


@pytest.mark.parametrize("seed", range(12))
def test_a_value_that_has_begun_has_room_to_be_completed(vocabulary, seed):
    schema = {"type": "array", "items": {"type": "string", "minLength": 3}, "minItems": 3}
    scaffold, chance = one_argument(vocabulary, schema), random.Random(seed)
    whole = written_at_random(scaffold, seed, 40).values[(0, "a")]
    begun = whole[: chance.randint(0, len(whole))]
    (span,) = scaffold.block(scaffold.room_for({(0, "a"): begun}, Capacity())).spans
    states = frozenset([span.slot.language.start])
    for token in begun:
        states = span.slot.language.step(states, token)
    assert span.budget >= len(begun) + len(span.slot.language.shortest(states))


# --------------------------------------------------------------------------------------------------------------------
# Growing
# --------------------------------------------------------------------------------------------------------------------


def test_a_slot_grows_when_its_filling_could_go_on(vocabulary):
    scaffold = one_argument(vocabulary, {"type": "string"})
    values = {(0, "a"): [*vocabulary.encode(' "'), *[vocabulary.encode("a")[0]] * 30][:20]}
    grown = scaffold.crowded(values, scaffold.block(), Capacity(), max_slot_tokens=30)
    assert grown == Capacity({(0, "a"): 30}, {})
    block = scaffold.block(grown)
    assert scaffold.crowded({(0, "a"): values[(0, "a")] + [5] * 10}, block, grown, max_slot_tokens=30) is None


def test_a_slot_whose_value_is_complete_does_not_grow(vocabulary):
    scaffold = one_argument(vocabulary, {"const": "celsius"})
    values = {(0, "a"): scaffold.block().spans[0].slot.language.shortest()}
    block = scaffold.block(Capacity({(0, "a"): len(values[(0, "a")])}))
    assert scaffold.crowded(values, block, Capacity(), max_slot_tokens=64) is None


def test_can_go_on_tells_longer_strings(vocabulary):
    slot = one_argument(vocabulary, {"type": "string", "maxLength": 3}).block().spans[0].slot
    assert can_go_on(slot.language, vocabulary.encode(' "ab'))
    assert not can_go_on(slot.language, vocabulary.encode(' "abc'))


def elements(vocabulary: Vocabulary, count: int) -> dict:
    return {(0, "a", at): list(vocabulary.encode(" {" if at else "{")) for at in range(count)}


@pytest.mark.parametrize(
    "bounds, room, after",
    [
        ({}, FIRST_ITEMS, 2 * FIRST_ITEMS + 1),
        ({"maxItems": 5}, FIRST_ITEMS, 5),
        ({"maxItems": 2}, 2, None),
        ({"minItems": 7}, 7, 15),
        ({"minItems": 4, "maxItems": 4}, 4, None),
    ],
)
def test_an_array_grows_when_all_its_elements_are_present(vocabulary, bounds, room, after):
    items = {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "null"}}}, **bounds}
    scaffold = one_argument(vocabulary, items)
    block = scaffold.block()
    assert {span.slot.path[2] for span in block.spans} == set(range(room))
    full = scaffold.crowded(elements(vocabulary, room), block, Capacity(), 64)
    assert full == (None if after is None else Capacity({}, {(0, "a"): after}))
    if room > bounds.get("minItems", 0):
        assert scaffold.crowded(elements(vocabulary, room - 1), block, Capacity(), 64) is None


def test_an_array_that_ends_at_our_limit_is_reported(vocabulary):
    items = {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "null"}}}}
    scaffold = one_argument(vocabulary, items)
    assert scaffold.capped(elements(vocabulary, MAX_ITEMS)) == [(0, "a")]
    assert scaffold.capped(elements(vocabulary, MAX_ITEMS - 1)) == []
    assert len(scaffold.arguments(elements(vocabulary, MAX_ITEMS + 3))[0]["a"]) == MAX_ITEMS


def test_an_array_that_ends_at_the_schemas_limit_is_not_reported(vocabulary):
    items = {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "null"}}}, "maxItems": 2}
    assert one_argument(vocabulary, items).capped(elements(vocabulary, 2)) == []


def test_nested_arrays_of_objects_do_not_multiply_the_block(vocabulary):
    schema: dict = {"type": "string"}
    for _ in range(8):
        schema = {"type": "array", "items": {"type": "object", "properties": {"a": schema}}}
    assert len(one_argument(vocabulary, schema).block().spans) < 200


# --------------------------------------------------------------------------------------------------------------------
# From arguments to values
# --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tools", TOOLS)
@pytest.mark.parametrize("seed", range(6))
def test_reading_is_the_inverse_of_writing(vocabulary, tools, seed):
    scaffold = scaffold_of(vocabulary, *TOOLS[tools])
    arguments = scaffold.arguments(written_at_random(scaffold, seed).values)
    values = scaffold.read(arguments)
    assert scaffold.arguments(values) == arguments
    for piece in scaffold.write(values):
        if not isinstance(piece, str):
            assert accepts(piece.language, values[piece.path])


@pytest.mark.parametrize(
    "schema, value, text",
    [
        ({"type": "string"}, 'a "b"\n\\ é🎉', ' "a \\"b\\"\\n\\\\ é🎉'),
        ({"type": "integer"}, -120, " -120"),
        ({"type": "number"}, 5, " 5"),
        ({"type": "number"}, 5.25, " 5.25"),
        ({"enum": ["a", "b c"]}, "b c", ' "b c'),
        ({"enum": ["a", None, 1]}, 1, " 1"),
        ({"type": "array", "items": {"type": "integer"}}, [1, 20], " [1, 20]"),
        ({"type": "array", "items": {"type": "string"}}, [], " []"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"k": "v", "l": ""}, ' {"k": "v", "l": ""}'),
        ({"type": ["string", "null"]}, None, " null"),
    ],
)
def test_values_are_spelled_as_their_language_does(vocabulary, schema, value, text):
    scaffold = one_argument(vocabulary, schema)
    values = scaffold.read([{"a": value}])
    assert vocabulary.decode(values[(0, "a")]) == text and scaffold.arguments(values) == [{"a": value}]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({}, r"\$\.l is missing"),
        ({"l": [1]}, r"\$\.l\[0\] cannot be 1$"),
        ({"l": []}, r"\$\.l cannot have 0 elements"),
        ({"l": ["x"], "u": "no"}, r'\$\.u cannot be "no"'),
        ({"l": ["x"], "u": {"k": 1, "z": 2}}, r"\$\.u has no 'z'"),
        ({"l": ["x"], "u": 1, "o": 5}, r"\$\.o cannot be 5"),
    ],
)
def test_arguments_that_the_schema_does_not_allow(vocabulary, arguments, message):
    arguments = {"u": 1, **arguments} if "l" in arguments else {"u": 1}
    with pytest.raises(ValueError, match=message):
        scaffold_of(vocabulary, NESTED).read([arguments])
