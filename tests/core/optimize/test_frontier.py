"""The frontier against closed forms, and its laws on random problems with many limits."""

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest

from streams.core.optimize import Infeasible, Solved, solve, verify
from streams.core.optimize.frontier import Frontier, frontier, point_at
from streams.core.optimize.terms import Caps
from tests.core.optimize.problems import random_problem
from tests.core.optimize.test_multi import problem


def test_without_bounds_it_is_mertons_hyperbola():
    rng = np.random.default_rng(4)
    factor = rng.normal(size=(5, 5)) * 0.1
    cov, mean = factor @ factor.T + 0.01 * np.eye(5), rng.normal(size=5) * 0.05 + 0.06
    asked = replace(
        problem(objective="min_variance"),
        strategies=tuple("abcde"),
        mean_annual=mean,
        cov_annual=cov,
        held=np.zeros(5),
        weight_min=np.full(5, -20.0),
        weight_max=np.full(5, 20.0),
        groups=(),
        cash_max=0.0,
        long_only=False,
        scenarios=None,
        custom=None,
    )
    inverse, one = np.linalg.inv(cov), np.ones(5)
    a, b, c = one @ inverse @ one, one @ inverse @ mean, mean @ inverse @ mean
    found = frontier(asked, 12)
    inner = [point for point in found.points if np.abs(point.weights).max() < 19.0]
    assert len(inner) > 3
    for point in inner:
        r = point.return_annual
        variance = (a * r * r - 2 * b * r + c) / (a * c - b * b)
        assert point.volatility_annual**2 == pytest.approx(variance, rel=1e-7)


def test_each_point_has_the_least_volatility_for_its_return():
    asked = problem(objective="min_variance", cash_return=0.0001)
    found = frontier(asked, 8)
    for point in found.points[1:]:
        weights, cash = cp.Variable(len(asked.strategies)), cp.Variable()
        family = asked.groups[0].members
        program = cp.Problem(
            cp.Minimize(cp.quad_form(weights, cp.psd_wrap(asked.cov_annual))),
            [
                cp.sum(weights) + cash == 1,
                weights >= 0,
                weights <= 0.4,
                cash >= 0,
                cash <= 0.1,
                family @ weights >= 0.2,
                family @ weights <= 0.6,
                asked.mean_annual @ weights + 0.0252 * cash >= point.return_annual,
            ],
        )
        program.solve(solver="SCS", eps_abs=1e-10, eps_rel=1e-10, max_iters=200_000)
        assert point.volatility_annual**2 == pytest.approx(program.value, rel=1e-5)


def test_it_rises_is_efficient_and_every_point_is_verified():
    told = 0
    rng = np.random.default_rng(11)
    for _ in range(60):
        asked = random_problem(rng)
        found = frontier(asked, 7)
        if isinstance(found, Infeasible):
            assert isinstance(solve(replace(asked, objective="min_variance")), Infeasible)
            continue
        assert isinstance(found, Frontier), found
        risk = [point.volatility_annual for point in found.points]
        gain = [point.return_annual for point in found.points]
        told += len(found.points) > 3
        assert (np.diff(risk) > 0).all()
        assert (np.diff(gain) > 0).all()
        for point in found.points:
            assert verify(asked, point.weights, point.cash) == ()
        # the law of a convex frontier: volatility lies below the chord of its neighbours
        for i in range(1, len(risk) - 1):
            share = (gain[i] - gain[i - 1]) / (gain[i + 1] - gain[i - 1])
            assert risk[i] <= risk[i - 1] + share * (risk[i + 1] - risk[i - 1]) + 1e-7
        assert 0 <= found.knee < len(found.points)
    assert told > 10


def test_its_ends_are_the_least_variance_and_the_largest_return():
    asked = problem(objective="min_variance")
    found = frontier(asked, 5)
    least = solve(asked)
    most = solve(replace(asked, objective="mean_variance", risk_aversion=0.0))
    assert isinstance(most, Solved)
    np.testing.assert_array_equal(found.points[0].weights, least.weights)
    assert found.points[-1].return_annual == pytest.approx(most.objective_value, abs=1e-7)
    best = max(range(len(found.points)), key=lambda i: found.points[i].sharpe)
    assert found.tangency == best


def test_a_cap_on_volatility_ends_it_there():
    asked = problem(objective="min_variance", caps=Caps(volatility_max=0.11))
    found = frontier(asked, 5)
    assert found.points[-1].volatility_annual == pytest.approx(0.11, rel=1e-4)


def test_a_mix_without_volatility_has_no_sharpe():
    asked = problem(objective="min_variance", cash_return=0.0001)
    point = point_at(asked, np.zeros(len(asked.strategies)))
    assert point.sharpe is None
    assert (point.cash, point.volatility_annual) == (1.0, 0.0)
    assert point.return_annual == pytest.approx(0.0252)
