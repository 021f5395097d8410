"""However bars are cut into runs, and wherever the walk is put back, it gives the same bytes."""

import numpy as np
import pytest

from schemas.events import StrategyRegistration
from schemas.journal import (
    ROW_INACTIVE,
    ROW_PROGRESS,
    ROW_VALUE,
    Position,
    StrategyRegistered,
)
from schemas.topics import REGISTRY
from streams.core.image import encode_image
from streams.core.outputs import encode_output
from tests.core.worlds import START_NS, Row, World, policy_for

NAMES = ("a", "b", "c")
DAY_NS = 86_400 * 10**9
BARS = 90
C_ENDS = 80
ESTIMATES = {
    "window_bars": 21,
    "min_bars": 5,
    "stale_bars": 3,
    "windows": [4, 20],
    "covariance": "ledoit_wolf",
}
CHANGES = {
    "weekly and drift": {"rebalance": {"schedule": "weekly", "drift": {"max_abs": 0.01}}},
    "seldom": {"rebalance": {"schedule": "monthly"}, "estimation__covariance": "sample"},
    "drift as risk": {"rebalance": {"schedule": "monthly", "drift": {"max_risk": 0.02}}},
    "judged often": {
        "rebalance": {"schedule": "monthly"},
        "estimation__quality": {"every_bars": 3, "window_bars": 12},
        "estimation__demote": {"to": "sample", "min_bars": 6},
    },
    "plain figures": {
        "rebalance": {"schedule": "weekly"},
        "estimation__figures": "standard",
        "estimation__covariance": "ewma:0.9",
    },
    "paper books": {
        "rebalance": {"schedule": "weekly"},
        "execution": {"delay_bars": 1},
        "shadows": [
            {"name": "parity", "objective": {"type": "risk_parity"}},
            {"name": "tail", "objective": {"type": "min_cvar"}},
        ],
    },
}


def rows_of(seed: int) -> list[Row]:
    """Three strategies with holes, a late start, an early end and revisions of past bars."""
    rng = np.random.default_rng(seed)
    rows = [Row("b", START_NS + 8 * DAY_NS, kind=ROW_PROGRESS)]
    for bar in range(1, BARS + 1):
        for place, name in enumerate(NAMES):
            if (place == 1 and bar < 9) or (place == 2 and bar > C_ENDS):
                continue
            value = float(rng.normal(0.0005, 0.01))
            hole = bar < BARS and rng.random() < 0.05
            kind = (
                ROW_PROGRESS
                if hole
                else ROW_INACTIVE
                if place == 2 and bar == C_ENDS
                else ROW_VALUE
            )
            rows.append(Row(name, START_NS + bar * DAY_NS, value, kind))
        if bar > 12 and rng.random() < 0.1:  # a value of the past is corrected
            ago = int(rng.integers(1, 10))
            rows.append(Row("a", START_NS + (bar - ago) * DAY_NS, 0.02 * ago / 10, revision=bar))
    return rows


def play(policy, rows, size: int, *, lag: int, restart: bool) -> tuple[list[bytes], dict, bytes]:
    """Play the rows; return what was published, images by bar, and the last one."""
    world, images = World(policy, lag=lag), {}
    position = Position(REGISTRY.name, 0, 7)
    joins = StrategyRegistration(strategy_id="d", family="trend", portfolios=("p",))
    half = len(rows) // 2
    for part in (rows[:half], rows[half:]):
        for start in range(0, len(part), size):
            world.publish(part[start : start + size], (size,))
            walk = world.portfolio.walk
            asked = None if walk.pending is None else walk.pending.request.request_id
            state = walk.to_state()
            state.pop("corrections")  # those of bars that are still to be closed
            images[walk.status.bar_number, len(walk.names), asked] = encode_image(state)
            if restart:
                image = world.shard.image_of("p")
                world.shard.restore("p", image, world.shard.next_offset)
                assert world.shard.image_of("p") == image
        if part[0] is rows[0]:
            while not world.portfolio.idle:
                world.answer_all()
            world.append(StrategyRegistered(source=position, registration=joins))
            world.publish([Row("d", START_NS + BARS * DAY_NS, kind=ROW_PROGRESS)], (1,))
    while not world.portfolio.idle:
        world.answer_all()
    shown = ("metrics", "covariance", "state", "shadows", "decisions", "rebalance")
    told = [encode_output(o) for o in world.outputs if o.topic.name.split(".")[1] in shown]
    return told, images, encode_image(world.portfolio.walk.to_state())


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES.keys())
def test_runs_restarts_and_slow_answers_give_the_same_bytes(changes):
    merged = {**changes, "estimation": ESTIMATES}
    merged = {key: merged[key] for key in ("estimation", *changes)}
    policy, rows = policy_for(NAMES, **merged), rows_of(len(changes))
    told, images, last = play(policy, rows, 1, lag=0, restart=False)
    assert len(told) > 4 * 80
    shared = 0
    for size, lag, restart in ((2, 0, True), (7, 3, False), (22, 1, True), (1000, 0, False)):
        other = play(policy, rows, size, lag=lag, restart=restart)
        assert other[0] == told, (size, lag, restart)
        assert other[2] == last, (size, lag, restart)
        for place in images.keys() & other[1].keys():
            shared += 1
            assert other[1][place] == images[place], (place, size, lag, restart)
    assert shared > 20
