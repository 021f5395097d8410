from dataclasses import replace
from itertools import product

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import minimize

from streams.core.optimize import Failed, GroupLimit, Solved, direct, solve, verify
from tests.core.optimize.problems import moments, plain, random_problem


def test_two_assets_minimum_variance_has_its_closed_form():
    cov = np.array([[0.04, 0.006], [0.006, 0.09]])
    first = (0.09 - 0.006) / (0.04 + 0.09 - 2 * 0.006)
    outcome = solve(plain(cov))
    assert outcome.exact
    assert outcome.weights.tolist() == pytest.approx([first, 1 - first], rel=1e-14)
    assert outcome.objective_value == pytest.approx(
        (0.04 * 0.09 - 0.006**2) / (0.04 + 0.09 - 2 * 0.006), rel=1e-14
    )


@pytest.mark.parametrize("names", [2, 10, 60])
def test_mean_variance_without_binding_bounds_has_its_closed_form(names):
    mean, cov = moments(np.random.default_rng(names), names)
    aversion = 40.0
    inverse = np.linalg.inv(cov)
    ones = np.ones(names)
    level = (ones @ inverse @ mean - aversion) / (ones @ inverse @ ones)
    expected = inverse @ (mean - level) / aversion
    wide = 10.0 * float(np.abs(expected).max())
    outcome = solve(
        plain(
            cov,
            mean,
            risk_aversion=aversion,
            weight_min=np.full(names, -wide),
            weight_max=np.full(names, wide),
            long_only=False,
        )
    )
    assert outcome.exact
    assert [b.key for b in outcome.binding] == ["cash"]  # the budget itself: cash must be 0
    # The condition number of Σ is up to 1e7 here, so that the oracle's own inverse has 9 digits.
    assert np.allclose(outcome.weights, expected, rtol=0, atol=1e-8 * wide)


@pytest.mark.parametrize("objective", ["mean_variance", "min_variance", "equal"])
@pytest.mark.parametrize("turnover_max", [None, 0.2])
def test_no_point_of_a_fine_grid_is_better(objective, turnover_max):
    mean, cov = moments(np.random.default_rng(7), 3, spread=False)
    problem = plain(
        cov,
        mean,
        objective=objective,
        weight_max=np.array([0.5, 0.6, 0.7]),
        groups=(
            GroupLimit(
                key="families.a",
                members=np.array([True, True, False]),
                minimum=0.2,
                maximum=0.75,
            ),
        ),
        cash_max=0.1,
        held=np.array([0.1, 0.2, 0.6]),
        held_cash=0.1,
        turnover_max=turnover_max,
    )
    outcome = solve(problem)
    step = 0.02
    ticks = np.arange(0, 51) * step
    points = [np.array([a, b, c]) for a, b, c in product(ticks, ticks, ticks) if a + b + c < 1.001]
    inside = [w for w in points if not verify(problem, w, 1.0 - float(w.sum()))]
    assert len(inside) > 50

    def cost(weights):
        if objective == "equal":
            return 0.5 * float(((weights - 1 / 3) ** 2).sum())
        sign = -1.0 if objective == "mean_variance" else 1.0
        return sign * problem.objective_value(weights)

    best = min(cost(w) for w in inside)
    assert cost(outcome.weights) <= best + 1e-12  # a sum of a few terms of size 1
    # And the grid comes near: every coordinate is within a step of some grid point.
    slope = float(np.abs(cov).sum() + np.abs(mean).sum() + 1.0)
    assert best - cost(outcome.weights) <= 3 * step * slope


