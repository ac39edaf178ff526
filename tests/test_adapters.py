"""Adapters: on for plan and scaffold, off for all else; saved in PEFT's form, and loaded again."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest
import torch
from conftest import TOOLS, WEATHER, Pair, facts, make_pair
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file, save_file

from lafunc import LaFuncModel, adapters_lafunc
from lafunc.adapters_lafunc import FILE, FOLDER, adapted, adapter_weights
from lafunc.base_lafunc import CheckpointError
from lafunc.filling_lafunc import Reader
from lafunc.output_lafunc import Stats

IDS = [5, 6, 7, 8, 9, 10, 11, 12]


@pytest.fixture
def trained() -> Pair:
    """A tiny model whose adapters change what the base reads."""
    pair = make_pair("llama", adapter_rank=4)
    torch.manual_seed(3)
    for weight in adapter_weights(pair.model.base):
        torch.nn.init.normal_(weight, std=0.3)
    return pair


@pytest.fixture
def folder(trained, tmp_path):
    """A checkpoint that stands alone."""
    trained.model.save_pretrained(tmp_path / "saved", include_base=True)
    return tmp_path / "saved"


def states(model: LaFuncModel) -> torch.Tensor:
    """Of the second half of IDS, read after the first as a prompt."""
    with torch.no_grad():
        return Reader(model.base, [IDS[:4]], Stats()).read([IDS[4:]])


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3"])
def test_the_prompt_is_read_by_the_bare_base_and_what_follows_is_not(family):
    bare, model = make_pair(family).model, make_pair(family, adapter_rank=4).model
    assert torch.equal(states(bare), states(model))  # new adapters change nothing
    for weight in adapter_weights(model.base):
        torch.nn.init.normal_(weight, std=0.3)
    ids = torch.tensor([IDS])
    with torch.no_grad():
        assert torch.equal(bare(input_ids=ids).logits, model(input_ids=ids).logits)
        assert torch.equal(Reader(bare.base, [IDS], Stats()).prompt, Reader(model.base, [IDS], Stats()).prompt)
    assert not torch.allclose(states(bare), states(model))
    assert torch.equal(bare.generate(ids, max_new_tokens=6), model.generate(ids, max_new_tokens=6))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("on", [True, False])
def test_a_layer_says_what_peft_says(trained, dtype, on):
    model = trained.model.base.to(dtype)
    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    assert len(layers) == 14
    for layer in layers:
        x = torch.randn(2, 3, layer.in_features, dtype=dtype)
        with torch.no_grad(), adapted() if on else nullcontext():
            said = layer(x)
            assert torch.equal(said, type(layer).__mro__[1].forward(layer, x))
        assert torch.equal(said, layer.base_layer(x)) != on and said.dtype == dtype


def test_adapters_are_off_again_after_an_error(trained):
    layers = [module for module in trained.model.base.modules() if isinstance(module, BaseTunerLayer)]
    assert layers
    with pytest.raises(KeyError), adapted():
        assert not any(layer.disable_adapters for layer in layers)
        raise KeyError
    assert all(layer.disable_adapters for layer in layers)


@pytest.mark.parametrize("filler", ["autoregressive", "diffusion", "verified"])
def test_a_saved_model_answers_as_before(trained, folder, filler):
    """Standing alone, and over a base from elsewhere."""
    expected = facts(trained.call("hello", TOOLS, filler=filler))
    alone = LaFuncModel.from_pretrained(folder).eval()
    assert facts(Pair(alone, trained.processor).call("hello", TOOLS, filler=filler)) == expected
    bare = make_pair("llama").model.base
    bare.save_pretrained(folder.parent / "base")
    trained.model.config.base = str(folder.parent / "base")
    trained.model.save_pretrained(folder.parent / "heads")
    assert not any(name.startswith("base.") for name in load_file(folder.parent / "heads" / "model.safetensors"))
    heads = LaFuncModel.from_pretrained(folder.parent / "heads").eval()
    assert facts(Pair(heads, trained.processor).call("hello", TOOLS, filler=filler)) == expected
    assert heads.base.config.to_dict().keys() == bare.config.to_dict().keys()


def test_the_saved_base_is_the_bare_one(trained, folder):
    names = load_file(folder / "model.safetensors")
    assert not any("lora" in name or "base_layer" in name for name in names)
    bare = dict(make_pair("llama").model.base.named_parameters())
    assert all(torch.equal(weight, names[f"base.{name}"]) for name, weight in bare.items())


def test_peft_reads_the_adapters(trained, folder):
    """The files are PEFT's own, so that they can be looked at, merged or trained further with it."""
    base = make_pair("llama").model.base
    model = PeftModel.from_pretrained(base, str(folder / FOLDER))
    ids = torch.tensor([IDS])
    with torch.no_grad(), adapted():
        expected = trained.model.base(input_ids=ids).logits
        assert torch.allclose(model(input_ids=ids).logits, expected, atol=1e-5)


@pytest.mark.parametrize("damage", ["missing", "cut", "rank", "other"])
def test_adapters_that_cannot_be_loaded(trained, folder, damage):
    file = folder / FOLDER / FILE
    if damage == "missing":
        shutil.rmtree(file.parent)
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    elif damage == "rank":
        save_file({name: weight[:2, :2].contiguous() for name, weight in load_file(file).items()}, file)
    else:
        save_file({"a": torch.zeros(2)}, file)
    with pytest.raises(CheckpointError, match="cannot load the adapters of .*saved"):
        LaFuncModel.from_pretrained(folder)


def test_one_model_with_and_without_a_batch(trained):
    """Rows of a batch are adapted like single ones."""
    questions = [[{"role": "user", "content": text}] for text in ("hello", "weather in Oslo?")]
    together = trained.call(questions, [WEATHER], filler="autoregressive")
    alone = [trained.call(question, [WEATHER], filler="autoregressive") for question in questions]
    assert [facts(out) for out in together] == [facts(out) for out in alone]


def test_threads_that_share_a_model_answer_as_each_would_alone(trained):
    """Tool calls by every filler, and chat, all at once: a thread's adapters are on for that thread alone."""
    ids = torch.tensor([IDS])

    def work(n: int) -> list:
        found = []
        for turn in range(3):
            filler = ("autoregressive", "diffusion", "verified")[(n + turn) % 3]
            found.append(facts(trained.call(f"hello {n}", TOOLS, filler=filler)))
            found.append(trained.model.generate(ids[:, n:], max_new_tokens=8, do_sample=False).tolist())
            found.append(states(trained.model).tolist())
        return found

    alone = [work(n) for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == alone


def test_without_peft_only_adapters_are_refused(monkeypatch):
    """The module is read without it: the shipped files must load for everybody."""
    hidden = "import sys; sys.modules['peft'] = None; import lafunc.adapters_lafunc as a; print(a.NO_PEFT)"
    read = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, check=True)
    assert "peft" in read.stdout
    monkeypatch.setattr(adapters_lafunc, "NO_PEFT", ImportError("No module named 'peft'"))
    make_pair("llama")
    with pytest.raises(CheckpointError, match="adapters need PEFT .No module named 'peft'.: pip install peft"):
        make_pair("llama", adapter_rank=2)
