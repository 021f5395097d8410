"""The source topics: a group's share of returns, requests and reports; the registry for everyone.

Positions are our own: the next offset to process of each partition in hand. They start at the
group's committed offsets, and only what was settled in the journal is committed: from time to time
while we work, without waiting for the answer, and before partitions are handed on.
"""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from schemas.topics import CONTROL, REGISTRY, REPORTS, RETURNS, RISK
from streams.core.errors import DeliveryError
from streams.ingest.arrivals import Arrival
from streams.kafka.clients import admin_config, group_consumer_config, reader_config
from streams.kafka.ends import ends_of
from streams.observe.log import get_logger
from streams.settings import Settings

NS_PER_MS: Final = 1_000_000
REQUEST_TIMEOUT_S: Final = 20.0
READ_TIMEOUT_S: Final = 60.0
RETRY_S: Final = 0.2
PASSING: Final = frozenset(
    {
        "COORDINATOR_LOAD_IN_PROGRESS",
        "LEADER_NOT_AVAILABLE",
        "NOT_LEADER_FOR_PARTITION",
        "COORDINATOR_NOT_AVAILABLE",
        "NOT_COORDINATOR",
        "_WAIT_COORD",
        "_TRANSPORT",
    }
)
"""Errors of a broker that starts, or hands a group over: they pass by themselves."""
HANDED_ON: Final = frozenset(
    {"ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID", "REBALANCE_IN_PROGRESS", "_NO_OFFSET"}
)
"""Answers to a commit that comes when the partitions are being handed to another member."""
COMMIT_INTERVAL_S: Final = 0.2  # what a crash makes the next ingest append again, and the fold drop
BEAT_S: Final = 0.005  # of polls while records keep coming: each makes a record of the journal
GROUP: Final = "ingest"
GROUP_TOPICS: Final = (RETURNS, CONTROL, RISK, REPORTS)

Answer = TypeVar("Answer")
Place = tuple[str, int]
"""Topic (without scope) and partition."""


