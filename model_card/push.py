"""`lafunc push`: a checkpoint with code, card and results to a model repository on the Hub, as one commit.

```
lafunc push me/my-model --dry-run      lists what would go
lafunc push me/my-model --private
```
"""

import argparse
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import CommitInfo
from safetensors import SafetensorError, safe_open
from transformers.dynamic_module_utils import get_relative_imports

from .. import LaFuncModel, LaFuncProcessor
from ..adapters_lafunc import FILE, FOLDER
from ..base_lafunc import CheckpointError, check_shareable
from ..evaluation.checkpoint import add_checkpoint
from ..publishing_lafunc import MODEL_FILES, publish
from .card import RESULTS, add_results, write_card

# What of a checkpoint's folder goes out: a training's own files, such as optimizers, stay here.
FILES = (
    *MODEL_FILES,
    "config.json",
    "processor_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "vocab*",
    "merges.txt",
    "chat_template.jinja",
    "additional_chat_templates/*",
    "training.json",
)
# What a push replaces as a whole.
OWN = (*FILES, "results/*", "figures/*", ".eval_results/*")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("repo_id", metavar="REPO_ID", help="USER/NAME; made if it is not there")
    add_checkpoint(parser)
    add_results(parser)
    parser.add_argument(
        "--include-base", action="store_true", help="also the base's weights: the repository stands alone"
    )
    parser.add_argument("--private", action="store_true", help="if the repository has to be made, make it private")
    parser.add_argument("--revision", metavar="BRANCH", help="default: main; made if it is not there")
    parser.add_argument("--message", metavar="TEXT", help="of the commit")
    parser.add_argument("--dry-run", action="store_true", help="list what would go, send nothing")


def run(options: argparse.Namespace) -> int:
    with TemporaryDirectory() as place:
        folder = Path(place)
        stage(options.checkpoint, folder, options.repo_id, options.include_base, options.results)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        for path in files:
            print(f"{path.stat().st_size:>12,}  {path.relative_to(folder)}")
        whole = f"{sum(path.stat().st_size for path in files):>12,}  bytes in {len(files)} files"
        if options.dry_run:
            print(f"{whole} would go to {options.repo_id}; nothing was sent")
            return 0
        print(f"{whole} go to {options.repo_id}", flush=True)
        commit = publish(
            folder,
            options.repo_id,
            private=options.private or None,
            revision=options.revision,
            commit_message=options.message,
            replaces=OWN,
        )
        print(commit.commit_url)
    return 0


def push(checkpoint: Path, repo_id: str, **kwargs: Any) -> CommitInfo:
    """A checkpoint with its card and results, as `lafunc push` sends it; `kwargs` are those of [`publish`].

    Raises:
        CheckpointError, ResultError: see [`stage`].
        PublishError: the Hub did not take it.
    """
    with TemporaryDirectory() as folder:
        stage(checkpoint, Path(folder), repo_id, False, RESULTS)
        return publish(folder, repo_id, replaces=OWN, **kwargs)


def stage(checkpoint: Path, folder: Path, repo_id: str, include_base: bool, results: Path) -> None:
    """Put all that goes to the Hub into a folder: weights, code and processor of a checkpoint, its card and results.

    Args:
        results: the folder of result files; it may be empty or not there.

    Raises:
        CheckpointError: the checkpoint is no whole one, or its base lies where nobody else finds it.
        ResultError: a result file cannot be used.
    """
    config = check(checkpoint)
    for pattern in FILES:
        for path in sorted(checkpoint.glob(pattern)):
            (folder / path.relative_to(checkpoint)).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, folder / path.relative_to(checkpoint))
    if include_base and not config.get("base_included"):
        LaFuncModel.from_pretrained(str(checkpoint)).save_pretrained(folder, include_base=True)
        LaFuncProcessor.from_pretrained(str(checkpoint)).save_pretrained(folder)
    elif not config.get("base_included"):
        check_shareable(config.get("base"))
    for path in write_card(folder, checkpoint, repo_id, results):
        (folder / "results").mkdir(exist_ok=True)
        shutil.copyfile(path, folder / "results" / path.name)


def check(checkpoint: Path) -> dict[str, Any]:
    """The config of a checkpoint that others can load.

    Raises:
        CheckpointError: a file that loading needs is missing or damaged.
    """

    def read(name: str) -> dict[str, Any]:
        try:
            return json.loads((checkpoint / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"{checkpoint} is no whole checkpoint ({error}): save model and processor into it with save_pretrained"
            ) from None

    config, processor = read("config.json"), read("processor_config.json")
    classes = {**config.get("auto_map", {}), **processor.get("auto_map", {})}
    for name in ("AutoConfig", "AutoModel", "AutoProcessor"):
        if name not in classes:
            raise CheckpointError(f"{checkpoint}: no config says what {name} loads (auto_map); save it again")
    needed = {name.split(".")[0] for name in classes.values()}
    while True:
        if missing := sorted(name for name in needed if not (checkpoint / f"{name}.py").is_file()):
            raise CheckpointError(f"{checkpoint} lacks the code file {missing[0]}.py; save it again")
        more = {found for name in needed for found in get_relative_imports(checkpoint / f"{name}.py")}
        if more <= needed:
            break
        needed |= more
    weights = sorted(checkpoint.glob("model*.safetensors")) or [checkpoint / "model.safetensors"]
    weights += [checkpoint / FOLDER / FILE] if config.get("adapter_rank") else []
    for path in weights:
        try:
            with safe_open(path, "pt"):
                pass
        except FileNotFoundError:
            raise CheckpointError(
                f"{checkpoint} lacks the weights {path.relative_to(checkpoint)}; save it again"
            ) from None
        except SafetensorError as error:
            raise CheckpointError(f"the weights in {path} are damaged ({error}); save them again") from None
    return config
