"""Independent check of an allocation: plain arithmetic, nothing shared with the solvers."""

import math
from collections.abc import Iterator

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.optimize.problem import Problem
from streams.core.optimize.terms import GroupLimit
from streams.core.optimize.verify_caps import verify_caps
from streams.core.optimize.vocabulary import custom_faults


def verify(
    problem: Problem, weights: FloatArray, cash: float, tolerance: float = 1e-8
) -> tuple[str, ...]:
    """Check every constraint of a problem.

    Parameters
    ----------
    problem : Problem
        The constraints.
    weights : FloatArray
        (N,) to check.
    cash : float
        To check.
    tolerance : float
        Excess over a limit that is still passed, in weight (in the limit's own unit for the
        others: volatility, CVaR, a share of risk).

    Returns
    -------
    tuple of str
        One message for each constraint that does not hold, with key, value and limit; empty when
        all hold.
    """
    if weights.shape != (len(problem.strategies),):
        return (f"weights: shape {weights.shape}, expected ({len(problem.strategies)},)",)
    if not (np.isfinite(weights).all() and math.isfinite(cash)):
        return ("weights: a value is not finite",)
    return (
        *_budget(weights, cash, tolerance),
        *_weights(problem, weights, tolerance),
        *_groups(problem, weights, tolerance),
        *_cash(problem, cash, tolerance),
        *_turnover(problem, weights, cash, tolerance),
        *verify_caps(problem, weights, tolerance),
        *(custom_faults(problem.custom, problem, weights) if problem.custom else ()),
    )


def _budget(weights: FloatArray, cash: float, tolerance: float) -> Iterator[str]:
    total = math.fsum(weights.tolist()) + cash
    if abs(total - 1.0) > tolerance:
        yield f"budget: weights and cash sum to {total!r}, expected 1"


def _weights(problem: Problem, weights: FloatArray, tolerance: float) -> Iterator[str]:
    for index in np.flatnonzero(weights > problem.weight_max + tolerance):
        value, limit = float(weights[index]), float(problem.weight_max[index])
        yield f"weight_max: {problem.strategies[index]} has {value!r} > {limit!r}"
    for index in np.flatnonzero(weights < problem.weight_min - tolerance):
        value, limit = float(weights[index]), float(problem.weight_min[index])
        yield f"weight_min: {problem.strategies[index]} has {value!r} < {limit!r}"


def _groups(problem: Problem, weights: FloatArray, tolerance: float) -> Iterator[str]:
    for group in problem.groups:
        value = _value_of(group, weights)
        if value > group.maximum + tolerance:
            yield f"{group.key}: {value!r} > {group.maximum!r}"
        if value < group.minimum - tolerance:
            yield f"{group.key}: {value!r} < {group.minimum!r}"


def _value_of(group: GroupLimit, weights: FloatArray) -> float:
    loadings = group.members.astype(np.float64) if group.loadings is None else group.loadings
    value = math.fsum((loadings * weights).tolist())
    if group.share_of is None:
        return value
    whole = math.fsum((group.share_of * weights).tolist())
    return value / whole if whole > 0.0 else 0.0


def _cash(problem: Problem, cash: float, tolerance: float) -> Iterator[str]:
    if cash > problem.cash_max + tolerance:
        yield f"cash: {cash!r} > {problem.cash_max!r}"
    if cash < problem.cash_min - tolerance:
        yield f"cash: {cash!r} < {problem.cash_min!r}"


def _turnover(
    problem: Problem, weights: FloatArray, cash: float, tolerance: float
) -> Iterator[str]:
    if problem.turnover_max is None:
        return
    moved = [abs(after - before) for after, before in zip(weights, problem.held, strict=True)]
    moved += [abs(cash - problem.held_cash), problem.held_elsewhere]
    value = 0.5 * math.fsum(moved)
    if value > problem.turnover_max + tolerance:
        yield f"turnover_max: {value!r} > {problem.turnover_max!r}"
