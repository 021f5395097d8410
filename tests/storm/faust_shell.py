"""The Faust shell: of Faust only the agent, the assignment and the ordered delivery are used.

Own decoding (raw bytes), one event at a time, no acks and no commits: where a partition starts is
the checkpoint's business, by replacing ``Consumer.perform_seek`` of the pinned version.
"""

import asyncio
import logging
import tempfile
from pathlib import Path

import faust
from faust.transport.consumer import Consumer
from faust.types import TP

from tests.storm.shards import Shards, leave, say

EXIT_AGENT = 45
TICK_S = 0.05

assert faust.__version__ == "0.15.3", "the shell replaces a method of exactly this version"


def build(bootstrap: str, scope: str, member: str, *, static: bool) -> faust.App:
    app = faust.App(
        f"{scope}fold",
        broker=f"kafka://{bootstrap}",
        store="memory://",
        # Made at every start although nothing is kept: by default in the working directory.
        datadir=str(Path(tempfile.gettempdir()) / "apse-faust"),
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        table_standby_replicas=0,
        broker_session_timeout=6,
        broker_heartbeat_interval=1.5,
        broker_max_poll_records=500,
        stream_wait_empty=False,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=member if static else None,
        worker_redirect_stdouts=False,
    )
    journal = f"{scope}journal"
    topic = app.topic(
        journal, value_type=bytes, value_serializer="raw", key_serializer="raw", acks=False
    )
    shards = Shards(bootstrap, scope)
    start_at_checkpoint(journal, shards)

    @app.agent(topic, concurrency=1)
    async def fold(stream):
        async for event in stream.events():
            message = event.message
            try:
                shards.apply(message.partition, message.offset, event.value)
            except Exception as error:  # noqa: BLE001  # Faust would skip the event and go on
                leave(EXIT_AGENT, repr(error))

    @app.task
    async def keep():
        while not app.should_stop:
            await asyncio.sleep(TICK_S)
            try:
                shards.tick()
                for partition in shards.owned:
                    shards.watch(partition, end_offset(app, TP(journal, partition)))
            except Exception as error:  # noqa: BLE001  # a dead task would stop the checkpoints
                leave(EXIT_AGENT, repr(error))

    return app


def end_offset(app: faust.App, tp: TP) -> int | None:
    """End of the log as the last fetch told it."""
    try:
        return app.consumer.highwater(tp)
    except AssertionError:  # what the driver says of a partition that a rebalance is taking away
        return None


def start_at_checkpoint(journal: str, shards: Shards) -> None:
    turn = asyncio.Lock()  # the fetcher and the recovery may both ask, at the same moment

    async def perform_seek(self):
        async with turn:
            mine = {tp.partition for tp in self.assignment() if tp.topic == journal}
            states = await asyncio.get_running_loop().run_in_executor(
                None, shards.load, shards.missing(mine)
            )
            shards.install(states)
            for partition in sorted(mine):
                await self.seek(TP(journal, partition), shards.owned[partition].state.next_offset)
            say(f"assigned {[(p, s.state.next_offset) for p, s in sorted(shards.owned.items())]}")

    Consumer.perform_seek = perform_seek


def run(bootstrap: str, scope: str, member: str, *, static: bool) -> None:
    app = build(bootstrap, scope, member, static=static)
    faust.Worker(app, loglevel=logging.INFO, logfile=None).execute_from_commandline()
