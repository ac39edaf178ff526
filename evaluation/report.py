"""`lafunc eval report`: all result files as one Markdown page with plots, and a summary in the README.

Nothing is measured and nothing is typed here: every figure comes from a file in `results/`, and beside each table
stands what made it.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..request_lafunc import MODES
from . import bfcl, results
from .ablations import ablations_table, router_table
from .accuracy import systems_table
from .breakdown import FAULTS, KINDS
from .calibration import calibration_tables
from .checkpoint import SHIPPED, digest
from .figures import AXES, draw_growth, draw_peers, draw_reliability, draw_training, use_matplotlib
from .heldout import rows_table
from .markdown import number, percent, table
from .schemas import schemas_tables

BEGIN, END = "<!-- results: written by `lafunc eval report` -->", "<!-- end of results -->"
SHOWN_ERRORS = 20
Document = Mapping[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    parser.add_argument("--out", type=Path, default=Path("docs/results.md"), metavar="FILE", help="the page")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="also write the summary between its marks")


def run(options: argparse.Namespace) -> int:
    documents = read_all(options.results)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    draw(documents, options.out.parent / "figures")
    options.out.write_text(page(documents), encoding="utf-8")
    print(options.out)
    if options.readme:
        options.readme.write_text(
            with_summary(options.readme.read_text(encoding="utf-8"), documents), encoding="utf-8"
        )
        print(options.readme)
    return 0


def read_all(folder: Path) -> dict[str, Document]:
    """The result files of a folder by their names, without `.json`.

    Raises:
        ResultError: there are none, or one of them cannot be used.
    """
    found: dict[str, Document] = {path.stem: results.read(path) for path in sorted(folder.glob("*.json"))}
    if not found:
        raise results.ResultError(f"{folder} holds no result files; `lafunc eval bfcl` writes one")
    return found


def of_kind(documents: Mapping[str, Document], kind: str, measured: str | None = None) -> dict[str, Document]:
    return {
        name: document
        for name, document in documents.items()
        if document["kind"] == kind and measured in (None, document["settings"].get("measured"))
    }


def widest(documents: Mapping[str, Document]) -> dict[str, Document]:
    """Of files on how cost grows those with the most axes; the others are of use beside them only."""
    most = max((len(document["data"]["axes"]) for document in documents.values()), default=0)
    return {name: document for name, document in documents.items() if len(document["data"]["axes"]) == most}


def same_rows(documents: Mapping[str, Document]) -> dict[str, dict[str, Any]]:
    """The systems of all accuracy files, those that answered the same rows in the same way together.

    Returns:
        Name of the files, `a and b` -> their `settings`, and their `systems` by name.
    """
    groups: dict[str, list[str]] = {}
    files = of_kind(documents, "bfcl")
    for name, document in files.items():
        rows = {key: value for key, value in document["settings"].items() if key != "systems"}
        groups.setdefault(json.dumps(rows, sort_keys=True), []).append(name)
    return {
        " and ".join(names): {
            "settings": files[names[0]]["settings"],
            "systems": {key: found for name in names for key, found in files[name]["data"]["systems"].items()},
        }
        for names in groups.values()
    }


# ---------------------------------------------------------------------------------------------------------------- page


def page(documents: Mapping[str, Document]) -> str:
    """The whole page."""
    sections: list[tuple[str, str, Callable[[Document], Iterable[str]], dict[str, Document]]] = [
        ("Accuracy", ACCURACY, _accuracy, of_kind(documents, "bfcl")),
        ("Held-out rows", ROWS, _rows, of_kind(documents, "rows")),
        ("Missing values and confidences", CALIBRATION, _calibration, of_kind(documents, "calibration")),
        ("Training of the shipped checkpoint", TRAINING, _training, of_kind(documents, "training")),
        ("What each part is good for", ABLATIONS, _ablations, of_kind(documents, "ablations")),
        ("Other libraries on the same base", PEERS, _peers, of_kind(documents, "latency", "peers")),
        ("Schemas", SCHEMAS, _schemas, of_kind(documents, "schemas")),
        ("How cost grows", GROWTH, _growth, of_kind(documents, "latency", "growth")),
        ("Latency by mode", BY_MODE, _modes, of_kind(documents, "latency", "modes")),
        ("Retention", RETENTION, _retention, of_kind(documents, "retention")),
        ("Overlap of training and evaluation", OVERLAP, _overlap, of_kind(documents, "overlap")),
    ]
    lines = ["# Results", "", "Written by `lafunc eval report` from the files in `results/`; not by hand.", ""]
    for title, about, render, files in sections:
        if files:
            lines += [f"## {title}", "", about, ""]
        for names, group in same_rows(files).items():
            if " and " in names:
                lines += [f"### {names}: the same rows", "", *systems_table(group["systems"]), ""]
        for name, document in files.items():
            lines += [f"### {name}", "", *render({"name": name, **document}), "", *_made_by(document), ""]
    return "\n".join(lines).rstrip() + "\n"


ACCURACY = (
    "Rows and AST checker of the Berkeley Function-Calling Leaderboard, averaged as it does; what is counted stands "
    "in [evaluation.md](evaluation.md). All systems of one file answered the same rows, one after the other. An "
    "average over categories that were not all measured is a –."
)
ROWS = (
    "Rows of the training data's form, held out of training. A value is right if it equals the row's, so the "
    "figures are lower than a benchmark's; they serve to choose fillers, thresholds and checkpoints."
)
CALIBRATION = (
    "On held-out rows, the right tools given: how often a value that is reported missing is, and how many of those "
    "that are missing are reported, by threshold; and how often a value of some confidence is right."
)
TRAINING = "The recipe, the rows, and how the parts of the loss went; [training.md](training.md) says what they are."
ABLATIONS = (
    "Controlled runs: new heads over the bare base, without adapters where none are named; one thing changed at a "
    "time, the same rows in the same order and as many steps; held-out rows, the right tools given. The differences "
    "mean something, the figures alone do not: these heads are small and have seen little."
)
PEERS = (
    "Every system read the same token ids on the same weights and answered each row right after the others, in an "
    "order drawn anew for each row. Ratio: the system's time per time of LaFuNC on the same row; above 1 LaFuNC is "
    "faster."
)
SCHEMAS = (
    "Schemas as people write them, each compiled as the parameters of one tool: what is accepted and what is refused, "
    "with reasons; fillings by random scores that the schema does not allow; example instances that no filling could "
    "make; and the time to compile, beside other libraries on the same schemas in the same run."
)
GROWTH = "Median time and base passes of one request, while one thing grows and the rest stays."
BY_MODE = (
    "Medians, with the tenth that is fastest and slowest. What is weighted stands in [evaluation.md](evaluation.md)."
)
RETENTION = (
    "The base, loaded on its own, against LaFuNC in chat and think mode, with tool calls in between: prompts, logits "
    "and texts that are equal, bit for bit."
)
OVERLAP = "Training rows whose text meets an evaluation query; what counts stands in [evaluation.md](evaluation.md)."


def _made_by(document: Document) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    hardware = document["hardware"]
    machine = f"{hardware['gpu'] or hardware['processor']}, {hardware['cores']} cores, threads: {hardware['threads']}"
    machine += f", load {hardware['load']}"
    begun = document.get("begun", document["commit"])
    counted = "" if begun == document["commit"] else f", counted by {document['commit']}"
    return [
        f"`{document['command']}`  ",
        f"<sub>commit {begun}{counted}, {document['date']}; {versions}; {machine}</sub>",
    ]


def _accuracy(document: Document) -> Iterable[str]:
    settings, systems = document["settings"], document["data"]["systems"]
    about = settings["checkpoint"]
    trained = ", ".join(about["trained"]) or "none"
    rows = "all rows" if settings["limit"] is None else f"at most {settings['limit']} rows a category"
    plan = "; the right tools are given" if settings["gold_plan"] else ""
    yield (
        f"Checkpoint {about['name']} ({about['sha256']}), trained heads: {trained}; base {about['base']} in "
        f"{about['dtype']}; mode {settings['mode']}{plan}; {rows}, seed {settings['seed']}; values of at most "
        f"{settings['max_slot_tokens']} tokens; bfcl-eval {settings['bfcl_eval']}."
    )
    yield ""
    yield from systems_table(systems)
    yield ""
    yield "Right, in percent of a category's rows:"
    yield ""
    categories = [name for name in bfcl.CATEGORIES if name in settings["categories"]]
    yield from table(
        ["system", *categories],
        [
            [name, *(percent(c["right"], c["rows"]) for c in (found["categories"][key] for key in categories))]
            for name, found in systems.items()
        ],
    )
    any_system = next(iter(systems.values()))
    yield "| *rows* | " + " | ".join(str(any_system["categories"][key]["rows"]) for key in categories) + " |"
    yield ""
    yield "What went wrong, in rows (the first fault that applies):"
    yield ""
    yield from table(
        ["system", *FAULTS],
        [[name, *(str(found["faults"][fault]) for fault in FAULTS)] for name, found in systems.items()],
    )
    yield ""
    yield "Arguments of calls to the right tool that are right, in percent, by kind of value (and how many there are):"
    yield ""
    yield from table(
        ["system", *KINDS],
        [
            [name, *(_argument_cell(found["arguments"].get(kind, {})) for kind in KINDS)]
            for name, found in systems.items()
        ],
    )
    yield ""
    yield from _duration(systems, document["data"].get("processes", 1))  # older files do not say
    yield from _errors("Rows that raised; each counts as wrong", systems)


def _errors(title: str, systems: Mapping[str, Any]) -> Iterable[str]:
    """The first errors of all systems, and how many there are; nothing where there are none."""
    errors = [(name, error) for name, found in systems.items() for error in found["errors"]]
    if errors:
        yield from ("", f"{title} ({len(errors)}):", "")
        for name, error in errors[:SHOWN_ERRORS]:
            yield f"- {name}, {error['id']}: {' '.join(str(error['error']).split())[:200]}"
        if len(errors) > SHOWN_ERRORS:
            yield f"- … and {len(errors) - SHOWN_ERRORS} more in the result file"


def _duration(systems: Mapping[str, Any], processes: int) -> Iterable[str]:
    """How long the rows took, shared evenly by so many processes, and how long all of a category's would."""
    shared = f" of {processes} processes" if processes > 1 else ""
    for name, found in systems.items():
        spent = sum(category["seconds"] for category in found["categories"].values()) / processes
        whole = sum(c["seconds"] / c["rows"] * bfcl.SIZES[key] for key, c in found["categories"].items()) / processes
        rows = sum(bfcl.SIZES[key] for key in found["categories"])
        yield (
            f"{name}: {number(spent / 60)} minutes{shared} for {found['rows']} rows, which makes {number(whole / 60)} "
            f"for all {rows} of these categories.  "
        )


