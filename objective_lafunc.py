"""What is trained: scaffolds with their true values, masked; and the loss's parts.

loss = 1.0 · decision + 2.0 · diffusion + 0.5 · constraint

decision     the router's choice: cross-entropy of the three modes, and of a call against none; with adapters, the
             names in the plan, and whether another call follows, there and after each call as it is written, and then
             which; and if the router was fitted to it, how often it finds each tool called, and which arguments given
diffusion    cross-entropy of the masked positions, and of where copied values begin; with adapters, of the same values
             from left to right, which verify the drafts
constraint   −log of the probability that the slot language allows, at the masked positions
"""

import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from .denoising_lafunc import Canvas, embed, head_inputs, sources, standing
from .diffusion_lafunc import MASK, NEVER, NULL, DiffusionHead, Prediction, Sources
from .filling_lafunc import Cursor, Reader
from .language_lafunc import Automaton
from .node_lafunc import Tool, continuations
from .output_lafunc import Stats
from .planning_lafunc import LAST, read_aside, ways_after, ways_on
from .request_lafunc import MODES
from .routing_lafunc import OFTEN, Router, beside, listening
from .scaffolding_lafunc import Capacity, Scaffold

TAIL = 0.1  # weight of a `<NULL>` after a value's first: all of them say the same
HALF = -math.log(2)  # a token of this log-probability has no equal
REACH = 8  # positions of a slot whose allowed tokens are computed
TEXTS = ("plan", "values")  # what the base's adapters learn to write
Sums = dict[str, tuple[Tensor, float]]  # by name: of so many, how much in all


@dataclass(frozen=True)
class Written:
    """Text as the base should write it after a prompt.

    Attributes:
        tokens: up to the last decision.
        asked: by what is decided, which of them the base decides; the others have no alternative.
    """

    tokens: list[int]
    asked: dict[str, list[int]]


@dataclass(frozen=True)
class Asked:
    """What the router is asked of a row beside its mode, and what is right.

    Attributes:
        tools: of each offered tool what stands before its arguments, see [`name_texts`].
        often: how often each is called.
        arguments: of each argument of the called tools what stands before its value, see [`argument_texts`].
        given: whether most calls of the tool give it.
    """

    tools: list[list[int]]
    often: list[int]
    arguments: list[list[int]]
    given: list[bool]


@dataclass
class Target:
    """A scaffold whose values are known: what a row in tool mode trains.

    Attributes:
        canvas: with the values in place.
        tokens: the true token of each slot position, NULL where unused.
        weights: of each position in the loss.
        bodies: per slot (its first position among all, how much of it is known beforehand, the rest of its value).
        allowed: per position the tokens that its language allows there; None: too many to matter.
        texts: what the base's adapters learn to write, by name, see TEXTS.
    """

    canvas: Canvas
    tokens: list[int]
    weights: list[float]
    bodies: list[tuple[int, int, list[int]]]
    allowed: list[Tensor | None]
    texts: dict[str, Written] = field(default_factory=dict)


def target(
    scaffold: Scaffold, arguments: Sequence[Mapping[str, Any]], needs: Collection[tuple[int, str]] = ()
) -> Target:
    """The values that make these arguments, laid out in a block that has room for them.

    Args:
        needs: (call, argument) that nobody has given: required, and absent all the same.

    Raises:
        ValueError: an argument is not one that the schema allows.
    """
    values = scaffold.read(arguments, set(needs))
    canvas = Canvas(scaffold, scaffold.block(scaffold.room_for(values, Capacity())))
    found = Target(canvas, [], [], [], [])
    for span in canvas.block.spans:
        value = values.get(span.slot.path, [])
        known = len(canvas.known(span))
        if value:
            found.bodies.append((len(found.tokens), known, value[known:]))
        found.tokens += value + [NULL] * (span.budget - len(value))
        used = min(len(value) + 1, span.budget)
        found.weights += [1.0] * used + [TAIL] * (span.budget - used)
        masks = [] if span.slot.kind == "string" else allowed_tokens(span.slot.language)
        optional = span.slot.optional or span.slot.path in needs
        for at in range(span.budget):
            mask = masks[at] if at < len(masks) else None
            if mask is not None and optional and at == 0:
                mask = torch.cat([mask, torch.tensor([-1])])
            found.allowed.append(mask)
    return found


