"""Caps that no weights keep: what is told makes room, and nothing much tighter does."""

from dataclasses import replace

import numpy as np
import pytest

from streams.core.optimize import Aim, Caps, Infeasible, Solved, solve
from streams.core.optimize.elastic import relax
from tests.core.optimize.problems import plain
from tests.core.optimize.real import stocks


def given_way(problem, told):
    """The problem with one limit moved to what it would have to be."""
    if told.key == "objective.target":
        return replace(problem, aim=replace(problem.aim, target=told.needed))
    name = told.key.removeprefix("correlation.")
    value = int(told.needed) if name == "cardinality_max" else told.needed
    return replace(problem, caps=replace(problem.caps, **{name: value}))


def tighter(problem, told):
    """The same, a twentieth short of it on the way from what the limit is."""
    short = told.limit + 0.95 * (told.needed - told.limit)
    return given_way(problem, replace_needed(told, short))


def replace_needed(told, needed):
    return type(told)(way=told.way, key=told.key, limit=told.limit, needed=needed, words=told.words)


ALONE = {
    "volatility_max": stocks("mean_variance", caps=Caps(volatility_max=0.05)),
    "cvar_max": stocks("min_variance", caps=Caps(cvar_max=0.005)),
    "correlation.diversification_ratio_min": stocks(
        "min_variance", caps=Caps(diversification_ratio_min=3.0)
    ),
    "leverage_max": plain(np.eye(3), caps=Caps(leverage_max=0.4)),
    "target_return": stocks("target_return", aim=Aim(target=5.0)),
    "target_volatility": stocks("target_volatility", aim=Aim(target=0.02)),
    "cardinality_max": stocks(
        "min_variance", weight_max=np.full(10, 0.2), caps=Caps(cardinality_max=3)
    ),
    "position_min": stocks(
        "min_variance", weight_max=np.full(10, 0.45), caps=Caps(position_min=0.35)
    ),
}


@pytest.mark.parametrize("key", ALONE)
def test_a_cap_is_told_with_the_least_that_makes_room(key):
    problem = ALONE[key]
    outcome = solve(problem)
    (told,) = relax(problem)
    assert told.key == ("objective.target" if key.startswith("target") else key)
    assert outcome == Infeasible(violated=(told.key,))
    assert told.words == f"{told.key} {told.limit:.6g} would have to be {told.needed:.6g}"
    assert isinstance(solve(given_way(problem, told)), Solved)
    if key == "cardinality_max":
        assert told.needed == 5.0
    elif key == "position_min":  # three thirds, sought to 3 %
        assert 0.97 / 3 <= told.needed <= 1 / 3
    else:
        assert not isinstance(solve(tighter(problem, told)), Solved)


def test_caps_that_fit_singly_and_not_together_are_ways_of_their_own():
    free = stocks("min_variance")
    calm = float(np.sqrt(solve(free).objective_value))
    rich = float((free.mean_annual * free.weight_max).max())
    problem = replace(
        free,
        objective="target_return",
        aim=Aim(target=0.95 * rich),
        caps=Caps(volatility_max=1.02 * calm),
    )
    assert isinstance(solve(problem), Infeasible)
    told = relax(problem)
    assert [(one.way, one.key) for one in told] == [(1, "objective.target"), (2, "volatility_max")]
    for one in told:
        assert isinstance(solve(given_way(problem, one)), Solved)
        assert not isinstance(solve(tighter(problem, one)), Solved)


def test_caps_out_of_reach_each_by_itself_give_together():
    problem = stocks("min_variance", caps=Caps(volatility_max=0.05, cvar_max=0.005))
    told = relax(problem)
    assert [(one.way, one.key) for one in told] == [(1, "volatility_max"), (1, "cvar_max")]
    for one in told:
        assert not isinstance(solve(problem), Solved)
        problem = given_way(problem, one)
    assert isinstance(solve(problem), Solved)


def test_a_problem_that_has_weights_is_told_nothing():
    assert relax(stocks("min_variance")) == ()
