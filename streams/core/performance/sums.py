"""Sums over a sliding window that nothing is ever taken out of.

A window of w bars is the end of an older run plus the beginning of a newer one; the seam lies at
each bar number that w divides. Sums of every end of the older run are made when the seam moves,
sums of the newer run as it grows (two stacks, as in Tangwongsan, Hirzel and Schneider (2017),
"Low-latency sliding-window aggregation in worst-case constant time"). So nothing drifts, and what
leaves a window leaves no trace. Of the older run only every 16th end is kept, with the ends of the
one block that the window's start lies in: 32 rows for a window of 252.

Terms are taken of differences to an anchor, a return of the same column that lies in the window.
Hence (mean - anchor)^2 <= sum (r - mean)^2: turning such sums into moments about the mean costs at
most a factor of about n of the rounding error, whatever the mean.
"""

from typing import Final, Protocol

import numpy as np

from streams.core.arrays import BoolArray, FloatArray

__all__ = ["Bars", "SlidingSums", "Terms"]

BLOCK_BARS: Final = 16
_NEVER: Final = 2**62
# Below so many columns it is the calls that cost: one accumulating ufunc is then less than a call a
# bar, which takes a row. Either adds one bar after the other: the same bits.
_NARROW_COLUMNS: Final = 150


class Terms(Protocol):
    """What is summed: ``fields`` numbers for each bar, made of it and the ``lead`` bars after.

    The last ``references`` columns are series that the others are compared with.
    """

    fields: int
    lead: int
    references: int

    def __call__(
        self, rows: FloatArray, anchors: FloatArray, given: BoolArray | None = None
    ) -> FloatArray:
        """Give the terms of T bars.

        Parameters
        ----------
        rows
            (T + lead, M) returns, NaN = missing.
        anchors
            (M,).
        given
            (M,) the columns asked for, None = all; rows and anchors have all of them.

        Returns
        -------
        FloatArray
            (fields, T, number given), 0 where nothing is observed.
        """


class Bars:
    """Rows by bar number; before the first row everything is missing.

    Parameters
    ----------
    rows
        (T, N), oldest first.
    stop
        Number of the newest bar.
    beside
        (T, B) further columns, which follow the N; where these are many they are put together only
        as they are read.
    """

    __slots__ = ("_beside", "_first", "_rows", "columns", "stop")

    def __init__(self, rows: FloatArray, stop: int, beside: FloatArray | None = None) -> None:
        if beside is not None and rows.shape[1] < _NARROW_COLUMNS:
            rows, beside = np.concatenate([rows, beside], axis=1), None
        self._rows = rows
        self._beside = beside
        self._first = stop - len(rows)
        self.stop = stop
        self.columns = rows.shape[1] + (0 if beside is None else beside.shape[1])

    def read(self, after: int, until: int) -> FloatArray:
        """Give the bars with numbers above ``after``, up to ``until``."""
        assert after <= until <= self.stop, (after, until, self.stop)
        known = slice(max(after - self._first, 0), max(until - self._first, 0))
        rows = self._rows[known]
        if self._beside is not None:
            rows = np.concatenate([rows, self._beside[known]], axis=1)
        absent = until - after - len(rows)
        if absent:
            rows = np.concatenate([np.full((absent, self.columns), np.nan), rows])
        return rows


