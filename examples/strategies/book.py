"""Turn wanted weights into a book: lag, volatility target, costs.

The one timing rule of all sleeves lives here: a weight wanted after the close of bar t-1 is held
over bar t. Rules compute "wanted after the close of bar s from data up to s"; `trade` lags it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from examples.strategies.prices import FloatArray

SESSIONS_PER_YEAR = 252
VOLATILITY_TARGET_ANNUAL = 0.10
VOLATILITY_WINDOW_BARS = 63
LEVERAGE_MAX = 3.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Book:
    """What a sleeve held over each bar of its data, and what that made.

    NaN rows lead: the warm-up, in which the sleeve does not exist yet.
    """

    first: int  # row of the first bar in the common calendar
    positions: FloatArray  # (L, N) share of NAV held into the bar
    exposure: FloatArray  # (L,) largest gross exposure the bar can see, share of NAV
    returns: FloatArray  # (L,) simple, net of costs, on unit NAV
    turnover: FloatArray  # (L,) traded share of NAV, both sides


def lag(values: FloatArray) -> FloatArray:
    """Shift rows one bar later; the first row becomes NaN."""
    shifted = np.full_like(values, np.nan)
    shifted[1:] = values[:-1]
    return shifted


def simple_returns(close: FloatArray) -> FloatArray:
    """Return close[t] / close[t-1] - 1, shape of `close`; the first row is NaN."""
    return close / lag(close) - 1.0


def trade(first: int, close: FloatArray, wanted: FloatArray, cost_bps: float) -> Book:
    """Hold over each bar the weights wanted after the close before it.

    Parameters
    ----------
    first
        Row of close[0] in the common calendar.
    close
        (L, N) prices.
    wanted
        (L, N) relative weights decided after each close; only their proportions matter.
    cost_bps
        Cost in basis points of each side traded.
    """
    returns = simple_returns(close)
    return hold(first, volatility_targeted(lag(wanted), returns), returns, cost_bps)


def volatility_targeted(weights: FloatArray, returns: FloatArray) -> FloatArray:
    """Scale weights to 10 % ex-ante annual volatility, gross exposure at most 3.

    The forecast for bar t is the root mean square of what the weights of bar t would have made
    over the 63 bars before t (historical simulation: it sees covariances and needs no model).

    Parameters
    ----------
    weights
        (L, N) held over each bar, NaN in the warm-up.
    returns
        (L, N) simple, first row NaN.
    """
    positions = np.full_like(weights, np.nan)
    if len(weights) <= VOLATILITY_WINDOW_BARS:
        return positions
    # row k of `past` holds the bars k..k+62, all before bar k+63
    past = sliding_window_view(returns, VOLATILITY_WINDOW_BARS, axis=0)[:-1]  # (L-63, N, 63)
    sized = weights[VOLATILITY_WINDOW_BARS:]
    simulated = np.einsum("tn,tnw->tw", sized, past)
    volatility = np.sqrt(np.mean(simulated**2, axis=1) * SESSIONS_PER_YEAR)
    scale = scale_to_target(volatility, np.abs(sized).sum(axis=1))
    positions[VOLATILITY_WINDOW_BARS:] = sized * scale[:, None]
    return positions


def scale_to_target(volatility: FloatArray, gross: FloatArray) -> FloatArray:
    """Return the factor that brings volatility to its target with gross exposure at most 3.

    Both (L,) for factor 1. NaN (warm-up) stays NaN, no exposure has factor 0, and exposure that
    never varied is bounded by its size alone.
    """
    scale = np.where(np.isnan(volatility + gross), np.nan, 0.0)
    np.divide(LEVERAGE_MAX, gross, out=scale, where=gross > 0.0)
    risky = (gross > 0.0) & (volatility > 0.0)
    to_target = np.full_like(scale, np.inf)
    np.divide(VOLATILITY_TARGET_ANNUAL, volatility, out=to_target, where=risky)
    return np.where(np.isnan(volatility), np.nan, np.minimum(scale, to_target))


def hold(first: int, positions: FloatArray, returns: FloatArray, cost_bps: float) -> Book:
    """Account for positions that drift over each bar and are traded back at its end.

    The trade into the position of bar t happens at the close of t-1 and its cost is taken from
    NAV first: net = (1 - cost)(1 + gross) - 1. Cash earns nothing and borrowing costs nothing.
    """
    gross = (positions * returns).sum(axis=1)
    drifted = positions * (1.0 + returns) / (1.0 + gross)[:, None]
    before = np.nan_to_num(lag(drifted), nan=0.0)
    turnover = np.abs(positions - before).sum(axis=1)
    return _booked(first, positions, gross, turnover, cost_bps)


def hold_overnight(first: int, positions: FloatArray, returns: FloatArray, cost_bps: float) -> Book:
    """Account for positions bought at the close before each bar and sold at its open."""
    gross = (positions * returns).sum(axis=1)
    turnover = (np.abs(positions) * (2.0 + returns)).sum(axis=1)
    return _booked(first, positions, gross, turnover, cost_bps)


def _booked(
    first: int, positions: FloatArray, gross: FloatArray, turnover: FloatArray, cost_bps: float
) -> Book:
    net = (1.0 - cost_bps * 1e-4 * turnover) * (1.0 + gross) - 1.0
    exposure = np.abs(positions).sum(axis=1)
    return Book(first=first, positions=positions, exposure=exposure, returns=net, turnover=turnover)
