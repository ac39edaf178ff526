"""The plan: which tools to call, how often, in the base's own words, constrained to the offered names.

    <tool_call>
    {"name": "get_weather"}, {"name": "get_time", "arguments":

The name that is followed by arguments is the last one. The base is asked only where the offered names differ, and
after each name. The plan is a side branch: the scaffold is read on the prompt, not on the plan.

Which tools are called, and how often, is easier to say of each by itself. A router that has learned it (see
[`Router`]) reads the base's state after each name, side by side; the base is then asked for the order only. And how
often a tool is called is easier to say when the arguments of the calls before can be read: a base whose adapters have
learned it is asked, once the calls are written, after which of them another one is due. Calls stand, and another one
is named, as far as router and base say so on the whole, and whether the calls hold a part of a series in the request
and not the rest ([`left_out`]); what each is worth is found by calibration.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

from .adapters_lafunc import adapted
from .calling_lafunc import Calls
from .filling_lafunc import Cursor, Reader, slides, write
from .node_lafunc import Continuation, Tool
from .output_lafunc import logit, sigmoid
from .processing_lafunc import RequestError
from .request_lafunc import Request
from .routing_lafunc import listening
from .scaffolding_lafunc import CALL_OPEN, End, call_open
from .vocabulary_lafunc import Vocabulary

LAST = '", "arguments":'
MORE = '"}, {"name": "'
SIDE_BY_SIDE = 2048  # tokens of names of a row that are read in one pass
NOTHING = Continuation("")  # what is left to write when the plan is complete


def name_texts(names: Sequence[str], vocabulary: Vocabulary) -> list[list[int]]:
    """Of each tool, what the base has written when its arguments are next."""
    return [list(vocabulary.encode(f'{CALL_OPEN}"{quoted(name)}{LAST}')) for name in names]


def argument_texts(tool: Tool, vocabulary: Vocabulary) -> dict[str, list[int]]:
    """Of each argument of a tool, what the base has written when its value is next, were it the first."""
    node = tool.arguments(0)
    if node.bracket != "{":
        return {}
    start = f'{CALL_OPEN}"{quoted(tool.name)}{LAST}{node.lead}{{'
    return {member.name: list(vocabulary.encode(f'{start}"{quoted(member.name)}":')) for member in node.members}


def quoted(name: str) -> str:
    """As it stands between quotes."""
    return json.dumps(name, ensure_ascii=False)[1:-1]


@dataclass(frozen=True)
class Aside:
    """What was read of several texts a row and then forgotten.

    Attributes:
        last: the decoder's last hidden states, [B, S, H], S the longest row.
        layer: the states of another layer, [B, S, H].
        places: where each text of each row stands.
    """

    last: Tensor
    layer: Tensor
    places: list[list[slice]]


def read_aside(reader: Reader, texts: Sequence[Sequence[Sequence[int]]], layer: nn.Module) -> Aside:
    """Read each text of each row as if it alone stood after what was read so far. The reader is left where it stood.

    All texts of a row are read in one pass, side by side: none attends to another. Where the base has windows, or an
    attention that takes no mask of ours, they are read one after the other.

    Args:
        texts: per row any number of texts, none of them empty; at least one in all.
        layer: whose states are wanted beside the last ones.
    """
    base = reader.base
    if slides(reader.cache) or base.config._attn_implementation not in ("sdpa", "eager"):
        return _read_one_by_one(reader, texts, layer)
    width = max(sum(map(len, row)) for row in texts)
    ids = torch.zeros(len(texts), width, dtype=torch.long)
    positions, number = torch.zeros_like(ids), torch.full_like(ids, -1)  # of the text that a token belongs to
    places: list[list[slice]] = [[] for _ in texts]
    for b, row in enumerate(texts):
        start = 0
        for n, text in enumerate(row):
            here = slice(start, start + len(text))
            ids[b, here], number[b, here] = torch.tensor(text, dtype=torch.long), n
            positions[b, here] = torch.arange(reader.lengths[b], reader.lengths[b] + len(text))
            start += len(text)
            places[b].append(here)
    own = (number[:, :, None] == number[:, None, :]).tril().to(reader.device)  # [B, S, S]
    known = reader.mask.bool()[:, None].expand(-1, width, -1)  # [B, S, K]
    seen = torch.cat([known, own], dim=-1)[:, None]  # [B, 1, S, K + S]
    mask = torch.zeros(seen.shape, dtype=base.dtype, device=seen.device)
    reader.stats.base_passes += 1
    reader.stats.base_tokens += int((number >= 0).sum())
    with listening() as heard, adapted(), _returning(reader):
        last = base.get_decoder()(
            input_ids=ids.to(reader.device),
            attention_mask=mask.masked_fill(~seen, torch.finfo(mask.dtype).min),
            position_ids=positions.to(reader.device),
            past_key_values=reader.cache,
            use_cache=True,
        ).last_hidden_state
        reader.cache.crop(-width)
    return Aside(last, heard[layer], places)


def _read_one_by_one(reader: Reader, texts: Sequence[Sequence[Sequence[int]]], layer: nn.Module) -> Aside:
    """The same where no mask of our own can be given."""
    lasts, layers, start = [], [], 0
    places: list[list[slice]] = [[] for _ in texts]
    for n in range(max(map(len, texts))):
        mark = reader.mark()
        with listening() as heard, _returning(reader):
            lasts.append(reader.read([row[n] if n < len(row) else [0] for row in texts]))
            reader.rewind(mark)
        layers.append(heard[layer])
        for row, found in zip(texts, places, strict=True):
            if n < len(row):
                found.append(slice(start, start + len(row[n])))
        start += lasts[-1].shape[1]
    return Aside(torch.cat(lasts, dim=1), torch.cat(layers, dim=1), places)


@contextmanager
def _returning(reader: Reader) -> Iterator[None]:
    """Keys and values are then as they were before; or what is read next would carry the gradients of this."""
    layers = cast(Sequence[Any], reader.cache.layers)
    before = [(layer.keys, layer.values) for layer in layers]
    yield
    for layer, (keys, values) in zip(layers, before, strict=True):
        layer.keys, layer.values = keys, values


def states_after(reader: Reader, texts: Sequence[Sequence[Sequence[int]]], layer: nn.Module) -> list[Tensor]:
    """A layer's state at the end of each text, [N, H] per row; see [`read_aside`]."""
    found = read_aside(reader, texts, layer)
    return [found.layer[b, [place.stop - 1 for place in row]] for b, row in enumerate(found.places)]


