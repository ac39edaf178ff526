"""The base model in tool mode: reading on a shared cache, deciding from left to right, verifying drafts.

[`Reader`] is the frozen base over a batch of rows. [`Cursor`] walks a scaffold from left to right and takes every
decision (the next token of a value, its end, which optional member follows) from the logits that it is shown. The
autoregressive filler shows it one position after another; the verified filler shows it all positions of a draft at
once, up to where the cursor disagrees, and goes on from there. Both therefore take the same decisions.

    draft      get_weather("Tokio", unit=celsius)
    base pass               "Tok✗                   cursor: "yo"
    base pass               "Tokyo", unit=celsius)  what the prompt says after "Tokyo", or else the draft
"""

import copy
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from .adapters_lafunc import adapted
from .copying_lafunc import Transcript, scalar
from .node_lafunc import Continuation, Path, Slot, closers, continuations, json_path
from .output_lafunc import Stats
from .scaffolding_lafunc import Scaffold
from .vocabulary_lafunc import TokenClass, Vocabulary, siblings

AT_ONCE = 8  # places whose logits are computed together
LOOKED_UP, LOOKAHEAD = 3, 8  # tokens of a value that are looked up, and that are taken from where it was found
Tell = Callable[[dict], None]  # receives what the demo shows, step by step


