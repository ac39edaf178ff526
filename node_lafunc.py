"""Nodes: what a tool's arguments are made of, and the ways to write them from left to right. No torch.

A schema becomes a tree of three kinds of nodes. A [`Slot`] is one leaf value with its language; an [`Object`] and an
[`Items`] (array of objects) hold further nodes. [`continuations`] lists the ways on from a point of the text.

    {"location": ‹string›  ├ ", "unit": ‹enum›  ├ "}}
                           └ "}}
"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from .language_lafunc import Automaton, literal, union
from .layouts_lafunc import Layout
from .vocabulary_lafunc import TokenClass, Vocabulary, remembered

Path = tuple  # (call index, member name or element index, …)
MAX_ITEMS = 64  # an array of objects without `maxItems` ends here


def plain_texts(value: Any) -> Iterator[str]:
    """The JSON text of a value, its numbers without exponents; whole numbers also without a point."""
    yield _text(value, True)
    if (short := _text(value, False)) != _text(value, True):
        yield short


def _text(value: Any, point: bool) -> str:
    if isinstance(value, dict):
        pairs = (f"{json.dumps(str(k), ensure_ascii=False)}: {_text(v, point)}" for k, v in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_text(one, point) for one in value)}]"
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() and not point else f"{Decimal(repr(value)):f}"
    return json.dumps(value, ensure_ascii=False)


def distinct(given: list) -> list:
    """Without elements that equal an earlier one."""
    seen: set[str] = set()
    found = []
    for one in given:
        key = equality_key(one)
        if key not in seen:
            seen.add(key)
            found.append(one)
    return found


def equality_key(value: Any) -> str:
    """Equal for values that JSON Schema takes for equal."""
    if isinstance(value, list):
        return f"[{','.join(map(equality_key, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(sorted(json.dumps(name) + ':' + equality_key(one) for name, one in value.items()))}}}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value)


@dataclass(frozen=True, eq=False)
class Slot:
    """One leaf value: everything that a filler may choose.

    Attributes:
        path: where the value stands.
        kind: `string`, `integer`, `number`, `boolean`, `enum`, `array`, `mixed`, or `opener`.
        language: the tokens that it may hold, its leading space and opening quote included.
        close: the closing quote, when it belongs to the fixed text after the slot.
        budget: the positions that a block gives it at first.
        optional: may be absent.
        description: the schema's words for it.
        texts: a Python value -> the JSON texts by which the language may write it.
        tidy: a Python value as read -> as the schema wants it; None: as it is.
        layouts: it is a string in one of them.
        members: strings and numbers that the schema lists, if it is one of them.
    """

    path: Path
    kind: str
    language: Automaton
    close: str = ""
    budget: int = 1
    optional: bool = False
    description: str = ""
    texts: Callable[[Any], Iterator[str]] = plain_texts
    tidy: Callable[[Any], Any] | None = None
    layouts: tuple[Layout, ...] = ()
    members: tuple[Any, ...] = ()
    bracket: Literal[""] = ""


@dataclass(frozen=True, eq=False)
class Member:
    name: str
    node: "Node"
    required: bool


@dataclass(frozen=True, eq=False)
class Object:
    """A JSON object. Where its presence is open, `opener` decides: `{`, or absent, or one of its alternatives."""

    path: Path
    lead: str
    members: tuple[Member, ...]
    opener: Slot | None = None
    alternative: Slot | None = None  # e.g. null, in place of the object
    bracket: Literal["{"] = "{"


@dataclass(frozen=True, eq=False)
class Items:
    """A JSON array whose elements are objects; `element(i)` is the node of element i.

    Elements that equal an earlier one are dropped when a `unique` array is read.
    """

    path: Path
    lead: str
    element: Callable[[int], "Node"]
    low: int
    high: int
    capped: bool = False  # `high` is our limit, not the schema's
    unique: bool = False
    opener: Slot | None = None
    alternative: Slot | None = None
    bracket: Literal["["] = "["


# The Hub loader may give a processor and a model two copies of these classes: nodes are told apart by `bracket`.
Node = Slot | Object | Items


@dataclass(frozen=True)
class _Rest:
    """Members or elements of a node that are still to be written."""

    node: Object | Items
    at: int = 0
    first: bool = True


@dataclass(frozen=True, eq=False)
class Tool:
    """A function that may be called.

    Attributes:
        parameters: the JSON Schema of its arguments, as given.
        arguments: call index -> the argument object's node.
        strict: the languages guarantee the schema; otherwise the arguments have to be validated.
        layouts: that descriptions of arguments ask for.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    arguments: Callable[[int], Node]
    strict: bool = True
    layouts: tuple[Layout, ...] = ()


