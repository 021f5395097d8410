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
    """What the figures of W windows, K bars and M columns are made of.

    ``moments`` and ``lapped`` are (W, K, M). All else is of the window number ``place``, (K, M):
    ``relations`` to the portfolio and to the benchmark, where there is one; ``quantiles``
    (2, K, N), the 5 % and the 95 % one.
    """

    moments: Moments
    lapped: Lapped
    place: int
    relations: tuple[Relation, ...]
    path: WealthPath
    quantiles: FloatArray


class _Sheet:
    """Figures (..., M) as they are worked out, each with the reason where it does not exist."""

    def __init__(self, names: tuple[str, ...], count: FloatArray) -> None:
        self._rows = {name: row for row, name in enumerate(names)}
        self._count = count
        self._values = np.empty((len(names), *count.shape))
        self._undefined = np.zeros(self._values.shape, dtype=np.uint8)

    def put(self, name: str, value: FloatArray, **absent: BoolArray) -> None:
        """Note a figure, and where it does not exist by reason, the weightiest last."""
        row = self._rows[name]
        self._values[row] = value
        for reason, where in absent.items():
            np.copyto(self._undefined[row], UNDEFINED_REASONS.index(reason), where=where)

    def take(self, names: tuple[str, ...], block: MetricsBlock) -> None:
        """Note figures that another sheet has told."""
        for place, name in enumerate(names):
            row = self._rows[name]
            self._values[row], self._undefined[row] = block.values[place], block.undefined[place]

    def block(self) -> MetricsBlock:
        """Give everything."""
        few = self._count < OBSERVATIONS_MIN
        np.copyto(self._undefined, UNDEFINED_REASONS.index("too_few"), where=few)
        return finished_block(self._count.astype(np.int64), self._values, self._undefined)


def figures_of(
    material: Material, asked: Asked, names: tuple[str, ...], strategies: int
) -> tuple[MetricsBlock, MetricsBlock, MetricsBlock]:
    """Work the figures out.

    Parameters
    ----------
    material
        M columns: N strategies, then the portfolio's own net returns, then what else is compared
        with.
    asked
        How.
    names
        Which, of ``FIGURES``, the strategies have over the window that everything is told of.
    strategies
        N.

    Returns
    -------
    shape : MetricsBlock
        values (len(SHAPE_FIGURES), W, K, N).
    whole : MetricsBlock
        values (len(names), K, N).
    portfolio : MetricsBlock
        values (len(PORTFOLIO_FIGURES), W, K, 1).
    """
    m, place = material.moments, material.place
    columns, own = slice(0, strategies), slice(strategies, strategies + 1)
    with np.errstate(all="ignore"):  # what does not come out finite is given its reason
        flat = m.second == 0.0
        skew, kurtosis = standardised(m)
        sharpe = (m.mean - asked.risk_free) / np.sqrt(m.second / (m.count - 1.0))
        sharpe[flat | (m.count < OBSERVATIONS_MIN) | ~np.isfinite(sharpe)] = np.nan
        annual = sharpe_error_hac(sharpe, m, material.lapped) * np.sqrt(asked.periods_per_year)
        error = sharpe_error_iid(sharpe, skew, kurtosis, m.count)

        sheet = _Sheet(SHAPE_FIGURES, m.count[..., columns])
        still = flat[..., columns]
        sheet.put("skew", skew[..., columns], zero_variance=still)
        sheet.put("kurtosis", kurtosis[..., columns] - 3.0, zero_variance=still)
        sheet.put("sharpe_standard_error", annual[..., columns], zero_variance=still)
        shape = sheet.block()

        sheet = _Sheet(PORTFOLIO_FIGURES, m.count[..., own])
        sheet.put("sharpe_standard_error", annual[..., own], zero_variance=flat[..., own])
        _probability(sheet, "probabilistic_sharpe", sharpe[..., own], error[..., own], 0.0)
        portfolio = sheet.block()

        longest = m.at(place, slice(None), columns)
        sheet = _Sheet(names, longest.count)
        sheet.take(SHAPE_FIGURES, shape.at(place))
        _certainty(sheet, sharpe[place], error[place, :, columns], asked, strategies)
        _of_longest(sheet, material, longest, columns)
    return shape, sheet.block(), portfolio


def _certainty(
    sheet: _Sheet, sharpe: FloatArray, error: FloatArray, asked: Asked, strategies: int
) -> None:
    theirs = sharpe[:, :strategies]
    root = np.sqrt(asked.periods_per_year)
    sheet.put("sharpe_standard_error_iid", error * root, zero_variance=np.isnan(theirs))
    _probability(sheet, "probabilistic_sharpe", theirs, error, 0.0)
    trials = max(strategies, 1) if asked.trials is None else asked.trials
    _probability(sheet, "deflated_sharpe", theirs, error, expected_best(theirs, trials))
    if asked.benchmark is not None:
        level = sharpe[:, asked.benchmark, None]
        _probability(sheet, "probabilistic_sharpe_benchmark", theirs, error, level)


def _probability(
    sheet: _Sheet, name: str, sharpe: FloatArray, error: FloatArray, against: FloatArray | float
) -> None:
    value = probabilistic_sharpe(sharpe, error, against)
    flat = np.isnan(sharpe) | (error == 0.0)
    sheet.put(name, value, too_few=np.isnan(against), zero_variance=flat)


def _of_longest(sheet: _Sheet, material: Material, m: Moments, columns: slice) -> None:
    sheet.put("profit_factor", m.gains / m.losses, no_losses=m.losses == 0.0)
    path = material.path
    sheet.put("ulcer_index", np.sqrt(path.squares / m.count))
    sheet.put("under_water_bars", path.under_water)
    sheet.put("under_water_bars_longest", path.longest)
    low, high = material.quantiles
    sheet.put("tail_ratio", np.abs(high) / np.abs(low), zero_tail=low == 0.0)
    for relation, suffix in zip(material.relations, ("", "_benchmark"), strict=False):
        _relation(sheet, relation.at(columns), suffix)


def _relation(sheet: _Sheet, relation: Relation, suffix: str) -> None:
    few = relation.count < OBSERVATIONS_MIN
    still = relation.reference == 0.0
    flat = still | (relation.own == 0.0)
    correlation = relation.cross / np.sqrt(relation.own) / np.sqrt(relation.reference)
    beta = relation.cross / relation.reference
    sheet.put(f"beta{suffix}", beta, zero_variance=still, too_few=few)
    bounded = np.clip(correlation, -1.0, 1.0)
    sheet.put(f"correlation{suffix}", bounded, zero_variance=flat, too_few=few)
