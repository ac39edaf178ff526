"""The plan: which tools to call, how often, in the base's own words, constrained to the offered names.

    <tool_call>
    {"name": "get_weather"}, {"name": "get_time", "arguments":

The name that is followed by arguments is the last one. The base is asked only where the offered names differ, and
after each name. The plan is a side branch: the scaffold is read on the prompt, not on the plan.
"""

import json
from collections.abc import Sequence

from .filling_lafunc import Cursor, Reader, write
from .node_lafunc import Continuation, Tool
from .processing_lafunc import RequestError
from .request_lafunc import Request
from .scaffolding_lafunc import CALL_OPEN
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
