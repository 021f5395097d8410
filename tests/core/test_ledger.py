"""Ledger arithmetic, by hand and by identities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.costs import CostModel, linear_costs
from streams.core.image import decode_image, encode_image
from streams.core.ledger import Ledger, Order, turnover

NAN = float("nan")
ROUNDING = 1e-12  # a hundred operations on numbers near 1, each rounded by 1e-16


def bar(ledger, number, returns, rate=0.0, bps=0.0, adjustment=0.0):
    return ledger.advance(number, np.array(returns), rate, bps, adjustment)


def test_a_fill_is_before_the_returns_of_its_bar_and_pays_its_cost():
    ledger = Ledger(2)
    ledger.fill_later(1, np.array([0.6, 0.3]), 0.1)
    result = bar(ledger, 1, [0.10, -0.05], rate=0.01, bps=20)
    # cost 20 bp of 0.9; gross .6*.1 - .3*.05 + .1*.01 = 0.046; turnover (0.9 + 0.9) / 2
    assert result.cost == pytest.approx(0.0018, abs=ROUNDING)
    assert result.return_gross == pytest.approx(0.046, abs=ROUNDING)
    assert result.return_net == pytest.approx(0.9982 * 1.046 - 1, abs=ROUNDING)
    assert result.turnover == pytest.approx(0.9, abs=ROUNDING)
    assert ledger.nav == pytest.approx(0.9982 * 1.046, abs=ROUNDING)
    drifted = [0.66 / 1.046, 0.285 / 1.046, 0.101 / 1.046]
    assert [*ledger.held.tolist(), ledger.cash] == pytest.approx(drifted, abs=ROUNDING)


def test_a_fill_of_a_later_bar_waits():
    ledger = Ledger(1)
    ledger.fill_later(2, np.array([1.0]), 0.0)
    assert bar(ledger, 1, [0.5]).return_gross == 0.0
    assert bar(ledger, 2, [0.5]).return_gross == 0.5


def test_several_fills_of_one_bar_each_cost():
    ledger = Ledger(1)
    ledger.fill_later(1, np.array([1.0]), 0.0)
    ledger.fill_later(1, np.array([0.5]), 0.5)
    result = bar(ledger, 1, [0.0], bps=100)
    assert result.cost == pytest.approx(1 - 0.99 * 0.995, abs=ROUNDING)
    assert result.turnover == pytest.approx(1.5, abs=ROUNDING)
    assert ledger.held.tolist() == [0.5]


def test_what_a_new_decision_changes_is_the_last_fill_ordered_else_what_is_held():
    ledger = Ledger(1)
    ledger.start_with(np.array([0.25]))
    assert (ledger.coming()[0].tolist(), ledger.coming()[1]) == ([0.25], 0.75)
    ledger.fill_later(1, np.array([1.0]), 0.0)
    ledger.fill_later(2, np.array([0.5]), 0.5)
    assert (ledger.coming()[0].tolist(), ledger.coming()[1]) == ([0.5], 0.5)


def test_a_missing_return_contributes_nothing_and_lowers_coverage():
    ledger = Ledger(3)
    ledger.start_with(np.array([0.5, 0.3, 0.0]))
    result = bar(ledger, 1, [0.1, NAN, NAN])
    assert result.coverage == pytest.approx(0.5 / 0.8, abs=ROUNDING)
    assert result.contribution.tolist() == pytest.approx([0.05, 0.0, 0.0], abs=ROUNDING)


def test_all_in_cash_is_covered():
    assert bar(Ledger(1), 1, [NAN]).coverage == 1.0


def test_drawdown_counts_from_a_high_that_includes_the_start():
    ledger = Ledger(1)
    ledger.start_with(np.array([1.0]))
    bar(ledger, 1, [-0.1])
    assert ledger.drawdown == pytest.approx(-0.1, abs=ROUNDING)
    bar(ledger, 2, [0.5])
    assert ledger.drawdown == 0.0


def test_wiped_out_means_nothing_is_held_any_more():
    ledger = Ledger(1)
    ledger.start_with(np.array([1.0]))
    assert bar(ledger, 1, [-1.0]).return_net == -1.0
    assert (ledger.nav, ledger.drawdown, ledger.held.tolist(), ledger.cash) == (0.0, -1, [0.0], 1.0)
    bar(ledger, 2, [0.5])
    assert ledger.nav == 0.0


def test_a_short_position_cannot_make_the_nav_negative():
    ledger = Ledger(2)
    ledger.start_with(np.array([-1.0, 2.0]))
    bar(ledger, 1, [3.0, 0.0])
    assert (ledger.nav, ledger.drawdown) == (0.0, -1.0)


def test_an_adjustment_moves_the_nav_and_no_return():
    ledger = Ledger(1)
    result = bar(ledger, 1, [0.0], adjustment=0.02)
    assert (result.return_net, ledger.nav) == (0.0, 1.02)


def test_turnover_and_cost_count_cash_once_and_never():
    before, after = np.array([0.5, 0.5]), np.array([0.2, 0.6])
    assert turnover(before, 0.0, after, 0.2) == pytest.approx(0.3, abs=ROUNDING)
    assert linear_costs(10.0).of(before, after).total == pytest.approx(0.4e-3, abs=ROUNDING)


def test_columns_move_with_their_weights():
    ledger = Ledger(2)
    ledger.start_with(np.array([0.7, 0.3]))
    ledger.fill_later(1, np.array([0.1, 0.9]), 0.0)
    ledger.select(np.array([1, -1, 0]))
    assert ledger.held.tolist() == ledger.target.tolist() == [0.3, 0.0, 0.7]
    assert ledger.fills[0].weights.tolist() == [0.9, 0.0, 0.1]


RETURNS = st.lists(st.tuples(*[st.floats(-0.2, 0.2)] * 3), min_size=1, max_size=20)


@given(RETURNS, st.floats(0.0, 50.0))
def test_weights_and_cash_sum_to_one_after_every_drift_and_nav_compounds(returns, bps):
    ledger, nav = Ledger(3), 1.0
    for number, row in enumerate(returns, 1):
        if number % 3 == 1:
            ledger.fill_later(number, np.array([0.2, 0.5, 0.1]), 0.2)
        result = bar(ledger, number, row, rate=0.0002, bps=bps)
        assert ledger.held.sum() + ledger.cash == pytest.approx(1.0, abs=ROUNDING)
        assert result.return_net == pytest.approx(
            (1 - result.cost) * (1 + result.return_gross) - 1, abs=ROUNDING
        )
        nav *= 1 + result.return_net
        assert ledger.nav == pytest.approx(nav, rel=ROUNDING)
        assert ledger.drawdown <= 0.0


@given(RETURNS)
def test_money_and_weights_tell_the_same_story(returns):
    """Unit accounting: buy once, let each position grow; the NAV is the sum."""
    ledger, positions = Ledger(3), np.array([0.2, 0.5, 0.1, 0.2])
    ledger.start_with(positions[:3])
    for number, row in enumerate(returns, 1):
        bar(ledger, number, row)
        positions = positions * (1 + np.array([*row, 0.0]))
        assert ledger.nav == pytest.approx(positions.sum(), rel=ROUNDING)
        assert ledger.held.tolist() == pytest.approx(
            (positions / positions.sum())[:3].tolist(), abs=ROUNDING
        )


def test_a_ledger_put_back_is_the_same():
    ledger = Ledger(2)
    ledger.fill_later(1, np.array([0.7, 0.3]), 0.0)
    bar(ledger, 1, [0.1, NAN])
    ledger.aim(np.array([0.5, 0.5]), 0.0)
    ledger.fill_later(3, np.array([0.5, 0.5]), 0.0)
    state = encode_image(ledger.to_state())
    assert encode_image(Ledger.from_state(decode_image(state)).to_state()) == state


# --------------------------------------------------------------------------- reported fills


def order(version, weight, multiplier=1.0, expires_ns=100):
    return Order(version, multiplier, expires_ns, np.array([weight]), 1.0 - weight)


def test_what_was_ordered_is_coming_until_it_is_filled_or_never_will_be():
    ledger = Ledger(1)
    ledger.order(order(1, 0.8))
    ledger.order(order(2, 0.4, multiplier=0.5))
    assert (ledger.coming()[0].tolist(), ledger.coming_multiplier) == ([0.4], 0.5)
    ledger.conclude(1, filled=True)
    assert (ledger.coming()[0].tolist(), ledger.moving) == ([0.4], True)
    ledger.conclude(2, filled=False)
    assert (ledger.coming()[0].tolist(), ledger.coming_multiplier, ledger.moving) == (
        [0.0],
        1.0,
        False,
    )


def test_a_filled_order_takes_along_those_it_superseded_and_leaves_its_multiplier():
    ledger = Ledger(1)
    ledger.order(order(1, 0.8))
    ledger.order(order(2, 0.4, multiplier=0.5))
    ledger.conclude(2, filled=True)
    assert (ledger.orders, ledger.coming_multiplier) == ([], 0.5)


def test_an_order_is_forgotten_when_nobody_may_carry_it_out_any_more():
    ledger = Ledger(1)
    ledger.order(order(1, 0.8, expires_ns=100))
    ledger.forget_expired(99)
    assert ledger.ordered(1) is not None
    ledger.forget_expired(100)
    assert not ledger.moving


def test_a_fill_may_bring_its_own_costs():
    ledger = Ledger(2)
    costs = CostModel(linear=1e-3, impact=np.array([0.02, 0.0]), ticket=1e-4)
    ledger.fill_later(1, np.array([0.25, 0.5]), 0.25, costs)
    # 0.75 at 10 bp, impact 0.02 of a quarter to the power 1.5, two tickets
    assert bar(ledger, 1, [0.0, 0.0], bps=7).cost == pytest.approx(
        7.5e-4 + 0.02 * 0.125 + 2e-4, abs=ROUNDING
    )


def test_orders_and_the_costs_of_fills_are_put_back_too():
    ledger = Ledger(2)
    costs = CostModel(linear=1e-3, impact=np.array([0.02, 0.0]), ticket=1e-4)
    ledger.fill_later(3, np.array([0.25, 0.5]), 0.25, costs)
    ledger.order(Order(4, 0.5, 77, np.array([0.1, 0.2]), 0.7))
    ledger.select(np.array([1, -1, 0]))
    assert ledger.orders[0].weights.tolist() == [0.2, 0.0, 0.1]
    assert ledger.fills[0].costs.impact.tolist() == [0.0, 0.0, 0.02]
    state = encode_image(ledger.to_state())
    assert encode_image(Ledger.from_state(decode_image(state)).to_state()) == state