def texts(scaffold: Scaffold, arguments: Sequence[Mapping[str, Any]], offered: Sequence[Tool]) -> dict[str, Written]:
    """The plan of these calls, and the calls themselves, as the base should write them.

    Raises:
        ValueError: an argument is not one that the schema allows.
    """
    vocabulary = scaffold.vocabulary
    tokens: list[int] = []
    names: list[int] = []
    ends: list[int] = []  # one decision beside those of many names; hence a loss of its own
    for call, tool in enumerate(scaffold.tools):
        ways = ways_on(offered, first=call == 0, more=True)
        last = call + 1 == len(scaffold.tools)
        (gold,) = (way for way, to in ways.items() if to.name == tool.name and way.text.endswith(LAST) == last)
        cursor = Cursor(vocabulary, list(ways), tokens)
        tokens = [*tokens, *vocabulary.encode(gold.text)]
        *naming, ending = decisions(cursor, tokens)
        names += naming
        ends.append(ending)
    values = scaffold.read(arguments)
    whole = scaffold.tokens(values)
    stops = scaffold.ends(values)
    cursor = Cursor(vocabulary, list(continuations(scaffold.chain)), max_slot_tokens=len(whole))
    asked = {"values": decisions(cursor, whole)}
    asked["next"] = [
        at
        for stop in stops[:-1]
        for at in decisions(Cursor(vocabulary, list(ways_after(stop, offered)), stop.tokens[: stop.start]), whole)
    ]
    if (over := stops[-1].over) is not None:
        asked["another"] = [len(stop.tokens) for stop in stops]
        whole = [*stops[-1].tokens, over]
    return {"plan": Written(tokens, {"plan": names, "more": ends}), "values": Written(whole, asked)}


def decisions(cursor: Cursor, tokens: Sequence[int]) -> list[int]:
    """Which of the tokens a cursor asks for when they are what it should write.

    Raises:
        ValueError: it cannot write them.
    """
    asked = []
    while cursor.done is None:
        at = len(cursor.tokens)
        if cursor.tokens != tokens[:at] or at >= len(tokens):
            raise ValueError("the values are spelled in a way that cannot be written")
        asked.append(at)
        logits = torch.full((len(cursor.vocabulary),), NEVER)
        logits[tokens[at]] = 0.0
        cursor.choose(logits)
    return asked


_ALLOWED: WeakKeyDictionary[Automaton, list[Tensor]] = WeakKeyDictionary()


def allowed_tokens(language: Automaton) -> list[Tensor]:
    """For each of the first positions, the ids that some string of the language holds there; -1 for `<NULL>`."""
    if language not in _ALLOWED:
        states, ended, found = frozenset([language.start]), False, []
        for _ in range(REACH):
            ended = ended or any(language.accepting(state) for state in states)
            groups = {group.members: group for state in states for group, _ in language.edges(state)}
            ids = {id for group in groups.values() for id in group.ids}
            if len(ids) > 4096 or len(states) > 64:
                break
            found.append(torch.tensor(sorted(ids) + ([-1] if ended else [])))
            states = frozenset(to for state in states for _, to in language.edges(state))
            if not states:
                break
        _ALLOWED[language] = found
    return _ALLOWED[language]


def corrupt(found: Target, level: int, levels: int) -> None:
    """Mask each slot position with probability level / levels, at least one (Sahoo et al. 2024, linear schedule)."""
    tokens = list(found.tokens)
    masked = [at for at in range(len(tokens)) if random.random() < level / levels]
    for at in masked or [random.randrange(len(tokens))]:
        tokens[at] = MASK
    for place, token in zip(found.canvas.positions, tokens, strict=True):
        found.canvas.tokens[place] = token


def complement(found: Target) -> None:
    """Mask what stands and show what is masked, so that two samples learn from every position (complementary masking,
    Li et al. 2025, arXiv 2505.16839); mask all, if nothing stands.
    """
    canvas = found.canvas
    shown = [at for at, place in enumerate(canvas.positions) if canvas.tokens[place] != MASK]
    hidden = set(shown or range(len(found.tokens)))
    for at, (place, token) in enumerate(zip(canvas.positions, found.tokens, strict=True)):
        canvas.tokens[place] = MASK if at in hidden else token


