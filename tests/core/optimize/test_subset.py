import numpy as np

from streams.core.optimize import Aim, GroupLimit, TradeCosts, solve
from streams.core.optimize.subset import subset, whole
from tests.core.optimize.real import stocks


def test_leaving_out_is_the_same_as_a_bound_of_zero():
    kept = np.arange(10) % 3 > 0
    family = GroupLimit(key="families.a", members=np.arange(10) < 5, minimum=-np.inf, maximum=0.3)
    problem = stocks(
        "min_variance",
        weight_max=np.where(kept, 0.4, 0.0),
        groups=(family,),
        held=np.full(10, 0.1),
        held_cash=0.0,
        turnover_max=0.6,
        aim=Aim(budgets=np.arange(10.0), reference=np.arange(10.0)),
    )
    inner = subset(problem, kept)
    assert inner.aim.budgets.tolist() == np.arange(10.0)[kept].tolist()
    assert inner.scenarios.shape == (500, int(kept.sum()))
    outcome = whole(problem, kept, solve(inner))
    expected = solve(problem)
    assert np.allclose(outcome.weights, expected.weights, rtol=0, atol=1e-10)
    assert abs(outcome.objective_value - expected.objective_value) < 1e-14


def test_costs_are_left_out_with_their_strategies():
    costs = TradeCosts(linear=np.arange(10.0), impact=np.ones(10), horizon_years=0.5)
    inner = subset(stocks("min_variance", costs=costs), np.arange(10) < 4)
    assert inner.costs.linear.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert inner.costs.horizon_years == 0.5
