import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from streams.core.optimize import Caps, Failed, Infeasible, Solved, solve, verify, whole
from tests.core.optimize.problems import plain
from tests.core.optimize.real import stocks


def by_hand(problem, count, smallest):
    """The best of every choice of positions, each held at the smallest weight at the least."""
    best = math.inf
    names = len(problem.strategies)
    for size in range(1, count + 1):
        for chosen in combinations(range(names), size):
            inside = np.isin(np.arange(names), chosen)
            found = solve(
                replace(
                    problem,
                    weight_max=np.where(inside, problem.weight_max, 0.0),
                    weight_min=np.where(inside, smallest, 0.0),
                    caps=Caps(),
                )
            )
            if isinstance(found, Solved):
                best = min(best, found.objective_value)
    return best


@pytest.mark.parametrize(("count", "smallest"), [(3, 0.0), (4, 0.15), (8, 0.12), (2, 0.4)])
def test_few_and_large_enough_positions_are_the_best_choice(count, smallest):
    problem = stocks("min_variance", names=8, weight_max=np.full(8, 0.6))
    caps = Caps(cardinality_max=count, position_min=smallest or None)
    outcome = solve(replace(problem, caps=caps))
    assert verify(replace(problem, caps=caps), outcome.weights, outcome.cash) == ()
    assert outcome.objective_value == pytest.approx(by_hand(problem, count, smallest), rel=1e-6)
    assert outcome.gap <= whole.GAP_MAX


def test_no_choice_is_infeasible_and_named():
    problem = stocks("min_variance", weight_max=np.full(10, 0.2), caps=Caps(cardinality_max=3))
    assert solve(problem) == Infeasible(violated=("cardinality_max",))


def test_a_search_cut_short_tells_its_gap(monkeypatch):
    monkeypatch.setattr(whole, "NODES_MAX", 3)
    cov = np.diag(np.linspace(0.04, 0.05, 20))  # everybody is wanted
    problem = plain(cov, caps=Caps(cardinality_max=4), weight_max=np.full(20, 0.4))
    outcome = solve(problem)
    assert outcome.gap > whole.GAP_MAX
    assert not outcome.exact


def test_above_fifty_strategies_the_largest_are_kept():
    cov = np.diag(np.linspace(0.04, 0.05, 60))
    problem = plain(cov, caps=Caps(cardinality_max=10), weight_max=np.full(60, 0.3))
    outcome = solve(problem)
    assert verify(problem, outcome.weights, outcome.cash) == ()
    assert int((outcome.weights > 0.0).sum()) <= 10
    assert 0.0 <= outcome.gap < 1.0
    assert not outcome.exact


@pytest.mark.parametrize("objective", ["min_cvar", "max_sharpe", "equal", "hrp"])
def test_other_objectives_count_positions_too(objective):
    problem = stocks(objective, names=6, caps=Caps(cardinality_max=3))
    outcome = solve(problem)
    assert verify(problem, outcome.weights, outcome.cash) == ()
    assert int((outcome.weights > 1e-9).sum()) <= 3


def test_risk_parity_over_few_positions_claims_no_bound():
    outcome = solve(stocks("risk_parity", names=6, caps=Caps(cardinality_max=3)))
    assert outcome.gap == math.inf
    assert int((outcome.weights > 1e-9).sum()) == 3


def test_a_failed_relaxation_is_a_value():
    problem = stocks("kelly", scenarios=None, caps=Caps(cardinality_max=3))
    assert isinstance(solve(problem), Failed)


def test_limits_that_only_a_choice_has_are_not_told_as_the_file_s():
    problem = stocks("min_variance", caps=Caps(cardinality_max=5, position_min=0.15))
    outcome = solve(problem)
    keys = {binding.key for binding in outcome.binding}
    assert "cardinality_max" not in keys
    for binding in outcome.binding:
        if binding.strategy is None:
            continue
        weight = outcome.weights[problem.strategies.index(binding.strategy)]
        bound = {"weight_max": 1.0, "weight_min": 0.0, "position_min": 0.15}[binding.key]
        assert weight == pytest.approx(bound, abs=1e-7)
