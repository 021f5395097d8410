"""From a solution to ten digits to the exact one: guess what is active, solve the equations, check.

Once the active bounds and rows are known, the optimum of a quadratic program is the solution of a
linear system (Nocedal and Wright, Numerical Optimization, 16.1). The guess comes from an
interior-point method; a wrong guess shows as a bound crossed or a multiplier of the wrong sign, is
corrected, and the system solved again (a primal-dual active-set iteration). A result is returned
only when the optimality conditions hold, and for a convex program they are sufficient.
"""

from dataclasses import dataclass

import numpy as np

from streams.core.arrays import BoolArray, FloatArray, IntArray
from streams.core.optimize.quadratic import Point, Quadratic, pull_of

FREE, LOWER, UPPER, HELD = 0, 1, 2, 3

# Corrections of the guess before it is given up; from a solution good to 1e-10 one to three do.
_ROUNDS_MAX = 60
# From this round on one correction at a time, the first: slower, but it does not cycle (Murty's
# least-index rule).
_ROUNDS_TOGETHER = 8
# Weights are sent in units of 1e-10: a limit crossed by less than this cannot be seen.
_CROSSED_MAX = 1e-12
# Wrong sign of a derivative, relative to the terms it is summed from, that is still rounding.
_GRAIN = 1e-12
# And at all: the optimum is of size 1, where nothing pulls harder the point is as good as any.
_GRAIN_MIN = 1e-13
# Added to a singular system, relative to coefficients of size 1; refinement takes its effect out.
_RIDGE = 1e-9
_REFINEMENTS = 8
# The guess is near the solution. A longer step means a singular system.
_STEP_MAX = 1e-2


@dataclass(slots=True, kw_only=True, eq=False)
class Guess:
    """Which limits are active; corrected in place.

    Parameters
    ----------
    legs : FloatArray
        (n,) the point so far.
    row_prices, buys_price : FloatArray, float
        (m,) and scalar, multipliers so far.
    state : IntArray
        (n,) FREE, LOWER, UPPER or HELD.
    bought : BoolArray
        (n,) the leg counts as a buy.
    row_side : IntArray
        (m,) 1 at the upper side, −1 at the lower, 0 not active; 2 an equality.
    turnover : bool
        Whether the bound on buys is active.
    """

    legs: FloatArray
    row_prices: FloatArray
    buys_price: float
    state: IntArray
    bought: BoolArray
    row_side: IntArray
    turnover: bool


def polish(quadratic: Quadratic, guess: Guess) -> Point | None:
    """Solve the optimality conditions for the guessed active set, correcting it as needed.

    Parameters
    ----------
    quadratic : Quadratic
        n legs, m rows.
    guess : Guess
        A near-solution; changed in place.

    Returns
    -------
    Point or None
        The optimum to rounding, or None when the iteration did not settle.
    """
    for taken in range(_ROUNDS_MAX):
        if not _newton(quadratic, guess):
            return None
        slopes, grain = _slopes(quadratic, guess), _grain(quadratic, guess)
        settled = _settled(quadratic, guess, slopes, grain)
        single = taken >= _ROUNDS_TOGETHER
        if not _revise(quadratic, guess, slopes, grain, single=single) and settled:
            return _point(quadratic, guess)
    return None


def _revise(
    quadratic: Quadratic,
    guess: Guess,
    slopes: FloatArray,
    grain: FloatArray,
    *,
    single: bool,
) -> bool:
    """Correct the guess where the solution contradicts it; True where it did."""
    state, bought = guess.state.copy(), guess.bought.copy()
    side, turnover = guess.row_side.copy(), guess.turnover
    _revise_legs(quadratic, guess, slopes, grain)
    moved = bool((state != guess.state).any())
    if single and moved:
        _first_only((state, bought), guess)
        return True
    largest = float(grain.max())
    _revise_rows(quadratic, guess, largest)
    _revise_turnover(quadratic, guess, largest)
    return moved or turnover != guess.turnover or bool((side != guess.row_side).any())


