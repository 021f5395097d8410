"""The canonical quadratic program over legs: the strategies in order, then cash.

minimise ½x'Hx + g'x  subject to  lower ≤ x ≤ upper,  row_lower ≤ Rx ≤ row_upper,  and, where
turnover is bounded, Σ(x − held)⁺ ≤ buys_max. Row 0 of R is the budget, Σx = 1.

Turnover needs only the buys: Σ|Δ| = 2ΣΔ⁺ − ΣΔ, and ΣΔ = 1 − Σheld is known.
"""

from dataclasses import dataclass, replace

import numpy as np

from streams.core.arrays import BoolArray, FloatArray
from streams.core.optimize.objectives import reference_of
from streams.core.optimize.problem import RULES, Problem
from streams.core.optimize.rules import rule_weights

# Variances below this share of the largest do not count in the scale: a strategy may be flat.
_VARIANCE_FLOOR = 1e-6
# Below this a variance is the rounding of zero, and dividing by it would overflow.
_VARIANCE_MIN = 1e-100
# Bounds closer than this leave no room: the leg is taken as fixed. Rounding of a sum of 2000
# weights is 1e-13.
ROOM_MIN = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quadratic:
    """A quadratic program over n legs with m rows, scaled so that its optimum is of size 1.

    Parameters
    ----------
    hessian, gradient : FloatArray
        (n, n) symmetric positive semidefinite, and (n,).
    lower, upper : FloatArray
        (n,) finite.
    rows, row_lower, row_upper : FloatArray
        (m, n), (m,), (m,); row 0 is the budget.
    held : FloatArray
        (n,) held weights, used with buys_max.
    buys_max : float or None
        Bound on Σ(x − held)⁺.
    """

    hessian: FloatArray
    gradient: FloatArray
    lower: FloatArray
    upper: FloatArray
    rows: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray
    held: FloatArray
    buys_max: float | None

    def buys(self, legs: FloatArray) -> float:
        """Σ(x − held)⁺."""
        return float(np.maximum(legs - self.held, 0.0).sum())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Point:
    """Legs and multipliers of a `Quadratic`.

    The Lagrangian is f + row_prices·(Rx) + buys_price·Σ(x − held)⁺: a row price is > 0 at its
    upper side and < 0 at its lower side.

    Parameters
    ----------
    legs : FloatArray
        (n,).
    row_prices : FloatArray
        (m,).
    buys_price : float
        ≥ 0.
    pull : FloatArray
        (n,) derivative of the Lagrangian by each leg: 0 inside the bounds, > 0 where the lower
        bound holds the leg up, < 0 where the upper one holds it down.
    """

    legs: FloatArray
    row_prices: FloatArray
    buys_price: float
    pull: FloatArray


def quadratic_of(problem: Problem) -> tuple[Quadratic, float]:
    """Write a problem in canonical form.

    Parameters
    ----------
    problem : Problem
        N strategies.

    Returns
    -------
    tuple of Quadratic and float
        Over N + 1 legs, and the unit: the price of a limit in the problem's objective is the
        scaled multiplier times the unit (with the sign turned for a maximum).
    """
    names = len(problem.strategies)
    hessian = np.zeros((names + 1, names + 1), order="F")
    gradient = np.zeros(names + 1)
    factor = 1.0  # minimised objective = factor · (½x'Hx + g'x)
    assert problem.costs is None, "costs are no quadratic"
    if problem.objective in RULES:
        hessian[range(names), range(names)] = 1.0
        gradient[:names] = -rule_weights(problem)
        scale = 1.0
    else:
        scale = scale_of(problem)
        if problem.objective != "mean_variance":
            factor = 2.0
        gradient[:names] = slope_of(problem) / scale
        np.multiply(curvature_of(problem), 1.0 / scale, out=hessian[:names, :names])
    rows, row_lower, row_upper = _rows_of(problem)
    quadratic = Quadratic(
        hessian=hessian,
        gradient=gradient,
        lower=np.append(problem.weight_min, problem.cash_min),
        upper=np.append(problem.weight_max, problem.cash_max),
        rows=rows,
        row_lower=row_lower,
        row_upper=row_upper,
        held=np.append(problem.held, problem.held_cash),
        buys_max=buys_max_of(problem),
    )
    return quadratic, factor * scale


