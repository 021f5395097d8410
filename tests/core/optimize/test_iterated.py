from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from streams.core.optimize import Caps, Failed, Solved, solve, verify
from tests.core.optimize.real import stocks


def contributions(problem, weights):
    pull = problem.cov_annual @ weights
    return weights * pull / (weights @ pull)


@pytest.mark.parametrize("share", [0.11, 0.15, 0.2])
def test_contributions_are_capped_and_no_local_search_does_better(share):
    problem = stocks("min_variance")
    capped = replace(problem, caps=Caps(risk_contribution_max=share))
    outcome = solve(capped)
    assert isinstance(outcome, Solved), outcome
    assert verify(capped, outcome.weights, outcome.cash) == ()
    assert contributions(problem, outcome.weights).max() <= share + 1e-8
    assert contributions(problem, solve(problem).weights).max() > share
    # SLSQP (Kraft, 1988) from several starts.
    best = min(
        minimize(
            lambda w: 100.0 * w @ problem.cov_annual @ w,
            start,
            bounds=[(0.0, 1.0)] * 10,
            constraints=[
                {"type": "eq", "fun": lambda w: w.sum() - 1.0},
                {"type": "ineq", "fun": lambda w: share - contributions(problem, w)},
            ],
            method="SLSQP",
            options={"ftol": 1e-12, "maxiter": 1000},
        ).fun
        for start in (np.full(10, 0.1), solve(replace(problem, objective="risk_parity")).weights)
    )
    assert 100.0 * outcome.objective_value <= best * (1.0 + 1e-5)


def test_caps_that_cannot_be_met_fail_with_a_reason():
    outcome = solve(stocks("min_variance", caps=Caps(risk_contribution_max=0.05)))
    assert isinstance(outcome, Failed)
    assert "risk_contribution_max could not be met" in outcome.reason


def test_caps_that_do_not_bind_change_nothing():
    problem = stocks("min_variance")
    outcome = solve(replace(problem, caps=Caps(risk_contribution_max=0.99)))
    assert outcome.exact
    assert outcome.weights.tolist() == solve(problem).weights.tolist()


@pytest.mark.parametrize("cap", ["risk_contribution_max", "held_correlation_max"])
def test_the_price_of_a_cap_is_what_moving_it_does(cap):
    problem = stocks("min_variance", weight_max=np.full(10, 0.5))
    limit = {"risk_contribution_max": 0.15, "held_correlation_max": 0.8}[cap]

    def at(value):
        return solve(replace(problem, caps=Caps(**{cap: value})))

    (price,) = (one.price for one in at(limit).binding if one.key.endswith(cap))
    slope = (at(limit + 1e-3).objective_value - at(limit - 1e-3).objective_value) / 2e-3
    assert price < 0.0
    assert price == pytest.approx(slope, rel=0.05)
