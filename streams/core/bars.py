"""Rows of returns become aligned bars, the same whatever the interleaving of the strategies.

Progress is per strategy: its share of a bar is final at its own first row or mark at or past the
bar's end, and a bar closes when the shares of all strategies that have not ended are final. A row
for a share that is already final is a revision: it becomes a :class:`Correction`, effective from
the strategy's first bar that was not yet final, and never changes a closed bar. One that can no
longer be placed is counted, and told with the next bar.
"""

from bisect import insort
from typing import Any, Final, NamedTuple

import numpy as np

from schemas.journal import ROW_INACTIVE, ROW_PROGRESS, ROW_VALUE, Reported
from schemas.policy import Bar
from streams.core.arrays import IntArray
from streams.core.calendar import bar_ends, last_bar_end, last_bar_ends
from streams.core.closed import ClosedBar, Correction, Refusal, reported_from, reported_state
from streams.core.frames import Rows
from streams.core.parts import NEVER_NS, ROWS_KEPT, Outcome, Parts, Share

__all__ = [
    "ALWAYS_NS",
    "DEAD_RETURN",
    "NEVER_NS",
    "BarBuilder",
    "ClosedBar",
    "Correction",
    "Refusal",
]

ALWAYS_NS: Final = 2**62
DEAD_RETURN: Final = -1.0
TOO_LATE: Final = "too_late"
ENDED: Final = "ended"


