"""Augmentation: new rows are as good as the old ones, which stay as they are."""

import ast
import copy
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lafunc.data import augment, hub
from lafunc.data.code import literal
from lafunc.data.dialects import tool_of
from lafunc.data.rows import calls_of, check_row, make_row, prompt_of

WORDS = st.sampled_from("alpha beta gamma delta city of rome train seat".split())
SCHEMAS = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "description": "The town_name to go to."},
        {"type": "integer", "minimum": 0},
        {"type": "boolean"},
        {"type": ["string", "null"]},
        {"type": "string", "enum": ["red", "blue"]},
        {"type": "array", "items": {"type": "string"}},
        {"type": "object", "properties": {"deep_one": {"type": "number"}}, "required": ["deep_one"]},
    ]
)
VALUES = {
    "string": WORDS,
    "['string', 'null']": WORDS,
    "integer": st.integers(0, 50),
    "boolean": st.booleans(),
    "array": st.lists(WORDS, max_size=2),
    "object": st.just({"deep_one": 1.5}),
}


@st.composite
def tools(draw, name: str):
    names = draw(st.lists(st.sampled_from(["town_name", "seatCount", "day", "arg1", "to"]), unique=True, max_size=4))
    properties = {one: dict(draw(SCHEMAS)) for one in names}
    required = [one for one in names if draw(st.booleans())]
    schema = {"type": "object", "properties": properties, **({"required": required} if required else {})}
    about = draw(st.sampled_from(["", "Books a train.", "Books it; give town_name in English."]))
    return {"name": name, "description": about, "parameters": schema}


@st.composite
def rows(draw):
    offered = [draw(tools(name)) for name in draw(st.sampled_from([["book_seat"], ["getTrain", "book_seat", "f"]]))]
    calls, needs = [], []
    for at in range(draw(st.integers(1, 2))):
        tool = draw(st.sampled_from(offered))
        arguments = {}
        for name, schema in tool["parameters"]["properties"].items():
            required = name in tool["parameters"].get("required", ())
            if required and draw(st.integers(0, 5)) == 0:
                needs.append((at, name))
            elif required or draw(st.booleans()):
                kind = st.sampled_from(schema["enum"]) if "enum" in schema else VALUES[str(schema["type"])]
                arguments[name] = draw(kind)
        calls.append((tool["name"], arguments))
    said = " ".join(str(value) for _, arguments in calls for value in arguments.values())
    messages = [{"role": "user", "content": f"Please do this for me: go to {said} quickly"}]
    if draw(st.booleans()):
        called = {"type": "function", "function": {"name": calls[0][0], "arguments": calls[0][1]}}
        messages += [{"role": "assistant", "content": "", "tool_calls": [called]}, {"role": "tool", "content": "{}"}]
    return make_row(messages, offered, "test", calls, needs=needs)


POOL = [
    tool_of(f"other_{name}", f"Does {name} things.", {name: {"type": "str"}}) for name in ("paint", "cook", "sing")
]


@settings(max_examples=60, deadline=None)
@given(row=rows(), seed=st.integers(0, 10_000))
def test_augmented_rows_are_good_rows_and_leave_the_old_one_alone(row, seed):
    before = copy.deepcopy(row)
    chance = random.Random(seed)
    made = [
        augment.shuffle_tools(row, chance),
        augment.trim_tools(row, chance, 1, 100),
        augment.add_distractors(row, POOL, 2, chance),
        augment.rename_tools(row, chance),
        augment.rename_parameters(row, chance),
        augment.drop_optional(row, chance),
        augment.source_text(row, chance),
        augment.remove_called(row, POOL, chance),
        augment.delete_value(row, chance),
        augment.join(row, simple("Book a hotel in Rome", where="Rome"), chance),
    ]
    for other in made:
        if other is not None:
            check_row(other)
            check_row(augment.rename_tools(augment.rename_parameters(other, chance), chance))
    assert row == before


