import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streams.core.optimize.quadratic import quadratic_of, reduce
from streams.core.optimize.standard import (
    TOLERANCES,
    always_bought,
    kinked_legs,
    solve_clarabel,
    solve_piqp,
    standard_of,
)
from tests.core.optimize.problems import feasible, plain, problems


def inner_of(problem):
    reduction = reduce(quadratic_of(problem)[0])
    assume(reduction.free.any())
    return reduction.inner


@given(problems(), st.integers(0, 2**32 - 1))
def test_the_standard_form_means_the_same(problem, seed):
    inner = inner_of(problem)
    standard = standard_of(inner)
    z = np.random.default_rng(seed).random(len(standard.q))
    if len(standard.kinked):
        # A leg that is bought is not sold.
        z[len(inner.gradient) :] = 0.0
    legs = standard.legs_of(z, inner.held)

    def value(p, q, x):
        return 0.5 * x @ p @ x + q @ x

    zero = np.zeros(len(z))
    origin = standard.legs_of(zero, inner.held)
    change = value(standard.p, standard.q, z)
    expected = value(inner.hessian, inner.gradient, legs) - value(
        inner.hessian, inner.gradient, origin
    )
    size = float(np.abs(inner.hessian).max() + np.abs(inner.gradient).max() + 1.0)
    assert change == pytest.approx(expected, abs=1e-12 * size)
    assert standard.a @ z - standard.b == pytest.approx(
        inner.rows[standard.equal] @ legs - inner.row_upper[standard.equal], abs=1e-13
    )
    if inner.buys_max is not None:
        counted = always_bought(inner) | kinked_legs(inner)
        bought = float((legs - inner.held)[counted].sum())
        assert standard.g[-1] @ z - standard.d[-1] == pytest.approx(
            bought - inner.buys_max, abs=1e-13
        )


@given(problems())
def test_both_solvers_give_the_same_value_and_multipliers_that_balance(problem):
    assume(feasible(problem))
    inner = inner_of(problem)
    standard = standard_of(inner)
    answers = [solver(standard, TOLERANCES[-1]) for solver in (solve_piqp, solve_clarabel)]
    assume(all(answer.solved for answer in answers))
    size = float(np.abs(standard.p).max() + np.abs(standard.q).max() + 1.0)
    for answer in answers:
        balance = standard.p @ answer.z + standard.q + answer.bound_prices
        balance += answer.equal_prices @ standard.a + answer.ranged_prices @ standard.g
        # Asked for 1e-9 relative to the terms.
        assert np.abs(balance).max() <= 1e-7 * size
    values = [0.5 * a.z @ standard.p @ a.z + standard.q @ a.z for a in answers]
    assert values[0] == pytest.approx(values[1], abs=1e-7 * size)


@pytest.mark.parametrize("solver", [solve_piqp, solve_clarabel])
def test_a_solver_says_so_when_there_is_no_solution(solver):
    problem = plain(np.eye(3), weight_max=np.full(3, 0.25))
    answer = solver(standard_of(reduce(quadratic_of(problem)[0]).inner), 1e-9)
    assert not answer.solved
    assert "infeasible" in answer.status.lower()
