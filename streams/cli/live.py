"""Commands that talk to a live engine, or run one."""

import signal
import threading
import uuid
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer
from rich.table import Table

from schemas.events import ControlRequest, RiskSignal, StrategyRegistration
from schemas.topics import DEAD_LETTERS, RETURNS, TOPICS
from schemas.units import FAMILIES
from streams.cli.console import EXIT_INPUT, fail, note, out, print_json
from streams.cli.explain import explain
from streams.core.errors import ConfigError
from streams.files import read_returns, to_messages
from streams.kafka.broker import resolve_broker
from streams.operate.current import forget_run, reachable_settings, remember_run
from streams.operate.doctor import examine
from streams.operate.portfolio_file import read_policy
from streams.operate.publish import Pace, publish_table
from streams.operate.read import Reader, Received
from streams.operate.send import Sender
from streams.operate.supervisor import ENGINE, Supervisor, executor
from streams.operate.topics import create_topics
from streams.settings import KafkaSettings

CHECK_INTERVAL_S = 0.2

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PortfolioId = Annotated[str, typer.Option("--portfolio", help="Id of the portfolio.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the decision.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(up)
    app.command("demo")(demo_command)
    app.command()(topics)
    app.command()(publish)
    app.command()(tail)
    app.command()(doctor)
    app.command("explain")(explain)


def up(
    portfolio: Annotated[
        list[Path] | None,
        typer.Option("--portfolio", help="Portfolio file to register; may be repeated."),
    ] = None,
    scope: Annotated[str, typer.Option(help="Prefix of all topics and groups.")] = "",
    logs: Annotated[Path | None, typer.Option(help="Folder for the processes' logs.")] = None,
) -> None:
    """Run ingest, portfolio worker, optimizer and paper executor under one supervisor until interrupted."""
    policies = [read_policy(path) for path in portfolio or []]
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with resolve_broker() as broker:
        note(broker.note)
        kafka = KafkaSettings(bootstrap=broker.bootstrap, scope=scope)
        report = create_topics(kafka)
        note(f"topics: {len(report.created)} created, {len(report.existing)} there already")
        with Sender(kafka) as sender:
            for policy in policies:
                sender.portfolio(policy)
        environment = {"APSE_KAFKA__BOOTSTRAP": kafka.bootstrap, "APSE_KAFKA__SCOPE": kafka.scope}
        remember_run(kafka.bootstrap, kafka.scope)
        try:
            commands = (*ENGINE, executor(kafka.bootstrap, kafka.scope))
            with Supervisor(commands, environment, logs=logs) as engine:
                note("engine running; Ctrl-C stops it")
                while not stop.wait(CHECK_INTERVAL_S):
                    engine.check()
        finally:
            forget_run()


def demo_command(
    speed: Annotated[
        float | None,
        typer.Option(min=0.01, help="Bars a second; 5 by default, with --exit as fast as it goes."),
    ] = None,
    bars: Annotated[int | None, typer.Option(min=2, help="Bars in all, history included.")] = None,
    incidents: Annotated[bool, typer.Option(help="Stage labelled incidents.")] = True,
    leave: Annotated[
        bool, typer.Option("--exit", help="End by itself after the last bar.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Start a broker and the whole engine, preload history to 2007, play on, and show it live."""
    from streams.demo.run import DEFAULT_SPEED, Options, demo  # noqa: PLC0415  # the example strategies need the demo packages

    pace = speed if speed is not None or leave else DEFAULT_SPEED
    answer = demo(Options(bars=bars, speed=pace, incidents=incidents, leave=leave, quiet=as_json))
    if as_json:
        print_json(answer)


def topics(
    create: Annotated[
        bool, typer.Option("--create", help="Create those that are missing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the table of topics; with --create make those that are missing."""
    if create:
        kafka = reachable_settings().kafka
        report = create_topics(kafka)
        answer = {
            "created": report.created,
            "existing": report.existing,
            "differences": report.differences,
        }
        if as_json:
            print_json(answer)
        else:
            for name, found in answer.items():
                out.print(f"{name}: {', '.join(found) or 'none'}", markup=False, highlight=False)
        return
    fields = ("name", "key", "encoding", "partitions", "cleanup", "writer", "readers")
    if as_json:
        print_json(
            [msgspec.to_builtins({f: getattr(topic, f) for f in fields}) for topic in TOPICS]
        )
        return
    table = Table(*fields)
    for topic in TOPICS:
        table.add_row(*(_cell(getattr(topic, field)) for field in fields))
    out.print(table)


def publish(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Returns, CSV or Parquet.", exists=True, dir_okay=False
        ),
    ],
    bar: Annotated[str, typer.Option(help="Bar of the portfolio, to close its last one.")] = "1d",
    backfill: Annotated[
        bool, typer.Option("--backfill", help="As fast as the broker takes it (the default).")
    ] = False,
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="Bars a second, instead of all at once.")
    ] = None,
    portfolio: Annotated[
        str | None,
        typer.Option("--portfolio", help="Register the strategies with this portfolio first."),
    ] = None,
    family: Annotated[str, typer.Option(help="Family they are registered under.")] = "other",
    as_json: Json = False,
) -> None:
    """Publish a file of returns. Publishing it twice changes nothing."""
    if backfill and speed is not None:
        fail("--backfill and --speed exclude each other", EXIT_INPUT)
    table = read_returns(path)
    with Sender(reachable_settings().kafka) as sender:
        if portfolio is not None:
            for name in table.names:
                sender.strategy(
                    StrategyRegistration(strategy_id=name, family=family, portfolios=(portfolio,))
                )
            sender.flush()
        count = publish_table(sender, to_messages(table, _bar(bar)), Pace(speed))
    if as_json:
        print_json({"records_published": count, "strategies": len(table.names)})
    else:
        out.print(
            f"published {count} returns and marks of {len(table.names)} strategies", highlight=False
        )


def tail(
    topic: Annotated[str, typer.Argument(help="A topic's name, or a part of it.")] = "rebalance",
    count: Annotated[
        int | None, typer.Option("-n", min=1, help="Stop after so many records.")
    ] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Not only what comes from now on.")
    ] = False,
) -> None:
    """Print the records of one topic as they come, one JSON document a line."""
    matching = [entry for entry in TOPICS if topic in entry.name]
    if len(matching) != 1 or matching[0].encoding == "msgpack":
        names = ", ".join(entry.name for entry in TOPICS if entry.encoding != "msgpack")
        fail(f"{topic!r} does not name one topic among {names}", EXIT_INPUT)
    seen = 0
    with Reader(reachable_settings().kafka, (matching[0],), from_end=not from_beginning) as reader:
        try:
            while count is None or seen < count:
                for record in reader.poll(
                    0.2, count=500 if count is None else min(500, count - seen)
                ):
                    out.out(record.value.decode(errors="replace"), highlight=False)
                    seen += 1
        except KeyboardInterrupt:
            return


def doctor(as_json: Json = False) -> None:
    """Say what works here, what does not, and how to mend it."""
    findings = examine(reachable_settings())
    if as_json:
        print_json([msgspec.to_builtins(finding) for finding in findings])
    else:
        for finding in findings:
            mark = {"ok": "[green]ok  [/]", "warn": "[yellow]warn[/]", "bad": "[red]bad [/]"}[
                finding.status
            ]
            out.print(mark, end=" ")
            out.print(
                f"{finding.what}: {finding.detail}", markup=False, highlight=False, soft_wrap=True
            )
    if any(finding.status == "bad" for finding in findings):
        raise typer.Exit(1)


def _bar(text: str) -> Any:
    from schemas.policy import Bar

    try:
        return msgspec.convert(text, Bar)
    except msgspec.ValidationError as error:
        message = f"--bar {text!r}: {error}"
        raise ConfigError(message) from error


def _cell(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
