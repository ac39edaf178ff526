"""Checkpoints as folders: what is in them, who can load them, and that they answer as the saved model did."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import Pair, make_base, make_pair, make_tokenizer
from safetensors import safe_open

from lafunc import EMBEDDED_BASE, CheckpointError, LaFuncConfig, LaFuncModel, LaFuncProcessor
from lafunc.base_lafunc import load_base

ROOT = Path(__file__).parent.parent
FILES = sorted(ROOT.glob("*_lafunc.py"))
TOOL = {
    "name": "set_lamp",
    "parameters": {
        "properties": {"on": {"type": "boolean"}, "note": {"type": "string", "maxLength": 8}},
        "required": ["on", "note"],
    },
}
HELLO = [{"role": "user", "content": "hello"}]

# Runs where `import lafunc` fails, as on the machine of someone who has only transformers.
STRANGER = """
import json, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "lafunc":
            raise ModuleNotFoundError("No module named 'lafunc'")

sys.meta_path.insert(0, Blocker())
try:
    import lafunc
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("lafunc can be imported: the test would prove nothing")

import torch
from transformers import AutoConfig, AutoModel, AutoProcessor
torch.set_num_threads(1)
folder, again, messages, tool = json.loads(sys.argv[1])
config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
model = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)

def answer(model, processor):
    outputs = [
        model.generate_tool_call(messages, [tool], processor=processor, mode="tool", filler=filler)
        for filler in ("autoregressive", "diffusion", "verified")
    ]
    return [[[call.name, call.arguments] for call in output.tool_calls] for output in outputs]

first = answer(model, processor)
model.save_pretrained(again, include_base=config.base_included)
processor.save_pretrained(again)
second = answer(
    AutoModel.from_pretrained(again, trust_remote_code=True).eval(),
    AutoProcessor.from_pretrained(again, trust_remote_code=True),
)
print(json.dumps([type(config).__name__, type(model).__name__, type(processor).__name__, first, second]))
"""


def answer(pair: Pair) -> list:
    outputs = [pair.call(HELLO, [TOOL], filler=filler) for filler in ("autoregressive", "diffusion", "verified")]
    return [[[call.name, call.arguments] for call in output.tool_calls] for output in outputs]


def python(tmp_path, code: str, *args: str) -> subprocess.CompletedProcess:
    """Run code far from the checkout, offline, with a cache of its own."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PYTHON"))}
    environment = {
        **keep,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "cache"),
        "HF_MODULES_CACHE": str(tmp_path / "modules"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", code, *args]
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)


def save(pair: Pair, folder: Path, **kwargs) -> Path:
    pair.model.save_pretrained(folder, **kwargs)
    pair.processor.save_pretrained(folder)
    return folder


def on_disk(tmp_path, family: str = "llama", **config) -> Pair:
    """A model whose base lies in a folder."""
    made = make_pair(family, **config)
    made.model.base.save_pretrained(tmp_path / "base")
    names = ("trained", "head_hidden_size", "head_layers", "max_slot_tokens")
    model = LaFuncModel.from_base(str(tmp_path / "base"), **{name: getattr(made.model.config, name) for name in names})
    return Pair(model.eval(), made.processor)


