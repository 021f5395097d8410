"""The paper executor: every admitted command is filled in full at its bar's close.

It is driven by event time on the commands alone, so that what it answers is a function of the
topic. A rejection can be asked for by the number of the command, to show what one does.
"""

import argparse
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from schemas.decisions import RebalanceCommand
from streams.core.errors import ApseError
from streams.execution.clock import EventClock
from streams.execution.consumer import RebalanceConsumer
from streams.execution.contract import Answer
from streams.kafka.reach import watch_broker
from streams.observe.metrics import serve
from streams.settings import load_settings

REJECTION: Final = "rejected on request: paper venue closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSettings:
    """What the paper executor needs to know.

    ``reject`` maps a portfolio's k-th command to why; ``security`` logs the clients in.
    """

    bootstrap: str
    scope: str = ""
    executor_id: str = "paper"
    reject: Mapping[int, str] = field(default_factory=dict)
    security: Mapping[str, str] = field(default_factory=dict, repr=False)  # it holds a password


def paper_answer(command: RebalanceCommand, ordinal: int, reject: Mapping[int, str]) -> Answer:
    """Return the answer to the ``ordinal``-th admitted command of a portfolio."""
    if ordinal in reject:
        return Answer(status="rejected", reason=reject[ordinal])
    return Answer(status="filled", filled_weights=command.target_weights, cost=command.cost)


def run(
    settings: PaperSettings,
    stop: threading.Event,
    log: structlog.typing.FilteringBoundLogger | None = None,
) -> None:
    """Answer commands until ``stop`` is set.

    Raises
    ------
    BrokerUnavailableError, DeliveryError
        Start again: nothing is lost, and nothing is answered twice.
    """
    log = structlog.get_logger("apse.paper") if log is None else log
    with RebalanceConsumer(
        settings.bootstrap,
        settings.executor_id,
        scope=settings.scope,
        clock=EventClock(),
        instance_id=f"{settings.executor_id}-1",
        security=settings.security,
        log=log,
    ) as consumer:
        log.info("paper_executor_started", bootstrap=settings.bootstrap, scope=settings.scope)
        for command in consumer.commands(stop):
            answer = paper_answer(command, consumer.ordinal(command), settings.reject)
            consumer.ack(
                command,
                answer.status,
                filled_weights=answer.filled_weights,
                cost=answer.cost,
                reason=answer.reason,
            )
            log.info(
                "command_answered",
                portfolio_id=command.portfolio_id,
                command_id=command.command_id,
                version=command.version,
                status=answer.status,
            )
        log.info("paper_executor_stopped", **consumer.counts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a process of its own until SIGTERM or SIGINT; exit 1 when it has to start again."""
    parser = argparse.ArgumentParser(prog="python -m streams.execution.paper", description=__doc__)
    parser.add_argument("--bootstrap", required=True, help="host:port of the broker")
    parser.add_argument("--scope", default="", help="put before every topic and group")
    parser.add_argument("--executor-id", default="paper", help="names it in its reports")
    parser.add_argument(
        "--reject", type=int, action="append", default=[], help="number of a command to reject"
    )
    given = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log = structlog.get_logger("apse.paper")
    try:
        loaded = load_settings()
        settings = PaperSettings(
            bootstrap=given.bootstrap,
            scope=given.scope,
            executor_id=given.executor_id,
            reject=dict.fromkeys(given.reject, REJECTION),
            security=loaded.kafka.security(),
        )
        serve(loaded.metrics, "executor", (), watch_broker(loaded))
        run(settings, stop, log)
    except ApseError as error:
        log.error("paper_executor_failed", error=str(error))  # noqa: TRY400  # its words suffice
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
