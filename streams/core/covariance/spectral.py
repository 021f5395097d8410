"""Covariances through their eigenvalues: repaired, denoised, or reduced to factors."""

import math
from typing import Final

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.covariance.moments import correlation_of, scaled
from streams.core.errors import DataError

__all__ = [
    "DENOISE_COLUMNS_MIN",
    "REPAIR_DISTANCE_MAX",
    "denoised",
    "factor_model",
    "noise_edge",
    "psd_distance",
    "repaired",
]

DENOISE_COLUMNS_MIN: Final = 21  # the law of the eigenvalues of noise is one of many columns
REPAIR_DISTANCE_MAX: Final = 0.2
"""A repair that moves correlations by more than this share of their Frobenius norm is refused."""


def psd_distance(matrix: FloatArray) -> float:
    """Measure how far a symmetric matrix is from being positive semi-definite.

    Returns
    -------
    float
        Spectral-norm distance to the nearest such matrix, in the unit of the matrix: minus the
        least eigenvalue, 0 if there is none below zero.
    """
    return max(0.0, -float(np.linalg.eigvalsh(matrix)[0]))


def repaired(matrix: FloatArray, limit: float = REPAIR_DISTANCE_MAX) -> tuple[FloatArray, float]:
    """Make a symmetric matrix positive semi-definite without touching its variances.

    Eigenvalues of the correlations below zero become zero (Rebonato and Jaeckel 1999, "The most
    general methodology to create a valid correlation matrix"), and the rows are scaled so that the
    diagonal is what it was: clipping alone makes variances larger.

    Parameters
    ----------
    matrix
        (N, N) covariance, variances not below zero.
    limit
        Largest distance accepted.

    Returns
    -------
    matrix : FloatArray
        (N, N); the same one where nothing was to be repaired.
    distance : float
        Frobenius norm of what the correlations moved by, over their own.

    Raises
    ------
    DataError
        The distance is above the limit: such a matrix says little of what it was estimated from.
    """
    deviations = np.sqrt(np.diag(matrix))
    inverse = np.divide(1.0, deviations, out=np.zeros_like(deviations), where=deviations > 0.0)
    before = matrix * inverse[:, None] * inverse  # not clipped: what is beyond 1 counts as moved
    np.fill_diagonal(before, 1.0)
    values, vectors = np.linalg.eigh(before)
    if values[0] >= 0.0:
        return matrix, 0.0
    half = vectors * np.sqrt(np.maximum(values, 0.0))
    half /= np.sqrt(np.einsum("ij,ij->i", half, half))[:, None]
    after = half @ half.T
    np.fill_diagonal(after, 1.0)
    distance = float(np.linalg.norm(after - before) / np.linalg.norm(before))
    if distance > limit:
        msg = (
            f"covariance: a repair would move the correlations by {distance:.3f} of their size, "
            f"expected at most {limit}; the common history is too short for these estimates"
        )
        raise DataError(msg)
    mended = scaled((after + after.T) / 2.0, deviations)
    np.fill_diagonal(mended, np.diag(matrix))
    return mended, distance


def noise_edge(greatest: float, columns: int, count: float) -> float:
    """Give the greatest eigenvalue that independent columns have: s^2 (1 + sqrt(N / n))^2.

    Marchenko and Pastur (1967); s^2 = 1 - greatest / N leaves out what the first component takes,
    as Laloux, Cizeau, Bouchaud and Potters (1999), "Noise dressing of financial correlation
    matrices".

    Parameters
    ----------
    greatest
        First eigenvalue of the correlations.
    columns
        N.
    count
        n, rows, or their effective number.
    """
    return (1.0 - greatest / columns) * (1.0 + math.sqrt(columns / count)) ** 2


def denoised(matrix: FloatArray, count: float) -> tuple[FloatArray, int]:
    """Replace the eigenvalues of the correlations that noise explains by their average.

    The trace is kept, and rows are scaled back to the variances that were there.

    Parameters
    ----------
    matrix
        (N, N) covariance.
    count
        Rows it was made of, or their effective number.

    Returns
    -------
    matrix : FloatArray
        (N, N).
    factors : int
        Eigenvalues that stand out.

    Raises
    ------
    DataError
        Not more than 20 columns: the edge of the noise is unknown then.
    """
    if len(matrix) < DENOISE_COLUMNS_MIN:
        msg = (
            f"covariance denoise needs at least {DENOISE_COLUMNS_MIN} strategies, "
            f"there are {len(matrix)}"
        )
        raise DataError(msg)
    correlation, deviations = correlation_of(matrix)
    values, vectors = np.linalg.eigh(correlation)
    values = np.maximum(values, 0.0)
    noise = values <= noise_edge(float(values[-1]), len(matrix), count)
    if noise.any():
        values[noise] = values[noise].mean()
    half = vectors * np.sqrt(values)
    half /= np.sqrt(np.einsum("ij,ij->i", half, half))[:, None]
    clean = half @ half.T
    np.fill_diagonal(clean, 1.0)
    out = scaled((clean + clean.T) / 2.0, deviations)
    np.fill_diagonal(out, np.diag(matrix))
    return out, int(np.count_nonzero(~noise))


def factor_model(
    matrix: FloatArray, count: float, factors: int | None, centred: FloatArray | None = None
) -> tuple[FloatArray, int]:
    """Keep the first principal components of the correlations, and each column's own rest.

    C = B B' + diag(1 - diag(B B')), B the eigenvectors times the roots of their values: semi-
    definite, invertible with fewer rows than columns, variances as they were (Connor and
    Korajczyk 1986, "Performance measurement with the arbitrage pricing theory").

    Parameters
    ----------
    matrix
        (N, N) covariance.
    count
        Rows it was made of, or their effective number.
    factors
        How many; None = the eigenvalues above the edge of the noise, at least one. Never more than
        the rows can tell apart.
    centred
        (n, N) the rows about their mean: with fewer of them than columns, their n products say the
        same for less.

    Returns
    -------
    matrix : FloatArray
        (N, N).
    factors : int
        How many were kept.
    """
    correlation, deviations = correlation_of(matrix)
    size = len(matrix)
    if centred is not None and len(centred) < size:
        inverse = np.divide(1.0, deviations, out=np.zeros_like(deviations), where=deviations > 0.0)
        standard = centred * inverse / np.sqrt(len(centred) - 1.0)
        values, left = np.linalg.eigh(standard @ standard.T)
        values = np.maximum(values, 0.0)
        roots = standard.T @ left  # an eigenvector of C times the root of its eigenvalue
    else:
        values, vectors = np.linalg.eigh(correlation)
        values = np.maximum(values, 0.0)
        roots = vectors * np.sqrt(values)
    rank = int(np.count_nonzero(values > values[-1] * size * np.finfo(np.float64).eps))
    edge = noise_edge(float(values[-1]), size, count)
    wanted = int(np.count_nonzero(values > edge)) if factors is None else factors
    kept = min(max(wanted, 1), rank)
    loadings = roots[:, len(values) - kept :]
    common = loadings @ loadings.T
    np.fill_diagonal(common, 1.0)
    out = scaled((common + common.T) / 2.0, deviations)
    np.fill_diagonal(out, np.diag(matrix))
    return out, kept
