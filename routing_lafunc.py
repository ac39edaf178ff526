"""The router: chat, think or tool, which tools how often, and which of their arguments, decided before any text.

It reads states of one layer of the base. Not the last layer's: that one says which token comes next, and on held-out
rows a layer at about 70 % of the depth says far better what the request is (docs/lab-notes.md).

    the prompt's last state                   ──► chat | think | tool      a network of one hidden layer
    the state after each tool's name, as if   ──► how often it is called   another one, which also sees the mean of
    the base were about to write its arguments                             all tools' states and the prompt's last
    the state after each argument's name,     ──► given or not             another one
    as if its value were next

A call is due where both say so on the whole: the mean of the mode's probability and of the likeliest tool's. The
states of a frozen base never change, so the router is fitted to those of many rows at once; see [`Router.fit`].
"""

import copy
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from .base_lafunc import CheckpointError, decoder_layers
from .request_lafunc import MODES

DEPTH = 0.7  # of the base's layers, where the config does not say
STEPS, ROWS, LEARNING_RATE, WEIGHT_DECAY, DROPOUT = 600, 256, 1e-3, 0.1, 0.3  # of fitting
CALL = MODES.index("tool")
OFTEN = 5  # calls of one tool are told apart up to so many
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

    def forward(self, states: Tensor, dropout: float = 0.0) -> Tensor:
        """[N, H] -> [N, classes] logits. dropout: of the states, and of the hidden layer"""
        standard = ((states.to(self.mean) - self.mean) / self.scale).to(self.hidden.weight.dtype)  # [N, H]
        return self.out(F.dropout(F.gelu(self.hidden(F.dropout(standard, dropout))), dropout))

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
            F.cross_entropy(self(states[rows], DROPOUT).float(), classes[rows]).backward()
            optimizer.step()
            schedule.step()
        self.zero_grad()
        for weight in frozen:
            weight.requires_grad_(False)


