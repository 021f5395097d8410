"""One literal of every message: the examples of the documents, and what golden encodings hold.

A name is a message's type, with ``-variant`` where one literal does not show it all.
"""

import struct
from collections.abc import Mapping
from typing import Final

import msgspec

from schemas.checkpoint import ExpectedCheckpoint, PortfolioCheckpoint, ShardPosition
from schemas.codec import encode_message, encode_record
from schemas.decisions import (
    Decision,
    Estimates,
    ExAnte,
    ObjectiveTerm,
    RebalanceCommand,
    Stages,
    Trigger,
)
from schemas.events import (
    ControlRequest,
    ExecutionReport,
    PortfolioRegistration,
    RiskSignal,
    StrategyRegistration,
    StrategyReturn,
)
from schemas.journal import (
    ROW_PROGRESS,
    ROW_VALUE,
    Control,
    Frame,
    Nudge,
    PortfolioRegistered,
    Position,
    Release,
    Reply,
    Report,
    Risk,
    StrategyRegistered,
    Tick,
)
from schemas.optimize import (
    BindingLimit,
    GroupBound,
    OptimizeReply,
    OptimizeRequest,
    SolveDiagnostics,
)
from schemas.policy import (
    Cash,
    Constraints,
    Costs,
    Drift,
    Estimation,
    FamilyLimit,
    Objective,
    PortfolioPolicy,
    Rebalance,
    StrategyEntry,
)
from schemas.view_examples import VIEW_EXAMPLES

_BAR_END: Final = "2024-05-31T20:00:00Z"
_BAR_END_NS: Final = 1_717_185_600_000_000_000
_MOMENTUM: Final = "momentum-us"
_PAIRS: Final = "pairs-energy"
_DECISION: Final = "core.1.7.d3f0c1a29b"
_COMMAND: Final = "core.1.7.c81e6b0f42"

