from dataclasses import replace

import numpy as np
import pytest

from streams.core.optimize import GroupLimit, Solved, solve
from tests.core.optimize.problems import moments, plain

STEP = 1e-6


def moved(problem, binding, step):
    """The problem with one limit raised by `step`."""
    if binding.key in {"weight_max", "weight_min"}:
        limits = getattr(problem, binding.key).copy()
        limits[problem.strategies.index(binding.strategy)] += step
        return replace(problem, **{binding.key: limits})
    if binding.key == "turnover_max":
        return replace(problem, turnover_max=problem.turnover_max + step)
    if binding.key == "cash":
        field = f"cash_{binding.side}"
        return replace(problem, **{field: getattr(problem, field) + step})
    field = "maximum" if binding.side == "max" else "minimum"
    groups = tuple(
        replace(group, **{field: getattr(group, field) + step})
        if group.key == binding.key
        else group
        for group in problem.groups
    )
    return replace(problem, groups=groups)


def rich_problem(seed, objective):
    """Feasible, every kind of limit, Σ of full rank, bounds with room for a step."""
    rng = np.random.default_rng(seed)
    names = int(rng.integers(4, 9))
    mean, cov = moments(rng, names, spread=False)
    held = rng.dirichlet(np.ones(names)) * 0.95
    half = np.arange(names) % 2 == 0
    groups = (
        GroupLimit(key="families.even", members=half, minimum=0.1, maximum=0.45),
        GroupLimit(key="families.odd", members=~half, minimum=0.3, maximum=0.8),
    )
    return plain(
        cov,
        mean,
        objective=objective,
        risk_aversion=float(rng.choice([1.0, 5.0, 20.0])),
        held=held,
        held_cash=0.05,
        weight_min=np.full(names, 0.02),
        weight_max=np.full(names, 0.3),
        groups=groups,
        cash_min=0.01,
        cash_max=0.1,
        turnover_max=float(rng.choice([0.1, 0.3, 0.6])),
    )


@pytest.mark.parametrize("objective", ["mean_variance", "min_variance"])
def test_prices_are_what_a_moved_limit_is_worth(objective):
    checked = dict.fromkeys(("weight_max", "weight_min", "turnover_max", "cash", "families"), 0)
    for seed in range(60):
        problem = rich_problem(seed, objective)
        outcome = solve(problem)
        if not isinstance(outcome, Solved):
            continue
        largest = max((abs(b.price) for b in outcome.binding), default=0.0)
        for binding in outcome.binding:
            up, down = (solve(moved(problem, binding, sign * STEP)) for sign in (1.0, -1.0))
            if not (isinstance(up, Solved) and isinstance(down, Solved)):
                continue
            right = (up.objective_value - outcome.objective_value) / STEP
            left = (outcome.objective_value - down.objective_value) / STEP
            # At a kink, where another limit takes over, the price is between left and right.
            if abs(right - left) > 0.02 * abs(right) or abs(binding.price) < 1e-3 * largest:
                continue
            assert binding.price == pytest.approx(0.5 * (left + right), rel=0.05), binding
            checked[binding.key.partition(".")[0]] += 1
    assert min(checked.values()) >= 3, checked


@pytest.mark.parametrize(
    ("objective", "sign"), [("mean_variance", 1.0), ("min_variance", -1.0), ("equal", -1.0)]
)
def test_prices_have_the_documented_signs(objective, sign):
    seen = set()
    for seed in range(30):
        outcome = solve(rich_problem(seed, objective))
        if isinstance(outcome, Solved):
            for binding in outcome.binding:
                expected = sign if binding.side == "max" else -sign
                assert np.sign(binding.price) == expected, binding
                seen.add(binding.side)
    assert "max" in seen
    assert objective == "equal" or "min" in seen


def test_a_limit_that_costs_nothing_is_not_listed():
    outcome = solve(plain(np.eye(2) * 0.04, cash_max=0.5, cash_min=0.5))
    assert [b.key for b in outcome.binding] == ["cash"]
    free = solve(plain(np.eye(2) * 0.04, [0.03, 0.03], risk_aversion=3.0, cash_max=1.0))
    assert free.weights.tolist() == pytest.approx([0.25, 0.25], rel=1e-12)
    assert free.binding == ()


def test_the_order_is_turnover_groups_upper_lower_cash():
    problem = rich_problem(1, "mean_variance")
    order = ["turnover_max", "families.even", "families.odd", "weight_max", "weight_min", "cash"]
    for seed in range(30):
        problem = rich_problem(seed, "mean_variance")
        outcome = solve(problem)
        if isinstance(outcome, Solved):
            listed = [
                (order.index(b.key), problem.strategies.index(b.strategy) if b.strategy else 0)
                for b in outcome.binding
            ]
            assert listed == sorted(listed)


def test_the_price_of_a_forced_allocation_is_what_one_more_would_gain():
    # All four at their cap; raising one cap by ε takes ε from the worst of the others.
    problem = plain(
        np.zeros((4, 4)), [0.1, 0.4, 0.3, 0.2], weight_max=np.full(4, 0.25), risk_aversion=0.0
    )
    outcome = solve(problem)
    prices = {b.strategy: b.price for b in outcome.binding if b.key == "weight_max"}
    assert prices == pytest.approx({"s0001": 0.3, "s0002": 0.2, "s0003": 0.1}, rel=1e-12)
    floors = replace(problem, weight_max=np.ones(4), weight_min=np.full(4, 0.25))
    outcome = solve(floors)
    prices = {b.strategy: b.price for b in outcome.binding if b.key == "weight_min"}
    assert prices == pytest.approx({"s0000": -0.3, "s0002": -0.1, "s0003": -0.2}, rel=1e-12)


def test_the_price_of_no_turnover_is_the_best_swap():
    # Nothing may be bought: a unit more would go from the worst mean held to the best.
    problem = plain(
        np.zeros((3, 3)),
        [0.1, 0.2, 0.4],
        risk_aversion=0.0,
        held=np.array([0.5, 0.3, 0.2]),
        held_cash=0.0,
        turnover_max=0.0,
    )
    outcome = solve(problem)
    prices = {b.key: b.price for b in outcome.binding}
    assert prices["turnover_max"] == pytest.approx(0.3, rel=1e-12)
