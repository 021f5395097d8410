import numpy as np
import pytest
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import pdist

from streams.core.optimize import solve, verify
from streams.core.optimize.correlation import correlation_of
from streams.core.optimize.hrp import hrp_shares
from tests.core.optimize.problems import moments
from tests.core.optimize.real import stocks


def by_the_paper(cov):
    """Section 2 of the paper with scipy's tree: cluster, order, bisect."""
    apart = np.sqrt(np.maximum(0.5 * (1.0 - correlation_of(cov)), 0.0))
    tree = linkage(pdist(apart), "single")  # Euclidean between columns

    def variance(part):
        inner = cov[np.ix_(part, part)]
        weights = (1.0 / np.diag(inner)) / (1.0 / np.diag(inner)).sum()
        return weights @ inner @ weights

    weights = np.ones(len(cov))

    def split(part):
        if len(part) < 2:
            return
        left, right = part[: len(part) // 2], part[len(part) // 2 :]
        alpha = 1.0 - variance(left) / (variance(left) + variance(right))
        weights[left] *= alpha
        weights[right] *= 1.0 - alpha
        split(left)
        split(right)

    split(leaves_list(tree).tolist())
    return weights


@pytest.mark.parametrize("names", [2, 3, 10, 20])
def test_shares_are_those_of_the_paper(names):
    cov = stocks("hrp", names=names).cov_annual
    assert hrp_shares(cov) == pytest.approx(by_the_paper(cov), rel=1e-10)
    _, other = moments(np.random.default_rng(names), names)
    assert hrp_shares(other) == pytest.approx(by_the_paper(other), rel=1e-10)


def test_one_strategy_has_everything():
    assert hrp_shares(np.array([[0.04]])).tolist() == [1.0]


def test_bounds_are_honoured_by_projection():
    problem = stocks("hrp", weight_max=np.full(10, 0.15))
    free, bounded = solve(stocks("hrp")), solve(problem)
    assert free.solver == "rule"
    assert free.weights.max() > 0.15
    assert verify(problem, bounded.weights, bounded.cash) == ()
    # The nearest point of a simplex with caps is the rule's, shifted by one number and cut.
    inside = (bounded.weights > 0.0) & (bounded.weights < 0.15)
    shift = (bounded.weights - free.weights)[inside]
    assert shift == pytest.approx(np.full(inside.sum(), shift[0]), abs=1e-12)
