"""`lafunc data build`: many sets, one mixture of rows, with a card that says what is in it.

A YAML file says which sets, how many rows of each, and how they are augmented; see `recipes/data/mixture.yaml`. Sets
are streamed through `datasets`, from the Hub or from files below `--root`; others are written for tools alone, by
[`lafunc.data.synthesis`]. A row that cannot be used is left out and counted with its reason. What BFCL asks and offers
does not come in, see [`Evaluation`].

Written are `train.jsonl.gz` and `dev.jsonl.gz` (no query is in both), and the card as `card.json` and `card.md`. The
same configuration makes the same rows.
"""

import argparse
import gzip
import hashlib
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from ..base_lafunc import EMBEDDED_BASE
from ..evaluation import bfcl, overlap, results
from ..evaluation.markdown import table
from ..processing_lafunc import LaFuncProcessor
from ..request_lafunc import RequestError
from ..schema_lafunc import SchemaError
from . import augment, hub, shared
from .dialects import words
from .hub import Draft
from .pools import POOLS, accepted
from .rows import Row, RowError, calls_of, make_row, prompt_of, write_rows
from .synthesis import synthesize

HUB = {"glaive": hub.glaive, "xlam": hub.xlam, "toolace": hub.toolace, "hermes": hub.hermes}
SHARED = {
    convert.__name__: convert
    for convert in (
        shared.rottuning, shared.seal_tools, shared.toolace_hermes, shared.toolrl, shared.glaive_sharegpt,
        shared.droidcall, shared.api_bank, shared.sgd, shared.sgd_needs, shared.sgd_chat, shared.star,
        shared.taskmaster4, shared.snips, shared.hwu64, shared.restaurant8k, shared.nlupp, shared.multidogo,
        shared.ha_intents, shared.metatool, shared.clinc150, shared.banking77, shared.gsm8k, shared.flan_cot,
        shared.dolly, shared.self_instruct, shared.nq_open, shared.chatgpt_prompts,
    )
}  # fmt: skip
FORMATS = (*HUB, *SHARED, "synthesis")


class DataError(ValueError):
    """A mixture that cannot be made as it was asked for: which set, why, and what to do."""


@dataclass
class Source:
    """One set.

    Attributes:
        name: what its rows say as their `source`.
        format: which converter; `synthesis`: rows are written for tools.
        licence: as the set says it.
        path: a file or folder below the root; or
        hub: an id on the Hub, with `subset` and `split`.
        pool: of `synthesis`: how the tools stand in `path`; without both, tools are invented.
        cap: rows to keep at most, drawn at random; of `synthesis`: rows to write.
        repeat: how often each tool row goes in, each time augmented anew.
    """

    name: str
    format: str
    licence: str
    path: str | None = None
    hub: str | None = None
    subset: str | None = None
    split: str = "train"
    pool: str | None = None
    cap: int | None = None
    repeat: int = 1


@dataclass
class Mixture:
    """What is to be made; shares are of rows, 0 to 1.

    Attributes:
        sources: the sets.
        seed: of everything drawn.
        dev_share: of queries that are held out.
        most_tools: offered in a row.
        most_characters: of the conversation; and of the offered tools, unless the called ones alone have more.
        distractors: tool rows that get tools of other rows.
        rename_tools, rename_parameters, drop_optional: tool rows that are changed so.
        irrelevant: chat and think rows that are offered tools, which do not fit.
        negatives: rows made by removing the called tool.
        needs: rows made by deleting a required value.
        joined: rows with several calls made of two rows with one each.
        remove_overlap: leave out rows that meet an evaluation row, and the tools of the evaluation.
        base: whose tokenizer the schemas are compiled for.
    """

    sources: list[Source]
    seed: int = 0
    dev_share: float = 0.02
    most_tools: int = 6
    most_characters: int = 4000
    distractors: float = 0.5
    rename_tools: float = 0.25
    rename_parameters: float = 0.25
    drop_optional: float = 0.15
    irrelevant: float = 0.5
    negatives: int = 0
    needs: int = 0
    joined: int = 0
    remove_overlap: bool = True
    base: str = EMBEDDED_BASE


