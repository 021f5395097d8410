"""The portfolio agent: the fold over the journal, behind a Faust agent.

``python -m streams.agents.portfolio`` runs one worker; settings come from the environment.
"""

import asyncio
from functools import partial
from typing import Final

import faust
from faust.types import TP

from schemas.topics import JOURNAL
from streams.agents.crash import EXIT_AGENT, EXIT_REFUSED, leave
from streams.agents.inbox import Inbox
from streams.agents.shards import Shards
from streams.agents.shell import (
    Events,
    end_offset,
    new_app,
    raw_topic,
    run_worker,
    start_where,
    task_of,
)
from streams.core.errors import ConfigError
from streams.kafka.ends import Ends
from streams.kafka.reach import watch_broker
from streams.observe.log import configure_logging, get_logger
from streams.observe.metrics import serve
from streams.observe.probes import all_of
from streams.settings import Settings, load_settings

TICK_S: Final = 0.05

log = get_logger("portfolio")


def build(settings: Settings) -> faust.App:
    """Return the app: an agent that reads the journal, a task that folds it, one for intervals."""
    app = new_app(settings, "portfolio", instance=settings.engine.instance)
    journal = settings.kafka.scope + JOURNAL.name
    shards, inbox = Shards(settings), Inbox()
    not_ready = all_of(watch_broker(settings), shards.not_ready)
    serve(settings.metrics, "worker", [shards.metrics], not_ready)

    async def resume(mine: set[int]) -> dict[int, int]:
        try:
            missing = shards.missing(mine)
            loaded = await asyncio.get_running_loop().run_in_executor(None, shards.load, missing)
            shards.install(loaded)
        except Exception as error:  # noqa: BLE001  # Faust would go on without a position
            leave(EXIT_AGENT, f"shards {sorted(mine)} could not be resumed: {error!r}")
        log.info("assigned", shards=sorted(shards.owned))
        inbox.clear()
        return {number: owned.shard.next_offset for number, owned in shards.owned.items()}

    start_where(journal, resume)

    @app.agent(raw_topic(app, journal, acks=False), concurrency=1)
    async def receive(stream: Events) -> None:
        async for event in stream.events():
            await inbox.put(event.message.partition, event.message.offset, event.value)

    task_of(app, partial(_fold, app, shards, inbox))
    ends = Ends(settings.kafka, journal, settings.engine.shards)
    task_of(app, partial(_keep, app, shards, journal, ends))
    return app


async def _fold(app: faust.App, shards: Shards, inbox: Inbox) -> None:
    while not app.should_stop:
        for number, records in (await inbox.take()).items():
            try:
                shards.apply(number, records)
            except Exception as error:  # noqa: BLE001  # a dead task would fold nothing more
                first, last = records[0][0], records[-1][0]
                leave(EXIT_AGENT, f"journal offsets {number}/{first}-{last}: {error!r}")
        await asyncio.sleep(0)  # a full inbox never waits: let the others have their turn


async def _keep(app: faust.App, shards: Shards, journal: str, ends: Ends) -> None:
    while not app.should_stop:
        await asyncio.sleep(TICK_S)
        try:
            shards.tick()
            for number in list(shards.owned):
                fetched = end_offset(app, TP(journal, number))
                shards.watch(number, max(fetched or 0, ends.of(number)))
        except Exception as error:  # noqa: BLE001  # a dead task would stop the checkpoints
            leave(EXIT_AGENT, f"interval task: {error!r}")


def main() -> None:
    """Run a worker."""
    try:
        settings = load_settings()
    except ConfigError as error:
        leave(EXIT_REFUSED, str(error))
    configure_logging(settings.log, process="portfolio")
    run_worker(build(settings))


if __name__ == "__main__":
    main()
