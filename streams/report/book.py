"""What a report is made from: the files of a replay, and the returns of the strategies by bar."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl

from schemas.decisions import Decision
from schemas.policy import Bar
from schemas.units import format_instant, parse_instant
from streams.core.arrays import BoolArray, FloatArray, IntArray
from streams.core.calendar import bar_ends
from streams.core.errors import DataError
from streams.files import ReturnsTable
from streams.runtime.files import (
    DECISIONS_FILE,
    PERFORMANCE,
    PERFORMANCE_COLUMNS,
    WEIGHTS,
    decode_decision,
)

__all__ = ["Book", "Panel", "panel_of", "read_book"]

_WEIGHTS_COLUMNS: Final = ("bar_end", "strategy_id", "target_weight", "held_weight")
_REVISED_MIN: Final = 1e-9
"""A NAV that grew by more than this beside its net return was restated by revised returns."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Book:
    """A portfolio bar by bar, oldest first.

    Attributes
    ----------
    ends_ns
        (T,) ends of the bars, rising.
    net, gross, cost, turnover, nav, coverage
        (T,); ``net`` is what NAV grew by, revised returns of the past included.
    revised
        How many bars such revisions fell into.
    names
        Every strategy that ever was a member, sorted.
    held
        (T, N) weights as they had drifted to, before the fill at the bar's own close.
    decisions
        By version.
    """

    ends_ns: IntArray
    net: FloatArray
    gross: FloatArray
    cost: FloatArray
    turnover: FloatArray
    nav: FloatArray
    coverage: FloatArray
    revised: int
    names: tuple[str, ...]
    held: FloatArray
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """Returns of strategies by bar: ``values`` (T, N), NaN = missing, ``ended`` (T, N) who is over.

    A strategy is over from the bar of its last value on.
    """

    ends_ns: IntArray
    names: tuple[str, ...]
    values: FloatArray
    ended: BoolArray


def read_book(folder: Path) -> Book:
    """Read performance.csv, weights.csv and decisions.jsonl of a replay.

    Raises
    ------
    DataError
        Naming the file: what is missing, cannot be read, or is out of order.
    """
    table = _read_csv(folder / PERFORMANCE, PERFORMANCE_COLUMNS)
    if not table.height:
        message = f"{folder / PERFORMANCE} holds no bar: there is nothing to report"
        raise DataError(message)
    ends_ns = _instants(table["bar_end"], folder / PERFORMANCE)
    columns = {
        name: _numbers(table[name], folder / PERFORMANCE) for name in PERFORMANCE_COLUMNS[1:]
    }
    net, revised = _grown(columns["return_net"], columns["nav"])
    names, held = _weights(folder / WEIGHTS, table["bar_end"])
    return Book(
        ends_ns=ends_ns,
        net=net,
        gross=columns["return_gross"],
        cost=columns["cost"],
        turnover=columns["turnover"],
        nav=columns["nav"],
        coverage=columns["coverage"],
        revised=revised,
        names=names,
        held=held,
        decisions=_decisions(folder / DECISIONS_FILE),
    )


def panel_of(table: ReturnsTable, bar: Bar) -> Panel:
    """Compound the returns of a table into bars.

    Parameters
    ----------
    table
        Returns by stamp.
    bar
        Length of the bars.

    Returns
    -------
    Panel
        A bar for each that somebody has a value in.
    """
    ends_ns, place = np.unique(bar_ends(table.stamps_ns, bar), return_inverse=True)
    known = ~np.isnan(table.values)
    growth = np.ones((len(ends_ns), len(table.names)))
    np.multiply.at(growth, place, np.where(known, 1.0 + table.values, 1.0))
    seen = np.zeros(growth.shape, dtype=bool)
    np.logical_or.at(seen, place, known)
    # From the newest bar back: over where no later bar has a value. Nobody is over by the newest.
    later = np.logical_or.accumulate(seen[::-1], axis=0)[::-1]
    ended = ~np.concatenate([later[1:], seen[-1:]])
    return Panel(
        ends_ns=ends_ns,
        names=table.names,
        values=np.where(seen, growth - 1.0, np.nan),
        ended=ended,
    )


def _read_csv(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    try:
        # As text, so that a refusal can show what stands there.
        table = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        message = f"{path} cannot be read: {error}; `apse replay --out DIR` writes it"
        raise DataError(message) from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        message = f"{path} has no column {missing[0]!r}; it has {table.columns[:8]}"
        raise DataError(message)
    return table


def _numbers(cells: pl.Series, path: Path) -> FloatArray:
    values = cells.cast(pl.Float64, strict=False).to_numpy().astype(np.float64)
    for place in np.flatnonzero(~np.isfinite(values))[:1].tolist():
        message = f"{path}, row {place + 2}: {cells.name} {cells[place]!r}, expected a number"
        raise DataError(message)
    return values


def _instants(cells: pl.Series, path: Path) -> IntArray:
    found = []
    for place, text in enumerate(cells):
        try:
            found.append(parse_instant(str(text)))
        except ValueError as error:
            message = f"{path}, row {place + 2}: {error}"
            raise DataError(message) from error
    ends_ns = np.array(found, dtype=np.int64)
    for place in np.flatnonzero(np.diff(ends_ns) <= 0)[:1].tolist():
        message = (
            f"{path}, row {place + 3}: bar {format_instant(found[place + 1])} does not come after"
            f" {format_instant(found[place])}"
        )
        raise DataError(message)
    return ends_ns


def _grown(net: FloatArray, nav: FloatArray) -> tuple[FloatArray, int]:
    before = np.concatenate([[1.0], nav[:-1]])
    grown = np.divide(nav, before, out=np.ones_like(nav), where=before > 0.0) - 1.0
    revised = np.abs(grown - net) > _REVISED_MIN
    return np.where(revised, grown, net), int(revised.sum())


def _weights(path: Path, bars: pl.Series) -> tuple[tuple[str, ...], FloatArray]:
    table = _read_csv(path, _WEIGHTS_COLUMNS)
    names = tuple(sorted(set(table["strategy_id"].fill_null("").to_list())))
    place = {name: number for number, name in enumerate(names)}
    bar = {text: number for number, text in enumerate(bars)}
    unknown = next((text for text in table["bar_end"].unique() if text not in bar), None)
    if unknown is not None:
        message = f"{path}: bar {unknown!r} does not stand in {PERFORMANCE}"
        raise DataError(message)
    held = np.zeros((len(bars), len(names)))
    rows = np.array([bar[text] for text in table["bar_end"]], dtype=np.int64)
    columns = [place[name] for name in table["strategy_id"].fill_null("")]
    held[rows, np.array(columns, dtype=np.int64)] = _numbers(table["held_weight"], path)
    return names, held


def _decisions(path: Path) -> tuple[Decision, ...]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}; `apse replay --out DIR` writes it"
        raise DataError(message) from error
    found = []
    for row, line in enumerate(lines, start=1):
        if line:
            try:
                found.append(decode_decision(line))
            except msgspec.MsgspecError as error:
                message = f"{path}, line {row}: not a decision: {error}"
                raise DataError(message) from error
    return tuple(sorted(found, key=lambda decision: (decision.epoch, decision.version)))