def read_config(path: Path) -> Mixture:
    """A configuration.

    Raises:
        DataError: it cannot be read, or says what no configuration can.
    """
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise DataError(f"{path}: {error}") from None
    if not isinstance(given, dict) or not isinstance(given.get("sources"), list) or not given["sources"]:
        raise DataError(f"{path}: expected a mapping with a list of `sources`")
    sources = [_read(Source, one, f"{path}: sources[{at}]") for at, one in enumerate(given["sources"])]
    for at, source in enumerate(sources):
        place = f"{path}: sources[{at}] ({source.name})"
        if source.format not in FORMATS:
            raise DataError(f"{place}: no format {source.format!r}; there are {', '.join(FORMATS)}")
        if source.format == "synthesis":
            if not source.cap:
                raise DataError(f"{place}: synthesis has no end; give a `cap`")
            if (source.path is None) != (source.pool is None) or source.hub:
                raise DataError(f"{place}: give `pool` and `path`, or neither, so that tools are invented")
            if source.pool not in (None, *POOLS):
                raise DataError(f"{place}: no pool {source.pool!r}; there are {', '.join(POOLS)}")
        elif source.pool:
            raise DataError(f"{place}: a `pool` is for the format synthesis")
        elif (source.path is None) == (source.hub is None):
            raise DataError(f"{place}: give either `path` or `hub`")
        if source.hub and source.format not in HUB:
            raise DataError(f"{place}: {source.format} is not a format of the Hub; give a `path`")
    if len({source.name for source in sources}) < len(sources):
        raise DataError(f"{path}: two sources have one name")
    return _read(Mixture, {**given, "sources": sources}, str(path))


def _read(kind: type, given: Any, place: str) -> Any:
    """A dataclass from a mapping whose keys and types it knows."""
    if not isinstance(given, Mapping):
        raise DataError(f"{place}: expected a mapping, got {type(given).__name__}")
    known = {one.name: one for one in fields(kind)}
    if unknown := sorted(given.keys() - known.keys()):
        raise DataError(f"{place}: unknown key {unknown[0]!r}; known are {', '.join(known)}")
    for name, one in known.items():
        if one.default is MISSING and name not in given:
            raise DataError(f"{place}: {name!r} is missing")
    for name, value in given.items():
        wanted = known[name].type
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if (wanted is int and not (number and isinstance(value, int) and value >= 0)) or (
            wanted is float and not (number and 0 <= value <= 1)
        ):
            raise DataError(
                f"{place}: {name} must be {'a count' if wanted is int else 'a share, 0 to 1'}, got {value!r}"
            )
    return kind(**given)


# ------------------------------------------------------------------------------------------------ reading


def open_source(source: Source, root: Path) -> shared.Read:
    """Gives the raw rows of a set's files that match a pattern; a line that is not JSON gives its reason.

    Raises:
        DataError: the set is not there, or no file of it matches.
    """
    if source.hub:
        from datasets import load_dataset  # here and below, because only this needs the extra `train`

        try:
            rows = load_dataset(source.hub, source.subset, split=source.split, streaming=True)
        except Exception as error:  # of many kinds: no such set, subset or split; no network; gated
            raise DataError(f"source {source.name}: cannot load {source.hub!r} from the Hub: {error}") from None
        return lambda pattern: rows
    place = root / str(source.path)
    if not place.exists():
        raise DataError(f"source {source.name}: {source.path} is not in the root folder; is --root right?")

    def read(pattern: str) -> Iterator[Any]:
        files = [place] if place.is_file() else sorted(place.glob(pattern))
        if not files:
            raise DataError(f"source {source.name}: no file {pattern} in {source.path}; is this the set's format?")
        for file in files:
            yield from _read_file(file)

    return read


def _read_file(file: Path) -> Iterator[Any]:
    """The rows of a file of JSON lines, JSON or Parquet; of a JSON list its items, else the document."""
    from datasets import load_dataset

    kind = file.name.removesuffix(".gz").rsplit(".", 1)[-1]
    if kind == "parquet":
        yield from load_dataset("parquet", data_files=str(file), split="train", streaming=True)
    elif kind == "json":
        with (
            gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as opened
        ):
            document = json.load(opened)
        yield from document if isinstance(document, list) else [document]
    else:  # as text: Arrow wants one type a column, and gives objects the keys of all others
        for line in load_dataset("text", data_files=str(file), split="train", streaming=True):
            try:
                if line["text"].strip():
                    yield json.loads(line["text"])
            except json.JSONDecodeError as error:
                yield RowError("a line is not JSON", error.msg)


