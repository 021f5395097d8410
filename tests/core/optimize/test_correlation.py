import math
from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scipy.stats import norm

from streams.core.optimize import Caps, Infeasible, Solved, solve, verify
from streams.core.optimize.correlation import (
    CorrelationLimits,
    achieved,
    correlation_of,
    correlation_rows,
    correlation_structure,
    lower_bound,
    penalty_matrix,
)
from tests.core.optimize.problems import plain
from tests.core.optimize.real import stocks


def under(problem, limits, **changes):
    """The problem with limits on correlation, as requests make it."""
    structure = correlation_structure(problem.strategies, problem.cov_annual, limits)
    rows = correlation_rows(problem.strategies, problem.cov_annual, problem.weight_max, structure)
    return replace(problem, groups=(*problem.groups, *rows), correlation=structure, **changes)


def matrix(size, *pairs):
    corr = np.eye(size)
    for i, j, rho in pairs:
        corr[i, j] = corr[j, i] = rho
    return corr


def clusters_at(rho, previous, limit=0.6):
    """What becomes of two strategies with a correlation, given what they were."""
    limits = CorrelationLimits(cluster_limit=limit, previous=previous)
    return correlation_structure(("a", "b"), matrix(2, (0, 1, rho)), limits).clusters


def test_the_bound_is_fishers():
    rho, count = np.array([0.7]), 60.0
    expected = math.tanh(math.atanh(0.7) - norm.ppf(0.9) / math.sqrt(57.0))
    assert lower_bound(rho, 0.9, count)[0] == pytest.approx(expected, rel=1e-12)
    assert lower_bound(rho, 0.0, count)[0] == 0.7
    assert lower_bound(np.array([1.0]), 0.9, count)[0] == 1.0
    assert lower_bound(rho, 0.9, 3.0)[0] == -1.0


def test_pairs_are_capped_surely_or_watched():
    corr = matrix(4, (0, 1, 0.9), (0, 2, 0.72), (1, 3, -0.95))
    limits = CorrelationLimits(pair_limit=0.7, pair_weight_max=0.3, observations=100.0)
    structure = correlation_structure(("a", "b", "c", "d"), corr, limits)
    assert structure.capped == ((0, 1),)
    assert structure.watched == ((0, 2),)
    (row,) = correlation_rows(("a", "b", "c", "d"), corr, np.ones(4), structure)
    assert row.key == "correlation.pair_weight_max.a/b"
    assert row.kind == "correlation.pair_weight_max"
    assert row.members.tolist() == [True, True, False, False]
    assert correlation_rows(("a", "b", "c", "d"), corr, np.full(4, 0.15), structure) == ()


@pytest.mark.parametrize("limit", [0.3, 0.5, 0.6])
def test_clusters_are_those_of_average_linkage(limit):
    problem = stocks("min_variance", names=20)
    corr = correlation_of(problem.cov_annual)
    apart = 1.0 - np.maximum(corr, 0.0)
    np.fill_diagonal(apart, 0.0)
    label = fcluster(linkage(squareform(apart), "average"), 1.0 - limit, "distance")
    expected = {
        tuple(np.flatnonzero(label == each).tolist())
        for each in set(label.tolist())
        if (label == each).sum() > 1
    }
    limits = CorrelationLimits(cluster_limit=limit)
    found = correlation_structure(problem.strategies, problem.cov_annual, limits).clusters
    assert set(found) == expected


def test_membership_has_hysteresis():
    apart, together = (), (("a", "b"),)
    assert clusters_at(0.61, None) == ((0, 1),)
    assert clusters_at(0.59, None) == ()
    assert clusters_at(0.64, apart) == ()
    assert clusters_at(0.66, apart) == ((0, 1),)
    assert clusters_at(0.56, together) == ((0, 1),)
    assert clusters_at(0.54, together) == ()


def test_a_cluster_that_breaks_apart_keeps_what_still_belongs():
    corr = matrix(4, (0, 1, 0.62), (2, 3, 0.62))
    limits = CorrelationLimits(cluster_limit=0.6, previous=(("a", "b", "c", "d", "gone"),))
    assert correlation_structure(("a", "b", "c", "d"), corr, limits).clusters == ((0, 1), (2, 3))


