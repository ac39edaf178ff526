"""What the demo shows: a request on its way as HTML, and bad input as a message. Every text is escaped.

```python
>>> picture = Picture("What's the weather in Tokyo?")
>>> picture.add({"stage": "mode", "mode": "tool", "probabilities": {"chat": 0.1, "think": 0.0, "tool": 0.9}})
>>> html = picture.html()
```
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

NULL = "<NULL>"  # as a trace writes an unused position
WINDOW = 48  # characters of a faulty line that are shown on each side of the fault
JSON_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],]|[^"{}\[\],]+|"')


class ToolsError(ValueError):
    """The edited tools are no JSON list; says where."""


def read_tools(text: str) -> list[Any]:
    """The tools as edited.

    Raises:
        ToolsError: not JSON, with line, column and the place itself; or no list.
    """
    try:
        tools = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        lines = text.split("\n")
        line, column = lines[error.lineno - 1] if error.lineno <= len(lines) else "", error.colno
        begin = max(0, column - 1 - WINDOW)
        shown = line[begin : column - 1 + WINDOW].replace("\t", " ")
        raise ToolsError(
            f"line {error.lineno}, column {column}: {error.msg}\n{shown}\n{' ' * (column - 1 - begin)}^"
        ) from None
    except RecursionError:
        raise ToolsError("the tools are nested too deeply") from None
    if not isinstance(tools, list):
        raise ToolsError(f"the tools must be a JSON list, [ … ], got {_kind(tools)}")
    return tools


def _refuse(constant: str) -> None:
    raise ToolsError(f"{constant} is not JSON; write a number, a string or null")


def _kind(value: Any) -> str:
    kinds = {dict: "an object: put it in [ … ]", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


def error_html(title: str, message: str) -> str:
    """A message that screen readers announce."""
    return f'<div class="lf-error" role="alert"><b>{escape(title)}</b><pre>{escape(message)}</pre></div>'


def highlight(text: str, spans: Sequence[tuple[int, int, str]]) -> str:
    """A text with spans of it marked and labelled.

    Args:
        spans: (start, end, label); equal ones are marked once with both labels, of overlapping ones the first.
    """
    labels: dict[tuple[int, int], list[str]] = {}
    for start, end, label in spans:
        labels.setdefault((start, end), []).append(label)
    parts, at = [], 0
    for (start, end), names in sorted(labels.items(), key=lambda item: (item[0][0], -item[0][1])):
        if start >= at:
            parts.append(escape(text[at:start]))
            parts.append(f"<mark>{escape(text[start:end])}<small>{escape(', '.join(names))}</small></mark>")
            at = end
    return "".join(parts) + escape(text[at:])


def shade(probability: float) -> str:
    """The class of a confidence's colour: s0 for less than 0.2 to s4 for 0.8 and more."""
    return f"s{min(4, max(0, int(probability * 5)))}"


def token_html(text: str, probability: float, sure: bool = True, number: bool = False) -> str:
    """One token on the colour of its confidence; dashed as long as it is not committed."""
    shown = "∅" if text == NULL else text.replace(" ", "␣") if not text.strip() else text
    figure = f"<small>{probability:.2f}</small>" if number else ""
    return (
        f'<span class="lf-token {shade(probability)}{"" if sure else " lf-open"}" title="{probability:.3f}">'
        f"{escape(shown)}{figure}</span>"
    )


Token = tuple[str, float, bool]  # text, probability, whether it is committed


@dataclass
class Cost:
    """What one filler took for a request."""

    filler: str
    base_passes: int
    head_passes: int
    seconds: float
    filling: float
    same: bool | None = None  # whether its calls equal the ones shown


