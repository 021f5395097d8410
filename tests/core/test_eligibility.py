"""Who takes part, and within which bounds."""

import numpy as np
import pytest

from streams.core.eligibility import (
    Book,
    capacity,
    limits_of,
    minimum_bars,
    problem_limits,
    select,
    too_few_eligible,
    waived_minima,
)
from tests.core.worlds import policy_for

NAMES = ("a", "b", "c")


def book(policy, *, n_obs=(9, 9, 9), age=(0, 0, 0), ended=(0, 0, 0), held=(0, 0, 0), common=9):
    returns = np.zeros((15, 3))
    returns[: 15 - common] = np.nan
    return Book(
        names=NAMES,
        entries=policy.strategies,
        returns=returns,
        n_obs=np.array(n_obs),
        age_bars=np.array(age),
        ended=np.array(ended, dtype=bool),
        held=np.array(held, dtype=float),
        held_cash=1.0 - sum(held),
    )


def chosen(policy, **facts):
    selection = select(book(policy, **facts), policy)
    names = [NAMES[i] for i in selection.columns]
    shrinking = [n for n, only in zip(names, selection.reduce_only, strict=True) if only]
    return names, shrinking, selection.excluded


@pytest.mark.parametrize(
    ("window", "members", "expected"),
    [(252, 3, 20), (252, 40, 42), (15, 3, 15), (252, 18, 20), (252, 19, 21)],
)
def test_the_default_minimum_is_that_of_the_contract(window, members, expected):
    estimation = {"window_bars": window, "windows": [4]}
    assert minimum_bars(policy_for(NAMES, estimation=estimation), members) == expected


def test_enough_and_fresh_observations_make_eligible_at_their_limits():
    policy = policy_for(NAMES)  # min_bars 5, stale_bars 3
    assert chosen(policy, n_obs=(5, 4, 9), age=(3, 0, 4)) == (
        ["a"],
        [],
        {"b": "too_few_observations", "c": "stale"},
    )


def test_stale_while_held_may_only_shrink():
    assert chosen(policy_for(NAMES), age=(0, 0, 4), held=(0.1, 0, 0.2)) == (list(NAMES), ["c"], {})


def test_stale_and_too_long_silent_to_be_estimated_beside_the_others_is_out():
    facts = {"age": (0, 0, 4), "held": (0, 0, 0.2), "common": 4}
    assert chosen(policy_for(NAMES), **facts) == (["a", "b"], [], {"c": "stale"})


def test_an_ended_strategy_is_out_though_fresh_and_held():
    assert chosen(policy_for(NAMES), ended=(0, 1, 0), held=(0, 0.5, 0))[2] == {"b": "ended"}


def listed(*limits):
    return [
        {"id": name, "family": family, "weight_min": low, "weight_max": high}
        for name, (family, low, high) in zip(NAMES, limits, strict=True)
    ]


def test_who_may_only_shrink_is_bounded_by_what_is_held_and_loses_its_minimum():
    limits = listed(("trend", 0.1, 0.5), ("trend", 0.2, 0.6), ("other", 0.3, 0.7))
    policy = policy_for(NAMES, strategies=limits)
    found = book(policy, age=(0, 9, 9), held=(0.0, 0.4, 0.9))
    low, high = problem_limits(found, select(found, policy), policy)
    assert (low.tolist(), high.tolist()) == ([0.1, 0.0, 0.0], [0.5, 0.4, 0.7])


def test_capacity_is_bounded_by_weights_families_and_cash():
    limits = listed(("trend", 0, 0.5), ("trend", 0, 0.6), ("other", 0, 0.3))
    constraints = {"families": {"trend": {"max": 0.4}, "arbitrage": {"max": 0.1}}}
    policy = policy_for(NAMES, strategies=limits, constraints=constraints, cash={"max": 0.05})
    highs = limits_of(policy.strategies, policy)[1]
    assert capacity(policy.strategies, highs, policy) == pytest.approx(0.4 + 0.3 + 0.05, abs=1e-15)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"n_obs": (9, 9, 4)}, False),  # 0.5 + 0.5 fills the budget
        ({"n_obs": (9, 4, 4)}, True),
        ({"n_obs": (4, 4, 4)}, True),
        ({"age": (0, 4, 4), "held": (0, 0.2, 0.2)}, True),  # 0.5 + 0.2 + 0.2
        ({"age": (0, 4, 4), "held": (0, 0.3, 0.2)}, False),
    ],
)
def test_too_few_are_eligible_when_those_who_are_cannot_fill_the_budget(facts, expected):
    policy = policy_for(NAMES, constraints={"weight_max": 0.5})
    found = book(policy, **facts)
    assert too_few_eligible(found, select(found, policy), policy) is expected


def test_a_budget_that_nobody_could_fill_is_left_to_the_optimizer_to_name():
    policy = policy_for(NAMES, constraints={"weight_max": 0.2})
    found = book(policy)
    assert not too_few_eligible(found, select(found, policy), policy)


def test_a_family_of_which_nobody_takes_part_has_its_minimum_waived_and_said():
    families = {"trend": {"min": 0.1}, "arbitrage": {"min": 0.2}, "mean_reversion": {"max": 0.5}}
    policy = policy_for(NAMES, constraints={"families": families})  # a trend, b arbitrage
    for n_obs, expected in (
        ((9, 9, 9), ()),
        ((9, 4, 4), ("families.arbitrage.min",)),
        ((4, 4, 9), ("families.arbitrage.min", "families.trend.min")),
    ):
        found = book(policy, n_obs=n_obs)
        assert waived_minima(found, select(found, policy), policy) == expected


def test_who_has_ended_raises_nobody_s_minimum_of_observations():
    estimation = {"window_bars": 60, "windows": [4]}
    policy = policy_for([f"s{i}" for i in range(40)], estimation=estimation)
    gone = np.arange(40) >= 25
    found = Book(
        names=tuple(f"s{i}" for i in range(40)),
        entries=policy.strategies,
        returns=np.zeros((60, 40)),
        n_obs=np.full(40, 27),
        age_bars=np.zeros(40, dtype=int),
        ended=gone,
        held=np.zeros(40),
        held_cash=1.0,
    )
    assert len(select(found, policy).columns) == 25  # 25 + 2 are enough; 40 + 2 would not be
