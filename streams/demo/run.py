"""``apse demo``: a broker and the engine, history at once, the rest at a pace, shown as it goes."""

import os
import secrets
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
from rich.live import Live

from examples.strategies import build_sleeves, load_prices
from schemas.decisions import Decision, RebalanceCommand
from schemas.events import ExecutionReport
from schemas.topics import COVARIANCE, DECISIONS, METRICS, REBALANCE, REPORTS, RETURNS, STATE, Topic
from schemas.units import format_instant
from schemas.views import CovarianceRecord, MetricsRecord, StateRecord
from streams.api.hosting import API, choose_port, environment_of, open_browser, words_of
from streams.core.errors import ApseError, BrokerUnavailableError
from streams.demo.board import Board
from streams.demo.books import equal_weight, index, inverse_volatility
from streams.demo.local import play_in_process
from streams.demo.script import REJECTED_COMMAND, Script, write_script
from streams.kafka.admin import delete_scope
from streams.kafka.broker import Broker, resolve_broker
from streams.operate.console import note, notes, out
from streams.operate.current import forget_run, remember_run
from streams.operate.portfolio_file import read_policy
from streams.operate.publish import Pace
from streams.operate.read import Reader
from streams.operate.send import Sender
from streams.operate.supervisor import ENGINE, Supervisor, executor
from streams.operate.topics import create_topics
from streams.settings import BOOTSTRAP_VARIABLE

POLICY: Final = Path(__file__).parents[2] / "examples" / "strategies" / "portfolio.yaml"
DEFAULT_SPEED: Final = 5.0
SETTLE_TIMEOUT_S: Final = 180.0
LINE_EVERY_S: Final = 5.0
_CAVEAT: Final = (
    "Rules on real prices, of companies that survived to 2022; market making is a proxy by touch"
    " fills. 1/N and inverse volatility pay no costs. Past figures promise nothing."
)
_SHOWN: Final[dict[str, tuple[Topic, Any]]] = {
    topic.name: (topic, kind)
    for topic, kind in (
        (STATE, StateRecord),
        (METRICS, MetricsRecord),
        (COVARIANCE, CovarianceRecord),
        (DECISIONS, Decision),
        (REBALANCE, RebalanceCommand),
        (REPORTS, ExecutionReport),
    )
}


class DemoStalledError(ApseError):
    """The engine did not get through the bars in time."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the person asked for.

    ``speed`` None plays as fast as the engine takes it, ``port`` None is the first free one.
    """

    bars: int | None
    speed: float | None
    incidents: bool
    leave: bool
    quiet: bool
    port: int | None = None
    browser: bool = True

    @property
    def serves(self) -> bool:
        """Tell whether the dashboard is served: not to a script that does not ask for it."""
        return self.port is not None or not self.leave


