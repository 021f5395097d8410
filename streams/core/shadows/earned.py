"""The last net returns of some books, and their Sharpe ratios.

Few columns over one window: each bar's figures are made anew from the returns themselves, which
costs less here than keeping aggregates, and leaves nothing to drift.
"""

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from schemas.policy import PortfolioPolicy
from streams.core.arrays import FloatArray, IntArray
from streams.core.metrics import OBSERVATIONS_MIN

WINDOW_BARS_MAX: Final = 1_024
"""A longer window is looked through for this many bars: it is read whole with every bar."""
_SPREAD_MIN: Final = 1e-13
"""Returns that differ by less, in shares of their mean, differ by rounding."""


def window_of(policy: PortfolioPolicy) -> int:
    """Return how many bars the Sharpe ratios of books look back."""
    return min(policy.estimation.window_bars, WINDOW_BARS_MAX)


class Earned:
    """Net returns (C, W) of C books over the last W bars, NaN before they began."""

    def __init__(self, books: int, window: int) -> None:
        self.values = np.full((books, window), np.nan)

    def extend(self, net: FloatArray, periods_per_year: float) -> tuple[FloatArray, IntArray]:
        """Take bars (T, C) in.

        Returns
        -------
        sharpe : FloatArray
            (T, C) mean / std (ddof 1) of the window's returns, times the root of the periods; NaN
            where it does not exist.
        n_obs : IntArray
            (T, C) returns in the window.
        """
        window = self.values.shape[1]
        values = np.concatenate([self.values[:, 1:], net.T], axis=1)
        self.values = values[:, -window:].copy()
        known = ~np.isnan(values)
        if known.all():
            count = np.full((len(net), len(values)), window)
            apart, mean = _centred(sliding_window_view(values, window, axis=1), count.T, None)
        else:
            there = sliding_window_view(known, window, axis=1)
            count = there.sum(axis=-1).T
            filled = np.where(known, values, 0.0)
            apart, mean = _centred(sliding_window_view(filled, window, axis=1), count.T, there)
        with np.errstate(all="ignore"):  # what does not exist is told as NaN
            spread = np.sqrt(np.square(apart).sum(axis=-1) / (count.T - 1))
            sharpe = mean / spread * np.sqrt(periods_per_year)
        exists = (count.T >= OBSERVATIONS_MIN) & (spread > _SPREAD_MIN * np.abs(mean))
        return np.where(exists & np.isfinite(spread), sharpe, np.nan).T, count

    def change(self, picked: IntArray, window: int) -> None:
        """Change the books, -1 for a new one, and the window."""
        values = np.vstack([self.values, np.full(self.values.shape[1], np.nan)])[picked]
        missing = np.full((len(values), max(0, window - values.shape[1])), np.nan)
        self.values = np.concatenate([missing, values], axis=1)[:, -window:].copy()


def _centred(
    windows: FloatArray, count: IntArray, there: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Return what returns (C, T, W) are above their mean, 0 where there is none; and means."""
    with np.errstate(all="ignore"):
        mean = windows.sum(axis=-1) / count
        apart = windows - mean[..., None]
    return (apart if there is None else np.where(there, apart, 0.0)), mean
