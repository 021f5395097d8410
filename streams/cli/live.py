"""Commands that run an engine, feed it, or look at it."""

import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from schemas.events import StrategyRegistration
from schemas.policy import Bar
from schemas.topics import TOPICS, Topic
from streams.api.hosting import API, choose_port, environment_of, words_of
from streams.cli.explain import explain
from streams.cli.steer import check_family
from streams.core.errors import ConfigError
from streams.files import ReturnsTable, read_returns, to_messages
from streams.kafka.broker import resolve_broker
from streams.operate.console import (
    EXIT_FAILED,
    EXIT_INPUT,
    answer,
    fail,
    note,
    out,
    print_json,
    say,
    table,
)
from streams.operate.current import forget_run, reachable_kafka, reachable_settings, remember_run
from streams.operate.doctor import examine
from streams.operate.members import bar_of, read_registry
from streams.operate.portfolio_file import read_policy
from streams.operate.publish import Pace, publish_table
from streams.operate.read import Reader, Received
from streams.operate.send import Sender
from streams.operate.supervisor import ENGINE, Supervisor, executor
from streams.operate.topics import create_topics
from streams.settings import KafkaSettings

CHECK_INTERVAL_S = 0.2
BAR_DEFAULT: Bar = "1d"

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Port = Annotated[
    int | None,
    typer.Option(min=1, max=65_535, help="Port of API and dashboard; the first free from 8080."),
]


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
        typer.Option(
            "--portfolio",
            help="Portfolio file to register; may be repeated.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    scope: Annotated[str, typer.Option(help="Prefix of all topics and groups.")] = "",
    logs: Annotated[
        Path | None, typer.Option(help="Folder for the processes' logs.", file_okay=False)
    ] = None,
    paper: Annotated[bool, typer.Option(help="Run the paper executor beside the engine.")] = True,
    serve: Annotated[
        bool, typer.Option("--api", help="Serve the API and the dashboard as well.")
    ] = False,
    port: Port = None,
) -> None:
    """Run ingest, worker, optimizer and paper executor until interrupted."""
    served_at = choose_port(port) if serve or port is not None else None
    policies = [read_policy(path) for path in portfolio or []]
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with resolve_broker() as broker:
        note(broker.note)
        kafka = broker.settings(scope)
        report = create_topics(kafka)
        note(f"topics: {len(report.created)} created, {len(report.existing)} there already")
        with Sender(kafka) as sender:
            for policy in policies:
                sender.portfolio(policy)
        environment = kafka.environment()
        remember_run(kafka)
        try:
            fills = (executor(kafka.bootstrap, kafka.scope),) if paper else ()
            commands = (*ENGINE, *fills)
            if served_at is not None:
                commands, environment = (*commands, API), environment | environment_of(served_at)
                note(words_of(served_at))
            with Supervisor(commands, environment, logs=logs) as engine:
                note("engine running; Ctrl-C stops it")
                while not stop.wait(CHECK_INTERVAL_S):
                    engine.check()
        finally:
            forget_run()


def demo_command(
    *,
    speed: Annotated[
        float | None,
        typer.Option(min=0.01, help="Bars a second; 5 by default, with --exit as fast as it goes."),
    ] = None,
    bars: Annotated[
        int | None,
        typer.Option(min=2, help="Bars in all, with 504 of history; to the end by default."),
    ] = None,
    incidents: Annotated[
        bool,
        typer.Option(
            help="Stage labelled incidents: a twin, poison, a silence, a revision, a rejection."
        ),
    ] = True,
    leave: Annotated[
        bool, typer.Option("--exit", help="End by itself after the last bar.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures of the run as JSON at its end.")
    ] = False,
    port: Port = None,
    browser: Annotated[bool, typer.Option(help="Open the dashboard in a browser.")] = True,
) -> None:
    """Start a broker and the engine, preload history to 2007, play on, and show it live."""
    from streams.demo.run import (  # noqa: PLC0415  # the example strategies need the demo packages
        DEFAULT_SPEED,
        Options,
        demo,
    )

    pace = speed if speed is not None or leave else DEFAULT_SPEED
    options = Options(
        bars=bars,
        speed=pace,
        incidents=incidents,
        leave=leave,
        quiet=as_json,
        port=port,
        browser=browser,
    )
    figures = demo(options)
    if as_json:
        print_json(figures)


