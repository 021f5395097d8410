"""The state of a walk, with everything in it, comes back and goes on alike."""

import numpy as np

from streams.core.bars import ClosedBar
from streams.core.calendar import DAY_NS
from streams.core.history import DueCorrection
from streams.core.image import decode_image, encode_image
from streams.core.outputs import encode_output
from streams.core.walk import Walk
from tests.core.worlds import policy_for

NAMES = ("a", "b")
NOBODY_ENDED = np.zeros(2, dtype=bool)


def walked(bars=12):
    policy = policy_for(NAMES, rebalance={"schedule": "weekly"}, constraints={"weight_max": 0.9})
    walk = Walk(policy, 1, 1, 4)
    walk.set_members({entry.id: entry for entry in policy.strategies})
    rng = np.random.default_rng(3)
    for day in range(1, bars + 1):
        if walk.pending is None:
            walk.advance([ClosedBar(day * DAY_NS, rng.normal(0, 0.01, 2), NOBODY_ENDED)])
    return walk


def image(walk):
    return encode_image(walk.to_state())


def test_a_walk_that_waits_for_an_answer_comes_back_bit_for_bit():
    walk = walked()
    walk.corrections.append(DueCorrection(0, DAY_NS, "a", float("nan"), 0.5))
    assert walk.pending is not None
    back = Walk.from_state(4, decode_image(image(walk)))
    assert image(back) == image(walk)
    ours, theirs = walk.void("no_answer"), back.void("no_answer")
    assert [encode_output(o) for o in ours] == [encode_output(o) for o in theirs]
    bar = ClosedBar(99 * DAY_NS, np.array([0.01, -0.02]), NOBODY_ENDED)
    (_, ours), (_, theirs) = walk.advance([bar]), back.advance([bar])
    assert [encode_output(o) for o in ours] == [encode_output(o) for o in theirs]
    assert image(back) == image(walk)


def test_a_walk_that_has_seen_nothing_comes_back():
    walk = Walk(policy_for(()), 1, 1, 0)
    assert image(Walk.from_state(0, decode_image(image(walk)))) == image(walk)
