"""The demo: edit tools, write a request, watch the scaffold fill. `python space/app.py`, or as a Hugging Face Space.

Which checkpoint it loads is said by two environment variables: `LAFUNC_CHECKPOINT`, a Hub id or a folder, and
`LAFUNC_REVISION`, the commit or tag of the Hub repository, whose code is run.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before gradio is imported, which reads it
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import gradio as gr
from page import error_html, read_tools
from running import named_checkpoint, pictures, warm_up
from transformers import AutoModel, AutoProcessor

HERE = Path(__file__).parent
EXAMPLES = {example["name"]: example for example in json.loads((HERE / "examples.json").read_text("utf-8"))}
MODES = ("auto", "tool", "chat", "think")
FILLERS = ("verified", "diffusion", "autoregressive")
SCHEDULES = ("confidence", "conservative", "entropy_bound")
INTRO = """# LaFuNC: watch a tool call fill

Keys, brackets and commas come from the tool's JSON Schema; the model only fills the slots, all at once. Every step is
shown when the model makes it.
"""
THEME = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])  # none fetched


def _tools_text(name: str) -> str:
    return json.dumps(EXAMPLES[name]["tools"], indent=2, ensure_ascii=False)


def _status(text: str) -> str:
    return f'<p class="lf-status" role="status">{text}</p>'  # our own words only


def build(model: Any, processor: Any) -> gr.Blocks:
    """The page, for a loaded model."""

    def choose(name: str) -> tuple[str, str]:
        return _tools_text(name), EXAMPLES[name]["request"]

    def answer(
        tools: str, request: str, filler: str, mode: str, steps: float, schedule: str, compare: bool
    ) -> Iterator[tuple[Any, ...]]:
        """(status, picture, run button, cancel button), again and again."""
        idle = gr.Button(interactive=True), gr.Button(interactive=False)
        try:
            if not request.strip():
                raise ValueError("write a request first")
            title = "The tools are not valid JSON"
            offered = read_tools(tools) if tools.strip() else []
            title = "The request cannot be answered as put"
            html = ""
            for picture in pictures(
                model,
                processor,
                request,
                offered,
                filler,
                compare,
                mode=mode,
                num_steps=int(steps),
                schedule=schedule,
            ):
                html = picture.html()
                yield _status(picture.status + " …"), html, gr.Button(interactive=False), gr.Button(interactive=True)
            yield _status("Done"), html, *idle
        except ValueError as error:  # ToolsError, RequestError, SchemaError
            yield _status("Stopped"), error_html(title, str(error)), *idle

    def cancelled() -> tuple[Any, ...]:
        return _status("Cancelled"), gr.Button(interactive=True), gr.Button(interactive=False)

    first = next(iter(EXAMPLES))
    config = model.config
    with gr.Blocks(title="LaFuNC", analytics_enabled=False, fill_width=True) as page:
        gr.Markdown(INTRO)
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                example = gr.Dropdown(list(EXAMPLES), value=first, label="Start from")
                tools = gr.Textbox(
                    _tools_text(first),
                    label="Tools, a JSON list",
                    lines=10,
                    max_lines=18,
                    elem_id="tools",
                    info="OpenAI's form or bare; parameters are JSON Schema",
                )
                request = gr.Textbox(EXAMPLES[first]["request"], label="Request", lines=1, elem_id="request")
                with gr.Row():
                    run = gr.Button("Run", variant="primary", elem_id="run")
                    cancel = gr.Button("Cancel", variant="stop", interactive=False, elem_id="cancel")
                filler = gr.Radio(list(FILLERS), value=config.filler, label="Filler", elem_id="filler")
                with gr.Accordion("More settings", open=False):
                    mode = gr.Radio(list(MODES), value="auto", label="Mode; auto asks the router")
                    steps = gr.Slider(1, 8, value=config.num_steps, step=1, label="Denoising steps")
                    schedule = gr.Radio(list(SCHEDULES), value=config.schedule, label="Schedule")
                    compare = gr.Checkbox(True, label="Answer once more with the autoregressive filler, to compare")
            with gr.Column(scale=3, min_width=300):
                status = gr.HTML(_status("Ready"), elem_id="status")
                picture = gr.HTML("", elem_id="picture")
        example.change(choose, example, [tools, request], api_name=False, queue=False)
        inputs = [tools, request, filler, mode, steps, schedule, compare]
        running = gr.on(
            [run.click, request.submit],
            answer,
            inputs,
            [status, picture, run, cancel],
            api_name="answer",
            concurrency_limit=1,
            trigger_mode="once",
            show_progress="hidden",
        )
        # First the end of the run, then what is shown of it: a last picture may still be on its way.
        ended = cancel.click(None, cancels=[running], queue=False)
        ended.then(cancelled, None, [status, run, cancel], api_name=False, queue=False)
    page.queue(max_size=20)
    return page


def serve(model: Any, processor: Any, **launch: Any) -> gr.Blocks:
    """Start the page; arguments are those of `gr.Blocks.launch`."""
    page = build(model, processor)
    page.launch(theme=THEME, css_paths=HERE / "style.css", ssr_mode=False, footer_links=[], show_error=True, **launch)
    return page


def main() -> None:
    """Load what the environment names, and serve it."""
    try:
        checkpoint, revision = named_checkpoint(os.environ)
    except ValueError as error:
        sys.exit(str(error))
    processor = AutoProcessor.from_pretrained(checkpoint, revision=revision, trust_remote_code=True)
    model = AutoModel.from_pretrained(checkpoint, revision=revision, trust_remote_code=True)
    example = next(iter(EXAMPLES.values()))
    warm_up(model, processor, example["request"], example["tools"])
    serve(model, processor)


if __name__ == "__main__":
    main()
