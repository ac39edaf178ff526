"""`lafunc eval rows`: rows of the training data's form that were held out, a breakdown by mode, value and source.

A value is right if it equals the row's; no other spelling counts, so the figures are lower than a benchmark's, and fit
to compare fillers, thresholds and checkpoints without looking at one. A row is right if its mode is, if the calls that
can be made are its calls, in any order, and if the values that nobody gave are those that are asked for.
"""

import argparse
import hashlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.rows import RowError, calls_of, check_row, prompt_of, read_rows
from ..node_lafunc import json_path
from ..request_lafunc import MODES
from . import results
from .accuracy import add_systems, asked_systems, measure
from .bfcl import EvaluationError, Row
from .breakdown import KINDS, kind_of
from .checkpoint import add_checkpoint, load_checkpoint
from .markdown import number, percent, table
from .quantiles import spread
from .systems import Answer

FAULTS = ("error", "mode", "count", "tool", "needs", "arguments")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_checkpoint(parser)
    parser.add_argument("--rows", type=Path, required=True, metavar="FILE", help="JSON lines, as `lafunc data` writes")
    add_systems(parser)
    parser.add_argument("--limit", type=int, metavar="N", help="rows drawn with the seed; default: all")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="for --limit; default: 0")
    parser.add_argument("--gold-plan", action="store_true", help="calls only, the right tools given")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: results/rows.json")


def run(options: argparse.Namespace) -> int:
    """Measure and write the result file; prints what is in it."""
    rows = load(options.rows, options.limit, options.seed, options.gold_plan)
    model, processor, about = load_checkpoint(options.checkpoint)
    chosen = asked_systems(options, model.config)
    out = options.out or Path("results") / f"rows{'-gold-plan' if options.gold_plan else ''}.json"
    settings = {
        "checkpoint": about,
        "systems": [system.name for system in chosen],
        "rows": {"name": options.rows.name, "sha256": hashlib.sha256(options.rows.read_bytes()).hexdigest()[:16]},
        "limit": options.limit,
        "seed": options.seed,
        "gold_plan": options.gold_plan,
        "mode": "tool" if options.gold_plan or "router" not in model.config.trained else "auto",
        "presence_weight": model.config.presence_weight,
        "optional_weights": model.config.optional_weights,
        "needs_weights": model.config.needs_weights,
        "needs_threshold": model.config.needs_threshold,
    }
    journal = results.Journal(out, settings)
    measure(model, processor, rows, chosen, journal, options.gold_plan, examine)
    records = journal.rows
    data = {
        "systems": {
            system.name: summarise([record for record in records if record["system"] == system.name])
            for system in chosen
        }
    }
    results.write(out, "rows", settings, data, options.arguments)
    journal.pack()
    print("\n".join([*rows_table(data["systems"]), "", str(out)]))
    return 0


@dataclass(frozen=True)
class HeldOut(Row):
    """A row of `data/rows.py` as one that systems answer; `category` is its mode.

    Attributes:
        needs: (tool, JSON path) of values that nobody gave.
    """

    needs: frozenset[tuple[str, str]] = frozenset()
    source: str = ""


def load(path: Path, limit: int | None = None, seed: int = 0, gold_plan: bool = False) -> list[HeldOut]:
    """The rows of a file.

    Args:
        limit: at most so many, drawn at random.
        gold_plan: only rows in tool mode.

    Raises:
        EvaluationError: the file is missing, or a line is not a row.
    """
    if not path.is_file():
        raise EvaluationError(f"{path} is not there; `lafunc data build` writes dev.jsonl.gz beside its training rows")
    rows, line = [], 0
    try:
        for line, row in enumerate(read_rows(path), 1):
            check_row(row)
            if row["mode"] == "tool" or not gold_plan:
                rows.append(_held_out(str(line), row))
    except (RowError, ValueError, OSError) as error:
        raise EvaluationError(f"{path}, after line {line}: {error}") from None
    if limit is not None and limit < len(rows):
        rows = random.Random(seed).sample(rows, limit)
    return rows


def _held_out(id: str, row: Mapping[str, Any]) -> HeldOut:
    calls = calls_of(row)
    expected = [{name: {key: [value] for key, value in arguments.items()}} for name, arguments in calls]
    needs = frozenset((calls[call][0], json_path((name,))) for call, name in row["needs"])
    return HeldOut(id, row["mode"], prompt_of(row), row["tools"], row["tools"], expected, needs, row["source"])


def examine(row: HeldOut, answer: Answer) -> dict[str, Any]:
    """A row's record."""
    due = calls_due(row)
    fault = _fault(row, due, answer)
    return {
        "id": row.id,
        "source": row.source,
        "query": row.messages,
        "tools": [tool["name"] for tool in row.tools],
        "due": {"mode": row.category, "calls": due, "needs": sorted(row.needs)},
        "got": {"mode": answer.mode, "plan": answer.plan, "calls": answer.calls, "needs": answer.needs},
        "right": fault is None,
        "fault": fault,
        "arguments": arguments_of(row, due, answer.calls) if answer.plan == row.names else [],
        "confidence": answer.confidence,
        "error": answer.error,
        "seconds": answer.seconds,
        "saved": answer.saved,
        "stats": answer.stats,
    }


