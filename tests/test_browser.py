"""The demo in a real Chromium, headless, on a tiny model with random heads: what is clicked, typed and seen."""

import json
import shutil
import threading
import time

import pytest
from conftest import make_pair

gradio = pytest.importorskip("gradio", reason="the demo needs gradio: pip install '.[space]'")
driver = pytest.importorskip("playwright.sync_api", reason="needs the browser's driver: pip install '.[browser]'")
from screenshot import CHROMIUM, FLAGS  # noqa: E402

CHROME = next(filter(None, map(shutil.which, CHROMIUM)), None)
pytestmark = pytest.mark.skipif(CHROME is None, reason=f"no Chromium is installed ({', '.join(CHROMIUM)})")

WAIT = 60_000  # milliseconds; the machine may be busy
TOOLS = [{"name": "f", "parameters": {"properties": {"city": {"enum": ["Rome", "Oslo"]}}, "required": ["city"]}}]


@pytest.fixture(scope="module")
def pair():
    return make_pair("llama", filler="verified", max_calls=1)


@pytest.fixture(scope="module")
def address(pair):
    """Where the demo is served, by this process."""
    import app

    page = app.serve(pair.model, pair.processor, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    yield page.local_url
    page.close()


@pytest.fixture(scope="module")
def chromium():
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROME, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, address):
    """The demo, opened. Fails if anything but the server was asked for, or if the console shows an error."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page, asked, errors = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(WAIT)
    page.goto(address)
    page.locator("#run").wait_for()
    yield page
    context.close()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert errors == []


def settle(page, status="Done"):
    page.locator("#status").get_by_text(status, exact=True).wait_for()


def ask(page, request, tools=TOOLS, mode="tool"):
    """Fill in tools and request, and set the mode."""
    page.locator("#tools textarea").fill(json.dumps(tools) if not isinstance(tools, str) else tools)
    page.locator("#request textarea, #request input").fill(request)
    if not page.get_by_label(mode, exact=True).is_visible():
        page.get_by_role("button", name="More settings").click()
    page.get_by_label(mode, exact=True).check()


def test_a_tool_call_fills_step_by_step(page):
    ask(page, "To Rome or Oslo?")
    page.locator("#run").click()
    settle(page)
    seen = page.locator("#picture").inner_text()
    for part in ("REQUEST", "MODE", "PLAN", "SCAFFOLD", "ANSWER", "COST", "EVERY STEP"):
        assert part in seen.upper()
    assert '"tool_calls"' in seen and "<|use_tool|> f" in seen and "tokens stand" in seen
    rows = page.locator("#picture table tbody tr")
    assert [rows.nth(n).locator("th").inner_text() for n in range(rows.count())] == ["verified", "autoregressive"]
    assert page.locator("#picture mark").inner_text() in ("Romecity", "Oslocity")  # its label is set smaller
    assert page.locator("#picture .lf-scaffold .lf-slot").count() == 1


def test_edited_tools_are_what_is_called(page):
    ask(page, "hello", [{"name": "first", "parameters": {}}])
    page.locator("#run").click()
    settle(page)
    assert page.locator("#picture .lf-plan code").all_inner_texts()[1:] == ["first"]
    ask(page, "hello", [{"name": "second", "parameters": {}}])
    page.locator("#run").click()
    page.locator("#picture .lf-plan code", has_text="second").wait_for()
    settle(page)
    assert '"name": "second"' in page.locator("#picture .lf-message").inner_text()


def test_an_example_brings_its_tools_and_request(page):
    page.get_by_label("Start from").click()
    page.get_by_role("option", name="SQL").click()
    page.wait_for_function("document.querySelector('#tools textarea').value.includes('select_rows')")
    assert "customers" in page.locator("#request textarea, #request input").input_value()


@pytest.mark.parametrize(
    "tools, message",
    [
        ('[\n  {"name" "f"}\n]', "line 2, column 11"),
        ('{"name": "f"}', "must be a JSON list"),
        ('[{"name": "f", "parameters": {"properties": {"a": {"pattern": "("}}}}]', "$.properties.a.pattern"),
    ],
)
def test_bad_tools_are_refused_by_place_and_the_page_goes_on(page, tools, message):
    ask(page, "hello", tools)
    page.locator("#run").click()
    settle(page, "Stopped")
    alert = page.locator("#picture [role=alert]")
    assert message in alert.inner_text()
    page.locator("#tools textarea").fill(json.dumps(TOOLS))
    page.locator("#run").click()
    settle(page)
    assert alert.count() == 0


def test_html_in_a_request_stays_text(page):
    ask(page, "<img src=x onerror=alert(1)>")
    page.locator("#run").click()
    settle(page)
    assert "<img src=x onerror=alert(1)>" in page.locator("#picture p.lf-request").inner_text()
    assert page.locator("#picture img").count() == 0


def test_a_missing_value_is_asked_for(page, pair, monkeypatch):
    monkeypatch.setattr(pair.model.config, "needs_threshold", 0.0)
    ask(page, "hello")
    page.get_by_label("diffusion").check()
    page.locator("#run").click()
    settle(page)
    assert "What is the city?" in page.locator("#picture .lf-needs").inner_text()
    assert page.locator("#picture .lf-slot").inner_text() == "missing"


def test_it_works_by_keyboard_alone(page):
    ask(page, "hello")
    page.locator("#tools textarea").focus()
    page.keyboard.press("Tab")  # out of the editor of the tools, and no tab into it
    assert page.evaluate("document.activeElement.closest('#request') !== null")
    page.keyboard.type(" world")
    page.keyboard.press("Enter")
    settle(page)
    assert "hello world" in page.locator("#picture p.lf-request").inner_text()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id === 'run' || document.activeElement.closest('#run') !== null")
    page.keyboard.press("Space")
    settle(page)


def test_cancel_stops_the_model_at_its_next_step(page, pair, monkeypatch):
    import app

    go, told, closed = threading.Semaphore(0), [], threading.Event()
    ask(page, "hello")
    answer, pictures = type(pair.model).generate_tool_call, app.pictures

    def watched(*args, **kwargs):
        try:
            yield from pictures(*args, **kwargs)
        finally:
            closed.set()

    def slow(self, *args, on_step, **kwargs):
        def step(index, entry):
            told.append(entry["stage"])
            assert go.acquire(timeout=60)
            on_step(index, entry)

        return answer(self, *args, on_step=step, **kwargs)

    monkeypatch.setattr(app, "pictures", watched)
    monkeypatch.setattr(type(pair.model), "generate_tool_call", slow)
    page.locator("#run").click()
    for _ in range(4):
        go.release()
    page.locator("#picture .lf-scaffold").wait_for()  # shown while the model waits for us
    page.locator("#cancel").click()
    settle(page, "Cancelled")
    assert closed.wait(30)
    before = len(told)
    for _ in range(100):
        go.release()
    time.sleep(0.5)
    assert len(told) <= before + 1  # the step that it was in
    monkeypatch.undo()
    page.locator("#run").click()
    settle(page)


@pytest.mark.parametrize("width", [320, 390])
def test_the_page_fits_a_phone(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    ask(page, "To Rome, with a word that is much longer than a phone is wide: " + "x" * 80)
    page.locator("#run").click()
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("#run", "#cancel", "#tools textarea", "#picture .lf-scaffold pre", "#picture .lf-wide"):
        box = page.locator(name).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
