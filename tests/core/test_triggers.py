"""When the mix is looked at."""

import numpy as np
import pytest

from schemas.policy import Drift, Rebalance, SignalLimit, Signals
from streams.core.calendar import DAY_NS
from streams.core.ledger import Ledger, Order
from streams.core.triggers import (
    Moment,
    drift,
    drift_risk,
    due_trigger,
    still_fired,
)

SATURDAY_NS = 2 * DAY_NS  # 1970-01-03


def moment(end_ns=SATURDAY_NS, **changes):
    given = {"bar_number": 10, "accepted_bar_number": 4, "has_target": True, **changes}
    return Moment(previous_end_ns=end_ns - DAY_NS, end_ns=end_ns, **given)


def ledger(held=(0.5, 0.5), target=(0.5, 0.5)):
    found = Ledger(2)
    found.start_with(np.array(held))
    found.aim(np.array(target), 1.0 - sum(target))
    return found


def rebalance(schedule="never", max_abs=0.05, cooldown_bars=0):
    return Rebalance(schedule=schedule, drift=Drift(max_abs=max_abs), cooldown_bars=cooldown_bars)


def test_a_schedule_names_its_boundary():
    trigger = due_trigger(rebalance("weekly"), moment(), ledger())
    assert (trigger.kind, trigger.value, trigger.threshold) == (
        "schedule",
        "1970-01-03T00:00:00Z",
        "weekly",
    )


def test_the_schedule_goes_before_drift():
    far = ledger(target=(0.1, 0.9))
    assert due_trigger(rebalance("weekly"), moment(), far).kind == "schedule"
    assert due_trigger(rebalance("weekly"), moment(3 * DAY_NS), far).kind == "drift"


def test_drift_is_the_largest_distance_over_names_and_cash():
    assert drift(ledger((0.5, 0.2), (0.45, 0.22))) == pytest.approx(0.05, abs=1e-15)
    assert drift(ledger((0.5, 0.2), (0.48, 0.18))) == pytest.approx(0.04, abs=1e-15)  # cash


def test_drift_fires_above_its_limit_and_not_at_it():
    exact = ledger((0.5, 0.5), (0.25, 0.75))
    assert due_trigger(rebalance(max_abs=0.25), moment(), exact) is None
    trigger = due_trigger(rebalance(max_abs=0.2499), moment(), exact)
    assert (trigger.kind, trigger.value, trigger.threshold) == ("drift", 0.25, 0.2499)


def test_nothing_drifts_before_there_is_a_target_or_while_a_fill_waits():
    far = ledger(target=(0.1, 0.9))
    assert due_trigger(rebalance(), moment(has_target=False), far) is None
    far.fill_later(12, np.array([0.1, 0.9]), 0.0)
    assert due_trigger(rebalance(), moment(), far) is None


@pytest.mark.parametrize(("bars", "fires"), [(0, True), (5, True), (6, False), (7, False)])
def test_a_cooldown_holds_back_so_many_bars_after_an_accepted_decision(bars, fires):
    for policy in (rebalance("weekly", cooldown_bars=bars), rebalance(cooldown_bars=bars)):
        found = due_trigger(policy, moment(), ledger(target=(0.1, 0.9)))
        assert (found is not None) is fires


def test_the_initial_build_knows_no_cooldown():
    policy = rebalance("weekly", cooldown_bars=100)
    assert due_trigger(policy, moment(accepted_bar_number=None), ledger()) is not None


def test_without_drift_in_the_policy_nothing_drifts():
    assert due_trigger(Rebalance(), moment(), ledger(target=(0.1, 0.9))) is None


def test_an_order_whose_fill_was_not_reported_is_no_drift():
    far = ledger(target=(0.1, 0.9))
    far.order(Order(3, 1.0, 10**18, np.array([0.1, 0.9]), 0.0))
    assert due_trigger(rebalance(), moment(), far) is None
    far.conclude(3, filled=False)
    assert due_trigger(rebalance(), moment(), far).kind == "drift"


def test_drift_in_risk_is_the_volatility_of_the_distance():
    far = ledger((0.5, 0.5), (0.3, 0.7))
    cov = np.array([[0.04, 0.01], [0.01, 0.09]])
    apart = np.array([0.2, -0.2])
    assert drift_risk(far, np.array([0, 1]), cov) == pytest.approx(
        np.sqrt(apart @ cov @ apart), abs=1e-15
    )
    assert drift_risk(far, np.array([1]), cov[1:, 1:]) == pytest.approx(0.06, abs=1e-15)
    assert np.isnan(drift_risk(far, np.array([0, 1]), cov * np.nan))


def test_drift_in_risk_fires_above_its_limit_and_only_where_it_is_known():
    policy = Rebalance(drift=Drift(max_risk=0.02))
    assert due_trigger(policy, moment(drift_risk=0.02), ledger()) is None
    assert due_trigger(policy, moment(), ledger()) is None
    trigger = due_trigger(policy, moment(drift_risk=0.021), ledger())
    assert (trigger.kind, trigger.value, trigger.threshold) == ("drift_risk", 0.021, 0.02)


SIGNALS = Signals(
    turbulence=SignalLimit(above=3.0, rearm=2.0), volatility_regime=SignalLimit(above=1.5)
)


def prompted(values):
    """The kinds that fire bar after bar, hysteresis carried along."""
    policy, fired, kinds = Rebalance(signals=SIGNALS), [], []
    for value in values:
        signals = {"turbulence": value}
        found = due_trigger(policy, moment(signals=signals, fired=tuple(fired)), ledger())
        kinds.append(found.kind if found else "")
        fired = still_fired(SIGNALS, fired, signals, kinds[-1])
    return kinds


def test_a_signal_prompts_once_and_again_only_after_it_came_down_far_enough():
    assert prompted([1.0, 3.0, 3.1, 5.0, 2.5, 3.5, 2.0, 3.5]) == [
        *("", "", "turbulence", "", "", ""),
        *("", "turbulence"),
    ]


def test_a_signal_that_is_not_known_neither_prompts_nor_arms_again():
    assert still_fired(SIGNALS, ["turbulence"], {}, "") == ["turbulence"]
    assert due_trigger(Rebalance(signals=SIGNALS), moment(), ledger()) is None


def test_a_signal_that_rises_in_a_cooldown_prompts_after_it():
    policy = Rebalance(signals=SIGNALS, cooldown_bars=6)
    high = {"volatility_regime": 2.0}
    assert due_trigger(policy, moment(signals=high), ledger()) is None
    after = due_trigger(policy, moment(signals=high, bar_number=11), ledger())
    assert (after.kind, after.value, after.threshold) == ("volatility_regime", 2.0, 1.5)
