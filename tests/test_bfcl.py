"""BFCL: the scorer says what the leaderboard's checker says; the breakdown says why; a run that was killed goes on."""

import json
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lafunc.__main__ import main
from lafunc.evaluation import bfcl, results
from lafunc.evaluation.accuracy import measure
from lafunc.evaluation.bfcl import EvaluationError, Row, averages, load, score, tool
from lafunc.evaluation.breakdown import FAULTS, examine, grounded, summarise
from lafunc.evaluation.systems import RAW, Answer, answers, hopeless, parse, systems


def first(category: str, id: str | None = None) -> Row:
    return next(row for row in load([category]) if id in (None, row.id))


TRIANGLE = {"base": 10, "height": 5}
# category: (row, right answers, wrong answers with the checker's word for them)
BY_HAND = {
    "simple_python": (
        "simple_python_0",
        [[("calculate_triangle_area", TRIANGLE)], [("calculate_triangle_area", {**TRIANGLE, "unit": "Units"})]],
        {
            "missing_required": [("calculate_triangle_area", {"base": 10})],
            "value_error": [("calculate_triangle_area", {"base": 10, "height": 6})],
            "type_error": [("calculate_triangle_area", {"base": "10", "height": 5})],
            "unexpected_param": [("calculate_triangle_area", {**TRIANGLE, "side": 1})],
            "wrong_func_name": [("triangle_area", TRIANGLE)],
            "wrong_count": [("calculate_triangle_area", TRIANGLE)] * 2,
            "no_call": [],
        },
    ),
    "simple_java": (
        "simple_java_0",
        [[("GeometryPresentation.createPresentation", {"controller": "mapController", "parent": "mapArea"})]],
        {"value_error": [("GeometryPresentation.createPresentation", {"controller": "map", "parent": "mapArea"})]},
    ),
    "simple_javascript": (
        "simple_javascript_0",
        [[("validateUserInput", {"inputField": "userInputField", "isComplete": "true"})]],
        {"type_error": [("validateUserInput", {"inputField": "userInputField", "isComplete": True})]},
    ),
    "multiple": (
        "multiple_0",
        [[("triangle_properties.get", {"side1": 5, "side2": 4, "side3": 3})]],
        {
            "wrong_func_name": [("circle_properties.get", {"radius": 5})],
            "value_error": [("triangle_properties.get", {"side1": 5, "side2": 4, "side3": 4})],
        },
    ),
    "parallel": (
        "parallel_0",
        [
            [("spotify.play", {"artist": "taylor swift", "duration": 20})]
            + [("spotify.play", {"artist": "Maroon 5", "duration": 15})],
            [("spotify.play", {"artist": "Maroon 5", "duration": 15})]
            + [("spotify.play", {"artist": "Taylor Swift", "duration": 20})],
        ],
        {
            "wrong_count": [("spotify.play", {"artist": "Taylor Swift", "duration": 20})],
            "cannot_find_match": [("spotify.play", {"artist": "Taylor Swift", "duration": 20})] * 2,
        },
    ),
    "parallel_multiple": (
        "parallel_multiple_0",
        [
            [("math_toolkit.product_of_primes", {"count": 5})]
            + [("math_toolkit.sum_of_multiples", {"lower_limit": 1, "upper_limit": 1000, "multiples": [3, 5]})]
        ],
        {
            "cannot_find_match": [("math_toolkit.product_of_primes", {"count": 5})]
            + [("math_toolkit.sum_of_multiples", {"lower_limit": 1, "upper_limit": 1000, "multiples": [5, 3]})]
        },
    ),
    "live_simple": (
        "live_simple_0-0-0",
        [[("get_user_info", {"user_id": 7890, "special": "black"})]],
        {"missing": [("get_user_info", {"user_id": 7890})]},
    ),
    "live_multiple": (
        "live_multiple_1-0-1",
        [
            [
                (
                    "ChaDri.change_drink",
                    {"drink_id": "1234", "new_preferences": {"sweetness_level": "none", "temperature": "hot"}},
                )
            ]
        ],
        {"value_error": [("ChaDri.change_drink", {"drink_id": "1234", "new_preferences": {"temperature": "hot"}})]},
    ),
    "live_parallel": (
        "live_parallel_0-0-0",
        [
            [("get_current_weather", {"location": "Beijing, China"})]
            + [("get_current_weather", {"location": "Shanghai, China", "unit": "fahrenheit"})]
        ],
        {"cannot_find_match": [("get_current_weather", {"location": "Beijing, China"})] * 2},
    ),
    "live_parallel_multiple": (
        "live_parallel_multiple_1-1-0",
        [
            [("get_current_weather", {"location": "Guangzhou, China", "unit": "metric"})]
            + [("get_current_weather", {"location": "Beijing, China", "unit": "metric"})]
        ],
        {"wrong_count": [("get_current_weather", {"location": "Guangzhou, China", "unit": "metric"})]},
    ),
    "irrelevance": ("irrelevance_0", [[]], {"irrelevance": [("determine_body_mass_index", {"weight": 1})]}),
    "live_irrelevance": ("live_irrelevance_0-0-0", [[]], {"irrelevance": [("requests.get", {"url": "x"})]}),
    "live_relevance": ("live_relevance_0-0-0", [[("generate_image", {"prompt": "a mask"})]], {"relevance": []}),
}


