"""Figures along a portfolio's walk: what is published, restarts, benchmarks."""

import numpy as np
import pytest

from schemas.topics import METRICS, STATE
from streams.core.metrics import METRICS as METRICS_OF_ALL
from streams.core.performance import (
    SHAPE_FIGURES,
    VARIANT_NAMES,
    WINDOW_FIGURES,
    performance_of,
)
from tests.core.performance.reference import CLOSE, water
from tests.core.worlds import World, in_time_order, of_topic, policy_for, ragged

NAMES = ("a", "b", "c")


def walked(**policy):
    world = World(policy_for(NAMES, **policy))
    world.publish(in_time_order(ragged(7, NAMES, 40)), (5,))
    return world


def test_full_figures_are_told_over_the_estimation_window_and_the_shape_over_the_others():
    *_, before, newest = of_topic(walked().outputs, METRICS.name)  # bars 39 and 40
    assert before.window(0)[0][-3:] == newest.window(0)[0][-3:] == SHAPE_FIGURES
    assert before.window(1)[0] == (*METRICS_OF_ALL, *WINDOW_FIGURES)
    assert newest.window(1)[0] == (*METRICS_OF_ALL, *WINDOW_FIGURES, *VARIANT_NAMES)


def test_standard_figures_leave_the_rest_away():
    message = of_topic(walked(estimation__figures="standard").outputs, METRICS.name)[-1]
    assert message.figures.windows == ()
    assert message.dates is None


def test_a_benchmark_that_is_a_member_is_told_against():
    policy = policy_for(NAMES, estimation__benchmark="b")
    table = performance_of(policy, NAMES)
    assert table.asked.benchmark == 1
    assert performance_of(policy, ("a", "c")).asked.benchmark is None
    message = of_topic(walked(estimation__benchmark="b").outputs, METRICS.name)[-1]
    names, values, _ = message.window(1)
    assert values[names.index("beta_benchmark"), 1] == pytest.approx(1.0, rel=1e-12)


def test_dates_are_the_bars_of_the_deepest_drawdown():
    world = walked()
    messages = of_topic(world.outputs, METRICS.name)
    ends = [state.bar_end for state in of_topic(world.outputs, STATE.name)]
    windows = world.portfolio.walk.study.windows
    rows = windows.values(9)
    for column in range(3):
        start, trough = water(rows[:, column])["dates"]
        told = [messages[-1].dates[f"max_drawdown_{end}"][column] for end in ("start", "trough")]
        last = sorted(set(ends))
        assert told == [None if ago < 0 else last[-1 - ago] for ago in (start, trough)]


def test_the_portfolio_knows_how_sure_its_own_ratio_is():
    states = of_topic(walked().outputs, STATE.name)
    rolling = states[-1].rolling[1]
    assert 0.0 < rolling.probabilistic_sharpe < 1.0
    assert rolling.sharpe_standard_error > 0.0
    assert (rolling.probabilistic_sharpe > 0.5) == (rolling.sharpe > 0.0)
    net = {state.bar_end: state.return_net for state in states}
    last = np.array([net[end] for end in sorted(net)][-9:])
    assert rolling.n_obs == 9
    downside = np.sqrt((np.minimum(last, 0.0) ** 2).mean())
    np.testing.assert_allclose(rolling.sortino, last.mean() / downside * 252**0.5, **CLOSE)
