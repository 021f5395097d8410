"""Second moments of rows with holes, semi-definite all the same.

`complete_rows` drops a row with any hole: every estimator stands on it, no correlation is biased,
but staggered starts and many flaky columns leave it few rows. Two ways take all that is there:

`pairwise`: each entry from the rows that both columns have. No entry is biased, but entries of
different rows need not fit together: what is below zero is clipped, and the distance told and
bounded. Fit for scattered holes.

`congruence`: holes count as no deviation from the mean, and the whole is scaled on both sides by
the roots of the observations: D S D, semi-definite by construction. Variances are those of what was
observed, and a correlation is lessened by common rows / root of the product of own rows: not at all
where no row is missing, and by the root of the share for a late start. With weights this freezes a
column while it is silent. Fit where a repair would be refused; it trades bias for certainty.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.core.arrays import BoolArray, FloatArray
from streams.core.covariance.moments import ROWS_MIN, ewma_weights, gram
from streams.core.covariance.spectral import repaired
from streams.core.errors import DataError

__all__ = ["RaggedMoments", "congruent_moments", "pairwise_moments"]

_COMMON_MIN: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RaggedMoments:
    """A covariance of rows with holes.

    Attributes
    ----------
    matrix
        (N, N) per bar^2.
    count
        Average over pairs of the common rows, weighted ones by their effective number.
    distance
        What a repair moved the correlations by; 0 = nothing.
    """

    matrix: FloatArray
    count: float
    distance: float


def pairwise_moments(values: FloatArray, decay: float | None) -> RaggedMoments:
    """Estimate each entry from its common rows, and repair the whole.

    Without decay about the means of the common rows, divided by their number - 1; with decay about
    zero, weights decay^age normalised over the common rows.

    Parameters
    ----------
    values
        (T, N), oldest first, NaN = missing.
    decay
        Weight of a row relative to the next newer one; None = all alike.

    Raises
    ------
    DataError
        A pair has fewer than two common rows, or the repair would go too far.
    """
    present = ~np.isnan(values)
    seen = present.astype(np.float64)
    common = gram(seen)
    _require_common(common, "pair")
    if decay is None:
        distance = np.where(present, values - _means(values, present), 0.0)
        sums = distance.T @ seen  # (i, j): sum of i over the rows that j has too
        matrix = (gram(distance) - sums * sums.T / common) / (common - 1.0)
        count = _average(common)
    else:
        root = np.sqrt(ewma_weights(len(values), decay))[:, None]
        weight = gram(seen * root)
        matrix = gram(np.where(present, values, 0.0) * root) / weight
        heavy = gram(seen * root * root)
        count = _average(weight**2 / heavy)
    np.fill_diagonal(matrix, np.maximum(np.diag(matrix), 0.0))
    if not np.isfinite(matrix).all():
        return RaggedMoments(matrix=matrix, count=count, distance=0.0)  # refused by the caller
    mended, distance_moved = repaired((matrix + matrix.T) / 2.0)
    return RaggedMoments(matrix=mended, count=count, distance=distance_moved)


def congruent_moments(values: FloatArray, decay: float | None) -> RaggedMoments:
    """Estimate with holes as no deviation, scaled to the variances of what was observed.

    Without decay about each column's own mean, divided by the root of (n_i - 1)(n_j - 1). With
    decay about zero, and a column's weights fade with its own observations: silent, it is frozen.

    Parameters
    ----------
    values
        (T, N), oldest first, NaN = missing.
    decay
        Weight of an observation relative to the next newer one; None = all alike.

    Raises
    ------
    DataError
        A column has fewer than two observations.
    """
    present = ~np.isnan(values)
    seen = present.astype(np.float64)
    common = gram(seen)
    _require_common(np.diag(common), "column")
    own = np.diag(common)
    if decay is None:
        held = np.where(present, values - _means(values, present), 0.0)
        scale = 1.0 / np.sqrt(own - 1.0)
        count = max(_average(common), float(ROWS_MIN))
    else:
        newer = np.cumsum(seen[::-1], axis=0)[::-1] - seen  # own observations after each
        weights = np.where(present, decay**newer, 0.0)
        held = np.where(present, values, 0.0) * np.sqrt(weights)
        total = weights.sum(axis=0)
        scale = 1.0 / np.sqrt(total)
        effective = total**2 / (weights**2).sum(axis=0)
        overlap = _average(common / np.sqrt(np.multiply.outer(own, own)))
        count = max(float(effective.mean()) * overlap, float(ROWS_MIN))
    return RaggedMoments(matrix=gram(held * scale), count=count, distance=0.0)


def _means(values: FloatArray, present: BoolArray) -> FloatArray:
    low = np.where(present, values, np.inf).min(axis=0)
    high = np.where(present, values, -np.inf).max(axis=0)
    average = np.where(present, values, 0.0).sum(axis=0) / present.sum(axis=0)
    means: FloatArray = np.where(low == high, low, average)  # a constant column has no spread
    return means


def _require_common(counts: FloatArray, what: str) -> None:
    if counts.min() < _COMMON_MIN:
        place = [int(i) for i in np.unravel_index(int(counts.argmin()), counts.shape)]
        msg = (
            f"covariance needs at least {_COMMON_MIN} rows of each {what}, "
            f"there are {int(counts.min())} of {what} {', '.join(map(str, place))}"
        )
        raise DataError(msg)


# Over pairs i < j; of a single column its own.
def _average(matrix: FloatArray) -> float:
    size = len(matrix)
    if size == 1:
        return float(matrix[0, 0])
    return float(matrix.sum() - np.trace(matrix)) / (size * (size - 1))
