"""Value, flat, missing, inactive: each strategy stands in one of them, bar by bar."""

import numpy as np
import pytest

from schemas.topics import STATE
from schemas.views import BarData
from streams.core.bars import ClosedBar
from streams.core.data_states import bar_data
from tests.core.worlds import World, in_time_order, of_topic, policy_for, ragged

NAN = float("nan")
NAMES = ("ended", "flat", "kept_out", "missing", "stale", "value")


def test_each_state_is_told_by_name():
    bar = ClosedBar(
        1,
        np.array([NAN, 0.0, NAN, NAN, NAN, 0.01]),
        np.array([True, False, False, False, False, False]),
        revised={1: 2},
        late={5: 3},
        quarantined={2: 5.0},
    )
    ages = np.array([9, 0, 1, 1, 7, 0])
    assert bar_data(bar, NAMES, ages, 5) == BarData(
        flat=("flat",),
        missing=("missing", "stale"),
        inactive=("ended",),
        stale=("stale",),
        quarantined={"kept_out": 5.0},
        revised={"flat": 2},
        late={"value": 3},
    )


def test_an_ordinary_bar_says_nothing():
    bar = ClosedBar(1, np.array([0.01, -0.01]), np.zeros(2, dtype=bool))
    assert bar_data(bar, ("a", "b"), np.zeros(2, dtype=np.int64), 5) is None


@pytest.mark.parametrize("seed", range(3))
def test_the_states_of_a_walk_are_those_of_the_returns(seed):
    names = ("a", "b", "c", "d")
    rows = ragged(seed, names, 50)
    world = World(policy_for(names))
    world.publish(in_time_order(rows), (9,))
    for state in {s.bar_number: s for s in of_topic(world.outputs, STATE.name)}.values():
        data = state.data or BarData()
        valued = {
            row.name
            for own in rows.values()
            for row in own
            if row.kind == 0 and world_stamp(row) == state.bar_end
        }
        assert valued == set(names) - {*data.missing, *data.inactive, *data.quarantined}
        assert set(data.stale) <= set(data.missing)
        assert set(data.missing).isdisjoint(data.inactive)


def world_stamp(row):
    return np.datetime64(row.stamp_ns, "ns").astype("M8[s]").item().strftime("%Y-%m-%dT%H:%M:%SZ")
