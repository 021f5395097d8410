"""The views a walk publishes at each bar: metrics, covariance and portfolio state."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec
import numpy as np

from schemas.journal import Reported
from schemas.policy import PortfolioPolicy
from schemas.units import format_instant
from schemas.views import (
    BarData,
    CovarianceRecord,
    CovarianceStructure,
    ForecastQualityRecord,
    PortfolioStatus,
    ReportedFigures,
    RollingPerformance,
    StateRecord,
)
from streams.core.arrays import BoolArray, FloatArray
from streams.core.covariance import (
    CovarianceEstimate,
    CovarianceSummary,
    RollingCovariance,
    covariance_spec,
    structure_of,
    summary_of,
)
from streams.core.history import History
from streams.core.ledger import BarResult, Ledger
from streams.core.metrics import METRICS, MetricsBlock
from streams.core.outputs import BarMetrics
from streams.core.performance import PORTFOLIO_FIGURES, BarFigures, FigureRun
from streams.core.quality import ForecastQuality
from streams.core.shadows import BooksBar
from streams.core.status import Status
from streams.core.study import StudyRun

# Fields of `RollingPerformance`, of which the first are the portfolio's metrics.
_ROLLING: Final = {
    "return_annual": "cagr",
    "volatility_annual": "volatility_annual",
    "sharpe": "sharpe",
    "max_drawdown": "max_drawdown",
    "sortino": "sortino",
    "calmar": "calmar",
}
_ROLLING_ROWS: Final = [METRICS.index(metric) for metric in _ROLLING.values()]
_ROLLING_FIELDS: Final = (*_ROLLING, *PORTFOLIO_FIGURES)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Close:
    """What a ledger said at the close of one bar."""

    held: FloatArray
    cash: float
    target: FloatArray
    target_cash: float
    nav: float
    drawdown: float


def close_of(ledger: Ledger) -> Close:
    """Return what a ledger says now; it replaces its arrays and never writes into them."""
    return Close(
        held=ledger.held,
        cash=ledger.cash,
        target=ledger.target,
        target_cash=ledger.target_cash,
        nav=ledger.nav,
        drawdown=ledger.drawdown,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """What the records of one bar are made of.

    ``rolling`` are the portfolio's own figures over each window of its net returns.
    """

    policy: PortfolioPolicy
    epoch: int
    names: tuple[str, ...]
    status: Status
    ledger: Close
    last: BarResult
    rolling: list[RollingPerformance]
    eligible: BoolArray
    covariance: RollingCovariance | None
    literal: str  # the estimator in force
    quality: ForecastQuality | None
    reported: dict[str, ReportedFigures]
    data: BarData | None
    books: BooksBar


def metrics_messages(
    policy: PortfolioPolicy,
    names: tuple[str, ...],
    lengths: tuple[int, ...],
    run: StudyRun,
    figures: Sequence[BarFigures],
    history: History,
) -> list[BarMetrics]:
    """Return the metrics of each bar of a run, over those of its windows that are to be seen.

    Its bars are the newest of ``history``, with one of ``figures`` each.
    """
    shown = [lengths.index(window) for window in policy.estimation.windows]
    block, bars, ends_ns = run.block, len(run.eligible), history.ends_ns
    if shown != list(range(len(lengths))):
        block = MetricsBlock(
            block.n_obs[:, shown], block.values[:, :, shown], block.undefined[:, :, shown]
        )
    return [
        BarMetrics(
            portfolio_id=policy.portfolio_id,
            newest=bar - bars,
            periods_per_year=policy.periods_per_year,
            names=names,
            windows=policy.estimation.windows,
            block=block.at(bar),
            ewma=run.ewma.at(bar),
            bars=tuple(min(window, run.begun + bar + 1) for window in policy.estimation.windows),
            figures=figures[bar],
            ends_ns=ends_ns,
        )
        for bar in range(bars)
    ]


def covariance_record(at: Snapshot, found: CovarianceEstimate | None) -> CovarianceRecord:
    """Return the correlations of the eligible strategies, with the matrix that was ``found``."""
    if at.covariance is None:
        summary, names = CovarianceSummary(n_common=0), _some(at.names, [])
    else:
        summary = at.covariance.summary()
        names = _some(at.names, at.covariance.eligible.tolist())
    record = CovarianceRecord(
        portfolio_id=at.policy.portfolio_id,
        bar_end=format_instant(at.status.end_ns),
        covariance=at.literal,
        strategies=names,
        n_common=summary.n_common,
        **_correlations(summary, names),
        summary_of=_summary_of(at),
        demotion="" if at.quality is None else at.quality.reason(),
    )
    if found is None:
        return record
    return _with_matrix(record, at, found)


def _some(names: tuple[str, ...], columns: list[int]) -> tuple[str, ...]:
    """Return the names of columns, which rise: mostly all of them."""
    return names if len(columns) == len(names) else tuple(names[i] for i in columns)


def _correlations(summary: CovarianceSummary, names: tuple[str, ...]) -> dict[str, Any]:
    pair = summary.pair_max
    return {
        "average_correlation": summary.average_correlation,
        "max_correlation": None if pair is None else pair[2],
        "max_pair": None if pair is None else (names[pair[0]], names[pair[1]]),
    }


def _summary_of(at: Snapshot) -> str | None:
    spec = covariance_spec(at.policy.estimation, at.literal)
    return None if spec.is_online else spec.online.literal


def _with_matrix(
    record: CovarianceRecord, at: Snapshot, found: CovarianceEstimate
) -> CovarianceRecord:
    with np.errstate(over="ignore"):  # what is beyond float64 is not published
        matrix = found.matrix * at.policy.periods_per_year
    if not np.isfinite(matrix).all():
        return record
    own: dict[str, Any] = {}
    if record.summary_of is not None:
        own = _correlations(summary_of(found.matrix, record.n_common), record.strategies)
    structure = structure_of(found.matrix)
    quality = () if at.quality is None else at.quality.latest
    return msgspec.structs.replace(
        record,
        **own,
        summary_of=None,
        structure=CovarianceStructure(
            n_effective=found.n_effective,
            shrinkage=found.shrinkage,
            factors=found.factors,
            repair_distance=found.repair_distance,
            **asdict(structure),
        ),
        quality=tuple(ForecastQualityRecord(**asdict(one)) for one in quality),
        matrix_annual=matrix.tolist(),
    )


def state_record(at: Snapshot) -> StateRecord:
    """Return the state at the bar: ``held`` drifted, before its fill.

    ``target`` after its decision.
    """
    status, ledger, last = at.status, at.ledger, at.last
    return StateRecord(
        portfolio_id=at.policy.portfolio_id,
        bar_end=format_instant(status.end_ns),
        bar_number=status.bar_number,
        status=_status(at),
        return_gross=last.return_gross,
        return_net=last.return_net,
        cost=last.cost,
        turnover=last.turnover,
        nav=ledger.nav,
        drawdown=ledger.drawdown,
        coverage=last.coverage,
        adjustment=last.adjustment,
        strategies=at.names,
        held=ledger.held.tolist(),
        target=ledger.target.tolist(),
        contribution=last.contribution.tolist(),
        eligible=list(_some(at.names, np.flatnonzero(at.eligible).tolist())),
        held_cash=ledger.cash,
        target_cash=ledger.target_cash,
        rolling=at.rolling,
        epoch=at.epoch,
        version=status.version,
        last_command_id=status.last_command_id,
        acknowledged_version=status.acknowledged_version,
        reported=at.reported or None,
        data=at.data,
    )


def compare_reported(
    reported: dict[int, Reported], names: tuple[str, ...], run: StudyRun, bar: int
) -> dict[str, ReportedFigures]:
    """Return what strategies reported with a bar beside ours over ``window_bars``, by name."""
    if not reported:
        return {}
    ours = run.block.values[:, bar, run.window_bars]
    volatility = ours[METRICS.index("volatility_annual")].tolist()
    drawdown = ours[METRICS.index("drawdown")].tolist()
    return {
        names[column]: ReportedFigures(
            volatility_annual=figures.volatility_annual,
            volatility_annual_ours=_or_none(volatility[column]),
            drawdown=figures.drawdown,
            drawdown_ours=_or_none(drawdown[column]),
        )
        for column, figures in sorted(reported.items())
    }


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _status(at: Snapshot) -> PortfolioStatus:
    if at.status.halted:
        return "halted"
    if at.status.paused:
        return "paused"
    if at.status.multiplier < 1.0:
        return "reduced"
    return (
        "live"
        if at.status.accepted_bar_number is not None or at.policy.initial_weights
        else "warming_up"
    )


def rolling_of(
    windows: tuple[int, ...],
    own: MetricsBlock,
    figures: FigureRun,
    bars: slice = slice(None),
) -> list[list[RollingPerformance]]:
    """Return the portfolio's own figures over each window of its net returns, bar by bar.

    Parameters
    ----------
    windows
        W lengths.
    own
        values (len(METRICS), K, W, 1).
    figures
        Those beyond; none where none are asked for.
    bars
        Which of them are the K bars.
    """
    values = own.values[_ROLLING_ROWS, ..., 0]
    if figures:
        certain = [window.portfolio.values[:, bars, 0] for window in figures]
        values = np.concatenate([values, np.stack(certain, axis=2)])
    values = values.transpose(1, 2, 0)
    told = values.astype(object)
    told[np.isnan(values)] = None
    fields = _ROLLING_FIELDS[: values.shape[2]]
    names = [str(window) for window in windows]
    return [
        [
            RollingPerformance(window=name, n_obs=n_obs, **dict(zip(fields, row, strict=True)))
            for name, n_obs, row in zip(names, counts, rows, strict=True)
        ]
        for counts, rows in zip(own.n_obs[..., 0].tolist(), told.tolist(), strict=True)
    ]
