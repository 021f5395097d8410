"""Second moments of complete rows, and what all estimators share."""

from typing import Final

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.errors import DataError

__all__ = [
    "ROWS_MIN",
    "centre",
    "correlation_of",
    "effective_count",
    "ewma_weights",
    "gram",
    "require_finite",
    "scaled",
    "winsorized",
]

ROWS_MIN: Final = 2  # one row has no spread
_MAD_TO_DEVIATION: Final = 1.4826022185056018  # 1 / the normal's 75 % point


def ewma_weights(count: int, decay: float) -> FloatArray:
    """Give the weights of `count` rows, oldest first, sum 1."""
    weights: FloatArray = decay ** np.arange(count - 1, -1, -1, dtype=np.float64)
    weights /= weights.sum()
    return weights


def effective_count(weights: FloatArray) -> float:
    """Count equally weighted rows that say as much: (sum w)^2 / sum w^2 (Kish 1965, section 8.2).

    Of an endless ewma this is (1 + decay) / (1 - decay).
    """
    return float(weights.sum()) ** 2 / float(weights @ weights)


def centre(rows: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Give the column means, (N,); of a constant column exactly its value, so it has no spread."""
    low = rows.min(axis=0)
    average = rows.mean(axis=0) if weights is None else weights @ rows
    means: FloatArray = np.where(low == rows.max(axis=0), low, average)
    return means


def gram(rows: FloatArray) -> FloatArray:
    """Give X'X, exactly symmetric: one call of BLAS syrk."""
    product: FloatArray = rows.T @ rows
    lower = np.tril(product)
    return lower + np.tril(product, -1).T


def require_finite(matrix: FloatArray) -> FloatArray:
    """Give the matrix back, or refuse it.

    Raises
    ------
    DataError
        An entry is not a number.
    """
    if not np.isfinite(matrix).all():
        largest = int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])
        msg = (
            f"covariance of column {largest} is beyond float64; "
            "expected returns below about 1e150 in size"
        )
        raise DataError(msg)
    return matrix


def correlation_of(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Split a covariance into correlations (N, N) and deviations (N,).

    A column without variance is correlated with nothing: its row is that of the identity, and
    `scaled` makes zeros of it again.
    """
    deviations: FloatArray = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    inverse = np.divide(1.0, deviations, out=np.zeros_like(deviations), where=deviations > 0.0)
    correlation = matrix * inverse[:, None] * inverse
    np.clip(correlation, -1.0, 1.0, out=correlation)
    np.fill_diagonal(correlation, 1.0)
    return (correlation + correlation.T) / 2.0, deviations


def scaled(correlation: FloatArray, deviations: FloatArray) -> FloatArray:
    """Put deviations (N,) back: D C D, exactly symmetric."""
    matrix: FloatArray = correlation * np.multiply.outer(deviations, deviations)
    return matrix


def winsorized(values: FloatArray, deviations: float) -> FloatArray:
    """Cut returns further than some deviations from their column's median.

    The deviation is 1.4826 times the median absolute one, which half of the values may spoil
    without moving it far. A column that mostly stands still has none and is left as it is.

    Parameters
    ----------
    values
        (T, N), NaN = missing; untouched.
    deviations
        How many.

    Returns
    -------
    FloatArray
        (T, N), NaN where missing.
    """
    cut = values.copy()
    for column in cut.T:  # medians of the observed alone, without a warning where there are none
        observed = column[~np.isnan(column)]
        if not observed.size:
            continue
        middle = float(np.median(observed))
        room = deviations * _MAD_TO_DEVIATION * float(np.median(np.abs(observed - middle)))
        if room > 0.0:
            np.clip(column, middle - room, middle + room, out=column)
    return cut
