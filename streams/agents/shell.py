"""What is used of Faust, in one place: an app for one stage, and where its partitions start.

Faust's committed offsets can pass records that were never processed, so they are not used: each
partition of the journal starts where its own checkpoint says, by replacing
``Consumer.perform_seek`` of the pinned version. The decision record on the shell has the
measurements.
"""

import asyncio
import logging
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol

import faust
from aiokafka import AIOKafkaConsumer
from faust.auth import Credentials, SASLCredentials, SSLCredentials
from faust.transport.consumer import Consumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread as ConsumerThread
from faust.transport.drivers.aiokafka import Transport
from faust.types import TP

from streams.core.errors import ApseError
from streams.settings import KafkaSettings, Settings

FAUST_VERSION = "0.15.3"
SESSION_TIMEOUT_S = 6
HEARTBEAT_S = 1.5
POLL_RECORDS_MAX = 500
FETCH_WAIT_MS = 10  # see :func:`_shorten_fetches`; an idle worker asks a hundred times a second


class Message(Protocol):
    """Where an event stood in its topic."""

    partition: int
    offset: int


class Event(Protocol):
    """One record, undecoded."""

    message: Message
    value: bytes | None


class Events(Protocol):
    """What an agent is given: a stream of undecoded records."""

    def events(self) -> AsyncIterator[Event]:
        """Yield the records in the order of their partitions."""


class FaustVersionError(ApseError):
    """The installed Faust is not the one whose method the shell replaces."""


def new_app(settings: Settings, stage: str, *, instance: str | None) -> faust.App:
    """Return a Faust app of one stage: no tables, web server, leader or topics of its own."""
    if faust.__version__ != FAUST_VERSION:
        message = f"faust-streaming {faust.__version__} is installed, {FAUST_VERSION} is needed"
        raise FaustVersionError(message)
    _shorten_fetches()
    return faust.App(
        f"{settings.kafka.scope}{stage}",
        broker=f"kafka://{settings.kafka.bootstrap.replace(',', ';kafka://')}",
        broker_credentials=credentials(settings.kafka),
        store="memory://",
        # Made at every start although nothing is kept there; by default in the working directory.
        datadir=str(Path(tempfile.gettempdir()) / "apse-faust"),
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        table_standby_replicas=0,
        broker_session_timeout=SESSION_TIMEOUT_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_max_poll_records=POLL_RECORDS_MAX,
        stream_wait_empty=False,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=33_554_432,
        consumer_group_instance_id=instance,
        worker_redirect_stdouts=False,
    )


def credentials(kafka: KafkaSettings) -> Credentials | None:
    """Return what logs Faust in, as :meth:`.KafkaSettings.security` logs in the other clients."""
    if not kafka.security():
        return None
    context = ssl.create_default_context(cafile=kafka.ssl_ca_location or None)
    if not kafka.username:
        return SSLCredentials(context)
    return SASLCredentials(
        username=kafka.username,
        password="" if kafka.password is None else kafka.password.reveal(),
        mechanism="SCRAM-SHA-512",
        ssl_context=context,
    )


def _shorten_fetches() -> None:
    """Let a fetch wait for data only briefly, where Faust fixes 1.5 s.

    The driver has one fetch under way, without the partitions whose records are still being taken.
    A record that comes to one of these meanwhile waits until that fetch is over: with steady
    traffic on one partition of twelve, metrics were 1.2 s late, and 10 ms with short fetches.
    """
    create = ConsumerThread._create_worker_consumer  # noqa: SLF001  # the pinned version's own

    def create_brief(self: ConsumerThread, transport: Transport) -> AIOKafkaConsumer:
        consumer = create(self, transport)
        assert consumer._fetch_max_wait_ms, "aiokafka's own field"  # noqa: SLF001  # as above
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001  # no setting leads there
        return consumer

    setattr(ConsumerThread, create.__name__, create_brief)  # as Consumer.perform_seek below


def raw_topic(app: faust.App, name: str, *, acks: bool) -> faust.TopicT:
    """Return a topic of undecoded bytes; without ``acks`` Faust commits nothing for it."""
    return app.topic(
        name, value_type=bytes, value_serializer="raw", key_serializer="raw", acks=acks
    )


def start_where(topic: str, resume: Callable[[set[int]], Awaitable[dict[int, int]]]) -> None:
    """Start each assigned partition of ``topic`` where ``resume`` says, whatever is committed.

    ``resume`` is called at every assignment with the partitions that are ours now. One process runs
    one such stage.
    """
    turn = asyncio.Lock()  # the fetcher and the recovery may both ask, at the same moment

    async def perform_seek(self: Consumer) -> None:
        async with turn:
            mine = {tp.partition for tp in self.assignment() if tp.topic == topic}
            for partition, offset in sorted((await resume(mine)).items()):
                await self.seek(TP(topic, partition), offset)

    Consumer.perform_seek = perform_seek  # type: ignore[method-assign]  # that is the shell


def task_of(app: faust.App, task: Callable[[], Awaitable[None]]) -> None:
    """Let the app run a task beside its agents."""
    app.task(task)


def on_assigned(app: faust.App, told: Callable[[bool], None]) -> None:
    """Tell whenever partitions are assigned to the app, True, and taken away, False."""

    @app.on_partitions_assigned.connect(weak=False)
    async def assigned(_: faust.App, assigned: set[TP], **__: object) -> None:
        told(bool(assigned))

    @app.on_partitions_revoked.connect(weak=False)
    async def revoked(_: faust.App, revoked: set[TP], **__: object) -> None:  # noqa: ARG001  # its keyword
        told(False)  # noqa: FBT003  # one word to one listener


def end_offset(app: faust.App, place: TP) -> int | None:
    """Return the end of the log as the last fetch told it."""
    try:
        return app.consumer.highwater(place)
    except AssertionError:  # what the driver says of a partition that a rebalance is taking away
        return None


def run_worker(app: faust.App) -> None:
    """Run a worker until SIGTERM or SIGINT."""
    worker = faust.Worker(app, loglevel=logging.WARNING, logfile=None, quiet=True)
    worker.execute_from_commandline()
