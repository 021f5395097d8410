"""The one entry: choose a road, and tell an infeasible problem from a failed solve."""

from dataclasses import replace
from itertools import combinations
from typing import Any, Literal, TypeAlias

from streams.core.optimize.direct import solve_direct
from streams.core.optimize.feasibility import violated_limits
from streams.core.optimize.iterated import solve_iterated
from streams.core.optimize.multi import bounds_conflict
from streams.core.optimize.problem import (
    QUADRATIC,
    RULES,
    Failed,
    Infeasible,
    Outcome,
    Problem,
    Solved,
)
from streams.core.optimize.terms import Caps
from streams.core.optimize.whole import solve_whole

Road: TypeAlias = Literal["auto", "direct", "modelled"]


def solve(problem: Problem, road: Road = "auto") -> Outcome:
    """Solve an allocation problem.

    Deterministic: the same problem gives the same bits on the same build. Nothing is raised for
    what a solver does.

    Parameters
    ----------
    problem : Problem
        N strategies.
    road : "auto", "direct" or "modelled"
        "direct" is a dense quadratic program made by hand, "modelled" the same problem in cvxpy;
        "auto" takes the direct road where it reaches, and the modelled one for the rest.

    Returns
    -------
    Outcome
        Solved, with weights that passed `verify`; Infeasible, confirmed by a linear program apart
        from the solver; or Failed, when the limits can be met and yet no solver answered.

    Examples
    --------
    >>> import numpy as np
    >>> from streams.core.optimize.problem import Problem
    >>> outcome = solve(Problem(
    ...     strategies=("calm", "wild"), mean_annual=np.zeros(2),
    ...     cov_annual=np.diag([0.01, 0.04]), held=np.zeros(2), held_cash=1.0,
    ...     objective="min_variance", risk_aversion=0.0, weight_min=np.zeros(2),
    ...     weight_max=np.ones(2), groups=(), cash_min=0.0, cash_max=0.0,
    ...     turnover_max=None, long_only=True))
    >>> outcome.weights.tolist()
    [0.8, 0.2]
    """
    outcome = _solve(problem, road)
    if isinstance(outcome, Solved):
        return outcome
    violated = violated_limits(problem)
    if violated is None and bounds_conflict(problem, outcome):
        violated = ("objective.terms",)
    violated = violated or _violated_caps(problem, road, outcome)
    return outcome if violated is None else Infeasible(violated=violated)


def _solve(problem: Problem, road: Road) -> Solved | Failed:
    modelled = road == "modelled"
    if road == "direct":
        assert problem.objective in (*QUADRATIC, *RULES), f"{problem.objective}: no direct road"
        return solve_direct(problem)
    if problem.caps.given(Caps.WHOLE):
        return solve_whole(problem, lambda inner: solve_iterated(inner, modelled=modelled))
    return solve_iterated(problem, modelled=modelled)


_IN_CORRELATION = ("diversification_ratio_min", "held_correlation_max", "exclusive")
_TARGETS = {"target_return": "objective.target", "target_volatility": "objective.target"}


def _violated_caps(problem: Problem, road: Road, failed: Failed) -> tuple[str, ...] | None:
    """Smallest set of caps without which a problem that was proven infeasible has a solution."""
    given = (*problem.caps.given((*Caps.CONIC, *Caps.ITERATED, *Caps.WHOLE)),)
    if problem.objective in _TARGETS:
        given = (_TARGETS[problem.objective], *given)
    if "infeasible" not in failed.reason.lower():
        return None
    for size in range(1, len(given) + 1):
        for dropped in combinations(given, size):
            if isinstance(_solve(_without(problem, dropped), road), Solved):
                return tuple(
                    f"correlation.{key}" if key in _IN_CORRELATION else key for key in dropped
                )
    return None


def _without(problem: Problem, dropped: tuple[str, ...]) -> Problem:
    free: dict[str, Any] = {
        key: () if key == "exclusive" else None for key in dropped if "." not in key
    }
    target = any("." in key for key in dropped)
    structure = problem.correlation
    if structure is not None and "exclusive" in dropped:
        structure = replace(structure, limits=replace(structure.limits, exclusive=False))
    return replace(
        problem,
        caps=replace(problem.caps, **free),
        objective="min_variance" if target else problem.objective,
        correlation=structure,
    )
