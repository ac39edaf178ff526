"""Leak check: training rows that meet an evaluation row of the Berkeley Function-Calling Leaderboard.

What is compared. Of the evaluation, every user message of the single-turn categories: a query. Of the training data,
every string of a row, whatever its key and however deep: a text. Tool descriptions and answers are among them, since a
query that leaked into those has leaked too. A list of objects with a `text` each (an utterance cut at its slots, a
dialogue cut at its turns) is read as one more text, joined.

How. Both are normalised: NFKC, lower case, apostrophes deleted, every other character that is no letter or digit
(and a backslash with an n) a space. What is left are words; Chinese and Japanese characters are words of their own.
A text meets a query in one of three ways:

    exact         the same words
    phrase        a query of 5 to 7 words stands in the text as a whole
    containment   of their 8-grams (runs of 8 words, each counted once), the query and the text share at least the
                  threshold, as a share of whichever has fewer: so a query inside a long text is found, and a text
                  inside a long query

A query of 3 or 4 words can be met exactly only. Below that, an exact match says little (`drink` is a query): it is
marked `short`, and counted rather than listed.

```python
>>> index = Index([Row("simple_0", [{"role": "user", "content": "Who discovered radium?"}])])
>>> index.hits("who discovered RADIUM")[0].kind
'exact'
```
"""

import argparse
import gzip
import json
import re
import sys
import unicodedata
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from . import bfcl, results
from .bfcl import EvaluationError

GRAM = 8  # words
PHRASE = 5  # words that a query must have to be looked for inside a text
SHORT = 3  # words below which an exact match is marked
THRESHOLD = 0.5
CLIP = 300  # characters of a text that a report shows
KINDS = ("exact", "phrase", "containment")
SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz")

# Text in these scripts has no spaces between words.
IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
WORD = re.compile(rf"[{IDEOGRAPHS}]|[^\W_{IDEOGRAPHS}]+")
APOSTROPHES = str.maketrans("", "", "'`\u2018\u2019\u02bc")


def words(text: str) -> list[str]:
    """A text, normalised."""
    text = text.replace("\\n", " ")  # some sets hold line ends as these two characters
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return WORD.findall(text.translate(APOSTROPHES).casefold())


def grams(of: Sequence[str], size: int = GRAM) -> Iterator[tuple[str, ...]]:
    """The runs of `size` words, from left to right; none if there are fewer words."""
    return zip(*(of[at:] for at in range(size)), strict=False)


@dataclass
class Query:
    """A query of the evaluation.

    Attributes:
        text: as it stands in the first row that asks it.
        ids: all rows that ask it.
        words: normalised.
    """

    text: str
    ids: list[str]
    words: tuple[str, ...]


class Hit(NamedTuple):
    """A query that a text meets.

    Attributes:
        kind: `exact`, `phrase` or `containment`.
        containment: the share of 8-grams; 1 for the other kinds.
        at: the word of the text where what they share begins.
    """

    query: Query
    kind: str
    containment: float
    at: int

    @property
    def short(self) -> bool:
        """Too few words to say much."""
        return len(self.query.words) < SHORT


