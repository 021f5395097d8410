"""How sure a Sharpe ratio is: its standard error, the probabilistic and the deflated ratio.

All of it per bar, not annual: a Sharpe ratio a year is sqrt(P) times the one here, its standard
error too, and probabilities are the same.
"""

import math
from statistics import NormalDist
from typing import Final

import numpy as np
from scipy.special import ndtr

from streams.core.arrays import FloatArray
from streams.core.performance.terms import Lapped, Moments

__all__ = [
    "expected_best",
    "normal_distribution",
    "probabilistic_sharpe",
    "sharpe_error_hac",
    "sharpe_error_iid",
]

_EULER: Final = 0.5772156649015329
_NORMAL: Final = NormalDist()


def sharpe_error_iid(
    sharpe: FloatArray, skew: FloatArray, kurtosis: FloatArray, count: FloatArray
) -> FloatArray:
    """Estimate the standard error under independent, not necessarily normal returns.

    sqrt((1 - g3 SR + (g4 - 1)/4 SR^2) / (n - 1)), g3 skew and g4 kurtosis (normal: 3), both from
    moments with divisor n. Mertens (2002), "Comments on variance of the IID estimator in Lo
    (2002)"; Opdyke (2007), "Comparing Sharpe ratios"; divisor n - 1 as in Bailey and Lopez de Prado
    (2012), equation 8.
    """
    spread = 1.0 - skew * sharpe + (kurtosis - 1.0) * 0.25 * sharpe * sharpe
    error: FloatArray = np.sqrt(np.maximum(spread, 0.0) / (count - 1.0))
    return error


def sharpe_error_hac(sharpe: FloatArray, moments: Moments, lapped: Lapped) -> FloatArray:
    """Estimate the standard error under autocorrelated, heteroskedastic, not normal returns.

    Lo (2002), "The statistics of Sharpe ratios", appendix A: the asymptotic variance of the GMM
    estimate, that is the long-run variance of y = z - SR/2 (z^2 - 1) with z = (r - mean)/sigma
    (divisor n), by Newey and West (1987) with Bartlett weights over ``lags_of(window)`` lags. A
    missing bar has y = 0 (Parzen (1963), amplitude modulation). Divided by n - 1 and not n, it
    is ``sharpe_error_iid`` where there are no lags.
    """
    variance = moments.second / moments.count
    sigma = np.sqrt(variance)
    d = (moments.mean - lapped.anchors) / sigma
    half = 0.5 * sharpe
    constant = -d - half * (d * d - 1.0)
    linear = (1.0 + sharpe * d) / sigma
    square = -half / variance
    total = lapped.of_quadratic(constant, linear, square)
    error: FloatArray = np.sqrt(total / (moments.count * (moments.count - 1.0)))
    return error


def standardised(moments: Moments) -> tuple[FloatArray, FloatArray]:
    """Give skew and kurtosis (3 for a normal distribution) from moments with divisor n."""
    variance = moments.second / moments.count
    skew = moments.third / moments.count / (variance * np.sqrt(variance))
    return skew, moments.fourth / moments.count / (variance * variance)


def probabilistic_sharpe(
    sharpe: FloatArray, error: FloatArray, against: FloatArray | float
) -> FloatArray:
    """Give the probability that the true ratio exceeds ``against``.

    Phi((SR - SR*) / error). Bailey and Lopez de Prado (2012), "The Sharpe ratio efficient
    frontier", equation 9.
    """
    return normal_distribution((sharpe - against) / error)


def expected_best(sharpes: FloatArray, trials: int) -> FloatArray:
    """Estimate what the best of ``trials`` without any skill shows.

    sqrt(V) ((1 - g) Phi^-1(1 - 1/M) + g Phi^-1(1 - 1/(M e))), V the variance (ddof 1) of the ratios
    that exist, g Euler's constant, M trials; 0 for a single trial. Bailey and Lopez de Prado
    (2014), "The deflated Sharpe ratio", equation 1.

    Parameters
    ----------
    sharpes
        (..., N) per bar, NaN where there is none.
    trials
        M, at least 1.

    Returns
    -------
    FloatArray
        (..., 1), NaN where fewer than two ratios exist and M > 1.
    """
    assert trials > 0, trials
    if trials == 1:
        return np.zeros((*sharpes.shape[:-1], 1))
    # In order of size, so that the order of the columns changes no bit.
    ordered = np.sort(sharpes, axis=-1)
    known = ~np.isnan(ordered)
    n = known.sum(axis=-1, keepdims=True)
    mean = _sum(np.where(known, ordered, 0.0)) / n
    distance = np.where(known, ordered - mean, 0.0)
    variance = _sum(distance * distance) / np.where(n > 1, n - 1.0, np.nan)
    best = (1.0 - _EULER) * _NORMAL.inv_cdf(1.0 - 1.0 / trials)
    best += _EULER * _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return np.sqrt(variance) * best


def normal_distribution(values: FloatArray) -> FloatArray:
    """Give the distribution function of the standard normal, NaN where a value is."""
    probability: FloatArray = ndtr(values)
    return probability


def _sum(values: FloatArray) -> FloatArray:
    total: FloatArray = np.add.accumulate(values, axis=-1)[..., -1:]
    return total
