"""Checkpoints on their topic: chunks out, and the newest complete ones back in.

A portfolio has two slots that take turns, so that a write cut short never spoils the checkpoint before it. Chunks are gathered
by what they belong to, (portfolio, next_offset, checksum); a stale write by a zombie is just another, older, set.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from confluent_kafka import Consumer, TopicPartition

from schemas.checkpoint import (
    CHUNK_BYTES_MAX,
    ExpectedCheckpoint,
    PortfolioCheckpoint,
    ShardPosition,
)
from schemas.codec import decode_chunk, decode_position, encode_record
from streams.core.errors import ApseError

LOAD_TIMEOUT_MS = 30_000
_SLOTS = 2


class CheckpointError(ApseError):
    """A shard cannot be resumed; the message says what is missing."""


@dataclass(slots=True)
class Found:
    """What the checkpoint topic holds of one shard: its position, and complete images by portfolio."""

    position: ShardPosition | None = None
    images: dict[str, tuple[int, bytes]] = field(default_factory=dict)  # id -> (next_offset, image)


def portfolio_key(shard: int, portfolio_id: str, slot: int, chunk: int) -> bytes:
    """Return the key of one chunk."""
    return f"{shard}/portfolio/{portfolio_id}/{slot}/{chunk}".encode()


def position_key(shard: int) -> bytes:
    """Return the key of the position record."""
    return f"{shard}/position".encode()


def chunks_of(portfolio_id: str, next_offset: int, image: bytes) -> Iterator[PortfolioCheckpoint]:
    """Cut an image into chunks that fit a record."""
    count = max(1, -(-len(image) // CHUNK_BYTES_MAX))
    for chunk in range(count):
        yield PortfolioCheckpoint(
            portfolio_id=portfolio_id,
            next_offset=next_offset,
            chunk=chunk,
            chunks=count,
            checksum=zlib.crc32(image),
            data=image[chunk * CHUNK_BYTES_MAX : (chunk + 1) * CHUNK_BYTES_MAX],
        )


def records_of(
    shard: int, portfolio_id: str, next_offset: int, slot: int, image: bytes
) -> list[tuple[bytes, bytes]]:
    """Return the records (key, value) of one portfolio's checkpoint."""
    return [
        (portfolio_key(shard, portfolio_id, slot % _SLOTS, part.chunk), encode_record(part))
        for part in chunks_of(portfolio_id, next_offset, image)
    ]


class Gatherer:
    """Collects the records of one shard's checkpoint partition, in any order and with anything missing."""

    def __init__(self) -> None:
        self._position: ShardPosition | None = None
        self._parts: dict[tuple[str, int, int], dict[int, PortfolioCheckpoint]] = {}

    def add(self, key: bytes, value: bytes) -> None:
        """Take one record in."""
        if key.endswith(b"/position"):
            position = decode_position(value)
            if self._position is None or position.next_offset >= self._position.next_offset:
                self._position = position
            return
        part = decode_chunk(value)
        group = (part.portfolio_id, part.next_offset, part.checksum)
        self._parts.setdefault(group, {})[part.chunk] = part

    def found(self) -> Found:
        """Return the position, and the newest complete image of each portfolio."""
        images: dict[str, tuple[int, bytes]] = {}
        for (portfolio_id, next_offset, checksum), parts in self._parts.items():
            image = b"".join(parts[chunk].data for chunk in sorted(parts))
            complete = (
                len(parts) == next(iter(parts.values())).chunks and zlib.crc32(image) == checksum
            )
            if complete and next_offset >= images.get(portfolio_id, (-1, b""))[0]:
                images[portfolio_id] = (next_offset, image)
        return Found(self._position, images)


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a shard's fold begins, and each portfolio's image with the first offset not applied to it."""

    next_offset: int
    portfolios: dict[str, tuple[int, bytes]]


def plan(shard: int, found: Found) -> Resume:
    """Return where to resume: at the position, or earlier where a portfolio's checkpoint is older than it expects.

    Raises
    ------
    CheckpointError
        When a portfolio the position names has no complete checkpoint at all.
    """
    if found.position is None:
        return Resume(0, {})
    portfolios: dict[str, tuple[int, bytes]] = {}
    start = found.position.next_offset
    for expected in found.position.portfolios:
        if expected.portfolio_id not in found.images:
            message = f"shard {shard}: no complete checkpoint of portfolio {expected.portfolio_id}"
            raise CheckpointError(message)
        next_offset, image = found.images[expected.portfolio_id]
        if (
            next_offset >= expected.next_offset
        ):  # nothing concerned it between its checkpoint and the position
            next_offset = max(next_offset, found.position.next_offset)
        start = min(start, next_offset)
        portfolios[expected.portfolio_id] = (next_offset, image)
    return Resume(start, portfolios)


def position_of(shard: int, next_offset: int, written: dict[str, tuple[int, int]]) -> bytes:
    """Return the position record; ``written`` holds each portfolio's (next_offset, checksum)."""
    expected = tuple(ExpectedCheckpoint(name, *what) for name, what in sorted(written.items()))
    return encode_record(
        ShardPosition(shard=shard, next_offset=next_offset, portfolios=expected, shard_state=b"")
    )


def read_checkpoints(
    reader: Consumer, topic: str, shards: set[int], timeout_ms: int
) -> dict[int, Found]:
    """Read the checkpoint partitions of some shards to their ends (blocking).

    Raises
    ------
    CheckpointError
        When an end is not reached in time.
    """
    gathered = {shard: Gatherer() for shard in shards}
    behind = set(shards)
    reader.assign([TopicPartition(topic, shard, 0) for shard in sorted(shards)])
    for _ in range(max(1, timeout_ms // 100)):
        if not behind:
            break
        for message in reader.consume(1000, timeout=0.1):
            if message.error():
                behind.discard(message.partition())
            elif message.value() is not None:
                gathered[message.partition()].add(message.key() or b"", message.value())
    if behind:
        reason = f"checkpoints of shards {sorted(behind)} could not be read within {timeout_ms} ms"
        raise CheckpointError(reason)
    return {shard: gatherer.found() for shard, gatherer in gathered.items()}
