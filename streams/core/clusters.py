"""Agglomerative clustering of strategies by how far apart they are."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from streams.core.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Merge:
    """Two clusters become one. Clusters 0 to N − 1 are the strategies, N + k is the k-th merge."""

    first: int
    second: int
    height: float


def agglomerate(
    distance: FloatArray, method: Literal["average", "single"], height_max: float = np.inf
) -> tuple[Merge, ...]:
    """Merge the two nearest clusters until one is left, or the nearest are too far apart.

    Parameters
    ----------
    distance : FloatArray
        (N, N) symmetric, ≥ 0.
    method : "average" or "single"
        Distance of clusters: mean over all pairs (Sokal and Michener, 1958), or of the nearest.
    height_max : float
        Merges above are not made.

    Returns
    -------
    tuple of Merge
        Rising heights, the smaller cluster number first.
    """
    size = len(distance)
    if size == 1:
        return ()
    # Not at the top: the import takes a tenth of a second, and few policies cluster.
    from scipy.cluster.hierarchy import linkage  # noqa: PLC0415  see the line above
    from scipy.spatial.distance import squareform  # noqa: PLC0415  linkage has imported it

    tree = linkage(squareform(distance, checks=False), method=method)
    return tuple(
        Merge(int(first), int(second), height)
        for first, second, height in tree[:, :3].tolist()
        if height <= height_max
    )


def cut(merges: tuple[Merge, ...], size: int, height_max: float) -> IntArray:
    """Cut a tree: which strategies are together at a height.

    Parameters
    ----------
    merges : tuple of Merge
        Of `size` strategies.
    size : int
        N.
    height_max : float
        Merges above are undone.

    Returns
    -------
    IntArray
        (N,) label: the first strategy of the cluster.
    """
    members = [[index] for index in range(size)]
    label = np.arange(size)
    for merge in merges:
        both = sorted(members[merge.first] + members[merge.second])
        members.append(both)
        if merge.height <= height_max:
            label[both] = both[0]
    return label


def leaf_order(merges: tuple[Merge, ...], size: int) -> list[int]:
    """Order of the leaves of a whole tree, the first cluster of each merge to the left."""
    orders = [[index] for index in range(size)]
    for merge in merges:
        orders.append(orders[merge.first] + orders[merge.second])
    return orders[-1]
