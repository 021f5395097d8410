"""When the mix is looked at."""

import numpy as np
import pytest

from schemas.policy import Drift, Rebalance
from streams.core.calendar import DAY_NS
from streams.core.ledger import Ledger
from streams.core.triggers import Moment, drift, due_trigger

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
