"""`lafunc eval schemas`: what is accepted is counted, what is refused has a reason, and a killed run goes on."""

import gzip
import json
import time

import pytest
from conftest import make_tokenizer

from lafunc import LaFuncProcessor
from lafunc.__main__ import main
from lafunc.compiling_lafunc import compile_tool
from lafunc.evaluation import bfcl, results, schemas
from lafunc.scaffolding_lafunc import Scaffold
from lafunc.validation_lafunc import validator

PERSON = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}
ROWS = [
    {"file": "person", "schema": PERSON, "tests": [{"valid": True, "data": {"name": "Ann"}}]},
    {"file": "open", "schema": PERSON, "tests": [{"valid": True, "data": {"name": "Ann", "more": 1}}]},
    {"file": "text", "schema": {"type": "string"}, "tests": []},
    {"file": "nothing", "schema": {"properties": {"a": {"minimum": 2, "maximum": 1, "type": "integer"}},
                                   "required": ["a"]}, "tests": []},
]  # fmt: skip


@pytest.fixture
def asked(tmp_path, monkeypatch):
    (tmp_path / "some.jsonl.gz").write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS).encode()))
    made = LaFuncProcessor.from_base(make_tokenizer("llama"))
    monkeypatch.setattr(LaFuncProcessor, "from_base", classmethod(lambda cls, base: made))
    monkeypatch.setattr(schemas, "peer_compilers", lambda processor: ({"other": refuse_text}, {"xgrammar": "no"}))
    monkeypatch.setattr(bfcl, "load", not_there)
    return [
        "eval",
        "schemas",
        "--folder",
        str(tmp_path),
        "--fills",
        "3",
        "--out",
        str(tmp_path / "out" / "schemas.json"),
    ]


def not_there(categories):
    raise bfcl.EvaluationError("install it")


def refuse_text(schema):
    if json.loads(schema).get("type") == "string":
        raise ValueError("not an object")


def test_what_is_accepted_refused_and_kept(asked, tmp_path, capsys):
    assert main(asked) == 0
    found = results.read(tmp_path / "out" / "schemas.json", "schemas")["data"]
    some = found["sets"]["some"]
    assert (some["schemas"], some["accepted"], some["fills"], some["invalid"]) == (4, 2, 6, [])
    assert (some["instances"], some["documented"], some["inexpressible"]) == (
        2,
        {"a member that is not declared": 1},
        [],
    )
    assert {why: known["schemas"] for why, known in some["refused"].items()} == {
        "the parameters are no object": 1,
        "no value satisfies the schema": 1,
    }
    assert some["compiling"]["other"]["compiled"] == 3 and some["compiling"]["lafunc"]["compiled"] == 4
    said = capsys.readouterr().out
    assert "| some | 4 | 2 | 50.00 | 6 | 0 | 2 | 1 | 0 |" in said and "bfcl-eval was not there" in said
    assert main(["eval", "report", "--results", str(tmp_path / "out"), "--out", str(tmp_path / "page.md")]) == 0
    assert "| the parameters are no object | 1 | text $.type |" in (tmp_path / "page.md").read_text()


