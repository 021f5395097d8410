import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.core.metrics import (
    EWMA_METRICS,
    METRICS,
    UNDEFINED_REASONS,
    all_window_metrics,
    ewma_metrics,
    series_metrics,
    window_metrics,
)
from streams.core.windows import EwmaMoments, RollingWindows
from tests.core.oracles import (
    exponential_moments,
    metrics_by_definition,
    ragged_returns,
)

YEAR = 252.0
GOLDEN = np.array([-0.01, 0.02, -0.015, 0.005, -0.02])
EXTREMES = [-1.0, 0.0, -0.0, 5e-324, -5e-324, 1e-308, 1e-160, -1e-160, 1e155, 1e300, 1.7e308, 0.01]


def pushed(rows, windows):
    table = RollingWindows(windows, rows.shape[1])
    for row in rows:
        table.push(row)
    return table


def test_golden_vector_follows_the_adopted_conventions():
    count, values, undefined = series_metrics(GOLDEN, YEAR)
    assert (count, undefined) == (5, {})
    assert list(values) == list(METRICS)
    # Worked out from the decimals with 30 digits.
    assert values["sharpe"] == pytest.approx(-3.88238292756673890705957, rel=1e-15)
    assert values["sortino"] == pytest.approx(-5.27322449282449361671844, rel=1e-15)


@pytest.mark.parametrize("missing", [0.0, 0.2, 0.8])
@pytest.mark.parametrize("window", [20, 60])
def test_rolling_metrics_equal_other_libraries_along_a_stream(missing, window):
    returns = ragged_returns(21, 140, 4, missing)
    table = RollingWindows((5, window), 4)
    compared = 0
    for t, row in enumerate(returns):
        table.push(row)
        block = window_metrics(table, window, YEAR)
        if t > 25 and t % 3:
            continue  # the oracle is slow; every flip of both windows is still met
        for column in range(4):
            series = returns[max(t + 1 - window, 0) : t + 1, column]
            series = series[~np.isnan(series)]
            assert block.n_obs[column] == len(series)
            if len(series) >= 2:
                compared += check(block, column, metrics_by_definition(series, YEAR))
    assert compared > 500


def check(block, column, expected):
    defined = 0
    for place, name in enumerate(METRICS):
        value, code = block.values[place, column], block.undefined[place, column]
        if code:
            # Where we say that a figure does not exist, the others give nan, inf or 0/0.
            assert np.isnan(value)
            assert not np.isfinite(expected[name]), (name, UNDEFINED_REASONS[code])
        else:
            # 1e-12: wealth near 1 and annual means near 0 have absolute, not relative, precision.
            np.testing.assert_allclose(value, expected[name], rtol=1e-10, atol=1e-12, err_msg=name)
            defined += 1
    return defined


@pytest.mark.parametrize("length", [2, 19, 20, 21, 39, 40, 41, 99, 100, 101, 252, 500])
def test_series_metrics_equal_other_libraries_at_any_length(length):
    returns = ragged_returns(length, length, 1, 0.0)[:, 0]
    risk_free = 0.0001
    count, values, undefined = series_metrics(returns, 365.0, risk_free)
    expected = metrics_by_definition(returns, 365.0, risk_free)
    assert count == length
    for name, value in values.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-10, atol=1e-12, err_msg=name)
    assert set(values) | set(undefined) == set(METRICS)
    assert all(not np.isfinite(expected[name]) for name in undefined)


def test_tail_of_twenty_returns_is_exactly_one_return():
    returns = np.concatenate([[-0.07], np.linspace(-0.05, 0.05, 19)])
    _, values, _ = series_metrics(returns, YEAR)
    assert values["cvar_95"] == 0.07  # a count of 1.0000000000000009 would take in the next one
    _, values, _ = series_metrics(np.tile(returns, 5), YEAR)
    assert values["cvar_99"] == 0.07
    assert values["cvar_95"] == pytest.approx(0.07, rel=1e-15)


