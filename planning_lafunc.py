"""The plan: which tools to call, how often, in the base's own words, constrained to the offered names.

    <tool_call>
    {"name": "get_weather"}, {"name": "get_time", "arguments":

The name that is followed by arguments is the last one. The base is asked only where the offered names differ, and
after each name. The plan is a side branch: the scaffold is read on the prompt, not on the plan.

How many calls are due, and of which tools, is easier to say when the arguments of those before can be read. So the
plan is a draft for a base whose adapters have learned it: once the calls are written, one pass asks it of each whether
it was the last, and if not, which tool comes next. The calls stand as far as it agrees, and it goes on from there.
"""

import json
from collections.abc import Sequence

from torch import Tensor

from .calling_lafunc import Calls
from .filling_lafunc import Cursor, Reader, write
from .node_lafunc import Continuation, Tool
from .processing_lafunc import RequestError
from .request_lafunc import Request
from .scaffolding_lafunc import CALL_OPEN, End, call_open
from .vocabulary_lafunc import Vocabulary

LAST = '", "arguments":'
MORE = '"}, {"name": "'
NOTHING = Continuation("")  # what is left to write when the plan is complete


def ways_on(tools: Sequence[Tool], first: bool, more: bool) -> dict[Continuation, Tool]:
    """What may be written next in a plan: the name of any tool, as the last one or, if `more`, with others to come."""
    ways = {}
    for tool in tools:
        text = (CALL_OPEN + '"' if first else "") + json.dumps(tool.name, ensure_ascii=False)[1:-1]
        ways[Continuation(text + LAST)] = tool
        if more:
            ways[Continuation(text + MORE)] = tool
    return ways


def plan(reader: Reader, vocabulary: Vocabulary, rows: Sequence[Request], max_calls: Sequence[int]) -> None:
    """Give each row its plan: the tools to call, in order, at least one. The reader is left where it stood.

    Args:
        rows: those whose plan was given with the request keep it.
        max_calls: per row. No further call is offered where its name might not fit.

    Raises:
        RequestError: not even one name might fit.
    """
    for row, most in zip(rows, max_calls, strict=True):
        if len(row.tools) == 1 and most == 1:
            row.plan = row.plan or [row.tools[0]]
    ended = [bool(row.plan) for row in rows]
    mark = reader.mark()
    written = [list(row.opening) for row in rows]
    longest = [
        max(len(vocabulary.encode(CALL_OPEN + json.dumps(tool.name) + LAST)) for tool in row.tools) for row in rows
    ]
    for n, row in enumerate(rows):
        if not ended[n] and len(row.opening) + longest[n] > row.room:
            raise RequestError(
                f"there is no room to plan: the base can read {row.room} more tokens after the prompt, and naming a "
                f"tool takes {len(row.opening) + longest[n]}; shorten the conversation or offer fewer tools"
            )
    while not all(ended):
        cursors = []
        for n, row in enumerate(rows):
            more = len(row.plan) + 1 < max_calls[n]
            ways = {
                way: tool
                for way, tool in ways_on(row.tools, first=not row.plan, more=more).items()
                if way.text.endswith(LAST)
                or len(written[n]) + len(vocabulary.encode(way.text)) + longest[n] <= row.room
            }
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


def review(
    reader: Reader, rows: Sequence[Calls], offered: Sequence[Sequence[Tool]], max_calls: int
) -> list[tuple[int, bool]]:
    """Of each row how many of its calls stand, now that they are written, and whether another is due after these.

    The reader, which stands after the prompts, is left there.
    """
    stops = [calls.scaffold.ends(calls.values) for calls in rows]
    mark = reader.mark()
    hidden = reader.read([ends[-1].tokens for ends in stops])  # [B, S, H]; each text begins with those before it
    reader.rewind(mark)
    found = []
    for b, (calls, ends) in enumerate(zip(rows, stops, strict=True)):
        logits = reader.logits(hidden[b, [len(end.tokens) - 1 for end in ends]])  # [N, V]
        stand, more = 1, bool(logits[0, ends[0].more] > logits[0, ends[0].over])
        while more and stand < len(ends) and _named(calls, ends, stand, offered[b], reader, hidden[b]):
            more = bool(logits[stand, ends[stand].more] > logits[stand, ends[stand].over])
            stand += 1
        found.append((stand, more and stand < max(max_calls, len(ends))))
    return found


def _named(
    calls: Calls, ends: Sequence[End], at: int, offered: Sequence[Tool], reader: Reader, hidden: Tensor
) -> bool:
    """Whether the base names the tool of this call, those before it read. hidden: [S, H] of the calls' text."""
    if at <= calls.scaffold.written:  # it has done so
        return True
    before, text = ends[at - 1], ends[-1].tokens
    ways = ways_after(before, offered)
    cursor = Cursor(calls.scaffold.vocabulary, list(ways), before.tokens[: before.start])
    while cursor.done is None and cursor.tokens == text[: len(cursor.tokens)]:
        cursor.choose(reader.logits(hidden[len(cursor.tokens) - 1]))
    return cursor.done is not None and ways[cursor.done].name == calls.scaffold.tools[at].name


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
