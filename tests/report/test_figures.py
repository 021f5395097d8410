from statistics import NormalDist

import empyrical
import numpy as np
import pandas as pd
import pytest

from streams.report.figures import (
    date_of,
    falls_of,
    headline_of,
    luck_of,
    months_of,
    rolling_of,
    wealth_of,
)

DAYS = pd.bdate_range("2017-11-15", periods=700)
# A bar of session D ends with the midnight after it.
ENDS_NS = ((DAYS + pd.Timedelta(days=1)).astype("datetime64[ns]")).astype("int64").to_numpy()


@pytest.fixture(scope="module")
def net():
    drift = 0.0003 + 0.004 * np.sin(np.arange(700) / 60.0)
    return drift + 0.01 * np.random.default_rng(5).standard_normal(700)


def head(net, **changes):
    asked = {"periods_per_year": 252.0, "luck": 0.01} | changes
    return headline_of(net, np.full(len(net), 1e-5), np.full(len(net), 0.02), **asked)


def test_figures_are_those_of_empyrical(net):
    found = head(net).figures
    expected = {
        "total_return": empyrical.cum_returns_final(net),
        "cagr": empyrical.annual_return(net, annualization=252),
        "volatility_annual": empyrical.annual_volatility(net, annualization=252),
        "sharpe": empyrical.sharpe_ratio(net, annualization=252),
        "sortino": empyrical.sortino_ratio(net, annualization=252),
        "max_drawdown": empyrical.max_drawdown(net),
        "calmar": empyrical.calmar_ratio(net, annualization=252),
    }
    for name, value in expected.items():
        # sums of 700 numbers in another order
        assert found[name] == pytest.approx(value, rel=1e-10), name
    assert found["hit_rate"] == (net > 0).mean()
    assert found["turnover_annual"] == pytest.approx(0.02 * 252)
    assert found["cost_annual"] == pytest.approx(1e-5 * 252)
    # 5 % of 700 is 35 whole bars: the tail of all definitions
    assert found["cvar_95"] == pytest.approx(-np.sort(net)[:35].mean(), rel=1e-12)


def test_the_standard_error_of_the_sharpe_ratio_is_newey_and_wests(net):
    ratio = net.mean() / net.std(ddof=1)
    z = (net - net.mean()) / net.std()
    y = z - ratio / 2 * (z**2 - 1)
    lags = int(4 * (700 / 100) ** (2 / 9))
    total = y @ y
    for lag in range(1, lags + 1):
        total += 2 * (1 - lag / (lags + 1)) * (y[lag:] @ y[:-lag])
    error = np.sqrt(total / 700 / 699 * 252)
    assert head(net).figures["sharpe_standard_error"] == pytest.approx(error, rel=1e-9)


def test_probabilities_that_a_sharpe_ratio_is_no_luck(net):
    ratio = net.mean() / net.std(ddof=1)
    skew, kurtosis = (
        pd.Series(net)
        .pipe(lambda s: (s - s.mean()) / s.std(ddof=0))
        .pipe(lambda z: ((z**3).mean(), (z**4).mean()))
    )
    error = np.sqrt((1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2) / 699)
    found = head(net, luck=0.01).figures
    assert found["probabilistic_sharpe"] == pytest.approx(NormalDist().cdf(ratio / error), rel=1e-9)
    deflated = NormalDist().cdf((ratio - 0.01) / error)
    assert found["deflated_sharpe"] == pytest.approx(deflated, rel=1e-9)


def test_luck_is_what_the_best_of_so_many_shows_without_skill():
    values = 0.01 * np.random.default_rng(1).standard_normal((300, 5))
    values[:200, 4] = np.nan
    ratios = pd.DataFrame(values).agg(lambda r: r.mean() / r.std())
    normal = NormalDist().inv_cdf
    euler = 0.57721566490153286
    for trials, count in ((None, 5), (40, 40)):
        best = (1 - euler) * normal(1 - 1 / count) + euler * normal(1 - 1 / count / np.e)
        assert luck_of(values, trials, 252.0) == pytest.approx(ratios.std() * best, rel=1e-10)
    assert luck_of(values[:, :1], 3, 252.0) is None


