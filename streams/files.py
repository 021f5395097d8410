"""Returns files: CSV or Parquet, long or wide, into one table; a table into rows as they are sent.

Long is ``timestamp,strategy_id,return``; wide is ``timestamp`` and a column a strategy. Rows may
stand in any order. A date, or a midnight without zone, is session D and means D+1 00:00Z; any other
stamp must carry a zone. An empty cell before the first or after the last value of a strategy means
that it is not active, one in between that the value is missing. What cannot be used is refused,
naming row and value; the row of a CSV file is its line, the row of a Parquet file counts from 1.

The rows of a table, in the order in which they are sent (:func:`to_messages`):

1. for each strategy that starts later than the table, a progress mark at the table's stamp before
   its first value; one that has no value at all is inactive. Nobody then waits for a late starter.
2. at each stamp, by name: the value; or, between first and last value, a progress mark for a hole.
   The last value of a strategy that ends before the table is followed at once by ``inactive``.
3. for each strategy still active, a progress mark at the end of the last bar, which closes it.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from schemas.events import StrategyReturn
from schemas.journal import ROW_INACTIVE, ROW_PROGRESS, ROW_VALUE, ROWS_PER_FRAME_MAX
from schemas.policy import Bar
from schemas.topics import RETURNS
from schemas.units import IDENTIFIER, format_instant, parse_instant
from streams.core.arrays import BoolArray, FloatArray, IntArray
from streams.core.bars import ALWAYS_NS
from streams.core.calendar import DAY_NS, bar_end
from streams.core.errors import DataError
from streams.core.frames import Rows

TIMESTAMP: Final = "timestamp"
LONG_COLUMNS: Final = (TIMESTAMP, "strategy_id", "return")
RETURN_MIN: Final = -1.0
_SESSION: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ]00:00(?::00(?:\.0{1,9})?)?)?", re.ASCII)
_ZONELESS: Final = re.compile(r"[0-9-]{10}[T ][0-9]{2}:[0-9]{2}(?::[0-9.]+)?")
STAMP_LIMIT_NS: Final = ALWAYS_NS
_ID: Final = re.compile(IDENTIFIER)
_STATUS: Final = {ROW_VALUE: "value", ROW_PROGRESS: "progress", ROW_INACTIVE: "inactive"}
_NO_ROW: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReturnsTable:
    """Returns: ``stamps_ns`` (T,) rising, ``names`` (N) sorted, ``values`` (T, N), NaN = empty.

    Every stamp has a value of somebody.
    """

    stamps_ns: IntArray
    names: tuple[str, ...]
    values: FloatArray

    def with_absent(self, names: Iterable[str]) -> "ReturnsTable":
        """Return the table with an empty column for each of ``names`` that it does not have."""
        every = tuple(sorted({*self.names, *names}))
        values = np.full((len(self.stamps_ns), len(every)), np.nan)
        values[:, [every.index(name) for name in self.names]] = self.values
        return ReturnsTable(stamps_ns=self.stamps_ns, names=every, values=values)


class FileRow(NamedTuple):
    """A row to be sent when the table's time is ``at_ns``; ``value`` is NaN for marks."""

    at_ns: int
    strategy_id: str
    period_end_ns: int
    value: float
    kind: int

    def message(self) -> StrategyReturn:
        """Return the public message of this row."""
        return StrategyReturn(
            strategy_id=self.strategy_id,
            period_end=format_instant(self.period_end_ns),
            value=self.value if self.kind == ROW_VALUE else None,
            status=_STATUS[self.kind],  # type: ignore[arg-type]  # the literals of the field
        )


# ---------------------------------------------------------------------------------- files to table


