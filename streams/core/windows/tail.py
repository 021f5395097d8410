"""The lowest returns of each window, in order: all that value at risk and its tail mean need.

A window of 252 returns needs 14 of them for its 95 % figures, so only the lowest few are kept and
each bar costs a few passes over those instead of a sort of the window. What is handed out is exact
and depends on the window's returns alone, not on how they came.
"""

from typing import Final

import numpy as np

from streams.core.arrays import BoolArray, FloatArray, IntArray

__all__ = ["TAIL_PERCENTS", "LossTail", "nth", "tail_depth"]

TAIL_PERCENTS: Final = (5, 1)  # the tails beyond 95 % and 99 %; integers, so that counts are exact
# From so many columns on, those in whose tail nothing comes or goes are left alone.
_SPARSE_COLUMNS: Final = 700
_SPARE: Final = 12  # kept beyond twice the need: the longer the tail, the rarer a sort


def tail_depth(count: IntArray) -> IntArray:
    """Count the lowest of `count` returns that the widest tail's figures look at.

    Examples
    --------
    >>> tail_depth(np.array([0, 1, 20, 252]))
    array([ 0,  1,  2, 14])
    """
    percent = max(TAIL_PERCENTS)
    quantile = (count - 1) * percent // 100 + 2  # the two neighbours of a linear quantile
    mean = count * percent // 100 + 1  # the whole ones and the one taken in part
    return np.minimum(count, np.maximum(quantile, mean))


def nth(ordered: FloatArray, position: IntArray) -> FloatArray:
    """Take one entry of each column.

    Parameters
    ----------
    ordered
        (K, ...), its trailing axes are the columns.
    position
        (..., *trailing) indices along the first axis; further leading axes ask again.
    """
    columns = ordered[0].size
    flat = position.reshape(-1, columns) * columns + np.arange(columns)
    taken: FloatArray = ordered.reshape(-1).take(flat).reshape(position.shape)
    return taken


class LossTail:
    """Lowest returns of the last bars, for W windows and N columns at once.

    Held: `lowest` (K, W, N), ascending, +inf where there is none, and a bound (W, N): every other
    return of the window is at or above it, those held at or below. A return below the bound is
    therefore in `lowest`, and one above it is not.
    Evictions can leave fewer than `tail_depth` of them: `short` tells where, `put` cures it.
    """

    __slots__ = ("_bound", "_depths", "_held", "_shape", "needed", "whole")

    def __init__(self, windows: tuple[int, ...], columns: int) -> None:
        longest = max(windows)
        self._depths = tail_depth(np.arange(longest + 1))
        self.needed = int(self._depths[-1])
        kept = min(longest, 2 * int(self._depths[-1]) + _SPARE)
        self.whole = kept == longest  # then none is ever left outside
        self._shape = len(windows), columns
        # One row more than is kept, of +inf: what comes forward to the last place.
        self._held = np.full((kept + 1, len(windows) * columns), np.inf)
        self._bound = np.full(len(windows) * columns, np.inf)

    @property
    def columns(self) -> int:
        """N."""
        return self._shape[1]

    @property
    def lowest(self) -> FloatArray:
        """(K, W, N), see above."""
        return self._held[:-1].reshape(-1, *self._shape)

    def extend(self, rows: FloatArray, evicted: FloatArray, told: FloatArray | None = None) -> None:
        """Append bars, and take out what leaves each window.

        Parameters
        ----------
        rows
            (B, N) newest returns, oldest first, NaN = missing.
        evicted
            (B, W, N) returns that leave with each of them, NaN where none does.
        told
            (`needed`, B, W, N) is written: the first rows of `lowest` after each bar.
        """
        held, bound, size = self._held, self._bound, self._bound.size
        leaving = np.where(np.isnan(evicted), np.inf, evicted).reshape(len(rows), size)
        for bar, (row, gone) in enumerate(zip(rows, leaving, strict=True)):
            new = row if self._shape[0] == 1 else np.concatenate([row] * self._shape[0])
            if size < _SPARSE_COLUMNS:
                _exchange(held, bound, new, gone)
            else:
                some = np.flatnonzero((new < bound) | (gone <= bound))
                if 2 * some.size > size:
                    _exchange(held, bound, new, gone)
                else:
                    picked, limit = held.take(some, axis=1), bound.take(some)
                    _exchange(picked, limit, new.take(some), gone.take(some))
                    held[:, some], bound[some] = picked, limit
            if told is not None:
                told[:, bar] = self.lowest[: self.needed]

    def short(self, count: IntArray, lowest: FloatArray) -> BoolArray:
        """Tell where fewer than `tail_depth` are held.

        Parameters
        ----------
        count
            (..., W, N) observed returns.
        lowest
            (K, ..., W, N) the lowest of them, as far as held.
        """
        last_needed = np.maximum(self._depths[count], 1) - 1
        absent: BoolArray = np.isposinf(nth(lowest, last_needed))
        return absent & (count > 0)

    def put(self, window: int, columns: IntArray, ordered: FloatArray) -> None:
        """Take the lowest returns of some columns from all of them.

        Parameters
        ----------
        window
            Index of the window.
        columns
            Which.
        ordered
            (T, number of columns) all returns of the window, as `ascending` gives them.
        """
        kept = len(self.lowest)
        fresh = np.full((kept, columns.size), np.inf)
        fresh[: len(ordered)] = ordered[:kept]
        self.lowest[:, window, columns] = fresh
        bound = self._bound.reshape(self._shape)
        bound[window, columns] = ordered[kept] if len(ordered) > kept else np.inf


# Let `new` in and `gone` out of (K + 1, C) that are held below a bound (C,), in place.
def _exchange(held: FloatArray, bound: FloatArray, new: FloatArray, gone: FloatArray) -> None:
    lowest, forward = held[:-1], held[1:]
    # Up to the one that leaves nothing moves, from there on the next one comes forward.
    kept = np.where(lowest < gone, lowest, forward)
    # Missing compares false. A return at the bound may stay outside: the bound still holds.
    entering = np.where(new < bound, new, np.inf)
    np.minimum(bound, np.maximum(kept[-1], entering), out=bound)
    # The sorted place of x: entry i becomes the middle one of entry i-1, x, entry i.
    np.minimum(kept, entering, out=lowest)
    np.maximum(lowest[1:], kept[:-1], out=lowest[1:])


def ascending(rows: FloatArray) -> FloatArray:
    """Sort each column of (T, N), missing ones last and as +inf."""
    ordered = np.sort(rows, axis=0)
    ordered[np.isnan(ordered)] = np.inf
    return ordered
