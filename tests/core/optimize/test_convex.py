from dataclasses import replace

import numpy as np

from streams.core.optimize import Caps, solve
from tests.core.optimize.real import stocks


def test_a_cap_that_does_not_bind_leaves_the_exact_answer():
    problem = stocks("min_variance")
    loose = solve(replace(problem, caps=Caps(volatility_max=0.5, diversification_ratio_min=1.01)))
    assert loose.exact
    assert loose.weights.tolist() == solve(problem).weights.tolist()


def test_a_cap_that_binds_takes_the_modelled_road():
    bound = solve(stocks("mean_variance", caps=Caps(volatility_max=0.25)))
    assert bound.solver.startswith("cvxpy/")
    assert not bound.exact


def test_a_ratio_that_cash_does_not_improve_is_fully_invested():
    outcome = solve(stocks("max_sharpe", cash_max=0.5))
    assert outcome.cash == 0.0 or abs(outcome.cash) < 1e-9


def test_cash_is_kept_where_limits_would_force_worse_strategies():
    mean = np.full(10, 0.0)
    mean[0] = 0.2
    problem = stocks("max_sharpe", mean_annual=mean, weight_max=np.full(10, 0.15), cash_max=0.9)
    full = solve(replace(problem, cash_max=0.0))
    free = solve(problem)
    assert free.objective_value > full.objective_value
    assert free.cash > 0.1


def test_strategies_that_may_not_be_held_have_no_share_of_risk():
    high = np.where(np.arange(10) < 3, 0.0, 1.0)
    outcome = solve(stocks("risk_parity", weight_max=high))
    assert outcome.weights[:3].tolist() == [0.0] * 3
    problem = stocks("risk_parity")
    risk = outcome.weights * (problem.cov_annual @ outcome.weights)
    assert np.allclose(risk[3:] / risk.sum(), 1.0 / 7.0)
