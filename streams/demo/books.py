"""Plain books to compare with: 1/N, inverse volatility, the index. Pure.

Rebalanced every bar, and free of cost.
"""

from typing import Final

import numpy as np

from streams.core.arrays import FloatArray

VOLATILITY_BARS: Final = 60
_OBSERVATIONS_MIN: Final = 20


def equal_weight(returns: FloatArray) -> FloatArray:
    """Return the NAV (T,) of 1/N over those with a return (T, N), 1.0 before the first bar."""
    return _compound(_mean(returns, np.ones_like(returns)))


def inverse_volatility(returns: FloatArray) -> FloatArray:
    """Return the NAV (T,) of weights 1/volatility of the 60 bars before each bar."""
    weights = np.zeros_like(returns)
    for bar in range(1, len(returns)):
        past = returns[max(0, bar - VOLATILITY_BARS) : bar]
        known = (~np.isnan(past)).sum(axis=0)
        deviation = np.sqrt(np.nansum(past * past, axis=0) / np.maximum(known, 1))
        usable = (known >= _OBSERVATIONS_MIN) & (deviation > 0.0)
        weights[bar, usable] = 1.0 / deviation[usable]
    return _compound(_mean(returns, weights))


def index(returns: FloatArray) -> FloatArray:
    """Return the NAV (T,) of one series of returns; absent counts as 0."""
    return _compound(np.nan_to_num(returns))


def _mean(returns: FloatArray, weights: FloatArray) -> FloatArray:
    present = np.where(np.isnan(returns), 0.0, weights)
    total = present.sum(axis=1)
    gained = (present * np.nan_to_num(returns)).sum(axis=1)
    mean: FloatArray = np.divide(gained, total, out=np.zeros(len(returns)), where=total > 0.0)
    return mean


def _compound(returns: FloatArray) -> FloatArray:
    nav: FloatArray = np.cumprod(1.0 + returns, dtype=np.float64)
    return nav
