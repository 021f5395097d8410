"""Market making family: stand ready on both sides, and take what the next bar reaches.

A proxy, and a cautious one. The quotes of bar t are set from data up to t-1:

- *touch* and *fair*: a bid is filled if the low of bar t is under it, an offer if the high is over
  it. A day that opens beyond a quote fills it at the open, as an opening auction would. A day that
  reaches both earns the spread once, whatever went on between.
- *auction*: where only one price a day is known, the quotes are limit orders for it and fill at it.

Fills are marked at the close, so that every quote the market runs through is paid for (adverse
selection). Queues and partial fills are unknown. The S&P 500 file opens at the close before until
about 2007, so that its nights are missed and its fills are worse than real ones would have been.
Indices and spot oil are not traded themselves: read them as their futures.

Inventory moves the quotes as in M. Avellaneda, S. Stoikov, "High-frequency trading in a limit order
book", Quantitative Finance 8 (2008): the reservation price falls with the inventory held.
"""

from dataclasses import dataclass

import numpy as np

from examples.strategies.book import (
    SESSIONS_PER_YEAR,
    Book,
    lag,
    scale_to_target,
    simple_returns,
)
from examples.strategies.indicators import padded, rolling_mean, rolling_std, windows
from examples.strategies.prices import Bars, FloatArray, Panel, Prices

SIZING_BARS = 126  # lots are sized on half a year of the rule's own results for one lot


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoting:
    """How a market maker quotes; widths in daily standard deviations of the price."""

    half_spread: float
    fair_bars: int = 1  # the fair price is the mean of that many closes
    skew_per_lot: float = 0.25  # each lot held moves both quotes by this, against it
    lots_max: int = 3  # of each asset, either way


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Market:
    """What the quotes meet: prices of each bar, (L, N)."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fills:
    """What lots worth 1 at the close before did over each bar; (L, N), NaN in the warm-up."""

    opening: FloatArray  # lots held into the bar
    marked: FloatArray  # value of the lots held at its close
    gain: FloatArray  # before costs
    traded: FloatArray  # value bought and sold


TOUCH = Quoting(half_spread=1.0)
FAIR = Quoting(half_spread=1.0, fair_bars=5)
AUCTION = Quoting(half_spread=0.5)


def touch_spx(prices: Prices, cost_bps: float) -> Book:
    """Quote the S&P 500 one daily deviation either side of the last close."""
    bars = prices.spx_bars
    return _make_market(bars.first, _day(bars), TOUCH, cost_bps)


def touch_nasdaq(prices: Prices, cost_bps: float) -> Book:
    """Quote the NASDAQ one daily deviation either side of the last close."""
    bars = prices.nasdaq_bars
    return _make_market(bars.first, _day(bars), TOUCH, cost_bps)


def fair_spx(prices: Prices, cost_bps: float) -> Book:
    """Quote the S&P 500 one daily deviation either side of its five-day mean."""
    bars = prices.spx_bars
    return _make_market(bars.first, _day(bars), FAIR, cost_bps)


def fair_nasdaq(prices: Prices, cost_bps: float) -> Book:
    """Quote the NASDAQ one daily deviation either side of its five-day mean."""
    bars = prices.nasdaq_bars
    return _make_market(bars.first, _day(bars), FAIR, cost_bps)


def auction_wti(prices: Prices, cost_bps: float) -> Book:
    """Stand in the daily price of WTI, half a deviation either side of the last one."""
    return _make_market(prices.wti.first, _auction(prices.wti), AUCTION, cost_bps)


def auction_factors(prices: Prices, cost_bps: float) -> Book:
    """Stand in the closing auctions of five factor ETFs, half a deviation either side."""
    return _make_market(prices.factors.first, _auction(prices.factors), AUCTION, cost_bps)


def _day(bars: Bars) -> Market:
    columns = (bars.open, bars.high, bars.low, bars.close)
    opened, high, low, close = (column[:, None] for column in columns)
    return Market(open=opened, high=high, low=low, close=close)


def _auction(panel: Panel) -> Market:
    return Market(open=panel.close, high=panel.close, low=panel.close, close=panel.close)


def _make_market(first: int, market: Market, quoting: Quoting, cost_bps: float) -> Book:
    return _sized(first, filled(market, quoting), quoting, cost_bps)


def filled(market: Market, quoting: Quoting) -> Fills:
    """Stand in the market with one lot a side, bar after bar."""
    before = lag(market.close)
    width = lag(rolling_std(simple_returns(market.close), 63))
    fair = lag(rolling_mean(market.close, quoting.fair_bars)) / before - 1.0
    opened, high, low, close = (
        price / before - 1.0 for price in (market.open, market.high, market.low, market.close)
    )
    opening, marked, gain, traded = (np.full_like(close, np.nan) for _ in range(4))
    lots = np.zeros(close.shape[1])
    for bar in range(_first_finite(width), len(close)):
        centre = fair[bar] - quoting.skew_per_lot * width[bar] * lots
        # a passive quote never stands beyond the last price, which is 0 on this scale
        bid = np.minimum(centre - quoting.half_spread * width[bar], 0.0)
        offer = np.maximum(centre + quoting.half_spread * width[bar], 0.0)
        bought = 1.0 * ((low[bar] < bid) & (lots < quoting.lots_max))
        sold = 1.0 * ((high[bar] > offer) & (lots > -quoting.lots_max))
        paid, received = np.minimum(bid, opened[bar]), np.maximum(offer, opened[bar])
        opening[bar] = lots
        gain[bar] = (
            lots * close[bar] + bought * (close[bar] - paid) + sold * (received - close[bar])
        )
        traded[bar] = bought * (1.0 + paid) + sold * (1.0 + received)
        lots = lots + bought - sold
        marked[bar] = lots * (1.0 + close[bar])
    return Fills(opening=opening, marked=marked, gain=gain, traded=traded)


def _first_finite(width: FloatArray) -> int:
    finite = np.isfinite(width).all(axis=1)
    return int(finite.argmax()) if finite.any() else len(width)


def _sized(first: int, fills: Fills, quoting: Quoting, cost_bps: float) -> Book:
    # A lot's share of NAV over bar t: what would have made the last half year of one-lot results,
    # all before t, vary by 10 % a year; with the lots bar t can reach, never over leverage 3.
    gain, traded = fills.gain.sum(axis=1), fills.traded.sum(axis=1)
    mean_square = (windows(gain, SIZING_BARS) ** 2).mean(axis=-1)
    volatility = lag(np.sqrt(padded(mean_square, len(gain)) * SESSIONS_PER_YEAR))
    reachable = np.minimum(np.abs(fills.opening) + 1.0, quoting.lots_max).sum(axis=1)
    lot = scale_to_target(volatility, reachable)
    gross = lot * gain
    positions = fills.opening * lot[:, None]
    kept = fills.marked * (lot / (1.0 + gross))[:, None]
    resized = np.abs(positions - np.nan_to_num(lag(kept), nan=0.0)).sum(axis=1)
    cost = cost_bps * 1e-4
    return Book(
        first=first,
        positions=positions,
        exposure=lot * reachable,
        returns=(1.0 - cost * resized) * (1.0 + gross - cost * lot * traded) - 1.0,
        turnover=resized + lot * traded,
    )