@dataclass
class Picture:
    """A request on its way. [`add`] takes the dicts of a trace as they come."""

    request: str
    mode: str = ""
    probabilities: Mapping[str, float] | None = None
    tools: Mapping[str, float] | None = None
    plan: list[str] = field(default_factory=list)
    pieces: list[Any] = field(default_factory=list)
    drafted: dict[str, list[Token]] = field(default_factory=dict)
    written: dict[str, list[Token]] = field(default_factory=dict)
    log: list[tuple[str, dict[str, list[Token]]]] = field(default_factory=list)
    passes: int = 0  # of the base, from left to right
    round: bool = False  # what is written next is what a round let stand
    text: str = ""
    status: str = "Reading the prompt"
    output: Any = None
    costs: list[Cost] = field(default_factory=list)

    def add(self, entry: Mapping[str, Any]) -> None:
        """One more stage or step."""
        stage = entry["stage"]
        if stage == "mode":
            self.mode, self.probabilities = entry["mode"], entry["probabilities"]
            self.tools = entry.get("tools")
            self.status = "Planning" if self.mode == "tool" else "Writing"
        elif stage == "plan":
            self.plan = list(entry["names"])
        elif stage == "scaffold":
            self.pieces, self.status = list(entry["pieces"]), "Scaffold laid out"
        elif stage == "denoise":
            self.status = f"Denoising: step {entry['step']} of {entry['of']}"
            slots = {
                slot["path"]: list(zip(slot["tokens"], slot["probabilities"], slot["committed"], strict=True))
                for slot in entry["slots"]
            }
            self.drafted = slots
            self.log.append((f"Denoising step {entry['step']} of {entry['of']}", slots))
        elif stage == "verify":
            self.status = f"Verifying: round {entry['round']}"
            told = f"Round {entry['round']}: the base lets {entry['accepted']} of {entry['drafted']} tokens stand"
            self.log.append((told, {}))
            self.round = True
        elif stage == "write":
            self._write(entry["slots"])
        elif stage == "again":  # some held what another argument holds
            self.written = {path: tokens for path, tokens in self.written.items() if path not in entry["paths"]}
        elif stage == "text":
            self.text += entry["text"]

    def _write(self, slots: Sequence[Mapping[str, Any]]) -> None:
        fresh = {slot["path"]: [*zip(slot["tokens"], slot["probabilities"], strict=True)] for slot in slots}
        for path, tokens in fresh.items():
            self.written.setdefault(path, []).extend((text, p, True) for text, p in tokens)
        if self.round:
            self.round = False
        else:
            self.passes += 1
            self.status = f"Left to right: pass {self.passes}"
            if not self.log or not self.log[-1][0].startswith("Left to right"):
                self.log.append(("", {}))
            self.log[-1] = (f"Left to right, pass {self.passes}", self.log[-1][1])
        for path, tokens in fresh.items():
            self.log[-1][1].setdefault(path, []).extend((text, p, True) for text, p in tokens)

    def finish(self, output: Any) -> None:
        """The answer is there."""
        self.output, self.mode, self.text = output, output.mode, output.text
        self.status = "Done"

    # ------------------------------------------------------------------------------------------------ HTML

    def html(self) -> str:
        """Everything that is known so far."""
        sections = [
            self._section("Request", f'<p class="lf-request">{highlight(self.request, self._spans())}</p>'),
            self._section("Mode", self._modes()) if self.mode else "",
            self._section("Plan", self._plan()) if self.plan else "",
            self._section("Scaffold", self._scaffold()) if self.pieces else "",
            self._section("Answer", self._answer()) if self.output or self.text else "",
            self._section("Cost", self._costs()) if self.costs else "",
        ]
        steps = self._section("Every step", self._steps()) if self.log else ""
        return f'<div class="lf"><div>{"".join(sections)}</div><div>{steps}</div></div>'

    @staticmethod
    def _section(title: str, inner: str) -> str:
        return f'<section class="lf-{title.split()[-1].lower()}"><h3>{title}</h3>{inner}</section>'

    def _spans(self) -> list[tuple[int, int, str]]:
        """Where the request holds the values of the answer's calls."""
        calls = self.output.tool_calls if self.output else []
        return [
            (source.start, source.end, path.removeprefix("$.") if len(calls) == 1 else f"{n}: {path[2:]}")
            for n, call in enumerate(calls, 1)
            for path, source in call.sources.items()
            if source.message == 0
        ]

    def _modes(self) -> str:
        if self.probabilities is None:
            return f"<p><b>{escape(self.mode)}</b>, as asked for</p>"
        asked = (
            ""
            if max(self.probabilities, key=self.probabilities.__getitem__) == self.mode
            else (f"<p>The router was asked, but <b>{escape(self.mode)}</b> was set.</p>")
        )
        tools = _bars(self.tools, self.plan) if self.tools and len(self.tools) > 1 else ""
        shown = f'<div class="lf-tools">{tools}</div>' if tools else ""
        return _bars(self.probabilities, [self.mode]) + asked + shown

    def _plan(self) -> str:
        names = " ".join(f"<code>{escape(name)}</code>" for name in self.plan)
        return f"<p><code>&lt;|use_tool|&gt;</code> {names}</p>"

    def _scaffold(self) -> str:
        shown, known = [], set()
        for piece in laid_out(self.pieces):
            if isinstance(piece, str):
                shown.append(escape(piece))
            else:
                known.add(piece["path"])
                shown.append(self._slot(piece))
        further = [path for path in self.written if path not in known]
        rest = "".join(f"{escape(path)}: {''.join(token_html(*t) for t in self.written[path])}\n" for path in further)
        legend = "".join(
            f'<span class="lf-token s{n}">{label}</span>'
            for n, label in enumerate(("under 0.2", "0.2", "0.4", "0.6", "0.8 and more"))
        )
        legend += '<span class="lf-mask">▢</span> masked <span class="lf-token lf-null">∅</span> absent'
        return f'<pre class="lf-json">{"".join(shown)}{rest}</pre><p class="lf-legend">confidence {legend}</p>'

    def _slot(self, piece: Mapping[str, Any]) -> str:
        """A slot as it stands: what is committed on its colour, the rest as masks."""
        written = self.written.get(piece["path"], [])
        drafted = self.drafted.get(piece["path"], [])
        if self.output is not None and self.written:
            drafted = []  # a draft that the base let fall
        tokens = written + drafted[len(written) :]
        told = f"{piece['path']}: {piece['kind']}{', optional' if piece['optional'] else ''}"
        inner = "".join(
            token_html(text, p) if sure else '<span class="lf-mask">▢</span>'
            for text, p, sure in tokens
            if text != NULL or not sure
        )
        if self._is_missing(piece["path"]):
            inner = '<b class="lf-missing">missing</b>'
        elif not tokens and self.output is None:
            inner = '<span class="lf-mask">▢</span>' * min(piece["budget"], 12)
        elif piece["kind"] == "opener" and not inner:
            inner = self._bracket(piece["path"])
        return f'<span class="lf-slot" title="{escape(told)}">{inner or "<span class=lf-null>∅</span>"}</span>'

    def _is_missing(self, path: str) -> bool:
        """Whether the answer asks for this slot's value."""
        call, inner = re.fullmatch(r"\$\[(\d+)\](.*)", path, re.DOTALL).groups()  # type: ignore[union-attr]
        needs = self.output.needs if self.output is not None else []
        return any(need.path == f"${inner}" and need.name == self.plan[int(call)] for need in needs)

    def _bracket(self, path: str) -> str:
        """The bracket that opens an object or array in which the base has written; empty if it has not."""
        inside = next((other for other in self.written if re.match(re.escape(path) + r"[.\[]", other)), None)
        return "" if inside is None else "[" if re.match(r"\[\d", inside[len(path) :]) else "{"

    def _answer(self) -> str:
        if self.output is None or self.output.mode != "tool":
            return f'<p class="lf-text">{escape(self.text)}</p>'
        parts = [
            f"<li><code>{escape(need.name)}</code> lacks <code>{escape(need.path)}</code>: "
            f"<b>{escape(need.question)}</b></li>"
            for need in self.output.needs
        ]
        needs = f'<div class="lf-needs" role="status"><p>Missing:</p><ul>{"".join(parts)}</ul></div>' if parts else ""
        clipped = "".join(
            f"<p>{escape(path)} was ended at the longest allowed length.</p>" for path in self.output.clipped
        )
        message = json.dumps(self.output.to_message(), ensure_ascii=False)
        return f'{needs}{clipped}<pre class="lf-message">{escape(message)}</pre>'

    def _costs(self) -> str:
        rows = "".join(
            f"<tr><th scope=row>{escape(cost.filler)}</th><td>{cost.base_passes}</td><td>{cost.head_passes}</td>"
            f"<td>{1000 * cost.filling:,.0f}</td><td>{1000 * cost.seconds:,.0f}</td></tr>"
            for cost in self.costs
        )
        compared = next((cost.same for cost in self.costs if cost.same is not None), None)
        verdict = "The same answer" if compared else "Different answers"
        note = (
            f'<p class="lf-legend">{verdict} to one request, one after the other on this machine. The first also pays '
            "for what is prepared once for new tools.</p>"
        )
        return (
            '<div class="lf-wide" tabindex="0" role="region" aria-label="Cost"><table><thead><tr><th scope=col>filler'
            "<th scope=col>base passes<th scope=col>head passes<th scope=col>ms, filling<th scope=col>ms, all</tr>"
            f"</thead><tbody>{rows}</tbody></table></div>" + ("" if compared is None else note)
        )

    def _steps(self) -> str:
        return (
            "<ol>" + "".join(f"<li><b>{escape(title)}</b>{_slots(slots)}</li>" for title, slots in self.log) + "</ol>"
        )


