"""Weights in whole lots of money: what the execution layer can really allocate.

Each leg is rounded down to a multiple of its lot; whole lots that still fit into what was to be
invested go to the legs that lost most of one (largest remainder). Nothing is overspent: the sum of
the rounded weights never exceeds the sum of the given ones. Upper limits hold; a lower limit may be
missed by less than one lot, and cash may exceed its own by what does not make a whole lot.
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

    Examples
    --------
    >>> import numpy as np
    >>> third = np.full(3, 1 / 3)
    >>> tenths = Lots(capital=10.0, sizes=np.ones(3))
    >>> in_lots(tenths, third, np.ones(3)).tolist()
    [0.4, 0.3, 0.3]
    """
    units = lots.units
    whole = units > 0.0
    count = np.zeros(len(weights))
    count[whole] = np.floor(weights[whole] / units[whole] + _WHOLE)
    rounded = np.where(whole, count * units, weights)
    lost = np.where(whole, weights - rounded, 0.0)  # (N,) each less than one lot
    left = float(lost.sum())
    rests = [(row, limit - float(row @ rounded)) for row, limit in rows]
    for leg in np.argsort(-lost / np.where(whole, units, 1.0), kind="stable").tolist():
        unit = float(units[leg])
        fits = whole[leg] and lost[leg] > 0.0 and unit <= left + _WHOLE * unit
        if not fits or rounded[leg] + unit > upper[leg] + _WHOLE * unit:
            continue
        if any(row[leg] > 0.0 and unit * row[leg] > rest for row, rest in rests):
            continue
        count[leg] += 1.0
        rounded[leg] = count[leg] * unit
        left -= unit
        rests = [(row, rest - unit * float(row[leg])) for row, rest in rests]
    return rounded


def loosened(problem: Problem, lots: Lots) -> Problem:
    """Return the problem whose lower limits give by one lot a leg, as its cash and turnover do."""
    units = lots.units
    total = float(units.sum())
    return replace(
        problem,
        weight_min=problem.weight_min - units,
        groups=tuple(_loosened(group, units) for group in problem.groups),
        cash_max=problem.cash_max + total,
        turnover_max=None if problem.turnover_max is None else problem.turnover_max + total,
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
