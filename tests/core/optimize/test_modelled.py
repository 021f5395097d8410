from dataclasses import replace
from types import SimpleNamespace

import cvxpy as cp
import numpy as np
import pytest

from streams.core.optimize import Failed, Infeasible, Solved, model, modelled, solve, verify
from tests.core.optimize.problems import moments, plain, random_problem


def size_of(problem):
    """What the two roads' objectives are accurate against: the largest term they sum."""
    variance = float(np.abs(problem.cov_annual).max())
    if problem.objective == "mean_variance":
        return problem.risk_aversion * variance + float(np.abs(problem.mean_annual).max())
    return variance


@pytest.mark.parametrize(
    "batch", [0, 1, 2, *(pytest.param(b, marks=pytest.mark.slow) for b in range(3, 12))]
)
def test_both_roads_agree_on_random_problems(batch):
    solved = strict = 0
    for seed in range(60 * batch, 60 * (batch + 1)):
        problem = random_problem(np.random.default_rng(seed))
        direct, model = solve(problem, "direct"), solve(problem, "modelled")
        assert type(direct) is type(model), seed
        if isinstance(direct, Infeasible):
            assert direct == model
        if not (isinstance(direct, Solved) and isinstance(model, Solved)):
            continue
        solved += 1
        assert verify(problem, direct.weights, direct.cash) == ()
        assert verify(problem, model.weights, model.cash) == ()
        unique = problem.objective in {"equal", "inverse_volatility"}
        if not unique:
            # Clarabel stops at a gap of 1e-10 of the scale where it cannot reach 1e-13.
            assert model.objective_value == pytest.approx(
                direct.objective_value, rel=1e-7, abs=1e-9 * size_of(problem)
            ), seed
            levels = np.linalg.eigvalsh(problem.cov_annual)
            unique = levels[0] > 1e-3 * levels[-1] and (
                problem.objective == "min_variance" or problem.risk_aversion > 0.0
            )
        if unique:
            strict += 1
            assert np.allclose(model.weights, direct.weights, rtol=0, atol=1e-5), seed
    assert solved >= 15
    assert strict >= 5


@pytest.mark.parametrize("names", [30, 60])
def test_both_roads_agree_on_larger_problems(names):
    for seed in range(4):
        problem = random_problem(
            np.random.default_rng([names, seed]), names, objective="mean_variance", groups=()
        )
        mean, cov = moments(np.random.default_rng(seed), names)
        problem = plain(
            cov,
            mean,
            weight_max=np.full(names, 0.15),
            held=problem.held,
            held_cash=problem.held_cash,
            held_elsewhere=problem.held_elsewhere,
            turnover_max=0.4,
            cash_max=0.3,
        )
        direct, model = solve(problem), solve(problem, "modelled")
        assert direct.exact
        assert model.objective_value == pytest.approx(direct.objective_value, rel=1e-7)


def test_both_roads_give_the_same_prices():
    mean, cov = moments(np.random.default_rng(2), 6, spread=False)
    problem = plain(
        cov,
        mean,
        weight_max=np.full(6, 0.4),
        held=np.full(6, 0.95 / 6),
        held_cash=0.05,  # away from its bound: at a kink a price is not unique
        turnover_max=0.25,
    )
    direct, model = solve(problem), solve(problem, "modelled")

    def prices(outcome):
        return {(b.key, b.strategy, b.side): b.price for b in outcome.binding}

    assert prices(direct).keys() == prices(model).keys()
    # The direct road's are exact, the model's are the solver's duals.
    assert prices(model) == pytest.approx(prices(direct), rel=1e-4)
    assert {key for key, _, _ in prices(direct)} >= {"turnover_max", "weight_min"}


def test_a_shape_is_compiled_once_and_its_parameters_filled_anew():
    model.compiled.cache_clear()
    first = solve(plain(np.diag([0.01, 0.04])), "modelled")
    again = solve(plain(np.diag([0.04, 0.01])), "modelled")
    assert model.compiled.cache_info().misses == 1
    assert first.weights.tolist() == pytest.approx([0.8, 0.2], abs=1e-6)
    assert again.weights.tolist() == pytest.approx([0.2, 0.8], abs=1e-6)
    assert not first.exact
    assert first.solver == "cvxpy/clarabel"


def test_what_was_solved_before_does_not_change_the_answer():
    problem = plain(*reversed(moments(np.random.default_rng(1), 5)))
    before = solve(problem, "modelled")
    solve(plain(*reversed(moments(np.random.default_rng(2), 5))), "modelled")
    after = solve(problem, "modelled")
    assert before.weights.tobytes() == after.weights.tobytes()


def test_a_solver_error_is_a_value(monkeypatch):
    def run(_problem, _tolerance, _solver):
        message = "numerical trouble"
        raise cp.SolverError(message)

    monkeypatch.setattr(modelled, "_run", run)
    outcome = solve(plain(np.eye(2)), "modelled")
    assert outcome == Failed(
        reason="cvxpy/clarabel at 1e-13: numerical trouble; "
        "cvxpy/clarabel at 1e-10: numerical trouble; "
        "cvxpy/scs at 1e-10: numerical trouble"
    )


def test_an_inaccurate_solution_is_not_a_solution(monkeypatch):
    compiled = model.compiled(model.Shape(names=2))
    almost = SimpleNamespace(status="optimal_inaccurate", solve=lambda **_options: None)
    monkeypatch.setattr(modelled, "compiled", lambda _shape: replace(compiled, problem=almost))
    outcome = solve(plain(np.eye(2)), "modelled")
    assert isinstance(outcome, Failed)
    assert outcome.reason.endswith("optimal_inaccurate")


def test_weights_that_do_not_verify_are_not_handed_out(monkeypatch):
    monkeypatch.setattr(modelled, "_value", lambda variable: np.full(variable.shape, 0.9))
    outcome = solve(plain(np.eye(2)), "modelled")
    assert isinstance(outcome, Failed)
    assert "budget" in outcome.reason


@pytest.mark.parametrize("size", [1e-6, 1e6])
def test_numbers_of_another_size_solved_before_do_not_change_the_answer(size):
    rng = np.random.default_rng(4)
    problem = replace(
        plain(*reversed(moments(rng, 5))),
        objective="max_diversification",
        weight_max=np.full(5, 0.3),
    )
    skewed = np.diag(size ** (np.arange(5) / 4.0))
    other = replace(problem, cov_annual=skewed @ problem.cov_annual @ skewed)
    model.compiled.cache_clear()
    before = solve(problem)
    model.compiled.cache_clear()
    solve(other)
    after = solve(problem)
    assert before.weights.tobytes() == after.weights.tobytes()
