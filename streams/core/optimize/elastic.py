"""What would have to give: the limits to relax when no weights satisfy all, and by how much.

A kind of limit may give way as a whole ("weight_max") or by its members ("families.trend.max").
`smallest_sets` names the smallest sets of kinds; here each of them becomes amounts. An elastic
program (Chinneck, Feasibility and Infeasibility in Optimization, 2008, ch. 6) adds a slack to every
limit of the set and minimises their sum, the dearer kinds at ten times the price of the cheaper;
a deletion filter then takes away each slack that the others can do without, so that no limit is
named needlessly.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from schemas.explain import RelaxedLimit
from streams.core.arrays import BoolArray, FloatArray
from streams.core.optimize.feasibility import SHORTFALL_MAX, smallest_sets
from streams.core.optimize.linear_program import Rows, minimize
from streams.core.optimize.problem import Problem
from streams.core.optimize.relaxed_caps import relaxed_caps, relaxed_limit

# Ways to become feasible that are told; a person chooses among a handful.
WAYS_MAX = 4
# What one unit of slack costs: limits on trading give way before limits on risk, these before
# bounds of strategies, and cash last.
_TIERS = {"turnover_max": 1.0, "weight_max": 100.0, "weight_min": 100.0, "cash": 1000.0}
_TIER_OF_GROUPS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Limit:
    """One side of a limit: `rises` where relaxing makes it larger."""

    key: str
    kind: str
    counts: FloatArray  # (N + 1,) what each leg counts, cash last; all 0 for the turnover
    each: bool  # a bound of each leg by itself rather than of their sum
    value: float
    rises: bool
    bound: float | None = None  # of the row, where it is not the limit itself
    share_of: FloatArray | None = None  # (N,) the limit is a share of this sum


def relax(problem: Problem) -> tuple[RelaxedLimit, ...]:
    """Tell the smallest sets of limits to relax so that some weights fit, and by how much.

    Parameters
    ----------
    problem : Problem
        N strategies.

    Returns
    -------
    tuple of RelaxedLimit
        Limits and needs as shares of NAV. Keys as in the portfolio file: "families.trend.max",
        "weight_max", "strategies.momentum-us.weight_max" where a strategy has a bound of its own.
        Ordered by way; empty when the problem is feasible as it stands. No limit of a way can be
        left out of it.
    """
    limits = _limits(problem)
    told: list[RelaxedLimit] = []
    for kinds in smallest_sets(problem):
        if not kinds:
            return relaxed_caps(problem)
        way = 1 + (told[-1].way if told else 0)
        if way > WAYS_MAX:
            break
        soft = [index for index, limit in enumerate(limits) if limit.kind in kinds]
        needed = _least(problem, limits, soft)
        told += [_told(way, limits[index], slack) for index, slack in needed.items()]
    return tuple(told)


def _least(problem: Problem, limits: list[_Limit], soft: list[int]) -> dict[int, float]:
    """Slacks of an irreducible set of the soft limits, smallest in weighted sum."""
    found = _slacks(problem, limits, soft)
    if found is None:  # HiGHS is at a loss though the set was found: nothing is claimed
        return {}
    slack = found[0]
    used = [index for index in soft if slack[index] > SHORTFALL_MAX]
    # Smallest first: the limit that matters least is the first to be tried without.
    for index in sorted(used, key=lambda used_index: slack[used_index]):
        without = [other for other in used if other != index]
        if _slacks(problem, limits, without) is not None:
            used = without
    found = _slacks(problem, limits, used)
    if found is None:
        return {}
    slack, weights = found
    return {
        index: _of_limit(limits[index], slack[index], weights)
        for index in used
        if slack[index] > SHORTFALL_MAX
    }


def _of_limit(limit: _Limit, slack: float, weights: FloatArray) -> float:
    """Turn the slack of a row into that of the limit: a share is of another sum of weights."""
    if limit.share_of is None:
        return slack
    whole = float(limit.share_of @ weights)
    return slack / whole if whole > 0.0 else slack


def _told(way: int, limit: _Limit, slack: float) -> RelaxedLimit:
    exact = limit.value + (slack if limit.rises else -slack)
    return relaxed_limit(way, limit.key, limit.value, exact)


def _limits(problem: Problem) -> list[_Limit]:
    return [
        *_turnover(problem),
        *_groups(problem),
        *_bounds(problem, "weight_max", problem.weight_max, rises=True),
        *_bounds(problem, "weight_min", problem.weight_min, rises=False),
        *_cash(problem),
    ]


def _turnover(problem: Problem) -> Iterator[_Limit]:
    if problem.turnover_max is not None:
        yield _Limit(
            key="turnover_max",
            kind="turnover_max",
            counts=np.zeros(len(problem.strategies) + 1),
            each=False,
            value=problem.turnover_max,
            rises=True,
        )


def _groups(problem: Problem) -> Iterator[_Limit]:
    for group in problem.groups:
        for side, value in (("max", group.maximum), ("min", group.minimum)):
            if np.isfinite(value):
                yield _Limit(
                    key=group.key
                    if group.kind.startswith("correlation")
                    else f"{group.key}.{side}",
                    kind=group.kind,
                    counts=np.append(group.coefficients, 0.0),
                    each=False,
                    value=value,
                    rises=side == "max",
                    bound=group.row_maximum if side == "max" else group.row_minimum,
                    share_of=group.share_of,
                )


def _bounds(problem: Problem, kind: str, bounds: FloatArray, *, rises: bool) -> Iterator[_Limit]:
    """One limit for the bound that most strategies share, one for each that differs."""
    values, counts = np.unique(bounds, return_counts=True)
    common = float(values[int(np.argmax(counts))])
    shared = bounds == common
    if len(values) > 1 and int(counts.max()) == 1:
        shared = np.zeros_like(shared)  # everybody has a bound of its own
    if bool(shared.any()):
        yield _bound(problem, kind, common, shared, rises=rises)
    for index in np.flatnonzero(~shared):
        alone = np.zeros_like(shared)
        alone[index] = True
        key = f"strategies.{problem.strategies[index]}.{kind}"
        limit = _bound(problem, kind, float(bounds[index]), alone, rises=rises)
        yield replace(limit, key=key)


def _bound(problem: Problem, kind: str, value: float, members: BoolArray, *, rises: bool) -> _Limit:
    counts = np.zeros(len(problem.strategies) + 1)
    counts[:-1][members] = 1.0
    return _Limit(key=kind, kind=kind, counts=counts, each=True, value=value, rises=rises)


def _cash(problem: Problem) -> Iterator[_Limit]:
    counts = np.zeros(len(problem.strategies) + 1)
    counts[-1] = 1.0
    for side, value in (("max", problem.cash_max), ("min", problem.cash_min)):
        yield _Limit(
            key=f"cash.{side}",
            kind="cash",
            counts=counts,
            each=True,
            value=value,
            rises=side == "max",
        )


def _slacks(
    problem: Problem, limits: list[_Limit], soft: list[int]
) -> tuple[dict[int, float], FloatArray] | None:
    """Least weighted slacks of the soft limits, and the weights they allow; None where none do."""
    legs = len(problem.strategies) + 1
    moved = legs  # what each leg moves, then the slacks
    first = 2 * legs
    column = {index: first + number for number, index in enumerate(soft)}
    costs = np.zeros(first + len(soft))
    lower, upper = np.zeros(len(costs)), np.full(len(costs), np.inf)
    lower[:legs] = -np.inf
    rows = Rows()
    rows.add(list(range(legs)), [1.0] * legs, 1.0, 1.0)
    held = [*problem.held.tolist(), problem.held_cash]
    for index, limit in enumerate(limits):
        slack = column.get(index)
        if slack is not None:
            costs[slack] = _TIERS.get(limit.kind, _TIER_OF_GROUPS)
        if limit.kind == "turnover_max":
            _add_turnover(rows, problem, held, moved, slack)
        elif limit.each:
            for leg in np.flatnonzero(limit.counts).tolist():
                _add(rows, [leg], limit, slack)
                if slack is not None and not limit.rises and problem.long_only and leg < legs - 1:
                    lower[leg] = 0.0  # relaxing a minimum never goes short
        else:
            _add(rows, np.flatnonzero(limit.counts).tolist(), limit, slack)
    lower[legs - 1], upper[legs - 1] = min(0.0, problem.cash_min), max(1.0, problem.cash_max)
    found = minimize(costs, lower, upper, rows)
    if found is None:
        return None
    slacks = {index: float(found[place]) for index, place in column.items()}
    return slacks, found[: legs - 1]


def _add(rows: Rows, legs: list[int], limit: _Limit, slack: int | None) -> None:
    columns, values = list(legs), limit.counts[legs].tolist()
    if slack is not None:
        columns.append(slack)
        values.append(-1.0 if limit.rises else 1.0)
    bound = limit.value if limit.bound is None else limit.bound
    if limit.rises:
        rows.add(columns, values, -np.inf, bound)
    else:
        rows.add(columns, values, bound, np.inf)


def _add_turnover(
    rows: Rows, problem: Problem, held: list[float], moved: int, slack: int | None
) -> None:
    assert problem.turnover_max is not None
    for leg, weight in enumerate(held):
        rows.add([leg, moved + leg], [-1.0, 1.0], -weight, np.inf)
        rows.add([leg, moved + leg], [1.0, 1.0], weight, np.inf)
    columns, values = [moved + leg for leg in range(len(held))], [1.0] * len(held)
    if slack is not None:
        columns.append(slack)
        values.append(-2.0)
    bound = 2.0 * problem.turnover_max - problem.held_elsewhere
    rows.add(columns, values, -np.inf, bound)