def _slots(slots: Mapping[str, Sequence[Token]]) -> str:
    """The tokens of each slot with their confidences; of a run of unused positions the first."""
    rows = []
    for path, tokens in slots.items():
        shown = [t for at, t in enumerate(tokens) if not (at and t[0] == NULL == tokens[at - 1][0])]
        chips = "".join(token_html(text, p, sure, number=True) for text, p, sure in shown)
        rows.append(f'<div class="lf-row"><code>{escape(path)}</code> {chips}</div>')
    return "".join(rows)


def laid_out(pieces: Sequence[Any]) -> Iterator[Any]:
    """A scaffold's pieces with line breaks and indentation added to the fixed text."""
    depth, after_slot = 0, False
    for piece in pieces:
        if not isinstance(piece, str):
            yield piece
            after_slot = True
            if piece["kind"] == "opener":
                depth, after_slot = depth + 1, False
                yield "\n" + "  " * depth
            continue
        text = ""
        if after_slot and piece.startswith('"'):  # of the slot's own string
            text, piece = '"', piece[1:]
        for part in JSON_PART.findall(piece):
            if part in "{[":
                depth += 1
                text += part + "\n" + "  " * depth
            elif part in "}]":
                depth = max(0, depth - 1)
                text = text.rstrip(" \n") + "\n" + "  " * depth + part
            elif part == ",":
                text += ",\n" + "  " * depth
            elif text.endswith((" ", "\n")):
                text += part.lstrip(" ")
            else:
                text += part
        yield text


def _bars(probabilities: Mapping[str, float], on: Sequence[str]) -> str:
    """One bar each; those that were chosen stand out."""
    return "".join(
        f'<div class="lf-bar{" lf-on" if name in on else ""}"><span>{escape(name)}</span>'
        f'<i><b style="width:{100 * p:.1f}%"></b></i><span>{p:.2f}</span></div>'
        for name, p in probabilities.items()
    )
