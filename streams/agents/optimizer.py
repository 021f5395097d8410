"""The optimizer agent: stateless, it solves requests in a process pool and replies through the journal.

``python -m streams.agents.optimizer`` runs one worker. A request that is lost on the way is issued again by the fold, and one that is
solved twice does no harm: the first reply wins.
"""

import asyncio
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import faust
from confluent_kafka import Producer
from threadpoolctl import threadpool_limits

from schemas.codec import decode_request, encode_record
from schemas.journal import Reply
from schemas.optimize import OptimizeReply, OptimizeRequest, SolveDiagnostics
from schemas.topics import JOURNAL, OPTIMIZE
from streams.agents.crash import EXIT_AGENT, EXIT_DELIVERY, leave
from streams.agents.shell import new_app, raw_topic, run_worker
from streams.core.optimize import Failed
from streams.core.requests import reply_to, solve_request
from streams.kafka.clients import producer_config
from streams.observe.log import configure_logging, get_logger
from streams.settings import Settings, load_settings

POLL_S = 0.002

log = get_logger("optimizer")


def solve_bytes(data: bytes) -> bytes:
    """Solve one encoded request; return the encoded journal record of its reply. Runs in a pool process."""
    request = decode_request(data)
    begun_s = time.perf_counter()
    outcome = solve_request(request)
    facts = SolveDiagnostics(
        solve_seconds=time.perf_counter() - begun_s, worker=f"pid-{os.getpid()}", iterations=0
    )
    return encode_record(Reply(reply=reply_to(request, outcome, facts)))


def prepare_process() -> None:
    """Make a pool process ready before its first request: one BLAS thread, everything imported."""
    threadpool_limits(1)


class Pool:
    """A process pool with a deadline; a process that dies or dawdles costs one failed reply, never the agent."""

    def __init__(self, processes: int, deadline_ms: int) -> None:
        self._processes = processes
        self._deadline_s = deadline_ms / 1_000
        self._executor = self._start()

    async def solve(self, data: bytes) -> bytes:
        """Return the encoded reply to one encoded request."""
        loop = asyncio.get_running_loop()
        try:
            task = loop.run_in_executor(self._executor, solve_bytes, data)
            return await asyncio.wait_for(task, self._deadline_s)
        except TimeoutError:
            return self._give_up(data, f"no answer within {self._deadline_s} s")
        except BrokenProcessPool:
            return self._give_up(data, "the solving process died")

    def _give_up(self, data: bytes, reason: str) -> bytes:
        """Replace the pool and return a failed reply."""
        for process in list((self._executor._processes or {}).values()):  # noqa: SLF001  # no public way to end one that hangs
            process.kill()
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = self._start()
        return encode_record(Reply(reply=_failed(decode_request(data), reason)))

    def _start(self) -> ProcessPoolExecutor:
        executor = ProcessPoolExecutor(
            self._processes,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=prepare_process,
        )
        for _ in range(self._processes):
            executor.submit(os.getpid)  # prewarmed: the first request does not pay the imports
        return executor


def _failed(request: OptimizeRequest, reason: str) -> OptimizeReply:
    facts = SolveDiagnostics(solve_seconds=0.0, worker="", iterations=0)
    return reply_to(request, Failed(reason=reason), facts)


def build(settings: Settings, *, instance: str | None) -> faust.App:
    """Return the app: one agent over the requests."""
    app = new_app(settings, "optimizer", instance=instance)
    pool = Pool(settings.optimizer.processes, settings.optimizer.deadline_ms)
    config = producer_config(settings.kafka.bootstrap, client_id="apse-optimizer", gapless=True)
    producer = Producer(config | {"linger.ms": 0} | settings.kafka.security())
    journal = settings.kafka.scope + JOURNAL.name

    async def answer(request: OptimizeRequest, data: bytes) -> None:
        record = await pool.solve(data)
        producer.produce(journal, record, partition=request.shard, on_delivery=_delivered)
        while len(producer):
            producer.poll(0)
            await asyncio.sleep(POLL_S)

    @app.agent(raw_topic(app, settings.kafka.scope + OPTIMIZE.name, acks=True), concurrency=1)
    async def optimize(stream: Any) -> None:
        async for event in stream.events():
            try:
                request = decode_request(event.value or b"")
            except ValueError as error:
                log.exception("request_refused", offset=event.message.offset, error=str(error))
                continue
            try:
                await answer(request, event.value)
            except Exception as error:  # noqa: BLE001  # Faust would pass the request over and go on
                leave(EXIT_AGENT, f"request {request.request_id}: {error!r}")

    return app


def _delivered(error: object, _: object) -> None:
    if error is not None:
        leave(EXIT_DELIVERY, f"reply: {error}")


def main() -> None:
    """Run a worker."""
    settings = load_settings()
    configure_logging(settings.log, process="optimizer")
    run_worker(build(settings, instance=settings.optimizer.instance))


if __name__ == "__main__":
    main()
