"""A value that looks like a mistake of unit counts for nothing until a revision confirms it."""

import numpy as np
import pytest

from schemas.policy import Quarantine
from schemas.topics import DEAD_LETTERS, STATE
from streams.core.bars import ClosedBar, Correction
from streams.core.calendar import DAY_NS
from streams.core.image import encode_image
from streams.core.quarantine import OBSERVATIONS_MIN, Screen
from tests.core.worlds import (
    START_NS,
    Row,
    World,
    canonical,
    in_time_order,
    interleaved,
    of_topic,
    policy_for,
    ragged,
)

NAMES = ("a", "b")
RULE = {"return_abs_max": 0.5, "jump_sigmas": 12.0}


def world_of(**changes):
    estimation = {"window_bars": 15, "min_bars": 5, "windows": [4], "quarantine": RULE} | changes
    return World(policy_for(NAMES, estimation=estimation, rebalance={"schedule": "never"}))


def days(first, last, name="a", value=0.01):
    return [Row(name, START_NS + day * DAY_NS, value) for day in range(first, last)]


def both(first, last):
    return sorted(days(first, last) + days(first, last, "b"), key=lambda row: row.stamp_ns)


def at(day, value, revision=0, name="a"):
    return Row(name, START_NS + day * DAY_NS, value, revision=revision)


def states(world):
    return of_topic(world.outputs, STATE.name)


def test_a_mistake_of_unit_is_missing_and_told_until_it_is_confirmed():
    world = world_of()
    world.publish([*both(1, 6), at(6, 5.0), at(6, 0.01, name="b"), *both(7, 9)], [100])
    state = states(world)[5]
    assert state.data.quarantined == {"a": 5.0}
    assert state.data.missing == ()
    window = world.portfolio.walk.study.windows.values(4)
    assert np.isnan(window[-3, 0])
    world.publish([at(6, 5.0, revision=1), *both(9, 10)], [100])
    assert states(world)[-1].data.revised == {"a": 1}
    assert world.portfolio.walk.study.windows.values(4)[-4, 0] == 5.0


def test_a_revision_with_the_right_value_puts_it_right():
    world = world_of()
    world.publish([*both(1, 6), at(6, 5.0), at(6, 0.01, name="b"), *both(7, 9)], [100])
    world.publish([at(6, 0.05, revision=1), *both(9, 10)], [100])
    assert world.portfolio.walk.study.windows.values(4)[-4, 0] == 0.05


def test_a_confirmed_value_is_booked_in_full():
    policy = policy_for(
        ("a",),
        estimation={"window_bars": 15, "min_bars": 5, "windows": [4], "quarantine": RULE},
        rebalance={"schedule": "never"},
        initial_weights={"a": 1.0},
        constraints={"weight_max": 1.0},
        costs={},
    )
    world = World(policy)
    world.publish([*days(1, 4), at(4, 5.0), *days(5, 7)], [100])
    before = states(world)[-1]
    # five days of 1 %: on the day kept out the held weight had a return of 0
    assert before.nav == pytest.approx(1.01**5, rel=1e-12)
    world.publish([at(4, 5.0, revision=1), *days(7, 8)], [100])
    assert states(world)[-1].nav == pytest.approx(1.01**6 * 6.0, rel=1e-12)


def test_a_value_that_is_confirmed_before_its_bar_closes_counts_at_once():
    world = world_of()
    rows = [*both(1, 6), at(6, 5.0), at(6, 5.0, revision=1), at(6, 0.01, name="b"), *both(7, 8)]
    world.publish(rows, [100])
    assert states(world)[5].data is None or not states(world)[5].data.quarantined


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_correction_that_comes_before_the_others_close_the_bar_begins_at_nothing(size):
    world = world_of()
    mine = [at(6, 5.0), at(7, 0.01), at(6, 0.05, revision=1), at(8, 0.01)]
    world.publish([*both(1, 6), *mine, *days(6, 9, "b")], [size])
    assert states(world)[5].data.quarantined == {"a": 5.0}
    assert world.portfolio.walk.study.windows.values(4)[-3, 0] == 0.05


def test_a_jump_is_told_by_the_strategys_own_size():
    world = world_of(quarantine={"jump_sigmas": 12.0})
    bars = OBSERVATIONS_MIN
    world.publish([*both(1, bars + 1), at(bars + 1, 0.2), at(bars + 1, 0.01, name="b")], [100])
    assert states(world)[-1].data.quarantined == {"a": 0.2}
    early = world_of(quarantine={"jump_sigmas": 12.0})
    early.publish([*both(1, bars), at(bars, 0.2), at(bars, 0.01, name="b")], [100])
    assert states(early)[-1].data is None


def test_the_death_of_a_strategy_is_no_jump():
    world = world_of()
    world.publish([*both(1, 6), at(6, -1.0), at(6, 0.01, name="b")], [100])
    state = states(world)[-1]
    assert state.data is None or not state.data.quarantined


def test_without_a_rule_nothing_changes():
    rows = in_time_order(ragged(5, NAMES, 60))
    plain, ruled = World(policy_for(NAMES)), World(policy_for(NAMES))
    ruled.portfolio.screen.rule = Quarantine(return_abs_max=10.0)
    for world in (plain, ruled):
        world.publish(rows, [7])
    assert canonical(plain.outputs) == canonical(ruled.outputs)


def test_the_same_is_kept_out_whatever_the_interleaving():
    rows = ragged(8, NAMES, 60)
    found = []
    for seed in range(4):
        world = world_of(quarantine={"jump_sigmas": 1.5})
        order = interleaved(rows, np.random.default_rng(seed))
        world.publish(order, [1 + 3 * seed])
        data = [(s.bar_end, s.data.quarantined if s.data else {}) for s in states(world)]
        found.append(data)
    assert any(kept for _, kept in found[0])
    assert all(other == found[0] for other in found)


def test_a_screen_put_back_is_the_same():
    screen = Screen(Quarantine(return_abs_max=0.5), horizon_bars=2)
    names = ("a", "b")
    for end in range(1, 6):
        bar = ClosedBar(end, np.array([0.01, 0.9]), np.zeros(2, dtype=bool))
        screen.screened(bar, names, [])
    again = Screen.from_state(screen.to_state())
    assert encode_image(again.to_state()) == encode_image(screen.to_state())
    confirmed = again.corrected(Correction(5, 5, 1, 0.9, 0.9), "b")
    assert np.isnan(confirmed.old)
    assert again.corrected(Correction(5, 5, 1, 0.9, 0.9), "b").old == 0.9
    assert again.corrected(Correction(5, 1, 1, 0.9, 0.9), "b").old == 0.9  # no longer remembered


def test_nothing_is_said_to_the_dead_letters():
    world = world_of()
    world.publish([*both(1, 6), at(6, 5.0), at(6, 0.01, name="b")], [100])
    assert of_topic(world.outputs, DEAD_LETTERS.name) == []
