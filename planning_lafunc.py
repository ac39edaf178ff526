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
from .scaffolding_lafunc import CALL_OPEN
from .vocabulary_lafunc import Vocabulary

LAST = '", "arguments":'
MORE = '"}, {"name": "'
NOTHING = Continuation("")  # what is left to write when the plan is complete


def plan(
    reader: Reader,
    vocabulary: Vocabulary,
    offered: Sequence[Sequence[Tool]],
    openings: Sequence[Sequence[int]],
    max_calls: Sequence[int],
    rooms: Sequence[int],
) -> list[list[Tool]]:
    """The tools to call, in order, at least one per row. The reader is left where it stood.

    Args:
        offered: per row, the tools to choose from.
        openings: per row, tokens before the plan.
        max_calls: per row.
        rooms: per row, tokens that the base can read. No further call is offered where its name might not fit.

    Raises:
        RequestError: not even one name might fit.
    """
    mark = reader.mark()
    plans: list[list[Tool]] = [[] for _ in offered]
    ended = [False] * len(offered)
    for row, tools in enumerate(offered):
        if len(tools) == 1 and max_calls[row] == 1:
            plans[row], ended[row] = [tools[0]], True
    written = [list(opening) for opening in openings]
    longest = [
        max(len(vocabulary.encode(CALL_OPEN + json.dumps(tool.name) + LAST)) for tool in row) for row in offered
    ]
    for row, opening in enumerate(openings):
        if not ended[row] and len(opening) + longest[row] > rooms[row]:
            raise RequestError(
                f"there is no room to plan: the base can read {rooms[row]} more tokens after the prompt, and naming a "
                f"tool takes {len(opening) + longest[row]}; shorten the conversation or offer fewer tools"
            )
    while not all(ended):
        cursors = []
        for row, tools in enumerate(offered):
            ways = {}
            for tool in tools:
                text = ("" if plans[row] else CALL_OPEN + '"') + json.dumps(tool.name, ensure_ascii=False)[1:-1]
                ways[Continuation(text + LAST)] = tool
                spent = len(written[row]) + len(vocabulary.encode(text + MORE))
                if len(plans[row]) + 1 < max_calls[row] and spent + longest[row] <= rooms[row]:
                    ways[Continuation(text + MORE)] = tool
            cursors.append((Cursor(vocabulary, [NOTHING] if ended[row] else list(ways), written[row]), ways))
        reader.rewind(mark)
        write(reader, [cursor for cursor, _ in cursors])
        for row, (cursor, ways) in enumerate(cursors):
            if not ended[row] and cursor.done is not None:
                plans[row].append(ways[cursor.done])
                written[row], ended[row] = cursor.tokens, cursor.done.text.endswith(LAST)
    reader.rewind(mark)
    return plans