def _point(quadratic: Quadratic, guess: Guess) -> Point:
    legs = np.clip(guess.legs, quadratic.lower, quadratic.upper)
    buys_price = max(guess.buys_price, 0.0) if guess.turnover else 0.0
    return Point(
        legs=legs,
        row_prices=guess.row_prices,
        buys_price=buys_price,
        pull=pull_of(quadratic, legs, guess.row_prices, buys_price),
    )


def _newton(quadratic: Quadratic, guess: Guess) -> bool:
    """Step to the solution of the equations; False where there is none."""
    _pin(quadratic, guess)
    free = guess.state == FREE
    active = np.flatnonzero(guess.row_side)
    matrix, target, prices = _equations(quadratic, guess, active)
    slopes = matrix[:, free]
    gradient = quadratic.hessian[free] @ guess.legs + quadratic.gradient[free]
    left = np.concatenate([-(gradient + prices @ slopes), target - matrix @ guess.legs])
    step = _solve(quadratic.hessian[free][:, free], slopes, left)
    if not np.isfinite(step).all():
        return False
    count = int(free.sum())
    guess.legs[free] += step[:count]
    prices = prices + step[count:]
    guess.row_prices = np.zeros(len(quadratic.rows))
    guess.row_prices[active] = prices[: len(active)]
    guess.buys_price = float(prices[-1]) if guess.turnover else 0.0
    return True


def _pin(quadratic: Quadratic, guess: Guess) -> None:
    for state, values in (
        (LOWER, quadratic.lower),
        (UPPER, quadratic.upper),
        (HELD, quadratic.held),
    ):
        np.copyto(guess.legs, values, where=guess.state == state)