def diffusion_loss(said: Prediction, sources: Sources, targets: Sequence[Target], lm_head: nn.Module) -> Sums:
    """Sums over what is masked, each with its weight: `tokens`, `starts`, `constraint`, and how much is right."""
    device = said.gates.device
    rows, ats, golds, weights, allowed = [], [], [], [], []
    masked = [[found.canvas.tokens[place] == MASK for place in found.canvas.positions] for found in targets]
    for b, found in enumerate(targets):
        for position in range(len(found.tokens)):
            if masked[b][position]:
                rows.append(b)
                ats.append(position)
                golds.append(found.tokens[position])
                weights.append(found.weights[position])
                allowed.append(found.allowed[position])
    row, at = torch.tensor(rows, device=device), torch.tensor(ats, device=device)
    gold, weight = torch.tensor(golds, device=device), torch.tensor(weights, device=device)
    gates = said.gates[row, at]  # [N, 4]
    limits = [n for n in range(len(rows)) if allowed[n] is not None and weights[n] == 1]
    needed = sorted({*limits, *(n for n, token in enumerate(golds) if token != NULL)})
    place_of = {n: m for m, n in enumerate(needed)}
    logits = lm_head(said.features[row[needed], at[needed]]).float()  # [M', V]
    total = logits.logsumexp(dim=-1)
    real = (gold != NULL).nonzero()[:, 0]
    own = torch.tensor([place_of[n] for n in real.tolist()], dtype=torch.long, device=device)
    generated = logits[own, gold[real]] - total[own]
    copied = _mass(said.copied[row[real], at[real]] == gold[real, None], said.weights[row[real], at[real]])
    anywhere = _mass(sources.prompt[row[real]] == gold[real, None], said.anywhere[row[real], at[real]])
    parts = torch.stack([generated, copied, anywhere], dim=-1) + gates[real, :3]  # [M, 3]
    log_likelihood = gates[:, 3].index_put((real,), parts.logsumexp(dim=-1))
    # A slot's value may stand in several places.
    starts, begun, count = said.starts.new_zeros(()), 0, 0
    for b, found in enumerate(targets):
        for first, known, body in found.bodies:
            if not body or not masked[b][first + known]:
                continue
            length = min(len(body), sources.tokens.shape[2])
            fits = (sources.tokens[b, :, :length] == torch.tensor(body[:length], device=device)).all(dim=-1)  # [P]
            if fits.any():
                here = said.starts[b, first + known]
                starts = starts - here[fits].logsumexp(0)
                begun += int(fits[here.argmax()])
                count += 1
    constraint, limited = said.starts.new_zeros(()), len(limits)
    if limits:
        sets = [cast(Tensor, allowed[n]) for n in limits]
        ids = nn.utils.rnn.pad_sequence(sets, batch_first=True, padding_value=-2).to(device)  # [L, I]; -1: `<NULL>`
        ends = (ids == -1).any(dim=-1)  # [L]
        at_limits = torch.tensor(limits, device=device)
        places = torch.tensor([place_of[n] for n in limits], device=device)
        rows_of, places_of = row[at_limits], at[at_limits]
        inside = torch.zeros(len(limits), logits.shape[1], dtype=torch.bool, device=device)  # [L, V]
        inside[(ids >= 0).nonzero()[:, 0], ids[ids >= 0]] = True
        masses = [
            _mass(ids >= 0, logits[places].gather(1, ids.clamp(min=0))) - total[places],
            _mass(_holds(inside, said.copied[rows_of, places_of]), said.weights[rows_of, places_of]),
            _mass(_holds(inside, sources.prompt[rows_of]), said.anywhere[rows_of, places_of]),
            torch.where(ends, 0.0, -1e4),
        ]
        mass = (torch.stack(masses, dim=-1) + gates[at_limits]).logsumexp(dim=-1)  # [L]
        constraint = -mass.clamp(max=0).sum()
    best = torch.where(gold == NULL, gates[:, 3], log_likelihood) > HALF
    return {
        "tokens": (-(log_likelihood * weight).sum(), float(weight.sum())),
        "starts": (starts, count),
        "constraint": (constraint, limited),
        "token_accuracy": ((best * weight).sum(), float(weight.sum())),
        "start_accuracy": (starts.new_tensor(float(begun)), count),
    }