def read_returns(path: Path) -> ReturnsTable:
    """Return the table in a returns file.

    Parameters
    ----------
    path
        ``.parquet``, or anything else as CSV.

    Raises
    ------
    DataError
        Naming row, id and value: a file that cannot be read, unknown columns, a stamp without zone,
        a value that is no finite number of at least -1, a second value for a stamp and strategy.
    """
    is_parquet = path.suffix.lower() in (".parquet", ".pq")
    try:
        frame = pl.read_parquet(path) if is_parquet else _read_csv(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        message = f"{path.name} cannot be read: {error}"
        raise DataError(message) from error
    if TIMESTAMP not in frame.columns:
        message = f"{path.name} has no column {TIMESTAMP!r}; it has {frame.columns[:8]}"
        raise DataError(message)
    rows = np.arange(frame.height, dtype=np.int64) + (1 if is_parquet else 2)
    blank = frame.select(pl.all_horizontal(pl.all().is_null())).to_series().to_numpy()
    frame, rows = frame.filter(~pl.Series(blank, dtype=pl.Boolean)), rows[~blank]
    is_long = {"strategy_id", "return"} <= set(frame.columns)
    return _table(_long_cells(frame, rows) if is_long else _wide_cells(frame, rows))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cells:
    """The values of a file, one an element; all (C,). ``row`` is for messages."""

    names: tuple[str, ...]
    column: IntArray
    stamp_ns: IntArray
    value: FloatArray
    row: IntArray


def _read_csv(path: Path) -> pl.DataFrame:
    """Read every cell as text, so that a refusal can show it; the first line names the columns."""
    raw = pl.read_csv(path, has_header=False, infer_schema=False, encoding="utf8")
    header = [str(cell or "").strip().removeprefix("\ufeff") for cell in raw.row(0)]
    for name in header:
        if header.count(name) > 1:
            message = f"{path.name} has column {name!r} twice"
            raise DataError(message)
    frame = raw.slice(1)
    frame.columns = header
    return frame


def _long_cells(frame: pl.DataFrame, rows: IntArray) -> _Cells:
    extra = [name for name in frame.columns if name not in LONG_COLUMNS]
    if extra:
        message = f"column {extra[0]!r} is not one of {', '.join(LONG_COLUMNS)}"
        raise DataError(message)
    ids = [str(cell or "").strip() for cell in frame["strategy_id"].to_list()]
    names = tuple(sorted(set(ids)))
    for name in names:
        if _ID.match(name) is None:
            raise DataError(_bad_id(f"row {rows[ids.index(name)]}", name))
    position = {name: number for number, name in enumerate(names)}
    return _Cells(
        names=names,
        column=np.array([position[name] for name in ids], dtype=np.int64),
        stamp_ns=_stamps(frame[TIMESTAMP], rows),
        value=_values(frame["return"], lambda i: f"row {rows[i]}, strategy {ids[i]!r}"),
        row=rows,
    )


def _wide_cells(frame: pl.DataFrame, rows: IntArray) -> _Cells:
    names = tuple(sorted(name for name in frame.columns if name != TIMESTAMP))
    if not names:
        message = f"no column but {TIMESTAMP!r}, expected a column a strategy"
        raise DataError(message)
    for name in names:
        if _ID.match(name) is None:
            raise DataError(_bad_id("the header", name))
    columns = [_values(frame[name], _place_in(name, rows)) for name in names]
    return _Cells(
        names=names,
        column=np.repeat(np.arange(len(names), dtype=np.int64), len(rows)),
        stamp_ns=np.tile(_stamps(frame[TIMESTAMP], rows), len(names)),
        value=np.concatenate(columns),
        row=np.tile(rows, len(names)),
    )


def _place_in(name: str, rows: IntArray) -> Callable[[int], str]:
    return lambda i: f"row {rows[i]}, strategy {name!r}"


def _bad_id(where: str, name: str) -> str:
    return f"{where}: {name!r} is no strategy id, expected letters, digits and . _ -, at most 64"


def _table(cells: _Cells) -> ReturnsTable:
    filled = np.flatnonzero(~np.isnan(cells.value))
    if not len(filled):
        message = "the file holds no return"
        raise DataError(message)
    stamps_ns, time = np.unique(cells.stamp_ns[filled], return_inverse=True)
    column = cells.column[filled]
    order = np.lexsort((cells.row[filled], column, time))
    same = (np.diff(time[order]) == 0) & (np.diff(column[order]) == 0)
    for place in np.flatnonzero(same)[:1].tolist():
        first, second = (int(filled[order[place + i]]) for i in (0, 1))
        message = (
            f"row {cells.row[second]}: a second return for strategy"
            f" {cells.names[int(cells.column[second])]!r} at"
            f" {format_instant(int(cells.stamp_ns[second]))}, {cells.value[second]!s}; row"
            f" {cells.row[first]} has {cells.value[first]!s}, expected one"
        )
        raise DataError(message)
    values = np.full((len(stamps_ns), len(cells.names)), np.nan)
    values[time, column] = cells.value[filled]
    return ReturnsTable(stamps_ns=stamps_ns, names=cells.names, values=values)


# ------------------------------------------------------------------------------------------ cells


def _values(cells: pl.Series, where: Callable[[int], str]) -> FloatArray:
    """Return a column of returns as numbers, NaN where a cell is empty; ``where`` names a place."""
    if cells.dtype == pl.String:
        texts = cells.str.strip_chars().replace("", None)
        numbers = texts.cast(pl.Float64, strict=False)
    elif cells.dtype.is_numeric() or cells.dtype == pl.Null:
        texts, numbers = cells, cells.cast(pl.Float64)
    else:
        message = f"column {cells.name!r} holds {cells.dtype}, expected numbers"
        raise DataError(message)
    values = numbers.to_numpy().astype(np.float64)
    given = texts.is_not_null().to_numpy()
    with np.errstate(invalid="ignore"):
        bad = given & ~(np.isfinite(values) & (values >= RETURN_MIN))
    for place in np.flatnonzero(bad)[:1].tolist():
        message = (
            f"{where(place)}: return {texts[place]!s}, expected a finite number of at least -1,"
            " or an empty cell"
        )
        raise DataError(message)
    return np.where(given, values, np.nan)


def _stamps(cells: pl.Series, rows: IntArray) -> IntArray:
    """Return a column of stamps in nanoseconds, sessions as the end of their day."""
    for place in np.flatnonzero(cells.is_null().to_numpy())[:1].tolist():
        message = f"row {rows[place]}: no {TIMESTAMP}"
        raise DataError(message)
    kind = cells.dtype
    if kind == pl.String:
        return _text_stamps(cells, rows)
    if kind == pl.Date:
        return cells.to_physical().to_numpy().astype(np.int64) * DAY_NS + DAY_NS
    if not isinstance(kind, pl.Datetime):
        message = f"column {TIMESTAMP!r} holds {kind}, expected dates, instants or text"
        raise DataError(message)
    unit_ns = {"ns": 1, "us": 1_000, "ms": 1_000_000}[kind.time_unit]
    counts = cells.to_physical().to_numpy().astype(np.int64)
    for place in np.flatnonzero(np.abs(counts) >= STAMP_LIMIT_NS // unit_ns)[:1].tolist():
        raise DataError(_bad_stamp(int(rows[place]), str(cells[place]), "is out of range"))
    stamps_ns = counts * unit_ns
    if kind.time_zone is not None:
        return stamps_ns
    for place in np.flatnonzero(stamps_ns % DAY_NS)[:1].tolist():
        raise DataError(_bad_stamp(int(rows[place]), str(cells[place]), "has no zone"))
    return stamps_ns + DAY_NS


def _text_stamps(cells: pl.Series, rows: IntArray) -> IntArray:
    texts = cells.to_list()
    known: dict[str, int] = {}
    for place, text in enumerate(texts):
        if text not in known:
            known[text] = _text_stamp(text.strip(), int(rows[place]))
    return np.array([known[text] for text in texts], dtype=np.int64)


def _text_stamp(text: str, row: int) -> int:
    session = _SESSION.fullmatch(text)
    try:
        if session is not None:
            stamp_ns = parse_instant(f"{session[1]}T00:00:00Z") + DAY_NS
        else:
            stamp_ns = parse_instant(text)
    except ValueError:
        reason = "has no zone" if _ZONELESS.fullmatch(text) else "is no date or instant"
        raise DataError(_bad_stamp(row, text, reason)) from None
    if abs(stamp_ns) >= STAMP_LIMIT_NS:
        raise DataError(_bad_stamp(row, text, "is out of range"))
    return stamp_ns


def _bad_stamp(row: int, text: str, reason: str) -> str:
    return (
        f"row {row}: {TIMESTAMP} {text[:40]!r} {reason}, expected a session such as 2024-05-31 or"
        " an instant with a zone such as 2024-05-31T20:00:00Z"
    )


# ---------------------------------------------------------------------------------- table to rows


def to_messages(table: ReturnsTable, bar: Bar) -> Iterator[FileRow]:
    """Yield the rows of a table in the order in which they are sent; see the head of this module.

    Parameters
    ----------
    table
        Returns of a file.
    bar
        Length of the portfolio's bars: the marks at the end reach the end of the last one.
    """
    stamps_ns = table.stamps_ns.tolist()
    start_ns, end_ns = stamps_ns[0], stamps_ns[-1]
    nan = float("nan")
    spans = [_span(table.values[:, column]) for column in range(len(table.names))]
    for name, (first, last) in zip(table.names, spans, strict=True):
        if last == _NO_ROW:
            yield FileRow(start_ns, name, start_ns, nan, ROW_INACTIVE)
        elif first > 0:
            yield FileRow(start_ns, name, stamps_ns[first - 1], nan, ROW_PROGRESS)
    for time, stamp_ns in enumerate(stamps_ns):
        for column, (name, (first, last)) in enumerate(zip(table.names, spans, strict=True)):
            if not first <= time <= last:
                continue
            value = float(table.values[time, column])
            kind = ROW_PROGRESS if math.isnan(value) else ROW_VALUE
            yield FileRow(stamp_ns, name, stamp_ns, value, kind)
            if time == last < len(stamps_ns) - 1:
                yield FileRow(stamp_ns, name, stamp_ns, nan, ROW_INACTIVE)
    for name, (_, last) in zip(table.names, spans, strict=True):
        if last == len(stamps_ns) - 1:
            yield FileRow(end_ns, name, bar_end(end_ns, bar), nan, ROW_PROGRESS)


def to_rows(table: ReturnsTable, bar: Bar) -> Iterator[Rows]:
    """Yield the very rows of :func:`to_messages` as columns, in chunks of at most 4096 rows.

    The source position of a row is its number, from 0, in partition 0 of the returns topic.
    """
    strategy, stamp_ns, value, kind = _sequence(table, bar)
    for start in range(0, len(strategy), ROWS_PER_FRAME_MAX):
        chunk = slice(start, start + ROWS_PER_FRAME_MAX)
        rows = len(strategy[chunk])
        yield Rows(
            topic=RETURNS.name,
            names=table.names,
            strategy=strategy[chunk],
            period_end_ns=stamp_ns[chunk],
            value=value[chunk],
            kind=kind[chunk],
            revision=np.zeros(rows, dtype=np.int64),
            source_partition=np.zeros(rows, dtype=np.int64),
            source_offset=np.arange(start, start + rows, dtype=np.int64),
        )


def _sequence(table: ReturnsTable, bar: Bar) -> tuple[IntArray, IntArray, FloatArray, IntArray]:
    """Return strategy, stamp, value and kind of all rows, each (R,)."""
    times, columns = table.values.shape
    has = ~np.isnan(table.values)
    any_value: BoolArray = np.asarray(has.any(axis=0))
    first = np.where(any_value, has.argmax(axis=0), times)
    last = np.where(any_value, times - 1 - has[::-1].argmax(axis=0), _NO_ROW)
    time = np.arange(times)[:, None]
    # (T, N, 2): a value or a hole's mark, then the mark of an end
    kinds = np.full((times, columns, 2), _NO_ROW, dtype=np.int64)
    kinds[..., 0] = np.where((first <= time) & (time <= last), ROW_PROGRESS, _NO_ROW)
    kinds[..., 0][has] = ROW_VALUE
    kinds[..., 1][(time == last) & (last < times - 1)] = ROW_INACTIVE
    at, strategy, slot = np.nonzero(kinds != _NO_ROW)
    body = kinds[at, strategy, slot]
    values = np.where(body == ROW_VALUE, table.values[at, strategy], np.nan)
    late = np.flatnonzero(first > 0)
    alive = np.flatnonzero(last == times - 1)
    late_ns = table.stamps_ns[np.where(any_value[late], first[late] - 1, 0)]
    end_ns = bar_end(int(table.stamps_ns[-1]), bar)
    marks = np.full(len(late) + len(alive), np.nan)
    return (
        np.concatenate([late, strategy, alive]),
        np.concatenate([late_ns, table.stamps_ns[at], np.full(len(alive), end_ns)]),
        np.concatenate([marks[: len(late)], values, marks[len(late) :]]),
        np.concatenate(
            [
                np.where(any_value[late], ROW_PROGRESS, ROW_INACTIVE),
                body,
                np.full(len(alive), ROW_PROGRESS),
            ]
        ),
    )


def _span(values: FloatArray) -> tuple[int, int]:
    """Return the first and last time with a value; (-1, -1) where there is none."""
    filled = np.flatnonzero(~np.isnan(values))
    return (int(filled[0]), int(filled[-1])) if len(filled) else (_NO_ROW, _NO_ROW)
