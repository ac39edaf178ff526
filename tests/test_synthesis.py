"""Synthesis: rows hold whatever the schema, say their values, and come again with the same seed; teachers."""

import datetime
import json
import math
import random
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest
from conftest import LAMP, ORDER, WEATHER
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lafunc.__main__ import main
from lafunc.data.arguments import Argument, examples_in, read_arguments, words_of
from lafunc.data.catalogue import listed
from lafunc.data.dialects import tool_of
from lafunc.data.mentions import VERBS, Mention
from lafunc.data.phrasing import Target, _before, combine, frame, repeat, sequence, vary
from lafunc.data.pools import accepted
from lafunc.data.rows import RowError, calls_of, check_row, read_rows
from lafunc.data.synthesis import MOST, Synthesizer, synthesize
from lafunc.data.teacher import Teacher, TeacherError
from lafunc.data.values import Said, draw, join, measured, say_number
from lafunc.data.words import WORDS, number_words

NAMES = st.sampled_from(
    "city radius_km price date start_time includeTax color n x user_id items unit message is_active rate year age"
    " amount currency _".split()
)
LOW, MORE = st.integers(-9, 9), st.integers(0, 9)
LEAVES = st.one_of(
    st.just({"type": "string"}),
    st.builds(lambda low, more: {"type": "string", "minLength": abs(low), "maxLength": abs(low) + more}, LOW, MORE),
    st.sampled_from([{"type": "string", "format": f} for f in ("date", "date-time", "time", "email")]),
    st.just({"type": "boolean"}),
    st.builds(lambda low, more: {"type": "integer", "minimum": 9 * low, "maximum": 9 * low + more}, LOW, MORE),
    st.builds(lambda low, more: {"type": "number", "minimum": low, "maximum": low + more}, LOW, MORE),
    st.builds(lambda low: {"type": "number", "exclusiveMinimum": low}, LOW),
    st.builds(
        lambda low, more: {"type": "number", "minimum": low, "exclusiveMaximum": low + (1 + more) / 8}, LOW, MORE
    ),
    st.builds(lambda low, more: {"type": "integer", "exclusiveMinimum": low - 0.5, "maximum": low + more}, LOW, MORE),
    st.sampled_from([{"anyOf": [{"type": "null"}]}, {"type": "object", "required": ["a"]}, {"$ref": "#/$defs/small"}]),
    st.sampled_from([{"type": "integer"}, {"type": "number"}, {"type": ["string", "null"]}, {"type": "object"}]),
    st.sampled_from([{"const": 3}, {}]),
    st.lists(
        st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.none()),
        min_size=1,
        max_size=3,
        unique_by=repr,
    ).map(lambda members: {"enum": members}),
)


def objects(inner):
    return st.dictionaries(NAMES, inner, max_size=3).flatmap(
        lambda properties: st.sets(st.sampled_from(sorted(properties) or ["x"])).map(
            lambda required: {
                "type": "object",
                "properties": properties,
                "required": sorted(required & properties.keys()),
            }
        )
    )


SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        objects(inner),
        st.builds(lambda item, low, more: {"type": "array", "items": item, "minItems": low, "maxItems": low + more},
                  inner, st.integers(0, 2), st.integers(0, 2)),
    ),
    max_leaves=6,
)  # fmt: skip


def only(name, **schema):
    return {"type": "object", "properties": {name: schema}, "required": [name]}


@settings(max_examples=120, deadline=None)
@given(objects(SCHEMAS), st.integers(0, 2**30))
@example(only("city", type="integer", minimum=0, maximum=0), 0)
@example(only("city", type="object", additionalProperties={"type": "number", "maximum": 0, "minimum": -1}), 0)
@example(only("x", type="number", exclusiveMinimum=0, maximum=0.005), 0)
@example(only("x", type="number", minimum=0.12345, maximum=0.12345), 0)
@example(only("x", type="number", minimum=-1e308, maximum=1e308), 0)
@example(only("x", type="integer", minimum=5, exclusiveMinimum=7, maximum=8), 0)
@example(only("price", type="number", exclusiveMinimum=0, exclusiveMaximum=0.01), 0)
@example(only("year", type="number", minimum=0.5, maximum=0.7), 0)
@example(only("ratio", type="integer", minimum=0, maximum=0), 0)
@example(only("", type="string"), 0)
@example(only("city", type="object", properties={"n": {"type": "string"}}), 105)
@example({"properties": {"amount": {"type": "integer", "maximum": 100}, "currency": {}}, "required": ["amount"]}, 0)
@example({"$ref": "#/$defs/small"}, 0)
@example({"type": ["object", "null"], "required": ["undeclared"]}, 0)
def test_rows_of_any_accepted_schema_hold(parameters, seed):
    parameters = parameters | {"$defs": {"small": only("n", type="number", maximum=0)}}
    tools = list(accepted([{"name": "do_it", "description": "Do it", "parameters": parameters}]))
    source = Synthesizer(tools, seed) if tools else Synthesizer([], seed)
    for _ in range(4):
        row = source.row()
        check_row(row)
        json.dumps(row)
    assert not source.refused, parameters


