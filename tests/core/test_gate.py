"""Is a trade worth its cost."""

import numpy as np
import pytest

from schemas.policy import NetBenefit, PolicyError
from streams.core.gate import Gain, check, gate_of, utility_gain, words_of
from tests.core.worlds import policy_for

NAMES = ("a", "b", "c")
P = 252
ROUNDING = 1e-12


def policy(objective="min_variance", risk_aversion=4.0, gate="net_benefit", horizon=21):
    return policy_for(
        NAMES,
        objective={"type": objective, "risk_aversion": risk_aversion},
        costs={"linear_bps": 5, "horizon_bars": horizon},
        rebalance={"gate": gate},
    )


def moments(rows):
    return rows.mean(axis=0) * P, np.cov(rows.T) * P


def returns(seed=0, bars=250):
    rng = np.random.default_rng(seed)
    return rng.multivariate_normal(
        [4e-4, 2e-4, 0.0], np.array([[4, 1, 0], [1, 2, 0.5], [0, 0.5, 1]]) * 1e-4, bars
    )


def test_a_policy_names_its_gate_or_none():
    assert gate_of(policy(gate="none")) is None
    assert gate_of(policy()) == NetBenefit(k=1.0, standard_errors=1.0)
    assert gate_of(policy(gate={"k": 2.5})).k == 2.5


def test_a_gate_without_a_horizon_is_refused():
    with pytest.raises(PolicyError, match=r"horizon_bars"):
        policy(horizon=None)


@pytest.mark.parametrize(
    ("objective", "expects", "distance"),
    [("mean_variance", 1.0, False), ("min_variance", 0.0, False), ("equal", 0.0, True)],
)
def test_the_gain_is_that_of_the_objective_s_utility_a_year(objective, expects, distance):
    rows = returns()
    mean, cov = moments(rows)
    before, after = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])
    gain = utility_gain(policy(objective), before, after, mean, cov, rows)
    moved, risk = after - before, before @ cov @ before - after @ cov @ after
    expected = expects * mean @ moved + 2.0 * (moved @ cov @ moved if distance else risk)
    assert gain.annual == pytest.approx(expected, abs=ROUNDING)


@pytest.mark.parametrize("objective", ["mean_variance", "min_variance", "equal"])
def test_the_error_is_the_spread_that_other_samples_of_the_same_law_show(objective):
    before, after = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])
    gains, errors = [], []
    for seed in range(400):
        rows = returns(seed)
        mean, cov = moments(rows)
        found = utility_gain(policy(objective), before, after, mean, cov, rows)
        gains.append(found.annual)
        errors.append(found.error_annual)
    # the spread of 400 draws is itself known to 1/sqrt(800) = 3.5 %; four of these
    assert np.median(errors) == pytest.approx(np.std(gains, ddof=1), rel=0.15)


def test_no_trade_gains_nothing_surely():
    rows = returns()
    mean, cov = moments(rows)
    held = np.array([0.6, 0.3, 0.1])
    gain = utility_gain(policy("mean_variance"), held, held, mean, cov, rows)
    assert (gain.annual, gain.error_annual) == (0.0, 0.0)


@pytest.mark.parametrize("size", [1e100, 1e153, 1e200])
def test_returns_whose_squares_are_no_numbers_leave_a_verdict_that_is(size):
    rows = returns() * size
    mean, cov = np.zeros(3), np.eye(3) * size
    with np.errstate(over="ignore", invalid="ignore"):
        gain = utility_gain(
            policy("mean_variance"), np.array([0.6, 0.3, 0.1]), np.full(3, 1 / 3), mean, cov, rows
        )
    rule = policy()
    verdict = check(rule, NetBenefit(standard_errors=1.0), gain, 0.001)
    assert np.isfinite([gain.annual, gain.error_annual, verdict.gain]).all()
    assert not verdict.passed


def judged(annual, error, cost, **gate):
    rows_policy = policy(gate={"k": 2.0, "standard_errors": 0.5, **gate})
    return check(rows_policy, gate_of(rows_policy), Gain(annual=annual, error_annual=error), cost)


def test_it_passes_where_the_gain_less_its_error_over_the_horizon_is_above_k_costs():
    # 21 of 252 bars are a twelfth of a year: (0.024 - 0.5 * 0.012) / 12 = 0.0015
    found = judged(0.024, 0.012, 0.0007)
    assert found.gain == pytest.approx(0.0015, abs=ROUNDING)
    assert found.passed
    assert not judged(0.024, 0.012, 0.0008).passed
    assert judged(0.024, 0.012, 0.0008, standard_errors=0.0).passed
    assert judged(0.024, 0.012, 0.0008, k=1.0).passed


def test_nothing_gained_at_no_cost_is_no_reason_to_trade():
    assert not judged(0.0, 0.0, 0.0).passed


def test_the_verdict_is_told_in_words():
    words = words_of(judged(0.024, 0.012, 0.0008))
    assert words == "a gain of 15.00 bps over 21 bars is not above 2 times the cost of 8.00 bps"
