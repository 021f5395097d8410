"""A shard as a fold over its partition of the journal, and its exact image.

The order in the partition is the order. Each portfolio knows the first offset it has not applied,
so that a fold that begins before a portfolio's checkpoint skips what is already in it.
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
from streams.core.errors import ImageError
from streams.core.frames import Rows, unpack
from streams.core.image import decode_image, encode_image
from streams.core.outputs import Output
from streams.core.portfolio import Addressed, Portfolio


class Shard:
    """All portfolios of one shard.

    ``next_offset`` is the first offset of the journal that was not applied; ``applied_from`` holds,
    for a portfolio restored from its own checkpoint, the first offset it has not applied, where
    that lies ahead of the shard.
    """

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.next_offset = 0
        self.portfolios: dict[str, Portfolio] = {}
        self.changed: set[str] = set()
        self.applied_from: dict[str, int] = {}

    def step(self, records: Iterable[tuple[int, Record]]) -> list[Output]:
        """Apply records (offset, record) in their order; the offsets must have no gap.

        Return what they emit. Bars that frames close, one after the other, are walked together:
        the bytes of each portfolio are those of one by one, at less cost a bar.
        """
        outputs: list[Output] = []
        for offset, record in records:
            if offset < self.next_offset:
                continue
            assert offset == self.next_offset, (
                f"journal offset {offset} of shard {self.shard}, expected {self.next_offset}"
            )
            if not isinstance(record, Frame | Tick):
                outputs += self._drain()
            outputs += self._apply(offset, record)
            self.next_offset = offset + 1
        return [*outputs, *self._drain()]

    def skip(self, offset: int) -> None:
        """Pass a record over that is no journal record."""
        assert offset == self.next_offset, (offset, self.next_offset)
        self.next_offset = offset + 1

    def absorb(self, rows: Rows) -> list[Output]:
        """Apply rows that come as arrays and need no journal: the replay's shortcut."""
        offset = self.next_offset
        self.next_offset += 1
        return [*self._absorb(offset, rows), *self._drain()]

    def _apply(self, offset: int, record: Record) -> list[Output]:
        if isinstance(record, Tick):
            return []
        if isinstance(record, Frame):
            return self._absorb(offset, unpack(record))
        if isinstance(record, PortfolioRegistered):
            name = record.registration.portfolio_id
            if name not in self.portfolios:
                self.portfolios[name] = Portfolio(record.registration, record.source)
                self.changed.add(name)
                return []
        outputs: list[Output] = []
        for name in self._addressees(record):
            if name in self.portfolios and self._is_due(name, offset):
                outputs += self.portfolios[name].apply(record)
                self.changed.add(name)
        return outputs

    def _absorb(self, offset: int, rows: Rows) -> list[Output]:
        outputs: list[Output] = []
        for name in sorted(self.portfolios):  # their order must not depend on how they came back
            if self._is_due(name, offset):
                outputs += self.portfolios[name].absorb(rows)
                self.changed.add(name)
        return outputs

    def _drain(self) -> list[Output]:
        """Walk the bars that wait, of each portfolio in an order that cannot depend on restarts."""
        names = sorted(self.portfolios)
        return [output for name in names for output in self.portfolios[name].drain()]

    def _addressees(self, record: Addressed) -> Iterable[str]:
        """Return the portfolios a record concerns, whether they are on this shard or not."""
        match record:
            case StrategyRegistered(registration=registration):
                return self._concerned(registration)
            case PortfolioRegistered(registration=to) | Report(report=to) | Reply(reply=to):
                return (to.portfolio_id,)
            case Control(request=to) | Risk(signal=to):
                return (to.portfolio_id,)
            case Nudge(portfolio_id=portfolio_id):
                return (portfolio_id,)
            case Release(portfolio_id=portfolio_id):
                return sorted(self.portfolios) if portfolio_id is None else (portfolio_id,)
            case _:
                assert_never(record)

    def _concerned(self, registration: StrategyRegistration) -> list[str]:
        """Return the portfolios a registration names, and those it may have left."""
        members = [
            name
            for name in sorted(self.portfolios)
            if registration.strategy_id in self.portfolios[name].members
        ]
        return list(dict.fromkeys((*registration.portfolios, *members)))

    def _is_due(self, name: str, offset: int) -> bool:
        return offset >= self.applied_from.get(name, 0)

    # ------------------------------------------------------------------ checkpoints

    def image_of(self, name: str) -> bytes:
        """Return the exact bytes of one portfolio's state."""
        return encode_image(self.portfolios[name].to_state())

    def restore(self, name: str, image: bytes, applied_from: int) -> None:
        """Put a portfolio back as it was when records before ``applied_from`` had been applied.

        Raises
        ------
        ImageError
            When the image cannot be read; the shard is as it was.
        """
        self.portfolios[name] = portfolio_of(image)
        self.applied_from[name] = applied_from

    def canonical_state(self) -> dict[str, Any]:
        """Return the state that two folds of one journal share, whatever batches and restarts."""
        return {name: self.portfolios[name].to_state() for name in sorted(self.portfolios)}


def portfolio_of(image: bytes) -> Portfolio:
    """Return the portfolio whose state :meth:`Shard.image_of` wrote.

    Raises
    ------
    ImageError
        When the bytes are no state of this version of the engine.
    """
    try:
        return Portfolio.from_state(decode_image(image))
    except KeyError as error:
        message = f"it lacks {error}, so that another version of the engine wrote it"
        raise ImageError(message) from error
    except MemoryError:
        raise
    except Exception as error:
        message = f"another version of the engine wrote it, or nobody: {error!r}"
        raise ImageError(message) from error
