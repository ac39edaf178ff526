"""`lafunc eval rows`: what a record says, what is counted, and bad input."""

import json

import pytest
from conftest import ORDER, WEATHER, make_pair

from lafunc.__main__ import main
from lafunc.data.rows import make_row, write_rows
from lafunc.evaluation.bfcl import EvaluationError
from lafunc.evaluation.heldout import examine, load, rows_table, summarise
from lafunc.evaluation.systems import Answer

WEATHER_TOOL = WEATHER["function"]
ASK = [{"role": "user", "content": "Weather in Oslo and in Rome for 2 days?"}]
TWO = [("get_weather", {"location": "Oslo"}), ("get_weather", {"location": "Rome", "days": 2})]
AND = [{"role": "user", "content": "And the weather?"}]
ROWS = [
    make_row(ASK, [WEATHER_TOOL, ORDER], "made", TWO),
    make_row(AND, [WEATHER_TOOL], "made", [("get_weather", {})], needs=[(0, "location")]),
    make_row([{"role": "user", "content": "Hello"}], [WEATHER_TOOL], "talk"),
]


@pytest.fixture
def file(tmp_path):
    write_rows(tmp_path / "dev.jsonl.gz", ROWS)
    return tmp_path / "dev.jsonl.gz"


def fault(row, **answer) -> str | None:
    return examine(row, Answer(**answer))["fault"]


def test_faults(file):
    two, missing, chat = load(file)
    plan = ["get_weather"] * 2
    assert fault(two, mode="tool", plan=plan, calls=TWO) is None
    assert fault(two, mode="tool", plan=plan, calls=TWO[::-1]) is None
    assert fault(two, mode="tool", plan=plan, calls=[TWO[0], TWO[0]]) == "arguments"
    assert fault(two, mode="tool", plan=plan, calls=TWO[:1]) == "arguments"
    assert fault(two, mode="tool", plan=plan, calls=TWO[:1], needs=["get_weather $.location"]) == "needs"
    assert fault(two, mode="tool", plan=plan[:1], calls=TWO[:1]) == "count"
    assert fault(two, mode="tool", plan=["get_weather", "create_order"], calls=TWO[:1]) == "tool"
    assert fault(two, mode="chat") == "mode" and fault(two, error="ValueError: no") == "error"
    assert fault(missing, mode="tool", plan=plan[:1], needs=["get_weather $.location"]) is None
    assert fault(missing, mode="tool", plan=plan[:1], calls=[("get_weather", {"location": "Rome"})]) == "needs"
    assert fault(chat, mode="chat") is None and fault(chat, mode="tool", plan=plan[:1], calls=TWO[:1]) == "mode"


@pytest.mark.parametrize(("more", "kind"), [({"type": "integer"}, "number"), (True, "normalised")])
def test_a_made_argument_that_the_schema_does_not_list(tmp_path, more, kind):
    listed = {"type": "object", "properties": {"name": {"type": "string"}}, "additionalProperties": more}
    rows = [make_row(AND, [{"name": "tag", "parameters": listed}], "made", [("tag", {"name": "weather"})])]
    write_rows(tmp_path / "dev.jsonl.gz", rows)
    (row,) = load(tmp_path / "dev.jsonl.gz")
    record = examine(row, Answer(mode="tool", plan=["tag"], calls=[("tag", {"name": "weather", "old": 3})]))
    assert record["arguments"] == [
        {"name": "name", "kind": "verbatim", "fault": ""},
        {"name": "old", "kind": kind, "fault": "extra"},
    ]


def test_what_is_counted(file):
    two, missing, chat = load(file)
    plan = ["get_weather"] * 2
    wrong = [TWO[0], ("get_weather", {"location": "Roma", "days": 2, "unit": "celsius"})]
    records = [
        examine(two, Answer(mode="tool", plan=plan, calls=wrong)),
        examine(missing, Answer(mode="tool", plan=plan[:1], needs=["get_weather $.location"])),
        examine(chat, Answer(mode="tool", plan=plan[:1], calls=TWO[:1])),
    ]
    found = summarise(records)
    assert (found["rows"], found["right"], found["modes_right"]) == (3, 1, 2)
    assert (found["calls_due"], found["calls_right"]) == (2, 1)
    assert found["modes"] == {"chat": {"tool": 1}, "tool": {"tool": 2}}
    assert found["arguments"] == {"verbatim": {"right": 1, "value": 1}, "number": {"right": 1}, "enum": {"extra": 1}}
    assert found["needs"] == {"found": 1, "invented": 0, "asked_for_nothing": 0}
    assert found["sources"] == {"made": {"rows": 2, "right": 1}, "talk": {"rows": 1, "right": 0}}
    assert "| 33.3 | 66.7 | 50.0 | 50.0 | 100.0 |" in rows_table({"x": found})[2]


def test_the_command_writes_a_file_and_goes_on(file, tmp_path, capsys):
    pair = make_pair("llama")
    pair.model.save_pretrained(tmp_path / "model", include_base=True)
    pair.processor.save_pretrained(tmp_path / "model")
    out = tmp_path / "rows.json"
    command = ["eval", "rows", "--checkpoint", str(tmp_path / "model"), "--rows", str(file), "--out", str(out)]
    command += ["--filler", "diffusion", "autoregressive", "--steps", "1", "2"]
    assert main(command) == 0
    found = json.loads(out.read_text())
    assert list(found["data"]["systems"]) == ["diffusion/1/confidence", "diffusion/2/confidence", "autoregressive"]
    assert all(counts["rows"] == 3 and not counts["errors"] for counts in found["data"]["systems"].values())
    assert "diffusion/2/confidence" in capsys.readouterr().out
    assert main([*command, "--gold-plan", "--limit", "1", "--out", str(tmp_path / "gold.json")]) == 0
    assert json.loads((tmp_path / "gold.json").read_text())["data"]["systems"]["autoregressive"]["rows"] == 1


def test_files_that_hold_no_rows(tmp_path):
    with pytest.raises(EvaluationError, match="no.jsonl is not there; `lafunc data build`"):
        load(tmp_path / "no.jsonl")
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n{}\n")
    with pytest.raises(EvaluationError, match="bad.jsonl, after line .*: a column is missing"):
        load(path)
