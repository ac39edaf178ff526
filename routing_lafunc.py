"""The router: chat, think or tool, which tools, and which of their arguments, decided before any text.

It reads states of one layer of the base. Not the last layer's: that one says which token comes next, and on held-out
rows a layer at about 70 % of the depth says far better what the request is (docs/lab-notes.md).

    the prompt's last state                   ──► chat | think | tool      a network of one hidden layer
    the state after each tool's name, as if   ──► called or not            another one
    the base were about to write its arguments
    the state after each argument's name,     ──► given or not             another one
    as if its value were next

A call is due where both say so on the whole: the mean of the mode's probability and of the likeliest tool's. The
states of a frozen base never change, so the router is fitted to those of many rows at once; see [`Router.fit`].
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from .base_lafunc import CheckpointError
from .request_lafunc import MODES

DEPTH = 0.7  # of the base's layers, where the config does not say
STEPS, ROWS, LEARNING_RATE, WEIGHT_DECAY = 300, 256, 1e-3, 0.1  # of fitting
CALL = MODES.index("tool")
_THREAD = threading.local()  # has `heard` inside `listening`


class Probe(nn.Module):
    """One hidden layer on standardized states. It stays in float32: some of the base's states are very large.

    Args:
        width: of the states.
        hidden_size: of the hidden layer.
        classes: to tell apart.
    """

    def __init__(self, width: int, hidden_size: int, classes: int):
        super().__init__()
        # Not buffers: accelerate cannot shard a model that has some.
        self.mean = nn.Parameter(torch.zeros(width), requires_grad=False)
        self.scale = nn.Parameter(torch.ones(width), requires_grad=False)
        self.hidden = nn.Linear(width, hidden_size)
        self.out = nn.Linear(hidden_size, classes)

    def forward(self, states: Tensor) -> Tensor:
        """[N, H] -> [N, classes] logits."""
        standard = (states.to(self.mean) - self.mean) / self.scale  # [N, H]
        return self.out(F.gelu(self.hidden(standard.to(self.hidden.weight.dtype))))

    @torch.enable_grad()
    def learn(self, states: Tensor, classes: Tensor) -> None:
        """Forget what was learned, and learn these. states: [N, H]; classes: [N]"""
        states, classes = states.to(self.mean), classes.to(self.mean.device)
        self.hidden.reset_parameters()
        self.out.reset_parameters()
        self.mean.copy_(states.mean(dim=0))
        self.scale.copy_(states.std(dim=0) + 1e-4)
        moving = [*self.hidden.parameters(), *self.out.parameters()]
        frozen = [weight for weight in moving if not weight.requires_grad]
        for weight in frozen:
            weight.requires_grad_(True)
        optimizer = torch.optim.AdamW(moving, LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        for _ in range(STEPS):
            rows = torch.randint(len(states), (ROWS,))
            optimizer.zero_grad()
            F.cross_entropy(self(states[rows]).float(), classes[rows]).backward()
            optimizer.step()
            schedule.step()
        self.zero_grad()
        for weight in frozen:
            weight.requires_grad_(False)


class Router(Probe):
    """The probe of the mode; as `tools` that of whether a tool is called, as `arguments` of whether one is given.

    Args:
        width: of the states.
        hidden_size: of the hidden layers.
        layer: the states are those after so many layers of the base.
    """

    def __init__(self, width: int, hidden_size: int, layer: int):
        super().__init__(width, hidden_size, len(MODES))
        self.layer = layer
        self.tools = Probe(width, hidden_size, 2)
        self.arguments = Probe(width, hidden_size, 2)

    def called(self, states: Tensor) -> Tensor:
        """[N, H] after the names of N tools -> [N] how likely each is called."""
        return self.tools(states).float().softmax(dim=-1)[:, 1]

    def given(self, states: Tensor) -> Tensor:
        """[N, H] after the names of N arguments -> [N] how likely the conversation gives each a value."""
        return self.arguments(states).float().softmax(dim=-1)[:, 1]

    def modes(self, states: Tensor, called: Sequence[Tensor | None]) -> Tensor:
        """The probabilities of [`MODES`], [B, 3].

        Args:
            states: [B, H] at the ends of the prompts.
            called: of each row what [`called`] says of its tools; None where it was not asked.
        """
        found = self(states).float().softmax(dim=-1)
        for b, odds in enumerate(called):
            if odds is not None:
                call = (found[b, CALL] + odds.max()) / 2
                rest = found[b] * (1 - call) / (1 - found[b, CALL]).clamp(min=1e-9)
                found[b] = torch.where(torch.arange(len(MODES), device=found.device) == CALL, call, rest)
        return found

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
        for weight in (self.mean, self.scale, *self.tools.parameters(), *self.arguments.parameters()):
            weight.requires_grad_(False)
        source = self.source(base)
        if _hear not in source._forward_hooks.values():
            source.register_forward_hook(_hear)

    def fit(
        self,
        states: Tensor,
        modes: Tensor,
        tools: Sequence[tuple[Tensor, Tensor]] = (),
        arguments: Sequence[tuple[Tensor, Tensor]] = (),
        seed: int = 0,
    ) -> dict[str, int]:
        """Forget what was learned, and learn these rows but for every tenth.

        Args:
            states: [N, H]; modes: [N], indices into MODES.
            tools: of each row the states after its tools' names, [T, H], and whether they are called, [T]; without
                any, only the mode is learned.
            arguments: of each row the states after the names of its calls' arguments, [A, H], and whether these are
                given, [A]; without any, nothing is learned of them.

        Returns:
            `held_out` rows, how many of them are `right`, and of how many it is right whether they are `called`. With
            tools, of these rows: how many `tools` they offer, and of how many of these it is right whether they are
            called (`tools_right`). If there are arguments, `arguments` and `arguments_right`, likewise.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            order = torch.randperm(len(states))
            held_out, used = order[::10], order[torch.arange(len(order)) % 10 > 0]
            self.learn(states[used], modes[used])
            for probe, pairs in ((self.tools, tools), (self.arguments, arguments)):
                parts = [pairs[n] for n in used.tolist() if len(pairs[n][1])] if pairs else []
                if parts:
                    probe.learn(torch.cat([part for part, _ in parts]), torch.cat([part for _, part in parts]).long())
        with torch.no_grad():
            offered = [tools[n] for n in held_out.tolist()] if tools else []
            odds = [self.called(part) if len(part) else None for part, _ in offered]
            chosen = self.modes(states[held_out], odds).argmax(dim=-1).cpu()
        due = modes[held_out]
        found = {
            "held_out": len(held_out),
            "right": int((chosen == due).sum()),
            "called": int(((chosen == CALL) == (due == CALL)).sum()),
        }
        if tools:
            pairs = [
                (p.cpu() >= 0.5, called.bool()) for p, (_, called) in zip(odds, offered, strict=True) if p is not None
            ]
            found["tools"] = sum(len(called) for _, called in pairs)
            found["tools_right"] = sum(int((said == called).sum()) for said, called in pairs)
        if any(len(given) for _, given in arguments):
            with torch.no_grad():
                parts = [arguments[n] for n in held_out.tolist() if len(arguments[n][1])]
                right = [(self.given(states).cpu() >= 0.5) == given.bool() for states, given in parts]
            found["arguments"] = sum(map(len, right))
            found["arguments_right"] = sum(int(each.sum()) for each in right)
        return found


def _hear(layer: nn.Module, args: tuple, output: Tensor | tuple) -> None:
    heard = getattr(_THREAD, "heard", None)
    if heard is not None:
        heard[layer] = output if isinstance(output, Tensor) else output[0]


@contextmanager
def listening() -> Iterator[dict[nn.Module, Tensor]]:
    """Within, what this thread reads is heard: by layer its states, [B, S, H]."""
    _THREAD.heard = {}
    try:
        yield _THREAD.heard
    finally:
        _THREAD.heard = None
