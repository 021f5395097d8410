"""The one list of Prometheus metrics, and the server that shows those of a process.

Names begin with ``apse_``; units are base units and stand last. Labels are bounded: where the
values are known beforehand they are listed here and anything else counts as ``other``; the series
of strategies, portfolios and shards have a limit in :mod:`streams.observe.worker`. Counters begin
at 0 with each process.
"""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from typing import Final, Literal, TypeVar, get_args
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.registry import Collector

from schemas.decisions import DeclineReason
from streams.core.errors import ConfigError
from streams.observe.probes import Reasons, serve_probes
from streams.settings import MetricsSettings

Process = Literal["ingest", "worker", "optimizer", "executor"]
Kind = Literal["counter", "gauge", "histogram"]
Values = tuple[str, ...]

ALL: Final[tuple[Process, ...]] = get_args(Process)
INGEST: Final[tuple[Process, ...]] = ("ingest",)
WORKER: Final[tuple[Process, ...]] = ("worker",)
OPTIMIZER: Final[tuple[Process, ...]] = ("optimizer",)
EXECUTOR: Final[tuple[Process, ...]] = ("executor",)

OTHER: Final = "other"
OPEN: Final[Values] = ()
"""A label whose values come with the data."""

TRIGGERS: Final[Values] = ("schedule", "drift", "manual", "risk", OTHER)
OUTCOMES: Final[Values] = ("accepted", "declined")
DECLINE_REASONS: Final[Values] = (
    *get_args(DeclineReason),
    "too_few_common",
    "not_finite",
    OTHER,
)
SOLVE_STATUSES: Final[Values] = ("solved", "infeasible", "failed")
POOL_FAILURES: Final[Values] = ("deadline", "died")
REPORT_STATUSES: Final[Values] = ("accepted", "rejected", "partially_filled", "filled", "expired")
PORTFOLIO_STATUSES: Final[Values] = ("warming_up", "live", "paused", "halted", "reduced")
SHARE_STATES: Final[Values] = ("value", "flat", "missing", "inactive", "quarantined")
LATE_ROWS: Final[Values] = ("revised", "late")
REFUSALS: Final[Values] = (
    "bad_instant",
    "bad_key",
    "bad_period_end",
    "bad_shard",
    "duplicate_key",
    "empty",
    "ended",
    "far_future",
    "invalid",
    "malformed",
    "oversize",
    "retired",
    "too_late",
    "unknown_portfolio",
    "unknown_strategy",
    OTHER,
)
SOLVE_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

