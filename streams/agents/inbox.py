"""Records of the journal that were received and wait to be folded, by shard."""

import asyncio
from typing import Final

RECORDS_MAX: Final = 128
BYTES_AT_ONCE: Final = 500_000  # some ten thousand returns: a tenth of a second, or little more

Records = dict[int, list[tuple[int, bytes | None]]]
"""By shard: offset and value of each record, in their order."""


class Inbox:
    """A bounded queue that gives all it has: the more waits, the less each return costs to fold."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[int, int, int, bytes | None]] = asyncio.Queue(RECORDS_MAX)
        self._cleared = 0  # how often

    async def put(self, shard: int, offset: int, value: bytes | None) -> None:
        """Add a record; wait while there is no room. It is forgotten where that was cleared."""
        await self._queue.put((self._cleared, shard, offset, value))

    async def take(self) -> Records:
        """Take what waits, as far as it may be folded at once; wait for the first record."""
        found: Records = {}
        size = 0
        while not found or not (size >= BYTES_AT_ONCE or self._queue.empty()):
            cleared, shard, offset, value = await self._queue.get()
            if cleared == self._cleared:
                found.setdefault(shard, []).append((offset, value))
                size += len(value or b"")
        return found

    def clear(self) -> None:
        """Forget what waits, for room too: the journal is read again from what is folded."""
        self._cleared += 1
        while not self._queue.empty():
            self._queue.get_nowait()
