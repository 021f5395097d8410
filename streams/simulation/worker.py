"""The portfolio worker of one shard: fold, send, await acknowledgement, checkpoint, nudge."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from schemas.codec import encode_record
from schemas.journal import Nudge
from schemas.topics import CHECKPOINTS, DECISIONS, JOURNAL, METRICS, OPTIMIZE, REBALANCE, STATE
from streams.agents.checkpoint import (
    SLOTS,
    Gatherer,
    Image,
    Mark,
    mark_of,
    plan,
    position_key,
    position_of,
    records_of,
)
from streams.agents.records import read_record
from streams.core.fold import Shard
from streams.core.outputs import Output, encode_output
from streams.core.walk import NUDGES_MAX
from streams.simulation.actors import Move, Site

CHUNK_BYTES: Final = 2_500  # a state is cut into two to five
IN_FLIGHT_MAX: Final = 60
VIEWS_CHECKED_EVERY: Final = 8
"""One world in so many compares the bytes of metrics and states too: as dear as a fold."""


class Worker:
    """One instance on one shard; it begins with what the checkpoint topic holds."""

    fold_type: type[Shard] = Shard

    def __init__(self, site: Site, number: int) -> None:
        self.name = f"worker {number}"
        self.number = number
        self._site = site
        self._outbox: deque[Output] = deque()
        self._folded = self._sent = self._acked = 0  # outputs, counted
        self._records: deque[tuple[bytes, bytes]] = deque()  # of the checkpoint in hand
        self._barrier = 0  # so many outputs have to be acknowledged before it is written
        self._written: dict[str, Mark] = {}
        self._written_offset = -1
        self._waiting: dict[str, tuple[tuple[str, int], int]] = {}
        self._topics = {DECISIONS.name, REBALANCE.name, OPTIMIZE.name}
        if site.scenario.seed % VIEWS_CHECKED_EVERY == 0:
            self._topics |= {METRICS.name, STATE.name}
        self.shard = self._resume()

    def _resume(self) -> Shard:
        gatherer = Gatherer()
        for entry in self._site.log.all(CHECKPOINTS.name, self.number):
            gatherer.add(entry.key or b"", entry.value or b"")
        resume = plan(self.number, gatherer.found())
        shard = self.fold_type(self.number)
        shard.next_offset = resume.next_offset
        for name, (applied_from, image) in resume.portfolios.items():
            shard.restore(name, image.data, applied_from)
            self._written[name] = mark_of(image)
        self._written_offset = resume.next_offset
        return shard

    def moves(self) -> Sequence[Move]:
        """Return what can be done now: several things go on at a time."""
        site = self._site
        moves: list[Move] = []
        if not site.chance(site.scenario.weather.broker_lag):
            if self._outbox:
                moves.append(self._send)
            if self._acked < self._sent:
                moves.append(self._acknowledge)
        if (
            len(self._outbox) < IN_FLIGHT_MAX
            and site.log.end(JOURNAL.name, self.number) > self.shard.next_offset
        ):
            moves.append(self._fold)
        if self._records and self._acked >= self._barrier:
            moves.append(self._write)
        if self._may_take() and (
            site.dice.chance(site.scenario.weather.checkpoint) or (site.quiet and not moves)
        ):
            moves.append(self._take)
        overdue = self._overdue()
        if overdue is not None:
            moves.append(lambda: self._nudge(overdue))
        return moves

    def reassign(self) -> None:
        """Keep the shard through a change of the group, as :meth:`.Shards.missing` does."""
        self.shard.changed.update(self.shard.portfolios)
        self._written_offset = 0

    # ------------------------------------------------------------------ outputs

    def _fold(self) -> None:
        shard = self.shard
        entry = self._site.log.at(JOURNAL.name, self.number, shard.next_offset)
        outputs = shard.step([(shard.next_offset, read_record(entry.value or b""))])
        self._outbox.extend(outputs)
        self._folded += len(outputs)

    def _send(self) -> None:
        output = self._outbox.popleft()
        self._sent += 1
        if output.topic.name not in self._topics:
            return
        partition = 0 if output.partition is None else output.partition
        self._site.log.append(
            output.topic.name, partition, encode_output(output), key=output.key.encode()
        )

    def _acknowledge(self) -> None:
        self._acked = self._sent

    # ------------------------------------------------------------------ checkpoints

    def _may_take(self) -> bool:
        return not self._records and self.shard.next_offset > self._written_offset

    def _take(self) -> None:
        """Take the images of what changed, to be written when all outputs so far are confirmed."""
        shard = self.shard
        chunks: list[tuple[bytes, bytes]] = []
        for name in sorted(shard.changed):
            applied_to = max(shard.next_offset, shard.applied_from.get(name, 0))
            before = self._written.get(name)
            slot = 0 if before is None else (before.slot + 1) % SLOTS
            image = Image(applied_to, shard.image_of(name), slot)
            chunks += records_of(self.number, name, image, bytes_max=CHUNK_BYTES)
            self._written[name] = mark_of(image)
        shard.changed.clear()
        position = position_of(self.number, shard.next_offset, self._written)
        self._order(chunks, (position_key(self.number), position))
        self._written_offset = shard.next_offset

    def _order(self, chunks: list[tuple[bytes, bytes]], position: tuple[bytes, bytes]) -> None:
        self._records.extend([*chunks, position])
        self._barrier = self._folded

    def _write(self) -> None:
        key, value = self._records.popleft()
        self._site.log.append(CHECKPOINTS.name, self.number, value, key=key)

    # ------------------------------------------------------------------ nudges

    def overdue_at(self) -> int | None:
        """Return the step at which the first nudge is due, None when nothing is awaited."""
        self._overdue()
        return min((since for _, since in self._waiting.values()), default=None)

    def _overdue(self) -> Nudge | None:
        """Return a nudge for a request that waited too long.

        In a calm world a request is never given up: its decision would depend on the weather.
        """
        site = self._site
        for name, portfolio in self.shard.portfolios.items():
            pending = portfolio.walk.pending
            attempt_max = NUDGES_MAX if site.scenario.calm else NUDGES_MAX + 1
            if pending is None or pending.request.attempt > attempt_max:
                self._waiting.pop(name, None)
                continue
            request = (pending.request.request_id, pending.request.attempt)
            known = self._waiting.get(name)
            if known is None or known[0] != request:
                self._waiting[name] = (request, site.step)
            elif site.step - known[1] > site.scenario.weather.nudge_after_steps:
                return Nudge(portfolio_id=name, request_id=request[0], attempt=request[1])
        return None

    def _nudge(self, nudge: Nudge) -> None:
        self._waiting[nudge.portfolio_id] = ((nudge.request_id, nudge.attempt), self._site.step)
        self._site.tally.nudges += 1
        self._site.log.append(JOURNAL.name, self.number, encode_record(nudge))
