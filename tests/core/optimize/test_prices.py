"""Prices of limits against the problem solved again, by the same road and by the other."""

from dataclasses import replace

import numpy as np
import pytest

from streams.core.optimize import OBJECTIVES, Aim, Caps, GroupLimit, Problem, Solved, solve
from streams.core.optimize.prices import POINT, moved, shadow_prices, sharpe_of
from tests.core.optimize.problems import moments
from tests.core.optimize.real import stocks

NAMES = 8


def crowded(seed, **changes):
    """A problem with several limits that bind: caps, a family, turnover, cash."""
    rng = np.random.default_rng(seed)
    mean, cov = moments(rng, NAMES, 60, spread=False)
    family = np.arange(NAMES) < 4
    held = rng.dirichlet(np.ones(NAMES))
    problem = Problem(
        strategies=tuple(f"s{index}" for index in range(NAMES)),
        mean_annual=mean,
        cov_annual=cov,
        held=held,
        held_cash=0.0,
        objective=str(rng.choice(["mean_variance", "min_variance"])),
        risk_aversion=float(rng.choice([2.0, 8.0])),
        weight_min=np.full(NAMES, 0.02),
        weight_max=np.full(NAMES, float(rng.choice([0.2, 0.3]))),
        groups=(
            GroupLimit(key="families.trend", members=family, minimum=0.25, maximum=0.5),
            GroupLimit(key="tags.slow", members=~family, minimum=-np.inf, maximum=0.55),
        ),
        cash_min=0.03,
        cash_max=0.1,
        turnover_max=None if rng.random() < 0.5 else 0.6,
        long_only=True,
    )
    return replace(problem, **changes)


def resolved(problem, binding, step):
    other = moved(problem, binding, step)
    outcome = None if other is None else solve(other)
    return outcome if isinstance(outcome, Solved) else None


def test_a_price_is_what_a_percentage_point_does_within_five_percent():
    checked, several = 0, 0
    for seed in range(40):
        problem = crowded(seed)
        solved = solve(problem)
        assert isinstance(solved, Solved), solved
        prices = shadow_prices(problem, solved, measured=20)
        assert [price.binding.key for price in prices]
        several += len(prices) >= 3
        size = max(abs(price.objective_per_point) for price in prices)
        for price in prices:
            if abs(price.objective_per_point) < 1e-3 * size:
                continue  # the curve over the step outweighs so small a price
            # another step than the one the price was measured with, so that the curve shows
            step = 1e-4
            again = resolved(problem, price.binding, step)
            if again is None:
                again, step = resolved(problem, price.binding, -step), -step
            assert again is not None
            slope = (again.objective_value - solved.objective_value) / step
            curve = resolved(problem, price.binding, 2 * step)
            if curve is None:
                continue
            # a line over the step: else the active set changes within it
            second = (curve.objective_value - again.objective_value) / step
            if abs(second - slope) > 0.05 * abs(slope):
                continue
            checked += 1
            assert POINT * slope == pytest.approx(price.objective_per_point, rel=0.05), (
                seed,
                price,
            )
    assert checked > 100
    assert several > 20


def test_the_sharpe_price_is_the_slope_of_the_sharpe_ratio():
    checked = 0
    for seed in range(20):
        problem = crowded(seed)
        solved = solve(problem)
        for price in shadow_prices(problem, solved, measured=3):
            if price.one_sided or price.sharpe_per_point is None:
                continue
            up, down = (resolved(problem, price.binding, step) for step in (1e-4, -1e-4))
            if up is None or down is None:
                continue
            slope = (sharpe_of(problem, up.weights) - sharpe_of(problem, down.weights)) / 2e-4
            if abs(slope) > 1e-3:
                checked += 1
                # central differences over a tenfold step: the rest is the third derivative
                assert POINT * slope == pytest.approx(price.sharpe_per_point, rel=0.05), seed
    assert checked > 20