class SlidingSums:
    """Sums of ``terms`` over the last ``window`` bars of each column.

    The sums of a bar depend on the returns in its window and on its number alone, to the bit:
    not on how many bars are taken at once, nor on how far the history reaches.
    """

    def __init__(self, window: int, terms: Terms) -> None:
        assert window > 0, window
        self._window = window
        self._terms = terms
        self._at: int | None = None  # the last bar summed
        self._seam = 0
        self._anchors: FloatArray = np.empty(0)  # (M,) NaN = none yet
        self._leaves = np.empty(0, dtype=np.int64)  # (M,) the bar at which an anchor is outside
        self._about: FloatArray = np.empty(0)  # the anchors, 0 where there is none yet
        self._next_leave = _NEVER
        self._waiting = False  # some column has none yet
        self._back: FloatArray = np.empty(0)  # (F, M) sums of the bars since the seam
        # (blocks + 1, F, M) sums from each block's first bar to the seam
        self._ends: FloatArray = np.empty(0)
        self._block = -1
        self._fine: FloatArray = np.empty(0)  # (F, bars of the block, M)

    def forget(self) -> None:
        """Make everything anew from the next history given: a bar was corrected."""
        self._at = None

    def advance(self, bars: Bars, count: int) -> tuple[FloatArray, FloatArray]:
        """Sum over the windows that end with each of the newest ``count`` bars.

        Parameters
        ----------
        bars
            At least the new bars and ``window`` bars (and their lead) before them.
        count
            K, new bars.

        Returns
        -------
        sums : FloatArray
            (fields, K, M).
        anchors : FloatArray
            (K, M), what they are about: 0 where nothing was observed.
        """
        goal = bars.stop - self._terms.lead
        columns = bars.columns
        if self._at != goal - count or self._anchors.size != columns:
            self._rebuild(bars, goal - count)
        some = self._step(bars, goal)
        done = some.shape[1]
        if done == count:
            return some, np.broadcast_to(self._about, (count, columns))
        sums = np.empty((self._terms.fields, count, columns))
        anchors = np.empty((count, columns))
        sums[:, :done], anchors[:done] = some, self._about
        while done < count:
            some = self._step(bars, goal)
            stop = done + some.shape[1]
            sums[:, done:stop], anchors[done:stop] = some, self._about
            done = stop
        return sums, anchors

    # Take bars up to the next place where something else than adding happens; `goal` at most.
    def _step(self, bars: Bars, goal: int) -> FloatArray:
        assert self._at is not None
        if (self._at + 1) % self._window == 0:
            self._rebuild(bars, self._at + 1)
            return self._front(bars, 0, 1)
        if self._next_leave == self._at + 1:
            self._anchor_anew(bars, self._leaves == self._next_leave)
        offset = self._at + 1 - self._seam
        until = min(goal, self._seam + self._window - 1, self._next_leave - 1)
        rows = bars.read(self._at, until + self._terms.lead)
        self._find_anchors(rows)
        newer = self._terms(rows, self._about)
        newer[:, 0] += self._back
        _add_up(newer)
        self._back = newer[:, -1].copy()
        newer += self._front(bars, offset, newer.shape[1])
        self._at = until
        return newer

    # The sums of the older run's ends from `offset` on, (F, count, M).
    def _front(self, bars: Bars, offset: int, count: int) -> FloatArray:
        pieces = []
        while count:
            block, place = divmod(offset, BLOCK_BARS)
            if block != self._block:
                self._block = block
                self._fine = self._suffixes(bars, block)
            piece = self._fine[:, place : place + count]
            pieces.append(piece)
            offset, count = offset + piece.shape[1], count - piece.shape[1]
        return np.concatenate(pieces, axis=1)

    # Sums from each bar of a block to the seam, (F, bars, M).
    def _suffixes(self, bars: Bars, block: int) -> FloatArray:
        first = self._seam - self._window + block * BLOCK_BARS
        until = min(first + BLOCK_BARS, self._seam)
        terms = self._terms(bars.read(first, until + self._terms.lead), self._about)
        terms[:, -1] += self._ends[block + 1]
        _add_up(terms[:, ::-1])
        return terms

    # Everything derived, as of bar `at`, from the returns of its window.
    def _rebuild(self, bars: Bars, at: int) -> None:
        columns = bars.columns
        self._at, self._seam = at, at - at % self._window
        self._anchors = np.full(columns, np.nan)
        self._leaves = np.full(columns, _NEVER, dtype=np.int64)
        start = at - self._window
        older = self._candidates(bars.read(start, self._seam + self._terms.lead))[::-1]
        seen = ~np.isnan(older)
        found = seen.any(axis=0)
        newest = seen.argmax(axis=0)
        self._anchors[found] = older[newest[found], np.flatnonzero(found)]
        self._leaves[found] = self._seam - newest[found] + self._window
        self._note_anchors()
        newer = bars.read(self._seam, at + self._terms.lead)
        self._find_anchors(newer)
        self._back = self._total(newer)
        self._block = -1
        blocks = -(-self._window // BLOCK_BARS)
        self._ends = np.zeros((blocks + 1, *self._back.shape))
        for block in range(blocks - 1, (at - self._seam) // BLOCK_BARS, -1):
            self._ends[block] = self._suffixes(bars, block)[:, 0]

    # An anchor that leaves the window takes the last of the older run with it: the newer run of
    # those columns is summed again about its own first return.
    def _anchor_anew(self, bars: Bars, leaving: BoolArray) -> None:
        assert self._at is not None
        self._anchors[leaving] = np.nan
        self._leaves[leaving] = _NEVER
        self._note_anchors()
        rows = bars.read(self._seam, self._at + self._terms.lead)
        self._find_anchors(rows)
        if leaving[leaving.size - self._terms.references :].any():
            leaving = np.ones_like(leaving)  # every column's sums with a reference are about it
        self._back[:, leaving] = self._total(rows, leaving)

    def _find_anchors(self, rows: FloatArray) -> None:
        if not self._waiting:
            return
        candidates = self._candidates(rows)
        seen = ~np.isnan(candidates)
        fresh = np.isnan(self._anchors) & seen.any(axis=0)
        if fresh.any():
            first = seen.argmax(axis=0)
            self._anchors[fresh] = candidates[first[fresh], np.flatnonzero(fresh)]
            self._note_anchors()

    def _note_anchors(self) -> None:
        unknown = np.isnan(self._anchors)
        self._waiting = bool(unknown.any())
        self._about = np.where(unknown, 0.0, self._anchors)
        self._next_leave = int(self._leaves.min(initial=_NEVER))

    # (T, M): a return that each bar's terms are made of, NaN where there is none.
    def _candidates(self, rows: FloatArray) -> FloatArray:
        count = len(rows) - self._terms.lead
        candidates = rows[:count].copy()
        for ahead in range(1, self._terms.lead + 1):
            np.copyto(candidates, rows[ahead : ahead + count], where=np.isnan(candidates))
        return candidates

    # (F, M) of all the bars, or of none.
    def _total(self, rows: FloatArray, given: BoolArray | None = None) -> FloatArray:
        terms = self._terms(rows, self._about, given)
        if not terms.shape[1]:
            return np.zeros((terms.shape[0], terms.shape[2]))
        _add_up(terms)
        return terms[:, -1].copy()


# Each bar's terms (F, T, M) become the sums up to it, in place.
def _add_up(terms: FloatArray) -> None:
    if terms.shape[1] > 1 and terms.shape[2] < _NARROW_COLUMNS:
        np.add.accumulate(terms, axis=1, out=terms)
        return
    for place in range(1, terms.shape[1]):
        terms[:, place] += terms[:, place - 1]
