"""What an optimizer's reply says, as a decision tells it."""

import math
from typing import Final, get_args

import numpy as np

from schemas.decisions import FallbackStep
from schemas.explain import WeightSpread
from schemas.optimize import OptimizeReply, OptimizeRequest
from streams.core.arrays import FloatArray, IntArray
from streams.core.covariance import complete_rows
from streams.core.optimize.ladder import allowed_steps

_STEPS: Final[tuple[FallbackStep, ...]] = get_args(FallbackStep)
COMMON_ROWS_MIN: Final = 2


def unusable(reply: OptimizeReply) -> str:
    """Say why a reply's bytes or figures cannot be read or published; empty where they can."""
    if len(reply.weights) % 8:
        return f"weights of {len(reply.weights)} bytes, expected whole float64 numbers"
    figures = (reply.objective_value, *(limit.price for limit in reply.binding))
    if not all(math.isfinite(figure) for figure in figures):
        return "the objective or a price is not finite"
    if reply.step not in _STEPS:
        return f"step {reply.step!r} is none of {_STEPS}"
    return ""


def known_rows(returns: FloatArray, columns: IntArray) -> FloatArray:
    """Return the rows (T, n) of some columns without holes: the complete ones.

    Where fewer than two are complete, a hole is filled with its column's mean.
    """
    rows, n_common = complete_rows(returns, columns)
    if n_common >= COMMON_ROWS_MIN:
        return rows
    picked = returns[:, columns]
    known = ~np.isnan(picked)
    means = np.where(known, picked, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.asarray(np.where(known, picked, means)[known.any(axis=1)])


def step_of(reply: OptimizeReply) -> FallbackStep:
    """Return the step that led to a usable reply."""
    return _STEPS[_STEPS.index(reply.step)]


def steps_of(request: OptimizeRequest, reply: OptimizeReply) -> tuple[str, ...]:
    """Return the steps taken when no solver answered, the last of which did."""
    if reply.step == "none":
        return ()
    allowed: tuple[str, ...] = allowed_steps(request.fallback)
    return allowed[: allowed.index(reply.step) + 1]


def spread_over(reply: OptimizeReply, picked: IntArray, size: int) -> WeightSpread | None:
    """Spread the resampled weights of those who take part over all ``size`` members."""
    found = reply.explanation.spread if reply.explanation else None
    if found is None:
        return None
    low, high = np.zeros(size), np.zeros(size)
    low[picked], high[picked] = found.low, found.high
    return WeightSpread(
        low=tuple(low.tolist()), high=tuple(high.tolist()), resamples=found.resamples
    )
