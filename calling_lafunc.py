"""Calls on their way: laid out as a scaffold and filled, more of them or fewer once they can be read.

plan ──► scaffold ──► fill ──► review ──► all there
                        ▲        │
                        └────────┘ another call
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .configuration_lafunc import LaFuncConfig
from .copying_lafunc import Transcript
from .denoising_lafunc import Canvas, Denoiser
from .diffusion_lafunc import DiffusionHead
from .filling_lafunc import Cursor, Reader, Tell, verify, write
from .mentions_lafunc import as_said, count, leaves, left_out, rest
from .node_lafunc import Path, Slot, continuations, json_path
from .output_lafunc import Evidence, evidence, logit
from .processing_lafunc import RequestError
from .scaffolding_lafunc import Scaffold

TURNS = 3  # in which values are written, until none repeats another argument's


@dataclass
class Calls:
    """The calls of one request.

    Attributes:
        values: of the scaffold's slots, as far as they are filled.
        confidence: of each value.
        given: by tool and argument, how likely the conversation gives it, as far as the router was asked.
        absent: of each slot, the probability that the conversation says nothing of it: what the router says of an
            argument, else what the head says, if it was asked.
        guesses: what the head would write in each slot, and how sure it is, if it was asked.
        evidence: what is known of optional values by these.
        clipped: values that were ended for want of room.
        asked: the request that they answer, if a user's message is the last one.
        searched: what the conversation says, where values are looked for.
        said: what was said, that values may repeat.
        withdrawn: of slots what they held although it was said once, for another one.
    """

    scaffold: Scaffold
    values: dict[Path, list[int]] = field(default_factory=dict)
    confidence: dict[Path, float] = field(default_factory=dict)
    given: dict[str, dict[str, float]] = field(default_factory=dict)
    absent: dict[Path, float] = field(default_factory=dict)
    guesses: dict[Path, tuple[list[int], float]] = field(default_factory=dict)
    evidence: dict[Path, Evidence] = field(default_factory=dict)
    clipped: list[Path] = field(default_factory=list)
    asked: str = ""
    searched: Sequence[str] = ()
    said: Transcript | None = None
    withdrawn: dict[Path, str] = field(default_factory=dict)

    def hear(self, canvas: Canvas | None = None) -> None:
        """What the head says, if it was asked, and what follows of optional values; the router's word on whether an
        argument is absent comes before the head's.
        """
        if canvas is not None:
            self.absent |= canvas.absent
            self.guesses |= canvas.guesses
        for call, tool in enumerate(self.scaffold.tools):
            self.absent |= {(call, name): 1 - p for name, p in self.given.get(tool.name, {}).items()}
        if canvas is not None:
            self._weigh()

    def _weigh(self) -> None:
        """Note what is known of the optional values that are guessed and not written."""
        guessed = {path: string for path, (string, _) in self.guesses.items() if path[0] >= self.scaffold.written}
        slots = [slot for slot in self._optional() if slot.path in guessed]
        if not slots:
            return
        arguments = self.scaffold.arguments({**guessed, **self.scaffold.kept})
        for slot in slots:
            call, absent, sure = slot.path[0], self.absent[slot.path], self.guesses[slot.path][1]
            doubtful = [one.path for one in slots if one.path[0] == call and self.absent[one.path] > absent]
            self.evidence[slot.path] = evidence(slot, arguments[call], absent, sure, self.searched, doubtful)

    def _optional(self) -> list[Slot]:
        """The optional slots of which router or head have said whether they are absent."""
        slots = (span.slot for span in self.scaffold.block().spans)
        return [slot for slot in slots if slot.optional and slot.path in self.absent]

    def tell(self, tell: Tell | None) -> None:
        """Show the plan and the block."""
        if tell is not None:
            tell({"stage": "plan", "names": [tool.name for tool in self.scaffold.tools]})
            tell(self.scaffold.block().picture(self.scaffold.vocabulary))

    def needed(self, filler: str) -> int:
        """Tokens that the calls take at least: with all members to the diffusion filler, without to the others."""
        return len(self.scaffold.block().tokens if filler == "diffusion" else self._least())

    def present(self, config: LaFuncConfig) -> dict[Path, float]:
        """Of each optional slot the log-odds that it is given, `presence_weight` times: by what is known of it, or by
        the word on whether it is absent alone.
        """
        odds = {
            slot.path: self.evidence[slot.path].log_odds(config.optional_weights)
            if slot.path in self.evidence
            else logit(self.absent[slot.path])
            for slot in self._optional()
            if config.presence_weight
        }
        slots = (span.slot for span in self.scaffold.block().spans)
        absent = {slot.path: -math.inf for slot in slots if slot.optional and slot.path in self.withdrawn}
        return {path: -config.presence_weight * odd for path, odd in odds.items()} | absent

    def cursor(self, config: LaFuncConfig) -> Cursor:
        """A walk through what is not written yet."""
        scaffold = self.scaffold
        return Cursor(
            scaffold.vocabulary,
            list(continuations(scaffold.chain)),
            scaffold.beginning,
            config.max_slot_tokens,
            scaffold.limit - len(self._least()) + len(scaffold.beginning),
            self.present(config),
            scaffold.kept,
            self.said,
            config.copy_weight,
            self.withdrawn,
        )

    def _least(self) -> list[int]:
        """What a cursor writes that has no room."""
        scaffold = self.scaffold
        ways = list(continuations(scaffold.chain))
        return Cursor(scaffold.vocabulary, ways, scaffold.beginning, limit=0, values=scaffold.kept).tokens

    @property
    def ended(self) -> list[Path]:
        """Values that would have gone on: those that were clipped, and arrays at our limit of elements."""
        return self.clipped + self.scaffold.capped(self.values)

    def withdraw(self) -> bool:
        """Note which values repeat another argument's of their call, although the conversation says it once: those
        that are less sure. Whether there are any.
        """
        found: dict[Path, str] = {}
        slots = {span.slot.path: span.slot for span in self.scaffold.block().spans}
        for call in range(self.scaffold.written, len(self.scaffold.tools)):
            holders: dict[str, list[Path]] = {}
            for path, leaf in leaves(self.scaffold.arguments(self.values)[call]):
                slot = slots.get((call, *path))
                if slot is not None and not slot.layouts and not isinstance(leaf, bool) and leaf not in (None, ""):
                    holders.setdefault(as_said(leaf), []).append(slot.path)
            for value, paths in holders.items():
                if len(paths) > 1 and 0 < (said := count(value, self.searched)) < len(paths):
                    found |= dict.fromkeys(sorted(paths, key=self._sure)[: len(paths) - said], value)
        new = found.keys() - self.withdrawn.keys()
        self.withdrawn |= {path: found[path] for path in new}
        return bool(new)

    def _sure(self, path: Path) -> float:
        """How sure it is that a value is given, and is this one."""
        return self.confidence.get(path, 0.0) * (1 - self.absent.get(path, 0.5))

    def leave_out(self, count: int) -> bool:
        """Whether the first calls, so many, hold a part of a series in the request and not the rest."""
        return bool(self.asked) and left_out(self.asked, *self._written(count))

    def rest(self) -> str:
        """What of the request another call may be for, see [`rest`]."""
        return rest(self.asked, *self._written(len(self.scaffold.tools)))

    def _written(self, count: int) -> tuple[list[dict[str, Any]], list[Slot]]:
        """Arguments and slots of the first calls."""
        slots = [span.slot for span in self.scaffold.block().spans if span.slot.path[0] < count]
        return self.scaffold.arguments(self.values)[:count], slots

    def distinct(self) -> list[int]:
        """The calls that do not repeat an earlier one word for word."""
        found: dict[tuple, int] = {}
        for call, tool in enumerate(self.scaffold.tools):
            written = [(path[1:], tuple(value)) for path, value in self.values.items() if path[0] == call]
            found.setdefault((tool.name, frozenset(written)), call)
        return list(found.values())

    def keep(self, calls: Sequence[int]) -> None:
        """Drop all calls but these, which are in order."""
        scaffold, place = self.scaffold, {call: n for n, call in enumerate(calls)}
        tools = [scaffold.tools[call] for call in calls]
        self.scaffold = Scaffold(tools, scaffold.vocabulary, scaffold.limit)
        for part in (self.values, self.confidence, self.absent, self.guesses, self.evidence, self.withdrawn):
            kept = {(place[path[0]], *path[1:]): known for path, known in part.items() if path[0] in place}
            part.clear()
            part.update(kept)
        self.clipped = [(place[path[0]], *path[1:]) for path in self.clipped if path[0] in place]


def fill(
    rows: Sequence[Calls],
    head: DiffusionHead,
    reader: Reader,
    config: LaFuncConfig,
    filler: str,
    schedule: str,
    num_steps: int,
    tells: Sequence[Tell] | None = None,
) -> None:
    """Fill what is not written of each row's calls.

    Args:
        reader: stands after the prompts; it has read more when this returns.
        tells: per row what receives one dict per step, if given.

    Raises:
        RequestError: there is no room for the calls.
    """
    scaffolds = [calls.scaffold for calls in rows]
    for calls, scaffold in zip(rows, scaffolds, strict=True):
        if (needed := calls.needed(filler)) > scaffold.limit:
            raise RequestError(
                f"the planned calls need {needed} tokens and the base can read {scaffold.limit} more after the "
                "prompt; shorten the conversation, offer fewer or smaller tools, or allow one call only"
            )

    def present(calls: Calls, canvas: Canvas) -> dict[Path, float]:
        calls.hear(canvas)
        return calls.present(config)

    asked = [partial(present, calls) for calls in rows]
    denoiser = Denoiser(head, reader, scaffolds, config, schedule, num_steps, tells, asked)
    if filler == "diffusion":
        denoiser.fill()
        for calls, canvas in zip(rows, denoiser.canvases, strict=True):
            calls.values = canvas.values
            calls.confidence |= canvas.confidence
            calls.clipped += [
                span.slot.path
                for span in canvas.scaffold.full(canvas.values, canvas.block)
                if span.slot.path not in calls.clipped
            ]
    else:
        drafts: list[dict] = []
        if filler == "verified" and all(len(s.block().tokens) <= s.limit for s in scaffolds):
            drafts = denoiser.fill(draft=True)
        for calls in rows:
            calls.hear()
        cursors = [calls.cursor(config) for calls in rows]
        mark = reader.mark()
        for left in reversed(range(TURNS)):
            here = reader.branch()
            if drafts:
                verify(here, cursors, scaffolds, drafts, tells)
            else:
                write(here, cursors, tells)
            for calls, cursor in zip(rows, cursors, strict=True):
                calls.values = cursor.values
                calls.confidence |= cursor.confidence
            again = [b for b, calls in enumerate(rows) if left and config.copy_weight and calls.withdraw()]
            if not again:
                break
            reader.rewind(mark)
            drafts = drafts and [calls.values for calls in rows]
            for b in again:
                if tells is not None:
                    tells[b]({"stage": "again", "paths": [json_path(path) for path in cursors[b].probabilities]})
                cursors[b] = rows[b].cursor(config)
        for calls, cursor in zip(rows, cursors, strict=True):
            calls.clipped += cursor.clipped
