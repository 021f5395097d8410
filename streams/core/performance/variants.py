"""The same names in other people's conventions, each under a name of its own.

They are there to compare with other software, and are never used for a decision. Online they come
at few bars: most have no shorter way than through the window.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.core.arrays import BoolArray, FloatArray, column_sums
from streams.core.metrics import OBSERVATIONS_MIN, UNDEFINED_REASONS, MetricsBlock, finished_block
from streams.core.performance.figures import Figure

__all__ = ["VARIANTS", "VARIANTS_EVERY", "VARIANT_NAMES", "window_variants"]

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
VARIANT_NAMES: Final = tuple(variant.name for variant in VARIANTS)

VARIANTS_EVERY: Final = 5
"""Of the bars at which paths are followed, every fifth has the variants."""

_SKEW_MIN: Final = 3
_KURTOSIS_MIN: Final = 4
_COLUMNS_AT_ONCE: Final = 48  # what is worked on stays in the cache


def window_variants(rows: FloatArray, periods_per_year: float) -> MetricsBlock:
    """Give every variant over one window.

    Parameters
    ----------
    rows
        (L, M) simple returns, oldest first, NaN = missing; what is missing is left out.
    periods_per_year
        P, bars a year.

    Returns
    -------
    MetricsBlock
        values (len(VARIANTS), M).

    Examples
    --------
    >>> block = window_variants(np.array([[-0.01], [0.02], [-0.015], [0.005], [-0.02]]), 252.0)
    >>> float(block.values[VARIANT_NAMES.index("sortino_semideviation"), 0])
    -6.24906772707954
    """
    columns = rows.shape[1]
    count = np.empty(columns)
    values = np.empty((len(VARIANTS), columns))
    undefined = np.zeros(values.shape, dtype=np.uint8)
    with np.errstate(all="ignore"):  # what does not come out finite is given its reason
        for first in range(0, columns, _COLUMNS_AT_ONCE):
            some = slice(first, first + _COLUMNS_AT_ONCE)
            terms = _terms_of(np.ascontiguousarray(rows[:, some]))
            count[some] = terms.count
            for row, (value, absent) in enumerate(_variants_of(terms, periods_per_year)):
                values[row, some] = value
                for reason, where in absent.items():
                    np.copyto(undefined[row, some], UNDEFINED_REASONS.index(reason), where=where)
    np.copyto(undefined, UNDEFINED_REASONS.index("too_few"), where=count < OBSERVATIONS_MIN)
    return finished_block(count.astype(np.int64), values, undefined)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Terms:
    """What the variants are made of, (M,) each; sums over the observed bars.

    ``second``, ``third`` and ``fourth`` are of powers of r - mean, ``below`` of its squares where
    it is negative; ``loss_squares`` of the squares about the mean of the ``loss_count`` losses.
    """

    count: FloatArray
    mean: FloatArray
    second: FloatArray
    third: FloatArray
    fourth: FloatArray
    below: FloatArray
    gains: FloatArray
    losses: FloatArray
    loss_count: FloatArray
    loss_squares: FloatArray
    log_growth: FloatArray
    trend: FloatArray
    fall: FloatArray
    flat: BoolArray
    flat_losses: BoolArray


def _terms_of(rows: FloatArray) -> _Terms:
    observed = ~np.isnan(rows)
    whole = bool(observed.all())  # as a rule: then nothing is to be left out
    r = rows if whole else np.where(observed, rows, 0.0)
    count = column_sums(observed.astype(np.float64))
    mean = column_sums(r) / count
    apart = r - mean
    if not whole:
        apart = np.where(observed, apart, 0.0)
    squares = apart * apart
    low = np.minimum(apart, 0.0)

    lost = r < 0.0
    losses, loss_count = column_sums(np.minimum(r, 0.0)), column_sums(lost.astype(np.float64))
    spread = np.where(lost, r - losses / loss_count, 0.0)
    lowest = np.fmin.reduce(rows, axis=0)
    total = np.add.accumulate(r, axis=0)
    peak = np.maximum.accumulate(np.maximum(total, 0.0), axis=0)
    logs = np.add.accumulate(np.log1p(r), axis=0)
    return _Terms(
        count=count,
        mean=mean,
        second=column_sums(squares),
        third=column_sums(squares * apart),
        fourth=column_sums(squares * squares),
        below=column_sums(low * low),
        gains=column_sums(np.maximum(r, 0.0)),
        losses=-losses,
        loss_count=loss_count,
        loss_squares=column_sums(spread * spread),
        log_growth=logs[-1],
        trend=_trend(logs, None if whole else observed, count),
        fall=(total - peak).min(axis=0),
        flat=lowest == np.fmax.reduce(rows, axis=0),
        flat_losses=lowest == np.where(lost, r, -np.inf).max(axis=0),
    )


# Joanes and Gill (1998), "Comparing measures of sample skewness and kurtosis": G1 and G2; with
# fewer than 3 and 4 returns they divide by zero and do not exist.
def _variants_of(t: _Terms, periods: float) -> tuple[tuple[FloatArray, dict[str, BoolArray]], ...]:
    """Give value and reasons of each variant, in the order of ``VARIANTS``."""
    n, root = t.count, np.sqrt(periods)
    deviation = np.sqrt(t.second / (n - 1.0))
    still = {"zero_variance": t.flat}
    variance = t.second / n
    skew = np.sqrt(n * (n - 1.0)) / (n - 2.0) * (t.third / n) / variance**1.5
    excess = t.fourth / n / (variance * variance) - 3.0
    kurtosis = (n - 1.0) / ((n - 2.0) * (n - 3.0)) * ((n + 1.0) * excess + 6.0)
    loss_deviation = np.sqrt(t.loss_squares / (t.loss_count - 1.0))
    cagr = np.expm1(t.log_growth * (periods / n))
    return (
        (t.mean / np.sqrt(variance) * root, still),
        (cagr / (deviation * root), still),
        (t.mean / np.sqrt(t.below / (n - 1.0)) * root, still),
        (
            t.mean / loss_deviation * root,
            {
                "zero_downside": t.flat_losses,
                "too_few": t.loss_count < OBSERVATIONS_MIN,
                "no_losses": t.loss_count == 0.0,
            },
        ),
        (t.gains / t.losses, {"no_losses": t.loss_count == 0.0}),
        (t.trend, {}),
        (skew, {"zero_variance": t.flat, "too_few": n < _SKEW_MIN}),
        (kurtosis, {"zero_variance": t.flat, "too_few": n < _KURTOSIS_MIN}),
        (t.fall, {}),
    )


# The squared correlation of the cumulated log returns with the number of the observed bar; all are
# where ``observed`` is None.
def _trend(logs: FloatArray, observed: BoolArray | None, count: FloatArray) -> FloatArray:
    if observed is None:
        time = np.arange(1.0, len(logs) + 1.0)[:, None] - (count + 1.0) / 2.0
        path = logs - column_sums(logs) / count
    else:
        number = np.add.accumulate(observed, axis=0, dtype=np.float64)
        time = np.where(observed, number - (count + 1.0) / 2.0, 0.0)
        path = np.where(observed, logs, 0.0)
        path = np.where(observed, path - column_sums(path) / count, 0.0)
    together = column_sums(time * path)
    return together * together / (column_sums(time * time) * column_sums(path * path))
