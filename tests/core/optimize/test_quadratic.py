from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streams.core.optimize.quadratic import buys_max_of, pull_of, quadratic_of, reduce, scale_of
from tests.core.optimize.problems import plain, problems


@given(problems(), st.integers(0, 2**32 - 1))
def test_the_bound_on_buys_says_the_same_as_turnover(problem, seed):
    assume(problem.turnover_max is not None)
    legs = np.random.default_rng(seed).dirichlet(np.ones(len(problem.strategies) + 1))
    quadratic, _ = quadratic_of(problem)
    moved = np.abs(legs - quadratic.held).sum() + problem.held_elsewhere
    over = 0.5 * float(moved) - problem.turnover_max
    assert quadratic.buys(legs) - buys_max_of(problem) == pytest.approx(over, abs=1e-14)


@given(problems(), st.integers(0, 2**32 - 1))
def test_the_canonical_objective_is_the_scaled_objective(problem, seed):
    assume(problem.objective in {"mean_variance", "min_variance"})
    weights = np.random.default_rng(seed).normal(size=len(problem.strategies))
    quadratic, unit = quadratic_of(problem)
    legs = np.append(weights, 0.4)
    value = 0.5 * legs @ quadratic.hessian @ legs + quadratic.gradient @ legs
    sign = -1.0 if problem.objective == "mean_variance" else 1.0
    size = float(np.abs(problem.cov_annual).sum() * (1 + problem.risk_aversion)) + float(
        np.abs(problem.mean_annual).sum()
    )
    assert sign * unit * value == pytest.approx(
        problem.objective_value(weights), abs=1e-13 * size * max(1.0, weights @ weights)
    )


@given(problems(), st.integers(0, 2**32 - 1))
def test_reduction_keeps_the_objective_up_to_a_constant(problem, seed):
    outer, _ = quadratic_of(problem)
    reduction = reduce(outer)
    assume(reduction.free.any())
    rng = np.random.default_rng(seed)
    count = int(reduction.free.sum())

    def both(inner_legs):
        legs = reduction.fixed.copy()
        legs[reduction.free] = inner_legs
        inner = reduction.inner
        small = 0.5 * inner_legs @ inner.hessian @ inner_legs + inner.gradient @ inner_legs
        return small, 0.5 * legs @ outer.hessian @ legs + outer.gradient @ legs

    (small_a, large_a), (small_b, large_b) = both(rng.random(count)), both(rng.random(count))
    size = float(np.abs(outer.hessian).max() + np.abs(outer.gradient).max() + 1.0)
    assert small_a - small_b == pytest.approx(large_a - large_b, abs=1e-12 * size)


def test_legs_without_room_are_taken_out():
    fixed = np.array([0.2, 0.0, 0.0])
    problem = plain(np.eye(3), weight_min=fixed, weight_max=np.array([0.2, 1.0, 1.0]))
    reduction = reduce(quadratic_of(problem)[0])
    assert reduction.free.tolist() == [False, True, True, False]
    assert reduction.inner.row_upper[0] == pytest.approx(0.8, abs=1e-15)
    assert reduction.reference == ""


@pytest.mark.parametrize(
    ("changes", "reference", "values"),
    [
        ({"weight_max": np.array([0.5, 0.3, 0.2])}, "upper", [0.5, 0.3, 0.2, 0.0]),
        ({"weight_min": np.array([0.5, 0.3, 0.2])}, "lower", [0.5, 0.3, 0.2, 0.0]),
    ],
)
def test_a_budget_that_only_the_bounds_can_meet_fixes_every_leg(changes, reference, values):
    reduction = reduce(quadratic_of(plain(np.eye(3), **changes))[0])
    assert reduction.reference == reference
    assert not reduction.free.any()
    assert reduction.fixed.tolist() == values


def test_used_up_turnover_bars_every_buy():
    held = np.array([0.5, 0.3, 0.2])
    problem = plain(np.eye(3), held=held, held_cash=0.0, turnover_max=0.0)
    reduction = reduce(quadratic_of(problem)[0])
    assert reduction.sold_only.tolist() == [True, True, True, False]
    assert reduction.fixed.tolist() == [0.5, 0.3, 0.2, 0.0]


def test_nothing_is_copied_where_every_leg_has_room():
    outer, _ = quadratic_of(plain(np.eye(3), cash_max=0.5))
    assert reduce(outer).inner.hessian is outer.hessian


def test_the_scale_is_set_by_the_calm_strategies():
    assert scale_of(plain(np.diag([1e-4, 1.0]))) == pytest.approx(2e-4, rel=1e-3)
    assert scale_of(plain(np.zeros((2, 2)))) == 1.0
    assert scale_of(plain(np.diag([1e-4, 1e-4]), [0.3, -0.5])) == 0.5
    # A flat strategy counts as one of a millionth of the largest variance.
    assert scale_of(plain(np.diag([0.0, 1.0]))) == pytest.approx(2e-6, rel=1e-5)


@pytest.mark.parametrize(
    ("leg", "expected"),
    [(0.5, 0.0), (0.6, 0.3), (0.4, -0.2)],  # at held: the kink absorbs; bought; sold
)
def test_at_the_held_weight_the_pull_is_the_one_nearest_to_none(leg, expected):
    quadratic, _ = quadratic_of(plain(np.zeros((1, 1)), held=np.array([0.5]), held_cash=0.5))
    flat = replace(quadratic, gradient=np.array([-0.2, 0.0]))
    pull = pull_of(flat, np.array([leg, 1.0 - leg]), np.zeros(1), 0.5)
    assert pull[0] == pytest.approx(expected, abs=1e-15)
