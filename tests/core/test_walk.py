"""The walk alone: corrections at their bar, and another policy under way."""

import numpy as np
import pytest

from schemas.topics import DECISIONS, METRICS, STATE
from streams.core.bars import ClosedBar
from streams.core.calendar import DAY_NS
from streams.core.history import DueCorrection, history_bars
from streams.core.walk import Walk
from tests.core.worlds import of_topic, policy_for

NAMES = ("a", "b")
NOBODY_ENDED = np.zeros(2, dtype=bool)
RETURNS = np.random.default_rng(8).normal(0.0, 0.01, (400, 2))


def quiet(**changes):
    return policy_for(NAMES, rebalance={"schedule": "never"}, **changes)


def new_walk(policy):
    walk = Walk(policy, 1, 1, 0)
    walk.set_members({entry.id: entry for entry in policy.strategies})
    return walk


def advance(walk, first, last, returns=RETURNS):
    outputs = []
    for day in range(first, last + 1):
        _, outputs = walk.advance([ClosedBar(day * DAY_NS, returns[day - 1], NOBODY_ENDED)])
    return outputs


def metrics(outputs):
    (message,) = of_topic(outputs, METRICS.name)
    return message


@pytest.mark.parametrize(("after", "corrected"), [(6, True), (7, False)])
def test_a_correction_takes_effect_at_the_first_bar_after_it_and_not_at_it(after, corrected):
    walk = new_walk(quiet(initial_weights={"a": 0.5, "b": 0.5}))
    advance(walk, 1, 6)
    walk.corrections.append(
        DueCorrection(after * DAY_NS, 5 * DAY_NS, "a", float(RETURNS[4, 0]), 0.3)
    )
    (state,) = of_topic(advance(walk, 7, 7), STATE.name)
    assert (state.adjustment != 0.0) is corrected
    (state,) = of_topic(advance(walk, 8, 8), STATE.name)
    assert (state.adjustment != 0.0) is not corrected


def test_a_correction_that_is_due_does_not_take_a_later_one_along():
    walk = new_walk(quiet(initial_weights={"a": 0.5, "b": 0.5}))
    advance(walk, 1, 6)
    walk.corrections.append(DueCorrection(6 * DAY_NS, 5 * DAY_NS, "a", float(RETURNS[4, 0]), 0.3))
    later = DueCorrection(7 * DAY_NS, 5 * DAY_NS, "b", float(RETURNS[4, 1]), 0.3)
    walk.corrections.append(later)
    advance(walk, 7, 7)
    assert walk.corrections == [later]
    assert walk.study.windows.values(15)[4].tolist() == [0.3, RETURNS[4, 1]]


@pytest.mark.parametrize("old", [True, False])
def test_after_a_correction_all_metrics_are_those_of_the_corrected_returns(old):
    known = RETURNS.copy()
    if not old:
        known[7, 1] = np.nan
    right = RETURNS.copy()
    right[7, 1] = 0.123
    walk, other = new_walk(quiet()), new_walk(quiet())
    advance(walk, 1, 9, known)
    walk.corrections.append(DueCorrection(9 * DAY_NS, 8 * DAY_NS, "b", float(known[7, 1]), 0.123))
    ours, theirs = metrics(advance(walk, 10, 10, known)), metrics(advance(other, 1, 10, right))
    # sums that lost an old value and gained a new one against sums that never held it
    assert ours.block.values == pytest.approx(theirs.block.values, rel=1e-9, nan_ok=True)
    assert ours.ewma.values == pytest.approx(theirs.ewma.values, rel=1e-9, nan_ok=True)
    assert ours.block.n_obs.tolist() == theirs.block.n_obs.tolist()


def test_a_correction_of_a_bar_that_never_was_or_is_forgotten_changes_nothing():
    walk = new_walk(quiet(initial_weights={"a": 1.0}))
    last = history_bars(walk.policy) + 2
    advance(walk, 1, last)
    walk.corrections.append(DueCorrection(0, DAY_NS, "a", 0.0, 0.5))
    walk.corrections.append(DueCorrection(0, DAY_NS // 2, "a", 0.0, 0.5))
    (state,) = of_topic(advance(walk, last + 1, last + 1), STATE.name)
    assert (state.adjustment, walk.corrections) == (0.0, [])


def test_a_smaller_window_forgets_what_it_cannot_correct():
    estimation = {"window_bars": 200, "min_bars": 5, "stale_bars": 3, "windows": [200]}
    walk = new_walk(quiet(estimation=estimation, initial_weights={"a": 1.0}))
    advance(walk, 1, 260)
    smaller = quiet(estimation={**estimation, "window_bars": 4, "windows": [4], "min_bars": 2})
    assert history_bars(smaller) < 250
    walk.set_policy(smaller, 2)
    walk.corrections.append(DueCorrection(0, 10 * DAY_NS, "a", 0.0, 0.5))
    (state,) = of_topic(advance(walk, 261, 261), STATE.name)
    assert state.adjustment == 0.0


def test_another_policy_with_the_same_estimates_keeps_the_tables():
    walk = new_walk(quiet())
    advance(walk, 1, 9)
    windows, own = walk.study.windows, walk.own
    walk.set_policy(quiet(costs={"linear_bps": 1}), 2)
    assert walk.study.windows is windows
    assert walk.own is own
    assert walk.policy_version == 2


def test_other_windows_give_the_metrics_they_would_have_had():
    small = {"window_bars": 15, "min_bars": 5, "stale_bars": 3, "windows": [3, 12]}
    walk, other = new_walk(quiet()), new_walk(quiet(estimation=small))
    advance(walk, 1, 20)
    walk.set_policy(quiet(estimation=small), 2)
    ours, theirs = advance(walk, 21, 21), advance(other, 1, 21)
    # windows that were filled anew against windows that rolled
    found, expected = metrics(ours).block.values, metrics(theirs).block.values
    assert found == pytest.approx(expected, rel=1e-9, nan_ok=True)
    rolling, wanted = (of_topic(o, STATE.name)[0].rolling for o in (ours, theirs))
    assert [r.n_obs for r in rolling] == [3, 10]  # nine of its own bars were held, and one more
    assert rolling[0].volatility_annual == pytest.approx(wanted[0].volatility_annual, abs=1e-10)


def test_the_first_bar_reaches_back_over_its_nominal_length():
    friday = 15 * DAY_NS  # 1970-01-16T00:00Z, the end of Thursday
    for end_ns, fires in ((friday, False), (friday + DAY_NS, True)):
        walk = new_walk(policy_for(NAMES, rebalance={"schedule": "weekly"}))
        _, outputs = walk.advance([ClosedBar(end_ns, RETURNS[0], NOBODY_ENDED)])
        assert bool(of_topic(outputs, DECISIONS.name)) is fires
