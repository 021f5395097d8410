"""What the engine tells of itself each bar: metrics, covariance and portfolio state.

JSON on public topics.
"""

from typing import Literal

import msgspec

from schemas.units import Instant, PortfolioId, StrategyId

PortfolioStatus = Literal["warming_up", "live", "paused", "halted", "reduced"]


class WindowMetrics(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All metrics of one window; lists run over ``MetricsRecord.strategies``.

    ``window`` is a number of bars, or ``ewma:LAMBDA``. Where a value is null, ``undefined`` says
    why: metric -> strategy -> reason.
    """

    window: str
    n_obs: list[int]
    metrics: dict[str, list[float | None]]
    undefined: dict[str, dict[StrategyId, str]]


class MetricsRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rolling metrics of all strategies of one portfolio at one bar."""

    portfolio_id: PortfolioId
    bar_end: Instant
    periods_per_year: float
    strategies: tuple[StrategyId, ...]
    windows: list[WindowMetrics]


class CovarianceRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A summary of the covariance each bar.

    ``matrix_annual`` (N, N) comes only with decisions and every 20th bar.
    """

    portfolio_id: PortfolioId
    bar_end: Instant
    covariance: str
    strategies: tuple[StrategyId, ...]
    n_common: int
    average_correlation: float | None
    max_correlation: float | None
    max_pair: tuple[StrategyId, StrategyId] | None
    matrix_annual: list[list[float]] | None = None


class RollingPerformance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The portfolio's own rolling figures over one window of net returns; null where undefined."""

    window: str
    n_obs: int
    return_annual: float | None
    volatility_annual: float | None
    sharpe: float | None
    max_drawdown: float | None


class ReportedFigures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a strategy reported of itself with this bar, beside ours over ``window_bars``.

    Null where it reported nothing, or where ours is undefined.
    """

    volatility_annual: float | None
    volatility_annual_ours: float | None
    drawdown: float | None
    drawdown_ours: float | None


class StateRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One portfolio at one closed bar.

    ``held`` is drifted and before the bar's own fill, ``target`` after its decision.
    """

    portfolio_id: PortfolioId
    bar_end: Instant
    bar_number: int
    status: PortfolioStatus
    return_gross: float
    return_net: float
    cost: float
    turnover: float
    nav: float
    drawdown: float
    coverage: float
    adjustment: float
    strategies: tuple[StrategyId, ...]
    held: list[float]
    target: list[float]
    contribution: list[float]
    eligible: list[str]
    held_cash: float
    target_cash: float
    rolling: list[RollingPerformance]
    epoch: int
    version: int
    last_command_id: str | None = None
    acknowledged_version: int = 0
    reported: dict[StrategyId, ReportedFigures] | None = None
