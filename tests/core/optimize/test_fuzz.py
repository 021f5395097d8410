"""Problems of any mix of objectives and limits, degenerate ones included: verified or declined."""

from dataclasses import replace

import numpy as np
import pytest

from streams.core.optimize import (
    OBJECTIVES,
    Aim,
    Caps,
    Failed,
    Infeasible,
    Solved,
    TradeCosts,
    solve,
    verify,
)
from streams.core.optimize.correlation import (
    CorrelationLimits,
    correlation_rows,
    correlation_structure,
    penalty_matrix,
)
from streams.core.optimize.problem import MEAN_VARIANCE_LIKE
from tests.core.optimize.problems import random_problem

SOUGHT = tuple(name for name in OBJECTIVES if name != "custom")
BARS = 40  # one shape of scenarios: a program is compiled once


def any_problem(rng):
    names = int(rng.choice([1, 2, 4, 8]))
    problem = random_problem(rng, names, objective="min_variance")
    returns = degenerate(rng, 0.01 * rng.standard_normal((BARS, names)))
    cov = np.atleast_2d(np.cov(returns, rowvar=False)) * 252.0
    objective = str(rng.choice(SOUGHT))
    long_only = problem.long_only
    problem = replace(
        problem,
        objective=objective,
        mean_annual=returns.mean(axis=0) * 252.0,
        cov_annual=0.5 * (cov + cov.T),
        risk_aversion=max(problem.risk_aversion, 0.1),
        scenarios=returns,
        periods_per_year=252.0,
        caps=any_caps(rng, names, long_only=long_only),
        aim=Aim(
            target=float(rng.choice([0.02, 0.1, 0.3])) if objective.startswith("target") else None,
            budgets=rng.random(names) + 0.1 if rng.random() < 0.5 else None,
            reference=rng.dirichlet(np.ones(names)),
            years=BARS / 252.0,
        ),
    )
    if objective in MEAN_VARIANCE_LIKE and rng.random() < 0.3:
        costs = TradeCosts(
            linear=np.full(names, 0.001), impact=np.full(names, 0.01), horizon_years=0.1
        )
        problem = replace(problem, costs=costs)
    return with_correlation(rng, problem) if long_only and rng.random() < 0.5 else problem


def degenerate(rng, returns):
    """Flat, twin, opposite or nearly still strategies, in a third of the cases."""
    kind, names = rng.integers(0, 12), returns.shape[1]
    if kind == 0:
        returns[:, 0] = 0.0
    elif kind == 1:
        returns[:, -1] = returns[:, 0]
    elif kind == 2 and names > 1:
        returns[:, -1] = -returns[:, 0]
    elif kind == 3:
        returns[:, : names // 2 + 1] *= 1e-6
    elif kind == 4:
        returns[:] = 0.0
    return returns


def any_caps(rng, names, *, long_only):
    given = {
        "volatility_max": float(rng.choice([0.05, 0.15])),
        "cvar_max": float(rng.choice([0.01, 0.02])),
        "leverage_max": 1.5,
        "risk_contribution_max": float(rng.choice([0.3, 0.6])),
    }
    if long_only:
        given |= {
            "diversification_ratio_min": float(rng.choice([1.05, 1.3])),
            "held_correlation_max": 0.8,
            "cardinality_max": max(1, names // 2),
            "position_min": 0.05,
        }
    else:
        given["short_max"] = 0.2
    return Caps(**{name: value for name, value in given.items() if rng.random() < 0.12})


def with_correlation(rng, problem):
    limits = CorrelationLimits(
        pair_limit=float(rng.choice([0.1, 0.5])),
        pair_weight_max=float(rng.choice([0.3, 0.6])),
        confidence=float(rng.choice([0.0, 0.9])),
        cluster_limit=float(rng.choice([0.1, 0.5])),
        cluster_weight_max=float(rng.choice([0.4, 0.7])),
        cluster_risk_max=float(rng.choice([0.4, 0.7])) if rng.random() < 0.5 else None,
        exclusive=bool(rng.random() < 0.2),
        observations=float(BARS),
        previous=(problem.strategies[:2],) if rng.random() < 0.5 else None,
    )
    structure = correlation_structure(problem.strategies, problem.cov_annual, limits)
    rows = correlation_rows(problem.strategies, problem.cov_annual, problem.weight_max, structure)
    penalty = None
    if problem.objective in MEAN_VARIANCE_LIKE and rng.random() < 0.3:
        penalty = penalty_matrix(problem.cov_annual, 0.3, 1.0)
    pairs = structure.capped if limits.exclusive else ()
    return replace(
        problem,
        groups=(*problem.groups, *rows),
        correlation=structure,
        penalty=penalty,
        caps=replace(problem.caps, exclusive=pairs),
    )


@pytest.mark.parametrize(
    "batch", [0, *(pytest.param(b, marks=pytest.mark.slow) for b in range(1, 24))]
)
def test_every_answer_is_verified_or_has_a_reason(batch):
    told = {Solved: 0, Infeasible: 0, Failed: 0}
    for seed in range(120 * batch, 120 * (batch + 1)):
        problem = any_problem(np.random.default_rng([7, seed]))
        outcome = solve(problem)
        told[type(outcome)] += 1
        if isinstance(outcome, Solved):
            assert verify(problem, outcome.weights, outcome.cash) == (), seed
            assert np.isfinite(outcome.objective_value), seed
            assert all(np.isfinite(limit.price) for limit in outcome.binding), seed
        elif isinstance(outcome, Infeasible):
            assert outcome.violated, seed
        else:
            assert outcome.reason, seed
    assert told[Solved] > 20, told
    assert told[Failed] < 20, told
