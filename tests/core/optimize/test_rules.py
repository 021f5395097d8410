from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from streams.core.optimize import Solved, solve
from streams.core.optimize.rules import rule_weights
from tests.core.optimize.problems import linear_gap, plain, problems

COV = np.diag([0.01, 0.04, 0.16])  # volatilities 10 %, 20 %, 40 %


def test_equal_shares_the_investable_amount():
    problem = plain(COV, objective="equal", cash_min=0.1, cash_max=0.5)
    assert rule_weights(problem).tolist() == pytest.approx([0.3] * 3, rel=1e-15)


def test_inverse_volatility_halves_the_weight_when_volatility_doubles():
    problem = plain(COV, objective="inverse_volatility")
    assert rule_weights(problem).tolist() == pytest.approx([4 / 7, 2 / 7, 1 / 7], rel=1e-15)


def test_strategies_without_volatility_share_everything():
    problem = plain(np.diag([0.0, 0.04, 0.0]), objective="inverse_volatility")
    assert rule_weights(problem).tolist() == [0.5, 0.0, 0.5]


def test_volatilities_near_the_smallest_double_do_not_overflow():
    problem = plain(np.diag([1e-300, 4e-300]), objective="inverse_volatility")
    assert rule_weights(problem).tolist() == pytest.approx([2 / 3, 1 / 3], rel=1e-15)


@pytest.mark.parametrize("objective", ["equal", "inverse_volatility"])
def test_a_rule_inside_the_limits_is_returned_bitwise_and_unsolved(objective):
    problem = plain(COV, objective=objective, turnover_max=1.0, cash_max=0.5)
    outcome = solve(problem)
    assert outcome.weights.tobytes() == rule_weights(problem).tobytes()
    assert (outcome.cash, outcome.solver, outcome.exact) == (0.0, "rule", True)
    assert outcome.binding == ()
    assert outcome.objective_value == pytest.approx(
        float(outcome.weights @ COV @ outcome.weights), rel=1e-15
    )


def test_a_capped_rule_hands_the_rest_to_the_others_in_equal_parts():
    # The Euclidean projection of (1/3, 1/3, 1/3) onto Σ = 1, w₀ ≤ 0.2 adds 2/30 to both others.
    capped = plain(COV, objective="equal", weight_max=np.array([0.2, 1.0, 1.0]))
    outcome = solve(capped)
    assert outcome.weights.tolist() == pytest.approx([0.2, 0.4, 0.4], abs=1e-14)
    assert outcome.weights[0] == 0.2


def test_all_names_capped_leave_the_rest_in_cash():
    problem = plain(COV, objective="equal", weight_max=np.full(3, 0.25), cash_max=1.0)
    outcome = solve(problem)
    assert outcome.weights.tolist() == [0.25] * 3
    assert outcome.cash == pytest.approx(0.25, abs=1e-15)


@pytest.mark.parametrize("objective", ["equal", "inverse_volatility"])
@given(problem=problems())
def test_no_feasible_weights_are_nearer_to_the_rule(objective, problem):
    problem = replace(problem, objective=objective)
    outcome = solve(problem)
    if isinstance(outcome, Solved):
        slope = outcome.weights - rule_weights(problem)
        # linprog meets the limits to 1e-10 a row, and there are a few dozen rows.
        assert linear_gap(problem, outcome.weights, slope) <= 1e-8
