"""Result files: what was measured, and the commit, command, versions and hardware that it was measured with.

A result file is one JSON document. Long runs write their rows into a [`Journal`] beside it as they go, so that a run
that was killed goes on where it stood.
"""

import gzip
import json
import os
import platform
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

FORMAT = 1  # of result files and journals; raised when older ones can no longer be read
ROOT = Path(__file__).parent.parent
PACKAGES = ("torch", "transformers", "tokenizers", "numpy")


class ResultError(ValueError):
    """A result file that cannot be used: which, why, and what to do."""


def provenance(arguments: Sequence[str], packages: Sequence[str] = ()) -> dict[str, Any]:
    """Where a figure comes from.

    Args:
        arguments: of the command `lafunc` that found it.
        packages: distributions that took part beside torch, transformers, tokenizers and numpy.
    """
    versions = {"python": platform.python_version()}
    for name in (*PACKAGES, *packages):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return {
        "commit": _commit(),
        "command": _command(arguments),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "versions": versions,
        "hardware": _hardware(),
    }


def write(
    path: Path,
    kind: str,
    settings: Mapping[str, Any],
    data: Mapping[str, Any],
    arguments: Sequence[str],
    packages: Sequence[str] = (),
) -> None:
    """Write a result file, whole or not at all.

    `commit` is that of the code that counted; `begun` that of the code that made the first of the rows, which differs
    if the command was given again to count the same rows anew.

    Args:
        kind: which command writes such files.
        settings: what was asked for.
        data: what was found.
        arguments, packages: see [`provenance`].
    """
    document = {"kind": kind, "format": FORMAT, "settings": settings, **provenance(arguments, packages)}
    document["begun"] = document["commit"]
    if path.exists():
        before = read(path)
        if before["settings"] == json.loads(json.dumps(settings)):
            document["begun"] = before.get("begun", before["commit"])
    document["data"] = data
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def read(path: Path, kind: str | None = None) -> dict[str, Any]:
    """A result file.

    Raises:
        ResultError: it is not there, not a result file, of another kind, or of another version of LaFuNC.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResultError(f"{path} is not there; run `lafunc eval {kind or '…'}` first") from None
    except (OSError, ValueError) as error:
        raise ResultError(f"{path} is not a result file: {error}") from None
    if not isinstance(document, dict) or not {"kind", "format", "data"} <= document.keys():
        raise ResultError(f"{path} is not a result file: it has no kind, format and data")
    _check_format(path, document)
    if kind is not None and document["kind"] != kind:
        raise ResultError(f"{path} was written by `lafunc eval {document['kind']}`, not by `lafunc eval {kind}`")
    return document


def _check_format(path: Path, header: Mapping[str, Any]) -> None:
    if header["format"] != FORMAT:
        raise ResultError(
            f"{path} has result format {header['format']}, and this version of LaFuNC reads format {FORMAT}; "
            "delete it and measure again"
        )


class Journal:
    """Rows of a run, one JSON line each, written as they are made; packed with gzip when the run is complete.

    The first line holds the settings. A row that was cut off by a kill is dropped and made again.

    Args:
        path: of the result file; the journal lies beside it, as `NAME.rows.jsonl`, packed as `NAME.rows.jsonl.gz`.
        settings: what was asked for. A journal with other settings is not continued.

    Attributes:
        rows: what is there already.

    Raises:
        ResultError: the journal that is there has other settings, or is of another version.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]):
        self.path = path.with_suffix(".rows.jsonl")
        self.packed = path.with_suffix(".rows.jsonl.gz")
        settings = json.loads(json.dumps(settings))
        self.rows: list[dict[str, Any]] = []
        header: dict[str, Any] = {"format": FORMAT, "settings": settings}
        if self.packed.exists() and not self.path.exists():
            self.path.write_bytes(gzip.decompress(self.packed.read_bytes()))
        if self.path.exists():
            lines = self.path.read_bytes().split(b"\n")
            found = json.loads(lines[0]) if len(lines) > 1 else header
            _check_format(self.path, found)
            if found["settings"] != settings:
                different = sorted(
                    name
                    for name in settings.keys() | found["settings"].keys()
                    if settings.get(name) != found["settings"].get(name)
                )
                raise ResultError(
                    f"{self.path} was begun with another {', '.join(different)}; delete it, or choose another --out"
                )
            self.rows = [json.loads(line) for line in lines[1:-1]]  # what follows the last newline was cut off
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("".join(_line(row) for row in (header, *self.rows)), encoding="utf-8")

    def add(self, row: Mapping[str, Any]) -> None:
        """Write one row, so that a kill right after it does not lose it."""
        self.rows.append(dict(row))
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(row))

    def sort(self, key: Callable[[Mapping[str, Any]], Any]) -> None:
        """Put the rows in order; they were made in another by several processes."""
        self.rows.sort(key=key)
        header = self.path.read_text(encoding="utf-8").split("\n", 1)[0] + "\n"
        sorted_file = self.path.with_suffix(".sorted")
        sorted_file.write_text(header + "".join(map(_line, self.rows)), encoding="utf-8")
        sorted_file.replace(self.path)  # whole or not at all

    def pack(self) -> None:
        """The run is complete."""
        self.packed.write_bytes(gzip.compress(self.path.read_bytes(), mtime=0))
        self.path.unlink()


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows beside a result file. Raises ResultError if they are not there."""
    packed, plain = path.with_suffix(".rows.jsonl.gz"), path.with_suffix(".rows.jsonl")
    if packed.exists():
        lines = gzip.decompress(packed.read_bytes()).decode().split("\n")
    elif plain.exists():
        lines = plain.read_text(encoding="utf-8").split("\n")
    else:
        raise ResultError(f"{packed} is not there; it is written by the command that wrote {path.name}")
    yield from (json.loads(line) for line in lines[1:] if line)


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _commit() -> str:
    """The commit of the checkout, with a + if files of the package differ from it; `unknown` without git."""
    git = ["git", "-C", str(ROOT)]
    try:
        commit = subprocess.run([*git, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no", "--", "*.py"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")


def _command(arguments: Sequence[str]) -> str:
    """The command as anyone would type it: places outside the checkout by their last part."""
    shown = [
        Path(part).name if os.path.isabs(part) or part.startswith("..") else part.replace(str(ROOT) + os.sep, "")
        for part in arguments
    ]
    return shlex.join(["lafunc", *shown])


def _hardware() -> dict[str, Any]:
    processor = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                processor = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": processor,
        "cores": cores,
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1)
        if hasattr(os, "getloadavg")
        else None,  # near `threads`: nothing else ran
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
