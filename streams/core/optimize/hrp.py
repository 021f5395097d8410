"""Hierarchical risk parity (López de Prado, Journal of Portfolio Management, 2016)."""

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.clusters import agglomerate, leaf_order
from streams.core.optimize.correlation import correlation_of


def hrp_shares(cov: FloatArray) -> FloatArray:
    """Split risk down a tree of the strategies: each half gets the other half's share of variance.

    Distances are √(½(1 − ρ)), compared between strategies as whole columns (Euclidean), and the
    tree is built by single linkage, as in the paper; halves are by count in the order of leaves,
    and the variance of a half is that of its inverse-variance weights.

    Parameters
    ----------
    cov : FloatArray
        (N, N) with a positive diagonal.

    Returns
    -------
    FloatArray
        (N,) > 0 summing to 1.
    """
    size = len(cov)
    apart = np.sqrt(np.maximum(0.5 * (1.0 - correlation_of(cov)), 0.0))
    squares = (apart * apart).sum(axis=0)
    between = squares + squares[:, None] - 2.0 * apart @ apart.T
    merges = agglomerate(np.sqrt(np.maximum(between, 0.0)), "single")
    shares = np.ones(size)
    parts = [leaf_order(merges, size)] if size > 1 else []
    while parts:
        part = parts.pop()
        left, right = part[: len(part) // 2], part[len(part) // 2 :]
        of_left, of_right = _variance(cov, left), _variance(cov, right)
        alpha = of_right / (of_left + of_right)
        shares[left] *= alpha
        shares[right] *= 1.0 - alpha
        parts += [half for half in (left, right) if len(half) > 1]
    return np.asarray(shares / shares.sum())


def _variance(cov: FloatArray, chosen: list[int]) -> float:
    inner = cov[np.ix_(chosen, chosen)]
    weights = 1.0 / inner.diagonal()
    weights /= weights.sum()
    return float(weights @ inner @ weights)
