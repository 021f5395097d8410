"""What a weight vector promises: against closed forms and against the definitions."""

import numpy as np
import pytest

from streams.core.appraisal import (
    correlations,
    ex_ante,
    objective_terms,
    risk_contributions,
    tail_mean,
    watched,
)
from streams.core.optimize import Problem
from streams.core.optimize.correlation import Correlation, CorrelationLimits
from tests.core.worlds import policy_for

ROUNDING = 1e-12
NAMES = ("a", "b", "c")
SIGMA = np.array([0.1, 0.2, 0.3])
RHO = np.array([[1.0, 0.6, -0.2], [0.6, 1.0, 0.1], [-0.2, 0.1, 1.0]])
WEIGHTS = np.array([0.5, 0.3, 0.2])


def problem(**changes):
    given = {
        "strategies": NAMES,
        "mean_annual": np.array([0.05, 0.08, 0.02]),
        "cov_annual": RHO * np.outer(SIGMA, SIGMA),
        "held": WEIGHTS,
        "held_cash": 0.0,
        "objective": "mean_variance",
        "risk_aversion": 3.0,
        "weight_min": np.zeros(3),
        "weight_max": np.ones(3),
        "groups": (),
        "cash_min": 0.0,
        "cash_max": 1.0,
        "turnover_max": None,
        "long_only": True,
    }
    return Problem(**{**given, **changes})


def test_cash_earns_its_rate_and_carries_no_risk():
    policy = policy_for(NAMES, cash={"max": 1.0, "rate": 0.0001})
    rows = np.full((10, 3), 0.01)
    found = ex_ante(problem(), WEIGHTS / 2, 0.5, policy, rows)
    assert found.return_annual == pytest.approx(0.5 * 0.053 + 0.5 * 0.0252, abs=ROUNDING)
    variance = WEIGHTS @ problem().cov_annual @ WEIGHTS / 4
    assert found.volatility_annual == pytest.approx(np.sqrt(variance), abs=ROUNDING)
    assert found.sharpe == pytest.approx(found.return_annual / np.sqrt(variance), rel=1e-12)
    assert found.cvar_95 == pytest.approx(-(0.005 + 0.00005), abs=ROUNDING)


def test_nothing_held_has_no_sharpe():
    found = ex_ante(problem(), np.zeros(3), 1.0, policy_for(NAMES), np.zeros((4, 3)))
    assert (found.volatility_annual, found.sharpe) == (0.0, None)


@pytest.mark.parametrize("count", [1, 7, 20, 40, 51, 252])
def test_the_tail_is_the_least_of_rockafellar_and_uryasev_s_function(count):
    returns = np.random.default_rng(count).standard_t(3, count)
    losses = -returns
    # the minimum over z of z + mean(max(loss - z, 0)) / 0.05 lies at one of the losses
    least = min(z + np.maximum(losses - z, 0.0).mean() / 0.05 for z in losses)
    assert tail_mean(returns) == pytest.approx(least, rel=1e-12)


def test_contributions_to_risk_sum_to_one_and_are_the_slopes_of_volatility():
    shares = risk_contributions(problem(), WEIGHTS)
    assert sum(shares.values()) == pytest.approx(1.0, abs=ROUNDING)
    cov, step = problem().cov_annual, 1e-6
    for place, name in enumerate(NAMES):
        up = WEIGHTS + step * np.eye(3)[place]
        down = WEIGHTS - step * np.eye(3)[place]
        slope = (np.sqrt(up @ cov @ up) - np.sqrt(down @ cov @ down)) / (2 * step)
        share = WEIGHTS[place] * slope / np.sqrt(WEIGHTS @ cov @ WEIGHTS)
        assert shares[name] == pytest.approx(share, abs=1e-8)  # a central difference of step 1e-6


def test_who_is_not_held_contributes_nothing():
    assert set(risk_contributions(problem(), np.array([0.7, 0.0, 0.3]))) == {"a", "c"}
    assert risk_contributions(problem(), np.zeros(3)) == {}


def test_achieved_correlations_are_those_of_their_definitions():
    found = correlations(problem(), WEIGHTS)
    v = WEIGHTS * SIGMA
    above = [(i, j) for i in range(3) for j in range(3) if i != j]
    average = sum(v[i] * v[j] * RHO[i, j] for i, j in above) / sum(v[i] * v[j] for i, j in above)
    assert found.average == pytest.approx(average, abs=ROUNDING)
    assert found.diversification_ratio == pytest.approx(v.sum() / np.sqrt(v @ RHO @ v), rel=1e-12)
    assert found.max_pair.strategies == ("a", "b")
    assert found.max_pair.correlation == pytest.approx(0.6, abs=ROUNDING)
    without_b = correlations(problem(), np.array([0.5, 0.0, 0.5]))
    assert without_b.max_pair.strategies == ("a", "c")


def test_one_holding_has_no_pair():
    found = correlations(problem(), np.array([1.0, 0.0, 0.0]))
    assert (found.average, found.max_pair) == (None, None)
    assert found.diversification_ratio == pytest.approx(1.0, abs=ROUNDING)


def test_pairs_that_are_watched_are_named():
    structure = Correlation(limits=CorrelationLimits(), capped=(), watched=((0, 1),), clusters=())
    (pair,) = watched(problem(correlation=structure))
    assert pair.strategies == ("a", "b")
    assert watched(problem()) == ()


def test_terms_add_up_to_the_objective():
    terms = objective_terms(problem(), WEIGHTS)
    assert sum(term.value for term in terms) == pytest.approx(
        problem().objective_value(WEIGHTS), abs=ROUNDING
    )
