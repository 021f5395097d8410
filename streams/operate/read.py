"""Reading the engine's public topics, from their beginning or end, without joining a group."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    Message,
    TopicPartition,
)

from schemas.topics import Topic
from streams.core.errors import ApseError, BrokerUnavailableError
from streams.kafka.clients import reader_config
from streams.settings import KafkaSettings

METADATA_TIMEOUT_S = 10.0
QUIET = {"log_level": 0}  # what goes wrong is said by us, not by the client library


class TopicMissingError(ApseError):
    """A topic is not on the broker."""


class Received(NamedTuple):
    """One record, with its topic's own name (without the scope)."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: dict[str, bytes]


class Reader:
    """Reads whole topics; a context manager."""

    def __init__(
        self, kafka: KafkaSettings, topics: tuple[Topic, ...], *, from_end: bool = False
    ) -> None:
        self._scope = kafka.scope
        self._lost = False
        self._consumer = Consumer(
            {"error_cb": self._failed}
            | reader_config(kafka.bootstrap, client_id="apse-reader")
            | kafka.security()
            | QUIET
        )
        self._behind: set[tuple[str, int]] = set()
        places = []
        for topic in topics:
            metadata = self._consumer.list_topics(self._scope + topic.name, METADATA_TIMEOUT_S)
            found = metadata.topics[self._scope + topic.name]
            if found.error is not None:
                self._consumer.close()
                message = (
                    f"topic {self._scope}{topic.name} is not on the broker at {kafka.bootstrap};"
                    " `apse topics --create` makes it"
                )
                raise TopicMissingError(message)
            places += [
                TopicPartition(
                    self._scope + topic.name, number, OFFSET_END if from_end else OFFSET_BEGINNING
                )
                for number in found.partitions
            ]
        self._behind = {(place.topic, place.partition) for place in places}
        self._consumer.assign(places)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._consumer.close()

    @property
    def at_end(self) -> bool:
        """Tell whether every partition has been read to the end that it had meanwhile."""
        return not self._behind

    def poll(self, timeout_s: float, count: int = 2_000) -> list[Received]:
        """Return what has come, at most ``count`` records, waiting ``timeout_s`` for the first."""
        received = []
        for message in self._consumer.consume(count, timeout=timeout_s):
            place = (message.topic() or "", message.partition() or 0)
            if message.error():
                self._behind.discard(place)
            else:
                received.append(self._received(message))
        return received

    def to_end(self, timeout_s: float = 0.2, polls_max: int = 10_000) -> Iterator[Received]:
        """Yield every record up to the present end of each partition.

        Raises
        ------
        BrokerUnavailableError
            When the broker goes away meanwhile.
        """
        for _ in range(polls_max):
            yield from self.poll(timeout_s)
            if self.at_end:
                return
            if self._lost:
                message = "the broker went away while it was read"
                raise BrokerUnavailableError(message)

    def _failed(self, error: KafkaError) -> None:
        self._lost = self._lost or error.code() == KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001  # the library's own name

    def _received(self, message: Message) -> Received:
        listed: Any = message.headers() or []  # pairs; the stubs allow a mapping as well
        headers = {name: value for name, value in listed if isinstance(value, bytes)}
        return Received(
            (message.topic() or "").removeprefix(self._scope),
            message.partition() or 0,
            message.offset() or 0,
            message.key() or b"",
            message.value() or b"",
            headers,
        )
