"""Result files are checked when read; the report holds what they hold, and the committed pages are its work."""

import gzip
import json
import re
from pathlib import Path

import pytest

from lafunc.__main__ import main
from lafunc.evaluation import results
from lafunc.evaluation.markdown import number, percent, table
from lafunc.evaluation.report import BEGIN, END, page, read_all, same_rows, widest, with_summary
from lafunc.evaluation.results import ResultError

ROOT = Path(__file__).parent.parent
PHOTOGRAPH = ROOT / "docs" / "figures" / "space.png"  # of the demo; not drawn from results
RESULTS = ROOT / "results"


def write(path: Path, **changed) -> Path:
    results.write(path, "retention", {}, {"equal": True}, [])
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    return path


def test_a_result_says_what_made_it(tmp_path):
    arguments = ["eval", "overlap", "--train", str(tmp_path), "../data", "results/x.json"]
    packages = ["pytest", "no-such-package"]
    results.write(tmp_path / "deep" / "x.json", "overlap", {"a": 1}, {"b": 2}, arguments, packages)
    found = results.read(tmp_path / "deep" / "x.json", "overlap")
    assert found["settings"] == {"a": 1} and found["data"] == {"b": 2}
    assert found["command"] == f"lafunc eval overlap --train {tmp_path.name} data results/x.json"  # no machine's paths
    assert {"python", "torch", "transformers", "pytest"} <= found["versions"].keys()
    assert "no-such-package" not in found["versions"]
    assert found["hardware"]["cores"] >= 1 and found["hardware"]["threads"] >= 1
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["x.json"]