def test_every_category_is_judged_by_hand():
    assert BY_HAND.keys() == set(bfcl.CATEGORIES)


@pytest.mark.parametrize("category", BY_HAND)
def test_right_calls_are_right(category):
    id, right, _ = BY_HAND[category]
    for calls in right:
        assert score(first(category, id), calls).valid


@pytest.mark.parametrize(
    ("category", "word"), [(name, word) for name, (*_, wrong) in BY_HAND.items() for word in wrong]
)
def test_wrong_calls_are_wrong_for_the_checker_s_reason(category, word):
    id, _, wrong = BY_HAND[category]
    verdict = score(first(category, id), wrong[word])
    assert not verdict.valid and word in verdict.error_type, verdict


def test_the_checker_came_without_the_table_of_all_models():
    score(first("simple_python"), [("calculate_triangle_area", TRIANGLE)])
    assert "bfcl_eval.eval_checker.ast_eval.ast_checker" in sys.modules
    assert not {"openai", "anthropic", "mistralai", "bfcl_eval.constants.model_config"} & sys.modules.keys()


def test_a_checker_that_raises_counts_as_wrong():
    row = first("simple_python")
    broken = Row(row.id, row.category, row.messages, row.tools, [{"name": "x"}], row.expected)
    assert score(broken, [("x", {})]).error_type == "checker_error"


# ---------------------------------------------------------------------------------------------------------------- rows


def test_all_rows_have_answers_where_calls_are_due():
    counts = Counter()
    for row in load(bfcl.CATEGORIES):
        counts[row.category] += 1
        assert bool(row.expected) == (row.category not in (*bfcl.NO_CALL, *bfcl.ANY_CALL))
        assert set(row.names) <= {tool["name"] for tool in row.tools}
    assert counts == bfcl.SIZES


def test_a_limit_draws_the_same_rows_again_and_keeps_their_order():
    drawn = load(["multiple", "parallel"], limit=5, seed=3)
    assert drawn == load(["multiple", "parallel"], limit=5, seed=3) != load(["multiple", "parallel"], limit=5, seed=4)
    assert Counter(row.category for row in drawn) == {"multiple": 5, "parallel": 5}
    assert Counter(row.category for row in load(bfcl.SIMPLE, limit=10)) == dict.fromkeys(bfcl.SIMPLE, 4)
    everything = [row.id for row in load(["multiple", "parallel"])]
    assert sorted((row.id for row in drawn), key=everything.index) == [row.id for row in drawn]


