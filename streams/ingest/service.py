"""The ingest process: take, route, append, settle, commit; a failure ends it before the commit.

A restart takes up at the committed offsets and appends again what was not committed. The fold drops
what it has seen, by the source position of each row and record, so that nothing is lost and nothing
counts twice.

One ingest does the whole work. A second one on the same scope shares the partitions, and is
correct; but silent strategies are released only by one that reads every partition of the returns,
so keep it to the time of a hand-over.
"""

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Final

from confluent_kafka.admin import AdminClient

from schemas.topics import JOURNAL, RETURNS
from streams.core.errors import ConfigError
from streams.ingest.arrivals import Arrival, decode
from streams.ingest.brake import Brake
from streams.ingest.journal import JournalWriter
from streams.ingest.route import Router
from streams.ingest.sources import REQUEST_TIMEOUT_S, Place, RegistryReader, Source
from streams.kafka.clients import admin_config
from streams.kafka.reach import watch_broker
from streams.kafka.walk_lag import WalkLag
from streams.observe import metrics
from streams.observe.clock import now_ns
from streams.observe.log import configure_logging, get_logger
from streams.observe.probes import all_of
from streams.settings import Settings, load_settings

NS_PER_MS: Final = 1_000_000
WAIT_S: Final = 0.05  # for the first record of a poll; bounds the delay of ticks and of a stop
PROBES_PER_SILENCE: Final = 4
REGISTRY_RECORDS_MAX: Final = 10_000


class Ingest:
    """The state of the process between two polls."""

    def __init__(self, settings: Settings) -> None:
        _check_topics(settings)
        ingest = settings.ingest
        self._settings = settings
        self._log = get_logger("ingest")
        self.router = Router(
            shards=settings.engine.shards,
            allowance_bars=ingest.allowance_bars,
            silence_ms=ingest.silence_ms,
        )
        self._writer = JournalWriter(settings)
        self._source = Source(settings)
        self._registry = RegistryReader(settings)
        self._lag = WalkLag(settings)
        self._brake = Brake(self._lag, self._source, ingest.walk_lag_bars_max)
        self._taken = 0  # records of the poll before
        self._probe_ns = ingest.silence_ms * NS_PER_MS // PROBES_PER_SILENCE
        self._probed: tuple[int, dict[Place, int]] | None = None
        self._next_probe_ns = 0
        self._next_tick_ns = 0
        self._unjournaled = self._load_registry()

    @property
    def is_ready(self) -> bool:
        """Whether all that stood in the source when we joined is in the journal."""
        return self._source.caught_up

    @property
    def has_begun(self) -> bool:
        """Whether partitions are ours."""
        return self._source.joined

    def cycle(self) -> None:
        """Do one poll, from taking to committing."""
        self._brake.check(self._taken)
        arrivals = self._source.take(self._settings.ingest.poll_rows, WAIT_S)
        self._taken = len(arrivals)
        registered = self._unjournaled + self._registry.take(REGISTRY_RECORDS_MAX)
        self._unjournaled = []
        if arrivals or registered:
            self._route(registered + arrivals)
        now = now_ns()
        if self._source.owns_first_returns and now >= self._next_tick_ns:
            self._next_tick_ns = now + self._settings.ingest.tick_interval_ms * NS_PER_MS
            for shard, tick in self.router.ticks(now):
                self._writer.append(shard, tick)
        self._release(now)
        self._writer.settle()
        self._source.commit(self._registry.position)

    def close(self) -> None:
        """Leave the group and stop reading; nothing is in flight between two polls."""
        self._source.close()
        self._registry.close()
        self._lag.close()

    def _load_registry(self) -> list[Arrival]:
        """Rebuild the routes; return the registrations that the journal may not have."""
        first = self._source.registry_committed()
        arrivals = self._registry.take_to_end()
        self.router.learn(decode(a for a in arrivals if a.offset < first))
        return [arrival for arrival in arrivals if arrival.offset >= first]

    def _route(self, arrivals: list[Arrival]) -> None:
        batch = decode(arrivals)
        self.router.learn(batch)
        if self.router.is_puzzled(batch):
            # a publisher registers just before its first return, on another topic
            late = decode(self._registry.take_to_end())
            batch.registered += late.registered
            batch.dead += late.dead
        routed = self.router.route(batch)
        for shard in routed.shards():
            for record in routed.journal(shard):
                self._writer.append(shard, record)
        for letter in routed.dead:
            self._writer.bury(letter)
        for code, count in sorted(Counter(letter.code for letter in routed.dead).items()):
            example = next(letter for letter in routed.dead if letter.code == code)
            self._log.warning("refused", code=code, records=count, example=example.detail)
            metrics.DEAD_LETTERS.labels(metrics.known(code, metrics.REFUSALS)).inc(count)
        homeless = routed.dead[len(batch.dead) :]
        refused = sum(letter.source.topic == RETURNS.name for letter in homeless)
        metrics.RETURNS_INGESTED.inc(len(batch.returns) - refused)

    def _release(self, now: int) -> None:
        """Release silent strategies, from what the source held at the moment of the last probe."""
        if self._probed is not None:
            probed_ns, ends = self._probed
            positions = self._source.positions
            if all(positions.get(place, -1) >= end for place, end in ends.items()):
                self._probed = None
                for shard, release in self.router.due_releases(probed_ns, at_end=True):
                    self._log.info("released", strategy_id=release.strategy_id, shard=shard)
                    metrics.RELEASES.inc()
                    self._writer.append(shard, release)
            elif now - probed_ns > self._probe_ns:
                self._probed = None
                self.router.due_releases(now, at_end=False)
        if self._probed is None and now >= self._next_probe_ns:
            self._next_probe_ns = now + self._probe_ns
            behind = len({name for _, name in self.router.silence.behind(self.router.registry)})
            metrics.STRATEGIES_BEHIND.set(behind)
            if self._source.owns_all_returns and behind:
                self._probed = (now, self._source.ends_of_returns())


