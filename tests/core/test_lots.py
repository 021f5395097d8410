"""Whole lots: nothing overspent, limits kept, as near as lots allow."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.policy import Execution
from streams.core.lots import Lots, capital_of, in_lots, loosened, lots_of
from streams.core.optimize import verify
from tests.core.test_bands import problem

ROUNDING = 1e-9
ONE = np.ones(3)


def tenths(size=3):
    return Lots(capital=10.0, sizes=np.ones(size))


def test_the_largest_remainders_get_what_is_left():
    found = in_lots(tenths(), np.array([0.26, 0.27, 0.47]), ONE)
    assert found.tolist() == pytest.approx([0.2, 0.3, 0.5], abs=ROUNDING)


def test_a_leg_at_its_limit_gets_no_more():
    found = in_lots(tenths(), np.array([0.38, 0.37, 0.25]), np.array([0.38, 1.0, 1.0]))
    assert found.tolist() == pytest.approx([0.3, 0.4, 0.3], abs=ROUNDING)


def test_a_group_at_its_limit_gets_no_more():
    row = (np.array([1.0, 1.0, 0.0]), 0.75)
    found = in_lots(tenths(), np.array([0.38, 0.37, 0.25]), ONE, (row,))
    assert found.tolist() == pytest.approx([0.4, 0.3, 0.3], abs=ROUNDING)


def test_lots_of_different_sizes_and_none_at_all():
    lots = Lots(capital=100.0, sizes=np.array([30.0, 5.0, 0.0]))
    found = in_lots(lots, np.array([0.62, 0.2, 0.18]), ONE)
    assert found.tolist() == pytest.approx([0.6, 0.2, 0.18], abs=ROUNDING)


def test_a_multiple_of_the_lot_is_one_whatever_rounding_did_to_it():
    found = in_lots(tenths(), np.array([0.1 + 0.2, 0.7 - 1e-17, 0.0]), ONE)
    assert found.tolist() == pytest.approx([0.3, 0.7, 0.0], abs=ROUNDING)


WEIGHTS = st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4).filter(lambda w: sum(w) > 0.2)


@given(WEIGHTS, st.lists(st.integers(1, 40), min_size=4, max_size=4))
def test_nothing_is_overspent_and_no_leg_is_a_lot_away(shares, sizes):
    weights = np.array(shares) / sum(shares)
    lots = Lots(capital=400.0, sizes=np.array(sizes, dtype=float))
    found = in_lots(lots, weights, np.ones(4))
    counts = [round(w * 400 / size) for w, size in zip(found.tolist(), sizes, strict=True)]
    money = [Fraction(count * size) for count, size in zip(counts, sizes, strict=True)]
    assert sum(money) <= 400  # in whole money, so that no rounding hides an overspending
    assert found == pytest.approx([float(m / 400) for m in money], abs=ROUNDING)
    assert (np.abs(found - weights) < lots.units + ROUNDING).all()
    left = 1.0 - found.sum()
    short = weights - found > ROUNDING
    assert not (short & (lots.units <= left - ROUNDING)).any()  # no lot that would fit is left


@given(WEIGHTS)
def test_rounded_weights_hold_the_loosened_limits(shares):
    weights = np.array(shares) / sum(shares)
    exact = problem(np.full(4, 0.25), high=float(weights.max()))
    lots = tenths(4)
    found = in_lots(lots, weights, exact.weight_max)
    assert verify(loosened(exact, lots), found, 1.0 - float(found.sum())) == ()


def test_capital_follows_nav_unless_it_is_fixed():
    assert capital_of(Execution(capital=1e6), 1.2) == 1.2e6
    assert capital_of(Execution(capital=1e6, compounding="fixed"), 1.2) == 1e6
    assert capital_of(Execution(), 1.2) is None
    assert capital_of(Execution(capital=1e6), 0.0) is None
    beyond = capital_of(Execution(capital=1e18), float(np.finfo(np.float64).max))
    assert round(beyond / 1e-9) > 0  # whole lots of it can be counted


def test_each_strategy_may_have_a_lot_of_its_own():
    found = lots_of(Execution(capital=1e4, lot=100.0, lots={"b": 250.0}), ("a", "b"), 2.0)
    assert found.sizes.tolist() == [100.0, 250.0]
    assert found.units.tolist() == [0.005, 0.0125]
    assert lots_of(Execution(capital=1e4), ("a", "b"), 1.0) is None
