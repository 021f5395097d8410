"""Clusters of strategies that move together."""

import numpy as np

from streams.core.arrays import FloatArray, IntArray
from streams.core.clusters import agglomerate, cut

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
    distance = 1.0 - np.maximum(correlation, 0.0)
    # A hair of room, so that a tie at the limit joins whatever the rounding of the averages.
    height_max = 1.0 - limit + 1e-12
    labels = cut(agglomerate(distance, "average", height_max), size, height_max)
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)