def convert(source: Source, root: Path) -> Iterator[Draft | RowError]:
    """The drafts of a set.

    Raises:
        DataError: see [`open_source`].
    """
    if source.format == "synthesis":
        return _write(source, root)
    read = open_source(source, root)
    if source.format in HUB:
        return shared.grounded(shared.each(read("*"), HUB[source.format]))
    return SHARED[source.format](read)


def _write(source: Source, root: Path) -> Iterator[Draft | RowError]:
    """Rows for the tools of a pool, or for invented ones."""
    tools: list[dict[str, Any]] = []
    if source.pool:
        refused: Counter[str] = Counter()
        found = list(POOLS[source.pool](open_source(source, root)))
        yield from (tool for tool in found if isinstance(tool, RowError))
        tools = list(accepted((tool for tool in found if not isinstance(tool, RowError)), refused))
        yield from (RowError("a tool of the pool is refused", why) for why in refused.elements())
    if tools or not source.pool:
        for row in synthesize(tools, source.cap or 0, f"{source.name} rows"):
            yield Draft(prompt_of(row), row["tools"], calls_of(row), row["mode"], row["needs"])


class Evaluation:
    """What BFCL asks and offers.

    Args:
        rows: with `id`, `messages` and `tools`.
    """

    def __init__(self, rows: Iterable[Any]):
        rows = list(rows)
        self.index = overlap.Index(rows)
        self.tools = {key for row in rows for tool in row.tools for key in _keys(tool)}

    def asks(self, value: Any) -> str | None:
        """The evaluation rows that the texts of a value meet, queries of one or two words aside."""
        for text in overlap.texts(value):
            for hit in self.index.hits(text):
                if not hit.short:
                    return f"{hit.kind}: {', '.join(hit.query.ids[:3])}"
        return None

    def offers(self, tool: Mapping[str, Any]) -> bool:
        """Whether a tool of the evaluation has its name and parameters, or its description of some words."""
        return not self.tools.isdisjoint(_keys(tool))


def _keys(tool: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """What makes two tools one, whatever the style of their names."""
    names = (tool["name"], *sorted((tool.get("parameters") or {}).get("properties", ())))
    yield tuple("".join(overlap.words(name)) for name in names)
    if len(said := overlap.words(tool.get("description") or "")) >= overlap.PHRASE:
        yield ("", *said)


@dataclass
class Count:
    """What became of the rows of one set."""

    converted: int = 0
    kept: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)  # of each reason, its first detail

    def skip(self, error: RowError) -> None:
        self.skipped[error.reason] += 1
        self.examples.setdefault(error.reason, str(error)[:200])


class Checker:
    """Whether rows can be used: form, size, schemas that the scaffolder honours, nothing of the evaluation."""

    def __init__(self, mixture: Mixture, evaluation: Evaluation | None = None):
        self.most = mixture.most_characters
        self.evaluation = evaluation
        self.processor = LaFuncProcessor.from_base(mixture.base)
        self.verdicts: dict[str, tuple[str, str] | None] = {}  # by the tool as JSON: why it is refused

    def row(self, draft: Draft, source: str) -> Row:
        """Raises RowError."""
        row = make_row(draft.messages, draft.tools, source, draft.calls, draft.mode, draft.needs)
        if sum(len(str(message.get("content") or "")) for message in prompt_of(row)) > self.most:
            raise RowError("the conversation is too long")
        called = {name for name, _ in calls_of(row)}
        tools = []
        for tool in row["tools"]:
            why = self.refusal(tool)
            if why is None:
                tools.append(tool)
            elif tool["name"] in called or not called:
                raise RowError(*why)
        row["tools"] = tools
        if sum(len(json.dumps(tool)) for tool in tools if tool["name"] in called) > self.most:
            raise RowError("the called tools are too long")
        if self.evaluation is not None and (met := self.evaluation.asks(row["messages"])):
            raise RowError("meets an evaluation row", met)
        return row

    def refusal(self, tool: Mapping[str, Any]) -> tuple[str, str] | None:
        """(reason, detail), or None for a tool that can be used."""
        key = json.dumps(tool)
        if key not in self.verdicts:
            self.verdicts[key] = None
            if self.evaluation is not None and self.evaluation.offers(tool):
                self.verdicts[key] = ("a tool is one of the evaluation", tool["name"])
            try:
                self.processor.compile_tools([tool])
            except (SchemaError, RequestError) as error:
                self.verdicts[key] = ("a tool's schema is refused", str(error))
        return self.verdicts[key]