def curvature_of(problem: Problem) -> FloatArray:
    """(N, N) H of the minimised ½w'Hw + g'w, penalty included.

    Parameters
    ----------
    problem : Problem
        mean_variance (or its robust kin): H = λΣ + P; tracking and the others: H = Σ, and
        Σ + P/λ for min_variance.
    """
    if problem.objective in {"mean_variance", "robust_mean_variance"}:
        curvature = problem.risk_aversion * problem.cov_annual
        return curvature if problem.penalty is None else curvature + problem.penalty
    if problem.penalty is None:
        return problem.cov_annual
    return np.asarray(problem.cov_annual + problem.penalty / problem.risk_aversion)


def slope_of(problem: Problem) -> FloatArray:
    """(N,) g of the minimised ½w'Hw + g'w."""
    if problem.objective in {"mean_variance", "robust_mean_variance"}:
        return -problem.mean_annual
    if problem.objective == "tracking":
        return np.asarray(-problem.cov_annual @ reference_of(problem))
    return np.zeros(len(problem.strategies))


def scale_of(problem: Problem) -> float:
    """Estimate the size of the objective near the optimum, which tolerances are relative to.

    Strategies of 0.5 % and 80 % volatility sit side by side and the optimum is made of the calm
    ones: the harmonic mean of the variances tells its size, the largest variance does not.

    Parameters
    ----------
    problem : Problem
        Any but a rule.

    Returns
    -------
    float
        > 0, per year.
    """
    variances = problem.cov_annual.diagonal()
    largest = float(variances.max())
    scale = 0.0
    if largest > _VARIANCE_MIN:
        scale = 1.0 / float(np.mean(1.0 / np.maximum(variances, _VARIANCE_FLOOR * largest)))
    if problem.objective in {"mean_variance", "robust_mean_variance"}:
        scale = max(problem.risk_aversion * scale, float(np.abs(problem.mean_annual).max()))
    return scale or 1.0


def buys_max_of(problem: Problem) -> float | None:
    """Bound Σ(x − held)⁺ over legs so that it says the same as turnover_max.

    Parameters
    ----------
    problem : Problem
        With or without turnover_max.

    Returns
    -------
    float or None
        turnover_max + ½(1 − Σheld − held_elsewhere), Σheld with cash; the bracket is 0 for a
        long-only portfolio.
    """
    if problem.turnover_max is None:
        return None
    net = 1.0 - float(problem.held.sum()) - problem.held_cash
    return problem.turnover_max + 0.5 * (net - problem.held_elsewhere)


def _rows_of(problem: Problem) -> tuple[FloatArray, FloatArray, FloatArray]:
    names = len(problem.strategies)
    rows = np.zeros((1 + len(problem.groups), names + 1))
    rows[0] = 1.0
    for row, group in zip(rows[1:], problem.groups, strict=True):
        row[:names] = group.coefficients
    row_lower = np.array([1.0, *(group.row_minimum for group in problem.groups)])
    row_upper = np.array([1.0, *(group.row_maximum for group in problem.groups)])
    return rows, row_lower, row_upper


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reduction:
    """A program over the legs that have room to move, and the way back.

    Parameters
    ----------
    inner : Quadratic
        Over the free legs.
    free : BoolArray
        (n,) which legs those are.
    fixed : FloatArray
        (n,) values of the others, 0 where free.
    sold_only : BoolArray
        (n,) legs whose upper bound is their held weight because nothing may be bought.
    reference : str
        "upper" or "lower" where the budget pushes every leg to that bound, else "".
    """

    inner: Quadratic
    free: BoolArray
    fixed: FloatArray
    sold_only: BoolArray
    reference: str


def reduce(outer: Quadratic) -> Reduction:
    """Take out the legs that have no room to move; interior-point methods need room.

    A leg is fixed where its bounds meet, all buys are barred where the turnover is used up by the
    bounds, and when the legs must all sit at their upper (or lower) bounds to meet the budget, they
    are fixed there.

    Parameters
    ----------
    outer : Quadratic
        n legs.

    Returns
    -------
    Reduction
        The smaller program; all of `outer` where every leg has room.
    """
    lower, upper, buys_max = outer.lower, outer.upper, outer.buys_max
    sold_only = np.zeros(lower.shape, dtype=np.bool_)
    if buys_max is not None:
        needed = float(np.maximum(lower - outer.held, 0.0).sum())
        if buys_max - needed <= ROOM_MIN:
            sold_only = upper > np.maximum(lower, outer.held)
            upper = np.where(sold_only, np.maximum(lower, outer.held), upper)
            buys_max = None
    free = upper - lower > ROOM_MIN
    budget = 1.0 - float(lower[~free].sum())
    values, reference = lower, ""
    if abs(float(upper[free].sum()) - budget) <= ROOM_MIN:
        values, reference = np.where(free, upper, lower), "upper"
    elif abs(float(lower[free].sum()) - budget) <= ROOM_MIN:
        reference = "lower"
    if reference:
        free = np.zeros_like(free)
    bounded = outer
    if bool(sold_only.any()) or buys_max != outer.buys_max:
        bounded = replace(outer, upper=upper, buys_max=buys_max)
    fixed = np.where(free, 0.0, values)
    inner = bounded if bool(free.all()) else _restrict(bounded, free, fixed)
    return Reduction(inner=inner, free=free, fixed=fixed, sold_only=sold_only, reference=reference)


