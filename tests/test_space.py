"""The demo without a browser: what it says of bad JSON, how it draws a request, and that stopping stops."""

import json
import re
import threading
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import ORDER, TOOLS, make_pair, tool_of
from hypothesis import given
from hypothesis import strategies as st
from page import Picture, ToolsError, error_html, highlight, laid_out, read_tools, shade, token_html
from running import Stopped, named_checkpoint, pictures, stream

from lafunc import LaFuncProcessor, ToolCall, ToolCallOutput
from lafunc.output_lafunc import Need, Source
from lafunc.request_lafunc import FILLERS

SPACE = Path(__file__).parent.parent / "space"
EVIL = '<script>alert("x")</script>&'


class _Text(HTMLParser):
    """The text of a page, its tags, and whether they nest."""

    def __init__(self, html: str):
        super().__init__()
        self.text, self.tags, self.open = "", set(), []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        while tag not in ("table", "tr", "thead") and self.open[-1] != tag:
            raise AssertionError(f"</{tag}> inside <{self.open[-1]}>")
        while self.open.pop() != tag:
            pass

    def handle_data(self, data):
        self.text += data


# ------------------------------------------------------------------------------------ tools


@pytest.mark.parametrize(
    "text, message",
    [
        ('[{"name": "f",]', r"^line 1, column 15: .*\n\[\{\"name\": \"f\",\]\n {14}\^$"),
        ('[\n  {"name" "f"}\n]', r'^line 2, column 11: .*\n  \{"name" "f"\}\n {10}\^$'),
        ("[" + "1, " * 100 + "x]", r"^line 1, column 302: .*\n.{0,48}x\]\n {48}\^$"),
        ("", "line 1, column 1"),
        ("[1\n", "line 2, column 1"),
        ("{}", r"must be a JSON list, \[ … \], got an object: put it in \[ … \]"),
        ("3", "got a number"),
        ("null", "got null"),
        ("[NaN]", "NaN is not JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_bad_tools_are_named_with_line_and_column(text, message):
    with pytest.raises(ToolsError, match=message):
        read_tools(text)


@given(st.text(max_size=60))
def test_any_text_is_tools_or_an_error_of_ours(text):
    try:
        assert isinstance(read_tools(text), list)
    except ToolsError:
        pass


def test_the_examples_can_be_offered(pair):
    examples = json.loads((SPACE / "examples.json").read_text("utf-8"))
    assert [example["name"] for example in examples] == ["Weather", "Calendar", "Home", "SQL", "Nested order"]
    for example in examples:
        assert len(pair.processor.compile_tools(example["tools"])) == len(example["tools"]) and example["request"]


# ------------------------------------------------------------------------------------ HTML


def test_an_error_is_announced_and_escaped():
    html = error_html("No", EVIL)
    assert 'role="alert"' in html and "<script" not in html and _Text(html).text == "No" + EVIL


@given(st.text(max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=5))
def test_highlighting_keeps_the_text(text, spans):
    marked = [(start, min(len(text), start + size), "label") for start, size in spans if start < len(text)]
    html = highlight(text.replace("\r", ""), [span for span in marked if span[1] <= len(text.replace("\r", ""))])
    assert "".join(_Text(re.sub("<small>.*?</small>", "", html)).text) == text.replace("\r", "")


def test_spans_are_marked_and_labelled():
    html = highlight("from Rome to <b>", [(13, 16, "c"), (5, 9, "a"), (5, 9, "b"), (6, 12, "overlaps")])
    assert html == ("from <mark>Rome<small>a, b</small></mark> to <mark>&lt;b&gt;<small>c</small></mark>")


@pytest.mark.parametrize("p, name", [(0.0, "s0"), (0.19, "s0"), (0.2, "s1"), (0.79, "s3"), (0.8, "s4"), (1.0, "s4")])
def test_the_colour_of_a_confidence(p, name):
    assert shade(p) == name and f" {name}" in token_html("x", p)


def test_a_token_shows_blanks_nulls_and_what_is_open():
    assert "␣" in token_html(" ", 0.5) and "∅" in token_html("<NULL>", 0.5)
    assert "lf-open" in token_html("a", 0.5, sure=False) and "0.50" in token_html("a", 0.5, number=True)
    assert "lf-open" not in token_html("a", 0.5)


@pytest.mark.parametrize("tools", [TOOLS, [ORDER], [tool_of({"const": 'a"[{,'}, 'a"')]])
def test_a_scaffold_is_laid_out_without_changing_it(pair, tools):
    seen: list[dict] = []
    pair.call("hello", tools, on_step=lambda _, entry: seen.append(entry))
    pieces = next(entry["pieces"] for entry in seen if entry["stage"] == "scaffold")
    shown = [piece if isinstance(piece, str) else piece["path"] for piece in laid_out(pieces)]
    plain = [piece if isinstance(piece, str) else piece["path"] for piece in pieces]
    assert re.sub(r"\s", "", "".join(shown)) == re.sub(r"\s", "", "".join(plain))
    assert "".join(shown).count("\n") > len(seen[1]["names"]) * 2


def drawn(pair, request, tools, filler, **options) -> tuple[list[str], Picture]:
    """The HTML of every picture of a request, and the last of them."""
    pages, last = [], None
    options = {"mode": "tool", "num_steps": 2, **options}
    for last in pictures(pair.model, pair.processor, request, tools, filler, compare=True, **options):
        pages.append(last.html())
        assert _Text(pages[-1]).tags.isdisjoint({"script", "img"})
    assert last is not None
    return pages, last


@pytest.mark.parametrize("filler", FILLERS)
def test_a_request_is_drawn_step_by_step(pair, filler):
    pages, last = drawn(pair, f"hello {EVIL}", TOOLS, filler)
    assert last.status == "Done" and last.output.tool_calls and last.plan
    text = _Text(pages[-1]).text
    assert EVIL in text and json.dumps(last.output.to_message(), ensure_ascii=False) in text
    for title in ("Request", "Mode", "Plan", "Scaffold", "Answer", "Cost", "Every step"):
        assert f"<h3>{title}</h3>" in pages[-1]
    assert "▢" in _Text(next(page for page in pages if "<h3>Scaffold</h3>" in page)).text.split("confidence")[0]
    assert len(set(pages)) >= 5  # it grows
    told = {
        "diffusion": "Denoising step 2 of 2",
        "verified": "tokens stand",
        "autoregressive": "Left to right, pass 1",
    }
    assert any(told[filler] in page for page in pages)
    names = [cost.filler for cost in last.costs]
    assert names == ([filler] if filler == "autoregressive" else [filler, "autoregressive"])
    assert all(cost.base_passes > 1 and cost.seconds >= cost.filling > 0 for cost in last.costs)


@pytest.mark.parametrize("filler", ["verified", "autoregressive"])
def test_what_is_drawn_as_written_is_the_values(pair, filler):
    _, last = drawn(pair, "hello", [TOOLS[0]], filler, parallel_tool_calls=False)
    (call,) = last.output.tool_calls
    written = {path: "".join(text for text, _, _ in tokens) for path, tokens in last.written.items()}
    assert {path: text.strip(' "') for path, text in written.items()} == {
        f"$[0].{name}": json.dumps(value).strip('"') for name, value in call.arguments.items()
    }


def test_verified_has_the_same_answer_and_the_table_says_so(pair):
    pages, last = drawn(pair, "hello", TOOLS, "verified")
    assert last.costs[1].same is True and "The same answer" in pages[-1]


def test_copied_values_are_marked_in_the_request(pair):
    pages, _ = drawn(pair, "to Rome!", [tool_of({"const": "Rome"}, "a")], "autoregressive", parallel_tool_calls=False)
    assert "to <mark>Rome<small>a</small></mark>!" in pages[-1] and "<mark>" not in pages[0]


def test_brackets_of_what_the_base_opened_are_shown():
    picture = Picture("", pieces=[{"path": "$[0].a", "kind": "opener", "optional": True, "budget": 1}], output=None)
    assert "▢" in picture.html()
    picture.finish(ToolCallOutput("tool"))
    assert "∅</span></span>" in picture.html()
    for path, bracket in (("$[0].a.b", "{"), ('$[0].a["odd name"]', "{"), ("$[0].a[1].b", "[")):
        picture.written = {path: [("x", 1.0, True)]}
        assert f">{bracket}</span>" in picture.html()


def test_missing_values_are_asked_for():
    picture = Picture("hello")
    picture.finish(ToolCallOutput("tool", needs=[Need("f<", "$.a", "What is the a?")]))
    assert "f&lt;" in picture.html() and "What is the a?" in picture.html()


def test_spans_of_several_calls_name_the_call():
    picture = Picture("a b")
    calls = [ToolCall("f", {}, sources={"$.x": Source(0, 0, 1)}), ToolCall("f", {}, sources={"$.y": Source(0, 2, 3)})]
    picture.finish(ToolCallOutput("tool", tool_calls=calls))
    assert "<mark>a<small>1: x</small></mark> <mark>b<small>2: y</small></mark>" in picture.html()


def test_text_is_shown_as_it_comes(pair):
    pages, last = drawn(pair, "hello", [], "autoregressive", mode="chat")
    assert last.text == last.output.text != "" and last.mode == "chat"
    texts = [picture.split("lf-text")[1] for picture in pages if "lf-text" in picture]
    assert len(set(texts)) > 3
    assert last.costs[0].filler == "chat" and last.costs[0].filling > 0


def test_the_tools_that_are_called_stand_out():
    picture = Picture("Lamp on")
    odds = {"lamp": 0.9, "heating & <b>": 0.2}
    picture.add({"stage": "mode", "mode": "tool", "probabilities": {"chat": 0.1, "tool": 0.9}, "tools": odds})
    picture.add({"stage": "plan", "names": ["lamp"]})
    html = picture.html()
    assert html.count('class="lf-bar lf-on"') == 2 and "heating &amp; &lt;b&gt;" in html  # the mode and one tool
    picture.add({"stage": "mode", "mode": "tool", "probabilities": {"chat": 0.1, "tool": 0.9}, "tools": {"lamp": 0.9}})
    assert "lf-tools" not in picture.html()  # one tool needs no bar


def test_refused_requests_say_why(pair):
    with pytest.raises(ValueError, match="tool 'f'.*a back-reference is not supported"):
        drawn(
            pair,
            "hello",
            [{"name": "f", "parameters": {"properties": {"a": {"type": "string", "pattern": "(x)\\1"}}}}],
            "verified",
        )


def test_a_request_that_fails_does_not_block_the_next(pair):
    for _ in range(2):
        with pytest.raises(ValueError, match="must be one of"):
            drawn(pair, "hello", TOOLS, "none")


# ------------------------------------------------------------------------------------ stopping


def test_what_is_told_comes_out_while_the_work_goes_on():
    go = threading.Event()

    def work(tell):
        tell(1)
        assert go.wait(20)
        tell(2)

    events = stream(work, pause=0.01)
    assert next(events) == 1 and next(events) is None  # nothing new
    go.set()
    assert [event for event in events if event is not None] == [2]


def test_closing_stops_the_work_at_its_next_step():
    steps, ended = [], threading.Event()

    def work(tell):
        try:
            while True:
                tell(len(steps))
                steps.append(1)
                time.sleep(0.001)
        except Stopped:
            ended.set()
            raise

    events = stream(work)
    next(events)
    events.close()
    assert ended.wait(20)
    count = len(steps)
    time.sleep(0.05)
    assert len(steps) == count


@pytest.mark.parametrize("filler", FILLERS)
def test_closing_the_pictures_stops_the_model(filler):
    pair = make_pair("llama")
    shown = pictures(pair.model, pair.processor, "hello", TOOLS, filler, compare=True, mode="tool", num_steps=8)
    while not next(shown).log:
        pass
    shown.close()
    passes: list[int] = []
    pair.model.base.get_decoder().register_forward_pre_hook(lambda *_: passes.append(1))
    drawn(pair, "hello", TOOLS, filler)  # waits for the model, and thereby for the end of the first
    assert passes


def test_requests_wait_for_each_other():
    inside, most = [], []

    def work(tell):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.01)
        inside.pop()

    threads = [threading.Thread(target=lambda: list(stream(work))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4


# ------------------------------------------------------------------------------------ the Space's files


def test_the_space_pins_what_the_project_pins():
    pins = dict(re.findall(r"^([\w-]+)==(\S+)$", (SPACE.parent / "constraints.txt").read_text(), re.MULTILINE))
    asked = dict(re.findall(r"^([\w-]+)==(\S+)$", (SPACE / "requirements.txt").read_text(), re.MULTILINE))
    assert asked and all(pins[name] == version for name, version in asked.items())
    meta = (SPACE / "README.md").read_text().split("---")[1]
    assert f"sdk_version: {pins['gradio']}" in meta and "sdk: gradio" in meta and "app_file: app.py" in meta


def test_the_checkpoint_is_a_folder_or_a_repository_at_a_revision(tmp_path):
    assert named_checkpoint({"LAFUNC_CHECKPOINT": str(tmp_path)}) == (str(tmp_path), "main")
    on_the_hub = {"LAFUNC_CHECKPOINT": "someone/model", "LAFUNC_REVISION": "v1"}
    assert named_checkpoint(on_the_hub) == ("someone/model", "v1")
    with pytest.raises(ValueError, match="name a checkpoint in LAFUNC_CHECKPOINT"):
        named_checkpoint({})
    with pytest.raises(ValueError, match="someone/model is no folder here; .* LAFUNC_REVISION"):
        named_checkpoint({"LAFUNC_CHECKPOINT": "someone/model"})


def test_the_space_needs_nothing_of_this_package():
    for file in SPACE.glob("*.py"):
        assert not re.search(r"^\s*(from|import) lafunc\b", file.read_text(), re.MULTILINE), file
    assert LaFuncProcessor.__name__ not in (SPACE / "app.py").read_text()