def test_catalogue_is_large_accepted_and_spoken():
    source = Synthesizer([], 0)
    names = [next(source.source) for _ in range(1500)]
    assert len({json.dumps(target.tool) for target in names}) > 1200
    tools = [target.tool for target in names[:400]]
    assert len(list(accepted(tools))) == len({json.dumps(tool, sort_keys=True) for tool in tools})
    assert [about for _, _, about, _, _ in listed() if about.split()[0].lower() not in VERBS] == []


def test_same_seed_same_rows():
    one, again, other = (list(synthesize([], 60, seed)) for seed in (3, 3, 4))
    assert one == again != other


def test_all_kinds_of_rows_occur():
    rows = list(synthesize([WEATHER["function"], ORDER], 600, 1, invented=0.5))
    assert {row["mode"] for row in rows} == {"tool", "chat"}
    assert any(len(calls_of(row)) > 1 for row in rows) and any(row["needs"] for row in rows)
    assert any(len(row["messages"]) > 2 and not row["needs"] for row in rows)
    assert {len(row["tools"]) for row in rows} >= {1, 2, 3, 4, 5}
    for row in rows:
        if row["mode"] == "chat":
            assert row["messages"][-1]["role"] == "user" and row["tools"]
        assert "{" not in row["messages"][0]["content"]


def test_few_tools_are_offered_together_whether_they_are_called_or_not():
    """What is answered in words is a request for something that none of them is named after; and what is offered does
    not tell which it is.
    """
    rows = list(synthesize([WEATHER["function"], LAMP], 600, 2))
    for row in rows:
        if row["mode"] == "chat":
            assert not re.search(r"\b(weather|lamps?)\b", row["messages"][-1]["content"].lower())
    offered = [(row["mode"], tuple(sorted(tool["name"] for tool in row["tools"]))) for row in rows]
    both = Counter(mode for mode, names in offered if names == ("get_weather", "set_lamp"))
    assert both["chat"] > 15 and both["tool"] > 150
    assert all(any(mode == kind and names != ("get_weather", "set_lamp") for kind, names in offered) for mode in both)


@pytest.mark.parametrize(("count", "together"), [(12, True), (13, False)])
def test_many_tools_are_not_offered_all_together(count, together):
    many = [{**LAMP, "name": f"thing{n:02}"} for n in range(count)]
    rows = list(synthesize(many, 80, 3))
    assert any(len(row["tools"]) >= count for row in rows if row["mode"] == "chat") == together


def test_strings_are_said_verbatim():
    """Those without a fixed set or form: what is copied must stand in the request."""
    for row in synthesize([], 800, 5):
        said = " ".join(message["content"] for message in row["messages"])
        types = {tool["name"]: tool["parameters"]["properties"] for tool in row["tools"]}
        for name, arguments in calls_of(row):
            for key, value in arguments.items():
                schema = types[name][key]
                dated = any(form in schema.get("description", "") for form in ("YYYY", "HH:MM")) or "format" in schema
                placed = ", e.g. " in schema.get("description", "") or ", such as " in schema.get("description", "")
                if isinstance(value, str) and "enum" not in schema and not dated and not placed:
                    assert value in said


def test_needed_values_are_absent():
    rows = [row for row in synthesize([], 800, 6) if row["needs"]]
    assert len(rows) > 20
    for row in rows:
        for call, name in row["needs"]:
            assert name not in calls_of(row)[call][1]


def argument(name, description="", **schema):
    tool = {
        "name": "f",
        "parameters": {"properties": {name: {"description": description, **schema}}, "required": [name]},
    }
    return read_arguments(tool)[0]


