"""The aggregate of a run of bars, and how two neighbouring runs become one.

An aggregate is a stack of arrays, one row a field, so that any number of windows and columns are
combined by the same few array operations. Nothing is ever taken out of an aggregate: a window is
always *older run* + *newer run*, each made from its own bars alone, so nothing drifts, and whatever
leaves a window leaves no trace in it.
"""

from typing import Final

import numpy as np

from streams.core.arrays import BoolArray, FloatArray

__all__ = [
    "COUNT",
    "DEPTH",
    "DOWNSIDE",
    "FIELDS",
    "GROWTH",
    "HIGH",
    "HITS",
    "LOW",
    "MEAN",
    "PEAK",
    "SQUARES",
    "TROUGH",
    "RunningAggregate",
    "combine",
    "identity",
    "suffixes",
]

# The fields of an aggregate over the observed returns r of a run, oldest first; a missing return
# changes nothing. Wealth is the running product of 1 + r, and starts from 1.0 before the run.
COUNT: Final = 0  # observations
MEAN: Final = 1  # mean r
SQUARES: Final = 2  # sum (r - mean)^2
LOW: Final = 3  # min r, +inf when empty
HIGH: Final = 4  # max r, -inf when empty
DOWNSIDE: Final = 5  # sum min(r, 0)^2
HITS: Final = 6  # observations with r > 0
GROWTH: Final = 7  # wealth at the end
PEAK: Final = 8  # highest wealth, the initial 1.0 included
TROUGH: Final = 9  # lowest wealth, the initial 1.0 included
DEPTH: Final = 10  # lowest wealth / highest wealth before it: 1 + maximum drawdown
FIELDS: Final = 11


def identity(shape: tuple[int, ...]) -> FloatArray:
    """Make the aggregate of no bars.

    Parameters
    ----------
    shape
        Trailing shape, for example (W, N).

    Returns
    -------
    FloatArray
        Shape (FIELDS, *shape).
    """
    empty = np.zeros((FIELDS, *shape))
    empty[LOW] = np.inf
    empty[HIGH] = -np.inf
    empty[[GROWTH, PEAK, TROUGH, DEPTH]] = 1.0
    return empty


def combine(older: FloatArray, newer: FloatArray) -> FloatArray:
    """Aggregate an older run followed directly by a newer one.

    Mean and squares merge by the pairwise update of Chan, Golub and LeVeque (1983), "Algorithms
    for computing the sample variance"; an empty side changes no bit of the other.

    Parameters
    ----------
    older, newer
        Aggregates of equal shape (FIELDS, ...).
    """
    joined = np.empty_like(older)
    np.add(older[COUNT], newer[COUNT], out=joined[COUNT])
    share = newer[COUNT] / np.maximum(joined[COUNT], 1.0)
    step = newer[MEAN] - older[MEAN]
    np.add(older[MEAN], step * share, out=joined[MEAN])
    spread = step * step * (older[COUNT] * share)
    np.add(older[SQUARES] + newer[SQUARES], spread, out=joined[SQUARES])
    np.minimum(older[LOW], newer[LOW], out=joined[LOW])
    np.maximum(older[HIGH], newer[HIGH], out=joined[HIGH])
    np.add(older[DOWNSIDE : HITS + 1], newer[DOWNSIDE : HITS + 1], out=joined[DOWNSIDE : HITS + 1])
    # Growth, peak and trough of the newer run, seen from the start of the older one.
    np.multiply(older[GROWTH], newer[GROWTH : TROUGH + 1], out=joined[GROWTH : TROUGH + 1])
    across = joined[TROUGH] / older[PEAK]  # from the older run's peak to the newer one's trough
    np.maximum(older[PEAK], joined[PEAK], out=joined[PEAK])
    np.minimum(older[TROUGH], joined[TROUGH], out=joined[TROUGH])
    np.minimum(np.minimum(older[DEPTH], newer[DEPTH]), across, out=joined[DEPTH])
    return joined


