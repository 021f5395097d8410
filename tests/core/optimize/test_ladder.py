"""The ladder is gone down only where a solver fails, only as far as is allowed."""

from dataclasses import replace

import numpy as np
import pytest

from streams.core.optimize import Failed, Infeasible, Problem, Solved, ladder, solve, verify
from streams.core.optimize.ladder import STEPS, allowed_steps, solve_with_fallback
from streams.core.optimize.terms import Caps, TradeCosts


def plain(**changes):
    cov = np.array([[0.04, 0.01, 0.0], [0.01, 0.09, 0.02], [0.0, 0.02, 0.16]])
    problem = Problem(
        strategies=("a", "b", "c"),
        mean_annual=np.array([0.05, 0.07, 0.02]),
        cov_annual=cov,
        held=np.zeros(3),
        held_cash=1.0,
        objective="min_variance",
        risk_aversion=1.0,
        weight_min=np.zeros(3),
        weight_max=np.full(3, 0.45),
        groups=(),
        cash_min=0.0,
        cash_max=0.0,
        turnover_max=None,
        long_only=True,
    )
    return replace(problem, **changes)


@pytest.fixture
def failing(monkeypatch):
    """Let solves fail that a predicate picks; list those that were tried."""
    tried = []

    def fail_where(picked):
        def answer(problem, road="auto"):
            tried.append((problem.objective, road))
            if picked(problem.objective, road):
                return Failed(reason=f"{problem.objective} on {road} is at a loss")
            return solve(problem, road=road)

        monkeypatch.setattr(ladder, "solve", answer)
        return tried

    return fail_where


def test_a_problem_that_is_solved_takes_no_step():
    outcome, used = solve_with_fallback(plain(), STEPS)
    assert isinstance(outcome, Solved)
    assert used == "none"


def test_an_infeasible_problem_is_held_whatever_is_allowed(failing):
    tried = failing(lambda *_: False)
    outcome, used = solve_with_fallback(plain(weight_max=np.full(3, 0.2)), STEPS)
    assert isinstance(outcome, Infeasible)
    assert used == "hold"
    assert tried == [("min_variance", "auto")]


def test_the_other_solver_comes_first_and_gives_the_same_optimum(failing):
    failing(lambda objective, road: objective == "min_variance" and road == "auto")
    outcome, used = solve_with_fallback(plain(), STEPS)
    assert used == "other_solver"
    # an interior point's weights are as good as the root of its gap
    np.testing.assert_allclose(outcome.weights, solve(plain()).weights, atol=1e-6)


@pytest.mark.parametrize("rule", ["hrp", "inverse_volatility"])
def test_a_rule_is_moved_onto_the_limits_and_verified(failing, rule):
    failing(lambda objective, _: objective == "min_variance")
    problem = plain(weight_max=np.full(3, 0.4))
    outcome, used = solve_with_fallback(problem, (rule, "hold"))
    assert used == rule
    assert verify(problem, outcome.weights, outcome.cash) == ()
    assert outcome.weights.max() <= 0.4


def test_steps_are_taken_in_the_ladders_order_however_they_are_named(failing):
    tried = failing(lambda objective, _: objective != "inverse_volatility")
    _, used = solve_with_fallback(plain(), ("inverse_volatility", "hold", "hrp", "other_solver"))
    assert used == "inverse_volatility"
    assert tried == [
        ("min_variance", "auto"),
        ("min_variance", "modelled"),
        ("hrp", "auto"),
        ("inverse_volatility", "auto"),
    ]


def test_names_become_steps_in_the_ladders_order():
    named = ("hold", "inverse_volatility", "unheard_of", "other_solver")
    assert allowed_steps(named) == ("other_solver", "inverse_volatility", "hold")


def test_what_is_not_allowed_is_not_tried_and_every_failure_is_told(failing):
    tried = failing(lambda *_: True)
    outcome, used = solve_with_fallback(plain(), ("hold",))
    assert (used, len(tried)) == ("hold", 1)
    assert outcome == Failed(reason="min_variance on auto is at a loss")
    outcome, used = solve_with_fallback(plain(), ("other_solver", "inverse_volatility"))
    assert used == "hold"
    for part in ("min_variance on auto", "other_solver: min_var", "inverse_volatility: inverse"):
        assert part in outcome.reason


@pytest.mark.parametrize("rule", ["hrp", "inverse_volatility"])
def test_a_rule_takes_no_charge_where_it_needs_a_cone(failing, rule):
    failing(lambda objective, _: objective == "min_variance")
    costs = TradeCosts(linear=np.full(3, 5e-4), impact=np.zeros(3), horizon_years=0.1)
    problem = plain(costs=costs, caps=Caps(volatility_max=0.2))
    outcome, used = solve_with_fallback(problem, (rule, "hold"))
    assert used == rule
    assert verify(problem, outcome.weights, outcome.cash) == ()
