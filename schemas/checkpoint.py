"""Checkpoints: the exact state of each portfolio, then the shard's position.

MessagePack on a compacted topic. Keys: ``SHARD/portfolio/ID/NEXT_OFFSET/CHUNK``, so that no writer
spoils what another wrote, and ``SHARD/position``. The position is written last; it names the
checkpoint it expects of each portfolio, so that an older one, a stale write, only makes the fold
longer. Then all but the newest two of each portfolio are deleted.
"""

import msgspec

from schemas.units import PortfolioId

CHUNK_BYTES_MAX = 900_000


class PortfolioCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One chunk of one portfolio's state.

    ``next_offset`` of the journal is the first record not applied.
    """

    portfolio_id: PortfolioId
    next_offset: int
    chunk: int
    chunks: int
    checksum: int  # crc32 of the whole state
    data: bytes


class ExpectedCheckpoint(msgspec.Struct, frozen=True, array_like=True):
    """What the position record expects of one portfolio."""

    portfolio_id: PortfolioId
    next_offset: int
    checksum: int


class ShardPosition(msgspec.Struct, frozen=True, kw_only=True):
    """The newest complete checkpoint of a shard: where to seek, and the shard's own state."""

    shard: int
    next_offset: int
    portfolios: tuple[ExpectedCheckpoint, ...]
    shard_state: bytes
