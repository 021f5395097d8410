from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings

from streams.core.optimize import GroupLimit, Infeasible, Solved, linear_program, solve
from streams.core.optimize.feasibility import violated_limits
from tests.core.optimize.problems import feasible, plain, problems

PREFERENCE = ("turnover_max", "families", "weight_max", "weight_min", "cash")


def members(*flags):
    return np.array(flags, dtype=bool)


def group(minimum, maximum, *flags):
    return GroupLimit(key="families.a", members=members(*flags), minimum=minimum, maximum=maximum)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"weight_max": np.full(3, 0.25)}, ("weight_max",)),
        ({"weight_min": np.full(3, 0.5)}, ("weight_min",)),
        ({"groups": (group(0.0, 0.4, 1, 1, 1),)}, ("families",)),
        ({"groups": (group(1.5, np.inf, 1, 1, 0),)}, ("families",)),
        # The minimum or the cap alone would do: turnover and families come before bounds.
        ({"groups": (group(0.5, 1.0, 1, 0, 0),), "weight_max": np.full(3, 0.4)}, ("families",)),
        (
            {
                "weight_max": np.full(3, 0.4),
                "held": np.array([1.0, 0.0, 0.0]),
                "held_cash": 0.0,
                "turnover_max": 0.5,
            },
            ("turnover_max",),
        ),
        # One key is fewer than two: cash alone takes what caps and group leave over.
        (
            {"weight_max": np.full(3, 0.3), "groups": (group(0.0, 0.5, 1, 1, 1),)},
            ("cash",),
        ),
        # Two conflicts that no single key cures.
        (
            {
                "weight_min": np.array([0.5, 0.0, 0.0]),
                "groups": (group(0.0, 0.4, 1, 0, 0),),
                "cash_min": 1.2,
                "cash_max": 1.3,
            },
            ("families", "cash"),
        ),
        ({"weight_max": np.full(3, 0.3), "weight_min": np.full(3, 0.3)}, ("weight_max",)),
        ({"cash_min": 1.2, "cash_max": 1.3}, ("cash",)),
    ],
)
def test_the_smallest_set_of_limits_to_relax_is_named(changes, expected):
    problem = plain(np.eye(3) * 0.04, **changes)
    assert solve(problem) == Infeasible(violated=expected)
    assert solve(problem, "modelled") == Infeasible(violated=expected)


def test_a_feasible_problem_violates_nothing():
    assert violated_limits(plain(np.eye(3))) is None


def test_limits_missed_by_rounding_are_met():
    tenth = np.full(10, 0.1 - 1e-11)  # short of the budget by 1e-10, a tenth of what counts
    assert violated_limits(plain(np.eye(10), weight_max=tenth)) is None
    assert violated_limits(plain(np.eye(10), weight_max=tenth - 1e-9)) == ("weight_max",)


def test_groups_of_another_kind_are_named_by_their_own_key():
    pair = GroupLimit(
        key="correlation.pair_weight_max.a/b", members=members(1, 1, 1), minimum=0.0, maximum=0.5
    )
    assert violated_limits(plain(np.eye(3), groups=(pair,))) == ("correlation.pair_weight_max",)


@settings(max_examples=2 * settings.default.max_examples)
@given(problems())
def test_infeasible_is_said_exactly_when_scipy_finds_no_point(problem):
    outcome = solve(problem)
    assert isinstance(outcome, Solved | Infeasible)
    assert isinstance(outcome, Solved) == feasible(problem)


@given(problems(names_max=5))
def test_no_smaller_or_preferred_set_would_do(problem):
    outcome = solve(problem)
    if not isinstance(outcome, Infeasible):
        return
    assert feasible(problem, outcome.violated)
    there = [
        key
        for key in PREFERENCE
        if (key != "turnover_max" or problem.turnover_max is not None)
        and (key != "families" or problem.groups)
    ]
    for size in range(1, len(outcome.violated) + 1):
        for subset in combinations(there, size):
            if subset == outcome.violated:
                return
            assert not feasible(problem, subset)


def test_a_program_highs_does_not_finish_is_not_called_infeasible(monkeypatch):
    real = linear_program._highspy()

    class Stubborn(real.Highs):
        def getModelStatus(self):  # noqa: N802  HiGHS names it so
            return real.HighsModelStatus.kUnknown

    class Module:
        Highs = Stubborn
        HighsLp, MatrixFormat = real.HighsLp, real.MatrixFormat
        HighsModelStatus = real.HighsModelStatus

    problem = plain(np.eye(3), weight_max=np.full(3, 0.25))
    monkeypatch.setattr(linear_program, "_highspy", lambda: Module)
    assert violated_limits(problem) is None
    assert solve(problem).reason.startswith("piqp at 1e-11: primal_infeasible")


def test_short_positions_are_relaxed_downward():
    problem = replace(
        plain(np.eye(2)),
        long_only=False,
        weight_min=np.array([-0.1, 0.0]),
        weight_max=np.array([1.0, 1.3]),
        groups=(group(1.2, 1.3, 0, 1),),
    )
    assert solve(problem) == Infeasible(violated=("families",))
    without = replace(problem, groups=(), weight_min=np.array([-0.1, 1.2]))
    assert solve(without) == Infeasible(violated=("weight_min",))
