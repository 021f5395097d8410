"""The shape of every body, in and out: the source of the OpenAPI document and of the page's types.

Answers say ``as_of`` (end of the newest bar), ``version`` (changes whenever the answer may) and
``status``: live, warming_up, stale or degraded.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from schemas.decisions import Decision, RebalanceCommand
from schemas.events import ExecutionReport
from schemas.policy import Overrides, PortfolioPolicy
from schemas.units import Instant, PortfolioId, StrategyId, Text
from schemas.views import CovarianceRecord, ReportedFigures, RollingPerformance
from streams.readmodel.changes import PerformancePoint, WeightsPoint

Freshness = Literal["live", "warming_up", "stale", "degraded"]
Lifecycle = Literal[
    "proposed",
    "declined",
    "published",
    "acked",
    "filled",
    "rejected",
    "expired",
    "superseded",
]
Share = Annotated[float, Meta(description="share of NAV")]


class Overall(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What begins an answer that is about no one portfolio."""

    as_of: Instant
    version: str
    status: Freshness


class Head(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What begins an answer about a portfolio."""

    portfolio_id: PortfolioId
    as_of: Instant | None
    version: str
    status: Freshness


class PortfolioLine(Head, kw_only=True, forbid_unknown_fields=True):
    """A portfolio in a line."""

    bar: str
    objective: str
    strategies: int
    mode: str | None
    nav: float | None
    drawdown: float | None
    policy_version: int


class Portfolios(Overall, kw_only=True, forbid_unknown_fields=True):
    """All portfolios."""

    portfolios: list[PortfolioLine]


class CashWeights(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Cash, a share of NAV."""

    target: Share
    held: Share


class WeightLine(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One strategy's weights: ``drift`` is held less target, ``contribution`` that of the bar."""

    strategy_id: StrategyId
    family: str
    target: Share
    held: Share
    drift: Share
    contribution: float
    eligible: bool


class Weights(Head, kw_only=True, forbid_unknown_fields=True):
    """Target and held weights now; ``drift`` is the largest, over cash as well."""

    mode: str
    bar_number: int
    command_id: str | None
    acknowledged_version: int
    cash: CashWeights
    drift: Share
    drift_limit: Share | None
    strategies: list[WeightLine]


class WeightsOverTime(Head, kw_only=True, forbid_unknown_fields=True):
    """Weights of the past, thinned."""

    points: list[WeightsPoint]


class Performance(Head, kw_only=True, forbid_unknown_fields=True):
    """Net performance bar by bar, thinned from ``bars``; figures of each window now."""

    periods_per_year: float
    bars: int
    nav: float | None
    drawdown: float | None
    max_drawdown: float | None
    rolling: list[RollingPerformance]
    points: list[PerformancePoint]


class DecisionParts(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A decision, its command where it was accepted, and what became of that."""

    decision: Decision
    command: RebalanceCommand | None
    reports: list[ExecutionReport]
    lifecycle: Lifecycle


class DecisionDetail(Head, kw_only=True, forbid_unknown_fields=True):
    """A decision in full."""

    decision: Decision
    command: RebalanceCommand | None
    reports: list[ExecutionReport]
    lifecycle: Lifecycle


class Optimization(Head, kw_only=True, forbid_unknown_fields=True):
    """What is asked of the optimizer, and the newest decision."""

    objective: dict[str, Any]
    constraints: dict[str, Any]
    estimation: dict[str, Any]
    rebalance: dict[str, Any]
    costs: dict[str, Any]
    decision: DecisionParts | None


class Covariance(Head, kw_only=True, forbid_unknown_fields=True):
    """The newest full covariance, and the summary of the newest bar."""

    summary: CovarianceRecord | None
    covariance: CovarianceRecord | None


class StrategyWindow(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One strategy's figures of one window; ``undefined`` says why a figure is null.

    ``coverage`` is the share of the window's bars that have a value, ``dates`` tells when the
    deepest drawdown began and was deepest.
    """

    window: str
    n_obs: int
    metrics: dict[str, float | None]
    undefined: dict[str, str]
    coverage: float | None
    dates: dict[str, Instant | None]


class StrategyLine(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One strategy's standing; ``excluded`` says why the newest decision left it out."""

    strategy_id: StrategyId
    family: str
    target: Share
    held: Share
    contribution: float
    eligible: bool
    excluded: str | None
    reported: ReportedFigures | None
    windows: list[StrategyWindow]


class Strategies(Head, kw_only=True, forbid_unknown_fields=True):
    """All strategies of a portfolio."""

    strategies: list[StrategyLine]


class StrategyPoint(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One strategy's weights at a bar of the past."""

    bar_end: Instant
    target: Share
    held: Share
    contribution: float


class StrategyDetail(Head, kw_only=True, forbid_unknown_fields=True):
    """One strategy: standing, figures, weights over time."""

    strategy_id: StrategyId
    family: str
    target: Share
    held: Share
    contribution: float
    eligible: bool
    excluded: str | None
    reported: ReportedFigures | None
    windows: list[StrategyWindow]
    weights: list[StrategyPoint]


class HistoryLine(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A decision in a line."""

    decision_id: str
    epoch: int
    version: int
    bar_end: Instant
    trigger: dict[str, Any]
    outcome: Literal["accepted", "declined"]
    reason: str
    objective: str
    turnover: float
    cost: float
    solver: str
    fallback: str
    command_id: str | None
    lifecycle: Lifecycle


class History(Head, kw_only=True, forbid_unknown_fields=True):
    """Decisions, newest first; ``next_cursor`` continues, null at the end."""

    items: list[HistoryLine]
    next_cursor: str | None


class AuditEvent(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One order of a person or the risk function, or one version of the policy."""

    kind: Literal["request", "signal", "policy"]
    place: int
    event: dict[str, Any]


class Audit(Head, kw_only=True, forbid_unknown_fields=True):
    """Who ordered what."""

    events: list[AuditEvent]


class PolicyAnswer(Head, kw_only=True, forbid_unknown_fields=True):
    """The policy in force, as the portfolio file has it."""

    policy_version: int
    policy: PortfolioPolicy


class RequestAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What became of a manual rebalance; ``status`` is its lifecycle, ``freshness`` that of us."""

    portfolio_id: PortfolioId
    as_of: Instant | None
    version: str
    freshness: Freshness
    status: Lifecycle
    request_id: str
    reason: str
    requested_by: str
    decision: Decision | None
    command: RebalanceCommand | None
    reports: list[ExecutionReport]


class PreviewAnswer(Head, kw_only=True, forbid_unknown_fields=True):
    """What a rebalance would decide at the bar it names; nothing was changed.

    ``version`` is that of the checkpoint it was made from; ``current`` tells that nothing happened
    since. An order with it as ``If-Match`` is void (412) once anything did.
    """

    bar_end: Instant
    bar_number: int
    current: bool
    decision: Decision
    command: RebalanceCommand | None


class Accepted(Overall, kw_only=True, forbid_unknown_fields=True):
    """An order was appended to the topic it belongs to."""

    id: str
    action: str


class RebalanceOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A manual rebalance, or with ``dry_run`` only its preview.

    ``overrides`` hold for this one decision, and are kept with it.
    """

    reason: Text = ""
    dry_run: bool = False
    overrides: Overrides | None = None


class PreviewOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A what-if; ``overrides`` as those of a rebalance."""

    reason: Text = ""
    overrides: Overrides | None = None


class RiskOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An order of the risk function or of a person; ``multiplier`` goes with ``reduce`` alone."""

    action: Literal["halt", "reduce", "resume", "pause"]
    multiplier: Annotated[float, Meta(ge=0.0, le=1.0)] | None = None
    reason: Text = ""


class Probe(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Whether a part is well, and what is wrong where it is not."""

    status: Literal["ok", "not_ready"]
    reason: str = ""


class Version(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which build answers."""

    name: str
    version: str
