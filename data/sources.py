"""Sets that a mixture is made of, and the drafts of rows that they give.

A set is streamed through `datasets`, from the Hub or from files below a folder, and read by the converter of its
format; or rows are written for tools alone by [`lafunc.data.synthesis`]. In the place of a row that cannot be read
stands its [`RowError`]. A set that is not there is an error.
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import hub, shared
from .hub import Draft
from .pools import POOLS, accepted
from .rows import RowError, calls_of, prompt_of
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
