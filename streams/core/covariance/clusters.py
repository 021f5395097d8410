"""Clusters of strategies that move together."""

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from streams.core.arrays import FloatArray, IntArray

__all__ = ["clusters_of"]


def clusters_of(correlation: FloatArray, limit: float) -> IntArray:
    """Group strategies by average linkage on the distance 1 - max(rho, 0).

    Parameters
    ----------
    correlation
        (N, N).
    limit
        Clusters are joined while the average of max(rho, 0) between them is at least this.

    Returns
    -------
    IntArray
        (N,) labels from 0, in the order of each cluster's first member.
    """
    size = len(correlation)
    if size == 1:
        return np.zeros(1, dtype=np.int64)
    distance = 1.0 - np.maximum(correlation, 0.0)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), method="average")
    # A hair of room, so that a tie at the limit joins whatever the rounding of the averages.
    labels = fcluster(tree, 1.0 - limit + 1e-12, criterion="distance")
    _, first, members = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    return order[members].astype(np.int64)
