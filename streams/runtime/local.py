"""The engine in one process: rows in, fold and optimizer, outputs out. No broker, no deadline."""

from collections import deque
from collections.abc import Iterable, Iterator

from schemas.events import PortfolioRegistration
from schemas.journal import PortfolioRegistered, Position, Record, Reply
from schemas.optimize import OptimizeRequest, SolveDiagnostics
from schemas.topics import REGISTRY, Topic
from streams.core.fold import Shard
from streams.core.frames import Rows
from streams.core.outputs import Output
from streams.core.shadows import answered
from streams.core.standing import VIEWS

_OFFLINE = SolveDiagnostics(solve_seconds=0.0, worker="in-process", iterations=0)


class LocalEngine:
    """One shard and an optimizer that answers at once, in the order a journal would have.

    Parameters
    ----------
    registration
        Of its one portfolio.
    views
        Which of the records of each bar are made, beside its metrics.
    """

    def __init__(
        self, registration: PortfolioRegistration, views: frozenset[Topic] = VIEWS
    ) -> None:
        self.shard = Shard(registration.shard)
        source = Position(topic=REGISTRY.name, partition=0, offset=0)
        self.outputs: deque[Output] = deque(
            self.append(PortfolioRegistered(source=source, registration=registration))
        )
        self.shard.portfolios[registration.portfolio_id].walk.views = views

    def feed(self, rows: Iterable[Rows]) -> Iterator[Output]:
        """Push rows through the fold; yield every output in order, solving requests on the way."""
        for chunk in rows:
            yield from self._settle(self.shard.absorb(chunk))

    def append(self, record: Record) -> list[Output]:
        """Append one record to the journal; return all that follows from it, answers included."""
        return list(self._settle(self.shard.step([(self.shard.next_offset, record)])))

    def _settle(self, outputs: list[Output]) -> Iterator[Output]:
        waiting = deque(outputs)
        while waiting:
            output = waiting.popleft()
            yield output
            if isinstance(output.message, OptimizeRequest):
                reply = answered(output.message, _OFFLINE)
                waiting.extendleft(
                    reversed(self.shard.step([(self.shard.next_offset, Reply(reply=reply))]))
                )
