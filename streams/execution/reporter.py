"""Publish execution reports, and know of each that the broker has it."""

from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaError, Producer

from schemas.codec import UnpublishableError, encode_message
from schemas.decisions import RebalanceCommand
from streams.core.errors import DeliveryError
from streams.execution.contract import Answer, report_of
from streams.execution.gate import Verdict, command_digest
from streams.execution.history import headers_of
from streams.kafka.clients import producer_config
from streams.observe.metrics import REPORTS

ACK_TIMEOUT_S: Final = 35.0  # beyond the producer's own delivery timeout of 30 s


class Reporter:
    """One executor's idempotent writer of reports.

    Parameters
    ----------
    bootstrap
        Where the broker is.
    topic
        The reports, scope included.
    executor
        Stands in every report.
    security
        What logs the producer in at the broker, in librdkafka's own names.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        executor: str,
        security: Mapping[str, str] | None = None,
    ) -> None:
        self._topic = topic
        self._executor = executor
        # One report at a time is waited for: there is nothing to linger for.
        config = producer_config(bootstrap, client_id=executor) | {"linger.ms": 0}
        self._producer = Producer(config | dict(security or {}))

    def publish(
        self,
        command: RebalanceCommand,
        answer: Answer,
        verdict: Verdict,
        *,
        partition: int,
        final: bool,
        as_of_ns: int,
    ) -> None:
        """Publish the report of an answer, and wait until the broker has it.

        Parameters
        ----------
        command, answer
            What is reported.
        verdict
            How the gate judged the command.
        partition
            Where the command stood: the report goes to the same one.
        final
            Whether nothing more will be said of the command.
        as_of_ns
            Nanoseconds UTC.

        Raises
        ------
        ValueError
            When the report cannot be written: a number that is not finite, a negative cost.
        DeliveryError
            When the broker refuses the report, or does not acknowledge it in time.
        """
        report = report_of(command, answer, executor=self._executor, as_of_ns=as_of_ns)
        try:
            value = encode_message(report)
        except UnpublishableError as error:
            text = f"the report on command {command.command_id} cannot be written: {error}"
            raise ValueError(text) from error
        delivered: list[KafkaError | None] = []
        self._producer.produce(
            self._topic,
            value,
            command.portfolio_id.encode(),
            partition=partition,
            headers=headers_of(verdict=verdict, digest=command_digest(command), final=final),
            on_delivery=lambda error, _: delivered.append(error),
        )
        self._producer.flush(ACK_TIMEOUT_S)
        if not delivered:
            why = f"no answer within {ACK_TIMEOUT_S:.0f} s"
        elif delivered[0] is not None:  # compared with == None, librdkafka's error object breaks
            why = delivered[0].str()
        else:
            REPORTS.labels(report.status).inc()
            return
        text = f"the report on command {command.command_id} was not acknowledged: {why}"
        raise DeliveryError(text)

    def close(self) -> None:
        """End the writer; what it published was waited for."""
        self._producer.close()
