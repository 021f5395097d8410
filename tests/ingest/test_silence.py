"""A silent strategy is released once it is behind, silent and the source is read to its end."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.journal import Release
from streams.ingest.arrivals import decode
from streams.ingest.route import Router
from tests.ingest.arriving import (
    SECOND_NS,
    START_NS,
    a_return,
    on_registry,
    portfolio,
    registry,
    strategy,
    tombstone,
)

MS = 10**6
WORLD = registry(portfolio("p"), strategy("a", "p"), strategy("b", "p"), strategy("c", "p"))


def listening(*arrivals, world=WORLD):
    router = Router(shards=12, allowance_bars=2, silence_ms=2_000)
    router.learn(decode(world))
    router.route(decode(arrivals))
    return router


def due(router, now_ms, *, at_end=True):
    found = router.due_releases(now_ms * MS, at_end=at_end)
    return [(s, r.strategy_id, (r.through_ns - START_NS) // SECOND_NS) for s, r in found]


IN_STEP = (a_return(0, "a", 10), a_return(1, "b", 10))


def test_never_heard_member_is_released_after_the_silence_and_not_twice():
    router = listening(*IN_STEP)
    assert due(router, 1_000) == []
    assert due(router, 2_999) == []
    assert due(router, 3_000) == [(3, "c", 8)]
    assert due(router, 9_000) == []


def test_release_is_repeated_as_the_frontier_moves():
    router = listening(*IN_STEP)
    due(router, 0)
    assert due(router, 2_000) == [(3, "c", 8)]
    router.route(decode([a_return(2, "a", 11), a_return(3, "b", 11)]))
    assert due(router, 2_100) == [(3, "c", 9)]


def test_within_the_allowance_nobody_is_behind():
    router = listening(*IN_STEP, a_return(2, "c", 8))
    assert not router.anybody_behind()
    assert due(router, 0) == due(router, 60_000) == []
    router.route(decode([a_return(3, "a", 11)]))
    assert router.anybody_behind()


def test_nobody_is_released_while_the_source_is_not_read_to_its_end():
    router = listening(*IN_STEP)
    due(router, 0)
    assert due(router, 60_000, at_end=False) == []
    assert due(router, 60_001) == []
    assert due(router, 62_001) == [(3, "c", 8)]


def test_publisher_that_works_off_its_backlog_is_not_silent():
    router = listening(*IN_STEP)
    due(router, 0)
    for step in range(5):
        router.route(decode([a_return(10 + step, "c", step)]))
        assert due(router, 1_500 * (step + 1)) == []
    assert due(router, 9_500) == [(3, "c", 8)]


def test_ended_and_dead_and_retired_strategies_are_never_released():
    ended = a_return(2, "c", 1, status="inactive")
    assert not listening(*IN_STEP, ended).anybody_behind()
    assert not listening(*IN_STEP, a_return(2, "c", 1, -1.0)).anybody_behind()
    assert not listening(*IN_STEP, tombstone(9, "strategy/c")).anybody_behind()
    revived = listening(*IN_STEP, ended)
    revived.route(decode([on_registry(9, strategy("c", "p"))]))
    assert revived.anybody_behind()


def test_a_mark_far_ahead_makes_nobody_behind():
    far = a_return(2, "c", 10_000, status="progress")
    assert not listening(*IN_STEP, far).anybody_behind()


def test_nobody_heard_means_nobody_behind():
    assert not listening().anybody_behind()


def test_each_portfolio_releases_by_the_allowance_of_its_own_bars():
    world = registry(
        portfolio("p", shard=3),
        portfolio("m", shard=4, bar="1m"),
        strategy("a", "p", "m"),
        strategy("b", "p", "m"),
    )
    rows = (a_return(0, "a", 118), a_return(1, "a", 119), a_return(2, "b", 0))
    router = listening(*rows, world=world)
    due(router, 0)
    (shard, release), *others = router.due_releases(2_000 * MS, at_end=True)
    assert others == []
    assert (shard, release.portfolio_id, release.strategy_id) == (3, "p", "b")
    assert release.through_ns == START_NS + 117 * SECOND_NS
    router.route(decode([a_return(3, "a", 121)]))
    assert due(router, 2_000) == [(3, "b", 119)]
    ((shard, release),) = router.due_releases(4_000 * MS, at_end=True)
    assert (shard, release.portfolio_id, release.strategy_id) == (4, "m", "b")
    assert release.through_ns == START_NS + SECOND_NS


# ----------------------------------------------------------------------- one mistaken date


def test_a_lone_stamp_far_ahead_releases_nobody():
    router = listening(*IN_STEP, a_return(2, "c", 10), a_return(3, "a", 9_000))
    assert not router.anybody_behind()
    for second in range(11, 20):  # nor as life goes on, of its own strategy and of the others
        router.route(decode([a_return(second, name, second) for name in "abc"]))
        assert not router.anybody_behind()


def test_the_second_row_in_step_with_the_first_bears_it_out():
    router = listening(*IN_STEP, a_return(2, "c", 10), a_return(3, "a", 9_000))
    router.route(decode([a_return(4, "a", 9_001)]))
    due(router, 0)
    assert due(router, 2_000) == [(3, "b", 8_999), (3, "c", 8_999)]


def test_a_second_member_as_new_bears_it_out():
    router = listening(*IN_STEP, a_return(2, "c", 10), a_return(3, "a", 9_000))
    router.route(decode([a_return(4, "b", 9_005)]))
    due(router, 0)
    assert due(router, 2_000) == [(3, "c", 8_998)]


def test_the_last_of_three_feeds_goes_on_alone():
    router = listening(*IN_STEP, a_return(2, "c", 10))
    for second in range(11, 16):
        router.route(decode([a_return(second, "a", second)]))
    due(router, 0)
    assert due(router, 2_000) == [(3, "b", 13), (3, "c", 13)]


def test_a_lone_survivor_after_a_gap_counts_from_its_second_row():
    router = listening(*IN_STEP, a_return(2, "c", 10))
    router.route(decode([a_return(3, "a", 500)]))
    assert not router.anybody_behind()
    router.route(decode([a_return(4, "a", 501)]))
    assert router.anybody_behind()


def test_the_very_first_row_of_all_releases_nobody_and_the_second_does():
    router = listening(a_return(0, "a", 10))
    assert not router.anybody_behind()
    router.route(decode([a_return(1, "a", 11)]))
    assert router.anybody_behind()


def test_a_feed_whose_clock_is_ahead_counts_no_further_than_its_publication():
    hour = 3_600
    rows = [
        a_return(second, name, second + (hour if name == "a" else 0), published_s=second)
        for second in range(10)
        for name in "abc"
    ]
    assert not listening(*rows).anybody_behind()


def test_time_that_is_simulated_beyond_publication_still_releases_the_silent():
    rows = [a_return(second, name, second, published_s=-1) for second in range(9) for name in "ab"]
    router = listening(*rows)
    due(router, 0)
    assert due(router, 2_000) == [(3, "c", 6)]


def newest_borne_out(heard):
    """The rule in words, for one portfolio with an allowance of two seconds: brute force."""
    found = []
    for name, seconds in heard.items():
        for second in seconds:
            others = [s for s in seconds if s != second and s >= second - 2]
            peers = [s for peer, said in heard.items() if peer != name for s in said]
            if others or any(s >= second for s in peers):
                found.append(second)
    return max(found, default=None)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30)), max_size=30))
def test_releases_follow_the_newest_stamp_that_is_borne_out_and_none_is_repeated(steps):
    router = listening()
    said = set()
    heard = {}
    for offset, (name, second) in enumerate(steps):
        router.route(decode([a_return(offset, name, second)]))
        heard.setdefault(name, set()).add(second)
        for shard, release in router.due_releases(offset * 1_000 * MS, at_end=True):
            assert isinstance(release, Release)
            key = (shard, release.strategy_id, release.through_ns)
            assert key not in said
            said.add(key)
            assert release.through_ns == START_NS + (newest_borne_out(heard) - 2) * SECOND_NS
