"""Ratios by a few quadratic programs against the same ratio as one cone program."""

from dataclasses import replace

import numpy as np
import pytest

from streams.core.optimize import Caps, Solved, solve, verify
from streams.core.optimize.ratio import solve_ratio
from tests.core.optimize.problems import plain, random_problem
from tests.core.optimize.real import stocks

RATIOS = ("max_sharpe", "max_diversification")


@pytest.mark.parametrize("objective", RATIOS)
def test_no_weights_of_the_cone_program_are_better(objective):
    rng = np.random.default_rng(7)
    asked = found = 0
    while asked < 25:
        problem = random_problem(rng, 8, objective=objective, cash_min=0.0, cash_max=0.0)
        low = np.maximum(problem.weight_min, 0.0)
        problem = replace(problem, weight_min=low, long_only=True)
        modelled = solve(problem, road="modelled")
        if not isinstance(modelled, Solved) or modelled.fallback:
            continue
        asked += 1
        exact = solve_ratio(problem)
        if exact is None:
            continue
        found += 1
        assert verify(problem, exact.weights, exact.cash) == ()
        # the interior point stops at 1e-13 of a scaled gap
        assert exact.objective_value == pytest.approx(modelled.objective_value, rel=1e-8)
    assert found > 0.8 * asked


@pytest.mark.parametrize("objective", RATIOS)
def test_the_weights_are_exact_and_so_are_their_prices(objective):
    problem = stocks(objective, weight_max=np.full(10, 0.25))
    solved = solve(problem)
    assert solved.exact
    assert solved.binding
    for binding in solved.binding:
        if binding.strategy is None:
            continue
        bounds = problem.weight_max if binding.side == "max" else problem.weight_min
        place, step = problem.strategies.index(binding.strategy), 1e-5
        if binding.side == "min":
            step = 1e-5 if solved.weights[place] < 1e-9 else -1e-5
        moved = bounds + step * (np.arange(10) == place)
        other = solve(replace(problem, **{f"weight_{binding.side}": moved}))
        slope = (other.objective_value - solved.objective_value) / step
        assert binding.price == pytest.approx(slope, rel=0.01)


def test_two_uncorrelated_strategies_have_closed_forms():
    cov = np.diag([0.01, 0.04])
    sharpe = solve(plain(cov, [0.03, 0.06], objective="max_sharpe"))
    # in proportion to mean over variance: 3 and 1.5
    assert sharpe.weights.tolist() == pytest.approx([2 / 3, 1 / 3], abs=1e-10)
    spread = solve(plain(cov, objective="max_diversification"))
    # in proportion to 1 over volatility
    assert spread.weights.tolist() == pytest.approx([2 / 3, 1 / 3], abs=1e-10)


def test_what_has_no_gain_or_no_risk_is_left_to_the_other_road():
    flat = plain(np.zeros((2, 2)), [0.1, 0.1], objective="max_sharpe")
    assert solve_ratio(flat) is None
    assert solve_ratio(plain(np.eye(2), [-0.1, -0.2], objective="max_sharpe")) is None


def test_a_cap_that_the_exact_weights_break_is_kept_by_the_other_road():
    problem = stocks("max_sharpe", weight_max=np.full(10, 0.5))
    free = solve(problem)
    volatility = float(np.sqrt(free.weights @ problem.cov_annual @ free.weights))
    loose = solve(replace(problem, caps=Caps(volatility_max=1.1 * volatility)))
    assert loose.weights.tolist() == free.weights.tolist()
    tight = solve(replace(problem, caps=Caps(volatility_max=0.9 * volatility)))
    assert tight.solver == "cvxpy/clarabel"
    assert tight.objective_value < free.objective_value
