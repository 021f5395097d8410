"""What an executor said before: its own reports, read back when it starts on a partition.

A report carries in its headers what the message itself has no place for: how the gate judged the
command, the digest of the content it answered, and whether the answer was final.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Final, get_args

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.codec import decode_report
from schemas.units import parse_instant
from streams.core.errors import BrokerUnavailableError
from streams.execution.gate import Answered, Verdict
from streams.kafka.clients import reader_config

VERDICT_HEADER: Final = "gate"
DIGEST_HEADER: Final = "command_digest"
FINAL_HEADER: Final = "final"

History = dict[int, list[tuple[Answered, int]]]

# Of each partition; a year of a daily command for 270 portfolios, read in two seconds.
REPORTS_MAX: Final = 100_000
READ_TIMEOUT_S: Final = 120.0  # well inside the group's poll interval
BATCH_MAX: Final = 5_000
TAIL_BASE: Final = -2_000  # RD_KAFKA_OFFSET_TAIL_BASE of librdkafka's public header


def headers_of(
    *, verdict: Verdict, digest: str, final: bool
) -> list[tuple[str, str | bytes | None]]:
    """Return the headers of a report."""
    return [
        (VERDICT_HEADER, verdict.encode()),
        (DIGEST_HEADER, digest.encode()),
        (FINAL_HEADER, b"1" if final else b"0"),
    ]


def tail_offset(records: int) -> int:
    """Return librdkafka's logical offset ``records`` before the end; the oldest, if fewer."""
    return TAIL_BASE - records


def read_answers(
    bootstrap: str,
    topic: str,
    partitions: Sequence[int],
    executor: str,
    security: Mapping[str, str] | None = None,
) -> History:
    """Read the newest reports of an executor in each partition, oldest first.

    Parameters
    ----------
    bootstrap
        Where the broker is.
    topic
        The reports, scope included.
    partitions
        Which of its partitions.
    executor
        Reports of others are passed over.
    security
        What logs the reader in at the broker, in librdkafka's own names.

    Returns
    -------
    dict
        Of each partition: the answers, and the event time of each in nanoseconds UTC.

    Raises
    ------
    BrokerUnavailableError
        When the end is not reached within :data:`READ_TIMEOUT_S`.
    """
    answers: History = {partition: [] for partition in partitions}
    config = reader_config(bootstrap, client_id=f"{executor}-history")
    consumer = Consumer(config | dict(security or {}))
    try:
        start = tail_offset(REPORTS_MAX)
        consumer.assign([TopicPartition(topic, partition, start) for partition in partitions])
        unread = set(partitions)
        end_s = time.monotonic() + READ_TIMEOUT_S
        while unread:
            if time.monotonic() > end_s:
                reason = f"{topic} {sorted(unread)} was not read within {READ_TIMEOUT_S:.0f} s"
                raise BrokerUnavailableError(reason)
            for message in consumer.consume(BATCH_MAX, timeout=0.2):
                _take(message, executor, answers, unread)
    finally:
        consumer.close()
    return answers


def _take(message: Message, executor: str, answers: History, unread: set[int]) -> None:
    partition = message.partition()
    assert partition is not None
    error = message.error()
    if error is not None:
        if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's public name
            raise KafkaException(error)
        unread.discard(partition)
        return
    answered = _answered(message, executor)
    if answered is not None:
        answers[partition].append(answered)


# Others may write reports too; what cannot be read is not ours.
def _answered(message: Message, executor: str) -> tuple[Answered, int] | None:
    value = message.value()
    try:
        report = decode_report(value if isinstance(value, bytes) else b"")
        as_of_ns = parse_instant(report.as_of)
    except ValueError:
        return None
    if report.executor != executor:
        return None
    headers = _text_headers(message)
    verdicts: dict[str, Verdict] = {name: name for name in get_args(Verdict)}
    answered = Answered(
        command_id=report.command_id,
        portfolio_id=report.portfolio_id,
        epoch=report.epoch,
        version=report.version,
        digest=headers.get(DIGEST_HEADER, ""),
        verdict=verdicts.get(headers.get(VERDICT_HEADER, ""), "admitted"),
        final=headers.get(FINAL_HEADER, "1") == "1",
    )
    return answered, as_of_ns


def _text_headers(message: Message) -> dict[str, str]:
    told = message.headers() or []
    assert not isinstance(told, dict)  # written as a mapping, read as a list
    return {
        name: value.decode("ascii", "replace") for name, value in told if isinstance(value, bytes)
    }