# Their second series, the time each began, is read by nothing here.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the client leaves it untyped


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One line of the list: ``processes`` show it; ``labels`` have the values named, or OPEN."""

    name: str
    kind: Kind
    help: str
    processes: tuple[Process, ...]
    labels: dict[str, Values]


_listed: list[Metric] = []
_counted: dict[str, Counter | Gauge | Histogram] = {}
_M = TypeVar("_M", Counter, Gauge, Histogram)


def _told(
    name: str, text: str, by: tuple[Process, ...], /, kind: Kind = "gauge", **labels: Values
) -> Metric:
    """List a metric that is told at each scrape by a collector of its own."""
    metric = Metric(name=f"apse_{name}", kind=kind, help=text, processes=by, labels=labels)
    _listed.append(metric)
    return metric


def _counter(name: str, text: str, by: tuple[Process, ...], /, **labels: Values) -> Counter:
    metric = Metric(name=f"apse_{name}", kind="counter", help=text, processes=by, labels=labels)
    made = Counter(metric.name, text, tuple(labels), registry=None)
    return _keep(metric, made)


def _gauge(name: str, text: str, by: tuple[Process, ...]) -> Gauge:
    metric = Metric(name=f"apse_{name}", kind="gauge", help=text, processes=by, labels={})
    return _keep(metric, Gauge(metric.name, text, registry=None))


def _histogram(name: str, text: str, by: tuple[Process, ...], /, **labels: Values) -> Histogram:
    metric = Metric(name=f"apse_{name}", kind="histogram", help=text, processes=by, labels=labels)
    made = Histogram(metric.name, text, tuple(labels), registry=None, buckets=SOLVE_BUCKETS_S)
    return _keep(metric, made)


def _keep(metric: Metric, made: _M) -> _M:
    """List a metric that is counted as things happen; each known series begins at 0."""
    _listed.append(metric)
    _counted[metric.name] = made
    if metric.labels:
        for values in product(*metric.labels.values()):
            made.labels(*values)
    return made


# --- every process

BUILD: Final = _told(
    "build_info",
    "1, with the version of the engine and of Python, and what the process is.",
    ALL,
    version=OPEN,
    python=OPEN,
    process=OPEN,
)
_told("process_resident_memory_bytes", "Memory resident in RAM.", ALL)
_told("process_virtual_memory_bytes", "Address space in use.", ALL)
_told("process_cpu_seconds_total", "User and system time spent.", ALL, kind="counter")
_told("process_start_time_seconds", "Start of the process, since the unix epoch.", ALL)
_told("process_open_fds", "Open file descriptors.", ALL)
_told("process_max_fds", "File descriptors that may be open.", ALL)

# --- ingest

RETURNS_INGESTED: Final = _counter(
    "returns_ingested_total", "Rows of returns and marks put into the journal.", INGEST
)
DEAD_LETTERS: Final = _counter(
    "dlq_records_total",
    "Records refused and kept in the dead letters, by reason.",
    (*INGEST, *WORKER),
    reason=REFUSALS,
)
STRATEGIES_BEHIND: Final = _gauge(
    "strategies_behind",
    "Strategies further behind their co-members than the allowance; the others wait for them.",
    INGEST,
)
RELEASES: Final = _counter(
    "strategy_releases_total",
    "Releases of silent strategies: the others no longer wait for their next bars.",
    INGEST,
)

RETURNS_HELD: Final = _gauge(
    "returns_held", "1 while returns are not read because the walk is too far behind.", INGEST
)

# --- worker: what the portfolios are like

NAV: Final = _told(
    "portfolio_nav_ratio", "Net asset value; 1 before the first bar.", WORKER, portfolio_id=OPEN
)
SHADOW_NAV: Final = _told(
    "portfolio_shadow_nav_ratio", "NAV of a paper book.", WORKER, portfolio_id=OPEN, book=OPEN
)
DRAWDOWN: Final = _told(
    "portfolio_drawdown_ratio", "NAV over its high, minus 1; at most 0.", WORKER, portfolio_id=OPEN
)
VOLATILITY: Final = _told(
    "portfolio_volatility_ratio",
    "Annual volatility of the portfolio's net returns over a window of bars.",
    WORKER,
    portfolio_id=OPEN,
    window=OPEN,
)
SHARPE: Final = _told(
    "portfolio_sharpe",
    "Annual Sharpe ratio of the portfolio's net returns over a window of bars.",
    WORKER,
    portfolio_id=OPEN,
    window=OPEN,
)
COVERAGE: Final = _told(
    "portfolio_coverage_ratio",
    "Share of the held weight that had a return in the last bar.",
    WORKER,
    portfolio_id=OPEN,
)
STATUS: Final = _told(
    "portfolio_status",
    "1 for the status that the portfolio has, 0 for the others.",
    WORKER,
    portfolio_id=OPEN,
    status=PORTFOLIO_STATUSES,
)
BAR_END: Final = _told(
    "portfolio_bar_end_timestamp_seconds",
    "End of the last walked bar: event time, since the unix epoch.",
    WORKER,
    portfolio_id=OPEN,
)
MEMBERS: Final = _told(
    "portfolio_strategies", "Strategies of the portfolio.", WORKER, portfolio_id=OPEN
)
ELIGIBLE: Final = _told(
    "portfolio_eligible_strategies",
    "Strategies with enough observations, the last of them fresh.",
    WORKER,
    portfolio_id=OPEN,
)
TARGET: Final = _told(
    "strategy_target_weight_ratio",
    "Weight that the last accepted decision gave, a share of NAV.",
    WORKER,
    portfolio_id=OPEN,
    strategy_id=OPEN,
)
HELD: Final = _told(
    "strategy_held_weight_ratio",
    "Weight held, drifted with returns, a share of NAV.",
    WORKER,
    portfolio_id=OPEN,
    strategy_id=OPEN,
)
TARGET_CASH: Final = _told(
    "portfolio_target_cash_ratio", "Cash as targeted, a share of NAV.", WORKER, portfolio_id=OPEN
)
HELD_CASH: Final = _told(
    "portfolio_held_cash_ratio", "Cash as held, a share of NAV.", WORKER, portfolio_id=OPEN
)
HIDDEN: Final = _told(
    "hidden_portfolios",
    "Portfolios left out, or shown without weights, so that the series stay bounded.",
    WORKER,
)

# --- worker: what it does

BARS: Final = _counter("bars_closed_total", "Bars closed and walked, of all portfolios.", WORKER)
SHARES: Final = _counter(
    "bar_shares_total",
    "Shares of strategies in the bars walked, by what became of them.",
    WORKER,
    state=SHARE_STATES,
)
LATE: Final = _counter(
    "late_rows_total",
    "Rows for shares that were final: taken in as revisions, or too late to be placed.",
    WORKER,
    outcome=LATE_ROWS,
)
DECISIONS: Final = _counter(
    "decisions_total",
    "Decisions by trigger and outcome.",
    WORKER,
    trigger=TRIGGERS,
    outcome=OUTCOMES,
)
DECLINES: Final = _counter(
    "declines_total", "Declined decisions by reason.", WORKER, reason=DECLINE_REASONS
)
COMMANDS: Final = _counter(
    "commands_total", "Rebalance commands published, by trigger.", WORKER, trigger=TRIGGERS
)
COMMAND_WAIT: Final = _told(
    "command_unacknowledged_seconds",
    "Time since the newest command was published while no report accepts it, else 0.",
    WORKER,
    portfolio_id=OPEN,
)

# --- worker: where it stands

STREAM_LAG: Final = _told(
    "stream_lag_records",
    "Records of the journal not yet applied: its end minus the next offset.",
    WORKER,
    shard=OPEN,
)
WALK_LAG: Final = _told(
    "walk_lag_bars",
    "Closed bars, and events among them, that wait for the walk.",
    WORKER,
    portfolio_id=OPEN,
)
CHECKPOINT_AGE: Final = _told(
    "checkpoint_age_seconds",
    "Age of the oldest applied record that no written checkpoint holds; 0 when all are held.",
    WORKER,
    shard=OPEN,
)
RECOVERY: Final = _told(
    "recovery_seconds",
    "Time from the assignment of a shard until it had applied the journal as it stood then.",
    WORKER,
    shard=OPEN,
)
RECOVERING: Final = _told(
    "recovering_shards",
    "Shards that have not yet applied the journal as it stood at their assignment.",
    WORKER,
)

# --- optimizer

SOLVE: Final = _histogram(
    "solve_seconds", "Time of a solve, by its status.", OPTIMIZER, status=SOLVE_STATUSES
)
POOL: Final = _counter(
    "optimizer_pool_failures_total",
    "Solves given up because the solving process missed the deadline or died.",
    OPTIMIZER,
    reason=POOL_FAILURES,
)

# --- executor

REPORTS: Final = _counter(
    "execution_reports_total",
    "Reports that the broker acknowledged, by status.",
    EXECUTOR,
    status=REPORT_STATUSES,
)

METRICS: Final = tuple(_listed)
"""The list, in the order of the data."""


def known(value: str, values: Values) -> str:
    """Return a label's value where it is on the list, else ``other``."""
    return value if value in values else OTHER


