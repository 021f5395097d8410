"""Both 5 % tails of a window, for the ratio between them."""

import numpy as np

from streams.core.arrays import FloatArray, IntArray
from streams.core.performance.sums import Bars
from streams.core.windows.tail import LossTail, ascending, nth

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
        columns, stop = bars.columns, bars.stop
        first = stop - count
        if self._at != first or self._tail.bound.shape[1] != 2 * columns:
            self._tail = LossTail((self._window,), 2 * columns)
            every = np.arange(2 * columns)
            self._tail.sort(0, every, _both(bars.read(first - self._window, first)))
        self._at = stop
        lowest = self._tail.extend(
            _both(bars.read(first, stop)),
            _both(bars.read(first - self._window, stop - self._window))[:, None],
        )
        n = np.concatenate([observed, observed], axis=1)
        short = self._tail.short(n[:, None], lowest)[:, 0]
        for place in np.flatnonzero(short.any(axis=1)).tolist():
            some = np.flatnonzero(short[place])
            last = first + place + 1
            rows = _both(bars.read(last - self._window, last))
            if last == stop:
                self._tail.sort(0, some, rows)
            ordered = ascending(rows[:, some])[: len(lowest)]
            lowest[: len(ordered), place, 0, some] = ordered
            lowest[len(ordered) :, place, 0, some] = np.inf
        with np.errstate(invalid="ignore"):  # where nothing is observed
            low = _quantile(lowest[:, :, 0], n)
        return np.stack([low[:, :columns], -low[:, columns:]])


def _both(rows: FloatArray) -> FloatArray:
    return np.concatenate([rows, -rows], axis=1)


def _quantile(lowest: FloatArray, count: IntArray) -> FloatArray:
    whole, part = np.divmod(np.maximum(count - 1, 0) * _PERCENT, _HUNDRED)
    low = nth(lowest, whole)
    high = nth(lowest, np.minimum(whole + 1, len(lowest) - 1))
    value: FloatArray = np.where(part > 0, low + (high - low) * (part / _HUNDRED), low)
    return value
