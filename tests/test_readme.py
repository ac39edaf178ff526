"""The code of the README and of docs/ runs and prints what they say; what they name is there."""

import re
import shlex

import pytest
from pages import PAGES, ROOT, blocks, run

README = (ROOT / "README.md").read_text()


@pytest.mark.real
@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page.read_text())], ids=lambda page: page.name)
def test_python_blocks_run_and_print_what_follows_them(page):
    text = page.read_text(encoding="utf-8")
    assert run(text) == [printed for _, printed in blocks(text)], "run `make docs`"


def test_the_tutorial_is_short_and_every_page_s_blocks_are_found():
    ((code, _),) = blocks((ROOT / "docs" / "tutorial.md").read_text())
    assert len([line for line in code.splitlines() if line]) < 40
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert len(blocks(text)) == text.count("```python")


def test_the_listed_files_are_the_files_there_are():
    listed = set(re.findall(r"^(\w+_lafunc\.py) ", README, re.MULTILINE))
    assert listed == {path.name for path in ROOT.glob("*_lafunc.py")}


def test_the_listed_files_of_the_inner_packages_are_those_there_are():
    listed = sorted(re.findall(r"^([a-z]+\.py)  ", README, re.MULTILINE))
    there = [path.name for folder in ("evaluation", "data", "model_card") for path in (ROOT / folder).glob("*.py")]
    assert listed == sorted(name for name in there if name != "__init__.py")


def test_every_command_that_a_page_names_is_one():
    from lafunc.__main__ import _parser

    commands = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace(" PATH …", " PATH")
        commands += re.findall(r"^lafunc .*|(?<=`)lafunc (?:call|card|push|eval \w+)[^`]*(?=`)", text, re.MULTILINE)
    for command in commands:
        words = shlex.split(command, comments=True)[1:]
        named = [["eval", name] for name in ("ablations", "calibration", "overlap", "rows")] + [["push"]]
        if words not in named and "--help" not in words:  # named without what it needs; ends the program
            _parser().parse_args(words)
    assert len(commands) > 10


def test_the_shipped_checkpoint_has_the_code_and_no_copies_of_it():
    folder = ROOT / "checkpoints" / "lafunc-smollm2-135m"
    assert {path.name for path in folder.glob("*.py")} == {path.name for path in ROOT.glob("*_lafunc.py")}
    assert all(path.resolve().parent == ROOT.resolve() for path in folder.glob("*.py"))
