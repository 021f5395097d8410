"""The lowest returns of rolling windows, after each bar of a run or when somebody asks."""

from typing import Final, Protocol

import numpy as np

from streams.core.arrays import FloatArray, IntArray
from streams.core.windows.tail import LossTail, ascending

__all__ = ["RollingTails", "Table"]

# From so many columns on each window has a tail of its own depth, which stays in the cache; below,
# all are one stack as deep as the longest needs: what costs is the number of calls.
_APART_COLUMNS: Final = 400


class Table(Protocol):
    """Bars by number, as :class:`RollingWindows` holds them."""

    @property
    def count(self) -> int:
        """Bars so far."""

    @property
    def oldest(self) -> int:
        """Number of the oldest bar at hand."""

    def rows(self, start: int, stop: int) -> FloatArray:
        """Give bars from ``start``, before ``stop``, (stop - start, N)."""


class RollingTails:
    """Follows the lowest returns of W windows through a table of bars.

    What is known between questions only saves work: the answers are those of the bars alone.
    """

    __slots__ = ("_columns", "_known", "_tails", "_windows")

    def __init__(self, windows: tuple[int, ...], columns: int) -> None:
        self._windows = windows
        self._columns = columns
        groups = [(window,) for window in windows] if columns >= _APART_COLUMNS else [windows]
        self._tails = [LossTail(group, columns) for group in groups]
        self._known: int | None = None  # the bars before this one are in the tails

    def at(self, table: Table, count: IntArray) -> FloatArray:
        """Give the lowest returns in order after each of the newest bars.

        Parameters
        ----------
        table
            The bars; the same at each call, or one that went on from it.
        count
            (B, W, N) observed returns then.

        Returns
        -------
        FloatArray
            (K, B, W, N) ascending, +inf where there is none; `tail_depth(count)` of them are there.
        """
        bars, first = len(count), table.count - len(count)
        lowest = np.full((max(tail.needed for tail in self._tails), *count.shape), np.inf)
        if bars == 1 and self._known != first:  # asked again, or not for some bars
            self._catch_up(table, table.count)
            for tail, part in self._parts():
                lowest[: tail.needed, 0, part] = tail.lowest[: tail.needed]
        else:
            self._catch_up(table, first)
            assert self._known == first, "a run tells its tails once"
            rows = table.rows(first, table.count)
            for tail, part in self._parts():
                leaving = self._leaving(table, first, table.count, self._windows[part])
                tail.extend(rows, leaving, lowest[: tail.needed, :, part])
            self._known = table.count
        for tail, part in self._parts():
            self._complete(table, tail, part, count[:, part], lowest[:, :, part])
        return lowest

    # Sort the windows of which too few returns are held.
    def _complete(
        self, table: Table, tail: LossTail, part: slice, count: IntArray, lowest: FloatArray
    ) -> None:
        if tail.whole:
            return
        short = tail.short(count, lowest)
        if not short.any():
            return
        first = table.count - len(count)
        for bar, index in np.argwhere(short.any(axis=2)).tolist():
            stop = first + 1 + bar
            rows = table.rows(max(stop - self._windows[part][index], 0), stop)
            columns = np.flatnonzero(short[bar, index])
            ordered = ascending(rows[:, columns])
            if stop == table.count:
                tail.put(index, columns, ordered)
            ordered = ordered[: len(lowest)]
            lowest[: len(ordered), bar, index, columns] = ordered
            lowest[len(ordered) :, bar, index, columns] = np.inf

    def _parts(self) -> list[tuple[LossTail, slice]]:
        if len(self._tails) == 1:
            return [(self._tails[0], slice(None))]
        return [(tail, slice(place, place + 1)) for place, tail in enumerate(self._tails)]

    # The tails as they were after bar number count - 1.
    def _catch_up(self, table: Table, count: int) -> None:
        known = self._known
        if known is not None and known >= count:
            return
        self._known = count
        if known is None or max(known - max(self._windows), 0) < table.oldest:
            every = np.arange(self._columns)
            for tail, part in self._parts():
                for index, window in enumerate(self._windows[part]):
                    tail.put(index, every, ascending(table.rows(max(count - window, 0), count)))
            return
        rows = table.rows(known, count)
        for tail, part in self._parts():
            tail.extend(rows, self._leaving(table, known, count, self._windows[part]))

    # The bars that each window loses with bars from `start`, before `stop`, (B, W, N), NaN: none.
    def _leaving(self, table: Table, start: int, stop: int, windows: tuple[int, ...]) -> FloatArray:
        leaving = np.full((stop - start, len(windows), self._columns), np.nan)
        for index, window in enumerate(windows):
            first = max(start, window)
            if first < stop:
                leaving[first - start :, index] = table.rows(first - window, stop - window)
        return leaving