def registry_for(process: Process, collectors: Sequence[Collector] = ()) -> CollectorRegistry:
    """Return what one process shows: its part of the list, and nothing of the others'.

    Parameters
    ----------
    process
        Which one this is.
    collectors
        Those that tell the listed gauges which are read at each scrape.
    """
    registry = CollectorRegistry()
    build = Gauge(BUILD.name, BUILD.help, tuple(BUILD.labels), registry=registry)
    build.labels(version("apse"), platform.python_version(), process).set(1)
    ProcessCollector(namespace="apse", registry=registry)
    for metric in METRICS:
        if process in metric.processes and metric.name in _counted:
            registry.register(_counted[metric.name])
    for collector in collectors:
        registry.register(collector)
    return registry


def serve(
    settings: MetricsSettings,
    process: Process,
    collectors: Sequence[Collector] = (),
    not_ready: Reasons = lambda: (),
) -> WSGIServer | None:
    """Show the metrics of this process, and whether it is ready, over HTTP; None at port 0.

    Raises
    ------
    ConfigError
        When the port cannot be had.
    """
    if settings.port == 0:
        return None
    try:
        return serve_probes(
            settings.host, settings.port, registry_for(process, collectors), not_ready
        )
    except OSError as error:
        message = f"metrics cannot be shown at {settings.host}:{settings.port}: {error.strerror}"
        raise ConfigError(message) from error