def collect(source: Source, root: Path, checker: Checker, count: Count) -> list[Row]:
    """A set's usable rows, none twice, capped by drawing at random.

    Raises:
        DataError: see [`convert`]; or the set gives no row at all, so that it is of another format.
    """
    chance = random.Random(f"{source.name} rows")
    kept: list[Row] = []
    seen: set[bytes] = set()
    for draft in tqdm(convert(source, root), desc=source.name, unit="row", file=sys.stderr, leave=False):
        try:
            if isinstance(draft, RowError):
                raise draft
            row = checker.row(draft, source.name)
            key = _digest(query_of(row) + row["mode"] + json.dumps(calls_of(row)))
            if key in seen:
                raise RowError("the same as another row")
            seen.add(key)
        except RowError as error:
            count.skip(error)
            continue
        count.converted += 1
        if source.cap is None or len(kept) < source.cap:
            kept.append(row)
        elif (at := chance.randrange(count.converted)) < source.cap:
            kept[at] = row
    if not count.converted:
        reasons = "; ".join(count.examples[reason] for reason, _ in count.skipped.most_common(2)) or "it is empty"
        raise DataError(f"source {source.name}: no row could be used as {source.format}: {reasons}")
    count.kept = len(kept)
    return kept


def query_of(row: Row) -> str:
    """All that users say in a row, as words."""
    return "\n".join(
        " ".join(words(str(message["content"]))) for message in prompt_of(row) if message["role"] in ("user", "tool")
    )


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


# ------------------------------------------------------------------------------------------------ mixing


def mix(mixture: Mixture, rows: Sequence[Row], counted: Counter[str]) -> tuple[list[Row], list[Row]]:
    """(training rows, held-out rows), augmented and in random order. `counted` gets the augmentations."""
    chance = random.Random(mixture.seed)
    repeats = {source.name: source.repeat for source in mixture.sources}
    pool = list({json.dumps(tool): tool for row in rows for tool in row["tools"]}.values())
    asked = [row for row in rows if row["mode"] == "tool"]
    made: list[tuple[Row, Row]] = []  # (a row, the row that it came from)
    for row in tqdm(rows, desc="augment", unit="row", file=sys.stderr, leave=False):
        for _ in range(repeats[row["source"]] if row["mode"] == "tool" else 1):
            made.append((_augment(mixture, row, pool, chance, counted), row))

    def held(row: Row) -> bool:
        """Whether rows made of this one are held out."""
        return int.from_bytes(_digest(f"{mixture.seed} {query_of(row)}")) < mixture.dev_share * 2**64

    def derive(count: int, what: str, change: Callable[[Row], Row | None]) -> None:
        """So many more rows, each from another row; fewer if there are not enough."""
        found = 0
        for row in chance.sample(asked, len(asked)):
            if found == count:
                break
            if (other := change(row)) is not None:
                made.append((_augment(mixture, other, pool, chance, counted), row))
                found += 1
        counted[what] += found

    derive(mixture.negatives, "the called tool removed", lambda row: augment.remove_called(row, pool, chance))
    derive(mixture.needs, "a required value deleted", lambda row: augment.delete_value(row, chance))
    by_tool: dict[str, list[Row]] = defaultdict(list)
    for row in asked:
        by_tool[calls_of(row)[0][0]].append(row)

    def joined(row: Row) -> Row | None:
        others = by_tool[calls_of(row)[0][0]] if chance.random() < 0.5 else asked
        other = chance.choice(others)
        return augment.join(row, other, chance) if held(row) == held(other) else None

    derive(mixture.joined, "two rows joined", joined)
    train: list[Row] = []
    dev: list[Row] = []
    for row, origin in made:
        (dev if held(origin) else train).append(row)
    known = {query_of(row) for row in train}
    dev = [row for row in dev if query_of(row) not in known]
    chance.shuffle(train)
    chance.shuffle(dev)
    return train, dev