def test_tail_takes_the_next_loss_in_part():
    returns = np.concatenate([[-0.08, -0.04], np.full(28, 0.01)])  # 30 x 5 % = 1.5 returns
    _, values, _ = series_metrics(returns, YEAR)
    assert values["cvar_95"] == pytest.approx((0.08 + 0.5 * 0.04) / 1.5, rel=1e-15)


def test_series_and_window_of_the_same_bars_are_the_same_bits():
    returns = ragged_returns(5, 60, 1, 0.0)
    block = window_metrics(pushed(returns, (60,)), 60, YEAR)
    count, values, _ = series_metrics(returns[:, 0], YEAR)
    assert count == 60
    assert [values[name] for name in METRICS] == block.values[:, 0].tolist()


def test_missing_rows_of_a_series_are_left_out_not_zeros():
    holed = np.full(10, np.nan)
    holed[::2] = GOLDEN
    assert series_metrics(holed, YEAR) == series_metrics(GOLDEN, YEAR)


@given(seed=st.integers(0, 2**32 - 1), bars=st.integers(0, 70))
def test_all_windows_at_once_are_the_windows_one_by_one(seed, bars):
    table = pushed(ragged_returns(seed, bars, 5, 0.3), (3, 20, 60))
    together = all_window_metrics(table, YEAR, 0.0001)
    for index, window in enumerate(table.windows):
        alone = window_metrics(table, window, YEAR, 0.0001)
        np.testing.assert_array_equal(together.values[:, index], alone.values)
        np.testing.assert_array_equal(together.undefined[:, index], alone.undefined)
        np.testing.assert_array_equal(together.n_obs[index], alone.n_obs)


@given(seed=st.integers(0, 2**32 - 1), bars=st.integers(1, 70))
def test_column_order_only_permutes(seed, bars):
    returns = ragged_returns(seed, bars, 9, 0.3)
    order = np.random.default_rng(seed).permutation(9)
    straight = all_window_metrics(pushed(returns, (7, 60)), YEAR)
    shuffled = all_window_metrics(pushed(returns[:, order], (7, 60)), YEAR)
    assert straight.values[:, :, order].tobytes() == shuffled.values.tobytes()
    np.testing.assert_array_equal(straight.undefined[:, :, order], shuffled.undefined)


@given(returns=st.lists(st.sampled_from(EXTREMES) | st.floats(-1.0, 1e308), max_size=12))
@example(returns=[1e308, 1e308])
@example(returns=[-1.0, 1e308, 1e308])
@example(returns=[1e308, 1e308, -1.0])
@example(returns=[5e-324, -5e-324])
@example(returns=[-0.0, -0.0])
@example(returns=[1e-162, -1e-162, 0.0])
def test_any_returns_give_finite_figures_or_a_reason(returns):
    count, values, undefined = series_metrics(np.array(returns), YEAR)
    assert count == len(returns)
    assert set(values) | set(undefined) == set(METRICS)
    assert not set(values) & set(undefined)
    for name, value in values.items():
        assert math.isfinite(value), name
        assert math.copysign(1.0, value) == 1.0 or value < 0.0, f"{name} is -0.0"
    assert set(undefined.values()) <= set(UNDEFINED_REASONS[1:])
    if count >= 2:
        assert values["hit_rate"] == sum(r > 0 for r in returns) / count
        if min(returns) == -1.0:
            assert (values["cagr"], values["drawdown"], values["max_drawdown"]) == (-1, -1, -1)
        if max(returns) < 1e10:
            assert "overflow" not in undefined.values() or values.keys() >= {"max_drawdown"}


@pytest.mark.parametrize("returns", [[], [0.01]])
def test_fewer_than_two_observations_publish_nothing(returns):
    count, values, undefined = series_metrics(np.array(returns), YEAR)
    assert (count, values) == (len(returns), {})
    assert undefined == dict.fromkeys(METRICS, "too_few")


