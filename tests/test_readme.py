"""The README's code runs and prints what the README says."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)


@pytest.mark.real
@pytest.mark.usefixtures("real")
def test_the_first_ten_lines_print_what_follows_them():
    (language, code), (_, printed) = BLOCKS[:2]
    assert language == "python"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, stdin=subprocess.DEVNULL
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == printed


def test_python_blocks_parse_and_name_what_exists():
    import lafunc

    for language, code in BLOCKS:
        if language == "python":
            for node in ast.walk(ast.parse(code)):
                if isinstance(node, ast.ImportFrom) and node.module == "lafunc":
                    assert all(hasattr(lafunc, alias.name) for alias in node.names)


def test_the_listed_files_are_the_files_there_are():
    listed = set(re.findall(r"^(\w+_lafunc\.py) ", README, re.MULTILINE))
    assert listed == {path.name for path in ROOT.glob("*_lafunc.py")}


def test_the_listed_files_of_the_inner_packages_are_those_there_are():
    listed = sorted(re.findall(r"^([a-z]+\.py)  ", README, re.MULTILINE))
    there = [path.name for folder in ("evaluation", "data") for path in (ROOT / folder).glob("*.py")]
    assert listed == sorted(name for name in there if name != "__init__.py")


def test_every_command_that_a_page_names_is_one():
    from lafunc.__main__ import _parser

    commands = []
    for page in (ROOT / "README.md", ROOT / "docs" / "evaluation.md", ROOT / "docs" / "results.md"):
        text = page.read_text(encoding="utf-8").replace(" PATH …", " PATH")
        commands += re.findall(r"^lafunc .*|(?<=`)lafunc (?:call|eval \w+)[^`]*(?=`)", text, re.MULTILINE)
    for command in commands:
        words = shlex.split(command, comments=True)[1:]
        if words != ["eval", "overlap"] and "--help" not in words:  # named without what it needs; ends the program
            _parser().parse_args(words)
    assert len(commands) > 10


def test_the_shipped_checkpoint_has_the_code_and_no_copies_of_it():
    folder = ROOT / "checkpoints" / "lafunc-smollm2-135m"
    assert {path.name for path in folder.glob("*.py")} == {path.name for path in ROOT.glob("*_lafunc.py")}
    assert all(path.resolve().parent == ROOT.resolve() for path in folder.glob("*.py"))
