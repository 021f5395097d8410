"""What one more percentage point of each binding limit is worth.

The solver's multiplier is the price of a limit in the objective. It is checked here against the
problem solved again with the limit moved, which also tells what the ex-ante Sharpe ratio does. At
a degenerate optimum, where more limits meet than are needed, the price upwards differs from the
price downwards and the multiplier is anything between: then the measured one is told.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.optimize.problem import RULES, Binding, Outcome, Problem, Solved
from streams.core.optimize.roads import solve
from streams.core.optimize.whole import GAP_MAX

POINT = 0.01
# Beyond this many strategies solving again for each limit would cost more than the answer is worth.
MEASURED_NAMES_MAX = 200
# How far a limit is moved: far above the rounding of an exact solution (1e-12 of the objective),
# and short enough that the curve over it is a line.
_STEP = 1e-5
# The same where an interior point's rounding (1e-10 of the objective) is in the solution.
_STEP_ROUGH = 1e-4
# Such a solve takes ten times as long: for as many strategies it is worth the wait.
MEASURED_ROUGH_NAMES_MAX = 50
# What a price upwards may differ from the one downwards, or from the multiplier, and still be one.
_SAME, _SAME_ROUGH = 0.01, 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The worth of one more percentage point of a limit.

    Parameters
    ----------
    binding : Binding
        The limit, with the solver's multiplier per unit of the limit.
    objective_per_point : float
        Change of the objective, by `Problem.objective_value`.
    sharpe_per_point : float or None
        Change of `sharpe_of`; None where it was not measured.
    one_sided : bool
        Upwards and downwards differ; told is upwards (downwards where no weights fit upwards).
    """

    binding: Binding
    objective_per_point: float
    sharpe_per_point: float | None
    one_sided: bool


def sharpe_of(problem: Problem, weights: FloatArray) -> float | None:
    """Ex-ante Sharpe ratio, cash at its return included; None at volatility 0.

    Parameters
    ----------
    problem : Problem
        N strategies.
    weights : FloatArray
        (N,).

    Returns
    -------
    float or None
        Per √year.
    """
    variance = float(weights @ problem.cov_annual @ weights)
    cash = 1.0 - float(weights.sum())
    expected = float(problem.mean_annual @ weights) + cash * problem.cash_return_annual
    return expected / math.sqrt(variance) if variance > 0.0 else None


def shadow_prices(problem: Problem, solved: Solved, measured: int) -> tuple[Price, ...]:
    """Price the binding limits of a solution, the dearest measured by solving again.

    Measured are proven optima (a local one may be another after the step) of objectives that are
    minimised themselves (a rule's price is a distance to the rule).

    Parameters
    ----------
    problem : Problem
        N strategies.
    solved : Solved
        Its optimum.
    measured : int
        How many limits to measure, at two solves each.

    Returns
    -------
    tuple of Price
        Dearest first.
    """
    names_max = MEASURED_NAMES_MAX if solved.exact else MEASURED_ROUGH_NAMES_MAX
    proven = solved.gap <= GAP_MAX and not solved.fallback
    if problem.objective in RULES or not proven or len(problem.strategies) > names_max:
        measured = 0
    dearest = sorted(solved.binding, key=lambda binding: -abs(binding.price))
    return tuple(
        _measured(problem, solved, binding) if rank < measured else _multiplier(binding)
        for rank, binding in enumerate(dearest)
    )


def moved(problem: Problem, binding: Binding, step: float) -> Problem | None:
    """Move a limit.

    Parameters
    ----------
    problem : Problem
        N strategies.
    binding : Binding
        Which limit, and which end of it.
    step : float
        In the unit of the limit; negative lowers it.

    Returns
    -------
    Problem or None
        None where the limit cannot be moved there, or is not known here.
    """
    high = binding.side == "max"
    if binding.key == "turnover_max" and problem.turnover_max is not None:
        turnover = problem.turnover_max + step
        return None if turnover < 0.0 else replace(problem, turnover_max=turnover)
    if binding.key == "cash":
        low, top = problem.cash_min, problem.cash_max
        low, top = (low, top + step) if high else (low + step, top)
        return None if low > top else replace(problem, cash_min=low, cash_max=top)
    name = binding.key.removeprefix("correlation.")
    if getattr(problem.caps, name, None) is not None:
        cap = getattr(problem.caps, name) + step
        return replace(problem, caps=replace(problem.caps, **{name: cap}))
    if binding.strategy is not None:
        return _moved_bound(problem, binding.strategy, step, high=high)
    return _moved_group(problem, binding.key, step, high=high)


def _moved_bound(problem: Problem, strategy: str, step: float, *, high: bool) -> Problem | None:
    change = np.zeros(len(problem.strategies))
    change[problem.strategies.index(strategy)] = step
    low, top = problem.weight_min, problem.weight_max
    low, top = (low, top + change) if high else (low + change, top)
    if bool((low > top).any()) or (problem.long_only and float(low.min()) < 0.0):
        return None
    return replace(problem, weight_min=low, weight_max=top)


def _moved_group(problem: Problem, key: str, step: float, *, high: bool) -> Problem | None:
    groups, found = [], False
    for group in problem.groups:
        low, top = group.minimum, group.maximum
        if group.key == key:
            found = True
            low, top = (low, top + step) if high else (low + step, top)
        if low > top:
            return None
        groups.append(replace(group, minimum=low, maximum=top))
    return replace(problem, groups=tuple(groups)) if found else None


def _multiplier(binding: Binding) -> Price:
    return Price(
        binding=binding,
        objective_per_point=POINT * binding.price,
        sharpe_per_point=None,
        one_sided=False,
    )


def _measured(problem: Problem, solved: Solved, binding: Binding) -> Price:
    size, same = (_STEP, _SAME) if solved.exact else (_STEP_ROUGH, _SAME_ROUGH)
    up, down = (_slopes(problem, solved, binding, step) for step in (size, -size))
    told = up or down
    if told is None:
        return _multiplier(binding)
    slope, sharpe_slope = told
    one_sided = up is None or down is None or not _agree(same, up[0], down[0], binding.price)
    if not one_sided:
        slope = binding.price
        if sharpe_slope is not None and down is not None and down[1] is not None:
            sharpe_slope = 0.5 * (sharpe_slope + down[1])
    return Price(
        binding=binding,
        objective_per_point=POINT * slope,
        sharpe_per_point=None if sharpe_slope is None else POINT * sharpe_slope,
        one_sided=one_sided,
    )


def _agree(same: float, *slopes: float) -> bool:
    return max(slopes) - min(slopes) <= same * max(abs(slope) for slope in slopes)


def _slopes(
    problem: Problem, solved: Solved, binding: Binding, step: float
) -> tuple[float, float | None] | None:
    """Change of objective and Sharpe ratio per unit of the limit; None where nothing fits."""
    other = moved(problem, binding, step)
    if other is None:
        return None
    outcome: Outcome = solve(other)
    if not isinstance(outcome, Solved):
        return None
    before, after = sharpe_of(problem, solved.weights), sharpe_of(other, outcome.weights)
    sharpe = None if before is None or after is None else (after - before) / step
    return (_value(other, outcome) - _value(problem, solved)) / step, sharpe


def _value(problem: Problem, solved: Solved) -> float:
    return problem.objective_value(solved.weights)
