"""The spread of the weights against an independent simulation of returns."""

from dataclasses import replace

import numpy as np
import pytest

from streams.core.optimize import Problem, TradeCosts, resample, solve
from streams.core.optimize.resample import RESAMPLED_NAMES_MAX, weight_spread

MEAN = np.array([0.08, 0.05, 0.11])
FACTOR = np.array([[0.10, 0.0, 0.0], [0.02, 0.08, 0.0], [-0.03, 0.04, 0.15]])
BARS = 300


def plain(**changes):
    names = len(changes.get("mean_annual", MEAN))
    problem = Problem(
        strategies=tuple(f"s{index:03d}" for index in range(names)),
        mean_annual=changes.pop("mean_annual", MEAN),
        cov_annual=changes.pop("cov_annual", FACTOR @ FACTOR.T),
        held=np.zeros(names),
        held_cash=1.0,
        objective="min_variance",
        risk_aversion=2.0,
        weight_min=np.zeros(names),
        weight_max=np.ones(names),
        groups=(),
        cash_min=0.0,
        cash_max=0.0,
        turnover_max=None,
        long_only=True,
        periods_per_year=252.0,
    )
    return replace(problem, **changes)


@pytest.mark.parametrize("objective", ["min_variance", "mean_variance"])
def test_the_spread_is_that_of_estimates_from_simulated_returns(objective):
    problem = plain(objective=objective)
    told = weight_spread(problem, solve(problem).weights, "request", BARS, 400)
    rng = np.random.default_rng(5)
    weights = []
    for _ in range(400):
        bars = MEAN / 252 + rng.normal(size=(BARS, 3)) @ FACTOR.T / np.sqrt(252)
        cov = np.cov(bars, rowvar=False) * 252
        drawn = replace(problem, mean_annual=bars.mean(axis=0) * 252, cov_annual=(cov + cov.T) / 2)
        weights.append(solve(drawn).weights)
    low, high = np.percentile(weights, [5, 95], axis=0)
    # a percentile of 400 draws has a standard error of about a tenth of the spread
    error = 0.35 * (high - low).max()
    np.testing.assert_allclose(told.low, low, atol=error)
    np.testing.assert_allclose(told.high, high, atol=error)
    assert told.resamples == 400


def test_fewer_rows_make_a_wider_spread():
    problem, even = plain(), np.full(3, 1.0 / 3.0)
    narrow, wide = (weight_spread(problem, even, "r", rows, 64) for rows in (2000, 60))
    assert (wide.high - wide.low).sum() > 3.0 * (narrow.high - narrow.low).sum()


def nothing_settles(batch, _near):
    return batch.gradients, np.zeros(len(batch.gradients), dtype=np.bool_)


COSTS = TradeCosts(linear=np.full(3, 5e-4), impact=np.zeros(3), horizon_years=0.1)


@pytest.mark.parametrize("objective", ["min_variance", "mean_variance"])
@pytest.mark.parametrize(
    "limits",
    [
        {"weight_max": np.full(3, 0.4)},
        {"held": np.array([0.5, 0.3, 0.2]), "held_cash": 0.0, "turnover_max": 0.05},
        {"held": np.array([0.5, 0.3, 0.2]), "held_cash": 0.0, "costs": COSTS},
    ],
)
def test_draws_solved_at_once_are_those_solved_one_by_one(objective, limits, monkeypatch):
    problem = plain(objective=objective, **limits)
    even = np.full(3, 1.0 / 3.0)
    at_once = weight_spread(problem, even, "r", BARS, 24)
    monkeypatch.setattr(resample, "optima", nothing_settles)
    monkeypatch.setattr(resample, "rough_optimum", lambda _: None)
    singly = weight_spread(problem, even, "r", BARS, 24)
    # costs are charged on the modelled road, whose weights are good to the root of its gap
    np.testing.assert_allclose(at_once.low, singly.low, atol=2e-5 if "costs" in limits else 1e-8)
    np.testing.assert_allclose(at_once.high, singly.high, atol=2e-5 if "costs" in limits else 1e-8)


def test_the_seed_alone_decides_what_is_drawn():
    problem, even = plain(), np.full(3, 1.0 / 3.0)
    once, again, other = (weight_spread(problem, even, seed, BARS, 16) for seed in ("a", "a", "b"))
    assert once.low.tobytes() == again.low.tobytes()
    assert once.high.tobytes() == again.high.tobytes()
    assert once.low.tobytes() != other.low.tobytes()


def test_fewer_rows_than_strategies_still_have_a_spread():
    rng = np.random.default_rng(0)
    bars = rng.normal(size=(6, 10))
    cov = np.cov(bars, rowvar=False)
    problem = plain(mean_annual=np.zeros(10), cov_annual=(cov + cov.T) / 2)
    told = weight_spread(problem, solve(problem).weights, "r", 6, 32)
    assert (told.low <= told.high).all()
    assert told.high.max() > 0.0


def test_nothing_is_resampled_where_it_would_take_too_long_or_says_nothing():
    many, even = RESAMPLED_NAMES_MAX + 1, np.full(3, 1.0 / 3.0)
    large = plain(mean_annual=np.zeros(many), cov_annual=np.eye(many))
    assert weight_spread(large, np.full(many, 1.0 / many), "r", BARS, 4) is None
    assert weight_spread(plain(), even, "r", 1, 4) is None
    assert weight_spread(plain(), even, "r", BARS, 0) is None
    assert weight_spread(plain(objective="equal"), even, "r", BARS, 4) is None
