"""Is a trade worth its cost."""

import numpy as np
import pytest

from schemas.policy import NetBenefit, PolicyError
from streams.core.gain import Gain
from streams.core.gate import check, gate_of, words_of
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


def test_a_policy_names_its_gate_or_none():
    assert gate_of(policy(gate="none")) is None
    assert gate_of(policy()) == NetBenefit(k=1.0, standard_errors=1.0)
    assert gate_of(policy(gate={"k": 2.5})).k == 2.5


def test_a_gate_without_a_horizon_is_refused():
    with pytest.raises(PolicyError, match=r"horizon_bars"):
        policy(horizon=None)


def test_a_gain_that_is_no_figure_does_not_pass():
    rule = policy()
    verdict = check(
        rule, NetBenefit(standard_errors=1.0), Gain(annual=1e300, error_annual=1e300), 0.001
    )
    assert np.isfinite(verdict.gain)
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
