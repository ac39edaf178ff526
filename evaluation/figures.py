"""Plots of results, each as one PNG file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .bfcl import EvaluationError

LOSSES = ("modes", "call", "plan", "more", "another", "tokens", "starts", "values", "constraint")
AXES = {
    "arguments": "arguments of one call",
    "calls": "calls",
    "tools": "offered tools",
    "prompt": "tokens of the prompt",
    "batch": "conversations at once",
}


def use_matplotlib() -> None:
    """Have plots drawn into files. Raises EvaluationError if matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError:
        raise EvaluationError("plots need matplotlib: pip install '.[eval]'") from None
    matplotlib.use("agg")


def draw_training(histories: Sequence[Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Parts of the loss to the left, accuracies to the right, smoothed; a line where one training ends."""
    import matplotlib.pyplot as plt

    steps: list[Mapping[str, Any]] = []
    ends: list[int] = []
    for history in filter(None, histories):  # some trainings fit the router only
        start = ends[-1] if ends else 0
        steps += [{**entry, "step": start + entry["step"]} for entry in history if "loss" in entry]
        ends.append(steps[-1]["step"])
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for axes, names in ((left, LOSSES), (right, [name for name in steps[-1] if name.endswith("_accuracy")])):
        for at, name in enumerate(names):
            known = [(entry["step"], float(entry[name])) for entry in steps if name in entry]
            if known:
                xs, ys = zip(*known, strict=True)
                axes.plot(xs, ys, color=f"C{at}", alpha=0.25, linewidth=0.8)
                smooth = [sum(ys[max(0, n - 4) : n + 1]) / len(ys[max(0, n - 4) : n + 1]) for n in range(len(ys))]
                axes.plot(xs, smooth, color=f"C{at}", label=name.removesuffix("_accuracy"))
        for end in ends[:-1]:
            axes.axvline(end, color="black", linestyle=":", linewidth=0.8)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, frameon=False, ncols=2)
    left.set_ylabel("loss")
    left.set_yscale("log")
    right.set_ylabel("accuracy")
    right.set_ylim(0, 1)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)


def draw_reliability(found: Mapping[str, Any], path: Path) -> None:
    """Reliability diagram: on the diagonal a confidence is what it says; a dot's area is how many values it has."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4.2, 4), layout="constrained")
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    for name in ("before", "after"):
        bins, count = found[name]["bins"], found[name]["values"]
        xs, ys = ([bin[key] for bin in bins] for key in ("confidence", "right"))
        axes.plot(xs, ys, linewidth=0.8, alpha=0.5)
        axes.scatter(
            xs, ys, s=[20 + 400 * bin["count"] / count for bin in bins], alpha=0.6, label=f"{name} calibration"
        )
    axes.set_xlabel("confidence")
    axes.set_ylabel("share that is right")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=9, markerscale=0.5)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)


def draw_growth(axes: Mapping[str, Any], path: Path) -> None:
    """Milliseconds above, base passes below; one column an axis."""
    import matplotlib.pyplot as plt

    size = (3.4 * max(len(axes), 2), 5.6)  # the legend takes the width of two
    figure, grid = plt.subplots(2, len(axes), figsize=size, sharex="col", squeeze=False, layout="constrained")
    for column, (axis, lines) in enumerate(axes.items()):
        for at, (name, line) in enumerate(lines["systems"].items()):
            style = {"label": name, "color": f"C{at}", "marker": "o", "markersize": 3}
            known = [n for n, ms in enumerate(line["ms"]) if ms is not None]
            xs = [lines["x"][n] for n in known]
            grid[0, column].plot(xs, [line["ms"][n] for n in known], **style)
            low, high = ([line[end][n] for n in known] for end in ("low", "high"))
            grid[0, column].fill_between(xs, low, high, color=f"C{at}", alpha=0.15, linewidth=0)
            grid[1, column].plot(xs, [line["base_passes"][n] for n in known], **style)
        for row in grid[:, column]:
            row.set_xscale("log", base=2)
            row.set_yscale("log")
            row.grid(alpha=0.3)
        grid[0, column].set_title(AXES[axis], fontsize=10)
        grid[1, column].set_xticks(lines["x"], [str(x) for x in lines["x"]])
    grid[0, 0].set_ylabel("milliseconds")
    grid[1, 0].set_ylabel("base passes")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)


def draw_peers(systems: Mapping[str, Any], path: Path) -> None:
    """The paired ratio of each peer: median, and the middle half."""
    import matplotlib.pyplot as plt

    found = {name: s["ratio"] for name, s in systems.items() if name != "lafunc" and s["ratio"]["median"] is not None}
    figure, axes = plt.subplots(figsize=(7, 1 + 0.45 * len(found)), layout="constrained")
    for at, ratio in enumerate(found.values()):
        axes.plot(
            [ratio["q1"], ratio["q3"]], [at, at], color=f"C{at}", linewidth=5, alpha=0.35, solid_capstyle="round"
        )
        axes.plot(ratio["median"], at, "o", color=f"C{at}")
        axes.annotate(f"{ratio['median']:.2f}", (ratio["median"], at), (0, 7), textcoords="offset points", ha="center")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(found)), list(found))
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_xlabel("time per time of LaFuNC, same row (above 1: LaFuNC is faster)")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)
