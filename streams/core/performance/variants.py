"""The same names in other people's conventions, of whole series, each under a name of its own.

They are there to compare with other software, and are never used for a decision.
"""

from typing import Final

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.metrics import OBSERVATIONS_MIN, series_metrics
from streams.core.performance.figures import Figure

__all__ = ["VARIANTS", "series_variants"]

VARIANTS: Final = (
    Figure("sharpe_population", "1/sqrt(year)", "mean / std(ddof 0) sqrt(P)", "cvxportfolio"),
    Figure("sharpe_geometric", "1/sqrt(year)", "cagr / volatility_annual", "a common expectation"),
    Figure(
        "sortino_semideviation",
        "1/sqrt(year)",
        "mean / sqrt(sum min(r - mean, 0)^2 / (n - 1)) sqrt(P)",
        "skfolio, its default",
    ),
    Figure(
        "sortino_loss_deviation",
        "1/sqrt(year)",
        "mean / std(ddof 1) of the losses alone, sqrt(P): gains count for nothing",
        "often met, and wrong",
    ),
    Figure("omega", "1", "sum max(r, 0) / sum max(-r, 0)", "Keating and Shadwick (2002), at 0"),
    Figure("stability", "1", "R^2 of cumulated log returns on time", "empyrical stability"),
    Figure("skew_unbiased", "1", "G1", "scipy skew, bias=False; pandas skew"),
    Figure("kurtosis_unbiased", "1", "G2", "scipy kurtosis, bias=False; pandas kurt"),
    Figure("drawdown_uncompounded_max", "1", "of the sum of returns, from 0", "Riskfolio, skfolio"),
)


def series_variants(returns: FloatArray, periods_per_year: float) -> dict[str, float | None]:
    """Give every variant of one whole series, None where it does not exist.

    Parameters
    ----------
    returns
        (T,) simple returns, oldest first; NaN rows are left out.
    periods_per_year
        P, bars a year.

    Examples
    --------
    >>> variants = series_variants(np.array([-0.01, 0.02, -0.015, 0.005, -0.02]), 252.0)
    >>> variants["sharpe_population"], variants["sortino_semideviation"]
    (-4.34063607036194, -6.24906772707954)
    """
    r = returns[~np.isnan(returns)]
    if r.size < OBSERVATIONS_MIN:
        return dict.fromkeys(figure.name for figure in VARIANTS)
    _, plain, _ = series_metrics(r, periods_per_year)
    root = float(np.sqrt(periods_per_year))
    below = np.minimum(r - r.mean(), 0.0)
    losses = r[r < 0.0]
    flat = r.min() == r.max()
    with np.errstate(all="ignore"):  # what does not come out finite does not exist
        total = np.append(0.0, np.cumsum(r))
        skew, kurtosis = _unbiased(r)
        values = (
            r.mean() / r.std() * root,
            np.float64(plain.get("cagr", np.nan)) / plain.get("volatility_annual", np.nan),
            r.mean() / np.sqrt((below * below).sum() / (r.size - 1)) * root,
            r.mean() / losses.std(ddof=1) * root if losses.size > 1 else np.nan,
            np.maximum(r, 0.0).sum() / -losses.sum() if losses.size else np.nan,
            _stability(r),
            skew,
            kurtosis,
            (total - np.maximum.accumulate(total)).min(),
        )
    absent = {"sharpe_population", "sharpe_geometric", "sortino_semideviation"} if flat else set()
    return {
        figure.name: float(value) if np.isfinite(value) and figure.name not in absent else None
        for figure, value in zip(VARIANTS, values, strict=True)
    }


# Joanes and Gill (1998), "Comparing measures of sample skewness and kurtosis": G1 and G2; with
# fewer than 3 and 4 returns they divide by zero and do not exist.
def _unbiased(r: FloatArray) -> tuple[float, float]:
    n = np.float64(r.size)
    d = r - r.mean()
    m2, m3, m4 = ((d**power).mean() for power in (2, 3, 4))
    if r.min() == r.max():
        return np.nan, np.nan
    skew = np.sqrt(n * (n - 1.0)) / (n - 2.0) * m3 / m2**1.5
    excess = m4 / (m2 * m2) - 3.0
    kurtosis = (n - 1.0) / ((n - 2.0) * (n - 3.0)) * ((n + 1.0) * excess + 6.0)
    return float(skew), float(kurtosis)


def _stability(r: FloatArray) -> float:
    if r.min() <= -1.0:
        return np.nan
    path = np.cumsum(np.log1p(r))
    time = np.arange(r.size) - (r.size - 1) / 2.0
    path = path - path.mean()
    spread = float((time * time).sum()) * float((path * path).sum())
    return float((time * path).sum()) ** 2 / spread if spread else np.nan