def topics(
    create: Annotated[
        bool, typer.Option("--create", help="Create those that are missing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the table of topics; with --create make those that are missing."""
    if create:
        report = create_topics(reachable_kafka())
        made = {
            "created": report.created,
            "existing": report.existing,
            "differences": report.differences,
        }
        lines = [f"{what}: {', '.join(found) or 'none'}" for what, found in made.items()]
        answer(made, "\n".join(lines), as_json=as_json)
        return
    fields = ("name", "summary", "key", "encoding", "partitions", "cleanup", "writer", "readers")
    if as_json:
        listed = [{field: getattr(topic, field) for field in fields} for topic in TOPICS]
        print_json(msgspec.to_builtins(listed))
        return
    rows = table("name", "what", "writer", "readers", figures=("partitions",))
    for topic in TOPICS:
        readers = ", ".join(topic.readers)
        rows.add_row(topic.name, topic.summary, topic.writer, readers, str(topic.partitions))
    out.print(rows)


def publish(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Returns, CSV or Parquet, long or wide.",
            exists=True,
            dir_okay=False,
        ),
    ],
    *,
    bar: Annotated[
        str | None,
        typer.Option(help="Bar whose end closes the file; the portfolio's own by default."),
    ] = None,
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
    check_family(family)
    returns = read_returns(path)
    kafka = reachable_kafka()
    closing = _bar(kafka, returns, bar, portfolio)
    with Sender(kafka) as sender:
        if portfolio is not None:
            for name in returns.names:
                sender.strategy(
                    StrategyRegistration(strategy_id=name, family=family, portfolios=(portfolio,))
                )
            sender.flush()
        count = publish_table(sender, to_messages(returns, closing), Pace(speed))
    figures = {"records_published": count, "strategies": len(returns.names), "bar": closing}
    words = f"published {count} returns and marks of {len(returns.names)} strategies"
    answer(figures, words, as_json=as_json)


def _bar(
    kafka: KafkaSettings, returns: ReturnsTable, wanted: str | None, portfolio: str | None
) -> Bar:
    """Return the bar that closes the file: the one asked for, else the portfolio's."""
    if wanted is not None:
        try:
            asked: Bar = msgspec.convert(wanted, Bar)
        except msgspec.ValidationError as error:
            message = f"--bar {wanted!r}: {error}"
            raise ConfigError(message) from error
        return asked
    found = bar_of(read_registry(kafka), returns.names, portfolio)
    if found is None:
        note(
            "no registered portfolio has any of these strategies: they will be refused and kept"
            " (`apse dlq list`); --portfolio registers them"
        )
    return found or BAR_DEFAULT


def tail(
    topic: Annotated[str, typer.Argument(help="A topic's name, or a part of it.")] = "rebalance",
    count: Annotated[
        int | None, typer.Option("-n", min=1, help="Stop after so many records.")
    ] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Not only what comes from now on.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Wrap each record with its place, key and headers.")
    ] = False,
) -> None:
    """Print the records of one topic as they come, one JSON document a line."""
    chosen = _topic(topic)
    seen = 0
    with Reader(reachable_kafka(), (chosen,), from_end=not from_beginning) as reader:
        try:
            while count is None or seen < count:
                left = 500 if count is None else min(500, count - seen)
                for record in reader.poll(0.2, count=left):
                    say(_line(record) if as_json else record.value.decode(errors="replace"))
                    seen += 1
        except KeyboardInterrupt:
            return


def _topic(wanted: str) -> Topic:
    readable = [topic for topic in TOPICS if topic.encoding != "msgpack"]
    matching = [topic for topic in readable if wanted in topic.name]
    exact = [topic for topic in matching if wanted == topic.name]
    if len(exact or matching) != 1:
        names = ", ".join(topic.name for topic in matching or readable)
        fail(f"{wanted!r} does not name one topic; it could be {names}", EXIT_INPUT)
    return (exact or matching)[0]


def _line(record: Received) -> str:
    def text(data: bytes) -> str:
        return data.decode(errors="replace")

    document = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": text(record.key),
        "headers": {name: text(value) for name, value in record.headers.items()},
        "value": text(record.value),
    }
    with suppress(msgspec.DecodeError):  # a dead letter may hold anything: then its text stays
        document["value"] = msgspec.json.decode(record.value)
    return msgspec.json.encode(document).decode()


def doctor(as_json: Json = False) -> None:
    """Say what works here, what does not, and how to mend it."""
    findings = examine(reachable_settings())
    if as_json:
        print_json(msgspec.to_builtins(findings))
    else:
        for finding in findings:
            colour = {"ok": "green", "warn": "yellow", "bad": "red"}[finding.status]
            out.print(f"[{colour}]{finding.status:<4}[/] ", end="")
            say(f"{finding.what}: {finding.detail}")
    if any(finding.status == "bad" for finding in findings):
        raise typer.Exit(EXIT_FAILED)
