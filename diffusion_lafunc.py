"""The masked-diffusion head and its denoising loop: all slots of all calls at once.

    step      get_weather                        location              unit
    t = 1     {"location": ‹M M M M M M›", "unit": ‹M M M›          everything masked
              ──► head ──► logits ──► best string of each slot's language (exact, by dynamic programming)
    t = 1/2   {"location": ‹ "` Tok yo M M M›", "unit": ‹M M M›     the sure positions are committed
    t = 0     {"location": ‹ "` Tok yo ∅ ∅ ∅›", "unit": ‹ " c elsius›

The base reads the scaffold once; a denoising step is one evaluation of the head. A position's input is the base's hidden
state of the *previous* position (the base predicts the next token), the token that stands there now, its offset in the
slot, the slot's kind and the noise level. Output goes through the base's own `lm_head`, with one more row for `<NULL>`.

Masked diffusion: Sahoo et al. 2024, "Simple and Effective Masked Diffusion Language Models". Entropy-bounded unmasking:
Ben-Hamu et al. 2025, "Accelerated Sampling from Masked Diffusion Models via Entropy Bounded Unmasking".
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .configuration_lafunc import LaFuncConfig
from .filling_lafunc import Cursor, Reader, class_index
from .language_lafunc import Automaton
from .scaffolding_lafunc import Block, Capacity, Path, Scaffold, Span, json_path


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
        self.symbols = nn.Parameter(torch.zeros(2, base_hidden_size))  # <MASK>, <NULL>, as rows of the base's embedding
        self.hidden_in = nn.Linear(base_hidden_size, width, bias=False)
        self.token_in = nn.Linear(base_hidden_size, width, bias=False)
        self.memory_in = nn.Linear(base_hidden_size, width, bias=False)
        self.offset = nn.Embedding(self.max_offset + 1, width)  # 0: fixed text; 1, 2, …: first, second position of a slot
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
        q, k, v = (self._split(part) for part in self.self_qkv(self.self_norm(x)).chunk(3, dim=-1))  # [B, heads, S, W/heads]
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

    Exact, by dynamic programming over (position, state). log_probs: [J, V + 1], `<NULL>` last; -inf forbids. An `optional`
    slot may also be all `<NULL>`, which means absent; when its language holds the empty string, so may any slot.

    Returns:
        The string and the filling's log-probability, or None if no string of the language fits in J positions.
    """
    length = log_probs.shape[0]
    null = log_probs[:, -1].tolist()
    tail = [0.0] * (length + 1)  # tail[j]: <NULL> from j to the end
    for j in reversed(range(length)):
        tail[j] = tail[j + 1] + null[j]
    scores: dict[int, tuple[list[float], list[int]]] = {}  # per token class, by position: its best token's score, and which

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
        schedule: `confidence` commits the surest open positions, 1/steps_left of them, for good. `entropy_bound` commits
            open positions in order of entropy, as long as the entropies before sum to at most `bound` (in nats), for good.
            `conservative` keeps the surest `keep` share of all positions and revises the others.
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


# --------------------------------------------------------------------------------------------------------------------
# Denoising
# --------------------------------------------------------------------------------------------------------------------


