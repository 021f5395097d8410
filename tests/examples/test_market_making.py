"""Fills against a market maker who keeps accounts in money, one asset, plain numbers."""

import numpy as np
import pytest

from examples.strategies.market_making import AUCTION, FAIR, TOUCH, Market, Quoting, filled


def random_market(seed, bars=400):
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.012, bars)))
    opened = close * np.exp(rng.normal(0.0, 0.008, bars))
    high = np.maximum(opened, close) * np.exp(np.abs(rng.normal(0.0, 0.006, bars)))
    low = np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0.0, 0.006, bars)))
    return opened, high, low, close


def in_money(opened, high, low, close, quoting):
    """Quote, fill and mark in prices; lots are worth 1 at the close before each bar."""
    lots, rows = 0, []
    for bar in range(64, len(close)):
        last = close[bar - 1]
        moves = np.diff(close[bar - 64 : bar]) / close[bar - 64 : bar - 1]
        width = np.std(moves, ddof=1) * last
        fair = close[bar - quoting.fair_bars : bar].mean() - quoting.skew_per_lot * width * lots
        bid = min(fair - quoting.half_spread * width, last)
        offer = max(fair + quoting.half_spread * width, last)
        buys = low[bar] < bid and lots < quoting.lots_max
        sells = high[bar] > offer and lots > -quoting.lots_max
        units, cash = 1 / last, 0.0  # units of a lot
        traded, opening = 0.0, lots
        if buys:
            price = min(bid, opened[bar])
            cash, traded, lots = cash - units * price, traded + units * price, lots + 1
        if sells:
            price = max(offer, opened[bar])
            cash, traded, lots = cash + units * price, traded + units * price, lots - 1
        worth = lots * units * close[bar]
        rows.append((opening, worth, worth + cash - opening, traded))
    return np.array(rows)


@pytest.mark.parametrize("quoting", [TOUCH, FAIR, AUCTION, Quoting(half_spread=0.3, lots_max=1)])
def test_fills_equal_accounts_kept_in_money(quoting):
    opened, high, low, close = prices = random_market(seed=17)
    fills = filled(Market(**_columns(opened, high, low, close)), quoting)
    expected = in_money(*prices, quoting)

    assert len(set(expected[:, 0])) >= 3, "the inventory should have been both long and short"
    for column, values in enumerate((fills.opening, fills.marked, fills.gain, fills.traded)):
        assert np.isnan(values[:64]).all()
        # shares of the close before against money: rounding of numbers up to 3
        np.testing.assert_allclose(values[64:, 0], expected[:, column], atol=1e-12)


def test_inventory_is_bounded_in_a_market_that_only_falls():
    close = 100.0 * 0.99 ** np.arange(200.0) * (1 + 0.002 * (np.arange(200) % 2))
    fills = filled(Market(**_columns(close, close * 1.0001, close * 0.98, close)), TOUCH)

    assert np.nanmax(fills.opening) == TOUCH.lots_max
    assert np.nansum(fills.gain) < 0.0  # run over: fills are no gift


def test_a_fair_coin_market_pays_the_quotes_nothing():
    # In a driftless market that only moves by quoted prices, standing in it must earn nothing
    # before costs: one tick a step inside the day, fills at the quote, close after 60 steps.
    rng = np.random.default_rng(29)
    days, steps = 6000, 60
    path = np.cumsum(rng.choice([-1e-4, 1e-4], size=(days, steps)), axis=1)
    before = 100.0
    opened, high, low, close = (np.empty(days) for _ in range(4))
    for day in range(days):
        walk = before * (1.0 + path[day])
        opened[day] = before
        high[day], low[day] = max(walk.max(), before), min(walk.min(), before)
        close[day] = before = walk[-1]
    fills = filled(Market(**_columns(opened, high, low, close)), TOUCH)
    gain = fills.gain[64:, 0]
    standard_error = gain.std(ddof=1) / np.sqrt(len(gain))

    # Strictly through the quote means up to a tick (1e-4) worse than it at the moment of the fill,
    # on about one bar in three a side; beyond that and 4 standard errors something is given away.
    assert abs(gain.mean()) <= 4 * standard_error + 1e-4


def _columns(*prices):
    return dict(zip(("open", "high", "low", "close"), (p[:, None] for p in prices), strict=True))