def test_java_values_are_strings_and_say_what_they_hold():
    function = {
        "name": "f",
        "description": "F.",
        "parameters": {
            "type": "dict",
            "properties": {"a": {"type": "ArrayList", "items": {"type": "long"}, "description": "A."}},
            "required": ["a"],
        },
    }
    made = tool(function, "simple_java")
    assert made["description"] == "F. Note that the provided function is in Java 8 SDK syntax."
    assert made["parameters"]["properties"]["a"] == {
        "type": "string",
        "description": "A. This is Java ArrayList type parameter in string representation. The list elements are of "
        "type long; they are not in string representation.",
    }


def test_the_dialect_is_mapped_at_every_depth():
    inner = {"type": "dict", "properties": {"b": {"type": "float"}, "c": {"type": "any"}}}
    properties = {
        "a": {"type": "tuple", "items": inner},
        "d": {"type": "array", "items": {"type": "string"}, "enum": ["x", "y"]},
        "e": {"type": "boolean", "enum": ["True", "False", "dontcare"]},
        "f": {"type": "integer", "enum": ["1", "2"]},
    }
    function = {"name": "f", "description": "F.", "parameters": {"type": "dict", "properties": properties}}
    mapped = tool(function, "simple_python")["parameters"]["properties"]
    assert mapped["a"] == {
        "type": "array",
        "items": {"type": "object", "properties": {"b": {"type": "number"}, "c": {"type": "string"}}},
    }
    assert mapped["d"] == {"type": "array", "items": {"type": "string", "enum": ["x", "y"]}}
    assert mapped["e"] == {"enum": [True, False, "dontcare"]}
    assert mapped["f"] == {"enum": [1, 2]}
    with pytest.raises(EvaluationError, match=r"f\.a: type 'matrix' is not of BFCL's dialect"):
        tool({**function, "parameters": {"properties": {"a": {"type": "matrix"}}}}, "simple_python")


def test_averages_are_the_leaderboard_s():
    accuracy = {name: (1, 4) for name in bfcl.CATEGORIES} | {"simple_java": (4, 4), "live_multiple": (30, 88)}
    found = averages(accuracy)
    assert found["non_live_ast"] == pytest.approx(((25 + 100 + 25) / 3 + 25 + 25 + 25) / 4)
    assert found["live_ast"] == pytest.approx(33.0)  # 33 of 100 rows
    assert found["irrelevance"] == found["live_relevance"] == 25
    assert averages({"simple_python": (1, 1)})["non_live_ast"] is None


# ----------------------------------------------------------------------------------------------------------- breakdown

BOOKING = Row(
    id="booking",
    category="multiple",
    messages=[{"role": "user", "content": "Book two tables in Rome for March 3rd, please. Budget 1,500 euros."}],
    tools=[
        {
            "name": name,
            "description": "",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string"},
                    "country": {"type": "string"},
                    "count": {"type": "integer"},
                    "inside": {"type": "boolean"},
                    "meal": {"type": "string", "enum": ["lunch", "dinner"]},
                    "dates": {"type": "array", "items": {"type": "string"}},
                    "guest": {"type": "object"},
                },
                "required": ["city"],
            },
        }
        for name in ("book", "cancel")
    ],
    functions=[],
    expected=[{"book": {"city": ["Rome"], "country": ["Italy", ""], "count": [2], "meal": ["", "dinner"]}}],
)
BOOKING.functions.extend(
    [
        {
            **tool,
            "parameters": {
                **tool["parameters"],
                "properties": {**tool["parameters"]["properties"], "guest": {"type": "dict"}},
            },
        }
        for tool in BOOKING.tools
    ]
)
RIGHT = {"city": "Rome", "count": 2}


def examined(answer: Answer) -> dict:
    """The record of an answer to `BOOKING`."""
    bfcl.version()  # without bfcl-eval it says how to get it; `examine` would blame the answer
    return examine(BOOKING, answer)


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (None, Answer(calls=[("book", RIGHT)])),
        ("error", Answer(error="RuntimeError: no")),
        ("mode", Answer()),
        ("tool", Answer(calls=[("cancel", RIGHT)])),
        ("count", Answer(calls=[("book", RIGHT), ("book", RIGHT)])),
        ("invalid", Answer(text="{", invalid=1)),
        ("missing", Answer(calls=[("book", {"city": "Rome"})])),
        ("extra", Answer(calls=[("book", {**RIGHT, "inside": True})])),
        ("value", Answer(calls=[("book", {**RIGHT, "count": 3})])),
        ("value", Answer(calls=[("book", {**RIGHT, "country": "France"})])),
    ],
    ids=lambda value: str(value) if isinstance(value, str) or value is None else "",
)
def test_the_fault_of_an_answer(fault, answer):
    record = examined(answer)
    assert record["fault"] == fault and record["right"] == (fault is None)
    json.dumps(record)


