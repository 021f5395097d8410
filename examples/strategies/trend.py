"""Trend family: hold what has risen, sell or leave what has fallen.

Every rule takes all prices and a cost in basis points a side, and returns a `Book`.
Papers are named for the idea; parameters are round numbers of ours, chosen once and not searched.
"""

import numpy as np

from examples.strategies.book import Book, simple_returns, trade
from examples.strategies.indicators import (
    change,
    held_every,
    latched,
    rolling_max,
    rolling_mean,
    stock_volatility,
    undefined_as,
)
from examples.strategies.prices import FloatArray, Prices

YEAR_BARS, HALF_YEAR_BARS, MONTH_BARS = 252, 126, 21


def time_series_momentum_stocks(prices: Prices, cost_bps: float) -> Book:
    """Hold each stock in the direction of its own last 12 months, at equal volatility.

    Source: T. Moskowitz, Y. H. Ooi, L. Pedersen, "Time series momentum", Journal of Financial
    Economics 104 (2012): sign of the past 12-month return, scaled by inverse volatility.
    """
    close = prices.stocks.close
    direction = np.sign(change(close, YEAR_BARS))
    wanted = held_every(direction / stock_volatility(simple_returns(close)), MONTH_BARS)
    return trade(prices.stocks.first, close, wanted, cost_bps)


def cross_sectional_momentum_stocks(prices: Prices, cost_bps: float) -> Book:
    """Buy the five best and sell the five worst stocks of months 12 to 2, renewed monthly.

    Source: N. Jegadeesh, S. Titman, "Returns to buying winners and selling losers", Journal of
    Finance 48 (1993); the newest month is skipped, as has become usual.
    """
    close = prices.stocks.close
    past = np.full_like(close, np.nan)
    past[MONTH_BARS:] = change(close, YEAR_BARS - MONTH_BARS)[:-MONTH_BARS]
    wanted = held_every(_best_minus_worst(past, count=5), MONTH_BARS)
    return trade(prices.stocks.first, close, wanted, cost_bps)


def moving_average_spx(prices: Prices, cost_bps: float) -> Book:
    """Hold the S&P 500 while it closes above its 200-day average, else cash.

    Source: M. Faber, "A quantitative approach to tactical asset allocation", Journal of Wealth
    Management (2007); its 10-month average, taken daily.
    """
    close = prices.spx.close
    average = rolling_mean(close, 200)
    wanted = undefined_as((close > average).astype(np.float64), average)
    return trade(prices.spx.first, close, wanted, cost_bps)


def average_crossing_nasdaq(prices: Prices, cost_bps: float) -> Book:
    """Be long the NASDAQ while its 20-day average is above its 100-day average, else short.

    Source: W. Brock, J. Lakonishok, B. LeBaron, "Simple technical trading rules and the stochastic
    properties of stock returns", Journal of Finance 47 (1992): variable-length moving averages.
    """
    close = prices.nasdaq_bars.close[:, None]
    wanted = np.sign(rolling_mean(close, 20) - rolling_mean(close, 100))
    return trade(prices.nasdaq_bars.first, close, wanted, cost_bps)


def breakout_wti(prices: Prices, cost_bps: float) -> Book:
    """Follow a new 55-day high or low of WTI until the opposite 20-day extreme.

    Source: R. Donchian's channel rule in the 55/20 form taught to the Turtle traders
    (C. Faith, "Way of the Turtle", 2007).
    """
    close = prices.wti.close
    long = latched(enter=close >= rolling_max(close, 55), leave=close <= _rolling_min(close, 20))
    short = latched(enter=close <= _rolling_min(close, 55), leave=close >= rolling_max(close, 20))
    wanted = undefined_as(long - short, rolling_max(close, 55))
    return trade(prices.wti.first, close, wanted, cost_bps)


def relative_strength_factors(prices: Prices, cost_bps: float) -> Book:
    """Hold the two strongest of five factor ETFs over six months if they rose, renewed monthly.

    Source: G. Antonacci, "Risk premia harvesting through dual momentum" (2012): relative strength
    chooses, absolute momentum decides between the choice and cash.
    """
    close = prices.factors.close
    past = change(close, HALF_YEAR_BARS)
    chosen = _rank(past) >= close.shape[1] - 2
    wanted = undefined_as((chosen & (past > 0.0)).astype(np.float64), past)
    return trade(prices.factors.first, close, held_every(wanted, MONTH_BARS), cost_bps)


def _rolling_min(values: FloatArray, bars: int) -> FloatArray:
    return -rolling_max(-values, bars)


def _rank(values: FloatArray) -> FloatArray:
    # 0 = smallest of its row; ties go to the earlier column, so that the order is always the same
    return values.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable").astype(np.float64)


def _best_minus_worst(values: FloatArray, count: int) -> FloatArray:
    rank = _rank(values)
    long = rank >= values.shape[1] - count
    short = rank < count
    return undefined_as(long.astype(np.float64) - short.astype(np.float64), values)
