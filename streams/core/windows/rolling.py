"""Event-time windows over the bars of many strategies."""

from dataclasses import dataclass
from typing import Final, TypedDict

import numpy as np

from streams.core.arrays import FloatArray, IntArray, read_only
from streams.core.windows.aggregate import (
    COUNT,
    DEPTH,
    DOWNSIDE,
    FIELDS,
    GROWTH,
    HIGH,
    HITS,
    LOW,
    MEAN,
    PEAK,
    SQUARES,
    RunningAggregate,
    combine,
    identity,
    suffixes,
)
from streams.core.windows.tail import LossTail

__all__ = ["NEVER", "RollingWindows", "WindowSummary", "WindowsState"]

NEVER: Final = 2**31  # age of the last value of a column that never had one: older than any limit


@dataclass(frozen=True, slots=True, eq=False)
class WindowSummary:
    """What a window knows of each column: arrays (..., N) over its observed returns r.

    Attributes
    ----------
    count
        Observations.
    mean, squares
        Mean r, and sum (r - mean)^2: exactly 0 where all r are the same.
    low, high
        Extremes; +inf and -inf where count is 0.
    downside
        Sum min(r, 0)^2.
    hits
        Observations with r > 0.
    growth
        Product of 1 + r.
    drawdown, max_drawdown
        <= 0, of the wealth that starts from 1.0 before the window: at its end, and the deepest.
    """

    count: IntArray
    mean: FloatArray
    squares: FloatArray
    low: FloatArray
    high: FloatArray
    downside: FloatArray
    hits: IntArray
    growth: FloatArray
    drawdown: FloatArray
    max_drawdown: FloatArray


class WindowsState(TypedDict):
    """What is kept of `RollingWindows`; everything else follows from it, bit for bit."""

    windows: tuple[int, ...]
    capacity: int
    count: int
    rows: FloatArray  # (min(count, capacity), N) oldest first
    ages: IntArray  # (N,) bars since the last value, which may be older than the rows


