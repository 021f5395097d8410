"""The views a walk publishes at each bar: metrics, covariance and portfolio state."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
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
from streams.core.arrays import BoolArray, FloatArray, IntArray
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
from streams.core.performance import PORTFOLIO_FIGURES, BarFigures
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

_instant: Final = lru_cache(maxsize=4096)(format_instant)  # bars of a window are told again


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
    figures: BarFigures
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
            bar_end_ns=ends_ns[bar - bars],
            periods_per_year=policy.periods_per_year,
            names=names,
            windows=policy.estimation.windows,
            block=block.at(bar),
            ewma=run.ewma.at(bar),
            bars=tuple(min(window, run.begun + bar + 1) for window in policy.estimation.windows),
            figures=figures[bar],
            dates=_dates(figures[bar], ends_ns, bar - bars),
        )
        for bar in range(bars)
    ]


def _dates(
    figures: BarFigures, ends_ns: list[int], newest: int
) -> dict[str, list[str | None]] | None:
    """Return when each strategy's deepest drawdown began and was deepest, where it is told."""
    for window in figures.windows:
        path = window.path
        if path is not None and window.paths_told[figures.place]:
            return {
                "max_drawdown_start": _instants(path.start[figures.place], ends_ns, newest),
                "max_drawdown_trough": _instants(path.trough[figures.place], ends_ns, newest),
            }
    return None


def _instants(bars_ago: IntArray, ends_ns: list[int], newest: int) -> list[str | None]:
    return [None if ago < 0 else _instant(ends_ns[newest - ago]) for ago in bars_ago.tolist()]


def covariance_record(at: Snapshot, found: CovarianceEstimate | None) -> CovarianceRecord:
    """Return the correlations of the eligible strategies, with the matrix that was ``found``."""
    if at.covariance is None:
        summary, names = CovarianceSummary(n_common=0), ()
    else:
        summary = at.covariance.summary()
        names = tuple(at.names[i] for i in at.covariance.eligible.tolist())
    record = CovarianceRecord(
        portfolio_id=at.policy.portfolio_id,
        bar_end=_instant(at.status.end_ns),
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
    values = at.own.values[_ROLLING_ROWS, :, 0].T
    windows, place = at.figures
    if windows:
        certain = np.array([window.portfolio.values[:, place, 0] for window in windows])
        values = np.concatenate([values, certain], axis=1)
    unknown = bool(np.isnan(values).any())
    rolling = []
    for length, n_obs, row in zip(
        at.policy.estimation.windows, at.own.n_obs[:, 0].tolist(), values.tolist(), strict=True
    ):
        figures = [_or_none(value) for value in row] if unknown else row
        told: dict[str, Any] = dict(zip(_ROLLING_FIELDS, figures, strict=False))
        rolling.append(RollingPerformance(window=str(length), n_obs=n_obs, **told))
    return rolling