def test_a_degenerate_price_is_told_upwards_and_marked():
    # Two strategies, all invested: the cap of one, its family's cap and the other's floor say the
    # same thing.
    problem = replace(
        crowded(0),
        strategies=("a", "b"),
        mean_annual=np.array([0.2, 0.1]),
        cov_annual=np.diag([0.04, 0.09]),
        held=np.zeros(2),
        held_cash=1.0,
        objective="mean_variance",
        risk_aversion=1.0,
        weight_min=np.array([0.0, 0.4]),
        weight_max=np.array([0.6, 1.0]),
        groups=(
            GroupLimit(
                key="families.x", members=np.array([True, False]), minimum=-np.inf, maximum=0.6
            ),
        ),
        cash_min=0.0,
        cash_max=0.0,
        turnover_max=None,
    )
    solved = solve(problem)
    assert solved.weights.tolist() == [0.6, 0.4]
    prices = shadow_prices(problem, solved, measured=9)
    alike = [price for price in prices if price.binding.key != "cash"]
    assert alike
    # Three limits say the same: none alone gains by giving way, each costs by closing in.
    for price in alike:
        assert price.one_sided
        up, down = (resolved(problem, price.binding, step) for step in (1e-4, -1e-4))
        gives_way, closes_in = (up, down) if price.binding.side == "max" else (down, up)
        assert gives_way.objective_value == pytest.approx(solved.objective_value, abs=1e-12)
        assert closes_in.objective_value < solved.objective_value - 1e-6
        slope = (up.objective_value - solved.objective_value) / 1e-4
        assert price.objective_per_point == pytest.approx(POINT * slope, rel=1e-3, abs=1e-12)


def test_without_measuring_the_multipliers_are_told():
    problem = crowded(1)
    solved = solve(problem)
    prices = shadow_prices(problem, solved, measured=0)
    assert {price.binding for price in prices} == set(solved.binding)
    for price in prices:
        assert price.objective_per_point == POINT * price.binding.price
        assert price.sharpe_per_point is None
    sizes = [abs(price.objective_per_point) for price in prices]
    assert sizes == sorted(sizes, reverse=True)


INDIRECT = {
    "max_sharpe": {"cash_max": 0.2, "cash_min": 0.05, "cash_return": 0.0002},
    "target_volatility": {"aim": Aim(target=0.3)},
    "target_return": {"aim": Aim(target=0.1)},
    "robust_mean_variance": {"aim": Aim(years=2.0)},
    "volatility cap": {"objective": "mean_variance", "caps": Caps(volatility_max=0.3)},
    "tail cap": {"objective": "mean_variance", "caps": Caps(cvar_max=0.045)},
    "diversification": {
        "objective": "mean_variance",
        "caps": Caps(diversification_ratio_min=1.3),
    },
    "kelly": {},
    "min_cvar": {},
}


@pytest.mark.parametrize("case", INDIRECT)
def test_prices_off_the_direct_road_are_slopes_within_five_percent(case):
    problem = stocks(case, weight_max=np.full(10, 0.3)) if case in OBJECTIVES else None
    changes = INDIRECT[case]
    if problem is None:
        problem = stocks(changes["objective"], weight_max=np.full(10, 0.3))
    problem = replace(problem, **changes)
    solved = solve(problem)
    assert isinstance(solved, Solved), solved
    assert solved.exact == (case == "min_cvar")  # a vertex, by equations
    prices = shadow_prices(problem, solved, measured=4)[:4]
    assert prices
    if "caps" in changes:
        (cap,) = (name for name in changes["caps"].given(Caps.CONIC))
        assert any(price.binding.key.endswith(cap) for price in prices)
    for price in prices:
        up, down = (resolved(problem, price.binding, step) for step in (4e-4, -4e-4))
        slopes = [
            (other.objective_value - solved.objective_value) / step
            for other, step in ((up, 4e-4), (down, -4e-4))
            if other is not None
        ]
        low, high = min(slopes), max(slopes)
        room = 0.05 * max(abs(low), abs(high))
        # between the slopes to either side, which differ where a corner or a curve is near
        assert POINT * (low - room) <= price.objective_per_point <= POINT * (high + room), price
        assert price.sharpe_per_point is not None


def test_a_rule_and_a_local_optimum_are_not_measured():
    problem = crowded(2, objective="equal")
    solved = solve(problem)
    assert all(p.sharpe_per_point is None for p in shadow_prices(problem, solved, measured=9))
    problem = stocks("min_variance", caps=Caps(risk_contribution_max=0.15))
    local = solve(problem)
    assert local.gap == np.inf
    assert all(p.sharpe_per_point is None for p in shadow_prices(problem, local, measured=9))