class RollingWindows:
    """Rolling aggregates of the last bars of N columns, over several windows at once.

    Each window is a queue of two stacks (as in Tangwongsan, Hirzel and Schneider (2017),
    "Low-latency sliding-window aggregation in worst-case constant time"): aggregates of every
    suffix of the older bars, made when the bar number is a multiple of the window's length, and one
    running aggregate of the bars since. Both follow from the bars held and the bar number alone,
    hence: restored, corrected and never interrupted give the same bits.

    Parameters
    ----------
    windows
        Lengths in bars, positive, no two alike.
    columns
        N, number of strategies.
    capacity
        Bars to hold, at least the longest window (the default): more lets others look further back.
    """

    __slots__ = (
        "_ages",
        "_back",
        "_buffer",
        "_capacity",
        "_count",
        "_end",
        "_fronts",
        "_joined",
        "_tail",
        "_windows",
    )

    def __init__(self, windows: tuple[int, ...], columns: int, capacity: int | None = None) -> None:
        assert windows, "no window"
        assert min(windows) > 0, windows
        assert len(set(windows)) == len(windows), windows
        self._windows = windows
        self._capacity = max(windows) if capacity is None else capacity
        assert self._capacity >= max(windows), (capacity, windows)
        self._joined: FloatArray | None = None  # the aggregates, once asked for
        self._restore(0, np.empty((0, columns)), np.full(columns, NEVER, dtype=np.int64))

    @property
    def windows(self) -> tuple[int, ...]:
        """Lengths in bars, as given."""
        return self._windows

    @property
    def columns(self) -> int:
        """N, number of strategies."""
        return self._ages.size

    @property
    def capacity(self) -> int:
        """Most bars held."""
        return self._capacity

    @property
    def count(self) -> int:
        """Bars pushed since the beginning: also the number after that of the newest bar."""
        return self._count

    def push(self, row: FloatArray) -> None:
        """Append the next bar.

        Parameters
        ----------
        row
            (N,) simple returns of the bar, finite and >= -1, NaN = missing.
        """
        assert row.shape == (self.columns,), (row.shape, self.columns)
        row = row + 0.0  # a copy, and no negative zero
        missing = np.isnan(row)
        self._tail.push(row, self._leaving())
        self._append(row)
        self._ages += 1
        self._ages[~missing] = 0
        np.minimum(self._ages, NEVER, out=self._ages)
        with np.errstate(all="ignore"):  # overflow is told by the figures that suffer from it
            self._back.push(np.where(missing, 0.0, row), ~missing)
            for index, window in enumerate(self._windows):
                if self._count % window == 0:
                    self._flip(index)
        self._joined = None

    def values(self, window: int) -> FloatArray:
        """Give the last `window` bars, oldest first, fewer while there are not as many.

        Returns
        -------
        FloatArray
            (min(count, window), N), NaN = missing, read-only; later pushes do not change it.
        """
        return self.rows(max(self._count - window, 0), self._count)

    def rows(self, start: int, stop: int) -> FloatArray:
        """Give bars by number: from `start`, before `stop`, counting from the first ever pushed.

        Returns
        -------
        FloatArray
            (stop - start, N), NaN = missing, read-only; later pushes do not change it.
        """
        held = self._held()
        assert self._count - held <= start <= stop <= self._count, (start, stop, self._count, held)
        offset = self._end - self._count
        return read_only(self._buffer[offset + start : offset + stop])

    def summary(self, window: int) -> WindowSummary:
        """Summarise one window, arrays (N,)."""
        return _summary(self._aggregates()[:, self._windows.index(window)])

    def observed(self, window: int) -> IntArray:
        """Count the returns of one window, (N,): what `summary` has as `count`, for less."""
        counts: IntArray = self._aggregates()[COUNT, self._windows.index(window)].astype(np.int64)
        return counts

    def summaries(self) -> WindowSummary:
        """Summarise all windows in their order, arrays (W, N)."""
        return _summary(self._aggregates())

    def tail(self, window: int) -> FloatArray:
        """Give the lowest returns of a window in order, as many as its tail figures need.

        Returns
        -------
        FloatArray
            (K, N) ascending, +inf where there is none, at least `tail_depth(count)` rows filled;
            valid until the next push.
        """
        return self.tails()[:, self._windows.index(window)]

    def tails(self) -> FloatArray:
        """Give the lowest returns of all windows in their order, (K, W, N); see `tail`."""
        short = self._tail.short(self._aggregates()[COUNT].astype(np.int64))
        for index in np.flatnonzero(short.any(axis=1)).tolist():
            bars = self.values(self._windows[index])
            self._tail.sort(index, np.flatnonzero(short[index]), bars)
        return self._tail.lowest

    def last_value_age(self) -> IntArray:
        """Count the bars since each column's last value: 0 = in the newest bar, NEVER = none yet.

        Returns
        -------
        IntArray
            (N,), a copy.
        """
        return self._ages.copy()

    def correct(self, bars_ago: int, column: int, value: float) -> None:
        """Replace one return by its revision, as if it had always been so.

        Parameters
        ----------
        bars_ago
            0 = the newest bar; must still be held.
        column
            Which strategy.
        value
            The revised return; NaN takes it back.
        """
        held = self._held()
        assert 0 <= bars_ago < held, (bars_ago, held)
        rows = self.rows(self._count - held, self._count).copy()
        rows[held - 1 - bars_ago, column] = value + 0.0
        ages = self._ages.copy()
        present = np.flatnonzero(~np.isnan(rows[::-1, column]))
        if present.size:
            ages[column] = present[0]
        elif ages[column] < held:  # its only value known is gone
            ages[column] = NEVER
        self._restore(self._count, rows, ages)

    def select_columns(self, index: IntArray) -> None:
        """Reorder, drop and insert columns.

        Parameters
        ----------
        index
            (M,) for each new column the old one it continues, -1 for one without any value yet.
        """
        held = self._held()
        rows = self.rows(self._count - held, self._count)
        padded = np.column_stack([rows, np.full(held, np.nan)])  # -1 finds the last: the new one
        ages = np.append(self._ages, NEVER)
        self._restore(self._count, padded[:, index], ages[index])

    def add_columns(self, added: int) -> None:
        """Append columns without any value yet."""
        kept = np.arange(self.columns, dtype=np.int64)
        self.select_columns(np.append(kept, np.full(added, -1, dtype=np.int64)))

    def to_state(self) -> WindowsState:
        """Give all that is needed to go on, bit for bit, as if never interrupted."""
        return {
            "windows": self._windows,
            "capacity": self._capacity,
            "count": self._count,
            "rows": self.values(self._capacity).copy(),
            "ages": self._ages.copy(),
        }

    @classmethod
    def from_state(cls, state: WindowsState) -> "RollingWindows":
        """Go on from what `to_state` gave."""
        windows = cls(state["windows"], state["rows"].shape[1], state["capacity"])
        windows._restore(state["count"], state["rows"], state["ages"].copy())
        return windows

    def _held(self) -> int:
        return min(self._count, self._capacity)

    # Everything derived, from the bars held and the number of the newest alone.
    def _restore(self, count: int, rows: FloatArray, ages: IntArray) -> None:
        columns = ages.size
        self._count = count
        self._ages = ages
        self._buffer = np.full((2 * self._capacity, columns), np.nan)
        self._buffer[: len(rows)] = rows
        self._end = len(rows)
        self._tail = LossTail(self._windows, columns)
        if count:
            self._tail.forget()
        self._back = RunningAggregate((len(self._windows), columns))
        self._fronts = [np.empty((window, FIELDS, columns)) for window in self._windows]
        self._joined = None
        with np.errstate(all="ignore"):
            for index, window in enumerate(self._windows):
                flipped = count - count % window
                self._back.restart(index, self.rows(flipped, count))
                start = max(count - window, 0)
                if start < flipped:
                    suffixes(self.rows(start, flipped), self._fronts[index][count % window :])

    # The buffer holds twice the capacity, so that bars are moved once in `capacity` pushes; a new
    # one is taken then, since views of the old one may be out.
    def _append(self, row: FloatArray) -> None:
        if self._end == len(self._buffer):
            kept = self._buffer[self._end - self._capacity :]
            self._buffer = np.full_like(self._buffer, np.nan)
            self._buffer[: self._capacity] = kept
            self._end = self._capacity
        self._buffer[self._end] = row
        self._end += 1
        self._count += 1

    # The bar that each window loses to the next one, (W, N), NaN where none.
    def _leaving(self) -> FloatArray:
        leaving = np.full((len(self._windows), self.columns), np.nan)
        for index, window in enumerate(self._windows):
            if self._count >= window:
                leaving[index] = self._buffer[self._end - window]
        return leaving

    def _flip(self, index: int) -> None:
        window = self._windows[index]
        suffixes(self.values(window), self._fronts[index])
        self._back.restart(index, np.empty((0, self.columns)))

    # The aggregates of all windows, (FIELDS, W, N).
    def _aggregates(self) -> FloatArray:
        if self._joined is None:
            front = identity((len(self._windows), self.columns))
            for index, window in enumerate(self._windows):
                if self._count >= window:
                    front[:, index] = self._fronts[index][self._count % window]
            with np.errstate(all="ignore"):
                self._joined = combine(front, self._back.aggregate())
        return self._joined


def _summary(aggregate: FloatArray) -> WindowSummary:
    with np.errstate(all="ignore"):
        drawdown = aggregate[GROWTH] / aggregate[PEAK] - 1.0
        deepest = np.minimum(aggregate[DEPTH] - 1.0, drawdown)
    same = aggregate[LOW] >= aggregate[HIGH]
    return WindowSummary(
        count=aggregate[COUNT].astype(np.int64),
        mean=aggregate[MEAN],
        squares=np.where(same, 0.0, aggregate[SQUARES]),
        low=aggregate[LOW],
        high=aggregate[HIGH],
        downside=aggregate[DOWNSIDE],
        hits=aggregate[HITS].astype(np.int64),
        growth=aggregate[GROWTH],
        drawdown=drawdown,
        max_drawdown=deepest,
    )