class Reader:
    """The base model reading rows of tokens on one key-value cache, each row at its own length.

    Prompts are padded on the left, what follows on the right; padding is masked and takes no position. Adapters, if
    there are any, act on what follows and, if `adapts_prompt`, on the prompts.

    Args:
        base: any causal language model of transformers.
        prompts: token ids per row.
        beginning: a reader of one row that has read what all prompts begin with, and which is not read again.
        adapts_prompt: see [`LaFuncConfig`].

    Attributes:
        prompts: their token ids.
        prompt: hidden states of the prompts, [B, P, H], left-padded.
        prompt_mask: [B, P], True at tokens.
    """

    def __init__(
        self,
        base: PreTrainedModel,
        prompts: Sequence[Sequence[int]],
        stats: Stats,
        beginning: "Reader | None" = None,
        adapts_prompt: bool = False,
    ):
        self.base, self.stats, self.prompts = base, stats, [list(prompt) for prompt in prompts]
        self.adapts_prompt = adapts_prompt
        self.device: torch.device = base.get_input_embeddings().weight.device  # type: ignore[assignment]
        if beginning is None:
            self.cache = DynamicCache(config=base.config)
            self.cache.activate_past_recording()  # sliding windows forget what a rewind needs, unless told to keep it
            self.mask = torch.zeros(len(prompts), 0, dtype=torch.long, device=self.device)
            self.lengths = [0] * len(prompts)
            self.prompt = self.read(prompts, left=True)  # [B, P, H]
        else:
            self.cache = copy.deepcopy(beginning.cache)
            self.cache.batch_repeat_interleave(len(prompts))
            self.mask = beginning.mask.expand(len(prompts), -1)
            self.lengths = beginning.lengths * len(prompts)
            rest = self.read([prompt[beginning.lengths[0] :] for prompt in prompts], left=True)
            self.prompt = torch.cat([beginning.prompt.expand(len(prompts), -1, -1), rest], dim=1)  # [B, P, H]
        self.prompt_mask = self.mask.bool()
        stats.prompt_tokens += sum(self.lengths)

    def read(self, rows: Sequence[Sequence[int]], left: bool = False) -> Tensor:
        """Append tokens to each row; returns the decoder's last hidden states, [B, S, H], S the longest row."""
        width = max(map(len, rows))
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        mask, positions = torch.zeros_like(ids), torch.zeros_like(ids)
        for b, row in enumerate(rows):
            where = slice(width - len(row), width) if left else slice(0, len(row))
            ids[b, where] = torch.tensor(row, dtype=torch.long)
            mask[b, where] = 1
            positions[b, where] = torch.arange(self.lengths[b], self.lengths[b] + len(row))
            self.lengths[b] += len(row)
        ids, positions = ids.to(self.device), positions.to(self.device)
        self.mask = torch.cat([self.mask, mask.to(self.device)], dim=1)  # [B, K + S]
        attention_mask = None if self.mask.all() else self.mask
        if left and attention_mask is not None and torch.is_grad_enabled() and not slides(self.cache):
            attention_mask = self._causal(width)
        self.stats.base_passes += 1
        self.stats.base_tokens += int(mask.sum())
        with adapted() if self.adapts_prompt or not left else nullcontext():
            return self.base.get_decoder()(
                input_ids=ids,
                attention_mask=attention_mask,
                position_ids=positions,
                past_key_values=self.cache,
                use_cache=True,
            ).last_hidden_state

    def _causal(self, width: int) -> Tensor:
        """What the last `width` columns attend to, [B, 1, S, K + S]: what was read before them, and themselves, also
        if they are padding: fused kernels give no gradient to what attends to nothing but one that is not a number.
        """
        columns = self.mask.shape[1]
        before = torch.ones(width, columns, dtype=torch.bool, device=self.device).tril(columns - width)  # [S, K + S]
        own = torch.eye(columns, dtype=torch.bool, device=self.device)[-width:]
        seen = (before & self.mask.bool()[:, None] | own)[:, None]
        mask = torch.zeros(seen.shape, dtype=self.base.dtype, device=self.device)
        return mask.masked_fill(~seen, torch.finfo(mask.dtype).min)

    def open(self, prefaces: Sequence[Sequence[int]]) -> Tensor | None:
        """Read what stands before all plans and calls, for good; the states as in [`read`], if it is anything."""
        return self.read(prefaces) if any(prefaces) else None

    def logits(self, hidden: Tensor) -> Tensor:
        """[…, H] -> [V, …] scores of the next token, in float32."""
        return self.base.get_output_embeddings()(hidden).float()

    def mark(self) -> tuple[int, list[int]]:
        """A point to [`rewind`] to."""
        return self.mask.shape[1], list(self.lengths)

    def rewind(self, mark: tuple[int, list[int]]) -> None:
        """Forget everything read since the mark."""
        columns, lengths = mark
        if self.mask.shape[1] > columns:
            self.cache.crop(columns - self.mask.shape[1])
            self.mask, self.lengths = self.mask[:, :columns], list(lengths)

    def forget(self, counts: Sequence[int]) -> None:
        """Forget the last tokens of each row, so many."""
        for b, count in enumerate(counts):
            if count:
                self.mask[b, self.mask[b].nonzero()[-count:, 0]] = 0
                self.lengths[b] -= count
        self.rewind((int(self.mask.any(dim=0).nonzero().max()) + 1, self.lengths))  # columns that no row needs

    def branch(self) -> "Reader":
        """A reader that goes on from here while this one stays; the same one where it can be rewound instead."""
        if not slides(self.cache):
            return self
        other = copy.copy(self)  # a sliding window forgets at each rewind what an earlier point would need
        other.cache, other.lengths = copy.deepcopy(self.cache), list(self.lengths)
        return other

    def begun(self, row: int, length: int) -> "Reader | None":
        """A reader of one row that has read so many tokens of its prompt; None where windows forget them."""
        if slides(self.cache):
            return None
        first = int(self.prompt_mask[row].nonzero()[0])
        one, here = slice(row, row + 1), slice(first, first + length)
        other = copy.copy(self)
        other.cache = DynamicCache(config=self.base.config)
        for n, layer in enumerate(cast(Sequence[Any], self.cache.layers)):
            other.cache.update(layer.keys[one, :, here], layer.values[one, :, here], n)
        other.prompt, other.prompt_mask = self.prompt[one, here], self.prompt_mask[one, here]
        other.mask, other.lengths, other.prompts = self.mask[one, here], [length], [self.prompts[row][:length]]
        return other

    def select(self, rows: list[int]) -> None:
        """Keep only these rows."""
        index = torch.tensor(rows, device=self.device)
        self.cache.batch_select_indices(index)
        self.mask, self.prompt, self.prompt_mask = self.mask[index], self.prompt[index], self.prompt_mask[index]
        self.lengths, self.prompts = [self.lengths[row] for row in rows], [self.prompts[row] for row in rows]


