from dataclasses import fields

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.core.windows import NEVER, EwmaMoments, RollingWindows, tail_depth
from tests.core.oracles import exact_variance, exponential_moments, ragged_returns

WINDOWS = (3, 7, 20)
# Wealth and sums of at most 60 returns carry about 60 roundings of 1e-16: three digits to spare.
RELATIVE = 1e-12

seeds = st.integers(0, 2**32 - 1)
shares = st.sampled_from([0.0, 0.1, 0.5, 0.8])


def pushed(rows, windows=WINDOWS, capacity=None):
    table = RollingWindows(windows, rows.shape[1], capacity)
    for row in rows:
        table.push(row)
    return table


def figures(table):
    """Everything a table answers, as bytes; of the tails what is promised."""
    parts = [table.last_value_age(), table.values(table.capacity)]
    for window in table.windows:
        summary = table.summary(window)
        parts += [getattr(summary, field.name) for field in fields(summary)]
        needed = tail_depth(summary.count)
        tail = table.tail(window)
        parts += [tail[: needed[column], column] for column in range(table.columns)]
    return [part.tobytes() for part in parts]


@pytest.mark.parametrize("missing", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("windows", [(2, 5), (1, 20), (60,)])
def test_summary_equals_direct_computation_at_every_bar(missing, windows):
    returns = ragged_returns(11, 150, 5, missing)
    table = RollingWindows(windows, 5)
    for t, row in enumerate(returns):
        table.push(row)
        for window in windows:
            summary = table.summary(window)
            for column in range(5):
                series = returns[max(t + 1 - window, 0) : t + 1, column]
                series = series[~np.isnan(series)]
                check_summary(summary, column, series)


def check_summary(summary, column, series):
    close = {"rtol": RELATIVE, "atol": 1e-15}
    assert summary.count[column] == len(series)
    assert summary.hits[column] == np.count_nonzero(series > 0)
    wealth = np.concatenate([[1.0], np.cumprod(1 + series)])
    np.testing.assert_allclose(summary.growth[column], wealth[-1], **close)
    drawdowns = wealth / np.maximum.accumulate(wealth) - 1
    np.testing.assert_allclose(summary.drawdown[column], drawdowns[-1], rtol=0, atol=1e-13)
    np.testing.assert_allclose(summary.max_drawdown[column], drawdowns.min(), rtol=0, atol=1e-13)
    assert summary.max_drawdown[column] <= summary.drawdown[column] <= 0
    if len(series):
        assert summary.low[column] == series.min()
        assert summary.high[column] == series.max()
        np.testing.assert_allclose(summary.mean[column], series.mean(), rtol=RELATIVE, atol=1e-17)
        downside = (series[series < 0] ** 2).sum()
        np.testing.assert_allclose(summary.downside[column], downside, **close)
    if len(series) > 1:
        squares = float(exact_variance(series)) * (len(series) - 1)
        np.testing.assert_allclose(summary.squares[column], squares, **close)


@given(seed=seeds, missing=shares, bars=st.integers(0, 90), cut=st.integers(0, 90))
@example(seed=0, missing=0.0, bars=60, cut=20)
@example(seed=0, missing=0.0, bars=61, cut=21)
def test_snapshot_at_any_bar_is_bitwise_invisible(seed, missing, bars, cut):
    returns = ragged_returns(seed, bars, 3, missing)
    whole = pushed(returns, capacity=25)
    resumed = RollingWindows.from_state(pushed(returns[:cut], capacity=25).to_state())
    for row in returns[cut:]:
        resumed.push(row)
        figures(resumed)  # asking changes nothing either
    assert figures(resumed) == figures(whole)
    assert resumed.count == whole.count == bars
    before, after = whole.to_state(), resumed.to_state()
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert np.array_equal(value, after[name], equal_nan=name == "rows"), name


@given(seed=seeds, missing=shares, bars=st.integers(1, 70))
def test_column_order_only_permutes(seed, missing, bars):
    returns = ragged_returns(seed, bars, 9, missing)
    order = np.random.default_rng(seed).permutation(9)
    straight, shuffled = pushed(returns), pushed(returns[:, order])
    for window in WINDOWS:
        one, other = straight.summary(window), shuffled.summary(window)
        for field in fields(one):
            np.testing.assert_array_equal(
                getattr(one, field.name)[order], getattr(other, field.name), err_msg=field.name
            )


@given(
    seed=seeds,
    missing=shares,
    bars=st.integers(1, 70),
    ago=st.integers(0, 19),
    value=st.sampled_from([0.0, -0.0, 0.5, -1.0, float("nan")]),
)
def test_correction_equals_the_corrected_stream_bitwise(seed, missing, bars, ago, value):
    returns = ragged_returns(seed, bars, 3, missing)
    ago = min(ago, bars - 1)
    table = pushed(returns)
    table.correct(ago, 1, value)
    returns[bars - 1 - ago, 1] = value
    expected = pushed(returns)
    if not np.isnan(returns[-20:, 1]).all():  # else the age depends on bars no longer held
        assert figures(table) == figures(expected)
    for row in ragged_returns(seed + 1, 25, 3, missing):
        table.push(row)
        expected.push(row)
    assert figures(table)[1:] == figures(expected)[1:]


def test_age_after_the_only_known_value_is_taken_back_is_never():
    table = pushed(np.array([[0.1], [np.nan]]))
    assert table.last_value_age().tolist() == [1]
    table.correct(1, 0, float("nan"))
    assert table.last_value_age().tolist() == [NEVER]


def test_age_beyond_the_bars_held_survives_taking_back_what_was_missing_anyway():
    rows = np.full((30, 1), np.nan)
    rows[0] = 0.1
    table = pushed(rows)
    table.correct(5, 0, float("nan"))
    assert table.last_value_age().tolist() == [29]


@given(seed=seeds, missing=shares, bars=st.integers(0, 70))
def test_membership_change_equals_a_stream_that_always_had_those_columns(seed, missing, bars):
    returns = ragged_returns(seed, bars, 3, missing)
    table = pushed(returns)
    table.select_columns(np.array([2, -1, 0]))
    table.add_columns(1)
    hole = np.full(bars, np.nan)
    expected = pushed(np.column_stack([returns[:, 2], hole, returns[:, 0], hole]))
    for row in ragged_returns(seed + 1, 10, 4, missing):
        table.push(row)
        expected.push(row)
    assert figures(table) == figures(expected)


@given(seed=seeds, bars=st.integers(20, 80), early=st.sampled_from([1e300, -1.0, 1e-300, np.nan]))
def test_what_left_the_window_leaves_no_trace(seed, bars, early):
    returns = ragged_returns(seed, bars, 2, 0.1)
    other = returns.copy()
    other[: bars - 20] = early
    one, two = pushed(returns), pushed(other)
    for window in WINDOWS:
        for field in fields(one.summary(window)):
            a, b = (
                getattr(one.summary(window), field.name),
                getattr(two.summary(window), field.name),
            )
            assert a.tobytes() == b.tobytes(), field.name


@given(
    value=st.floats(-1.0, 1e150),
    bars=st.integers(1, 50),
    holes=st.integers(1, 5),
)
def test_constant_returns_have_exactly_no_spread(value, bars, holes):
    rows = np.full((bars, 1), value)
    rows[::holes][1:] = np.nan
    table = pushed(np.concatenate([np.array([[0.3]] * 3), np.full((20, 1), np.nan), rows]))
    for window in WINDOWS:
        assert table.summary(window).squares[0] == 0.0


def test_variance_keeps_its_digits_when_the_mean_is_far_from_zero():
    rng = np.random.default_rng(5)
    returns = 1.0 + 1e-6 * rng.standard_normal((300, 1))
    summary = pushed(returns, (252,)).summary(252)
    expected = float(exact_variance(returns[-252:, 0])) * 251
    # Means are rounded to 1e-16, 1e-10 of the spread; plain sums of squares would keep 4 digits.
    np.testing.assert_allclose(summary.squares[0], expected, rtol=1e-10)


@given(
    values=st.lists(st.integers(-3, 40), min_size=1, max_size=300),
    missing=st.integers(2, 9),
    window=st.sampled_from([1, 19, 21, 100, 252]),
)
def test_tail_holds_the_lowest_returns_in_order_at_every_bar(values, missing, window):
    # Few distinct values, rising and falling: many ties, and lows that leave without successors.
    returns = np.array(values, dtype=float)[:, None] / 100.0 * [1.0, -0.5]
    returns[::missing, 1] = np.nan
    table = RollingWindows((window, 5 * window), 2)
    for t, row in enumerate(returns):
        table.push(row)
        if t % 7 == 0 or t == len(returns) - 1:
            for column in range(2):
                expected = np.sort(returns[max(t + 1 - window, 0) : t + 1, column])
                count = int(np.count_nonzero(~np.isnan(expected)))
                needed = int(tail_depth(np.array(count)))
                got = table.tail(window)[:needed, column]
                np.testing.assert_array_equal(got, expected[:needed])


def test_tail_refills_after_a_long_run_of_rising_returns():
    returns = np.linspace(-0.5, 0.5, 600)[:, None]
    table = RollingWindows((100,), 1)
    for t, row in enumerate(returns):
        table.push(row)
        needed = int(tail_depth(np.array(min(t + 1, 100))))
        expected = returns[max(t - 99, 0) : t + 1, 0][:needed]
        if t > 300:  # not asked before: the tail has been worn down to nothing
            np.testing.assert_array_equal(table.tail(100)[:needed, 0], expected)


def test_all_windows_at_once_are_the_windows_one_by_one():
    table = pushed(ragged_returns(3, 55, 4, 0.2))
    together = table.summaries()
    for index, window in enumerate(WINDOWS):
        alone = table.summary(window)
        for field in fields(alone):
            np.testing.assert_array_equal(
                getattr(together, field.name)[index], getattr(alone, field.name)
            )


def test_handed_out_values_are_read_only_and_never_change():
    returns = ragged_returns(4, 200, 2, 0.0)
    table = RollingWindows(WINDOWS, 2)
    seen = []
    for t, row in enumerate(returns):
        table.push(row)
        seen.append((t, table.values(20)))
    table.correct(0, 0, 0.5)
    for t, values in seen:
        np.testing.assert_array_equal(values, returns[max(t - 19, 0) : t + 1])
    with pytest.raises(ValueError, match="read-only"):
        seen[-1][1][0, 0] = 1.0


def test_rows_are_addressed_by_bar_number_and_only_while_held():
    returns = ragged_returns(4, 50, 2, 0.0)
    table = pushed(returns, capacity=30)
    np.testing.assert_array_equal(table.rows(25, 40), returns[25:40])
    with pytest.raises(AssertionError):
        table.rows(18, 40)  # the last push still saw the bar that it put out
    with pytest.raises(AssertionError):
        table.rows(45, 51)


def test_ages_count_bars_since_the_last_value_even_beyond_the_bars_held():
    rows = np.full((40, 3), np.nan)
    rows[0, 0] = 0.01
    rows[-1, 1] = 0.01
    table = pushed(rows)
    assert table.last_value_age().tolist() == [39, 0, NEVER]
    table = RollingWindows.from_state(table.to_state())
    table.push(np.array([np.nan, np.nan, 0.0]))
    assert table.last_value_age().tolist() == [40, 1, 0]


def test_negative_zero_is_not_kept():
    table = pushed(np.array([[-0.0]]))
    assert not np.signbit(table.values(3)).any()


@pytest.mark.parametrize("windows", [(), (0,), (5, 5)])
def test_windows_that_make_no_sense_are_own_mistakes(windows):
    with pytest.raises(AssertionError):
        RollingWindows(windows, 1)


def test_capacity_shorter_than_a_window_and_rows_of_another_width_are_own_mistakes():
    with pytest.raises(AssertionError):
        RollingWindows((5,), 1, capacity=4)
    with pytest.raises(AssertionError):
        RollingWindows((5,), 1).push(np.zeros(2))
    with pytest.raises(AssertionError):
        pushed(np.zeros((2, 1))).correct(2, 0, 0.0)


@pytest.mark.parametrize("missing", [0.0, 0.5, 0.8])
def test_exponential_moments_equal_pandas(missing):
    returns = ragged_returns(6, 120, 4, missing)
    moments = EwmaMoments(4, 0.94)
    for row in returns:
        moments.push(row)
    mean, second = exponential_moments(returns, 0.94)
    np.testing.assert_allclose(moments.mean(), mean, rtol=1e-11, atol=1e-17)
    np.testing.assert_allclose(moments.second_moment(), second, rtol=1e-12)


def test_exponential_moments_before_the_first_value_are_missing():
    moments = EwmaMoments(2)
    moments.push(np.array([0.01, np.nan]))
    assert moments.mean()[0] == pytest.approx(0.01, rel=1e-15)
    assert np.isnan(moments.mean()[1])
    assert np.isnan(moments.second_moment()[1])
    assert moments.weight().tolist() == [1.0, 0.0]


@given(
    seed=seeds,
    missing=shares,
    ago=st.integers(0, 29),
    value=st.sampled_from([0.0, 0.4, float("nan")]),
)
def test_exponential_moments_corrected_equal_those_of_the_corrected_stream(
    seed, missing, ago, value
):
    returns = ragged_returns(seed, 30, 2, missing)
    returns[0] = 0.01  # never without any observation
    moments = EwmaMoments(2)
    for row in returns:
        moments.push(row)
    place = 29 - ago
    if place == 0:
        value = 0.2
    moments.correct(1, returns[place, 1], value, returns[place + 1 :, 1])
    returns[place, 1] = value
    mean, second = exponential_moments(returns, 0.94)
    # Taking an observation back divides what is left by the decay: a few more roundings.
    np.testing.assert_allclose(moments.mean(), mean, rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(moments.second_moment(), second, rtol=1e-10, atol=1e-17)


def test_exponential_moments_snapshot_and_membership():
    returns = ragged_returns(8, 40, 3, 0.3)
    whole, part = EwmaMoments(3), EwmaMoments(3)
    for row in returns[:20]:
        whole.push(row)
        part.push(row)
    part = EwmaMoments.from_state(part.to_state())
    for row in returns[20:]:
        whole.push(row)
        part.push(row)
    assert part.mean().tobytes() == whole.mean().tobytes()
    part.select_columns(np.array([2, -1]))
    assert part.columns == 2
    assert part.mean()[0] == whole.mean()[2]
    assert np.isnan(part.mean()[1])


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.5])
def test_exponential_decay_outside_its_range_is_an_own_mistake(decay):
    with pytest.raises(AssertionError):
        EwmaMoments(1, decay)