class _Row(NamedTuple):
    """One row of a frame, with its bar's end and the newest bar end that it makes final."""

    column: int
    stamp_ns: int
    end_ns: int
    through_ns: int
    kind: int
    revision: int
    value: float


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
        self._shares: dict[int, Share] = {}
        self._parted: dict[int, list[int]] = {}  # column -> bars with rows in a list, oldest first
        self._ready: list[ClosedBar] = []  # closed since the last call of close()
        self._moved = False  # whether a bar may have become final since the last look
        self._revised: dict[int, int] = {}  # since the last bar, by column
        self._late: dict[int, int] = {}
        self._refused: list[Refusal] = []  # since the last call of refusals()

    # ------------------------------------------------------------------ rows in

    def absorb(self, rows: Rows, columns: IntArray) -> list[Correction]:
        """Take rows in, in their order.

        ``columns`` (R,) are their strategies. Bars that close are handed out by :meth:`close`, rows
        that cannot be placed by :meth:`refusals`.
        """
        if not len(rows):
            return []
        ends_ns = bar_ends(rows.period_end_ns, self.bar)
        if self._is_plain(rows, columns, ends_ns):
            self._scatter(rows, columns, ends_ns)
            return []
        corrections = []
        for number, row in enumerate(self._each(rows, columns, ends_ns)):
            correction = self._absorb_row(number, row, rows.reported.get(number))
            if correction is not None:
                corrections.append(correction)
            if self._moved:  # a late row finds what is closed by then, wherever a frame ends
                self._ready += self._settle()
        return corrections

    def refusals(self) -> list[Refusal]:
        """Return the rows of the last call of :meth:`absorb` that could not be placed."""
        refused, self._refused = self._refused, []
        return refused

    def release(self, column: int, through_ns: int) -> None:
        """Make a silent strategy's shares final through an instant."""
        self._advance(column, last_bar_end(through_ns, self.bar))

    def end(self, column: int, at_ns: int) -> None:
        """End a strategy: all its shares are final, and bars after ``at_ns`` do without it."""
        self.ended_ns[column] = min(int(self.ended_ns[column]), at_ns)
        self._advance(column, ALWAYS_NS)

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
        self._moved = True

    def _each(self, rows: Rows, columns: IntArray, ends_ns: IntArray) -> "map[_Row]":
        through_ns = last_bar_ends(rows.period_end_ns, self.bar)
        listed = (rows.period_end_ns, ends_ns, through_ns, rows.kind, rows.revision, rows.value)
        return map(_Row, columns.tolist(), *(column.tolist() for column in listed))

    def _absorb_row(self, number: int, row: _Row, reported: Reported | None) -> Correction | None:
        """Take one row in; this defines what :meth:`_scatter` must equal."""
        column = row.column
        if self.ended_ns[column] != ALWAYS_NS:
            self._refuse(number, row, ENDED)
            return None
        if row.kind == ROW_PROGRESS:
            self._advance(column, row.through_ns)
            return None
        final_ns = int(self.final_ns[column])
        if row.kind == ROW_INACTIVE:
            # bars already final stay as they are, though the mark be older than them
            self.end(column, max(row.end_ns, final_ns))
            return None
        if row.end_ns <= final_ns:
            correction = self._revise(number, row)
            if correction is not None and correction.new == DEAD_RETURN:
                self.end(column, correction.after_ns)
            return correction
        outcome = self._add(row)
        if outcome == TOO_LATE:
            self._refuse(number, row, TOO_LATE)
            return None
        if outcome == "changed":
            if reported is not None:
                self._shares[row.end_ns].reported[column] = reported
            if row.value == DEAD_RETURN:
                self.end(column, row.end_ns - 1)
        return None

    def _add(self, row: _Row) -> Outcome:
        """Put a row into a share that is not final."""
        share, column = self._share(row.end_ns), row.column
        outcome: Outcome = "changed"
        if row.revision == 0 and share.stamps_ns[column] == NEVER_NS:
            share.values[column] = row.value
            share.stamps_ns[column] = row.stamp_ns
        else:
            parts = share.parts_of(column)
            outcome = parts.insert(row.stamp_ns, row.revision, row.value)
            if outcome == "changed":
                self._keep(row.end_ns, share, column, parts)
                share.values[column] = parts.value()
                share.stamps_ns[column] = parts.newest_ns
        self._advance(column, row.through_ns)
        return outcome

    def _revise(self, number: int, row: _Row) -> Correction | None:
        """Return the correction that a row for a final share means.

        None for a duplicate; one of a bar that is no longer remembered, or that closed without
        anybody, is refused.
        """
        share, column = self._shares.get(row.end_ns), row.column
        if share is None:
            if row.end_ns <= self.closed_ns:
                self._refuse(number, row, TOO_LATE)
                return None
            share = self._share(row.end_ns)
        parts = share.parts_of(column)
        old = parts.value()
        outcome = parts.insert(row.stamp_ns, row.revision, row.value)
        if outcome == TOO_LATE:
            self._refuse(number, row, TOO_LATE)
            return None
        if outcome == "same":
            return None
        # the truth from now on; the bar itself keeps the value it had
        self._keep(row.end_ns, share, column, parts)
        self._revised[column] = self._revised.get(column, 0) + 1
        return Correction(int(self.final_ns[column]), row.end_ns, column, old, parts.value())

    def _refuse(self, number: int, row: _Row, reason: str) -> None:
        """Count a row that cannot be placed; a mark that comes too late has nothing to say."""
        if row.kind == ROW_VALUE:
            self._late[row.column] = self._late.get(row.column, 0) + 1
            self._refused.append(Refusal(number, reason))

    def _keep(self, end_ns: int, share: Share, column: int, parts: Parts) -> None:
        """Keep the rows of a share, and those of the column's other bars up to the limit."""
        if column in share.parts:
            return
        share.parts[column] = parts
        parted = self._parted.setdefault(column, [])
        insort(parted, end_ns)
        others = [self._shares[other].parts[column] for other in parted if other != end_ns]
        kept = sum(len(other) for other in others)
        for other in others:
            if kept <= ROWS_KEPT:
                return
            if len(other) > 1:  # a lone row, or a late one, stays what it is
                kept -= len(other)
                other.fold(len(other))

    def _advance(self, column: int, through_ns: int) -> None:
        if through_ns > self.final_ns[column]:
            self.final_ns[column] = through_ns
            self._moved = True

    def _share(self, end_ns: int) -> Share:
        share = self._shares.get(end_ns)
        if share is None:
            share = self._shares[end_ns] = Share.empty(len(self.names))
            insort(self._open, end_ns)
            self._moved = True
        return share

    # ------------------------------------------------------------------ bars out

    def close(self) -> list[ClosedBar]:
        """Return the bars whose shares are all final, oldest first, and remember them."""
        closed, self._ready = [*self._ready, *self._settle()], []
        return closed

    def _settle(self) -> list[ClosedBar]:
        self._moved = False
        if not self._open:
            return []
        through_ns = int(self.final_ns.min())
        closed = []
        while self._open and self._open[0] <= through_ns:
            end_ns = self._open.pop(0)
            share = self._shares[end_ns]
            if np.isnan(share.values).all():
                self._forget(end_ns)
                continue
            closed.append(self._closed(end_ns, share))
            share.reported = {}
            self._remembered.append(end_ns)
        if closed:
            self.closed_ns = closed[-1].end_ns
        while len(self._remembered) > self.horizon_bars:
            self._forget(self._remembered.pop(0))
        return closed

    def _closed(self, end_ns: int, share: Share) -> ClosedBar:
        """Return a bar that closes, with what was counted since the one before."""
        revised, self._revised = self._revised, {}
        late, self._late = self._late, {}
        ended = end_ns > self.ended_ns
        vouched = frozenset(
            column
            for column, parts in share.parts.items()
            if any(parts.revisions) and parts.value() == share.values[column]
        )
        return ClosedBar(end_ns, share.values.copy(), ended, share.reported, revised, late, vouched)

    def _forget(self, end_ns: int) -> None:
        for column in self._shares.pop(end_ns).parts:
            self._parted[column].remove(end_ns)

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
        self._parted = {position[column]: ends for column, ends in self._parted.items()}
        self._revised = {position[column]: count for column, count in self._revised.items()}
        self._late = {position[column]: count for column, count in self._late.items()}
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
                [end, column, parts.to_state()]
                for end in ends
                for column, parts in sorted(self._shares[end].parts.items())
            ],
            "reported": [[end, reported_state(self._shares[end].reported)] for end in ends],
            "revised": sorted(self._revised.items()),
            "late": sorted(self._late.items()),
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
            builder._shares[end] = Share(
                state["values"][row].copy(), state["stamps_ns"][row].copy()
            )
        for end, column, parts in state["parts"]:
            builder._shares[end].parts[column] = Parts.from_state(parts)
            builder._parted.setdefault(column, []).append(end)
        for end, reported in state["reported"]:
            builder._shares[end].reported = reported_from(reported)
        builder._revised, builder._late = dict(state["revised"]), dict(state["late"])
        return builder
