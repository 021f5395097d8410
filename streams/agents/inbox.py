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
        self._queue: asyncio.Queue[tuple[int, int, bytes | None]] = asyncio.Queue(RECORDS_MAX)

    async def put(self, shard: int, offset: int, value: bytes | None) -> None:
        """Add a record; wait while there is no room."""
        await self._queue.put((shard, offset, value))

    async def take(self) -> Records:
        """Take what waits, as far as it may be folded at once; wait for the first record."""
        found: Records = {}
        size = 0
        record = await self._queue.get()
        while True:
            shard, offset, value = record
            found.setdefault(shard, []).append((offset, value))
            size += len(value or b"")
            if size >= BYTES_AT_ONCE or self._queue.empty():
                return found
            record = self._queue.get_nowait()

    def clear(self) -> None:
        """Forget what waits: the journal is read again from what is folded."""
        while not self._queue.empty():
            self._queue.get_nowait()