@pytest.mark.parametrize("seed", range(6))
def test_scipy_from_several_starts_finds_nothing_better(seed):
    rng = np.random.default_rng(seed)
    mean, cov = moments(rng, 5, spread=False)
    held = rng.dirichlet(np.ones(5))
    problem = plain(
        cov,
        mean,
        held=held,
        held_cash=0.0,
        turnover_max=0.3,
        weight_max=np.full(5, 0.6),
        groups=(
            GroupLimit(
                key="families.a",
                members=np.array([True, False, True, False, False]),
                minimum=-np.inf,
                maximum=0.5,
            ),
        ),
    )
    outcome = solve(problem)
    assert isinstance(outcome, Solved)

    def utility(trade):  # over (bought, sold): a smooth program
        return -problem.objective_value(held + trade[:5] - trade[5:])

    constraints = [
        {"type": "eq", "fun": lambda t: t[:5].sum() - t[5:].sum()},
        {"type": "ineq", "fun": lambda t: 0.3 - 0.5 * t.sum()},
        {"type": "ineq", "fun": lambda t: 0.6 - (held + t[:5] - t[5:])},
        {"type": "ineq", "fun": lambda t: held + t[:5] - t[5:]},
        {"type": "ineq", "fun": lambda t: 0.5 - (held + t[:5] - t[5:])[[0, 2]].sum()},
    ]
    answers = [
        minimize(
            utility,
            rng.random(10) * 0.1,
            method="SLSQP",
            bounds=[(0, 1)] * 10,
            constraints=constraints,
            options={"ftol": 1e-14, "maxiter": 500},
        )
        for _ in range(4)
    ]
    best = max(-answer.fun for answer in answers if answer.success)
    # SLSQP meets its constraints to about 1e-8.
    assert outcome.objective_value == pytest.approx(best, abs=1e-7)


@pytest.mark.parametrize("names", [10, 40])
def test_the_textbook_model_with_another_solver_agrees(names):
    mean, cov = moments(np.random.default_rng(names), names, spread=False)
    problem = plain(cov, mean, weight_max=np.full(names, 0.3), risk_aversion=5.0)
    weights = cp.Variable(names)
    risk = cp.quad_form(weights, cp.psd_wrap(cov))
    model = cp.Problem(
        cp.Maximize(mean @ weights - 2.5 * risk),
        [cp.sum(weights) == 1, weights >= 0, weights <= 0.3],
    )
    model.solve(solver=cp.OSQP, eps_abs=1e-11, eps_rel=1e-11, max_iter=200_000, polishing=True)
    outcome = solve(problem)
    # OSQP was asked for 1e-11 of primal and dual residual.
    assert outcome.objective_value == pytest.approx(model.value, rel=1e-8)
    assert np.allclose(outcome.weights, weights.value, atol=1e-6)


def test_one_strategy_takes_what_it_may():
    assert solve(plain([[0.04]])).weights.tolist() == [1.0]
    outcome = solve(plain([[0.04]], [0.2], cash_max=1.0, weight_max=np.array([0.7])))
    assert (outcome.weights.tolist(), outcome.cash) == ([0.7], pytest.approx(0.3, abs=1e-15))
    # Utility 0.2 w − ½·5·0.1 w²: w = 0.2 / (5·0.1)
    inside = solve(plain([[0.1]], [0.2], cash_max=1.0, risk_aversion=5.0))
    assert inside.weights.tolist() == pytest.approx([0.4], rel=1e-13)


def test_a_strategy_without_variance_takes_all_of_minimum_variance():
    outcome = solve(plain(np.diag([0.04, 0.0, 0.09])))
    assert outcome.weights.tolist() == pytest.approx([0.0, 1.0, 0.0], abs=1e-9)
    assert outcome.objective_value == pytest.approx(0.0, abs=1e-12)


def test_no_variance_anywhere_still_has_an_answer():
    outcome = solve(plain(np.zeros((3, 3))))
    assert isinstance(outcome, Solved)
    assert outcome.objective_value == 0.0
    best = solve(plain(np.zeros((3, 3)), [0.1, 0.3, 0.2]))
    assert best.weights.tolist() == pytest.approx([0.0, 1.0, 0.0], abs=1e-12)


def test_perfect_twins_share_evenly():
    cov = np.array([[0.04, 0.04, 0.0], [0.04, 0.04, 0.0], [0.0, 0.0, 0.04]])
    outcome = solve(plain(cov))
    assert outcome.objective_value == pytest.approx(0.02, rel=1e-12)
    # Any split of the twins' half is optimal; the interior one comes out.
    assert outcome.weights.tolist() == pytest.approx([0.25, 0.25, 0.5], abs=1e-6)


