import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import pdist, squareform

from streams.core.optimize.clusters import agglomerate, cut, leaf_order


@pytest.mark.parametrize("method", ["average", "single"])
def test_the_tree_is_scipys(method):
    for seed in range(40):
        rng = np.random.default_rng(seed)
        size = int(rng.integers(2, 40))
        apart = pdist(rng.standard_normal((size, 5)))
        expected = linkage(apart, method)
        merges = agglomerate(squareform(apart), method)
        assert [(m.first, m.second) for m in merges] == [
            (int(a), int(b)) for a, b in expected[:, :2]
        ]
        assert [m.height for m in merges] == pytest.approx(expected[:, 2].tolist(), rel=1e-12)
        assert leaf_order(merges, size) == leaves_list(expected).tolist()
        height = float(np.median(expected[:, 2])) + 1e-9  # not at a merge: they differ by rounding
        theirs = fcluster(expected, height, "distance")
        ours = cut(merges, size, height)
        assert np.array_equal(ours[:, None] == ours, theirs[:, None] == theirs)


def test_merges_above_the_limit_are_not_made():
    apart = np.array([[0.0, 0.1, 0.9], [0.1, 0.0, 0.8], [0.9, 0.8, 0.0]])
    (merge,) = agglomerate(apart, "average", 0.5)
    assert (merge.first, merge.second, merge.height) == (0, 1, 0.1)
    assert agglomerate(np.zeros((1, 1)), "single") == ()


def test_at_equal_distance_the_first_pair_merges_first():
    merges = agglomerate(np.ones((3, 3)) - np.eye(3), "single")
    assert [(m.first, m.second) for m in merges] == [(0, 1), (2, 3)]
