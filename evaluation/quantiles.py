"""Medians and spreads of what was measured."""

import statistics
from collections.abc import Sequence
from typing import Any


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value below which this share of the values lies, interpolated; None if there are none."""
    if not values:
        return None
    if len(values) == 1:
        return float(values[0])
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


def spread(values: Sequence[float]) -> dict[str, Any]:
    """`median`, `p10` and `p90`, see [`quantile`]."""
    return {"median": quantile(values, 0.5), "p10": quantile(values, 0.1), "p90": quantile(values, 0.9)}
