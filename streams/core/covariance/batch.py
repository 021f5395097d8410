"""Covariance of complete rows, exactly: what the rolling one must equal, and what decisions use."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from streams.core.arrays import FloatArray, IntArray
from streams.core.errors import ConfigError, DataError

__all__ = [
    "ROWS_MIN",
    "CovarianceSpec",
    "average_correlation",
    "centre",
    "complete_rows",
    "covariance",
    "ewma_weights",
    "parse_covariance",
    "psd_distance",
    "require_finite",
    "shrinkage",
]

ROWS_MIN: Final = 2  # one row has no spread
_EWMA = "ewma:"


@dataclass(frozen=True, slots=True, kw_only=True)
class CovarianceSpec:
    """Which estimator, as spelled in files: see `parse_covariance`.

    Attributes
    ----------
    kind
        The estimator.
    decay
        Weight of a row relative to the next newer one; `ewma` only.
    """

    kind: Literal["sample", "ewma", "ledoit_wolf"]
    decay: float | None = None


def parse_covariance(literal: str) -> CovarianceSpec:
    """Read `sample`, `ewma:LAMBDA` or `ledoit_wolf`.

    Raises
    ------
    ConfigError
        Naming the literal and what may be written.

    Examples
    --------
    >>> parse_covariance("ewma:0.94")
    CovarianceSpec(kind='ewma', decay=0.94)
    """
    if literal == "sample":
        return CovarianceSpec(kind="sample")
    if literal == "ledoit_wolf":
        return CovarianceSpec(kind="ledoit_wolf")
    if literal.startswith(_EWMA):
        return CovarianceSpec(kind="ewma", decay=_decay(literal))
    msg = f"covariance is {literal!r}; expected sample, ewma:LAMBDA (as ewma:0.94) or ledoit_wolf"
    raise ConfigError(msg)


def _decay(literal: str) -> float:
    try:
        decay = float(literal.removeprefix(_EWMA))
    except ValueError:
        decay = float("nan")
    if not 0.0 < decay < 1.0:
        msg = f"covariance is {literal!r}; expected ewma:LAMBDA with 0 < LAMBDA < 1, as ewma:0.94"
        raise ConfigError(msg)
    return decay


def complete_rows(values: FloatArray, columns: IntArray) -> tuple[FloatArray, int]:
    """Keep the rows in which every one of the columns has a value.

    Parameters
    ----------
    values
        (T, N) returns, oldest first, NaN = missing.
    columns
        (M,) the eligible columns, in the order wanted.

    Returns
    -------
    rows : FloatArray
        (n, M), oldest first, without NaN.
    n_common : int
        n.
    """
    chosen = values[:, columns]
    rows = chosen[~np.isnan(chosen).any(axis=1)]
    return rows, len(rows)


def covariance(rows: FloatArray, spec: CovarianceSpec) -> FloatArray:
    """Estimate the covariance per bar of complete rows.

    `sample`: about the mean, divided by n - 1. `ewma`: about zero, weights decay^k normalised to
    1, k = 0 the newest row. `ledoit_wolf`: the moments about the mean divided by n, shrunk to a
    multiple of the identity: Ledoit and Wolf (2004), "A well-conditioned estimator for
    large-dimensional covariance matrices", section 3.3.

    Parameters
    ----------
    rows
        (n, N), n >= 2, oldest first, finite.
    spec
        Which of them.

    Returns
    -------
    FloatArray
        (N, N) per bar^2, exactly symmetric, positive semi-definite up to rounding since it is a
        sum of squares.

    Raises
    ------
    DataError
        Fewer than two rows, or returns too large for their products to be numbers.
    """
    count, columns = rows.shape
    assert columns > 0, rows.shape
    if count < ROWS_MIN:
        msg = f"covariance needs at least {ROWS_MIN} complete rows, there are {count}"
        raise DataError(msg)
    with np.errstate(all="ignore"):  # what overflows is refused below
        if spec.decay is not None:
            matrix = _gram(rows * np.sqrt(ewma_weights(count, spec.decay))[:, None])
        else:
            centred = rows - centre(rows)
            matrix = _gram(centred) / (count - 1 if spec.kind == "sample" else count)
            if spec.kind == "ledoit_wolf":
                norms = np.einsum("ij,ij->i", centred, centred)
                _shrink_to_identity(matrix, float(norms @ norms), count)
    return require_finite(matrix)


def ewma_weights(count: int, decay: float) -> FloatArray:
    """Give the weights of `count` rows, oldest first, sum 1."""
    weights: FloatArray = decay ** np.arange(count - 1, -1, -1, dtype=np.float64)
    weights /= weights.sum()
    return weights


def centre(rows: FloatArray) -> FloatArray:
    """Give the column means, (N,); of a constant column exactly its value, so it has no spread."""
    low = rows.min(axis=0)
    means: FloatArray = np.where(low == rows.max(axis=0), low, rows.mean(axis=0))
    return means


def shrinkage(*, distance: float, total: float, norms_squared: float, count: int) -> float:
    """Tell how far to shrink central second moments S towards m I, m the mean variance.

    With ||A||^2 = sum of squared entries: b^2 / d^2 of Ledoit and Wolf (2004), section 3.3, with
    d^2 = ||S - mI||^2 and b^2 = min(d^2, mean of ||xx' - S||^2 over the rows / n).

    Parameters
    ----------
    distance
        d^2, S divided by n.
    total
        ||S||^2.
    norms_squared
        Sum over the rows of ||x||^4, x centred.
    count
        n.

    Returns
    -------
    float
        From 0 to 1; NaN if a sum is beyond float64.
    """
    noise = min((norms_squared / count - total) / count, distance)
    if not np.isfinite(norms_squared + total):
        return float("nan")
    return noise / distance if noise > 0.0 else 0.0


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


def average_correlation(matrix: FloatArray, weights: FloatArray | None = None) -> float | None:
    """Average the pairwise correlations, each pair with the risk the weights put on it.

    With v = w * sigma: sum over i != j of v_i v_j rho_ij, divided by that of v_i v_j.

    Parameters
    ----------
    matrix
        (N, N) covariance, any time unit.
    weights
        (N,) w; None = equal v, the plain average over pairs.

    Returns
    -------
    float or None
        None where no pair carries risk: fewer than two columns with variance and weight.
    """
    deviations = np.sqrt(np.diag(matrix))
    live = deviations > 0.0
    inverse = np.divide(1.0, deviations, out=np.zeros_like(deviations), where=live)
    risk = live.astype(np.float64) if weights is None else weights * deviations
    direction = risk * inverse
    own = float(risk @ risk)
    pairs = float(risk.sum()) ** 2 - own
    # Two equal risks give pairs = own; a lone one leaves only the rounding of its square.
    if pairs <= own * np.finfo(np.float64).eps * len(risk):
        return None
    average = (float(direction @ matrix @ direction) - own) / pairs
    return min(max(average, -1.0), 1.0) if weights is None else average


def psd_distance(matrix: FloatArray) -> float:
    """Measure how far a symmetric matrix is from being positive semi-definite.

    Returns
    -------
    float
        Spectral-norm distance to the nearest such matrix, in the unit of the matrix: minus the
        least eigenvalue, 0 if there is none below zero.
    """
    return max(0.0, -float(np.linalg.eigvalsh(matrix)[0]))


# X'X: the product of a matrix with its own transpose is one call of BLAS syrk, and symmetric.
def _gram(rows: FloatArray) -> FloatArray:
    product: FloatArray = rows.T @ rows
    lower = np.tril(product)
    return lower + np.tril(product, -1).T


# In place: S, divided by n, towards its mean variance times the identity.
def _shrink_to_identity(moments: FloatArray, norms_squared: float, count: int) -> None:
    diagonal = np.diag_indices(len(moments))
    mean_variance = float(moments[diagonal].mean())
    apart = moments.copy()
    apart[diagonal] -= mean_variance
    share = shrinkage(
        distance=float(np.vdot(apart, apart)),
        total=float(np.vdot(moments, moments)),
        norms_squared=norms_squared,
        count=count,
    )
    moments *= 1.0 - share
    moments[diagonal] += share * mean_variance
