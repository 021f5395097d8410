"""Estimators of the expected return of a bar, and how far each may be off.

All take rows (n, N) without holes or with, and give means and standard errors per bar (N,). A
standard error tells what the sampling of independent returns leaves open; it is no bound.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.errors import ConfigError, DataError

__all__ = [
    "ExpectedReturns",
    "MeanSpec",
    "bayes_stein",
    "ewma_mean",
    "james_stein",
    "parse_mean",
    "sample_mean",
]

MEAN_LITERALS: Final = (
    "sample, ewma:LAMBDA (as ewma:0.97), james_stein, bayes_stein, equilibrium or black_litterman"
)
_SHRINKS_FROM: Final = 4  # James and Stein towards a common mean: with fewer there is no gain
_OBSERVATIONS_MIN: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanSpec:
    """Which estimator; ``decay`` is the weight of a row relative to the next newer one."""

    kind: Literal["sample", "ewma", "james_stein", "bayes_stein", "equilibrium", "black_litterman"]
    decay: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExpectedReturns:
    """Means and their standard errors, (N,), per bar or annual as said where it is made.

    ``shrinkage`` is the share of the common value; None where there is none. ``unused_views`` are
    positions of views that name a strategy without an estimate.
    """

    mean: FloatArray
    standard_error: FloatArray
    shrinkage: float | None = None
    unused_views: tuple[int, ...] = ()


def parse_mean(literal: str) -> MeanSpec:
    """Read an estimator's name.

    Raises
    ------
    ConfigError
        Naming the literal and what may be written.

    Examples
    --------
    >>> parse_mean("ewma:0.97")
    MeanSpec(kind='ewma', decay=0.97)
    """
    if literal in {"sample", "james_stein", "bayes_stein", "equilibrium", "black_litterman"}:
        return MeanSpec(kind=literal)  # type: ignore[arg-type]  # one of these
    kind, _, number = literal.partition(":")
    if kind == "ewma" and re.fullmatch(r"[0-9]*\.?[0-9]+", number) and 0.0 < float(number) < 1.0:
        return MeanSpec(kind="ewma", decay=float(number))
    msg = f"mean is {literal!r}; expected {MEAN_LITERALS}"
    raise ConfigError(msg)


def sample_mean(values: FloatArray, deviations: FloatArray) -> ExpectedReturns:
    """Average each column's own observations: standard error sigma / sqrt(n).

    Parameters
    ----------
    values
        (T, N), NaN = missing.
    deviations
        (N,) sigma per bar.
    """
    counts = _counts(values)
    if not np.isnan(values).any():
        mean = values.mean(axis=0)
    else:
        mean = np.where(np.isnan(values), 0.0, values).sum(axis=0) / counts
    return ExpectedReturns(mean=mean, standard_error=deviations / np.sqrt(counts))


def ewma_mean(values: FloatArray, deviations: FloatArray, decay: float) -> ExpectedReturns:
    """Average with weights decay^age, normalised over each column's own observations.

    The standard error is sigma * sqrt(sum w^2), that of n_eff = 1 / sum w^2 observations.
    """
    _counts(values)
    present = ~np.isnan(values)
    ages = np.arange(len(values) - 1, -1, -1, dtype=np.float64)[:, None]
    weights = np.where(present, decay**ages, 0.0)
    weights /= weights.sum(axis=0)
    mean = (weights * np.where(present, values, 0.0)).sum(axis=0)
    return ExpectedReturns(
        mean=mean, standard_error=deviations * np.sqrt((weights * weights).sum(axis=0))
    )


def james_stein(values: FloatArray, deviations: FloatArray) -> ExpectedReturns:
    """Shrink Sharpe ratios to their average, since means of unlike risk have no common value.

    s_i = mean_i / sigma_i has variance v = 1 / n each. With B = min(1, (N - 3) v / sum of
    (s_i - average)^2): s_i - B (s_i - average), and variance v (1 - B (N - 1) / N) +
    2 B^2 (s_i - average)^2 / (N - 3): Efron and Morris (1975), "Data analysis using Stein's
    estimator", and Morris (1983), "Parametric empirical Bayes inference".
    With fewer than four strategies nothing is shrunk. n is the least number of observations.
    """
    plain = sample_mean(values, deviations)
    size = len(deviations)
    live = deviations > 0.0
    if int(live.sum()) < _SHRINKS_FROM:
        return ExpectedReturns(mean=plain.mean, standard_error=plain.standard_error, shrinkage=0.0)
    variance = 1.0 / float(_counts(values).min())
    ratios = plain.mean[live] / deviations[live]
    members = len(ratios)
    average = float(ratios.mean())
    apart = ratios - average
    spread = float(apart @ apart)
    noise = (members - 3) * variance
    share = 1.0 if spread <= noise else noise / spread
    own = variance * (1.0 - share * (members - 1) / members)
    errors = np.sqrt(own + 2.0 * share**2 * apart**2 / (members - 3))
    mean, error = plain.mean.copy(), np.zeros(size)
    mean[live] = deviations[live] * (ratios - share * apart)
    error[live] = deviations[live] * errors
    return ExpectedReturns(mean=mean, standard_error=error, shrinkage=share)


def bayes_stein(values: FloatArray, cov: FloatArray) -> ExpectedReturns:
    """Shrink Sharpe ratios to that of the portfolio of least variance, heeding correlations.

    Jorion (1986), "Bayes-Stein estimation for portfolio analysis", on
    s = mean / sigma with their correlations R: s0 = 1'R^-1 s / 1'R^-1 1,
    share = (N + 2) / (N + 2 + n (s - s0)'R^-1 (s - s0)), and the variance of a mean
    R_ii (1 - share) / n + share / (n + 1 - share) / 1'R^-1 1 (his predictive variance without the
    part of the next return itself). R is the policy's own estimate: not inflated for its own noise.

    Parameters
    ----------
    values
        (T, N), NaN = missing.
    cov
        (N, N) per bar.

    Raises
    ------
    DataError
        The correlations are singular.
    """
    deviations = np.sqrt(np.diag(cov))
    plain = sample_mean(values, deviations)
    live = deviations > 0.0
    size = int(live.sum())
    if size < 2:  # noqa: PLR2004  # alone there is nothing to shrink to
        return ExpectedReturns(mean=plain.mean, standard_error=plain.standard_error, shrinkage=0.0)
    sigma = deviations[live]
    inner = cov[np.ix_(live, live)] / np.multiply.outer(sigma, sigma)
    np.fill_diagonal(inner, 1.0)
    ratios = plain.mean[live] / sigma
    count = float(_counts(values).min())
    solved = _solve(inner, np.column_stack([np.ones(size), ratios]))
    precision = float(solved[:, 0].sum())
    least = float(solved[:, 1].sum()) / precision
    apart = ratios - least
    distance = max(float(apart @ (solved[:, 1] - least * solved[:, 0])), 0.0)
    share = (size + 2.0) / (size + 2.0 + count * distance)
    variance = (1.0 - share) / count + share / (count + 1.0 - share) / precision
    mean, error = plain.mean.copy(), np.zeros(len(deviations))
    mean[live] = sigma * (ratios - share * apart)
    error[live] = sigma * np.sqrt(variance)
    return ExpectedReturns(mean=mean, standard_error=error, shrinkage=share)


def _solve(matrix: FloatArray, sides: FloatArray) -> FloatArray:
    values = np.linalg.eigvalsh(matrix)
    if values[0] <= len(matrix) * np.finfo(np.float64).eps * values[-1]:
        msg = (
            "mean bayes_stein needs a covariance that can be inverted, this one is singular; "
            "expected more rows than strategies, or a shrunk covariance such as ledoit_wolf"
        )
        raise DataError(msg)
    return np.linalg.solve(matrix, sides).astype(np.float64, copy=False)


def _counts(values: FloatArray) -> FloatArray:
    counts: FloatArray = (~np.isnan(values)).sum(axis=0).astype(np.float64)
    if counts.min(initial=np.inf) < _OBSERVATIONS_MIN:
        column = int(counts.argmin())
        msg = (
            f"expected returns need at least {_OBSERVATIONS_MIN} observations, "
            f"column {column} has {int(counts[column])}"
        )
        raise DataError(msg)
    return counts
