"""Read daily prices in place from the installed packages that ship them.

Nothing is downloaded and nothing is copied: the files are opened inside the installed `skfolio`
and `arch` distributions. The packages are located, not imported, so that reading takes
milliseconds and needs none of their dependencies.

Every panel keeps its own life: `first` is the row of its first session in the common calendar,
which is that of the S&P 500 file (1990-01-02 to 2022-12-28). Inside its life a panel has no hole.
"""

import datetime as dt
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
SessionArray = NDArray[np.datetime64]  # unit: day

# package, path inside it, date format, columns read (None: every price column)
SOURCES: dict[str, tuple[str, str, str, tuple[str, ...] | None]] = {
    "stocks": ("skfolio", "datasets/data/sp500_dataset.csv.gz", "%Y-%m-%d", None),
    "spx": ("skfolio", "datasets/data/sp500_index.csv.gz", "%Y-%m-%d", None),
    "factors": ("skfolio", "datasets/data/factors_dataset.csv.gz", "%Y-%m-%d", None),
    "spx_bars": ("arch", "data/sp500/sp500.csv.gz", "%m/%d/%Y", ("Open", "High", "Low", "Close")),
    "nasdaq_bars": (
        "arch",
        "data/nasdaq/nasdaq.csv.gz",
        "%m/%d/%Y",
        ("Open", "High", "Low", "Close"),
    ),
    "wti": ("arch", "data/wti/wti.csv.gz", "%m/%d/%Y", ("DCOILWTICO",)),
}


class PriceDataError(Exception):
    """An installed price file is absent or is not what the strategies expect."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """Daily closes of assets that live over the same sessions."""

    first: int  # row of close[0] in the common calendar
    names: tuple[str, ...]
    close: FloatArray  # (L, N) price

    def cut(self, rows: int) -> Self:
        """Keep what lies in the first `rows` sessions of the calendar."""
        return replace(self, close=self.close[: max(0, rows - self.first)])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bars:
    """Daily open, high, low and close of one index, each of shape (L,)."""

    first: int  # row of close[0] in the common calendar
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray

    def cut(self, rows: int) -> Self:
        """Keep what lies in the first `rows` sessions of the calendar."""
        kept = max(0, rows - self.first)
        return replace(
            self,
            open=self.open[:kept],
            high=self.high[:kept],
            low=self.low[:kept],
            close=self.close[:kept],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prices:
    """All prices the sleeves are computed from, on one calendar of T sessions."""

    sessions: SessionArray  # (T,) datetime64[D], strictly increasing
    stocks: Panel  # 20 members of the S&P 500, dividends and splits adjusted
    spx: Panel  # S&P 500 price index
    factors: Panel  # MTUM, QUAL, SIZE, USMV, VLUE
    wti: Panel  # WTI crude, spot at Cushing
    spx_bars: Bars
    nasdaq_bars: Bars

    def cut(self, until: dt.date | None) -> Self:
        """Drop every session after `until` (None keeps all)."""
        if until is None:
            return self
        rows = int(np.searchsorted(self.sessions, np.datetime64(until, "D"), side="right"))
        return replace(
            self,
            sessions=self.sessions[:rows],
            stocks=self.stocks.cut(rows),
            spx=self.spx.cut(rows),
            factors=self.factors.cut(rows),
            wti=self.wti.cut(rows),
            spx_bars=self.spx_bars.cut(rows),
            nasdaq_bars=self.nasdaq_bars.cut(rows),
        )


def load_prices() -> Prices:
    """Read the six price files from the installed packages.

    Returns
    -------
    Prices
        On the calendar of the S&P 500 file. WTI, which is quoted on other days too, is carried
        forward to a session without a quote (the position is marked at its last known price), and
        its quotes of 1986 to 1989 lie before the calendar and are not used.

    Raises
    ------
    PriceDataError
        If a package is not installed, a file is absent, or a price is not finite and positive.
    """
    spx_dates, spx_close, spx_names = _read("spx")
    return Prices(
        sessions=spx_dates,
        stocks=_panel("stocks", spx_dates),
        spx=Panel(first=0, names=spx_names, close=spx_close),
        factors=_panel("factors", spx_dates),
        wti=_carried_panel("wti", spx_dates),
        spx_bars=_bars("spx_bars", spx_dates),
        nasdaq_bars=_bars("nasdaq_bars", spx_dates),
    )


def source_path(source: str) -> Path:
    """Return where the installed package keeps the file of one of `SOURCES`.

    Raises
    ------
    PriceDataError
        If the package is not installed or does not ship the file.
    """
    package, inside, _, _ = SOURCES[source]
    spec = find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        msg = f"package {package!r} is not installed; it ships the prices of {source!r}"
        raise PriceDataError(msg)
    path = Path(next(iter(spec.submodule_search_locations))) / inside
    if not path.is_file():
        msg = f"{path} is absent; expected the installed {package!r} to ship it"
        raise PriceDataError(msg)
    return path


def _read(source: str) -> tuple[SessionArray, FloatArray, tuple[str, ...]]:
    # dates (L,), prices (L, N), names; days without any price (FRED's holidays) are left out
    date_format, columns = SOURCES[source][2:]
    frame = pl.read_csv(source_path(source))
    names = columns if columns is not None else tuple(frame.columns[1:])
    rows = frame.select(
        pl.col(frame.columns[0]).str.to_date(date_format).alias("date"),
        *(pl.col(name).cast(pl.Float64, strict=False) for name in names),
    ).filter(~pl.all_horizontal(pl.col(name).is_null() for name in names))
    dates = rows["date"].to_numpy().astype("datetime64[D]")
    prices = np.ascontiguousarray(rows.select(names).to_numpy(), dtype=np.float64)
    if not np.all(np.diff(dates) > np.timedelta64(0, "D")):
        msg = f"{source}: dates are not strictly increasing"
        raise PriceDataError(msg)
    bad = ~(np.isfinite(prices) & (prices > 0.0))
    if bad.any():
        row, column = np.argwhere(bad)[0]
        msg = f"{source}: {names[column]} on {dates[row]} is {prices[row, column]}, not positive"
        raise PriceDataError(msg)
    return dates, prices, names


def _first_row(source: str, dates: SessionArray, sessions: SessionArray) -> int:
    # the file must cover a run of consecutive sessions, or lags would span unseen days
    first = int(np.searchsorted(sessions, dates[0]))
    if not np.array_equal(sessions[first : first + len(dates)], dates):
        msg = f"{source}: its dates from {dates[0]} to {dates[-1]} are not the sessions of 'spx'"
        raise PriceDataError(msg)
    return first


def _panel(source: str, sessions: SessionArray) -> Panel:
    dates, close, names = _read(source)
    return Panel(first=_first_row(source, dates, sessions), names=names, close=close)


def _carried_panel(source: str, sessions: SessionArray) -> Panel:
    dates, close, names = _read(source)
    first, end = np.searchsorted(sessions, [dates[0], dates[-1] + np.timedelta64(1, "D")])
    newest = np.searchsorted(dates, sessions[first:end], side="right") - 1
    return Panel(first=int(first), names=names, close=close[newest])


def _bars(source: str, sessions: SessionArray) -> Bars:
    dates, prices, _ = _read(source)
    opened, high, low, close = np.ascontiguousarray(prices.T)
    return Bars(
        first=_first_row(source, dates, sessions), open=opened, high=high, low=low, close=close
    )
