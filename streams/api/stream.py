"""Live events to many listeners: one reader of the store, a bounded queue for each listener."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

import structlog

from streams.readmodel.store import (
    FILLING,
    ForgottenError,
    Store,
    StoreUnavailableError,
    Told,
)

POLL_S: Final = 0.1
QUEUE_MAX: Final = 1_000  # a listener further behind than this has to begin anew
_BATCH: Final = 1_000
_ID: Final = re.compile(r"([0-9a-f]{1,16})-([0-9]{1,18})")
KEEP_ALIVE_S: Final = 15.0  # proxies cut a connection that says nothing for longer

log = structlog.get_logger()


class LastEvent(NamedTuple):
    """Where a listener stood: which filling of the store, and the number of an event of it."""

    filling: str
    number: int


class _Ready(NamedTuple):
    """An event made ready once for all its listeners; ``anew`` where numbers begin anew with it."""

    number: int
    data: bytes
    anew: bool = False


Queue = asyncio.Queue[_Ready | None]


class Broadcaster:
    """Follows a store's live events and hands each to every listener of its portfolio."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listeners: dict[Queue, str] = {}
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

    async def events(self, portfolio_id: str, last: LastEvent | None) -> AsyncIterator[bytes]:
        """Yield a portfolio's live events, those after the last one heard first.

        A listener whose place is no longer kept is told to read everything anew (``reset``).
        """
        queue: Queue = asyncio.Queue(QUEUE_MAX)
        self._listeners[queue] = portfolio_id
        try:
            yield b"retry: 1000\n\n"
            newest = await asyncio.to_thread(self._newest)
            async for event in self._missed(portfolio_id, last, newest):
                yield event
            number = newest.number
            while True:
                try:
                    told = await asyncio.wait_for(queue.get(), KEEP_ALIVE_S)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                # All that waits goes out at once: the cost of a listener is that of its sends.
                waiting = [told, *(queue.get_nowait() for _ in range(queue.qsize()))]
                fresh = []
                for ready in waiting:
                    if ready is not None and (ready.anew or ready.number > number):
                        number = ready.number
                        fresh.append(ready.data)
                if fresh:
                    yield b"".join(fresh)
                if None in waiting:
                    return
        except StoreUnavailableError as error:  # they come back, and ask again
            log.warning("listener_sent_away", reason=str(error))
        finally:
            del self._listeners[queue]

    def _newest(self) -> LastEvent:
        filling = (self._store.get(FILLING) or b"0").decode()
        return LastEvent(filling, self._store.newest_told())

    async def _missed(
        self, portfolio_id: str, last: LastEvent | None, newest: LastEvent
    ) -> AsyncIterator[bytes]:
        if last is None:
            yield _event(newest, "hello", b"{}")
            return
        after = last.number
        while last.filling == newest.filling and after < newest.number:
            try:
                batch = await asyncio.to_thread(self._store.told, after, _BATCH)
            except ForgottenError:
                break
            for told in batch:
                after = told.number
                if told.portfolio_id == portfolio_id and told.number <= newest.number:
                    yield _event(newest._replace(number=after), told.kind, told.value)
        if last.filling != newest.filling or after < newest.number or last.number > newest.number:
            yield _event(newest, "reset", b"{}")

    async def _follow(self) -> None:
        place: LastEvent | None = None
        heard = True  # whether listeners were told everything so far
        while True:
            batch: list[Told] = []
            try:
                newest = await asyncio.to_thread(self._newest)
                if place is None or newest.filling != place.filling:
                    if place is not None or not heard:
                        self._begin_anew(newest)
                    place, heard = newest, True
                batch = await asyncio.to_thread(self._store.told, place.number, _BATCH)
            except (StoreUnavailableError, ForgottenError) as error:
                if heard:
                    log.warning("stream_interrupted", reason=str(error))
                place, heard = None, False
            for told in batch:
                assert place is not None
                place = place._replace(number=told.number)
                ready = _Ready(told.number, _event(place, told.kind, told.value))
                self._hand_out(ready, told.portfolio_id)
            if len(batch) < _BATCH:
                await asyncio.sleep(POLL_S)

    def _begin_anew(self, newest: LastEvent) -> None:
        ready = _Ready(newest.number, _event(newest, "reset", b"{}"), anew=True)
        self._hand_out(ready, None)

    def _hand_out(self, ready: _Ready, to: str | None) -> None:
        for queue, portfolio_id in list(self._listeners.items()):
            if to in {None, portfolio_id}:
                _offer(queue, ready)


def parse_last(text: str) -> LastEvent | None:
    """Return where a Last-Event-ID header says that a listener stood; None where it is empty.

    Raises
    ------
    ValueError
        For an id that was never given out.

    Examples
    --------
    >>> parse_last("3f0a91c2-17")
    LastEvent(filling='3f0a91c2', number=17)
    """
    if not text:
        return None
    found = _ID.fullmatch(text)
    if found is None:
        message = f"{text[:40]!r}, expected the id of an event"
        raise ValueError(message)
    return LastEvent(found[1], int(found[2]))


def _offer(queue: Queue, told: _Ready | None) -> None:
    """Put an event in a queue; one that is full is emptied, and its listener sent away."""
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        told = None
    queue.put_nowait(told)


def _event(place: LastEvent, kind: str, data: bytes) -> bytes:
    """Return an event as it travels; ``data`` is JSON on one line."""
    head = f"id: {place.filling}-{place.number}\nevent: {kind}\ndata: "
    return head.encode() + data + b"\n\n"
