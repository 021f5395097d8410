"""What a worker shows: outputs counted as they leave, portfolios and shards told at each scrape.

Between scrapes an output costs a look at its type; the newest state of each portfolio is kept as it
is and read when somebody asks, so that weights cost nothing a bar. A fold that is repeated after a
restart counts its decisions again.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from schemas.decisions import Decision, RebalanceCommand
from schemas.shadows import MAIN, ShadowRecord
from schemas.topics import DEAD_LETTERS
from schemas.units import parse_instant
from schemas.views import BarData, RollingPerformance, StateRecord
from streams.core.outputs import BarMetrics, Output
from streams.core.records import state_record
from streams.core.shadows import shadow_record
from streams.core.walk import Walk
from streams.observe import metrics
from streams.observe.metrics import known

PORTFOLIOS_MAX: Final = 1_000  # at 20 series each a scrape stays in the tens of thousands
STRATEGIES_MAX: Final = 5_000  # two weights each; over all portfolios of the process
NS_PER_S: Final = 1_000_000_000


@dataclass(slots=True, kw_only=True)
class Seen:
    """What some outputs mean for the metrics, in values that the labels know.

    ``decisions`` are (trigger, outcome), ``commands`` (portfolio, version, trigger), ``letters``
    reasons of dead letters; ``bar_states`` is one state a bar, ``states`` and ``shadows`` are the
    newest by portfolio.
    """

    bars: int = 0
    decisions: list[tuple[str, str]] = field(default_factory=list)
    declines: list[str] = field(default_factory=list)
    commands: list[tuple[str, int, str]] = field(default_factory=list)
    letters: list[str] = field(default_factory=list)
    bar_states: dict[tuple[str, int], StateRecord] = field(default_factory=dict)
    states: dict[str, StateRecord] = field(default_factory=dict)
    shadows: dict[str, ShadowRecord] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFacts:
    """Where one shard stands; ``walk_lag_bars`` and ``acknowledged`` (a version) by portfolio."""

    shard: int
    lag_records: int
    checkpoint_age_s: float
    recovery_s: float | None
    walk_lag_bars: Mapping[str, int]
    acknowledged: Mapping[str, int]


def look_at(outputs: Iterable[Output]) -> Seen:
    """Return what outputs mean for the metrics. Pure."""
    seen = Seen()
    for output in outputs:
        message = output.message
        if isinstance(message, BarMetrics):
            seen.bars += 1
        elif isinstance(message, StateRecord):
            seen.bar_states[message.portfolio_id, message.bar_number] = message
            seen.states[message.portfolio_id] = message
        elif isinstance(message, ShadowRecord):
            seen.shadows[message.portfolio_id] = message
        elif isinstance(message, Decision):
            trigger = known(message.trigger.kind, metrics.TRIGGERS)
            seen.decisions.append((trigger, message.outcome))
            if message.outcome == "declined":
                reason = message.reason.partition(":")[0]
                seen.declines.append(known(reason, metrics.DECLINE_REASONS))
        elif isinstance(message, RebalanceCommand):
            trigger = known(message.trigger, metrics.TRIGGERS)
            seen.commands.append((message.portfolio_id, message.version, trigger))
        elif output.topic is DEAD_LETTERS:
            reason = dict(output.headers)["apse_error_code"]
            seen.letters.append(known(reason, metrics.REFUSALS))
    return seen


def count_shares(state: StateRecord) -> None:
    """Count what became of the strategies' shares in one bar, and what came late for others."""
    data = BarData() if state.data is None else state.data
    counts = {
        "flat": len(data.flat),
        "missing": len(data.missing),
        "inactive": len(data.inactive),
        "quarantined": len(data.quarantined),
    }
    counts["value"] = len(state.strategies) - sum(counts.values())
    for name, count in counts.items():
        metrics.SHARES.labels(name).inc(count)
    metrics.LATE.labels("revised").inc(sum(data.revised.values()))
    metrics.LATE.labels("late").inc(sum(data.late.values()))


