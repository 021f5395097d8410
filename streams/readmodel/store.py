"""What a store of views does. Two do it: an embedded one, and Redis; one suite tests both."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from streams.core.errors import ApseError
from streams.readmodel.changes import Change

TOLD_MAX: Final = 10_000
"""Live events that a store keeps, for listeners that come back."""

FILLING: Final = "filling"
"""Key of a word that changes whenever the store is filled anew: live events count from there."""

Place = tuple[str, int]
"""Topic and partition."""


class StoreUnavailableError(ApseError):
    """The store does not answer; what it held can be built again from the topics."""


class LeaseLostError(StoreUnavailableError):
    """Another process keeps the store's views now: what this one would write is late."""

    def __init__(self) -> None:
        super().__init__("another process keeps the views now")


class ForgottenError(ApseError):
    """A listener asks for events that are no longer kept: it has to read the views anew."""


class Entry(NamedTuple):
    """One value of a series."""

    place: int
    value: bytes


class Told(NamedTuple):
    """One live event; ids rise."""

    number: int
    kind: str
    portfolio_id: str
    value: bytes


class Store(Protocol):
    """Views by key, series by place, live events by number; any thread may call.

    Every call may raise StoreUnavailableError. Of all that have a store open one keeps its views:
    the one that holds the lease.
    """

    def hold(self, seconds: float) -> bool:
        """Take the lease, or keep it for so long from now; tell whether it is ours.

        Once it was ours, :meth:`apply` raises LeaseLostError where it no longer is, and writes
        nothing.
        """

    def release(self) -> None:
        """Give the lease back, where it is ours."""

    def positions(self) -> dict[Place, int]:
        """Return the first offset of each partition whose changes are not stored yet."""

    def apply(self, changes: Sequence[Change], positions: Mapping[Place, int]) -> None:
        """Store changes and the positions they lead to, both or neither."""

    def get(self, key: str) -> bytes | None:
        """Return the newest value under a key."""

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that begin with ``prefix``, sorted."""

    def series(
        self,
        name: str,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 1_000,
        newest_first: bool = False,
    ) -> list[Entry]:
        """Return entries with ``after`` < place < ``before``, at most ``limit``."""

    def told(self, after: int, limit: int = 1_000) -> list[Told]:
        """Return live events with larger numbers than ``after``, oldest first.

        Raises
        ------
        ForgottenError
            When some of them are no longer kept, or ``after`` was never given out.
        """

    def newest_told(self) -> int:
        """Return the number of the newest live event, 0 where there is none."""

    def clear(self) -> None:
        """Forget everything that is stored."""

    def close(self) -> None:
        """Let go of everything."""