def slides(cache: DynamicCache) -> bool:
    """Whether some layer attends to a window only."""
    return any(getattr(layer, "is_sliding", None) is not False for layer in cache.layers)


_INDEX: WeakKeyDictionary[TokenClass, dict[tuple[torch.device, bool], Tensor]] = WeakKeyDictionary()


def class_index(group: TokenClass, device: torch.device, kin: bool = False) -> Tensor:
    """The ids (or kin) of a token class as an index tensor, made once per device."""
    known = _INDEX.setdefault(group, {})
    key = (device, kin)
    if key not in known:
        known[key] = torch.tensor(group.kin if kin else group.ids, device=device)
    return known[key]


class Cursor:
    """A left-to-right walk through a scaffold.

    `tokens` is what is written so far. While `done` is None, the walk waits for [`choose`] with the logits that follow
    the last token. Tokens without an alternative are written without asking.

    Args:
        ways: the continuations to begin with.
        opening: tokens to begin with.
        max_slot_tokens: a value longer than this is ended as soon as its language allows, and noted in `clipped`.
        limit: once so much is written, everything is ended as soon as the languages allow, and noted in `clipped`.
        present: by path the log-odds that an optional value is there, beside what the logits say of it.
        values: those that `opening` holds.
        said: what was said; None: it counts for nothing.
        copy_weight: what a token gains, in nats, by which a string or number begins, goes on or ends as something that
            was said, or a listed value as one that was named.
        withdrawn: by path values that are not to be written there, since what was said is another's.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        ways: Sequence[Continuation],
        opening: Sequence[int] = (),
        max_slot_tokens: int = 256,
        limit: int = sys.maxsize,
        present: Mapping[Path, float] | None = None,
        values: Mapping[Path, Sequence[int]] | None = None,
        said: Transcript | None = None,
        copy_weight: float = 0.0,
        withdrawn: Mapping[Path, str] | None = None,
    ):
        self.said, self.copy_weight, self.withdrawn = said, copy_weight, withdrawn or {}
        self.vocabulary, self.max_slot_tokens, self.limit = vocabulary, max_slot_tokens, limit
        self.present = present or {}
        self.tokens: list[int] = list(opening)
        self.values: dict[Path, list[int]] = {path: list(value) for path, value in (values or {}).items()}
        self.probabilities: dict[Path, list[float]] = {}
        self.clipped: list[Path] = []
        self.done: Continuation | None = None  # the last continuation taken, once it has ended
        self.slot: Slot | None = None  # the slot being written
        self._states: frozenset = frozenset()
        self._shown: dict[Path, int] = {}  # tokens of each value that [`picture`] has shown
        self._begin(ways)
        self._advance()

    # ------------------------------------------------------------------------------------------------ state

    def _begin(self, ways: Sequence[Continuation]) -> None:
        """Stand before fixed text that may go on in several ways, in the schema's order."""
        self._ways: list[tuple[tuple[int, ...], Continuation, float]] = []  # with its log-probability by `present`
        passed = 0.0  # of what stands before being absent
        for way in ways:
            path = way.opened[0][0] if way.opened else way.slot.path if way.slot is not None else ()
            odds = self.present.get(path, 0.0)
            self._ways.append((tuple(self.vocabulary.encode(way.text)), way, passed + min(0.0, odds)))
            passed += min(0.0, -odds)
        self._depth = 0
        self.slot = None

    def _enter(self, way: Continuation) -> None:
        """The fixed text of a continuation is written: begin its slot, or end."""
        for path, text in way.opened:
            self.values[path] = list(self.vocabulary.encode(text))
        self._rest = way.rest
        if way.slot is None:
            self.done = way
            return
        self.slot = way.slot
        self.values[way.slot.path] = []
        self.probabilities[way.slot.path] = []
        self._states = frozenset([way.slot.language.start])

    def _leave(self) -> None:
        self._begin(list(continuations(self._rest)))

    def _write(self, token: int, probability: float = 1.0) -> None:
        self.tokens.append(token)
        if self.slot is None:
            self._depth += 1
            self._ways = [way for way in self._ways if way[0][self._depth - 1 : self._depth] == (token,)]
            return
        self.values[self.slot.path].append(token)
        self.probabilities[self.slot.path].append(probability)
        self._states = self.slot.language.step(self._states, token)

    def _edges(self) -> list[TokenClass]:
        assert self.slot is not None
        return list(dict.fromkeys(group for state in self._states for group, _ in self.slot.language.edges(state)))

    def _may_end(self) -> bool:
        assert self.slot is not None
        return any(self.slot.language.accepting(state) for state in self._states)

    def _begun(self) -> bool:
        """Whether anything of a string is written after its opening quote."""
        assert self.slot is not None
        return bool(self.vocabulary.decode_bytes(self.values[self.slot.path]).strip(b' "'))

    def _branches(self) -> tuple[list[int], Continuation | None]:
        """In fixed text: the tokens that may follow, and the continuation that ends here, if any."""
        tokens = list(dict.fromkeys(ids[self._depth] for ids, _, _ in self._ways if len(ids) > self._depth))
        return tokens, next((way for ids, way, _ in self._ways if len(ids) == self._depth), None)

    def _advance(self) -> None:
        """Write what has no alternative."""
        while self.done is None:
            if self.slot is None:
                tokens, ended = self._branches()
                if len(tokens) + (ended is not None) > 1:
                    if len(self.tokens) < self.limit:
                        return
                    # The last way writes the fewest members and elements.
                    omitted = self._ways[0][1].slot
                    self.clipped += [omitted.path] if omitted is not None else []
                    self._ways = self._ways[-1:]
                    continue
                if ended is not None:
                    self._enter(ended)
                else:
                    self._write(tokens[0])
                continue
            groups, may_end = self._edges(), self._may_end()
            if not groups:
                self._leave()
            elif not may_end and len(groups) == 1 and len(groups[0].ids) == 1:
                self._write(groups[0].ids[0])
            elif len(self.values[self.slot.path]) >= self.max_slot_tokens or len(self.tokens) >= self.limit:
                for token in self.slot.language.shortest(self._states):
                    self._write(token, 0.0)
                self.clipped.append(self.slot.path)
                self._leave()
            else:
                return

    # ------------------------------------------------------------------------------------------------ decisions

    def choose(self, logits: Tensor) -> None:
        """Take the best way on and go to the next decision. logits: [V], for the token after `tokens[-1]`."""
        logits = torch.nan_to_num(logits, nan=-1e9, posinf=1e9, neginf=-1e9)
        while not self._decide(logits):
            pass
        self._advance()

    def _decide(self, logits: Tensor) -> bool:
        """One decision; False if it wrote no token, so that the same logits serve the next one."""
        device = logits.device
        if self.slot is None:
            tokens, ended = self._branches()
            if len(tokens) + (ended is not None) == 1:
                return True
            odds: dict[int | None, float] = {}  # of the best way behind each token; None: of the one that ends here
            for way, _, log_probability in self._ways:
                token = way[self._depth] if len(way) > self._depth else None
                odds[token] = max(odds.get(token, -torch.inf), log_probability)
            classes = siblings(self.vocabulary, tuple(tokens))
            scores = [_best(logits, group, device) + odds[token] for group, token in zip(classes, tokens, strict=True)]
            start = -torch.inf
            if ended is not None and ended.slot is not None:
                language = ended.slot.language
                start = max(_best(logits, group, device) for group, _ in language.edges(language.start)) + odds[None]
            if ended is not None and start >= max(scores):
                self._enter(ended)
                return False
            self._write(tokens[scores.index(max(scores))])
            return True
        groups = self._edges()
        end = _best(logits, closers(self.vocabulary, self.slot.close), device)
        logits, whole = self._copying(logits)
        scores = [_best(logits, group, device) for group in groups]
        end += self.copy_weight * whole
        best = max(scores)
        if end >= best and self._may_end():
            self._leave()
            return False
        if end >= best and self.slot.layouts and self._begun():
            # The base would end here, but its layout goes on: a place has a state, too. Go there, not on with the
            # sentence ("in ...").
            groups = self.slot.language.nearest(self._states)
            scores = [_best(logits, group, device) for group in groups]
            best = max(scores)
        group = groups[scores.index(best)]
        ids = class_index(group, device)
        token = int(ids[logits[ids].argmax()]) if len(group.ids) > 1 else group.ids[0]
        self._write(token, float((best - logits.logsumexp(-1)).exp()))
        return True

    def _copying(self, logits: Tensor) -> tuple[Tensor, bool]:
        """The logits, more for what goes on as something that was said, and less for what goes on as what is
        withdrawn; whether a copy may end here. [V] -> [V]
        """
        ids, whole = self._said() if self.copy_weight else (frozenset[int](), False)
        for some, weight in ((ids, self.copy_weight), (self._another(), -self.copy_weight)):
            if some:
                index = torch.tensor(list(some), device=logits.device)
                logits = logits.index_add(0, index, logits.new_full((len(some),), weight))
        return logits, whole

    def _said(self) -> tuple[frozenset[int], bool]:
        """The tokens by which the value goes on as something that was said, or closes as such; and whether it may end
        so.
        """
        assert self.slot is not None
        written = self.vocabulary.decode_bytes(self.values[self.slot.path])
        if self.said is None or self.slot.kind == "boolean" or not (written or self.slot.kind == "enum"):
            return frozenset(), False
        withdrawn = self.withdrawn.get(self.slot.path)
        said = self.said if withdrawn is None else self.said.without(withdrawn)
        if self.slot.kind == "array":
            return (said.dated(self.slot.layouts) if self.slot.layouts else said).listing(written)
        ids, whole = self._ahead(said, written)
        if whole:
            closing = self.slot.close.encode() if self.slot.kind == "enum" else scalar(written)[1]
            ids = ids.union(*(self.vocabulary.starting_with(closing[n : n + 1]) for n in range(len(closing))))
        return ids, whole

    def _another(self) -> frozenset[int]:
        """The tokens by which the value goes on as what is withdrawn, and as nothing else that was said."""
        assert self.slot is not None
        withdrawn = self.withdrawn.get(self.slot.path)
        if self.said is None or withdrawn is None:
            return frozenset()
        written = self.vocabulary.decode_bytes(self.values[self.slot.path])
        return self._ahead(self.said, written)[0] - self._ahead(self.said.without(withdrawn), written)[0]

    def _ahead(self, said: Transcript, written: bytes) -> tuple[frozenset[int], bool]:
        assert self.slot is not None
        if self.slot.kind == "enum":
            return said.listed(self.slot.members, written)
        return (said.dated(self.slot.layouts) if self.slot.layouts else said).ahead(scalar(written)[0])

    @property
    def confidence(self) -> dict[Path, float]:
        """Of each value, the geometric mean of its tokens' probabilities."""
        return {
            path: math.exp(sum(map(math.log, p)) / len(p)) if p and min(p) > 0 else float(not p)
            for path, p in self.probabilities.items()
        }

    def picture(self) -> dict:
        """What was written since this was last asked for, as the demo shows it: per slot its further tokens."""
        text, slots = self.vocabulary.decode_bytes, []
        for path, probabilities in self.probabilities.items():
            shown = self._shown.get(path, 0)
            if shown < len(probabilities):
                self._shown[path] = len(probabilities)
                tokens = [text([token]).decode(errors="replace") for token in self.values[path][shown:]]
                slots.append({"path": json_path(path), "tokens": tokens, "probabilities": probabilities[shown:]})
        return {"stage": "write", "slots": slots}