@pytest.mark.parametrize("road", ["auto", "modelled"])
def test_pair_and_cluster_caps_bind_and_agree_with_a_plain_program(road):
    problem = stocks("min_variance", names=20, weight_max=np.full(20, 0.25))
    limits = CorrelationLimits(
        pair_limit=0.6,
        pair_weight_max=0.25,
        cluster_limit=0.5,
        cluster_weight_max=0.3,
        cluster_risk_max=0.28,
        observations=500.0,
    )
    capped = under(problem, limits)
    outcome = solve(capped, road)
    assert verify(capped, outcome.weights, outcome.cash) == ()
    if road == "auto":
        assert outcome.exact
        assert outcome.solver == "piqp"
    spread = np.sqrt(problem.cov_annual.diagonal())
    w = cp.Variable(20)
    rows = [cp.sum(w) == 1.0, w >= 0.0, w <= 0.25]
    rows += [w[i] + w[j] <= 0.25 for i, j in capped.correlation.capped]
    for cluster in capped.correlation.clusters:
        inside = list(cluster)
        rows += [cp.sum(w[inside]) <= 0.3, spread[inside] @ w[inside] <= 0.28 * spread @ w]
    root = np.linalg.cholesky(problem.cov_annual).T
    asked = cp.Problem(cp.Minimize(cp.sum_squares(root @ w)), rows)
    asked.solve(solver="SCS", eps_abs=1e-9, eps_rel=1e-9, max_iters=400_000)
    assert outcome.objective_value == pytest.approx(float(asked.value), rel=1e-5)
    kinds = {binding.key.rpartition(".")[0] for binding in outcome.binding}
    assert "correlation.pair_weight_max" in kinds
    free = solve(problem)
    worse = verify(capped, free.weights, free.cash)
    assert any(fault.startswith("correlation.pair_weight_max") for fault in worse)
    before = achieved(capped.correlation, problem.cov_annual, free.weights)
    after = achieved(capped.correlation, problem.cov_annual, outcome.weights)
    assert after.average < before.average


def test_the_price_of_a_share_of_risk_is_what_moving_it_is_worth():
    problem = stocks("min_variance", names=20, weight_max=np.full(20, 0.3))
    base = CorrelationLimits(cluster_limit=0.5, cluster_risk_max=0.3, observations=500.0)
    outcome = solve(under(problem, base))
    # Several clusters are at their cap, and one key of the file moves them all.
    price = sum(b.price for b in outcome.binding if b.key.startswith("correlation"))
    up, down = (
        solve(under(problem, replace(base, cluster_risk_max=0.3 + step))) for step in (1e-6, -1e-6)
    )
    slope = (up.objective_value - down.objective_value) / 2e-6
    assert price == pytest.approx(slope, rel=0.05)


def test_the_diversification_floor_is_a_cone():
    problem = stocks("mean_variance")
    floor = replace(problem, caps=Caps(diversification_ratio_min=1.35))
    outcome = solve(floor)
    root, spread = np.linalg.cholesky(problem.cov_annual).T, np.sqrt(problem.cov_annual.diagonal())
    w = cp.Variable(10)
    rows = [cp.sum(w) == 1.0, w >= 0.0, w <= 1.0, 1.35 * cp.norm2(root @ w) <= spread @ w]
    utility = problem.mean_annual @ w - 1.5 * cp.sum_squares(root @ w)
    asked = cp.Problem(cp.Maximize(utility), rows)
    asked.solve(solver="SCS", eps_abs=1e-9, eps_rel=1e-9, max_iters=400_000)
    assert outcome.objective_value == pytest.approx(float(asked.value), rel=1e-5)
    found = achieved(
        correlation_structure(problem.strategies, problem.cov_annual, CorrelationLimits()),
        problem.cov_annual,
        outcome.weights,
    )
    assert found.diversification_ratio == pytest.approx(1.35, rel=1e-6)
    # 1/DR² = ρ̄(1 − CR) + CR, with CR = Σv² / (Σv)²: the floor bounds the average correlation.
    risks = outcome.weights * spread
    share = float(risks @ risks) / float(risks.sum()) ** 2
    assert pytest.approx(found.average * (1.0 - share) + share, rel=1e-6) == 1.35**-2
    (binding,) = [b for b in outcome.binding if b.key == "correlation.diversification_ratio_min"]
    moved = [
        solve(replace(problem, caps=Caps(diversification_ratio_min=1.35 + step)))
        for step in (1e-4, -1e-4)
    ]
    slope = (moved[0].objective_value - moved[1].objective_value) / 2e-4
    assert binding.price == pytest.approx(slope, rel=0.02)


def test_a_floor_out_of_reach_is_named():
    problem = stocks("min_variance", caps=Caps(diversification_ratio_min=5.0))
    assert solve(problem) == Infeasible(violated=("correlation.diversification_ratio_min",))


