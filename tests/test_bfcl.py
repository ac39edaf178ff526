"""BFCL: the scorer says what the leaderboard's checker says; rows, dialect and averages are the leaderboard's."""

import sys
from collections import Counter

import pytest
from conftest import bfcl_row

from lafunc.evaluation import bfcl
from lafunc.evaluation.bfcl import EvaluationError, Row, averages, load, score, tool

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
        assert score(bfcl_row(category, id), calls).valid


@pytest.mark.parametrize(
    ("category", "word"), [(name, word) for name, (*_, wrong) in BY_HAND.items() for word in wrong]
)
def test_wrong_calls_are_wrong_for_the_checker_s_reason(category, word):
    id, _, wrong = BY_HAND[category]
    verdict = score(bfcl_row(category, id), wrong[word])
    assert not verdict.valid and word in verdict.error_type, verdict


def test_the_checker_came_without_the_table_of_all_models():
    score(bfcl_row("simple_python"), [("calculate_triangle_area", TRIANGLE)])
    assert "bfcl_eval.eval_checker.ast_eval.ast_checker" in sys.modules
    assert not {"openai", "anthropic", "mistralai", "bfcl_eval.constants.model_config"} & sys.modules.keys()


def test_a_checker_that_raises_counts_as_wrong():
    row = bfcl_row("simple_python")
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


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    bfcl._package_folder.cache_clear()
    monkeypatch.setattr("lafunc.evaluation.bfcl.util.find_spec", lambda name: None)
    with pytest.raises(EvaluationError, match="pip install --no-deps bfcl-eval"):
        load(["simple_python"])