def _equations(
    quadratic: Quadratic, guess: Guess, active: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Active rows, turnover last: coefficients (k, n), values (k,), multipliers so far (k,)."""
    matrix = quadratic.rows[active]
    target = np.where(
        guess.row_side[active] < 0, quadratic.row_lower[active], quadratic.row_upper[active]
    )
    prices = guess.row_prices[active]
    if guess.turnover:
        assert quadratic.buys_max is not None
        counted = guess.bought & (guess.state != HELD)
        matrix = np.vstack([matrix, counted])
        target = np.append(target, quadratic.buys_max + float(quadratic.held[counted].sum()))
        prices = np.append(prices, guess.buys_price)
    return matrix, target, prices


def _solve(curvature: FloatArray, slopes: FloatArray, right: FloatArray) -> FloatArray:
    """Solve [[C, S'], [S, 0]] z = right; for a singular system the step is kept short."""
    free, rows = len(curvature), len(slopes)
    system = np.zeros((free + rows, free + rows))
    system[:free, :free] = curvature
    system[:free, free:] = slopes.T
    system[free:, :free] = slopes
    nowhere = np.full_like(right, np.inf)
    try:
        step = np.asarray(np.linalg.solve(system, right), dtype=np.float64)
    except np.linalg.LinAlgError:
        step = nowhere
    if np.isfinite(step).all() and float(np.abs(step[:free]).max(initial=0.0)) <= _STEP_MAX:
        return step
    ridge = np.full(free + rows, _RIDGE)
    ridge[free:] *= -1.0
    try:
        inverse = np.asarray(np.linalg.inv(system + np.diag(ridge)), dtype=np.float64)
    except np.linalg.LinAlgError:
        return nowhere
    step = inverse @ right
    for _ in range(_REFINEMENTS):
        step += inverse @ (right - system @ step)
    return step


def _slopes(quadratic: Quadratic, guess: Guess) -> FloatArray:
    """Give the derivative of the Lagrangian without turnover, by leg."""
    return quadratic.hessian @ guess.legs + quadratic.gradient + guess.row_prices @ quadratic.rows


def _grain(quadratic: Quadratic, guess: Guess) -> FloatArray:
    """Estimate the rounding in a leg's derivative: a share of the terms it is summed from."""
    deviation = np.sqrt(quadratic.hessian.diagonal())  # |Hᵢⱼ| ≤ dᵢdⱼ for a semidefinite H
    terms = deviation * float(deviation @ np.abs(guess.legs)) + np.abs(quadratic.gradient)
    prices = float(np.abs(guess.row_prices).max(initial=0.0)) + abs(guess.buys_price)
    return _GRAIN * (terms + prices) + _GRAIN_MIN


def _settled(quadratic: Quadratic, guess: Guess, slopes: FloatArray, grain: FloatArray) -> bool:
    """Whether the equations hold to rounding."""
    price = guess.buys_price if guess.turnover else 0.0
    pull = slopes + price * guess.bought
    matrix, target, _ = _equations(quadratic, guess, np.flatnonzero(guess.row_side))
    missed = np.abs(target - matrix @ guess.legs)
    return bool(np.all(np.abs(pull) <= grain, where=guess.state == FREE)) and bool(
        np.all(missed <= _CROSSED_MAX)
    )


def _revise_legs(quadratic: Quadratic, guess: Guess, slopes: FloatArray, grain: FloatArray) -> None:
    """Pin what crossed a bound, release what is pulled away from its pin."""
    before, legs = guess.state.copy(), guess.legs
    pull = slopes + (guess.buys_price if guess.turnover else 0.0) * guess.bought
    free = before == FREE
    guess.state[free & (legs < quadratic.lower - _CROSSED_MAX)] = LOWER
    guess.state[free & (legs > quadratic.upper + _CROSSED_MAX)] = UPPER
    guess.state[(before == LOWER) & (pull < -grain)] = FREE
    guess.state[(before == UPPER) & (pull > grain)] = FREE
    if guess.turnover:
        _revise_kinks(quadratic, guess, before, slopes, grain)


def _revise_kinks(
    quadratic: Quadratic,
    guess: Guess,
    before: IntArray,
    slopes: FloatArray,
    grain: FloatArray,
) -> None:
    legs, held = guess.legs, quadratic.held
    kinked = (held > quadratic.lower) & (held < quadratic.upper)
    free = kinked & (before == FREE)
    guess.state[free & guess.bought & (legs < held - _CROSSED_MAX)] = HELD
    guess.state[free & ~guess.bought & (legs > held + _CROSSED_MAX)] = HELD
    pinned = before == HELD
    sell = pinned & (slopes > grain)
    buy = pinned & (slopes < -guess.buys_price - grain)
    guess.state[sell | buy] = FREE
    guess.bought[sell] = False
    guess.bought[buy] = True
    # A leg at a bound trades on that bound's side of its held weight.
    guess.bought[kinked & (guess.state == LOWER)] = False
    guess.bought[kinked & (guess.state == UPPER)] = True


def _revise_rows(quadratic: Quadratic, guess: Guess, grain: float) -> None:
    before = guess.row_side.copy()
    values = quadratic.rows @ guess.legs
    inactive = before == 0
    guess.row_side[inactive & (values > quadratic.row_upper + _CROSSED_MAX)] = 1
    guess.row_side[inactive & (values < quadratic.row_lower - _CROSSED_MAX)] = -1
    guess.row_side[(before == 1) & (guess.row_prices < -grain)] = 0
    guess.row_side[(before == -1) & (guess.row_prices > grain)] = 0


def _revise_turnover(quadratic: Quadratic, guess: Guess, grain: float) -> None:
    if quadratic.buys_max is None:
        return
    if guess.turnover and guess.buys_price < -grain:
        guess.turnover = False
        guess.state[guess.state == HELD] = FREE
    elif not guess.turnover and quadratic.buys(guess.legs) > quadratic.buys_max + _CROSSED_MAX:
        guess.turnover = True
        guess.bought = guess.legs > quadratic.held
        guess.bought |= quadratic.held <= quadratic.lower


def _first_only(before: tuple[IntArray, BoolArray], guess: Guess) -> None:
    """Keep the first leg's correction and take the others back."""
    state, bought = before
    different = np.flatnonzero(state != guess.state)
    first = different[0]
    keep_state, keep_bought = guess.state[first], guess.bought[first]
    guess.state, guess.bought = state, bought
    guess.state[first], guess.bought[first] = keep_state, keep_bought
