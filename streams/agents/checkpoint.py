"""Checkpoints on their topic: chunks out, and the newest complete ones back in.

The key of a chunk names the offset of its image. The fold is deterministic, so that two writers, of
which one was frozen, write other keys or the same bytes: neither can tear what the other wrote. An
image is deleted when two newer ones are complete. Chunks are gathered by what they belong to,
(portfolio, next_offset, checksum); a stale write by a zombie is just another, older, set.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.checkpoint import (
    CHUNK_BYTES_MAX,
    ExpectedCheckpoint,
    PortfolioCheckpoint,
    ShardPosition,
)
from schemas.codec import decode_chunk, decode_position, encode_record
from streams.core.errors import ApseError

LOAD_TIMEOUT_MS: Final = 30_000
POLL_MS: Final = 20  # the client waits so long unless as many records have come
RECORDS_MAX: Final = 1_000
KEPT: Final = 2
"""Images of a portfolio that stay on the topic: the newest, and one in case it is damaged."""


class CheckpointError(ApseError):
    """A shard cannot be resumed; the message says what is missing."""


class UnreadableError(ApseError):
    """The image of a portfolio that a shard was to be resumed with cannot be read."""

    def __init__(self, portfolio_id: str, why: str) -> None:
        super().__init__(f"checkpoint of portfolio {portfolio_id}: {why}")
        self.portfolio_id = portfolio_id


class CheckpointsUnreadError(ApseError):
    """The checkpoints could not be read this time; another try may do."""


class Image(NamedTuple):
    """A portfolio's state with every record before ``next_offset`` applied."""

    next_offset: int
    data: bytes


class Mark(NamedTuple):
    """What is remembered of a checkpoint that was written or read."""

    next_offset: int
    checksum: int


class Parts(NamedTuple):
    """The chunks of an image, all of them and in order."""

    next_offset: int
    checksum: int
    chunks: tuple[bytes, ...]

    def joined(self) -> Image | None:
        """Return the image; None where it is not what was written."""
        data = b"".join(self.chunks)
        return Image(self.next_offset, data) if zlib.crc32(data) == self.checksum else None


Keys = dict[str, dict[int, list[bytes]]]
"""Keys of the chunks on the topic: by portfolio and offset of the image, complete or not."""


