"""The one table of topics: their key, payload, shape on the broker, writer and readers.

An admin step creates them from here; nothing else may. A scope (``demo-1a2b.``) before every name
keeps runs on one broker apart.
"""

from typing import Final, Literal

import msgspec

from schemas.checkpoint import PortfolioCheckpoint, ShardPosition
from schemas.decisions import Decision, RebalanceCommand
from schemas.events import (
    ControlRequest,
    ExecutionReport,
    PortfolioRegistration,
    RiskSignal,
    StrategyRegistration,
    StrategyReturn,
)
from schemas.journal import Record
from schemas.optimize import OptimizeRequest
from schemas.shadows import ShadowRecord
from schemas.views import CovarianceRecord, MetricsRecord, StateRecord

SHARDS_DEFAULT: Final = 12
DAY_MS: Final = 86_400_000
KIB: Final = 1024
MIB: Final = 1024 * KIB
FOREVER: Final = -1


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """One topic. ``retention_ms`` -1 keeps for ever; sizes are of one record, uncompressed.

    ``append_time`` lets the broker date the records: who writes there has clocks that are not ours.
    """

    name: str
    key: str
    payload: tuple[type, ...]
    encoding: Literal["json", "msgpack", "bytes"]
    partitions: int
    cleanup: Literal["delete", "compact"]
    retention_ms: int
    record_bytes_max: int
    writer: str
    readers: tuple[str, ...]
    summary: str
    append_time: bool = False

    def config(self) -> dict[str, str]:
        """Return the broker's configuration of this topic."""
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.record_bytes_max),
            "min.insync.replicas": "1",
            "message.timestamp.type": "LogAppendTime" if self.append_time else "CreateTime",
        }


