"""Agglomerative clustering of strategies by how far apart they are."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from streams.core.arrays import BoolArray, FloatArray, IntArray


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
        Rising heights, the smaller cluster number first; at equal distance the pair that stands
        first merges first.
    """
    size = len(distance)
    apart = np.array(distance, dtype=np.float64)
    np.fill_diagonal(apart, np.inf)
    nearest = apart.argmin(axis=1) if size > 1 else np.zeros(size, dtype=np.int64)
    nearest_apart = apart[np.arange(size), nearest]
    number, count = list(range(size)), np.ones(size)
    merges: list[Merge] = []
    while len(merges) < size - 1:
        a = int(nearest_apart.argmin())
        height = float(nearest_apart[a])
        if height > height_max:
            break
        b = int(nearest[a])
        first, second = sorted((number[a], number[b]))
        merges.append(Merge(first, second, height))
        _join(apart, count, a, b, method)
        number[a] = size + len(merges) - 1
        for row in np.flatnonzero(_touched(nearest, nearest_apart, a, b)).tolist():
            nearest[row] = apart[row].argmin()
            nearest_apart[row] = apart[row, nearest[row]]
        closer = apart[a] < nearest_apart
        nearest[closer], nearest_apart[closer] = a, apart[a][closer]
    return tuple(merges)


def _join(apart: FloatArray, count: FloatArray, a: int, b: int, method: str) -> None:
    """Make `a` the union of both and take `b` out."""
    if method == "single":
        joined = np.minimum(apart[a], apart[b])
    else:
        share = count[a] / (count[a] + count[b])
        joined = share * apart[a] + (1.0 - share) * apart[b]
    joined[[a, b]] = np.inf
    apart[a] = apart[:, a] = joined
    apart[b] = apart[:, b] = np.inf
    count[a] += count[b]


def _touched(nearest: IntArray, nearest_apart: FloatArray, a: int, b: int) -> BoolArray:
    """Rows whose nearest cluster is no longer what it was."""
    touched = (nearest == a) | (nearest == b)
    touched[[a, b]] = True
    return np.asarray(touched & (np.isfinite(nearest_apart) | (np.arange(len(nearest)) == a)))


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
