"""What a covariance says of how much there is to spread over."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.covariance.clusters import clusters_of
from streams.core.covariance.moments import correlation_of
from streams.core.covariance.sums import CovarianceSummary

__all__ = ["CLUSTER_LIMIT", "CovarianceStructure", "effective_bets", "structure_of", "summary_of"]

CLUSTER_LIMIT: Final = 0.5
"""Average correlation above which the published structure joins clusters."""


SPECTRUM_COLUMNS_MAX: Final = 500  # beyond, eigenvalues at every 20th bar cost more than the bars


@dataclass(frozen=True, slots=True, kw_only=True)
class CovarianceStructure:
    """How much there is to spread over in a covariance.

    Attributes
    ----------
    condition_number
        Greatest over least eigenvalue of the correlations; None where they are singular to
        rounding, or of too many strategies (`SPECTRUM_COLUMNS_MAX`).
    effective_bets
        See `effective_bets`, of the correlations; None of too many strategies.
    clusters
        How many groups average linkage leaves apart.
    within_correlation
        Average over pairs within a cluster; None where every cluster is a single strategy.
    between_correlation
        Average over pairs of different clusters; None where there is one cluster.
    """

    condition_number: float | None
    effective_bets: float | None
    clusters: int
    within_correlation: float | None
    between_correlation: float | None


def effective_bets(matrix: FloatArray, weights: FloatArray | None = None) -> float:
    """Count the independent bets: exp of the entropy of the shares of the principal components.

    Meucci (2009), "Managing diversification": shares of the variance of the portfolio.
    Without weights the shares are those of the eigenvalues themselves: the dimension of the data
    (Roy and Vetterli 2007, "The effective rank").

    Parameters
    ----------
    matrix
        (N, N) covariance or correlation.
    weights
        (N,) of a portfolio; None = of the data.

    Returns
    -------
    float
        From 1 to N; 0 where there is no variance.
    """
    values, vectors = np.linalg.eigh(matrix)
    shares = np.maximum(values, 0.0)
    if weights is not None:
        shares = shares * (vectors.T @ weights) ** 2
    return _entropy_count(shares)


def _entropy_count(shares: FloatArray) -> float:
    total = float(shares.sum())
    if total <= 0.0:
        return 0.0
    shares = shares / total
    shares = shares[shares > 0.0]
    return float(np.exp(-(shares @ np.log(shares))))


def summary_of(matrix: FloatArray, n_common: int) -> CovarianceSummary:
    """Summarise a covariance (N, N) as `RollingCovariance.summary` does."""
    live = np.diag(matrix) > 0.0
    trace = float(np.trace(matrix))
    if int(live.sum()) < 2:  # noqa: PLR2004  # a pair is two
        return CovarianceSummary(n_common=n_common, trace=trace)
    correlation, _ = correlation_of(matrix)
    seen = np.triu(np.multiply.outer(live, live), 1)
    apart = np.where(seen, correlation, -np.inf)
    row, column = divmod(int(apart.argmax()), len(matrix))
    return CovarianceSummary(
        n_common=n_common,
        average_correlation=float(correlation[seen].mean()),
        pair_max=(row, column, float(correlation[row, column])),
        trace=trace,
    )


def structure_of(matrix: FloatArray, limit: float = CLUSTER_LIMIT) -> CovarianceStructure:
    """Describe a covariance.

    Parameters
    ----------
    matrix
        (N, N) covariance, any time unit, at least one column.
    limit
        Average correlation above which clusters are joined.
    """
    correlation, _ = correlation_of(matrix)
    condition, bets = None, None
    if len(matrix) <= SPECTRUM_COLUMNS_MAX:
        values = np.linalg.eigvalsh(correlation)
        bets = _entropy_count(np.maximum(values, 0.0))
        if values[0] > len(matrix) * np.finfo(np.float64).eps * values[-1]:
            condition = float(values[-1] / values[0])
    labels = clusters_of(correlation, limit)
    same = np.equal.outer(labels, labels)
    within, between = correlation[np.triu(same, 1)], correlation[np.triu(~same, 1)]
    return CovarianceStructure(
        condition_number=condition,
        effective_bets=bets,
        clusters=int(labels.max()) + 1,
        within_correlation=float(within.mean()) if within.size else None,
        between_correlation=float(between.mean()) if between.size else None,
    )