def test_window_without_any_value_publishes_nothing():
    block = all_window_metrics(pushed(np.full((30, 2), np.nan), (5, 20)), YEAR)
    assert (block.n_obs == 0).all()
    assert np.isnan(block.values).all()
    assert (block.undefined == UNDEFINED_REASONS.index("too_few")).all()


def test_constant_gain_has_volatility_zero_and_no_ratios():
    _, values, undefined = series_metrics(np.full(30, 0.001), YEAR)
    assert values["volatility_annual"] == 0.0
    assert values["downside_deviation_annual"] == 0.0
    assert values["max_drawdown"] == 0.0
    assert undefined == {
        "sharpe": "zero_variance",
        "sortino": "zero_downside",
        "calmar": "zero_drawdown",
    }


def test_constant_loss_has_no_sharpe_but_sortino_and_calmar():
    _, values, undefined = series_metrics(np.full(30, -0.001), YEAR)
    assert undefined == {"sharpe": "zero_variance"}
    assert values["sortino"] == pytest.approx(-math.sqrt(YEAR), rel=1e-14)
    assert values["calmar"] < 0.0


def test_death_is_minus_one_and_stays_while_it_is_in_the_window():
    table = pushed(np.array([[0.1], [-1.0], [0.5], [0.5]]), (3,))
    block = window_metrics(table, 3, YEAR)
    for name in ("cagr", "drawdown", "max_drawdown", "calmar"):
        assert block.values[METRICS.index(name), 0] == -1.0
    table.push(np.array([0.5]))
    block = window_metrics(table, 3, YEAR)
    assert block.values[METRICS.index("max_drawdown"), 0] == 0.0


def test_overflow_is_told_and_goes_when_the_value_leaves():
    table = pushed(np.array([[1e200], [0.01], [0.02]]), (3,))
    block = window_metrics(table, 3, YEAR)
    code = block.undefined[METRICS.index("volatility_annual"), 0]
    assert UNDEFINED_REASONS[code] == "overflow"
    table.push(np.array([-0.01]))
    assert not window_metrics(table, 3, YEAR).undefined.any()


def test_first_loss_is_a_drawdown():
    _, values, _ = series_metrics(np.array([-0.25, 0.1]), YEAR)
    assert values["max_drawdown"] == -0.25
    assert values["drawdown"] == pytest.approx(0.75 * 1.1 - 1, rel=1e-15)


def test_risk_free_moves_sharpe_alone():
    _, plain, _ = series_metrics(GOLDEN, YEAR)
    _, excess, _ = series_metrics(GOLDEN, YEAR, 0.001)
    assert {name for name in METRICS if plain[name] != excess[name]} == {"sharpe"}


@pytest.mark.parametrize("missing", [0.0, 0.6])
def test_exponential_metrics_are_annualised_moments(missing):
    returns = ragged_returns(9, 80, 3, missing)
    moments = EwmaMoments(4)
    for row in returns:
        moments.push(np.append(row, np.nan))
    block = ewma_metrics(moments, YEAR)
    mean, second = exponential_moments(returns, 0.94)
    assert len(block.values) == len(EWMA_METRICS)
    np.testing.assert_allclose(block.values[0, :3], mean * YEAR, rtol=1e-10)
    np.testing.assert_allclose(block.values[1, :3], np.sqrt(second * YEAR), rtol=1e-12)
    assert block.n_obs.tolist() == [1, 1, 1, 0]
    assert [UNDEFINED_REASONS[code] for code in block.undefined[:, 3]] == ["too_few", "too_few"]
    assert np.isnan(block.values[:, 3]).all()


def test_exponential_metrics_tell_overflow():
    moments = EwmaMoments(1)
    moments.push(np.array([1e200]))
    block = ewma_metrics(moments, YEAR)
    assert [UNDEFINED_REASONS[code] for code in block.undefined[:, 0]] == ["", "overflow"]