def test_what_breaks_the_promise_is_named(asked, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(schemas, "fill", lambda scaffold, scores, n: {"age": "old"} if n == 1 else {})
    monkeypatch.setattr(schemas, "documented_reason", lambda tool, instance: None)
    assert main(asked) == 0
    some = results.read(tmp_path / "out" / "schemas.json")["data"]["sets"]["some"]
    assert [fault.split(":")[0] for fault in some["invalid"]] == ["person $.age", "open $.age"]
    assert some["inexpressible"] == ['open {"name": "Ann", "more": 1}']
    assert "- invalid: `person $.age: 'old' is not of type 'integer'`" in capsys.readouterr().out


DRAFT4 = "http://json-schema.org/draft-04/schema#"
NODE = {"type": "object", "properties": {"n": {"$ref": "#/definitions/node"}}}
BRANCHES = [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": {"type": "string"}}}]
DEEP: dict = {}
for _ in range(9):
    DEEP = {"n": DEEP}


@pytest.mark.parametrize(("schema", "instance", "reason"), [
    (PERSON, {"name": "Ann", "more": 1}, "a member that is not declared"),
    ({"anyOf": BRANCHES}, {"a": "x", "b": "y"}, "a member that is not declared"),
    ({"properties": {"x": {}}}, {"x": {"a": {"b": {"c": 1}}}}, "nested more than 1 deep in a value of any type"),
    ({"properties": {"x": {"properties": {"y": {}}}}}, {"x": 5}, "a type that the keywords do not speak of"),
    ({"properties": {"x": {"format": "date", "type": "string"}}}, {"x": "today"},
     "not of the format, or of the pattern in one dialect only"),
    ({"properties": {"x": {"type": "array", "items": PERSON}}}, {"x": [{}] * 65}, "an array of more than 64 objects"),
    ({"$schema": DRAFT4, "properties": {"x": {"const": 1}}}, {"x": 2}, "a keyword that only a later draft knows"),
    ({**NODE, "definitions": {"node": NODE}}, DEEP, "nested more than 5 recursive references deep"),
    (PERSON, {"name": "Ann"}, None),
    ({"properties": {"x": {}}}, {"x": {"a": {"b": 1}}}, None),
])  # fmt: skip
def test_what_cannot_be_written_has_an_exact_reason(schema, instance, reason):
    vocabulary = LaFuncProcessor.from_base(make_tokenizer("llama")).vocabulary
    tool = compile_tool({"name": "f", "parameters": schema}, vocabulary)
    assert validator(schema).is_valid(instance)
    assert Scaffold([tool], vocabulary).accepts([instance]) == (reason is None)
    assert schemas.documented_reason(tool, instance) == reason


def test_a_run_that_was_killed_goes_on(asked, tmp_path, monkeypatch):
    examine, seen = schemas.examine, []

    def killed(case, **rest):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(case.name)
        return examine(case, **rest)

    monkeypatch.setattr(schemas, "examine", killed)
    with pytest.raises(KeyboardInterrupt):
        main(asked)
    seen.clear()
    monkeypatch.setattr(schemas, "examine", lambda case, **rest: seen.append(case.name) or examine(case, **rest))
    assert main(asked) == 0
    assert seen == ["text", "nothing"]
    assert results.read(tmp_path / "out" / "schemas.json")["data"]["sets"]["some"]["schemas"] == 4
    assert main([*asked, "--fills", "4"]) == 2  # not the same run


@pytest.mark.real
def test_processes_share_the_schemas(tmp_path):
    rows = [{**row, "tests": []} for row in ROWS for _ in range(3)]
    (tmp_path / "some.jsonl.gz").write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    found = {}
    for processes in ("1", "2"):
        out = tmp_path / processes / "schemas.json"
        options = ["--folder", str(tmp_path), "--every", "300", "--fills", "2", "--processes", processes]
        assert main(["eval", "schemas", *options, "--out", str(out)]) == 0
        found[processes] = results.read(out, "schemas")["data"]["sets"]
        for one in found[processes].values():
            del one["compiling"]
    assert found["1"] == found["2"]


@pytest.mark.parametrize(("options", "message"), [
    (["--fills", "-1"], "--fills must be at least 0"),
    (["--every", "0"], "--every at least 1"),
    (["--processes", "0"], "--processes must be at least 1"),
    (["--folder", "nowhere"], "nowhere has no .jsonl.gz files; pass --folder"),
])  # fmt: skip
def test_what_cannot_be_measured_is_said(asked, options, message, capsys):
    assert main([*asked, *options]) == 2
    assert message in capsys.readouterr().err


def test_compiling_takes_what_it_takes_by_itself():
    """Waiting is another process's fault."""

    def work(seconds: float) -> None:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    made, seconds = schemas._timed(lambda: time.sleep(0.2) or "made")
    assert made == "made" and seconds < 0.1
    assert schemas._timed(work, 0.05)[1] >= 0.04
