"""The checkpoint that is measured."""

import argparse
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers.utils import logging

from .. import LaFuncModel, LaFuncProcessor
from .bfcl import EvaluationError
from .results import ROOT

# A checkout has it; an installed wheel does not.
SHIPPED = ROOT / "checkpoints" / "lafunc-smollm2-135m"


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, default=SHIPPED, metavar="DIR", help="default: the shipped one")


def load_checkpoint(folder: Path) -> tuple[LaFuncModel, LaFuncProcessor, dict[str, Any]]:
    """Model, processor, and what a result file says of them: name, SHA-256 of the weights, what of them is trained.

    Raises:
        EvaluationError: the folder is no checkpoint.
        CheckpointError: the checkpoint is damaged, or its base is missing.
    """
    if not (folder / "config.json").is_file():
        raise EvaluationError(
            f"{folder} is no checkpoint: it has no config.json; name a folder that save_pretrained has written"
        )
    logging.disable_progress_bar()
    processor = LaFuncProcessor.from_pretrained(str(folder))
    model = LaFuncModel.from_pretrained(str(folder))
    about = {
        "name": folder.resolve().name,
        "sha256": digest(folder),
        "trained": sorted(model.config.trained),
        "base": model.config.base,
        "dtype": str(model.dtype).removeprefix("torch."),
    }
    return model, processor, about


def digest(folder: Path) -> str:
    """What tells the weights of a checkpoint from others: 16 digits of their SHA-256."""
    found = hashlib.sha256()
    for file in sorted(folder.rglob("*.safetensors")):  # heads and adapters
        found.update(file.read_bytes())
    return found.hexdigest()[:16]


@contextmanager
def untrained_allowed(model: LaFuncModel) -> Iterator[None]:
    """Let untrained heads answer: their values are chance, their cost is not. The config is as before afterwards."""
    before = model.config.trained
    model.config.trained = sorted({*before, "diffusion"})
    try:
        yield
    finally:
        model.config.trained = before