class Index:
    """The queries of an evaluation, prepared for being met.

    Args:
        rows: with an `id` and `messages`; those of users are queries. Queries without words cannot be met.
        threshold: for containment, above 0, at most 1.

    Raises:
        EvaluationError: `threshold` is outside its range.
    """

    def __init__(self, rows: Iterable[Any], threshold: float = THRESHOLD):
        if not 0 < threshold <= 1:
            raise EvaluationError(f"the threshold must be above 0 and at most 1, got {threshold}")
        self.threshold = threshold
        self.exact: dict[tuple[str, ...], Query] = {}
        for row in rows:
            for message in row.messages:
                if message["role"] == "user" and (found := tuple(words(message["content"]))):
                    query = self.exact.setdefault(found, Query(message["content"], [], found))
                    if row.id not in query.ids:
                        query.ids.append(row.id)
        self.phrases: dict[tuple[str, ...], list[Query]] = defaultdict(list)  # by their first words
        self.grams: dict[tuple[str, ...], list[Query]] = defaultdict(list)
        for query in self.exact.values():
            if PHRASE <= len(query.words) < GRAM:
                self.phrases[query.words[:PHRASE]].append(query)
            for gram in set(grams(query.words)):
                self.grams[gram].append(query)

    def hits(self, text: str) -> list[Hit]:
        """The queries that a text meets, each once, the surest first."""
        found = words(text)
        whole = self.exact.get(tuple(found))
        hits = [Hit(whole, "exact", 1.0, 0)] if whole else []
        for at, start in enumerate(grams(found, PHRASE)):
            for query in self.phrases.get(start, ()):
                if query is not whole and tuple(found[at : at + len(query.words)]) == query.words:
                    hits.append(Hit(query, "phrase", 1.0, at))
        places: dict[tuple[str, ...], int] = {}  # of the first of each 8-gram that occurs in a query
        for at, gram in enumerate(grams(found)):
            if gram in self.grams:
                places.setdefault(gram, at)
        if places:
            shared: dict[tuple[str, ...], list[int]] = defaultdict(list)
            for gram, at in places.items():
                for query in self.grams[gram]:
                    shared[query.words].append(at)
            size = len(set(grams(found)))
            for key, ats in shared.items():
                query = self.exact[key]
                containment = len(ats) / min(size, len(set(grams(query.words))))
                if query is not whole and containment >= self.threshold:
                    hits.append(Hit(query, "containment", containment, ats[0]))
        unique = {hit.query.words: hit for hit in reversed(hits)}  # a phrase may stand in a text twice
        return sorted(unique.values(), key=lambda hit: (hit.kind != "exact", -hit.containment, hit.query.ids))


# ------------------------------------------------------------------------------------------------ training data


def find_files(places: Sequence[Path]) -> list[tuple[str, Path]]:
    """The files to read: (name below the argument, where it is).

    Raises:
        EvaluationError: an argument does not exist, is a file of another kind, or a folder without any of these files.
    """
    files = []
    for place in places:
        if place.is_dir():
            found = sorted(path for path in place.rglob("*") if path.name.endswith(SUFFIXES) and path.is_file())
            if not found:
                raise EvaluationError(f"the folder {place} holds no {', '.join(SUFFIXES)} file")
            files += [(path.relative_to(place).as_posix(), path) for path in found]
        elif not place.is_file():
            raise EvaluationError(f"{place} does not exist")
        elif not place.name.endswith(SUFFIXES):
            raise EvaluationError(f"{place} is none of {', '.join(SUFFIXES)}")
        else:
            files.append((place.name, place))
    return files


