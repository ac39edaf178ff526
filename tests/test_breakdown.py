"""The breakdown says what went wrong with an answer, and what of it stands nowhere."""

import json

import pytest
from conftest import bfcl_row
from hypothesis import given
from hypothesis import strategies as st

from lafunc.evaluation.bfcl import Row
from lafunc.evaluation.breakdown import examine, grounded, summarise
from lafunc.evaluation.systems import Answer

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
    record = examine(BOOKING, answer)
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
        for found in examine(BOOKING, Answer(calls=[("book", made)]))["arguments"]
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
    row = bfcl_row("parallel", "parallel_0")
    swapped = [
        ("spotify.play", {"artist": "Maroon 5", "duration": 1}),
        ("spotify.play", {"artist": "Taylor Swift", "duration": 20}),
    ]
    record = examine(row, Answer(calls=swapped))
    assert [found["fault"] for found in record["arguments"] if found["fault"]] == ["value"]


def test_a_call_where_none_is_due_is_hallucinated():
    record = examine(bfcl_row("irrelevance"), Answer(calls=[("determine_body_mass_index", {})]))
    assert record["fault"] == "mode" and record["hallucinated"] == 1


def test_an_ungrounded_value_makes_its_call_hallucinated_once():
    made = {"city": "Rome", "count": 2, "country": "France", "dates": ["2025-03-03"], "meal": "dinner"}
    record = examine(BOOKING, Answer(calls=[("book", made)]))
    assert record["ungrounded"] == [(0, "country"), (0, "dates")] and record["hallucinated"] == 1
    accepted = examine(BOOKING, Answer(calls=[("book", {**RIGHT, "country": "Italy"})]))
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
        examine(BOOKING, answer)
        for answer in (
            Answer(
                plan=["book"],
                calls=[("book", RIGHT)],
                stats={"base_passes": 4, "head_passes": 2, "fill_passes": 3},
                seconds=1,
            ),
            Answer(calls=[("book", {**RIGHT, "country": "France"})], stats={"base_passes": 6, "head_passes": 0}),
            Answer(error="RuntimeError: no"),
        )
    ]
    found = summarise(records)
    assert found["categories"] == {"multiple": {"right": 1, "rows": 3, "seconds": 1.0}}
    assert {fault: n for fault, n in found["faults"].items() if n} == {"value": 1, "error": 1}
    assert found["hallucination_rate"] == 0.5 and found["base_passes"] == 5
    assert found["fill_passes"] == 3  # of the one that has it, as older records have not
    assert found["errors"] == [{"id": "booking", "error": "RuntimeError: no"}]
    assert sum(found["faults"].values()) + found["right"] == found["rows"]
