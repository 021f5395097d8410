"""The files of a replay: performance, weights, metrics and shadows as CSV, and decisions.jsonl.

They are made from what the engine publishes, so that a replay in process and one over a broker
write the same bytes.
"""

import csv
from pathlib import Path
from types import TracebackType
from typing import IO, Final, NamedTuple, Self

import msgspec
import numpy as np
import polars as pl

from schemas.codec import canonical_json
from schemas.decisions import Decision
from schemas.shadows import ShadowRecord
from schemas.units import format_instant
from schemas.views import MetricsRecord, StateRecord
from streams.core.arrays import BoolArray, FloatArray, IntArray
from streams.core.metrics import EWMA_METRICS, OBSERVATIONS_MIN
from streams.core.outputs import EWMA_LABEL, BarMetrics

PERFORMANCE: Final = "performance.csv"
WEIGHTS: Final = "weights.csv"
METRICS_FILE: Final = "metrics.csv"
DECISIONS_FILE: Final = "decisions.jsonl"
SHADOWS: Final = "shadows.csv"

PERFORMANCE_COLUMNS: Final = (
    "bar_end",
    "return_gross",
    "return_net",
    "cost",
    "turnover",
    "nav",
    "drawdown",
    "coverage",
)
SHADOW_COLUMNS: Final = (
    "book",
    "nav",
    "return_net",
    "cost",
    "turnover",
    "sharpe",
    "n_obs",
    "regret_best",
    "regret_equal",
)
_BARS_PER_CHUNK: Final = 250  # bounds memory: 250 bars of 200 strategies are some 2 million rows


class MetricBar(NamedTuple):
    """Metrics of one bar: ``values`` (N, K) over K pairs of window and metric; which are shown."""

    bar_end: str
    names: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    values: FloatArray
    shown: BoolArray

    def laid_out(self, widest: "MetricBar") -> "MetricBar":
        """Return it with the labels of another bar, or itself where it has a name or label more.

        Some figures come at few bars only; those that this bar has not are not shown.
        """
        if self.labels == widest.labels or self.names != widest.names:
            return self
        places = {label: place for place, label in enumerate(widest.labels)}
        if not places.keys() >= set(self.labels):
            return self
        own = [places[label] for label in self.labels]
        values, shown = np.full(widest.values.shape, np.nan), np.zeros(widest.shown.shape, bool)
        values[:, own], shown[:, own] = self.values, self.shown
        return MetricBar(self.bar_end, self.names, widest.labels, values, shown)


