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
    why: metric -> strategy -> reason. ``coverage`` is the share of the window's bars that have a
    value. ``dates`` tells the bars in which the deepest drawdown began (the first one below its
    high) and was deepest, null where there is none; it and the figures of the whole way of wealth
    come at every bar with up to 50 strategies, with more at every second, third and so on; figures
    in other conventions (docs/metrics.md) at every fifth of these.
    """

    window: str
    n_obs: list[int]
    metrics: dict[str, list[float | None]]
    undefined: dict[str, dict[StrategyId, str]]
    coverage: list[float] | None = None
    dates: dict[str, list[Instant | None]] | None = None


class MetricsRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rolling metrics of all strategies of one portfolio at one bar.

    ``conventions`` names the formulas: ``apse-metrics-1`` are those of docs/metrics.md.
    """

    portfolio_id: PortfolioId
    bar_end: Instant
    periods_per_year: float
    strategies: tuple[StrategyId, ...]
    windows: list[WindowMetrics]
    conventions: str | None = None


class CovarianceStructure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a covariance on its way, and how much there is to spread over in it.

    ``n_effective`` are the equally weighted rows it is worth, ``shrinkage`` the share of its
    target, ``factors`` the eigenvalues kept as signal, ``repair_distance`` the share of their norm
    that making it semi-definite moved the correlations by. Condition number and effective bets are
    of the correlations: null with more than 500 strategies, the first where they are singular.
    """

    n_effective: float
    shrinkage: float | None
    factors: int | None
    repair_distance: float
    condition_number: float | None
    effective_bets: float | None
    clusters: int
    within_correlation: float | None
    between_correlation: float | None


class ForecastQualityRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How good one estimator's forecasts of risk have been, over the last ``n_bars`` scored.

    ``bias`` is realised over forecast volatility, 1 where it is right, of the held portfolio and of
    random ones (average, least, most); ``qlike`` is the lower the better, to compare estimators by.
    """

    covariance: str
    n_bars: int
    bias_held: float | None
    bias_random: float | None
    bias_random_min: float | None
    bias_random_max: float | None
    qlike_held: float | None
    qlike_random: float | None


class CovarianceRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A summary of the covariance each bar.

    ``matrix_annual`` (N, N) comes only with decisions and every 20th bar, and with it ``structure``
    and ``quality``. Correlations beside it are its own; at other bars they are those of
    ``summary_of``, which rank-one updates keep, where that is not ``covariance`` itself.
    ``demotion`` says why ``covariance`` is not the one of the policy.
    """

    portfolio_id: PortfolioId
    bar_end: Instant
    covariance: str
    strategies: tuple[StrategyId, ...]
    n_common: int
    average_correlation: float | None
    max_correlation: float | None
    max_pair: tuple[StrategyId, StrategyId] | None
    summary_of: str | None = None
    structure: CovarianceStructure | None = None
    quality: tuple[ForecastQualityRecord, ...] = ()
    demotion: str = ""
    matrix_annual: list[list[float]] | None = None


class RollingPerformance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The portfolio's own rolling figures over one window of net returns; null where undefined.

    ``sharpe_standard_error`` allows for autocorrelation; ``probabilistic_sharpe`` is the
    probability that the true Sharpe ratio is above 0.
    """

    window: str
    n_obs: int
    return_annual: float | None
    volatility_annual: float | None
    sharpe: float | None
    max_drawdown: float | None
    sortino: float | None = None
    calmar: float | None = None
    sharpe_standard_error: float | None = None
    probabilistic_sharpe: float | None = None


class ReportedFigures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a strategy reported of itself with this bar, beside ours over ``window_bars``.

    Null where it reported nothing, or where ours is undefined.
    """

    volatility_annual: float | None
    volatility_annual_ours: float | None
    drawdown: float | None
    drawdown_ours: float | None


class BarData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who had no ordinary value in a bar, and what came too late for the bars before.

    A strategy that stands in none of the first four has a value. ``flat`` is a return of 0, which
    is a value too; ``missing`` said nothing for the bar, ``inactive`` has ended; ``stale`` are the
    missing and quarantined whose last value is older than ``stale_bars``. ``quarantined`` values
    count for nothing until a revision confirms them. By strategy, since the bar before: ``revised``
    counts revisions and late rows taken in, ``late`` those that could not be placed any more.
    """

    flat: tuple[StrategyId, ...] = ()
    missing: tuple[StrategyId, ...] = ()
    inactive: tuple[StrategyId, ...] = ()
    stale: tuple[StrategyId, ...] = ()
    quarantined: dict[StrategyId, float] = {}
    revised: dict[StrategyId, int] = {}
    late: dict[StrategyId, int] = {}


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
    data: BarData | None = None