@pytest.fixture
def heads(tmp_path) -> tuple[Pair, Path]:
    """A model and its heads-only checkpoint."""
    pair = on_disk(tmp_path)
    return pair, save(pair, tmp_path / "heads")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    with safe_open(folder / "model.safetensors", "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}


# ------------------------------------------------------------------------------------ strangers


@pytest.mark.parametrize("include_base", [False, True], ids=["heads", "whole"])
def test_a_stranger_loads_answers_saves_and_loads_again(tmp_path, include_base):
    pair = on_disk(tmp_path, "smollm3" if include_base else "llama")
    folder = save(pair, tmp_path / "checkpoint", include_base=include_base)
    run = python(tmp_path, STRANGER, json.dumps([str(folder), str(tmp_path / "again"), HELLO, TOOL]))
    assert run.returncode == 0, run.stderr[-2000:]
    *names, first, second = json.loads(run.stdout.splitlines()[-1])
    assert names == ["LaFuncConfig", "LaFuncModel", "LaFuncProcessor"]
    assert first == second == answer(pair)


def test_whole_folder_needs_nothing_else(tmp_path):
    pair = on_disk(tmp_path)
    folder = save(pair, tmp_path / "checkpoint", include_base=True)
    (tmp_path / "base").rename(tmp_path / "gone")
    assert answer(Pair(LaFuncModel.from_pretrained(folder).eval(), LaFuncProcessor.from_pretrained(folder))) == answer(
        pair
    )


@pytest.mark.parametrize("kind", ["AutoConfig", "AutoModel", "AutoProcessor"])
def test_code_is_not_run_without_trust(heads, tmp_path, kind):
    code = f"import sys; from transformers import {kind}; {kind}.from_pretrained(sys.argv[1], trust_remote_code=False)"
    run = python(tmp_path, code, str(heads[1]))
    assert run.returncode == 1 and "trust_remote_code=True" in run.stderr


def test_code_is_not_copied_to_the_cache_without_trust(heads, tmp_path):
    code = (
        "import sys; from transformers import AutoModel as A; A.from_pretrained(sys.argv[1], trust_remote_code=False)"
    )
    python(tmp_path, code, str(heads[1]))
    assert not list(tmp_path.glob("modules/**/modeling_lafunc.py"))


# ------------------------------------------------------------------------------------ the folder


def test_heads_only_folder_holds_no_weight_of_the_base(heads):
    pair, folder = heads
    assert weights(folder).keys() == {n for n in pair.model.state_dict() if n.startswith(("head.", "router."))}


def test_heads_only_folder_is_smaller_than_the_base():
    base = make_base("llama", 500, hidden_size=128, intermediate_size=1024)
    model = LaFuncModel.from_base(base, head_hidden_size=32, head_layers=1)
    sizes = [sum(p.numel() for p in part.parameters()) for part in (model.head, model.base)]
    assert sizes[0] < sizes[1] / 10


def test_heads_only_files_are_small(heads):
    pair, folder = heads
    numbers = sum(weight.numel() for weight in weights(folder).values())
    assert (folder / "model.safetensors").stat().st_size < 4 * numbers + 10_000


def test_weights_are_one_safetensors_file(heads):
    assert not list(heads[1].glob("*.bin")) and len(list(heads[1].glob("*.safetensors"))) == 1


def test_config_says_where_the_base_and_the_code_are(heads, tmp_path):
    config = json.loads((heads[1] / "config.json").read_text())
    assert (config["base"], config["base_included"], config["model_type"]) == (str(tmp_path / "base"), False, "lafunc")
    names = {"AutoConfig": "configuration_lafunc.LaFuncConfig", "AutoModel": "modeling_lafunc.LaFuncModel"}
    assert config["auto_map"] == names


def test_saving_does_not_change_the_model(heads, tmp_path):
    pair = heads[0]
    before = pair.model.config.to_dict()
    pair.model.save_pretrained(tmp_path / "whole", include_base=True)
    assert pair.model.config.to_dict() == before


def test_whole_model_can_be_saved_as_heads(heads, tmp_path):
    pair, _ = heads
    pair.model.save_pretrained(tmp_path / "whole", include_base=True)
    LaFuncModel.from_pretrained(tmp_path / "whole").save_pretrained(tmp_path / "thin")
    loaded = LaFuncModel.from_pretrained(tmp_path / "thin")
    assert not any(name.startswith("base.") for name in weights(tmp_path / "thin"))
    assert answer(Pair(loaded.eval(), pair.processor)) == answer(pair)


def test_config_round_trip(heads):
    pair, folder = heads
    loaded = LaFuncConfig.from_pretrained(folder)
    assert {n: v for n, v in loaded.to_dict().items() if n != "_name_or_path"} == {
        n: v for n, v in LaFuncModel.from_pretrained(folder).config.to_dict().items() if n != "_name_or_path"
    }
    assert type(loaded.base_config) is type(pair.model.base.config)


@pytest.mark.parametrize("field", ["filler", "schedule", "num_steps", "needs_threshold", "max_calls"])
def test_defaults_of_requests_are_kept(tmp_path, field):
    value = {"filler": "verified", "schedule": "entropy_bound", "needs_threshold": 0.25}.get(field, 7)
    LaFuncConfig(base_config=make_base("llama", 50).config, **{field: value}).save_pretrained(tmp_path)
    assert getattr(LaFuncConfig.from_pretrained(tmp_path), field) == value


# ------------------------------------------------------------------------------------ what comes back


@pytest.mark.parametrize("include_base", [False, True])
def test_every_weight_comes_back(tmp_path, include_base):
    pair = on_disk(tmp_path)
    pair.model.save_pretrained(tmp_path / "checkpoint", include_base=include_base)
    before, after = pair.model.state_dict(), LaFuncModel.from_pretrained(tmp_path / "checkpoint").state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", ["smollm3", "llama"])
def test_tied_and_untied_embeddings(tmp_path, family, tied):
    processor = LaFuncProcessor.from_base(make_tokenizer(family))
    base = make_base(family, len(processor.tokenizer), tie_word_embeddings=tied)
    model = LaFuncModel.from_base(base, head_hidden_size=32, head_layers=1)
    model.save_pretrained(tmp_path, include_base=True)
    loaded = LaFuncModel.from_pretrained(tmp_path)
    same = loaded.get_input_embeddings().weight is loaded.get_output_embeddings().weight
    ids = torch.arange(20)[None]
    assert same == tied and torch.equal(loaded(ids).logits, model(ids).logits)


@pytest.mark.parametrize("family", ["smollm3", "llama", "qwen3", "gemma3"])
def test_whole_folder_of_every_family_has_the_same_logits(tmp_path, family):
    pair = make_pair(family)
    pair.model.save_pretrained(tmp_path, include_base=True)
    ids = torch.arange(70)[None]  # longer than Gemma's window
    assert torch.equal(LaFuncModel.from_pretrained(tmp_path)(ids).logits, pair.model(ids).logits)


def assert_bfloat16(model: LaFuncModel) -> None:
    """All but the router, which reads large numbers."""
    for name, weight in model.named_parameters():
        assert weight.dtype == (torch.float32 if name.startswith("router.") else torch.bfloat16), name


@pytest.mark.parametrize("include_base", [False, True])
def test_bfloat16_stays_bfloat16(tmp_path, include_base):
    base = make_base("llama", 500).to(torch.bfloat16)
    base.save_pretrained(tmp_path / "base")
    model = LaFuncModel.from_base(str(tmp_path / "base"), dtype="auto", head_hidden_size=32, head_layers=1)
    model.save_pretrained(tmp_path / "checkpoint", include_base=include_base)
    for name, weight in weights(tmp_path / "checkpoint").items():
        assert weight.dtype == (torch.float32 if name.startswith("router.") else torch.bfloat16)
    assert_bfloat16(LaFuncModel.from_pretrained(tmp_path / "checkpoint"))


@pytest.mark.parametrize("include_base", [False, True])
def test_dtype_can_be_asked_for(tmp_path, include_base):
    pair = on_disk(tmp_path)
    pair.model.save_pretrained(tmp_path / "checkpoint", include_base=include_base)
    assert_bfloat16(LaFuncModel.from_pretrained(tmp_path / "checkpoint", dtype=torch.bfloat16))


@pytest.mark.parametrize("include_base", [False, True])
def test_loaded_base_is_frozen_and_in_evaluation(tmp_path, include_base):
    pair = on_disk(tmp_path)
    pair.model.save_pretrained(tmp_path / "checkpoint", include_base=include_base)
    model = LaFuncModel.from_pretrained(tmp_path / "checkpoint")
    assert not any(parameter.requires_grad for parameter in model.base.parameters())
    assert all(parameter.requires_grad for parameter in model.head.parameters())
    assert not any(module.training for module in model.base.modules())


@pytest.mark.parametrize("include_base", [False, True])
def test_generation_config_of_the_base_is_kept(tmp_path, include_base):
    base = make_base("llama", 500)
    base.generation_config.max_new_tokens = 3
    base.save_pretrained(tmp_path / "base")
    model = LaFuncModel.from_base(str(tmp_path / "base"), head_hidden_size=32, head_layers=1)
    model.save_pretrained(tmp_path / "checkpoint", include_base=include_base)
    loaded = LaFuncModel.from_pretrained(tmp_path / "checkpoint")
    assert loaded.base.generation_config.max_new_tokens == 3
    assert loaded.generate(torch.tensor([[5, 6]]), do_sample=False).shape[1] <= 5


def test_loading_info_on_request(heads):
    model, info = LaFuncModel.from_pretrained(heads[1], output_loading_info=True)
    assert isinstance(model, LaFuncModel) and not info["missing_keys"] and not info["unexpected_keys"]


def test_trainer_s_state_dict_is_saved(heads, tmp_path):
    """Trainers hand over the weights that they gathered."""
    pair, _ = heads
    state = {name: torch.zeros_like(weight) for name, weight in pair.model.state_dict().items()}
    pair.model.save_pretrained(tmp_path / "zeros", state_dict=state)
    assert all(not weight.any() for weight in weights(tmp_path / "zeros").values())


# ------------------------------------------------------------------------------------ bases


def test_model_made_from_a_loaded_base_remembers_its_folder(tmp_path):
    make_base("llama", 500).save_pretrained(tmp_path / "base")
    base = load_base(str(tmp_path / "base"))
    LaFuncModel.from_base(base, head_hidden_size=32, head_layers=1).save_pretrained(tmp_path / "heads")
    assert LaFuncModel.from_pretrained(tmp_path / "heads").config.base == str(tmp_path / "base")


def test_base_of_the_hub_that_is_not_here(heads):
    _, folder = heads
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "base": "nobody/nothing"}))
    with pytest.raises(CheckpointError, match=r"'nobody/nothing'(?s:.*)hf auth login(?s:.*)set `base` in config.json"):
        LaFuncModel.from_pretrained(folder)


