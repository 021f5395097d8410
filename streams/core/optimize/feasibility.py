"""Can the limits be met at all? A linear program answers, apart from the road that failed.

The program minimises the largest amount by which budget, groups and turnover must be missed while
the bounds of weights and cash hold. It always has a solution, so that "infeasible" is a number
above the tolerance and never a solver in trouble. HiGHS solves it (Huangfu and Hall, 2018).
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.optimize.linear_program import Rows, minimize
from streams.core.optimize.problem import Problem

# Missing the limits by less is rounding of the limits themselves: ten times 0.1 is not 1.
SHORTFALL_MAX = 1e-9

_Row = tuple[list[int], list[float], float]  # columns, coefficients, lower bound of the row


def violated_limits(problem: Problem) -> tuple[str, ...] | None:
    """Find the smallest set of limits whose relaxation makes the problem feasible.

    Among equally small sets the first is taken in the order turnover_max, groups by kind,
    weight_max, weight_min, cash. Relaxed weights may be anything (≥ 0 where long_only), relaxed
    cash anything from 0 to 1.

    Parameters
    ----------
    problem : Problem
        N strategies.

    Returns
    -------
    tuple of str or None
        Portfolio-file keys; None when the problem is feasible as it stands.
    """
    smallest = next(smallest_sets(problem))
    return smallest or None


def smallest_sets(problem: Problem) -> Iterator[tuple[str, ...]]:
    """Find every smallest set of limits whose relaxation makes the problem feasible.

    Parameters
    ----------
    problem : Problem
        N strategies.

    Yields
    ------
    tuple of str
        Portfolio-file keys, the sets in the order of `violated_limits`; one empty set when the
        problem is feasible as it stands.
    """
    keys = [] if problem.turnover_max is None else ["turnover_max"]
    keys += dict.fromkeys(group.kind for group in problem.groups)
    keys += ["weight_max", "weight_min", "cash"]
    for size in range(len(keys) + 1):
        found = False
        for subset in combinations(keys, size):
            if _shortfall(problem, subset) <= SHORTFALL_MAX:
                found = True
                yield subset
        # There is one: with every limit relaxed a portfolio always exists.
        if found:
            return


def _shortfall(problem: Problem, relaxed: tuple[str, ...]) -> float:
    """Least amount by which some limit is missed; 0 where HiGHS gives no answer."""
    lower, upper = _bounds(problem, relaxed)
    rows = Rows()
    for columns, values, bound in _rows(problem, relaxed, miss=len(lower) - 1):
        rows.add(columns, values, bound, np.inf)
    missed = np.append(np.zeros(len(lower) - 1), 1.0)
    found = minimize(missed, lower, upper, rows)
    return 0.0 if found is None else float(found[-1])


def _bounds(problem: Problem, relaxed: tuple[str, ...]) -> tuple[FloatArray, FloatArray]:
    """Bounds of the columns: weights, cash, what each leg moves, the miss."""
    names = len(problem.strategies)
    lower = np.zeros(2 * names + 3)
    upper = np.full(2 * names + 3, np.inf)
    lower[:names], upper[:names] = problem.weight_min, problem.weight_max
    lower[names], upper[names] = problem.cash_min, problem.cash_max
    if "weight_min" in relaxed:
        lower[:names] = 0.0 if problem.long_only else -np.inf
    if "weight_max" in relaxed:
        upper[:names] = np.inf
    if "cash" in relaxed:
        lower[names], upper[names] = min(0.0, problem.cash_min), max(1.0, problem.cash_max)
    return lower, upper


def _rows(problem: Problem, relaxed: tuple[str, ...], miss: int) -> Iterator[_Row]:
    names = len(problem.strategies)
    everything = list(range(names + 1))
    yield [*everything, miss], [1.0] * (names + 2), 1.0
    yield [*everything, miss], [-1.0] * (names + 1) + [1.0], -1.0
    for group in problem.groups:
        if group.kind in relaxed:
            continue
        counts = group.coefficients
        columns = np.flatnonzero(counts).tolist()
        values = counts[columns].tolist()
        if group.row_minimum > -np.inf:
            yield [*columns, miss], [*values, 1.0], group.row_minimum
        if group.row_maximum < np.inf:
            yield [*columns, miss], [*(-value for value in values), 1.0], -group.row_maximum
    if problem.turnover_max is None or "turnover_max" in relaxed:
        return
    moved = list(range(names + 1, miss))
    for leg, held in enumerate([*problem.held.tolist(), problem.held_cash]):
        yield [leg, moved[leg]], [-1.0, 1.0], -held
        yield [leg, moved[leg]], [1.0, 1.0], held
    bound = problem.held_elsewhere - 2.0 * problem.turnover_max
    yield [*moved, miss], [-1.0] * len(moved) + [2.0], bound
