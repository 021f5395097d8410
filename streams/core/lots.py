"""Weights in whole lots of money: what the execution layer can really allocate.

Each leg is rounded down to a multiple of its lot; whole lots that still fit into what was to be
invested go to the legs that lost most of one (largest remainder). Upper limits hold, and a lower
limit may be missed by less than one lot.

Given the limits of a problem, turnover_max holds too: sold legs are then rounded up, toward what is
held, and where there is no money for that, bought legs give a lot. While cash is above its largest
value, legs get further lots; without that nothing is overspent: the sum of the rounded weights does
not exceed the sum of the given ones. Cash may pass its largest value only by less than the smallest
lot, which can go nowhere else. Where more is missing, the check that follows says so, and nothing
is sent.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from schemas.policy import Execution
from streams.core.arrays import FloatArray
from streams.core.optimize import GroupLimit, Problem

_WHOLE: Final = 1e-9  # lots: a weight this near to a multiple is one
_CAPITAL_MAX: Final = 1e100  # a NAV of claimed returns has no bound; its lots are still counted


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lots:
    """The smallest changes of N allocations, and the money they are shares of."""

    capital: float
    sizes: FloatArray  # (N,) money

    @property
    def units(self) -> FloatArray:
        """Return the weight (N,) of one lot."""
        return self.sizes / self.capital


def lots_of(execution: Execution, names: tuple[str, ...], nav: float) -> Lots | None:
    """Return the lots of some strategies at a NAV, or None where the policy has none."""
    capital = capital_of(execution, nav)
    if capital is None or (execution.lot is None and not execution.lots):
        return None
    smallest = execution.lot or 0.0
    sizes = np.array([execution.lots.get(name, smallest) for name in names])
    return Lots(capital=capital, sizes=sizes)


def capital_of(execution: Execution, nav: float) -> float | None:
    """Return the money behind the portfolio now, or None where none is known."""
    if execution.capital is None:
        return None
    capital = execution.capital * (nav if execution.compounding == "full" else 1.0)
    return min(capital, _CAPITAL_MAX) if capital > 0.0 else None


def in_lots(
    lots: Lots,
    weights: FloatArray,
    upper: FloatArray,
    rows: tuple[tuple[FloatArray, float], ...] = (),
    problem: Problem | None = None,
) -> FloatArray:
    """Return weights (N,) that are whole lots and sum to no more than the given ones.

    Parameters
    ----------
    lots
        Sizes; a size of 0 leaves a leg as it is.
    weights
        (N,) to round.
    upper
        (N,) that no leg exceeds.
    rows
        Coefficients (N,) of weighted sums, each with the largest value it may have.
    problem
        Whose turnover_max holds, and whose cash_max, as far as whole lots can: what is invested
        may then be more than given, and leaves cash_min.

    Examples
    --------
    >>> import numpy as np
    >>> third = np.full(3, 1 / 3)
    >>> tenths = Lots(capital=10.0, sizes=np.ones(3))
    >>> in_lots(tenths, third, np.ones(3)).tolist()
    [0.4, 0.3, 0.3]
    """
    rounding = _Rounding(lots, weights, upper, rows, problem)
    order = rounding.largest_remainders()
    if problem is not None:
        rounding.trade_less(problem, order)
    planned_cash = 1.0 - float(weights.sum())
    for leg in order:
        if weights[leg] > rounding.weights[leg] and rounding.fits(leg, planned_cash):
            rounding.add(leg, 1)
    if problem is not None:
        rounding.invest(problem)
    return rounding.weights


class _Rounding:
    """Whole lots of N legs while they are counted; `weights` (N,) and `cash` are what they make."""

    def __init__(
        self,
        lots: Lots,
        given: FloatArray,
        upper: FloatArray,
        rows: tuple[tuple[FloatArray, float], ...],
        problem: Problem | None,
    ) -> None:
        self._given, self._upper, self._problem = given, upper, problem
        self._units = lots.units
        self._whole = self._units > 0.0
        self._count = np.zeros(len(given))
        self._count[self._whole] = np.floor(given[self._whole] / self._units[self._whole] + _WHOLE)
        self.weights = np.where(self._whole, self._count * self._units, given)
        self.cash = 1.0 - float(self.weights.sum())
        self._rests = [(row, limit - float(row @ self.weights)) for row, limit in rows]
        self._moved = 0.0 if problem is None else float(np.abs(self.weights - problem.held).sum())

    def largest_remainders(self) -> list[int]:
        """Return all legs, those first that lost most of a lot; equals in their order."""
        lost = np.where(self._whole, self._given - self.weights, 0.0)
        shares = lost / np.where(self._whole, self._units, 1.0)
        found: list[int] = np.argsort(-shares, kind="stable").tolist()
        return found

    def fits(self, leg: int, cash_min: float, lots: float = 1.0) -> bool:
        """Whether a leg that is to have a weight can have some lots more, within every limit."""
        change = lots * float(self._units[leg])
        slack = _WHOLE * float(self._units[leg])
        if not self._whole[leg] or self._given[leg] == 0.0 or change > self.cash - cash_min + slack:
            return False
        if self.weights[leg] + change > self._upper[leg] + slack:
            return False
        if any(row[leg] > 0.0 and change * row[leg] > rest for row, rest in self._rests):
            return False
        problem = self._problem
        if problem is None or problem.turnover_max is None:
            return True
        now = self._turnover(problem, self._moved, self.cash)
        then = self._turnover(problem, self._moved_by(problem, leg, change), self.cash - change)
        return then <= max(problem.turnover_max + _WHOLE, now)

    def add(self, leg: int, lots: float) -> None:
        """Let a leg have some lots more, or fewer."""
        change = lots * float(self._units[leg])
        if self._problem is not None:
            self._moved = self._moved_by(self._problem, leg, change)
        self._count[leg] += lots
        self.weights[leg] = self._count[leg] * self._units[leg]
        self.cash -= change
        self._rests = [(row, rest - change * float(row[leg])) for row, rest in self._rests]

    def trade_less(self, problem: Problem, order: list[int]) -> None:
        """Round legs up toward held until turnover_max holds; bought ones give where they must."""
        if self._trades_within(problem):
            return
        cash_min = 1.0 - float(self._given.sum())
        givers = iter(self._nearest(problem, order[::-1], -1))
        for leg in self._nearest(problem, order, 1):
            unit = float(self._units[leg])
            while unit > self.cash - cash_min + _WHOLE * unit:
                giver = next(givers, None)
                if giver is None:
                    cash_min = problem.cash_min
                    break
                self.add(giver, -1)
            if self.fits(leg, cash_min):
                self.add(leg, 1)
            if self._trades_within(problem):
                return
        for leg in order:
            if not self._trades_within(problem) and self.fits(leg, problem.cash_min):
                self.add(leg, 1)

    def invest(self, problem: Problem) -> None:
        """Let legs have further lots while cash is above its largest value and any fits.

        One each, then as many as it takes: beside a large lot, one of the small is little.
        """
        enough = max(problem.cash_max, 1.0 - float(self._given.sum())) + _WHOLE
        for lots_max in (1.0, np.inf):
            for leg in self.largest_remainders():
                if self.cash <= enough:
                    return
                if self.fits(leg, problem.cash_min):
                    unit = float(self._units[leg])
                    needed = np.ceil((self.cash - enough) / unit)
                    room = np.floor(min(self.cash, self._upper[leg] - self.weights[leg]) / unit)
                    lots = max(1.0, float(min(lots_max, needed, room)))
                    self.add(leg, lots if self.fits(leg, problem.cash_min, lots) else 1.0)

    # Legs that a lot more (1) or less (-1) brings nearer to held, those first that gain most by it.
    def _nearest(self, problem: Problem, order: list[int], lots: int) -> list[int]:
        gains: dict[int, float] = {}
        for leg in order:
            unit, now = float(self._units[leg]), float(self.weights[leg])
            if unit > 0.0 and (lots > 0 or now >= problem.weight_min[leg]):
                change = self._moved_by(problem, leg, lots * unit) - self._moved
                gains[leg] = -change / unit
        found = [leg for leg, gain in gains.items() if gain > (-1.0 if lots > 0 else 0.0)]
        return sorted(found, key=lambda leg: -gains[leg])

    def _trades_within(self, problem: Problem) -> bool:
        limit = problem.turnover_max
        return limit is None or self._turnover(problem, self._moved, self.cash) <= limit + _WHOLE

    def _moved_by(self, problem: Problem, leg: int, change: float) -> float:
        away = float(self.weights[leg] - problem.held[leg])
        return self._moved + abs(away + change) - abs(away)

    @staticmethod
    def _turnover(problem: Problem, moved: float, cash: float) -> float:
        return 0.5 * (moved + abs(cash - problem.held_cash) + problem.held_elsewhere)


def loosened(problem: Problem, lots: Lots) -> Problem:
    """Return the problem whose lower limits give by one lot a leg, and cash_max by the smallest."""
    units = lots.units
    return replace(
        problem,
        weight_min=problem.weight_min - units,
        groups=tuple(_loosened(group, units) for group in problem.groups),
        cash_max=problem.cash_max + float(units[units > 0.0].min(initial=1.0)),
        long_only=False,
    )


def _loosened(group: GroupLimit, units: FloatArray) -> GroupLimit:
    """Let a row give by what rounding every leg down changes it."""
    row = group.coefficients
    return replace(
        group,
        minimum=group.row_minimum - float(np.maximum(row, 0.0) @ units),
        maximum=group.row_maximum + float(np.maximum(-row, 0.0) @ units),
        loadings=row,
        share_of=None,
    )
