"""What the builder of bars hands out: bars that closed, and corrections of those that had."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.journal import Reported
from streams.core.arrays import BoolArray, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ClosedBar:
    """A bar whose shares are all final, with the columns as they were when it closed.

    ``values`` (N,) is NaN where a strategy has none; ``ended`` (N,) tells who was over by then;
    ``reported`` holds, by column, what strategies said of themselves. By column too, of the time
    since the bar before: ``revised`` counts revisions and late rows, ``late`` the rows that could
    not be placed any more. ``vouched`` are columns whose value a revision stated before the close;
    ``quarantined`` are values that were kept out, NaN in ``values``.
    """

    end_ns: int
    values: FloatArray
    ended: BoolArray
    reported: dict[int, Reported] = field(default_factory=dict)
    revised: dict[int, int] = field(default_factory=dict)
    late: dict[int, int] = field(default_factory=dict)
    vouched: frozenset[int] = frozenset()
    quarantined: dict[int, float] = field(default_factory=dict)

    def to_state(self) -> dict[str, Any]:
        """Return everything as plain values and arrays."""
        return {
            "end_ns": self.end_ns,
            "values": self.values,
            "ended": self.ended,
            "reported": reported_state(self.reported),
            "revised": sorted(self.revised.items()),
            "late": sorted(self.late.items()),
            "vouched": sorted(self.vouched),
            "quarantined": sorted(self.quarantined.items()),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "ClosedBar":
        """Return the bar that :meth:`to_state` described."""
        return cls(
            state["end_ns"],
            state["values"],
            state["ended"],
            reported_from(state["reported"]),
            dict(state["revised"]),
            dict(state["late"]),
            frozenset(state["vouched"]),
            dict(state["quarantined"]),
        )


class Correction(NamedTuple):
    """A revised or late value of a final share.

    Effective at the first bar that ends after ``after_ns``.
    """

    after_ns: int
    end_ns: int
    column: int
    old: float
    new: float


class Refusal(NamedTuple):
    """A row, by its number, that cannot be placed: ``too_late``, or its strategy has ``ended``."""

    row: int
    reason: str


def reported_state(reported: dict[int, Reported]) -> list[list[Any]]:
    """Return what strategies reported as plain values, by column."""
    return [[c, r.row, r.volatility_annual, r.drawdown] for c, r in sorted(reported.items())]


def reported_from(state: list[list[Any]]) -> dict[int, Reported]:
    """Return what :func:`reported_state` described."""
    return {column: Reported(*figures) for column, *figures in state}
