"""Who publishes and who ingests. A move is one effect: between two of them anybody may die.

What an actor holds in its attributes is lost with it; what it has in the log or in
``Site.committed`` stays.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from schemas.codec import encode_record
from schemas.topics import CONTROL, DEAD_LETTERS, JOURNAL, REGISTRY, REPORTS, RETURNS, RISK
from streams.ingest.arrivals import Arrival, DeadLetter, decode
from streams.ingest.route import Router
from streams.simulation.judge import Judge
from streams.simulation.log import Dice, Log, Place
from streams.simulation.scenario import (
    SHARDS,
    SOURCE_PARTITIONS,
    Message,
    Scenario,
    Tally,
    registration_message,
)

STEP_NS: Final = 1_000_000  # a step of the world on the wall clock
SILENCE_MS: Final = 4

Move = Callable[[], None]


@dataclass(slots=True, eq=False)
class Site:
    """What all actors stand on, and what survives them."""

    scenario: Scenario
    dice: Dice
    judge: Judge
    log: Log
    tally: Tally
    committed: dict[tuple[str, Place], int] = field(default_factory=dict)  # by group and place
    step: int = 0
    quiet: bool = False  # no more faults: the world comes to rest

    def chance(self, probability: float) -> bool:
        """Tell whether a fault strikes now."""
        return not self.quiet and self.dice.chance(probability)


class Actor(Protocol):
    """One process."""

    name: str

    def moves(self) -> Sequence[Move]:
        """Return what it could do next; one of these is done."""


class Publisher:
    """All strategies, and the people: each queue keeps its order, some rows are sent again."""

    name = "publisher"

    def __init__(self, site: Site) -> None:
        self._site = site
        self._queues = [deque(queue) for queue in site.scenario.queues]
        self._sent: list[Message] = []
        for registration in site.scenario.portfolios:
            self._publish(registration_message(registration))

    def moves(self) -> Sequence[Move]:
        """Return the next record of some queue, or one that was sent before."""
        self._queues = [queue for queue in self._queues if queue]
        return (self._send,) if self._queues else ()

    def _send(self) -> None:
        site = self._site
        if self._sent and site.chance(site.scenario.weather.republish):
            site.tally.republished += 1
            self._publish(site.dice.pick(self._sent[-12:]))
            return
        message = site.dice.pick(self._queues).popleft()
        if message.topic == RETURNS.name:
            self._sent.append(message)
        self._publish(message)

    def _publish(self, message: Message) -> None:
        place = (message.topic, message.partition)
        offset = self._site.log.append(*place, message.value, key=message.key)
        self._site.judge.note(message, (*place, offset))


class Ingest:
    """Poll, append each record and each dead letter, commit; a restart begins at the commit."""

    name = "ingest"
    sources: Final[tuple[Place, ...]] = (
        *((RETURNS.name, partition) for partition in range(SOURCE_PARTITIONS)),
        (CONTROL.name, 0),
        (RISK.name, 0),
        (REPORTS.name, 0),
    )

    def __init__(self, site: Site) -> None:
        self._site = site
        self._router = Router(shards=SHARDS, allowance_bars=1, silence_ms=SILENCE_MS)
        self._todo: deque[Move] = deque()
        self._revoked = False
        self._has_requests = False
        self._positions = {
            place: site.committed.get((self.name, place), 0) for place in self.sources
        }
        self._registry = site.committed.get((self.name, (REGISTRY.name, 0)), 0)
        self._router.learn(decode(self._registered(0, self._registry)))

    def moves(self) -> Sequence[Move]:
        """Return the next effect of the poll in hand, or a new poll."""
        if self._todo:
            return (self._do,)
        if self._revoked:
            return ()
        return (self._poll,) if self._has_news() or self._looks_for_silence() else ()

    @property
    def would_repeat_requests(self) -> bool:
        """Tell whether the poll in hand has requests, and all but its commit is done."""
        return self._has_requests and len(self._todo) == 1

    def revoke(self) -> None:
        """Take its partitions away: it finishes what it has in hand, and commits nothing."""
        self._revoked = True

    def _do(self) -> None:
        self._todo.popleft()()

    def _has_news(self) -> bool:
        log = self._site.log
        return self._registry < log.end(REGISTRY.name, 0) or any(
            offset < log.end(*place) for place, offset in self._positions.items()
        )

    def _looks_for_silence(self) -> bool:
        site = self._site
        return not (site.quiet or site.scenario.calm) and site.dice.chance(0.2)

    def _poll(self) -> None:
        at_end = not self._has_news()
        arrivals = self._registered(self._registry, None) + self._take()
        batch = decode(arrivals)
        self._router.learn(batch)
        if self._router.is_puzzled(batch):
            late = decode(self._registered(self._registry, None))
            batch.registered += late.registered
            batch.dead += late.dead
        self._has_requests = bool(batch.requests)
        routed = self._router.route(batch)
        effects: list[Move] = [
            self._appending(shard, encode_record(record))
            for shard in routed.shards()
            for record in routed.journal(shard)
        ]
        effects += [self._burying(letter) for letter in routed.dead]
        if not self._site.scenario.calm:
            effects += self._releases(at_end=at_end)
        self._plan(effects, self._committing())

    def _plan(self, effects: list[Move], commit: Move) -> None:
        self._todo.extend([*effects, commit])

    def _releases(self, *, at_end: bool) -> list[Move]:
        due = self._router.due_releases(self._site.step * STEP_NS, at_end=at_end)
        self._site.tally.releases += len(due)
        return [self._appending(shard, encode_record(release)) for shard, release in due]

    # ------------------------------------------------------------------ reading

    def _registered(self, first: int, end: int | None) -> list[Arrival]:
        """Read the registry from ``first``; up to its end unless told otherwise."""
        end = self._site.log.end(REGISTRY.name, 0) if end is None else end
        self._registry = max(self._registry, end)
        return [self._arrival((REGISTRY.name, 0), offset) for offset in range(first, end)]

    def _take(self) -> list[Arrival]:
        """Return some records of each source, the sources in any order."""
        site = self._site
        runs = []
        for place, offset in self._positions.items():
            waiting = site.log.end(*place) - offset
            count = min(waiting, site.dice.between(0, site.scenario.weather.poll_rows_max))
            if waiting and site.quiet:
                count = waiting
            if count:
                self._positions[place] = offset + count
                runs.append([self._arrival(place, offset + i) for i in range(count)])
        arrivals = []
        while runs:
            run = runs[site.dice.below(len(runs))]
            arrivals.append(run.pop(0))
            runs = [left for left in runs if left]
        return arrivals

    def _arrival(self, place: Place, offset: int) -> Arrival:
        entry = self._site.log.at(*place, offset)
        return Arrival(*place, offset, entry.key, entry.value)

    # ------------------------------------------------------------------ effects

    def _appending(self, shard: int, record: bytes) -> Move:
        def append() -> None:
            self._site.log.append(JOURNAL.name, shard, record)

        return append

    def _burying(self, letter: DeadLetter) -> Move:
        source = letter.source
        headers = [
            ("apse_error_code", letter.code.encode()),
            ("apse_source_topic", source.topic.encode()),
            ("apse_source_partition", str(source.partition).encode()),
            ("apse_source_offset", str(source.offset).encode()),
        ]

        def bury() -> None:
            self._site.tally.dead_letters += 1
            self._site.log.append(
                DEAD_LETTERS.name, 0, letter.value, key=letter.key, headers=headers
            )

        return bury

    def _committing(self) -> Move:
        positions = {**self._positions, (REGISTRY.name, 0): self._registry}

        def commit() -> None:
            if not self._revoked:  # the group refuses the commit of a member that it has left
                self._site.judge.committed(positions)
                for place, offset in positions.items():
                    self._site.committed[self.name, place] = offset

        return commit
