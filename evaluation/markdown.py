"""Tables and figures as Markdown."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows)]


def number(value: float | None, digits: int = 1) -> str:
    """A figure, or – where there is none."""
    return "–" if value is None else f"{value:,.{digits}f}".replace(",", " ")


def percent(part: float, whole: float) -> str:
    """A share, or – of nothing."""
    return number(100 * part / whole if whole else None)
