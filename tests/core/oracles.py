"""Independent answers for the estimates: other people's libraries, definitions, exact fractions."""

from fractions import Fraction
from itertools import combinations

import empyrical
import numpy as np
import pandas as pd
from sklearn.covariance import ledoit_wolf


def ragged_returns(seed, bars, columns, missing):
    """Heavy-tailed returns > -1, (bars, columns), about `missing` of them NaN."""
    rng = np.random.default_rng(seed)
    common = 0.004 * rng.standard_normal((bars, 1))
    own = 0.01 * rng.standard_t(4, (bars, columns)) * rng.uniform(0.2, 3.0, columns)
    returns = np.maximum(common + own + 0.0005, -0.9)
    returns[rng.random((bars, columns)) < missing] = np.nan
    return returns


def metrics_by_definition(returns, periods_per_year, risk_free=0.0):
    """Every metric of a series without holes, by empyrical and numpy where they share our terms."""
    series = pd.Series(returns)
    year = {"annualization": periods_per_year}
    return {
        "mean_annual": float(series.mean()) * periods_per_year,
        "cagr": empyrical.annual_return(series, **year),
        "volatility_annual": empyrical.annual_volatility(series, **year),
        "downside_deviation_annual": empyrical.downside_risk(series, **year),
        "sharpe": empyrical.sharpe_ratio(series, risk_free=risk_free, **year),
        "sortino": empyrical.sortino_ratio(series, **year),
        "drawdown": current_drawdown(returns),
        "max_drawdown": empyrical.max_drawdown(series),
        "calmar": empyrical.calmar_ratio(series, **year),
        "hit_rate": sum(1 for r in returns if r > 0) / len(returns),
        "var_95": -float(np.quantile(returns, 0.05, method="linear")),
        "var_99": -float(np.quantile(returns, 0.01, method="linear")),
        "cvar_95": conditional_value_at_risk(returns, Fraction(5, 100)),
        "cvar_99": conditional_value_at_risk(returns, Fraction(1, 100)),
    }


def current_drawdown(returns):
    wealth = [1.0]
    for r in returns:
        wealth.append(wealth[-1] * (1 + r))
    return wealth[-1] / max(wealth) - 1


def conditional_value_at_risk(returns, tail):
    """Rockafellar and Uryasev's definition: the least c + E[max(loss - c, 0)] / tail over c.

    The function of c is convex and piecewise linear with its kinks at the losses.
    """
    losses = np.sort(-np.asarray(returns))
    beyond = np.maximum(losses[None, :] - losses[:, None], 0.0).mean(axis=1)
    return float((losses + beyond / float(tail)).min())


def exact_variance(returns):
    """Sample variance without any rounding."""
    values = [Fraction(float(r)) for r in returns]
    mean = sum(values) / len(values)
    return sum((v - mean) ** 2 for v in values) / (len(values) - 1)


def exponential_moments(returns, decay):
    """Weighted mean and second moment after the last row, holes skipped, by pandas."""
    frame = pd.DataFrame(returns)
    rule = {"alpha": 1 - decay, "adjust": True, "ignore_na": True}
    mean = frame.ewm(**rule).mean().iloc[-1].to_numpy()
    return mean, (frame**2).ewm(**rule).mean().iloc[-1].to_numpy()


def covariance_by_definition(rows, literal):
    """Covariance of complete rows by numpy, a plain sum, or scikit-learn."""
    if literal == "sample":
        return np.atleast_2d(np.cov(rows, rowvar=False, ddof=1))
    if literal == "ledoit_wolf":
        return ledoit_wolf(rows)[0]
    decay = float(literal.split(":")[1])
    total, weight, norm = np.zeros((rows.shape[1],) * 2), 1.0, 0.0
    for row in rows[::-1]:
        total += weight * np.multiply.outer(row, row)
        norm += weight
        weight *= decay
    return total / norm


def average_correlation_by_pairs(matrix, weights):
    """Risk-weighted average over pairs, pair by pair."""
    sigma = np.sqrt(np.diag(matrix))
    above = below = 0.0
    for i, j in combinations(range(len(matrix)), 2):
        risk = weights[i] * sigma[i] * weights[j] * sigma[j]
        above += risk * matrix[i, j] / (sigma[i] * sigma[j])
        below += risk
    return above / below
