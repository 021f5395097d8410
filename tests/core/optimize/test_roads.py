import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from streams.core.optimize import Failed, GroupLimit, Solved, solve
from tests.core.optimize.problems import linear_gap, moments, plain, problems, random_problem


@settings(max_examples=2 * settings.default.max_examples)
@given(problems())
def test_no_step_inside_the_limits_improves_a_solution(problem):
    outcome = solve(problem)
    assert not isinstance(outcome, Failed)
    assume(isinstance(outcome, Solved) and problem.objective in {"mean_variance", "min_variance"})
    slope = 2.0 * problem.cov_annual @ outcome.weights
    if problem.objective == "mean_variance":
        slope = 0.5 * problem.risk_aversion * slope - problem.mean_annual
    # linprog meets each limit to 1e-10; what that is worth is the size of the slope.
    assert linear_gap(problem, outcome.weights, slope) <= 1e-8 * float(np.abs(slope).max()) + 1e-14


@settings(max_examples=2 * settings.default.max_examples)
@given(problems())
def test_the_same_problem_gives_the_same_bits(problem):
    first, second = solve(problem), solve(problem)
    assert type(first) is type(second)
    if isinstance(first, Solved):
        assert first.weights.tobytes() == second.weights.tobytes()
        assert replace(first, weights=second.weights) == second or (
            first.cash == second.cash
            and first.objective_value == second.objective_value
            and first.binding == second.binding
        )


@pytest.mark.parametrize("count", [200, pytest.param(5000, marks=pytest.mark.slow)])
def test_problems_of_every_kind_have_an_exact_answer_or_none(count):
    solved = 0
    for seed in range(count):
        problem = random_problem(np.random.default_rng([77, seed]))
        outcome = solve(problem)
        assert not isinstance(outcome, Failed), seed
        if isinstance(outcome, Solved):
            solved += 1
            assert outcome.exact, seed
            assert outcome.objective_value == problem.objective_value(outcome.weights)
    assert solved >= 0.3 * count


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_strategies_only_permutes(seed):
    rng = np.random.default_rng(seed)
    names = int(rng.integers(2, 9))
    mean, cov = moments(rng, names, spread=False)  # full rank: the optimum is unique
    members = rng.random(names) < 0.5
    problem = plain(
        cov,
        mean,
        objective=str(rng.choice(["mean_variance", "min_variance", "equal"])),
        weight_max=np.maximum(rng.random(names), 1.2 / names),
        held=rng.dirichlet(np.ones(names)),
        held_cash=0.0,
        turnover_max=float(rng.choice([0.3, 0.8])),
        cash_max=0.5,
        groups=(GroupLimit(key="families.a", members=members, minimum=0.0, maximum=0.7),),
    )
    order = rng.permutation(names)
    shuffled = replace(
        problem,
        strategies=tuple(problem.strategies[index] for index in order),
        mean_annual=mean[order],
        cov_annual=cov[np.ix_(order, order)],
        weight_max=problem.weight_max[order],
        held=problem.held[order],
        groups=(replace(problem.groups[0], members=members[order]),),
    )
    one, other = solve(problem), solve(shuffled)
    assert type(one) is type(other)
    if isinstance(one, Solved):
        # Both are exact; Σ's condition number is below 1e4.
        assert np.allclose(one.weights[order], other.weights, rtol=0, atol=1e-10)
        assert other.objective_value == pytest.approx(one.objective_value, rel=1e-12)
        assert {b.strategy for b in one.binding} == {b.strategy for b in other.binding}


def test_auto_takes_the_direct_road():
    problem = plain(*reversed(moments(np.random.default_rng(1), 5)))
    assert solve(problem).weights.tobytes() == solve(problem, "direct").weights.tobytes()
    assert solve(problem).solver == "piqp"


def test_importing_the_optimizer_loads_no_modelling_language():
    code = (
        "import sys, streams.core.optimize\n"
        "print(sorted({'cvxpy', 'scipy', 'highspy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
