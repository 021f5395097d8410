"""Rows of returns become aligned bars, the same whatever the interleaving of the strategies.

Progress is per strategy: its share of a bar is final at its own first row or mark at or past the
bar's end, and a bar closes when the shares of all strategies that have not ended are final. A row
for a share that is already final is a revision: it becomes a :class:`Correction`, effective from
the strategy's first bar that was not yet final, and never changes a closed bar.
"""

from bisect import insort
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from schemas.journal import ROW_INACTIVE, ROW_PROGRESS, ROW_VALUE, Reported
from schemas.policy import Bar
from streams.core.arrays import BoolArray, FloatArray, IntArray
from streams.core.calendar import bar_end, bar_ends, last_bar_end, last_bar_ends
from streams.core.frames import Rows

NEVER_NS: Final = -(2**62)
ALWAYS_NS: Final = 2**62
DEAD_RETURN: Final = -1.0
_GROWTH_MAX: Final = float(np.finfo(np.float64).max)  # a bar stays a number, whatever is claimed


class Part(NamedTuple):
    """One row inside a bar."""

    stamp_ns: int
    revision: int
    value: float


@dataclass(frozen=True, slots=True, eq=False)
class ClosedBar:
    """A bar whose shares are all final, with the columns as they were when it closed.

    ``values`` (N,) is NaN where a strategy has none; ``ended`` (N,) tells who was over by then;
    ``reported`` holds, by column, what strategies said of themselves.
    """

    end_ns: int
    values: FloatArray
    ended: BoolArray
    reported: dict[int, Reported] = field(default_factory=dict)


class Correction(NamedTuple):
    """A revised or late value of a final share.

    Effective at the first bar that ends after ``after_ns``.
    """

    after_ns: int
    end_ns: int
    column: int
    old: float
    new: float


@dataclass(slots=True, eq=False)
class _Share:
    """Content of one bar, open or remembered.

    ``parts`` is the truth for the columns it has, ``values`` for the others.
    """

    values: FloatArray
    stamps_ns: IntArray
    parts: dict[int, list[Part]] = field(default_factory=dict)
    reported: dict[int, Reported] = field(default_factory=dict)

    @classmethod
    def empty(cls, columns: int) -> "_Share":
        return cls(np.full(columns, np.nan), np.full(columns, NEVER_NS, dtype=np.int64))

    def rows_of(self, column: int) -> list[Part]:
        """Return the column's rows, by stamp; the list is the caller's."""
        if column in self.parts:
            return list(self.parts[column])
        known = self.stamps_ns[column] != NEVER_NS
        return [Part(int(self.stamps_ns[column]), 0, float(self.values[column]))] if known else []

    def set_rows(self, column: int, parts: list[Part]) -> None:
        """Let the column consist of these rows; a lone first row needs no list, however it came."""
        self.values[column] = compound(parts)
        self.stamps_ns[column] = parts[-1].stamp_ns
        if len(parts) == 1 and parts[0].revision == 0:
            self.parts.pop(column, None)
        else:
            self.parts[column] = parts


def compound(parts: list[Part]) -> float:
    """Return the return of a bar: of a lone row as it is, of several compounded by stamp."""
    if not parts:
        return float("nan")
    if len(parts) == 1:
        return parts[0].value
    growth = 1.0
    for part in parts:
        growth = min(growth * (1.0 + part.value), _GROWTH_MAX)
    return growth - 1.0


