"""The views a walk publishes at each bar: metrics, covariance and portfolio state."""

import math
from dataclasses import dataclass

import numpy as np

from schemas.journal import Reported
from schemas.policy import PortfolioPolicy
from schemas.units import format_instant
from schemas.views import (
    CovarianceRecord,
    PortfolioStatus,
    ReportedFigures,
    RollingPerformance,
    StateRecord,
)
from streams.core.arrays import BoolArray
from streams.core.covariance import CovarianceSummary, RollingCovariance
from streams.core.errors import DataError
from streams.core.ledger import BarResult, Ledger
from streams.core.metrics import METRICS, all_window_metrics, ewma_metrics, window_metrics
from streams.core.outputs import BarMetrics
from streams.core.status import Status
from streams.core.windows import EwmaMoments, RollingWindows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """What the records of one bar are made of."""

    policy: PortfolioPolicy
    epoch: int
    names: tuple[str, ...]
    status: Status
    ledger: Ledger
    last: BarResult
    own: RollingWindows
    eligible: BoolArray
    covariance: RollingCovariance | None
    reported: dict[str, ReportedFigures]


def metrics_message(
    policy: PortfolioPolicy,
    end_ns: int,
    names: tuple[str, ...],
    windows: RollingWindows,
    ewma: EwmaMoments,
) -> BarMetrics:
    """Return the bar's metrics over the windows the policy asks to see."""
    block = all_window_metrics(windows, policy.periods_per_year)
    shown = [windows.windows.index(window) for window in policy.estimation.windows]
    return BarMetrics(
        portfolio_id=policy.portfolio_id,
        bar_end_ns=end_ns,
        periods_per_year=policy.periods_per_year,
        names=names,
        windows=policy.estimation.windows,
        block=type(block)(block.n_obs[shown], block.values[:, shown], block.undefined[:, shown]),
        ewma=ewma_metrics(ewma, policy.periods_per_year),
    )


def covariance_record(at: Snapshot, *, full: bool) -> CovarianceRecord:
    """Return the correlations of the eligible strategies, with the annual matrix where ``full``."""
    if at.covariance is None:
        summary, names = CovarianceSummary(n_common=0), ()
    else:
        summary = at.covariance.summary()
        names = tuple(at.names[i] for i in at.covariance.eligible.tolist())
    pair = summary.pair_max
    return CovarianceRecord(
        portfolio_id=at.policy.portfolio_id,
        bar_end=format_instant(at.status.end_ns),
        covariance=at.policy.estimation.covariance,
        strategies=names,
        n_common=summary.n_common,
        average_correlation=summary.average_correlation,
        max_correlation=None if pair is None else pair[2],
        max_pair=None if pair is None else (names[pair[0]], names[pair[1]]),
        matrix_annual=_matrix_annual(at) if full else None,
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
    )


def compare_reported(
    reported: dict[int, Reported],
    names: tuple[str, ...],
    windows: RollingWindows,
    policy: PortfolioPolicy,
) -> dict[str, ReportedFigures]:
    """Return what strategies reported with a bar beside ours over ``window_bars``, by name."""
    if not reported:
        return {}
    block = window_metrics(windows, policy.estimation.window_bars, policy.periods_per_year)
    volatility = block.values[METRICS.index("volatility_annual")].tolist()
    drawdown = block.values[METRICS.index("drawdown")].tolist()
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
    block = all_window_metrics(at.own, at.policy.periods_per_year)
    figures = dict(zip(METRICS, block.values[:, :, 0], strict=True))

    def value(metric: str, window: int) -> float | None:
        return _or_none(float(figures[metric][window]))

    return [
        RollingPerformance(
            window=str(length),
            n_obs=int(block.n_obs[i, 0]),
            return_annual=value("cagr", i),
            volatility_annual=value("volatility_annual", i),
            sharpe=value("sharpe", i),
            max_drawdown=value("max_drawdown", i),
        )
        for i, length in enumerate(at.own.windows)
    ]


def _matrix_annual(at: Snapshot) -> list[list[float]] | None:
    if at.covariance is None:
        return None
    try:
        matrix = at.covariance.matrix() * at.policy.periods_per_year
    except DataError:
        return None  # too few common rows: there is none, and n_common beside it says so
    return matrix.tolist() if np.isfinite(matrix).all() else None