def test_wrong_arguments_are_counted_by_the_kind_of_value():
    made = {
        "city": "Paris",
        "country": "France",
        "count": 3,
        "meal": "lunch",
        "inside": True,
        "dates": [],
        "guest": {},
    }
    kinds = {
        found["name"]: (found["kind"], found["fault"])
        for found in examined(Answer(calls=[("book", made)]))["arguments"]
    }
    assert kinds == {
        "city": ("verbatim", "value"),
        "country": ("normalised", "value"),
        "count": ("number", "value"),
        "meal": ("enum", "value"),
        "inside": ("boolean", "extra"),
        "dates": ("array", "extra"),
        "guest": ("nested", "extra"),
    }


def test_parallel_calls_are_paired_so_that_most_is_right():
    row = first("parallel", "parallel_0")
    swapped = [
        ("spotify.play", {"artist": "Maroon 5", "duration": 1}),
        ("spotify.play", {"artist": "Taylor Swift", "duration": 20}),
    ]
    record = examine(row, Answer(calls=swapped))
    assert [found["fault"] for found in record["arguments"] if found["fault"]] == ["value"]


def test_a_call_where_none_is_due_is_hallucinated():
    record = examine(first("irrelevance"), Answer(calls=[("determine_body_mass_index", {})]))
    assert record["fault"] == "mode" and record["hallucinated"] == 1


def test_an_ungrounded_value_makes_its_call_hallucinated_once():
    made = {"city": "Rome", "count": 2, "country": "France", "dates": ["2025-03-03"], "meal": "dinner"}
    record = examined(Answer(calls=[("book", made)]))
    assert record["ungrounded"] == [(0, "country"), (0, "dates")] and record["hallucinated"] == 1
    accepted = examined(Answer(calls=[("book", {**RIGHT, "country": "Italy"})]))
    assert accepted["hallucinated"] == 0  # stands nowhere, but the benchmark takes it for right


@pytest.mark.parametrize(
    "value",
    [
        "Rome",
        "rome!",
        2,
        1500,
        1500.0,
        -2,
        True,
        None,
        "",
        ["Rome", 2],
        {"a": "table"},
        "03-03",
        "March",
        3,
        "the Rome",
    ],
)
def test_grounded(value):
    assert grounded(value, BOOKING.messages[0]["content"])


@pytest.mark.parametrize("value", ["Paris", 7, "Rome, Italy", ["Rome", "Oslo"], {"a": 7}, "2023-03-03", 0.5])
def test_ungrounded(value):
    assert not grounded(value, BOOKING.messages[0]["content"])


@given(st.lists(st.text(alphabet="abc déÉ1,.", min_size=1), min_size=1))
def test_what_is_said_is_grounded(parts):
    said = " ".join(parts)
    assert all(grounded(part, said) for part in parts) and grounded(parts, said)


def test_a_summary_counts_what_its_records_say():
    records = [
        examined(answer)
        for answer in (
            Answer(calls=[("book", RIGHT)], stats={"base_passes": 4, "head_passes": 2}, seconds=1.0),
            Answer(calls=[("book", {**RIGHT, "country": "France"})], stats={"base_passes": 6, "head_passes": 0}),
            Answer(error="RuntimeError: no"),
        )
    ]
    found = summarise(records)
    assert found["categories"] == {"multiple": {"right": 1, "rows": 3, "seconds": 1.0}}
    assert {fault: n for fault, n in found["faults"].items() if n} == {"value": 1, "error": 1}
    assert found["hallucination_rate"] == 0.5 and found["base_passes"] == 5
    assert found["errors"] == [{"id": "booking", "error": "RuntimeError: no"}]
    assert sum(found["faults"].values()) + found["right"] == found["rows"]


