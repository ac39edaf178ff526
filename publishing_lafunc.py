"""Publishing on the Hub: a folder goes out as one commit or not at all, and an error says which of the two it was.

```python
>>> publish("checkpoint", "me/my-model", private=True).oid
'5f1f9f4…'
```
"""

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, RepositoryNotFoundError
from transformers.utils.hub import create_and_tag_model_card

CARD = "README.md"
TAGS = ("lafunc", "function-calling", "tool-use", "custom_code")
# Of a model in a repository: left of an earlier push, a whole model's index would hide heads, or the other way round.
MODEL_FILES = (
    "*_lafunc.py",
    "generation_config.json",
    "model*.safetensors",
    "model.safetensors.index.json",
    "adapter/*",
)


class PublishError(OSError):
    """The Hub did not take a push; the message says why, what stands there now, and what to do."""


def publish(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    commit_message: str | None = None,
    commit_description: str | None = None,
    tags: Sequence[str] | None = None,
    replaces: Sequence[str] = (),
) -> CommitInfo:
    """Send all files of a folder to a model repository, which is made if it is not there.

    Without a README.md in the folder the repository keeps its own, or gets a short one.

    Args:
        private: of a repository that is made.
        token: with write access; default: that of `hf auth login` or HF_TOKEN.
        revision: a branch, made if it is not there.
        tags: of the README, beside ours.
        replaces: patterns; files in the repository that match one, and are not in the folder, are deleted.

    Raises:
        PublishError: the Hub did not take it, or the repository is public and `private` was asked for.
    """
    api = HfApi(token=token)
    before = None
    try:
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        if revision and not revision.startswith("refs/pr"):
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        info = api.repo_info(repo_id, revision=revision)
        before = info.sha
        if private and not info.private:
            raise PublishError(
                f"{repo_id} is there already and public, so it cannot be pushed to as private. Nothing was published. "
                "Make it private in its settings, or choose another name"
            )
        files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
        operations: list[Any] = [CommitOperationAdd(path.relative_to(folder).as_posix(), path) for path in files]
        names = {operation.path_in_repo for operation in operations}
        if CARD not in names:
            card = create_and_tag_model_card(repo_id, [*TAGS, *(tags or ())], token=token)  # type: ignore[arg-type]
            operations.append(CommitOperationAdd(CARD, str(card).encode()))
        there = api.list_repo_files(repo_id, revision=revision) if replaces else []
        operations += [
            CommitOperationDelete(name)
            for name in there
            if name not in names and any(fnmatch(name, pattern) for pattern in replaces)
        ]
        # Not upload_folder, which divides what it sends into several commits.
        return api.create_commit(
            repo_id,
            operations,
            commit_message=commit_message or "Upload LaFuNC model",
            commit_description=commit_description,
            revision=revision,
            create_pr=create_pr,
        )
    except PublishError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        if error.__cause__ is not None:  # the client names the file, its cause the reason
            why += f" ({' '.join(str(error.__cause__).split())})"
        standing = _standing(api, repo_id, revision, before)
        raise PublishError(f"cannot push to {repo_id}: {why}\n{standing}\n{_remedy(error, api)}") from error


def _standing(api: HfApi, repo_id: str, revision: str | None, before: str | None) -> str:
    """What of a push that failed is on the Hub."""
    try:
        now = api.repo_info(repo_id, revision=revision).sha
    except (RepositoryNotFoundError, HFValidationError):
        return "Nothing was published: there is no such repository, or none that this token may see."
    except Exception:
        return (
            f"Whether anything was published cannot be asked now; look at {api.endpoint}/{repo_id} before you go on."
        )
    if before in (None, now):
        return f"Nothing was published: {repo_id} is there without this push, at {now}."
    return f"Something was published: {repo_id} was at {before} and is at {now} now; look whether it is this push."


def _remedy(error: BaseException, api: HfApi) -> str:
    """What to do about an error of the Hub's client."""
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if isinstance(error, HFValidationError):
        return "Name the repository USER/NAME: letters, digits, and - _ . between them."
    if isinstance(error, OfflineModeIsEnabled):
        return "Take HF_HUB_OFFLINE out of the environment."
    tokens = f"{api.endpoint}/settings/tokens"
    if status == 401:
        return f"Log in with `hf auth login`, or set HF_TOKEN to a token that may write; {tokens} makes one."
    if status == 403:
        return f"This token may not write there: {tokens} makes one that may. Or push under your own name."
    if isinstance(error, ValueError) and "metadata" in str(error):
        return "Correct the YAML at the top of the README.md."
    return (
        f"Push again; files that have arrived are not sent twice. If it stays so, see whether {api.endpoint} can be "
        "reached."
    )
