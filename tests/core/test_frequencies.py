"""Strategies of several frequencies in one portfolio: each bar compounds what falls in it."""

import numpy as np
import pandas as pd
import pytest

from schemas.topics import METRICS, STATE
from streams.core.bars import DEAD_RETURN
from streams.core.calendar import DAY_NS, SECOND_NS
from tests.core.worlds import (
    START_NS,
    Row,
    World,
    canonical,
    in_time_order,
    interleaved,
    of_topic,
    policy_for,
)

DAYS = 30
MINUTE_NS = 60 * SECOND_NS
SESSION = range(14 * 60 + 31, 21 * 60 + 1, 10)  # every tenth minute of a session, to 21:00


def minutes(rng):
    """A return for each minute that trades; the day's mark of progress at midnight."""
    rows = []
    for day in range(DAYS):
        if day % 7 < 5:
            start_ns = START_NS + day * DAY_NS
            rows += [
                Row("fast", start_ns + minute * MINUTE_NS, float(rng.normal(0.0, 1e-3)))
                for minute in SESSION
            ]
        rows.append(Row("fast", START_NS + (day + 1) * DAY_NS, kind=1))
    return rows


def daily(rng):
    return [
        Row("slow", START_NS + (day + 1) * DAY_NS, float(rng.normal(0.0, 1e-2)))
        for day in range(DAYS)
    ]


def published(seed):
    rng = np.random.default_rng(seed)
    return {"fast": minutes(rng), "slow": daily(rng)}


def world_of(order, sizes=(40,), bar="1d"):
    policy = policy_for(("fast", "slow"), bar=bar, estimation__covariance="sample")
    world = World(policy)
    world.publish(order, sizes)
    return world


def daily_oracle(rows):
    """What pandas makes of the rows: growth of each day, (start, end], named by its end."""
    table = pd.DataFrame([(row.name, row.stamp_ns, row.value) for row in rows if row.kind == 0])
    day = -(-table[1] // DAY_NS) * DAY_NS
    return table.groupby([day, 0])[2].apply(lambda r: np.prod(1 + r) - 1).unstack()


def test_a_minute_strategy_and_a_daily_one_share_a_daily_portfolio():
    rows = published(1)
    world = world_of(in_time_order(rows))
    windows = world.portfolio.walk.study.windows
    oracle = daily_oracle(in_time_order(rows))
    ours = windows.values(DAYS)[-DAYS:]
    expected = oracle[["fast", "slow"]].to_numpy()[-len(ours) :]
    # 40 factors a day, each exact to 1e-16
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-14)
    assert np.isnan(ours[:, 0]).sum() == np.isnan(expected[:, 0]).sum() > 0
    bars = {state.bar_end for state in of_topic(world.outputs, STATE.name)}
    assert len(bars) == DAYS  # one a day, and none inside a day


@pytest.mark.parametrize("seed", range(4))
def test_any_interleaving_gives_the_same_bytes(seed):
    rows = published(2)
    rng = np.random.default_rng(seed)
    in_order = world_of(in_time_order(rows))
    other = world_of(interleaved(rows, rng), tuple(rng.integers(1, 90, 5).tolist()))
    assert canonical(other.outputs) == canonical(in_order.outputs)


def test_the_same_strategies_in_a_portfolio_of_minutes_have_a_bar_for_each_minute():
    rows = published(3)
    world = world_of(in_time_order(rows), bar="1m")
    stamps = {row.stamp_ns for own in rows.values() for row in own if row.kind == 0}
    assert len(of_topic(world.outputs, METRICS.name)) == len(stamps)


def test_a_death_within_the_day_is_the_days_return():
    rows = published(4)
    last = next(n for n, row in enumerate(rows["fast"]) if row.stamp_ns > START_NS + 9.7 * DAY_NS)
    dead = Row("fast", rows["fast"][last].stamp_ns, DEAD_RETURN)
    rows["fast"] = [*rows["fast"][:last], dead]
    world = world_of(in_time_order(rows))
    window = world.portfolio.walk.study.windows.values(25)
    died = np.flatnonzero(window[:, 0] == -1.0)
    assert len(died) == 1
    assert np.isnan(window[died[0] + 1 :, 0]).all()