def writing_loss(states: Sequence[Tensor], written: Sequence[Written], lm_head: nn.Module) -> Sums:
    """Cross-entropy of what the base decides, and how often it is right.

    Args:
        states: of each text what the base makes of it, [T, H].
    """
    asked = [(b, at, name) for b, text in enumerate(written) for name, ats in text.asked.items() for at in ats]
    if not asked:
        return {}
    logits = lm_head(torch.stack([states[b][at - 1] for b, at, _ in asked])).float()  # [N, V]
    gold = torch.tensor([written[b].tokens[at] for b, at, _ in asked], device=logits.device)
    losses = F.cross_entropy(logits, gold, reduction="none")
    right = (logits.argmax(dim=-1) == gold).float()
    found: Sums = {}
    for name in dict.fromkeys(name for _, _, name in asked):
        of = torch.tensor([name == other for _, _, other in asked], device=logits.device)
        found |= {name: (losses[of].sum(), int(of.sum())), f"{name}_accuracy": (right[of].sum(), int(of.sum()))}
    return found


def routing_loss(states: Sequence[Tensor], router: Router, ends: Tensor, asked: Sequence[Asked]) -> Sums:
    """Cross-entropy of what the router, as it is, says of tools and arguments by states that the adapters make.

    Args:
        states: of each row what the router reads after its tools and arguments, [N, H].
        ends: [B, H] what the router reads at the ends of the prompts.
    """
    rows = [(found, end, one) for found, end, one in zip(states, ends, asked, strict=True) if one.tools]
    if not rows:
        return {}
    counts = torch.cat([router.tools(beside(found[: len(one.tools)], end)).float() for found, end, one in rows])
    given = torch.cat([router.arguments(found[len(one.tools) :]).float() for found, _, one in rows])
    often = torch.tensor([n for _, _, one in rows for n in one.often], device=counts.device).clamp(max=OFTEN)
    flags = torch.tensor([flag for _, _, one in rows for flag in one.given], device=given.device).long()
    called = (counts.argmax(dim=-1) > 0) == (often > 0)
    return {
        "tools": (F.cross_entropy(counts, often, reduction="sum"), len(often)),
        "tools_accuracy": (called.float().sum(), len(often)),
        "arguments": (F.cross_entropy(given, flags, reduction="sum"), len(flags)),
        "arguments_accuracy": ((given.argmax(dim=-1) == flags).float().sum(), len(flags)),
    }


def _holds(sets: Tensor, tokens: Tensor) -> Tensor:
    """Whether each set has the tokens beside it; -1 is none. [L, V], [L, N] -> [L, N]"""
    return sets.gather(1, tokens.clamp(min=0)) & (tokens >= 0)


def _mass(inside: Tensor, log_weights: Tensor) -> Tensor:
    """log Σ of the weights that are inside; very small, but not -inf, if none is."""
    return torch.where(inside, log_weights, log_weights.new_tensor(-1e4)).logsumexp(dim=-1)


def decision_loss(logits: Tensor, modes: Tensor) -> Sums:
    """The router's part. logits: [B, 3]; modes: [B], indices into MODES, the last one being a call."""
    scores = logits.float().log_softmax(dim=-1)
    called = modes == len(MODES) - 1
    call = torch.where(called, scores[:, -1], scores[:, :-1].logsumexp(dim=-1))
    count = len(modes)
    return {
        "modes": (F.cross_entropy(scores, modes, reduction="sum"), count),
        "call": (-call.sum(), count),
        "mode_accuracy": ((scores.argmax(dim=-1) == modes).float().sum(), count),
        "call_accuracy": ((call > HALF).float().sum(), count),
    }


