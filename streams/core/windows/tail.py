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
_SPARE: Final = 8  # kept beyond twice the need: the longer the tail, the rarer a sort


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

    Held: `lowest` (K, W, N), ascending, +inf where there is none, and `bound` (W, N): every other
    return of the window is at or above it. A return below the bound is therefore in `lowest`.
    Evictions can leave fewer than `tail_depth` of them: `short` tells where, `sort` cures it.
    """

    __slots__ = ("_depths", "bound", "lowest")

    def __init__(self, windows: tuple[int, ...], columns: int) -> None:
        longest = max(windows)
        self._depths = tail_depth(np.arange(longest + 1))
        kept = min(longest, 2 * int(self._depths[-1]) + _SPARE)
        self.lowest = np.full((kept, len(windows), columns), np.inf)
        self.bound = np.full((len(windows), columns), np.inf)

    def forget(self) -> None:
        """Know nothing: every column with a return is then short."""
        self.lowest.fill(np.inf)
        self.bound.fill(-np.inf)

    def push(self, row: FloatArray, evicted: FloatArray) -> None:
        """Append a bar, and take out the one that leaves each window.

        Parameters
        ----------
        row
            (N,) newest returns, NaN = missing.
        evicted
            (W, N) returns that leave, NaN where none does.
        """
        lowest = self.lowest
        leaving = np.where(np.isnan(evicted), np.inf, evicted)
        # Up to the one that leaves nothing moves, from there on the next one comes forward.
        kept = np.full_like(lowest, np.inf)
        np.copyto(kept[:-1], lowest[1:])
        np.copyto(kept, lowest, where=lowest < leaving)
        # Missing compares false. A return at the bound may stay outside: the bound still holds.
        entering = np.where(row < self.bound, row, np.inf)
        np.minimum(self.bound, np.maximum(kept[-1], entering), out=self.bound)
        # The sorted place of x: entry i becomes the middle one of entry i-1, x, entry i.
        np.minimum(kept, entering, out=lowest)
        np.maximum(lowest[1:], kept[:-1], out=lowest[1:])

    def short(self, count: IntArray) -> BoolArray:
        """Tell where fewer than `tail_depth` are held.

        Parameters
        ----------
        count
            (W, N) observed returns.
        """
        last_needed = np.maximum(self._depths[count], 1) - 1
        absent: BoolArray = np.isposinf(nth(self.lowest, last_needed))
        return absent & (count > 0)

    def sort(self, window: int, columns: IntArray, rows: FloatArray) -> None:
        """Take the lowest returns of some columns from the bars.

        Parameters
        ----------
        window
            Index of the window.
        columns
            Which.
        rows
            (T, N) all bars of the window, NaN = missing.
        """
        kept = len(self.lowest)
        ordered = np.sort(rows[:, columns], axis=0)  # missing ones last
        ordered[np.isnan(ordered)] = np.inf
        fresh = np.full((kept, columns.size), np.inf)
        fresh[: len(ordered)] = ordered[:kept]
        self.lowest[:, window, columns] = fresh
        self.bound[window, columns] = ordered[kept] if len(ordered) > kept else np.inf
