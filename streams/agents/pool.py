"""Solving in processes of their own, with a deadline; what hangs or dies costs one failed reply.

Imported by the pool's processes, so that nothing of Kafka is loaded there.
"""

import asyncio
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from threadpoolctl import threadpool_limits

from schemas.codec import decode_record, decode_request, encode_record
from schemas.journal import Reply
from schemas.optimize import ShadowAnswer, SolveDiagnostics
from streams.agents.crash import crash_point
from streams.core.optimize import Failed, Outcome
from streams.core.requests import reply_to, solve_request
from streams.core.shadows import requests_of, shadow_answer
from streams.observe.log import get_logger
from streams.observe.solves import LATE

T = TypeVar("T")

log = get_logger("pool")

MS_PER_S: Final = 1_000
TRIES: Final = 2
PAPER_SHARE: Final = 0.9
"""Of the time in which an answer is awaited; the rest is for its way through the journal."""

DIED: Final = "the solving process died twice over it"


def solve_bytes(data: bytes) -> bytes:
    """Solve one encoded request; return the encoded journal record of its reply.

    Runs in a pool process. A request that cannot be worked with is a failed reply: the fold waits
    for an answer, and sending the same request again would not help.
    """
    request = decode_request(data)
    begun_s = time.perf_counter()
    crash_point("mid_solve")
    outcome: Outcome
    try:
        outcome = solve_request(request)
    except Exception as error:  # noqa: BLE001  # whatever it is, the agent goes on
        outcome = Failed(reason=f"the request cannot be solved: {error!r}")
    facts = SolveDiagnostics(
        solve_seconds=time.perf_counter() - begun_s, worker=f"pid-{os.getpid()}", iterations=0
    )
    return encode_record(Reply(reply=reply_to(request, outcome, facts)))


def solve_shadow_bytes(data: bytes, place: int) -> ShadowAnswer:
    """Solve what one paper book of an encoded request asks. Runs in a pool process."""
    name, request = list(requests_of(decode_request(data)))[place]
    return shadow_answer(name, request)


def prepare_process() -> None:
    """Make a pool process ready: one BLAS thread; it ends with its parent, not by Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave when the parent is gone; the pool's own pipes stay open in each process."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "runs in a pool process"
    wait([parent.sentinel])
    os._exit(0)


class Pool:
    """A process pool with a deadline.

    Parameters
    ----------
    processes
        Size of the pool.
    deadline_ms
        Time that one solve may take.
    memory_max_mb
        A process that holds more after a solve is replaced; 0 is no bound. Only Linux tells.
    awaited_ms
        Time after which an answer is asked for again; ``deadline_ms`` where that is not told.
    """

    def __init__(
        self,
        processes: int,
        deadline_ms: int,
        memory_max_mb: int = 0,
        *,
        awaited_ms: float = math.inf,
    ) -> None:
        self._processes = processes
        self._deadline_s = deadline_ms / MS_PER_S
        self._paper_s = PAPER_SHARE * min(deadline_ms, awaited_ms) / MS_PER_S
        self._memory_max_mb = memory_max_mb
        self._under_way = 0
        self._executor = self._start()

    async def solve(self, data: bytes, shadows: tuple[str, ...] = ()) -> bytes:
        """Return the encoded reply to one encoded request; a solve that fails is a reply too.

        A process that was ended from outside says nothing about the request: it is solved once more
        in a new one. The second death is taken for an answer.

        The paper books that ask in the request, by name, are solved after the main book, in what
        it leaves of a time that ends before the answer is asked for again: none of them can cost
        the main book its answer, or a second solve.
        """
        self._under_way += 1
        try:
            return await self._answer(data, shadows)
        finally:
            self._under_way -= 1
            self._shed()

    async def _answer(self, data: bytes, shadows: tuple[str, ...]) -> bytes:
        paper_end_s = time.monotonic() + self._paper_s
        try:
            record = await self._try(partial(solve_bytes, data), lambda: self._deadline_s)
        except TimeoutError:
            record = _given_up(data, f"{LATE} {self._deadline_s} s")
        except BrokenProcessPool:
            record = _given_up(data, DIED)
        if not shadows:
            return record
        answers = await self._shadows(data, shadows, paper_end_s)
        reply = decode_record(record)
        assert isinstance(reply, Reply)
        return encode_record(Reply(reply=msgspec.structs.replace(reply.reply, shadows=answers)))

    async def _shadows(
        self, data: bytes, names: tuple[str, ...], end_s: float
    ) -> tuple[ShadowAnswer, ...]:
        """Solve what the paper books ask, one after another, to an end on the monotonic clock."""

        def left_s() -> float:
            return end_s - time.monotonic()

        answers: list[ShadowAnswer] = []
        late = f"solver_failed: {LATE} {self._paper_s:g} s for the main book and all paper books"
        for place, name in enumerate(names):
            if left_s() <= 0.0:
                answers.append(ShadowAnswer(name=name, reason=late))
                continue
            try:
                answers.append(await self._try(partial(solve_shadow_bytes, data, place), left_s))
            except TimeoutError:
                answers.append(ShadowAnswer(name=name, reason=late))
            except BrokenProcessPool:
                answers.append(ShadowAnswer(name=name, reason=f"solver_failed: {DIED}"))
        return tuple(answers)

    async def _try(self, work: Callable[[], T], left_s: Callable[[], float]) -> T:
        """Let a process of the pool work; one that died, or hangs, leaves a new pool behind.

        ``left_s`` is asked at each try for the time that it may take.
        """
        loop = asyncio.get_running_loop()
        for tries_left in reversed(range(TRIES)):
            try:
                task = loop.run_in_executor(self._executor, work)
                return await asyncio.wait_for(task, left_s())
            except TimeoutError:
                self._renew()
                raise
            except BrokenProcessPool:
                self._renew()
                if not tries_left:
                    raise
        raise AssertionError(TRIES)

    def close(self) -> None:
        """End the pool's processes."""
        # There is no public way to end a process that hangs.
        processes = list((self._executor._processes or {}).values())  # noqa: SLF001  # see above
        for process in processes:
            process.kill()
        self._executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.join()

    def _shed(self) -> None:
        """Replace a pool whose processes have grown too large, when nobody waits for them."""
        if not self._memory_max_mb or self._under_way:
            return
        held_mb = max(map(resident_mb, self._executor._processes or {}), default=0.0)  # noqa: SLF001  # see close
        if held_mb > self._memory_max_mb:
            log.warning("solver_too_large", held_mb=round(held_mb), most_mb=self._memory_max_mb)
            self._renew()

    def _renew(self) -> None:
        """Replace the pool."""
        self.close()
        self._executor = self._start()

    def _start(self) -> ProcessPoolExecutor:
        executor = ProcessPoolExecutor(
            self._processes,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=prepare_process,
        )
        for _ in range(self._processes):
            executor.submit(os.getpid)  # prewarmed: the first request does not pay the imports
        return executor


def resident_mb(pid: int) -> float:
    """Return what a process holds in memory, 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _given_up(data: bytes, reason: str) -> bytes:
    """Return the failed reply to a request that no process could answer."""
    facts = SolveDiagnostics(solve_seconds=0.0, worker="", iterations=0)
    return encode_record(Reply(reply=reply_to(decode_request(data), Failed(reason=reason), facts)))
