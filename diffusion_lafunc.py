"""The masked-diffusion head: all slots of all calls at once; and how its logits are decoded and committed.

    step      get_weather                        location              unit
    t = 1     {"location": ‹M M M M M M›", "unit": ‹M M M›          everything masked
              ──► head ──► logits ──► best string of each slot's language (exact, by dynamic programming)
    t = 1/2   {"location": ‹ "` Tok yo M M M›", "unit": ‹M M M›     the sure positions are committed
    t = 0     {"location": ‹ "` Tok yo ∅ ∅ ∅›", "unit": ‹ " c elsius›

The base reads the scaffold once; a denoising step is one evaluation of the head. A position's input is the base's
hidden state of the *previous* position (the base predicts the next token), the token that stands there now, its offset
in the slot, the slot's kind and the noise level. Output goes through the base's own `lm_head`, with one more row for
`<NULL>`.

Masked diffusion: Sahoo et al. 2024, "Simple and Effective Masked Diffusion Language Models". Entropy-bounded
unmasking: Ben-Hamu et al. 2025, "Accelerated Sampling from Masked Diffusion Models via Entropy Bounded Unmasking".
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .configuration_lafunc import LaFuncConfig
from .filling_lafunc import class_index
from .language_lafunc import Automaton

KINDS = ("string", "integer", "number", "boolean", "enum", "array", "mixed", "opener")
SCHEDULES = ("conservative", "confidence", "entropy_bound")
MASK, NULL = -1, -2  # where a token id is expected: to be filled; unused


class DiffusionHead(nn.Module):
    """Predicts every slot position from the scaffold, both ways, and the prompt.

    Args:
        config: sizes.
        base_hidden_size: H of the base.
    """

    def __init__(self, config: LaFuncConfig, base_hidden_size: int):
        super().__init__()
        width = config.head_hidden_size
        self.noise_levels = config.noise_levels
        self.max_offset = config.max_slot_tokens
        self.symbols = nn.Parameter(
            torch.zeros(2, base_hidden_size)
        )  # <MASK>, <NULL>, as rows of the base's embedding
        self.hidden_in = nn.Linear(base_hidden_size, width, bias=False)
        self.token_in = nn.Linear(base_hidden_size, width, bias=False)
        self.memory_in = nn.Linear(base_hidden_size, width, bias=False)
        self.offset = nn.Embedding(
            self.max_offset + 1, width
        )  # 0: fixed text; 1, 2, …: first, second position of a slot
        self.kind = nn.Embedding(len(KINDS) + 1, width)  # 0: fixed text
        self.noise = nn.Embedding(self.noise_levels + 1, width)  # 0: clean
        self.blocks = nn.ModuleList(_Block(width, config.head_attention_heads) for _ in range(config.head_layers))
        self.norm = nn.RMSNorm(width)
        self.out = nn.Linear(width, base_hidden_size, bias=False)

    def forward(
        self,
        previous: Tensor,
        embeddings: Tensor,
        offsets: Tensor,
        kinds: Tensor,
        level: Tensor,
        mask: Tensor,
        memory: Tensor,
        memory_mask: Tensor,
    ) -> Tensor:
        """Features whose product with the base's `lm_head` are the logits.

        Args:
            previous: [B, S, H], the base's hidden state one position earlier.
            embeddings: [B, S, H], the tokens as they stand, masks and nulls as rows of `symbols`.
            offsets, kinds: [B, S], see `offset` and `kind` above.
            level: [B], noise level, 0 to `noise_levels`.
            mask: [B, S], True at tokens.
            memory, memory_mask: [B, P, H], [B, P], the base's hidden states of the prompt.

        Returns:
            [B, S, H]
        """
        x = self.hidden_in(previous) + self.token_in(embeddings)  # [B, S, W]
        x = x + self.offset(offsets.clamp(max=self.max_offset)) + self.kind(kinds) + self.noise(level)[:, None]
        memory = self.memory_in(memory)  # [B, P, W]
        for block in self.blocks:
            x = block(x, mask, memory, memory_mask)
        return previous + self.out(self.norm(x))

    def logits(self, features: Tensor, lm_head: nn.Module) -> Tensor:
        """[N, H] -> [N, V + 1] in float32; the last column is `<NULL>`."""
        null = features @ self.symbols[1].to(features)  # [N]
        return torch.cat([lm_head(features), null[:, None]], dim=-1).float()


class _Block(nn.Module):
    """Self-attention both ways with rotary positions, cross-attention to the prompt, feed-forward; pre-normalised."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.self_norm, self.cross_norm, self.mlp_norm = nn.RMSNorm(width), nn.RMSNorm(width), nn.RMSNorm(width)
        self.self_qkv = nn.Linear(width, 3 * width, bias=False)
        self.self_out = nn.Linear(width, width, bias=False)
        self.cross_q = nn.Linear(width, width, bias=False)
        self.cross_kv = nn.Linear(width, 2 * width, bias=False)
        self.cross_out = nn.Linear(width, width, bias=False)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, mask: Tensor, memory: Tensor, memory_mask: Tensor) -> Tensor:
        q, k, v = (
            self._split(part) for part in self.self_qkv(self.self_norm(x)).chunk(3, dim=-1)
        )  # [B, heads, S, W/heads]
        x = x + self.self_out(self._attend(_rotate(q), _rotate(k), v, mask))
        k, v = (self._split(part) for part in self.cross_kv(memory).chunk(2, dim=-1))  # [B, heads, P, W/heads]
        x = x + self.cross_out(self._attend(self._split(self.cross_q(self.cross_norm(x))), k, v, memory_mask))
        return x + self.mlp(self.mlp_norm(x))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, S, W] -> [B, heads, S, W/heads]

    @staticmethod
    def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, mask[:, None, None, :]).transpose(1, 2).flatten(2)


