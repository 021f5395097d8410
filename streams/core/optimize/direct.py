"""The direct road: a dense quadratic program, PIQP first, Clarabel where it does not answer."""

from dataclasses import dataclass, replace

import numpy as np

from streams.core.arrays import FloatArray, IntArray
from streams.core.optimize.binding import bindings
from streams.core.optimize.polish import FREE, HELD, LOWER, UPPER, Guess, polish
from streams.core.optimize.problem import RULES, Failed, Problem, Solved
from streams.core.optimize.quadratic import (
    Point,
    Quadratic,
    Reduction,
    pull_of,
    quadratic_of,
    reduce,
    restore,
)
from streams.core.optimize.rules import rule_weights
from streams.core.optimize.standard import (
    GUESS_TOLERANCE,
    TOLERANCES,
    Answer,
    Standard,
    always_bought,
    kinked_legs,
    solve_clarabel,
    solve_piqp,
    standard_of,
)
from streams.core.optimize.verify import verify

# A rule's weights that break no limit by more than rounding are taken as they are.
_RULE_TOLERANCE = 1e-12
# Turnover of a solution found without its bound: exceeding it by less is rounding.
_TURNOVER_SLACK = 1e-12
# A solver's answer that is outside a bound by more is wrong, and is not moved inside.
_OUTSIDE_MAX = 1e-8
_SOLVERS = (("piqp", solve_piqp), ("clarabel", solve_clarabel))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    point: Point
    solver: str
    exact: bool
    iterations: int


def solve_direct(problem: Problem) -> Solved | Failed:
    """Solve on the direct road; whether a failure means infeasible is not decided here.

    Parameters
    ----------
    problem : Problem
        N strategies.

    Returns
    -------
    Solved or Failed
        Verified, or what the solvers said.
    """
    if problem.objective in RULES:
        target = rule_weights(problem)
        if not verify(problem, target, problem.cash_min, _RULE_TOLERANCE):
            inside = np.clip(target, problem.weight_min, problem.weight_max)
            return solved_as_is(problem, inside, "rule")
    outer, unit = quadratic_of(problem)
    if outer.buys_max is not None:
        # A bound on turnover doubles the variables; often it does not bind.
        found = _optimum(problem, replace(outer, buys_max=None))
        if isinstance(found, _Found) and outer.buys(found.point.legs) <= (
            outer.buys_max + _TURNOVER_SLACK
        ):
            return _solved(problem, found, unit)
    found = _optimum(problem, outer)
    return _solved(problem, found, unit) if isinstance(found, _Found) else Failed(reason=found)


def solved_as_is(problem: Problem, weights: FloatArray, solver: str) -> Solved:
    """Give weights that are known without a solver, and that no limit holds back.

    Parameters
    ----------
    problem : Problem
        N strategies.
    weights : FloatArray
        (N,) verified; cash is at its least.
    solver : str
        Where they come from.

    Returns
    -------
    Solved
        Exact, without a price.
    """
    return Solved(
        weights=weights,
        cash=problem.cash_min,
        objective_value=problem.objective_value(weights),
        binding=(),
        solver=solver,
        exact=True,
        iterations=0,
    )


def _solved(problem: Problem, found: _Found, unit: float) -> Solved:
    legs = found.point.legs + 0.0  # no negative zero
    weights = legs[:-1].copy()
    return Solved(
        weights=weights,
        cash=float(legs[-1]),
        objective_value=problem.objective_value(weights),
        binding=bindings(problem, found.point, unit),
        solver=found.solver,
        exact=found.exact,
        iterations=found.iterations,
    )


def _optimum(problem: Problem, outer: Quadratic) -> _Found | str:
    """Ask the solvers in turn; take the first answer that verifies, the exact one if there is."""
    reduction = reduce(outer)
    if not bool(reduction.free.any()):
        nothing = np.zeros(0)
        still = Point(
            legs=nothing,
            row_prices=np.zeros(len(outer.rows)),
            buys_price=0.0,
            pull=nothing,
        )
        point = restore(outer, reduction, still)
        wrong = _wrong(problem, outer, point)
        return wrong or _Found(point=point, solver="limits", exact=True, iterations=0)
    inner = reduction.inner
    standard = standard_of(inner)
    early = _from_guess(problem, outer, reduction, standard)
    if early is not None:
        return early
    said = []
    for tolerance in TOLERANCES:
        for name, solver in _SOLVERS:
            answer = solver(standard, tolerance)
            wrong = answer.status
            if answer.solved:
                point, exact = _finish(inner, standard, answer)
                whole = restore(outer, reduction, point)
                wrong = _wrong(problem, outer, whole)
                if not wrong:
                    return _Found(
                        point=whole, solver=name, exact=exact, iterations=answer.iterations
                    )
            said.append(f"{name} at {tolerance:g}: {wrong}")
            if "infeasible" in answer.status.lower():
                return "; ".join(said)
    return "; ".join(said)