def test_values_fit_names_and_descriptions():
    rng = random.Random(0)
    rate = argument("rate", "Interest rate as a decimal", type="number")
    assert all(0 < draw(rate, rng).value < 1 for _ in range(20))
    assert any(said.text.endswith("%") for said in (draw(rate, rng) for _ in range(20)))
    dates = [draw(argument("day", "in YYYY-MM-DD form", type="string"), rng) for _ in range(20)]
    assert all(len(said.value) == 10 for said in dates) and any(said.text != said.value for said in dates)
    clocks = [draw(argument("time", "e.g., HH:MM AM/PM", type="string"), rng).value for _ in range(20)]
    assert all(re.fullmatch(r"(0[1-9]|1[0-2]):[0-5]\d [AP]M", clock) for clock in clocks)
    genre = argument("genre", "Genre, e.g., polka, dub or ska", type="string")
    assert {draw(genre, rng).value for _ in range(40)} >= {"polka", "dub", "ska"}
    assert argument("length_km", type="number").unit == "kilometers"
    assert draw(argument("page", type="string"), rng).value.isdigit()
    assert all(1 <= draw(argument("mood", "from 1 to 5", type="integer"), rng).value <= 5 for _ in range(20))


@pytest.mark.parametrize(
    ("description", "form"),
    [
        ("The city and state, e.g. San Francisco, CA", r".+, [A-Z]{2}"),
        ("Where to look, such as 'London, UK'", r".+, [A-Z][A-Za-z ]+"),
        ("The city, such as London, Paris", r"[^,]+"),
    ],
)
def test_a_place_has_the_form_that_its_description_shows(description, form):
    """Whatever is said of it: "Boston" is Boston, MA."""
    said = [draw(argument("location", description, type="string"), random.Random(n)) for n in range(60)]
    formed = [one for one in said if re.fullmatch(form, one.value)]
    asked = form.startswith(".")
    assert len(formed) == 60 if asked else len(formed) > 45  # now and then there is a code
    cities = {text.split("/")[0] for text in (*WORDS["city_state"], *WORDS["city_country"])}
    unheard = [one for one in formed if asked and one.value.split(", ")[0] not in cities]
    assert bool(unheard) == asked and all(", " in one.text for one in unheard)  # nobody knows where these are
    shortened = any(one.value.startswith(f"{one.text}, ") for one in formed)
    assert shortened == asked


def test_a_rate_is_a_share_unless_it_is_in_percent():
    for description, share in (("Interest rate", True), ("Interest rate in percent", False)):
        said = [draw(argument("interest_rate", description, type="number"), random.Random(n)) for n in range(60)]
        values = [one.value for one in said if one.text.endswith("%")]
        assert len(values) > 10 and (max(values) < 1) == share


def test_numbers_are_said_in_many_ways():
    plain = Argument("n", {}, True, "n", "", "integer")
    rng = random.Random(1)
    assert {say_number(1200, plain, rng) for _ in range(200)} >= {"1200", "1,200"}
    assert {say_number(25, plain, rng) for _ in range(400)} >= {"25", "twenty-five", "twenty five"}
    assert {say_number(-5, plain, rng) for _ in range(200)} >= {"-5", "minus 5", "negative 5"}
    assert {say_number(0.5, plain, rng) for _ in range(200)} >= {"0.5", "half"}
    assert number_words(342_018) == "three hundred forty-two thousand eighteen"


def test_words():
    assert words_of("checkInDate") == words_of("check_in_date") == "check in date"
    assert words_of("num_guests") == "number of guests"
    assert examples_in("Kind of tea (e.g., green, black, etc.)") == ("green", "black")
    assert join(["a", "b", "c"], random.Random(0), " and ") == "a, b and c"


