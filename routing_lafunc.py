"""The router: chat, think or tool, decided before any text.

It reads one state of the base, at the prompt's last position. Not the last layer's: that one says which token comes
next, and on held-out rows a layer at about 70 % of the depth says far better what the request is (docs/lab-notes.md).
The states of a frozen base never change, so the router can be fitted to those of many rows at once; see
[`Router.fit`].
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from .base_lafunc import CheckpointError
from .request_lafunc import MODES

DEPTH = 0.7  # of the base's layers, where the config does not say
STEPS, ROWS, LEARNING_RATE, WEIGHT_DECAY = 300, 256, 1e-3, 0.1  # of fitting
_THREAD = threading.local()  # has `heard` inside `listening`


class Router(nn.Module):
    """One hidden layer on standardized states. It stays in float32: some of the base's states are very large.

    Args:
        width: of the states.
        hidden_size: of the hidden layer.
        layer: the states are those after so many layers of the base.
    """

    def __init__(self, width: int, hidden_size: int, layer: int):
        super().__init__()
        self.layer = layer
        # Not buffers: accelerate cannot shard a model that has some.
        self.mean = nn.Parameter(torch.zeros(width), requires_grad=False)
        self.scale = nn.Parameter(torch.ones(width), requires_grad=False)
        self.hidden = nn.Linear(width, hidden_size)
        self.out = nn.Linear(hidden_size, len(MODES))

    def forward(self, states: Tensor) -> Tensor:
        """[B, H] -> [B, 3] logits of [`MODES`]."""
        standard = (states.to(self.mean) - self.mean) / self.scale  # [B, H]
        return self.out(F.gelu(self.hidden(standard.to(self.hidden.weight.dtype))))

    def source(self, base: PreTrainedModel) -> nn.Module:
        """The layer of the base whose output is read.

        Raises:
            CheckpointError: there is no such layer.
        """
        decoder = base.get_decoder()
        count = base.config.get_text_config().num_hidden_layers
        layers = [m for m in decoder.children() if isinstance(m, nn.ModuleList) and len(m) == count]
        if not layers or not 1 <= self.layer <= count:
            raise CheckpointError(
                f"router_layer {self.layer} is none of the {count} layers of {type(base).__name__}; leave it out for "
                f"{DEPTH} of the depth"
            )
        return layers[0][self.layer - 1]

    def attach(self, base: PreTrainedModel) -> None:
        """Have that layer heard by threads that are [`listening`], and fix what only `fit` sets: loading frees it."""
        for weight in (self.mean, self.scale):
            weight.requires_grad_(False)
        source = self.source(base)
        if _hear not in source._forward_hooks.values():
            source.register_forward_hook(_hear)

    @torch.enable_grad()
    def fit(self, states: Tensor, modes: Tensor, seed: int = 0) -> dict[str, int]:
        """Forget what was learned, and learn these rows but for every tenth.

        Args:
            states: [N, H]; modes: [N], indices into MODES.

        Returns:
            `held_out` rows, how many of them are `right`, and of how many it is right whether they are `called`.
        """
        states = states.to(self.mean)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            order = torch.randperm(len(states))
            held_out, used = order[::10], order[torch.arange(len(order)) % 10 > 0]
            self.hidden.reset_parameters()
            self.out.reset_parameters()
            self.mean.copy_(states[used].mean(dim=0))
            self.scale.copy_(states[used].std(dim=0) + 1e-4)
            optimizer = torch.optim.AdamW(self.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
            for _ in range(STEPS):
                rows = used[torch.randint(len(used), (ROWS,))]
                optimizer.zero_grad()
                F.cross_entropy(self(states[rows]).float(), modes[rows].to(states.device)).backward()
                optimizer.step()
                schedule.step()
            self.zero_grad()
        with torch.no_grad():
            chosen = self(states[held_out]).argmax(dim=-1).cpu()
        right, called = chosen == modes[held_out], MODES.index("tool")
        return {
            "held_out": len(held_out),
            "right": int(right.sum()),
            "called": int(((chosen == called) == (modes[held_out] == called)).sum()),
        }


def _hear(layer: nn.Module, args: tuple, output: Tensor | tuple) -> None:
    heard = getattr(_THREAD, "heard", None)
    if heard is not None:
        heard[layer] = (output if isinstance(output, Tensor) else output[0])[:, -1]


@contextmanager
def listening() -> Iterator[dict[nn.Module, Tensor]]:
    """Within, what this thread reads is heard: by layer the state at the last position, [B, H]."""
    _THREAD.heard = {}
    try:
        yield _THREAD.heard
    finally:
        _THREAD.heard = None
