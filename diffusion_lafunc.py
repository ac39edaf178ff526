"""The masked-diffusion head: all slots of all calls at once; and how its logits are decoded and committed.

    step      get_weather                        location              unit
    t = 1     {"location": ‹M M M M M M›", "unit": ‹M M M›          everything masked
              ──► head ──► logits ──► best string of each slot's language (exact, by dynamic programming)
    t = 1/2   {"location": ‹ "` Tok yo M M M›", "unit": ‹M M M›     the sure positions are committed
    t = 0     {"location": ‹ "` Tok yo ∅ ∅ ∅›", "unit": ‹ " c elsius›

The base reads the scaffold once, without the slots; a denoising step is one evaluation of the head over the slots'
positions. A position's input is the base's last state before it that does not depend on what is masked, the token that
stands there now, its offset in the slot, the slot's kind and the noise level. Four things may stand at a position, and
the head mixes them: a token that it generates, through the base's own `lm_head`; the next token of a copy, since each
slot points to where its value begins in the prompt; a token copied from anywhere in the prompt; or `<NULL>`.

Masked diffusion: Sahoo et al. 2024, "Simple and Effective Masked Diffusion Language Models". Entropy-bounded
unmasking: Ben-Hamu et al. 2025, "Accelerated Sampling from Masked Diffusion Models via Entropy Bounded Unmasking".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .configuration_lafunc import LaFuncConfig
from .filling_lafunc import class_index
from .language_lafunc import Automaton, State
from .vocabulary_lafunc import TokenClass

KINDS = ("string", "integer", "number", "boolean", "enum", "array", "mixed", "opener")
SCHEDULES = ("conservative", "confidence", "entropy_bound")
MASK, NULL = -1, -2  # where a token id is expected: to be filled; unused
NEVER = -1e9  # as a log-probability
TOP_STARTS = 8  # starts whose tokens are looked at
PIECE = 2**20  # numbers worked on at once: fresh memory for all logits would cost more than the arithmetic


@dataclass
class Sources:
    """What values may be copied from: for every place of a prompt, the tokens of a value that begins there.

    A word reads differently after a quote than after a space, so a value's first word is encoded anew.

    Attributes:
        tokens: [B, P, J], -1 where nothing is left to copy.
        places: [B, P, J], the place in the prompt that each of them stands at.
        prompt: [B, P], the prompt's own tokens, -1 at padding and control tokens.
    """

    tokens: Tensor
    places: Tensor
    prompt: Tensor

    def select(self, rows: list[int]) -> "Sources":
        return Sources(self.tokens[rows], self.places[rows], self.prompt[rows])


@dataclass
class Prediction:
    """What the head says of every slot position.

    Attributes:
        features: [B, S, H]; their product with the base's `lm_head` are the logits of generated tokens.
        gates: [B, S, 4], log-probabilities: generated, copied from the slot's start, copied from anywhere, `<NULL>`.
        starts: [B, S, P], log-probabilities of where the slot's value begins in the prompt.
        copied: [B, S, K], the tokens of the K likeliest starts, shifted to the position; -1: none.
        weights: [B, S, K], their log-probabilities.
        anywhere: [B, S, P], log-probabilities of the prompt's places, for this position alone.
    """

    features: Tensor
    gates: Tensor
    starts: Tensor
    copied: Tensor
    weights: Tensor
    anywhere: Tensor


class DiffusionHead(nn.Module):
    """Predicts every slot position from the base's states before the slot, the other slots, and the prompt.

    A value is mostly a copy: each slot points to where its value begins in the prompt, and position j takes the j-th
    token from there (pointer networks, Vinyals et al. 2015; mixed with generation as in See et al. 2017).

    Args:
        config: sizes.
        base_hidden_size: H of the base.
    """

    def __init__(self, config: LaFuncConfig, base_hidden_size: int):
        super().__init__()
        width = config.head_hidden_size
        self.noise_levels = config.noise_levels
        self.max_offset = config.max_slot_tokens
        self.symbols = nn.Parameter(torch.zeros(2, base_hidden_size))  # <MASK>, <NULL>, as rows of an embedding
        self.hidden_in = nn.Linear(base_hidden_size, width, bias=False)
        self.token_in = nn.Linear(base_hidden_size, width, bias=False)
        self.memory_in = nn.Linear(base_hidden_size, width, bias=False)
        self.offset = nn.Embedding(self.max_offset + 1, width)  # position in the slot
        self.ahead = nn.Embedding(self.max_offset + 1, width)  # positions between the base's state and this one
        self.kind = nn.Embedding(len(KINDS), width)
        self.optional = nn.Embedding(2, width)  # whether the slot's absence is the request's choice, or a gap in it
        self.noise = nn.Embedding(self.noise_levels + 1, width)  # 0: clean
        self.blocks = nn.ModuleList(_Block(width, config.head_attention_heads) for _ in range(config.head_layers - 1))
        self.start_query = nn.Linear(width, width, bias=False)
        self.start_key = nn.Linear(2 * width, width, bias=False)  # of a place's state and the one before it
        self.prior = nn.Parameter(torch.ones(1))  # how far to trust the base's own next token
        self.copy_in = nn.Linear(base_hidden_size + width, width, bias=False)
        self.last = _Block(width, config.head_attention_heads)
        self.norm = nn.RMSNorm(width)
        self.trust = nn.Embedding(self.max_offset + 1, 1)  # in the base's state as it is, by `ahead`
        self.out = nn.Linear(width, base_hidden_size, bias=False)
        self.gate = nn.Linear(width, 4)
        self.any_query = nn.Linear(width, width, bias=False)
        self.any_key = nn.Linear(width, width, bias=False)

    def forward(
        self,
        previous: Tensor,
        embeddings: Tensor,
        offsets: Tensor,
        ahead: Tensor,
        heads: Tensor,
        kinds: Tensor,
        optional: Tensor,
        level: Tensor,
        mask: Tensor,
        memory: Tensor,
        memory_mask: Tensor,
        sources: Sources,
        vectors: Tensor,
    ) -> Prediction:
        """
        Args:
            previous: [B, S, H], the base's last state before the position that does not depend on what is masked.
            embeddings: [B, S, H], the tokens as they stand, masks and nulls as rows of `symbols`.
            offsets, ahead, kinds, optional: [B, S], see the embeddings above.
            heads: [B, S], the position where the slot's free part begins, for each of its positions.
            level: [B], noise level, 0 to `noise_levels`.
            mask: [B, S], True at positions.
            memory, memory_mask: [B, P, H], [B, P], the base's hidden states of the prompt.
            sources: what may be copied.
            vectors: [V, H], the base's token embeddings.
        """
        dtype = self.out.weight.dtype  # float32 in training, whatever the base's
        previous, embeddings, memory = previous.to(dtype), embeddings.to(dtype), memory.to(dtype)
        x = self.hidden_in(previous) + self.token_in(embeddings)  # [B, S, W]
        x = x + self.offset(offsets.clamp(max=self.max_offset)) + self.ahead(ahead.clamp(max=self.max_offset))
        x = x + self.kind(kinds) + self.optional(optional) + self.noise(level)[:, None]
        memory = self.memory_in(memory)  # [B, P, W]
        for block in self.blocks:
            x = block(x, mask, memory, memory_mask)

        # One start a slot, read where its free part begins.
        batch = torch.arange(len(x), device=x.device)[:, None]
        query = self.start_query(x)[batch, heads]  # [B, S, W]
        before = F.pad(memory, (0, 0, 1, 0))[:, :-1]
        key = self.start_key(torch.cat([memory, before], dim=-1))  # [B, P, W]
        first = sources.tokens[:, :, 0]  # [B, P]
        likely = previous[batch, heads] @ vectors[first.clamp(min=0)].to(dtype).transpose(1, 2)  # [B, S, P]
        scores = (query @ key.transpose(1, 2)).float() / math.sqrt(x.shape[-1]) + self.prior * likely.float()
        starts = scores.masked_fill((first < 0)[:, None], NEVER).log_softmax(dim=-1)  # [B, S, P]
        best = min(TOP_STARTS, starts.shape[-1])
        weights, top = starts.topk(best, dim=-1)  # [B, S, K]
        shift = ahead.clamp(max=sources.tokens.shape[2] - 1)[..., None]
        copied = sources.tokens[batch[..., None], top, shift]  # [B, S, K]
        copied = torch.where((ahead >= sources.tokens.shape[2])[..., None], -1, copied)
        places = sources.places[batch[..., None], top, shift]  # [B, S, K]
        share = (weights.softmax(dim=-1) * (copied >= 0)).to(x)[..., None]
        seen = torch.cat(
            [vectors[copied.clamp(min=0)].to(dtype), memory[batch[..., None], places]], dim=-1
        )  # [B, S, K, H + W]
        x = x + self.copy_in((share * seen).sum(dim=2))

        x = self.norm(self.last(x, mask, memory, memory_mask))
        anywhere = (self.any_query(x) @ self.any_key(memory).transpose(1, 2)).float() / math.sqrt(x.shape[-1])
        allowed = memory_mask & (sources.prompt >= 0)
        return Prediction(
            features=(self.trust(ahead.clamp(max=self.max_offset)) * previous + self.out(x)).to(vectors.dtype),
            gates=self.gate(x).float().log_softmax(dim=-1),
            starts=starts,
            copied=copied,
            weights=weights.masked_fill(copied < 0, NEVER),
            anywhere=anywhere.masked_fill(~allowed[:, None], NEVER).log_softmax(dim=-1),
        )

    @staticmethod
    def log_probs(said: Prediction, sources: Sources, row: int, at: Tensor, lm_head: nn.Module) -> Tensor:
        """The mixture for positions `at` [N] of one row: [N, V + 1] in float32; the last column is `<NULL>`."""
        tokens = lm_head(said.features[row, at])  # [N, V]
        gates = said.gates[row, at].exp()  # [N, 4]
        mixed = torch.empty(len(tokens), tokens.shape[1] + 1, dtype=torch.float32, device=tokens.device)
        for rows in torch.arange(len(tokens), device=tokens.device).split(max(1, PIECE // mixed.shape[1])):
            mixed[rows, :-1] = tokens[rows].float().softmax(dim=-1) * gates[rows, :1]
        prompt = sources.prompt[row].expand(len(at), -1)  # [N, P]
        # What is no token adds nothing to the last column, which is written after.
        for gate, ids, weights in (
            (1, said.copied[row, at], said.weights[row, at]),
            (2, prompt, said.anywhere[row, at]),
        ):
            ids = torch.where(ids < 0, mixed.shape[1] - 1, ids)
            mixed.scatter_add_(1, ids, gates[:, gate, None] * weights.exp())
        mixed[:, -1] = gates[:, 3]
        return mixed.clamp_(min=1e-30).log_()


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


@dataclass(frozen=True)
class Blank:
    """A slot to decode.

    Attributes:
        language: of its strings.
        standing: what its positions hold: tokens, NULL, or MASK where it is to be filled.
        optional: may be all `<NULL>`, absent; so may any slot whose language holds the empty string.
    """

    language: Automaton
    standing: Sequence[int]
    optional: bool = False


def best_strings(blanks: Sequence[Blank], log_probs: Tensor) -> list[tuple[list[int], float] | None]:
    """The most probable filling of each slot: a string of its language, then `<NULL>` to the end.

    Exact, by dynamic programming over (position, state). What stands already is certain. Of equally probable strings,
    a shortest is chosen.

    Args:
        log_probs: [M, V + 1], a row for each MASK of the slots, in order; `<NULL>` last; -inf forbids.

    Returns:
        Per slot the string and the filling's log-probability, or None if no string of the language fits.
    """
    graphs = [_graph(blank.language, len(blank.standing)) for blank in blanks]
    classes = {group.members: group for graph in graphs for group in graph.classes}
    # On the device each class is reduced to its best token, for all slots at once; the rest is small and on the host.
    scores, tokens = _best_of_classes(log_probs, list(classes.values()))  # [M, G + 1]
    columns = {members: column for column, members in enumerate(classes)}
    found: list[tuple[list[int], float] | None] = []
    row = 0
    for blank, graph in zip(blanks, graphs, strict=True):
        mine = [*(columns[group.members] for group in graph.classes), len(classes)]
        gain = torch.full((len(blank.standing), len(mine)), -math.inf, dtype=scores.dtype)  # [J, G of the slot + 1]
        choice = torch.tensor(blank.standing)[:, None].repeat(1, len(mine))  # the token that is meant, likewise
        open = choice[:, 0] == MASK
        rows = slice(row, row := row + int(open.sum()))
        gain[open], choice[open] = scores[rows, mine], tokens[rows, mine]
        for at, token in enumerate(blank.standing):
            if token != MASK:
                certain = [n for n, group in enumerate(graph.classes) if token in group.members]
                gain[at, certain if token != NULL else -1] = 0.0
        best = _best_path(graph, gain, blank.optional)
        if best is not None:
            path, score = best
            best = [int(choice[at, label]) for at, label in enumerate(path)], score
        found.append(best)
    return found


def _best_of_classes(log_probs: Tensor, classes: Sequence[TokenClass]) -> tuple[Tensor, Tensor]:
    """[M, V + 1] -> the score of each class's best token, and which it is; [M, G + 1] each, `<NULL>` last."""
    scores, tokens = [], []
    for group in classes:
        ids = class_index(group, log_probs.device)
        pieces = [rows.index_select(1, ids).max(dim=1) for rows in log_probs.split(max(1, PIECE // len(ids)))]
        scores.append(torch.cat([piece.values for piece in pieces]))  # [M]
        tokens.append(ids[torch.cat([piece.indices for piece in pieces])])
    null = log_probs[:, -1]
    scores, tokens = [*scores, null], [*tokens, torch.full_like(null, NULL, dtype=torch.long)]
    return torch.stack(scores, 1).cpu().double(), torch.stack(tokens, 1).cpu()


@dataclass(frozen=True)
class _Graph:
    """What strings of bounded length can reach in an automaton. States are numbered, the start is 0.

    Attributes:
        source, target, label: [E], the edges in the order of `target`; `label` is an index into `classes`.
        into: the edges into state s are those from into[s] to into[s + 1].
        final: [S], 0 at accepting states, else -inf.
    """

    source: Tensor
    target: Tensor
    label: Tensor
    into: list[int]
    final: Tensor
    classes: list[TokenClass]


_GRAPHS: WeakKeyDictionary[Automaton, dict[int, _Graph]] = WeakKeyDictionary()


def _graph(language: Automaton, length: int) -> _Graph:
    """The graph of the strings of at most `length` tokens, made once. Languages without an end stay lazy beyond it."""
    known = _GRAPHS.setdefault(language, {})
    if length not in known:
        numbers: dict[State, int] = {language.start: 0}
        classes: dict[frozenset[int], tuple[int, TokenClass]] = {}
        edges, border = [], [language.start]
        for _ in range(length):
            before, border = border, []
            for state in before:
                for group, to in language.edges(state):
                    if to not in numbers:
                        numbers[to] = len(numbers)
                        border.append(to)
                    # Classes are told apart by what they hold: the states of a number repeat a few sets of digits.
                    column, _ = classes.setdefault(group.members, (len(classes), group))
                    edges.append((numbers[state], numbers[to], column))
        source, target, label = torch.tensor(edges, dtype=torch.long).view(-1, 3).unbind(1)
        order = target.argsort(stable=True)
        into = [0, *target.bincount(minlength=len(numbers)).cumsum(0).tolist()]
        final = torch.tensor([0.0 if language.accepting(state) else -math.inf for state in numbers])
        groups = [group for _, group in classes.values()]
        known[length] = _Graph(source[order], target[order], label[order], into, final, groups)
    return known[length]


def _best_path(graph: _Graph, gain: Tensor, optional: bool) -> tuple[list[int], float] | None:
    """The labels of the best path to an accepting state, and its score with the `<NULL>`s after it.

    Args:
        gain: [J, G + 1], what each label scores at each position, `<NULL>` last.
    """
    length, states = len(gain), len(graph.final)
    total = torch.full((length + 1, states), -math.inf, dtype=gain.dtype)  # of the best path to here
    total[0, 0] = 0.0
    for at in range(length):
        reached = total[at, graph.source] + gain[at, graph.label]  # [E]
        total[at + 1].scatter_reduce_(0, graph.target, reached, "amax")
    tail = gain[:, -1].flip(0).cumsum(0).flip(0)  # <NULL> from here to the end
    ends = total + graph.final
    if optional:
        ends[0, 0] = 0.0
    ends[:-1] += tail[:, None]
    best = int(ends.argmax())
    score = float(ends.flatten()[best])
    if score == -math.inf:
        return None
    count, state = divmod(best, states)
    path: list[int] = []
    for at in reversed(range(count)):
        edges = slice(graph.into[state], graph.into[state + 1])
        edge = edges.start + int((total[at, graph.source[edges]] + gain[at, graph.label[edges]]).argmax())
        path.append(int(graph.label[edge]))
        state = int(graph.source[edge])
    return path[::-1], score


def commit(
    schedule: str, sure: Tensor, entropy: Tensor | None, open: Tensor, steps_left: int, keep: float, bound: float
) -> Tensor:
    """Which positions are committed after a step. All tensors are [N], one entry per slot position; returns bool [N].

    Args:
        schedule: `confidence` commits the surest open positions, 1/steps_left of them, for good. `entropy_bound`
            commits open positions in order of entropy, as long as the entropies before sum to at most `bound` (in
            nats), for good. `conservative` keeps the surest `keep` share of all positions and revises the others.
        sure: log-probability of the token that stands or is proposed there.
        entropy: of the prediction there, in nats; only `entropy_bound` needs it.
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
        assert entropy is not None, "entropy_bound needs entropies"
        order = entropy.masked_fill(~open, math.inf).argsort(stable=True)
        ordered = entropy[order[: int(open.sum())]]
        count = max(1, int((ordered.cumsum(0) - ordered <= bound).sum()))
    committed = ~open
    committed[order[:count]] = True
    return committed
