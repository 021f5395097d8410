"""What a weight vector promises: against closed forms and against the definitions."""

import numpy as np
import pytest

from streams.core.appraisal import (
    correlations,
    ex_ante,
    objective_terms,
    risk_contributions,
    watched,
)
from streams.core.optimize import OBJECTIVES, Aim, Problem, TradeCosts
from streams.core.optimize.correlation import Correlation, CorrelationLimits
from streams.core.optimize.vocabulary import Custom, Term
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


def test_the_tail_of_what_is_held_is_that_of_its_returns():
    rows = np.random.default_rng(3).standard_t(3, (51, 3))
    losses = -(rows @ WEIGHTS)
    # the minimum over z of z + mean(max(loss - z, 0)) / 0.05 lies at one of the losses
    least = min(z + np.maximum(losses - z, 0.0).mean() / 0.05 for z in losses)
    found = ex_ante(problem(), WEIGHTS, 0.0, policy_for(NAMES), rows)
    assert found.cvar_95 == pytest.approx(least, rel=1e-12)


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


ROWS = np.random.default_rng(1).normal(0.0, 0.01, (40, 3))
TERMS = {
    "mean_variance": {"return", "risk"},
    "robust_mean_variance": {"return", "risk", "estimation_error"},
    "min_variance": {"variance"},
    "target_return": {"variance"},
    "equal": {"variance"},
    "inverse_volatility": {"variance"},
    "hrp": {"variance"},
    "tracking": {"tracking_variance"},
    "max_sharpe": {"sharpe"},
    "max_diversification": {"diversification_ratio"},
    "risk_parity": {"volatility"},
    "target_volatility": {"return"},
    "min_cvar": {"cvar"},
    "min_cdar": {"cdar"},
    "kelly": {"growth"},
    "custom": {"return", "tail"},
}


def aimed(objective, **changes):
    aim = Aim(target=0.1, reference=np.full(3, 1.0 / 3.0), years=1.0)
    empty = np.zeros(3)
    custom = Custom(
        terms=(
            Term(
                name="return",
                kind="linear",
                loadings=np.array([0.05, 0.08, 0.02]),
                reference=empty,
                weight=1.0,
                sense="maximise",
            ),
            Term(name="tail", kind="cvar", loadings=empty, reference=empty, weight=2.0),
        )
    )
    return problem(objective=objective, aim=aim, scenarios=ROWS, custom=custom, **changes)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_each_objective_tells_its_own_terms_and_they_add_up(objective):
    asked = aimed(objective)
    terms = objective_terms(asked, WEIGHTS)
    assert {term.name for term in terms} == TERMS[objective]
    assert sum(term.value for term in terms) == pytest.approx(
        asked.objective_value(WEIGHTS), abs=ROUNDING
    )


def test_charges_are_terms_as_well():
    costs = TradeCosts(linear=np.full(3, 1e-3), impact=np.zeros(3), horizon_years=0.5)
    asked = problem(costs=costs, penalty=np.eye(3), held=np.array([0.4, 0.4, 0.2]))
    told = {term.name: term.value for term in objective_terms(asked, WEIGHTS)}
    assert told["cost"] == pytest.approx(-0.2 * 1e-3 / 0.5, abs=ROUNDING)
    assert told["correlation"] == pytest.approx(-0.5 * WEIGHTS @ WEIGHTS, abs=ROUNDING)


def test_what_is_no_number_is_not_told():
    assert objective_terms(problem(objective="min_cvar"), WEIGHTS) == ()
    assert objective_terms(problem(objective="max_sharpe"), np.zeros(3)) == ()
    empty = np.zeros(3)
    foreign = Term(
        name="x", kind="python", python="nowhere", loadings=empty, reference=empty, weight=1.0
    )
    assert (
        objective_terms(problem(objective="custom", custom=Custom(terms=(foreign,))), WEIGHTS) == ()
    )
