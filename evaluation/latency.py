"""`lafunc eval latency`: time by mode, growth of cost, and other libraries on the same weights."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import torch

from ..request_lafunc import FILLERS, check_options
from . import bfcl, growth, modes, peers, results
from .checkpoint import add_checkpoint, load_checkpoint, untrained_allowed
from .markdown import number
from .race import race


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `lafunc eval latency`."""
    add_checkpoint(parser)
    parser.add_argument(
        "--shape",
        metavar="NAME",
        help=f"time random weights of a known shape ({', '.join(modes.SHAPES)}); the tokenizer is --checkpoint's",
    )
    parser.add_argument(
        "--growth",
        nargs="*",
        metavar="AXIS",
        help=f"how cost grows, instead of by mode, with {', '.join(growth.AXES)}; none: with all of them in turn",
    )
    parser.add_argument(
        "--peers", nargs="*", metavar="NAME", help="other libraries on the same weights and rows of BFCL; none: all"
    )
    parser.add_argument(
        "--filler", nargs="+", metavar="NAME", help="default: all three; with --peers the checkpoint's own"
    )
    parser.add_argument("--steps", type=int, metavar="N", help="denoising steps; default: what the checkpoint says")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="timed runs of each; default: 5")
    parser.add_argument(
        "--categories", nargs="+", default=["simple_python", "multiple"], metavar="NAME", help="of BFCL, for --peers"
    )
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="rows a category, for --peers; default: 20")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="for --limit and the order; default: 0")
    parser.add_argument("--device", default="auto", metavar="NAME", help="cpu, cuda or auto (the default)")
    parser.add_argument("--threads", type=int, metavar="N", help="of the processor; default: PyTorch's choice")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="default: results/latency-modes, -growth or -peers.json"
    )


def run(options: argparse.Namespace) -> int:
    """`lafunc eval latency`: write a result file and print a short table; returns the exit status.

    Raises:
        ValueError: an unknown shape, filler, peer, category or device, or numbers below one.
    """
    measured = "growth" if options.growth is not None else "modes" if options.peers is None else "peers"
    for axis in options.growth or ():
        if axis not in growth.AXES:
            raise ValueError(f"axis {axis!r} is unknown; it must be one of {', '.join(growth.AXES)}")
    if options.repeats < 1:
        raise ValueError(f"--repeats must be at least 1, got {options.repeats}")
    for filler in options.filler or FILLERS:
        check_options("tool", filler, "confidence", 1 if options.steps is None else options.steps)
    where = device(options.device)
    if options.threads is not None:
        if options.threads < 1:
            raise ValueError(f"--threads must be at least 1, got {options.threads}")
        torch.set_num_threads(options.threads)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    rows = bfcl.load(options.categories, options.limit, options.seed) if measured == "peers" else []
    if options.shape:
        model, processor = modes.shape(options.shape, options.checkpoint, where)
        about: dict[str, Any] = {"name": options.shape}
    else:
        model, processor, about = load_checkpoint(options.checkpoint)
        model.to(where)  # type: ignore[arg-type]
    names = options.peers or peers.PEERS if options.peers is not None else ()
    found, missing = peers.open_peers(names, model, processor)
    settings = {
        "measured": measured,
        "model": about["name"],
        "checkpoint": about,
        "weights": "random" if options.shape else "pretrained",
        "fillers": options.filler or ([model.config.filler] if measured == "peers" else list(FILLERS)),
        "steps": options.steps or model.config.num_steps,
        "device": where.type,
        "dtype": str(model.base.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "seed": options.seed,
        "peers": {name: peer.version for name, peer in found.items()},
    }
    print(f"model       {settings['model']}, {settings['weights']} weights, {settings['dtype']} on {where.type}")
    out = options.out or Path("results") / f"latency-{measured}.json"
    if measured == "modes":
        data = _modes(model, processor, options, settings)
    elif measured == "growth":
        data = _growth(model, processor, found, options, settings, out)
    else:
        data = _race(model, processor, found, rows, options, settings, out)
    data["missing"] = missing
    results.write(out, "latency", settings, data, options.arguments, [peer.package for peer in found.values()])
    for name, why in missing.items():
        print(f"missing     {name}: {why}")
    print(f"written     {out}")
    return 0


def _modes(model, processor, options, settings) -> dict[str, Any]:
    settings["repeats"] = options.repeats
    tools = json.loads(modes.TOOLS.read_text(encoding="utf-8"))
    # An untrained head does not know when a value is complete either.
    settings["max_slot_tokens"] = None if "diffusion" in model.config.trained else modes.RANDOM_SLOT_TOKENS
    data = modes.modes(
        model, processor, modes.REQUESTS, tools, fillers=settings["fillers"], steps=options.steps,
        repeats=options.repeats, max_slot_tokens=settings["max_slot_tokens"], random=bool(options.shape),
    )  # fmt: skip
    modes.show(data)
    return data


def _growth(model, processor, found, options, settings, out) -> dict[str, Any]:
    settings["repeats"] = options.repeats
    journal = results.Journal(out, settings)
    data = growth.growth(
        model, processor, journal, fillers=settings["fillers"], steps=options.steps, peers=found,
        repeats=options.repeats, axes={axis: growth.AXES[axis] for axis in options.growth or growth.AXES},
        seed=options.seed, random=bool(options.shape),
    )  # fmt: skip
    journal.pack()
    growth.show(data)
    return data


def _race(model, processor, found, rows, options, settings, out) -> dict[str, Any]:
    settings |= {"filler": settings["fillers"][0], "categories": options.categories, "limit": options.limit}
    settings |= {"rows": len(rows), "bfcl_eval": bfcl.version()}
    journal = results.Journal(out, settings)
    with untrained_allowed(model):
        data = race(
            model, processor, found, rows, bfcl.score, seed=options.seed, done=journal.rows, keep=journal.add,
            filler=settings["filler"], num_steps=options.steps,
        )  # fmt: skip
    journal.pack()
    for name, line in data["systems"].items():
        seconds, ratio = line["seconds"]["median"], line["ratio"]["median"]
        print(
            f"{name:<15}{number(seconds, 2):>8} s  ratio {number(ratio, 2)}  valid {line['valid']} of {line['rows']}  "
            f"right {number(100 * line['accuracy'])} %"
        )
    return {key: value for key, value in data.items() if key != "records"}  # these lie in the journal


def device(name: str) -> torch.device:
    """The device of that name; of `auto`, CUDA where there is one.

    Raises:
        ValueError: another name, or CUDA where there is none.
    """
    if name not in ("cpu", "cuda", "auto"):
        raise ValueError(f"device {name!r} is unknown; it must be cpu, cuda or auto")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: PyTorch finds no CUDA device here; pass --device cpu, or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
