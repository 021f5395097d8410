"""Programs solved at once have the optimum that each has by itself."""

from dataclasses import replace

import numpy as np
import pytest

from streams.core.optimize import Solved, solve, verify
from streams.core.optimize.batch import Batch, optima
from streams.core.optimize.direct import rough_optimum
from streams.core.optimize.quadratic import curvature_of, quadratic_of, scale_of, slope_of
from tests.core.optimize.problems import moments, random_problem

DRAWS = 12


def neighbours(rng, problem):
    """The same limits under estimates that differ by a tenth or so."""
    made = []
    for _ in range(DRAWS):
        jolt = rng.standard_normal((len(problem.strategies), 40)) / np.sqrt(40)
        root = np.linalg.cholesky(problem.cov_annual + 1e-9 * np.eye(len(jolt)))
        cov = root @ (np.eye(len(jolt)) * 0.9 + 0.1 * jolt @ jolt.T) @ root.T
        mean = problem.mean_annual * rng.uniform(0.9, 1.1, len(jolt))
        made.append(replace(problem, mean_annual=mean, cov_annual=(cov + cov.T) / 2.0))
    return made


def batch_of(problem, drawn, fees=0.0):
    names, scale = len(problem.strategies), scale_of(problem)
    hessians = np.zeros((len(drawn), names + 1, names + 1))
    hessians[:, :-1, :-1] = [curvature_of(each) / scale for each in drawn]
    gradients = np.zeros((len(drawn), names + 1))
    gradients[:, :-1] = [slope_of(each) / scale for each in drawn]
    return Batch(
        limits=quadratic_of(problem)[0],
        hessians=hessians,
        gradients=gradients,
        fees=np.append(np.full(names, fees), 0.0),
    )


def test_every_settled_program_is_solved_and_most_settle():
    rng = np.random.default_rng(11)
    settled = asked = 0
    for _ in range(150):
        objective = str(rng.choice(["min_variance", "mean_variance"]))
        problem = random_problem(rng, objective=objective)
        near = solve(problem)
        if not isinstance(near, Solved):
            continue
        drawn = neighbours(rng, problem)
        batch = batch_of(problem, drawn)
        legs, ready = optima(batch, np.append(near.weights, near.cash))
        asked, settled = asked + len(drawn), settled + int(ready.sum())
        for row in np.flatnonzero(ready):
            each, found = drawn[row], legs[row]
            assert verify(each, found[:-1], found[-1], 1e-8) == ()
            best = solve(each).objective_value
            # 1e-9 of a derivative is left, on an objective scaled to size 1
            assert each.objective_value(found[:-1]) == pytest.approx(
                best, abs=1e-7 * scale_of(each)
            )
        assert np.isnan(legs[~ready]).all()
    assert asked > 500
    # the rest, mostly corners where more limits meet than legs are free, is solved singly
    assert settled > 0.5 * asked


def test_a_program_by_itself_agrees():
    rng = np.random.default_rng(3)
    problem = random_problem(rng, 6, objective="min_variance", groups=(), turnover_max=None)
    drawn = neighbours(rng, problem)
    batch = batch_of(problem, drawn)
    for row, each in enumerate(drawn):
        legs = rough_optimum(batch.one(row))
        best = solve(each)
        assert legs is not None
        np.testing.assert_allclose(legs[:-1], best.weights, atol=1e-5)


def test_fees_keep_what_is_held_where_moving_it_gains_less():
    rng = np.random.default_rng(5)
    _, cov = moments(rng, 4, 200, spread=False)
    held = np.full(4, 0.25)
    base = random_problem(
        rng,
        4,
        objective="min_variance",
        cov_annual=cov,
        mean_annual=np.zeros(4),
        held=held,
        held_cash=0.0,
        held_elsewhere=0.0,
        weight_min=np.zeros(4),
        weight_max=np.ones(4),
        groups=(),
        cash_min=0.0,
        cash_max=0.0,
        turnover_max=None,
        long_only=True,
    )
    drawn, near = neighbours(rng, base), np.append(held, 0.0)
    free, _ = optima(batch_of(base, drawn), near)
    dear, ready = optima(batch_of(base, drawn, fees=10.0), near)
    assert ready.all()
    assert (dear == near).all()
    batch = batch_of(base, drawn, fees=0.02)
    some, ready = optima(batch, free[0])
    assert ready.sum() > DRAWS / 2
    assert (some[ready] != near).any()
    for row in np.flatnonzero(ready):

        def charged(legs, row=row):
            value = 0.5 * legs @ batch.hessians[row] @ legs + batch.gradients[row] @ legs
            return value + batch.fees @ np.abs(legs - near)

        assert charged(some[row]) <= min(charged(free[row]), charged(near))
        for _ in range(50):  # and no small step within the limits is better
            step = rng.standard_normal(4) * 1e-3
            other = np.append(np.clip(some[row][:4] + step - step.mean(), 0.0, 1.0), 0.0)
            assert charged(some[row]) <= charged(other / other.sum()) + 1e-12
