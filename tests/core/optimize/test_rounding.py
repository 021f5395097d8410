import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.optimize import round_weights

shares = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=40).filter(lambda s: sum(s) > 1e-3)


def normalised(raw):
    legs = np.array(raw) / np.sum(raw)
    return legs[:-1], float(legs[-1])


@given(shares, st.integers(2, 12))
def test_rounded_weights_are_whole_units_that_sum_to_exactly_one(raw, digits):
    weights, cash = round_weights(*normalised(raw), digits)
    units = [round(leg * 10**digits) for leg in [*weights.tolist(), cash]]
    assert sum(units) == 10**digits
    # A unit count divided by the power of ten is the double nearest to that decimal.
    assert [*weights.tolist(), cash] == [float(f"{unit}e-{digits}") for unit in units]


@given(shares)
def test_rounding_moves_no_leg_by_more_than_half_a_unit_but_the_largest(raw):
    weights, cash = normalised(raw)
    legs = np.append(weights, cash)
    rounded = np.append(*round_weights(weights, cash))
    moved = np.abs(rounded - legs)
    largest = int(np.argmax(np.rint(legs * 1e10)))
    # Half a unit, plus the rounding of the doubles compared.
    assert np.delete(moved, largest).max() <= 0.5e-10 + 1e-16
    assert moved[largest] <= 0.5e-10 * len(legs) + 1e-16


@given(shares)
def test_rounding_twice_changes_nothing(raw):
    once = round_weights(*normalised(raw))
    twice = round_weights(*once)
    assert once[0].tobytes() == twice[0].tobytes()
    assert once[1] == twice[1]


def test_there_is_no_negative_zero():
    weights, cash = round_weights(np.array([-1e-15, -0.0, 1.0]), -0.0)
    assert [math.copysign(1.0, leg) for leg in [*weights, cash]] == [1.0] * 4


def test_what_is_left_goes_to_cash_where_cash_is_largest():
    weights, cash = round_weights(np.full(3, 1.0 / 9.0), 2.0 / 3.0)
    assert weights.tolist() == [0.1111111111] * 3
    assert cash == 0.6666666667


def test_the_first_of_equals_takes_what_is_left():
    weights, cash = round_weights(np.full(3, 1.0 / 3.0), 0.0)
    assert weights.tolist() == [0.3333333334, 0.3333333333, 0.3333333333]
    assert cash == 0.0


def test_the_largest_in_size_may_be_short():
    weights, _ = round_weights(np.array([-2.0 / 3.0, 1.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0]), 0.0)
    assert weights.tolist() == [-0.6666666667, 0.3333333333, 0.6666666667, 0.6666666667]


def test_weights_that_do_not_sum_to_one_are_our_own_mistake():
    with pytest.raises(AssertionError, match=r"sum to 1 -0\.1"):
        round_weights(np.array([0.4, 0.5]), 0.0)
