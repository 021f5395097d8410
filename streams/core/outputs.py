"""What the fold emits: messages bound for a topic, and the bytes of each."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from schemas.codec import canonical_json, encode_message, encode_record
from schemas.optimize import OptimizeRequest
from schemas.shadows import ShadowRecord
from schemas.topics import Topic
from schemas.units import format_instant
from schemas.views import CovarianceRecord, StateRecord
from streams.core.arrays import FloatArray, IntArray
from streams.core.metrics import EWMA_METRICS, METRICS, UNDEFINED_REASONS, MetricsBlock
from streams.core.performance import CONVENTIONS, BarFigures
from streams.core.windows import EWMA_DECAY

EWMA_LABEL: Final = f"ewma:{EWMA_DECAY}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BarMetrics:
    """All metrics of all members at one bar; written as a ``schemas.views.MetricsRecord``.

    ``block`` is (len(METRICS), W, N) over ``windows``, which hold ``bars`` bars so far; ``ewma`` is
    (len(EWMA_METRICS), N). ``figures`` are those beyond, window by window. The bar is the one at
    ``newest`` of those that ended at ``ends_ns``, oldest first.
    """

    portfolio_id: str
    ends_ns: list[int]
    newest: int
    periods_per_year: float
    names: tuple[str, ...]
    windows: tuple[int, ...]
    block: MetricsBlock
    ewma: MetricsBlock
    bars: tuple[int, ...]
    figures: BarFigures

    @property
    def bar_end_ns(self) -> int:
        """When the bar ended."""
        return self.ends_ns[self.newest]

    @property
    def dates(self) -> dict[str, list[str | None]] | None:
        """When each strategy's deepest drawdown began and was deepest, where it is told."""
        windows, place = self.figures
        for window in windows:
            path = window.path
            if path is not None and window.paths_told[place]:
                return {
                    "max_drawdown_start": self._ends_of(path.start[place]),
                    "max_drawdown_trough": self._ends_of(path.trough[place]),
                }
        return None

    def _ends_of(self, bars_ago: IntArray) -> list[str | None]:
        ends_ns, newest = self.ends_ns, self.newest
        return [
            None if ago < 0 else format_instant(ends_ns[newest - ago]) for ago in bars_ago.tolist()
        ]

    def window(self, index: int) -> tuple[tuple[str, ...], FloatArray, NDArray[np.uint8]]:
        """Give all that is told over one window: names, values and reasons (len(names), N)."""
        block = self.block
        if not self.figures.windows:
            return METRICS, block.values[:, index], block.undefined[:, index]
        names, values, undefined = self.figures.windows[index].at(self.figures.place)
        return (
            (*METRICS, *names),
            np.concatenate([block.values[:, index], values]),
            np.concatenate([block.undefined[:, index], undefined]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """One record to publish: topic, key (a portfolio id), message, a partition where one is named.

    ``headers`` carry diagnostics: facts that enter no id, no hash and no canonical output.
    """

    topic: Topic
    key: str
    message: msgspec.Struct | BarMetrics
    partition: int | None = None
    headers: tuple[tuple[str, str], ...] = ()


def encode_output(output: Output) -> bytes:
    """Return the bytes of an output, validated.

    Raises
    ------
    schemas.codec.UnpublishableError
        When the message would not survive its encoding.
    """
    message = output.message
    if isinstance(message, BarMetrics):
        return encode_metrics(message)
    if isinstance(message, OptimizeRequest):
        return encode_record(message)
    if isinstance(message, CovarianceRecord | StateRecord | ShadowRecord):
        return _encode_view(message)
    return encode_message(message)


def _encode_view(view: CovarianceRecord | StateRecord | ShadowRecord) -> bytes:
    """Return what :func:`encode_message` does, at a fifth of its cost.

    A number that JSON does not have would stand there as null. Bytes with no more of these than
    the figures that are known to be undefined need no reading back: ids and stamps were checked
    when they came in.
    """
    matrix = view.matrix_annual if isinstance(view, CovarianceRecord) else None
    if matrix is None:
        data = canonical_json(view)
        nulls = data.count(b"null")
        return encode_message(view) if nulls and nulls != _undefined_in(view) else data
    numbers = orjson.dumps(matrix)  # twice as fast; the same digits but for its "e+" from 1e16 on
    if b"null" in numbers or b"e+" in numbers:
        return encode_message(view)
    head = _encode_view(msgspec.structs.replace(view, matrix_annual=None))  # it is the last field
    return b'%b,"matrix_annual":%b}' % (head[:-1], numbers)


def _undefined_in(view: CovarianceRecord | StateRecord | ShadowRecord) -> int:
    """Count the figures of books or windows that are None and are written as null."""
    told: list[tuple[float | None, ...]] = []
    if isinstance(view, StateRecord):
        told = [
            (row.return_annual, row.volatility_annual, row.sharpe, row.max_drawdown)
            for row in view.rolling
        ]
    elif isinstance(view, ShadowRecord):
        told = [(book.sharpe, book.regret_best, book.regret_equal) for book in view.books]
    return sum(figures.count(None) for figures in told)


def encode_metrics(bar: BarMetrics) -> bytes:
    """Return the JSON of one bar's metrics: null where undefined, with the reason beside it."""
    windows, dates = [], bar.dates
    for i, window in enumerate(bar.windows):
        metrics, values, undefined = bar.window(i)
        n_obs = bar.block.n_obs[i]
        told = _window(str(window), metrics, (n_obs, values, undefined), bar.names)
        told["coverage"] = np.ascontiguousarray(n_obs / bar.bars[i])
        if dates is not None and bar.figures.windows[i].path is not None:
            told["dates"] = dates
        windows.append(told)
    ewma = bar.ewma
    windows.append(
        _window(EWMA_LABEL, EWMA_METRICS, (ewma.n_obs, ewma.values, ewma.undefined), bar.names)
    )
    return orjson.dumps(
        {
            "portfolio_id": bar.portfolio_id,
            "bar_end": format_instant(bar.bar_end_ns),
            "periods_per_year": bar.periods_per_year,
            "strategies": bar.names,
            "windows": windows,
            "conventions": CONVENTIONS,
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )


def _window(
    label: str,
    metrics: tuple[str, ...],
    block: tuple[IntArray, FloatArray, NDArray[np.uint8]],
    names: tuple[str, ...],
) -> dict[str, Any]:
    n_obs, values, undefined = block
    reasons: dict[str, dict[str, str]] = {}
    for metric in np.flatnonzero(undefined.any(axis=1)).tolist():
        codes = enumerate(undefined[metric].tolist())
        reasons[metrics[metric]] = {
            names[at]: UNDEFINED_REASONS[code] for at, code in codes if code
        }
    return {
        "window": label,
        "n_obs": np.ascontiguousarray(n_obs),
        "metrics": {name: np.ascontiguousarray(values[i]) for i, name in enumerate(metrics)},
        "undefined": reasons,
    }