def test_a_phrase_of_the_description_gives_way_to_the_value():
    tool = {
        "name": "weather",
        "description": "Retrieves the weather for a given city.",
        "parameters": {"properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
    target = Target(tool)
    texts = {frame(target, [(target.arguments[0], Said("Oslo", "Oslo"))], random.Random(seed)) for seed in range(60)}
    assert len(texts) > 25
    assert all("Oslo" in text and "given city" not in text for text in texts)
    assert any("the weather for Oslo" in text for text in texts)


# ------------------------------------------------------------------------------------------------ the command


AREA = {
    "name": "circle_area",
    "description": "Calculate the area of a circle",
    "parameters": {
        "type": "object",
        "properties": {"radius": {"type": "number"}, "unit": {"type": "string"}, "precision": {"type": "integer"}},
        "required": ["radius"],
    },
}


def test_values_of_several_calls_are_said_in_their_order():
    target = Target(AREA)
    radius, _, precision = target.arguments
    for seed in range(60):
        values = [(31, 7), (542, 6), (863, 5)]
        sets = [[(radius, Said(r, str(r))), (precision, Said(p, str(p)))] for r, p in values]
        text = repeat(target, [], sets, random.Random(seed))
        places = [text.index(str(r)) for r, _ in values]
        assert places == sorted(places), text
        bounds = [0, *((left + right) // 2 for left, right in zip(places, places[1:], strict=False)), len(text)]
        assert text.lower().count("area") == 1, text  # what is asked for is said once
        for (_, p), start, end in zip(values, bounds, bounds[1:], strict=False):
            assert re.search(rf"\b{p}\b", text[max(0, start - 40) : end + 40]), text


def test_one_request_calls_several_tools_more_than_once():
    """In some each tool's calls are in one sentence, in others they take turns; never more than there is room for."""
    rows = [[name for name, _ in calls_of(row)] for row in synthesize([], 1000, seed=3) if row["mode"] == "tool"]
    mixed = [names for names in rows if 1 < len(set(names)) < len(names)]
    assert max(map(len, mixed)) == MOST
    twice = [names for names in mixed if all(names.count(name) > 1 for name in names)]
    assert len(twice) > len(mixed) / 10
    turns = lambda names: sum(a != b for a, b in pairwise(names))  # noqa: E731
    together = [names for names in mixed if turns(names) == len(set(names)) - 1]
    assert len(mixed) / 5 < len(together) < len(mixed)


def test_two_lists_mean_every_combination_unless_their_order_is_said():
    rows = [row for row in synthesize([], 3000, seed=4) if len({name for name, _ in calls_of(row)}) == 1]
    found = Counter()
    for row in rows:
        calls = [arguments for _, arguments in calls_of(row)]
        if len(calls) < 4 or any(call.keys() != calls[0].keys() for call in calls):
            continue
        values = {name: {json.dumps(call[name]) for call in calls} for name in calls[0]}
        varied = {name: some for name, some in values.items() if len(some) > 1}
        if len(varied) == 2 and len(calls) == math.prod(map(len, varied.values())):
            assert len({json.dumps(call, sort_keys=True) for call in calls}) == len(calls)
            found["combined"] += 1
            text = row["messages"][0]["content"]
            assert "respectively" not in text and "in that order" not in text
            for name in varied:
                kinds = {type(call[name]) for call in calls}
                if kinds == {str} and all(len(call[name]) > 3 for call in calls):
                    found["said once"] += all(text.count(call[name]) == 1 for call in calls)
    assert found["combined"] > 20 and found["said once"] > 10


def test_pairs_of_values_say_that_they_are_pairs():
    target = Target(AREA)
    radius, _, precision = target.arguments
    varied = {radius: [Said(31, "31"), Said(542, "542")], precision: [Said(7, "7"), Said(6, "6")]}
    for seed in range(40):
        paired = vary(target, [], varied, random.Random(seed))
        assert re.search(r"respectively|in that order", paired)
        assert not re.search(r"respectively|in that order", combine(target, [], varied, random.Random(seed)))


def test_several_tools_about_one_thing_hear_of_it_once():
    """Each is called for it, or for each of several; and what they do besides is said."""
    found = 0
    for row in synthesize([], 1500, seed=5):
        calls = calls_of(row)
        names = [name for name, _ in calls]
        tools = {tool["name"]: tool["parameters"] for tool in row["tools"]}
        text = row["messages"][0]["content"]
        if len(set(names)) < 2 or row["needs"]:
            continue
        shared = set.intersection(*(set(tools[name].get("required", ())) for name in names))
        for key in shared:
            values = {json.dumps(arguments.get(key)) for _, arguments in calls}
            each = Counter(json.dumps(arguments.get(key)) for _, arguments in calls)
            if len({*each.values()}) == 1 and each.total() == len(values) * len(set(names)):
                said = {arguments[key] for _, arguments in calls}
                found += all(isinstance(one, str) and text.count(one) == 1 for one in said)
    assert found > 8


def test_a_request_after_a_list_begins_a_line():
    for seed in range(20):
        assert sequence(["roll:\n1. three dice\n2. a die", "find it"], random.Random(seed)).endswith("\nFind it.")


def test_spans_of_time_are_counted_in_the_unit_that_is_asked_for():
    parameters = {"days": {"type": "integer", "minimum": 2, "maximum": 20, "description": "Number of days"}}
    (days,) = read_arguments(tool_of("forecast", "Get a forecast", {"type": "object", "properties": parameters}))
    said = {draw(days, random.Random(seed)).text: draw(days, random.Random(seed)).value for seed in range(2000)}
    assert (said["a week"], said["a fortnight"]) == (7, 14)
    assert not {"a month", "a year", "a single day"} & said.keys()  # out of bounds


def test_booleans_are_said_in_passing():
    words = {}
    for name in ("avoid_tolls", "include_details"):
        (one,) = read_arguments(tool_of("f", "Do it", {"type": "object", "properties": {name: {"type": "boolean"}}}))
        for value in (True, False):
            mentions = [Mention(one, Said(value, "yes"), random.Random(seed)) for seed in range(300)]
            words[name, value] = {mention.adjunct()[0] for mention in mentions} | {one.order() for one in mentions}
    assert {"while avoiding tolls", "and avoid tolls"} <= words["avoid_tolls", True]
    assert {"including details", "I'd also like details"} <= words["include_details", True]
    assert all(not words[name, True] & words[name, False] for name in ("avoid_tolls", "include_details"))


def test_what_is_shared_is_said_once():
    parameters = AREA["parameters"]["properties"] | {"exact": {"type": "boolean"}}
    target = Target({**AREA, "parameters": {"type": "object", "properties": parameters}})
    radius, _, precision, exact = target.arguments
    for seed in range(60):
        shared = [(precision, Said(2, "2")), (exact, Said(True, "yes"))]
        text = repeat(target, shared, [[(radius, Said(r, str(r)))] for r in (31, 74, 86)], random.Random(seed))
        numbers = re.findall(r"\d+", re.sub(r"(?m)^\d[.)]", "", text))
        assert sorted(numbers) == ["2", "31", "74", "86"], text
        assert text.lower().count("exact") == 1, text


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("exclude_cuisine", "Find restaurants", None),
        ("target_style", "Convert a text", None),
        ("cuisine", "Update a recipe", None),
        ("cuisine", "Get the pH of a solution", None),
        ("cuisine", "Get how many calories a food has", None),
        ("cuisine", "Get the details of a restaurant", "Get the details of a vegan restaurant"),
        ("cuisine", "Search for an inn", "Search for a vegan inn"),
    ],
)
def test_a_kind_stands_only_where_it_means_the_same(name, said, expected):
    tool = {"name": "do_it", "description": said, "parameters": {"properties": {name: {"type": "string"}}}}
    target = Target(tool)
    put = _before(target.verb, target.object, Mention(target.arguments[0], Said("vegan", "vegan"), random.Random(0)))
    assert put == (expected and expected.split(" ", 1)[1])


@pytest.mark.parametrize("unit", [{"type": "string"}, {"enum": ["cm", "km", "parsec"]}])
def test_a_unit_is_said_with_its_number(unit):
    properties = AREA["parameters"]["properties"] | {"unit": unit}
    target = Target({**AREA, "parameters": {"type": "object", "properties": properties, "required": ["radius"]}})
    radius, measure, precision = target.arguments
    for seed in range(30):
        rng = random.Random(seed)
        pairs = measured(target.arguments, [(radius, Said(5, "5 cm", bare="5")), (precision, Said(2, "2"))], rng)
        said = dict(pairs)
        assert said[measure].text == "" and said[precision].text == "2" and said[radius].value == 5
        number, word = re.fullmatch(r"(5) ?(\D+)", said[radius].text).groups()
        assert word == said[measure].value or "enum" in unit and word in ("centimeters", "kilometers")
        text = frame(target, pairs, rng)
        assert said[radius].text in text and len(re.findall(rf"(?<![A-Za-z]){word}(?![A-Za-z])", text)) == 1, text


@pytest.mark.parametrize(
    "properties",
    [
        {"radius": {"type": "number"}, "unit": {"enum": ["lumen"]}},
        {"radius": {"type": "number"}, "target_unit": {"type": "string"}},
        {"radius": {"type": "number"}, "mass": {"type": "number"}, "unit": {"type": "string"}},
        {"radius": {"type": "number"}, "weight_kg": {"type": "number"}, "unit": {"type": "string"}},
        {"radius": {"type": "number"}},
        {"count": {"type": "integer"}, "unit": {"type": "string"}},
    ],
)
def test_units_that_do_not_fit_are_left_alone(properties):
    target = Target({"name": "f", "parameters": {"type": "object", "properties": properties}})
    pairs = [(one, Said(5, "5")) for one in target.arguments if one.kind in ("integer", "number")]
    assert measured(target.arguments, pairs, random.Random(0)) == pairs


def test_kinds_stand_before_their_noun():
    parameters = {"type": "object", "properties": {"cuisine": {"type": "string"}, "limit": {"type": "integer"}}}
    target = Target(
        {"name": "find_restaurants", "description": "Find restaurants in a city", "parameters": parameters}
    )
    pairs = [(target.arguments[0], Said("vegan", "vegan")), (target.arguments[1], Said(3, "3"))]
    said = [frame(target, pairs, random.Random(seed)) for seed in range(60)]
    assert sum("vegan restaurants" in text for text in said) > 10
    assert all("vegan" in text and "3" in text for text in said)


def test_command(tmp_path, capsys):
    tools, out = tmp_path / "tools.json", tmp_path / "rows.jsonl.gz"
    tools.write_text(json.dumps([WEATHER, ORDER]))
    assert main(["data", "synthesize", "--tools", str(tools), "--out", str(out), "--rows", "50"]) == 0
    assert "50 rows in" in capsys.readouterr().out
    rows = list(read_rows(out))
    assert len(rows) == 50
    assert any(name == "get_weather" for row in rows for name, _ in calls_of(row))


def test_command_without_tools(tmp_path):
    out = tmp_path / "new" / "rows.jsonl"
    assert main(["data", "synthesize", "--out", str(out), "--rows", "5"]) == 0
    assert {row["source"] for row in read_rows(out)} == {"synthesis-invented"}


REFUSED = {"name": "f", "parameters": {"properties": {"a": {"type": "array", "contains": {"const": 1}}}}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"name": 1,]', "line 1, column 13: not JSON"),
        ("{}", "must hold a list of tools, got dict"),
        ("[]", "the list is empty; it must hold at least one tool"),
        (json.dumps([REFUSED]), "keyword 'contains' is not supported"),
        (json.dumps([REFUSED]), "none of the 1 tools can be used"),
        ("[3]", "a tool must be a dict"),
    ],
)
def test_bad_tools(text, message, tmp_path, capsys):
    tools = tmp_path / "tools.json"
    tools.write_text(text)
    assert main(["data", "synthesize", "--tools", str(tools), "--out", str(tmp_path / "rows.jsonl")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "rows.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rows", "0"], "--rows must be at least 1"),
        (["--invented", "2"], "share from 0 to 1"),
        (["--teacher", "http://127.0.0.1:9/v1"], "--teacher and --model go together"),
        (["--teacher", "http://127.0.0.1:9/v1", "--model", "m"], "pass --tools"),
        (["--tools", "missing.json"], "missing.json"),
    ],
)
def test_bad_options(options, message, tmp_path, capsys):
    assert main(["data", "synthesize", "--out", str(tmp_path / "rows.jsonl"), *options]) == 2
    assert message in capsys.readouterr().err


