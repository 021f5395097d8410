"""A problem over some of its strategies: the others get no weight."""

from dataclasses import replace

import numpy as np

from streams.core.arrays import BoolArray, FloatArray
from streams.core.optimize.problem import Problem, Solved
from streams.core.optimize.terms import Aim, GroupLimit, TradeCosts


def subset(problem: Problem, kept: BoolArray) -> Problem:
    """Leave strategies out, at weight 0.

    Parameters
    ----------
    problem : Problem
        N strategies; 0 lies within the bounds of those left out.
    kept : BoolArray
        (N,) at least one.

    Returns
    -------
    Problem
        Over the kept; what is held of the others is sold.
    """
    square = np.ix_(kept, kept)
    costs, penalty, scenarios = problem.costs, problem.penalty, problem.scenarios
    return replace(
        problem,
        strategies=tuple(
            name for name, keep in zip(problem.strategies, kept.tolist(), strict=True) if keep
        ),
        mean_annual=problem.mean_annual[kept],
        cov_annual=problem.cov_annual[square],
        held=problem.held[kept],
        held_elsewhere=problem.held_elsewhere + float(np.abs(problem.held[~kept]).sum()),
        weight_min=problem.weight_min[kept],
        weight_max=problem.weight_max[kept],
        groups=tuple(_of_group(group, kept) for group in problem.groups),
        aim=_of_aim(problem.aim, kept),
        caps=replace(problem.caps, exclusive=()),
        costs=costs
        and TradeCosts(
            linear=costs.linear[kept],
            impact=costs.impact[kept],
            horizon_years=costs.horizon_years,
        ),
        correlation=None,
        penalty=None if penalty is None else penalty[square],
        scenarios=None if scenarios is None else scenarios[:, kept],
    )


def whole(problem: Problem, kept: BoolArray, solved: Solved) -> Solved:
    """Put those left out back, at weight 0."""
    weights = np.zeros(len(kept))
    weights[kept] = solved.weights
    return replace(solved, weights=weights, objective_value=problem.objective_value(weights))


def _of_group(group: GroupLimit, kept: BoolArray) -> GroupLimit:
    return replace(
        group,
        members=group.members[kept],
        loadings=_some(group.loadings, kept),
        share_of=_some(group.share_of, kept),
    )


def _of_aim(aim: Aim, kept: BoolArray) -> Aim:
    return replace(aim, budgets=_some(aim.budgets, kept), reference=_some(aim.reference, kept))


def _some(values: FloatArray | None, kept: BoolArray) -> FloatArray | None:
    return None if values is None else values[kept]