def _augment(mixture: Mixture, row: Row, pool: Sequence[Mapping], chance: random.Random, counted: Counter[str]) -> Row:
    """The row as it goes into the mixture."""
    drawn = chance.random
    if row["mode"] != "tool":
        if not row["tools"] and drawn() < mixture.irrelevant:
            row = augment.add_distractors(row, pool, chance.randint(1, mixture.most_tools - 1), chance)
            counted["tools that do not fit"] += bool(row["tools"])
    elif drawn() < mixture.distractors:
        before = len(row["tools"])
        row = augment.add_distractors(row, pool, chance.randint(1, 3), chance)
        counted["distractors"] += len(row["tools"]) > before
    most = chance.randint(1, mixture.most_tools)  # so that one tool alone is common too
    row = augment.trim_tools(augment.shuffle_tools(row, chance), chance, most, mixture.most_characters)
    if row["mode"] == "tool" and drawn() < mixture.drop_optional:
        row = augment.drop_optional(row, chance)
        counted["optional parameters dropped"] += 1
    if row["tools"] and drawn() < mixture.rename_parameters:
        row = augment.rename_parameters(row, chance)
        counted["parameters renamed"] += 1
    if row["tools"] and drawn() < mixture.rename_tools:
        row = augment.rename_tools(row, chance)
        counted["tools renamed"] += 1
    return row


# ------------------------------------------------------------------------------------------------ the card


def describe(
    mixture: Mixture, counts: Mapping[str, Count], augmented: Counter, parts: Mapping[str, list[Row]]
) -> dict:
    """What the mixture holds, as JSON."""
    sources = []
    for source in mixture.sources:
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
        "licences": dict(Counter(next(s.licence for s in mixture.sources if s.name == row["source"]) for row in rows)),
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


# ------------------------------------------------------------------------------------------------ command line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `lafunc data build`."""
    parser.add_argument(
        "--config", type=Path, default=Path("recipes/data/mixture.yaml"), metavar="FILE", help="what to mix"
    )
    parser.add_argument(
        "--root", type=Path, default=Path("."), metavar="DIR", help="the folder that the paths in the file start from"
    )
    parser.add_argument("--out", type=Path, default=Path("mixture"), metavar="DIR", help="the folder to write")
    parser.add_argument("--only", nargs="+", metavar="SOURCE", help="only these of the sources")


def run(options: argparse.Namespace) -> int:
    """`lafunc data build`; returns the exit status."""
    mixture = read_config(options.config)
    if options.only:
        if unknown := sorted({*options.only} - {source.name for source in mixture.sources}):
            raise DataError(f"{options.config} has no source {unknown[0]!r}")
        mixture.sources = [source for source in mixture.sources if source.name in options.only]
    build(mixture, options.root, options.out, options.arguments)
    return 0


def build(mixture: Mixture, root: Path, out: Path, arguments: Sequence[str]) -> dict[str, Any]:
    """Make a mixture and write it; returns the card, which names the command by its `arguments`.

    Raises:
        DataError: see [`collect`].
    """
    evaluation = Evaluation(bfcl.load(bfcl.CATEGORIES)) if mixture.remove_overlap else None
    checker = Checker(mixture, evaluation)
    counts = {source.name: Count() for source in mixture.sources}
    rows: list[Row] = []
    for source in mixture.sources:
        found = collect(source, root, checker, counts[source.name])
        rows += found
        skipped = counts[source.name].skipped.total()
        print(f"{source.name}: {len(found)} of {counts[source.name].converted} rows, {skipped} left out")
    augmented: Counter[str] = Counter()
    train, dev = mix(mixture, rows, augmented)
    met = len(train) + len(dev)
    if evaluation is not None:  # once more, since rows were joined, and tools renamed; and tools have descriptions
        train, dev = (
            [
                row
                for row in tqdm(part, desc="overlap", unit="row", file=sys.stderr)
                if not evaluation.asks(row) and not any(map(evaluation.offers, row["tools"]))
            ]
            for part in (train, dev)
        )
    met -= len(train) + len(dev)
    out.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", train), ("dev", dev)):
        write_rows(out / f"{name}.jsonl.gz", part)
    settings = {name: value for name, value in vars(mixture).items() if name != "sources"}
    settings["sources"] = [vars(source) for source in mixture.sources]
    data = describe(mixture, counts, augmented, {"train": train, "dev": dev})
    data["overlap_removed_last"] = met
    results.write(out / "card.json", "data", settings, data, arguments, ("datasets",))
    document = results.read(out / "card.json")
    (out / "card.md").write_text(card(document), encoding="utf-8")
    print(f"{len(train)} training rows, {len(dev)} held out: {out}")
    return document
