"""Low-rank adapters on the frozen base, for tool mode: plan and scaffold and, if `adapts_prompt`, the prompt.

They are off unless a thread is inside [`adapted`], and the base is then the base, bit for bit: chat and thoughts never
meet them, whatever other threads do meanwhile. LoRA (Hu et al. 2021) as PEFT makes and stores it.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from .base_lafunc import CheckpointError

try:  # here, or the Hub's loader asks everybody for it, also for checkpoints without adapters
    from peft import LoraConfig, inject_adapter_in_model
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict

    NO_PEFT = None
except ImportError as error:
    NO_PEFT = error

FOLDER = "adapter"  # beside the other weights transformers would take the whole checkpoint for an adapter
FILE = "adapter_model.safetensors"
PREFIX = "base_model.model."  # of names in PEFT's files
_THREAD = threading.local()  # has `adapted` inside it


def attach_adapters(base: PreTrainedModel, rank: int) -> None:
    """Put adapters on every linear layer but the output's; they change nothing until they are trained.

    Raises:
        CheckpointError: PEFT is not installed.
    """
    if NO_PEFT is not None:
        raise CheckpointError(f"adapters need PEFT ({NO_PEFT}): pip install peft") from NO_PEFT
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear"), base)
    for module in base.modules():
        if isinstance(module, BaseTunerLayer):
            module.__class__ = _switched(type(module))
    for weight in adapter_weights(base):
        weight.requires_grad_(False)
        weight.data = weight.data.to(base.dtype)


@cache
def _switched(kind: type[nn.Module]) -> type:
    """A kind of layer whose adapters each thread turns on for itself: PEFT's own switch is one for all threads.

    What it says is what PEFT's says, bit for bit where all is of one dtype, without the checks that cost as much as
    the adapters themselves when a token is read, and in training without the copies that PEFT keeps of what is read.
    """

    def forward(layer, x: Tensor) -> Tensor:
        if not getattr(_THREAD, "adapted", False):
            return layer.base_layer(x)
        down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        if down.dtype != x.dtype and not torch.is_autocast_enabled(x.device.type):  # in training
            down, up = down.to(x.dtype), up.to(x.dtype)
        said = F.linear(F.linear(x, down), up)
        return torch.add(layer.base_layer(x), said, alpha=layer.scaling["default"])

    off = property(lambda layer: not getattr(_THREAD, "adapted", False), lambda layer, value: None)
    return type(kind.__name__, (kind,), {"_disable_adapters": off, "forward": forward})


def adapter_weights(base: PreTrainedModel) -> list[nn.Parameter]:
    return [weight for name, weight in base.named_parameters() if ".lora_" in name]


@contextmanager
def adapted() -> Iterator[None]:
    """Within, adapters are on, in this thread."""
    _THREAD.adapted = True
    try:
        yield
    finally:
        _THREAD.adapted = False


def bare(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a model by name, without its adapters, named as if there were none."""
    return {name.replace(".base_layer.", "."): weight for name, weight in weights.items() if ".lora_" not in name}


def save_adapters(base: PreTrainedModel, weights: Mapping[str, Tensor], folder: Path) -> None:
    """Write them in PEFT's form. `weights`: the base's, by name."""
    config = base.peft_config["default"]
    config.base_model_name_or_path, config.inference_mode = base.name_or_path, True
    folder.mkdir(exist_ok=True)
    config.save_pretrained(folder)
    mine = get_peft_model_state_dict(base, state_dict=dict(weights), save_embedding_layers=False)
    save_file({PREFIX + name: weight.contiguous() for name, weight in mine.items()}, folder / FILE, {"format": "pt"})


def load_adapters(base: PreTrainedModel, file: str | Path) -> None:
    """Read what [`save_adapters`] wrote.

    Raises:
        OSError, SafetensorError: the file is missing or damaged.
        ValueError: it was made for another base, or with another rank.
    """
    weights = {name.removeprefix(PREFIX): weight for name, weight in load_file(file).items()}
    expected = get_peft_model_state_dict(base, save_embedding_layers=False)
    shapes = {name: weight.shape for name, weight in weights.items()}
    if shapes != {name: weight.shape for name, weight in expected.items()}:
        raise ValueError(f"{file} holds adapters for another base or of another rank; see adapter_rank in config.json")
    set_peft_model_state_dict(base, weights)
