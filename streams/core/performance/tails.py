"""Both 5 % tails of a window, for the ratio between them."""

import numpy as np

from streams.core.arrays import FloatArray, IntArray
from streams.core.performance.sums import Bars
from streams.core.windows.tail import LossTail, nth

__all__ = ["QuantileTails"]

_PERCENT = 5
_HUNDRED = 100


class QuantileTails:
    """The 5 % and 95 % quantiles of the last ``window`` bars: linear, Hyndman and Fan's type 7.

    The upper quantile is the lower one of the returns with their signs turned.
    """

    __slots__ = ("_at", "_tail", "_window")

    def __init__(self, window: int) -> None:
        self._window = window
        self._at: int | None = None
        self._tail = LossTail((window,), 0)

    def forget(self) -> None:
        """Look through the whole window at the next bar."""
        self._at = None

    def advance(self, bars: Bars, count: int, observed: IntArray) -> FloatArray:
        """Give the quantiles at each of the newest bars.

        Parameters
        ----------
        bars
            The new bars and a window before them.
        count
            K, new bars.
        observed
            (K, M) returns in each window.

        Returns
        -------
        FloatArray
            (2, K, M), the 5 % and the 95 % quantile; infinite or NaN where nothing is.
        """
        columns = bars.columns
        if self._at != bars.stop - count or self._tail.bound.shape[1] != 2 * columns:
            self._tail = LossTail((self._window,), 2 * columns)
            self._tail.forget()
        self._at = bars.stop
        quantiles = np.empty((2, count, columns))
        for place in range(count):
            stop = bars.stop - count + place + 1
            self._tail.push(
                _both(bars.read(stop - 1, stop))[0],
                _both(bars.read(stop - self._window - 1, stop - self._window)),
            )
            n = np.tile(observed[place], 2)[None]
            short = np.flatnonzero(self._tail.short(n)[0])
            if short.size:
                self._tail.sort(0, short, _both(bars.read(stop - self._window, stop)))
            with np.errstate(invalid="ignore"):  # where nothing is observed
                low = _quantile(self._tail.lowest[:, 0], n[0])
            quantiles[0, place] = low[:columns]
            quantiles[1, place] = -low[columns:]
        return quantiles


def _both(rows: FloatArray) -> FloatArray:
    return np.concatenate([rows, -rows], axis=1)


def _quantile(lowest: FloatArray, count: IntArray) -> FloatArray:
    whole, part = np.divmod(np.maximum(count - 1, 0) * _PERCENT, _HUNDRED)
    low = nth(lowest, whole)
    high = nth(lowest, np.minimum(whole + 1, len(lowest) - 1))
    value: FloatArray = np.where(part > 0, low + (high - low) * (part / _HUNDRED), low)
    return value
