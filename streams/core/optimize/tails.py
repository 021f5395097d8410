"""Least CVaR and CDaR: linear programs that start with few scenarios and take in what they lack.

Each scenario is a row of the program of Rockafellar and Uryasev (2000), but only those in the tail
hold the optimum up, and most never come near it. The program starts with the worst scenarios of the
weights of least variance. Rows left out can only lower its optimum: where the weights it finds
leave no scenario out that is beyond the threshold, they are the optimum of all; else those are
added, and the simplex method goes on (Künzi-Bay and Mayer, 2006, grow a program of cuts like this).
What is handed out has passed `verify`, and its tail over all scenarios is within `_GAP_MAX` of what
the prices of the last program prove to be the least there is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from streams.core.arrays import FloatArray, IntArray
from streams.core.optimize.binding import PRICE_MIN, bindings
from streams.core.optimize.direct import rough_optimum
from streams.core.optimize.linear_program import GrowingProgram, Vertex
from streams.core.optimize.modelled import in_budget
from streams.core.optimize.problem import Binding, Problem, Solved
from streams.core.optimize.quadratic import Point, buys_max_of, quadratic_of
from streams.core.optimize.terms import Aim, Caps
from streams.core.optimize.verify import verify

OBJECTIVES = ("min_cvar", "min_cdar")
LINEAR_CAPS = ("cvar_max", "leverage_max", "short_max")
# Scenarios the program starts with: this many tails, and this share of the number of strategies,
# about as many of which end at the threshold as weights are not at a bound.
_TAILS, _SHARE_OF_NAMES = 3.0, 0.5
# Scaled losses are of size 1: one beyond the threshold by less is at it.
_BEYOND = 1e-10
# What the objective may be above what is proven, scaled; and where it is rounding alone.
_GAP_MAX, _ROUNDING = 1e-9, 1e-12
# Each adds every scenario beyond the threshold; one or two do for CVaR, six for drawdowns.
_ROUNDS_MAX = 200


def solve_tail(problem: Problem) -> Solved | None:
    """Solve min_cvar or min_cdar within limits that are linear.

    Parameters
    ----------
    problem : Problem
        N strategies, T scenarios.

    Returns
    -------
    Solved or None
        Verified; None where the problem is not of this kind, cannot be met, or HiGHS does not
        answer.
    """
    conic = problem.caps.given(Caps.CONIC)
    if problem.objective not in OBJECTIVES or not set(conic) <= set(LINEAR_CAPS):
        return None
    if problem.scenarios is None or len(problem.scenarios) == 0:
        return None
    scale = float(np.sqrt(np.mean(problem.scenarios**2))) or 1.0
    program = _Program(problem, scale)
    start, steps = _start(problem), 0
    for tail in program.tails:
        program.take_in(tail, tail.worst(start, len(problem.strategies)))
    for _ in range(_ROUNDS_MAX):
        vertex = program.lp.solve()
        if vertex is None:
            return None
        steps += vertex.steps
        lacking = [tail.beyond(vertex.columns) for tail in program.tails]
        if not any(len(scenarios) for scenarios in lacking):
            return _solved(problem, program, vertex, scale, steps)
        for tail, scenarios in zip(program.tails, lacking, strict=True):
            program.take_in(tail, scenarios)
    return None


def _start(problem: Problem) -> FloatArray:
    """Legs (N + 1,) to look for the worst scenarios at."""
    calm = replace(problem, objective="min_variance", aim=Aim(), costs=None, penalty=None)
    legs = rough_optimum(quadratic_of(calm)[0])
    count = len(problem.strategies) + 1
    return np.full(count, 1.0 / count) if legs is None else legs


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tail:
    """The worst of T losses, each the largest of one or more that are linear in the legs.

    A loss of a bar is one; a drawdown is the largest of the falls from each bar before.

    Parameters
    ----------
    paths : FloatArray
        (T, n) what each leg gains in each bar; for falls (1 + T, n) what it has gained, from 0.
    falls : bool
        Drawdowns, not losses.
    share : float
        1 / ((1 − α)T).
    threshold : int
        Column of the loss that the tail begins at.
    reach : float
        No loss is larger.
    cap_row : int or None
        Row that limits the tail; None where it is minimised.
    over : IntArray
        (T,) column of what each loss is above the threshold; −1 where there is none so far.
    known : set of tuple of int
        Rows there are: the bar, and the one it falls from (0 for a loss).
    """

    paths: FloatArray
    falls: bool
    share: float
    threshold: int
    reach: float
    cap_row: int | None
    over: IntArray
    known: set[tuple[int, int]] = field(default_factory=set)

    def losses(self, legs: FloatArray) -> tuple[FloatArray, IntArray]:
        """(T,) losses, and (T,) the bar that each is from."""
        path = self.paths @ legs
        if not self.falls:
            return -path, np.zeros(len(path), dtype=np.int64)
        peak = np.maximum.accumulate(path)
        at = np.maximum.accumulate(np.where(path >= peak, np.arange(len(path)), 0))
        return (peak - path)[1:], at[1:]

    def rows(self, bars: IntArray, since: IntArray) -> FloatArray:
        """(m, n) coefficients of the losses of some bars."""
        if not self.falls:
            return np.asarray(-self.paths[bars])
        return np.asarray(self.paths[since] - self.paths[bars + 1])

    def worst(self, legs: FloatArray, names: int) -> list[tuple[int, int]]:
        """Scenarios to begin with."""
        losses, since = self.losses(legs)
        count = int(_TAILS / self.share + _SHARE_OF_NAMES * names) + 1
        bars = np.sort(np.argsort(-losses, kind="stable")[:count])
        return [(bar, int(since[bar])) for bar in bars.tolist()]

    def beyond(self, columns: FloatArray) -> list[tuple[int, int]]:
        """Scenarios that lack a row, and are above the threshold by more than is counted."""
        losses, since = self.losses(columns[: self.paths.shape[1]])
        counted = np.where(self.over < 0, 0.0, columns[self.over])
        bars = np.flatnonzero(losses > columns[self.threshold] + counted + _BEYOND)
        found = [(bar, int(since[bar])) for bar in bars.tolist()]
        return [scenario for scenario in found if scenario not in self.known]


class _Program:
    """The linear program of a problem, losses over `scale`."""

    def __init__(self, problem: Problem, scale: float) -> None:
        self.problem, self.lp, self.rows = problem, GrowingProgram(), 0
        self.lower = np.append(problem.weight_min, problem.cash_min)
        self.upper = np.append(problem.weight_max, problem.cash_max)
        self.lp.add_columns(np.zeros(len(self.lower)), self.lower, self.upper)
        ones = np.ones(len(self.lower))
        self._row(ones, 1.0, 1.0)
        for group in problem.groups:
            self._row(np.append(group.coefficients, 0.0), group.row_minimum, group.row_maximum)
        self.caps: dict[str, int] = {}
        self._turnover()
        self._shorts()
        self.tails = [self._tail(problem.aim.alpha, scale, falls=problem.objective == "min_cdar")]
        if problem.caps.cvar_max is not None:
            limit = problem.caps.cvar_max / scale
            self.tails.append(self._tail(problem.caps.cvar_alpha, scale, falls=False, limit=limit))

    def _row(self, values: FloatArray, lower: float, upper: float) -> int:
        """Add one row over the first columns, or all; return its place."""
        line = np.zeros((1, self.lp.count))
        line[0, : len(values)] = values
        self.lp.add_rows(line, np.array([lower]), np.array([upper]))
        self.rows += 1
        return self.rows - 1

    def _above(self, legs: IntArray, sign: float, level: FloatArray) -> FloatArray:
        """Add columns y ≥ 0, y ≥ sign·leg − level; return the row of their sum, over all so far."""
        first, count = self.lp.count, len(legs)
        most = np.maximum(sign * self.lower[legs], sign * self.upper[legs]) - level
        self.lp.add_columns(np.zeros(count), np.zeros(count), np.maximum(most, 0.0))
        block = np.zeros((count, self.lp.count))
        block[range(count), legs] = -sign
        block[range(count), range(first, first + count)] = 1.0
        self.lp.add_rows(block, -level, np.full(count, np.inf))
        self.rows += count
        total = np.zeros(self.lp.count)
        total[first:] = 1.0
        return total

    def _turnover(self) -> None:
        buys_max = buys_max_of(self.problem)
        if buys_max is None:
            return
        held = np.append(self.problem.held, self.problem.held_cash)
        legs = np.flatnonzero(self.upper > held)
        self.caps["turnover_max"] = self._row(self._above(legs, 1.0, held[legs]), -np.inf, buys_max)

    def _shorts(self) -> None:
        """|w| is w and twice what is short."""
        caps, names = self.problem.caps, len(self.problem.strategies)
        if caps.leverage_max is None and caps.short_max is None:
            return
        legs = np.flatnonzero(self.problem.weight_min < 0.0)
        short = self._above(legs, -1.0, np.zeros(len(legs)))
        if caps.leverage_max is not None:
            gross = 2.0 * short
            gross[:names] += 1.0
            self.caps["leverage_max"] = self._row(gross, -np.inf, caps.leverage_max)
        if caps.short_max is not None:
            self.caps["short_max"] = self._row(short, -np.inf, caps.short_max)

    def _tail(
        self, alpha: float, scale: float, *, falls: bool, limit: float | None = None
    ) -> _Tail:
        assert self.problem.scenarios is not None
        bars = len(self.problem.scenarios)
        cash = np.full((bars, 1), self.problem.cash_return)
        paths = np.hstack([self.problem.scenarios, cash]) / scale
        if falls:
            paths = np.vstack([np.zeros(paths.shape[1]), np.cumsum(paths, axis=0)])
        size = np.maximum(np.abs(self.lower), np.abs(self.upper))
        inside = float(self.lower.min()) >= 0.0  # the legs are shares of one
        reach = float(np.abs(paths).max() if inside else (np.abs(paths) @ size).max())
        reach = (2.0 if falls else 1.0) * reach
        threshold, one = self.lp.count, np.ones(1)
        self.lp.add_columns(one if limit is None else 0.0 * one, -reach * one, reach * one)
        cap_row = None
        if limit is not None:
            values = np.zeros(self.lp.count)
            values[threshold] = 1.0
            cap_row = self.caps["cvar_max"] = self._row(values, -np.inf, limit)
        return _Tail(
            paths=paths,
            falls=falls,
            share=1.0 / ((1.0 - alpha) * bars),
            threshold=threshold,
            reach=reach,
            cap_row=cap_row,
            over=np.full(bars, -1, dtype=np.int64),
        )

    def take_in(self, tail: _Tail, scenarios: list[tuple[int, int]]) -> None:
        """Write the rows of some scenarios: what is over the threshold is at least their loss."""
        if not scenarios:
            return
        bars, since = np.array(scenarios).T
        new = np.flatnonzero(tail.over[bars] < 0)
        first, count = self.lp.count, len(new)
        costs = np.full(count, tail.share if tail.cap_row is None else 0.0)
        link = None if tail.cap_row is None else (tail.cap_row, tail.share)
        self.lp.add_columns(costs, np.zeros(count), np.full(count, 2.0 * tail.reach), link)
        tail.over[bars[new]] = np.arange(first, first + count)
        block = np.zeros((len(bars), self.lp.count))
        block[:, : tail.paths.shape[1]] = -tail.rows(bars, since)
        block[:, tail.threshold] = 1.0
        block[range(len(bars)), tail.over[bars]] = 1.0
        self.lp.add_rows(block, np.zeros(len(bars)), np.full(len(bars), np.inf))
        self.rows += len(bars)
        tail.known.update(scenarios)


def _solved(
    problem: Problem, program: _Program, vertex: Vertex, scale: float, steps: int
) -> Solved | None:
    names = len(problem.strategies)
    legs = np.clip(vertex.columns[: names + 1], program.lower, program.upper) + 0.0
    weights, cash = in_budget(problem, legs[:-1], float(legs[-1]))
    value = problem.objective_value(weights)
    gap = (value / scale - vertex.value_min) / max(1.0, abs(vertex.value_min))
    if not gap <= _GAP_MAX or verify(problem, weights, cash):
        return None
    prices = vertex.row_prices
    point = Point(
        legs=np.append(weights, cash),
        row_prices=np.append(0.0, -prices[1 : 1 + len(problem.groups)]),
        buys_price=-float(prices[program.caps["turnover_max"]])
        if "turnover_max" in program.caps
        else 0.0,
        pull=vertex.column_prices[: names + 1],
    )
    return Solved(
        weights=weights,
        cash=cash,
        objective_value=value,
        binding=(
            *bindings(problem, point, scale),
            *_cap_bindings(program, prices, scale),
        ),
        solver="highs",
        exact=gap <= _ROUNDING,
        iterations=steps,
    )


def _cap_bindings(program: _Program, prices: FloatArray, scale: float) -> Iterator[Binding]:
    for name in LINEAR_CAPS:
        price = float(prices[program.caps[name]]) if name in program.caps else 0.0
        if price < -PRICE_MIN:
            worth = 1.0 if name == "cvar_max" else scale
            yield Binding(key=name, strategy=None, side="max", price=price * worth)
