"""The portfolio agent: the fold over the journal, behind a Faust agent.

``python -m streams.agents.portfolio`` runs one worker; settings come from the environment.
"""

import asyncio
from typing import Any

import faust
from faust.types import TP

from schemas.topics import JOURNAL
from streams.agents.crash import EXIT_AGENT, leave
from streams.agents.shards import Shards
from streams.agents.shell import new_app, raw_topic, run_worker, start_where
from streams.observe.log import configure_logging, get_logger
from streams.settings import Settings, load_settings

TICK_S = 0.05

log = get_logger("portfolio")


def build(settings: Settings, *, instance: str | None) -> faust.App:
    """Return the app: one agent over the journal, one task for checkpoints and nudges."""
    app = new_app(settings, "portfolio", instance=instance)
    journal = settings.kafka.scope + JOURNAL.name
    shards = Shards(settings)

    async def resume(mine: set[int]) -> dict[int, int]:
        missing = shards.missing(mine)
        loaded = await asyncio.get_running_loop().run_in_executor(None, shards.load, missing)
        shards.install(loaded)
        log.info("assigned", shards=sorted(shards.owned))
        return {number: owned.shard.next_offset for number, owned in shards.owned.items()}

    start_where(journal, resume)

    @app.agent(raw_topic(app, journal, acks=False), concurrency=1)
    async def fold(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            try:
                shards.apply(message.partition, message.offset, event.value)
            except Exception as error:  # noqa: BLE001  # Faust would pass the record over and go on
                leave(EXIT_AGENT, f"journal offset {message.partition}/{message.offset}: {error!r}")

    @app.task
    async def keep() -> None:
        while not app.should_stop:
            await asyncio.sleep(TICK_S)
            try:
                shards.tick()
                for number in list(shards.owned):
                    shards.watch(number, app.consumer.highwater(TP(journal, number)))
            except Exception as error:  # noqa: BLE001  # a dead task would stop the checkpoints
                leave(EXIT_AGENT, f"interval task: {error!r}")

    return app


def main() -> None:
    """Run a worker."""
    settings = load_settings()
    configure_logging(settings.log, process="portfolio")
    run_worker(build(settings, instance=settings.engine.instance))


if __name__ == "__main__":
    main()
