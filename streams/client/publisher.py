"""Publish the returns of strategies, in five lines.

::

    from streams.client import ReturnPublisher

    with ReturnPublisher("localhost:9092", register="trend") as publisher:
        publisher.publish("momentum-us", "2024-05-31T20:00:00Z", 0.0123)
"""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from schemas.codec import RefusedInputError, decode_registration
from schemas.events import StrategyRegistration
from schemas.topics import REGISTRY, RETURNS
from streams.client.messages import Stamp, mark_message, registration_message, return_message
from streams.core.errors import BrokerUnavailableError, DeliveryError
from streams.kafka.clients import producer_config, reader_config

FLUSH_TIMEOUT_S: Final = 35.0  # beyond the producer's own delivery timeout of 30 s
REGISTRY_TIMEOUT_S: Final = 30.0  # a compacted topic of a few thousand records
FAILURES_KEPT: Final = 5  # examples for the message; the rest is counted


class ReturnPublisher:
    """Send returns and marks; what the broker does not acknowledge is an error, on exit at last.

    Use one publisher from one thread. Sending the same return twice is harmless.

    Parameters
    ----------
    bootstrap
        ``host:port`` of the broker.
    scope
        Put before every topic's name.
    register
        The family (trend, arbitrage, mean_reversion, market_making, other) under which a strategy
        that the registry does not know is registered before its first return. A registration that
        is there, and the limits somebody gave it, stay as they are. None registers nothing.
    portfolios
        Which portfolios a strategy joins when it is registered.
    security
        What logs the clients in at the broker, in librdkafka's own names
        (:meth:`streams.settings.KafkaSettings.security`); none for a broker without login.

    Raises
    ------
    ValueError
        From every method that takes a value: named, with what was expected. Nothing was sent.
    DeliveryError
        From every method, on exit at the latest: something sent before was not acknowledged.
    """

    def __init__(
        self,
        bootstrap: str,
        scope: str = "",
        *,
        register: str | None = None,
        portfolios: tuple[str, ...] = ("demo",),
        security: Mapping[str, str] | None = None,
    ) -> None:
        self._bootstrap = bootstrap
        self._security = dict(security or {})
        self._returns = scope + RETURNS.name
        self._registry = scope + REGISTRY.name
        self._family = register
        self._portfolios = portfolios
        self._registered: set[str] | None = None
        self._failures: list[str] = []
        self._failed = 0
        self._producer = Producer(
            producer_config(bootstrap, client_id="apse-publisher") | self._security
        )

    def __enter__(self) -> Self:
        """Nothing is sent before the first return."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for every acknowledgement.

        Raises
        ------
        DeliveryError
            When one is missing; an error that ended the block goes first, and is told of it.
        """
        try:
            self.flush()
        except DeliveryError as missing:
            if error is None:
                raise
            error.add_note(str(missing))
        finally:
            self._producer.close()

    def publish(
        self,
        strategy_id: str,
        period_end: Stamp,
        value: float,
        revision: int = 0,
        **optional: str | float,
    ) -> None:
        """Send the return of the period that ended at ``period_end``.

        Parameters
        ----------
        strategy_id
            Letters, digits, dot, dash, underscore; at most 64.
        period_end
            RFC 3339 text with a zone, an aware datetime, or nanoseconds since 1970 UTC.
        value
            Simple return of the period, net of the strategy's own costs, at least -1.
        revision
            Above 0 to correct a value sent before.
        **optional
            ``account_id``, ``capital``, ``target_capital``, ``currency``,
            ``reported_volatility_annual``, ``reported_drawdown``.
        """
        message = return_message(strategy_id, period_end, value, revision, optional)
        self._send(strategy_id, message)

    def progress(self, strategy_id: str, period_end: Stamp) -> None:
        """Say that a strategy has no value up to ``period_end``: others need not wait for it."""
        self._send(strategy_id, mark_message(strategy_id, period_end, ended=False))

    def end(self, strategy_id: str, period_end: Stamp) -> None:
        """Say that a strategy has ended at ``period_end``; its weight goes to 0."""
        self._send(strategy_id, mark_message(strategy_id, period_end, ended=True))

    def flush(self, timeout_s: float = FLUSH_TIMEOUT_S) -> None:
        """Wait until the broker has everything sent so far.

        Raises
        ------
        DeliveryError
            Saying how many messages it has not, and why.
        """
        waiting = self._producer.flush(timeout_s)
        if waiting:
            text = f"{waiting} messages were not acknowledged within {timeout_s:.0f} s"
            raise DeliveryError(text)
        self._raise_failures()

    def _send(self, strategy_id: str, message: bytes) -> None:
        self._raise_failures()
        self._register_first(strategy_id)
        self._produce(self._returns, strategy_id, message)

    def _register_first(self, strategy_id: str) -> None:
        if self._family is None:
            return
        if self._registered is None:
            self._registered = self._read_registry()
        if strategy_id in self._registered:
            return
        message = registration_message(strategy_id, self._family, self._portfolios)
        self._produce(self._registry, f"strategy/{strategy_id}", message)
        self.flush()
        self._registered.add(strategy_id)

    def _produce(self, topic: str, key: str, message: bytes) -> None:
        end_s = time.monotonic() + FLUSH_TIMEOUT_S
        while True:
            try:
                self._producer.produce(
                    topic, message, key.encode(), on_delivery=self._note_delivery
                )
            except BufferError as error:  # the queue is full: let some of it go
                if time.monotonic() > end_s:
                    text = f"the queue stayed full for {FLUSH_TIMEOUT_S:.0f} s"
                    raise DeliveryError(text) from error
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def _note_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            return
        self._failed += 1
        if len(self._failures) < FAILURES_KEPT:
            self._failures.append(f"{message.topic()} {_text(message.key())}: {error.str()}")

    def _raise_failures(self) -> None:
        if not self._failed:
            return
        text = f"{self._failed} messages were not delivered, such as {'; '.join(self._failures)}"
        self._failures.clear()
        self._failed = 0
        raise DeliveryError(text)

    def _read_registry(self) -> set[str]:
        consumer = Consumer(
            reader_config(self._bootstrap, client_id="apse-publisher-registry") | self._security
        )
        found: set[str] = set()
        end_s = time.monotonic() + REGISTRY_TIMEOUT_S
        try:
            told = consumer.list_topics(self._registry, timeout=REGISTRY_TIMEOUT_S)
            _raise_if(told.topics[self._registry].error)
            consumer.assign([TopicPartition(self._registry, 0, 0)])
            while time.monotonic() < end_s:
                for message in consumer.consume(1_000, timeout=0.2):
                    if _at_end(message):
                        return found
                    found |= _registered_in(message.value())
        except KafkaException as error:
            text = f"{self._registry} cannot be read: {error.args[0].str()}"
            raise BrokerUnavailableError(text) from error
        finally:
            consumer.close()
        text = f"{self._registry} was not read within {REGISTRY_TIMEOUT_S:.0f} s"
        raise BrokerUnavailableError(text)


def _at_end(message: Message) -> bool:
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's public name
        return True
    raise KafkaException(error)


def _raise_if(error: KafkaError | None) -> None:
    if error is not None:
        raise KafkaException(error)


def _text(key: object) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)


def _registered_in(value: object) -> set[str]:
    try:
        message = decode_registration(value if isinstance(value, bytes) else b"")
    except RefusedInputError:
        return set()  # a tombstone, or another's mistake
    return {message.strategy_id} if isinstance(message, StrategyRegistration) else set()