RETURNS: Final = Topic(
    name="strategy.returns.v1",
    key="strategy_id",
    payload=(StrategyReturn,),
    encoding="json",
    partitions=12,
    cleanup="delete",
    retention_ms=30 * DAY_MS,
    record_bytes_max=4 * MIB,
    writer="strategies",
    readers=("ingest",),
    summary="returns and progress marks of strategies",
    append_time=True,
)
REGISTRY: Final = Topic(
    name="portfolio.registry.v1",
    key="strategy/ID or portfolio/ID",
    payload=(StrategyRegistration, PortfolioRegistration),
    encoding="json",
    partitions=1,
    cleanup="compact",
    retention_ms=FOREVER,
    record_bytes_max=1 * MIB,
    writer="cli, publisher",
    readers=("ingest",),
    summary="which strategies and portfolios exist, their shard and policy",
)
CONTROL: Final = Topic(
    name="control.requests.v1",
    key="portfolio_id",
    payload=(ControlRequest,),
    encoding="json",
    partitions=1,
    cleanup="delete",
    retention_ms=365 * DAY_MS,
    record_bytes_max=64 * KIB,
    writer="api, cli",
    readers=("ingest",),
    summary="manual rebalance, pause, resume",
)
RISK: Final = Topic(
    name="risk.signals.v1",
    key="portfolio_id",
    payload=(RiskSignal,),
    encoding="json",
    partitions=1,
    cleanup="delete",
    retention_ms=365 * DAY_MS,
    record_bytes_max=64 * KIB,
    writer="risk",
    readers=("ingest",),
    summary="halt, reduce, resume",
)
REPORTS: Final = Topic(
    name="execution.reports.v1",
    key="portfolio_id",
    payload=(ExecutionReport,),
    encoding="json",
    partitions=6,
    cleanup="delete",
    retention_ms=365 * DAY_MS,
    record_bytes_max=1 * MIB,
    writer="execution",
    readers=("ingest", "execution"),
    summary="what became of each command",
)
JOURNAL: Final = Topic(
    name="portfolio.journal.v1",
    key="none: the partition is the shard",
    payload=(Record,),  # type: ignore[arg-type]  # a union of record types, read as one
    encoding="msgpack",
    partitions=SHARDS_DEFAULT,
    cleanup="delete",
    retention_ms=30 * DAY_MS,
    record_bytes_max=1 * MIB,
    writer="ingest, optimizer, portfolio",
    readers=("portfolio",),
    summary="whatever can change a portfolio, in one order a shard",
)
DEAD_LETTERS: Final = Topic(
    name="strategy.returns.dlq.v1",
    key="the key of the refused record",
    payload=(bytes,),
    encoding="bytes",
    partitions=1,
    cleanup="delete",
    retention_ms=90 * DAY_MS,
    record_bytes_max=4 * MIB + 64 * KIB,
    writer="ingest, portfolio",
    readers=("cli",),
    summary="refused input: original bytes, with reason and source position as headers",
)
DEAD_LETTER_HEADERS: Final = {
    "apse_error_code": "why the record was refused; stable, for counters",
    "apse_error_detail": "a sentence that names the value and what was expected, UTF-8",
    "apse_source_topic": "topic of the refused record",
    "apse_source_partition": "its partition, in decimal digits",
    "apse_source_offset": "its offset, in decimal digits",
}
"""Headers of a dead letter, and what they hold; the value is the refused record's own bytes."""
METRICS: Final = Topic(
    name="strategy.metrics.v1",
    key="portfolio_id",
    payload=(MetricsRecord,),
    encoding="json",
    partitions=6,
    cleanup="delete",
    retention_ms=30 * DAY_MS,
    record_bytes_max=8 * MIB,
    writer="portfolio",
    readers=("cli", "read model"),
    summary="rolling metrics of all strategies of a portfolio, one record a bar",
)
COVARIANCE: Final = Topic(
    name="portfolio.covariance.v1",
    key="portfolio_id",
    payload=(CovarianceRecord,),
    encoding="json",
    partitions=6,
    cleanup="delete",
    retention_ms=30 * DAY_MS,
    record_bytes_max=32 * MIB,
    writer="portfolio",
    readers=("cli", "read model"),
    summary="correlation summary each bar, the matrix with decisions and every 20th bar",
)
STATE: Final = Topic(
    name="portfolio.state.v1",
    key="portfolio_id",
    payload=(StateRecord,),
    encoding="json",
    partitions=6,
    cleanup="delete",
    retention_ms=365 * DAY_MS,
    record_bytes_max=8 * MIB,
    writer="portfolio",
    readers=("cli", "execution", "read model"),
    summary="NAV, weights, costs and rolling performance of a portfolio, one record a bar",
)
SHADOWS: Final = Topic(
    name="portfolio.shadows.v1",
    key="portfolio_id",
    payload=(ShadowRecord,),
    encoding="json",
    partitions=6,
    cleanup="delete",
    retention_ms=365 * DAY_MS,
    record_bytes_max=8 * MIB,
    writer="portfolio",
    readers=("cli", "read model"),
    summary="NAV, cost and regret of paper books that follow other policies, one record a bar",
)
OPTIMIZE: Final = Topic(
    name="portfolio.optimize.v1",
    key="none: the partition is named",
    payload=(OptimizeRequest,),
    encoding="msgpack",
    partitions=SHARDS_DEFAULT,
    cleanup="delete",
    retention_ms=1 * DAY_MS,
    record_bytes_max=32 * MIB,
    writer="portfolio",
    readers=("optimizer",),
    summary="self-contained problems for the optimizer",
)
DECISIONS: Final = Topic(
    name="portfolio.decisions.v1",
    key="portfolio_id",
    payload=(Decision,),
    encoding="json",
    partitions=6,
    cleanup="delete",
    retention_ms=FOREVER,
    record_bytes_max=8 * MIB,
    writer="portfolio",
    readers=("cli", "read model"),
    summary="every evaluation of the mix with its causes, declined ones too",
)
REBALANCE: Final = Topic(
    name="portfolio.rebalance.v1",
    key="portfolio_id",
    payload=(RebalanceCommand,),
    encoding="json",
    partitions=6,
    cleanup="delete",
    retention_ms=FOREVER,
    record_bytes_max=1 * MIB,
    writer="portfolio",
    readers=("execution", "cli", "read model"),
    summary="rebalance commands: absolute target weights, fenced by (epoch, version)",
)
CHECKPOINTS: Final = Topic(
    name="portfolio.checkpoint.v1",
    key="SHARD/portfolio/ID/NEXT_OFFSET/CHUNK or SHARD/position",
    payload=(PortfolioCheckpoint, ShardPosition),
    encoding="msgpack",
    partitions=SHARDS_DEFAULT,
    cleanup="compact",
    retention_ms=FOREVER,
    record_bytes_max=1 * MIB,
    writer="portfolio",
    readers=("portfolio",),
    summary="exact state of each portfolio, then the position of its shard",
)

TOPICS: Final = (
    RETURNS,
    REGISTRY,
    CONTROL,
    RISK,
    REPORTS,
    JOURNAL,
    DEAD_LETTERS,
    METRICS,
    COVARIANCE,
    STATE,
    SHADOWS,
    OPTIMIZE,
    DECISIONS,
    REBALANCE,
    CHECKPOINTS,
)
