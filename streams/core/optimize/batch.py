"""The same limits under many estimates: one active-set iteration for all of them at once.

The optima of neighbouring quadratic programs differ in a few active limits. From the limits that
bind in one, each program solves its optimality conditions as equations, corrects what contradicts
them and solves again (a primal-dual active-set method: Hintermüller, Ito and Kunisch, SIAM Journal
on Optimization, 2003), as `polish` does for one; here a round is one batch of linear systems. A
result is given only where the conditions hold, and for a convex program they are sufficient.
"""

from dataclasses import dataclass, replace

import numpy as np

from streams.core.arrays import BoolArray, FloatArray, IntArray
from streams.core.optimize.polish import FREE, HELD, LOWER, UPPER
from streams.core.optimize.quadratic import ROOM_MIN, Quadratic
from streams.core.optimize.standard import always_bought, kinked_legs

# Rounds before the programs that are left are given up; most need three to eight.
_ROUNDS_MAX = 12
# Limits crossed by less, and derivatives below this share of their terms, are rounding.
_CROSSED_MAX = 1e-10
_GRAIN = 1e-9
# A scaled price that no leg has: nothing holds it on that side.
_FAR = 1e9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """d programs: minimise ½x'Hₖx + gₖ'x + Σ fees·|x − held| within the limits of one `Quadratic`.

    Parameters
    ----------
    limits : Quadratic
        n legs, m rows; its own hessian and gradient are not used.
    hessians, gradients : FloatArray
        (d, n, n) symmetric positive semidefinite, and (d, n), scaled to size 1.
    fees : FloatArray
        (n,) ≥ 0, of a unit bought or sold, scaled alike.
    """

    limits: Quadratic
    hessians: FloatArray
    gradients: FloatArray
    fees: FloatArray

    def only(self, kept: BoolArray) -> "Batch":
        """Return the programs that are kept, (d,)."""
        return Batch(
            limits=self.limits,
            hessians=self.hessians[kept],
            gradients=self.gradients[kept],
            fees=self.fees,
        )

    def one(self, row: int) -> Quadratic:
        """Return one program, fees apart."""
        hessian = np.asfortranarray(self.hessians[row])
        return replace(self.limits, hessian=hessian, gradient=self.gradients[row])


