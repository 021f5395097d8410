"""Relaxing what is told makes weights possible, and no part of it is needless."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from streams.core.optimize import GroupLimit, Infeasible, Solved, solve
from streams.core.optimize.elastic import WAYS_MAX, relax
from streams.core.optimize.terms import Caps
from tests.core.optimize.problems import feasible, random_problem


def plain(**changes):
    """Four strategies that must be fully invested, two of them in a family."""
    problem = random_problem(np.random.default_rng(0), 4)
    return replace(
        problem,
        objective="min_variance",
        weight_min=np.zeros(4),
        weight_max=np.full(4, 0.3),
        groups=(),
        cash_min=0.0,
        cash_max=0.0,
        turnover_max=None,
        held=np.zeros(4),
        held_cash=1.0,
        held_elsewhere=0.0,
        long_only=True,
        **changes,
    )


def trend(maximum=np.inf, minimum=-np.inf):
    members = np.array([True, True, False, False])
    return GroupLimit(key="families.trend", members=members, minimum=minimum, maximum=maximum)


def with_relaxed(problem, told, slip=0.0):
    """The problem with the limits that were told, each drawn in again by a slip."""
    for limit in told:
        out = limit.needed > limit.limit
        value = limit.needed - slip if out else limit.needed + slip
        key, _, side = limit.key.rpartition(".")
        if limit.key == "turnover_max":
            problem = replace(problem, turnover_max=value)
        elif key == "cash":
            problem = replace(problem, **{f"cash_{side}": value})
        elif limit.key in {"weight_max", "weight_min"}:
            bounds = getattr(problem, limit.key)
            moved = np.where(bounds == limit.limit, value, bounds)
            problem = replace(problem, **{limit.key: moved})
        elif limit.key.startswith("strategies."):
            bounds = getattr(problem, side).copy()
            bounds[problem.strategies.index(key.removeprefix("strategies."))] = value
            problem = replace(problem, **{side: bounds})
        else:
            change = {"max": "maximum", "min": "minimum"}[side]
            problem = replace(
                problem,
                groups=tuple(
                    replace(group, **{change: value}) if group.key == key else group
                    for group in problem.groups
                ),
            )
    return problem


def ways_of(told):
    return [[limit for limit in told if limit.way == way] for way in {one.way for one in told}]


def test_a_family_that_leaves_no_room_is_told_with_what_it_would_need():
    problem = replace(plain(), groups=(trend(0.34),))
    told = relax(problem)
    assert [(one.way, one.key, one.limit, one.needed) for one in told] == [
        (1, "families.trend.max", 0.34, 0.4),
        (2, "weight_max", 0.3, 0.33),
        (3, "cash.max", 0.0, 0.06),
    ]
    assert told[0].words == "families.trend.max 0.34 would have to be 0.4"


def test_a_bound_of_its_own_is_told_apart_from_the_bound_of_all():
    high = np.array([0.2, 0.2, 0.2, 0.1])
    told = relax(replace(plain(), weight_max=high))
    # 0.7 in all: the shared bound gives 0.1 to each of three, or the own one the whole 0.3
    assert [(one.way, one.key, one.needed) for one in told] == [
        (1, "weight_max", 0.3),
        (2, "cash.max", 0.3),
    ]


def test_nothing_is_told_where_weights_fit():
    assert relax(plain()) == ()


def test_the_smallest_set_comes_first_though_its_amount_is_larger():
    slow = np.array([False, False, True, True])
    others = GroupLimit(key="tags.slow", members=slow, minimum=-np.inf, maximum=0.2)
    problem = replace(plain(), groups=(trend(0.2), others), cash_max=0.1)
    told = relax(problem)
    assert [(one.way, one.key, one.needed) for one in told] == [(1, "cash.max", 0.6)]


def test_conflicts_that_no_single_limit_cures_are_told_as_one_way():
    crowded = replace(plain(), weight_min=np.array([0.25, 0.25, 0.0, 0.0]), groups=(trend(0.4),))
    problem = replace(crowded, cash_min=1.1, cash_max=1.2)
    told = relax(problem)
    assert [(one.way, one.key, one.needed) for one in told] == [
        (1, "families.trend.max", 0.5),
        (1, "cash.min", 0.5),
        (2, "strategies.s0001.weight_min", 0.0),
        (2, "cash.min", 0.75),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_what_is_told_is_enough_and_nothing_of_it_is_needless(seed):
    rng = np.random.default_rng(seed)
    told_of = 0
    for _ in range(20):
        problem = random_problem(rng)
        told = relax(problem)
        assert (told == ()) == feasible(problem)
        ways = ways_of(told)
        assert len(ways) <= WAYS_MAX
        for way in ways:
            told_of += 1
            # the oracle's tolerance is 1e-10
            assert feasible(with_relaxed(problem, way, slip=-2e-10)), way
            for limit in way:
                # less than was told is not enough: a thousandth short, and not at all
                others = [one for one in way if one is not limit]
                assert not feasible(with_relaxed(problem, others)), (limit, way)
                if abs(limit.needed - limit.limit) > 2e-3:
                    short = with_relaxed(with_relaxed(problem, others), [limit], slip=1e-3)
                    assert not feasible(short) or len(way) > 1, (limit, way)
        assert all(before.way <= after.way for before, after in pairwise(told))
    assert told_of > 5


@pytest.mark.parametrize("seed", range(5))
def test_the_first_way_is_made_of_the_kinds_that_the_answer_names(seed):
    rng = np.random.default_rng(100 + seed)
    for _ in range(20):
        problem = random_problem(rng)
        outcome = solve(problem)
        if not isinstance(outcome, Infeasible):
            continue
        kinds = set()
        for one in relax(problem):
            if one.way == 1:
                parts = one.key.split(".")
                kinds.add(parts[-1] if parts[0] == "strategies" else parts[0])
        assert kinds == set(outcome.violated)


@pytest.mark.parametrize(
    "caps",
    [Caps(volatility_max=0.01), Caps(cvar_max=0.0005), Caps(diversification_ratio_min=5.0)],
)
def test_a_cap_out_of_reach_is_told_with_what_can_be_reached(caps):
    rng = np.random.default_rng(2)
    bars = rng.normal(size=(200, 4)) * 0.01
    cov = np.cov(bars, rowvar=False) * 252
    problem = replace(
        plain(),
        cov_annual=(cov + cov.T) / 2,
        scenarios=bars,
        periods_per_year=252.0,
        caps=caps,
    )
    assert isinstance(solve(problem), Infeasible)
    (one,) = relax(problem)
    (cap,) = caps.given(Caps.CONIC)
    assert one.key.endswith(cap)
    assert isinstance(solve(replace(problem, caps=replace(caps, **{cap: one.needed}))), Solved)
    # a hundredth less of it cannot be had
    short = one.limit + 0.99 * (one.needed - one.limit)
    assert isinstance(solve(replace(problem, caps=replace(caps, **{cap: short}))), Infeasible)


def test_the_relaxed_problem_is_solved_and_verified():
    problem = replace(plain(), groups=(trend(0.34),))
    for way in ways_of(relax(problem)):
        assert isinstance(solve(with_relaxed(problem, way)), Solved)