def test_what_does_not_exist_has_a_reason():
    flat = head(np.zeros(10))
    assert flat.figures["sharpe"] is flat.figures["deflated_sharpe"] is None
    assert flat.undefined["sharpe"] == flat.undefined["deflated_sharpe"] == "zero_variance"
    assert flat.undefined["calmar"] == "zero_drawdown"
    single = head(np.array([0.01]))
    assert single.undefined["probabilistic_sharpe"] == "too_few"
    unknown = head(np.array([0.01, -0.02, 0.01]), luck=None)
    assert unknown.undefined["deflated_sharpe"] == "returns_unknown"


def test_months_and_years_are_those_of_pandas(net):
    found = months_of(ENDS_NS, net)
    series = pd.Series(net, index=DAYS)
    monthly = (1 + series).groupby([DAYS.year, DAYS.month]).prod() - 1
    yearly = (1 + series).groupby(DAYS.year).prod() - 1
    assert found.years == yearly.index.tolist()
    np.testing.assert_allclose(found.totals, yearly, rtol=0, atol=1e-14)
    told = {
        (year, month + 1): value
        for year, row in zip(found.years, found.months, strict=True)
        for month, value in enumerate(row)
        if value is not None
    }
    assert list(told) == monthly.index.tolist()
    np.testing.assert_allclose(list(told.values()), monthly, rtol=0, atol=1e-14)


def test_a_bar_belongs_to_the_day_and_month_that_it_ends_with():
    midnight = int(pd.Timestamp("2024-06-01T00:00Z").value)
    assert date_of(midnight) == "2024-05-31"
    assert date_of(midnight + 1) == "2024-06-01"
    found = months_of(np.array([midnight, midnight + 3_600_000_000_000]), np.array([0.1, 0.2]))
    assert found.months[0][4:6] == [pytest.approx(0.1), pytest.approx(0.2)]


def test_rolling_figures_are_those_of_pandas(net):
    found = rolling_of(net, 60, 252.0)
    rolling = pd.Series(net).rolling(60)
    volatility = rolling.std() * np.sqrt(252)
    np.testing.assert_allclose(found.volatility_annual, volatility, rtol=1e-10)
    np.testing.assert_allclose(found.sharpe, rolling.mean() * 252 / volatility, rtol=1e-9)
    last = head(net[-60:]).figures["sharpe_standard_error"]
    assert found.sharpe_standard_error[-1] == pytest.approx(last, rel=1e-9)
    assert np.isnan(found.sharpe_standard_error[:59]).all()


def falls_by_pandas(wealth):
    """Group the bars below the running high by the high they are below."""
    frame = pd.DataFrame({"wealth": wealth})
    frame["high"] = frame["wealth"].cummax().clip(lower=1.0)
    frame["depth"] = frame["wealth"] / frame["high"] - 1
    under = frame["depth"] < 0
    run = (under != under.shift(fill_value=False)).cumsum()[under]
    found = []
    for _, rows in frame[under].groupby(run):
        last = rows.index[-1]
        end = None if last == len(frame) - 1 else last + 1
        found.append((rows.index[0], rows["depth"].idxmin(), end, rows["depth"].min()))
    return sorted(found, key=lambda fall: (fall[3], fall[0]))


def test_drawdowns_are_those_of_pandas_and_the_deepest_is_empyricals(net):
    wealth = wealth_of(net)
    found = falls_of(wealth)
    told = [(fall.start, fall.trough, fall.recovery, fall.depth) for fall in found]
    assert told == falls_by_pandas(wealth)
    assert found[0].depth == pytest.approx(empyrical.max_drawdown(net), rel=1e-12)
    for fall in found:
        end = len(wealth) if fall.recovery is None else fall.recovery
        assert fall.bars == end - fall.start
        assert fall.recovery is None or fall.bars_to_recover == end - fall.trough
    assert falls_of(np.array([1.0, 1.1, 1.2])) == []
