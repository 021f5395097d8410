"""Certainty of a Sharpe ratio against scipy and against chance itself."""

import numpy as np
import pytest
from scipy import stats

from streams.core.performance import Asked, whole_figures
from streams.core.performance.sharpe import expected_best, normal_distribution

BARS = 400


def test_normal_distribution_is_that_of_scipy_far_into_the_tails():
    values = np.linspace(-37.0, 37.0, 500).reshape(2, 250)
    np.testing.assert_allclose(normal_distribution(values), stats.norm.cdf(values), rtol=1e-12)
    assert np.isnan(normal_distribution(np.array([np.nan])))


def test_expected_best_of_many_trials_is_near_the_average_best():
    rng = np.random.default_rng(4)
    sharpes = rng.standard_normal((2000, 50))
    predicted = expected_best(np.sort(sharpes[0])[None], 50)[0, 0]
    assert predicted / sharpes[0].std(ddof=1) == pytest.approx(
        sharpes.max(axis=1).mean(), abs=0.05
    )  # the formula is asymptotic; the average has an error of 0.01
    assert expected_best(np.array([[0.1, 0.2]]), 1).tolist() == [[0.0]]
    assert np.isnan(expected_best(np.array([[0.1, np.nan]]), 2))


@pytest.mark.parametrize("memory", [0.0, 0.4])
def test_the_standard_error_is_the_spread_of_the_ratio_over_many_lives(memory):
    rng = np.random.default_rng(5)
    shocks = rng.standard_normal((BARS + 50, 1500))
    returns = np.zeros_like(shocks)
    for bar in range(1, len(shocks)):
        returns[bar] = memory * returns[bar - 1] + shocks[bar]
    returns = 0.001 + 0.01 * returns[50:]
    block = whole_figures(returns, np.zeros(BARS), Asked(periods_per_year=1.0)).block
    names = ("sharpe_standard_error", "sharpe_standard_error_iid")
    places = [2, 3]
    told, plain = (float(np.median(block.values[place, 0])) for place in places)
    true = float((returns.mean(axis=0) / returns.std(axis=0, ddof=1)).std())
    # Bartlett weights over 5 lags see most of the memory, not all of it; 1500 lives know the
    # spread to 2 %.
    assert told == pytest.approx(true, rel=0.05 + 0.35 * memory), names
    if memory:
        assert plain < 0.75 * true