def run(settings: Settings, stop: threading.Event, ready: Callable[[], None] | None = None) -> None:
    """Ingest until told to stop.

    Parameters
    ----------
    settings
        The whole tree.
    stop
        Set by whoever wants it to end; the poll in hand is finished first.
    ready
        Called once, when partitions are assigned and what stood in them is in the journal.

    Raises
    ------
    ApseError, KafkaException
        On any failure; nothing uncommitted counts as done, and a new run takes up from there.
    """
    ingest = Ingest(settings)
    told = ready is None
    while not stop.is_set():
        ingest.cycle()
        if not told and ready is not None and ingest.is_ready:
            told = True
            ready()
    ingest.close()


def main() -> None:
    """Run as a process: settings from the environment, clean end on SIGTERM, 1 on failure."""
    settings = load_settings()
    configure_logging(settings.log, process="ingest")
    begun = threading.Event()

    def unread() -> list[str]:
        return [] if begun.is_set() else ["the journal has not yet all that stood in the sources"]

    metrics.serve(settings.metrics, "ingest", (), all_of(watch_broker(settings), unread))
    log = get_logger("ingest")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def ready() -> None:
        begun.set()
        log.info("ready")

    try:
        run(settings, stop, ready)
    except Exception:
        log.exception("ingest_failed")
        sys.stderr.flush()
        os._exit(1)  # no leave-taking from a broker that may not answer: a restart resumes
    log.info("stopped")


def _check_topics(settings: Settings) -> None:
    """Refuse a broker whose topics are not those of the table: rows would go to no shard."""
    client = AdminClient(admin_config(settings.kafka.bootstrap) | settings.kafka.security())
    found = client.list_topics(timeout=REQUEST_TIMEOUT_S).topics
    for topic, expected in ((JOURNAL, settings.engine.shards), (RETURNS, RETURNS.partitions)):
        name = settings.kafka.scope + topic.name
        count = len(found[name].partitions) if name in found else 0
        if count != expected:
            message = f"topic {name} has {count} partitions, expected {expected}; create it first"
            raise ConfigError(message)


if __name__ == "__main__":
    main()
