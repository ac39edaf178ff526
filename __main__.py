"""The command line: `lafunc call "QUERY"`, also `python -m lafunc call "QUERY"`."""

import argparse
import dataclasses
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from transformers.utils import logging

from . import LaFuncModel, LaFuncProcessor
from .data import commands as data
from .data.pools import read_tools
from .diffusion_lafunc import SCHEDULES
from .evaluation import commands as evaluation
from .evaluation.checkpoint import SHIPPED
from .model_card import card, push
from .request_lafunc import FILLERS, MODES


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, or 2 if the request cannot be answered as put."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["train"]:
        from .train_trl import main as train  # needs the extra `train`

        return train(arguments[1:])
    options = _parser().parse_args(arguments, argparse.Namespace(arguments=arguments))
    try:
        return options.run(options)
    except (ValueError, OSError) as error:  # RequestError, SchemaError, CheckpointError; unreadable files
        print(f"lafunc: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lafunc", description="Tool calls that are valid by construction.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    call = commands.add_parser("call", help="answer one request, with text or with tool calls, and show the way")
    call.add_argument("query", metavar="QUERY")
    call.add_argument("--checkpoint", default=str(SHIPPED), metavar="DIR", help="folder or Hub id")
    call.add_argument("--tools", metavar="FILE", help="JSON list of tools; none: the model can only chat")
    call.add_argument(
        "--mode", choices=("auto", *MODES), help="default: auto, or tool as long as the router is untrained"
    )
    call.add_argument("--filler", choices=FILLERS, help="default: what the checkpoint says")
    call.add_argument("--schedule", choices=SCHEDULES, help="default: what the checkpoint says")
    call.add_argument("--steps", type=int, metavar="N", help="denoising steps; default: what the checkpoint says")
    call.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    call.set_defaults(run=run_call)
    measure = commands.add_parser("eval", help="measure: accuracy, latency, retention, overlap; report")
    evaluation.add_commands(measure)
    prepare = commands.add_parser("data", help="training data: build, synthesize")
    data.add_commands(prepare)
    for name, module, about in (
        ("card", card, "README.md of a model repository, from a checkpoint and the result files"),
        ("push", push, "send a checkpoint with its card and results to the Hub"),
    ):
        command = commands.add_parser(name, help=about, description=about)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    commands.add_parser("train", help="train heads and adapters: --config recipes/NAME.yaml; as train_trl.py")
    return parser


def run_call(options: argparse.Namespace) -> int:
    """`lafunc call`"""
    tools = read_tools(Path(options.tools)) if options.tools else None
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if not os.path.isdir(options.checkpoint) and options.checkpoint == str(SHIPPED):
        raise OSError("no checkpoint beside this installation; name one with --checkpoint (a folder or a Hub id)")
    logging.disable_progress_bar()
    show = (lambda *_: None) if options.json else _line
    start = time.perf_counter()
    show(
        "checkpoint",
        f"{os.path.relpath(options.checkpoint) if os.path.isdir(options.checkpoint) else options.checkpoint}",
    )
    processor = LaFuncProcessor.from_pretrained(options.checkpoint)
    model = LaFuncModel.from_pretrained(options.checkpoint)
    show("base", f"{model.config.base}, {model.dtype}".replace("torch.", ""))
    show("", f"loaded in {time.perf_counter() - start:.1f} s")

    mode = options.mode or ("auto" if "router" in model.config.trained or not tools else "tool")
    show("request", options.query)
    start = time.perf_counter()
    out = model.generate_tool_call(
        [{"role": "user", "content": options.query}],
        tools,
        processor=processor,
        mode=mode,
        filler=options.filler,
        schedule=options.schedule,
        num_steps=options.steps,
        return_trace=True,
        **({} if mode == "tool" else {"max_new_tokens": 512}),
    )
    seconds = time.perf_counter() - start
    if options.json:
        print(json.dumps({**dataclasses.asdict(out), "message": out.to_message()}, ensure_ascii=False))
        return 0
    if out.mode_probabilities:
        show("mode", f"{out.mode}  ({', '.join(f'{name} {p:.2f}' for name, p in out.mode_probabilities.items())})")
    else:
        why = "asked for" if options.mode else "the router of this checkpoint is untrained, so it was not asked"
        show("mode", f"{out.mode}  ({why})")
    if out.mode == "tool":
        show("plan", f"{out.decision} {', '.join(out.plan)}")
        show("scaffold", out.scaffold)
        show("filler", options.filler or model.config.filler)
        for entry in out.trace or []:
            _show_entry(entry)
        _show_written(out.trace or [])
        for need in out.needs:
            show("missing", f"{need.name} {need.path}: {need.question}")
        for path in out.clipped:
            show("clipped", f"{path} was ended at the longest allowed length")
    stats = out.stats
    show("cost", f"{stats.base_passes} base passes, {stats.head_passes} head passes, {stats.base_tokens} tokens read")
    stages = ", ".join(f"{name} {1000 * spent:.0f} ms" for name, spent in stats.seconds.items() if spent >= 0.0005)
    show("", f"{1000 * seconds:.0f} ms ({stages})")
    print(json.dumps(out.to_message(), ensure_ascii=False))
    return 0


def _line(label: str, text: str) -> None:
    """One labelled paragraph."""
    first, *rest = text.splitlines() or [""]
    print(f"{label:<11} {first}")
    for line in rest:
        print(f"{'':<11} {line}")


def _show_entry(entry: dict[str, Any]) -> None:
    """A denoising step or a verification round."""
    if entry["stage"] == "verify":
        _line("verify", f"round {entry['round']}: {entry['accepted']} of {entry['drafted']} drafted tokens stand")
        return
    if entry["stage"] == "denoise":
        _line("step", f"{entry['step']} of {entry['of']}")
        for slot in entry["slots"]:
            _line("", f"  {slot['path']}: {_tokens(slot['tokens'], slot['probabilities'], slot['committed'])}")


def _show_written(trace: list[dict[str, Any]]) -> None:
    """The values that the base wrote from left to right or let stand, over all its passes."""
    written: dict[str, tuple[list[str], list[float]]] = {}
    for entry in trace:
        for path in entry["paths"] if entry["stage"] == "again" else []:
            written.pop(path, None)
        for slot in entry["slots"] if entry["stage"] == "write" else []:
            tokens, probabilities = written.setdefault(slot["path"], ([], []))
            tokens += slot["tokens"]
            probabilities += slot["probabilities"]
    for path, (tokens, probabilities) in written.items():
        _line("write", f"{path}: {_tokens(tokens, probabilities)}")


def _tokens(tokens: list[str], probabilities: list[float], committed: list[bool] | None = None) -> str:
    """`Tok 0.98 · yo 0.99`; what is not committed in (parentheses), a run of <NULL> once."""
    shown: list[str] = []
    for token, p, sure in zip(tokens, probabilities, committed or [True] * len(tokens), strict=True):
        text = f"{token.strip() or repr(token)} {p:.2f}" if token != "<NULL>" else "∅"
        text = text if sure else f"({text})"
        if not (token == "<NULL>" and shown and shown[-1] == text):
            shown.append(text)
    return " · ".join(shown)


if __name__ == "__main__":
    sys.exit(main())
