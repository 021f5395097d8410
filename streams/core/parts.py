"""Rows inside a bar, compounded by stamp for each strategy at a bounded cost a row.

A row that follows the newest one costs one multiplication; one that comes out of turn, or revises
another, costs those after it. Rows beyond a limit are folded into the growth before them, oldest
first: they count as they are, and can no longer be revised.
"""

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np

from schemas.journal import Reported
from streams.core.arrays import FloatArray, IntArray

NEVER_NS: Final = -(2**62)
ROWS_KEPT: Final = 4_096
"""Rows of one bar that can be revised, and of the other bars of its strategy together.

Minutes of a day are 1440. At 28 bytes a row, a portfolio of 200 strategies stays at 46 MB.
"""

_SLACK: Final = 1_024  # rows over the limit before some are folded: not at each row
_GROWTH_MAX: Final = float(np.finfo(np.float64).max)  # a bar stays a number, whatever is claimed

Outcome = Literal["changed", "same", "too_late"]


class Parts:
    """The rows of one bar and strategy, by stamp.

    ``growth`` after each row, of all up to it; ``base_growth`` is that of the rows folded, of which
    ``base_ns`` is the newest.
    """

    __slots__ = ("base_growth", "base_ns", "growths", "revisions", "stamps_ns", "values")

    def __init__(self) -> None:
        self.base_ns = NEVER_NS
        self.base_growth = 1.0
        self.stamps_ns = array("q")
        self.revisions = array("i")
        self.values = array("d")
        self.growths = array("d")

    def __len__(self) -> int:
        return len(self.stamps_ns)

    @property
    def newest_ns(self) -> int:
        """The newest stamp, of a row that is kept or folded."""
        return self.stamps_ns[-1] if self.stamps_ns else self.base_ns

    def value(self) -> float:
        """Return the return of the bar: of a lone row as it is, of several compounded by stamp.

        NaN where there is none.
        """
        if self.base_ns == NEVER_NS and len(self.values) <= 1:
            return self.values[0] if self.values else float("nan")
        return (self.growths[-1] if self.growths else self.base_growth) - 1.0

    def insert(self, stamp_ns: int, revision: int, value: float) -> Outcome:
        """Put a row among the others.

        Returns
        -------
        Outcome
            ``same`` for a duplicate or an older revision, ``too_late`` for one among rows that are
            folded, which cannot be told from a duplicate.
        """
        if stamp_ns > self.newest_ns:
            before = self.growths[-1] if self.growths else self.base_growth
            self.stamps_ns.append(stamp_ns)
            self.revisions.append(revision)
            self.values.append(value)
            self.growths.append(_grown(before, value))
            if len(self) >= ROWS_KEPT + _SLACK:
                self.fold(len(self) - ROWS_KEPT)
            return "changed"
        if stamp_ns <= self.base_ns:
            return "too_late"
        place = bisect_left(self.stamps_ns, stamp_ns)
        if self.stamps_ns[place] != stamp_ns:
            self.stamps_ns.insert(place, stamp_ns)
            self.revisions.insert(place, revision)
            self.values.insert(place, value)
            self.growths.insert(place, 0.0)
        elif revision <= self.revisions[place]:
            return "same"
        else:
            self.revisions[place] = revision
            self.values[place] = value
        self._compound(place)
        if len(self) >= ROWS_KEPT + _SLACK:
            self.fold(len(self) - ROWS_KEPT)
        return "changed"

    def fold(self, count: int) -> None:
        """Let the oldest rows count as they are, for good."""
        if count == 0:
            return
        self.base_ns = self.stamps_ns[count - 1]
        self.base_growth = self.growths[count - 1]
        for column in (self.stamps_ns, self.revisions, self.values, self.growths):
            del column[:count]

    def _compound(self, place: int) -> None:
        growth = self.growths[place - 1] if place else self.base_growth
        for row in range(place, len(self.values)):
            growth = _grown(growth, self.values[row])
            self.growths[row] = growth

    def to_state(self) -> list[Any]:
        """Return everything as plain values and arrays."""
        return [
            self.base_ns,
            self.base_growth,
            np.array(self.stamps_ns, dtype=np.int64),
            np.array(self.revisions, dtype=np.int32),
            np.array(self.values, dtype=np.float64),
        ]

    @classmethod
    def from_state(cls, state: list[Any]) -> "Parts":
        """Return the rows that :meth:`to_state` described."""
        parts = cls()
        parts.base_ns, parts.base_growth, stamps_ns, revisions, values = state
        parts.stamps_ns = array("q", stamps_ns.tolist())
        parts.revisions = array("i", revisions.tolist())
        parts.values = array("d", values.tolist())
        parts.growths = array("d", bytes(8 * len(values)))
        parts._compound(0)
        return parts


@dataclass(slots=True, eq=False)
class Share:
    """Content of one bar, open or remembered: (N,) each.

    ``parts`` is the truth for the columns it has, ``values`` for the others.
    """

    values: FloatArray
    stamps_ns: IntArray
    parts: dict[int, Parts] = field(default_factory=dict)
    reported: dict[int, Reported] = field(default_factory=dict)

    @classmethod
    def empty(cls, columns: int) -> "Share":
        """Return the share of nobody yet."""
        return cls(np.full(columns, np.nan), np.full(columns, NEVER_NS, dtype=np.int64))

    def parts_of(self, column: int) -> Parts:
        """Return the column's rows; a lone first row has no list of its own until now."""
        parts = self.parts.get(column)
        if parts is None:
            parts = Parts()
            stamp_ns = int(self.stamps_ns[column])
            if stamp_ns != NEVER_NS:
                parts.insert(stamp_ns, 0, float(self.values[column]))
        return parts


def _grown(growth: float, value: float) -> float:
    return min(growth * (1.0 + value), _GROWTH_MAX)
