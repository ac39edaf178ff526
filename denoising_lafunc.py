"""The denoising loop: from masked scaffolds to filled ones, in a few steps of the diffusion head.

The base reads a scaffold once. At each step the head predicts every slot position, each slot takes the best string of
its language given what is committed in it, and the schedule commits some of the positions; the last step commits all.
Slots and arrays that ran out of room get more and are filled again.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from .configuration_lafunc import LaFuncConfig
from .diffusion_lafunc import (
    KINDS,
    MASK,
    NEVER,
    NULL,
    Blank,
    DiffusionHead,
    Prediction,
    Sources,
    best_strings,
    commit,
)
from .filling_lafunc import Reader, Tell
from .node_lafunc import Path, json_path
from .output_lafunc import logit
from .scaffolding_lafunc import Block, Capacity, Scaffold, Span
from .vocabulary_lafunc import Vocabulary

COPY_LENGTH = 32  # tokens of a copy; what goes on longer is generated


@dataclass
class Canvas:
    """One row's block while it is filled.

    Attributes:
        kept: values that stand, from when other slots had less room: path -> tokens; none: absent.
        tokens: what stands at each position of the block; MASK or NULL at slots.
        values: the strings of the present slots.
        confidence: of each value, the geometric mean of its tokens' probabilities.
        absent: probability that the first position is `<NULL>`, when nothing was filled yet.
        guesses: what each slot of the first layout would hold if it were there, likewise, and how sure that is;
            without optional slots there are none.
        decided: of optional slots whether they are present, where others than the head have a say.
    """

    scaffold: Scaffold
    block: Block
    kept: Mapping[Path, list[int]] = field(default_factory=dict)
    tokens: list[int] = field(default_factory=list)
    values: dict[Path, list[int]] = field(default_factory=dict)
    confidence: dict[Path, float] = field(default_factory=dict)
    absent: dict[Path, float] = field(default_factory=dict)
    guesses: dict[Path, tuple[list[int], float]] = field(default_factory=dict)
    decided: dict[Path, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tokens = list(self.block.tokens)
        for span in self.block.spans:
            if (value := self.kept.get(span.slot.path)) is None:
                value = [MASK] * span.budget
            self.tokens[span.start : span.start + span.budget] = [*value, *[NULL] * (span.budget - len(value))]

    def known(self, span: Span) -> list[int]:
        """What is sure to stand at the beginning of a slot."""
        return self.kept.get(span.slot.path, span.slot.language.forced)

    def skeleton(self) -> list[int]:
        """What the base reads: the block with each slot cut down to what is known of it."""
        tokens, at = [], 0
        for span in self.block.spans:
            tokens += self.block.tokens[at : span.start] + self.known(span)
            at = span.start + span.budget
        return tokens + self.block.tokens[at:]

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
        tells: per row what receives one dict per step, and one whenever the layout changes, if given.
        present: per row what others say of optional slots, once the head has said its word on the canvas: log-odds
            that they are present, added to the head's.
    """

    def __init__(
        self,
        head: DiffusionHead,
        reader: Reader,
        scaffolds: Sequence[Scaffold],
        config: LaFuncConfig,
        schedule: str,
        num_steps: int,
        tells: Sequence[Tell] | None = None,
        present: Sequence[Callable[[Canvas], Mapping[Path, float]]] | None = None,
    ):
        self.present = present
        self.head, self.reader, self.config = head, reader, config
        self.schedule, self.num_steps, self.tells = schedule, num_steps, tells
        self.scaffolds = list(scaffolds)
        self.capacities = [s.room_for(s.kept, Capacity()) if s.written else Capacity() for s in scaffolds]
        self.canvases: list[Canvas] = []
        self.device = reader.device
        self._hidden: dict[
            int, tuple[list[int], Tensor]
        ] = {}  # row -> what was read, and the states there, [R + 1, H]
        self._sources: Sources | None = None

    def fill(self, draft: bool = False) -> list[dict[Path, list[int]]]:
        """All slots of what is not written, then again with more room for those that ran out of it: nothing is cut
        while there is room.

        A `draft` leaves those as they are, since the base will go on from there.
        """
        self.canvases = []
        for scaffold, capacity in zip(self.scaffolds, self.capacities, strict=True):
            block = scaffold.block(capacity)
            written = [span.slot.path for span in block.spans if span.slot.path[0] < scaffold.written]
            self.canvases.append(Canvas(scaffold, block, {path: scaffold.kept.get(path, []) for path in written}))
        rows = list(range(len(self.scaffolds)))
        while rows:
            self._denoise(rows)
            crowded = []
            for row in rows:
                canvas, scaffold = self.canvases[row], self.scaffolds[row]
                larger = scaffold.crowded(
                    canvas.values, canvas.block, self.capacities[row], self.config.max_slot_tokens
                )
                if larger is None or draft:
                    continue
                grown = {
                    path for path, budget in larger.budgets.items() if budget != self.capacities[row].budgets.get(path)
                }
                kept = {
                    span.slot.path: canvas.values.get(span.slot.path, [])
                    for span in canvas.block.spans
                    if span.slot.path not in grown
                }
                self.capacities[row] = larger
                following = Canvas(scaffold, scaffold.block(larger), kept)
                following.confidence, following.absent = canvas.confidence, canvas.absent
                following.guesses = canvas.guesses
                self._lay_out(row, following)
                crowded.append(row)
            rows = crowded
        return [canvas.values for canvas in self.canvases]

    def _lay_out(self, row: int, canvas: Canvas) -> None:
        """Go on with another canvas, and show its block if it is laid out otherwise."""
        if self.tells is not None and canvas.block.tokens != self.canvases[row].block.tokens:
            self.tells[row](canvas.block.picture(canvas.scaffold.vocabulary))
        self.canvases[row] = canvas

    # ------------------------------------------------------------------------------------------------ steps

    def _denoise(self, rows: list[int]) -> None:
        inputs = self._read(rows)
        for step in range(self.num_steps):
            if not any(self.canvases[row].open for row in rows):
                break
            said = self._say(rows, inputs, 1 - step / self.num_steps)
            for b, row in enumerate(rows):
                if self.canvases[row].open:
                    at = torch.arange(len(self.canvases[row].positions), device=self.device)
                    lm_head = self.reader.base.get_output_embeddings()
                    self._step(row, self.head.log_probs(said, inputs["sources"], b, at, lm_head), step)
        for row in rows:
            canvas = self.canvases[row]
            canvas.values = {
                span.slot.path: string
                for span in canvas.block.spans
                if (string := [canvas.tokens[at] for at in span.positions if canvas.tokens[at] != NULL])
            }

    def _read(self, rows: list[int]) -> dict[str, Any]:
        """The head's inputs that stay the same over the steps. One base pass, unless what it would read was read."""
        read = {row: self.canvases[row].skeleton() for row in rows}
        unread = [row for row in rows if self._hidden.get(row, (None,))[0] != read[row]]
        if unread:
            mark = self.reader.mark()
            hidden = self.reader.read([read[row] if row in unread else [] for row in range(len(self.canvases))])
            for row in unread:
                states = torch.cat([self.reader.prompt[row, -1:], hidden[row, : len(read[row])]])  # [R + 1, H]
                self._hidden[row] = (read[row], states)
            self.reader.rewind(mark)
        if self._sources is None:
            self._sources = sources(self.reader, self.scaffolds[0].vocabulary)
        return head_inputs(
            [self.canvases[row] for row in rows],
            [self._hidden[row][1] for row in rows],
            self.reader.prompt[rows],
            self.reader.prompt_mask[rows],
            self._sources.select(rows),
            self.reader.base.get_output_embeddings().weight,
        )

    def _say(self, rows: list[int], inputs: dict[str, Any], noise: float) -> Prediction:
        level = max(1, round(noise * self.head.noise_levels))
        self.reader.stats.head_passes += 1
        return self.head(
            embeddings=embed(self.reader.base, self.head, standing([self.canvases[row] for row in rows], self.device)),
            level=torch.full((len(rows),), level, device=self.device),
            **inputs,
        )

    def _step(self, row: int, log_probs: Tensor, step: int) -> None:
        """Decode one row's slots and commit what the schedule says. log_probs: [N, V + 1]"""
        canvas = self.canvases[row]
        log_probs = log_probs.nan_to_num_(nan=NEVER, posinf=0.0, neginf=NEVER)
        if step == 0:
            self._note_absence(canvas, log_probs)
            if self.present is not None:
                self._guess(canvas, log_probs)
                self._decide(canvas, self.present[row](canvas))
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
            if span.slot.path in canvas.kept:  # a schedule may not revise it
                canvas.tokens[span.start : span.start + span.budget] = proposal[n : n + span.budget]
            else:
                written = [
                    p
                    for p, token in zip(sure[n : n + span.budget].tolist(), proposal[n:], strict=False)
                    if token != NULL
                ]
                canvas.confidence[span.slot.path] = math.exp(sum(written) / len(written)) if written else 1.0
            n += span.budget
        if self.tells is not None:
            self.tells[row](self._picture(canvas, proposal, sure.exp().tolist(), step))

    def _propose(self, canvas: Canvas, log_probs: Tensor) -> list[int]:
        """Each slot's best string given what is committed in it, padded with NULL. log_probs: [N, V + 1]"""
        masked = [n for n, at in enumerate(canvas.positions) if canvas.tokens[at] == MASK]
        if len(masked) < len(log_probs):
            index = torch.tensor(masked, dtype=torch.long, device=log_probs.device)
            log_probs = log_probs.index_select(0, index)  # [M, V + 1]
        standing = {span.start: [canvas.tokens[at] for at in span.positions] for span in canvas.block.spans}
        spans = [span for span in canvas.block.spans if MASK in standing[span.start]]
        blanks = [
            Blank(
                span.slot.language,
                standing[span.start],
                span.slot.optional and not canvas.decided.get(span.slot.path, False),
            )
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

    @staticmethod
    def _guess(canvas: Canvas, log_probs: Tensor) -> None:
        """What each slot that is still masked would hold if it were there. log_probs: [N, V + 1]"""
        spans = [span for span in canvas.block.spans if canvas.tokens[span.start] == MASK]
        if canvas.guesses or not any(span.slot.optional for span in spans):
            return
        masked = [n for n, at in enumerate(canvas.positions) if canvas.tokens[at] == MASK]
        log_probs = log_probs[masked]  # [M, V + 1]
        blanks = [Blank(span.slot.language, [MASK] * span.budget) for span in spans]
        at = 0
        for span, best in zip(spans, best_strings(blanks, log_probs), strict=True):
            if best is not None and (string := best[0]):
                written = log_probs[range(at, at + len(string)), string]
                canvas.guesses[span.slot.path] = string, math.exp(float(written.mean()))
            at += span.budget

    @staticmethod
    def _decide(canvas: Canvas, present: Mapping[Path, float]) -> None:
        """Whether optional slots are present, where others have a say; the absent ones keep `<NULL>`."""
        for span in canvas.block.spans:
            path = span.slot.path
            if path in present and canvas.tokens[span.start] == MASK:
                canvas.decided[path] = present[path] > logit(canvas.absent[path])
                if not canvas.decided[path]:
                    canvas.kept = {**canvas.kept, path: []}
                    canvas.tokens[span.start : span.start + span.budget] = [NULL] * span.budget

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


def sources(reader: Reader, vocabulary: Vocabulary) -> Sources:
    """What may be copied from the prompts that a reader has read."""
    width = reader.prompt.shape[1]
    tokens = torch.full((len(reader.prompts), width, COPY_LENGTH), -1)
    places, prompts = torch.zeros_like(tokens), torch.full((len(reader.prompts), width), -1)
    for b, prompt in enumerate(reader.prompts):
        left = width - len(prompt)
        copies = copies_of(prompt, vocabulary)
        for at, (ids, stands) in enumerate(copies, left):
            tokens[b, at, : len(ids)] = torch.tensor(ids)
            places[b, at, : len(ids)] = torch.tensor(stands) + left
        prompts[b, left:] = torch.tensor([id if ids else -1 for id, (ids, _) in zip(prompt, copies, strict=True)])
    return Sources(tokens.to(reader.device), places.to(reader.device), prompts.to(reader.device))


def copies_of(prompt: Sequence[int], vocabulary: Vocabulary) -> list[tuple[list[int], list[int]]]:
    """For every place of a prompt what a value would hold that begins there, and where it stands."""
    written = [vocabulary.bytes[id] for id in prompt]
    found: list[tuple[list[int], list[int]]] = []
    end = len(prompt)  # of the message: the next special token
    for at in reversed(range(len(prompt))):
        text = written[at]
        if text is None:
            end = at
            found.append(([], []))
            continue
        ids, after = [prompt[at]], at + 1
        if text[:1] == b" " and len(text) > 1:
            while after < end and (written[after] or b" ")[:1].isalpha():
                text, after = text + (written[after] or b""), after + 1
            try:
                ids = list(vocabulary.encode(text[1:].decode()))
            except UnicodeDecodeError:
                after = at + 1
        stands = [min(at + n, after - 1) for n in range(len(ids))]
        stop = min(end, after + COPY_LENGTH - len(ids))
        found.append(
            ((ids + list(prompt[after:stop]))[:COPY_LENGTH], (stands + list(range(after, stop)))[:COPY_LENGTH])
        )
    return found[::-1]


def head_inputs(
    canvases: Sequence[Canvas],
    states: Sequence[Tensor],
    memory: Tensor,
    memory_mask: Tensor,
    sources: Sources,
    vectors: Tensor,
) -> dict[str, Any]:
    """The head's inputs that do not depend on what stands in the slots. Positions are those of the slots alone.

    Args:
        states: per canvas the base's states over its skeleton, [R + 1, H], the one before it first.
    """
    width = max(len(canvas.positions) for canvas in canvases)
    names = ("offsets", "ahead", "heads", "kinds", "optional")
    named = {name: torch.zeros(len(canvases), width, dtype=torch.long) for name in names}
    mask, previous = torch.zeros(len(canvases), width, dtype=torch.bool), []
    for b, canvas in enumerate(canvases):
        index: list[int] = []
        at = read = 0
        for span in canvas.block.spans:
            known = len(canvas.known(span))
            read += span.start - at
            where = slice(len(index), len(index) + span.budget)
            offsets = torch.arange(span.budget)
            named["offsets"][b, where] = offsets
            named["ahead"][b, where] = (offsets - known).clamp(min=0)
            named["heads"][b, where] = len(index) + min(known, span.budget - 1)
            named["kinds"][b, where] = KINDS.index(span.slot.kind)
            named["optional"][b, where] = int(span.slot.optional)
            index += [read + min(offset, known) for offset in range(span.budget)]
            at, read = span.start + span.budget, read + known
        mask[b, : len(index)] = True
        previous.append(states[b][torch.tensor(index, dtype=torch.long, device=memory.device)])  # [S, H]
    return {
        "previous": nn.utils.rnn.pad_sequence(previous, batch_first=True),  # [B, S, H]
        **{name: value.to(memory.device) for name, value in named.items()},
        "mask": mask.to(memory.device),
        "memory": memory,
        "memory_mask": memory_mask,
        "sources": sources,
        "vectors": vectors,
    }


def standing(canvases: Sequence[Canvas], device: torch.device) -> Tensor:
    """[B, S]: what stands at the slots' positions."""
    rows = [torch.tensor([canvas.tokens[at] for at in canvas.positions], dtype=torch.long) for canvas in canvases]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device)


def embed(base: PreTrainedModel, head: DiffusionHead, ids: Tensor) -> Tensor:
    """[B, S] token ids, MASK and NULL among them, -> [B, S, H]: the base's embedding and the head's own rows."""
    embeddings = base.get_input_embeddings()(ids.clamp(min=0))
    symbols = head.symbols.to(embeddings)
    embeddings = torch.where((ids == MASK)[..., None], symbols[0], embeddings)
    return torch.where((ids == NULL)[..., None], symbols[1], embeddings)