def calls_due(row: HeldOut) -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, {key: right for key, (right,) in values.items()})
        for call in row.expected
        for name, values in call.items()
    ]


def _fault(row: HeldOut, due: Sequence[tuple[str, dict]], answer: Answer) -> str | None:
    """The first that applies."""
    if answer.error is not None:
        return "error"
    if answer.mode != row.category:
        return "mode"
    if len(answer.plan) != len(row.names):
        return "count"
    if Counter(answer.plan) != Counter(row.names):
        return "tool"
    if set(answer.needs) != {f"{name} {path}" for name, path in row.needs}:
        return "needs"
    lacking = {name for name, _ in row.needs}
    left = [call for call in due if call[0] not in lacking]
    for name, arguments in answer.calls:
        if name not in lacking:
            if (name, arguments) not in left:
                return "arguments"
            left.remove((name, arguments))
    return "arguments" if left else None


def arguments_of(
    row: HeldOut, due: Sequence[tuple[str, dict]], made: Sequence[tuple[str, dict]]
) -> list[dict[str, str]]:
    """Each argument of a call that is due or made, the n-th of a tool beside the n-th; its kind, and its fault."""
    found = []
    left = list(made)
    for name, right in due:
        values = next((values for other, values in left if other == name), None)
        if values is None:
            continue  # it was not made, since something is missing for it
        left.remove((name, values))
        parameters = next(tool for tool in row.tools if tool["name"] == name)["parameters"]
        for argument in right.keys() | values.keys():
            fault = "missing" if argument not in values else "extra" if argument not in right else ""
            if not fault and values[argument] != right[argument]:
                fault = "value"
            schema = parameters.get("properties", {}).get(argument, parameters.get("additionalProperties"))
            schema = schema if isinstance(schema, dict) else {}  # anything may stand there
            kind = kind_of(row, schema, [right[argument]] if argument in right else [])
            found.append({"name": argument, "kind": kind, "fault": fault})
    return sorted(found, key=lambda argument: argument["name"])


def summarise(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The counts of many records: modes, faults, arguments by kind, missing values, sources, cost."""
    modes = {mode: Counter(r["got"]["mode"] for r in records if r["due"]["mode"] == mode) for mode in MODES}
    arguments: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    sources: dict[str, Counter[str]] = {}
    needs: Counter[str] = Counter()
    for record in records:
        sources.setdefault(record["source"], Counter()).update(rows=1, right=int(record["right"]))
        for argument in record["arguments"]:
            arguments[argument["kind"]][argument["fault"] or "right"] += 1
        due, got = {" ".join(need) for need in record["due"]["needs"]}, set(record["got"]["needs"])
        needs.update(found=len(due & got), invented=len(due - got), asked_for_nothing=len(got - due))
    tool = [record for record in records if record["due"]["mode"] == "tool"]
    return {
        "rows": len(records),
        "right": sum(record["right"] for record in records),
        "modes": {mode: dict(count) for mode, count in modes.items() if count},
        "modes_right": sum(modes[mode][mode] for mode in MODES),
        "calls_due": len(tool),
        "calls_right": sum(record["right"] for record in tool),
        "faults": {fault: sum(record["fault"] == fault for record in records) for fault in FAULTS},
        "arguments": {kind: dict(count) for kind, count in arguments.items() if count},
        "needs": dict(needs),
        "sources": {source: dict(count) for source, count in sorted(sources.items())},
        "errors": [{"id": record["id"], "error": record["error"]} for record in records if record["error"]],
        "milliseconds": spread([1000 * record["seconds"] for record in records if not record["error"]]),
        "base_passes": spread([record["stats"]["base_passes"] for record in tool if record["stats"]]),
    }


def rows_table(found: Mapping[str, Any]) -> list[str]:
    """Systems as rows of a table; passes and milliseconds are medians."""
    head = "system,rows right %,mode right %,calls right %,arguments right %,missing values found %,base passes,ms"
    rows = []
    for name, counts in found.items():
        kinds = counts["arguments"].values()
        needs = counts["needs"]
        rows.append(
            [
                name,
                percent(counts["right"], counts["rows"]),
                percent(counts["modes_right"], counts["rows"]),
                percent(counts["calls_right"], counts["calls_due"]),
                percent(sum(kind.get("right", 0) for kind in kinds), sum(sum(kind.values()) for kind in kinds)),
                percent(needs.get("found", 0), needs.get("found", 0) + needs.get("invented", 0)),
                number(counts["base_passes"]["median"], 0),
                number(counts["milliseconds"]["median"], 0),
            ]
        )
    return table(head.split(","), rows)
