"""Laws over unruly rows: late, revised, sub-bar, ended, dead, in any frames, answered late."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.image import encode_image
from tests.core.worlds import START_NS, Row, World, canonical, policy_for

NAMES = ("a", "b", "c")
DAY = 86_400 * 10**9
BARS = 14
POLICY = policy_for(
    NAMES,
    estimation={
        "window_bars": 6,
        "min_bars": 3,
        "stale_bars": 2,
        "windows": [3],
        "covariance": "ledoit_wolf",
    },
    rebalance={"schedule": "weekly", "drift": {"max_abs": 0.01}},
)
RETURNS = st.integers(-50, 60).map(lambda permille: permille / 1000)
ROWS = st.lists(
    st.builds(
        Row,
        st.sampled_from(NAMES),
        st.integers(1, 2 * BARS).map(lambda half: START_NS + half * DAY // 2),
        st.one_of(RETURNS, RETURNS, RETURNS, st.just(-1.0)),
        st.sampled_from([0, 0, 0, 0, 0, 0, 0, 1, 1, 2]),
        st.integers(0, 2),
    ),
    max_size=12,
)


def unruly(extra, places):
    """An orderly table with odd rows put in at any places."""
    rows = [
        Row(name, START_NS + bar * DAY, ((bar * 7 + i * 5) % 11 - 5) / 500)
        for bar in range(1, BARS + 1)
        for i, name in enumerate(NAMES)
    ]
    for row, place in zip(extra, places, strict=False):
        rows.insert(place, row)
    return rows


def play(rows, sizes, lag):
    world = World(POLICY, lag=lag)
    world.publish(rows, sizes)
    while not world.portfolio.idle:
        world.answer_all()
    return world


def by_topic(world):
    """Outputs in the order of each topic: a late row is answered before what its frame closes."""
    return sorted(canonical(world.outputs), key=lambda output: output[0])


@settings(max_examples=40)
@given(
    ROWS,
    st.lists(st.integers(0, 40), min_size=12, max_size=12),
    st.lists(st.integers(1, 20), min_size=1, max_size=4),
    st.integers(0, 40),
)
def test_neither_frames_nor_a_slow_optimizer_matter_to_unruly_rows(extra, places, sizes, lag):
    rows = unruly(extra, places)
    plain, other = play(rows, (1,), 0), play(rows, tuple(sizes), lag)
    assert by_topic(plain) == by_topic(other)
    ours, theirs = plain.portfolio.walk.to_state(), other.portfolio.walk.to_state()
    # corrections of bars that are gone may still lie there unread
    ours.pop("corrections"), theirs.pop("corrections")
    assert encode_image(ours) == encode_image(theirs)
