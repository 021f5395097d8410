"""A shard as a fold over its partition of the journal: ``step(state, records) -> outputs``, and its exact image.

The order in the partition is the order. Each portfolio knows the first offset it has not applied, so that a fold that begins
before a portfolio's checkpoint skips what is already in it.
"""

from collections.abc import Iterable
from typing import Any, assert_never

from schemas.events import StrategyRegistration
from schemas.journal import (
    Control,
    Frame,
    Nudge,
    PortfolioRegistered,
    Record,
    Release,
    Reply,
    Report,
    Risk,
    StrategyRegistered,
    Tick,
)
from streams.core.frames import Rows, unpack
from streams.core.image import decode_image, encode_image
from streams.core.outputs import Output
from streams.core.portfolio import Portfolio


class Shard:
    """All portfolios of one shard.

    ``next_offset`` is the first offset of the journal that was not applied; ``applied_from`` holds, for a portfolio restored from
    its own checkpoint, the first offset it has not applied, where that lies ahead of the shard.
    """

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.next_offset = 0
        self.portfolios: dict[str, Portfolio] = {}
        self.changed: set[str] = set()
        self.applied_from: dict[str, int] = {}

    def step(self, records: Iterable[tuple[int, Record]]) -> list[Output]:
        """Apply records (offset, record) in their order; return what they emit. The offsets must have no gap."""
        outputs: list[Output] = []
        for offset, record in records:
            if offset < self.next_offset:
                continue
            assert offset == self.next_offset, (
                f"journal offset {offset} of shard {self.shard}, expected {self.next_offset}"
            )
            outputs += self._apply(offset, record)
            self.next_offset = offset + 1
        return outputs

    def skip(self, offset: int) -> None:
        """Pass a record over that is no journal record."""
        assert offset == self.next_offset, (offset, self.next_offset)
        self.next_offset = offset + 1

    def absorb(self, rows: Rows) -> list[Output]:
        """Apply rows that come as arrays and need no journal: the replay's shortcut, same as their frame."""
        self.next_offset += 1
        return [output for name in self.portfolios for output in self._absorb_into(name, rows)]

    def _apply(self, offset: int, record: Record) -> list[Output]:
        match record:
            case Frame():
                rows = unpack(record)
                names = [name for name in self.portfolios if self._is_due(name, offset)]
                return [output for name in names for output in self._absorb_into(name, rows)]
            case PortfolioRegistered(registration=registration):
                name = registration.portfolio_id
                if name not in self.portfolios:
                    self.portfolios[name] = Portfolio(registration, record.source)
                    self.changed.add(name)
                    return []
                return self._apply_to([name], offset, record)
            case StrategyRegistered(registration=registration):
                return self._apply_to(self._concerned(registration), offset, record)
            case Control(request=request):
                return self._apply_to([request.portfolio_id], offset, record)
            case Risk(signal=signal):
                return self._apply_to([signal.portfolio_id], offset, record)
            case Report(report=report):
                return self._apply_to([report.portfolio_id], offset, record)
            case Reply(reply=reply):
                return self._apply_to([reply.portfolio_id], offset, record)
            case Nudge(portfolio_id=portfolio_id):
                return self._apply_to([portfolio_id], offset, record)
            case Release():
                return self._apply_to(self.portfolios, offset, record)
            case Tick():
                return []
            case _:
                assert_never(record)

    def _concerned(self, registration: StrategyRegistration) -> list[str]:
        """Return the portfolios a registration names, and those it may have left."""
        members = [
            name
            for name, portfolio in self.portfolios.items()
            if registration.strategy_id in portfolio.members
        ]
        return list(dict.fromkeys((*registration.portfolios, *members)))

    def _is_due(self, name: str, offset: int) -> bool:
        return offset >= self.applied_from.get(name, 0)

    def _absorb_into(self, name: str, rows: Rows) -> list[Output]:
        outputs = self.portfolios[name].absorb(rows)
        self.changed.add(name)
        return outputs

    def _apply_to(
        self,
        names: Iterable[str],
        offset: int,
        record: StrategyRegistered
        | PortfolioRegistered
        | Control
        | Risk
        | Report
        | Release
        | Reply
        | Nudge,
    ) -> list[Output]:
        outputs: list[Output] = []
        for name in names:
            portfolio = self.portfolios.get(name)
            if portfolio is not None and self._is_due(name, offset):
                outputs += portfolio.apply(record)
                self.changed.add(name)
        return outputs

    # ------------------------------------------------------------------ checkpoints

    def image_of(self, name: str) -> bytes:
        """Return the exact bytes of one portfolio's state."""
        return encode_image(self.portfolios[name].to_state())

    def restore(self, name: str, image: bytes, applied_from: int) -> None:
        """Put a portfolio back as it was when the records before ``applied_from`` had been applied."""
        self.portfolios[name] = Portfolio.from_state(decode_image(image))
        self.applied_from[name] = applied_from

    def canonical_state(self) -> dict[str, Any]:
        """Return the state that two folds of the same journal must share, whatever their batches and restarts."""
        return {name: self.portfolios[name].to_state() for name in sorted(self.portfolios)}
