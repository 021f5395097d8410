"""The one entry: choose a road, and tell an infeasible problem from a failed solve."""

from typing import Literal, TypeAlias

from streams.core.optimize.direct import solve_direct
from streams.core.optimize.feasibility import violated_limits
from streams.core.optimize.modelled import solve_modelled
from streams.core.optimize.problem import Infeasible, Outcome, Problem, Solved

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
        "auto" takes the direct road, which covers every objective there is.

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
    outcome = solve_modelled(problem) if road == "modelled" else solve_direct(problem)
    if isinstance(outcome, Solved):
        return outcome
    violated = violated_limits(problem)
    return outcome if violated is None else Infeasible(violated=violated)