def _best(logits: Tensor, group: TokenClass, device: torch.device) -> float:
    return float(logits[class_index(group, device, kin=True)].max()) if group.kin else -torch.inf


# --------------------------------------------------------------------------------------------------------------------
# Fillers
# --------------------------------------------------------------------------------------------------------------------


def write(reader: Reader, cursors: Sequence[Cursor], tells: Sequence[Tell] | None = None) -> None:
    """Autoregressive filler: show each cursor one position after another until all are done.

    The reader stands before the cursors' first tokens; it has read everything but the last ones when this returns.
    `tells` receive a dict per base pass, if given.
    """
    read = [0] * len(cursors)
    while not all(cursor.done for cursor in cursors):
        rows = [[] if c.done else c.tokens[n:] for c, n in zip(cursors, read, strict=True)]
        hidden = reader.read(rows)
        for b, cursor in enumerate(cursors):
            read[b] += len(rows[b])
            if rows[b]:
                cursor.choose(reader.logits(hidden[b, len(rows[b]) - 1]))
                if tells is not None:
                    tells[b](cursor.picture())


def verify(
    reader: Reader,
    cursors: Sequence[Cursor],
    scaffolds: Sequence[Scaffold],
    drafts: Sequence[Mapping[Path, list[int]]],
    tells: Sequence[Tell] | None = None,
) -> None:
    """Verified filler: speculative decoding (Leviathan et al. 2023), greedy, with drafts that were made in parallel.

    Each pass reads what is written and what is guessed to follow; the cursors take of it what they would write. The
    guess is the draft as far as it goes with what is written. Where it does not, the value is guessed to go on as
    prompt and calls do where they say the same (prompt lookup decoding, Saxena 2023).

    Args:
        drafts: per row the values of its slots.
        tells: per row what receives the dicts of each pass, if given.
    """
    read = [0] * len(cursors)  # tokens that the reader has read, and that stand
    while not all(cursor.done for cursor in cursors):
        guesses = [
            ([], []) if cursor.done else _guess(cursor, scaffold, draft, prompt)
            for cursor, scaffold, draft, prompt in zip(cursors, scaffolds, drafts, reader.prompts, strict=True)
        ]
        rows = [row for row, _ in guesses]
        hidden = reader.read([row[n:] for row, n in zip(rows, read, strict=True)])
        reader.stats.rounds += 1
        wrong = [0] * len(cursors)
        for b, (cursor, (row, places)) in enumerate(zip(cursors, guesses, strict=True)):
            if cursor.done:
                continue
            logits: dict[int, Tensor] = {}  # for the token at a place, of a few places at a time
            while not cursor.done and cursor.tokens == row[: (here := len(cursor.tokens))]:
                if here not in logits:
                    ahead = [here, *(place for place in places if place > here)][:AT_ONCE]
                    said = reader.logits(hidden[b, [place - 1 - read[b] for place in ahead]])
                    logits = dict(zip(ahead, said, strict=True))
                cursor.choose(logits[here])
            stand = len(os.path.commonprefix([cursor.tokens, row]))
            if tells is not None:
                tells[b]({"stage": "verify", "round": reader.stats.rounds, "accepted": stand, "drafted": len(row)})
                tells[b](cursor.picture())
            read[b], wrong[b] = stand, len(row) - stand
        reader.forget(wrong)