_RETURN: Final = StrategyReturn(strategy_id=_MOMENTUM, period_end=_BAR_END, value=0.0123)
_RETURN_FULL: Final = StrategyReturn(
    strategy_id=_MOMENTUM,
    period_end="2024-05-31T20:00:00.000000001Z",
    value=-0.004,
    revision=1,
    account_id="account-1",
    capital=1_000_000.0,
    target_capital=1_250_000.0,
    currency="USD",
    reported_volatility_annual=0.11,
    reported_drawdown=-0.032,
)
_STRATEGY: Final = StrategyRegistration(
    strategy_id=_MOMENTUM,
    family="trend",
    portfolios=("core",),
    account_id="account-1",
    weight_min=0.0,
    weight_max=0.25,
)
_PORTFOLIO: Final = PortfolioRegistration(
    portfolio_id="core",
    shard=3,
    policy_version=2,
    epoch=1,
    policy=PortfolioPolicy(
        portfolio_id="core",
        bar="1d",
        periods_per_year=252.0,
        strategies=(
            StrategyEntry(id=_MOMENTUM, family="trend", weight_max=0.6),
            StrategyEntry(id=_PAIRS, family="arbitrage", account="account-2"),
        ),
        initial_weights={_MOMENTUM: 0.5},
        estimation=Estimation(min_bars=63, covariance="ledoit_wolf"),
        objective=Objective(type="mean_variance", risk_aversion=4.0),
        constraints=Constraints(
            weight_max=0.7, families={"trend": FamilyLimit(max=0.6)}, turnover_max=0.5
        ),
        costs=Costs(linear_bps=5.0),
        cash=Cash(max=0.4),
        rebalance=Rebalance(schedule="weekly", drift=Drift(max_abs=0.05), cooldown_bars=2),
    ),
)
_CONTROL: Final = ControlRequest(
    request_id="request-1",
    portfolio_id="core",
    action="rebalance",
    reason="before the holiday",
    requested_by="desk",
)
_RISK: Final = RiskSignal(
    signal_id="signal-1",
    portfolio_id="core",
    action="reduce",
    multiplier=0.5,
    reason="volatility regime",
    source="risk-desk",
)
_REPORT: Final = ExecutionReport(
    report_id="report-1",
    command_id=_COMMAND,
    portfolio_id="core",
    epoch=1,
    version=7,
    status="filled",
    as_of="2024-05-31T20:00:02.5Z",
    filled_weights={_MOMENTUM: 0.6, _PAIRS: 0.3},
    cost=0.00012,
    executor="paper",
)
_BINDING: Final = BindingLimit(
    constraint="constraints.families.trend.max", side="max", price=0.04, strategy=None
)
_DECIDED: Final = Decision(
    decision_id=_DECISION,
    portfolio_id="core",
    epoch=1,
    version=7,
    bar_end=_BAR_END,
    trigger=Trigger(kind="drift", value=0.061, threshold=0.05, reference=_MOMENTUM),
    outcome="accepted",
    reason="drift 0.061 above 0.05 on momentum-us",
    policy_version=2,
    strategies=(_MOMENTUM, _PAIRS),
    excluded={"carry-fx": "too_few_observations"},
    estimates=Estimates(
        covariance="ledoit_wolf",
        mean="sample",
        n_common=252,
        mean_annual=(0.09, 0.04),
        volatility_annual=(0.1, 0.06),
        average_correlation=0.25,
    ),
    stages=Stages(
        held=(0.5, 0.3),
        raw=(0.6, 0.3),
        overlay=(0.6, 0.3),
        banded=(0.6, 0.3),
        rounded=(0.6, 0.3),
        cash={"held": 0.2, "raw": 0.1, "overlay": 0.1, "banded": 0.1, "rounded": 0.1},
    ),
    objective="mean_variance",
    objective_value=0.0572,
    objective_terms=(
        ObjectiveTerm(name="return", value=0.066),
        ObjectiveTerm(name="risk", value=-0.0088),
    ),
    ex_ante_held=ExAnte(return_annual=0.057, volatility_annual=0.0568, sharpe=1.0035),
    ex_ante=ExAnte(return_annual=0.066, volatility_annual=0.0668, sharpe=None),
    binding=(_BINDING,),
    violated=(),
    turnover=0.1,
    cost=0.00005,
    solver="piqp",
    fallback="none",
    exempt=("cooldown",),
)
_REBALANCE: Final = RebalanceCommand(
    command_id=_COMMAND,
    decision_id=_DECISION,
    portfolio_id="core",
    epoch=1,
    version=7,
    bar_end=_BAR_END,
    expires_at="2024-06-01T20:00:00Z",
    trigger="drift",
    reason="drift 0.061 above 0.05 on momentum-us",
    target_weights={_MOMENTUM: 0.6, _PAIRS: 0.3},
    target_cash=0.1,
    previous_weights={_MOMENTUM: 0.5, _PAIRS: 0.3},
    previous_cash=0.2,
    turnover=0.1,
    cost=0.00005,
    policy_version=2,
    supersedes="core.1.6.5a90c2e177",
)
_SOURCE: Final = Position(topic="portfolio.registry.v1", partition=0, offset=41)

JSON_EXAMPLES: Final[Mapping[str, msgspec.Struct]] = {
    "StrategyReturn": _RETURN,
    "StrategyReturn-full": _RETURN_FULL,
    "StrategyReturn-progress": StrategyReturn(
        strategy_id=_PAIRS, period_end=_BAR_END, status="progress"
    ),
    "StrategyReturn-inactive": StrategyReturn(
        strategy_id=_PAIRS, period_end=_BAR_END, status="inactive"
    ),
    "StrategyRegistration": _STRATEGY,
    "PortfolioRegistration": _PORTFOLIO,
    "ControlRequest": _CONTROL,
    "RiskSignal": _RISK,
    "ExecutionReport": _REPORT,
    **VIEW_EXAMPLES,
    "Decision": _DECIDED,
    "RebalanceCommand": _REBALANCE,
}
"""Messages of public topics."""