def read_rows(path: Path) -> Iterator[tuple[int, Any]]:
    """The rows of a file with their line numbers; of a JSON list, its items with their positions, from 1 on.

    Lines end at "\\n" only: strings may hold other line separators.

    Raises:
        EvaluationError: the file is not gzip though its name says so, or not JSON; with the line.
    """
    at = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            if path.name.endswith(SUFFIXES[2:]):
                document = json.loads(file.read())
                yield from enumerate(document if isinstance(document, list) else [document], 1)
                return
            for at, line in enumerate(file, 1):
                if line.strip():
                    yield at, json.loads(line)
    except json.JSONDecodeError as error:
        raise EvaluationError(f"{path}, line {at or error.lineno}: not JSON: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{path}{f', line {at}' if at else ''}: not UTF-8 text: {error.reason}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise EvaluationError(f"{path}: damaged or not gzip: {error}") from None


def texts(value: Any) -> Iterator[str]:
    """All texts of a row, see the module."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from texts(member)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
        parts = [item["text"] for item in value if isinstance(item, dict) and isinstance(item.get("text"), str)]
        if len(parts) > 1:
            yield "".join(parts)


def overlap(index: Index, places: Sequence[Path]) -> dict[str, Any]:
    """The result: what was read, and each query that a row meets, once.

    Raises:
        EvaluationError: see [`find_files`] and [`read_rows`].
    """
    files: list[dict[str, Any]] = []
    hits: list[dict[str, Any]] = []
    short: dict[str, Counter[str]] = defaultdict(Counter)  # rows that meet a short query, by query and file
    for name, path in tqdm(find_files(places), desc="overlap", unit="file", file=sys.stderr):
        rows = read = 0
        before = len(hits)
        for line, row in read_rows(path):
            rows += 1
            best: dict[tuple[str, ...], tuple[Hit, str]] = {}
            for text in texts(row):
                read += 1
                for hit in index.hits(text):
                    if hit.query.words not in best or _rank(hit) > _rank(best[hit.query.words][0]):
                        best[hit.query.words] = (hit, text)
            for hit, text in best.values():
                if hit.short:
                    short[" ".join(hit.query.words)][name] += 1
                else:
                    hits.append(
                        {
                            "file": name,
                            "line": line,
                            "ids": hit.query.ids,
                            "kind": hit.kind,
                            "containment": round(hit.containment, 3),
                            "text": _excerpt(text, hit.at),
                            "query": _excerpt(hit.query.text, 0),
                        }
                    )
        files.append({"file": name, "rows": rows, "texts": read, "hits": len(hits) - before})
    kinds = Counter(hit["kind"] for hit in hits)
    return {
        "evaluation": {
            "rows": len({id for query in index.exact.values() for id in query.ids}),
            "queries": len(index.exact),
            "rows_met": len({id for hit in hits for id in hit["ids"]}),  # short queries aside
        },
        "totals": {
            "rows": sum(file["rows"] for file in files),
            "texts": sum(file["texts"] for file in files),
            "rows_hit": len({(hit["file"], hit["line"]) for hit in hits}),
            **{kind: kinds[kind] for kind in KINDS},
            "short": sum(counts.total() for counts in short.values()),
        },
        "files": files,
        "hits": hits,
        "short": [
            {"query": query, "ids": index.exact[tuple(query.split())].ids, "files": dict(counts)}
            for query, counts in sorted(short.items())
        ],
    }


def _rank(hit: Hit) -> tuple[bool, float]:
    return hit.kind == "exact", hit.containment


def _excerpt(text: str, at: int) -> str:
    """A text, or as much as a report shows: of a long one the normalised words from `at` on."""
    if len(text) > CLIP:
        text = " ".join(words(text)[at:])
        text = ("… " if at else "") + (text if len(text) <= CLIP else text[:CLIP] + " …")
    return text.encode(errors="replace").decode()  # half a surrogate pair cannot be written


# ------------------------------------------------------------------------------------------------ command line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `lafunc eval overlap`."""
    parser.add_argument(
        "--train",
        nargs="+",
        type=Path,
        required=True,
        metavar="PATH",
        help=f"files of training rows ({', '.join(SUFFIXES)}), or folders of such",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=THRESHOLD,
        metavar="SHARE",
        help=f"report rows that share at least this part of their 8-grams; default: {THRESHOLD}",
    )
    parser.add_argument("--out", type=Path, default=Path("results/overlap.json"), metavar="FILE", help="result file")


def run(options: argparse.Namespace) -> int:
    """`lafunc eval overlap`; returns the exit status, 0: what the hits mean is for the reader to say."""
    index = Index(bfcl.load(bfcl.CATEGORIES), options.threshold)
    data = overlap(index, options.train)
    settings = {
        "train": [path.resolve().name for path in options.train],
        "threshold": options.threshold,
        "categories": list(bfcl.CATEGORIES),
        "bfcl_eval": bfcl.version(),
    }
    results.write(options.out, "overlap", settings, data, options.arguments)
    print("| file | rows | texts | hits |\n|---|---|---|---|")
    for file in data["files"]:
        print(f"| {file['file']} | {file['rows']} | {file['texts']} | {file['hits']} |")
    totals, evaluation = data["totals"], data["evaluation"]
    kinds = ", ".join(f"{totals[kind]} {kind}" for kind in KINDS)
    print(f"\n{totals['rows_hit']} of {totals['rows']} training rows meet a query ({kinds} hits)")
    print(f"{evaluation['rows_met']} of {evaluation['rows']} evaluation rows are met")
    print(f"{totals['short']} times a row holds a query of fewer than {SHORT} words as a text of its own")
    print(f"\n{options.out}")
    return 0
