"""What follows from the way wealth took through a window: depths, durations, dates.

Wealth starts from 1.0 before the window's first bar and does not move over a missing return. A
column is under water where wealth is below the highest before. These figures have no shorter way
than through the window: of a run that follows a higher one, any part may be under water.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.core.arrays import FloatArray, IntArray, column_sums

__all__ = ["PATH_COLUMNS", "WealthPath", "WealthPaths", "path_due"]


PATH_COLUMNS: Final = 50
"""Of so many columns a path is followed at every bar, of twice as many at every second one."""

_COLUMNS_AT_ONCE: Final = 256  # 2.4 MB for a window of 252 bars: each portfolio has its own
# An accumulating ufunc takes one number at a time, one call a bar takes a row: from here on faster.
_WIDE_COLUMNS: Final = 150
_MEMORY_KEPT: Final = 8  # times what is needed now


def path_due(bar: int, columns: int, every: int = 1) -> bool:
    """Tell whether paths are followed at a bar: a rule over its number and the columns alone.

    With ``every``, whether the bar is one of every so many of them.

    Examples
    --------
    >>> [bar for bar in range(1, 13) if path_due(bar, 150)]
    [3, 6, 9, 12]
    >>> [bar for bar in range(1, 13) if path_due(bar, 150, every=2)]
    [6, 12]
    """
    return bar % (every * max(-(-columns // PATH_COLUMNS), 1)) == 0


@dataclass(frozen=True, slots=True, eq=False)
class WealthPath:
    """Arrays (M,) of one window, or (K, M) of several; NaN where wealth is beyond float64.

    Attributes
    ----------
    max_drawdown
        <= 0.
    squares
        Sum of the squared drawdowns of the observed bars.
    under_water
        Bars since the last high, 0 at one, missing ones included.
    longest
        The most bars on end under water, the present ones included.
    start, trough
        How many bars ago the deepest drawdown had its first bar under water and its lowest
        wealth, 0 = the newest bar, -1 where there is no drawdown. The first of several as deep.
    """

    max_drawdown: FloatArray
    squares: FloatArray
    under_water: FloatArray
    longest: FloatArray
    start: IntArray
    trough: IntArray

    @classmethod
    def unknown(cls, count: int, columns: int) -> "WealthPath":
        """Make room for (K, M)."""
        figures = [np.full((count, columns), np.nan) for _ in range(4)]
        places = [np.full((count, columns), -1) for _ in range(2)]
        return cls(*figures, *places)

    @classmethod
    def side_by_side(cls, paths: "list[WealthPath]") -> "WealthPath":
        """Join the columns of several."""
        if len(paths) == 1:
            return paths[0]
        names = cls.__slots__
        return cls(*(np.concatenate([getattr(path, name) for path in paths]) for name in names))

    def put(self, places: list[int], path: "WealthPath") -> None:
        """Write several windows, side by side in ``path``, each into its place."""
        for name in self.__slots__:
            rows = getattr(self, name)
            rows[places] = getattr(path, name).reshape(len(places), -1)


class WealthPaths:
    """Follows wealth through windows of ``bars`` bars, in memory of its own.

    The arrays of a window of 252 bars and 1000 columns are too large to be had anew from the
    system at each bar: that takes longer than what is done with them.
    """

    __slots__ = (
        "_bars",
        "_bits",
        "_depth",
        "_growth",
        "_high",
        "_memory",
        "_missing",
        "_numbers",
        "_peak",
        "_some_missing",
        "_wealth",
        "_whole",
    )

    def __init__(self, bars: int) -> None:
        self._bars = bars
        self._numbers = np.arange(1, bars + 1, dtype=np.int32)[:, None]
        self._memory, self._some_missing = np.empty((4, 0)), False
        self._make_room(0)

    def follow(self, rows: FloatArray) -> WealthPath:
        """Follow the wealth of each column through one window.

        Parameters
        ----------
        rows
            (bars, M) simple returns, oldest first, NaN = missing.
        """
        assert len(rows) == self._bars, (len(rows), self._bars)
        blocks = max(-(-rows.shape[1] // _COLUMNS_AT_ONCE), 1)
        return WealthPath.side_by_side(
            [self._follow(block) for block in np.array_split(rows, blocks, axis=1)]
        )

    def _follow(self, rows: FloatArray) -> WealthPath:
        bars, columns = rows.shape
        if columns != self._growth.shape[1]:
            self._make_room(columns)
        with np.errstate(all="ignore"):
            self._walk(rows)
            high, depth = self._high, self._depth
            place = np.arange(columns)
            trough = depth.argmin(axis=0)
            deepest = depth[trough, place]
            begun = high[trough, place]
            under = high
            np.subtract(self._numbers, high, out=under)
            np.multiply(depth, depth, out=depth)
            if self._some_missing:
                np.copyto(depth, 0.0, where=self._missing)
            squares = column_sums(depth)
        told = np.isfinite(squares)
        deep = told & (deepest < 0.0)
        return WealthPath(
            max_drawdown=np.where(told, deepest, np.nan),
            squares=np.where(told, squares, np.nan),
            under_water=np.where(told, under[-1], np.nan),
            longest=np.where(told, under.max(axis=0), np.nan),
            start=np.where(deep, bars - 1 - begun, -1),
            trough=np.where(deep, bars - 1 - trough, -1),
        )

    # Write each bar's drawdown, and the number of the last bar at a high, 0 = before the first.
    def _walk(self, rows: FloatArray) -> None:
        growth, wealth, peak, high = self._growth, self._wealth, self._peak, self._high
        np.add(rows, 1.0, out=growth)
        np.isnan(growth, out=self._missing)
        self._some_missing = bool(self._missing.any())
        if self._some_missing:
            np.copyto(growth, 1.0, where=self._missing)
        if rows.shape[1] < _WIDE_COLUMNS:
            wealth[1:] = growth
            np.multiply.accumulate(wealth, axis=0, out=wealth)
            np.maximum.accumulate(wealth, axis=0, out=peak)
        else:
            for bar in range(self._bars):
                np.multiply(wealth[bar], growth[bar], out=wealth[bar + 1])
                np.maximum(peak[bar], wealth[bar + 1], out=peak[bar + 1])
        np.divide(wealth[1:], peak[1:], out=self._depth)
        np.subtract(self._depth, 1.0, out=self._depth)
        np.greater_equal(wealth[1:], peak[1:], out=high, casting="unsafe")
        np.multiply(high, self._numbers, out=high)
        if rows.shape[1] < _WIDE_COLUMNS:
            np.maximum.accumulate(high, axis=0, out=high)
        else:
            for bar in range(1, self._bars):
                np.maximum(high[bar - 1], high[bar], out=high[bar])

    # Arrays of so many columns, in the memory there is, unless that is too little or far too much:
    # what a run of many bars took is not kept where bars come one by one.
    def _make_room(self, columns: int) -> None:
        rows = self._bars + 1
        size, had = rows * columns, self._memory.shape[1]
        if not 0 < size <= had <= _MEMORY_KEPT * size:
            self._memory = np.empty((4, size))
            self._bits = np.empty(size, dtype=bool)
            self._whole = np.empty(size, dtype=np.int32)
        used = slice(size)
        self._wealth, self._peak, growth, depth = self._memory[:, used].reshape(4, rows, columns)
        self._growth, self._depth = growth[1:], depth[1:]
        self._missing = self._bits[used].reshape(rows, columns)[1:]
        self._high = self._whole[used].reshape(rows, columns)[1:]
        self._wealth[0] = self._peak[0] = 1.0
