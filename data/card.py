"""The card of a mixture: what is in it, where that comes from, and what was left out."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ..evaluation.markdown import table
from .checker import Count
from .recipe import Recipe
from .rows import Row, calls_of


def describe(recipe: Recipe, counts: Mapping[str, Count], augmented: Counter, parts: Mapping[str, list[Row]]) -> dict:
    """What the mixture holds, as JSON."""
    sources = []
    for source in recipe.sources:
        rows = [row for part in parts.values() for row in part if row["source"] == source.name]
        count = counts[source.name]
        sources.append(
            {
                "name": source.name,
                "from": source.hub or source.path,
                "licence": source.licence,
                "usable": count.converted,
                "drawn": count.kept,
                "rows": len(rows),
                "modes": dict(Counter(row["mode"] for row in rows)),
                "needs": sum(bool(row["needs"]) for row in rows),
                "skipped": dict(count.skipped.most_common()),
                "examples": count.examples,
            }
        )
    rows = [row for part in parts.values() for row in part]
    types = Counter(
        type(value).__name__ for row in rows for _, arguments in calls_of(row) for value in arguments.values()
    )
    return {
        "rows": {name: len(part) for name, part in parts.items()},
        "modes": dict(Counter(row["mode"] for row in rows)),
        "licences": dict(Counter(next(s.licence for s in recipe.sources if s.name == row["source"]) for row in rows)),
        "needs": sum(bool(row["needs"]) for row in rows),
        "chat_with_tools": sum(row["mode"] == "chat" and bool(row["tools"]) for row in rows),
        "think_with_tools": sum(row["mode"] == "think" and bool(row["tools"]) for row in rows),
        "calls": dict(sorted(Counter(len(calls_of(row)) for row in rows if row["mode"] == "tool").items())),
        "values": dict(types.most_common()),
        "tools": len({json.dumps(tool) for row in rows for tool in row["tools"]}),
        "augmentations": dict(augmented),
        "overlap_removed": sum(count.skipped["meets an evaluation row"] for count in counts.values()),
        "evaluation_tools_removed": sum(count.skipped["a tool is one of the evaluation"] for count in counts.values()),
        "sources": sources,
    }


def card(document: Mapping[str, Any]) -> str:
    """The card as Markdown, from what `card.json` holds."""
    data, modes = document["data"], ("tool", "chat", "think")
    total = sum(data["rows"].values())
    lines = [
        "# The training mixture",
        "",
        f"{total:,} rows: {', '.join(f'{count:,} {name}' for name, count in data['rows'].items())}. "
        f"Made by `{document['command']}` at commit {document['commit']} with seed {document['settings']['seed']}. "
        "The form of the rows is described in [data/rows.py](../data/rows.py).",
        "",
        *table(
            ["mode", "rows", "of them"],
            [
                ["tool", f"{data['modes'].get('tool', 0):,}", f"{data['needs']:,} with values that nobody gave"],
                ["chat", f"{data['modes'].get('chat', 0):,}", f"{data['chat_with_tools']:,} with tools on offer"],
                ["think", f"{data['modes'].get('think', 0):,}", f"{data['think_with_tools']:,} with tools on offer"],
            ],
        ),
        "",
        f"{data['tools']:,} different tools. Calls in a row: "
        + ", ".join(f"{count} ({rows:,})" for count, rows in data["calls"].items())
        + ". Values: "
        + ", ".join(f"{name} ({count:,})" for name, count in data["values"].items())
        + ".",
        "",
        "## Sources",
        "",
        "Attributions must stay when rows are passed on. Rows under CC-BY-SA, and what is made of them, stay under "
        "it. Several sets hold text that models of the GPT-4 class wrote.",
        "",
        *table(
            ["source", "licence", "usable", "drawn", *modes, "needs", "rows"],
            [
                [
                    one["name"],
                    one["licence"],
                    f"{one['usable']:,}",
                    f"{one['drawn']:,}",
                    *(f"{one['modes'].get(mode, 0):,}" for mode in modes),
                    f"{one['needs']:,}",
                    f"{one['rows']:,}",
                ]
                for one in data["sources"]
            ],
        ),
        "",
        "Rows are more than were drawn where a set goes in more than once, each time augmented anew, and where "
        "negatives and rows with deleted values were made of its rows.",
        "",
        *table(["licence", "rows"], [[name, f"{count:,}"] for name, count in data["licences"].items()]),
        "",
        "## Augmentations",
        "",
        *table(["what", "rows"], [[name, f"{count:,}"] for name, count in data["augmentations"].items()]),
        "",
        "## Left out",
        "",
        f"{data['overlap_removed']:,} rows meet an evaluation row of BFCL (`lafunc eval overlap`), and "
        f"{data['evaluation_tools_removed']:,} call one of its tools: one with its name and parameters, or with its "
        f"description. Either is so of {data['overlap_removed_last']:,} rows more once tools were added and renamed."
        if document["settings"]["remove_overlap"]
        else "Overlap with BFCL was not looked for.",
        "",
        *table(
            ["source", "reason", "rows", "example"],
            [
                [one["name"], reason, f"{count:,}", _plain(one["examples"][reason])]
                for one in data["sources"]
                for reason, count in one["skipped"].items()
            ],
        ),
        "",
    ]
    return "\n".join(lines)


def _plain(text: str) -> str:
    text = " ".join(text.split()).replace("|", "\\|")
    return text if len(text) <= 80 else text[:79] + "…"