@settings(max_examples=60, deadline=None)
@given(row=rows(), seed=st.integers(0, 10_000))
def test_names_change_everywhere_at_once_and_values_nowhere(row, seed):
    other = augment.rename_parameters(augment.rename_tools(row, random.Random(seed)), random.Random(seed))
    places = {tool["name"]: at for at, tool in enumerate(row["tools"])}
    for message, renamed in zip(row["messages"], other["messages"], strict=True):
        for one, two in zip(message.get("tool_calls", ()), renamed.get("tool_calls", ()), strict=True):
            tool = other["tools"][places[one["function"]["name"]]]
            assert two["function"]["name"] == tool["name"]
            old = row["tools"][places[one["function"]["name"]]]["parameters"]["properties"]
            names = dict(zip(old, tool["parameters"]["properties"], strict=True))
            expected = {names[name]: value for name, value in one["function"]["arguments"].items()}
            assert two["function"]["arguments"] == expected
    for old, new in zip(row["tools"], other["tools"], strict=True):
        if "town_name" not in new["parameters"]["properties"] and "town_name" in old["parameters"]["properties"]:
            assert "town_name" not in json.dumps(new)


@settings(max_examples=100, deadline=None)
@given(row=rows(), seed=st.integers(0, 10_000))
def test_source_text_holds_the_values(row, seed):
    """Read as JSON or Python, what is written is the value; every string that was one stays as it is."""
    other = augment.source_text(row, random.Random(seed))
    for (name, old), (_, new) in zip(calls_of(row), calls_of(other), strict=True):
        was, tool = ({t["name"]: t for t in one["tools"]}[name] for one in (row, other))
        assert old.keys() == new.keys()
        for key, value in new.items():
            schema = tool["parameters"]["properties"][key]
            if schema == was["parameters"]["properties"][key] or isinstance(old[key], str):
                assert value == old[key]
                continue
            assert schema["type"] == "string" and isinstance(value, str)
            if "JSON" in schema["description"]:
                assert json.loads(value) == old[key]
            elif "Python" in schema["description"]:
                assert ast.literal_eval(value) == old[key]
            elif "JavaScript" in schema["description"]:
                assert json.loads(value.replace("'", '"')) == old[key]


def test_lists_maps_and_numbers_of_java():
    chance = random.Random(0)
    assert literal([1, 2], "Java", "Array", chance) == "new int[]{1, 2}"
    assert literal([1, 2.5], "Java", "Array", chance) == "new double[]{1, 2.5}"
    assert literal([1, "a"], "Java", "Array", chance) == 'new Object[]{1, "a"}'
    assert literal(["a b"], "Java", "Array", chance) == 'new String[]{"a b"}'
    found = {literal(["a", "b"], "Java", "ArrayList", chance) for _ in range(20)}
    assert found == {
        'new ArrayList<>(Arrays.asList("a", "b"))',
        'new ArrayList<String>(Arrays.asList("a", "b"))',
    }
    assert literal({"a": 1, "b": "c"}, "Java", "HashMap", chance) == (
        'new HashMap<String, Object>() {{ put("a", 1); put("b", "c"); }}'
    )
    numbers = ((5, "long"), (2.5, "float"), (2.5, "double"), (True, "boolean"))
    assert [literal(value, "Java", kind, chance) for value, kind in numbers] == ["5L", "2.5f", "2.5", "true"]


def test_a_tool_whose_parameters_depend_on_each_other_keeps_them():
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "allOf": [{"required": ["a"]}]}
    row = make_row(hub.user("Do it with 5"), [tool_of("f", "Does it.", schema)], "test", [("f", {"a": 5})])
    assert all(augment.source_text(row, random.Random(seed)) == row for seed in range(5))


def simple(text: str, name: str = "book", **arguments) -> dict:
    kinds = {str: "string", int: "integer"}
    properties = {key: {"type": kinds[type(value)], "description": key} for key, value in arguments.items()}
    schema = {"type": "object", "properties": properties, "required": list(arguments)}
    tool = tool_of(name, "Books a hotel room.", schema)
    return make_row(hub.user(text), [tool], "test", [(name, arguments)])


@pytest.mark.parametrize(
    "text, value, left",
    [
        ("Book me a hotel in Rome, please.", "Rome", "Book me a hotel, please."),
        ("Book me a hotel called 'The Inn' tonight", "The Inn", "Book me a hotel tonight"),
        ("Book a hotel for the night for 3", 3, "Book a hotel for the night"),
    ],
)
def test_a_deleted_value_goes_with_the_words_that_lead_to_it(text, value, left):
    row = augment.delete_value(simple(text, where=value), random.Random(0))
    assert row["messages"][0]["content"] == left
    assert calls_of(row) == [("book", {})] and row["needs"] == [[0, "where"]] and row["mode"] == "tool"