RECORD_EXAMPLES: Final[Mapping[str, msgspec.Struct]] = {
    "Frame": Frame(
        topic="strategy.returns.v1",
        strategies=(_MOMENTUM, _PAIRS),
        strategy=struct.pack("<2H", 0, 1),
        period_end_ns=struct.pack("<2q", _BAR_END_NS, _BAR_END_NS),
        value=struct.pack("<2d", 0.0123, float("nan")),
        kind=struct.pack("<2B", ROW_VALUE, ROW_PROGRESS),
        revision=struct.pack("<2i", 0, 0),
        source_partition=struct.pack("<2i", 4, 4),
        source_offset=struct.pack("<2q", 1000, 1001),
    ),
    "StrategyRegistered": StrategyRegistered(source=_SOURCE, registration=_STRATEGY),
    "PortfolioRegistered": PortfolioRegistered(source=_SOURCE, registration=_PORTFOLIO),
    "Control": Control(source=Position("control.requests.v1", 0, 5), request=_CONTROL),
    "Risk": Risk(source=Position("risk.signals.v1", 0, 6), signal=_RISK),
    "Report": Report(source=Position("execution.reports.v1", 2, 7), report=_REPORT),
    "Release": Release(strategy_id=_PAIRS, through_ns=_BAR_END_NS),
    "Tick": Tick(now_ns=_BAR_END_NS),
    "Reply": Reply(
        reply=OptimizeReply(
            request_id=_DECISION,
            portfolio_id="core",
            status="solved",
            weights=struct.pack("<2d", 0.6, 0.3),
            cash=0.1,
            objective_value=0.0572,
            binding=(_BINDING,),
            solver="piqp",
            exact=True,
            diagnostics=SolveDiagnostics(solve_seconds=0.0002, worker="optimizer-0", iterations=9),
        )
    ),
    "Nudge": Nudge(portfolio_id="core", request_id=_DECISION, attempt=1),
    "OptimizeRequest": OptimizeRequest(
        request_id=_DECISION,
        attempt=1,
        portfolio_id="core",
        shard=3,
        strategies=(_MOMENTUM, _PAIRS),
        mean_annual=struct.pack("<2d", 0.09, 0.04),
        cov_annual_lower=struct.pack("<3d", 0.01, 0.0015, 0.0036),
        held=struct.pack("<2d", 0.5, 0.3),
        held_cash=0.2,
        held_elsewhere=0.0,
        objective="mean_variance",
        risk_aversion=4.0,
        weight_min=struct.pack("<2d", 0.0, 0.0),
        weight_max=struct.pack("<2d", 0.6, 0.7),
        groups=(GroupBound("trend", (0,), 0.0, 0.6),),
        cash_min=0.0,
        cash_max=0.4,
        turnover_max=0.5,
        long_only=True,
    ),
    "PortfolioCheckpoint": PortfolioCheckpoint(
        portfolio_id="core", next_offset=42, chunk=0, chunks=1, checksum=907060870, data=b"hello"
    ),
    "ShardPosition": ShardPosition(
        shard=3,
        next_offset=42,
        portfolios=(ExpectedCheckpoint("core", 42, 907060870),),
        shard_state=b"",
    ),
}
"""Messages of internal topics."""


def golden_encodings() -> dict[str, bytes]:
    """Return file name -> bytes of every example, as they are frozen with a release."""
    texts = {f"{name}.json": encode_message(item) for name, item in JSON_EXAMPLES.items()}
    binary = {f"{name}.msgpack": _record_bytes(item) for name, item in RECORD_EXAMPLES.items()}
    return texts | binary


def _record_bytes(record: msgspec.Struct) -> bytes:
    return encode_record(record)  # type: ignore[arg-type]  # the table above holds records only
