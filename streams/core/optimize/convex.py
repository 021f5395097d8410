"""Convex problems: the direct road where it holds, the modelled one for the rest.

Limits that the direct road does not know are left out first; where its optimum meets them anyway it
is the optimum of the whole problem, exact, and no cone is needed.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from streams.core.optimize.direct import solve_direct, solved_as_is
from streams.core.optimize.feasibility import violated_limits
from streams.core.optimize.modelled import solve_modelled
from streams.core.optimize.multi import solve_custom
from streams.core.optimize.objectives import excess_of
from streams.core.optimize.parity import parity_shares
from streams.core.optimize.problem import QUADRATIC, RULES, Failed, Problem, Solved
from streams.core.optimize.ratio import solve_ratio
from streams.core.optimize.subset import subset, whole
from streams.core.optimize.tails import solve_tail
from streams.core.optimize.terms import Caps
from streams.core.optimize.verify import verify

# Limits met by less are met by rounding: the weights are taken as they are.
_ROUNDING = 1e-12
# A ratio that cash improves by less is not improved.
_SAME = 1e-9
NO_EXCESS = "min_variance: no return is above that of cash"


def solve_convex(problem: Problem, *, modelled: bool = False) -> Solved | Failed:
    """Solve a problem without the caps that iterate or take whole numbers.

    Parameters
    ----------
    problem : Problem
        N strategies.
    modelled : bool
        Never take the direct road.

    Returns
    -------
    Solved or Failed
        Verified.
    """
    own = _OWN.get(problem.objective)
    if own is not None:
        return own(problem, modelled)
    if not modelled and problem.objective in (*QUADRATIC, *RULES) and problem.costs is None:
        if not problem.caps.given(Caps.CONIC):
            return solve_direct(problem)
        outcome = solve_direct(replace(problem, caps=Caps()))
        if isinstance(outcome, Failed):
            return outcome
        if not verify(problem, outcome.weights, outcome.cash, _ROUNDING):
            return outcome
    found = None if modelled else solve_tail(problem)
    return solve_modelled(problem) if found is None else found


def _max_sharpe(problem: Problem, *, modelled: bool) -> Solved | Failed:
    if float(excess_of(problem).max()) > 0.0:
        outcome = _fully_invested(problem, modelled=modelled)
        if isinstance(outcome, Solved) or violated_limits(problem) is not None:
            return outcome
        # The limits may leave no mix with an excess return though single strategies have one.
        most = solve_modelled(
            replace(problem, objective="target_volatility", aim=replace(problem.aim, target=1e3))
        )
        rate = problem.cash_return_annual
        if isinstance(most, Failed) or most.objective_value > rate + _SAME:
            return outcome
    fallback = solve_convex(replace(problem, objective="min_variance"), modelled=modelled)
    if isinstance(fallback, Failed):
        return fallback
    value = problem.objective_value(fallback.weights)
    if not np.isfinite(value):
        return Failed(reason="max_sharpe is undefined: the weights of min_variance have no risk")
    return replace(fallback, objective_value=value, binding=(), fallback=NO_EXCESS)


def _fully_invested(problem: Problem, *, modelled: bool) -> Solved | Failed:
    """Solve a ratio; where cash does not improve it, with as little cash as is allowed."""
    full = _ratio(replace(problem, cash_max=problem.cash_min), modelled=modelled)
    if problem.cash_min == problem.cash_max:
        return full
    free = solve_modelled(problem)
    if isinstance(free, Failed) or isinstance(full, Failed):
        return full if isinstance(full, Solved) else free
    better = full.objective_value >= free.objective_value - _SAME * abs(free.objective_value)
    return full if better else free


def _ratio(problem: Problem, *, modelled: bool) -> Solved | Failed:
    exact = None if modelled else solve_ratio(problem)
    if exact is not None and not verify(problem, exact.weights, exact.cash, _ROUNDING):
        return exact
    return solve_modelled(problem)


def _risk_parity(problem: Problem, *, modelled: bool) -> Solved | Failed:
    flat = problem.cov_annual.diagonal() <= 0.0
    kept = problem.weight_max > 0.0
    if bool((flat & kept).any()):
        name = problem.strategies[int(np.argmax(flat & kept))]
        return Failed(reason=f"risk_parity: {name} has no volatility, and so no share of risk")
    if not bool(kept.any()):
        return solve_convex(replace(problem, objective="equal"), modelled=modelled)
    inner = problem if bool(kept.all()) else subset(problem, kept)
    outcome = _parity(inner, modelled=modelled)
    if isinstance(outcome, Failed) or inner is problem:
        return outcome
    return whole(problem, kept, outcome)


def _parity(problem: Problem, *, modelled: bool) -> Solved | Failed:
    names, budgets = len(problem.strategies), problem.aim.budgets
    even = np.full(names, 1.0 / names) if budgets is None else budgets / budgets.sum()
    shares = None if modelled else parity_shares(problem.cov_annual, even)
    if shares is not None:
        weights = np.asarray((1.0 - problem.cash_min) * shares)
        if not verify(problem, weights, problem.cash_min, _ROUNDING):
            return solved_as_is(problem, weights, "newton")
    full = solve_modelled(replace(problem, cash_max=problem.cash_min))
    if isinstance(full, Solved) or problem.cash_min == problem.cash_max:
        return full
    return solve_modelled(problem)


_OWN: dict[str, Callable[[Problem, bool], Solved | Failed]] = {
    "custom": lambda problem, _: solve_custom(problem),
    "max_diversification": lambda problem, modelled: _fully_invested(problem, modelled=modelled),
    "max_sharpe": lambda problem, modelled: _max_sharpe(problem, modelled=modelled),
    "risk_parity": lambda problem, modelled: _risk_parity(problem, modelled=modelled),
}