class WorkerMetrics(Collector):
    """Counts a worker's outputs, and tells of its portfolios and shards when asked.

    Parameters
    ----------
    facts
        Where the shards stand, called at each scrape and from the server's thread.
    clock
        Seconds of a monotonic clock.
    """

    def __init__(
        self, facts: Callable[[], list[ShardFacts]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._facts = facts
        self._clock = clock
        self._states: dict[str, StateRecord] = {}
        self._shadows: dict[str, ShadowRecord] = {}
        self._sent: dict[str, tuple[int, float]] = {}  # newest command: version, and when

    def observe(self, outputs: Iterable[Output]) -> None:
        """Count outputs, and keep the newest state of each portfolio."""
        seen = look_at(outputs)
        if seen.bars:
            metrics.BARS.inc(seen.bars)
        for trigger, outcome in seen.decisions:
            metrics.DECISIONS.labels(trigger, outcome).inc()
        for reason in seen.declines:
            metrics.DECLINES.labels(reason).inc()
        for name, number, trigger in seen.commands:
            metrics.COMMANDS.labels(trigger).inc()
            self._sent[name] = (number, self._clock())
        for reason in seen.letters:
            metrics.DEAD_LETTERS.labels(reason).inc()
        for (name, bar_number), state in seen.bar_states.items():
            known_state = self._states.get(name)
            if known_state is None or bar_number > known_state.bar_number:  # not told again
                count_shares(state)
        self._states.update(seen.states)
        self._shadows.update(seen.shadows)

    def restore(self, walk: Walk) -> None:
        """Take the state of a portfolio that comes from its checkpoint: the next bar may be far."""
        at = walk.snapshot()
        if at is not None:
            name, books = at.policy.portfolio_id, walk.shadows
            self._states[name] = state_record(at)
            self._shadows[name] = shadow_record(at.policy, at.names, at.status, books, at.books)

    def collect(  # type: ignore[explicit-override]  # a decorator of Python 3.12
        self,
    ) -> Iterator[Metric]:
        """Tell all gauges that are read at a scrape."""
        facts = self._facts()
        yield from _of_shards(facts)
        owned = sorted(name for fact in facts for name in fact.walk_lag_bars)
        shown = owned[:PORTFOLIOS_MAX]
        states = [state for name in shown if (state := self._states.get(name)) is not None]
        yield from _of_portfolios(states)
        yield from _of_books(self._shadows[name] for name in shown if name in self._shadows)
        room = STRATEGIES_MAX
        weighed = []
        for state in states:
            room -= len(state.strategies)
            if room >= 0:
                weighed.append(state)
        yield from _of_strategies(weighed)
        hidden = len(owned) - len(shown) + len(states) - len(weighed)
        yield _family(metrics.HIDDEN, [((), hidden)])
        walk_lag = {name: lag for fact in facts for name, lag in fact.walk_lag_bars.items()}
        yield _family(metrics.WALK_LAG, [((name,), walk_lag[name]) for name in shown])
        done = {name: number for fact in facts for name, number in fact.acknowledged.items()}
        waits = [((name,), self._wait_s(name, done[name])) for name in shown]
        yield _family(metrics.COMMAND_WAIT, waits)

    def _wait_s(self, name: str, acknowledged: int) -> float:
        number, since_s = self._sent.get(name, (0, 0.0))
        return self._clock() - since_s if number > acknowledged else 0.0


Samples = Iterable[tuple[tuple[str, ...], float]]


def _family(metric: metrics.Metric, samples: Samples) -> GaugeMetricFamily:
    family = GaugeMetricFamily(metric.name, metric.help, labels=tuple(metric.labels))
    for labels, value in samples:
        if math.isfinite(value):
            family.add_metric(labels, value)
    return family


def _of_shards(facts: list[ShardFacts]) -> Iterator[Metric]:
    def by_shard(metric: metrics.Metric, value: Callable[[ShardFacts], float]) -> Metric:
        return _family(metric, [((str(fact.shard),), value(fact)) for fact in facts])

    yield by_shard(metrics.STREAM_LAG, lambda fact: fact.lag_records)
    yield by_shard(metrics.CHECKPOINT_AGE, lambda fact: fact.checkpoint_age_s)
    recovered = [fact for fact in facts if fact.recovery_s is not None]
    times = [((str(fact.shard),), fact.recovery_s or 0.0) for fact in recovered]
    yield _family(metrics.RECOVERY, times)
    yield _family(metrics.RECOVERING, [((), len(facts) - len(recovered))])


def _of_portfolios(states: list[StateRecord]) -> Iterator[Metric]:
    def by_name(metric: metrics.Metric, value: Callable[[StateRecord], float]) -> Metric:
        return _family(metric, [((state.portfolio_id,), value(state)) for state in states])

    yield by_name(metrics.NAV, lambda state: state.nav)
    yield by_name(metrics.DRAWDOWN, lambda state: state.drawdown)
    yield by_name(metrics.COVERAGE, lambda state: state.coverage)
    yield by_name(metrics.TARGET_CASH, lambda state: state.target_cash)
    yield by_name(metrics.HELD_CASH, lambda state: state.held_cash)
    yield by_name(metrics.MEMBERS, lambda state: len(state.strategies))
    yield by_name(metrics.ELIGIBLE, lambda state: len(state.eligible))
    yield by_name(metrics.BAR_END, lambda state: parse_instant(state.bar_end) / NS_PER_S)
    statuses = [
        ((state.portfolio_id, status), float(state.status == status))
        for state in states
        for status in metrics.PORTFOLIO_STATUSES
    ]
    yield _family(metrics.STATUS, statuses)
    yield _family(metrics.VOLATILITY, _rolling(states, lambda row: row.volatility_annual))
    yield _family(metrics.SHARPE, _rolling(states, lambda row: row.sharpe))


def _of_books(records: Iterable[ShadowRecord]) -> Iterator[Metric]:
    navs = [
        ((record.portfolio_id, book.book), book.nav)
        for record in records
        for book in record.books
        if book.book != MAIN
    ]
    yield _family(metrics.SHADOW_NAV, navs)


def _rolling(
    states: list[StateRecord], value: Callable[[RollingPerformance], float | None]
) -> Samples:
    """Return one figure of each window; one that is undefined has no sample."""
    return [
        ((state.portfolio_id, row.window), found)
        for state in states
        for row in state.rolling
        if (found := value(row)) is not None
    ]


def _of_strategies(states: list[StateRecord]) -> Iterator[Metric]:
    def by_strategy(
        metric: metrics.Metric, weights: Callable[[StateRecord], list[float]]
    ) -> Metric:
        samples = [
            ((state.portfolio_id, name), weight)
            for state in states
            for name, weight in zip(state.strategies, weights(state), strict=True)
        ]
        return _family(metric, samples)

    yield by_strategy(metrics.TARGET, lambda state: state.target)
    yield by_strategy(metrics.HELD, lambda state: state.held)