@dataclass
class Canvas:
    """One row's block while it is filled.

    Attributes:
        kept: what was decided elsewhere: path -> (tokens, whether they are the whole value; none and whole: absent).
        tokens: what stands at each position of the block; MASK or NULL at slots.
        values: the strings of the present slots.
        confidence: of each value, the geometric mean of its tokens' probabilities.
        absent: probability that the first position is `<NULL>`, when nothing was filled yet.
    """

    scaffold: Scaffold
    block: Block
    kept: Mapping[Path, tuple[list[int], bool]]
    tokens: list[int] = field(default_factory=list)
    values: dict[Path, list[int]] = field(default_factory=dict)
    confidence: dict[Path, float] = field(default_factory=dict)
    absent: dict[Path, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tokens = list(self.block.tokens)
        for span in self.block.spans:
            decided, whole = self.kept.get(span.slot.path, ([], False))
            room = span.budget - len(decided)
            self.tokens[span.start : span.start + span.budget] = [*decided, *[NULL if whole else MASK] * room]

    @property
    def open(self) -> list[int]:
        """Positions that are still masked."""
        return [at for at, token in enumerate(self.tokens) if token == MASK]

    @property
    def positions(self) -> list[int]:
        """All slot positions, in order."""
        return [at for span in self.block.spans for at in span.positions]


class Denoiser:
    """Fills the scaffolds of a batch.

    Args:
        reader: stands after the prompts, and is left there.
        config: budgets and the parameters of the schedules.
        traces: per row a list that receives one dict per step, if given.
    """

    def __init__(
        self,
        head: DiffusionHead,
        reader: Reader,
        scaffolds: Sequence[Scaffold],
        config: LaFuncConfig,
        schedule: str,
        num_steps: int,
        traces: Sequence[list[dict]] | None = None,
    ):
        self.head, self.reader, self.config = head, reader, config
        self.schedule, self.num_steps, self.traces = schedule, num_steps, traces
        self.scaffolds = list(scaffolds)
        self.capacities = [Capacity() for _ in scaffolds]
        self.canvases: list[Canvas] = []
        self._hidden: dict[int, tuple[Block, Tensor]] = {}  # row -> its block and the base's states over it, [S, H]

    def fill(self, cursors: Sequence[Cursor] | None = None) -> list[dict[Path, list[int]]]:
        """All slots, then again with more room for those that ran out of it. Nothing is cut while there is room to grow.

        With `cursors` it drafts: what they have decided is kept, rows that are done are left, and a slot that runs out of
        room is left as it is, since the base will go on from there.
        """
        if not self.canvases:
            self.canvases = [Canvas(scaffold, scaffold.block(), {}) for scaffold in self.scaffolds]
        rows = list(range(len(self.scaffolds)))
        if cursors is not None:
            rows = [row for row in rows if not cursors[row].done]
            for row in rows:
                self.capacities[row] = self.scaffolds[row].room_for(cursors[row].values, self.capacities[row])
                block = self.scaffolds[row].block(self.capacities[row])
                self.canvases[row] = Canvas(self.scaffolds[row], block, _decided(cursors[row], block))
        while rows:
            self._denoise(rows)
            crowded = []
            for row in rows:
                canvas, scaffold = self.canvases[row], self.scaffolds[row]
                larger = scaffold.crowded(canvas.values, canvas.block, self.capacities[row], self.config.max_slot_tokens)
                if larger is None or cursors is not None:
                    continue
                grown = {path for path, budget in larger.budgets.items() if budget != self.capacities[row].budgets.get(path)}
                kept = {
                    span.slot.path: canvas.kept[span.slot.path]
                    if span.slot.path in grown and span.slot.path in canvas.kept
                    else (canvas.values.get(span.slot.path, []), True)
                    for span in canvas.block.spans
                    if span.slot.path not in grown or span.slot.path in canvas.kept
                }
                self.capacities[row] = larger
                following = Canvas(scaffold, scaffold.block(larger), kept)
                following.confidence, following.absent = canvas.confidence, canvas.absent
                self.canvases[row] = following
                crowded.append(row)
            rows = crowded
        return [canvas.values for canvas in self.canvases]

    # ------------------------------------------------------------------------------------------------ steps

    def _denoise(self, rows: list[int]) -> None:
        inputs = self._read(rows)
        for step in range(self.num_steps):
            if not any(self.canvases[row].open for row in rows):
                break
            features = self._features(rows, inputs, 1 - step / self.num_steps)  # [B, S, H]
            for b, row in enumerate(rows):
                if self.canvases[row].open:
                    self._step(row, features[b], step)
        for row in rows:
            canvas = self.canvases[row]
            canvas.values = {
                span.slot.path: string
                for span in canvas.block.spans
                if (string := [canvas.tokens[at] for at in span.positions if canvas.tokens[at] != NULL])
            }

    def _read(self, rows: list[int]) -> dict[str, Tensor]:
        """The head's inputs that stay the same over the steps. One base pass, unless the blocks were read before."""
        unread = [row for row in rows if self._hidden.get(row, (None,))[0] != self.canvases[row].block]
        if unread:
            mark = self.reader.mark()
            blocks = [c.block.tokens if row in unread else [] for row, c in enumerate(self.canvases)]
            hidden = self.reader.read(blocks)
            for row in unread:
                self._hidden[row] = (self.canvases[row].block, hidden[row, : len(blocks[row])])
            self.reader.rewind(mark)
        device = self.reader.device
        states = [torch.cat([self.reader.prompt[row, -1:], self._hidden[row][1][:-1]]) for row in rows]  # [S, H] each
        width = max(map(len, states))
        offsets = torch.zeros(len(rows), width, dtype=torch.long)
        kinds, mask = torch.zeros_like(offsets), torch.zeros_like(offsets, dtype=torch.bool)
        for b, row in enumerate(rows):
            mask[b, : len(states[b])] = True
            for span in self.canvases[row].block.spans:
                offsets[b, span.start : span.start + span.budget] = torch.arange(1, span.budget + 1)
                kinds[b, span.start : span.start + span.budget] = 1 + KINDS.index(span.slot.kind)
        return {
            "previous": nn.utils.rnn.pad_sequence(states, batch_first=True),  # [B, S, H]
            "offsets": offsets.to(device),
            "kinds": kinds.to(device),
            "mask": mask.to(device),
            "memory": self.reader.prompt[rows],
            "memory_mask": self.reader.prompt_mask[rows],
        }

    def _features(self, rows: list[int], inputs: dict[str, Tensor], noise: float) -> Tensor:
        ids = torch.zeros(inputs["mask"].shape, dtype=torch.long)
        for b, row in enumerate(rows):
            ids[b, : len(self.canvases[row].tokens)] = torch.tensor(self.canvases[row].tokens)
        level = max(1, round(noise * self.head.noise_levels))
        self.reader.stats.head_passes += 1
        return self.head(
            embeddings=embed(self.reader.base, self.head, ids.to(inputs["mask"].device)),
            level=torch.full((len(rows),), level, device=inputs["mask"].device),
            **inputs,
        )

    def _step(self, row: int, features: Tensor, step: int) -> None:
        """Decode one row's slots and commit what the schedule says. features: [S, H]"""
        canvas = self.canvases[row]
        at = torch.tensor(canvas.positions, device=features.device)
        logits = self.head.logits(features[at], self.reader.base.get_output_embeddings())  # [N, V + 1]
        log_probs = torch.nan_to_num(logits, nan=-1e9, posinf=1e9, neginf=-1e9).log_softmax(dim=-1)
        proposal: list[int] = []
        for span in canvas.block.spans:
            here = slice(len(proposal), len(proposal) + span.budget)
            first = step == 0 and canvas.tokens[span.start] == MASK
            if first:
                canvas.absent.setdefault(span.slot.path, float(log_probs[here.start, -1].exp()))
            proposal += self._propose(canvas, span, log_probs[here])
        null = log_probs.shape[-1] - 1
        ids = torch.tensor([null if token == NULL else token for token in proposal], device=features.device)
        sure = log_probs.gather(1, ids[:, None])[:, 0]  # [N]
        entropy = -(log_probs.exp() * log_probs).sum(dim=-1)  # [N]
        open = torch.tensor([canvas.tokens[p] == MASK for p in canvas.positions], device=features.device)
        committed = commit(
            self.schedule, sure, entropy, open, self.num_steps - step, self.config.keep_share, self.config.entropy_bound
        ).tolist()
        for n, position in enumerate(canvas.positions):
            canvas.tokens[position] = proposal[n] if committed[n] else MASK
        n = 0
        for span in canvas.block.spans:
            decided, whole = canvas.kept.get(span.slot.path, ([], False))
            canvas.tokens[span.start : span.start + len(decided)] = decided  # a schedule may not revise what is kept
            if whole:
                canvas.tokens[span.start : span.start + span.budget] = proposal[n : n + span.budget]
            else:
                written = [p for p, token in zip(sure[n : n + span.budget].tolist(), proposal[n:], strict=False) if token != NULL]
                canvas.confidence[span.slot.path] = math.exp(sum(written) / len(written)) if written else 1.0
            n += span.budget
        if self.traces is not None:
            self.traces[row].append(self._picture(canvas, proposal, sure.exp().tolist(), step))

    def _propose(self, canvas: Canvas, span: Span, log_probs: Tensor) -> list[int]:
        """The best string of one slot given what is committed in it, padded with NULL. log_probs: [J, V + 1]"""
        standing = canvas.tokens[span.start : span.start + span.budget]
        if MASK not in standing:
            return standing
        if any(token != MASK for token in standing):
            allowed = torch.full_like(log_probs, -math.inf)
            for j, token in enumerate(standing):
                if token == MASK:
                    allowed[j] = log_probs[j]
                else:
                    allowed[j, token if token >= 0 else -1] = 0.0
            log_probs = allowed
        optional = span.slot.optional and span.slot.path not in canvas.kept
        found = best_string(span.slot.language, log_probs, optional)
        assert found is not None, f"no string of {span.slot.path}'s language fits {span.budget} positions after {standing}"
        return found[0] + [NULL] * (span.budget - len(found[0]))

    def _picture(self, canvas: Canvas, proposal: list[int], probabilities: list[float], step: int) -> dict:
        """A step as the demo shows it: per slot the proposed tokens, their probabilities, and which are committed."""
        vocabulary, slots, n = canvas.scaffold.vocabulary, [], 0
        for span in canvas.block.spans:
            tokens = proposal[n : n + span.budget]
            slots.append(
                {
                    "path": json_path(span.slot.path),
                    "tokens": ["<NULL>" if t == NULL else vocabulary.decode_bytes([t]).decode(errors="replace") for t in tokens],
                    "probabilities": probabilities[n : n + span.budget],
                    "committed": [canvas.tokens[at] != MASK for at in span.positions],
                }
            )
            n += span.budget
        return {"stage": "denoise", "step": step + 1, "of": self.num_steps, "slots": slots}


def embed(base: nn.Module, head: DiffusionHead, ids: Tensor) -> Tensor:
    """[B, S] token ids, MASK and NULL among them, -> [B, S, H]: the base's embedding and the head's own rows."""
    embeddings = base.get_input_embeddings()(ids.clamp(min=0))
    symbols = head.symbols.to(embeddings)
    embeddings = torch.where((ids == MASK)[..., None], symbols[0], embeddings)
    return torch.where((ids == NULL)[..., None], symbols[1], embeddings)


def _decided(cursor: Cursor, block: Block) -> dict[Path, tuple[list[int], bool]]:
    """What a cursor has settled in a block: the slots that it passed are whole or absent, the one that it is in has begun."""
    settled: dict[Path, tuple[list[int], bool]] = {}
    current = cursor.expected()
    last = max((n for n, span in enumerate(block.spans) if span.slot.path in cursor.values), default=-1)
    for n, span in enumerate(block.spans):
        path = span.slot.path
        if path == current:
            settled[path] = (cursor.values.get(path, []), False)
            return settled
        if current is None and n > last:
            return settled
        settled[path] = (cursor.values.get(path, []), True)
    return settled
