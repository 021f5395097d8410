"""The demonstration without a broker: the same script through the same stages in this process."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from schemas.codec import encode_message
from schemas.decisions import RebalanceCommand
from schemas.events import PortfolioRegistration
from schemas.journal import Record
from schemas.topics import REGISTRY, REPORTS, RETURNS, Topic
from schemas.units import parse_instant
from schemas.views import MetricsRecord
from streams.core.outputs import BarMetrics, Output, encode_output
from streams.demo.board import Board
from streams.demo.script import REJECTED_COMMAND, Script
from streams.execution.contract import report_of
from streams.execution.gate import Admitted, CommandGate
from streams.execution.paper import REJECTION, paper_answer
from streams.ingest.arrivals import Arrival, decode
from streams.ingest.route import Router
from streams.operate.publish import Pace
from streams.runtime.local import LocalEngine

EXECUTOR = "paper"


class LocalPlay:
    """Router, engine and paper executor in one process; topics are calls."""

    def __init__(self, script: Script, board: Board, *, incidents: bool) -> None:
        self._board = board
        self._router = Router(shards=1, silence_ms=0)  # all that is said, is said at once
        self._gate = CommandGate()
        self._reject = {REJECTED_COMMAND: REJECTION} if incidents else {}
        self._ordinal = 0
        self._offsets: dict[str, int] = {}
        registration = PortfolioRegistration(
            portfolio_id=script.policy.portfolio_id, shard=0, policy=script.policy
        )
        self._engine = LocalEngine(registration)
        key = f"portfolio/{script.policy.portfolio_id}".encode()
        self._router.learn(decode([self._arrival(REGISTRY, key, encode_message(registration))]))

    def publish(self, records: Iterable[tuple[bytes, bytes]], end_ns: int) -> None:
        """Take one session's records in, refused ones included, and all that follows."""
        self._ingest([self._arrival(RETURNS, key, value) for key, value in records])
        for _, release in self._router.due_releases(end_ns, at_end=True):
            self._append(release)

    def _ingest(self, arrivals: list[Arrival]) -> None:
        routed = self._router.route(decode(arrivals))
        for record in routed.journal(0):
            self._append(record)

    def _append(self, record: Record) -> None:
        for output in self._engine.append(record):
            self._take(output)

    def _take(self, output: Output) -> None:
        message = output.message
        if isinstance(message, BarMetrics):
            message = msgspec.json.decode(encode_output(output), type=MetricsRecord)
        self._board.take(message)
        if not isinstance(message, RebalanceCommand):
            return
        bar_end_ns = parse_instant(message.bar_end)
        if isinstance(self._gate.admit(message, bar_end_ns), Admitted):
            self._ordinal += 1
            answer = paper_answer(message, self._ordinal, self._reject)
            report = report_of(message, answer, executor=EXECUTOR, as_of_ns=bar_end_ns)
            self._gate.done(message.portfolio_id, message.command_id)
            self._board.take(report)
            self._ingest(
                [self._arrival(REPORTS, message.portfolio_id.encode(), encode_message(report))]
            )

    def _arrival(self, topic: Topic, key: bytes, value: bytes) -> Arrival:
        offset = self._offsets.get(topic.name, 0)
        self._offsets[topic.name] = offset + 1
        return Arrival(topic.name, 0, offset, key, value)


def play_in_process(
    script: Script,
    board: Board,
    pace: Pace,
    stop: threading.Event,
    show: Callable[[], None],
    *,
    incidents: bool,
) -> dict[str, Any]:
    """Play the script through the stages in this process; return the figures of the run."""
    play = LocalPlay(script, board, incidents=incidents)
    for number, session in enumerate(script.sessions):
        if stop.is_set():
            break
        if number >= script.history:
            pace.wait(show)
        play.publish(session.records, session.end_ns)
        board.published += session.values
        board.incident = session.incident or board.incident
    show()
    return board.answer()