def objective(
    base: PreTrainedModel,
    router: Router,
    head: DiffusionHead,
    prompts: Sequence[Sequence[int]],
    prefaces: Sequence[Sequence[int]],
    modes: Tensor,
    targets: Sequence[Target | None],
    samples: int,
    asked: Sequence[Asked] | None = None,
    adapts_prompt: bool = False,
) -> Sums:
    """What a batch says of heads and adapters: per name a sum and its weight.

    See [`decision_loss`], [`routing_loss`], [`writing_loss`] and [`diffusion_loss`]. `nothing` is zero.

    The prompts are read without gradient, unless the adapters read them. Noise is drawn from Python's `random`; every
    other sample masks what the one before it showed.

    Args:
        prompts, modes, targets: one per row; a row that is not in tool mode has no target.
        prefaces: one per row, see [`Request`], one if there are no rows; the adapters learn from them, too.
        samples: how often each target is masked.
        asked: one per row; None: the adapters do not learn what the router reads.
        adapts_prompt: see [`LaFuncConfig`].
    """
    layer = router.source(base)
    with torch.set_grad_enabled(adapts_prompt and torch.is_grad_enabled()), listening() as heard:
        reader = Reader(base, prompts or [[0]], Stats(), adapts_prompt=adapts_prompt)
    ends = heard[layer][: len(prompts), -1]  # [B, H]
    # From here on the adapters and the head have gradients.
    opened = reader.open(prefaces)
    # In one pass, whatever a row trains: processes that share the base's layers use them equally often.
    names = [[*one.tools, *one.arguments] for one in asked] if asked is not None else [[] for _ in prompts]
    bodies = [_bodies(target) for target in targets]
    read = read_aside(reader, [own + body for own, body in zip(names, bodies, strict=True)] or [[[0]]], layer)
    # What shards the layers waits for their last states.
    found: Sums = {"nothing": (0.0 * (read.last.sum() + (0.0 if opened is None else opened.sum())), 1.0)}
    found = _add(found, decision_loss(router(ends), modes))
    if asked is not None:
        ats = [[place.stop - 1 for place in read.places[b][: len(own)]] for b, own in enumerate(names)]
        found = _add(found, routing_loss([read.layer[b, at] for b, at in enumerate(ats)], router, ends, asked))
    called = [(b, target) for b, target in enumerate(targets) if target is not None]
    # In one go: FSDP cannot gather the output's weights twice on end in the backward pass.
    written = [(t.texts[name], b, n) for b, t in called for n, name in enumerate(TEXTS) if name in t.texts]
    states = [read.last[b, read.places[b][len(names[b]) + n]] for _, b, n in written]
    found = _add(found, writing_loss(states, [text for text, _, _ in written], base.get_output_embeddings()))
    if called := [(b, target) for b, target in called if target.tokens]:
        reader.select([b for b, _ in called])
        states = [read.last[b, read.places[b][-1]] for b, _ in called]
        found = _add(found, _denoising_loss(reader, head, [target for _, target in called], states, samples))
    return found


def _bodies(target: Target | None) -> list[list[int]]:
    """What is read of a row beside the router's questions: each text up to its last decision, and the skeleton; one
    token where there is none.
    """
    if target is None:
        return [[0]]
    written = [target.texts[name] if name in target.texts else Written([], {}) for name in TEXTS]
    read = [text.tokens[: max((at for ats in text.asked.values() for at in ats), default=0)] for text in written]
    return [text or [0] for text in (*read, target.canvas.skeleton())]


def _add(found: Sums, more: Sums) -> Sums:
    """Sums over both."""
    return found | {
        name: (found[name][0] + total, found[name][1] + weight) if name in found else (total, weight)
        for name, (total, weight) in more.items()
    }


def _denoising_loss(
    reader: Reader, head: DiffusionHead, known: Sequence[Target], states: Sequence[Tensor], samples: int
) -> Sums:
    """[`diffusion_loss`], summed over samples of noise. states: of each skeleton what the base makes of it, [R, H]."""
    base = reader.base
    inputs = head_inputs(
        [target.canvas for target in known],
        [torch.cat([reader.prompt[b, -1:], own]) for b, own in enumerate(states)],
        reader.prompt,
        reader.prompt_mask,
        sources(reader, known[0].canvas.scaffold.vocabulary),
        base.get_output_embeddings().weight,
    )
    found: Sums = {}
    level = most = head.noise_levels
    for sample in range(samples):
        if sample % 2 == 0:
            level = random.randint(1, most)
            for target in known:
                corrupt(target, level, most)
        else:
            level = most - level or most
            for target in known:
                complement(target)
        said = head(
            embeddings=embed(base, head, standing([target.canvas for target in known], reader.device)),
            level=torch.full((len(known),), level, device=reader.device),
            **inputs,
        )
        found = _add(found, diffusion_loss(said, inputs["sources"], known, base.get_output_embeddings()))
    return found