# ------------------------------------------------------------------------------------------------------------- systems


def test_systems_are_those_that_differ():
    fillers = ["autoregressive", "verified", "diffusion", RAW]
    assert [system.name for system in systems(fillers, [1, 2], ["confidence", "entropy_bound"])] == [
        "autoregressive",
        "verified/1/confidence",
        "diffusion/1/confidence",
        "diffusion/2/confidence",
        "diffusion/2/entropy_bound",
        "raw",
    ]
    with pytest.raises(EvaluationError, match="filler 'magic' is unknown"):
        systems(["magic"], [1], ["confidence"])


@pytest.mark.parametrize(
    ("text", "calls", "broken"),
    [
        ('<tool_call>\n{"name": "a", "arguments": {"b": 1}}\n</tool_call>', [("a", {"b": 1})], 0),
        ('{"name": "a", "arguments": {}}, {"name": "c", "arguments": {}}', [("a", {}), ("c", {})], 0),
        ('<tool_call>{"name": "a", "arguments": {', [], 1),
        ('{"name": "a"}', [], 1),
        ('<tool_call>{"name": "a" <tool_call>{"name": "c", "arguments": {}}', [("c", {})], 1),
        ("no call at all", [], 0),
    ],
)
def test_parsing_what_nothing_forced(text, calls, broken):
    assert parse(text)[:2] == (calls, broken)


@given(
    st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists)
)
def test_no_beginning_of_json_is_hopeless(value):
    text = "<tool_call>\n" + json.dumps({"name": "a", "arguments": {"b": value, "c": {}}}, ensure_ascii=False)
    assert not any(hopeless(text[:end]) for end in range(len(text) + 1))


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "a", arguments: {"b": 1}}',
        '{"name": "a" and then more',
        '{"name": "a\nb", "arguments": {}',
        "{'name': 'a'}",
    ],
)
def test_what_cannot_become_json_is_hopeless(text):
    assert hopeless("<tool_call>" + text + " and so on and so on")


def test_each_system_fills_the_same_plan_and_answers_as_it_would_alone(pair):
    chosen = systems(["autoregressive", "verified", "diffusion", RAW], [2], ["confidence"])
    row = first("parallel", "parallel_0")
    for gold in (False, True):
        found = {system.filler: answer for system, answer in answers(pair.model, pair.processor, row, chosen, gold)}
        assert not any(answer.error for answer in found.values()), found
        assert len({tuple(answer.plan) for answer in found.values()}) == 1
        if gold:
            assert found["diffusion"].plan == ["spotify.play"] * 2
        for filler, answer in found.items():
            if filler != RAW:
                assert answer.invalid == 0
                choice = row.names if gold else "auto"
                alone = pair.call(row.messages, row.tools, mode="tool", filler=filler, num_steps=2, tool_choice=choice)
                assert answer.calls == [(call.name, call.arguments) for call in alone.tool_calls]
                assert answer.stats["base_passes"] == alone.stats.base_passes


def test_raw_text_with_a_broken_call_has_no_calls(pair, monkeypatch):
    """One call that can be read does not make an answer of two right."""
    row, chosen = first("simple_python"), systems([RAW], [1], ["confidence"])
    good = '{"name": "calculate_triangle_area", "arguments": {"base": 10, "height": 5}}'
    for text, calls, invalid in (
        (good, 1, 0),
        (good + '\n{"name": "calculate', 0, 1),
        (good.replace("10", "[]"), 1, 1),
    ):
        found = parse(text)
        monkeypatch.setattr("lafunc.evaluation.systems.parse", lambda _, found=found: found)
        ((_, answer),) = answers(pair.model, pair.processor, row, chosen, gold_plan=True)
        assert (answer.error, len(answer.calls), answer.invalid) == (None, calls, invalid)


