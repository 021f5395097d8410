"""What is sent to a live engine: registrations, requests, risk signals and returns.

Each is acknowledged by the broker before we go on.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

import msgspec
from confluent_kafka import Producer

from schemas.codec import encode_message
from schemas.events import (
    ControlRequest,
    PortfolioRegistration,
    RiskSignal,
    StrategyRegistration,
    StrategyReturn,
)
from schemas.policy import PortfolioPolicy
from schemas.topics import CONTROL, REGISTRY, RETURNS, RISK, SHARDS_DEFAULT, Topic
from streams.core.errors import ApseError
from streams.kafka.clients import DELIVERY_TIMEOUT_MS, producer_config
from streams.operate.read import QUIET
from streams.settings import KafkaSettings

FLUSH_TIMEOUT_S = 60.0


class SendError(ApseError):
    """The broker did not take a record."""


class Sender:
    """Sends public messages; a context manager that does not end before all are acknowledged."""

    def __init__(self, kafka: KafkaSettings, *, flush_timeout_s: float = FLUSH_TIMEOUT_S) -> None:
        self._scope = kafka.scope
        self._flush_timeout_s = flush_timeout_s
        # What a flush gives up must not be delivered after it: who waited was told that it failed.
        delivery_timeout_ms = min(DELIVERY_TIMEOUT_MS, round(900 * flush_timeout_s))
        self._producer = Producer(
            producer_config(kafka.bootstrap, client_id="apse-cli")
            | kafka.security()
            | QUIET
            | {"delivery.timeout.ms": delivery_timeout_ms}
        )
        self._refused: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.flush()
        del self._producer  # librdkafka's threads end with it

    def portfolio(
        self,
        policy: PortfolioPolicy,
        *,
        version: int = 1,
        shard: int | None = None,
        epoch: int = 1,
    ) -> None:
        """Register a portfolio with its policy; its shard is a function of its id unless given."""
        number = shard_of(policy.portfolio_id) if shard is None else shard
        message = PortfolioRegistration(
            portfolio_id=policy.portfolio_id,
            shard=number,
            policy=policy,
            policy_version=version,
            epoch=epoch,
        )
        self._send(REGISTRY, f"portfolio/{policy.portfolio_id}", message)

    def strategy(self, registration: StrategyRegistration) -> None:
        """Register a strategy."""
        self._send(REGISTRY, f"strategy/{registration.strategy_id}", registration)

    def control(self, request: ControlRequest) -> None:
        """Send a control request."""
        self._send(CONTROL, request.portfolio_id, request)

    def risk(self, signal: RiskSignal) -> None:
        """Send a risk signal."""
        self._send(RISK, signal.portfolio_id, signal)

    def returns(self, rows: Iterable[StrategyReturn]) -> int:
        """Send returns and marks in their order; return how many."""
        count = 0
        for row in rows:
            self._send(RETURNS, row.strategy_id, row)
            count += 1
        return count

    def raw(self, topic: Topic, key: bytes | None, value: bytes) -> None:
        """Send bytes as they are."""
        self._produce(topic, key, value)

    def flush(self) -> None:
        """Wait until everything is acknowledged.

        Raises
        ------
        SendError
            When the broker refused a record, or did not answer in time.
        """
        left = self._producer.flush(self._flush_timeout_s)
        refused, self._refused = self._refused, []
        if left or refused:
            unanswered = f"{left} records unacknowledged after {self._flush_timeout_s:g} s"
            raise SendError(refused[0] if refused else unanswered)

    def _send(self, topic: Topic, key: str, message: msgspec.Struct) -> None:
        self._produce(topic, key.encode(), encode_message(message))

    def _produce(self, topic: Topic, key: bytes | None, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(
                    self._scope + topic.name, value, key, on_delivery=self._delivered
                )
            except BufferError:
                self._producer.poll(0.05)
            else:
                self._producer.poll(0)
                return

    def _delivered(self, error: object, _: object) -> None:
        if error is not None:
            self._refused.append(str(error))


def shard_of(portfolio_id: str) -> int:
    """Return the shard a new portfolio is put on: spread by its id, the same on every machine."""
    return sum(portfolio_id.encode()) % SHARDS_DEFAULT