class Router(Probe):
    """The probe of the mode; as `tools` that of how often a tool is called, as `arguments` of whether one is given.

    Args:
        width: of the states.
        hidden_size: of the hidden layers.
        layer: the states are those after so many layers of the base.
    """

    def __init__(self, width: int, hidden_size: int, layer: int):
        super().__init__(width, hidden_size, len(MODES))
        self.layer = layer
        self.tools = Probe(3 * width, hidden_size, 1 + OFTEN)
        self.arguments = Probe(width, hidden_size, 2)

    def called(self, states: Tensor, end: Tensor) -> Tensor:
        """How likely each tool is called at least once, twice, ..., [T, OFTEN].

        Args:
            states: [T, H] after the names of all offered tools.
            end: [H] at the end of the prompt.
        """
        counts = self.tools(beside(states, end)).float().softmax(dim=-1)  # [T, 1 + OFTEN]
        return counts.flip(-1).cumsum(dim=-1).flip(-1)[:, 1:].clamp(max=1)

    def given(self, states: Tensor) -> Tensor:
        """[N, H] after the names of N arguments -> [N] how likely the conversation gives each a value."""
        return self.arguments(states).float().softmax(dim=-1)[:, 1]

    def modes(self, states: Tensor, called: Sequence[Tensor | None]) -> Tensor:
        """The probabilities of [`MODES`], [B, 3].

        Args:
            states: [B, H] at the ends of the prompts.
            called: of each row what [`called`] says of its tools, [T, OFTEN]; None where it was not asked.
        """
        found = self(states).float().softmax(dim=-1)
        for b, odds in enumerate(called):
            if odds is not None:
                call = (found[b, CALL] + odds[:, 0].max()) / 2
                rest = found[b] * (1 - call) / (1 - found[b, CALL]).clamp(min=1e-9)
                found[b] = torch.where(torch.arange(len(MODES), device=found.device) == CALL, call, rest)
        return found

    def source(self, base: PreTrainedModel) -> nn.Module:
        """The layer of the base whose output is read.

        Raises:
            CheckpointError: there is no such layer.
        """
        layers = decoder_layers(base)
        if not 1 <= self.layer <= len(layers):
            raise CheckpointError(
                f"router_layer {self.layer} is none of the {len(layers)} layers of {type(base).__name__}; leave it "
                f"out for {DEPTH} of the depth"
            )
        return layers[self.layer - 1]

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
        sources: Sequence[str] = (),
        seed: int = 0,
    ) -> dict[str, Any]:
        """Forget what was learned, and learn these rows but for every tenth.

        Args:
            states: [N, H]; modes: [N], indices into MODES.
            tools: of each row the states after its tools' names, [T, H], and how often they are called, [T]; without
                any, only the mode is learned.
            arguments: of each row the states after the names of its calls' arguments, [A, H], and whether these are
                given, [A]; without any, nothing is learned of them.
            sources: where each row is from; see [`abroad`].

        Returns:
            `held_out` rows, how many of them are `right`, and of how many it is right whether they are `called`. With
            tools, of these rows: how many `tools` they offer, and of how many of these it is right whether they are
            called (`tools_right`), and how often (`counts_right`). If there are arguments, `arguments` and
            `arguments_right`, likewise. If there are tools of several sources, what [`abroad`] finds, as `abroad`.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            order = torch.randperm(len(states))
            held_out, used = order[::10], order[torch.arange(len(order)) % 10 > 0]
            self._learn(used.tolist(), states, modes, tools)
            named = [n for n in used.tolist() if len(arguments[n][1])] if arguments else []
            if named:
                flags = torch.cat([arguments[n][1] for n in named]).long()
                self.arguments.learn(torch.cat([arguments[n][0] for n in named]), flags)
        chosen, odds = self._judge(held_out.tolist(), states, tools)
        due = modes[held_out]
        found: dict[str, Any] = {
            "held_out": len(held_out),
            "right": int((chosen == due).sum()),
            "called": int(((chosen == CALL) == (due == CALL)).sum()),
        }
        if tools:
            pairs = [
                ((p.cpu() >= 0.5).sum(dim=-1), tools[n][1].clamp(max=OFTEN))
                for n, p in zip(held_out.tolist(), odds, strict=True)
                if p is not None
            ]
            found["tools"] = sum(len(often) for _, often in pairs)
            found["tools_right"] = sum(int(((said > 0) == (often > 0)).sum()) for said, often in pairs)
            found["counts_right"] = sum(int((said == often).sum()) for said, often in pairs)
        if any(len(given) for _, given in arguments):
            with torch.no_grad():
                parts = [arguments[n] for n in held_out.tolist() if len(arguments[n][1])]
                right = [(self.given(states).cpu() >= 0.5) == given.bool() for states, given in parts]
            found["arguments"] = sum(map(len, right))
            found["arguments_right"] = sum(int(each.sum()) for each in right)
        if tools and (unknown := self.abroad(states, modes, tools, sources, seed)):
            found["abroad"] = unknown
        return found

    def abroad(
        self,
        states: Tensor,
        modes: Tensor,
        tools: Sequence[tuple[Tensor, Tensor]],
        sources: Sequence[str],
        seed: int = 0,
    ) -> dict[str, int]:
        """How a router like this one does on the rows of sources that it was not fitted to, each family in its turn:
        `toolace_hermes` and `toolace_written` are of one. Rows of one source resemble each other, so rows that were
        kept out of the fit say too little of other people's (docs/lab-notes.md).

        Args: those of [`fit`].

        Returns:
            Of the rows that offer tools how many have `calls` and have `none`, and how many of these are told to be
            so, `calls_right` and `none_right`. Empty if there are not several families.
        """
        families = [source.split("_")[0] for source in sources]
        found = dict.fromkeys(("calls", "calls_right", "none", "none_right"), 0)
        if len(set(families)) < 2:
            return {}
        for family in sorted(set(families)):
            known = [n for n, other in enumerate(families) if other != family]
            unknown = [n for n, own in enumerate(families) if own == family and len(tools[n][1])]
            if not unknown or not any(len(tools[n][1]) for n in known):
                continue
            router = copy.deepcopy(self)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                router._learn(known, states, modes, tools)
            chosen, _ = router._judge(unknown, states, tools)
            for mode, due in zip(chosen.tolist(), modes[unknown].tolist(), strict=True):
                name = "calls" if due == CALL else "none"
                found[name] += 1
                found[f"{name}_right"] += (mode == CALL) == (due == CALL)
        return found

    def _learn(
        self, rows: Sequence[int], states: Tensor, modes: Tensor, tools: Sequence[tuple[Tensor, Tensor]]
    ) -> None:
        """The mode, and of tools how often they are called, from these rows."""
        self.learn(states[rows], modes[rows])
        offered = [n for n in rows if len(tools[n][1])] if tools else []
        if offered:
            counts = torch.cat([tools[n][1] for n in offered]).long().clamp(max=OFTEN)
            self.tools.learn(torch.cat([beside(tools[n][0], states[n]) for n in offered]), counts)

    @torch.no_grad()
    def _judge(
        self, rows: Sequence[int], states: Tensor, tools: Sequence[tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, list[Tensor | None]]:
        """The modes of these rows, [N], and of each what [`called`] says, [T, OFTEN], or None without tools."""
        odds = [self.called(tools[n][0], states[n]) if tools and len(tools[n][1]) else None for n in rows]
        return self.modes(states[rows], odds).argmax(dim=-1).cpu(), odds


def beside(states: Tensor, end: Tensor) -> Tensor:
    """What is read of each of a row's tools: its state, the mean of all and the prompt's, [T, H], [H] -> [T, 3 H]."""
    states = states.float()  # the mean of many rounds worse than each
    return torch.cat([states, states.mean(dim=0).expand_as(states), end.to(states).expand_as(states)], dim=-1)


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
