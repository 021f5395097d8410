"""What windows tell of each column."""

from dataclasses import dataclass

import numpy as np

from streams.core.arrays import FloatArray, IntArray
from streams.core.windows.aggregate import (
    COUNT,
    DEPTH,
    DOWNSIDE,
    GROWTH,
    HIGH,
    HITS,
    LOW,
    MEAN,
    PEAK,
    SQUARES,
)

__all__ = ["WindowSummary", "WindowsRun", "summary_of"]


@dataclass(frozen=True, slots=True, eq=False)
class WindowSummary:
    """What a window knows of each column: arrays (..., N) over its observed returns r.

    Attributes
    ----------
    count
        Observations.
    mean, squares
        Mean r, and sum (r - mean)^2: exactly 0 where all r are the same.
    low, high
        Extremes; +inf and -inf where count is 0.
    downside
        Sum min(r, 0)^2.
    hits
        Observations with r > 0.
    growth
        Product of 1 + r.
    drawdown, max_drawdown
        <= 0, of the wealth that starts from 1.0 before the window: at its end, and the deepest.
    """

    count: IntArray
    mean: FloatArray
    squares: FloatArray
    low: FloatArray
    high: FloatArray
    downside: FloatArray
    hits: IntArray
    growth: FloatArray
    drawdown: FloatArray
    max_drawdown: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class WindowsRun:
    """What the windows knew after each of K bars.

    Attributes
    ----------
    summary
        Arrays (K, W, N).
    ages
        (K, N) bars since the last value.
    """

    summary: WindowSummary
    ages: IntArray


def summary_of(aggregate: FloatArray) -> WindowSummary:
    """Tell what an aggregate (FIELDS, ...) says of its columns (...)."""
    with np.errstate(all="ignore"):
        drawdown = aggregate[GROWTH] / aggregate[PEAK] - 1.0
        deepest = np.minimum(aggregate[DEPTH] - 1.0, drawdown)
    same = aggregate[LOW] >= aggregate[HIGH]
    return WindowSummary(
        count=aggregate[COUNT].astype(np.int64),
        mean=aggregate[MEAN],
        squares=np.where(same, 0.0, aggregate[SQUARES]),
        low=aggregate[LOW],
        high=aggregate[HIGH],
        downside=aggregate[DOWNSIDE],
        hits=aggregate[HITS].astype(np.int64),
        growth=aggregate[GROWTH],
        drawdown=drawdown,
        max_drawdown=deepest,
    )
