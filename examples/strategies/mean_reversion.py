"""Mean reversion family: buy weakness, sell strength, over days."""

import numpy as np

from examples.strategies.arbitrage import recorded_precisely
from examples.strategies.book import (
    Book,
    hold_overnight,
    lag,
    simple_returns,
    trade,
    volatility_targeted,
)
from examples.strategies.indicators import (
    latched,
    rolling_mean,
    rsi,
    stock_volatility,
    undefined_as,
    zscore,
)
from examples.strategies.prices import Prices

BAND_DEVIATIONS = 2.0
RSI2_LOW, RSI2_RECOVERED = 10.0, 65.0
RSI14_LOW, RSI14_MIDDLE, RSI14_HIGH = 30.0, 50.0, 70.0
RANGE_LOW, RANGE_HIGH = 0.2, 0.8  # where in the day's range the close lies


def bollinger_stocks(prices: Prices, cost_bps: float) -> Book:
    """Buy each stock that closes under its lower Bollinger band until it is back at its average.

    Source: J. Bollinger, "Bollinger on Bollinger Bands" (2001): 20 days, two standard deviations.
    Equal volatility a stock; in cash when none is under its band. Stocks under one dollar of
    adjusted price are left out (see `arbitrage`).
    """
    close = prices.stocks.close
    score = zscore(close, 20)
    fallen = latched(
        enter=(score < -BAND_DEVIATIONS) & recorded_precisely(close), leave=score >= 0.0
    )
    wanted = undefined_as(fallen, score) / stock_volatility(simple_returns(close))
    return trade(prices.stocks.first, close, wanted, cost_bps)


def rsi2_spx(prices: Prices, cost_bps: float) -> Book:
    """Buy the S&P 500 when its 2-day RSI falls under 10 above its 200-day average; sell over 65.

    Source: L. Connors, C. Alvarez, "Short Term Trading Strategies That Work" (2009).
    """
    close = prices.spx.close
    strength, average = rsi(close, 2), rolling_mean(close, 200)
    fallen = latched(
        enter=(strength < RSI2_LOW) & (close > average), leave=strength > RSI2_RECOVERED
    )
    wanted = undefined_as(fallen, average)
    return trade(prices.spx.first, close, wanted, cost_bps)


def rsi2_factors(prices: Prices, cost_bps: float) -> Book:
    """Buy each factor ETF whose 2-day RSI falls under 10, sell it over 65.

    Source: as `rsi2_spx`, Connors and Alvarez (2009), without the filter of the long average.
    """
    close = prices.factors.close
    strength = rsi(close, 2)
    fallen = latched(enter=strength < RSI2_LOW, leave=strength > RSI2_RECOVERED)
    wanted = undefined_as(fallen, strength)
    return trade(prices.factors.first, close, wanted, cost_bps)


def bar_strength_nasdaq(prices: Prices, cost_bps: float) -> Book:
    """Buy the NASDAQ after a close in the lowest fifth of the day's range, sell in the highest.

    Source: the internal bar strength (close - low) / (high - low) as studied by A. Pagonidis, "The
    IBS effect: mean reversion in equity ETFs" (2013). Long a low close, short a high one.
    """
    bars = prices.nasdaq_bars
    width = bars.high - bars.low
    strength = np.where(width > 0.0, (bars.close - bars.low) / np.where(width > 0.0, width, 1), 0.5)
    wanted = (strength < RANGE_LOW).astype(np.float64) - (strength > RANGE_HIGH)
    return trade(bars.first, bars.close[:, None], wanted[:, None], cost_bps)


def overnight_nasdaq(prices: Prices, cost_bps: float) -> Book:
    """Hold the NASDAQ from close to open against the move of the trading day before.

    Source: the opposite signs of overnight and intraday returns in D. Lou, C. Polk, S. Skouras, "A
    tug of war: overnight versus intraday expected returns", Journal of Financial Economics 134
    (2019), held daily. The S&P file opens at the close before (until about 2007): it has no night.
    """
    bars = prices.nasdaq_bars
    against = -np.sign(bars.close / bars.open - 1.0)[:, None]
    overnight = (bars.open / lag(bars.close) - 1.0)[:, None]
    weights = volatility_targeted(lag(against), overnight)
    return hold_overnight(bars.first, weights, overnight, cost_bps)


def rsi14_wti(prices: Prices, cost_bps: float) -> Book:
    """Fade WTI beyond RSI 30 and 70 until it is back at 50.

    Source: J. W. Wilder, "New Concepts in Technical Trading Systems" (1978): 14 days, 30 and 70.
    """
    close = prices.wti.close
    strength = rsi(close, 14)
    long = latched(enter=strength < RSI14_LOW, leave=strength > RSI14_MIDDLE)
    short = latched(enter=strength > RSI14_HIGH, leave=strength < RSI14_MIDDLE)
    wanted = undefined_as(long - short, strength)
    return trade(prices.wti.first, close, wanted, cost_bps)
