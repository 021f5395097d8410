"""Variants against the software whose conventions they are."""

import empyrical
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from streams.core.metrics import UNDEFINED_REASONS, series_metrics
from streams.core.performance.variants import (
    VARIANT_NAMES,
    VARIANTS,
    window_variants,
)
from tests.core.oracles import ragged_returns

YEAR = 252.0


def series_variants(returns, periods):
    """Each variant of one series by name, None where it does not exist."""
    block = window_variants(returns[:, None], periods)
    values, undefined = block.values[:, 0].tolist(), block.undefined[:, 0].tolist()
    return {
        name: None if code else value
        for name, value, code in zip(VARIANT_NAMES, values, undefined, strict=True)
    }


GOLDEN = np.array([-0.01, 0.02, -0.015, 0.005, -0.02])


def test_golden_vector_in_each_convention():
    variants = series_variants(GOLDEN, YEAR)
    expected = {
        "sharpe_population": -4.34063607036194,
        "sharpe_geometric": -2.48620134181844,
        "sortino_loss_deviation": -12.6996062931100,
        "sortino_semideviation": -6.24906772707954,
    }
    for name, value in expected.items():
        assert variants[name] == pytest.approx(value, rel=1e-13), name  # given to 15 digits
    _, adopted, _ = series_metrics(GOLDEN, YEAR)
    assert adopted["sharpe"] == pytest.approx(-3.88238292756674, rel=1e-14)
    # By exact arithmetic. A table that says -5.27322448882450 is wrong from its ninth digit on.
    assert adopted["sortino"] == pytest.approx(-5.27322449282449, rel=1e-14)


@pytest.mark.parametrize("length", [5, 60, 500])
def test_variants_equal_the_software_they_are_named_after(length):
    returns = ragged_returns(length, length, 1, 0.0)[:, 0]
    series = pd.Series(returns)
    variants = series_variants(returns, YEAR)
    wealth = np.append(0.0, returns.cumsum())
    expected = {
        "omega": empyrical.omega_ratio(series),
        "stability": empyrical.stability_of_timeseries(series),
        "skew_unbiased": series.skew(),
        "kurtosis_unbiased": series.kurt(),
        "sharpe_population": returns.mean() / np.std(returns) * np.sqrt(YEAR),
        "drawdown_uncompounded_max": min(
            wealth[i] - max(wealth[: i + 1]) for i in range(length + 1)
        ),
    }
    for name, value in expected.items():
        assert variants[name] == pytest.approx(value, rel=1e-10), name
    assert stats.skew(returns, bias=False) == pytest.approx(variants["skew_unbiased"], rel=1e-10)
    assert list(variants) == [variant.name for variant in VARIANTS]


@pytest.mark.parametrize("returns", [[np.nan], [0.01], [np.nan, 0.01]])
def test_too_few_returns_have_no_variant(returns):
    assert set(series_variants(np.array(returns), YEAR).values()) <= {None}


def test_what_does_not_exist_is_none_and_never_infinite():
    steady = series_variants(np.full(5, 0.001), YEAR)
    assert [steady[n] for n in ("sharpe_population", "sortino_loss_deviation", "omega")] == [
        None
    ] * 3
    dead = series_variants(np.array([0.1, -1.0, 0.2, 0.3]), YEAR)
    assert dead["stability"] is None
    assert dead["sharpe_population"] is not None
    holed = series_variants(np.array([-0.01, np.nan, 0.02, -0.015, 0.005, -0.02]), YEAR)
    assert holed == series_variants(GOLDEN, YEAR)


@pytest.mark.parametrize("columns", [2, 47, 100])
def test_a_column_has_the_same_bits_alone_and_among_others(columns):
    rows = ragged_returns(columns, 60, columns, 0.3)
    among = window_variants(rows, YEAR)
    for column in (0, columns // 2, columns - 1):
        alone = window_variants(rows[:, [column]], YEAR)
        assert alone.values[:, 0].tobytes() == among.values[:, column].tobytes()
        assert alone.undefined[:, 0].tobytes() == among.undefined[:, column].tobytes()


@pytest.mark.parametrize(
    ("returns", "name", "reason"),
    [
        ([0.1, 0.1, 0.1], "sharpe_population", "zero_variance"),
        ([0.1, 0.1, 0.1], "skew_unbiased", "zero_variance"),
        ([0.1, 0.2], "skew_unbiased", "too_few"),
        ([0.1, 0.2, 0.3], "kurtosis_unbiased", "too_few"),
        ([0.1, 0.2, 0.3], "omega", "no_losses"),
        ([0.1, 0.2, 0.3], "sortino_loss_deviation", "no_losses"),
        ([0.1, 0.2, -0.3], "sortino_loss_deviation", "too_few"),
        ([0.1, -0.1, -0.1, -0.1], "sortino_loss_deviation", "zero_downside"),
        ([0.1, -1.0, 0.1], "stability", "overflow"),
        ([0.1, np.nan, np.nan], "omega", "too_few"),
    ],
)
def test_where_there_is_none_the_reason_is_told(returns, name, reason):
    block = window_variants(np.array(returns)[:, None], YEAR)
    row = VARIANT_NAMES.index(name)
    assert UNDEFINED_REASONS[block.undefined[row, 0]] == reason
    assert np.isnan(block.values[row, 0])
