"""Pushing over HTTP to a small Hub on this machine, and loading from it where this package is not installed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import Pair, make_base, make_pair
from hub_server import READER, WRITER, Hub

from lafunc import CheckpointError, LaFuncModel
from lafunc.__main__ import main
from lafunc.adapters_lafunc import adapter_weights
from lafunc.model_card import push

HELLO = [{"role": "user", "content": "hello"}]
TOOL = {
    "name": "set_lamp",
    "parameters": {
        "properties": {"on": {"type": "boolean"}, "note": {"type": "string", "maxLength": 8}},
        "required": ["on", "note"],
    },
}

# Runs where `import lafunc` fails: loads a repository at revisions, and answers with each.
STRANGER = """
import json, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "lafunc":
            raise ModuleNotFoundError("No module named 'lafunc'")

sys.meta_path.insert(0, Blocker())
import torch
from transformers import AutoModel, AutoProcessor
torch.set_num_threads(1)
asked, messages, tool = json.loads(sys.argv[1])
answers = []
for repo, revision in asked:
    model = AutoModel.from_pretrained(repo, revision=revision, trust_remote_code=True).eval()
    processor = AutoProcessor.from_pretrained(repo, revision=revision, trust_remote_code=True)
    outputs = [
        model.generate_tool_call(messages, [tool], processor=processor, mode="tool", filler=filler)
        for filler in ("autoregressive", "diffusion")
    ]
    answers.append([[[call.name, call.arguments] for call in output.tool_calls] for output in outputs])
print(json.dumps(answers))
"""

# What a publisher does, one step a line: (name, code); prints what came of each.
PUBLISHER = """
import contextlib, io, json, sys
import torch
torch.set_num_threads(1)
from lafunc import LaFuncModel, LaFuncProcessor
from lafunc.__main__ import main
found = []
for code in json.loads(sys.argv[1]):
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            value = eval(code)
        found.append([str(value), said.getvalue() if value == 2 else None])
    except Exception as error:
        found.append([type(error).__name__, str(error)])
print(json.dumps(found))
"""


def environment(tmp_path: Path, hub: Hub, token: str | None = WRITER, **more: str) -> dict[str, str]:
    """Of a process that knows this Hub and no other, with a cache of its own."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    mine = {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_XET": "1",  # large files go by LFS, over HTTP
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HOME": str(tmp_path / "cache"),
        "HF_MODULES_CACHE": str(tmp_path / "modules"),
        "NO_PROXY": "127.0.0.1",
        "OMP_NUM_THREADS": "1",
    }
    return {**keep, **mine, **({"HF_TOKEN": token} if token else {}), **more}


