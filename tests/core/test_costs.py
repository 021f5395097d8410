"""What a trade costs, by hand."""

import numpy as np
import pandas as pd
import pytest

from schemas.policy import Costs, Impact
from streams.core.costs import CostModel, impact_coefficients, linear_costs, spread_of

ROUNDING = 1e-15  # of numbers below 0.01


def test_each_cause_costs_its_own_and_the_total_is_their_sum():
    model = CostModel(linear=5e-4, impact=np.array([0.02, 0.08]), ticket=1e-4)
    parts = model.of(np.array([0.5, 0.5]), np.array([0.25, 0.66]))
    assert parts.linear == pytest.approx(5e-4 * 0.41, abs=ROUNDING)
    assert parts.impact == pytest.approx(0.02 * 0.125 + 0.08 * 0.064, abs=ROUNDING)
    assert parts.ticket == 2e-4
    assert parts.total == pytest.approx(2.05e-4 + 7.62e-3 + 2e-4, abs=ROUNDING)


def test_who_does_not_trade_takes_no_ticket():
    model = CostModel(linear=0.0, impact=np.zeros(0), ticket=1e-4)
    before = np.array([0.5, 0.3, 0.2])
    assert model.of(before, before + np.array([0.1, 0.0, 1e-12])).ticket == 1e-4


def test_linear_costs_are_basis_points_of_what_is_traded_on_both_sides():
    parts = linear_costs(10.0).of(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    assert (parts.total, parts.impact, parts.ticket) == (0.002, 0.0, 0.0)


def test_impact_grows_with_volatility_and_shrinks_with_the_root_of_capacity():
    costs = Costs(impact=Impact(coefficient=0.5, capacity=4.0, capacities={"b": 0.25}))
    found = impact_coefficients(costs, ("a", "b"), np.array([0.01, 0.01]))
    assert found == pytest.approx([0.5 * 0.01 / 2.0, 0.5 * 0.01 / 0.5], abs=ROUNDING)
    assert impact_coefficients(Costs(), ("a", "b"), np.array([0.01, 0.01])).size == 0


def test_the_spread_of_returns_with_holes_is_that_of_pandas():
    returns = np.random.default_rng(2).normal(0, 0.01, (30, 4))
    returns[3:9, 1] = np.nan
    returns[1:, 2] = np.nan  # one is left
    returns[:, 3] = np.nan
    expected = pd.DataFrame(returns).std().fillna(0.0).to_numpy()
    assert spread_of(returns) == pytest.approx(expected, rel=1e-12)


def test_impact_of_any_volatility_costs_no_more_than_all_there_is():
    claimed = np.array([[1e300, 0.01], [-1.0, 0.02], [1e300, 0.0]])
    spread = spread_of(claimed)
    assert np.isfinite(spread).all()
    policy = Costs(impact=Impact(coefficient=1e18, capacity=1e-18))
    model = CostModel(
        linear=0.0, impact=impact_coefficients(policy, ("a", "b"), spread), ticket=0.0
    )
    assert model.of(np.array([0.5, 0.5]), np.array([0.4, 0.6])).total == 1.0
    assert model.of(np.array([0.5, 0.5]), np.array([0.5, 0.5])).total == 0.0


def test_columns_move_with_their_impact():
    model = CostModel(linear=0.0, impact=np.array([0.1, 0.2]), ticket=0.0)
    assert model.select(np.array([1, -1, 0])).impact.tolist() == [0.2, 0.0, 0.1]
    plain = linear_costs(3.0)
    assert plain.select(np.array([0, 0])) is plain
    assert CostModel.from_state(model.to_state()).impact.tolist() == [0.1, 0.2]
