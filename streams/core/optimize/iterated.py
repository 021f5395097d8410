"""Limits that are not convex: rows around the last weights, solved again until they hold.

Sequential convex programming (Boyd, Stanford EE364b): a local optimum, verified, never called
exact.
"""

import math
from dataclasses import replace

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.optimize.convex import solve_convex
from streams.core.optimize.problem import Binding, Failed, Problem, Solved
from streams.core.optimize.terms import Aim, Caps, GroupLimit
from streams.core.optimize.verify import verify

_ROUNDS_MAX = 60
# Rows are written this much tighter, so that the limit itself holds when the steps become small.
_INSIDE = 1e-7
# A strategy below this is not held: its correlation with the portfolio does not count.
_HELD_MIN = 1e-7
# Where the caps stand in the portfolio file.
_SHARES, _HELD = "risk_contribution_max", "correlation.held_correlation_max"
# The objective has settled when a step changes the weights by less.
_STILL = 1e-8
# Where to start when no weights fit around the optimum without the caps: equal correlations with
# the portfolio (Choueifaty and Coignard, 2008), equal contributions to its risk.
_SPREAD = ("max_diversification", "risk_parity")


def solve_iterated(problem: Problem, *, modelled: bool = False) -> Solved | Failed:
    """Solve a problem with caps on risk contributions or on correlation to the portfolio.

    Parameters
    ----------
    problem : Problem
        N strategies, without caps that take whole numbers.
    modelled : bool
        Never take the direct road.

    Returns
    -------
    Solved or Failed
        Verified.
    """
    caps = problem.caps
    if not caps.given(Caps.ITERATED):
        return solve_convex(problem, modelled=modelled)
    plain = replace(caps, risk_contribution_max=None, held_correlation_max=None)
    inner = replace(problem, caps=plain)
    outcome = solve_convex(inner, modelled=modelled)
    if isinstance(outcome, Failed) or not verify(problem, outcome.weights, outcome.cash):
        return outcome
    for start in (None, *_SPREAD):
        if start is not None:
            even = replace(inner, objective=start, costs=None, penalty=None, aim=Aim(), custom=None)
            outcome = solve_convex(even, modelled=modelled)
        if isinstance(outcome, Failed):
            continue
        best = _descend(problem, inner, outcome, modelled=modelled)
        if best is not None:
            # a local optimum, and no bound
            return replace(best, exact=False, gap=np.inf, binding=_by_cap(best.binding))
    names = " and ".join(caps.given(Caps.ITERATED))
    return Failed(reason=f"{names} could not be met, from {1 + len(_SPREAD)} starts")


def _by_cap(binding: tuple[Binding, ...]) -> tuple[Binding, ...]:
    """Add up the prices of a cap's rows: it is one limit, the same for every strategy."""
    others = tuple(one for one in binding if not one.key.startswith((_SHARES, _HELD)))
    summed = []
    for cap in (_SHARES, _HELD):
        prices = [one.price for one in binding if one.key.startswith(cap)]
        if prices:
            summed.append(Binding(key=cap, strategy=None, side="max", price=math.fsum(prices)))
    return (*others, *summed)


def _descend(problem: Problem, inner: Problem, start: Solved, *, modelled: bool) -> Solved | None:
    """Solve around the last weights until they stand still; None where the limits never held."""
    best: Solved | None = None
    weights = start.weights
    for _ in range(_ROUNDS_MAX):
        rows = _rows(problem, weights)
        outcome = solve_convex(replace(inner, groups=(*problem.groups, *rows)), modelled=modelled)
        if isinstance(outcome, Failed):
            break
        weights = outcome.weights
        if not verify(problem, weights, outcome.cash):
            still = best is not None and float(np.abs(best.weights - weights).max()) < _STILL
            best = outcome
            if still:
                break
    return best


def _rows(problem: Problem, weights: FloatArray) -> list[GroupLimit]:
    caps = problem.caps
    pull = problem.cov_annual @ weights
    variance = float(weights @ pull)
    if variance <= 0.0:
        return []
    rows = []
    for index, name in enumerate(problem.strategies):
        if caps.risk_contribution_max is not None:
            limit = caps.risk_contribution_max - _INSIDE
            value = float(weights[index] * pull[index]) - limit * variance
            slope = weights[index] * problem.cov_annual[index] - 2.0 * limit * pull
            slope[index] += pull[index]
            # Σ-quadratic forms are half their gradient along w, so that the row is slope·w ≤ value.
            rows.append(_row(f"{_SHARES}.{name}", slope, value, variance, variance))
        if caps.held_correlation_max is not None and weights[index] > _HELD_MIN:
            # √(w'Σw) is convex: its tangent is below it, and the row implies the limit.
            own = float(np.sqrt(problem.cov_annual[index, index]))
            reach = (caps.held_correlation_max - _INSIDE) * own / np.sqrt(variance)
            slope = problem.cov_annual[index] - reach * pull
            reach_unit = own * float(np.sqrt(variance))
            rows.append(_row(f"{_HELD}.{name}", slope, 0.0, variance, reach_unit))
    return rows


def _row(key: str, slope: FloatArray, maximum: float, scale: float, unit: float) -> GroupLimit:
    size = float(np.abs(slope).max()) or scale
    return GroupLimit(
        key=key,
        members=slope != 0.0,
        minimum=-np.inf,
        maximum=maximum / size,
        loadings=slope / size,
        unit=unit / size,
    )
