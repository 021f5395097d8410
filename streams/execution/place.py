"""Where an executor stands in one partition of the commands: gate, open commands, commits."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.units import parse_instant
from streams.core.errors import BrokerUnavailableError
from streams.execution.clock import Clock
from streams.execution.gate import CommandGate
from streams.execution.history import tail_offset

NOTHING: Final = -1
METADATA_TIMEOUT_S: Final = 20.0
STATE_RECORDS_READ_BACK: Final = 200  # a partition's portfolios all close a bar within these

# Waiting does not cure these; of the others librdkafka recovers by itself.
HOPELESS: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
    }
)

CommandKey = tuple[str, str]
"""Portfolio id, command id."""


@dataclass(frozen=True, slots=True)
class Held:
    """A command that was handed out and has no final answer yet."""

    partition: int
    offset: int
    ordinal: int
    resumed: bool


@dataclass(slots=True)
class Place:
    """One partition of the commands; offsets are those of the broker."""

    gate: CommandGate
    next_offset: int = NOTHING
    open_offsets: set[int] = field(default_factory=set)
    committed: int = NOTHING

    def committable(self) -> int:
        """Return the first offset that is to be read again after a restart."""
        return min(self.open_offsets, default=self.next_offset)

    def is_ahead(self) -> bool:
        """Whether there is something to commit."""
        return self.next_offset != NOTHING and self.committable() > self.committed


class _StateStamp(msgspec.Struct):
    portfolio_id: str
    bar_end: str


_stamp: Final = msgspec.json.Decoder(_StateStamp)


def read_state_clock(clock: Clock, value: object) -> bool:
    """Let a portfolio's state record drive the clock; False when it cannot be read."""
    try:
        stamp = _stamp.decode(value if isinstance(value, bytes) else b"")
        bar_end_ns = parse_instant(stamp.bar_end)
    except (ValueError, RecursionError):  # the latter of one nested very deep
        return False
    clock.observe(stamp.portfolio_id, bar_end_ns)
    return True


def raise_if_hopeless(error: KafkaError) -> None:
    """Raise the error of a consumer that cannot go on; pass over one that will mend itself."""
    if error.fatal() or error.code() in HOPELESS:
        raise KafkaException(error)


def near_end(place: TopicPartition) -> TopicPartition:
    """Return the position from which the newest state of a partition's portfolios is read."""
    return TopicPartition(place.topic, place.partition, tail_offset(STATE_RECORDS_READ_BACK))


def require_topics(consumer: Consumer, bootstrap: str, names: Iterable[str]) -> None:
    """Check that the broker answers and has the topics.

    Raises
    ------
    BrokerUnavailableError
        Naming what is missing.
    """
    try:
        known = consumer.list_topics(timeout=METADATA_TIMEOUT_S).topics
    except KafkaException as error:
        text = f"{bootstrap} does not answer: {error.args[0].str()}"
        raise BrokerUnavailableError(text) from error
    missing = [name for name in names if name not in known]
    if missing:
        text = f"{bootstrap} has no topic {', '.join(missing)}; `apse topics` creates it"
        raise BrokerUnavailableError(text)
