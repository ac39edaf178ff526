"""Scaffolds: the JSON of tool calls as fixed text and slots; values to text and to Python. No torch.

The nodes of the planned tools are read in two ways. [`Scaffold.block`] lays everything out flat, every optional member
and a few elements of every array included, for the diffusion head, which fills all slots at once and says with
`<NULL>` which are absent. [`Scaffold.chain`] begins the walk of the base model, which writes from left to right. Both
yield values by path; [`Scaffold.write`] turns values into the text and [`Scaffold.arguments`] into Python.

```python
>>> parameters = {"properties": {"a": {"type": "integer"}}, "required": ["a"]}
>>> tool = compile_tool({"name": "add", "parameters": parameters}, vocabulary)
>>> scaffold = Scaffold([tool], vocabulary)
>>> scaffold.arguments({(0, "a"): vocabulary.encode(" 5")})
[{'a': 5}]
```
"""

import json
import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from .language_lafunc import Automaton, accepts
from .node_lafunc import Chain, Items, Node, Object, Path, Slot, Tool, distinct, json_path
from .vocabulary_lafunc import Vocabulary

Values = Mapping[Path, Sequence[int]]  # the tokens of each slot that is present
FIRST_ITEMS = 3  # elements that a block offers an array of objects before it is known to need more


@dataclass(frozen=True)
class Span:
    """A slot's place in a block: `budget` positions from `start`."""

    slot: Slot
    start: int
    budget: int

    @property
    def positions(self) -> range:
        return range(self.start, self.start + self.budget)


@dataclass(frozen=True)
class Block:
    """The flat scaffold. `tokens` holds -1 at slot positions."""

    tokens: list[int]
    spans: list[Span]

    def pieces(self, vocabulary: Vocabulary) -> Iterator[str | Span]:
        """The fixed texts and the slots between them, in order."""
        at = 0
        for span in self.spans:
            yield vocabulary.decode_bytes(self.tokens[at : span.start]).decode(errors="replace")
            yield span
            at = span.start + span.budget
        yield vocabulary.decode_bytes(self.tokens[at:]).decode(errors="replace")

    def text(self, vocabulary: Vocabulary, filled: Mapping[Path, str] | None = None) -> str:
        """The block as people read it: each slot as `‹kind budget›`, or as its text in `filled`."""
        parts = []
        for piece in self.pieces(vocabulary):
            if isinstance(piece, str):
                parts.append(piece)
            elif filled is None:
                parts.append(f" ‹{piece.slot.kind}{'?' if piece.slot.optional else ''} {piece.budget}›")
            else:
                parts.append(filled.get(piece.slot.path, ""))
        return "".join(parts)

    def picture(self, vocabulary: Vocabulary) -> dict[str, Any]:
        """The block as the demo shows it: texts, and slots by their paths."""
        return {
            "stage": "scaffold",
            "pieces": [
                piece
                if isinstance(piece, str)
                else {
                    "path": json_path(piece.slot.path),
                    "kind": piece.slot.kind,
                    "optional": piece.slot.optional,
                    "budget": piece.budget,
                }
                for piece in self.pieces(vocabulary)
            ],
        }


@dataclass
class Capacity:
    """How much room a block gives: tokens a slot, elements an array. Grown when a filling runs into it."""

    budgets: dict[Path, int] = field(default_factory=dict)
    elements: dict[Path, int] = field(default_factory=dict)


@dataclass(frozen=True)
class End:
    """Where a call is written and another may follow.

    Attributes:
        tokens: up to where the base says whether one does.
        start: how many of them stand before the fixed text after the call's last value.
        text: this fixed text.
        over: the token by which the base says that this was the last call; None: the tokenizer has none.
        more: the token by which it goes on.
    """

    tokens: list[int]
    start: int
    text: str
    over: int | None
    more: int


CALL_OPEN = '<tool_call>\n{"name": '
CALL_CLOSE = "}\n</tool_call>"


def call_open(tool: Tool) -> str:
    """The text of a call before its arguments."""
    return f'{CALL_OPEN}{json.dumps(tool.name, ensure_ascii=False)}, "arguments":'


