"""Commands for an executor, each answered once: consume, dedupe, fence, expire, report, commit.

Delivery, in order:

1. A command is read and judged by the gate of its partition. What comes too late is answered here
   (``expired``, or ``rejected`` with the fence in its reason); repeats are passed over; the same id
   with other content is refused and alarmed.
2. An admitted command is handed out. :meth:`RebalanceConsumer.ack` publishes the report, to the
   partition that the command came from, and waits for the broker's acknowledgement.
3. Only then the offset is committed, up to the first command that has no final answer.

A process that dies between 1 and 2 is handed the command again; between 2 and 3 it is not, because
on every assignment the gate is rebuilt from the executor's own reports. So an answer is published
once, and a command whose only effect is its report is applied once. An effect outside Kafka needs
the venue's help, as always: send the command's id as the client order id, say ``accepted`` first,
and when :meth:`RebalanceConsumer.resumed` is true ask the venue what became of it.

Two windows are left, in which a report is repeated under the same ``report_id``, which readers
drop: a report on the wire when its process was killed may reach the broker after its successor has
read the reports; and a process that was frozen while another took over answers what it holds.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from threading import Event
from types import TracebackType
from typing import Final, Self, assert_never

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from schemas.codec import RefusedInputError
from schemas.decisions import RebalanceCommand
from schemas.topics import REBALANCE, REPORTS, STATE
from schemas.units import parse_instant
from streams.core.errors import CommandNotHeldError
from streams.execution.clock import Clock, EventClock
from streams.execution.contract import (
    FINAL_STATUSES,
    Answer,
    Status,
    contradiction,
    decode_command,
    refusal_of,
)
from streams.execution.gate import (
    Admitted,
    CommandGate,
    Conflict,
    Duplicate,
    Expired,
    Fenced,
    Verdict,
)
from streams.execution.history import read_answers
from streams.execution.place import (
    CommandKey,
    Held,
    Place,
    near_end,
    raise_if_hopeless,
    read_state_clock,
    require_topics,
)
from streams.execution.reporter import Reporter
from streams.kafka.clients import group_consumer_config

POLL_S: Final = 0.2  # how soon a stop is noticed

# A report stands in the partition of its command, so that one owner reads both.
assert REBALANCE.partitions == REPORTS.partitions == STATE.partitions


class RebalanceConsumer:
    """Hand out the rebalance commands that an executor is to apply, and publish its answers.

    Members with the same ``executor_id`` share the portfolios between them.

    Parameters
    ----------
    bootstrap
        Where the broker is.
    executor_id
        Names the executor in its reports, and its consumer group. A new id begins with the oldest
        command that the topic holds.
    scope
        Put before every topic and group.
    clock
        Judges expiry; event time on commands alone by default.
    instance_id
        Names this process among the members, so that after a crash it is given its portfolios
        again at once; a second process of the same name ends the first.
    security
        What logs the clients in (:meth:`streams.settings.KafkaSettings.security`).
    log
        Where alarms go.

    Examples
    --------
    ::

        with RebalanceConsumer("localhost:9092", "desk-1", clock=WallClock(now_ns)) as consumer:
            for command in consumer.commands():
                fills = trade(command)
                consumer.ack(command, "filled", filled_weights=fills)
    """

    def __init__(  # noqa: PLR0913  # the first two say what it is, the others have names
        self,
        bootstrap: str,
        executor_id: str,
        *,
        scope: str = "",
        clock: Clock | None = None,
        instance_id: str | None = None,
        security: Mapping[str, str] | None = None,
        log: structlog.typing.FilteringBoundLogger | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._bootstrap = bootstrap
        self._executor = executor_id
        self._topics = {topic.name: scope + topic.name for topic in (REBALANCE, REPORTS, STATE)}
        self._clock: Clock = EventClock() if clock is None else clock
        self._log = structlog.get_logger("apse.execution") if log is None else log
        self._places: dict[int, Place] = {}
        self._held: dict[CommandKey, Held] = {}
        self._security = dict(security or {})
        self._reporter = Reporter(bootstrap, self._topics[REPORTS.name], executor_id, security)
        config = group_consumer_config(
            bootstrap,
            group=f"{scope}execution.{executor_id}",
            client_id=executor_id,
            instance_id=instance_id,
        )
        self._consumer = Consumer(config | self._security)

    def __enter__(self) -> Self:
        """Join the group.

        Raises
        ------
        BrokerUnavailableError
            When the broker does not answer, or has not the topics.
        """
        wanted = [self._topics[REBALANCE.name]]
        if self._clock.follows_state:
            wanted.append(self._topics[STATE.name])
        require_topics(self._consumer, self._bootstrap, [*wanted, self._topics[REPORTS.name]])
        self._consumer.subscribe(
            wanted, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the group; what has its final answer is committed, what is held comes again."""
        self._consumer.close()
        self._reporter.close()

    def commands(self, stop: Event | None = None) -> Iterator[RebalanceCommand]:
        """Yield commands to apply, in the order of their partition, until ``stop`` is set."""
        while stop is None or not stop.is_set():
            command = self.poll(POLL_S)
            if command is not None:
                yield command

    def poll(self, timeout_s: float) -> RebalanceCommand | None:
        """Return the next command to apply, or None when there is none within the time.

        Raises
        ------
        DeliveryError
            When an answer given here, to a command that came too late, is not acknowledged.
        KafkaException
            When the consumer cannot go on; leave, and start again.
        """
        end_s = time.monotonic() + timeout_s
        while True:
            message = self._consumer.poll(max(0.0, end_s - time.monotonic()))
            if message is None:
                return None
            command = self._take(message)
            if command is not None:
                return command

    def resumed(self, command: RebalanceCommand) -> bool:
        """Whether a held command was reported on before by a process that ended at work on it."""
        return self._holding(command).resumed

    def ordinal(self, command: RebalanceCommand) -> int:
        """Return the number of a held command among those admitted for its portfolio, from 1."""
        return self._holding(command).ordinal

    def ack(  # noqa: PLR0913  # the fields of a report, each by its name
        self,
        command: RebalanceCommand,
        status: Status,
        filled_weights: Mapping[str, float] | None = None,
        cost: float | None = None,
        reason: str = "",
        *,
        as_of_ns: int | None = None,
        final: bool | None = None,
    ) -> None:
        """Publish what became of a command, wait for the broker, then commit.

        Parameters
        ----------
        command
            One that is held: handed out, and not yet answered for good.
        status
            ``filled``, ``rejected`` and ``expired`` are final; after ``accepted`` and
            ``partially_filled`` the command is still held.
        filled_weights
            Weights held after the fill, shares of NAV by strategy.
        cost
            Cost of the trades, a fraction of NAV.
        reason
            Words for people.
        as_of_ns
            When it was so, nanoseconds UTC; by default as the clock says.
        final
            True gives up the rest of a partial fill.

        Raises
        ------
        CommandNotHeldError
            When the command was answered before, or its portfolio has another owner by now.
        ValueError
            When the report cannot be written: a number that is not finite, a negative cost.
        DeliveryError
            When the broker does not acknowledge the report; nothing was committed.
        """
        held = self._holding(command)
        answer = Answer(status=status, filled_weights=filled_weights, cost=cost, reason=reason)
        is_final = status in FINAL_STATUSES if final is None else final
        assert is_final or status not in FINAL_STATUSES, f"{status} is always final"
        self._reporter.publish(
            command,
            answer,
            "admitted",
            partition=held.partition,
            final=is_final,
            as_of_ns=self._as_of_ns(command) if as_of_ns is None else as_of_ns,
        )
        if is_final:
            place = self._places[held.partition]
            place.gate.done(command.portfolio_id, command.command_id)
            place.open_offsets.discard(held.offset)
            del self._held[_key(command)]
            self._commit({held.partition: place})

    def _holding(self, command: RebalanceCommand) -> Held:
        held = self._held.get(_key(command))
        if held is None:
            text = (
                f"command {command.command_id} of portfolio {command.portfolio_id} is not held by"
                f" {self._executor}: it was answered before, or its partition has moved"
            )
            raise CommandNotHeldError(text)
        return held

    def _take(self, message: Message) -> RebalanceCommand | None:
        error = message.error()
        if error is not None:
            raise_if_hopeless(error)
            self._log.warning("execution_consumer_error", error=error.str())
            return None
        value, partition, offset = message.value(), message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        if message.topic() == self._topics[STATE.name]:
            if not read_state_clock(self._clock, value):
                self._alarm("malformed_state", partition, offset)
            return None
        place = self._places[partition]
        place.next_offset = offset + 1
        try:
            command = decode_command(value if isinstance(value, bytes) else b"")
        except RefusedInputError as refusal:
            self._alarm("malformed_command", partition, offset, detail=str(refusal))
            return None
        return self._judge(command, partition, offset)

    def _judge(
        self, command: RebalanceCommand, partition: int, offset: int
    ) -> RebalanceCommand | None:
        place = self._places[partition]
        self._clock.observe(command.portfolio_id, parse_instant(command.bar_end))
        outcome = place.gate.admit(command, self._clock.now_ns(command.portfolio_id))
        self.counts[type(outcome).__name__.lower()] += 1
        match outcome:
            case Admitted():
                held = Held(partition, offset, outcome.ordinal, outcome.resumed)
                self._held[_key(command)] = held
                place.open_offsets.add(offset)
                return self._unless_contradictory(command)
            case Duplicate():
                return None
            case Conflict():
                digests = {"known_digest": outcome.known, "found_digest": outcome.found}
                told = {"command_id": command.command_id, **digests}
                self._alarm("command_conflict", partition, offset, **told)
                return None
            case Fenced() | Expired():
                self._refuse(command, outcome, partition, offset)
                return None
            case _:
                assert_never(outcome)

    def _unless_contradictory(self, command: RebalanceCommand) -> RebalanceCommand | None:
        problem = contradiction(command)
        if problem is None:
            return command
        self.counts["contradictory"] += 1
        self._log.error("command_contradictory", command_id=command.command_id, problem=problem)
        self.ack(command, "rejected", reason=problem)
        return None

    def _refuse(
        self, command: RebalanceCommand, outcome: Fenced | Expired, partition: int, offset: int
    ) -> None:
        place = self._places[partition]
        verdict: Verdict = "expired" if isinstance(outcome, Expired) else "fenced"
        self._log.warning(f"command_{verdict}", command_id=command.command_id)
        if not (isinstance(outcome, Fenced) and outcome.forgotten):
            place.open_offsets.add(offset)  # nothing is committed past an answer that failed
            self._reporter.publish(
                command,
                refusal_of(command, outcome),
                verdict,
                partition=partition,
                final=True,
                as_of_ns=self._as_of_ns(command),
            )
            place.open_offsets.discard(offset)
        self._commit({partition: place})

    def _alarm(self, event: str, partition: int, offset: int, **fields: object) -> None:
        self.counts[event] += 1
        self._log.error(event, partition=partition, offset=offset, **fields)

    def _as_of_ns(self, command: RebalanceCommand) -> int:
        return self._clock.as_of_ns(parse_instant(command.bar_end))

    # A commit that fails costs only repeats, which the gate passes over.
    def _commit(self, places: Mapping[int, Place]) -> None:
        topic = self._topics[REBALANCE.name]
        due = {n: place.committable() for n, place in places.items() if place.is_ahead()}
        if not due:
            return
        try:
            self._consumer.commit(
                offsets=[TopicPartition(topic, n, offset) for n, offset in due.items()],
                asynchronous=False,
            )
        except KafkaException as failure:
            error = failure.args[0]
            if error.fatal():
                raise
            self._log.warning("execution_commit_failed", error=error.str())
            return
        for number, offset in due.items():
            places[number].committed = offset

    def _on_assign(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        commands = [p for p in assigned if p.topic == self._topics[REBALANCE.name]]
        numbers = [place.partition for place in commands]
        reports = self._topics[REPORTS.name]
        for number, answers in read_answers(
            self._bootstrap, reports, numbers, self._executor, self._security
        ).items():
            place = self._places[number] = Place(gate=CommandGate())
            for answered, as_of_ns in answers:
                place.gate.recall(answered)
                self._clock.observe(answered.portfolio_id, as_of_ns)
        state = [p for p in assigned if p.topic == self._topics[STATE.name]]
        consumer.assign([*commands, *(near_end(p) for p in state)])
        self._log.info("execution_assigned", executor=self._executor, partitions=numbers)

    def _on_revoke(self, consumer: Consumer, revoked: list[TopicPartition]) -> None:
        numbers = {p.partition for p in revoked if p.topic == self._topics[REBALANCE.name]}
        self._commit({n: self._places[n] for n in numbers if n in self._places})
        self._on_lost(consumer, revoked)

    def _on_lost(self, _: Consumer, lost: list[TopicPartition]) -> None:
        numbers = {p.partition for p in lost if p.topic == self._topics[REBALANCE.name]}
        for number in numbers:
            self._places.pop(number, None)
        self._held = {k: held for k, held in self._held.items() if held.partition not in numbers}


def _key(command: RebalanceCommand) -> CommandKey:
    return command.portfolio_id, command.command_id
