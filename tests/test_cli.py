"""The command line: what it prints where, and what it says of bad input."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ORDER, WEATHER

from lafunc.__main__ import main

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def checkpoint(pair, tmp_path_factory) -> str:
    """A tiny checkpoint that stands alone."""
    folder = tmp_path_factory.mktemp("checkpoint")
    pair.model.save_pretrained(folder, include_base=True)
    pair.processor.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def tools(tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp("tools") / "tools.json"
    file.write_text(json.dumps([WEATHER, ORDER]))
    return str(file)


@pytest.mark.parametrize("filler", ["autoregressive", "diffusion", "verified"])
def test_json_is_one_document_and_nothing_else(checkpoint, tools, filler, capsys):
    status = main(
        ["call", "--checkpoint", checkpoint, "--tools", tools, "--mode", "tool", "--filler", filler, "--json", "Hello"]
    )
    document = json.loads(capsys.readouterr().out)
    assert status == 0
    assert document["mode"] == "tool"
    assert document["message"]["tool_calls"][0]["function"]["arguments"] == document["tool_calls"][0]["arguments"]
    assert document["stats"]["base_passes"] > 0 and document["trace"]


def test_the_way_is_shown_and_the_last_line_is_the_message(checkpoint, tools, capsys):
    options = ["--checkpoint", checkpoint, "--tools", tools, "--mode", "tool", "--filler", "diffusion", "--steps", "3"]
    assert main(["call", *options, "Hello"]) == 0
    lines = capsys.readouterr().out.splitlines()
    labels = [line.split()[0] for line in lines if not line.startswith((" ", "{"))]
    assert labels[:7] == ["checkpoint", "base", "request", "mode", "plan", "scaffold", "filler"]
    assert [line for line in lines if line.startswith("step")][:3] == [f"step        {n} of 3" for n in (1, 2, 3)]
    assert json.loads(lines[-1])["role"] == "assistant"


def test_a_verified_trace_says_what_stands(checkpoint, tools, capsys):
    options = ["--checkpoint", checkpoint, "--tools", tools, "--mode", "tool", "--filler", "verified"]
    assert main(["call", *options, "Hello"]) == 0
    assert "drafted tokens stand" in capsys.readouterr().out


def test_without_tools_it_chats(checkpoint, capsys):
    assert main(["call", "--checkpoint", checkpoint, "--mode", "chat", "--json", "Hello"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["mode"] == "chat" and document["tool_calls"] == []


@pytest.mark.parametrize(
    "content, message",
    [
        ('[{"name": "f",]', "line 1, column 15: not JSON"),
        ('{"name": "f"}', "must hold a list of tools, got dict"),
        ('[{"name": "f", "parameters": {"properties": {"a": {"contains": {}}}}}]', "contains"),
        ("[]", "no tools were offered"),
    ],
)
def test_bad_tools_are_named(checkpoint, tmp_path, capsys, content, message):
    file = tmp_path / "bad.json"
    file.write_text(content)
    assert main(["call", "--checkpoint", checkpoint, "--tools", str(file), "--mode", "tool", "Hello"]) == 2
    shown = capsys.readouterr()
    assert message in shown.err and "Traceback" not in shown.err


def test_missing_files_are_named(checkpoint, tmp_path, capsys):
    assert main(["call", "--checkpoint", checkpoint, "--tools", str(tmp_path / "none.json"), "Hello"]) == 2
    assert "none.json" in capsys.readouterr().err
    assert main(["call", "--checkpoint", str(tmp_path / "nowhere"), "Hello"]) == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.real
@pytest.mark.usefixtures("real")
def test_the_demo_answers_as_the_readme_says():
    """The README's question through `python -m lafunc`, in a process of its own, on the shipped checkpoint."""
    question = "What's the weather in Tokyo?"
    run = subprocess.run(
        [sys.executable, "-m", "lafunc", "call", "--tools", str(ROOT / "examples" / "tools.json"), question],
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL, cwd=ROOT / "tests",
    )  # fmt: skip
    message = run.stdout.splitlines()[-1]
    call = json.loads(message)["tool_calls"][0]["function"]
    assert call == {"name": "get_weather", "arguments": {"location": "Tokyo"}}
    readme = (ROOT / "README.md").read_text()
    assert repr(json.loads(message)) in readme, "the README shows another output"
    assert question in readme
