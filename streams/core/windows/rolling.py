"""Event-time windows over the bars of many strategies."""

from typing import Final, TypedDict

import numpy as np

from streams.core.arrays import FloatArray, IntArray, read_only
from streams.core.windows.aggregate import (
    COUNT,
    FIELDS,
    RunningAggregate,
    combine,
    identity,
    suffixes,
)
from streams.core.windows.summary import WindowsRun, WindowSummary, summary_of
from streams.core.windows.tails import RollingTails

__all__ = ["NEVER", "RUN_BARS_MAX", "RollingWindows", "WindowsState"]

NEVER: Final = 2**31  # age of the last value of a column that never had one: older than any limit
RUN_BARS_MAX: Final = 64  # bars taken at once: what they share is then next to nothing for each


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
    hence: restored, corrected, never interrupted, one bar at a time or many give the same bits.

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
        "_run_bars",
        "_tails",
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
        self._back = RunningAggregate((len(windows), columns))
        self._ages: IntArray = np.full(columns, NEVER, dtype=np.int64)
        self._restore(0, np.empty((0, columns)), self._ages)

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

    @property
    def oldest(self) -> int:
        """Number of the oldest bar at hand."""
        return max(self._count - self._capacity - self._run_bars, 0)

    def push(self, row: FloatArray) -> None:
        """Append the next bar.

        Parameters
        ----------
        row
            (N,) simple returns of the bar, finite and >= -1, NaN = missing.
        """
        assert row.shape == (self.columns,), (row.shape, self.columns)
        row = self._append(row[None])[0]
        self._ages = np.where(np.isnan(row), np.minimum(self._ages + 1, NEVER), 0)
        with np.errstate(all="ignore"):  # overflow is told by the figures that suffer from it
            self._back.push(row)
            for index, window in enumerate(self._windows):
                if self._count % window == 0:
                    self._flip(index, self._count)
        self._joined = None

    def extend(self, rows: FloatArray) -> WindowsRun:
        """Append the next bars, to the bits of one after the other.

        Parameters
        ----------
        rows
            (K, N), K from 1 to `RUN_BARS_MAX`, oldest first; see `push`.

        Returns
        -------
        WindowsRun
            What `summaries` and `last_value_age` would have told after each of them.
        """
        bars = len(rows)
        assert 0 < bars <= RUN_BARS_MAX, bars
        assert rows.shape[1:] == (self.columns,), (rows.shape, self.columns)
        if bars == 1:
            self.push(rows[0])
            return WindowsRun(summary_of(self._aggregates()[:, None]), self._ages[None])
        begun = self._count
        rows = self._append(rows)
        ages = self._aged(rows)
        fronts = identity((bars, len(self._windows), self.columns))
        backs = np.empty_like(fronts)
        with np.errstate(all="ignore"):  # overflow is told by the figures that suffer from it
            first = 0
            for stop in self._flips(begun, bars):
                backs[:, first:stop] = self._back.extend(rows[first:stop])
                for index in range(len(self._windows)):
                    self._take_front(index, begun + first + 1, begun + stop, fronts[:, first:stop])
                    if (begun + stop) % self._windows[index] == 0:
                        backs[:, stop - 1, index] = self._back.sums[:, index]
                first = stop
            joined = combine(fronts, backs)
        self._joined = joined[:, -1].copy()
        return WindowsRun(summary_of(joined), ages)

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

        Held are those that were at hand before the last `extend`, and what it appended.

        Returns
        -------
        FloatArray
            (stop - start, N), NaN = missing, read-only; later pushes do not change it.
        """
        assert self.oldest <= start <= stop <= self._count, (start, stop, self._count)
        offset = self._end - self._count
        return read_only(self._buffer[offset + start : offset + stop])

    def summary(self, window: int) -> WindowSummary:
        """Summarise one window, arrays (N,)."""
        return summary_of(self._aggregates()[:, self._windows.index(window)])

    def observed(self, window: int) -> IntArray:
        """Count the returns of one window, (N,): what `summary` has as `count`, for less."""
        counts: IntArray = self._aggregates()[COUNT, self._windows.index(window)].astype(np.int64)
        return counts

    def summaries(self) -> WindowSummary:
        """Summarise all windows in their order, arrays (W, N)."""
        return summary_of(self._aggregates())

    def tail(self, window: int) -> FloatArray:
        """Give the lowest returns of a window in order, as many as its tail figures need.

        Returns
        -------
        FloatArray
            (K, N) ascending, +inf where there is none, at least `tail_depth(count)` rows filled.
        """
        return self.tails()[:, self._windows.index(window)]

    def tails(self) -> FloatArray:
        """Give the lowest returns of all windows in their order, (K, W, N); see `tail`."""
        return self.run_tails(self._aggregates()[COUNT].astype(np.int64)[None])[:, 0]

    def run_tails(self, count: IntArray) -> FloatArray:
        """Give what `tails` would have told after each of the newest bars.

        Parameters
        ----------
        count
            (B, W, N) observed returns then.

        Returns
        -------
        FloatArray
            (K, B, W, N).
        """
        return self._tails.at(self, count)

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
        self._buffer = np.full((self._room(), columns), np.nan)
        self._buffer[: len(rows)] = rows
        self._end = len(rows)
        self._tails = RollingTails(self._windows, columns)
        self._run_bars = 0
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

    # The buffer holds twice the capacity, or at least a run more, so that bars are moved once in
    # `capacity` pushes; a new one is taken then, since views of the old one may be out. Rows are
    # returned as kept.
    def _append(self, rows: FloatArray) -> FloatArray:
        if self._end + len(rows) > len(self._buffer):
            kept = self._buffer[max(self._end - self._capacity, 0) : self._end]
            self._buffer = np.full_like(self._buffer, np.nan)
            self._buffer[: len(kept)] = kept
            self._end = len(kept)
        first = self._end
        self._end += len(rows)
        self._count += len(rows)
        self._run_bars = len(rows)
        added = self._buffer[first : self._end]
        np.add(rows, 0.0, out=added)  # no negative zero
        return added

    def _room(self) -> int:
        return self._capacity + max(self._capacity, RUN_BARS_MAX)

    # Bars since the last value after each of the rows (K, N).
    def _aged(self, rows: FloatArray) -> IntArray:
        numbers = np.arange(len(rows))[:, None]
        last = np.where(np.isnan(rows), -1 - self._ages, numbers)
        ages: IntArray = np.minimum(numbers - np.maximum.accumulate(last, axis=0), NEVER)
        self._ages = ages[-1].copy()
        return ages

    # Where the pieces of a run end: at bars that some window's length divides, and at its own end.
    def _flips(self, begun: int, bars: int) -> list[int]:
        ends = {
            flip - begun
            for window in self._windows
            for flip in range(begun - begun % window + window, begun + bars + 1, window)
        }
        return sorted(ends | {bars})

    # The suffixes that a window's bars from `first` through `last` see, with a flip at the last
    # bar where there is one, into out (FIELDS, K, W, N).
    def _take_front(self, index: int, first: int, last: int, out: FloatArray) -> None:
        window, front = self._windows[index], self._fronts[index]
        if first > window:
            seen = first % window
            rows = front[seen : seen + last - first + 1]
            out[:, : len(rows), index] = rows.transpose(1, 0, 2)
        if last % window == 0:
            self._flip(index, last)
            out[:, -1, index] = front[0]

    # Make what a window's bars so far, `last` of them, are seen by the bars to come.
    def _flip(self, index: int, last: int) -> None:
        window = self._windows[index]
        suffixes(self.rows(last - window, last), self._fronts[index])
        self._back.restart(index, np.empty((0, self.columns)))

    # The aggregates of all windows, (FIELDS, W, N).
    def _aggregates(self) -> FloatArray:
        if self._joined is None:
            front = np.empty((FIELDS, len(self._windows), self.columns))
            for index, window in enumerate(self._windows):
                front[:, index] = (
                    self._fronts[index][self._count % window]
                    if self._count >= window
                    else identity((self.columns,))
                )
            with np.errstate(all="ignore"):
                self._joined = combine(front, self._back.aggregate())
        return self._joined