@dataclass(slots=True, kw_only=True, eq=False)
class _Active:
    """What is taken as active in each program; the meaning of `polish.Guess`."""

    state: IntArray  # (d, n)
    bought: BoolArray  # (d, n)
    side: IntArray  # (d, m)
    turnover: BoolArray  # (d,)

    def copy(self) -> "_Active":
        return self.only(np.ones(len(self.turnover), dtype=np.bool_))

    def only(self, kept: BoolArray) -> "_Active":
        return _Active(
            state=self.state[kept],
            bought=self.bought[kept],
            side=self.side[kept],
            turnover=self.turnover[kept],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Points:
    """Solutions of the equations, and the derivatives there."""

    legs: FloatArray  # (d, n)
    row_prices: FloatArray  # (d, m)
    buys_price: FloatArray  # (d,)
    slopes: FloatArray  # (d, n) of the Lagrangian, fees and turnover apart
    grain: FloatArray  # (d, n) rounding of the slopes


def optima(batch: Batch, near: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Solve every program, starting from the limits that bind at one point.

    Parameters
    ----------
    batch : Batch
        d programs.
    near : FloatArray
        (n,) a point within the limits, best the optimum of a neighbouring program.

    Returns
    -------
    tuple of FloatArray and BoolArray
        (d, n) legs, and (d,) whether they are the optimum; legs of the others are NaN.
    """
    count, size = batch.gradients.shape
    legs, solved = np.full((count, size), np.nan), np.zeros(count, dtype=np.bool_)
    left, active = np.arange(count), _start(batch, near)
    for _ in range(_ROUNDS_MAX):
        points, regular = _stationary(batch, active)
        before = active.copy()
        _revise(batch, active, points)
        done = regular & ~_changed(before, active) & _balanced(batch, active, points)
        solved[left[done]] = True
        legs[left[done]] = np.clip(points.legs[done], batch.limits.lower, batch.limits.upper)
        going = regular & ~done
        if not bool(going.any()):
            break
        left, active, batch = left[going], active.only(going), batch.only(going)
    return legs, solved


def _start(batch: Batch, near: FloatArray) -> _Active:
    limits, count = batch.limits, len(batch.gradients)
    state = np.full(len(near), FREE, dtype=np.int64)
    state[near <= limits.lower + _CROSSED_MAX] = LOWER
    state[near >= limits.upper - _CROSSED_MAX] = UPPER
    bound = limits.buys_max
    turnover = bound is not None and limits.buys(near) >= bound - _CROSSED_MAX
    still = (np.abs(near - limits.held) <= _CROSSED_MAX) & kinked_legs(limits)
    state[still & (turnover | (batch.fees > 0.0))] = HELD
    values = limits.rows @ near
    side = np.zeros(len(values), dtype=np.int64)
    side[values >= limits.row_upper - _CROSSED_MAX] = 1
    side[values <= limits.row_lower + _CROSSED_MAX] = -1
    side[limits.row_lower == limits.row_upper] = 2
    bought = always_bought(limits) | (kinked_legs(limits) & (near > limits.held))
    return _Active(
        state=np.tile(state, (count, 1)),
        bought=np.tile(bought, (count, 1)),
        side=np.tile(side, (count, 1)),
        turnover=np.full(count, turnover),
    )


def _stationary(batch: Batch, active: _Active) -> tuple[_Points, BoolArray]:
    """Solve the conditions of what is active; (d,) False where they have no solution."""
    limits, (count, size) = batch.limits, active.state.shape
    rows = len(limits.rows)
    free, rowed = active.state == FREE, active.side != 0
    diagonal, held = np.arange(size), active.state == HELD
    system = np.zeros((count, size + rows + 1, size + rows + 1))
    right = np.zeros((count, size + rows + 1))
    np.multiply(batch.hessians, free[:, :, None], out=system[:, :size, :size])
    system[:, diagonal, diagonal] += ~free
    system[:, :size, size:-1] = free[:, :, None] * limits.rows.T
    system[:, size:-1, :size] = rowed[:, :, None] * limits.rows
    system[:, size + np.arange(rows), size + np.arange(rows)] = ~rowed
    system[:, :size, -1] = free & active.bought
    counted = active.bought & ~held & active.turnover[:, None]
    system[:, -1, :size] = counted
    system[:, -1, -1] = ~active.turnover
    pinned = np.select(
        [active.state == LOWER, active.state == UPPER, held],
        [limits.lower, limits.upper, limits.held],
    )
    fees = np.where(active.bought, batch.fees, -batch.fees)
    right[:, :size] = np.where(free, -batch.gradients - fees, pinned)
    bounds = np.where(active.side == -1, limits.row_lower, limits.row_upper)
    right[:, size:-1] = np.where(rowed, bounds, 0.0)
    buys_max = 0.0 if limits.buys_max is None else limits.buys_max
    right[:, -1] = np.where(active.turnover, buys_max + counted @ limits.held, 0.0)
    # More that is active than legs are free: no point meets that, or its prices are anything.
    tight = free.sum(axis=1) < rowed.sum(axis=1) + active.turnover
    system[tight] = np.eye(size + rows + 1)
    found, regular = _solved(system, right)
    legs, row_prices, buys_price = found[:, :size], found[:, size:-1], found[:, -1]
    slopes = np.einsum("kij,kj->ki", batch.hessians, legs) + batch.gradients
    corner = ~free.any(axis=1) & (rowed[:, 1:].sum(axis=1) == 0) & ~active.turnover
    if bool(corner.any()):
        legs[corner] = pinned[corner]
        slopes[corner] = _slopes_at(batch, corner, legs[corner])
        row_prices[corner, 0] = _price_of_corner(
            batch, active.only(corner), legs[corner], slopes[corner]
        )
    slopes += row_prices @ limits.rows
    terms = 1.0 + np.abs(batch.gradients) + np.abs(row_prices).max(axis=1)[:, None]
    points = _Points(
        legs=legs,
        row_prices=row_prices,
        buys_price=buys_price,
        slopes=slopes,
        grain=_GRAIN * (terms + np.abs(buys_price)[:, None]),
    )
    return points, regular & (corner | ~tight)


def _slopes_at(batch: Batch, kept: BoolArray, legs: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("kij,kj->ki", batch.hessians[kept], legs) + batch.gradients[kept])


def _price_of_corner(
    batch: Batch, active: _Active, legs: FloatArray, slopes: FloatArray
) -> FloatArray:
    """Price (d,) of the budget where every leg is pinned: any that makes all of them stay.

    Where there is none, one at which those leave that must: the best to buy and the best to sell
    where the budget is met, the one of them that mends it where it is not.
    """
    limits = batch.limits
    room = limits.upper - limits.lower > ROOM_MIN
    fees = np.where(active.bought, batch.fees, -batch.fees)
    held = active.state == HELD
    rises = room & (held | (active.state == LOWER))
    falls = room & (held | (active.state == UPPER))
    buy = -(slopes + np.where(held, batch.fees, fees))
    sell = -(slopes - np.where(held, batch.fees, -fees))
    least = np.where(rises, buy, -np.inf).max(axis=1)
    most = np.where(falls, sell, np.inf).min(axis=1)
    missing = 1.0 - legs.sum(axis=1)
    step = 10.0 * _GRAIN * (1.0 + np.abs(slopes).max(axis=1))
    least, most = np.maximum(least, -_FAR), np.minimum(most, _FAR)
    between = np.where(least > -_FAR, np.where(most < _FAR, (least + most) / 2.0, least), most)
    mended = np.where(missing > 0.0, least - step, most + step)
    return np.asarray(np.where(np.abs(missing) <= _CROSSED_MAX, between, mended))


def _solved(system: FloatArray, right: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Solve each system; a singular one gives no numbers, and does not stop the others."""
    try:
        found = np.linalg.solve(system, right[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        found = np.full_like(right, np.inf)
        for index, (matrix, values) in enumerate(zip(system, right, strict=True)):
            try:
                found[index] = np.linalg.solve(matrix, values)
            except np.linalg.LinAlgError:
                continue
    regular = np.isfinite(found).all(axis=1)
    return np.where(regular[:, None], found, 0.0), regular


def _balanced(batch: Batch, active: _Active, points: _Points) -> BoolArray:
    """(d,) whether the equations hold to rounding: a nearly singular system says anything."""
    pull = points.slopes + np.where(
        active.bought, batch.fees + points.buys_price[:, None], -batch.fees
    )
    still = np.abs(pull) <= points.grain
    values = points.legs @ batch.limits.rows.T
    kept = (values <= batch.limits.row_upper + _CROSSED_MAX) & (
        values >= batch.limits.row_lower - _CROSSED_MAX
    )
    return np.asarray((still | (active.state != FREE)).all(axis=1) & kept.all(axis=1))


def _changed(before: _Active, after: _Active) -> BoolArray:
    return np.asarray(
        (before.state != after.state).any(axis=1)
        | (before.side != after.side).any(axis=1)
        | (before.turnover != after.turnover)
    )


def _revise(batch: Batch, active: _Active, points: _Points) -> None:
    """Pin what crossed a limit, release what is pulled away from it."""
    limits, before, grain = batch.limits, active.state.copy(), points.grain
    free, room = before == FREE, limits.upper - limits.lower > ROOM_MIN
    price = points.buys_price[:, None]
    pull = points.slopes + np.where(active.bought, batch.fees + price, -batch.fees)
    active.state[free & (points.legs < limits.lower - _CROSSED_MAX)] = LOWER
    active.state[free & (points.legs > limits.upper + _CROSSED_MAX)] = UPPER
    active.state[room & (before == LOWER) & (pull < -grain)] = FREE
    active.state[room & (before == UPPER) & (pull > grain)] = FREE
    _revise_kinks(batch, active, points, before)
    _revise_rows(batch, active, points)
    _revise_turnover(batch, active, points)


def _revise_kinks(batch: Batch, active: _Active, points: _Points, before: IntArray) -> None:
    limits, grain, slopes = batch.limits, points.grain, points.slopes
    kinked = kinked_legs(limits)
    sharp = kinked & (active.turnover[:, None] | (batch.fees > 0.0))
    free = sharp & (before == FREE)
    active.state[free & active.bought & (points.legs < limits.held - _CROSSED_MAX)] = HELD
    active.state[free & ~active.bought & (points.legs > limits.held + _CROSSED_MAX)] = HELD
    pinned = before == HELD
    sell = pinned & (slopes - batch.fees > grain)
    buy = pinned & (slopes + batch.fees + points.buys_price[:, None] < -grain)
    active.state[sell | buy] = FREE
    # A leg at a bound trades on that bound's side of its held weight.
    active.bought[sell | (kinked & (active.state == LOWER))] = False
    active.bought[buy | (kinked & (active.state == UPPER))] = True


def _revise_rows(batch: Batch, active: _Active, points: _Points) -> None:
    limits, before = batch.limits, active.side.copy()
    values, grain = points.legs @ limits.rows.T, points.grain.max(axis=1)[:, None]
    active.side[(before == 0) & (values > limits.row_upper + _CROSSED_MAX)] = 1
    active.side[(before == 0) & (values < limits.row_lower - _CROSSED_MAX)] = -1
    active.side[(before == 1) & (points.row_prices < -grain)] = 0
    active.side[(before == -1) & (points.row_prices > grain)] = 0


def _revise_turnover(batch: Batch, active: _Active, points: _Points) -> None:
    limits = batch.limits
    if limits.buys_max is None:
        return
    bought = np.maximum(points.legs - limits.held, 0.0).sum(axis=1)
    off = active.turnover & (points.buys_price < -points.grain.max(axis=1))
    on = ~active.turnover & (bought > limits.buys_max + _CROSSED_MAX)
    active.turnover[off], active.turnover[on] = False, True
    smooth = off[:, None] & (batch.fees == 0.0)
    active.state[smooth & (active.state == HELD)] = FREE
    above = always_bought(limits) | (points.legs > limits.held)
    active.bought = np.where(on[:, None], above, active.bought)
