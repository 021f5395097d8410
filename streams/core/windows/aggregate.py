"""The aggregate of a run of bars, and how two neighbouring runs become one.

An aggregate is a stack of arrays, one row a field, so that any number of windows and columns are
combined by the same few array operations. Nothing is ever taken out of an aggregate: a window is
always *older run* + *newer run*, each made from its own bars alone, so nothing drifts, and whatever
leaves a window leaves no trace in it.
"""

from typing import Final

import numpy as np

from streams.core.arrays import FloatArray

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
DOWNSIDE: Final = 3  # sum min(r, 0)^2
HITS: Final = 4  # observations with r > 0
LOW: Final = 5  # min r, +inf when empty
HIGH: Final = 6  # max r, -inf when empty
GROWTH: Final = 7  # wealth at the end
PEAK: Final = 8  # highest wealth, the initial 1.0 included
TROUGH: Final = 9  # lowest wealth, the initial 1.0 included
DEPTH: Final = 10  # lowest wealth / highest wealth before it: 1 + maximum drawdown
FIELDS: Final = 11
_SUMS: Final = slice(COUNT, HITS + 1)  # what is added up from bar to bar


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

    def push(self, row: FloatArray) -> None:
        """Append one bar, (N,), NaN = missing: the bits of `extend`, without its accumulations."""
        sums = self.sums
        observed = ~np.isnan(row)
        filled = np.where(observed, row, 0.0)
        np.copyto(self.anchor, filled, where=observed & (sums[COUNT] == 0.0))
        distance = np.where(observed, filled - self.anchor, 0.0)
        sums[COUNT] += observed
        sums[MEAN] += distance
        sums[SQUARES] += distance * distance
        loss = np.minimum(filled, 0.0)
        sums[DOWNSIDE] += loss * loss
        sums[HITS] += filled > 0.0
        np.fmin(sums[LOW], row, out=sums[LOW])  # a missing one changes nothing
        np.fmax(sums[HIGH], row, out=sums[HIGH])
        wealth = sums[GROWTH]
        wealth *= 1.0 + filled
        np.maximum(sums[PEAK], wealth, out=sums[PEAK])
        np.minimum(sums[TROUGH], wealth, out=sums[TROUGH])
        np.minimum(sums[DEPTH], wealth / sums[PEAK], out=sums[DEPTH])

    def extend(self, rows: FloatArray) -> FloatArray:
        """Append bars to every window.

        Parameters
        ----------
        rows
            (K, N), K > 0, oldest first, NaN = missing.

        Returns
        -------
        FloatArray
            (FIELDS, K, W, N) the aggregate after each of the bars.
        """
        if len(rows) == 1:
            self.push(rows[0])
            return self.aggregate()[:, None]
        sums, self.anchor = _scan(rows[:, None], self.sums, self.anchor)
        _scan_wealth_forward(sums)
        self.sums = sums[:, -1].copy()
        _centre(self.anchor, sums[:, 1:])
        return sums[:, 1:]

    def restart(self, window: int, rows: FloatArray) -> None:
        """Make the run of one window anew, bit for bit as appending the rows one by one.

        Parameters
        ----------
        window
            Index of the window.
        rows
            (T, N), T may be 0, oldest first, NaN = missing.
        """
        columns = rows.shape[1]
        sums, anchor = _scan(rows, identity((columns,)), np.zeros(columns))
        _scan_wealth_forward(sums)
        self.anchor[window] = anchor
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
    columns = rows.shape[1]
    reverse = rows[::-1]
    sums, anchor = _scan(reverse, identity((columns,)), np.zeros(columns))
    _scan_wealth_backward(sums[:, 1:], np.where(np.isnan(reverse), 1.0, 1.0 + reverse))
    _centre(anchor, sums[:, 1:])
    out[::-1].transpose(1, 0, 2)[:] = sums[:, 1:]