def test_counting_anew_keeps_the_commit_that_made_the_rows(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    for commit, settings in (("a", {"seed": 0}), ("b", {"seed": 0}), ("c", {"seed": 1})):
        monkeypatch.setattr(results, "_commit", lambda: commit)  # noqa: B023
        results.write(path, "bfcl", settings, {}, [])
        found = results.read(path)
        assert (found["commit"], found["begun"]) == (commit, {"a": "a", "b": "a", "c": "c"}[commit])


def test_held_out_rows_and_training_are_shown(tmp_path):
    kinds = {"verbatim": {"right": 3, "value": 1}}
    counts = {
        "rows": 10, "right": 6, "modes": {"chat": {"chat": 4}, "tool": {"tool": 5, "chat": 1}}, "modes_right": 9,
        "calls_due": 6, "calls_right": 2, "arguments": kinds, "needs": {"found": 1, "invented": 1}, "errors": [],
        "base_passes": {"median": 2.0}, "milliseconds": {"median": 700.0},
    }  # fmt: skip
    about = {"name": "tiny", "sha256": "abc"}
    settings = {"checkpoint": about, "rows": {"name": "dev.jsonl", "sha256": "f"}, "mode": "auto", "gold_plan": False}
    results.write(tmp_path / "rows.json", "rows", {**settings, "needs_threshold": 0.5}, {"systems": {"x": counts}}, [])
    history = [
        {"step": n, "loss": 3 / n, "modes": 1 / n, "tokens": 2 / n, "mode_accuracy": 1 - 1 / n, "seconds": 60.0 * n}
        for n in range(1, 9)
    ]
    data = {"parameters": 1000, "processes": 2, "rows": {"tool": 50}, "skipped": {"too long": 3}, "history": history}
    results.write(
        tmp_path / "training.json", "training", {"learning_rate": 0.5}, data, ["train", "--config", "a.yaml"]
    )
    first = results.read(tmp_path / "training.json")
    results.write(tmp_path / "more.json", "training", {}, {**data, "before": first}, ["train", "--config", "b.yaml"])
    fitted = {
        **data,
        "history": [],
        "router": {"rows": 40, "held_out": 4, "right": 3, "called": 4, "tools": 9, "tools_right": 8}
        | {"abroad": {"calls": 7, "calls_right": 6, "none": 5, "none_right": 2}},
        "before": first,
    }
    results.write(tmp_path / "router.json", "training", {}, fitted, ["train", "--config", "c.yaml"])
    assert main(["eval", "report", "--results", str(tmp_path), "--out", str(tmp_path / "docs" / "page.md")]) == 0
    text = (tmp_path / "docs" / "page.md").read_text()
    assert (
        "router fitted to 40 rows, right on 3 of the 4 of them that were kept out and on 8 of their 9 tools; on "
        "sources left out of the fit, on 6 of 7 rows with calls and 2 of 5 without; on 2" in text
    )
    assert "| x | 60.0 | 90.0 | 33.3 | 75.0 | 50.0 | 2 | 700 |" in text and "| tool | 1 | 0 | 5 |" in text
    assert "8 steps in 8 minutes; on 2 processes. 3 skipped: too long" in text and "learning_rate: 0.5" in text
    assert "`lafunc train --config a.yaml`" in text
    assert "Stage 1, commit" in text and "Stage 2, commit" in text and text.count("learning_rate: 0.5") == 3
    assert (tmp_path / "docs" / "figures" / "training.png").stat().st_size > 5000


def test_controlled_runs_are_shown(tmp_path):
    counts = {
        "right": 30,
        "slots": 40,
        "rows_right": 1,
        "rows": 8,
        "missing": 2,
        "extra": 5,
        "invalid": 0,
        "seconds": 61.7,
    }
    router = {"rows": 50, "right": 9, "of": 10, "called": 4, "due": 5, "refused": 1, "negatives": 4}
    settings = {"head": [256, 3, 4], "count": 960, "steps": 120, "batch": 8, "held_out": 8}
    data = {"variants": [{"name": "no copying", **counts}], "router": {"name": "router", "with negatives": router}}
    results.write(tmp_path / "ablations.json", "ablations", settings, data, ["eval", "ablations"])
    assert main(["eval", "report", "--results", str(tmp_path), "--out", str(tmp_path / "page.md")]) == 0
    text = (tmp_path / "page.md").read_text()
    assert "Heads 256 wide with 3 layers; 960 rows, 120 steps of 8; 8 rows filled." in text
    assert "| no copying | 75.0 | 12.5 | 2 | 5 | 0 | 62 |" in text
    assert "| with negatives | 50 | 90.0 | 80.0 | 25.0 |" in text


def test_systems_that_answered_the_same_rows_stand_in_one_table():
    def document(systems, limit):
        settings = {"systems": systems, "limit": limit, "gold_plan": False}
        return {"kind": "bfcl", "settings": settings, "data": {"systems": dict.fromkeys(systems, {})}}

    files = {"a": document(["x", "y"], 5), "b": document(["z"], None), "c": document(["raw"], 5)}
    found = same_rows({**files, "d": {"kind": "overlap"}})
    assert {names: list(group["systems"]) for names, group in found.items()} == {
        "a and c": ["x", "y", "raw"],
        "b": ["z"],
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"x\.json is not a result file: "),
        ("[]", r"x\.json is not a result file: it has no kind, format and data"),
        (json.dumps({"kind": "bfcl", "data": {}}), "it has no kind, format and data"),
        (
            json.dumps({"kind": "bfcl", "format": results.FORMAT + 1, "data": {}}),
            rf"x\.json has result format {results.FORMAT + 1}, and this version of LaFuNC reads format "
            rf"{results.FORMAT}; delete it and measure again",
        ),
        (
            json.dumps({"kind": "bfcl", "format": results.FORMAT, "data": {}}),
            r"x\.json was written by `lafunc eval bfcl`, not by `lafunc eval retention`",
        ),
    ],
)
def test_what_is_no_usable_result_is_refused(tmp_path, content, message):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ResultError, match=message):
        results.read(tmp_path / "x.json", "retention")


def test_a_missing_result_says_how_it_is_made(tmp_path):
    with pytest.raises(ResultError, match="run `lafunc eval retention` first"):
        results.read(tmp_path / "x.json", "retention")


def test_a_journal_of_another_version_is_refused(tmp_path):
    journal = results.Journal(tmp_path / "x.json", {})
    journal.path.write_text(json.dumps({"format": 0, "settings": {}}) + "\n")
    with pytest.raises(ResultError, match="has result format 0"):
        results.Journal(tmp_path / "x.json", {})


def test_a_journal_packs_and_unpacks(tmp_path):
    journal = results.Journal(tmp_path / "x.json", {"seed": 0})
    journal.add({"id": "a\u2028b"})  # some programs take that for a line's end
    journal.pack()
    assert not journal.path.exists()
    assert gzip.decompress(journal.packed.read_bytes()).count(b"\n") == 2
    assert list(results.read_rows(tmp_path / "x.json")) == [{"id": "a\u2028b"}]
    again = results.Journal(tmp_path / "x.json", {"seed": 0})
    again.add({"id": "c"})
    assert [row["id"] for row in results.Journal(tmp_path / "x.json", {"seed": 0}).rows] == ["a\u2028b", "c"]
    with pytest.raises(ResultError, match="is not there; it is written by the command that wrote y.json"):
        list(results.read_rows(tmp_path / "y.json"))