def test_tools_without_possible_values():
    parameters = {"properties": {"a": {"type": "string", "minLength": 1, "format": "date", "maxLength": 3}}}
    assert next(synthesize([{"name": "f", "parameters": parameters}], 1))  # too short for a date, so any word
    impossible = {"properties": {"a": {"allOf": [{"type": "array", "items": {"enum": [1]}}]}}, "required": ["a"]}
    source = Synthesizer([{"name": "f", "parameters": impossible}])
    source._values = lambda target, measures=True: (_ for _ in ()).throw(RowError("arguments violate the schema", "a"))
    with pytest.raises(ValueError, match="no row in 1000 attempts.*arguments violate the schema"):
        source.row()


def test_refused_tools_are_left_out(tmp_path, capsys):
    tools, out = tmp_path / "tools.json", tmp_path / "rows.jsonl"
    tools.write_text(json.dumps([REFUSED, WEATHER]))
    assert main(["data", "synthesize", "--tools", str(tools), "--out", str(out), "--rows", "3"]) == 0
    assert "left out: tool 'f', $.properties.a.contains" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ the teacher


GOOD = {"request": "Weather in Oslo?", "calls": [{"name": "get_weather", "arguments": {"location": "Oslo"}}]}


@pytest.fixture
def endpoint():
    """(URL, answers to give: text, a status, or seconds to wait; requests received)"""
    answers: list = []
    received: list = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(
                (self.path, self.headers, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            )
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, float):
                threading.Event().wait(answer)
                answer = 500
            status = answer if isinstance(answer, int) else 200
            message = {"role": "assistant", "content": answer}
            body = {"id": "1", "created": 1, "model": "m", "system_fingerprint": "", "usage": None}
            body["choices"] = [{"index": 0, "finish_reason": "stop", "message": message}]
            body = answer if isinstance(answer, dict) else body
            data = json.dumps(body if status == 200 else {"error": "no"}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            try:
                self.wfile.write(data)
            except BrokenPipeError:
                pass  # the client has given up waiting

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1", answers, received
    server.shutdown()
    server.server_close()


def teach(endpoint, *answers, **options):
    url, given, _ = endpoint
    given[:] = answers
    return Teacher(url, "m", **{"pause": 0.01, "timeout": 5, **options})


TOOLS = [WEATHER["function"]]


def test_teacher_writes_rows(endpoint):
    missing = {"request": "Weather?", "calls": [{"name": "get_weather", "arguments": {}}], "needs": ["location"]}
    idle = {"request": "Tell me a joke", "calls": []}
    teacher = teach(
        endpoint, "<think>hm [1]</think>```json\n" + json.dumps([GOOD, missing, idle]) + "\n```", token="key"
    )
    rows = teacher.rows(TOOLS)
    first, second, third = next(rows), next(rows), next(rows)
    assert calls_of(first) == [("get_weather", {"location": "Oslo"})] and first["source"] == "teacher:m"
    assert second["needs"] == [[0, "location"]] and third["mode"] == "chat"
    path, headers, body = endpoint[2][0]
    assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer key" and body["model"] == "m"
    assert not teacher.dropped


def test_what_a_teacher_gets_wrong_is_dropped_and_counted(endpoint):
    wrong = [
        {"request": "Weather?", "calls": [{"name": "get_weather", "arguments": {"location": 3}}]},
        {"request": "Weather?", "calls": [{"name": "get_weather", "arguments": {"location": "Oslo", "days": 99}}]},
        {"request": "Weather?", "calls": [{"name": "get_wether", "arguments": {}}]},
        {"request": "Weather?", "calls": [{"name": "get_weather", "arguments": {"place": "Oslo"}}]},
        {**GOOD, "needs": ["location"]},
        {"question": "Weather?"},
        "Weather?",
        GOOD,
    ]  # fmt: skip
    teacher = teach(endpoint, "I am sorry.", '[{"request": ', json.dumps(wrong))
    assert calls_of(next(teacher.rows(TOOLS))) == [("get_weather", {"location": "Oslo"})]
    assert teacher.dropped == {
        "the answer is no JSON list": 2,
        "arguments violate the schema": 2,
        "a call names no offered tool": 1,
        "an argument is not in the schema": 1,
        "an argument is both given and needed": 1,
        "an entry has another form": 2,
    }


def test_teacher_is_asked_again_after_errors(endpoint):
    teacher = teach(endpoint, 500, 429, 0.4, json.dumps([GOOD]), timeout=0.2)
    assert next(teacher.rows(TOOLS))["messages"][0]["content"] == "Weather in Oslo?"
    assert len(endpoint[2]) == 4


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (401, "status 401: it wants an API key; set LAFUNC_TEACHER_KEY"),
        (404, "status 404.*Check --teacher and --model"),
        (503, "cannot be used after 2 attempts: status 503"),
        (0.4, "cannot be used after 2 attempts: no answer in time"),
        ({"error": "busy"}, "cannot be used after 2 attempts: its answer is no chat completion"),
        ("Sorry.", "wrote nothing that can be used in 8 answers: the answer is no JSON list"),
    ],
)
def test_useless_teachers(endpoint, answer, message):
    with pytest.raises(TeacherError, match=message):
        next(teach(endpoint, answer, retries=1, timeout=0.2 if isinstance(answer, float) else 5).rows(TOOLS))


