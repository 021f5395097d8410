"""The portfolio agent: the fold over the journal, behind a Faust agent.

``python -m streams.agents.portfolio`` runs one worker; settings come from the environment.
"""

import asyncio
from typing import Final

import faust
from faust.types import TP

from schemas.topics import JOURNAL
from streams.agents.crash import EXIT_AGENT, EXIT_REFUSED, leave
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
from streams.kafka.reach import watch_broker
from streams.observe.log import configure_logging, get_logger
from streams.observe.metrics import serve
from streams.observe.probes import all_of
from streams.settings import Settings, load_settings

TICK_S: Final = 0.05

log = get_logger("portfolio")


def build(settings: Settings) -> faust.App:
    """Return the app: one agent over the journal, one task for checkpoints and nudges."""
    app = new_app(settings, "portfolio", instance=settings.engine.instance)
    journal = settings.kafka.scope + JOURNAL.name
    shards = Shards(settings)
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
        return {number: owned.shard.next_offset for number, owned in shards.owned.items()}

    start_where(journal, resume)

    @app.agent(raw_topic(app, journal, acks=False), concurrency=1)
    async def fold(stream: Events) -> None:
        async for event in stream.events():
            message = event.message
            try:
                shards.apply(message.partition, message.offset, event.value)
            except Exception as error:  # noqa: BLE001  # Faust would pass the record over and go on
                leave(EXIT_AGENT, f"journal offset {message.partition}/{message.offset}: {error!r}")
            await asyncio.sleep(0)  # a full buffer never waits: let the interval task have its turn

    async def keep() -> None:
        while not app.should_stop:
            await asyncio.sleep(TICK_S)
            try:
                shards.tick()
                for number in list(shards.owned):
                    shards.watch(number, end_offset(app, TP(journal, number)))
            except Exception as error:  # noqa: BLE001  # a dead task would stop the checkpoints
                leave(EXIT_AGENT, f"interval task: {error!r}")

    task_of(app, keep)
    return app


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