class Scaffold:
    """All planned calls of one request, as one text.

    Args:
        tools: the planned tools, one entry per call.
        limit: tokens that the base can read from here on; values end where it is reached.

    Attributes:
        beginning: tokens that are written, and after which `chain` goes on.
        kept: the values in them, of the first `written` calls.
    """

    def __init__(self, tools: Sequence[Tool], vocabulary: Vocabulary, limit: int = sys.maxsize):
        self.limit = limit
        self.tools = list(tools)
        self.vocabulary = vocabulary
        self.roots = [tool.arguments(call) for call, tool in enumerate(tools)]
        self.beginning, self.kept, self.written = list[int](), dict[Path, list[int]](), 0
        self.chain: Chain = None
        for call in reversed(range(len(self.tools))):
            tail = CALL_CLOSE + ("\n" if call + 1 < len(self.tools) else "")
            self.chain = (call_open(self.tools[call]), (self.roots[call], (tail, self.chain)))

    def followed_by(self, tool: Tool, values: Values) -> "Scaffold":
        """The scaffold of these calls, written with these values, and of another that is to be written."""
        longer = Scaffold([*self.tools, tool], self.vocabulary, self.limit)
        stop, call = self.ends(values)[-1], len(self.tools)
        longer.beginning, longer.kept, longer.written = (
            stop.tokens[: stop.start],
            {path: list(value) for path, value in values.items()},
            call,
        )
        longer.chain = (stop.text + "\n" + call_open(tool), (longer.roots[call], (CALL_CLOSE, None)))
        return longer

    # ------------------------------------------------------------------------------------------------ layout

    def block(self, capacity: Capacity | None = None) -> Block:
        """The flat layout for the diffusion head."""
        capacity = capacity or Capacity()
        tokens: list[int] = []
        spans: list[Span] = []
        text = ""
        for piece in self._pieces(capacity):
            if isinstance(piece, str):
                text += piece
                continue
            tokens += self.vocabulary.encode(text)
            budget = capacity.budgets.get(piece.path, piece.budget)
            spans.append(Span(piece, len(tokens), budget))
            tokens += [-1] * budget
            text = piece.close
        return Block([*tokens, *self.vocabulary.encode(text)], spans)

    def _pieces(self, capacity: Capacity) -> Iterator[str | Slot]:
        for call, root in enumerate(self.roots):
            yield ("\n" if call else "") + call_open(self.tools[call])
            yield from self._layout(root, capacity)
            yield CALL_CLOSE

    def _layout(self, node: Node, capacity: Capacity) -> Iterator[str | Slot]:
        if node.bracket == "":
            yield node
            return
        yield node.opener or node.lead + node.bracket
        if node.bracket == "{":
            for at, member in enumerate(node.members):
                yield f"{', ' if at else ''}{json.dumps(member.name, ensure_ascii=False)}:"
                yield from self._layout(member.node, capacity)
            yield "}"
        else:
            for at in range(self.room(node, capacity)):
                yield "," if at else ""
                yield from self._layout(node.element(at), capacity)
            yield "]"

    def room(self, node: Items, capacity: Capacity) -> int:
        """How many elements of an array the block holds."""
        depth = sum(isinstance(part, int) for part in node.path[1:])  # few in each, or nested arrays would multiply
        return capacity.elements.get(node.path, min(node.high, max(node.low, FIRST_ITEMS - depth, 1)))

    # ------------------------------------------------------------------------------------------------ reading back

    def write(self, values: Values, capacity: Capacity | None = None) -> list[str | Slot]:
        """The pieces of the text that these values make: fixed text, and the slots that are present, in order."""
        pieces: list[str | Slot] = []
        for call, root in enumerate(self.roots):
            pieces.append(("\n" if call else "") + call_open(self.tools[call]))
            self._write(root, values, pieces)
            pieces.append(CALL_CLOSE)
        return pieces

    def _write(self, node: Node, values: Values, pieces: list[str | Slot]) -> None:
        if node.bracket == "":
            pieces += [node, node.close]
        elif not self.opened(node, values):
            pieces.append(node.alternative or cast(Slot, node.opener))
        elif node.bracket == "{":
            pieces.append(node.lead + "{")
            first = True
            for member in node.members:
                if self.present(member.node, values):
                    pieces.append(f"{'' if first else ', '}{json.dumps(member.name, ensure_ascii=False)}:")
                    self._write(member.node, values, pieces)
                    first = False
            pieces.append("}")
        else:
            pieces.append(node.lead + "[")
            for at in range(node.high):
                element = node.element(at)
                if at >= node.low and not self.present(element, values):
                    break
                pieces.append("," if at else "")
                self._write(element, values, pieces)
            pieces.append("]")

    def opened(self, node: Object | Items, values: Values) -> bool:
        """Whether the values choose this object or array itself, not its absence or its alternative."""
        return node.opener is None or tuple(values.get(node.opener.path, ())) == self.vocabulary.encode(
            node.lead + node.bracket
        )

    def present(self, node: Node, values: Values) -> bool:
        """Whether the values hold anything for this node."""
        slot = node if node.bracket == "" else node.opener
        return slot is None or slot.path in values

    def tokens(self, values: Values) -> list[int]:
        """The text's tokens, up to the first value that is due and not there: fixed text tokenized between slots, as
        [`continuations`] readers do it."""
        return self.spelled(values)[0]

    def spelled(self, values: Values) -> tuple[list[int], list[int]]:
        """[`tokens`], and the places among them of values and of what follows each: there is a choice."""
        ids: list[int] = []
        places: list[int] = []
        text = ""
        for piece in self.write(values):
            if isinstance(piece, str):
                text += piece
                continue
            ids += self.vocabulary.encode(text)
            if piece.path not in values:
                return ids, places
            places += range(len(ids), len(ids) + len(values[piece.path]) + 1)
            ids += values[piece.path]
            text = ""
        return ids + list(self.vocabulary.encode(text)), places

    def ends(self, values: Values) -> list[End]:
        """The end of each call."""
        found: list[End] = []
        ids: list[int] = []
        text = ""
        for piece in self.write(values):
            if not isinstance(piece, str):
                ids += [*self.vocabulary.encode(text), *values[piece.path]]
                text = ""
                continue
            text += piece
            if piece == CALL_CLOSE:
                ended, more = self.vocabulary.encode(text), self.vocabulary.encode(text + "\n" + CALL_OPEN)
                same = len(os.path.commonprefix([ended, more]))
                over = ended[same] if same < len(ended) else self.vocabulary.end
                found.append(End([*ids, *ended[:same]], len(ids), text, over, more[same]))
        return found

    def arguments(self, values: Values) -> list[dict[str, Any]]:
        """Each call's arguments as Python values.

        Raises:
            json.JSONDecodeError: a value is incomplete; never for values inside their languages.
        """
        found = []
        for root in self.roots:
            pieces: list[str | Slot] = []
            self._write(root, values, pieces)
            text = "".join(p if isinstance(p, str) else self.vocabulary.decode(values[p.path]) for p in pieces)
            found.append(_tidied(root, json.loads(text)))
        return found

    def accepts(self, arguments: Sequence[Mapping[str, Any]]) -> bool:
        """Whether some filling makes these arguments, one object per call; the order of members does not matter."""
        try:
            self.read(arguments)
        except ValueError:
            return False
        return True

    def read(self, arguments: Sequence[Mapping[str, Any]], without: Collection[Path] = ()) -> dict[Path, list[int]]:
        """The values that make these arguments, one object per call: the inverse of [`arguments`].

        Args:
            without: paths that may be missing although they are required.

        Raises:
            ValueError: an argument is not one that the schema allows; says which.
        """
        values: dict[Path, list[int]] = {}
        for root, given in zip(self.roots, arguments, strict=True):
            self._read(root, given, values, without)
        return values

    def _read(self, node: Node, given: Any, values: dict[Path, list[int]], without: Collection[Path]) -> None:
        slot: Slot | None
        if node.bracket == "":
            slot = node
        elif isinstance(given, Mapping if node.bracket == "{" else list):
            if node.opener is not None:
                values[node.opener.path] = list(self.vocabulary.encode(node.lead + node.bracket))
            self._read_parts(node, given, values, without)
            return
        else:
            slot = node.alternative
        found = None if slot is None else spell(slot, self.vocabulary, given)
        if slot is None or found is None:
            raise ValueError(f"{json_path(node.path[1:])} cannot be {_short(given)}")
        values[slot.path] = found

    def _read_parts(
        self, node: Object | Items, given: Any, values: dict[Path, list[int]], without: Collection[Path]
    ) -> None:
        if node.bracket == "[":
            if not node.low <= len(given) <= node.high:
                raise ValueError(f"{json_path(node.path[1:])} cannot have {len(given)} elements")
            for at, element in enumerate(given):
                self._read(node.element(at), element, values, without)
            return
        names = {member.name for member in node.members}
        if (unknown := next((name for name in given if name not in names), None)) is not None:
            raise ValueError(f"{json_path(node.path[1:])} has no {unknown!r}")
        for member in node.members:
            if member.name in given:
                self._read(member.node, given[member.name], values, without)
            elif member.required and not (member.node.bracket == "" and member.node.path in without):
                raise ValueError(f"{json_path((*node.path[1:], member.name))} is missing")

    def crowded(self, values: Values, block: Block, capacity: Capacity, max_slot_tokens: int) -> Capacity | None:
        """More room for every slot and array that a filling ran into the end of; None if there is none to be had.

        A slot at `max_slot_tokens` is not grown, and nothing is beyond `limit`.
        """
        budgets, elements = dict(capacity.budgets), dict(capacity.elements)
        for span in self.full(values, block):
            budgets[span.slot.path] = max(span.budget, min(2 * span.budget, max_slot_tokens))
        for node in self._arrays(values):
            room = self.room(node, capacity)
            if room < node.high and all(self.present(node.element(at), values) for at in range(room)):
                elements[node.path] = min(2 * room + 1, node.high)
        grown = Capacity(budgets, elements)
        same = all(budgets[span.slot.path] == span.budget for span in self.full(values, block))
        if same and elements == capacity.elements or len(self.block(grown).tokens) > self.limit:
            return None
        return grown

    def full(self, values: Values, block: Block) -> list[Span]:
        """The present slots whose values fill their budgets and might go on."""
        present = {piece.path for piece in self.write(values) if not isinstance(piece, str)}
        return [
            span
            for span in block.spans
            if span.slot.path in present
            and len(values[span.slot.path]) == span.budget
            and can_go_on(span.slot.language, tuple(values[span.slot.path]))
        ]

    def capped(self, values: Values) -> list[Path]:
        """The arrays that ended at our limit of elements."""
        arrays = (node for node in self._arrays(values) if node.capped)
        return [node.path for node in arrays if all(self.present(node.element(at), values) for at in range(node.high))]

    def room_for(self, values: Values, capacity: Capacity) -> Capacity:
        """At least as much room as these values, possibly incomplete, need to be completed."""
        budgets, elements = dict(capacity.budgets), dict(capacity.elements)
        for node in self._arrays(values):
            written = [
                at for at in range(node.high) if any(path[: len(node.path) + 1] == (*node.path, at) for path in values)
            ]
            elements[node.path] = max(self.room(node, capacity), max(written, default=-1) + 1)
        widened = Capacity(budgets, elements)
        for piece in self._pieces(widened):
            if not isinstance(piece, str) and piece.path in values:
                states = frozenset([piece.language.start])
                for token in values[piece.path]:
                    states = piece.language.step(states, token)
                need = len(values[piece.path]) + len(piece.language.shortest(states))
                if need >= budgets.get(piece.path, piece.budget):
                    budgets[piece.path] = need + piece.budget // 2
        return widened

    def _arrays(self, values: Values) -> Iterator[Items]:
        """The arrays of objects that the values open."""
        todo: list[Node] = list(self.roots)
        while todo:
            node = todo.pop()
            if node.bracket == "" or not self.opened(node, values):
                continue
            if node.bracket == "[":
                yield node
                todo += [
                    node.element(at)
                    for at in range(node.high)
                    if at < node.low or self.present(node.element(at), values)
                ]
            else:
                todo += [member.node for member in node.members]