# --------------------------------------------------------------------------------------------------------------------
# Left to right
# --------------------------------------------------------------------------------------------------------------------

Chain = tuple | None  # (head, Chain): what is still to be written


@dataclass(frozen=True)
class Continuation:
    """One way on: write `text`, then fill `slot` (None: the end), then go on with `rest`.

    `opened` are the openers that `text` passed: (path, what stands there).
    """

    text: str
    slot: Slot | None = None
    rest: Chain = None
    opened: tuple[tuple[Path, str], ...] = ()


def continuations(chain: Chain) -> Iterator[Continuation]:
    """Every way on from `chain` to the next slot or the end, in the schema's order.

    An optional object or array is only opened if something is written in it: `{}` would say what its absence says, and
    the number of ways would double with each.
    """
    todo: list[tuple[Chain, str, tuple]] = [(chain, "", ())]
    while todo:
        chain, text, opened = todo.pop()
        while chain is not None:
            head, chain = chain
            if isinstance(head, str):
                text += head
            elif isinstance(head, _Rest):
                todo += reversed(list(_ways_on(head, chain, text, opened)))
                break
            elif head.bracket == "":
                yield Continuation(text, head, (head.close, chain) if head.close else chain, opened)
                break
            else:
                if head.alternative is not None:
                    yield Continuation(text, head.alternative, chain, opened)
                if head.opener is not None:
                    opened += ((head.opener.path, head.lead + head.bracket),)
                text += head.lead + head.bracket
                chain = (_Rest(head), chain)
        else:
            yield Continuation(text, None, None, opened)


def _ways_on(rest: _Rest, chain: Chain, text: str, opened: tuple) -> Iterator[tuple[Chain, str, tuple]]:
    """Write the next member or element, or end the object or array."""
    node = rest.node
    if node.bracket == "{":
        for at, member in enumerate(node.members[rest.at :], rest.at):
            key = f"{'' if rest.first else ', '}{json.dumps(member.name, ensure_ascii=False)}:"
            yield (member.node, (_Rest(node, at + 1, False), chain)), text + key, opened
            if member.required:
                return
    else:
        if rest.at < node.high:
            following = (_Rest(node, rest.at + 1, False), chain)
            yield (node.element(rest.at), following), text + ("," if rest.at else ""), opened
        if rest.at < node.low:
            return
    empty = node.opener is not None and node.opener.optional and any(path == node.opener.path for path, _ in opened)
    if not empty:
        yield chain, text + ("}" if node.bracket == "{" else "]"), opened


def opener(
    vocabulary: Vocabulary, lead: str, bracket: str, path: Path, optional: bool, alternative: Slot | None
) -> Slot:
    """The slot that decides whether an object or array is there."""
    language, budget = literal(vocabulary, lead + bracket), len(vocabulary.encode(lead + bracket))
    if alternative is not None:
        language, budget = union(language, alternative.language), max(budget, alternative.budget)
    return Slot(path, "opener", language, "", budget, optional)


@remembered
def closers(vocabulary: Vocabulary, close: str) -> TokenClass:
    """The tokens by which a base model says that a value ends here, before the fixed text `close`."""
    first = [close] if close else [",", "}", "]", " ", "\n"]
    return TokenClass(id for text in first for id in vocabulary.starting_with(text.encode()))


def json_path(path: Path) -> str:
    """A path as JSONPath, `$.items[0]["odd name"]`."""
    parts = (
        f".{part}" if isinstance(part, str) and part.isidentifier() else f"[{json.dumps(part, ensure_ascii=False)}]"
        for part in path
    )
    return "$" + "".join(parts)
