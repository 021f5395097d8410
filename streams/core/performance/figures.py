"""The table of performance figures, and the formulas that are a line each.

A figure that does not exist is NaN with the reason beside it, as in ``streams.core.metrics``.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from streams.core.arrays import BoolArray, FloatArray
from streams.core.metrics import OBSERVATIONS_MIN, UNDEFINED_REASONS, MetricsBlock, finished_block
from streams.core.performance.path import WealthPath
from streams.core.performance.sharpe import (
    expected_best,
    probabilistic_sharpe,
    sharpe_error_hac,
    sharpe_error_iid,
    standardised,
)
from streams.core.performance.terms import Lapped, Moments, Relation

__all__ = [
    "BENCHMARK_FIGURES",
    "CONVENTIONS",
    "FIGURES",
    "PATH_FIGURES",
    "PORTFOLIO_FIGURES",
    "SHAPE_FIGURES",
    "WINDOW_FIGURES",
    "Asked",
    "Figure",
    "Material",
    "figures_of",
]

CONVENTIONS: Final = "apse-metrics-1"
"""Names the formulas of docs/metrics.md: another formula under an old name would be another id."""


class Figure(NamedTuple):
    """One row of the table: name, unit, formula and where that is from."""

    name: str
    unit: str
    formula: str
    source: str


FIGURES: Final = (
    Figure("skew", "1", "g3 = m3 / m2^(3/2), m_p = sum (r - mean)^p / n", "scipy skew, bias=True"),
    Figure("kurtosis", "1", "g4 - 3 = m4 / m2^2 - 3", "scipy kurtosis, fisher=True, bias=True"),
    Figure(
        "sharpe_standard_error",
        "1/sqrt(year)",
        "sqrt(P LRV(z - SR/2 (z^2 - 1)) / (n - 1)), Bartlett weights, floor(4 (w/100)^(2/9)) lags",
        "Lo (2002) appendix A; Newey and West (1987, 1994)",
    ),
    Figure(
        "sharpe_standard_error_iid",
        "1/sqrt(year)",
        "sqrt(P (1 - g3 SR + (g4 - 1)/4 SR^2) / (n - 1))",
        "Mertens (2002); Opdyke (2007)",
    ),
    Figure(
        "probabilistic_sharpe",
        "probability",
        "Phi(SR sqrt(n - 1) / sqrt(1 - g3 SR + (g4 - 1)/4 SR^2))",
        "Bailey and Lopez de Prado (2012), equation 9, against 0",
    ),
    Figure(
        "deflated_sharpe",
        "probability",
        "the same against sqrt(V) ((1 - g) Phi^-1(1 - 1/M) + g Phi^-1(1 - 1/(M e)))",
        "Bailey and Lopez de Prado (2014), equations 1 and 2",
    ),
    Figure("profit_factor", "1", "sum max(r, 0) / sum max(-r, 0)", "Pardo (2008), chapter 12"),
    Figure("tail_ratio", "1", "abs(q95) / abs(q5) of r, linear quantiles", "empyrical tail_ratio"),
    Figure(
        "ulcer_index", "1", "sqrt(sum d^2 / n), d <= 0 the drawdown", "Martin and McCann (1989)"
    ),
    Figure("under_water_bars", "bars", "bars since the last high, 0 at one", "docs/metrics.md"),
    Figure("under_water_bars_longest", "bars", "most bars on end below a high", "docs/metrics.md"),
    Figure("beta", "1", "sum (r - mean)(p - mean_p) / sum (p - mean_p)^2", "empyrical beta"),
    Figure("correlation", "1", "Pearson's, bars in which both are observed", "pandas corr"),
    Figure("beta_benchmark", "1", "as beta, to the benchmark strategy", "empyrical beta"),
    Figure("correlation_benchmark", "1", "as correlation, to the benchmark", "pandas corr"),
    Figure(
        "probabilistic_sharpe_benchmark",
        "probability",
        "Phi((SR - SR of the benchmark) / standard error, iid)",
        "Bailey and Lopez de Prado (2012), equation 9",
    ),
)
"""Every figure beyond ``streams.core.metrics.METRICS``; docs/metrics.md is this table in words."""

SHAPE_FIGURES: Final = ("skew", "kurtosis", "sharpe_standard_error")
"""Over every window."""

BENCHMARK_FIGURES: Final = (
    "beta_benchmark",
    "correlation_benchmark",
    "probabilistic_sharpe_benchmark",
)
"""Only where a benchmark is named."""

PATH_FIGURES: Final = ("ulcer_index", "under_water_bars", "under_water_bars_longest")
"""Those that go through the whole window: only at the bars that ``path_due`` says."""

WINDOW_FIGURES: Final = tuple(f.name for f in FIGURES if f.name not in BENCHMARK_FIGURES)
"""Over the estimation window, ``window_bars``."""


PORTFOLIO_FIGURES: Final = ("sharpe_standard_error", "probabilistic_sharpe")
"""Of the portfolio's own net returns, over every window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the figures depend on besides the returns.

    ``trials`` None: as many as there are columns. ``benchmark`` is the number of a column.
    """

    periods_per_year: float
    risk_free: float = 0.0
    trials: int | None = None
    benchmark: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """What the figures of K windows and N columns are made of; arrays (K, N).

    ``relations`` are to the portfolio and to the benchmark, where there are such; ``quantiles`` is
    (2, K, N), the 5 % and the 95 % one.
    """

    moments: Moments
    lapped: Lapped
    relations: tuple[Relation, ...] = ()
    path: WealthPath | None = None
    quantiles: FloatArray | None = None


def _reason(name: str) -> int:
    return UNDEFINED_REASONS.index(name)


class _Sheet:
    """Figures as they are worked out, each with the reason where it does not exist."""

    def __init__(self, count: FloatArray) -> None:
        self.count = count
        self.few: BoolArray = count < OBSERVATIONS_MIN
        self.values: dict[str, FloatArray] = {}
        self.reasons: dict[str, tuple[tuple[str, BoolArray], ...]] = {}

    def put(self, name: str, value: FloatArray, **absent: BoolArray) -> None:
        """Note a figure, and where it does not exist by reason, the weightiest last."""
        self.values[name] = value
        self.reasons[name] = tuple(absent.items())

    def block(self, names: tuple[str, ...], part: slice) -> MetricsBlock:
        """Give some figures of some columns; a figure of those columns alone is taken whole."""
        count = self.count[:, part]
        values = np.empty((len(names), *count.shape))
        undefined = np.zeros(values.shape, dtype=np.uint8)
        for place, name in enumerate(names):
            value = self.values[name]
            chosen = slice(None) if value.shape == count.shape else part
            values[place] = value[:, chosen]
            for reason, absent in self.reasons[name]:
                undefined[place, absent[:, chosen]] = _reason(reason)
        undefined[:, self.few[:, part]] = _reason("too_few")
        return finished_block(count.astype(np.int64), values, undefined)


def figures_of(
    material: Material, asked: Asked, names: tuple[str, ...], strategies: int
) -> tuple[MetricsBlock, MetricsBlock]:
    """Work the figures out.

    Parameters
    ----------
    material
        Arrays (K, M): N strategies, then the portfolio's own net returns, then what else is
        compared with.
    asked
        How.
    names
        Which, of ``FIGURES``, the strategies have; what the material does not allow may not be
        asked for.
    strategies
        N.

    Returns
    -------
    strategies : MetricsBlock
        values (len(names), K, N).
    portfolio : MetricsBlock
        values (len(PORTFOLIO_FIGURES), K, 1).
    """
    sheet = _Sheet(material.moments.count)
    own = slice(strategies, strategies + 1)
    with np.errstate(all="ignore"):  # what does not come out finite is given its reason
        sharpe = _shape(sheet, material, asked)
        error = sharpe_error_iid(sharpe, material.moments)
        if "probabilistic_sharpe" in names:
            _certainty(sheet, sharpe, error, asked, strategies)
        else:
            _probability(sheet, "probabilistic_sharpe", sharpe[:, own], error[:, own], 0.0)
        if "profit_factor" in names:
            gains, losses = material.moments.gains, material.moments.losses
            sheet.put("profit_factor", gains / losses, no_losses=losses == 0.0)
        if material.path is not None:
            _path(sheet, material.path, material.moments.count[:, :strategies])
        if material.quantiles is not None:
            low, high = material.quantiles
            sheet.put("tail_ratio", np.abs(high) / np.abs(low), zero_tail=low == 0.0)
        for relation, suffix in zip(material.relations, ("", "_benchmark"), strict=False):
            _relation(sheet, relation, suffix)
    return sheet.block(names, slice(0, strategies)), sheet.block(PORTFOLIO_FIGURES, own)


def _shape(sheet: _Sheet, material: Material, asked: Asked) -> FloatArray:
    """Note what the moments tell; return the Sharpe ratio a bar, NaN where there is none."""
    m = material.moments
    flat = m.second == 0.0
    skew, kurtosis = standardised(m)
    sharpe = (m.mean - asked.risk_free) / np.sqrt(m.second / (m.count - 1.0))
    sharpe[flat | sheet.few | ~np.isfinite(sharpe)] = np.nan
    root = np.sqrt(asked.periods_per_year)
    sheet.put("skew", skew, zero_variance=flat)
    sheet.put("kurtosis", kurtosis - 3.0, zero_variance=flat)
    hac = sharpe_error_hac(sharpe, m, material.lapped)
    sheet.put("sharpe_standard_error", hac * root, zero_variance=flat)
    return sharpe


def _certainty(
    sheet: _Sheet, sharpe: FloatArray, error: FloatArray, asked: Asked, strategies: int
) -> None:
    root = np.sqrt(asked.periods_per_year)
    flat = np.isnan(sharpe)
    sheet.put("sharpe_standard_error_iid", error * root, zero_variance=flat)
    _probability(sheet, "probabilistic_sharpe", sharpe, error, 0.0)
    trials = max(strategies, 1) if asked.trials is None else asked.trials
    best = expected_best(sharpe[:, :strategies], trials)
    _probability(sheet, "deflated_sharpe", sharpe[:, :strategies], error[:, :strategies], best)
    if asked.benchmark is not None:
        level = sharpe[:, asked.benchmark, None]
        _probability(sheet, "probabilistic_sharpe_benchmark", sharpe, error, level)


def _probability(
    sheet: _Sheet, name: str, sharpe: FloatArray, error: FloatArray, against: FloatArray | float
) -> None:
    value = probabilistic_sharpe(sharpe, error, against)
    unknown = np.broadcast_to(np.isnan(against), sharpe.shape)
    flat = np.isnan(sharpe) | (error == 0.0)
    sheet.put(name, value, too_few=unknown, zero_variance=flat)


def _path(sheet: _Sheet, path: WealthPath, count: FloatArray) -> None:
    sheet.put("ulcer_index", np.sqrt(path.squares / count))
    sheet.put("under_water_bars", path.under_water)
    sheet.put("under_water_bars_longest", path.longest)


def _relation(sheet: _Sheet, relation: Relation, suffix: str) -> None:
    few = relation.count < OBSERVATIONS_MIN
    still = relation.reference == 0.0
    flat = still | (relation.own == 0.0)
    correlation = relation.cross / np.sqrt(relation.own) / np.sqrt(relation.reference)
    beta = relation.cross / relation.reference
    sheet.put(f"beta{suffix}", beta, zero_variance=still, too_few=few)
    bounded = np.clip(correlation, -1.0, 1.0)
    sheet.put(f"correlation{suffix}", bounded, zero_variance=flat, too_few=few)
