import numpy as np
import pytest

from streams.core.optimize import GroupLimit, solve
from streams.core.optimize import polish as steps
from streams.core.optimize.polish import FREE, LOWER, UPPER, Guess, polish
from streams.core.optimize.quadratic import quadratic_of
from streams.core.optimize.standard import always_bought
from tests.core.optimize.problems import moments, plain


def guess(quadratic, state, turnover=False):
    legs = np.clip(np.full(len(state), 1.0 / len(state)), quadratic.lower, quadratic.upper)
    side = np.zeros(len(quadratic.rows), dtype=np.int64)
    side[0] = 2
    return Guess(
        legs=legs,
        row_prices=np.zeros(len(quadratic.rows)),
        buys_price=0.0,
        state=np.array(state),
        bought=always_bought(quadratic),
        row_side=side,
        turnover=turnover,
    )


def canonical(**changes):
    cov = np.diag([0.01, 0.02, 0.04])
    return quadratic_of(plain(cov, **changes))[0]


# Weights ∝ 1/variance: 4/7, 2/7, 1/7; the last leg is cash, which must be 0.
INVERSE = [4 / 7, 2 / 7, 1 / 7, 0.0]


@pytest.mark.parametrize("first", [FREE, LOWER, UPPER])
@pytest.mark.parametrize("second", [FREE, LOWER, UPPER])
def test_any_wrong_guess_of_bounds_is_corrected(first, second):
    quadratic = canonical()
    point = polish(quadratic, guess(quadratic, [first, second, FREE, LOWER]))
    assert point is not None
    assert point.legs.tolist() == pytest.approx(INVERSE, abs=1e-15)
    assert np.abs(point.pull[:3]).max() <= 1e-13


def test_a_row_that_is_crossed_becomes_active_and_one_with_the_wrong_sign_is_dropped():
    limit = GroupLimit(
        key="families.a", members=np.array([True, False, False]), minimum=-np.inf, maximum=0.5
    )
    quadratic = canonical(groups=(limit,))
    point = polish(quadratic, guess(quadratic, [FREE, FREE, FREE, LOWER]))
    assert point is not None
    # The half that is left splits 2 : 1.
    assert point.legs.tolist() == pytest.approx([0.5, 1 / 3, 1 / 6, 0.0], abs=1e-15)
    assert point.row_prices[1] > 0.0

    loose = canonical(
        groups=(GroupLimit(key="families.a", members=limit.members, minimum=-np.inf, maximum=0.9),)
    )
    wrong = guess(loose, [FREE, FREE, FREE, LOWER])
    wrong.row_side[1] = 1
    point = polish(loose, wrong)
    assert point is not None
    assert point.legs.tolist() == pytest.approx(INVERSE, abs=1e-15)
    assert point.row_prices[1] == 0.0


@pytest.mark.parametrize("active", [False, True])
def test_turnover_is_switched_on_and_off_as_needed(active):
    held = np.array([0.2, 0.3, 0.5])
    tight = canonical(held=held, held_cash=0.0, turnover_max=0.1)
    point = polish(tight, guess(tight, [FREE, FREE, FREE, LOWER], turnover=active))
    assert point is not None
    assert tight.buys(point.legs) == pytest.approx(0.1, abs=1e-14)
    assert point.buys_price > 0.0
    # Variance falls fastest from the third name to the first.
    assert point.legs.tolist() == pytest.approx([0.3, 0.3, 0.4, 0.0], abs=1e-14)

    loose = canonical(held=held, held_cash=0.0, turnover_max=0.9)
    point = polish(loose, guess(loose, [FREE, FREE, FREE, LOWER], turnover=active))
    assert point is not None
    assert point.legs.tolist() == pytest.approx(INVERSE, abs=1e-14)
    assert point.buys_price == 0.0


@pytest.mark.parametrize("seed", range(20))
def test_the_optimality_conditions_hold_to_rounding_from_a_cold_start(seed):
    rng = np.random.default_rng(seed)
    mean, cov = moments(rng, 12, spread=False)
    quadratic, _ = quadratic_of(plain(cov, mean, weight_max=np.full(12, 0.3), risk_aversion=20.0))
    point = polish(quadratic, guess(quadratic, [FREE] * 12 + [LOWER]))
    assert point is not None
    legs = point.legs
    slope = quadratic.hessian @ legs + quadratic.gradient + point.row_prices @ quadratic.rows
    inside = (legs > quadratic.lower) & (legs < quadratic.upper)
    rounding = 1e-11 * float(np.abs(quadratic.hessian).max() + 1.0)
    assert np.all(np.abs(slope[inside]) <= rounding)
    # Cash, the last leg, is fixed and may be pulled either way.
    assert np.all(slope[:-1][legs[:-1] == quadratic.lower[:-1]] >= -rounding)
    assert np.all(slope[:-1][legs[:-1] == quadratic.upper[:-1]] <= rounding)
    assert float(legs.sum()) == pytest.approx(1.0, abs=1e-13)


def test_what_cannot_be_met_is_given_up():
    quadratic = canonical(weight_max=np.full(3, 0.2))
    assert polish(quadratic, guess(quadratic, [FREE] * 3 + [LOWER])) is None


def test_a_start_that_is_not_a_number_is_given_up():
    quadratic = canonical()
    start = guess(quadratic, [FREE] * 3 + [LOWER])
    start.legs[0] = np.nan
    assert polish(quadratic, start) is None


@pytest.mark.parametrize("seed", [87, 278])
def test_corrections_that_cycle_are_made_one_at_a_time(seed, monkeypatch):
    _, cov = moments(np.random.default_rng(seed), 12, bars=16)
    problem = plain(cov, weight_min=np.full(12, -0.2), weight_max=np.full(12, 0.4), long_only=False)
    quadratic, _ = quadratic_of(problem)
    start = [FREE] * 12 + [LOWER]
    point = polish(quadratic, guess(quadratic, start))
    assert point is not None
    assert np.allclose(point.legs[:-1], solve(problem).weights, rtol=0, atol=1e-12)
    # All at a time, these two go round for ever.
    monkeypatch.setattr(steps, "_ROUNDS_TOGETHER", steps._ROUNDS_MAX)
    assert polish(quadratic, guess(quadratic, start)) is None


def test_a_system_that_stays_singular_gives_no_step():
    ridge = steps._RIDGE
    step = steps._solve(np.array([[-ridge]]), np.zeros((0, 1)), np.ones(1))
    assert np.isinf(step).all()
