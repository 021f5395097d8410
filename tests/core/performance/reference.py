"""Each figure of one window by other people's libraries, or by a plain loop over its definition."""

import math

import empyrical
import numpy as np
import pandas as pd
from scipy import stats

from tests.core.oracles import ragged_returns

YEAR = 252.0
# 1e-12 beside the relative bound: a mean, skew or co-moment near 0 is a difference of larger terms.
CLOSE = {"rtol": 1e-10, "atol": 1e-12}


def world(seed, bars, columns, missing):
    """Ragged returns with a late joiner, a constant column and one without any value."""
    rows = ragged_returns(seed, bars, columns, missing)
    rows[: bars // 2, 0] = np.nan
    rows[:, 1] = np.where(np.isnan(rows[:, 1]), np.nan, 0.001)
    rows[:, 2] = np.nan
    own = np.nan_to_num(rows).mean(axis=1) * 0.9
    return rows, own


@np.errstate(all="ignore")
def figures_by_definition(window, own, benchmark, trial_sharpes):
    """Figures of one column: the window (w,), the portfolio's and the benchmark's returns (w,)."""
    there = ~np.isnan(window)
    r = window[there]
    n, sharpe = len(r), r.mean() / r.std(ddof=1)
    error = error_iid(r, sharpe)
    found = {
        "skew": stats.skew(r, bias=True),
        "kurtosis": stats.kurtosis(r, fisher=True, bias=True),
        "sharpe_standard_error": error_hac(window, sharpe) * math.sqrt(YEAR),
        "sharpe_standard_error_iid": error * math.sqrt(YEAR),
        "probabilistic_sharpe": stats.norm.cdf(sharpe / error),
        "deflated_sharpe": stats.norm.cdf((sharpe - best_of_luck(trial_sharpes)) / error),
        "profit_factor": sum(x for x in r if x > 0) / -sum(x for x in r if x < 0),
        "tail_ratio": empyrical.tail_ratio(r),
        "beta": empyrical.beta(pd.Series(r), pd.Series(own[there])),
        "correlation": pd.Series(r).corr(pd.Series(own[there])),
        **water(window),
        **variants_by_definition(r),
    }
    both = there & ~np.isnan(benchmark)
    level = benchmark[~np.isnan(benchmark)]
    if len(level) > 1:
        against = level.mean() / level.std(ddof=1)
        found["probabilistic_sharpe_benchmark"] = stats.norm.cdf((sharpe - against) / error)
    if both.sum() > 1:
        pair = pd.Series(window[both]), pd.Series(benchmark[both])
        found["beta_benchmark"] = empyrical.beta(*pair)
        found["correlation_benchmark"] = pair[0].corr(pair[1])
    assert n > 1
    return found


@np.errstate(all="ignore")
def variants_by_definition(r):
    """Figures of one series without gaps in the conventions of other software."""
    series, root = pd.Series(r), math.sqrt(YEAR)
    below, losses = np.minimum(r - r.mean(), 0.0), r[r < 0.0]
    path = [0.0, *r.cumsum()]
    return {
        "sharpe_population": r.mean() / np.std(r) * root,
        "sharpe_geometric": empyrical.cagr(series, annualization=YEAR)
        / empyrical.annual_volatility(series, annualization=YEAR),
        "sortino_semideviation": r.mean() / math.sqrt(below @ below / (len(r) - 1)) * root,
        "sortino_loss_deviation": r.mean() / losses.std(ddof=1) * root
        if len(losses) > 1
        else math.nan,
        "omega": empyrical.omega_ratio(series),
        "stability": empyrical.stability_of_timeseries(series),
        "skew_unbiased": series.skew(),
        "kurtosis_unbiased": series.kurt(),
        "drawdown_uncompounded_max": min(path[i] - max(path[: i + 1]) for i in range(len(path))),
    }


def error_iid(r, sharpe):
    g3, g4 = stats.skew(r), stats.kurtosis(r, fisher=False)
    return math.sqrt((1 - g3 * sharpe + (g4 - 1) / 4 * sharpe**2) / (len(r) - 1))


def error_hac(window, sharpe):
    """Newey and West's sum, lag by lag, over the influence of each return on the ratio."""
    there = ~np.isnan(window)
    r = window[there]
    z = (window - r.mean()) / r.std()
    y = np.where(there, z - sharpe / 2 * (z * z - 1), 0.0)
    lags = math.floor(4 * (len(window) / 100) ** (2 / 9))
    total = y @ y
    for lag in range(1, lags + 1):
        total += 2 * (1 - lag / (lags + 1)) * (y[lag:] @ y[:-lag])
    return math.sqrt(total / len(r) / (len(r) - 1))


def best_of_luck(sharpes):
    trials = len(sharpes)
    known = sharpes[~np.isnan(sharpes)]
    gamma = np.euler_gamma
    level = (1 - gamma) * stats.norm.ppf(1 - 1 / trials)
    level += gamma * stats.norm.ppf(1 - 1 / (trials * math.e))
    return known.std(ddof=1) * level if len(known) > 1 else math.nan


def water(window):
    """Walk through the window bar by bar."""
    wealth = high = 1.0
    under = longest = start = 0
    deepest, squares, found = 0.0, 0.0, (-1, -1)
    for place, r in enumerate(window):
        wealth *= 1.0 if math.isnan(r) else 1.0 + r
        high = max(high, wealth)
        start = place if wealth < high and not under else start
        under = under + 1 if wealth < high else 0
        longest = max(longest, under)
        depth = wealth / high - 1.0
        if depth < deepest:
            deepest, found = depth, (len(window) - 1 - start, len(window) - 1 - place)
        squares += 0.0 if math.isnan(r) else depth * depth
    return {
        "ulcer_index": math.sqrt(squares / max(np.count_nonzero(~np.isnan(window)), 1)),
        "under_water_bars": under,
        "under_water_bars_longest": longest,
        "max_drawdown": deepest,
        "dates": found,
    }
