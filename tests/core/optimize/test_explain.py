from dataclasses import replace

from streams.core.optimize import solve
from streams.core.optimize.explain import explain
from streams.core.optimize.prices import shadow_prices
from tests.core.optimize.test_prices import crowded


def test_prices_and_spread_travel_with_the_answer_the_same_each_time():
    problem = replace(crowded(3), objective="min_variance", periods_per_year=252.0)
    solved = solve(problem)
    told = explain(problem, solved, seed="r", n_common=60, prices=2, resamples=16)
    prices = shadow_prices(problem, solved, 2)
    assert [price.constraint for price in told.shadow_prices] == [
        price.binding.key for price in prices
    ]
    assert told.shadow_prices[0].objective_per_point == prices[0].objective_per_point
    assert told.shadow_prices[0].sharpe_per_point is not None
    assert all(price.sharpe_per_point is None for price in told.shadow_prices[2:])
    assert told.spread.resamples > 0
    assert all(a <= b for a, b in zip(told.spread.low, told.spread.high, strict=True))
    assert told == explain(problem, solved, seed="r", n_common=60, prices=2, resamples=16)


def test_without_draws_there_is_no_spread():
    problem = crowded(3)
    told = explain(problem, solve(problem), seed="r", n_common=60, prices=0, resamples=0)
    assert told.spread is None
