"""The optimizer agent: stateless, it solves requests in a process pool.

It replies through the journal. ``python -m streams.agents.optimizer`` runs one worker. A request
that is lost on the way is issued again by the fold, and one that is solved twice does no harm: the
first reply wins. This module is imported again by each process of the pool, so that Faust is
imported by :func:`build` alone.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Final

from confluent_kafka import Producer

from schemas.codec import decode_request
from schemas.optimize import OptimizeRequest
from schemas.topics import JOURNAL, OPTIMIZE
from streams.agents.crash import (
    EXIT_AGENT,
    EXIT_DELIVERY,
    EXIT_REFUSED,
    crash_point,
    leave,
)
from streams.agents.pool import Pool
from streams.core.errors import ConfigError
from streams.kafka.clients import producer_config
from streams.kafka.reach import watch_broker
from streams.observe.log import configure_logging, get_logger
from streams.observe.metrics import serve
from streams.observe.probes import all_of
from streams.observe.solves import observe_reply
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    import faust

POLL_S: Final = 0.002

log = get_logger("optimizer")


class Answerer:
    """Answers requests: the pool in front, the journal behind."""

    def __init__(self, settings: Settings) -> None:
        own = settings.optimizer
        awaited_ms = settings.engine.nudge_after_ms
        self._pool = Pool(own.processes, own.deadline_ms, own.memory_max_mb, awaited_ms=awaited_ms)
        config = producer_config(settings.kafka.bootstrap, client_id="apse-optimizer", gapless=True)
        self._producer = Producer(config | {"linger.ms": 0} | settings.kafka.security())
        self._journal = settings.kafka.scope + JOURNAL.name

    async def take(self, offset: int, data: bytes) -> None:
        """Answer one record of the requests; pass over what is none."""
        try:
            request = decode_request(data)
        except ValueError as error:
            log.error("request_refused", offset=offset, error=str(error))  # noqa: TRY400  # no bug
            return
        try:
            await self._answer(request, data)
        except Exception as error:  # noqa: BLE001  # Faust would pass the request over and go on
            leave(EXIT_AGENT, f"request {request.request_id}: {error!r}")

    async def _answer(self, request: OptimizeRequest, data: bytes) -> None:
        begun_s = time.perf_counter()
        beside = tuple(shadow.name for shadow in request.shadows)
        solving = asyncio.ensure_future(self._pool.solve(data, beside))
        await asyncio.sleep(0)  # the pool has it now
        crash_point("while_solving")
        record = await solving
        observe_reply(record, time.perf_counter() - begun_s)
        crash_point("before_reply")
        self._producer.produce(
            self._journal, record, partition=request.shard, on_delivery=_delivered
        )
        while len(self._producer):
            self._producer.poll(0)
            await asyncio.sleep(POLL_S)
        crash_point("after_reply")


class Joined:
    """Whether requests are read: not before the group has met, nor while it meets again."""

    def __init__(self) -> None:
        self._assigned = False

    def note(self, assigned: bool) -> None:  # noqa: FBT001  # what a signal tells
        """Take note of an assignment, or of its end."""
        self._assigned = assigned

    def reasons(self) -> list[str]:
        """Return why requests are not read; nothing when they are."""
        return [] if self._assigned else ["no requests are assigned"]


def _delivered(error: object, _: object) -> None:
    if error is not None:
        leave(EXIT_DELIVERY, f"reply: {error}")


def build(
    settings: Settings, answerer: Answerer, assigned: "Callable[[bool], None]"
) -> "tuple[faust.App, Callable[[faust.App], None]]":
    """Return the app, one agent over the requests, and what runs it.

    ``assigned`` is told whenever partitions of the requests come, True, and go, False.
    """
    from streams.agents.shell import (  # noqa: PLC0415  # see the module's own words
        Events,
        new_app,
        on_assigned,
        raw_topic,
        run_worker,
    )

    app = new_app(settings, "optimizer", instance=settings.optimizer.instance)
    requests = raw_topic(app, settings.kafka.scope + OPTIMIZE.name, acks=True)
    on_assigned(app, assigned)

    @app.agent(requests, concurrency=1)
    async def optimize(stream: Events) -> None:
        async for event in stream.events():
            await answerer.take(event.message.offset, event.value or b"")

    return app, run_worker


def main() -> None:
    """Run a worker."""
    try:
        settings = load_settings()
    except ConfigError as error:
        leave(EXIT_REFUSED, str(error))
    configure_logging(settings.log, process="optimizer")
    joined = Joined()
    serve(settings.metrics, "optimizer", (), all_of(watch_broker(settings), joined.reasons))
    # the pool warms up while Faust is imported
    app, run = build(settings, Answerer(settings), joined.note)
    run(app)


if __name__ == "__main__":
    main()
