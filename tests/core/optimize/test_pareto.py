"""The Pareto front against bounds written out for a second solver, and by its definitions."""

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest

from streams.core.errors import DataError
from streams.core.optimize import Caps, Infeasible, solve, verify
from streams.core.optimize.pareto import knee_of, pareto
from streams.core.optimize.vocabulary import Custom, term_value
from tests.core.optimize.test_multi import (
    NAMES,
    cvar_by_hand,
    income,
    problem,
    risk,
    spread,
    tail,
    term,
    written_out,
)

POINTS = 9
# What a bound at a term's best value leaves the solver, as a share of the range.
ROOM = 1e-7


@pytest.fixture(scope="module")
def front():
    return pareto(problem(), (income(), tail()), POINTS)


def minimised(front, *senses):
    return front.values * senses


def test_points_are_bounded_problems_written_out(front):
    """Sought: the return; bounded: the tail, on an even grid between its best and its worst."""
    asked = problem()
    best, worst = front.scale.utopia[1], front.scale.nadir[1]
    bounds = np.linspace(best, worst, POINTS)
    assert len(front.values) == POINTS
    for (earned, _), bound in list(zip(front.values, bounds[::-1], strict=True))[1:-1:2]:
        oracle = written_out(
            asked,
            lambda weights, _: -asked.mean_annual @ weights,
            lambda weights, cash, bound=bound: cvar_by_hand(weights, cash) <= bound,
        )
        # SCS stops at 1e-9 of numbers of size one, on a bound of a hundredth: the front is steep
        assert earned == pytest.approx(-oracle, rel=1e-4)


def test_the_ends_are_the_best_of_each_term_alone(front):
    asked = problem()
    most = written_out(asked, lambda weights, _: -asked.mean_annual @ weights)
    least = written_out(asked, cvar_by_hand)
    # both solvers' tolerances: 1e-9 of numbers of size one, on values of a hundredth and a tenth
    assert front.scale.utopia == pytest.approx([most, least], rel=1e-5)
    ends = minimised(front, -1.0, 1.0)[[0, -1], [0, 1]]
    assert ends == pytest.approx(front.scale.utopia, abs=2 * ROOM * front.scale.range.max())
    worst = minimised(front, -1.0, 1.0)[[-1, 0], [0, 1]]
    assert worst == pytest.approx(front.scale.nadir, abs=1e-5 * front.scale.range.max())


def test_a_front_is_undominated_convex_verified_and_sorted(front):
    asked, values = problem(), minimised(front, -1.0, 1.0)
    assert (np.diff(values[:, 0]) > 0).all()
    assert (np.diff(values[:, 1]) < 0).all()
    # convex terms make a convex front: each point lies below the chord of its neighbours
    for before, here, after in zip(values, values[1:], values[2:], strict=False):
        share = (here[0] - before[0]) / (after[0] - before[0])
        assert here[1] <= before[1] + share * (after[1] - before[1]) + 1e-7
    for weights in front.weights:
        assert verify(asked, weights, 1.0 - float(weights.sum())) == ()
    assert front.unsolved == ()


def test_no_mix_of_many_beats_a_point_in_both_terms(front):
    asked, values = problem(), minimised(front, -1.0, 1.0)
    drawn = np.random.default_rng(5).dirichlet(np.full(NAMES, 0.3), size=4000)
    kept = [w for w in drawn if verify(asked, w, 0.0) == ()]
    assert len(kept) > 100
    for weights in kept:
        mix = np.array([-term_value(income(), asked, weights), term_value(tail(), asked, weights)])
        assert not (mix < values - 1e-9).all(axis=1).any()


def test_the_knee_is_the_farthest_from_the_chord_of_the_normalised_front(front):
    values = (minimised(front, -1.0, 1.0) - front.scale.utopia) / (
        front.scale.nadir - front.scale.utopia
    )
    # the chord runs from (0, 1) to (1, 0): x + y = 1
    distance = (1.0 - values.sum(axis=1)) / np.sqrt(2.0)
    assert front.knee == int(np.argmax(distance))
    assert 0 < front.knee < len(values) - 1