def _rotate(x: Tensor) -> Tensor:
    """Rotary position embedding (Su et al. 2021). [B, heads, S, D] -> the same, D even."""
    half = x.shape[-1] // 2
    frequencies = 10_000.0 ** (-torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angles = torch.arange(x.shape[-2], device=x.device, dtype=torch.float32)[:, None] * frequencies  # [S, D/2]
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


# --------------------------------------------------------------------------------------------------------------------
# Decoding
# --------------------------------------------------------------------------------------------------------------------


def best_string(language: Automaton, log_probs: Tensor, optional: bool) -> tuple[list[int], float] | None:
    """The most probable filling of a slot: a string of its language, then `<NULL>` to the end.

    Exact, by dynamic programming over (position, state). log_probs: [J, V + 1], `<NULL>` last; -inf forbids. An
    `optional` slot may also be all `<NULL>`, absent; so may any slot whose language holds the empty string.

    Returns:
        The string and the filling's log-probability, or None if no string of the language fits in J positions.
    """
    length = log_probs.shape[0]
    null = log_probs[:, -1].tolist()
    tail = [0.0] * (length + 1)  # tail[j]: <NULL> from j to the end
    for j in reversed(range(length)):
        tail[j] = tail[j + 1] + null[j]
    scores: dict[
        int, tuple[list[float], list[int]]
    ] = {}  # per token class, by position: its best token's score, and which

    best: tuple[float, int, object] | None = None
    frontier = {language.start: 0.0}
    # How each state was reached at each position: (previous state, token).
    origins: list[dict] = []
    if optional or language.accepting(language.start):
        best = (tail[0], 0, language.start)
    for j in range(length):
        reached: dict = {}
        origin: dict = {}
        for state, so_far in frontier.items():
            for group, to in language.edges(state):
                if id(group) not in scores:
                    ids = class_index(group, log_probs.device)
                    values, which = log_probs[:, ids].max(dim=-1)  # [J]
                    scores[id(group)] = (values.tolist(), ids[which].tolist())
                values_, tokens = scores[id(group)]
                total = so_far + values_[j]
                if total > -math.inf and total > reached.get(to, -math.inf):
                    reached[to] = total
                    origin[to] = (state, tokens[j])
        origins.append(origin)
        frontier = reached
        for state, total in frontier.items():
            if language.accepting(state) and total + tail[j + 1] > (best[0] if best else -math.inf):
                best = (total + tail[j + 1], j + 1, state)
    if best is None or best[0] == -math.inf:
        return None
    score, count, state = best
    tokens_: list[int] = []
    for j in reversed(range(count)):
        state, token = origins[j][state]
        tokens_.append(token)
    return tokens_[::-1], score


def commit(
    schedule: str, sure: Tensor, entropy: Tensor, open: Tensor, steps_left: int, keep: float, bound: float
) -> Tensor:
    """Which positions are committed after a step. All tensors are [N], one entry per slot position; returns bool [N].

    Args:
        schedule: `confidence` commits the surest open positions, 1/steps_left of them, for good. `entropy_bound`
            commits open positions in order of entropy, as long as the entropies before sum to at most `bound` (in
            nats), for good. `conservative` keeps the surest `keep` share of all positions and revises the others.
        sure: log-probability of the token that stands or is proposed there.
        entropy: of the prediction there, in nats.
        open: not committed yet.
        steps_left: this step included; the last step commits everything.
    """
    if steps_left <= 1 or not open.any():
        return torch.ones_like(open)
    if schedule == "conservative":
        count = math.ceil(keep * len(sure))
        kept = torch.zeros_like(open)
        kept[sure.argsort(descending=True, stable=True)[:count]] = True
        return kept
    if schedule == "confidence":
        order = sure.masked_fill(~open, -math.inf).argsort(descending=True, stable=True)
        count = math.ceil(int(open.sum()) / steps_left)
    else:
        order = entropy.masked_fill(~open, math.inf).argsort(stable=True)
        ordered = entropy[order[: int(open.sum())]]
        count = max(1, int((ordered.cumsum(0) - ordered <= bound).sum()))
    committed = ~open
    committed[order[:count]] = True
    return committed