def test_a_singular_matrix_from_a_short_window_is_solved():
    rng = np.random.default_rng(3)
    mean, cov = moments(rng, 30, bars=10)
    assert np.linalg.matrix_rank(cov) < 30
    for objective in ("min_variance", "mean_variance"):
        outcome = solve(plain(cov, mean, objective=objective, weight_max=np.full(30, 0.2)))
        assert isinstance(outcome, Solved)


def test_without_risk_aversion_the_best_means_fill_up_to_their_bounds():
    outcome = solve(
        plain(
            np.eye(4) * 0.04,
            [0.1, 0.4, 0.3, 0.2],
            risk_aversion=0.0,
            weight_max=np.full(4, 0.4),
        )
    )
    assert outcome.exact
    assert outcome.weights.tolist() == pytest.approx([0.0, 0.4, 0.4, 0.2], abs=1e-15)


def test_no_turnover_allowed_keeps_what_is_held():
    held = np.array([0.5, 0.3, 0.2])
    problem = plain(np.diag([0.09, 0.04, 0.01]), held=held, held_cash=0.0, turnover_max=0.0)
    assert solve(problem).weights.tolist() == pytest.approx(held.tolist(), abs=1e-15)


def test_held_names_outside_the_problem_use_up_turnover():
    cov = np.diag([0.09, 0.01])
    problem = plain(
        cov, held=np.array([0.8, 0.0]), held_cash=0.0, held_elsewhere=0.2, turnover_max=0.3
    )
    # 0.2 of the 0.3 moves what is elsewhere; 0.1 more may leave the first name.
    outcome = solve(problem)
    assert outcome.weights.tolist() == pytest.approx([0.7, 0.3], abs=1e-14)


def test_turnover_counts_cash():
    problem = plain(
        np.diag([0.04, 0.01]), cash_max=1.0, held_cash=1.0, turnover_max=0.25, objective="equal"
    )
    outcome = solve(problem)
    assert outcome.weights.tolist() == pytest.approx([0.125, 0.125], abs=1e-14)
    assert outcome.cash == pytest.approx(0.75, abs=1e-14)


def test_limits_that_leave_one_point_need_no_solver():
    outcome = solve(plain(np.eye(4), [0.1, 0.2, 0.3, 0.4], weight_max=np.full(4, 0.25)))
    assert (outcome.weights.tolist(), outcome.solver) == ([0.25] * 4, "limits")
    fixed = np.array([0.2, 0.3, 0.5, 0.0])
    outcome = solve(plain(np.eye(4), weight_min=fixed, weight_max=fixed))
    assert (outcome.weights.tolist(), outcome.solver) == (fixed.tolist(), "limits")


def test_ten_times_a_tenth_is_a_full_portfolio():
    outcome = solve(plain(np.eye(10), weight_max=np.full(10, 0.1)))
    assert outcome.weights.tolist() == [0.1] * 10


def test_names_that_may_not_be_held_are_exactly_zero():
    weight_max = np.array([0.0, 1.0, 0.0, 1.0])
    _, cov = moments(np.random.default_rng(4), 4)
    outcome = solve(plain(cov, weight_max=weight_max, held=np.array([0.5, 0.5, 0.0, 0.0])))
    assert outcome.weights[[0, 2]].tolist() == [0.0, 0.0]


def test_weights_at_a_bound_are_exactly_the_bound():
    mean, cov = moments(np.random.default_rng(11), 40, spread=False)
    problem = plain(
        cov, mean, weight_min=np.full(40, 0.003), weight_max=np.full(40, 1 / 7), risk_aversion=2.0
    )
    outcome = solve(problem)
    low = outcome.weights < 0.003 + 1e-6
    high = outcome.weights > 1 / 7 - 1e-6
    assert low.sum() > 10
    assert high.sum() > 2
    assert np.all(outcome.weights[low] == 0.003)
    assert np.all(outcome.weights[high] == 1 / 7)