def test_of_many_mixes_that_are_best_for_one_term_the_front_ends_at_the_best_for_the_other():
    """Every mix with 60 % in the family is best for it: the calmest of them is the end."""
    asked = problem()
    trend = term("a", "linear", loadings=(np.arange(NAMES) < 6) * 1.0, sense="maximise")
    front = pareto(asked, (trend, risk()), 5)
    calmest = written_out(
        asked,
        lambda weights, _: cp.quad_form(weights, cp.psd_wrap(asked.cov_annual)),
        lambda weights, _: cp.sum(weights[:6]) >= 0.6 - 1e-9,
    )
    # the end gives up a ten-millionth of the range of the first term
    assert front.scale.nadir[1] == pytest.approx(calmest, rel=1e-5)
    assert front.values[0] == pytest.approx([0.6, calmest], rel=1e-5)


def test_bounded_terms_and_whole_numbers_hold_at_every_point():
    slow = term("slow", "linear", loadings=np.eye(NAMES)[11], bound=0.05, sense="ge")
    asked = problem(income(), slow, caps=Caps(cardinality_max=8))
    front = pareto(asked, (income(), risk()), 3)
    free = pareto(problem(income(), slow), (income(), risk()), 3)
    assert len(front.values) > 1
    for weights in front.weights:
        assert weights[11] >= 0.05 - 1e-7
        assert (weights > 1e-9).sum() <= 8
    # fewer positions are never better
    assert (front.scale.utopia >= free.scale.utopia - 1e-8).all()


def test_limits_and_terms_that_cannot_be_met_are_told():
    tight = replace(problem(), weight_max=np.full(NAMES, 0.05))
    assert pareto(tight, (income(), tail()), 3) == Infeasible(violated=("weight_max",))
    nowhere = problem(income(), risk(weight=None, bound=1e-6, sense="le"))
    assert pareto(nowhere, (income(), tail()), 3) == Infeasible(violated=("objective.terms",))
    foreign = term("x", "python", python="elsewhere")
    with pytest.raises(DataError, match="'elsewhere' is not registered"):
        pareto(problem(), (income(), foreign), 3)


def test_the_unit_of_an_attribute_does_not_change_the_points():
    room = np.random.default_rng(2).uniform(40, 900, NAMES)
    fronts = [
        pareto(
            problem(), (tail(), term("room", "linear", loadings=room * unit, sense="maximise")), 4
        )
        for unit in (1.0, 1e6)
    ]
    # in millions and in ones: what the solver leaves differs
    assert fronts[1].weights == pytest.approx(fronts[0].weights, abs=1e-5)
    assert fronts[1].unsolved == ()


def test_terms_that_do_not_compete_make_one_point():
    again = replace(income(), name="again")
    front = pareto(problem(), (income(), again), 3)
    assert len(front.values) == 1
    assert front.knee is None
    assert front.weights[0] == pytest.approx(
        solve(replace(problem(), custom=Custom(terms=(income(),)))).weights, abs=1e-5
    )


def test_three_terms_make_a_surface_without_dominated_points():
    terms = (income(), tail(), spread())
    front = pareto(problem(*terms), terms, 4)
    values = front.scale.normalised(minimised(front, -1.0, 1.0, 1.0))
    assert len(values) > 4
    for point in values:
        better = (values <= point + 1e-6).all(axis=1) & (values < point - 1e-6).any(axis=1)
        assert not better.any()


def test_the_knee_is_the_point_farthest_from_the_chord():
    x = np.linspace(0.0, 1.0, 101)
    assert knee_of(np.column_stack([x, (1 - np.sqrt(x)) ** 2])) == 25  # 45° where x = 1/4
    assert knee_of(np.array([[0.3, 0.7]])) == 0
