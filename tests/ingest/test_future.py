"""A stamp that is far ahead of its publication and of its peers never enters the journal."""

import pytest

from schemas.journal import Frame
from streams.core.frames import unpack
from streams.ingest.arrivals import decode
from streams.ingest.future import FAR_FUTURE
from streams.ingest.route import Router
from tests.ingest.arriving import a_return, portfolio, registry, strategy

DAY = 86_400
YEAR = 365 * DAY
WORLD = registry(
    portfolio("p", bar="1d"), strategy("a", "p"), strategy("b", "p"), strategy("c", "p")
)


def listening(*polls, world=WORLD):
    """Route polls one by one; return the stamps (days) let in, and the dead letters."""
    router = Router(shards=12)
    router.learn(decode(world))
    let_in, dead = [], []
    for poll in polls:
        routed = router.route(decode(poll))
        dead += routed.dead
        for shard in routed.shards():
            for record in routed.journal(shard):
                assert isinstance(record, Frame)
                rows = unpack(record)
                let_in += [rows.names[i] for i in rows.strategy.tolist()]
    return let_in, dead


def test_a_row_dated_2106_is_refused_and_says_why():
    far = a_return(1, "a", 83 * YEAR, published_s=3)
    let_in, dead = listening([a_return(0, "a", 1, published_s=2), far])
    assert let_in == ["a"]
    (letter,) = dead
    assert letter.code == FAR_FUTURE
    assert letter.value == far.value
    assert letter.detail == (
        "period_end 2106-10-25T22:13:20Z is in the future of its publication at"
        " 2023-11-14T22:13:23Z; expected at most 7 days later"
    )


@pytest.mark.parametrize("status", ["value", "progress", "inactive"])
def test_the_first_row_of_a_fresh_topic_is_refused_too_whatever_it_says(status):
    let_in, dead = listening([a_return(0, "a", YEAR, status=status, published_s=0)])
    assert (let_in, [letter.code for letter in dead]) == ([], [FAR_FUTURE])


def test_what_was_refused_bears_nothing_out():
    polls = [[a_return(n, "a", 40 * YEAR + n, published_s=n)] for n in range(4)]
    let_in, dead = listening(*polls)
    assert (let_in, len(dead)) == ([], 4)
    let_in, dead = listening([arrival for poll in polls for arrival in poll])
    assert (let_in, len(dead)) == ([], 4)


def test_a_session_dated_by_its_end_and_a_week_ahead_are_let_in():
    _, dead = listening([a_return(0, "a", DAY // 4, published_s=0)])
    assert dead == []
    _, dead = listening([a_return(0, "a", 7 * DAY, published_s=0)])
    assert dead == []


def test_a_bar_longer_than_a_week_may_be_dated_by_its_end():
    world = registry(portfolio("p", bar="1mo"), strategy("a", "p"))
    _, dead = listening([a_return(0, "a", 60 * DAY, published_s=0)], world=world)
    assert dead == []
    _, (letter,) = listening([a_return(0, "a", 63 * DAY, published_s=0)], world=world)
    assert letter.detail.endswith("expected at most 62 days later")


def test_history_published_strategy_by_strategy_is_let_in():
    now = 30 * YEAR
    days = range(0, 29 * YEAR, 30 * DAY)  # holes of a month
    polls = [
        [a_return(n, name, day, published_s=now)] for name in "abc" for n, day in enumerate(days)
    ]
    let_in, dead = listening(*polls)
    assert (len(let_in), dead) == (3 * len(days), [])


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_time_that_is_simulated_may_run_ahead_step_by_step(size):
    days = range(0, 10 * YEAR, DAY)
    rows = [a_return(n, name, day, published_s=0) for n, day in enumerate(days) for name in "ab"]
    rows.append(a_return(len(rows), "c", 10 * YEAR + DAY, published_s=0))  # its first, with them
    let_in, dead = listening(*(rows[i : i + size] for i in range(0, len(rows), size)))
    assert (len(let_in), dead) == (len(rows), [])
    rows.append(a_return(len(rows), "c", 11 * YEAR, published_s=0))
    _, (letter,) = listening(*(rows[i : i + size] for i in range(0, len(rows), size)))
    assert "its portfolio is at 2033-11-12T22:13:20Z" in letter.detail


def test_without_a_time_of_publication_nothing_is_refused():
    let_in, dead = listening([a_return(0, "a", 83 * YEAR)])
    assert (let_in, dead) == (["a"], [])


def test_a_strategy_of_no_portfolio_is_told_that_first():
    _, (letter,) = listening([a_return(0, "ghost", 83 * YEAR, published_s=0)])
    assert letter.code == "unknown_strategy"