@pytest.mark.parametrize("scale", [1e-12, 1e-4, 1.0, 1e6])
def test_the_unit_of_risk_does_not_change_the_weights(scale):
    mean, cov = moments(np.random.default_rng(5), 12)
    one = solve(plain(cov, mean, weight_max=np.full(12, 0.3)))
    other = solve(plain(cov * scale, mean * scale, weight_max=np.full(12, 0.3)))
    assert np.allclose(one.weights, other.weights, rtol=0, atol=1e-9)
    assert other.objective_value == pytest.approx(one.objective_value * scale, rel=1e-9)


# --- where a solver does not answer --------------------------------------------------------------


def unsolved(standard, tolerance):
    answer = direct.solve_piqp(standard, tolerance)
    return replace(answer, solved=False, status="numerics")


def test_clarabel_answers_where_piqp_does_not(monkeypatch):
    mean, cov = moments(np.random.default_rng(9), 8, spread=False)
    problem = plain(
        cov, mean, held=np.full(8, 0.125), held_cash=0.0, turnover_max=0.2, cash_max=0.2
    )
    expected = solve(problem)
    monkeypatch.setattr(
        direct, "_SOLVERS", (("piqp", unsolved), ("clarabel", direct.solve_clarabel))
    )
    outcome = solve(problem)
    assert (outcome.solver, outcome.exact) == ("clarabel", True)
    # Both are polished to the exact optimum of the same active set.
    assert np.allclose(outcome.weights, expected.weights, rtol=0, atol=1e-12)


def test_a_feasible_problem_no_solver_answers_has_failed_and_is_not_called_infeasible(monkeypatch):
    monkeypatch.setattr(direct, "_SOLVERS", (("piqp", unsolved),))
    outcome = solve(plain(np.diag([0.01, 0.04])))
    assert outcome == Failed(reason="piqp at 1e-11: numerics; piqp at 1e-09: numerics")


def test_a_guess_that_does_not_polish_is_solved_closer(monkeypatch):
    asked = []

    def solver(standard, tolerance):
        asked.append(tolerance)
        return direct.solve_piqp(standard, tolerance)

    problem = plain(*reversed(moments(np.random.default_rng(9), 8, spread=False)))
    monkeypatch.setattr(direct, "_SOLVERS", (("piqp", solver),))
    exact = solve(problem)
    assert exact.exact
    assert asked == [direct.GUESS_TOLERANCE]
    monkeypatch.setattr(direct, "polish", lambda _quadratic, _guess: None)
    rough = solve(problem)
    assert not rough.exact
    assert asked[1:] == [direct.GUESS_TOLERANCE, direct.TOLERANCES[0]]
    # an interior point near the corner
    assert np.allclose(rough.weights, exact.weights, rtol=0, atol=1e-8)


def wrong(standard, tolerance):
    answer = direct.solve_piqp(standard, tolerance)
    return replace(answer, z=answer.z * 3.0)


def test_an_answer_that_does_not_verify_is_not_used(monkeypatch):
    monkeypatch.setattr(direct, "polish", lambda _quadratic, _guess: None)
    monkeypatch.setattr(direct, "_SOLVERS", (("piqp", wrong),))
    outcome = solve(plain(np.diag([0.01, 0.04]), weight_max=np.full(2, 0.9)))
    assert isinstance(outcome, Failed)
    assert "weight" in outcome.reason


@pytest.mark.parametrize("seed", range(40))
def test_without_the_polish_the_answer_still_verifies_and_is_near(seed, monkeypatch):
    problem = random_problem(np.random.default_rng(seed))
    expected = solve(problem)
    monkeypatch.setattr(direct, "polish", lambda _quadratic, _guess: None)
    outcome = solve(problem)
    assert type(outcome) is type(expected)
    if not isinstance(outcome, Solved) or outcome.solver in {"rule", "limits"}:
        return
    assert not outcome.exact
    assert verify(problem, outcome.weights, outcome.cash) == ()
    if problem.objective in {"mean_variance", "min_variance"}:
        # The solver stops at 1e-11 of the problem's scale.
        scale = float(np.abs(problem.cov_annual).max()) + float(np.abs(problem.mean_annual).max())
        assert outcome.objective_value == pytest.approx(
            expected.objective_value, rel=1e-7, abs=1e-9 * scale
        )
