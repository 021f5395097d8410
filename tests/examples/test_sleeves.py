"""What every sleeve owes: a family, a life on real dates, sane risk, costs that cost."""

from collections import Counter

import numpy as np
import pytest

from examples.strategies import SLEEVES
from examples.strategies.book import LEVERAGE_MAX

IDS = [sleeve.id for sleeve in SLEEVES]
ARBITRAGE = [sleeve.id for sleeve in SLEEVES if sleeve.family == "arbitrage"]


def alive(book):
    return np.isfinite(book.returns)


def test_there_are_at_least_four_sleeves_a_family_and_ids_are_unique():
    assert len(IDS) in range(20, 25)
    assert sorted(set(IDS)) == IDS
    count = Counter(sleeve.family for sleeve in SLEEVES)
    assert set(count) == {"trend", "arbitrage", "mean_reversion", "market_making"}
    assert min(count.values()) >= 4


@pytest.mark.parametrize("sleeve", SLEEVES, ids=lambda sleeve: sleeve.id)
def test_every_rule_says_what_it_does_and_costs(sleeve):
    assert sleeve.description.endswith(".")
    assert "Source: " in (sleeve.rule.__doc__ or "") or sleeve.family == "market_making"
    assert 1.0 <= sleeve.cost_bps <= 5.0


def test_table_is_aligned_with_its_names_and_benchmark(prices, table, books):
    assert table.ids == tuple(IDS)
    assert table.families == tuple(sleeve.family for sleeve in SLEEVES)
    assert table.returns.shape == (len(table.sessions), len(IDS))
    for column, sleeve_id in enumerate(IDS):
        book = books[sleeve_id]
        placed = table.returns[book.first : book.first + len(book.returns), column]
        np.testing.assert_array_equal(placed, book.returns)
    index = prices.spx.close[:, 0]
    np.testing.assert_array_equal(table.benchmark[1:], index[1:] / index[:-1] - 1.0)


@pytest.mark.parametrize("sleeve_id", IDS)
def test_returns_are_finite_and_above_minus_one_within_one_unbroken_life(table, sleeve_id):
    column = table.returns[:, table.ids.index(sleeve_id)]
    rows = np.flatnonzero(~np.isnan(column))

    assert len(rows) == rows[-1] - rows[0] + 1
    assert np.isfinite(column[rows]).all()
    assert (column[rows] > -1.0).all()


@pytest.mark.parametrize(
    ("part", "first", "last"),
    [
        # factor ETFs are listed in the file from 2014-01-02; the rule then warms up
        ("factor", ("2014-03-01", "2014-12-31"), ("2022-12-28", "2022-12-28")),
        ("wti", ("1990-03-01", "1990-12-31"), ("2018-12-31", "2019-01-04")),
        ("nasdaq", ("1999-03-01", "1999-12-31"), ("2018-12-31", "2018-12-31")),
        ("stocks", ("1990-03-01", "1991-01-31"), ("2022-12-28", "2022-12-28")),
    ],
)
def test_sleeves_join_and_fall_silent_on_the_dates_of_their_prices(table, part, first, last):
    named = [sleeve_id for sleeve_id in IDS if part in sleeve_id]
    assert len(named) >= 2
    for sleeve_id in named:
        rows = np.flatnonzero(np.isfinite(table.returns[:, IDS.index(sleeve_id)]))
        joins, ends = table.sessions[rows[0]], table.sessions[rows[-1]]
        assert np.datetime64(first[0]) <= joins <= np.datetime64(first[1]), sleeve_id
        assert np.datetime64(last[0]) <= ends <= np.datetime64(last[1]), sleeve_id


@pytest.mark.parametrize("sleeve_id", IDS)
def test_exposure_never_exceeds_three(books, sleeve_id):
    book = books[sleeve_id]
    exposure = book.exposure[alive(book)]

    # the bound is exact but for the rounding of a division and a product
    assert exposure.max() <= LEVERAGE_MAX * (1 + 1e-12)
    held = np.abs(book.positions[alive(book)]).sum(axis=1)
    assert (held <= exposure * (1 + 1e-12)).all()


@pytest.mark.parametrize("sleeve_id", IDS)
def test_realised_volatility_while_exposed_is_near_its_target(books, sleeve_id):
    book = books[sleeve_id]
    exposed = alive(book) & (book.exposure > 0.0)
    volatility = book.returns[exposed].std(ddof=1) * 252**0.5

    # 10 % is aimed at with last quarter's variation. It comes out lower where leverage 3 is not
    # enough (spreads of calm funds and indices), and higher where a rule acts after a fall, when
    # volatility is rising and the estimate is behind; hence not symmetric.
    assert 0.08 <= volatility <= 0.15


@pytest.mark.parametrize("sleeve_id", ARBITRAGE)
def test_arbitrage_is_dollar_neutral(books, sleeve_id):
    book = books[sleeve_id]
    positions = book.positions[alive(book)]

    assert np.abs(positions.sum(axis=1)).max() <= 1e-12
    assert np.abs(positions).sum(axis=1).max() > 0.5  # and not by being empty


@pytest.mark.parametrize("sleeve_id", IDS)
def test_costs_only_take(books, free_books, sleeve_id):
    book, free = books[sleeve_id], free_books[sleeve_id]
    rows = alive(book)
    np.testing.assert_array_equal(book.positions, free.positions)
    taken = (free.returns - book.returns)[rows]

    assert (taken >= 0.0).all()
    assert (taken[book.turnover[rows] > 1e-9] > 0.0).all()
    assert taken.sum() > 0.0


@pytest.mark.parametrize("sleeve_id", IDS)
def test_sleeves_trade_neither_never_nor_madly(books, sleeve_id):
    book = books[sleeve_id]
    a_year = book.turnover[alive(book)].mean() * 252

    # twice: a position taken and left once a year; 6 * 252: all of leverage 3 in and out daily
    assert 2.0 <= a_year <= 6.0 * 252