def ways_on(tools: Sequence[Tool], first: bool, more: bool) -> dict[Continuation, Tool]:
    """What may be written next in a plan: the name of any tool, as the last one or, if `more`, with others to come."""
    ways = {}
    for tool in tools:
        text = (CALL_OPEN + '"' if first else "") + quoted(tool.name)
        ways[Continuation(text + LAST)] = tool
        if more:
            ways[Continuation(text + MORE)] = tool
    return ways


def plan(reader: Reader, vocabulary: Vocabulary, rows: Sequence[Request], max_calls: Sequence[int]) -> None:
    """Give each row its plan: the tools to call, in order, at least one. The reader is left where it stood.

    Args:
        rows: those whose plan was given with the request keep it; those of which the calls are known are asked for
            their order.
        max_calls: per row. No further call is offered where its name might not fit.

    Raises:
        RequestError: not even one name might fit.
    """
    for row, most in zip(rows, max_calls, strict=True):
        known = row.called or (row.tools if most == 1 else [])
        if len({tool.name for tool in known}) == 1:
            row.plan = row.plan or list(known)
    ended = [bool(row.plan) for row in rows]
    mark = reader.mark()
    written: list[list[int]] = [[] for _ in rows]
    longest = [
        max(len(vocabulary.encode(CALL_OPEN + json.dumps(tool.name) + LAST)) for tool in row.tools) for row in rows
    ]
    for n, row in enumerate(rows):
        if not ended[n] and longest[n] > row.room:
            raise RequestError(
                f"there is no room to plan: the base can read {row.room} more tokens after the prompt, and naming a "
                f"tool takes {longest[n]}; shorten the conversation or offer fewer tools"
            )
    while not all(ended):
        cursors = []
        for n, row in enumerate(rows):
            left = list(row.called)
            for tool in row.plan if row.called else []:
                left.remove(tool)
            more = len(left) > 1 if row.called else len(row.plan) + 1 < max_calls[n]
            ways = {
                way: tool
                for way, tool in ways_on(left or row.tools, first=not row.plan, more=more).items()
                if way.text.endswith(LAST)
                or len(written[n]) + len(vocabulary.encode(way.text)) + longest[n] <= row.room
            }
            further = {way: tool for way, tool in ways.items() if not way.text.endswith(LAST)}
            if row.called and further:  # it is known that this is not the last one
                ways = further
            cursors.append((Cursor(vocabulary, [NOTHING] if ended[n] else list(ways), written[n]), ways))
        reader.rewind(mark)
        write(reader, [cursor for cursor, _ in cursors])
        for n, (cursor, ways) in enumerate(cursors):
            if not ended[n] and cursor.done is not None:
                rows[n].plan.append(ways[cursor.done])
                written[n], ended[n] = cursor.tokens, cursor.done.text.endswith(LAST)
    reader.rewind(mark)


def ways_after(end: End, tools: Sequence[Tool]) -> dict[Continuation, Tool]:
    """What may be written after a call that is followed by another."""
    return {Continuation(f"{end.text}\n{call_open(tool)}"): tool for tool in tools}


