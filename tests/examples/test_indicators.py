"""Indicators against pandas and against the plainest loops."""

import numpy as np
import pandas as pd
import pytest

from examples.strategies import indicators


@pytest.fixture
def close():
    rng = np.random.default_rng(5)
    return 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, (300, 2)), axis=0))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (indicators.rolling_mean, lambda frame: frame.rolling(20).mean()),
        (indicators.rolling_std, lambda frame: frame.rolling(20).std()),
        (indicators.rolling_max, lambda frame: frame.rolling(20).max()),
        (indicators.change, lambda frame: frame.pct_change(20)),
        (
            indicators.zscore,
            lambda frame: (frame - frame.rolling(20).mean()) / frame.rolling(20).std(),
        ),
    ],
)
def test_rolling_figures_equal_pandas(close, ours, theirs):
    # pandas sums online, with errors of about 1e-12 of the prices
    expected = theirs(pd.DataFrame(close)).to_numpy()
    np.testing.assert_allclose(ours(close, 20), expected, rtol=1e-8, atol=1e-10)


def test_rsi_is_wilders_smoothing_of_gains_and_losses(close):
    moves = np.diff(close[:, 0])
    smoothed = []
    for side in (np.maximum(moves, 0.0), np.maximum(-moves, 0.0)):
        seeded = pd.Series(np.concatenate([[side[:14].mean()], side[14:]]))
        smoothed.append(seeded.ewm(alpha=1 / 14, adjust=False).mean().to_numpy())
    gain, loss = smoothed
    expected = 100.0 - 100.0 / (1.0 + gain / loss)

    # two orders of summation of numbers near 100
    np.testing.assert_allclose(indicators.rsi(close, 14)[14:, 0], expected, rtol=1e-10)
    assert np.isnan(indicators.rsi(close, 14)[:14]).all()


def test_rsi_of_an_unmoving_price_is_fifty():
    assert (indicators.rsi(np.full((20, 1), 7.0), 2)[2:] == 50.0).all()


@pytest.mark.parametrize("value", [7.0, 3.322, 0.1, -2.3])
def test_zscore_of_an_unmoving_value_is_zero(value):
    # 3.322 is the price at which a stock of the file stood still for its first 69 sessions
    assert (indicators.zscore(np.full((100, 1), value), 63)[62:] == 0.0).all()


def test_volatility_of_an_unmoving_stock_is_the_least_one(close):
    moving = close[1:] / close[:-1] - 1.0
    moving[:, 1] = 0.0
    volatility = indicators.stock_volatility(moving)[63:]

    np.testing.assert_allclose(volatility[:, 0], pd.Series(moving[:, 0]).rolling(63).std()[63:])
    assert (volatility[:, 1] == 0.003).all()


def test_latched_holds_from_entry_to_exit():
    rng = np.random.default_rng(3)
    enter, leave = rng.random((500, 4)) < 0.1, rng.random((500, 4)) < 0.1
    state, expected = np.zeros(4), []
    for entering, leaving in zip(enter, leave, strict=True):
        state = np.where(leaving, 0.0, np.where(entering, 1.0, state))
        expected.append(state)

    np.testing.assert_array_equal(indicators.latched(enter, leave), expected)


def test_held_every_keeps_each_third_row():
    rows = np.arange(8.0)[:, None]

    assert indicators.held_every(rows, 3)[:, 0].tolist() == [0, 0, 0, 3, 3, 3, 6, 6]