@pytest.mark.real
def test_embedded_base_is_found_again(real, tmp_path):
    real.model.save_pretrained(tmp_path)
    loaded = LaFuncModel.from_pretrained(tmp_path)
    ids = torch.tensor([real.processor.prompt(HELLO)])
    with torch.no_grad():
        assert torch.equal(loaded(ids).logits, real.model(ids).logits)


@pytest.mark.real
def test_embedded_base_is_recorded_as_a_package(real, tmp_path):
    real.model.save_pretrained(tmp_path)
    text = (tmp_path / "config.json").read_text()
    assert json.loads(text)["base"] == EMBEDDED_BASE and "site-packages" not in text


@pytest.mark.real
def test_embedded_base_that_was_loaded_before_is_recorded_too(real):
    assert LaFuncModel.from_base(real.model.base, head_layers=1).config.base == EMBEDDED_BASE


@pytest.mark.real
def test_heads_for_the_embedded_base_are_a_few_megabytes(real, tmp_path):
    real.model.save_pretrained(tmp_path)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 40e6


# ------------------------------------------------------------------------------------ imports


def _imports(file: Path, optional: bool = True) -> list[ast.Import | ast.ImportFrom]:
    tree = ast.parse(file.read_text())
    tried = {node for outer in ast.walk(tree) if isinstance(outer, ast.Try) for node in ast.walk(outer)}
    found = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    return [node for node in found if optional or node not in tried]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_relative_imports_name_one_flat_sibling(file):
    for node in _imports(file):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1 and re.fullmatch(r"\w+_lafunc", node.module or ""), ast.unparse(node)
            assert (ROOT / f"{node.module}.py").is_file(), ast.unparse(node)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_absolute_imports_are_of_the_few_allowed_packages(file):
    allowed = {
        *sys.stdlib_module_names,
        "torch",
        "transformers",
        "huggingface_hub",
        "safetensors",
        "jsonschema",
        "numpy",  # wherever transformers is
    }
    for node in _imports(file, optional=False):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        if isinstance(node, ast.Import) or not node.level:
            assert {name.split(".")[0] for name in names} <= allowed, ast.unparse(node)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_hub_loader_s_scan_finds_what_python_imports(file):
    """transformers reads imports line by line with a regular expression; see its `get_relative_imports`."""
    from transformers.dynamic_module_utils import get_relative_imports

    real = {node.module for node in _imports(file) if isinstance(node, ast.ImportFrom) and node.level}
    assert set(get_relative_imports(file)) == real


def test_every_relative_import_is_in_the_saved_folder(heads):
    folder = heads[1]
    saved = sorted(folder.glob("*.py"))
    needed = {
        node.module for file in saved for node in _imports(file) if isinstance(node, ast.ImportFrom) and node.level
    }
    assert {f"{name}.py" for name in needed} <= {file.name for file in saved}
    assert {"modeling_lafunc.py", "configuration_lafunc.py", "processing_lafunc.py"} <= {file.name for file in saved}


def test_saved_code_is_the_code(heads):
    for file in heads[1].glob("*.py"):
        assert file.read_bytes() == (ROOT / file.name).read_bytes()
