import numpy as np
import pandas as pd

from streams.demo.books import VOLATILITY_BARS, equal_weight, index, inverse_volatility


def ragged():
    returns = 0.01 * np.random.default_rng(5).standard_normal((200, 3)) * [1, 2, 3]
    returns[:50, 2] = np.nan
    returns[150:, 0] = np.nan
    return returns


def test_equal_weight_is_the_mean_of_those_present():
    nav = (1 + pd.DataFrame(ragged()).mean(axis=1)).cumprod()
    np.testing.assert_allclose(equal_weight(ragged()), nav, rtol=1e-12)


def test_inverse_volatility_looks_at_the_past_only():
    returns = ragged()
    whole = inverse_volatility(returns)
    scrambled = returns.copy()
    scrambled[120:] = np.random.default_rng(6).permutation(scrambled[120:])
    np.testing.assert_array_equal(inverse_volatility(scrambled)[:120], whole[:120])


def test_inverse_volatility_weighs_by_the_root_mean_square_of_the_bars_before():
    returns = ragged()
    past = returns[100 - VOLATILITY_BARS : 100]
    weights = 1 / np.sqrt(np.nanmean(past**2, axis=0))
    gain = weights @ returns[100] / weights.sum()
    nav = inverse_volatility(returns)
    np.testing.assert_allclose(nav[100] / nav[99] - 1, gain, rtol=1e-9)


def test_absent_index_returns_count_as_flat():
    np.testing.assert_allclose(index(np.array([0.1, np.nan, -0.5])), [1.1, 1.1, 0.55])
