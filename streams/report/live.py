"""What the public topics tell of a running portfolio, as the files of a replay and as returns."""

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from schemas.codec import RefusedInputError, decode_return
from schemas.policy import Bar
from schemas.topics import DECISIONS, RETURNS, STATE
from schemas.units import parse_instant
from streams.core.calendar import bar_end
from streams.files import ReturnsTable
from streams.report.book import Book, Panel, panel_of
from streams.runtime.files import ReplayFiles, decode_decision, decode_state

__all__ = ["Heard", "Published", "write_heard"]

_NEVER_NS: Final = 2**63 - 1


class Heard(NamedTuple):
    """A record, with its topic's own name."""

    topic: str
    partition: int
    offset: int
    value: bytes


def write_heard(portfolio_id: str, records: Iterable[Heard], files: ReplayFiles) -> "Published":
    """Write the bars and decisions of a portfolio as a replay would.

    What was told again, as after a crash, is written once: bars and versions only rise. Anybody may
    write to a public topic: what is no message of it is left out.

    Parameters
    ----------
    portfolio_id
        Whose.
    records
        Of the state, decisions and returns topics, in the order of each.
    files
        Where to; the caller closes them.

    Returns
    -------
    Published
        Every strategy's return that was heard, and what was left out.
    """
    returns, book = Published(), _Book(portfolio_id, files)
    for record in records:
        if record.topic == RETURNS.name:
            returns.take(record.value)
            continue
        try:
            book.take(record)
        except (ValueError, RecursionError) as error:  # also msgspec's, which are ValueErrors
            where = f"{record.topic}, partition {record.partition}, offset {record.offset}"
            returns.left_out.append(f"{where}: left out, no message of the topic: {error}")
    return returns


class _Book:
    """Writes bars and decisions of one portfolio, each once."""

    def __init__(self, portfolio_id: str, files: ReplayFiles) -> None:
        self._portfolio_id = portfolio_id
        self._files = files
        self._bar_ns = -1
        self._version = (0, 0)

    def take(self, record: Heard) -> None:
        """Take one record of the state or the decisions topic."""
        if record.topic == STATE.name:
            state = decode_state(record.value)
            bar_ns = parse_instant(state.bar_end)
            if state.portfolio_id == self._portfolio_id and bar_ns > self._bar_ns:
                self._files.state(state)
                self._bar_ns = bar_ns
        elif record.topic == DECISIONS.name:
            decision = decode_decision(record.value)
            version = (decision.epoch, decision.version)
            if decision.portfolio_id == self._portfolio_id and version > self._version:
                self._files.decision(decision)
                self._version = version


class Published:
    """Returns as strategies published them: the highest revision of each period, the first of it.

    What ingest refuses is left out here too. ``left_out`` tells of records of the engine's own
    topics that cannot be read, a sentence each.
    """

    def __init__(self) -> None:
        self.left_out: list[str] = []
        self._values: dict[tuple[str, int], tuple[int, float]] = {}
        self._ended_ns: dict[str, int] = {}

    def take(self, value: bytes) -> None:
        """Take one record of the returns topic."""
        try:
            row = decode_return(value)
        except RefusedInputError:
            return
        end_ns = parse_instant(row.period_end)
        if row.status == "inactive":
            self._ended_ns[row.strategy_id] = end_ns
        if row.value is None or not math.isfinite(row.value):
            return
        self._ended_ns.pop(row.strategy_id, None)
        key = (row.strategy_id, end_ns)
        if key not in self._values or row.revision > self._values[key][0]:
            self._values[key] = (row.revision, row.value)

    def panel(self, book: Book, bar: Bar) -> Panel | str:
        """Compound them into the bars of a book.

        Returns
        -------
        Panel or str
            Why not, where the topic no longer holds what the book's bars were made of.
        """
        members = set(book.names)
        known = {key: value for key, (_, value) in self._values.items() if key[0] in members}
        if not known:
            return "the returns topic holds no return of the portfolio's strategies"
        names = tuple(sorted({name for name, _ in known}))
        stamps_ns = np.array(sorted({end_ns for _, end_ns in known}), dtype=np.int64)
        place = {end_ns: row for row, end_ns in enumerate(stamps_ns.tolist())}
        values = np.full((len(stamps_ns), len(names)), np.nan)
        column = {name: number for number, name in enumerate(names)}
        for (name, end_ns), value in known.items():
            values[place[end_ns], column[name]] = value
        panel = panel_of(ReturnsTable(stamps_ns=stamps_ns, names=names, values=values), bar)
        # Bars that were refused as a whole, or are not closed yet, are none of the book's.
        kept = np.isin(panel.ends_ns, book.ends_ns) | (panel.ends_ns < book.ends_ns[0])
        missing = np.setdiff1d(book.ends_ns, panel.ends_ns)
        if missing.size:
            return (
                f"the returns topic no longer holds the returns of {missing.size} bars of the"
                " portfolio"
            )
        over_ns = [self._ended_ns.get(name, _NEVER_NS) for name in names]
        over_ns = [end_ns if end_ns == _NEVER_NS else bar_end(end_ns, bar) for end_ns in over_ns]
        ended = panel.ends_ns[:, None] >= np.array(over_ns, dtype=np.int64)
        return Panel(
            ends_ns=panel.ends_ns[kept],
            names=names,
            values=panel.values[kept],
            ended=ended[kept],
        )