class ReplayFiles:
    """Writes the five files into a folder, record by record; a context manager.

    Parameters
    ----------
    folder
        Made if absent; files of the same names are replaced.
    metrics
        Whether to write metrics.csv, by far the largest.
    """

    def __init__(self, folder: Path, *, metrics: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._metrics_wanted = metrics
        self._performance = _open(folder / PERFORMANCE)
        self._weights = _open(folder / WEIGHTS)
        self._metrics = _open(folder / METRICS_FILE)
        self._decisions = (folder / DECISIONS_FILE).open("wb")
        self._performance_rows = csv.writer(self._performance, lineterminator="\n")
        self._weight_rows = csv.writer(self._weights, lineterminator="\n")
        self._performance_rows.writerow(PERFORMANCE_COLUMNS)
        self._weight_rows.writerow(("bar_end", "strategy_id", "target_weight", "held_weight"))
        self._shadows = _open(folder / SHADOWS)
        self._shadow_rows = csv.writer(self._shadows, lineterminator="\n")
        self._shadow_rows.writerow(("bar_end", *SHADOW_COLUMNS))
        self._metrics.write("bar_end,strategy_id,window,metric,value\n")
        self._chunk: list[MetricBar] = []
        self._widest: MetricBar | None = None
        self._state: StateRecord | None = None
        self._books: ShadowRecord | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def decision(self, decision: Decision) -> None:
        """Write one decision, canonical."""
        self._decisions.write(canonical_json(decision) + b"\n")

    def state(self, state: StateRecord) -> None:
        """Take one bar's state; a later record of the same bar replaces it."""
        if self._state is not None and self._state.bar_end != state.bar_end:
            self._write_state(self._state)
        self._state = state

    def shadows(self, books: ShadowRecord) -> None:
        """Take one bar of all books; a later record of the same bar replaces it."""
        if self._books is not None and self._books.bar_end != books.bar_end:
            self._write_books(self._books)
        self._books = books

    def metrics(self, bar: MetricBar) -> None:
        """Take one bar's metrics."""
        if not self._metrics_wanted:
            return
        if self._widest is not None:
            bar = bar.laid_out(self._widest)
        layout = (bar.names, bar.labels)
        same = self._widest is not None and (self._widest.names, self._widest.labels) == layout
        if not same or len(self._chunk) >= _BARS_PER_CHUNK:
            self._flush_metrics()
        self._widest = bar
        self._chunk.append(bar)

    def close(self) -> None:
        """Write what is left and close the files."""
        if self._state is not None:
            self._write_state(self._state)
            self._state = None
        if self._books is not None:
            self._write_books(self._books)
            self._books = None
        self._flush_metrics()
        files = (self._performance, self._weights, self._metrics, self._decisions, self._shadows)
        for file in files:
            file.close()

    def _write_state(self, state: StateRecord) -> None:
        self._performance_rows.writerow([getattr(state, column) for column in PERFORMANCE_COLUMNS])
        for name, target, held in zip(state.strategies, state.target, state.held, strict=True):
            self._weight_rows.writerow((state.bar_end, name, target, held))

    def _write_books(self, record: ShadowRecord) -> None:
        for book in record.books:
            row = [getattr(book, column) for column in SHADOW_COLUMNS]
            self._shadow_rows.writerow((record.bar_end, *row))

    def _flush_metrics(self) -> None:
        if self._chunk:
            _metric_rows(self._chunk).write_csv(self._metrics, include_header=False)
            self._chunk.clear()


def bar_of_arrays(bar: BarMetrics) -> MetricBar:
    """Return what the engine emitted in this process."""
    block, ewma = bar.block, bar.ewma
    windows = []
    for i, window in enumerate(bar.windows):
        names, values, _ = bar.window(i)
        windows.append((str(window), block.n_obs[i], dict(zip(names, values, strict=True))))
    windows.append((EWMA_LABEL, ewma.n_obs, dict(zip(EWMA_METRICS, ewma.values, strict=True))))
    return _metric_bar(format_instant(bar.bar_end_ns), bar.names, windows)


def bar_of_record(record: MetricsRecord) -> MetricBar:
    """Return what the engine published on the metrics topic."""
    windows = [
        (
            window.window,
            np.array(window.n_obs, dtype=np.int64),
            {name: _numbers(column) for name, column in window.metrics.items()},
        )
        for window in record.windows
    ]
    return _metric_bar(record.bar_end, record.strategies, windows)


def _metric_bar(
    bar_end: str,
    names: tuple[str, ...],
    windows: list[tuple[str, IntArray, dict[str, FloatArray]]],
) -> MetricBar:
    labels: list[tuple[str, str]] = []
    values, shown = [], []
    for window, n_obs, metrics in windows:
        least = OBSERVATIONS_MIN if window.isdigit() else 1
        labels += [(window, name) for name in ("n_obs", *metrics)]
        values += [n_obs.astype(np.float64), *metrics.values()]
        shown += [n_obs >= least] * (1 + len(metrics))
    return MetricBar(bar_end, names, tuple(labels), np.array(values).T, np.array(shown).T)


def _metric_rows(bars: list[MetricBar]) -> pl.DataFrame:
    """Return the rows of bars of one layout, by bar, strategy, window, metric; empty: undefined."""
    labels = bars[0].labels
    bar, column, label = np.nonzero(np.stack([each.shown for each in bars]))
    values = np.stack([each.values for each in bars])[bar, column, label]
    return pl.DataFrame(
        {
            "bar_end": pl.Series([each.bar_end for each in bars]).gather(bar),
            "strategy_id": pl.Series(bars[0].names).gather(column),
            "window": pl.Series([window for window, _ in labels]).gather(label),
            "metric": pl.Series([metric for _, metric in labels]).gather(label),
            "value": pl.Series(values).fill_nan(None),
        }
    )


def _numbers(column: list[float | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in column], dtype=np.float64)


def _open(path: Path) -> IO[str]:
    return path.open("w", encoding="utf-8", newline="")


def decode_state(data: bytes) -> StateRecord:
    """Return a state record from its topic."""
    return msgspec.json.decode(data, type=StateRecord)


def decode_shadows(data: bytes) -> ShadowRecord:
    """Return a record of all books from its topic."""
    return msgspec.json.decode(data, type=ShadowRecord)


def decode_metrics(data: bytes) -> MetricsRecord:
    """Return a metrics record from its topic."""
    return msgspec.json.decode(data, type=MetricsRecord)


def decode_decision(data: bytes) -> Decision:
    """Return a decision from its topic."""
    return msgspec.json.decode(data, type=Decision)