@dataclass(slots=True)
class Found:
    """What the checkpoint topic holds of one shard: its position, complete images by portfolio.

    ``images`` are the newest, ``older`` the parts of those behind them, oldest first: the topic may
    hold many. ``unreadable`` says of a portfolio what is wrong with the images passed over.
    """

    position: ShardPosition | None = None
    images: dict[str, Image] = field(default_factory=dict)
    keys: Keys = field(default_factory=dict)
    older: dict[str, list[Parts]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    def pass_over(self, portfolio_id: str, why: str) -> None:
        """Let the image behind the newest one, if there is one, stand for a portfolio."""
        image = self.images.pop(portfolio_id)
        place = f"portfolio {portfolio_id} at journal offset {image.next_offset}"
        self.unreadable[portfolio_id] = f"the checkpoint of {place} cannot be read: {why}"
        self.take_newest(portfolio_id)

    def take_newest(self, portfolio_id: str) -> None:
        """Let the newest image that is whole, if there is one, stand for a portfolio."""
        behind = self.older.get(portfolio_id, [])
        while behind:
            if image := behind.pop().joined():
                self.images[portfolio_id] = image
                return


def portfolio_key(shard: int, portfolio_id: str, next_offset: int, chunk: int) -> bytes:
    """Return the key of one chunk."""
    return f"{shard}/portfolio/{portfolio_id}/{next_offset}/{chunk}".encode()


def position_key(shard: int) -> bytes:
    """Return the key of the position record."""
    return f"{shard}/position".encode()


def chunks_of(
    portfolio_id: str, next_offset: int, image: bytes, *, bytes_max: int = CHUNK_BYTES_MAX
) -> Iterator[PortfolioCheckpoint]:
    """Cut an image into chunks that fit a record."""
    count = max(1, -(-len(image) // bytes_max))
    checksum = zlib.crc32(image)
    for chunk in range(count):
        yield PortfolioCheckpoint(
            portfolio_id=portfolio_id,
            next_offset=next_offset,
            chunk=chunk,
            chunks=count,
            checksum=checksum,
            data=image[chunk * bytes_max : (chunk + 1) * bytes_max],
        )


def records_of(
    shard: int, portfolio_id: str, image: Image, *, bytes_max: int = CHUNK_BYTES_MAX
) -> list[tuple[bytes, bytes]]:
    """Return the records (key, value) of one portfolio's checkpoint."""
    return [
        (portfolio_key(shard, portfolio_id, image.next_offset, part.chunk), encode_record(part))
        for part in chunks_of(portfolio_id, image.next_offset, image.data, bytes_max=bytes_max)
    ]


class Gatherer:
    """Collects the records of one shard's checkpoint partition: any order, anything missing."""

    def __init__(self) -> None:
        self._position: ShardPosition | None = None
        self._parts: dict[tuple[str, int, int, int], dict[int, bytes]] = {}
        self._keys: Keys = {}
        self.unreadable = 0

    def add(self, key: bytes, value: bytes | None) -> None:
        """Take one record in; one that cannot be read counts as lost.

        A deletion says nothing: the image that it deletes is old, but as true as it was.
        """
        if value is None:
            return
        try:
            if key.endswith(b"/position"):
                self._add_position(decode_position(value))
            else:
                self._add_chunk(key, decode_chunk(value))
        except ValueError:
            self.unreadable += 1

    def _add_position(self, position: ShardPosition) -> None:
        if self._position is None or position.next_offset >= self._position.next_offset:
            self._position = position

    def _add_chunk(self, key: bytes, part: PortfolioCheckpoint) -> None:
        group = (part.portfolio_id, part.next_offset, part.checksum, part.chunks)
        self._parts.setdefault(group, {})[part.chunk] = part.data
        self._keys.setdefault(part.portfolio_id, {}).setdefault(part.next_offset, []).append(key)

    def found(self) -> Found:
        """Return the position, and the complete images of each portfolio."""
        found = Found(self._position, keys=self._keys)
        for group, parts in self._parts.items():
            portfolio_id, next_offset, checksum, chunks = group
            if set(parts) == set(range(chunks)):
                whole = Parts(next_offset, checksum, tuple(parts[at] for at in range(chunks)))
                found.older.setdefault(portfolio_id, []).append(whole)
        for portfolio_id, images in found.older.items():
            images.sort(key=lambda image: image.next_offset)  # of two alike, the later one counts
            found.take_newest(portfolio_id)
        return found


class Restored(NamedTuple):
    """A portfolio's image, and the first offset of the journal that it has not applied."""

    applied_from: int
    image: Image


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a shard's fold begins, and what its portfolios begin with.

    ``unreadable`` says which checkpoints were passed over, and why.
    """

    next_offset: int
    portfolios: dict[str, Restored]
    keys: Keys = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()


def plan(shard: int, found: Found) -> Resume:
    """Return where to resume: at the position, or earlier where a checkpoint is older than it says.

    A portfolio none of whose checkpoints can be read is folded from the journal's beginning.

    Raises
    ------
    CheckpointError
        When a portfolio that the position names has no complete checkpoint at all.
    """
    if found.position is None:
        return Resume(0, {})
    portfolios: dict[str, Restored] = {}
    start = found.position.next_offset
    for expected in found.position.portfolios:
        image = found.images.get(expected.portfolio_id)
        if image is None and expected.portfolio_id in found.unreadable:
            start = 0
            continue
        if image is None:
            message = f"shard {shard}: no complete checkpoint of portfolio {expected.portfolio_id}"
            raise CheckpointError(message)
        applied_from = image.next_offset
        if applied_from >= expected.next_offset:
            # nothing concerned it between its checkpoint and the position
            applied_from = max(applied_from, found.position.next_offset)
        start = min(start, applied_from)
        portfolios[expected.portfolio_id] = Restored(applied_from, image)
    return Resume(start, portfolios, found.keys, tuple(found.unreadable.values()))


def why_refused(shard: int, resume: Resume, low: int, high: int) -> str:
    """Say why a journal with offsets ``low`` to ``high`` is no place to resume; empty if it is."""
    if low <= resume.next_offset <= high:
        return ""
    place = f"journal offset {resume.next_offset}, but the journal holds {low} to {high};"
    if resume.unreadable and resume.next_offset < low:
        return (
            f"shard {shard}: {'; '.join(resume.unreadable)}. It would be folded again from {place}"
            " run the version that wrote the checkpoint, or start a new scope and publish the"
            " returns again"
        )
    return (
        f"shard {shard}: the checkpoint resumes at {place} restore the journal, or start a new"
        " scope and publish the returns again"
    )


def mark_of(image: Image) -> Mark:
    """Return what is remembered of an image."""
    return Mark(image.next_offset, zlib.crc32(image.data))


def outdated(keys: dict[int, list[bytes]], newest: int) -> list[bytes]:
    """Take the keys of the images that need no longer be kept, once ``newest`` is complete."""
    older = sorted(offset for offset in keys if offset < newest)
    return [key for offset in older[: 1 - KEPT] for key in keys.pop(offset)]


def position_of(shard: int, next_offset: int, written: dict[str, Mark]) -> bytes:
    """Return the position record; ``written`` holds each portfolio's newest checkpoint."""
    expected = tuple(
        ExpectedCheckpoint(name, mark.next_offset, mark.checksum)
        for name, mark in sorted(written.items())
    )
    return encode_record(
        ShardPosition(shard=shard, next_offset=next_offset, portfolios=expected, shard_state=b"")
    )


def read_checkpoints(
    reader: Consumer, topic: str, shards: set[int], timeout_ms: int
) -> dict[int, Found]:
    """Read the checkpoint partitions of some shards to their ends (blocking).

    Raises
    ------
    CheckpointsUnreadError
        When an end is not reached in time.
    KafkaException
        When the broker answers with an error.
    """
    gathered = {shard: Gatherer() for shard in shards}
    behind = set(shards)
    reader.assign([TopicPartition(topic, shard, 0) for shard in sorted(shards)])
    for _ in range(max(1, timeout_ms // POLL_MS)):
        if not behind:
            break
        for message in reader.consume(RECORDS_MAX, timeout=POLL_MS / 1_000):
            shard = message.partition()
            assert shard is not None
            error = message.error()
            value = message.value()
            if error is None:
                gathered[shard].add(message.key() or b"", value)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # the client's own name
                behind.discard(shard)
            elif not error.retriable():
                raise KafkaException(error)
    reader.unassign()  # a fetch that waits for news would hold up every other request
    if behind:
        reason = f"checkpoints of shards {sorted(behind)} could not be read within {timeout_ms} ms"
        raise CheckpointsUnreadError(reason)
    return {shard: gatherer.found() for shard, gatherer in gathered.items()}
