"""The lowest returns of rolling windows, after each bar of a run or when somebody asks."""

from typing import Protocol

import numpy as np

from streams.core.arrays import FloatArray, IntArray
from streams.core.windows.tail import LossTail, ascending

__all__ = ["RollingTails", "Table"]


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

    __slots__ = ("_columns", "_known", "_tail", "_windows")

    def __init__(self, windows: tuple[int, ...], columns: int) -> None:
        self._windows = windows
        self._columns = columns
        self._tail = LossTail(windows, columns)
        self._known: int | None = None  # the bars before this one are in the tail

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
        if bars == 1:
            self._catch_up(table, table.count)
            lowest = self._tail.lowest[: self._tail.needed, None].copy()
        else:
            self._catch_up(table, first)
            assert self._known == first, "a run tells its tails once"
            leaving = self._leaving(table, first, table.count)
            lowest = self._tail.extend(table.rows(first, table.count), leaving)
            self._known = table.count
        short = self._tail.short(count, lowest)
        for bar, index in np.argwhere(short.any(axis=2)).tolist():
            stop = first + 1 + bar
            rows = table.rows(max(stop - self._windows[index], 0), stop)
            columns = np.flatnonzero(short[bar, index])
            if stop == table.count:
                self._tail.sort(index, columns, rows)
            ordered = ascending(rows[:, columns])[: len(lowest)]
            lowest[: len(ordered), bar, index, columns] = ordered
            lowest[len(ordered) :, bar, index, columns] = np.inf
        return lowest

    # The tail as it was after bar number count - 1.
    def _catch_up(self, table: Table, count: int) -> None:
        known = self._known
        if known is not None and known >= count:
            return
        if known is None or max(known - max(self._windows), 0) < table.oldest:
            for index, window in enumerate(self._windows):
                every = np.arange(self._columns)
                self._tail.sort(index, every, table.rows(max(count - window, 0), count))
        else:
            self._tail.extend(table.rows(known, count), self._leaving(table, known, count))
        self._known = count

    # The bars that each window loses with bars from `start`, before `stop`, (B, W, N), NaN: none.
    def _leaving(self, table: Table, start: int, stop: int) -> FloatArray:
        leaving = np.full((stop - start, len(self._windows), self._columns), np.nan)
        for index, window in enumerate(self._windows):
            first = max(start, window)
            if first < stop:
                leaving[first - start :, index] = table.rows(first - window, stop - window)
        return leaving