def test_markdown():
    assert table(["a", "b"], [["1", "2"]]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]
    assert number(None) == "–" and number(1234.56) == "1 234.6" and number(0.126, 2) == "0.13"
    assert percent(1, 3) == "33.3" and percent(0, 0) == "–"


# -------------------------------------------------------------------------------------------------------------- report


def test_a_folder_without_results_is_refused(tmp_path, capsys):
    assert main(["eval", "report", "--results", str(tmp_path)]) == 2
    assert "holds no result files; `lafunc eval bfcl` writes one" in capsys.readouterr().err


def test_a_result_of_another_version_stops_the_report(tmp_path, capsys):
    write(tmp_path / "x.json", format=0)
    assert main(["eval", "report", "--results", str(tmp_path)]) == 2
    assert "x.json has result format 0" in capsys.readouterr().err


def test_a_readme_without_a_place_is_refused():
    with pytest.raises(ResultError, match="the README has no place for the results"):
        with_summary("# README\n", read_all(RESULTS))


def test_a_readme_keeps_what_is_around_its_place():
    written = with_summary(f"before\n{BEGIN}\nearlier text\n{END}\nafter\n", read_all(RESULTS))
    assert (
        written.startswith(f"before\n{BEGIN}\n")
        and written.endswith(f"{END}\nafter\n")
        and "earlier text" not in written
    )
    assert with_summary(written, read_all(RESULTS)) == written


def test_a_readme_tells_of_the_shipped_checkpoint_and_of_the_bare_base_only():
    documents = read_all(RESULTS)
    written = with_summary(f"{BEGIN}\n{END}\n", documents)
    assert "**BFCL, the shipped checkpoint** (bfcl-verified)" in written and "**BFCL, the bare base**" in written
    checkpoints = {name: documents[name]["settings"]["checkpoint"] for name in documents if name.startswith("bfcl-")}
    shipped = checkpoints["bfcl-verified"]
    earlier = {name for name, one in checkpoints.items() if one["trained"] and one["sha256"] != shipped["sha256"]}
    assert "bfcl-third-50" in earlier and not any(name in written for name in earlier)
    # Whichever checkpoint the live rows were measured with, were it the shipped one:
    documents["bfcl-live"]["settings"]["checkpoint"] = shipped
    written = with_summary(f"{BEGIN}\n{END}\n", documents)
    (found,) = documents["bfcl-live"]["data"]["systems"].values()
    none = found["categories"]["live_irrelevance"]
    share = number(100 * none["right"] / none["rows"])
    live = next(line for line in written.splitlines() if line.endswith("|") and f" of {found['rows']} " in line)
    assert f"| – | {number(found['averages']['live_ast'])} | – | {share} |" in live


def test_the_committed_pages_are_what_the_report_makes_of_the_committed_results():
    documents = read_all(RESULTS)
    remedy = "run `lafunc eval report --readme README.md`"
    assert (ROOT / "docs" / "results.md").read_text(encoding="utf-8") == page(documents), remedy
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme == with_summary(readme, documents), remedy


def test_the_results_page_shows_every_figure_and_no_page_one_that_is_not_there():
    figures = set((ROOT / "docs" / "figures").iterdir()) - {PHOTOGRAPH}
    shown = {
        page: {page.parent / link for link in re.findall(r"!\[[^]]*\]\(([^)]*)\)", page.read_text(encoding="utf-8"))}
        for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
    }
    assert shown[ROOT / "docs" / "results.md"] == figures
    assert set().union(*shown.values()) <= figures | {PHOTOGRAPH}


def test_the_report_draws_and_writes(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert main(["eval", "report", "--results", str(RESULTS), "--out", str(tmp_path / "page.md")]) == 0
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == page(read_all(RESULTS))
    for plot in set((ROOT / "docs" / "figures").iterdir()) - {PHOTOGRAPH}:
        assert (tmp_path / "figures" / plot.name).read_bytes().startswith(b"\x89PNG")


def test_no_committed_result_names_a_place_of_a_machine():
    for path in RESULTS.glob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert "/work/" not in text and "/home/" not in text and "/root/" not in text, path


def test_committed_results_are_of_a_clean_commit():
    for path in RESULTS.glob("*.json"):
        assert not json.loads(path.read_text(encoding="utf-8"))["commit"].endswith("+"), path


def test_a_run_of_one_axis_does_not_take_the_place_of_a_run_of_all():
    some, every = ({"data": {"axes": dict.fromkeys(axes)}} for axes in (["batch"], ["batch", "tools"]))
    assert widest({"latency-batch": some, "latency-growth": every}) == {"latency-growth": every}
    assert widest({"latency-batch": some}) == {"latency-batch": some} and widest({}) == {}