class BarBuilder:
    """Builds the bars of one portfolio from its strategies' rows.

    Parameters
    ----------
    bar
        Length of a bar.
    names
        Strategy ids, sorted: the columns.
    horizon_bars
        Closed bars remembered to recognise duplicates and to place revisions.
    """

    def __init__(self, bar: Bar, names: tuple[str, ...], horizon_bars: int) -> None:
        self.bar: Bar = bar
        self.names = names
        self.horizon_bars = horizon_bars
        self.closed_ns = NEVER_NS
        self.final_ns = np.full(len(names), NEVER_NS, dtype=np.int64)
        self.ended_ns = np.full(len(names), ALWAYS_NS, dtype=np.int64)
        self._open: list[int] = []
        self._remembered: list[int] = []
        self._shares: dict[int, _Share] = {}
        self._ready: list[ClosedBar] = []  # closed since the last call of close()

    # ------------------------------------------------------------------ rows in

    def absorb(self, rows: Rows, columns: IntArray) -> list[Correction]:
        """Take rows in, in their order.

        ``columns`` (R,) are their strategies. Bars that close are handed out by :meth:`close`.
        """
        if not len(rows):
            return []
        ends_ns = bar_ends(rows.period_end_ns, self.bar)
        if self._is_plain(rows, columns, ends_ns):
            self._scatter(rows, columns, ends_ns)
            return []
        corrections = []
        for row in range(len(rows)):
            correction = self._absorb_row(rows, row, int(columns[row]))
            if correction is not None:
                corrections.append(correction)
            # a late row finds what is closed by then, wherever a frame happens to end
            self._ready += self._settle()
        return corrections

    def release(self, column: int, through_ns: int) -> None:
        """Make a silent strategy's shares final through an instant."""
        self._advance(column, last_bar_end(through_ns, self.bar))

    def end(self, column: int, at_ns: int) -> None:
        """End a strategy: all its shares are final, and bars after ``at_ns`` do without it."""
        self.ended_ns[column] = min(int(self.ended_ns[column]), at_ns)
        self.final_ns[column] = ALWAYS_NS

    def revive(self, column: int) -> None:
        """Wait for an ended strategy again, from the first bar that is not closed."""
        self.ended_ns[column] = ALWAYS_NS
        self.final_ns[column] = self.closed_ns

    def _is_plain(self, rows: Rows, columns: IntArray, ends_ns: IntArray) -> bool:
        """Tell whether one scatter does the same: first values, one a share, in order."""
        if (
            (rows.kind != ROW_VALUE).any()
            or rows.revision.any()
            or (rows.value <= DEAD_RETURN).any()
            or rows.reported
        ):
            return False
        order = np.argsort(columns, kind="stable")
        column, end = columns[order], ends_ns[order]
        same = column[1:] == column[:-1]
        if (same & (end[1:] <= end[:-1])).any() or (ends_ns <= self.final_ns[columns]).any():
            return False
        for end_ns in np.unique(ends_ns):
            share = self._shares.get(int(end_ns))
            if (
                share is not None
                and (share.stamps_ns[columns[ends_ns == end_ns]] != NEVER_NS).any()
            ):
                return False
        return True

    def _scatter(self, rows: Rows, columns: IntArray, ends_ns: IntArray) -> None:
        unique_ns, inverse = np.unique(ends_ns, return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        stops = np.searchsorted(inverse[order], np.arange(len(unique_ns) + 1))
        for number, end_ns in enumerate(unique_ns.tolist()):
            picked = order[stops[number] : stops[number + 1]]
            share = self._share(end_ns)
            share.values[columns[picked]] = rows.value[picked]
            share.stamps_ns[columns[picked]] = rows.period_end_ns[picked]
        np.maximum.at(self.final_ns, columns, last_bar_ends(rows.period_end_ns, self.bar))

    def _absorb_row(self, rows: Rows, row: int, column: int) -> Correction | None:
        """Take one row in; this defines what :meth:`_scatter` must equal."""
        if self.ended_ns[column] != ALWAYS_NS:
            return None
        stamp_ns, kind = int(rows.period_end_ns[row]), int(rows.kind[row])
        if kind == ROW_PROGRESS:
            self._advance(column, last_bar_end(stamp_ns, self.bar))
            return None
        if kind == ROW_INACTIVE:
            # bars already final stay as they are, though the mark be older than them
            self.end(column, max(bar_end(stamp_ns, self.bar), int(self.final_ns[column])))
            return None
        part = Part(stamp_ns, int(rows.revision[row]), float(rows.value[row]))
        end_ns = bar_end(stamp_ns, self.bar)
        if end_ns <= self.final_ns[column]:
            correction = self._revise(column, end_ns, part)
            if correction is not None and correction.new == DEAD_RETURN:
                self.end(column, correction.after_ns)
            return correction
        if not self._add(column, end_ns, part):
            return None
        if row in rows.reported:
            self._shares[end_ns].reported[column] = rows.reported[row]
        if part.value == DEAD_RETURN:
            self.end(column, end_ns - 1)
        return None

    def _add(self, column: int, end_ns: int, part: Part) -> bool:
        """Put a row into a share that is not final; return whether it changed anything."""
        share = self._share(end_ns)
        parts = share.rows_of(column)
        changed = _insert(parts, part)
        if changed:
            share.set_rows(column, parts)
        self._advance(column, last_bar_end(part.stamp_ns, self.bar))
        return changed

    def _revise(self, column: int, end_ns: int, part: Part) -> Correction | None:
        """Return the correction that a row for a final share means.

        None for a duplicate, or a bar no longer remembered.
        """
        share = self._shares.get(end_ns)
        if share is None:
            if end_ns <= self.closed_ns:
                return None
            share = self._share(end_ns)
        parts = share.rows_of(column)
        old = compound(parts)
        if not _insert(parts, part):
            return None
        share.parts[column] = parts  # the truth from now on; the bar itself keeps the value it had
        return Correction(int(self.final_ns[column]), end_ns, column, old, compound(parts))

    def _advance(self, column: int, through_ns: int) -> None:
        self.final_ns[column] = max(int(self.final_ns[column]), through_ns)

    def _share(self, end_ns: int) -> _Share:
        share = self._shares.get(end_ns)
        if share is None:
            share = self._shares[end_ns] = _Share.empty(len(self.names))
            insort(self._open, end_ns)
        return share

    # ------------------------------------------------------------------ bars out

    def close(self) -> list[ClosedBar]:
        """Return the bars whose shares are all final, oldest first, and remember them."""
        closed, self._ready = [*self._ready, *self._settle()], []
        return closed

    def _settle(self) -> list[ClosedBar]:
        if not self._open:
            return []
        through_ns = int(self.final_ns.min())
        closed = []
        while self._open and self._open[0] <= through_ns:
            end_ns = self._open.pop(0)
            share = self._shares[end_ns]
            if np.isnan(share.values).all():
                del self._shares[end_ns]
                continue
            ended = end_ns > self.ended_ns
            closed.append(ClosedBar(end_ns, share.values.copy(), ended, share.reported))
            share.reported = {}
            self._remembered.append(end_ns)
        if closed:
            self.closed_ns = closed[-1].end_ns
        while len(self._remembered) > self.horizon_bars:
            del self._shares[self._remembered.pop(0)]
        return closed

    # ------------------------------------------------------------------ membership and state

    def set_names(self, names: tuple[str, ...]) -> None:
        """Change the columns to ``names``, a superset of the present ones.

        A new strategy is awaited from the first open bar.
        """
        source = [self.names.index(name) if name in self.names else -1 for name in names]
        picked = np.array(source, dtype=np.int64)
        position = {old: column for column, old in enumerate(source) if old >= 0}
        self.final_ns = np.append(self.final_ns, self.closed_ns)[
            picked
        ]  # -1 finds the appended one
        self.ended_ns = np.append(self.ended_ns, ALWAYS_NS)[picked]
        for share in self._shares.values():
            share.values = np.append(share.values, np.nan)[picked]
            share.stamps_ns = np.append(share.stamps_ns, NEVER_NS)[picked]
            share.parts = {position[column]: parts for column, parts in share.parts.items()}
            share.reported = {position[c]: figures for c, figures in share.reported.items()}
        self.names = names

    def to_state(self) -> dict[str, Any]:
        """Return everything as plain values and arrays.

        :meth:`from_state` restores it bit for bit.
        """
        ends = sorted(self._shares)
        shape = (len(ends), len(self.names))
        return {
            "names": list(self.names),
            "horizon_bars": self.horizon_bars,
            "closed_ns": self.closed_ns,
            "final_ns": self.final_ns,
            "ended_ns": self.ended_ns,
            "open": list(self._open),
            "remembered": list(self._remembered),
            "ends": ends,
            "values": np.array([self._shares[end].values for end in ends]).reshape(shape),
            "stamps_ns": np.array(
                [self._shares[end].stamps_ns for end in ends], dtype=np.int64
            ).reshape(shape),
            "parts": [
                [end, column, [list(part) for part in parts]]
                for end in ends
                for column, parts in sorted(self._shares[end].parts.items())
            ],
            "reported": [[end, reported_state(self._shares[end].reported)] for end in ends],
        }

    @classmethod
    def from_state(cls, bar: Bar, state: dict[str, Any]) -> "BarBuilder":
        """Return the builder that :meth:`to_state` described."""
        builder = cls(bar, tuple(state["names"]), state["horizon_bars"])
        builder.closed_ns = state["closed_ns"]
        builder.final_ns = state["final_ns"].copy()
        builder.ended_ns = state["ended_ns"].copy()
        builder._open = list(state["open"])
        builder._remembered = list(state["remembered"])
        for row, end in enumerate(state["ends"]):
            builder._shares[end] = _Share(
                state["values"][row].copy(), state["stamps_ns"][row].copy()
            )
        for end, column, parts in state["parts"]:
            builder._shares[end].parts[column] = [Part(*part) for part in parts]
        for end, reported in state["reported"]:
            builder._shares[end].reported = reported_from(reported)
        return builder


def reported_state(reported: dict[int, Reported]) -> list[list[Any]]:
    """Return what strategies reported as plain values, by column."""
    return [[c, r.row, r.volatility_annual, r.drawdown] for c, r in sorted(reported.items())]


def reported_from(state: list[list[Any]]) -> dict[int, Reported]:
    """Return what :func:`reported_state` described."""
    return {column: Reported(*figures) for column, *figures in state}


def _insert(parts: list[Part], part: Part) -> bool:
    """Put a row among its bar's rows by stamp.

    Return False where it changes nothing: a duplicate, or an older revision.
    """
    for place, known in enumerate(parts):
        if known.stamp_ns == part.stamp_ns:
            if part.revision <= known.revision:
                return False
            parts[place] = part
            return True
    insort(parts, part)
    return True