def _argument_cell(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    return f"{percent(counts.get('right', 0), total)} ({total})" if total else "–"


def _rows(document: Document) -> Iterable[str]:
    settings, systems = document["settings"], document["data"]["systems"]
    about, rows = settings["checkpoint"], next(iter(systems.values()))["rows"]
    plan = "; the right tools are given" if settings["gold_plan"] else ""
    yield (
        f"Checkpoint {about['name']} ({about['sha256']}); {number(rows, 0)} rows of {settings['rows']['name']} "
        f"({settings['rows']['sha256']}); mode {settings['mode']}{plan}; needs_threshold "
        f"{settings['needs_threshold']}."
    )
    yield ""
    yield from rows_table(systems)
    yield ""
    yield "Modes: rows of each mode (lines), and what was chosen for them, the same for all systems:"
    yield ""
    modes = next(iter(systems.values()))["modes"]
    yield from table(["", *MODES], [[mode, *(str(modes[mode].get(chosen, 0)) for chosen in MODES)] for mode in modes])
    yield ""
    yield "Arguments that are right, in percent, by kind of value (and how many there are):"
    yield ""
    yield from table(
        ["system", *KINDS],
        [
            [name, *(_argument_cell(found["arguments"].get(kind, {})) for kind in KINDS)]
            for name, found in systems.items()
        ],
    )
    yield from _errors("Rows that raised; each counts as wrong", systems)


def stages(document: Document) -> list[Document]:
    """The trainings that made a checkpoint: what it went on from, and so on, the first one first."""
    before = document["data"].get("before")
    return [*(stages(before) if before else []), document]


def _calibration(document: Document) -> Iterable[str]:
    settings = document["settings"]
    about = settings["checkpoint"]
    names = " and ".join(one["name"] for one in settings["more"])
    more = f", for what one pass a row tells also {names}" if names else ""
    rows = f"rows {settings['rows']['name']}{more}"
    yield f"Checkpoint {about['name']} ({about['sha256']}), {settings['systems'][0]}, {rows}."
    yield ""
    yield from calibration_tables(document["data"])
    yield ""
    yield f"![Share of values that are right by confidence](figures/{document['name']}.png)"


def _training(document: Document) -> Iterable[str]:
    yield f"![Parts of the loss and accuracies by step](figures/{document['name']}.png)"
    found = stages(document)
    for at, stage in enumerate(found):
        data = stage["data"]
        steps = [entry for entry in data["history"] if "loss" in entry]
        modes = ", ".join(f"{number(count, 0)} {mode}" for mode, count in data["rows"].items())
        skipped = "; ".join(f"{number(count, 0)} skipped: {reason}" for reason, count in data["skipped"].items())
        yield ""
        told = [f"{modes} rows on offer"]
        if fitted := data.get("router"):
            told.append(
                f"router fitted to {number(fitted['rows'], 0)} rows, right on {number(fitted['right'], 0)} of the "
                f"{number(fitted['held_out'], 0)} of them that were kept out"
                + (f" and on {fitted['tools_right']} of their {fitted['tools']} tools" if "tools" in fitted else "")
            )
            if unknown := fitted.get("abroad"):
                told.append(
                    f"on sources left out of the fit, on {number(unknown['calls_right'], 0)} of "
                    f"{number(unknown['calls'], 0)} rows with calls and {number(unknown['none_right'], 0)} of "
                    f"{number(unknown['none'], 0)} without"
                )
        if steps:
            minutes = number(data["history"][-1]["seconds"] / 60, 0)
            told.append(
                f"{number(data['parameters'], 0)} trained parameters, {steps[-1]['step']} steps in {minutes} minutes"
            )
        yield (
            f"{f'Stage {at + 1}, commit ' + stage['commit'] + ': ' if len(found) > 1 else ''}"
            f"{'; '.join(told)}; on {data['processes']} processes. {skipped}"
        )
        yield ""
        yield "Recipe (what differs from the defaults):"
        yield ""
        yield "```yaml"
        yield from (f"{name}: {json.dumps(value)}" for name, value in stage["settings"].items())
        yield "```"


def _ablations(document: Document) -> Iterable[str]:
    settings, data = document["settings"], document["data"]
    width, layers, _ = settings["head"]
    yield (
        f"Heads {width} wide with {layers} layers; {settings['count']} rows, {settings['steps']} steps of "
        f"{settings['batch']}; {settings['held_out']} rows filled."
    )
    yield ""
    yield from ablations_table(data["variants"])
    if data["router"]:
        yield ""
        yield from router_table(data["router"])


def _peers(document: Document) -> Iterable[str]:
    settings, data = document["settings"], document["data"]
    yield (
        f"{settings['rows']} rows of {', '.join(settings['categories'])}; LaFuNC with the "
        f"{settings['filler']} filler; one call each."
    )
    yield ""
    yield from table(
        "system,version,valid,accuracy %,s median,p10,p90,ratio median,q1,q3,rows paired,tokens,base passes".split(
            ","
        ),
        [
            [
                name,
                found.get("version", ""),
                f"{found['valid']} of {found['rows']}",
                number(100 * found["accuracy"]),
                *(number(found["seconds"][key], 2) for key in ("median", "p10", "p90")),
                *(number(found["ratio"][key], 2) for key in ("median", "q1", "q3")),
                str(found["ratio"]["rows"]),
                number(found["tokens"], 0),
                number(found["passes"], 0),
            ]
            for name, found in data["systems"].items()
        ],
    )
    for name, why in data["missing"].items():
        yield f"\n{name} is missing: {why}"
    yield ""
    yield f"![Time of each system per time of LaFuNC](figures/{document['name']}.png)"
    yield from _errors("Rows without a valid call; each counts as wrong", data["systems"])


def _growth(document: Document) -> Iterable[str]:
    for note in document["data"]["notes"]:
        yield f"{note}  "
    yield f"![Time and base passes against the size of a request](figures/{document['name']}.png)"
    for axis, lines in document["data"]["axes"].items():
        yield ""
        yield f"Milliseconds (base passes, tokens of the calls) against {AXES[axis]}:"
        yield ""
        yield from table(
            ["system", *map(str, lines["x"])],
            [
                [
                    name,
                    *(
                        "error" if ms is None else f"{number(ms, 0)} ({number(passes, 0)}, {number(tokens, 0)})"
                        for ms, passes, tokens in zip(line["ms"], line["base_passes"], line["tokens"], strict=True)
                    ),
                ]
                for name, line in lines["systems"].items()
            ],
        )
        if axis == "batch":
            yield ""
            yield from (f"{name}: {_faster(lines['x'], line['ms'])}  " for name, line in lines["systems"].items())
        for name, line in lines["systems"].items():
            for error in dict.fromkeys(filter(None, line["errors"])):
                yield f"\n{name}: {error}"


def _faster(xs: Sequence[int], ms: Sequence[float | None]) -> str:
    """How much sooner conversations are answered in the largest batch than one by one."""
    first, last = ms[0], ms[-1]
    if xs[0] != 1 or first is None or last is None:
        return "no time of one alone, or none of the largest batch"
    return f"{xs[-1]} at once are {number(xs[-1] * first / last, 1)} times as fast as one by one"


def _schemas(document: Document) -> Iterable[str]:
    yield f"Fillings a schema: {document['settings']['fills']}; base {document['settings']['base']}."
    yield ""
    yield from schemas_tables(document["data"])


def _modes(document: Document) -> Iterable[str]:
    data, settings = document["data"], document["settings"]
    for note in data["notes"]:
        yield f"{note}  "
    yield f"Model {settings['model']} ({settings['weights']} weights, {settings['dtype']}, {settings['device']})."
    yield ""

    def cell(found: Mapping[str, float]) -> str:
        return f"{number(found['median'])} ({number(found['p10'])} to {number(found['p90'])})"

    rows = [["router", part, cell(found)] for part, found in data["router"].items()]
    rows += [[mode, part, cell(found)] for mode in ("chat", "think") for part, found in data[mode].items()]
    rows += [
        [f"tool, {filler}", part, cell(found)]
        for filler, parts in data["tool"].items()
        for part, found in parts.items()
        if not part.endswith("passes")
    ]
    yield from table(["mode", "part", "ms"], rows)
    yield ""
    shares = ", ".join(f"{mode} {share:.0%}" for mode, share in data["shares"].items())
    yield f"Weighted ({shares}), in milliseconds:"
    yield ""
    yield from table(
        ["time to", "filler", *data["shares"], "weighted"],
        [
            [what, filler, *(number(found[key], 0) for key in (*data["shares"], "weighted"))]
            for what, key in (("the whole answer", "answer"), ("the first useful part", "useful"))
            for filler, found in data[key].items()
        ],
    )


def _retention(document: Document) -> Iterable[str]:
    data = document["data"]
    yield "Everything is equal." if data["equal"] else f"{len(data['different'])} turns differ."
    yield ""
    yield from table(
        ["set", "mode", "turns", "tokens", "equal prompts", "equal logits", "equal texts"],
        [
            [name, mode, *map(str, counts.values())]
            for name, modes in data["sets"].items()
            for mode, counts in modes.items()
        ],
    )
    yield ""
    equal = "equal" if data["weights"]["equal"] else "not equal"
    yield f"{data['tool_calls']} tool calls were made in between; all weights before and after are {equal}."
    if not data["thinks"]:
        yield "The base's chat template knows no thinking: both modes have the same prompts."


def _overlap(document: Document) -> Iterable[str]:
    data, settings = document["data"], document["settings"]
    totals, evaluation = data["totals"], data["evaluation"]
    yield (
        f"{totals['rows']} training rows in {len(data['files'])} files of {', '.join(settings['train'])} against "
        f"{evaluation['queries']} queries; threshold {settings['threshold']}. {totals['rows_hit']} rows meet a query: "
        f"{totals['exact']} exact, {totals['phrase']} as a phrase, {totals['containment']} by 8-grams; "
        f"{evaluation['rows_met']} of {evaluation['rows']} evaluation rows are met. {totals['short']} times a row "
        "holds a query of fewer than three words as a text of its own."
    )
    found = [file for file in data["files"] if file["hits"]]
    if found:
        yield ""
        yield from table(
            ["file", "rows", "hits"], [[file["file"], str(file["rows"]), str(file["hits"])] for file in found]
        )


# -------------------------------------------------------------------------------------------------------------- README


def summary(documents: Mapping[str, Document]) -> list[str]:
    """What the README says of the results: accuracy of the shipped checkpoint, and of its base without one; those of
    earlier checkpoints, and what untrained heads fill by chance, are on the page."""
    lines: list[str] = []
    shipped = digest(SHIPPED)
    groups = same_rows(documents)
    ours = [names for names, group in groups.items() if group["settings"]["checkpoint"]["sha256"] == shipped]
    bare = [names for names, group in groups.items() if not group["settings"]["checkpoint"]["trained"]]
    for names in [*ours, *bare]:
        group, rows = groups[names], []
        for system, found in group["systems"].items():
            if names in bare and system.startswith("diffusion"):
                continue
            average, rate = found["averages"], found["hallucination_rate"]
            refused = [found["categories"].get(name, {"right": 0, "rows": 0}) for name in bfcl.NO_CALL]
            rows.append(
                [
                    system,
                    number(average["non_live_ast"]),
                    number(average["live_ast"]),
                    *(percent(one["right"], one["rows"]) for one in refused),
                    number(None if rate is None else 100 * rate),
                    f"{found['right']} of {found['rows']}",
                    str(found["invalid"]),
                    number(found["base_passes"]),
                    number(found.get("fill_passes")),
                    number(found["milliseconds"]["median"], 0),
                ]
            )
        if not rows:
            continue
        whose = "the bare base" if names in bare else "the shipped checkpoint"
        gold = ", the right tools given" if group["settings"]["gold_plan"] else ""
        limit = group["settings"]["limit"]
        sample = "" if limit is None else f", at most {limit} rows a category"
        lines += [f"**BFCL, {whose}{gold}{sample}** ({names}):", ""]
        head = (
            "system,non-live AST,live AST,irrelevance,live irrelevance,hallucinated %,right,invalid calls,base passes,"
        )
        head += "fill passes a call,ms"
        lines += [*table(head.split(","), rows), ""]
    for document in of_kind(documents, "latency", "peers").values():
        lines += ["**Other libraries, same weights, same prompts, same rows** (ratio above 1: LaFuNC is faster):", ""]
        rows = [
            [
                system,
                number(found["seconds"]["median"], 2),
                f"{number(found['ratio']['median'], 2)} ({number(found['ratio']['q1'], 2)} to "
                f"{number(found['ratio']['q3'], 2)})",
                number(100 * found["accuracy"]),
                f"{found['valid']} of {found['rows']}",
            ]
            for system, found in document["data"]["systems"].items()
        ]
        lines += [*table(["system", "seconds, median", "ratio, median (quartiles)", "accuracy %", "valid"], rows), ""]
    for name in widest(of_kind(documents, "latency", "growth")):
        lines += [f"![Time and base passes against the size of a request](docs/figures/{name}.png)", ""]
    for document in of_kind(documents, "retention").values():
        counted = [counts for modes in document["data"]["sets"].values() for counts in modes.values()]
        turns, same = sum(counts["turns"] for counts in counted), sum(counts["text"] for counts in counted)
        lines += [f"**Chat and think mode against the bare base**: {same} of {turns} answers equal, bit for bit.", ""]
    lines.append("Everything that was measured, and what made each figure: [docs/results.md](docs/results.md).")
    return lines


def with_summary(text: str, documents: Mapping[str, Document]) -> str:
    """A README with the summary between its marks.

    Raises:
        ResultError: it has no marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise results.ResultError(f"the README has no place for the results: put {BEGIN} and {END} where they go")
    return "\n".join([before + begin, "", *summary(documents), "", end + after])


def draw(documents: Mapping[str, Document], folder: Path) -> None:
    """The plots, as PNG files.

    Raises:
        EvaluationError: matplotlib is not installed.
    """
    use_matplotlib()
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in of_kind(documents, "latency", "growth").items():
        draw_growth(document["data"]["axes"], folder / f"{name}.png")
    for name, document in of_kind(documents, "training").items():
        draw_training([stage["data"]["history"] for stage in stages(document)], folder / f"{name}.png")
    for name, document in of_kind(documents, "calibration").items():
        draw_reliability(document["data"]["confidence"], folder / f"{name}.png")
    for name, document in of_kind(documents, "latency", "peers").items():
        draw_peers(document["data"]["systems"], folder / f"{name}.png")