def publisher(tmp_path: Path, hub: Hub, *steps: str, token: str | None = WRITER) -> list[list[str | None]]:
    """What came of each step: its value, or the name and message of its error."""
    run = subprocess.run(
        [sys.executable, "-c", PUBLISHER, json.dumps(steps)],
        env=environment(tmp_path, hub, token), capture_output=True, text=True, timeout=300, cwd=Path(__file__).parent,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


def stranger(tmp_path: Path, hub: Hub, *asked: tuple[str, str | None]) -> list:
    """The answers of repositories at revisions, in a process that has no lafunc."""
    keep = {name: value for name, value in environment(tmp_path, hub, None).items() if not name.startswith("PYTHON")}
    run = subprocess.run(
        [sys.executable, "-c", STRANGER, json.dumps([asked, HELLO, TOOL])],
        env=keep, capture_output=True, text=True, timeout=300, cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


def answer(pair: Pair) -> list:
    outputs = [pair.call(HELLO, [TOOL], filler=filler) for filler in ("autoregressive", "diffusion")]
    return [[[call.name, call.arguments] for call in output.tool_calls] for output in outputs]


def stir(model: LaFuncModel, seed: int) -> None:
    """Other heads and adapters."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in [*model.head.parameters(), *adapter_weights(model.base)]:
            weight.add_(torch.randn_like(weight), alpha=0.3)


def save(pair: Pair, folder: Path) -> Path:
    pair.model.save_pretrained(folder, include_base=True)
    pair.processor.save_pretrained(folder)
    return folder


@pytest.fixture
def hub():
    with Hub() as hub:
        yield hub


@pytest.fixture
def checkpoint(tmp_path) -> tuple[Pair, Path]:
    """A model with adapters, and its folder, in which a training has left files of its own."""
    pair = make_pair("llama", adapter_rank=4)
    stir(pair.model, 5)
    folder = save(pair, tmp_path / "checkpoint")
    (folder / "checkpoint-40").mkdir()
    for name in ("optimizer.pt", "training_args.bin", "checkpoint-40/model.safetensors"):
        (folder / name).write_bytes(b"x")
    return pair, folder


def arguments(folder: Path, *more: str) -> list[str]:
    return ["push", "user/lafunc", "--checkpoint", str(folder), "--results", str(folder / "none"), *more]


# ------------------------------------------------------------------------------------------------------------- success


def test_what_is_pushed_answers_elsewhere_and_so_does_what_stood_there_before(tmp_path, hub, checkpoint, capsys):
    pair, folder = checkpoint
    assert main(arguments(folder, "--dry-run")) == 0
    announced = {line.split()[1] for line in capsys.readouterr().out.splitlines()[:-1]}
    assert not hub.log, "a dry run asked the Hub"

    first = answer(pair)
    stir(pair.model, 6)
    second = answer(pair)
    assert first != second
    save(pair, tmp_path / "changed")
    steps = publisher(
        tmp_path, hub, f"main({arguments(folder, '--private')!r})", f"main({arguments(tmp_path / 'changed')!r})"
    )
    assert steps == [["0", None], ["0", None]]
    repo = hub.repos["user/lafunc"]
    assert repo.private and len(repo.commits) == 3  # the Hub's own, and one for each push
    before, after = list(repo.commits)[1:]
    assert set(hub.files("user/lafunc", before)) == announced | {".gitattributes"}
    assert {"README.md", "model.safetensors", "adapter/adapter_model.safetensors", "modeling_lafunc.py"} <= announced
    assert {"chat_template.jinja", "processor_config.json", "tokenizer.json"} <= announced
    assert not [name for name in announced if "checkpoint-40" in name or "optimizer" in name or name.endswith(".bin")]

    repo.private = False
    asked = [("user/lafunc", None), ("user/lafunc", before), ("user/lafunc", after)]
    assert stranger(tmp_path, hub, *asked) == [second, first, second]


def test_each_way_of_pushing_sends_what_it_has(tmp_path, hub, checkpoint):
    pair, folder = checkpoint
    base = make_base("llama", len(pair.processor.tokenizer))
    base.save_pretrained(tmp_path / "base")
    files = {path.name: path.read_bytes() for path in (tmp_path / "base").iterdir()}
    hub.make("user/base").commit("main", files, "base")
    heads = (
        "LaFuncModel.from_base('user/base', head_hidden_size=32, head_layers=1, adapter_rank=4, trained=['diffusion'])"
    )
    steps = publisher(
        tmp_path,
        hub,
        f"LaFuncProcessor.from_pretrained({str(folder)!r}).push_to_hub('user/a', revision='next').commit_url",
        f"LaFuncModel.from_pretrained({str(folder)!r}).push_to_hub('user/a', include_base=True, revision='next')",
        f"{heads}.push_to_hub('a', revision='next', tags=['mine'])",
        f"{heads}.save_pretrained({str(tmp_path / 'b')!r}, push_to_hub=True, commit_message='by saving')",
    )
    assert [error for _, error in steps] == [None] * 4
    repo, files = hub.repos["user/a"], hub.files("user/a", "next")
    assert repo.messages[1:] == ["Upload LaFuNC processor", "Upload LaFuNC model", "Upload LaFuNC model"]
    assert set(hub.files("user/a")) == {".gitattributes"}, "another branch was meant"
    assert {"adapter/adapter_config.json", "adapter/adapter_model.safetensors", "tokenizer.json"} <= set(files)
    assert "generation_config.json" not in files, "it belongs to the whole model that stood there before"
    assert b"- mine" in files["README.md"] and b"- lafunc" in files["README.md"]
    saved = hub.files("user/b")
    assert {"adapter/adapter_model.safetensors", "model.safetensors", "config.json"} <= set(saved)
    assert json.loads(saved["config.json"])["base"] == "user/base"
    assert hub.repos["user/b"].messages[1:] == ["by saving"]
    assert sum(map(len, saved.values())) < len(hub.files("user/base")["model.safetensors"]) * 10

    branch = [("user/a", "next")]
    assert stranger(tmp_path, hub, *branch)  # heads, whose base lies in another repository


# ------------------------------------------------------------------------------------------------------------ errors


def test_an_error_says_why_what_stands_there_and_what_to_do(tmp_path, hub, checkpoint):
    _, folder = checkpoint
    there, public = hub.make("user/there"), hub.make("user/public")
    at = there.branches["main"]
    load = f"LaFuncProcessor.from_pretrained({str(folder)!r}).push_to_hub"
    steps = publisher(
        tmp_path,
        hub,
        f"{load}('user/new', token=False)",
        f"{load}('user/new', token='hf_wrong')",
        f"{load}('user/new', token={READER!r})",
        f"{load}('user/there', token={READER!r})",
        f"{load}('somebody/else')",
        f"{load}('not a name')",
        f"{load}('user/public', private=True)",
    )
    assert [name for name, _ in steps] == ["PublishError"] * 7
    missing, wrong, reader, existing, foreign, name, private = (error for _, error in steps)
    for error in (missing, wrong):
        assert "cannot push to user/new: " in error and "401" in error
        assert "Log in with `hf auth login`, or set HF_TOKEN to a token that may write" in error
    for error in (missing, reader, foreign):
        assert "Nothing was published: there is no such repository, or none that this token may see." in error
    for error in (reader, existing, foreign):
        assert "403" in error and "This token may not write there" in error
    assert f"Nothing was published: user/there is there without this push, at {at}." in existing
    assert "Name the repository USER/NAME" in name
    assert "user/public is there already and public" in private and "Nothing was published" in private
    assert set(hub.repos) == {"user/there", "user/public"}
    assert len(there.commits) == len(public.commits) == 1


def test_a_push_that_the_hub_breaks_off_is_no_half_push(tmp_path, hub, checkpoint):
    pair, folder = checkpoint
    command = f"main({arguments(folder)!r})"
    hub.refuse[("PUT", "^/lfs/")] = 403  # what the storage says when its link has expired
    model = f"LaFuncModel.from_pretrained({str(folder)!r}).push_to_hub('user/lafunc', include_base=True)"
    ((kind, error),) = publisher(tmp_path, hub, model)
    assert kind == "PublishError" and "Error while uploading" in error and "safetensors" in error
    repo = hub.repos["user/lafunc"]
    assert f"Nothing was published: user/lafunc is there without this push, at {repo.branches['main']}." in error
    assert "Push again; files that have arrived are not sent twice." in error and len(repo.commits) == 1

    hub.refuse = {("POST", "/commit/"): 500}
    ((status, error),) = publisher(tmp_path, hub, command)
    assert status == "2" and len(repo.commits) == 1
    assert "lafunc: cannot push to user/lafunc: " in error and "Nothing was published" in error
    sent = sum(line.startswith("PUT /lfs/") for line in hub.log)

    hub.refuse = {}
    assert publisher(tmp_path, hub, command) == [["0", None]]
    assert sum(line.startswith("PUT /lfs/") for line in hub.log) == sent, "files that had arrived were sent again"
    assert stranger(tmp_path, hub, ("user/lafunc", None)) == [answer(pair)]


def test_a_push_that_is_killed_leaves_what_stood_there_and_can_be_given_again(tmp_path, hub, checkpoint):
    _, folder = checkpoint
    hub.hold = "^/lfs/"
    process = subprocess.Popen(
        [sys.executable, "-m", "lafunc", *arguments(folder)], env=environment(tmp_path, hub), cwd=Path(__file__).parent
    )
    assert hub.held.wait(200)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert set(hub.files("user/lafunc")) == {".gitattributes"}
    hub.hold = ""
    assert publisher(tmp_path, hub, f"main({arguments(folder)!r})") == [["0", None]]
    assert "model.safetensors" in hub.files("user/lafunc")


def test_offline_is_said(checkpoint, capsys):
    assert main(arguments(checkpoint[1])) == 2  # conftest.py has turned the network off
    error = capsys.readouterr().err
    assert "lafunc: cannot push to user/lafunc" in error and "Take HF_HUB_OFFLINE out of the environment." in error


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "is no whole checkpoint .*config.json.*save_pretrained"),
        (lambda f: (f / "processor_config.json").unlink(), "is no whole checkpoint .*processor_config.json"),
        (lambda f: (f / "processor_config.json").write_text("{}"), r"what AutoProcessor loads \(auto_map\)"),
        (lambda f: (f / "node_lafunc.py").unlink(), "lacks the code file node_lafunc.py; save it again"),
        (lambda f: (f / "model.safetensors").unlink(), "lacks the weights model.safetensors; save it again"),
        (lambda f: (f / "adapter" / "adapter_model.safetensors").unlink(), "lacks the weights adapter/adapter_model"),
        (lambda f: (f / "model.safetensors").write_bytes(b"no"), "model.safetensors are damaged"),
    ],
)
def test_a_checkpoint_that_nobody_could_load_is_not_pushed(tmp_path, checkpoint, harm, message):
    harm(checkpoint[1])
    with pytest.raises(CheckpointError, match=message):
        push.stage(checkpoint[1], tmp_path / "out", "user/lafunc", False, tmp_path / "none")


def test_heads_whose_base_lies_on_this_machine_are_not_pushed_alone(tmp_path):
    make_base("llama", 500).save_pretrained(tmp_path / "base")
    model = LaFuncModel.from_base(str(tmp_path / "base"), head_hidden_size=32, head_layers=1)
    with pytest.raises(CheckpointError, match="where nobody else will find it: push it too with include_base=True"):
        model.push_to_hub("user/lafunc")


def test_a_base_can_be_sent_along(tmp_path, checkpoint):
    pair, _ = checkpoint
    pair.model.base.save_pretrained(tmp_path / "base")
    model = LaFuncModel.from_base(str(tmp_path / "base"), head_hidden_size=32, head_layers=1)
    model.save_pretrained(tmp_path / "heads")
    pair.processor.save_pretrained(tmp_path / "heads")
    with pytest.raises(CheckpointError, match="--include-base"):
        push.stage(tmp_path / "heads", tmp_path / "a", "user/lafunc", False, tmp_path / "none")
    push.stage(tmp_path / "heads", tmp_path / "b", "user/lafunc", True, tmp_path / "none")
    loaded = LaFuncModel.from_pretrained(tmp_path / "b")
    assert loaded.config.base_included and torch.equal(loaded.base.lm_head.weight, model.base.lm_head.weight)


def test_the_trainer_pushes_what_the_command_does(tmp_path, monkeypatch):
    from lafunc.data.rows import make_row
    from lafunc.train_trl import LaFuncTrainer, LaFuncTrainingConfig, load_rows

    pushed = []

    def publish(folder, repo_id, **kwargs):
        pushed.append((repo_id, {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*")}, kwargs))

    monkeypatch.setattr(push, "publish", publish)
    rows = [make_row([{"role": "user", "content": f"Lamp on {n}"}], [TOOL], "test") for n in range(8)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pair = make_pair("llama", adapter_rank=4)
    pair.model.config.base = "user/base"  # the heads are saved alone
    config = LaFuncTrainingConfig(
        output_dir=str(tmp_path / "run"), max_steps=2, save_steps=2, per_device_train_batch_size=2, use_cpu=True,
        bf16=False, report_to=[], disable_tqdm=True, hub_strategy="every_save", hub_private_repo=True,
    )  # fmt: skip
    trainer = LaFuncTrainer(pair.model, config, load_rows(str(tmp_path / "rows.jsonl")), None, pair.processor)
    trainer.train()
    trainer._push_from_checkpoint(str(tmp_path / "run" / "checkpoint-2"))  # as transformers does at each save
    trainer.push_to_hub(token="secret", tags=["mine"])
    (_, during, first), (name, after, last) = pushed
    assert name == "run" and first["private"] and last["private"] and last["token"] == "secret"
    assert (first["commit_message"], last["commit_message"]) == ("Training in progress, step 2", "End of training")
    assert (
        during == after >= {"README.md", "adapter/adapter_model.safetensors", "tokenizer.json", "chat_template.jinja"}
    )
    assert not [file for file in after if "optimizer" in file or "training_args" in file or "checkpoint-" in file]
    assert last["tags"] == ["mine"] and set(last["replaces"]) > {"*_lafunc.py", "results/*"}
