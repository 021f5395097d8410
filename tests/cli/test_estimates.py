"""What `apse estimate` tells beyond the plain metrics."""

import json

import numpy as np
import pytest

from streams.cli.estimates import strategy_figures
from streams.core.performance import BENCHMARK_FIGURES, VARIANTS
from tests.core.oracles import ragged_returns
from tests.core.performance.reference import figures_by_definition

DAY = 86_400 * 10**9


def told(rows, benchmark=None):
    names = tuple("abcdef"[: rows.shape[1]])
    ends_ns = DAY * np.arange(1, len(rows) + 1)
    return strategy_figures(names, rows, ends_ns, 252.0, benchmark)


def test_every_figure_of_a_table_equals_its_definition():
    rows = ragged_returns(2, 200, 4, 0.1)
    figures = told(rows, "b")
    json.dumps(figures, allow_nan=False)
    sharpes = np.nanmean(rows, axis=0) / np.nanstd(rows, axis=0, ddof=1)
    for column, name in enumerate("abcd"):
        expected = figures_by_definition(
            rows[:, column], np.nan_to_num(rows).mean(axis=1), rows[:, 1], sharpes
        )
        told_all = figures[name] | figures[name]["variants"]
        assert {*expected} - {*told_all} == {"dates"}
        for figure in {*expected} & {*told_all}:
            assert told_all[figure] == pytest.approx(expected[figure], rel=1e-9), figure
        assert set(BENCHMARK_FIGURES) <= set(figures[name])
        assert list(figures[name]["variants"]) == [variant.name for variant in VARIANTS]
        assert figures[name]["coverage"] == figures[name]["n_obs"] / 200


def test_without_a_benchmark_nothing_is_told_against_one():
    figures = told(ragged_returns(2, 50, 2, 0.1))["a"]
    assert not {*BENCHMARK_FIGURES} & set(figures)


def test_beta_is_to_the_portfolio_that_is_given():
    rows = ragged_returns(3, 60, 2, 0.2)
    ends_ns = DAY * np.arange(1, 61)
    own = np.where(np.arange(60) < 10, np.nan, rows[:, 1] / 2.0)
    figures = strategy_figures(("a", "b"), rows, ends_ns, 252.0, None, own)
    assert figures["b"]["beta"] == pytest.approx(2.0, rel=1e-12)
    assert figures["b"]["correlation"] == pytest.approx(1.0, rel=1e-12)
    both = ~np.isnan(rows[10:]).any(axis=1)
    slope = np.polyfit(own[10:][both], rows[10:][both, 0], 1)[0]
    assert figures["a"]["beta"] == pytest.approx(slope, rel=1e-9)


def test_a_portfolio_that_stands_still_has_no_beta():
    figures = strategy_figures(
        ("a",), np.array([[0.1], [-0.2], [0.3]]), DAY * np.arange(1, 4), 252.0, None, np.zeros(3)
    )["a"]
    assert figures["beta"] is None
    assert figures["undefined"]["beta"] == "zero_variance"


def test_the_deepest_drawdown_is_dated():
    rows = np.array([[0.1], [-0.2], [0.05], [-0.3], [0.9], [-0.1]])
    figures = told(rows)["a"]
    assert figures["max_drawdown_start"] == "1970-01-03T00:00:00Z"
    assert figures["max_drawdown_trough"] == "1970-01-05T00:00:00Z"


@pytest.mark.parametrize("rows", [np.empty((0, 1)), np.array([[0.01]]), np.full((5, 1), np.nan)])
def test_too_few_rows_have_reasons_instead(rows):
    figures = told(rows)["a"]
    assert figures["undefined"]["skew"] == "too_few"
    assert figures["skew"] is None
    assert figures["max_drawdown_start"] is None