def _restrict(outer: Quadratic, free: BoolArray, fixed: FloatArray) -> Quadratic:
    shift = outer.rows @ fixed
    gradient = outer.gradient[free]
    if bool(fixed.any()):
        gradient = gradient + outer.hessian[free] @ fixed
    bought = float(np.maximum(fixed - outer.held, 0.0)[~free].sum())
    return Quadratic(
        hessian=_block(outer.hessian, free),
        gradient=gradient,
        lower=outer.lower[free],
        upper=outer.upper[free],
        rows=outer.rows[:, free],
        row_lower=outer.row_lower - shift,
        row_upper=outer.row_upper - shift,
        held=outer.held[free],
        buys_max=None if outer.buys_max is None else outer.buys_max - bought,
    )


def _block(matrix: FloatArray, free: BoolArray) -> FloatArray:
    count = int(free.sum())
    if bool(free[:count].all()):  # only cash is fixed: no need to pick
        return matrix[:count, :count].copy(order="F")
    return np.asfortranarray(matrix[np.ix_(free, free)])


def restore(outer: Quadratic, reduction: Reduction, inner: Point) -> Point:
    """Put the fixed legs back, with multipliers for the bounds that fixed them.

    Parameters
    ----------
    outer : Quadratic
        n legs.
    reduction : Reduction
        Of `outer`.
    inner : Point
        Solution of `reduction.inner`.

    Returns
    -------
    Point
        Over n legs.
    """
    legs = reduction.fixed.copy()
    legs[reduction.free] = inner.legs
    row_prices, buys_price = inner.row_prices.copy(), inner.buys_price
    if not bool(reduction.free.any()):
        row_prices[0] = -_budget_slope(outer, reduction, legs)
    if bool(reduction.sold_only.any()):
        slope = pull_of(outer, legs, row_prices, 0.0)[reduction.sold_only]
        buys_price = max(0.0, -float(slope.min()))
    return Point(
        legs=legs,
        row_prices=row_prices,
        buys_price=buys_price,
        pull=pull_of(outer, legs, row_prices, buys_price),
    )


def _budget_slope(outer: Quadratic, reduction: Reduction, legs: FloatArray) -> float:
    # The leg that gives way when a bound of another is moved: the worst at the upper bounds, the
    # best at the lower ones; cash where every bound is met by itself.
    slope = outer.hessian @ legs + outer.gradient
    room = outer.upper - outer.lower > ROOM_MIN
    if reduction.reference == "" or not bool(room.any()):
        return float(slope[-1])
    return float(slope[room].max() if reduction.reference == "upper" else slope[room].min())


def pull_of(
    quadratic: Quadratic, legs: FloatArray, row_prices: FloatArray, buys_price: float
) -> FloatArray:
    """Differentiate the Lagrangian by each leg.

    At a leg's held weight turnover has a kink; any share of buys_price between 0 and all of it is
    a derivative there, and the one nearest to no pull is taken.

    Parameters
    ----------
    quadratic : Quadratic
        n legs, m rows.
    legs, row_prices : FloatArray
        (n,) and (m,).
    buys_price : float
        ≥ 0.

    Returns
    -------
    FloatArray
        (n,).
    """
    smooth = quadratic.hessian @ legs + quadratic.gradient + row_prices @ quadratic.rows
    if buys_price == 0.0:
        return smooth
    kink = np.clip(-smooth, 0.0, buys_price)
    bought = np.where(legs > quadratic.held, buys_price, 0.0)
    return smooth + np.where(legs == quadratic.held, kink, bought)