class RunningAggregate:
    """The aggregate of a run that grows at its new end, for W windows and N columns at once.

    Sums are taken of differences to an anchor: the first return observed in the run. The anchor
    being a member of the run, (mean - anchor)^2 <= sum (r - mean)^2, so that turning sums into a
    variance costs at most a factor 1 + n of the rounding error, whatever the mean.
    """

    __slots__ = ("anchor", "sums")

    def __init__(self, shape: tuple[int, int]) -> None:
        self.anchor = np.zeros(shape)
        # As an aggregate, but MEAN holds sum d and SQUARES sum d^2, with d = r - anchor.
        self.sums = identity(shape)

    def push(self, filled: FloatArray, observed: BoolArray) -> None:
        """Append one bar to every window.

        Parameters
        ----------
        filled, observed
            (N,) returns with 0 in the place of the missing ones, and which are there.
        """
        sums = self.sums
        first = observed & (sums[COUNT] == 0.0)
        np.copyto(self.anchor, filled, where=first)
        distance = np.where(observed, filled - self.anchor, 0.0)
        sums[COUNT] += observed
        sums[MEAN] += distance
        sums[SQUARES] += distance * distance
        np.minimum(sums[LOW], filled, out=sums[LOW], where=observed)
        np.maximum(sums[HIGH], filled, out=sums[HIGH], where=observed)
        loss = np.minimum(filled, 0.0)
        sums[DOWNSIDE] += loss * loss
        sums[HITS] += filled > 0.0
        sums[GROWTH] *= 1.0 + filled
        np.maximum(sums[PEAK], sums[GROWTH], out=sums[PEAK])
        np.minimum(sums[TROUGH], sums[GROWTH], out=sums[TROUGH])
        np.minimum(sums[DEPTH], sums[GROWTH] / sums[PEAK], out=sums[DEPTH])

    def restart(self, window: int, rows: FloatArray) -> None:
        """Make the run of one window anew, bit for bit as pushing the rows one by one.

        Parameters
        ----------
        window
            Index of the window.
        rows
            (T, N), T may be 0, oldest first, NaN = missing.
        """
        self.anchor[window] = 0.0
        self.sums[:, window] = identity((rows.shape[1],))
        if len(rows):
            sums = np.empty((FIELDS, *rows.shape))
            self.anchor[window] = _scan(rows, sums)
            _scan_wealth_forward(sums)
            self.sums[:, window] = sums[:, -1]

    def aggregate(self) -> FloatArray:
        """Give the aggregate, shape (FIELDS, W, N)."""
        aggregate = self.sums.copy()
        _centre(self.anchor, aggregate)
        return aggregate


def suffixes(rows: FloatArray, out: FloatArray) -> None:
    """Aggregate every run that ends with the last row.

    Parameters
    ----------
    rows
        (T, N), T > 0, oldest first, NaN = missing.
    out
        (T, FIELDS, N) is written: entry t covers rows t..T-1, and depends on no row before t.
    """
    reverse = rows[::-1]
    sums = out[::-1].transpose(1, 0, 2)
    anchors = _scan(reverse, sums)
    _scan_wealth_backward(sums, np.where(np.isnan(reverse), 1.0, 1.0 + reverse))
    _centre(anchors, sums)


# Write the fields that do not depend on the direction, after each row in the order given, to sums
# (FIELDS, T, N); give the anchors (N,). `accumulate` is strictly sequential: the bits of `push`.
def _scan(rows: FloatArray, sums: FloatArray) -> FloatArray:
    observed = ~np.isnan(rows)
    filled = np.where(observed, rows, 0.0)
    first = observed.argmax(axis=0)
    anchors: FloatArray = np.take_along_axis(filled, first[None], axis=0)[0]
    distance = np.where(observed, filled - anchors, 0.0)
    loss = np.minimum(filled, 0.0)
    np.add.accumulate(observed, axis=0, out=sums[COUNT], dtype=np.float64)
    np.add.accumulate(distance, axis=0, out=sums[MEAN])
    np.add.accumulate(distance * distance, axis=0, out=sums[SQUARES])
    np.minimum.accumulate(np.where(observed, rows, np.inf), axis=0, out=sums[LOW])
    np.maximum.accumulate(np.where(observed, rows, -np.inf), axis=0, out=sums[HIGH])
    np.add.accumulate(loss * loss, axis=0, out=sums[DOWNSIDE])
    np.add.accumulate(filled > 0.0, axis=0, out=sums[HITS], dtype=np.float64)
    np.multiply.accumulate(1.0 + filled, axis=0, out=sums[GROWTH])
    return anchors


# Peak, trough and depth of runs that start with the first row scanned.
def _scan_wealth_forward(sums: FloatArray) -> None:
    wealth = sums[GROWTH]
    np.maximum(np.maximum.accumulate(wealth, axis=0), 1.0, out=sums[PEAK])
    np.minimum(np.minimum.accumulate(wealth, axis=0), 1.0, out=sums[TROUGH])
    np.minimum.accumulate(wealth / sums[PEAK], axis=0, out=sums[DEPTH])


# The same of runs that end with the first row scanned: each step puts a bar in front of the run,
# so that wealth after it is scaled by that bar's growth, and the initial 1.0 moves back by one.
def _scan_wealth_backward(sums: FloatArray, growth: FloatArray) -> None:
    before = np.ones((3, growth.shape[1]))  # peak, trough, depth of no bars
    for after, factor in zip(sums[PEAK:].transpose(1, 0, 2), growth, strict=True):
        peak, trough, depth = after
        np.maximum(before[0] * factor, 1.0, out=peak)
        np.minimum(before[1] * factor, 1.0, out=trough)
        np.minimum(before[2], trough, out=depth)
        before = after


# Turn sums of differences to the anchor into mean and squares about the mean, in place.
def _centre(anchors: FloatArray, sums: FloatArray) -> None:
    mean_distance = sums[MEAN] / np.maximum(sums[COUNT], 1.0)
    np.maximum(sums[SQUARES] - sums[MEAN] * mean_distance, 0.0, out=sums[SQUARES])
    np.add(anchors, mean_distance, out=sums[MEAN])
    # An anchor is found over all rows; runs that do not reach it are empty and must not know it.
    np.copyto(sums[MEAN], 0.0, where=sums[COUNT] == 0.0)
