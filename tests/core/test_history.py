"""Revised returns, booked at today's NAV by what was held then."""

import numpy as np
import pytest

from streams.core.history import History

NAN = float("nan")


def remembered(capacity=3, bars=4):
    history = History(capacity)
    for day in range(1, bars + 1):
        history.push(day, np.array([0.1 * day, 0.5]), 0.01 * day)
    return history


def test_only_the_last_bars_are_remembered():
    history = remembered()
    assert [history.bars_ago(day) for day in (1, 2, 3, 4, 5)] == [None, 2, 1, 0, None]


def test_a_revision_is_worth_the_weight_held_then_times_the_change_over_that_bar_s_growth():
    # bar 2 had weight 0.2 and gross 2 %: 0.2 (0.08 - 0.03) / 1.02
    assert remembered().revise(2, 0, 0.03, 0.08) == pytest.approx(0.2 * 0.05 / 1.02, rel=1e-14)


def test_a_value_that_was_missing_had_counted_as_nothing():
    assert remembered().revise(0, 1, NAN, 0.02) == pytest.approx(0.5 * 0.02 / 1.04, rel=1e-14)


def test_two_revisions_compound_to_the_bar_s_return_with_both():
    history = remembered()
    both = (1 + history.revise(2, 0, 0.0, 0.1)) * (1 + history.revise(2, 1, 0.0, 0.1))
    assert both == pytest.approx((1.02 + 0.2 * 0.1 + 0.5 * 0.1) / 1.02, rel=1e-14)


def test_a_bar_that_wiped_everything_out_takes_no_revision():
    history = History(2)
    history.push(1, np.array([1.0]), -1.0)
    assert history.revise(0, 0, -1.0, 0.0) == 0.0


def test_columns_move_with_their_weights():
    history = remembered()
    history.select(np.array([1, -1, 0]))
    assert history.revise(0, 1, 0.0, 0.5) == 0.0
    assert history.revise(0, 0, 0.0, 0.5) == pytest.approx(0.25 / 1.04, rel=1e-14)


def test_a_smaller_capacity_forgets_and_a_larger_one_remembers_more_from_now_on():
    history = remembered()
    history.resize(1)
    assert [history.bars_ago(day) for day in (3, 4)] == [None, 0]
    history.resize(2)
    history.push(5, np.array([0.0, 0.0]), 0.0)
    assert [history.bars_ago(day) for day in (3, 4, 5)] == [None, 1, 0]


def test_a_history_put_back_is_the_same():
    history = remembered()
    other = History.from_state(history.to_state())
    for each in (history, other):
        each.push(9, np.array([0.3, 0.3]), 0.0)
    assert str(other.to_state()) == str(history.to_state())
    assert History.from_state(History(3).to_state()).bars_ago(1) is None
