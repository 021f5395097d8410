"""Live events to many listeners: one reader of the store, a bounded queue for each listener."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

import structlog

from streams.readmodel.store import ForgottenError, Store, StoreUnavailableError, Told

POLL_S: Final = 0.1
QUEUE_MAX: Final = 1_000  # a listener further behind than this has to begin anew
_BATCH: Final = 1_000

KEEP_ALIVE_S: Final = 15.0  # proxies cut a connection that says nothing for longer

log = structlog.get_logger()


class _Ready(NamedTuple):
    """An event made ready once for all its listeners."""

    number: int
    data: bytes


class Broadcaster:
    """Follows a store's live events and hands each to every listener of its portfolio."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listeners: dict[asyncio.Queue[_Ready | None], str] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def listeners(self) -> int:
        """Return how many listen."""
        return len(self._listeners)

    def start(self) -> None:
        """Begin to follow, in the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def stop(self) -> None:
        """End; listeners end with it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for queue in self._listeners:
            _offer(queue, None)

    async def events(self, portfolio_id: str, after: int | None) -> AsyncIterator[bytes]:
        """Yield a portfolio's live events, those after a number first.

        A listener whose place is no longer kept is told to read everything anew (``reset``).
        """
        queue: asyncio.Queue[_Ready | None] = asyncio.Queue(QUEUE_MAX)
        self._listeners[queue] = portfolio_id
        try:
            newest = await asyncio.to_thread(self._store.newest_told)
            yield b"retry: 1000\n\n"
            if after is None:
                yield _event(newest, "hello", b"{}")
            else:
                async for event in self._missed(portfolio_id, after, newest):
                    yield event
            while True:
                try:
                    told = await asyncio.wait_for(queue.get(), KEEP_ALIVE_S)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if told is None:
                    return
                if told.number > newest:
                    yield told.data
        finally:
            del self._listeners[queue]

    async def _missed(self, portfolio_id: str, after: int, through: int) -> AsyncIterator[bytes]:
        while after < through:
            try:
                batch = await asyncio.to_thread(self._store.told, after, _BATCH)
            except ForgottenError:
                yield _event(through, "reset", b"{}")
                return
            for told in batch:
                after = told.number
                if told.portfolio_id == portfolio_id and told.number <= through:
                    yield _event(told.number, told.kind, told.value)
            if not batch:
                return

    async def _follow(self) -> None:
        after: int | None = None
        while True:
            try:
                if after is None:
                    after = await asyncio.to_thread(self._store.newest_told)
                batch = await asyncio.to_thread(self._store.told, after, _BATCH)
            except (StoreUnavailableError, ForgottenError) as error:
                log.warning("stream_interrupted", reason=str(error))
                after, batch = None, []
            for told in batch:
                after = told.number
                self._hand_out(told)
            if len(batch) < _BATCH:
                await asyncio.sleep(POLL_S)

    def _hand_out(self, told: Told) -> None:
        ready = _Ready(told.number, _event(told.number, told.kind, told.value))
        for queue, portfolio_id in list(self._listeners.items()):
            if told.portfolio_id == portfolio_id:
                _offer(queue, ready)


def _offer(queue: asyncio.Queue[_Ready | None], told: _Ready | None) -> None:
    """Put an event in a queue; one that is full is emptied, and its listener sent away."""
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        told = None
    queue.put_nowait(told)


def _event(number: int, kind: str, data: bytes) -> bytes:
    """Return an event as it travels; ``data`` is JSON on one line."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (number, kind.encode(), data)
