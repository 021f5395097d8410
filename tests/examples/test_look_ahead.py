"""No sleeve knows the future, and a rule that does is caught by the same check."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from examples.strategies import SLEEVES, build_sleeves
from examples.strategies.book import hold, simple_returns, trade
from examples.strategies.indicators import zscore
from examples.strategies.market_making import TOUCH, Market, filled
from tests.examples.scrambling import scrambled_after

SESSIONS = ["1996-07-16", "2000-03-10", "2008-10-10", "2014-11-03", "2017-08-24"]
BARS_TO_DIFFER = 120  # a rule left that long in another market holds something else in it


def same_bits(left, right):
    return np.array_equal(left.view(np.int64), right.view(np.int64))


def upto(book, row, values):
    """Rows of a book up to calendar row `row`."""
    return np.ascontiguousarray(values[: max(0, row + 1 - book.first)])


def row_of(prices, session):
    return int(np.searchsorted(prices.sessions, np.datetime64(session)))


def knows_the_future(book, other, row):
    """Whether two futures after `row` differ in a return up to it, or in what is held next.

    The position of bar row + 1 must be made from data up to `row`: returns alone would miss a rule
    that trades on the close of the very bar it holds.
    """
    return not (
        same_bits(upto(book, row, book.returns), upto(book, row, other.returns))
        and same_bits(upto(book, row, book.turnover), upto(book, row, other.turnover))
        and same_bits(upto(book, row + 1, book.positions), upto(book, row + 1, other.positions))
        and same_bits(upto(book, row + 1, book.exposure), upto(book, row + 1, other.exposure))
    )


@pytest.fixture(scope="module", params=SESSIONS)
def another_future(request, prices):
    """A session, and every sleeve's book in a market that differs after it."""
    row = row_of(prices, request.param)
    scrambled = scrambled_after(prices, row, seed=row)
    return row, {sleeve.id: sleeve.rule(scrambled, sleeve.cost_bps) for sleeve in SLEEVES}


def test_what_comes_later_changes_nothing_before(books, another_future):
    row, others = another_future

    assert [name for name in books if knows_the_future(books[name], others[name], row)] == []


def test_another_future_reaches_every_sleeve_that_lives_in_it(books, another_future):
    row, others = another_future
    reached = 0
    for name, book in books.items():
        after = slice(max(0, row + 1 - book.first), None)
        if np.isfinite(book.returns[after]).sum() > BARS_TO_DIFFER:
            assert not same_bits(book.returns[after], others[name].returns[after]), name
            reached += 1

    assert reached >= 10


@pytest.mark.slow
@pytest.mark.parametrize("session", SESSIONS)
def test_a_table_built_earlier_is_the_head_of_one_built_later(prices, table, session):
    until = dt.date.fromisoformat(session)
    early = build_sleeves(prices, until=until)

    assert early.sessions[-1] == np.datetime64(until)
    assert same_bits(early.returns, table.returns[: len(early.sessions)])
    assert same_bits(early.benchmark, table.benchmark[: len(early.sessions)])


def holds_today_what_rises_today(prices, cost_bps):
    close = prices.spx.close
    returns = simple_returns(close)
    return hold(prices.spx.first, np.sign(returns), returns, cost_bps)


def wants_tomorrow(prices, cost_bps):
    close = prices.spx.close
    tomorrow = np.roll(simple_returns(close), -1, axis=0)
    return trade(prices.spx.first, close, np.sign(tomorrow), cost_bps)


def centres_on_the_whole_sample(prices, cost_bps):
    close = prices.stocks.close
    score = zscore(np.log(close), 60)
    wanted = score - np.nanmean(score, axis=0)
    return trade(prices.stocks.first, close, wanted, cost_bps)


def sizes_on_the_whole_sample(prices, cost_bps):
    close = prices.wti.close
    returns = simple_returns(close)
    size = 0.1 / (np.nanstd(returns) * 252**0.5)
    return hold(prices.wti.first, np.full_like(close, size), returns, cost_bps)


@pytest.mark.parametrize(
    "rule",
    [
        holds_today_what_rises_today,
        wants_tomorrow,
        centres_on_the_whole_sample,
        sizes_on_the_whole_sample,
    ],
)
def test_a_planted_look_ahead_is_caught(prices, rule):
    book = rule(prices, 1.0)

    assert all(
        knows_the_future(book, rule(scrambled_after(prices, row, seed=row), 1.0), row)
        for row in (row_of(prices, session) for session in SESSIONS[:3])
    )


def test_quotes_do_not_move_with_the_close_of_the_bar_they_stand_in(prices):
    bars = prices.nasdaq_bars
    market = Market(
        **{name: getattr(bars, name)[:, None] for name in ("open", "high", "low", "close")}
    )
    fills = filled(market, TOUCH)
    traded_bars = np.flatnonzero(fills.traded[:, 0] > 0.0)[[0, 100, 500, -2]]
    for bar in traded_bars:
        close = market.close.copy()
        close[bar] = 0.5 * (market.low[bar] + close[bar])
        moved = filled(replace(market, close=close), TOUCH)

        # values are shares of the same close before, so that equal quotes give equal bits
        assert moved.traded[bar] == fills.traded[bar]
        assert moved.opening[bar] == fills.opening[bar]
        assert moved.gain[bar] != fills.gain[bar] or moved.marked[bar] == 0.0
