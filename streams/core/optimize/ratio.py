"""Ratios on the direct road: the largest g'w/√(w'Σw) as the end of a few quadratic programs.

At the best weights the ratio's gradient is that of g'w − ½λw'Σw with λ = g'w/w'Σw, so that they are
the mean-variance optimum at their own λ. Going from λ to the λ of its optimum never lowers the
ratio (Dinkelbach, Management Science, 1967, with √q below its tangent in q); the fixed point is
found by secants of log λ, which on one piece of the frontier take a handful of steps.
"""

import math
from dataclasses import replace

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.optimize.direct import solve_direct
from streams.core.optimize.objectives import excess_of
from streams.core.optimize.problem import Problem, Solved
from streams.core.optimize.terms import Caps

_STEPS_MAX = 40
# λ this close to its own fixed point moves no weight by more than is sent, 1e-10.
_SAME = 1e-12
# A secant goes no farther than this at once, in log λ: it may span a corner of the frontier.
_STRIDE_MAX = 2.0


def gain_of(problem: Problem) -> FloatArray:
    """(N,) g of the ratio: volatilities for max_diversification, else returns over cash."""
    if problem.objective == "max_diversification":
        return np.asarray(np.sqrt(problem.cov_annual.diagonal()))
    return excess_of(problem)


def solve_ratio(problem: Problem) -> Solved | None:
    """Solve a ratio whose limits are all rows, cash at its least.

    Parameters
    ----------
    problem : Problem
        N strategies, max_sharpe or max_diversification; caps are not looked at.

    Returns
    -------
    Solved or None
        Exact; None where the gain or the risk of some step is not above 0, or a step is not exact:
        that is for the modelled road.
    """
    gain, variances = gain_of(problem), problem.cov_annual.diagonal()
    plain = replace(
        problem,
        objective="mean_variance",
        mean_annual=gain,
        cash_max=problem.cash_min,
        caps=Caps(),
        costs=None,
        penalty=None,
    )
    size, typical = float(gain.max()), float(np.median(variances))
    if size <= 0.0 or typical <= 0.0:
        return None
    place, before, iterations = math.log(size / typical), None, 0
    for _ in range(_STEPS_MAX):
        found = solve_direct(replace(plain, risk_aversion=math.exp(place)))
        if not isinstance(found, Solved) or not found.exact:
            return None
        iterations += found.iterations
        gained = float(gain @ found.weights)
        variance = float(found.weights @ problem.cov_annual @ found.weights)
        if gained <= 0.0 or variance <= 0.0:
            return None
        missed = math.log(gained / variance) - place
        if abs(missed) <= _SAME:
            return _as_ratio(problem, replace(found, iterations=iterations), math.sqrt(variance))
        step = missed
        if before is not None and before[1] != missed:
            slope = (missed - before[1]) / (place - before[0])
            step = -missed / slope if slope < 0.0 else missed
        before, place = (place, missed), place + min(max(step, -_STRIDE_MAX), _STRIDE_MAX)
    return None


def _as_ratio(problem: Problem, found: Solved, volatility: float) -> Solved:
    """At fixed λ the ratio changes by 1/volatility of what the utility does."""
    return replace(
        found,
        objective_value=problem.objective_value(found.weights),
        binding=tuple(replace(one, price=one.price / volatility) for one in found.binding),
    )
