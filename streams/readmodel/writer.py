"""Follows the public topics and keeps a store's views: the only writer of a store.

Of several processes that share a store one writes, the holder of its lease; the others read, tell
what the writer says of its health, and one of them takes over when it is silent.
"""

import secrets
import threading
import time
from contextlib import suppress
from typing import Final

import msgspec
import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from streams.kafka.clients import reader_config
from streams.observe.clock import now_ns
from streams.readmodel.changes import READ, Change, Put, Source, changes_of
from streams.readmodel.store import (
    FILLING,
    LeaseLostError,
    Place,
    Store,
    StoreUnavailableError,
)
from streams.settings import KafkaSettings

_POLL_S: Final = 0.05
_BATCH: Final = 2_000
_METADATA_TIMEOUT_S: Final = 10.0
_RETRY_S: Final = 1.0
LEASE_S: Final = 4.0
"""How long a writer that was killed is waited for; one that ends gives its lease back."""
_RENEW_S: Final = 1.0
HEALTH: Final = "writer"
"""Key of what the writer tells of itself."""
ORIGIN: Final = "origin"
"""Key of the cluster that a store was filled from; where it is missing, positions mean nothing."""

log = structlog.get_logger()


class Health:
    """How well the writer keeps up, for whoever asks; plain assignments, one thread makes them.

    ``writes`` tells whether the writer is this process.
    """

    def __init__(self) -> None:
        self.caught_up = False
        self.trouble = "starting"
        self.received_ns = 0
        self.unreadable = 0
        self.writes = False


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a writer tells of itself to those that share its store."""

    caught_up: bool
    trouble: str
    received_ns: int


_read_told: Final = msgspec.json.Decoder(_Told).decode


class Writer:
    """A thread that folds the topics into a store until it is stopped.

    A store that does not answer is tried again from the positions that it has: an empty one is
    filled from the beginning of the topics.
    """

    def __init__(self, kafka: KafkaSettings, store: Store) -> None:
        self.health = Health()
        self._kafka = kafka
        self._store = store
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="views", daemon=True)
        self._renew_s = 0.0  # on the monotonic clock

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End, with what was read stored."""
        self._stop.set()
        self._thread.join()
        with suppress(StoreUnavailableError):  # the lease then ends by itself
            self._store.release()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.health.writes = self._store.hold(LEASE_S)
                if self.health.writes:
                    self._follow()
                else:
                    self._stand_by()
            except LeaseLostError:
                log.warning("views_handed_over")
            except StoreUnavailableError as error:
                self._troubled(f"store: {error}")
            except KafkaException as error:
                self._troubled(f"broker: {error.args[0].str()}")

    def _troubled(self, words: str) -> None:
        if self.health.trouble != words:
            log.warning("views_stopped", reason=words)
        self.health.trouble, self.health.caught_up = words, False
        if self.health.writes:
            with suppress(StoreUnavailableError):
                self._tell()
        self._stop.wait(_RETRY_S)

    def _stand_by(self) -> None:
        """Let the health be what the writer tells of itself."""
        health, told = self.health, self._store.get(HEALTH)
        if told is None:
            health.caught_up, health.trouble = False, "another process begins to fill the store"
        else:
            found = _read_told(told)
            health.caught_up, health.trouble = found.caught_up, found.trouble
            health.received_ns = found.received_ns
        self._stop.wait(_RENEW_S)

    def _keep(self) -> None:
        """Keep the lease, from time to time, and tell those that stand by how it goes.

        Raises
        ------
        LeaseLostError
            When another process has it.
        """
        if time.monotonic() < self._renew_s:
            return
        if not self._store.hold(LEASE_S):
            raise LeaseLostError
        self._tell()
        self._renew_s = time.monotonic() + _RENEW_S

    def _tell(self) -> None:
        health = self.health
        told = _Told(
            caught_up=health.caught_up, trouble=health.trouble, received_ns=health.received_ns
        )
        self._store.apply([Put(HEALTH, msgspec.json.encode(told))], {})

    def _follow(self) -> None:
        self.health.caught_up = False
        consumer = Consumer(
            reader_config(self._kafka.bootstrap, client_id="apse-views") | self._kafka.security()
        )
        try:
            behind = self._assign(consumer)
            self.health.trouble = "reading the topics"
            while not self._stop.is_set():
                self._keep()
                positions: dict[Place, int] = {}
                changes = self._poll(consumer, behind, positions)
                if self._store.get(ORIGIN) is None:
                    message = "it was emptied; filling it again"
                    raise StoreUnavailableError(message)
                if positions:
                    self._store.apply(_newest(changes), positions)
                if not behind and not self.health.caught_up:
                    self.health.caught_up, self.health.trouble = True, ""
                    self._tell()
        finally:
            consumer.close()

    def _assign(self, consumer: Consumer) -> set[Place]:
        """Assign every partition at its stored position; return those not read to the end yet."""
        origin = consumer.list_topics(timeout=_METADATA_TIMEOUT_S).cluster_id or ""
        self._renew_s = 0.0  # the broker may have taken long to answer
        self._keep()
        if self._store.get(ORIGIN) != origin.encode():  # empty, or of another broker
            self._store.clear()
            filling = secrets.token_hex(4).encode()
            self._store.apply([Put(ORIGIN, origin.encode()), Put(FILLING, filling)], {})
        known = self._store.positions()
        places = []
        for topic in READ:
            name = self._kafka.scope + topic.name
            found = consumer.list_topics(name, _METADATA_TIMEOUT_S).topics[name]
            if found.error is not None:
                raise KafkaException(found.error)
            for number in found.partitions:
                start = known.get((topic.name, number), OFFSET_BEGINNING)
                places.append(TopicPartition(name, number, start))
        consumer.assign(places)
        return {(place.topic.removeprefix(self._kafka.scope), place.partition) for place in places}

    def _poll(
        self, consumer: Consumer, behind: set[Place], positions: dict[Place, int]
    ) -> list[Change]:
        changes: list[Change] = []
        for message in consumer.consume(_BATCH, timeout=_POLL_S):
            topic = (message.topic() or "").removeprefix(self._kafka.scope)
            partition, offset = message.partition() or 0, message.offset() or 0
            if message.error():
                behind.discard((topic, partition))
                continue
            key = (message.key() or b"").decode("utf-8", "replace")
            source = Source(topic, offset, key, message.value() or b"")
            changes += self._changes(source)
            positions[topic, partition] = offset + 1
            self.health.received_ns = now_ns()
        return changes

    def _changes(self, source: Source) -> list[Change]:
        try:
            return list(changes_of(source))
        except ValueError as error:  # anybody may write to a public topic
            self.health.unreadable += 1
            log.warning(
                "record_unreadable", topic=source.topic, offset=source.offset, reason=str(error)
            )
            return []


def _newest(changes: list[Change]) -> list[Change]:
    """Leave out values that are replaced in the same batch, as most are where much is read."""
    last = {change.key: number for number, change in enumerate(changes) if isinstance(change, Put)}
    return [
        change
        for number, change in enumerate(changes)
        if not isinstance(change, Put) or last[change.key] == number
    ]