def _guess(
    cursor: Cursor, scaffold: Scaffold, draft: Mapping[Path, list[int]], prompt: Sequence[int]
) -> tuple[list[int], list[int]]:
    """What a cursor has written and what may follow, and the places where it will have a choice if it does."""
    slot, written = cursor.slot, cursor.values
    if slot is not None and draft.get(slot.path, [])[: len(written[slot.path])] != written[slot.path]:
        row = [*cursor.tokens, *_followed(written[slot.path], [*prompt, *cursor.tokens])]
        return row, list(range(len(cursor.tokens), len(row) + 1))
    if slot is not None and slot.path in draft:
        written = {**written, slot.path: draft[slot.path]}
    order = list(draft)
    passed = max((n for n, path in enumerate(order, 1) if path in written), default=0)
    for at in range(passed, len(order) + 1):  # where the draft does not go on from what is written, further on it may
        row, places = scaffold.spelled({path: draft[path] for path in order[at:]} | written)
        row = row[: scaffold.limit]
        if row[: len(cursor.tokens)] == cursor.tokens:
            return row, [place for place in places if place <= len(row)]
    return list(cursor.tokens), []


def _followed(value: Sequence[int], text: list[int]) -> list[int]:
    """What followed when the text, which ends with the value, last said the same, or the end of the same."""
    for length in range(min(len(value), LOOKED_UP), 0, -1):
        for end in reversed(range(length, len(text))):
            if text[end - length : end] == value[-length:]:
                return text[end : end + LOOKAHEAD]
    return []
