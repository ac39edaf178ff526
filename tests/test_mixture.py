"""Mixtures: what is left out is counted, nothing of BFCL comes in, the same recipe makes the same rows."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from conftest import make_tokenizer

from lafunc.__main__ import main
from lafunc.data import hub, mixture
from lafunc.data.checker import Checker, Count, Evaluation
from lafunc.data.dialects import tool_of
from lafunc.data.hub import Draft
from lafunc.data.mixture import collect, mix, query_of
from lafunc.data.recipe import Recipe, read_recipe
from lafunc.data.rows import RowError, calls_of, check_row, read_rows
from lafunc.data.sources import DataError, Source
from lafunc.processing_lafunc import LaFuncProcessor

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker(Recipe([], base=make_tokenizer("llama")))


def lines(path: Path, raws) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(one if isinstance(one, str) else json.dumps(one) + "\n" for one in raws))


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A folder with two sets and a configuration, and a checker that needs no real base."""
    tool = {"name": "get_weather", "description": "Weather of a city.", "parameters": {"city": {"type": "str"}}}
    other = {"name": "paint_wall", "description": "Paints walls.", "parameters": {"shade": {"type": "str"}}}
    bad = {
        "name": "bad",
        "description": "",
        "parameters": {"type": "object", "properties": {"a": {"type": "string", "pattern": "(a)\\1"}}},
    }
    raws = [
        {
            "query": f"Tell me the weather in Town{at} now, please",
            "tools": json.dumps([tool, other]),
            "answers": json.dumps([{"name": "get_weather", "arguments": {"city": f"Town{at}"}}]),
        }
        for at in range(40)
    ]
    refused = {"query": "x", "tools": json.dumps([bad]), "answers": '[{"name": "bad", "arguments": {"a": "a"}}]'}
    lines(tmp_path / "calls" / "train.jsonl", [*raws, raws[0], refused, "{cut off\n", {"query": "x"}])
    sums = [{"question": f"how much is {at} and one", "answer": f"#### {at + 1}"} for at in range(9)]
    (tmp_path / "talk").mkdir()
    with gzip.open(tmp_path / "talk" / "train.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(one) + "\n" for one in sums)
    config = {
        "seed": 3,
        "dev_share": 0.2,
        "negatives": 5,
        "needs": 5,
        "joined": 4,
        "remove_overlap": False,
        "sources": [
            {"name": "calls", "format": "xlam", "path": "calls/train.jsonl", "licence": "MIT", "repeat": 2},
            {"name": "talk", "format": "gsm8k", "path": "talk", "licence": "CC0-1.0", "cap": 6},
        ],
    }
    (tmp_path / "mixture.yaml").write_text(yaml.safe_dump(config))
    made = LaFuncProcessor.from_base(make_tokenizer("llama"))
    monkeypatch.setattr(LaFuncProcessor, "from_base", classmethod(lambda cls, base, revision=None: made))
    return tmp_path


def build(root: Path, out: str, *more: str) -> int:
    config = str(root / "mixture.yaml")
    return main(["data", "build", "--config", config, "--root", str(root), "--out", str(root / out), *more])


def test_a_build_from_end_to_end(root):
    assert build(root, "one") == 0
    train, dev = (list(read_rows(root / "one" / f"{name}.jsonl.gz")) for name in ("train", "dev"))
    for row in train + dev:
        check_row(row)
    assert dev and not {query_of(row) for row in train} & {query_of(row) for row in dev}
    card = json.loads((root / "one" / "card.json").read_text())
    data = card["data"]
    assert data["rows"] == {"train": len(train), "dev": len(dev)}
    calls, talk = data["sources"]
    assert calls["usable"] == 40 and talk["drawn"] == 6
    assert calls["skipped"] == {
        "the same as another row": 1,
        "a tool's schema is refused": 1,
        "a line is not JSON": 1,
        "not of the set's format": 1,
    }
    assert "pattern" in calls["examples"]["a tool's schema is refused"]
    assert data["augmentations"]["the called tool removed"] == 5
    assert data["augmentations"]["a required value deleted"] == 5
    assert 0 < data["needs"] == sum(bool(row["needs"]) for row in train) <= 5  # one may be held out
    assert data["augmentations"]["rows joined"] == 4 == sum(n for calls, n in data["calls"].items() if int(calls) > 1)
    assert data["modes"]["think"] == 6
    assert card["command"].startswith("lafunc data build --config mixture.yaml ") and str(root) not in json.dumps(card)
    text = (root / "one" / "card.md").read_text()
    assert "| calls | a tool's schema is refused | 1 |" in text and "Overlap with BFCL was not looked for" in text


def test_the_same_configuration_makes_the_same_rows(root):
    build(root, "one")
    build(root, "two")
    for name in ("train", "dev"):
        one, two = (list(read_rows(root / out / f"{name}.jsonl.gz")) for out in ("one", "two"))
        assert one == two
    build(root, "three", "--only", "talk")
    assert {row["source"] for row in read_rows(root / "three" / "train.jsonl.gz")} == {"talk"}


def asked(text: str, *tools) -> SimpleNamespace:
    """An evaluation row."""
    return SimpleNamespace(id="simple_0", messages=[{"role": "user", "content": text}], tools=tools)


def test_rows_that_meet_an_evaluation_row_are_left_out():
    count = Count()
    source = Source("glaive", "glaive", "Apache-2.0", path="glaive.jsonl")
    evaluation = Evaluation([asked("What is the rate from USD to EUR?")])
    rows = collect(source, FIXTURES, Checker(Recipe([], base=make_tokenizer("llama")), evaluation), count)
    assert count.skipped["meets an evaluation row"] == 2 and count.kept == len(rows) == 4
    assert count.examples["meets an evaluation row"] == "meets an evaluation row: exact: simple_0"


def test_tools_of_the_evaluation_are_not_offered():
    theirs = tool_of("area.of_circle", "Works out the area of a circle.", {"radius": {"type": "int"}})
    evaluation = Evaluation([asked("How large is it?", theirs)])
    ours = tool_of("areaOfCircle", "Area.", {"radius": {"type": "float"}})
    assert evaluation.offers(ours) and evaluation.offers(tool_of("f", "works out the area of a circle", {}))
    fine = tool_of("areaOfCircle", "Area.", {"diameter": {"type": "float"}})
    assert not evaluation.offers(fine) and not evaluation.offers(tool_of("f", "", {}))
    checker = Checker(Recipe([], base=make_tokenizer("llama")), evaluation)
    other = tool_of("g", "", {})
    row = checker.row(Draft(hub.user("x"), [ours, other], [("g", {})]), "x")
    assert row["tools"] == [other]
    with pytest.raises(RowError, match="a tool is one of the evaluation: areaOfCircle"):
        checker.row(Draft(hub.user("x"), [ours, other], [("areaOfCircle", {"radius": 2})]), "x")


def test_what_is_made_of_rows_is_looked_at_again(root, monkeypatch):
    path = root / "mixture.yaml"
    path.write_text(path.read_text().replace("remove_overlap: false", "remove_overlap: true"))

    tool = {"name": "x", "description": "Weather of a city.", "parameters": {}}
    for text, met, modes in (
        ("What is the weather of a city today?", None, {"tool", "chat", "think"}),
        ("Weather of a city.", "exact: simple_0", {"chat", "think"}),
    ):
        monkeypatch.setattr(mixture.bfcl, "load", lambda categories, text=text: [asked(text)])
        assert Evaluation([asked(text)]).asks(tool) == met
        assert build(root, "out") == 0
        assert {row["mode"] for row in read_rows(root / "out" / "train.jsonl.gz")} <= modes
    assert json.loads((root / "out" / "card.json").read_text())["data"]["overlap_removed_last"] >= 80


def test_long_rows_and_refused_schemas_are_left_out(checker):
    with pytest.raises(RowError, match="the conversation is too long"):
        checker.row(Draft(hub.user("long " * 2000), mode="chat"), "x")
    refused = tool_of("f", "", {"type": "object", "properties": {"a": {"type": "string", "pattern": "(a)\\1"}}})
    fine = tool_of("g", "", {})
    with pytest.raises(RowError, match="schema is refused: tool 'f': a pattern: a back-reference is not supported"):
        checker.row(Draft(hub.user("x"), [refused], [("f", {"a": "a"})]), "x")
    assert checker.row(Draft(hub.user("x"), [refused, fine], [("g", {})]), "x")["tools"] == [fine]
    broken = {**fine, "parameters": {"type": "object", "required": "a"}}
    with pytest.raises(RowError, match=r"a tool's schema is refused: tool 'g', \$\.required: not a JSON Schema"):
        checker.row(Draft(hub.user("x"), [broken], [("g", {})]), "x")


def pool(folder: Path) -> None:
    """A pool of tools in the form of Seal-Tools: a good one, a refused one, and what is none."""
    one = {"api_name": "getDew", "api_description": "Gives the dew point.", "parameters": {"t": {"type": "float"}}}
    bad = {
        **one,
        "api_name": "getRain",
        "parameters": {f"t{at}": {"type": "str", "description": 3} for at in range(2)},
    }
    lines(folder / "tool.jsonl", [{**one, "required": ["t"]}, bad, {"api_name": "getSun"}, "{cut off\n"])


def test_rows_are_written_for_pools_of_tools_and_for_invented_ones(checker, tmp_path):
    pool(tmp_path / "set")
    count = Count()
    source = Source("pool", "synthesis", "Apache-2.0", path="set", pool="seal_tools", cap=40)
    rows = collect(source, tmp_path, checker, count)
    for reason in ("a line is not JSON", "not of the set's format", "a tool of the pool is refused"):
        assert count.skipped[reason] == 1
    assert 30 < len(rows) <= 40 and {row["source"] for row in rows} == {"pool"}
    assert {name for row in rows for name, _ in calls_of(row)} >= {"getDew"}
    assert rows == collect(source, tmp_path, checker, Count())
    invented = collect(Source("own", "synthesis", "Apache-2.0", cap=60), tmp_path, checker, Count())
    assert {row["mode"] for row in invented} == {"tool", "chat"}
    assert "getDew" not in {tool["name"] for row in invented for tool in row["tools"]}


def test_a_pool_without_a_tool_that_can_be_used(checker, tmp_path):
    lines(tmp_path / "set" / "tool.jsonl", [{"api_name": "getSun"}])
    source = Source("pool", "synthesis", "Apache-2.0", path="set", pool="seal_tools", cap=40)
    with pytest.raises(DataError, match="source pool: no row could be used as synthesis: not of the set's format"):
        collect(source, tmp_path, checker, Count())


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_rows_with_tools_take_source_text_as_often_as_the_recipe_says(checker, tmp_path, share):
    source = Source("own", "synthesis", "Apache-2.0", cap=40)
    rows, counted = collect(source, tmp_path, checker, Count()), Counter()
    recipe = Recipe([source], source_text=share, drop_optional=0.0, rename_tools=0.0, rename_parameters=0.0)
    made = [row for part in mix(recipe, rows, counted) for row in part]
    with_tools = sum(bool(row["tools"]) for row in made)
    assert counted["parameters as source text"] == share * with_tools
    lists = [one for row in made for tool in row["tools"] for one in tool["parameters"].get("properties", {}).values()]
    assert share == 0 or not any(one.get("type") in ("array", "object") for one in lists)
    for row in made:
        check_row(row)


def test_a_cap_draws_from_the_whole_set(checker):
    source = Source("xlam", "xlam", "CC-BY-4.0", path="xlam.jsonl", cap=1)
    count = Count()
    assert len(collect(source, FIXTURES, checker, count)) == 1
    assert count.converted == 2 and mix(Recipe([source]), [], Counter()) == ([], [])


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda config: config.pop("sources"), "expected a mapping with a list of `sources`"),
        (lambda config: config.update(sead=1), "unknown key 'sead'; known are sources, seed"),
        (lambda config: config.update(dev_share=2.0), "dev_share must be a share, 0 to 1, got 2.0"),
        (lambda config: config.update(negatives=0.5), "negatives must be a count, got 0.5"),
        (lambda config: config["sources"].append("x"), r"sources\[2\]: expected a mapping, got str"),
        (lambda config: config["sources"][0].pop("licence"), r"sources\[0\]: 'licence' is missing"),
        (lambda config: config["sources"][0].update(format="csv"), "no format 'csv'; there are glaive, xlam"),
        (lambda config: config["sources"][0].update(hub="x/y"), "give either `path` or `hub`"),
        (lambda config: config["sources"][1].update(path=None, hub="x/y"), "gsm8k is not a format of the Hub"),
        (lambda config: config["sources"][1].update(name="calls"), "two sources have one name"),
        (lambda config: config["sources"][0].update(pool="seal_tools"), "a `pool` is for the format synthesis"),
        (lambda config: config["sources"][0].update(format="synthesis"), "synthesis has no end; give a `cap`"),
        (lambda config: config["sources"][1].update(format="synthesis"), "give `pool` and `path`, or neither"),
        (
            lambda config: config["sources"][1].update(format="synthesis", pool="x"),
            "no pool 'x'; there are seal_tools",
        ),
        (lambda config: config["sources"][0].update(path="nowhere"), "nowhere is not in the root folder; is --root"),
        (lambda config: config["sources"][0].update(format="snips", path="calls"), "no file train_AddToPlaylist"),
        (lambda config: config["sources"][0].update(format="hermes"), "no row could be used as hermes"),
    ],
)
def test_errors_say_what_is_wrong(root, change, match, capsys):
    path = root / "mixture.yaml"
    config = yaml.safe_load(path.read_text())
    change(config)
    path.write_text(yaml.safe_dump(config))
    assert build(root, "out") == 2
    error = capsys.readouterr().err
    assert re.search(match, error), error


def test_a_configuration_that_is_not_there_and_a_source_that_is_not_in_it(root, capsys):
    with pytest.raises(DataError, match=r"nothing\.yaml"):
        read_recipe(root / "nothing.yaml")
    assert build(root, "out", "--only", "others") == 2
    assert "has no source 'others'" in capsys.readouterr().err


def test_the_recipes_can_be_read():
    for path in (Path(__file__).parent.parent / "recipes" / "data").glob("*.yaml"):
        assert read_recipe(path).sources
