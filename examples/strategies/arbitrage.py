"""Arbitrage family: dollar-neutral bets that related prices come back together.

Every rule sums to zero over its legs. Rules that pick single stocks leave out those under one
dollar of adjusted price: the file keeps three decimals, so that below it the rounding alone (5 bps
and more) looks like a mean-reverting price.
"""

import numpy as np

from examples.strategies.book import Book, simple_returns, trade
from examples.strategies.indicators import (
    held_every,
    latched,
    padded,
    rolling_std,
    stock_volatility,
    undefined_as,
    windows,
    zscore,
)
from examples.strategies.prices import BoolArray, FloatArray, Panel, Prices

PRICE_RECORDED_MIN = 1.0
SPREAD_OPEN, SPREAD_CLOSED = 2.0, 0.5  # deviations of the spread from its mean

# Rivals of one industry, fixed beforehand by industry and never by their later fit.
PAIRS_ENERGY_BANKS = (("CVX", "XOM"), ("BAC", "JPM"))
PAIRS_CONSUMER_PHARMA = (("KO", "PEP"), ("JNJ", "PG"), ("MRK", "PFE"), ("HD", "WMT"))

SECTORS = (
    ("AAPL", "AMD", "MSFT"),
    ("BAC", "GE", "JPM"),  # GE: much of its profit came from its finance arm
    ("BBY", "HD", "WMT"),
    ("CVX", "RRC", "XOM"),
    ("JNJ", "LLY", "MRK", "PFE", "UNH"),
    ("KO", "PEP", "PG"),
)


def pairs_energy_banks(prices: Prices, cost_bps: float) -> Book:
    """Trade the pairs CVX/XOM and BAC/JPM back together.

    Source: `_converging`.
    """
    return _pairs(prices.stocks, PAIRS_ENERGY_BANKS, cost_bps)


def pairs_consumer_pharma(prices: Prices, cost_bps: float) -> Book:
    """Trade the pairs KO/PEP, JNJ/PG, MRK/PFE and HD/WMT back together.

    Source: `_converging`.
    """
    return _pairs(prices.stocks, PAIRS_CONSUMER_PHARMA, cost_bps)


def sector_residual_stocks(prices: Prices, cost_bps: float) -> Book:
    """Buy what lagged and sell what led its own sector over five days, renewed every five.

    Source: the sector-neutral form of the contrarian portfolio of A. Lo and A. C. MacKinlay, "When
    are contrarian profits due to stock market overreaction?", Review of Financial Studies 3 (1990).
    Each stock's move is measured in its own 63-day deviations.
    """
    stocks = prices.stocks
    recorded = recorded_precisely(stocks.close)
    residual = _sector_neutral(stocks, simple_returns(stocks.close), recorded)
    score = -_sum(residual, 5) / stock_volatility(residual)
    wanted = _sector_neutral(stocks, score, recorded)
    return trade(stocks.first, stocks.close, held_every(wanted, 5), cost_bps)


def basket_against_spx(prices: Prices, cost_bps: float) -> Book:
    """Trade an equal basket of the 20 stocks against the S&P 500 back together.

    Source: `_converging` on the plainest form of index replication: equal weights, no fit.
    """
    basket = simple_returns(prices.stocks.close).mean(axis=1)[1:]
    index = prices.spx.close
    spread = np.zeros_like(index)
    spread[1:, 0] = np.cumsum(np.log1p(basket)) - np.log(index[1:, 0] / index[:1, 0])
    bet = _converging(zscore(spread, 60))
    count = prices.stocks.close.shape[1]
    close = np.hstack([prices.stocks.close, index])
    wanted = np.hstack([np.repeat(bet / count, count, axis=1), -bet])
    return trade(prices.spx.first, close, wanted, cost_bps)


def nasdaq_against_spx(prices: Prices, cost_bps: float) -> Book:
    """Trade the NASDAQ against the S&P 500 back together.

    Source: `_converging`, on two indices.
    """
    close = np.stack([prices.nasdaq_bars.close, prices.spx_bars.close], axis=1)
    bet = _converging(zscore(np.log(close[:, :1] / close[:, 1:]), 60))
    return trade(prices.nasdaq_bars.first, close, np.hstack([bet, -bet]), cost_bps)


def factor_residual(prices: Prices, cost_bps: float) -> Book:
    """Buy the factor ETFs that lagged and sell those that led over ten days, renewed every five.

    Source: as `sector_residual_stocks`, Lo and MacKinlay (1990), on funds.
    """
    close = prices.factors.close
    every = np.ones(close.shape, dtype=np.bool_)
    residual = neutral(simple_returns(close), every)
    score = -_sum(residual, 10) / rolling_std(residual, 63)
    return trade(prices.factors.first, close, held_every(neutral(score, every), 5), cost_bps)


def recorded_precisely(close: FloatArray) -> BoolArray:
    """Tell where a price is large enough for its three decimals not to distort returns."""
    return close >= PRICE_RECORDED_MIN


def neutral(score: FloatArray, usable: BoolArray) -> FloatArray:
    """Demean each row over its usable names; the others, and a name alone, get 0.

    A row with a NaN score (warm-up) stays NaN.
    """
    kept = np.where(usable, score, 0.0)
    count = np.maximum(usable.sum(axis=1, keepdims=True), 1)
    centred = np.where(usable, score - kept.sum(axis=1, keepdims=True) / count, 0.0)
    return undefined_as(centred, score.sum(axis=1, keepdims=True))


def _sector_neutral(stocks: Panel, score: FloatArray, usable: BoolArray) -> FloatArray:
    centred = np.empty_like(score)
    for sector in SECTORS:
        members = _columns(stocks, sector)
        centred[:, members] = neutral(score[:, members], usable[:, members])
    return centred


def _pairs(stocks: Panel, pairs: tuple[tuple[str, str], ...], cost_bps: float) -> Book:
    left = _columns(stocks, tuple(pair[0] for pair in pairs))
    right = _columns(stocks, tuple(pair[1] for pair in pairs))
    score = zscore(np.log(stocks.close[:, left] / stocks.close[:, right]), 60)
    recorded = recorded_precisely(stocks.close)
    bet = np.where(recorded[:, left] & recorded[:, right], _converging(score), 0.0)
    wanted = np.zeros_like(stocks.close)
    wanted[:, left] = bet
    wanted[:, right] = -bet
    return trade(stocks.first, stocks.close, undefined_as(wanted, score[:, :1]), cost_bps)


def _converging(score: FloatArray) -> FloatArray:
    # E. Gatev, W. Goetzmann, G. Rouwenhorst, "Pairs trading", Review of Financial Studies 19
    # (2006): open when the spread is two standard deviations out, close when it is back. Here the
    # deviation is from the spread's own last 60 days, and back is within half a deviation.
    cheap = latched(enter=score < -SPREAD_OPEN, leave=score > -SPREAD_CLOSED)
    dear = latched(enter=score > SPREAD_OPEN, leave=score < SPREAD_CLOSED)
    return undefined_as(cheap - dear, score)


def _columns(panel: Panel, names: tuple[str, ...]) -> list[int]:
    return [panel.names.index(name) for name in names]


def _sum(values: FloatArray, bars: int) -> FloatArray:
    return padded(windows(values, bars).sum(axis=-1), len(values))
