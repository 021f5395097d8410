"""Follows the public topics and keeps a store's views: the only writer of a store."""

import secrets
import threading
from typing import Final

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from streams.kafka.clients import reader_config
from streams.observe.clock import now_ns
from streams.readmodel.changes import READ, Change, Put, Source, changes_of
from streams.readmodel.store import FILLING, Place, Store, StoreUnavailableError
from streams.settings import KafkaSettings

_POLL_S: Final = 0.05
_BATCH: Final = 2_000
_METADATA_TIMEOUT_S: Final = 10.0
_RETRY_S: Final = 1.0
ORIGIN: Final = "origin"
"""Key of the cluster that a store was filled from; where it is missing, positions mean nothing."""

log = structlog.get_logger()


class Health:
    """How well the writer keeps up, for whoever asks; plain assignments, one writer."""

    def __init__(self) -> None:
        self.caught_up = False
        self.trouble = "starting"
        self.received_ns = 0
        self.unreadable = 0


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

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End, with what was read stored."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except StoreUnavailableError as error:
                self._troubled(f"store: {error}")
            except KafkaException as error:
                self._troubled(f"broker: {error.args[0].str()}")

    def _troubled(self, words: str) -> None:
        if self.health.trouble != words:
            log.warning("views_stopped", reason=words)
        self.health.trouble, self.health.caught_up = words, False
        self._stop.wait(_RETRY_S)

    def _follow(self) -> None:
        consumer = Consumer(
            reader_config(self._kafka.bootstrap, client_id="apse-views") | self._kafka.security()
        )
        try:
            behind = self._assign(consumer)
            while not self._stop.is_set():
                positions: dict[Place, int] = {}
                changes = self._poll(consumer, behind, positions)
                if self._store.get(ORIGIN) is None:
                    message = "it was emptied; filling it again"
                    raise StoreUnavailableError(message)
                if positions:
                    self._store.apply(_newest(changes), positions)
                if not behind:
                    self.health.caught_up, self.health.trouble = True, ""
        finally:
            consumer.close()

    def _assign(self, consumer: Consumer) -> set[Place]:
        """Assign every partition at its stored position; return those not read to the end yet."""
        origin = consumer.list_topics(timeout=_METADATA_TIMEOUT_S).cluster_id or ""
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
