"""The model card: what it shows, what it leaves out and says so; the committed one is of the committed results."""

import gzip
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import make_pair
from huggingface_hub import ModelCard
from huggingface_hub._eval_results import parse_eval_result_entries

from lafunc.__main__ import main
from lafunc.evaluation import results
from lafunc.evaluation.bfcl import averages
from lafunc.evaluation.checkpoint import SHIPPED, digest
from lafunc.evaluation.markdown import number
from lafunc.model_card.card import RESULTS, Card, write_card

REPO = "user/lafunc-tiny"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A tiny checkpoint whose base is on the Hub."""
    folder = tmp_path_factory.mktemp("checkpoint")
    pair = make_pair("llama")
    pair.model.config.base = "somebody/base"
    pair.model.save_pretrained(folder)
    return folder


def write(folder: Path, name: str, kind: str, checkpoint: Path, data: dict, trained=("router", "diffusion"), **more):
    """A result file of these weights, unless `sha256` says otherwise."""
    about = {"name": "tiny", "sha256": more.pop("sha256", digest(checkpoint)), "base": "somebody/base"}
    settings = {"checkpoint": {**about, "trained": list(trained), "dtype": "float32"}, **more}
    results.write(folder / f"{name}.json", kind, settings, data, ["eval", kind, "--out", f"{name}.json"])


def accuracy(right: int, rows: int = 200, system: str = "autoregressive") -> dict:
    counts = {"simple_python": {"right": right, "rows": rows, "seconds": 9.0}}
    counts |= {key: {"right": 0, "rows": 50, "seconds": 1.0} for key in ("simple_java", "simple_javascript")}
    counts |= {
        key: {"right": 25, "rows": 100, "seconds": 1.0} for key in ("multiple", "parallel", "parallel_multiple")
    }
    found = {
        "averages": averages({key: (one["right"], one["rows"]) for key, one in counts.items()}),
        "categories": counts, "rows": 600, "right": right + 75, "invalid": 0, "hallucination_rate": 0.125,
        "base_passes": 3.0, "head_passes": 0.0, "milliseconds": {"median": 5.0, "p10": 1.0, "p90": 9.0},
    }  # fmt: skip
    return {"systems": {system: found}}


BFCL = {"gold_plan": False, "limit": None, "mode": "auto", "bfcl_eval": "1.2.3", "seed": 0, "systems": []}


@pytest.fixture
def measured(tmp_path, checkpoint) -> Path:
    """Accuracy of these weights and of untrained ones."""
    folder = tmp_path / "results"
    write(folder, "bfcl-mine", "bfcl", checkpoint, accuracy(123), **BFCL)
    write(folder, "bfcl-before", "bfcl", checkpoint, accuracy(17), trained=(), sha256="0" * 16, **BFCL)
    return folder


# ------------------------------------------------------------------------------------------------------ the committed


def test_the_committed_card_is_what_the_command_makes_of_the_committed_results(tmp_path):
    remedy = "run `make report` or `lafunc card`"
    write_card(tmp_path, SHIPPED, f"USER/{SHIPPED.name}", RESULTS)
    assert (SHIPPED / "README.md").read_text(encoding="utf-8") == (tmp_path / "README.md").read_text(), remedy
    for folder in ("figures", ".eval_results"):
        made, there = ({path.name: path for path in (place / folder).glob("*")} for place in (tmp_path, SHIPPED))
        assert made.keys() == there.keys(), remedy
        assert all(made[name].read_bytes() == there[name].read_bytes() for name in made if name.endswith("yaml")), (
            remedy
        )


def test_the_shipped_card_names_no_place_of_a_machine():
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert not re.search(r"/(work|home|root|tmp)/", text)


@pytest.mark.real
@pytest.mark.usefixtures("real")
def test_the_card_s_example_runs_and_has_ten_lines():
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    assert len([line for line in code.splitlines() if line]) <= 10
    code = code.replace(f"USER/{SHIPPED.name}", str(SHIPPED))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert run.returncode == 0, run.stderr
    call = eval(run.stdout)["tool_calls"][0]["function"]
    assert call["name"] == "get_weather" and isinstance(call["arguments"]["location"], str)


# ------------------------------------------------------------------------------------------------------- what is shown


def test_a_figure_that_changes_in_a_result_file_changes_in_the_card(checkpoint, measured):
    text = Card(checkpoint, REPO, measured).text()
    assert (
        "| autoregressive | 61.5 | " in text
        and "| the base untrained, in the scaffold, left to right (bfcl-before) | 8.5 |" in text
    )
    assert "12.5 % of its calls are undue" in text and f"On BFCL {600 - 198} of 600 answers" in text
    write(measured, "bfcl-mine", "bfcl", checkpoint, accuracy(124), **BFCL)
    again = Card(checkpoint, REPO, measured).text()
    assert "| autoregressive | 62.0 | " in again and "61.5" not in again


def test_what_it_is_compared_with_has_its_source(checkpoint, measured):
    text = Card(checkpoint, REPO, measured).text()
    anchors = yaml.safe_load((results.ROOT / "model_card" / "anchors.yaml").read_text())
    for anchor in anchors:
        assert f"| {anchor['system']} | {number(anchor['percent'])} |" in text
        assert f"{anchor['system']}: {anchor['source']}: {anchor['what']}." in text


def test_the_hub_can_read_the_metadata(checkpoint, measured, tmp_path):
    write_card(tmp_path / "out", checkpoint, REPO, measured)
    data = ModelCard.load(tmp_path / "out" / "README.md").data  # reads and checks the model-index, too
    assert (data.license, data.base_model, data.base_model_relation) == ("apache-2.0", "somebody/base", "adapter")
    assert (data.library_name, data.pipeline_tag, data.model_name) == (
        "transformers",
        "text-generation",
        "lafunc-tiny",
    )
    assert {"lafunc", "custom_code"} <= set(data.tags)
    (found,) = data.eval_results
    right = averages({key: (c["right"], c["rows"]) for key, c in _categories(measured, "bfcl-mine").items()})
    assert found.metric_value == round(right["non_live_ast"], 2) and found.dataset_args["bfcl_eval"] == "1.2.3"
    (file,) = (tmp_path / "out" / ".eval_results").iterdir()
    (entry,) = parse_eval_result_entries(yaml.safe_load(file.read_text()))
    assert (entry.value, entry.task_id) == (found.metric_value, "non_live_ast") and entry.dataset_id.count("/") == 1
    assert (tmp_path / "out" / "figures" / "accuracy.png").read_bytes().startswith(b"\x89PNG")


def test_a_system_measured_in_two_files_is_one_line_of_categories(checkpoint, measured, tmp_path):
    """And what is measured on a sample is shown, but no score for leaderboards."""
    data = accuracy(123)
    (counts,) = data["systems"].values()
    counts["categories"] = {"live_simple": {"right": 30, "rows": 40, "seconds": 1.0}}
    counts["averages"] |= {"non_live_ast": None, "live_ast": 75.0}
    write(measured, "bfcl-live", "bfcl", checkpoint, data, **BFCL | {"limit": 40})
    write_card(tmp_path / "out", checkpoint, REPO, measured)
    text = (tmp_path / "out" / "README.md").read_text()
    part = text[text.index("Right answers in percent of a category's rows") :].split("\n\n")[1]
    mine = [line for line in part.splitlines() if line.startswith("| autoregressive ")]
    assert len(mine) == 1 and "| 61.5 |" in mine[0] and "| 75.0 |" in mine[0]
    assert [path.name for path in (tmp_path / "out" / ".eval_results").iterdir()] == ["bfcl_non_live_ast.yaml"]
    (found,) = ModelCard.load(tmp_path / "out" / "README.md").data.eval_results
    assert found.dataset_args["rows"] == 600


def test_averages_over_different_rows_are_results_of_their_own(checkpoint, measured, tmp_path):
    data = accuracy(123)
    (counts,) = data["systems"].values()
    counts |= {"rows": 40, "averages": counts["averages"] | {"non_live_ast": None, "live_ast": 75.0}}
    write(measured, "bfcl-live", "bfcl", checkpoint, data, **BFCL)
    write_card(tmp_path / "out", checkpoint, REPO, measured)
    found = ModelCard.load(tmp_path / "out" / "README.md").data.eval_results
    assert [(one.dataset_name.split(", ")[1], one.dataset_args["rows"]) for one in found] == [
        ("live AST", 40),
        ("non-live AST", 600),
    ]
    files = sorted(path.name for path in (tmp_path / "out" / ".eval_results").iterdir())
    assert files == ["bfcl_live_ast.yaml", "bfcl_non_live_ast.yaml"]


def _categories(folder: Path, name: str) -> dict:
    return json.loads((folder / f"{name}.json").read_text())["data"]["systems"]["autoregressive"]["categories"]


def test_without_results_each_section_says_so(checkpoint, tmp_path):
    assert write_card(tmp_path / "out", checkpoint, REPO, tmp_path / "nothing") == []
    text = (tmp_path / "out" / "README.md").read_text()
    assert text.count("Not measured with these weights yet: `lafunc eval ") == 7
    assert "The checkpoint holds no training.json" in text and "Nothing was measured." in text
    assert not re.search(r"\d+\.\d+ %|!\[", text) and not (tmp_path / "out" / "figures").exists()


def test_results_of_other_weights_are_not_shown_as_these(checkpoint, tmp_path):
    data = {"equal": True, "sets": {"a": {"chat": {"turns": 7, "tokens": 9, "prompt": 7, "logits": 7, "text": 7}}}}
    write(tmp_path, "bfcl-other", "bfcl", checkpoint, accuracy(99), sha256="1" * 16, **BFCL)
    write(tmp_path, "retention", "retention", checkpoint, data, sha256="1" * 16, trained=())
    card = Card(checkpoint, REPO, tmp_path)
    assert card.shown == ["retention"] and "bfcl-other" not in card.text()
    note = "Measured with other weights of this base (1111111111111111, trained heads: none)."
    assert f"{note}\n\n7 of 7 answers equal" in card.text()
    write(tmp_path, "retention-mine", "retention", checkpoint, data)
    card = Card(checkpoint, REPO, tmp_path)
    assert card.shown == ["retention-mine"] and note not in card.text()


def test_reliability_is_counted_from_the_rows_of_a_result(checkpoint, measured):
    records = [
        {"system": system, "right": right, "confidence": [{"$.a": 0.99, "$.b": p}]}
        for system, right, p in [
            ("autoregressive", True, 0.95), ("autoregressive", True, 0.9), ("autoregressive", False, 0.85),
            ("autoregressive", False, 0.1), ("other", False, 0.99),
        ]
    ]  # fmt: skip
    records.append({"system": "autoregressive", "right": True, "confidence": []})
    lines = [json.dumps({"format": results.FORMAT, "settings": {}}), *map(json.dumps, records)]
    (measured / "bfcl-mine.rows.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    card = Card(checkpoint, REPO, measured)
    assert card.reliability() == {"bfcl-mine": [(0, 1), (0, 0), (0, 0), (0, 0), (2, 3)]}
    assert "| bfcl-mine | 0.0 (1) | – | – | – | 66.7 (3) |" in card.text()


def test_training_data_is_listed_with_licences(checkpoint, tmp_path):
    folder = tmp_path / "trained"
    shutil.copytree(checkpoint, folder)
    before = {
        "data": {"rows": {"tool": 5}, "sources": {"sgd": 3}, "history": [{"step": 7}], "parameters": 10},
        "command": "lafunc train --config first.yaml", "commit": "abc",
    }  # fmt: skip
    sources = {"sgd": 1000, "gsm8k": 4, "glaive": 2, "synthesis-invented": 5, "mine": 6}
    data = {"parameters": 1234, "rows": {"tool": 9}, "sources": sources, "history": [{"step": 8}], "before": before}
    results.write(folder / "training.json", "training", {}, data, ["train", "--config", "second.yaml"])
    card = Card(folder, REPO, tmp_path / "nothing")
    text = card.text()
    for line in (
        "Training 1: 7 steps on rows drawn of 5 tool (`lafunc train --config first.yaml`, commit abc).",
        "Training 2: 8 steps on rows drawn of 9 tool (`lafunc train --config second.yaml`",
        "| sgd | CC-BY-SA-4.0 | 1,003 |", "| gsm8k | MIT | 4 |", "| mine | not said | 6 |",
        "| synthesis-invented | Apache-2.0, written by `lafunc data synthesize` | 5 |", "1 234 parameters",
    ):  # fmt: skip
        assert line in text
    assert card.data().datasets == ["glaiveai/glaive-function-calling-v2"]


def test_a_result_that_cannot_be_used_is_named(checkpoint, tmp_path, capsys):
    (tmp_path / "x.json").write_text("{")
    assert main(["card", "--checkpoint", str(checkpoint), "--results", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "x.json is not a result file" in capsys.readouterr().err