def follows(reader: Reader, rows: Sequence[Calls]) -> list[list[float]]:
    """Of each row, after each of its calls, how likely another one is due, now that they are written.

    The reader, which stands after the prompts, is left there.
    """
    stops = [calls.scaffold.ends(calls.values) for calls in rows]
    mark = reader.mark()
    hidden = reader.read([ends[-1].tokens for ends in stops])  # [B, S, H]; each text begins with those before it
    reader.rewind(mark)
    found = []
    for b, ends in enumerate(stops):
        logits = reader.logits(hidden[b, [len(end.tokens) - 1 for end in ends]])  # [N, V]
        pairs = torch.stack([logits[n, [end.over, end.more]] for n, end in enumerate(ends)])  # [N, 2]
        found.append(pairs.softmax(dim=-1)[:, 1].tolist())
    return found


def likely(often: Mapping[str, Sequence[float]], tool: Tool, before: Sequence[Tool]) -> float:
    """How likely a tool is called once more than it is in `before`.

    Args:
        often: of each tool by name, how likely it is called at least once, twice, ...; the last one counts for more.
    """
    odds, count = often[tool.name], sum(one.name == tool.name for one in before)
    return odds[min(count, len(odds) - 1)]


def summed(parts: Sequence[Sequence[float]]) -> list[float]:
    """How likely a tool is called at least once, twice, ... by what is said of it in several places, each by itself.

    Args:
        parts: of each place, how likely it is called there at least once, twice, ...; all of one length N, and so is
            what is returned.
    """
    known = [1.0]  # of how often it is called
    for part in parts:
        likely = [a - b for a, b in pairwise([1.0, *part, 0.0])]
        known = [
            sum(known[n] * likely[count - n] for n in range(len(known)) if 0 <= count - n < len(likely))
            for count in range(len(known) + len(part))
        ]
    return [sum(known[count:]) for count in range(1, len(parts[0]) + 1)]


def together(whole: float, part: float, weights: Sequence[float]) -> float:
    """How likely a tool is called so often by what a request says as a whole, and by its sentences.

    Args:
        weights: `sentence_weights` of a config.
    """
    return sigmoid(weights[0] * logit(whole) + weights[1] * logit(part) + weights[2])


def more_log_odds(base: float, router: float, left_out: bool, weights: Sequence[float]) -> float:
    """That another call is due, given those that are written.

    Args:
        base: how likely it is as the base says, see [`follows`].
        router: how likely its tool is called once more, as the router says, see [`likely`].
        left_out: whether the calls hold a part of a series and not the rest.
        weights: `more_weights` of a config.
    """
    return weights[0] * logit(base) + weights[1] * logit(router) + weights[2] * left_out + weights[3]


def due_tools(
    calls: Calls,
    count: int,
    base: float,
    often: Mapping[str, Sequence[float]] | None,
    tools: Sequence[Tool],
    weights: Sequence[float],
) -> list[Tool]:
    """The tools of which another call is due after the first calls of a row.

    Args:
        count: of these calls.
        base, weights: see [`more_log_odds`].
        often: see [`likely`]; None: the router was not asked, and the base's word is taken for its.
        tools: that may be called.
    """
    before, left_out = calls.scaffold.tools[:count], calls.leave_out(count)
    words = [(tool, base if often is None else likely(often, tool, before)) for tool in tools]
    return [tool for tool, router in words if more_log_odds(base, router, left_out, weights) >= 0]


def standing_calls(
    calls: Calls, due: Sequence[float], often: Mapping[str, Sequence[float]] | None, weights: Sequence[float]
) -> int:
    """How many of a row's planned calls stand: each is due after those before it, now that these can be read.

    Args:
        due: after each call, as the base says.
        often, weights: see [`due_tools`].
    """
    tools, count = calls.scaffold.tools, calls.scaffold.written + 1  # what was added was decided with all before it
    while count < len(tools) and due_tools(calls, count, due[count - 1], often, tools[count : count + 1], weights):
        count += 1
    return count


def another(reader: Reader, rows: Sequence[Calls], offered: Sequence[Sequence[Tool]], filler: str) -> list[bool]:
    """Name one more call for each row that has room for it, and say which have. The reader is left where it stood."""
    stops = [calls.scaffold.ends(calls.values)[-1] for calls in rows]
    cursors, ways = [], []
    for calls, stop, tools in zip(rows, stops, offered, strict=True):
        vocabulary, before = calls.scaffold.vocabulary, stop.tokens[: stop.start]
        texts = ways_after(stop, tools)
        if len(before) + max(len(vocabulary.encode(way.text)) for way in texts) > calls.scaffold.limit:
            texts = {}
        ways.append(texts)
        cursors.append(Cursor(vocabulary, list(texts) or [NOTHING], before))
    mark = reader.mark()
    write(reader, cursors)
    reader.rewind(mark)
    fits = []
    for calls, cursor, texts in zip(rows, cursors, ways, strict=True):
        tool = texts.get(cursor.done or NOTHING)
        longer = Calls(calls.scaffold.followed_by(tool, calls.values)) if tool is not None else None
        fits.append(longer is not None and longer.needed(filler) <= longer.scaffold.limit)
        if longer is not None and fits[-1]:
            calls.scaffold = longer.scaffold
    return fits