def test_the_penalty_is_convex_and_spares_what_is_not_correlated():
    problem = stocks("min_variance")
    charge = penalty_matrix(problem.cov_annual, 0.4, 2.0)
    assert np.linalg.eigvalsh(charge)[0] >= -1e-12 * np.abs(charge).max()
    corr, spread = correlation_of(problem.cov_annual), np.sqrt(problem.cov_annual.diagonal())
    over = np.maximum(corr - 0.4, 0.0) - 0.6 * np.eye(10)
    assert charge == pytest.approx(
        2.0 * np.outer(spread, spread) * (over + np.diag(over.sum(axis=1))), rel=1e-9, abs=1e-12
    )
    assert not penalty_matrix(np.eye(3) * 0.04, 0.4, 2.0).any()
    charged = solve(replace(problem, penalty=charge))
    free = solve(problem)
    value = charged.weights @ (problem.cov_annual + charge / 3.0) @ charged.weights
    assert charged.exact
    assert charged.objective_value == pytest.approx(value, rel=1e-12)
    structure = correlation_structure(problem.strategies, problem.cov_annual, CorrelationLimits())
    before = achieved(structure, problem.cov_annual, free.weights)
    after = achieved(structure, problem.cov_annual, charged.weights)
    assert after.average < before.average
    other = solve(replace(problem, penalty=charge), "modelled")
    assert other.objective_value == pytest.approx(charged.objective_value, rel=1e-8)


def test_the_correlation_with_the_whole_is_kept_under_its_cap():
    problem = stocks("min_variance")
    free = solve(problem)
    cap = 0.75
    outcome = solve(replace(problem, caps=Caps(held_correlation_max=cap)))

    def largest(weights):
        pull = problem.cov_annual @ weights
        each = pull / np.sqrt(problem.cov_annual.diagonal() * float(weights @ pull))
        return float(each[weights > 1e-7].max())

    assert isinstance(outcome, Solved), outcome
    assert largest(free.weights) > cap
    assert largest(outcome.weights) <= cap + 1e-6
    assert outcome.objective_value > free.objective_value
    assert not outcome.exact


def test_one_at_most_of_a_pair_that_moves_together():
    problem = stocks("min_variance", weight_max=np.full(10, 0.35))
    limits = CorrelationLimits(pair_limit=0.45, exclusive=True, observations=500.0)
    base = under(problem, limits)
    pairs = base.correlation.capped
    asked = replace(base, caps=Caps(exclusive=pairs))
    outcome = solve(asked)
    assert verify(asked, outcome.weights, outcome.cash) == ()
    best = math.inf
    for chosen in range(1, 2**10):
        inside = [i for i in range(10) if chosen >> i & 1]
        if len(inside) < 3 or any(i in inside and j in inside for i, j in pairs):
            continue
        high = np.where(np.isin(np.arange(10), inside), 0.35, 0.0)
        found = solve(replace(problem, weight_max=high))
        if isinstance(found, Solved):
            best = min(best, found.objective_value)
    assert outcome.objective_value == pytest.approx(best, rel=1e-6)
    assert outcome.gap <= 1e-6


def test_figures_without_two_positions_are_undefined():
    structure = correlation_structure(("a", "b"), np.eye(2), CorrelationLimits())
    alone = achieved(structure, np.eye(2), np.array([1.0, 0.0]))
    assert (alone.average, alone.pair_max, alone.pair) == (None, None, None)
    assert alone.diversification_ratio == 1.0
    assert achieved(structure, np.eye(2), np.zeros(2)).diversification_ratio is None


def test_the_average_is_weighted_by_risk():
    cov = plain(np.array([[0.04, 0.03, 0.0], [0.03, 0.09, 0.01], [0.0, 0.01, 0.01]])).cov_annual
    weights = np.array([0.5, 0.3, 0.2])
    corr, risks = correlation_of(cov), weights * np.sqrt(cov.diagonal())
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    expected = sum(risks[i] * risks[j] * corr[i, j] for i, j in pairs) / sum(
        risks[i] * risks[j] for i, j in pairs
    )
    structure = correlation_structure(("a", "b", "c"), cov, CorrelationLimits())
    found = achieved(structure, cov, weights)
    assert found.average == pytest.approx(expected, rel=1e-12)
    assert found.pair == (0, 1)
    assert found.pair_max == pytest.approx(0.5, rel=1e-12)
