"""Calibration: thresholds and confidences by hand, and the command on a tiny checkpoint."""

import json
import math

import pytest
import torch
from conftest import WEATHER, make_pair
from hypothesis import given
from hypothesis import strategies as st

from lafunc.__main__ import main
from lafunc.compiling_lafunc import compile_tool
from lafunc.configuration_lafunc import EVENLY, WHOLE
from lafunc.copying_lafunc import Transcript
from lafunc.data.rows import make_row
from lafunc.evaluation import calibration, results
from lafunc.evaluation.calibration import (
    WORD_ALONE,
    Told,
    confidence,
    copying,
    fit,
    in_sentences,
    more,
    needs,
    optional,
    presence,
    reliability,
)
from lafunc.node_lafunc import continuations
from lafunc.output_lafunc import Evidence, calibrated
from lafunc.scaffolding_lafunc import Scaffold


def record(n: int, required=(), given=(), optional=()) -> dict:
    known = {"confidence": 0.5, "stands": False, "closed": False}
    of = lambda values: [{"known": {"absent": p, **known, **dict(*more)}, "due": due} for p, due, *more in values]  # noqa: E731
    return {
        "id": str(n),
        "required": of(required),
        "optional": of(optional),
        "given": [{"confidence": p, "right": right} for p, right in given],
    }


def test_precision_and_recall_by_threshold(monkeypatch):
    monkeypatch.setattr(calibration, "evidence_weights", lambda values, weight: WORD_ALONE)
    found = needs([record(0, [(0.9, True), (0.6, False), (0.1, False)]), record(1, [(0.3, True), (0.01, False)])])
    assert (found["values"], found["due"]) == (5, 2)
    curve = {point["threshold"]: (point["here"], point["recall"], point["said"]) for point in found["curve"]}
    assert curve[0.05] == (2 / 4, 1.0, 4) and curve[0.25] == (2 / 3, 1.0, 3)
    assert curve[0.5] == (1 / 2, 1 / 2, 2) and curve[0.65] == (1.0, 1 / 2, 1) and curve[0.95] == (None, 0.0, 0)
    # Where two in a hundred are missing there are 49 given values for each that is missing; here there are 1.5.
    counted = {point["threshold"]: point["precision"] for point in found["curve"]}
    assert counted[0.05] == pytest.approx(2 / (2 + 2 * 49 / 1.5)) and counted[0.65] == 1.0 and counted[0.95] is None
    # Just above 0.6 nothing is asked for that was said; a little higher that is no chance.
    assert found["threshold"] == 0.9
    assert all(point["head"] >= point["recall"] for point in found["curve"])  # which has the best threshold each time


def test_what_is_written_has_a_say_in_what_is_missing():
    """The head is as unsure of all; the values that stand in the conversation were given."""
    given, missing = {"stands": True, "confidence": 0.9}, {"stands": False, "confidence": 0.6}
    found = needs([record(n, [(0.4, False, given), (0.4, True, missing), (0.4, False, given)]) for n in range(20)])
    point = next(point for point in found["curve"] if point["threshold"] == found["threshold"])
    assert (point["here"], point["recall"], point["head"]) == (1.0, 1.0, 0.0)
    stands, closed = found["weights"][2:4]
    assert stands < 0 and closed == 0
    known = [Evidence(0.4, one["confidence"], one["stands"], False) for one in (given, missing)]
    assert known[0].missing(found["weights"]) < found["threshold"] <= known[1].missing(found["weights"])


def test_what_stands_in_the_conversation_is_given_though_the_router_doubts():
    """The router takes all for absent; what the head would write stands in the conversation where it is given."""
    there, nowhere = {"stands": True}, {"stands": False}
    found = optional([record(n, optional=[(0.7, False, there), (0.7, True, nowhere)]) for n in range(20)])
    assert (found["values"], found["due"], found["word"], found["wrong"]) == (40, 20, 20, 0)
    known = [Evidence(0.7, 0.5, one["stands"], False) for one in (there, nowhere)]
    assert known[0].log_odds(found["weights"]) < 0 < known[1].log_odds(found["weights"])
    assert optional([record(0)])["weights"] == WORD_ALONE


def test_without_a_missing_value_there_is_no_recall():
    found = needs([record(0, [(0.9, False)])])
    assert all(point["recall"] is None for point in found["curve"])
    assert all(point["precision"] == (0.0 if point["said"] else None) for point in found["curve"])


def test_an_error_is_the_mean_gap_between_confidence_and_right():
    values = [{"confidence": 0.95, "right": n < 5} for n in range(10)] + [{"confidence": 1.0, "right": True}] * 10
    (bin,) = reliability(values)
    assert bin == {"confidence": pytest.approx(0.975), "right": 0.75, "count": 20}
    assert reliability([]) == []


