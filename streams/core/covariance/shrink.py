"""Shrinkage of covariances: towards the identity, one correlation, or blocks of clusters."""

import numpy as np

from streams.core.arrays import FloatArray, IntArray
from streams.core.covariance.clusters import clusters_of
from streams.core.covariance.moments import correlation_of, scaled

__all__ = [
    "oas_shrinkage",
    "shrinkage",
    "towards_blocks",
    "towards_constant_correlation",
    "towards_identity",
]


def shrinkage(*, distance: float, total: float, norms_squared: float, count: float) -> float:
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
        n times the (weighted) mean of ||x||^4 over the rows, x centred.
    count
        n; of weighted rows their effective number.

    Returns
    -------
    float
        From 0 to 1; NaN if a sum is beyond float64.
    """
    noise = min((norms_squared / count - total) / count, distance)
    if not np.isfinite(norms_squared + total):
        return float("nan")
    return noise / distance if noise > 0.0 else 0.0


def oas_shrinkage(moments: FloatArray, count: float) -> float:
    """Tell how far to shrink towards m I by oracle approximation.

    Chen, Wiesel, Eldar and Hero (2010), "Shrinkage algorithms for MMSE covariance estimation",
    equation 23, in the form without the terms in 2 / N that scikit-learn has as well.

    Parameters
    ----------
    moments
        (N, N) central second moments, divided by n.
    count
        n; of weighted rows their effective number.
    """
    size = len(moments)
    if size == 1:
        return 0.0  # one variance is its own average
    mean_square = float(np.vdot(moments, moments)) / size**2
    mean_variance = float(np.trace(moments)) / size
    square = mean_variance * mean_variance  # inf where it overflows; a power of it would raise
    above = mean_square + square
    below = (count + 1.0) * (mean_square - square / size)
    if not np.isfinite(above):
        return float("nan")
    return 1.0 if below <= 0.0 else min(above / below, 1.0)


def towards_identity(moments: FloatArray, share: float) -> None:
    """Shrink in place to the mean variance times the identity."""
    diagonal = np.diag_indices(len(moments))
    mean_variance = float(moments[diagonal].mean())
    moments *= 1.0 - share
    moments[diagonal] += share * mean_variance


def towards_constant_correlation(
    centred: FloatArray, moments: FloatArray
) -> tuple[FloatArray, float]:
    """Shrink to the matrix in which every pair has the average correlation.

    Ledoit and Wolf (2003), "Honey, I shrunk the sample covariance matrix", appendix B.

    Parameters
    ----------
    centred
        (n, N) rows about their mean.
    moments
        (N, N) their second moments, divided by n.

    Returns
    -------
    matrix : FloatArray
        (N, N), variances as they were; semi-definite since both matrices are.
    share : float
        From 0 to 1.
    """
    correlation, deviations = correlation_of(moments)
    live = deviations > 0.0
    size = int(live.sum())
    if size < 2:  # noqa: PLR2004  # a pair is two
        return moments, 0.0
    count = len(centred)
    rows, inner = centred[:, live], moments[np.ix_(live, live)]
    own, sigma = np.diag(inner), deviations[live]
    average = float(correlation[np.ix_(live, live)].sum() - size) / (size * (size - 1))
    squares = rows * rows
    pi = squares.T @ squares / count - inner * inner
    theta = (squares * rows).T @ rows / count - own[:, None] * inner  # (i, j): of variance i
    ratio = sigma[None, :] / sigma[:, None]
    off = ~np.eye(size, dtype=bool)
    rho = float(np.trace(pi)) + average * float((ratio * theta)[off].sum())
    target = average * np.multiply.outer(sigma, sigma)
    gamma = float(((target - inner)[off] ** 2).sum())
    if not np.isfinite(pi).all():
        return np.full_like(moments, np.nan), float("nan")
    # Equal to the target already, up to rounding of the entries: there is nowhere to go.
    nothing = gamma <= float(np.vdot(inner, inner)) * np.finfo(np.float64).eps ** 2
    share = 0.0 if nothing else min(max((float(pi.sum()) - rho) / gamma / count, 0.0), 1.0)
    shrunk = (1.0 - share) * correlation
    shrunk[np.ix_(live, live)] += share * average
    return _with_variances(shrunk, moments, deviations), share


def towards_blocks(
    centred: FloatArray, moments: FloatArray, limit: float
) -> tuple[FloatArray, float]:
    """Shrink correlations to their averages within and between clusters.

    The target averages the correlation matrix over all orders of the members within each cluster,
    and so is semi-definite as it is. How far: sum of Var(rho) over sum of (rho - target)^2, of
    Schaefer and Strimmer (2005), "A shrinkage approach to large-scale covariance matrix
    estimation", in correlations since unlike volatilities say nothing of how noisy one is.

    Parameters
    ----------
    centred
        (n, N) rows about their mean.
    moments
        (N, N) their second moments, divided by n.
    limit
        Average correlation above which clusters are joined.

    Returns
    -------
    matrix : FloatArray
        (N, N), variances as they were.
    share : float
        From 0 to 1.
    """
    correlation, deviations = correlation_of(moments)
    if not np.isfinite(correlation).all():
        return np.full_like(moments, np.nan), float("nan")
    count = len(centred)
    inverse = np.divide(1.0, deviations, out=np.zeros_like(deviations), where=deviations > 0.0)
    standard = centred * inverse
    squares = standard * standard
    spread = squares.T @ squares / count - correlation * correlation  # of the products z_i z_j
    noise = count**2 / (count - 1.0) ** 3 * spread
    target = block_average(correlation, clusters_of(correlation, limit))
    off = ~np.eye(len(moments), dtype=bool)
    off &= np.multiply.outer(deviations > 0.0, deviations > 0.0)
    apart = float(((correlation - target)[off] ** 2).sum())
    pairs = float(np.count_nonzero(off))
    nothing = apart <= pairs * (len(moments) * np.finfo(np.float64).eps) ** 2
    share = 0.0 if nothing else min(max(float(noise[off].sum()) / apart, 0.0), 1.0)
    shrunk = (1.0 - share) * correlation + share * target
    return _with_variances(shrunk, moments, deviations), share


def block_average(correlation: FloatArray, labels: IntArray) -> FloatArray:
    """Average correlations within and between the clusters that labels (N,) name; diagonal 1."""
    member = (labels[:, None] == np.unique(labels)[None, :]).astype(np.float64)  # (N, clusters)
    sizes = member.sum(axis=0)
    sums = member.T @ correlation @ member
    pairs = np.multiply.outer(sizes, sizes)
    sums[np.diag_indices(len(sizes))] -= sizes  # the ones of the diagonal are no pairs
    pairs[np.diag_indices(len(sizes))] -= sizes
    means = np.divide(sums, pairs, out=np.zeros_like(sums), where=pairs > 0.0)
    target: FloatArray = member @ means @ member.T
    np.fill_diagonal(target, 1.0)
    return (target + target.T) / 2.0


def _with_variances(
    correlation: FloatArray, moments: FloatArray, deviations: FloatArray
) -> FloatArray:
    matrix = scaled(correlation, deviations)
    np.fill_diagonal(matrix, np.diag(moments))
    return (matrix + matrix.T) / 2.0
