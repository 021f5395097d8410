"""A replay over a real broker.

The same file, published, ingested, folded and solved by the engine's own processes.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from schemas.policy import PortfolioPolicy
from schemas.topics import DECISIONS, METRICS, SHADOWS, STATE
from schemas.units import parse_instant
from streams.core.calendar import bar_end
from streams.core.errors import ApseError
from streams.files import ReturnsTable, to_messages
from streams.kafka.admin import delete_scope
from streams.kafka.broker import Broker, resolve_broker
from streams.operate.read import Reader, Received
from streams.operate.send import Sender
from streams.operate.supervisor import ENGINE, Supervisor
from streams.operate.topics import create_topics
from streams.runtime.files import (
    ReplayFiles,
    bar_of_record,
    decode_decision,
    decode_metrics,
    decode_shadows,
    decode_state,
)
from streams.runtime.replay import ReplaySummary
from streams.settings import KafkaSettings

SILENCE_MAX_S = 120.0
# Nobody waits for a decision: no solve is given up that the replay in process would wait for.
PATIENCE = {"APSE_OPTIMIZER__DEADLINE_MS": "30000", "APSE_ENGINE__NUDGE_AFTER_MS": "30000"}


class ReplayStalledError(ApseError):
    """The engine published nothing for too long."""


def replay_over_kafka(
    policy: PortfolioPolicy,
    table: ReturnsTable,
    files: ReplayFiles,
    *,
    say: Callable[[str], None],
) -> ReplaySummary:
    """Publish a file to an engine of its own on the broker, and write what it publishes.

    Raises
    ------
    BrokerUnavailableError
        When no broker can be had; the message says for each road why.
    ReplayStalledError
        When the engine falls silent before the last bar.
    """
    with resolve_broker() as broker, TemporaryDirectory(prefix="apse-replay-") as logs:
        say(broker.note)
        kafka = broker.settings(f"replay-{secrets.token_hex(4)}.")
        create_topics(kafka)
        processes = Supervisor(ENGINE, kafka.environment() | PATIENCE, logs=Path(logs))
        with _scope(kafka, broker), processes as engine:
            with Sender(kafka) as sender:
                sender.portfolio(policy)
                sender.flush()
                sent = sender.returns(row.message() for row in to_messages(table, policy.bar))
            say(f"published {sent} returns and marks")
            return _collect(kafka, _last_end_ns(policy, table), engine, files)


@contextmanager
def _scope(kafka: KafkaSettings, broker: Broker) -> Iterator[None]:
    try:
        yield
    finally:
        if broker.kind == "external":  # any other ends with us, topics and all
            delete_scope(kafka.bootstrap, kafka.scope, kafka.security())


def _last_end_ns(policy: PortfolioPolicy, table: ReturnsTable) -> int:
    """Return the end of the last bar that any member has a value in."""
    assert isinstance(policy.strategies, tuple)
    members = {entry.id for entry in policy.strategies}
    ours = [i for i, name in enumerate(table.names) if name in members]
    filled = (table.values[:, ours] == table.values[:, ours]).any(axis=1)
    return bar_end(int(table.stamps_ns[filled].max()), policy.bar)


class _Collector:
    """Takes each bar and decision once, whatever was repeated, and tells when all are there."""

    def __init__(self, files: ReplayFiles, last_end_ns: int) -> None:
        self.summary = ReplaySummary()
        self._files = files
        self._last_end_ns = last_end_ns
        self._metrics_end_ns = -1
        self._books_end_ns = -1

    def take(self, record: Received) -> None:
        """Write one record."""
        if record.topic == METRICS.name:
            metrics = decode_metrics(record.value)
            if parse_instant(metrics.bar_end) > self._metrics_end_ns:
                self._files.metrics(bar_of_record(metrics))
                self._metrics_end_ns = parse_instant(metrics.bar_end)
        elif record.topic == STATE.name:
            state = decode_state(record.value)
            if state.bar_number >= self.summary.bars:
                self._files.state(state)
                self.summary.bars, self.summary.last = state.bar_number, state
        elif record.topic == SHADOWS.name:
            books = decode_shadows(record.value)
            if parse_instant(books.bar_end) >= self._books_end_ns:
                self._files.shadows(books)
                self._books_end_ns = parse_instant(books.bar_end)
        else:
            decision = decode_decision(record.value)
            if decision.version > self.summary.decisions:
                self._files.decision(decision)
                self.summary.decisions = decision.version
                self.summary.declined += decision.outcome == "declined"
                self.summary.commands += decision.outcome == "accepted"

    @property
    def complete(self) -> bool:
        """Tell whether the last bar, its metrics and books and every decision are there."""
        last = self.summary.last
        if last is None or parse_instant(last.bar_end) < self._last_end_ns:
            return False
        told_ns = min(self._metrics_end_ns, self._books_end_ns)
        return self.summary.decisions == last.version and told_ns >= self._last_end_ns


def _collect(
    kafka: KafkaSettings, last_end_ns: int, engine: Supervisor, files: ReplayFiles
) -> ReplaySummary:
    """Write records as they come, until all are there."""
    collector = _Collector(files, last_end_ns)
    heard_s = time.monotonic()
    with Reader(kafka, (STATE, DECISIONS, METRICS, SHADOWS)) as reader:
        while not collector.complete:
            engine.check()
            received = reader.poll(0.2)
            for record in received:
                collector.take(record)
            if received:
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > SILENCE_MAX_S:
                last = collector.summary.last
                where = (
                    "before its first bar"
                    if last is None
                    else f"after the bar ending {last.bar_end}"
                )
                message = f"the engine was silent for {SILENCE_MAX_S:.0f} s {where}"
                raise ReplayStalledError(message)
    return collector.summary
