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

    The upper quantile is the lower one of the returns with their signs turned. The lower one itself
    is value at risk: who has that already gives it.
    """

    __slots__ = ("_at", "_tail", "_window")

    def __init__(self, window: int) -> None:
        self._window = window
        self._at: int | None = None
        self._tail = LossTail((window,), 0)

    def forget(self) -> None:
        """Look through the whole window at the next bar."""
        self._at = None

    def advance(
        self, bars: Bars, count: int, observed: IntArray, low: FloatArray | None = None
    ) -> FloatArray:
        """Give the quantiles at each of the newest bars.

        Parameters
        ----------
        bars
            The new bars and a window before them.
        count
            K, new bars.
        observed
            (K, M) returns in each window.
        low
            (K, M) the 5 % quantile, where it is known; else it is found in the sorted window.

        Returns
        -------
        FloatArray
            (2, K, M), the 5 % and the 95 % quantile; infinite or NaN where nothing is.
        """
        columns, stop = bars.columns, bars.stop
        first = stop - count
        everyone = np.arange(columns)
        if self._at != first or self._tail.columns != columns:
            self._tail = LossTail((self._window,), columns)
            self._tail.put(0, everyone, self._highest(bars, first, everyone))
        self._at = stop
        highest = np.empty((self._tail.needed, count, 1, columns))
        leaving = bars.read(first - self._window, stop - self._window)
        self._tail.extend(-bars.read(first, stop), -leaving[:, None], highest)
        short = self._tail.short(observed[:, None], highest)[:, 0]
        for place in np.flatnonzero(short.any(axis=1)).tolist():
            some = np.flatnonzero(short[place])
            last = first + place + 1
            ordered = self._highest(bars, last, some)
            if last == stop:
                self._tail.put(0, some, ordered)
            ordered = ordered[: len(highest)]
            highest[: len(ordered), place, 0, some] = ordered
            highest[len(ordered) :, place, 0, some] = np.inf
        with np.errstate(invalid="ignore"):  # where nothing is observed
            if low is None:
                low = self._low(bars, count, observed)
            return np.stack([low, -_quantile(highest[:, :, 0], observed)])

    # The returns of some columns after bar `last`, with their signs turned and in order.
    def _highest(self, bars: Bars, last: int, some: IntArray) -> FloatArray:
        return ascending(-bars.read(last - self._window, last)[:, some])

    def _low(self, bars: Bars, count: int, observed: IntArray) -> FloatArray:
        low = np.empty(observed.shape)
        for place, last in enumerate(range(bars.stop - count + 1, bars.stop + 1)):
            ordered = ascending(bars.read(last - self._window, last))
            low[place] = _quantile(ordered, observed[place])
        return low


def _quantile(lowest: FloatArray, count: IntArray) -> FloatArray:
    whole, part = np.divmod(np.maximum(count - 1, 0) * _PERCENT, _HUNDRED)
    low = nth(lowest, whole)
    high = nth(lowest, np.minimum(whole + 1, len(lowest) - 1))
    value: FloatArray = np.where(part > 0, low + (high - low) * (part / _HUNDRED), low)
    return value