@pytest.mark.parametrize(
    "row",
    [
        simple("Rome, Rome, a hotel in Rome", where="Rome"),  # said more than once
        simple("Book a hotel there, please", where="Rome"),  # not said
        simple("Rome please", where="Rome"),  # nothing left
        simple("Wake me up at 12:00 tomorrow", where=12),  # a part of something
        simple("Book me a hotel in Rome Italy", where="Rome Italy", city="Rome"),  # another value goes with it
    ],
)
def test_a_value_is_not_deleted_where_the_label_would_be_wrong(row):
    row = {**row, "tools": [{**row["tools"][0]}]}
    row["tools"][0]["parameters"] = {**row["tools"][0]["parameters"], "required": ["where"]}
    assert augment.delete_value(row, random.Random(0)) is None


def test_a_negative_offers_nothing_like_the_called_tool():
    row = simple("Book me a hotel in Rome", name="book_hotel", where="Rome")
    rival = tool_of("reserveHotel", "Reserves a room in a hotel.", {})
    row["tools"] += [rival, tool_of("paint_wall", "Paints a wall.", {}), tool_of("ask", "Search the web.", {})]
    negative = augment.remove_called(row, [rival], random.Random(0))
    assert negative["mode"] == "chat" and negative["messages"] == prompt_of(row)
    assert [tool["name"] for tool in negative["tools"]] == ["paint_wall"]
    assert augment.remove_called(simple("Book me a hotel in Rome", where="Rome"), [], random.Random(0)) is None


def test_a_tenth_of_the_negatives_is_offered_tools_near_the_request():
    """But nothing like the called one, and nothing that answers any question."""
    row = simple("Calculate the budget of a hotel stay in Rome", name="estimate_stay", where="Rome")
    near = tool_of("calculate_budget", "Calculates the budget of a company.", {})
    pool = [near, tool_of("ask", "Search the web for budgets.", {}), tool_of("paint_wall", "Paints a wall.", {})]
    negatives = [augment.remove_called(row, pool, random.Random(seed)) for seed in range(200)]
    offered = [{tool["name"] for tool in negative["tools"]} for negative in negatives if negative]
    assert set().union(*offered) == {"calculate_budget", "paint_wall"}
    assert 5 < sum("calculate_budget" in names for names in offered) < 45


def test_beside_a_called_tool_others_may_be_near_the_request():
    row = simple("Calculate the budget of a hotel stay in Rome", name="estimate_stay", where="Rome")
    near = tool_of("calculate_budget", "Calculates the budget of a company.", {})
    pool = [near, *(tool_of(f"paint_{n}", "Paints a wall.", {}) for n in range(9))]
    made = {
        flag: [augment.add_distractors(row, pool, 1, random.Random(seed), near=flag) for seed in range(100)]
        for flag in (True, False)
    }
    count = {flag: sum(near in one["tools"] for one in rows) for flag, rows in made.items()}
    assert count[False] < 25 and 40 < count[True]


def test_two_requests_are_joined_unless_one_could_stand_for_the_other():
    row, chance = simple("Book a hotel in Rome.", where="Rome"), random.Random(0)
    other = simple("and one in Oslo", where="Oslo")
    made = augment.join(row, other, chance)
    assert calls_of(made) == [("book", {"where": "Rome"}), ("book", {"where": "Oslo"})] and len(made["tools"]) == 1
    assert made["messages"][0]["content"].startswith("Book a hotel in Rome. ")
    assert made["messages"][0]["content"].endswith("and one in Oslo")
    assert augment.join(row, row, chance) is None
    assert augment.join(row, simple("A bed in Oslo", name="book_bed", place="Oslo"), chance) is None
    assert augment.join(row, {**other, "needs": [[0, "where"]]}, chance) is None


def test_what_is_offered_for_chat_does_not_help():
    row = make_row(hub.user("who painted the ceiling?"), [], "test")
    other = augment.add_distractors(row, [*POOL, tool_of("web", "Search the internet.", {})], 5, random.Random(0))
    assert sorted(tool["name"] for tool in other["tools"]) == ["other_cook", "other_sing"]
