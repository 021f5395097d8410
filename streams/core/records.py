"""The views a walk publishes at each bar: metrics, covariance and portfolio state."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

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
from streams.core.performance import PORTFOLIO_FIGURES, FigureRun
from streams.core.quality import ForecastQuality
from streams.core.status import Status
from streams.core.study import StudyRun


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

    ``own`` are the portfolio's figures over each window of its net returns, (len(METRICS), W, 1).
    """

    policy: PortfolioPolicy
    epoch: int
    names: tuple[str, ...]
    status: Status
    ledger: Close
    last: BarResult
    own: MetricsBlock
    figures: FigureRun
    eligible: BoolArray
    covariance: RollingCovariance | None
    literal: str  # the estimator in force
    quality: ForecastQuality | None
    reported: dict[str, ReportedFigures]
    data: BarData | None


def metrics_messages(
    policy: PortfolioPolicy,
    names: tuple[str, ...],
    lengths: tuple[int, ...],
    run: StudyRun,
    figures: Sequence[FigureRun],
    history: History,
) -> list[BarMetrics]:
    """Return the metrics of each bar of a run, over those of its windows that are to be seen.

    Its bars are the newest of ``history``, with one of ``figures`` each.
    """
    shown = [lengths.index(window) for window in policy.estimation.windows]
    block, bars = run.block, len(run.eligible)
    if shown != list(range(len(lengths))):
        block = MetricsBlock(
            block.n_obs[:, shown], block.values[:, :, shown], block.undefined[:, :, shown]
        )
    return [
        BarMetrics(
            portfolio_id=policy.portfolio_id,
            bar_end_ns=_end_ns(history, bars - 1 - bar),
            periods_per_year=policy.periods_per_year,
            names=names,
            windows=policy.estimation.windows,
            block=block.at(bar),
            ewma=run.ewma.at(bar),
            bars=tuple(min(window, run.begun + bar + 1) for window in policy.estimation.windows),
            figures=figures[bar],
            dates=_dates(figures[bar], history, bars - 1 - bar),
        )
        for bar in range(bars)
    ]


def _end_ns(history: History, bars_ago: int) -> int:
    end_ns = history.end_ns(bars_ago)
    assert end_ns is not None, bars_ago
    return end_ns


def _dates(
    figures: FigureRun, history: History, since_bars: int
) -> dict[str, list[str | None]] | None:
    """Return when each strategy's deepest drawdown began and was deepest, where it is told."""
    for window in figures:
        path = window.path
        if path is not None and window.paths_told[-1]:
            start, trough = path.start[-1].tolist(), path.trough[-1].tolist()
            told: dict[int, str | None] = {-1: None}
            for bars_ago in {*start, *trough} - {-1}:
                told[bars_ago] = format_instant(_end_ns(history, since_bars + bars_ago))
            return {
                "max_drawdown_start": [told[bars_ago] for bars_ago in start],
                "max_drawdown_trough": [told[bars_ago] for bars_ago in trough],
            }
    return None


def covariance_record(at: Snapshot, found: CovarianceEstimate | None) -> CovarianceRecord:
    """Return the correlations of the eligible strategies, with the matrix that was ``found``."""
    if at.covariance is None:
        summary, names = CovarianceSummary(n_common=0), ()
    else:
        summary = at.covariance.summary()
        names = tuple(at.names[i] for i in at.covariance.eligible.tolist())
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
        eligible=[name for name, yes in zip(at.names, at.eligible.tolist(), strict=True) if yes],
        held_cash=ledger.cash,
        target_cash=ledger.target_cash,
        rolling=_rolling(at),
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


def _rolling(at: Snapshot) -> list[RollingPerformance]:
    """Return the portfolio's own figures over each window of its net returns."""
    block = at.own
    figures = dict(zip(METRICS, block.values[:, :, 0], strict=True))
    certain: dict[str, list[float]] = {
        name: [float(told.portfolio.values[place, -1, 0]) for told in at.figures]
        for place, name in enumerate(PORTFOLIO_FIGURES)
    }

    def value(metric: str, window: int) -> float | None:
        return _or_none(float(figures[metric][window]))

    def certainty(figure: str, window: int) -> float | None:
        return _or_none(certain[figure][window]) if certain[figure] else None

    return [
        RollingPerformance(
            window=str(length),
            n_obs=int(block.n_obs[i, 0]),
            return_annual=value("cagr", i),
            volatility_annual=value("volatility_annual", i),
            sharpe=value("sharpe", i),
            max_drawdown=value("max_drawdown", i),
            sortino=value("sortino", i),
            calmar=value("calmar", i),
            sharpe_standard_error=certainty("sharpe_standard_error", i),
            probabilistic_sharpe=certainty("probabilistic_sharpe", i),
        )
        for i, length in enumerate(at.policy.estimation.windows)
    ]