def test_unreachable_teacher():
    with pytest.raises(TeacherError, match="must begin with http"):
        Teacher("localhost:8000/v1", "m")
    with pytest.raises(TeacherError, match="cannot be used after 1 attempts.*Check that it runs"):
        next(Teacher("http://127.0.0.1:9/v1", "m", retries=0).rows(TOOLS))


def test_teacher_goes_on_where_it_stopped(endpoint, tmp_path, capsys):
    url, answers, received = endpoint
    tools, out = tmp_path / "tools.json", tmp_path / "new" / "rows.jsonl"
    tools.write_text(json.dumps(TOOLS))
    command = ["data", "synthesize", "--tools", str(tools), "--out", str(out), "--teacher", url, "--model", "m"]
    answers[:] = [json.dumps([GOOD])]
    assert main([*command, "--rows", "1"]) == 0
    out.write_text(out.read_text() + '{"messages": [{"ro')  # broken off in the middle of a line
    answers[:] = [json.dumps([GOOD, {**GOOD, "request": "Is it cold in Oslo?"}])]
    assert main([*command, "--rows", "2"]) == 0
    assert [row["messages"][0]["content"] for row in read_rows(out)] == ["Weather in Oslo?", "Is it cold in Oslo?"]
    asked = len(received)
    assert main([*command, "--rows", "2"]) == 0
    assert len(received) == asked
    assert main([*command, "--rows", "3"]) == 2
    assert "repeats itself: 2 different rows" in capsys.readouterr().err
    assert main([*command[:5], "rows.jsonl.gz", *command[6:]]) == 2
    assert "cannot be compressed" in capsys.readouterr().err


