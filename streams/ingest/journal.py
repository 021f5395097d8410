"""Append to the journal and to the dead letters, and know that the broker has it."""

from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.codec import encode_record
from schemas.journal import Record
from schemas.topics import DEAD_LETTERS, JOURNAL
from streams.core.errors import DeliveryError
from streams.ingest.arrivals import DeadLetter
from streams.kafka.clients import producer_config
from streams.settings import Settings

DETAIL_CHARS_MAX: Final = 2_000  # a header is for people; the record itself is kept whole
MS_PER_S: Final = 1_000
QUEUE_WAIT_S: Final = 0.1


class JournalWriter:
    """One idempotent producer that never appends what follows a hole.

    Parameters
    ----------
    settings
        Where the broker is, and how long an append may take.
    """

    def __init__(self, settings: Settings) -> None:
        config = producer_config(settings.kafka.bootstrap, client_id="apse-ingest", gapless=True)
        self._producer = Producer(
            config | settings.kafka.security() | {"error_cb": self._note_fatal}
        )
        self._journal = settings.kafka.scope + JOURNAL.name
        self._dead_letters = settings.kafka.scope + DEAD_LETTERS.name
        self._timeout_s = settings.ingest.publish_timeout_ms / MS_PER_S
        self._failures: list[str] = []
        self._unsettled = 0

    def append(self, shard: int, record: Record) -> None:
        """Append a record to a shard's partition."""
        self._send(self._journal, encode_record(record), None, shard, [])

    def bury(self, letter: DeadLetter) -> None:
        """Append a refused record to the dead letters: its own bytes, the reason as headers."""
        source = letter.source
        headers = [
            ("apse_error_code", letter.code.encode()),
            ("apse_error_detail", letter.detail[:DETAIL_CHARS_MAX].encode(errors="replace")),
            ("apse_source_topic", source.topic.encode()),
            ("apse_source_partition", str(source.partition).encode()),
            ("apse_source_offset", str(source.offset).encode()),
        ]
        self._send(self._dead_letters, letter.value, letter.key, 0, headers)

    def settle(self) -> None:
        """Wait until the broker has confirmed everything sent so far.

        Raises
        ------
        DeliveryError
            When anything was refused, or not confirmed in time. The writer is of no more use.
        """
        if not self._unsettled:
            return
        left = self._producer.flush(self._timeout_s)
        if left and not self._failures:
            self._failures.append(f"{left} of {self._unsettled} records not confirmed in time")
        if self._failures:
            raise DeliveryError("; ".join(self._failures[:3]))
        self._unsettled = 0

    def _send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        headers: Sequence[tuple[str, bytes]],
    ) -> None:
        waited_s = 0.0
        while True:
            try:
                self._producer.produce(
                    topic,
                    value,
                    key,
                    partition=partition,
                    headers=list(headers),
                    on_delivery=self._note_delivery,
                )
            except BufferError:  # the local queue is full: let the broker take some
                if waited_s >= self._timeout_s:
                    message = f"no room for a record to {topic} within {self._timeout_s:.0f} s"
                    raise DeliveryError(message) from None
                self._producer.poll(QUEUE_WAIT_S)
                waited_s += QUEUE_WAIT_S
                continue
            except KafkaException as error:
                message = f"a record to {topic}/{partition} is refused: {error.args[0].str()}"
                raise DeliveryError(message) from error
            self._unsettled += 1
            return

    def _note_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failures.append(f"{message.topic()}/{message.partition()}: {error.str()}")

    def _note_fatal(self, error: KafkaError) -> None:
        if error.fatal():
            self._failures.append(error.str())
