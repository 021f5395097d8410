"""One shard in a process: its fold, what is written of it, and which requests waited too long.

No client and no clock is here: what is sent and when is the business of the caller.
"""

import time
from dataclasses import dataclass, field
from typing import Final

from schemas.checkpoint import CHUNK_BYTES_MAX
from schemas.journal import Nudge
from streams.agents.checkpoint import (
    Found,
    Image,
    Keys,
    Mark,
    Resume,
    UnreadableError,
    mark_of,
    outdated,
    plan,
    position_key,
    position_of,
    records_of,
)
from streams.core.errors import ImageError
from streams.core.fold import Shard
from streams.observe.progress import Progress
from streams.observe.worker import ShardFacts

MS_PER_S: Final = 1_000
STALL_S: Final = 30.0  # longer than a session and a rebalance together


@dataclass(slots=True)
class Unacknowledged:
    """How many outputs of one interval between checkpoints the broker has not confirmed."""

    count: int = 0


@dataclass(slots=True)
class Owned:
    """One shard; ``image`` is a checkpoint that waits until ``closed`` is down to 0."""

    shard: Shard
    written: dict[str, Mark] = field(default_factory=dict)  # newest checkpoint of each portfolio
    open: Unacknowledged = field(default_factory=Unacknowledged)
    closed: Unacknowledged = field(default_factory=Unacknowledged)
    image: list[tuple[bytes, bytes | None]] | None = None
    keys: Keys = field(default_factory=dict)  # of what stands on the checkpoint topic
    chunk_bytes_max: int = CHUNK_BYTES_MAX
    written_offset: int = -1
    moved_s: float = field(default_factory=time.monotonic)
    waiting: dict[str, tuple[str, float]] = field(default_factory=dict)  # id -> (request, since)
    progress: Progress = field(default_factory=lambda: Progress(begun_s=0.0, goal_offset=0))

    @property
    def is_due(self) -> bool:
        """Whether there is something to write, and nothing that waits to be written."""
        return self.image is None and self.shard.next_offset > self.written_offset

    def stands_still(self, end_offset: int, now_s: float) -> bool:
        """Tell whether records have waited in the journal for long, and none has arrived."""
        self.progress.end_offset = end_offset
        if end_offset <= self.shard.next_offset:
            self.moved_s = now_s  # what comes next has not waited yet
        return now_s - self.moved_s > STALL_S

    def take(self) -> None:
        """Take the checkpoint of every changed portfolio, then of the shard's position.

        Deletions of images that these make needless come last.
        """
        shard = self.shard
        records: list[tuple[bytes, bytes | None]] = []
        needless: list[bytes] = []
        for name in sorted(shard.changed):
            # restored from a checkpoint that is ahead of the shard, it has applied more
            applied_to = max(shard.next_offset, shard.applied_from.get(name, 0))
            image = Image(applied_to, shard.image_of(name))
            chunks = records_of(shard.shard, name, image, bytes_max=self.chunk_bytes_max)
            records += chunks
            keys = self.keys.setdefault(name, {})
            keys[applied_to] = [key for key, _ in chunks]
            needless += outdated(keys, applied_to)
            self.written[name] = mark_of(image)
        shard.changed.clear()
        position = position_of(shard.shard, shard.next_offset, self.written)
        records.append((position_key(shard.shard), position))
        self.image = [*records, *((key, None) for key in needless)]
        self.written_offset = shard.next_offset
        self.closed, self.open = self.open, Unacknowledged()
        self.progress.taken()

    @property
    def walk_lag_bars(self) -> int:
        """How many items wait behind an answer, in the portfolio where most do."""
        return max(
            (
                len(portfolio.queue)
                for portfolio in self.shard.portfolios.values()
                if portfolio.walk.pending is not None  # others wait for their first bar
            ),
            default=0,
        )

    def facts(self, now_s: float) -> ShardFacts:
        """Return where the shard stands, for whoever watches; may be called from another thread."""
        portfolios = list(self.shard.portfolios.items())  # one step for other threads
        progress = self.progress
        return ShardFacts(
            shard=self.shard.shard,
            lag_records=progress.lag_records(self.shard.next_offset),
            checkpoint_age_s=progress.checkpoint_age_s(now_s),
            recovery_s=progress.recovered_s,
            walk_lag_bars={name: len(portfolio.queue) for name, portfolio in portfolios},
            acknowledged={
                name: portfolio.walk.status.acknowledged_version for name, portfolio in portfolios
            },
        )

    def write_all_again(self) -> None:
        """Let the next checkpoint hold every portfolio."""
        self.shard.changed.update(self.shard.portfolios)
        self.written_offset = 0

    def due_nudges(self, now_s: float, after_ms: int) -> list[Nudge]:
        """Return a nudge for each request that has waited longer than ``after_ms``.

        A request is known by its id and attempt; waiting begins when it is first seen here, and
        again with each nudge. ``now_s`` is of any clock that never goes back.
        """
        due = []
        for name, portfolio in self.shard.portfolios.items():
            pending = portfolio.walk.pending
            if pending is None:
                self.waiting.pop(name, None)
                continue
            request = pending.request
            known, since_s = self.waiting.get(name, ("", now_s))
            if known != f"{request.request_id}/{request.attempt}":
                self.waiting[name] = (f"{request.request_id}/{request.attempt}", now_s)
            elif (now_s - since_s) * MS_PER_S > after_ms:
                self.waiting[name] = (known, now_s)
                due.append(
                    Nudge(portfolio_id=name, request_id=request.request_id, attempt=request.attempt)
                )
        return due


def resumed(number: int, found: Found) -> tuple[Owned, Resume]:
    """Return a shard as its newest readable checkpoints left it, and where that is.

    Raises
    ------
    CheckpointError
        As :func:`.plan` says.
    """
    while True:
        resume = plan(number, found)
        try:
            return restored(number, resume), resume
        except UnreadableError as error:
            found.pass_over(error.portfolio_id, str(error.__cause__))


def restored(number: int, resume: Resume) -> Owned:
    """Return a shard as its checkpoints left it.

    Raises
    ------
    UnreadableError
        When one of them cannot be read.
    """
    shard = Shard(number)
    shard.next_offset = resume.next_offset
    owned = Owned(shard, written_offset=resume.next_offset, keys=resume.keys)
    for name, (applied_from, image) in resume.portfolios.items():
        try:
            shard.restore(name, image.data, applied_from)
        except ImageError as error:
            raise UnreadableError(name, str(error)) from error
        owned.written[name] = mark_of(image)
    return owned