def test_what_is_fitted_makes_overconfident_values_right():
    """Said 0.99, right in 7 of 10; said 0.6, right in 3 of 10."""
    rows = [record(n, given=[(0.99, n % 10 < 7), (0.6, n % 10 < 3)]) for n in range(400)]
    found = confidence(rows)
    assert found["before"]["ece"] == pytest.approx(0.295, abs=0.05) and found["after"]["ece"] < 0.08
    assert calibrated(0.99, found["slope"], found["offset"]) == pytest.approx(0.7, abs=0.08)


def test_nothing_to_fit_changes_nothing():
    assert fit([]) == fit([{"confidence": 0.5, "right": True}]) == (1.0, 0.0)


@given(st.floats(0, 1), st.floats(0.01, 5), st.floats(-5, 5))
def test_a_calibrated_probability_is_one_and_keeps_the_order(p, slope, offset):
    assert 0 <= calibrated(p, slope, offset) <= 1
    assert calibrated(p, slope, offset) <= calibrated(min(1.0, p + 0.1), slope, offset)
    assert math.isclose(calibrated(p, 1.0, 0.0), p, abs_tol=1e-9)


def test_the_command_writes_a_result_and_the_config(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(calibration, "COPY_WEIGHTS", (2.0, 3.0))  # not what a config has of itself
    fitted, asked = [0.5, 0.0, 0.0, 0.0, 0.0, 0.25], []
    optional, measure = calibration.optional, calibration.measure

    def noted(model, *args):
        asked.append(model.config.optional_weights)
        measure(model, *args)

    monkeypatch.setattr(calibration, "optional", lambda records: {**optional(records), "weights": fitted})
    monkeypatch.setattr(calibration, "measure", noted)
    weighed = {"rows": 0, "counts": 0, "due": 0, "weights": [0.7, 0.3, 0.1], "wrong": 0, "whole": 0}
    monkeypatch.setattr(calibration, "in_sentences", lambda readings: weighed)
    pair = make_pair("llama", trained=["router", "tools", "diffusion", "calls"])
    pair.model.save_pretrained(tmp_path / "c", include_base=True)
    pair.processor.save_pretrained(tmp_path / "c")
    tool = WEATHER["function"]
    lines = [
        make_row(
            [{"role": "user", "content": f"Weather in {city}?"}], [tool], "t", [("get_weather", {"location": city})]
        )
        for city in ("Oslo", "Rome")
    ]
    lines.append(
        make_row(
            [{"role": "user", "content": "The weather?"}], [tool], "t", [("get_weather", {})], needs=[(0, "location")]
        )
    )
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = tmp_path / "results" / "calibration.json"
    command = ["eval", "calibration", "--checkpoint", str(tmp_path / "c"), "--rows", str(tmp_path / "rows.jsonl")]
    more = ["--more", str(tmp_path / "rows.jsonl")]
    assert main([*command, *more, "--filler", "verified", "--write", "--out", str(out)]) == 0
    data = results.read(out, "calibration")["data"]
    assert (data["needs"]["values"], data["needs"]["due"]) == (3, 1)
    config = json.loads((tmp_path / "c" / "config.json").read_text())
    assert config["needs_threshold"] == data["needs"]["threshold"]
    assert config["needs_weights"] == data["needs"]["weights"]
    assert config["optional_weights"] == fitted and asked == [WORD_ALONE, fitted, fitted, fitted]
    assert (data["optional"]["values"], data["optional"]["due"]) == (6, 6)  # unit and days, never given
    assert config["presence_weight"] == data["presence"]["weight"]
    assert [point["weight"] for point in data["presence"]["curve"]] == list(calibration.WEIGHTS)
    assert config["copy_weight"] == data["copying"]["weight"] >= 2
    assert [point["weight"] for point in data["copying"]["curve"]] == [2.0, 3.0]
    assert data["copying"]["rows"] == 4  # of two files, without the rows in which something is missing
    assert data["more"]["calls"] == 4 and data["more"]["due"] == 0
    assert config["more_weights"] == data["more"]["weights"] == EVENLY  # no row has another call
    assert config["sentence_weights"] == data["sentences"]["weights"] == [0.7, 0.3, 0.1]
    sure = data["confidence"]
    assert config["confidence_slope"] == (sure["slope"] if sure["after"]["ece"] < sure["before"]["ece"] else 1.0)
    assert "1 of 3 required values are missing" in capsys.readouterr().out
    assert main(["eval", "report", "--results", str(out.parent), "--out", str(tmp_path / "page.md")]) == 0
    assert "Missing values and confidences" in (tmp_path / "page.md").read_text()
    assert (tmp_path / "figures" / "calibration.png").stat().st_size > 5000
    assert main([*command, "--filler", "verified", "diffusion"]) == 2
    assert "one filler is calibrated at a time" in capsys.readouterr().err


def test_the_weight_of_copies_makes_what_is_due_likeliest():
    """Copies are right in nine of ten places; the base gives them half, so their odds want to be nine times that."""
    half = math.log(0.5)
    readings = [{"choices": [(half, half, half, n > 0) for n in range(10)]}]
    found = copying(readings)
    assert found["weight"] == 2.0 and found["choices"] == 10  # of the halves the nearest to log(9)
    losses = {point["weight"]: point["loss"] for point in found["curve"]}
    assert (
        losses[0.0] == pytest.approx(-half) and losses[2.0] < losses[1.5] < losses[0.0] and losses[2.0] < losses[2.5]
    )
    assert copying([])["weight"] == 0.0


def test_another_call_is_due_by_the_word_that_can_be_trusted():
    """The base is always right and mostly unsure, the router sure and wrong half the time."""
    calls = [
        (0.6 if due else 0.4, [[0.01, None], [0.99 if n % 2 else 0.01, None]], False, due)
        for n, due in enumerate(2 * [True, True, False, False])
    ]
    found = more([{"id": str(n), "calls": calls} for n in range(10)], WHOLE)
    assert (found["calls"], found["due"], found["wrong"]) == (80, 40, 0)
    assert found["base"] == 0 and found["router"] == found["evenly"] == 40
    base, router, *_ = found["weights"]
    assert base > 1 > abs(router)
    seen = more([{"id": str(n), "calls": [(0.4, [], due, due) for due in (True, False)]} for n in range(10)], WHOLE)
    assert (seen["wrong"], seen["base"], seen["left_out"], seen["left_out_due"]) == (0, 10, 10, 10)
    assert seen["weights"][2] > 3
    assert more([], WHOLE)["weights"] == more([{"id": "0", "calls": calls[:2]}], WHOLE)["weights"] == EVENLY


def test_sentences_count_as_far_as_they_can_be_trusted():
    """They are right where the request as a whole is undecided; and what is due of another call is heard from both."""
    counts = [[0.5 + 0.01 * (n % 2), 0.9 if n < 2 else 0.1, n < 2] for n in range(4)]
    readings = [{"id": str(n), "counts": counts if n < 10 else [[0.9, None, False]]} for n in range(12)]
    found = in_sentences(readings)
    assert (found["rows"], found["counts"], found["due"]) == (10, 40, 20)
    assert found["wrong"] == 0 and found["whole"] == 20
    assert found["weights"][1] > 1
    assert in_sentences([])["weights"] == in_sentences(readings[10:])["weights"] == WHOLE
    calls = [(0.5, [[0.5, 0.9 if due else 0.1], [0.4, 0.1]], False, due) for due in (True, False)]
    heard = [{"id": str(n), "calls": calls} for n in range(10)]
    assert more(heard, found["weights"])["router"] == 0 and more(heard, WHOLE)["router"] == 10


@torch.no_grad()
def test_what_is_read_is_what_the_cursor_chooses_among():
    """The due text, with logits that want nothing but it, is likeliest; copies speak for what was said."""
    pair = make_pair("llama")
    vocabulary = pair.processor.vocabulary
    scaffold = Scaffold([compile_tool(WEATHER["function"], vocabulary)], vocabulary)
    values = scaffold.read([{"location": "Oslo"}])
    told = scaffold.tokens(values)
    cursor = Told(
        vocabulary, list(continuations(scaffold.chain)), values, told, Transcript(["Rain in Oslo?"], vocabulary)
    )
    while cursor.done is None and (at := len(cursor.tokens)) < len(told):
        assert cursor.tokens == told[:at]
        cursor.choose(torch.nn.functional.one_hot(torch.tensor(told[at]), len(vocabulary)) * 100.0)
    assert cursor.tokens == told
    assert cursor.choices and all(due == pytest.approx(0) and gains for _, _, due, gains in cursor.choices)


def test_the_weight_of_presence_is_the_one_with_the_fewest_faults():
    faults = {0.0: [(2, 0), (1, 1)], 0.5: [(0, 1), (1, 0)], 1.0: [(0, 2), (0, 0)]}
    records = {
        weight: [{"arguments": {"missing": missing, "extra": extra, "all": 5}} for missing, extra in found]
        for weight, found in faults.items()
    }
    found = presence(records)
    assert found["weight"] == 0.5
    assert found["curve"][0] == {"weight": 0.0, "missing": 3, "extra": 1, "all": 10}


def test_an_untrained_head_cannot_be_calibrated(tmp_path, capsys):
    pair = make_pair("llama", trained=["router"])
    pair.model.save_pretrained(tmp_path / "c", include_base=True)
    pair.processor.save_pretrained(tmp_path / "c")
    row = make_row(
        [{"role": "user", "content": "Oslo"}], [WEATHER["function"]], "t", [("get_weather", {"location": "Oslo"})]
    )
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    assert (
        main(["eval", "calibration", "--checkpoint", str(tmp_path / "c"), "--rows", str(tmp_path / "rows.jsonl")]) == 2
    )
    assert "untrained diffusion head" in capsys.readouterr().err
