"""Which rows can be used: of the row format, not too long, with tools that LaFuNC accepts, and nothing of BFCL."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..evaluation import overlap
from ..processing_lafunc import LaFuncProcessor
from ..request_lafunc import RequestError
from ..validation_lafunc import SchemaError
from .hub import Draft
from .recipe import Recipe
from .rows import Row, RowError, calls_of, make_row, prompt_of


class Evaluation:
    """What BFCL asks and offers.

    Args:
        rows: with `id`, `messages` and `tools`.
    """

    def __init__(self, rows: Iterable[Any]):
        rows = list(rows)
        self.index = overlap.Index(rows)
        self.tools = {key for row in rows for tool in row.tools for key in _keys(tool)}

    def asks(self, value: Any) -> str | None:
        """The evaluation rows that the texts of a value meet, queries of one or two words aside."""
        for text in overlap.texts(value):
            for hit in self.index.hits(text):
                if not hit.short:
                    return f"{hit.kind}: {', '.join(hit.query.ids[:3])}"
        return None

    def offers(self, tool: Mapping[str, Any]) -> bool:
        """Whether a tool of the evaluation has its name and parameters, or its description of some words."""
        return not self.tools.isdisjoint(_keys(tool))


def _keys(tool: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """What makes two tools one, whatever the style of their names."""
    names = (tool["name"], *sorted((tool.get("parameters") or {}).get("properties", ())))
    yield tuple("".join(overlap.words(name)) for name in names)
    if len(said := overlap.words(tool.get("description") or "")) >= overlap.PHRASE:
        yield ("", *said)


@dataclass
class Count:
    """What became of the rows of one set."""

    converted: int = 0
    kept: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)  # of each reason, its first detail

    def skip(self, error: RowError) -> None:
        self.skipped[error.reason] += 1
        self.examples.setdefault(error.reason, str(error)[:200])


class Checker:
    """Whether rows can be used: form, size, schemas that the scaffolder honours, nothing of the evaluation."""

    def __init__(self, recipe: Recipe, evaluation: Evaluation | None = None):
        self.most = recipe.most_characters
        self.evaluation = evaluation
        self.processor = LaFuncProcessor.from_base(recipe.base)
        self.verdicts: dict[str, tuple[str, str] | None] = {}  # by the tool as JSON: why it is refused

    def row(self, draft: Draft, source: str) -> Row:
        """Raises RowError."""
        row = make_row(draft.messages, draft.tools, source, draft.calls, draft.mode, draft.needs)
        if sum(len(str(message.get("content") or "")) for message in prompt_of(row)) > self.most:
            raise RowError("the conversation is too long")
        called = {name for name, _ in calls_of(row)}
        tools = []
        for tool in row["tools"]:
            why = self.refusal(tool)
            if why is None:
                tools.append(tool)
            elif tool["name"] in called or not called:
                raise RowError(*why)
        row["tools"] = tools
        if sum(len(json.dumps(tool)) for tool in tools if tool["name"] in called) > self.most:
            raise RowError("the called tools are too long")
        if self.evaluation is not None and (met := self.evaluation.asks(row["messages"])):
            raise RowError("meets an evaluation row", met)
        return row

    def refusal(self, tool: Mapping[str, Any]) -> tuple[str, str] | None:
        """(reason, detail), or None for a tool that can be used."""
        key = json.dumps(tool)
        if key not in self.verdicts:
            self.verdicts[key] = None
            if self.evaluation is not None and self.evaluation.offers(tool):
                self.verdicts[key] = ("a tool is one of the evaluation", tool["name"])
            try:
                self.processor.compile_tools([tool])
            except (SchemaError, RequestError) as error:
                self.verdicts[key] = ("a tool's schema is refused", str(error))
        return self.verdicts[key]
