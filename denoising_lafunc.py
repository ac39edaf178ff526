"""The denoising loop: from masked scaffolds to filled ones, in a few steps of the diffusion head.

The base reads a scaffold once. At each step the head predicts every slot position, each slot takes the best string of
its language given what is committed in it, and the schedule commits some of the positions; the last step commits all.
Slots and arrays that ran out of room get more and are filled again.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from .configuration_lafunc import LaFuncConfig
from .diffusion_lafunc import KINDS, MASK, NULL, PIECE, Blank, DiffusionHead, best_strings, commit
from .filling_lafunc import Cursor, Reader
from .node_lafunc import Path, json_path
from .scaffolding_lafunc import Block, Capacity, Scaffold


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
        """All slots, then again with more room for those that ran out of it: nothing is cut while there is room.

        With `cursors` it drafts: what they have decided is kept, rows that are done are left, and a slot that runs out
        of room is left as it is, since the base will go on from there.
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
                larger = scaffold.crowded(
                    canvas.values, canvas.block, self.capacities[row], self.config.max_slot_tokens
                )
                if larger is None or cursors is not None:
                    continue
                grown = {
                    path for path, budget in larger.budgets.items() if budget != self.capacities[row].budgets.get(path)
                }
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
        log_probs = logits.nan_to_num_(nan=-1e9, posinf=1e9, neginf=-1e9)  # in place from here on, see PIECE
        for rows in log_probs.split(max(1, PIECE // log_probs.shape[1])):
            rows.copy_(rows.log_softmax(dim=-1))
        if step == 0:
            self._note_absence(canvas, log_probs)
        proposal = self._propose(canvas, log_probs)
        ids = torch.tensor([token if token != NULL else log_probs.shape[-1] - 1 for token in proposal])
        sure = log_probs.gather(1, ids[:, None].to(log_probs.device))[:, 0].cpu()  # [N]
        entropy = None
        if self.schedule == "entropy_bound":
            entropy = -(log_probs.exp() * log_probs).sum(dim=-1).cpu()  # [N]
        open = torch.tensor([canvas.tokens[p] == MASK for p in canvas.positions])
        committed = commit(
            self.schedule,
            sure,
            entropy,
            open,
            self.num_steps - step,
            self.config.keep_share,
            self.config.entropy_bound,
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
                written = [
                    p
                    for p, token in zip(sure[n : n + span.budget].tolist(), proposal[n:], strict=False)
                    if token != NULL
                ]
                canvas.confidence[span.slot.path] = math.exp(sum(written) / len(written)) if written else 1.0
            n += span.budget
        if self.traces is not None:
            self.traces[row].append(self._picture(canvas, proposal, sure.exp().tolist(), step))

    def _propose(self, canvas: Canvas, log_probs: Tensor) -> list[int]:
        """Each slot's best string given what is committed in it, padded with NULL. log_probs: [N, V + 1]"""
        masked = [n for n, at in enumerate(canvas.positions) if canvas.tokens[at] == MASK]
        if len(masked) < len(log_probs):
            log_probs = log_probs.index_select(0, torch.tensor(masked, device=log_probs.device))  # [M, V + 1]
        standing = {span.start: [canvas.tokens[at] for at in span.positions] for span in canvas.block.spans}
        spans = [span for span in canvas.block.spans if MASK in standing[span.start]]
        blanks = [
            Blank(span.slot.language, standing[span.start], span.slot.optional and span.slot.path not in canvas.kept)
            for span in spans
        ]
        for span, best in zip(spans, best_strings(blanks, log_probs), strict=True):
            assert best is not None, (
                f"no string of {span.slot.path}'s language fits {span.budget} positions after {standing[span.start]}"
            )
            standing[span.start] = best[0] + [NULL] * (span.budget - len(best[0]))
        return [token for tokens in standing.values() for token in tokens]

    @staticmethod
    def _note_absence(canvas: Canvas, log_probs: Tensor) -> None:
        """How likely each slot that is still masked is absent. log_probs: [N, V + 1]"""
        null = dict(zip(canvas.positions, log_probs[:, -1].exp().tolist(), strict=True))
        for span in canvas.block.spans:
            if canvas.tokens[span.start] == MASK:
                canvas.absent.setdefault(span.slot.path, null[span.start])

    def _picture(self, canvas: Canvas, proposal: list[int], probabilities: list[float], step: int) -> dict:
        """A step as the demo shows it: per slot the proposed tokens, their probabilities, and which are committed."""
        vocabulary, slots, n = canvas.scaffold.vocabulary, [], 0
        for span in canvas.block.spans:
            tokens = proposal[n : n + span.budget]
            slots.append(
                {
                    "path": json_path(span.slot.path),
                    "tokens": [
                        "<NULL>" if t == NULL else vocabulary.decode_bytes([t]).decode(errors="replace")
                        for t in tokens
                    ],
                    "probabilities": probabilities[n : n + span.budget],
                    "committed": [canvas.tokens[at] != MASK for at in span.positions],
                }
            )
            n += span.budget
        return {"stage": "denoise", "step": step + 1, "of": self.num_steps, "slots": slots}


def embed(base: PreTrainedModel, head: DiffusionHead, ids: Tensor) -> Tensor:
    """[B, S] token ids, MASK and NULL among them, -> [B, S, H]: the base's embedding and the head's own rows."""
    embeddings = base.get_input_embeddings()(ids.clamp(min=0))
    symbols = head.symbols.to(embeddings)
    embeddings = torch.where((ids == MASK)[..., None], symbols[0], embeddings)
    return torch.where((ids == NULL)[..., None], symbols[1], embeddings)


def _decided(cursor: Cursor, block: Block) -> dict[Path, tuple[list[int], bool]]:
    """What a cursor has settled in a block: those that it passed are whole or absent, its own has begun."""
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
