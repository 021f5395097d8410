"""The portfolio worker of one shard: fold, send, await acknowledgement, checkpoint, nudge."""

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from schemas.codec import encode_record
from schemas.topics import CHECKPOINTS, DECISIONS, JOURNAL, METRICS, OPTIMIZE, REBALANCE, STATE
from streams.agents.checkpoint import Gatherer, plan
from streams.agents.owned import Owned, restored
from streams.agents.records import read_record
from streams.core.deciding import NUDGES_MAX
from streams.core.fold import Shard
from streams.core.outputs import Output, encode_output
from streams.simulation.actors import Move, Site

if TYPE_CHECKING:
    from schemas.journal import Nudge

CHUNK_BYTES: Final = 2_500  # a state is cut into two to five
IN_FLIGHT_MAX: Final = 60
AT_ONCE_MAX: Final = 4  # records of the journal: what is behind is folded in runs
STEPS_PER_S: Final = 1_000
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
        self._records: deque[tuple[bytes, bytes | None]] = deque()  # of the checkpoint in hand
        self._barrier = 0  # so many outputs have to be acknowledged before it is written
        self._topics = {DECISIONS.name, REBALANCE.name, OPTIMIZE.name}
        if site.scenario.seed % VIEWS_CHECKED_EVERY == 0:
            self._topics |= {METRICS.name, STATE.name}
        self._due_nudges: deque[Nudge] = deque()
        self._attempts_max = NUDGES_MAX if site.scenario.calm else NUDGES_MAX + 1
        self._owned = self._resume()
        self.shard = self._owned.shard

    def _resume(self) -> Owned:
        gatherer = Gatherer()
        for entry in self._site.log.all(CHECKPOINTS.name, self.number):
            gatherer.add(entry.key or b"", entry.value)
        owned = restored(self.number, plan(self.number, gatherer.found()))
        owned.shard.__class__ = self.fold_type
        owned.chunk_bytes_max = CHUNK_BYTES
        return owned

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
        self._find_nudges()
        if self._due_nudges:
            moves.append(self._nudge)
        return moves

    def reassign(self) -> None:
        """Keep the shard through a change of the group, as :meth:`.Shards.missing` does."""
        self._owned.write_all_again()

    # ------------------------------------------------------------------ outputs

    def _fold(self) -> None:
        """Take one record or, as a worker that is behind does, some at once."""
        log, first = self._site.log, self.shard.next_offset
        waiting = log.end(JOURNAL.name, self.number) - first
        stop = first + min(waiting, self._site.dice.between(1, AT_ONCE_MAX))
        outputs = self.shard.step(
            (offset, read_record(log.at(JOURNAL.name, self.number, offset).value or b""))
            for offset in range(first, stop)
        )
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
        return not self._records and self._owned.is_due

    def _take(self) -> None:
        """Take the images of what changed, to be written when all outputs so far are confirmed."""
        self._owned.take()
        assert self._owned.image is not None
        self._order(self._owned.image)

    def _order(self, records: list[tuple[bytes, bytes | None]]) -> None:
        self._records.extend(records)
        self._barrier = self._folded

    def _write(self) -> None:
        key, value = self._records.popleft()
        self._site.log.append(CHECKPOINTS.name, self.number, value, key=key)
        if not self._records:
            self._owned.image = None

    # ------------------------------------------------------------------ nudges

    def nudge_at(self) -> int | None:
        """Return the step before the first nudge is due, None when nothing is awaited."""
        self._find_nudges()
        since = [
            round(since_s * STEPS_PER_S)
            for name, (_, since_s) in self._owned.waiting.items()
            if self._attempt(name) <= self._attempts_max
        ]
        return min(since) + self._site.scenario.weather.nudge_after_steps if since else None

    def _find_nudges(self) -> None:
        """Ask who waited too long.

        In a calm world no request is given up: its decision would depend on the weather.
        """
        site = self._site
        due = self._owned.due_nudges(
            site.step / STEPS_PER_S, site.scenario.weather.nudge_after_steps
        )
        self._due_nudges.extend(nudge for nudge in due if nudge.attempt <= self._attempts_max)

    def _attempt(self, name: str) -> int:
        pending = self.shard.portfolios[name].walk.pending
        assert pending is not None
        return pending.request.attempt

    def _nudge(self) -> None:
        self._site.tally.nudges += 1
        record = encode_record(self._due_nudges.popleft())
        self._site.log.append(JOURNAL.name, self.number, record)
