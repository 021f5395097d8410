"""Whole lots: nothing overspent, limits kept, as near as lots allow."""

import itertools
from dataclasses import replace
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


@given(WEIGHTS, st.integers(0, 3))
def test_rounded_weights_hold_the_loosened_limits(shares, spare):
    weights = np.array(shares) / sum(shares)
    exact = problem(np.full(4, 0.25), high=float(weights.max()), cash=(0.0, 0.1 * spare))
    lots = tenths(4)
    found = in_lots(lots, weights, exact.weight_max, (), exact)
    room = float(np.floor(exact.weight_max[0] * 10 + ROUNDING) / 10)
    if 4 * room >= 0.9 - 0.1 * spare:  # else no whole lots are invested enough
        assert verify(loosened(exact, lots), found, 1.0 - float(found.sum())) == ()


def limited(held, turnover_max, *, cash=(0.0, 0.0), high=1.0, cash_held=None):
    exact = replace(problem(held, high=high, cash=cash), turnover_max=turnover_max)
    return exact if cash_held is None else replace(exact, held_cash=cash_held)


def turnover_of(exact, weights):
    cash = 1.0 - float(weights.sum())
    moved = np.abs(weights - exact.held).sum() + abs(cash - exact.held_cash)
    return 0.5 * float(moved + exact.held_elsewhere)


def test_sold_legs_are_rounded_toward_what_is_held_where_turnover_binds():
    weights = np.array([0.42, 0.32, 0.26])
    exact = limited([0.45, 0.35, 0.2], 0.06)  # which the target uses up
    free = in_lots(tenths(), weights, ONE)
    assert free.tolist() == pytest.approx([0.4, 0.3, 0.3], abs=ROUNDING)
    assert turnover_of(exact, free) > 0.09
    found = in_lots(tenths(), weights, ONE, (), exact)
    assert found.tolist() == pytest.approx([0.5, 0.3, 0.2], abs=ROUNDING)


def test_a_bought_leg_gives_where_there_is_no_money_to_sell_less():
    weights = np.array([0.43, 0.33, 0.1, 0.11])
    exact = limited([0.5, 0.4, 0.1, 0.0], 0.14, cash=(0.03, 0.2))
    free = in_lots(tenths(4), weights, np.ones(4))
    assert free.tolist() == pytest.approx([0.4, 0.3, 0.1, 0.1], abs=ROUNDING)
    found = in_lots(tenths(4), weights, np.ones(4), (), exact)
    assert found.tolist() == pytest.approx([0.5, 0.3, 0.1, 0.0], abs=ROUNDING)


def test_cash_above_its_limit_is_invested_within_the_other_limits():
    weights, upper = np.array([0.46, 0.34, 0.15]), np.array([0.46, 1.0, 1.0])
    free = in_lots(tenths(), weights, upper)
    assert free.tolist() == pytest.approx([0.4, 0.3, 0.2], abs=ROUNDING)  # 0.1 is left
    exact = limited([0.5, 0.3, 0.15], None, cash=(0.0, 0.05))
    found = in_lots(tenths(), weights, upper, (), exact)
    assert found.tolist() == pytest.approx([0.4, 0.4, 0.2], abs=ROUNDING)


def test_many_small_lots_make_up_for_a_large_one_at_once():
    lots = Lots(capital=1e6, sizes=np.array([4e5, 1e-3]))
    exact = limited([0.6, 0.4], None)
    weights, upper = np.array([0.6, 0.4]), np.array([0.7, 1.0])
    found = in_lots(lots, weights, upper, (), exact)
    assert found.tolist() == pytest.approx([0.4, 0.6], abs=ROUNDING)  # 2e8 lots more


def test_what_no_whole_lot_can_cure_is_told():
    exact = limited([0.25] * 4, None, high=0.25)
    found = in_lots(tenths(4), np.full(4, 0.25), exact.weight_max, (), exact)
    assert found.tolist() == pytest.approx([0.2] * 4, abs=ROUNDING)
    (complaint,) = verify(loosened(exact, tenths(4)), found, 1.0 - float(found.sum()))
    assert complaint.startswith("cash: ")


def neighbours(exact, lots, weights):
    """Every whole-lot allocation near a target that holds the limits; the long way."""
    near = np.floor(weights / lots.units + ROUNDING)
    for steps in itertools.product((-1.0, 0.0, 1.0), repeat=len(weights)):
        found = np.where(weights > 0.0, near + steps, near) * lots.units
        if (found >= 0.0).all():
            cash = 1.0 - float(found.sum())
            if not verify(loosened(exact, lots), found, cash):
                yield found


def test_where_lots_can_hold_turnover_and_cash_they_nearly_always_do():
    generator = np.random.default_rng(20_240_601)
    worlds, freely_broken, missed = 300, 0, 0
    for _ in range(worlds):
        before, target = generator.dirichlet(np.ones(4)), generator.dirichlet(np.ones(4))
        size, part = generator.integers(2, 13), generator.random()
        cash_max = float(generator.choice([0.0, 0.1, 0.3]))
        lots = Lots(capital=100.0, sizes=np.full(4, float(size)))
        weights = before + part * ((1.0 - cash_max) * target - before)
        exact = limited(before, None, cash=(0.0, cash_max))
        exact = replace(exact, turnover_max=turnover_of(exact, weights))
        free = in_lots(lots, weights, exact.weight_max)
        freely_broken += verify(loosened(exact, lots), free, 1.0 - float(free.sum())) != ()
        found = in_lots(lots, weights, exact.weight_max, (), exact)
        assert found / lots.units == pytest.approx(np.round(found / lots.units), abs=1e-6)
        if verify(loosened(exact, lots), found, 1.0 - float(found.sum())):
            missed += any(True for _ in neighbours(exact, lots, weights))
    assert freely_broken > worlds // 4
    assert missed <= worlds // 100  # one lot after another: a knapsack is not searched through


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
