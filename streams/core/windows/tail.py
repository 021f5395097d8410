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

    __slots__ = ("_depths", "_held", "bound", "needed")

    def __init__(self, windows: tuple[int, ...], columns: int) -> None:
        longest = max(windows)
        self._depths = tail_depth(np.arange(longest + 1))
        self.needed = int(self._depths[-1])
        kept = min(longest, 2 * int(self._depths[-1]) + _SPARE)
        # One row more than is kept, of +inf: what comes forward to the last place.
        self._held = np.full((kept + 1, len(windows), columns), np.inf)
        self.bound = np.full((len(windows), columns), np.inf)

    @property
    def lowest(self) -> FloatArray:
        """(K, W, N), see above."""
        return self._held[:-1]

    def extend(self, rows: FloatArray, evicted: FloatArray) -> FloatArray:
        """Append bars, and take out what leaves each window.

        Parameters
        ----------
        rows
            (B, N) newest returns, oldest first, NaN = missing.
        evicted
            (B, W, N) returns that leave with each of them, NaN where none does.

        Returns
        -------
        FloatArray
            (`needed`, B, W, N) the first rows of `lowest` after each bar.
        """
        lowest, forward, bound = self.lowest, self._held[1:], self.bound
        found = np.empty((self.needed, *evicted.shape))
        leaving = np.where(np.isnan(evicted), np.inf, evicted)
        for bar, (row, gone) in enumerate(zip(rows, leaving, strict=True)):
            # Up to the one that leaves nothing moves, from there on the next one comes forward.
            kept = np.where(lowest < gone, lowest, forward)
            # Missing compares false. A return at the bound may stay outside: the bound still holds.
            entering = np.where(row < bound, row, np.inf)
            np.minimum(bound, np.maximum(kept[-1], entering), out=bound)
            # The sorted place of x: entry i becomes the middle one of entry i-1, x, entry i.
            np.minimum(kept, entering, out=lowest)
            np.maximum(lowest[1:], kept[:-1], out=lowest[1:])
            found[:, bar] = lowest[: self.needed]
        return found

    def short(self, count: IntArray, lowest: FloatArray | None = None) -> BoolArray:
        """Tell where fewer than `tail_depth` are held.

        Parameters
        ----------
        count
            (..., W, N) observed returns.
        lowest
            (K, ..., W, N) the lowest of them, as far as held; those of now by default.
        """
        if lowest is None:
            lowest = self.lowest
        last_needed = np.maximum(self._depths[count], 1) - 1
        absent: BoolArray = np.isposinf(nth(lowest, last_needed))
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
        ordered = ascending(rows[:, columns])
        kept = len(self.lowest)
        fresh = np.full((kept, columns.size), np.inf)
        fresh[: len(ordered)] = ordered[:kept]
        self.lowest[:, window, columns] = fresh
        self.bound[window, columns] = ordered[kept] if len(ordered) > kept else np.inf


def ascending(rows: FloatArray) -> FloatArray:
    """Sort each column of (T, N), missing ones last and as +inf."""
    ordered = np.sort(rows, axis=0)
    ordered[np.isnan(ordered)] = np.inf
    return ordered