def test_a_row_that_raises_is_its_answer(pair):
    row = first("simple_python")
    refused = Row(row.id, row.category, row.messages, [{"name": "f", "parameters": {"$ref": "#/no"}}], [], [])
    ((_, answer),) = answers(pair.model, pair.processor, refused, systems(["autoregressive"], [1], ["confidence"]))
    assert answer.error.startswith("SchemaError: ")


def test_a_row_without_tools_is_answered_without_a_call(pair):
    row = Row("x", "live_irrelevance", [{"role": "user", "content": "hello"}], [], [], [])
    ((_, answer),) = answers(pair.model, pair.processor, row, systems(["autoregressive"], [1], ["confidence"]))
    assert answer.calls == [] and answer.error is None and score(row, answer.calls).valid


# ------------------------------------------------------------------------------------------------------------- the run


def run(pair, rows, path, chosen=("autoregressive", "diffusion"), **settings):
    found = systems(chosen, [1], ["confidence"])
    journal = results.Journal(path, settings)
    return measure(pair.model, pair.processor, rows, found, journal), journal


def without_time(data):
    if isinstance(data, dict):
        return {key: without_time(value) for key, value in data.items() if key not in ("milliseconds", "seconds")}
    return [without_time(value) for value in data] if isinstance(data, list) else data


def test_a_run_that_was_killed_goes_on_where_it_stood(pair, tmp_path, monkeypatch):
    rows = load(["simple_python", "irrelevance"], limit=2)
    whole, _ = run(pair, rows, tmp_path / "whole.json")

    done = []

    def killed(row, answer):
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append(row.id)
        return examine(row, answer)

    with monkeypatch.context() as patch:
        patch.setattr("lafunc.evaluation.accuracy.examine", killed)
        with pytest.raises(KeyboardInterrupt):
            run(pair, rows, tmp_path / "killed.json")
    written = tmp_path / "killed.rows.jsonl"
    written.write_text(written.read_text() + '{"half": "a li')  # the kill came while a row was written
    resumed, journal = run(pair, rows, tmp_path / "killed.json")
    assert without_time(resumed) == without_time(whole)
    assert len(journal.rows) == 8 == len({(record["id"], record["system"]) for record in journal.rows})
    journal.pack()
    assert [record["id"] for record in results.read_rows(tmp_path / "killed.json")] == [
        row["id"] for row in journal.rows
    ]


def test_a_run_with_other_settings_is_not_continued(pair, tmp_path):
    rows = load(["simple_python"], limit=1)
    run(pair, rows, tmp_path / "x.json", seed=0)
    with pytest.raises(results.ResultError, match="was begun with another seed; delete it, or choose another --out"):
        run(pair, rows, tmp_path / "x.json", seed=1)


def test_the_same_run_twice_gives_the_same_figures(pair, tmp_path):
    rows = load(["multiple"], limit=3)
    assert without_time(run(pair, rows, tmp_path / "a.json")[0]) == without_time(
        run(pair, rows, tmp_path / "b.json")[0]
    )


def test_every_fault_is_known(pair, tmp_path):
    data, _ = run(pair, load(bfcl.CATEGORIES, limit=1), tmp_path / "x.json")
    for found in data["systems"].values():
        assert found["rows"] == 13 and found["invalid"] == 0
        assert found["faults"].keys() == set(FAULTS)


# ------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--categories", "simple"], "category 'simple' is unknown; it must be one of simple_python, "),
        (["--limit", "0"], "limit must be at least 1, got 0"),
        (["--checkpoint", "tests"], "tests is no checkpoint: it has no config.json"),
        (
            ["--gold-plan", "--categories", "irrelevance"],
            "--gold-plan needs categories in which certain calls are due",
        ),
    ],
)
def test_bad_input_is_refused_in_words(arguments, message, capsys):
    assert main(["eval", "bfcl", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    bfcl._package_folder.cache_clear()
    monkeypatch.setattr("lafunc.evaluation.bfcl.util.find_spec", lambda name: None)
    with pytest.raises(EvaluationError, match="pip install --no-deps bfcl-eval"):
        load(["simple_python"])