def test_strings_with_a_pattern_are_drawn_from_it():
    """A form with digits is that of many values; one that allows nearly anything says nothing of what is meant."""
    properties = {
        "pallet": {"type": "string", "description": "Code of the pallet, e.g. P-1042", "pattern": "^P-[0-9]{4}$"},
        "bay": {"type": "string", "pattern": "^[A-H][0-9]{1,2}$"},
        "city": {"type": "string", "pattern": "^.+$"},
        "due_date": {"type": "string", "description": "YYYY-MM-DD", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
        "currency": {"type": "string", "description": "e.g. USD, EUR", "pattern": "^[A-Z]{3}$"},
    }
    arguments = read_arguments({"name": "f", "parameters": {"type": "object", "properties": properties}})
    for argument in arguments:
        drawn = {draw(argument, random.Random(seed)).value for seed in range(50)}
        assert all(re.search(properties[argument.name]["pattern"], value) for value in drawn)
        match argument.name:
            case "pallet" | "bay":
                assert len(drawn) > 20
            case "city":
                assert drawn & set(WORDS["city"])
            case "due_date":
                assert all(datetime.date.fromisoformat(value) for value in drawn)
            case "currency":
                assert {"USD", "EUR"} <= drawn


@pytest.mark.parametrize(
    ("name", "description", "share"),
    [
        ("rate", "Annual interest rate", True),
        ("tax_rate", "", True),
        ("annual_return", "", True),
        ("rate", "Interest rate in percent", False),
    ],
)
def test_rates_are_shares_unless_percent_is_asked_for(name, description, share):
    properties = {name: {"type": "number", "description": description}}
    (argument,) = read_arguments({"name": "f", "parameters": {"type": "object", "properties": properties}})
    drawn = [draw(argument, random.Random(seed)) for seed in range(60)]
    assert all((said.value < 1) == share for said in drawn)
    assert any("%" in said.text for said in drawn)


def test_large_round_numbers_are_said_as_people_say_them():
    argument = read_arguments(
        {"name": "f", "parameters": {"type": "object", "properties": {"population": {"type": "integer"}}}}
    )[0]
    said = {say_number(8_500_000, argument, random.Random(seed)) for seed in range(200)}
    assert {"8.5 million", "8.5M", "8500000", "8,500,000"} <= said
    assert not any("illion" in say_number(8_512_345, argument, random.Random(seed)) for seed in range(200))
