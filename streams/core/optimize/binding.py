"""Which limits cost something, and how much."""

from collections.abc import Iterator

import numpy as np

from streams.core.optimize.problem import MAXIMISED, Binding, Problem
from streams.core.optimize.quadratic import Point

# A scaled multiplier below this is rounding of the solver: coefficients are of size 1.
PRICE_MIN = 1e-8


def bindings(problem: Problem, point: Point, unit: float) -> tuple[Binding, ...]:
    """List the binding limits of a solution with their prices.

    Parameters
    ----------
    problem : Problem
        N strategies.
    point : Point
        Over N + 1 legs, scaled.
    unit : float
        Price of a scaled multiplier of 1, in the objective's unit.

    Returns
    -------
    tuple of Binding
        turnover_max, groups in order, weight_max and weight_min in the order of the strategies,
        cash.
    """
    if problem.objective in MAXIMISED:
        unit = -unit  # solved as the minimum of −utility
    return tuple(_each(problem, point, unit))


def _each(problem: Problem, point: Point, unit: float) -> Iterator[Binding]:
    # With the Lagrangian f + price·(value − limit), df/dlimit = −price; a leg's pull is the
    # multiplier of "bound ≤ leg", so that df/dbound = pull.
    if point.buys_price > PRICE_MIN:
        yield Binding(key="turnover_max", strategy=None, side="max", price=-unit * point.buys_price)
    for group, price in zip(problem.groups, point.row_prices[1:].tolist(), strict=True):
        if abs(price) > PRICE_MIN:
            side = "max" if price > 0.0 else "min"
            of_limit = group.price_of_limit(price, point.legs[:-1])
            yield Binding(key=group.key, strategy=None, side=side, price=-unit * of_limit)
    pulls = point.pull
    for side, sign in (("max", -1.0), ("min", 1.0)):
        key, names = f"weight_{side}", problem.strategies
        held = np.flatnonzero(sign * pulls[:-1] > PRICE_MIN)
        for index, price in zip(held.tolist(), (unit * pulls[held]).tolist(), strict=True):
            yield Binding(key=key, strategy=names[index], side=side, price=price)
    of_cash = float(pulls[-1])
    if abs(of_cash) > PRICE_MIN:
        side = "max" if of_cash < 0.0 else "min"
        yield Binding(key="cash", strategy=None, side=side, price=unit * of_cash)
