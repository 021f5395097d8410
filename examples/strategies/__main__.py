"""Write the sleeves' returns as a file the engine reads, or print the README's table.

python -m examples.strategies --out returns.csv [--long] [--from DATE] [--to DATE]
python -m examples.strategies --table
"""

import argparse
import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from examples.strategies.prices import PriceDataError, load_prices
from examples.strategies.summary import markdown
from examples.strategies.table import SleeveTable, build_sleeves


def wide_frame(table: SleeveTable, start: dt.date | None = None) -> pl.DataFrame:
    """Return `timestamp` and a column a sleeve, from session `start` on; absent is null.

    A stamp D without a time means session D. Sessions on which no sleeve has a value are left out.
    """
    kept = np.isfinite(table.returns).any(axis=1)
    if start is not None:
        kept &= table.sessions >= np.datetime64(start, "D")
    columns = {
        sleeve_id: pl.Series(table.returns[kept, column], nan_to_null=True)
        for column, sleeve_id in enumerate(table.ids)
    }
    return pl.DataFrame({"timestamp": table.sessions[kept], **columns})


def long_frame(table: SleeveTable, start: dt.date | None = None) -> pl.DataFrame:
    """Return `timestamp, strategy_id, return`, only rows that have a value."""
    return (
        wide_frame(table, start)
        .unpivot(index="timestamp", variable_name="strategy_id", value_name="return")
        .drop_nulls("return")
        .sort("timestamp", "strategy_id")
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 on success, 2 when nothing could be written."""
    options = _parser().parse_args(arguments)
    try:
        table = build_sleeves(load_prices(), until=options.last)
    except PriceDataError as error:
        return _refuse(str(error))
    if options.table:
        sys.stdout.write(markdown(table) + "\n")
        return 0
    frame = (long_frame if options.long else wide_frame)(table, options.first)
    if frame.is_empty():
        since = f" from {options.first}" if options.first else ""
        until = f" up to {options.last}" if options.last else ""
        return _refuse(f"no session{since}{until} has a return")
    write = frame.write_parquet if options.out.suffix == ".parquet" else frame.write_csv
    write(options.out)
    stamps = frame["timestamp"].cast(pl.String).sort()
    sys.stdout.write(
        f"{options.out}: {len(table.ids)} strategies, sessions {stamps[0]} to {stamps[-1]}, "
        f"{frame.height} rows\n"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    summary = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m examples.strategies", description=summary)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, help="file to write, .csv or .parquet")
    what.add_argument("--table", action="store_true", help="print the table of the README")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--wide", action="store_true", help="a column a sleeve (the default)")
    shape.add_argument("--long", action="store_true", help="a row a sleeve and session")
    parser.add_argument("--from", dest="first", type=dt.date.fromisoformat, metavar="DATE")
    parser.add_argument("--to", dest="last", type=dt.date.fromisoformat, metavar="DATE")
    return parser


def _refuse(reason: str) -> int:
    sys.stderr.write(f"{reason}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