class Source:
    """A member of the group that shares the source topics."""

    def __init__(self, settings: Settings) -> None:
        kafka = settings.kafka
        config = group_consumer_config(
            kafka.bootstrap,
            group=kafka.scope + GROUP,
            client_id="apse-ingest",
            instance_id=settings.ingest.instance,
        )
        self._consumer = Consumer(config | kafka.security() | {"on_commit": self._on_commit})
        self._admin = AdminClient(admin_config(kafka.bootstrap) | kafka.security())
        self._scope = kafka.scope
        self._names = {kafka.scope + topic.name: topic.name for topic in GROUP_TOPICS}
        self._log = get_logger("source")
        self.positions: dict[Place, int] = {}
        self.goal: dict[Place, int] = {}
        self.joined = False
        self._committed: dict[Place, int] = {}
        self._settled: dict[Place, int] = {}
        self._in_flight: dict[Place, int] | None = None
        self._commit_s = self._taken_s = 0.0
        self._failure: Exception | None = None
        self._held = False
        self._consumer.subscribe(
            list(self._names),
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    @property
    def caught_up(self) -> bool:
        """Whether all that stood in our partitions when they were assigned has been taken."""
        return self.joined and all(self.positions[p] >= end for p, end in self.goal.items())

    @property
    def owns_all_returns(self) -> bool:
        """Whether every partition of the returns is ours."""
        return self.joined and all(
            (RETURNS.name, partition) in self.positions for partition in range(RETURNS.partitions)
        )

    @property
    def owns_first_returns(self) -> bool:
        """Whether the first partition of the returns is ours: one member of the group has it."""
        return (RETURNS.name, 0) in self.positions

    def take(self, records_max: int, wait_s: float) -> list[Arrival]:
        """Return what has come, at most ``records_max``; wait at most ``wait_s`` for the first.

        A poll that follows on another within :data:`BEAT_S` gathers until that time is over.
        """
        first = self._consumer.poll(wait_s)
        messages = [] if first is None else [first]
        if messages and records_max > 1:
            left_s = self._taken_s + BEAT_S - time.monotonic()
            messages += self._consumer.consume(records_max - 1, timeout=max(left_s, 0.0))
            self._taken_s = time.monotonic()
        if self._failure is not None:
            raise self._failure
        arrivals = []
        for message in messages:
            error = message.error()
            if error is not None:
                _raise_unless_passing(error)
                continue
            topic, partition, offset = _where(message)
            name = self._names[topic]
            expected = self.positions.get((name, partition))
            # a partition that was taken away, or taken again, while the batch was gathered
            if expected is None or offset < expected:
                continue
            self.positions[name, partition] = offset + 1
            key, value = _key(message), message.value()
            arrivals.append(Arrival(name, partition, offset, key, value, _published_ns(message)))
        return arrivals

    def hold(self, held: bool) -> None:  # noqa: FBT001  # a switch
        """Stop reading returns, or go on where reading stopped; all else is read as before."""
        self._held = held
        places = [
            TopicPartition(self._scope + topic, partition)
            for topic, partition in self.positions
            if topic == RETURNS.name
        ]
        if held:
            self._consumer.pause(places)
        else:
            self._consumer.resume(places)

    def commit(self, registry_next: int) -> None:
        """Note that everything taken so far is settled; have it committed when that is due.

        A commit goes out when the one before was answered, and no sooner than some time after it.
        """
        self._settled = {**self.positions, (REGISTRY.name, 0): registry_next}
        now_s = time.monotonic()
        if self._in_flight is not None:
            if now_s - self._commit_s > REQUEST_TIMEOUT_S:
                message = f"a commit was not answered within {REQUEST_TIMEOUT_S:.0f} s"
                raise DeliveryError(message)
            return
        changed = self._uncommitted()
        if self.joined and changed and now_s - self._commit_s >= COMMIT_INTERVAL_S:
            self._in_flight, self._commit_s = changed, now_s
            self._consumer.commit(offsets=self._offsets_of(changed), asynchronous=True)

    def _uncommitted(self) -> dict[Place, int]:
        return {
            place: offset
            for place, offset in self._settled.items()
            if offset > self._committed.get(place, 0)
        }

    def _offsets_of(self, places: dict[Place, int]) -> list[TopicPartition]:
        return [
            TopicPartition(self._scope + topic, partition, offset)
            for (topic, partition), offset in places.items()
        ]

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """Take the answer to a commit; what a passing fault left undone is tried again."""
        sent, self._in_flight = self._in_flight, None
        faults = [error, *(partition.error for partition in partitions)]
        found = [fault for fault in faults if fault is not None]
        if not found and sent is not None:
            self._committed.update(sent)
        for fault in found:
            if fault.name() not in PASSING | HANDED_ON and not fault.retriable():
                self._failure = KafkaException(fault)

    def _commit_now(self) -> None:
        """Commit what is settled, and wait; where that fails, others read it once more."""
        changed = self._uncommitted()
        if not (self.joined and changed):
            return
        try:
            self._consumer.commit(offsets=self._offsets_of(changed), asynchronous=False)
        except KafkaException as error:
            self._log.warning("last_commit_failed", error=error.args[0].str())
        else:
            self._committed.update(changed)

    def ends_of_returns(self) -> dict[Place, int]:
        """Ask the broker where the partitions of the returns end now, in one request."""
        places = [
            TopicPartition(self._scope + topic, partition)
            for topic, partition in self.positions
            if topic == RETURNS.name
        ]
        ends = _ends_of(self._admin, places)
        return {(RETURNS.name, place.partition): end for place, end in ends.items()}

    def registry_committed(self) -> int:
        """Return the first offset of the registry that no ingest has put into the journal yet."""
        place = TopicPartition(self._scope + REGISTRY.name, 0)
        found = _patiently(lambda: self._consumer.committed([place], timeout=REQUEST_TIMEOUT_S))
        return max(found[0].offset, 0)

    def close(self) -> None:
        """Commit what is settled, and leave the group."""
        self._commit_now()
        self._consumer.close()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # An error that leaves a callback loses its type on the way through librdkafka.
        try:
            self._assign(consumer, partitions)
        except (KafkaException, DeliveryError) as error:
            self._failure = error

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget()
        committed = (
            _patiently(lambda: consumer.committed(partitions, timeout=REQUEST_TIMEOUT_S))
            if partitions
            else []
        )
        for place in committed:
            name = self._names[place.topic]
            low, high = _bounds_of(consumer, place)
            if 0 <= place.offset < low:
                self._log.error(
                    "source_lost_by_retention",
                    topic=place.topic,
                    partition=place.partition,
                    committed=place.offset,
                    first=low,
                )
            self.positions[name, place.partition] = max(place.offset, low)
            self.goal[name, place.partition] = high
            self._committed[name, place.partition] = max(place.offset, 0)
        consumer.assign(
            [
                TopicPartition(self._scope + name, partition, offset)
                for (name, partition), offset in self.positions.items()
            ]
        )
        if self._held:
            self.hold(True)  # noqa: FBT003  # a switch
        self.joined = True
        self._log.info("assigned", partitions=len(partitions))

    def _forget(self) -> None:
        self.positions, self.goal, self._committed, self._settled = {}, {}, {}, {}
        self._in_flight, self.joined = None, False

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        # Somebody else has them already, from what was committed last.
        self._forget()
        self._log.warning("lost", partitions=len(partitions))

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        # All taken so far is settled, but for the batch being gathered, which the next owner reads
        # again: its positions go here.
        self._commit_now()
        self._forget()
        self._log.info("revoked", partitions=len(partitions))


class RegistryReader:
    """Reads the whole registry, from its beginning, for itself alone."""

    def __init__(self, settings: Settings) -> None:
        config = reader_config(settings.kafka.bootstrap, client_id="apse-ingest-registry")
        self._consumer = Consumer(config | settings.kafka.security())
        self._admin = AdminClient(
            admin_config(settings.kafka.bootstrap) | settings.kafka.security()
        )
        self._place = TopicPartition(settings.kafka.scope + REGISTRY.name, 0, OFFSET_BEGINNING)
        self._consumer.assign([self._place])
        self.position = 0

    def take(self, records_max: int, wait_s: float = 0.0) -> list[Arrival]:
        """Return registrations that have come, in order."""
        arrivals = []
        for message in self._consumer.consume(records_max, timeout=wait_s):
            error = message.error()
            if error is not None:
                if error.name() != "_PARTITION_EOF":
                    _raise_unless_passing(error)
                    continue
                self.position = max(self.position, message.offset() or 0)
                continue
            _, partition, offset = _where(message)
            self.position = offset + 1
            key, value = _key(message), message.value()
            arrivals.append(Arrival(REGISTRY.name, partition, offset, key, value))
        return arrivals

    def take_to_end(self) -> list[Arrival]:
        """Return everything up to where the registry ends at this moment.

        Raises
        ------
        DeliveryError
            When the end is not reached in time.
        """
        (end,) = _ends_of(self._admin, [self._place]).values()
        arrivals: list[Arrival] = []
        waited_s = 0.0
        while self.position < end:
            if waited_s >= READ_TIMEOUT_S:
                message = f"the registry was not read to its end {end} (at {self.position})"
                raise DeliveryError(message)
            # one at a time while waiting: a batch call would wait for its full number
            some = self.take(1, wait_s=0.1)
            waited_s += 0.0 if some else 0.1
            arrivals += some + self.take(10_000)
        return arrivals

    def close(self) -> None:
        """Stop reading."""
        self._consumer.close()


def _patiently(call: Callable[[], Answer]) -> Answer:
    """Return the answer to a request that may be repeated, while the broker gets ready."""
    end_s = time.monotonic() + REQUEST_TIMEOUT_S
    while True:
        try:
            return call()
        except KafkaException as error:
            if error.args[0].name() not in PASSING or time.monotonic() >= end_s:
                raise
            time.sleep(RETRY_S)


def _ends_of(admin: AdminClient, places: list[TopicPartition]) -> dict[TopicPartition, int]:
    return _patiently(lambda: ends_of(admin, places, REQUEST_TIMEOUT_S))


def _bounds_of(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    """Ask the broker for the first offset of a partition, and for its end."""
    return _patiently(lambda: consumer.get_watermark_offsets(place, timeout=REQUEST_TIMEOUT_S))


def _where(message: Message) -> tuple[str, int, int]:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return topic, partition, offset


def _published_ns(message: Message) -> int | None:
    kind, stamp_ms = message.timestamp()
    return None if kind == TIMESTAMP_NOT_AVAILABLE else stamp_ms * NS_PER_MS


def _key(message: Message) -> bytes | None:
    key = message.key()
    assert not isinstance(key, str), "no deserializer is configured"
    return key


def _raise_unless_passing(error: KafkaError) -> None:
    """Let librdkafka ride out what passes; anything else ends the process."""
    if error.fatal() or not (error.retriable() or error.name() in PASSING):
        raise KafkaException(error)
