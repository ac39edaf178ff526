"""`lafunc eval bfcl`: one or more systems over BFCL's rows, with a breakdown of what went wrong.

Every row's record is written as soon as it is made, so a run that was killed goes on where it stood.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from .. import LaFuncModel, LaFuncProcessor
from ..configuration_lafunc import LaFuncConfig
from ..diffusion_lafunc import SCHEDULES
from ..request_lafunc import FILLERS
from . import bfcl, results
from .breakdown import examine, summarise
from .checkpoint import add_checkpoint, load_checkpoint, untrained_allowed
from .markdown import number, table
from .systems import RAW, Answer, Beginnings, System, answers, systems

_PROCESS: dict[str, Any] = {}  # what each of several processes has loaded


def add_systems(parser: argparse.ArgumentParser) -> None:
    """What is measured on every row."""
    parser.add_argument(
        "--filler", nargs="+", metavar="NAME", help=f"of {', '.join((*FILLERS, RAW))}; default: the checkpoint's own"
    )
    parser.add_argument("--steps", nargs="+", type=int, metavar="N", help="denoising steps; default: the checkpoint's")
    parser.add_argument(
        "--schedule", nargs="+", metavar="NAME", help=f"of {', '.join(SCHEDULES)}; default: the checkpoint's"
    )


def asked_systems(options: argparse.Namespace, config: LaFuncConfig) -> list[System]:
    """Those of [`add_systems`], the checkpoint's own where nothing was said."""
    return systems(
        options.filler or [config.filler], options.steps or [config.num_steps], options.schedule or [config.schedule]
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_checkpoint(parser)
    add_systems(parser)
    parser.add_argument("--categories", nargs="+", metavar="NAME", help="default: all 13, or non_live, or live")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="rows a category, simple being one; drawn with the seed"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="for --limit; default: 0")
    parser.add_argument("--gold-plan", action="store_true", help="give the right tools, and measure filling alone")
    parser.add_argument("--max-slot-tokens", type=int, metavar="N", help="longest value; default: the checkpoint's")
    parser.add_argument(
        "--processes", type=int, default=1, metavar="N", help="that share the rows and the cores; default: 1"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: results/bfcl-FILLER.json")


def run(options: argparse.Namespace) -> int:
    """Measure and write the result file; prints what is in it."""
    if options.processes < 1:
        raise ValueError(f"--processes must be at least 1, got {options.processes}")
    categories = _categories(options.categories, options.gold_plan)
    rows = bfcl.load(categories, options.limit, options.seed)
    model, processor, about = load_checkpoint(options.checkpoint)
    if options.max_slot_tokens:
        model.config.max_slot_tokens = options.max_slot_tokens
    config = model.config
    chosen = asked_systems(options, config)
    gold = "-gold-plan" if options.gold_plan else ""
    out = options.out or Path("results") / f"bfcl-{'-'.join(dict.fromkeys(s.filler for s in chosen))}{gold}.json"
    settings = {
        "checkpoint": about,
        "systems": [system.name for system in chosen],
        "categories": categories,
        "limit": options.limit,
        "seed": options.seed,
        "gold_plan": options.gold_plan,
        "max_slot_tokens": config.max_slot_tokens,
        "mode": "tool" if options.gold_plan or "router" not in config.trained else "auto",
        "bfcl_eval": bfcl.version(),
    }
    journal = results.Journal(out, settings)
    if options.processes > 1:
        del model, processor  # each process loads its own
        measure_apart(options, rows, chosen, journal)
    else:
        measure(model, processor, rows, chosen, journal, options.gold_plan)
    data = {**count(chosen, journal), "processes": options.processes}
    results.write(out, "bfcl", settings, data, options.arguments)
    journal.pack()
    print("\n".join([*systems_table(data["systems"]), "", str(out)]))
    return 0


def measure(
    model: LaFuncModel,
    processor: LaFuncProcessor,
    rows: Sequence[Any],
    systems: Sequence[System],
    journal: results.Journal,
    gold_plan: bool = False,
    examine: Callable[[Any, Answer], dict[str, Any]] = examine,
) -> None:
    """Every system's answer to every row that the journal does not hold yet, as `examine` sees it."""
    beginnings = Beginnings(model, processor)
    with untrained_allowed(model), _progress(rows, journal) as bar:
        for row, left in _left(rows, systems, journal):
            for system, answer in answers(model, processor, row, left, gold_plan, beginnings):
                journal.add({"system": system.name, **examine(row, answer)})
            _advance(bar, journal)


def measure_apart(
    options: argparse.Namespace, rows: Sequence[Any], systems: Sequence[System], journal: results.Journal
) -> None:
    """[`measure`] by several processes. Rows with the same tools go to the same one. What one has found is written at
    once, however long another takes, and put in order at the end."""
    with _progress(rows, journal) as bar:
        groups: dict[str, list[tuple[Any, list[System]]]] = {}
        for row, left in _left(rows, systems, journal):
            groups.setdefault(json.dumps(row.tools), []).append((row, left))
        threads = max(1, (os.cpu_count() or 1) // options.processes)
        settings = (options.checkpoint, options.max_slot_tokens, options.gold_plan, threads)
        with get_context("spawn").Pool(options.processes, _begin, settings) as pool:
            for records in pool.imap_unordered(_records, groups.values()):
                for record in records:
                    journal.add(record)
                    _advance(bar, journal)
    place = {row.id: n for n, row in enumerate(_together(rows))}
    journal.sort(lambda record: place[record["id"]])


def _begin(checkpoint: Path, max_slot_tokens: int | None, gold_plan: bool, threads: int) -> None:
    """A process gets its own model."""
    torch.set_num_threads(threads)
    model, processor, _ = load_checkpoint(checkpoint)
    if max_slot_tokens:
        model.config.max_slot_tokens = max_slot_tokens
    _PROCESS.update(model=model, processor=processor, gold_plan=gold_plan)


def _records(group: Sequence[tuple[Any, list[System]]]) -> list[dict[str, Any]]:
    """What a process finds of rows with the same tools."""
    model, beginnings = _PROCESS["model"], Beginnings(_PROCESS["model"], _PROCESS["processor"])
    with untrained_allowed(model):
        return [
            {"system": system.name, **examine(row, answer)}
            for row, left in group
            for system, answer in answers(model, _PROCESS["processor"], row, left, _PROCESS["gold_plan"], beginnings)
        ]


def _left(rows: Sequence[Any], systems: Sequence[System], journal: results.Journal) -> list[tuple[Any, list[System]]]:
    """The rows with systems that the journal does not hold yet."""
    done = {(record["id"], record["system"]) for record in journal.rows}
    pairs = [(row, [system for system in systems if (row.id, system.name) not in done]) for row in _together(rows)]
    return [(row, left) for row, left in pairs if left]


def _together(rows: Sequence[Any]) -> list[Any]:
    """The rows, those with the same tools next to each other."""
    offers: dict[str, int] = {}
    return sorted(rows, key=lambda row: offers.setdefault(json.dumps(row.tools), len(offers)))


def _progress(rows: Sequence[Any], journal: results.Journal) -> tqdm:
    known = len({record["id"] for record in journal.rows})
    return tqdm(total=len(rows), initial=known, desc=journal.path.name.split(".")[0], unit="row", file=sys.stderr)


def _advance(bar: tqdm, journal: results.Journal) -> None:
    bar.n = len({record["id"] for record in journal.rows})
    bar.set_postfix_str(f"{sum(record['right'] for record in journal.rows)}/{len(journal.rows)} right")


def count(systems: Sequence[System], journal: results.Journal) -> dict[str, Any]:
    """`systems`: by name the leaderboard's `averages` and the counts of [`summarise`]."""
    found = {}
    for system in systems:
        counts = summarise([record for record in journal.rows if record["system"] == system.name])
        accuracy = {name: (c["right"], c["rows"]) for name, c in counts["categories"].items()}
        found[system.name] = {"averages": bfcl.averages(accuracy), **counts}
    return {"systems": found}


def _categories(asked: list[str] | None, gold_plan: bool) -> list[str]:
    groups = {"all": bfcl.CATEGORIES, "non_live": (*bfcl.NON_LIVE, "irrelevance")}
    groups["live"] = tuple(category for category in bfcl.CATEGORIES if category.startswith("live"))
    names = [name for group in asked or ["all"] for name in groups.get(group, (group,))]
    names = list(dict.fromkeys(names))
    if gold_plan:  # where no call is due, or any, there is no right plan to give
        names = [name for name in names if name not in (*bfcl.NO_CALL, *bfcl.ANY_CALL)]
        if not names:
            raise bfcl.EvaluationError("--gold-plan needs categories in which certain calls are due")
    return names


def systems_table(found: Mapping[str, Any]) -> list[str]:
    """Systems as rows of a table."""
    head = (
        "system,non-live AST,live AST,irrelevance,live relevance,right,hallucinated %,invalid,base passes,"
        "fill passes a call,head passes,ms median,p10,p90"
    )
    rows = []
    for name, counts in found.items():
        average, rate, spent = counts["averages"], counts["hallucination_rate"], counts["milliseconds"]
        rows.append(
            [
                name,
                *(number(average[key]) for key in ("non_live_ast", "live_ast", "irrelevance", "live_relevance")),
                f"{counts['right']} of {counts['rows']}",
                number(None if rate is None else 100 * rate),
                str(counts["invalid"]),
                number(counts["base_passes"]),
                number(counts.get("fill_passes")),
                number(counts["head_passes"]),
                *(number(spent.get(key), 0) for key in ("median", "p10", "p90")),
            ]
        )
    return table(head.split(","), rows)