def spell(slot: Slot, vocabulary: Vocabulary, value: Any) -> list[int] | None:
    """The tokens by which a slot writes a JSON value, without its end `close`; None if it cannot."""
    for text in slot.texts(value):
        for whole in (" " + text, text):
            written = whole[: len(whole) - len(slot.close)]
            if whole.endswith(slot.close):
                ids = vocabulary.encode(written)  # as the base would read it, if the language agrees
                if accepts(slot.language, ids):
                    return list(ids)
                if (found := slot.language.spell(written.encode(), vocabulary)) is not None:
                    return found
    return None


def _tidied(node: Node, value: Any) -> Any:
    """A value as its node's schema wants it, see [`Slot`] and [`Items`]."""
    if node.bracket == "":
        return value if node.tidy is None else node.tidy(value)
    if node.bracket == "{" and isinstance(value, dict):
        members = {member.name: member.node for member in node.members}
        return {name: _tidied(members[name], one) for name, one in value.items()}
    if node.bracket == "[" and isinstance(value, list):
        found = [_tidied(node.element(at), one) for at, one in enumerate(value)]
        return distinct(found) if node.unique else found
    return value if node.alternative is None else _tidied(node.alternative, value)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "…"


def can_go_on(language: Automaton, tokens: tuple[int, ...]) -> bool:
    """Whether the language holds longer strings that begin with these tokens."""
    states = frozenset([language.start])
    for token in tokens:
        states = language.step(states, token)
    return any(language.edges(state) for state in states)
