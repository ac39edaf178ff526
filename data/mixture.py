"""`lafunc data build`: many sets, one mixture of rows, with a card that says what is in it.

A YAML file is the [recipe](recipe.py), see `recipes/data/mixture.yaml`. A row that cannot be used is left out and
counted with its reason. What BFCL asks and offers does not come in, see [`Evaluation`].

Written are `train.jsonl.gz` and `dev.jsonl.gz` (no query is in both), and the card as `card.json` and `card.md`. The
same recipe makes the same rows.
"""

import argparse
import hashlib
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..evaluation import bfcl, results
from . import augment
from .card import card, describe
from .checker import Checker, Count, Evaluation
from .dialects import words
from .recipe import Recipe, read_recipe
from .rows import Row, RowError, calls_of, prompt_of, write_rows
from .sources import DataError, Source, convert


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


def mix(recipe: Recipe, rows: Sequence[Row], counted: Counter[str]) -> tuple[list[Row], list[Row]]:
    """(training rows, held-out rows), augmented and in random order. `counted` gets the augmentations."""
    chance = random.Random(recipe.seed)
    repeats = {source.name: source.repeat for source in recipe.sources}
    pool = list({json.dumps(tool): tool for row in rows for tool in row["tools"]}.values())
    asked = [row for row in rows if row["mode"] == "tool"]
    made: list[tuple[Row, Row]] = []  # (a row, the row that it came from)
    for row in tqdm(rows, desc="augment", unit="row", file=sys.stderr, leave=False):
        for _ in range(repeats[row["source"]] if row["mode"] == "tool" else 1):
            made.append((_augment(recipe, row, pool, chance, counted), row))

    def held(row: Row) -> bool:
        """Whether rows made of this one are held out."""
        return int.from_bytes(_digest(f"{recipe.seed} {query_of(row)}")) < recipe.dev_share * 2**64

    def derive(count: int, what: str, change: Callable[[Row], Row | None]) -> None:
        """So many more rows, each from another row; fewer if there are not enough."""
        found = 0
        for row in chance.sample(asked, len(asked)):
            if found == count:
                break
            if (other := change(row)) is not None:
                made.append((_augment(recipe, other, pool, chance, counted), row))
                found += 1
        counted[what] += found

    derive(recipe.negatives, "the called tool removed", lambda row: augment.remove_called(row, pool, chance))
    derive(recipe.needs, "a required value deleted", lambda row: augment.delete_value(row, chance))
    by_tool: dict[str, list[Row]] = defaultdict(list)
    for row in asked:
        by_tool[calls_of(row)[0][0]].append(row)

    def joined(row: Row) -> Row | None:
        """A row of two to five calls."""
        calls, made = chance.randint(2, 5), row
        others = by_tool[calls_of(row)[0][0]] if chance.random() < 0.5 else asked
        for other in chance.choices(others, k=2 * calls):
            if len(calls_of(made)) + len(calls_of(other)) <= calls and held(row) == held(other):
                made = augment.join(made, other, chance) or made
        return made if len(calls_of(made)) > len(calls_of(row)) else None

    derive(recipe.joined, "rows joined", joined)
    train: list[Row] = []
    dev: list[Row] = []
    for row, origin in made:
        (dev if held(origin) else train).append(row)
    known = {query_of(row) for row in train}
    dev = [row for row in dev if query_of(row) not in known]
    chance.shuffle(train)
    chance.shuffle(dev)
    return train, dev


def _augment(recipe: Recipe, row: Row, pool: Sequence[Mapping], chance: random.Random, counted: Counter[str]) -> Row:
    """The row as it goes into the mixture."""
    drawn = chance.random
    if row["mode"] != "tool":
        if not row["tools"] and drawn() < recipe.irrelevant:
            row = augment.add_distractors(row, pool, chance.randint(1, recipe.most_tools - 1), chance)
            counted["tools that do not fit"] += bool(row["tools"])
    elif drawn() < recipe.distractors:
        before = len(row["tools"])
        row = augment.add_distractors(row, pool, chance.randint(1, 3), chance, near=drawn() < 0.3)
        counted["distractors"] += len(row["tools"]) > before
    most = chance.randint(1, recipe.most_tools)  # so that one tool alone is common too
    row = augment.trim_tools(augment.shuffle_tools(row, chance), chance, most, recipe.most_characters)
    if row["mode"] == "tool" and drawn() < recipe.drop_optional:
        row = augment.drop_optional(row, chance)
        counted["optional parameters dropped"] += 1
    if row["tools"] and recipe.source_text and drawn() < recipe.source_text:
        row = augment.source_text(row, chance)
        counted["parameters as source text"] += 1
    if row["tools"] and drawn() < recipe.rename_parameters:
        row = augment.rename_parameters(row, chance)
        counted["parameters renamed"] += 1
    if row["tools"] and drawn() < recipe.rename_tools:
        row = augment.rename_tools(row, chance)
        counted["tools renamed"] += 1
    return row


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
    recipe = read_recipe(options.config)
    if options.only:
        if unknown := sorted({*options.only} - {source.name for source in recipe.sources}):
            raise DataError(f"{options.config} has no source {unknown[0]!r}")
        recipe.sources = [source for source in recipe.sources if source.name in options.only]
    build(recipe, options.root, options.out, options.arguments)
    return 0


def build(recipe: Recipe, root: Path, out: Path, arguments: Sequence[str]) -> dict[str, Any]:
    """Make a mixture and write it; returns the card, which names the command by its `arguments`.

    Raises:
        DataError: see [`collect`].
    """
    evaluation = Evaluation(bfcl.load(bfcl.CATEGORIES)) if recipe.remove_overlap else None
    checker = Checker(recipe, evaluation)
    counts = {source.name: Count() for source in recipe.sources}
    rows: list[Row] = []
    for source in recipe.sources:
        found = collect(source, root, checker, counts[source.name])
        rows += found
        skipped = counts[source.name].skipped.total()
        print(f"{source.name}: {len(found)} of {counts[source.name].converted} rows, {skipped} left out")
    augmented: Counter[str] = Counter()
    train, dev = mix(recipe, rows, augmented)
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
    for name, part in (("train", train), ("dev", dev)):
        write_rows(out / f"{name}.jsonl.gz", part)
    settings = {name: value for name, value in vars(recipe).items() if name != "sources"}
    settings["sources"] = [vars(source) for source in recipe.sources]
    data = describe(recipe, counts, augmented, {"train": train, "dev": dev})
    data["overlap_removed_last"] = met
    results.write(out / "card.json", "data", settings, data, arguments, ("datasets",))
    document = results.read(out / "card.json")
    (out / "card.md").write_text(card(document), encoding="utf-8")
    print(f"{len(train)} training rows, {len(dev)} held out: {out}")
    return document
