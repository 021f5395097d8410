"""What a model refuses: terms that are not convex in their sense, and caps it cannot carry."""

from dataclasses import replace
from itertools import combinations

import cvxpy as cp
import numpy as np
import pytest

from streams.core.errors import DataError
from streams.core.optimize import Failed, Infeasible, Solved, solve
from streams.core.optimize.custom import Found, Model
from streams.core.optimize.registry import register
from streams.core.optimize.terms import Caps
from streams.core.optimize.whole import GAP_MAX
from tests.core.optimize.test_multi import NAMES, income, moved, problem, risk, spread, tail, term


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (risk(sense="maximise"), "'risk' is convex; to maximise it must be concave"),
        (tail(sense="maximise"), "'tail' is convex"),
        (spread(weight=None, bound=0.1, sense="ge"), "to ge it must be concave"),
        (moved(weight=None, bound=0.1, sense="ge"), "'moved' is convex"),
    ],
)
def test_a_term_that_is_not_convex_in_its_sense_is_refused_by_name(refused, words):
    with pytest.raises(DataError, match=words):
        Model(problem(), (income(), refused))
    assert words in solve(problem(income(), refused)).reason


class Root:
    """The root of a weight: concave, so that it can only be maximised."""

    def expression(self, weights, _):
        return cp.sqrt(weights[0])

    def value(self, weights, _):
        return float(np.sqrt(max(weights[0], 0.0)))


def test_a_registered_class_is_a_term_like_others():
    register("root", Root())
    rooted = term("rooted", "python", python="root", weight=1.0, sense="maximise")
    asked = problem(rooted, term("first", "linear", loadings=np.eye(NAMES)[0], weight=2.0))
    found = solve(asked)
    # d/dx of √x − 2x is 0 at 1/16
    assert found.weights[0] == pytest.approx(1 / 16, abs=1e-6)
    assert found.objective_value == pytest.approx(-1 / 8, abs=1e-8)
    with pytest.raises(DataError, match="'rooted' is concave; to minimise it must be convex"):
        Model(asked, (replace(rooted, sense="minimise"),))


def test_a_name_that_is_not_registered_is_told():
    missing = term("m", "python", python="rooot", weight=1.0)
    register("root", Root())
    outcome = solve(problem(missing))
    assert isinstance(outcome, Failed)
    assert "'rooot' is not registered in this process; did you mean 'root'?" in outcome.reason


WEIGHTED = (income(weight=1.0, sense="maximise"), risk(weight=2.0))


HALF = np.where(np.arange(NAMES) % 2 == 0, 0.6, 0.0)  # six strategies, so that the search is short


def test_positions_are_counted_to_the_best_choice_of_them():
    asked = problem(*WEIGHTED, weight_max=HALF)
    found = solve(replace(asked, caps=Caps(cardinality_max=2)))
    best = np.inf
    for chosen in combinations(range(0, NAMES, 2), 2):
        high = np.zeros(NAMES)
        high[list(chosen)] = 0.6
        outcome = solve(replace(asked, weight_max=high))
        if isinstance(outcome, Solved):
            best = min(best, outcome.objective_value)
    assert (found.weights > 1e-9).sum() == 2
    assert found.gap <= GAP_MAX
    assert found.objective_value == pytest.approx(best, rel=1e-6)


def test_aims_in_order_take_the_largest_positions_and_claim_no_gap():
    terms = (income(weight=1.0, sense="maximise", give_up=0.3), risk(weight=1.0))
    asked = problem(*terms, combine="lexicographic", weight_max=0.75 * HALF)
    found = solve(replace(asked, caps=Caps(cardinality_max=2, position_min=0.1)))
    assert (found.weights > 1e-9).sum() == 2
    assert found.gap == np.inf


def test_contributions_to_risk_are_capped():
    asked = problem(*WEIGHTED)
    free = solve(asked)
    share = free.weights * (asked.cov_annual @ free.weights)
    share /= share.sum()
    limit = 0.9 * float(share.max())
    found = solve(replace(asked, caps=Caps(risk_contribution_max=limit)))
    capped = found.weights * (asked.cov_annual @ found.weights)
    assert (capped / capped.sum()).max() == pytest.approx(limit, abs=1e-5)
    assert found.objective_value > free.objective_value


def test_bounds_of_terms_that_conflict_are_named_beside_counted_positions():
    high = float(problem().mean_annual.max()) + 0.01
    bounded = income(weight=None, bound=high, sense="ge")
    outcome = solve(problem(risk(weight=1.0), bounded, caps=Caps(cardinality_max=3)))
    assert outcome == Infeasible(violated=("objective.terms",))


@pytest.mark.parametrize(
    "caps",
    [
        Caps(volatility_max=0.1),
        Caps(cvar_max=0.0125),
        Caps(diversification_ratio_min=1.9),
        Caps(leverage_max=0.95),
    ],
)
def test_convex_caps_bind_and_are_kept(caps):
    free = solve(problem(income()))
    capped = solve(problem(income(), caps=caps))
    assert capped.objective_value > free.objective_value
    (key,) = caps.given(Caps.CONIC)
    assert key in {limit.key for limit in capped.binding}


def test_a_model_is_solved_again_for_another_mix():
    terms = (income(), risk())
    model = Model(problem(*terms), terms)
    once = model.minimise(model.minimised(terms[1]))
    other = model.minimise(model.minimised(terms[0]))
    again = model.minimise(model.minimised(terms[1]))
    assert isinstance(other, Found)
    assert once.weights.tobytes() == again.weights.tobytes()
    assert not np.allclose(once.weights, other.weights)


def test_the_price_of_a_bound_is_in_the_unit_of_its_attribute():
    room = np.random.default_rng(2).uniform(40, 900, NAMES)

    def price(unit):
        held = term("room", "linear", loadings=room * unit, sense="ge", bound=600.0 * unit)
        found = solve(problem(income(), held))
        return {limit.key: limit.price for limit in found.binding}["room"]

    # one dollar of a million costs a millionth of it
    assert price(1e6) * 1e6 == pytest.approx(price(1.0), rel=1e-5)