def _from_guess(
    problem: Problem, outer: Quadratic, reduction: Reduction, standard: Standard
) -> _Found | None:
    """Stop the solver where the active set shows; None unless that leads to the exact optimum."""
    name, solver = _SOLVERS[0]
    answer = solver(standard, GUESS_TOLERANCE)
    exact = None
    if answer.solved:
        exact = polish(reduction.inner, _guess(reduction.inner, standard, answer))
    if exact is None:
        return None
    point = restore(outer, reduction, exact)
    if _wrong(problem, outer, point):
        return None
    return _Found(point=point, solver=name, exact=True, iterations=answer.iterations)


def rough_optimum(outer: Quadratic) -> FloatArray | None:
    """Solve a program to a solver's own precision: no polish, no prices, no check but its own.

    For answers of which only the spread is told.

    Parameters
    ----------
    outer : Quadratic
        n legs.

    Returns
    -------
    FloatArray or None
        (n,) legs within their bounds; None where the solver did not answer.
    """
    reduction = reduce(outer)
    if not bool(reduction.free.any()):
        return reduction.fixed
    standard = standard_of(reduction.inner)
    answer = solve_piqp(standard, TOLERANCES[-1])
    if not answer.solved:
        return None
    legs = reduction.fixed.copy()
    legs[reduction.free] = standard.legs_of(answer.z, reduction.inner.held)
    return np.clip(legs, outer.lower, outer.upper)


def _wrong(problem: Problem, outer: Quadratic, point: Point) -> str:
    faults = verify(problem, point.legs[:-1], float(point.legs[-1]))
    if outer.buys_max is None:
        faults = tuple(fault for fault in faults if not fault.startswith("turnover_max"))
    return "; ".join(faults)


def _finish(inner: Quadratic, standard: Standard, answer: Answer) -> tuple[Point, bool]:
    exact = polish(inner, _guess(inner, standard, answer))
    if exact is not None:
        return exact, True
    return _rough(inner, standard, answer), False


def _rough(inner: Quadratic, standard: Standard, answer: Answer) -> Point:
    """Put the solver's own answer inside the bounds; what that adds goes to the roomiest leg."""
    legs = standard.legs_of(answer.z, inner.held)
    inside = np.clip(legs, inner.lower, inner.upper)
    if float(np.abs(inside - legs).max()) <= _OUTSIDE_MAX:  # else verify says what is wrong
        left = float(inner.row_upper[0]) - float(inside.sum())
        room = inner.upper - inside if left > 0.0 else inside - inner.lower
        inside[int(np.argmax(room))] += left
        legs = inside
    row_prices = _row_prices(inner, standard, answer)
    turnover = inner.buys_max is not None
    buys_price = max(0.0, float(answer.ranged_prices[-1])) if turnover else 0.0
    return Point(
        legs=legs,
        row_prices=row_prices,
        buys_price=buys_price,
        pull=pull_of(inner, legs, row_prices, buys_price),
    )


def _row_prices(inner: Quadratic, standard: Standard, answer: Answer) -> FloatArray:
    prices = np.zeros(len(inner.rows))
    prices[standard.equal] = answer.equal_prices
    prices[standard.ranged] = answer.ranged_prices[: len(standard.ranged)]
    return prices


def _guess(inner: Quadratic, standard: Standard, answer: Answer) -> Guess:
    """Read off what is active: a limit whose multiplier exceeds its slack."""
    legs = standard.legs_of(answer.z, inner.held)
    row_prices = _row_prices(inner, standard, answer)
    values = inner.rows @ legs
    side = np.zeros(len(inner.rows), dtype=np.int64)
    side[row_prices > inner.row_upper - values] = 1
    side[-row_prices > values - inner.row_lower] = -1
    side[standard.equal] = 2
    turnover, buys_price = False, 0.0
    if inner.buys_max is not None:
        buys_price = float(answer.ranged_prices[-1])
        turnover = buys_price > inner.buys_max - inner.buys(legs)
    return Guess(
        legs=legs,
        row_prices=row_prices,
        buys_price=buys_price,
        state=_states(standard, answer, len(legs), turnover=turnover),
        bought=always_bought(inner) | (kinked_legs(inner) & (legs > inner.held)),
        row_side=side,
        turnover=turnover,
    )


def _states(standard: Standard, answer: Answer, count: int, *, turnover: bool) -> IntArray:
    at_low = -answer.bound_prices > answer.z - standard.low
    at_high = answer.bound_prices > standard.high - answer.z
    state = np.full(count, FREE, dtype=np.int64)
    state[at_low[:count]] = LOWER
    state[at_high[:count]] = UPPER
    # A kinked leg is at its lower bound where all is sold, and held where nothing is traded.
    bought_none, sold_none = at_low[standard.kinked], at_low[count:]
    still = HELD if turnover else FREE
    state[standard.kinked[bought_none]] = np.where(sold_none, still, FREE)[bought_none]
    state[standard.kinked[at_high[count:]]] = LOWER
    return state
