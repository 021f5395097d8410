"""What a model refuses: terms that are not convex in their sense, and caps it cannot carry."""

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest

from streams.core.errors import DataError
from streams.core.optimize import Failed, solve
from streams.core.optimize.custom import Found, Model
from streams.core.optimize.registry import register
from streams.core.optimize.terms import Caps
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


def test_a_cap_that_needs_iteration_or_whole_numbers_is_refused():
    asked = problem(income(), caps=Caps(cardinality_max=3))
    with pytest.raises(DataError, match="cardinality_max cannot stand beside a custom objective"):
        Model(asked, ())


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