def demo(options: Options) -> dict[str, Any]:
    """Run the demonstration; return the figures of the run."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ThreadPoolExecutor(1) as beside:
        # The strategies are computed while the broker and the engine start.
        writing = beside.submit(_script, options)
        try:
            broker = resolve_broker()
        except BrokerUnavailableError as error:
            if os.environ.get(BOOTSTRAP_VARIABLE):  # somebody's own broker is not to be replaced
                raise
            note(
                f"{error}. Playing in this process, without Kafka: same stages, same decisions;"
                " no dashboard."
            )
            return _play_without_broker(writing.result(), options, stop)
        with broker:
            note(f"[1/4] broker: {broker.note}")
            return _Play(broker, writing, options, stop).run()


def _play_without_broker(script: Script, options: Options, stop: threading.Event) -> dict[str, Any]:
    board = _board(script)
    board.footer = (_CAVEAT,)
    with _Screen(board, quiet=options.quiet) as show:
        pace = Pace(options.speed)
        return play_in_process(script, board, pace, stop, show, incidents=options.incidents)


def _script(options: Options) -> Script:
    table = build_sleeves(load_prices())
    return write_script(table, read_policy(POLICY), bars=options.bars, incidents=options.incidents)


def _board(script: Script) -> Board:
    strategies = script.policy.strategies
    assert isinstance(strategies, tuple)
    return Board(
        books={
            "1/N": equal_weight(script.returns),
            "inverse volatility": inverse_volatility(script.returns),
            "S&P 500": index(script.benchmark),
        },
        families={entry.id: entry.family for entry in strategies},
    )


class _Play:
    """One run on a broker, in a scope of its own."""

    def __init__(
        self, broker: Broker, writing: Future[Script], options: Options, stop: threading.Event
    ) -> None:
        self._writing, self._options, self._stop = writing, options, stop
        self._kafka = broker.settings(f"demo-{secrets.token_hex(3)}.")
        self._environment = self._kafka.environment()
        self._port = choose_port(options.port) if options.serves else None
        self._processes: list[Supervisor] = []
        self._outlives_us = broker.kind == "external"
        self._begun_s = time.monotonic()

    def run(self) -> dict[str, Any]:
        """Start the engine, publish, show; end everything that was started."""
        kafka = self._kafka
        created = create_topics(kafka)
        note(f"[2/4] topics: {len(created.created)} created under {kafka.scope}")
        reject = ("--reject", str(REJECTED_COMMAND)) if self._options.incidents else ()
        commands = (*ENGINE, executor(kafka.bootstrap, kafka.scope, *reject))
        remember_run(kafka)
        try:
            with (
                TemporaryDirectory(prefix="apse-demo-") as logs,
                Supervisor(commands, self._environment, logs=Path(logs)) as engine,
                ExitStack() as beside,
            ):
                note("[3/4] engine: ingest, portfolio worker, optimizer, paper executor started")
                self._processes.append(engine)
                self._script = self._writing.result()
                self._board = _board(self._script)
                self._play(beside, Path(logs))
        finally:
            forget_run()
            if self._outlives_us:
                delete_scope(kafka.bootstrap, kafka.scope, kafka.security())
        return self._board.answer()

    def _play(self, beside: ExitStack, logs: Path) -> None:
        script = self._script
        with (
            Sender(self._kafka) as sender,
            Reader(self._kafka, tuple(topic for topic, _ in _SHOWN.values())) as reader,
        ):
            sender.portfolio(script.policy)
            sender.flush()
            for number in range(script.history):
                self._publish(sender, number)
            note(
                f"[4/4] history: {self._board.published} returns of {script.history} sessions sent"
            )
            # Here as well as below the table, which a small screen does not show to its end.
            topic = self._kafka.scope + REBALANCE.name
            note("in another terminal: apse explain last; apse halt --portfolio demo; one command:")
            note(f"  kcat -C -b {self._kafka.bootstrap} -t {topic} -o beginning -c 1")
            self._serve(beside, logs)
            with _Screen(self._board, quiet=self._options.quiet) as show:
                pace = Pace(self._options.speed)
                for number in range(script.history, len(script.sessions)):
                    if self._stop.is_set():
                        return
                    pace.wait(partial(self._look, reader, show))
                    self._publish(sender, number)
                sender.flush()
                self._settle(reader, show)

    def _serve(self, beside: ExitStack, logs: Path) -> None:
        """Start the API, after the engine has its history: both want the processor at first."""
        if self._port is None:
            return
        environment = {**self._environment, **environment_of(self._port)}
        self._processes.append(beside.enter_context(Supervisor((API,), environment, logs=logs)))
        note(words_of(self._port))
        if self._options.browser and not self._options.leave:
            open_browser(self._port)

    def _publish(self, sender: Sender, number: int) -> None:
        session = self._script.sessions[number]
        for key, value in session.records:
            sender.raw(RETURNS, key, value)
        self._board.published += session.values
        if session.incident is not None:
            self._board.incident = session.incident
        self._board.footer = self._footer(session.end_ns)

    def _look(self, reader: Reader, show: Callable[[], None]) -> None:
        """Read what the engine has published, keep its processes running, refresh the picture."""
        for processes in self._processes:
            processes.check()
        for record in reader.poll(0.02):
            _, kind = _SHOWN[record.topic]
            self._board.take(msgspec.json.decode(record.value, type=kind))
        if self._board.first_command_s is None and self._board.commands:
            self._board.first_command_s = time.monotonic() - self._begun_s
            if not (out.is_terminal and notes.is_terminal):  # else it would tear the picture
                note(f"first command {self._board.first_command_s:.1f} s after the broker was up")
        show()

    def _settle(self, reader: Reader, show: Callable[[], None]) -> None:
        """Wait until every bar is walked and every command acknowledged; then leave or stay."""
        end_s = time.monotonic() + SETTLE_TIMEOUT_S
        bars = len(self._script.sessions)
        while not self._stop.is_set():
            self._look(reader, show)
            done = (
                self._board.state is not None
                and self._board.state.bar_number >= bars
                and self._board.settled
            )
            if done and self._options.leave:
                return
            if done:
                self._board.incident = "the play is over; the engine runs on until Ctrl-C"
            elif self._options.leave and time.monotonic() > end_s:
                message = (
                    f"the engine is not through after {SETTLE_TIMEOUT_S:.0f} s:"
                    f" {self._board.line()}"
                )
                raise DemoStalledError(message)

    def _footer(self, end_ns: int) -> tuple[str, ...]:
        where, topic = self._kafka.bootstrap, self._kafka.scope + RETURNS.name
        row = f'{{"strategy_id":"mine","period_end":"{format_instant(end_ns)}","return":0.001}}'
        served = () if self._port is None else (words_of(self._port),)
        return (
            *served,
            "Try in another terminal:",
            "  apse explain last",
            "  apse halt --portfolio demo     (and: apse resume --portfolio demo)",
            "  apse strategy add mine --family trend --portfolio demo     then publish your own:",
            f"  echo '{row}' |",
            f"    kcat -P -b {where} -t {topic} -k mine",
            _CAVEAT,
        )


class _Screen:
    """A live table on a terminal, a line now and then elsewhere, nothing when quiet."""

    def __init__(self, board: Board, *, quiet: bool) -> None:
        self._board, self._quiet = board, quiet
        self._live = (
            Live(console=out, refresh_per_second=5) if out.is_terminal and not quiet else None
        )
        self._line_s = 0.0

    def __enter__(self) -> Callable[[], None]:
        if self._live is not None:
            self._live.start()
        return self._show

    def __exit__(self, *_: object) -> None:
        self._show()
        if self._live is not None:
            self._live.stop()

    def _show(self) -> None:
        if self._quiet:
            return
        if self._live is not None:
            self._live.update(self._board.picture())
        elif time.monotonic() - self._line_s > LINE_EVERY_S:
            self._line_s = time.monotonic()
            out.print(self._board.line(), markup=False, highlight=False, soft_wrap=True)
