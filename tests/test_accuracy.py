"""`lafunc eval bfcl`: systems answer as they would alone, on one plan; a run that was killed goes on."""

import json

import pytest
import torch
from conftest import bfcl_row, make_pair
from hypothesis import given
from hypothesis import strategies as st

from lafunc import modeling_lafunc
from lafunc.__main__ import main
from lafunc.evaluation import bfcl, results
from lafunc.evaluation.accuracy import count, measure
from lafunc.evaluation.bfcl import EvaluationError, Row, load, score
from lafunc.evaluation.breakdown import FAULTS, examine
from lafunc.evaluation.systems import RAW, Beginnings, answers, hopeless, parse, systems

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


def test_each_system_fills_the_same_plan_and_answers_as_it_would_alone(pair, monkeypatch):
    monkeypatch.setattr(pair.model.config, "trained", ["diffusion"])  # a random router might choose to chat
    chosen = systems(["autoregressive", "verified", "diffusion", RAW], [2], ["confidence"])
    row = bfcl_row("parallel", "parallel_0")
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


def test_what_the_router_said_of_tools_counts_for_each_system(monkeypatch):
    """Where base and router are of two minds on a second call: the router is sure enough for both."""
    pair = make_pair("llama", trained=["router", "tools", "diffusion", "calls"])
    monkeypatch.setattr(pair.model.router, "called", lambda states, end: torch.tensor([[0.9, 0.0]] * 2))
    monkeypatch.setattr(modeling_lafunc, "follows", lambda reader, rows: [[0.4] * len(c.scaffold.tools) for c in rows])
    monkeypatch.setattr(pair.model.router, "modes", lambda states, called: torch.tensor([[0.0, 0.0, 1.0]]))
    row = bfcl_row("multiple")
    assert len(row.tools) == 2
    chosen = systems(["autoregressive", "verified"], [2], ["confidence"])
    found = [answer for _, answer in answers(pair.model, pair.processor, row, chosen)]
    alone = pair.call(row.messages, row.tools, mode="auto", filler="autoregressive")
    assert [answer.plan for answer in found] == [alone.plan] * 2 and len(alone.plan) == 2


def test_raw_text_with_a_broken_call_has_no_calls(pair, monkeypatch):
    """One call that can be read does not make an answer of two right."""
    row, chosen = bfcl_row("simple_python"), systems([RAW], [1], ["confidence"])
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
    row = bfcl_row("simple_python")
    refused = Row(row.id, row.category, row.messages, [{"name": "f", "parameters": {"$ref": "#/no"}}], [], [])
    ((_, answer),) = answers(pair.model, pair.processor, refused, systems(["autoregressive"], [1], ["confidence"]))
    assert answer.error.startswith("SchemaError: ")


def test_a_row_without_tools_is_answered_without_a_call(pair):
    row = Row("x", "live_irrelevance", [{"role": "user", "content": "hello"}], [], [], [])
    ((_, answer),) = answers(pair.model, pair.processor, row, systems(["autoregressive"], [1], ["confidence"]))
    assert answer.calls == [] and answer.error is None and score(row, answer.calls).valid


@pytest.mark.parametrize(("sure", "mode"), [([0.2, 0.1, 0.7], "chat"), ([0.1, 0.2, 0.7], "think")])
def test_a_row_without_tools_asks_the_router_whether_to_think(monkeypatch, sure, mode):
    pair = make_pair("llama", trained=["router"])
    monkeypatch.setattr(pair.model.router, "modes", lambda states, called: torch.tensor([sure]))
    row = Row("x", "think", [{"role": "user", "content": "hello"}], [], [], [])
    chosen = systems(["autoregressive", RAW], [1], ["confidence"])
    shared = Beginnings(pair.model, pair.processor)
    found = [answer for _, answer in answers(pair.model, pair.processor, row, chosen, beginnings=shared)]
    assert [(answer.mode, answer.calls, answer.error) for answer in found] == [(mode, [], None)] * 2


# ------------------------------------------------------------------------------------------------------------- the run


def run(pair, rows, path, chosen=("autoregressive", "diffusion"), examine=examine, **settings):
    found = systems(chosen, [1], ["confidence"])
    journal = results.Journal(path, settings)
    measure(pair.model, pair.processor, rows, found, journal, examine=examine)
    return count(found, journal), journal


def without_time(data):
    if isinstance(data, dict):
        return {key: without_time(value) for key, value in data.items() if key not in ("milliseconds", "seconds")}
    return [without_time(value) for value in data] if isinstance(data, list) else data


def test_several_processes_find_what_one_finds_and_go_on_where_they_stood(tmp_path):
    made = make_pair("llama")
    made.model.save_pretrained(tmp_path / "checkpoint", include_base=True)
    made.processor.save_pretrained(tmp_path / "checkpoint")
    asked = ["eval", "bfcl", "--checkpoint", str(tmp_path / "checkpoint"), "--filler", "autoregressive", "diffusion"]
    asked += ["--categories", "simple_python", "irrelevance", "--limit", "2", "--max-slot-tokens", "4"]
    assert main([*asked, "--out", str(tmp_path / "one.json")]) == 0
    assert main([*asked, "--out", str(tmp_path / "two.json"), "--processes", "2"]) == 0
    one, two = (results.read(tmp_path / f"{name}.json")["data"] for name in ("one", "two"))
    assert (one.pop("processes"), two.pop("processes")) == (1, 2)
    assert without_time(one) == without_time(two)
    rows = list(results.read_rows(tmp_path / "two.json"))
    assert [row["id"] for row in rows] == [row["id"] for row in results.read_rows(tmp_path / "one.json")]
    (tmp_path / "two.rows.jsonl.gz").unlink()
    header = json.dumps({"format": results.FORMAT, "settings": results.read(tmp_path / "two.json")["settings"]})
    (tmp_path / "two.rows.jsonl").write_text("".join(f"{line}\n" for line in (header, *map(json.dumps, rows[:3]))))
    assert main([*asked, "--out", str(tmp_path / "two.json"), "--processes", "2"]) == 0
    assert without_time(results.read(tmp_path / "two.json")["data"]["systems"]) == without_time(one["systems"])
    kept = [row["seconds"] for row in results.read_rows(tmp_path / "two.json")][:3]
    assert kept == [row["seconds"] for row in rows[:3]]  # they were not made again


def test_at_least_one_process_measures(tmp_path, capsys):
    assert main(["eval", "bfcl", "--checkpoint", str(tmp_path), "--processes", "0"]) != 0
    assert "--processes must be at least 1, got 0" in capsys.readouterr().err


def test_a_run_that_was_killed_goes_on_where_it_stood(pair, tmp_path):
    rows = load(["simple_python", "irrelevance"], limit=2)
    whole, _ = run(pair, rows, tmp_path / "whole.json")

    done = []

    def killed(row, answer):
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append(row.id)
        return examine(row, answer)

    with pytest.raises(KeyboardInterrupt):
        run(pair, rows, tmp_path / "killed.json", examine=killed)
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
