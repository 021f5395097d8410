"""The bookkeeping against accounts kept in money, and the sizing against a covariance."""

import numpy as np
import pytest

from examples.strategies.book import (
    Book,
    hold,
    hold_overnight,
    lag,
    scale_to_target,
    simple_returns,
    trade,
    volatility_targeted,
)


@pytest.fixture
def market():
    rng = np.random.default_rng(11)
    close = 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.015, (200, 3)), axis=0))
    weights = rng.normal(size=(200, 3))
    return close, weights


def accounts(positions, returns, cost_bps):
    """Keep NAV and holdings in money: pay for the trade, hold, mark."""
    nav, held, made = 1.0, np.zeros(positions.shape[1]), []
    for target, moved in zip(positions, returns, strict=True):
        before = nav
        traded = np.abs(target * nav - held).sum()
        nav -= traded * cost_bps / 10_000
        held = target * nav * (1.0 + moved)
        nav += (target * nav * moved).sum()
        made.append(nav / before - 1.0)
    return np.array(made)


def test_returns_equal_accounts_kept_in_money(market):
    close, weights = market
    returns = simple_returns(close)[1:]
    positions = 0.3 * weights[1:]

    book = hold(7, positions, returns, cost_bps=20.0)

    assert book.first == 7
    # a few rounding errors of numbers near 1
    np.testing.assert_allclose(book.returns, accounts(positions, returns, 20.0), atol=1e-14)


def test_overnight_positions_are_bought_and_sold_each_night():
    book = hold_overnight(0, np.array([[2.0], [0.0]]), np.array([[0.01], [0.05]]), cost_bps=10.0)

    # buys 2, sells 2 * 1.01 at 10 bps; then stays out
    assert book.turnover.tolist() == pytest.approx([4.02, 0.0])
    assert book.returns.tolist() == pytest.approx([(1 - 0.00402) * 1.02 - 1, 0.0])


def test_a_weight_wanted_after_a_close_is_held_over_the_next_bar(market):
    close, weights = market
    book = trade(0, close, weights, cost_bps=0.0)
    returns = simple_returns(close)
    for bar in (64, 100, 199):
        scale = book.positions[bar, 0] / weights[bar - 1, 0]
        np.testing.assert_allclose(book.positions[bar], scale * weights[bar - 1], rtol=1e-12)
        assert book.returns[bar] == pytest.approx(book.positions[bar] @ returns[bar])


def test_forecast_volatility_is_ten_percent_unless_leverage_would_pass_three(market):
    close, weights = market
    returns = simple_returns(close)
    weights[150:] *= [[1e-3, 1.0, 1.0]]
    calm = returns.copy()
    calm[100:, :] *= 0.05  # 1 % a year: out of reach for leverage 3
    for moves, reachable in ((returns, True), (calm, False)):
        position = volatility_targeted(weights, moves)[180]
        past = moves[180 - 63 : 180]
        forecast = np.sqrt(position @ (past.T @ past / 63) @ position * 252)
        gross = np.abs(position).sum()
        if reachable:
            assert forecast == pytest.approx(0.10, rel=1e-12)
            assert gross < 3.0
        else:
            assert forecast < 0.10
            assert gross == pytest.approx(3.0, rel=1e-12)


def test_warm_up_has_no_position_and_no_return(market):
    close, weights = market
    weights[:80] = np.nan
    book = trade(0, close, weights, cost_bps=1.0)

    assert np.isnan(book.returns[:81]).all()
    assert np.isfinite(book.returns[81:]).all()


def test_too_little_history_gives_an_empty_book(market):
    close, weights = market
    book = trade(0, close[:63], weights[:63], cost_bps=1.0)

    assert isinstance(book, Book)
    assert np.isnan(book.returns).all()


def test_scale_of_nothing_is_nothing_and_of_the_unmoving_is_bounded_by_size():
    volatility = np.array([0.0, 0.0, 0.2, 0.001, np.nan])
    gross = np.array([0.0, 1.5, 1.0, 1.0, 1.0])

    np.testing.assert_array_equal(scale_to_target(volatility, gross), [0.0, 2.0, 0.5, 3.0, np.nan])


def test_lag_moves_rows_down_by_one():
    np.testing.assert_array_equal(lag(np.array([1.0, 2.0, 3.0])), [np.nan, 1.0, 2.0])
