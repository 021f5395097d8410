"""Clusters against the definition: the two nearest, by all pairs or by the nearest pair."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from streams.core.clusters import agglomerate, cut, leaf_order

BETWEEN = {"average": np.mean, "single": np.min}


def by_definition(apart, method):
    clusters = {index: [index] for index in range(len(apart))}
    while len(clusters) > 1:
        numbers = sorted(clusters)
        height, first, second = min(
            (float(BETWEEN[method](apart[np.ix_(clusters[a], clusters[b])])), a, b)
            for a in numbers
            for b in numbers
            if a < b
        )
        yield first, second, height
        clusters[max(numbers) + 1 if max(numbers) >= len(apart) else len(apart)] = clusters.pop(
            first
        ) + clusters.pop(second)


@pytest.mark.parametrize("method", ["average", "single"])
def test_the_two_nearest_clusters_merge(method):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        size = int(rng.integers(2, 20))
        apart = squareform(pdist(rng.standard_normal((size, 5))))
        expected = list(by_definition(apart, method))
        merges = agglomerate(apart, method)
        assert [(m.first, m.second) for m in merges] == [(a, b) for a, b, _ in expected]
        assert [m.height for m in merges] == pytest.approx([h for *_, h in expected], rel=1e-12)
        order = leaf_order(merges, size)
        assert sorted(order) == list(range(size))
        members = [[index] for index in range(size)]
        for merge in merges:  # each cluster stands together in the order
            members.append(members[merge.first] + members[merge.second])
            places = [order.index(leaf) for leaf in members[-1]]
            assert max(places) - min(places) == len(places) - 1
        height = float(np.median([h for *_, h in expected])) + 1e-9  # not at a merge
        label = cut(merges, size, height)
        for merge, both in zip(merges, members[size:], strict=True):
            assert (len(set(label[both].tolist())) == 1) == (merge.height <= height)


def test_merges_above_the_limit_are_not_made():
    apart = np.array([[0.0, 0.1, 0.9], [0.1, 0.0, 0.8], [0.9, 0.8, 0.0]])
    (merge,) = agglomerate(apart, "average", 0.5)
    assert (merge.first, merge.second, merge.height) == (0, 1, 0.1)
    assert agglomerate(np.zeros((1, 1)), "single") == ()


def test_at_equal_distance_the_first_pair_merges_first():
    merges = agglomerate(np.ones((3, 3)) - np.eye(3), "single")
    assert [(m.first, m.second) for m in merges] == [(0, 1), (2, 3)]
