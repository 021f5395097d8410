from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from streams.core.optimize import GroupLimit, Solved, solve, verify
from tests.core.optimize.problems import plain, problems

TREND = GroupLimit(
    key="families.trend", members=np.array([True, True, False]), minimum=0.1, maximum=0.5
)
PROBLEM = plain(
    np.eye(3),
    weight_min=np.array([0.0, 0.1, 0.0]),
    weight_max=np.array([0.5, 0.5, 0.6]),
    groups=(TREND,),
    cash_min=0.05,
    cash_max=0.2,
    held=np.array([0.2, 0.2, 0.5]),
    held_cash=0.1,
    turnover_max=0.3,
)
GOOD = ([0.2, 0.2, 0.5], 0.1)


def test_weights_inside_every_limit_pass():
    assert verify(PROBLEM, np.array(GOOD[0]), GOOD[1]) == ()


@pytest.mark.parametrize(
    ("weights", "cash", "expected"),
    [
        ([0.2, 0.2, 0.4], 0.1, ("budget: weights and cash sum to 0.9, expected 1",)),
        ([0.1, 0.1, 0.7], 0.1, ("weight_max: s0002 has 0.7 > 0.6",)),
        ([0.25, 0.05, 0.6], 0.1, ("weight_min: s0001 has 0.05 < 0.1",)),
        ([0.4, 0.3, 0.2], 0.1, ("families.trend: 0.7 > 0.5",)),
        ([0.2, 0.2, 0.6], 0.0, ("cash: 0.0 < 0.05",)),
        ([0.2, 0.2, 0.35], 0.25, ("cash: 0.25 > 0.2",)),
        ([np.nan, 0.2, 0.5], 0.1, ("weights: a value is not finite",)),
        ([0.2, 0.2, 0.5], np.inf, ("weights: a value is not finite",)),
        ([0.2, 0.8], 0.0, ("weights: shape (2,), expected (3,)",)),
    ],
)
def test_a_broken_limit_is_named_with_value_and_limit(weights, cash, expected):
    assert verify(PROBLEM, np.array(weights), cash) == expected


def test_a_group_below_its_minimum_is_named():
    lonely = replace(TREND, minimum=0.45)
    problem = replace(PROBLEM, groups=(lonely,))
    assert verify(problem, np.array(GOOD[0]), GOOD[1]) == ("families.trend: 0.4 < 0.45",)


def test_turnover_counts_both_sides_cash_and_names_elsewhere():
    problem = replace(PROBLEM, held=np.array([0.1, 0.1, 0.35]), held_cash=0.05, held_elsewhere=0.4)
    # ½(0.1 + 0.1 + 0.15 + 0.05 + 0.4) = 0.4
    assert verify(problem, np.array(GOOD[0]), GOOD[1]) == ("turnover_max: 0.4 > 0.3",)
    assert verify(replace(problem, turnover_max=0.4), np.array(GOOD[0]), GOOD[1]) == ()


def test_the_tolerance_is_what_is_passed():
    weights = np.array([0.2, 0.2 + 2e-9, 0.5])
    assert verify(PROBLEM, weights, GOOD[1]) == ()
    assert verify(PROBLEM, weights, GOOD[1], tolerance=1e-9) != ()


@settings(max_examples=4 * settings.default.max_examples)
@given(problems())
def test_every_solution_is_verified_two_hundred_times_tighter_than_asked(problem):
    outcome = solve(problem)
    if isinstance(outcome, Solved):
        assert verify(problem, outcome.weights, outcome.cash, tolerance=5e-11) == ()