# Sums (FIELDS, T + 1, ...) before the first and after each of the rows (T, ..., N), and the anchors
# they have then; peak, trough and depth depend on the direction and are not filled in but at the
# beginning. `accumulate` is strictly sequential: the bits do not depend on how rows are cut.
def _scan(rows: FloatArray, begun: FloatArray, anchor: FloatArray) -> tuple[FloatArray, FloatArray]:
    shape = begun.shape[1:]
    observed = ~np.isnan(rows)
    filled = np.where(observed, rows, 0.0)
    if len(rows):
        first = np.take_along_axis(filled, observed.argmax(axis=0)[None], axis=0)[0]
        anchor = np.where(observed.any(axis=0) & (begun[COUNT] == 0.0), first, anchor)
    sums = np.empty((FIELDS, len(rows) + 1, *shape))
    sums[:, 0] = begun
    after = sums[:, 1:]
    after[COUNT] = observed
    distance = np.where(observed, filled - anchor, 0.0)
    after[MEAN] = distance
    np.multiply(distance, distance, out=after[SQUARES])
    loss = np.minimum(filled, 0.0)
    after[DOWNSIDE] = loss * loss
    after[HITS] = filled > 0.0
    after[LOW] = np.where(observed, rows, np.inf)
    after[HIGH] = np.where(observed, rows, -np.inf)
    after[GROWTH] = 1.0 + filled
    np.add.accumulate(sums[_SUMS], axis=1, out=sums[_SUMS])
    np.minimum.accumulate(sums[LOW], axis=0, out=sums[LOW])
    np.maximum.accumulate(sums[HIGH], axis=0, out=sums[HIGH])
    np.multiply.accumulate(sums[GROWTH], axis=0, out=sums[GROWTH])
    return sums, anchor


# Peak, trough and depth of runs that start with the first row scanned.
def _scan_wealth_forward(sums: FloatArray) -> None:
    wealth = sums[GROWTH, 1:]
    sums[PEAK : TROUGH + 1, 1:] = wealth
    np.maximum.accumulate(sums[PEAK], axis=0, out=sums[PEAK])
    np.minimum.accumulate(sums[TROUGH], axis=0, out=sums[TROUGH])
    np.divide(wealth, sums[PEAK, 1:], out=sums[DEPTH, 1:])
    np.minimum.accumulate(sums[DEPTH], axis=0, out=sums[DEPTH])


# The same of runs that end with the first row scanned: each step puts a bar in front of the run,
# so that wealth after it is scaled by that bar's growth, and the initial 1.0 moves back by one.
# The trough goes beside the peak with its sign turned, which changes no bit of it.
def _scan_wealth_backward(sums: FloatArray, growth: FloatArray) -> None:
    bound = np.array([1.0, -1.0])[:, None]
    extremes = np.empty((len(growth), 2, growth.shape[1]))  # peak, and -trough
    before = np.repeat(bound, growth.shape[1], axis=1)
    for after, factor in zip(extremes, growth, strict=True):
        np.multiply(before, factor, out=after)
        np.maximum(after, bound, out=after)
        before = after
    sums[PEAK] = extremes[:, 0]
    np.negative(extremes[:, 1], out=sums[TROUGH])
    np.minimum.accumulate(sums[TROUGH], axis=0, out=sums[DEPTH])


# Turn sums of differences to the anchor into mean and squares about the mean, in place.
def _centre(anchors: FloatArray, sums: FloatArray) -> None:
    mean_distance = sums[MEAN] / np.maximum(sums[COUNT], 1.0)
    np.maximum(sums[SQUARES] - sums[MEAN] * mean_distance, 0.0, out=sums[SQUARES])
    np.add(anchors, mean_distance, out=sums[MEAN])
    # An anchor is found over all rows; runs that do not reach it are empty and must not know it.
    np.copyto(sums[MEAN], 0.0, where=sums[COUNT] == 0.0)
