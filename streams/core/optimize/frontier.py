"""The efficient frontier of a problem: for each return the least volatility its limits allow.

Markowitz (1952), with every limit of the portfolio, not only the budget. A target return is one
more row of a quadratic program, so that each point is exact and passes the check of a decision.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.optimize.objectives import excess_of, expected_return
from streams.core.optimize.pareto import Front, knee_of, pareto
from streams.core.optimize.problem import Failed, Infeasible, Problem, Solved
from streams.core.optimize.roads import solve
from streams.core.optimize.terms import GroupLimit
from streams.core.optimize.vocabulary import Term

TARGET_KEY, _RISK_KEY = "frontier.return", "frontier.variance"
# How far below the largest return the last point asks: at the very largest a vertex may be all.
_ROOM = 1e-7
# Volatilities this close are one: the flat end of a frontier under a singular Σ.
_SAME = 1e-9
# What is left of 1 by less is the rounding of the sum.
_CASH_MIN = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrontierPoint:
    """One mix, annual figures.

    Parameters
    ----------
    weights : FloatArray
        (N,).
    cash : float
        1 − Σw.
    return_annual, volatility_annual : float
        Of the estimates, cash at its return included.
    sharpe : float or None
        Excess return over cash by volatility; None at volatility 0.
    """

    weights: FloatArray
    cash: float
    return_annual: float
    volatility_annual: float
    sharpe: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frontier:
    """The efficient frontier from the least volatility to the largest return.

    Parameters
    ----------
    points : tuple of FrontierPoint
        Return and volatility rise from each to the next; every one verified.
    knee : int
        The point farthest from the chord between the ends.
    tangency : int or None
        The point of the largest Sharpe ratio; None where no point has one above 0.
    """

    points: tuple[FrontierPoint, ...]
    knee: int
    tangency: int | None


def frontier(problem: Problem, points: int) -> Frontier | Infeasible | Failed:
    """Sweep the frontier of a problem's limits; its own objective and costs have no say.

    Bounded terms of a custom objective are limits as well.

    Parameters
    ----------
    problem : Problem
        N strategies.
    points : int
        ≥ 2 asked for; fewer come back where the frontier is shorter than its rounding.

    Returns
    -------
    Frontier, Infeasible or Failed
        The latter two where not even its ends can be solved.

    Examples
    --------
    >>> from streams.core.optimize.problem import Problem
    >>> two = Problem(
    ...     strategies=("calm", "wild"), mean_annual=np.array([0.02, 0.1]),
    ...     cov_annual=np.diag([0.01, 0.04]), held=np.zeros(2), held_cash=1.0,
    ...     objective="min_variance", risk_aversion=1.0, weight_min=np.zeros(2),
    ...     weight_max=np.ones(2), groups=(), cash_min=0.0, cash_max=0.0,
    ...     turnover_max=None, long_only=True)
    >>> [round(point.return_annual, 4) for point in frontier(two, 3).points]
    [0.036, 0.068, 0.1]
    """
    assert points > 1, f"{points} points, expected at least 2"
    if problem.custom is not None and problem.custom.bounded:
        return _within_terms(problem, points)
    plain = replace(problem, objective="min_variance", costs=None, penalty=None, custom=None)
    calm = solve(plain)
    if not isinstance(calm, Solved):
        return calm
    richest = solve(replace(plain, objective="mean_variance", risk_aversion=0.0))
    if not isinstance(richest, Solved):
        return richest
    low = expected_return(problem, calm.weights)
    high = max(low, expected_return(problem, richest.weights))
    found = [point_at(problem, calm.weights)]
    for target in np.linspace(low, high, points)[1:].tolist():
        outcome = solve(_at_least(plain, target - _ROOM * (high - low)))
        if isinstance(outcome, Solved):
            found.append(point_at(problem, outcome.weights))
    return _efficient(found)


def point_at(problem: Problem, weights: FloatArray) -> FrontierPoint:
    """Figures of a mix under the problem's estimates.

    Parameters
    ----------
    problem : Problem
        N strategies.
    weights : FloatArray
        (N,); what they leave is cash.

    Returns
    -------
    FrontierPoint
        Not checked against any limit.
    """
    expected = expected_return(problem, weights)
    cash = 1.0 - math.fsum(weights.tolist())
    volatility = math.sqrt(max(0.0, float(weights @ problem.cov_annual @ weights)))
    excess = float(excess_of(problem) @ weights)
    return FrontierPoint(
        weights=weights,
        cash=cash if abs(cash) > _CASH_MIN else 0.0,
        return_annual=expected,
        volatility_annual=volatility,
        sharpe=excess / volatility if volatility > 0.0 else None,
    )


def _within_terms(problem: Problem, points: int) -> Frontier | Infeasible | Failed:
    """Sweep within the bounded terms of a custom objective too, which no row can say."""
    nothing = np.zeros(len(problem.strategies))
    risk = Term(name=_RISK_KEY, kind="variance", loadings=nothing + 1.0, reference=nothing)
    gain = Term(
        name=TARGET_KEY,
        kind="linear",
        loadings=excess_of(problem),
        reference=nothing,
        sense="maximise",
    )
    front = pareto(problem, (risk, gain), points)
    if not isinstance(front, Front):
        return front
    return _efficient([point_at(problem, weights) for weights in front.weights])


def _at_least(problem: Problem, target: float) -> Problem:
    excess = excess_of(problem)
    row = GroupLimit(
        key=TARGET_KEY,
        members=np.ones(len(problem.strategies), dtype=np.bool_),
        minimum=target - problem.cash_return_annual,
        maximum=np.inf,
        loadings=excess,
    )
    return replace(problem, groups=(*problem.groups, row))


def _efficient(found: list[FrontierPoint]) -> Frontier:
    """Leave out points that a later one matches in volatility and betters in return."""
    kept: list[FrontierPoint] = []
    for point in reversed(found):
        if not kept or (
            point.volatility_annual < kept[-1].volatility_annual - _SAME
            and point.return_annual < kept[-1].return_annual
        ):
            kept.append(point)
    kept.reverse()
    risk = np.array([point.volatility_annual for point in kept])
    gain = np.array([point.return_annual for point in kept])
    span = (max(float(np.ptp(risk)), _SAME), max(float(np.ptp(gain)), _SAME))
    scaled = np.column_stack([(risk - risk[0]) / span[0], (gain[-1] - gain) / span[1]])
    sharpes = [point.sharpe or 0.0 for point in kept]
    best = int(np.argmax(sharpes))
    return Frontier(
        points=tuple(kept), knee=knee_of(scaled), tangency=best if sharpes[best] > 0.0 else None
    )
