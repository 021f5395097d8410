"""Figures of a series of returns: the whole of it, by month, through a window, fall by fall."""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.units import format_instant
from streams.core.arrays import FloatArray, IntArray
from streams.core.calendar import DAY_NS
from streams.core.metrics import METRICS, run_metrics, series_metrics
from streams.core.performance import Asked, Performance, whole_figures
from streams.core.performance.sharpe import expected_best, probabilistic_sharpe
from streams.core.windows import RUN_BARS_MAX, RollingWindows

__all__ = [
    "Fall",
    "Headline",
    "Months",
    "Rolling",
    "date_of",
    "depth_of",
    "falls_of",
    "headline_of",
    "inside_of",
    "luck_of",
    "months_of",
    "rolling_of",
    "wealth_of",
]

_CERTAINTY: Final = ("sharpe_standard_error", "probabilistic_sharpe", "skew", "kurtosis")
_OBSERVATIONS_MIN: Final = 2


class Headline(msgspec.Struct, frozen=True, kw_only=True):
    """What a book came to; a figure that does not exist is None, and ``undefined`` says why.

    Formulas are those of docs/metrics.md. ``deflated_sharpe`` is the probability that the true
    Sharpe ratio is above the best that the strategies would show without any skill;
    ``turnover_annual`` and ``cost_annual`` are means a bar times periods a year, ``total_return``
    is of the whole span.
    """

    n_obs: int
    figures: dict[str, float | None]
    undefined: dict[str, str]


class Months(msgspec.Struct, frozen=True, kw_only=True):
    """Compounded returns by year: twelve months, None where there is no bar, and the year's."""

    years: list[int]
    months: list[list[float | None]]
    totals: list[float]


class Rolling(msgspec.Struct, frozen=True, kw_only=True):
    """Figures over the last ``window`` bars at each bar, NaN before the window is full; (T,)."""

    window: int
    volatility_annual: FloatArray
    sharpe: FloatArray
    sharpe_standard_error: FloatArray


class Fall(msgspec.Struct, frozen=True, kw_only=True):
    """A drawdown: bars of its first loss, its lowest wealth and its recovery, None if not yet.

    ``depth`` < 0. ``bars`` under water, ``bars_to_recover`` from the trough on.
    """

    start: int
    trough: int
    recovery: int | None
    depth: float
    bars: int
    bars_to_recover: int | None


def date_of(end_ns: int) -> str:
    """Name the day a bar that ends then belongs to: at midnight, that is the day before.

    Examples
    --------
    >>> date_of(1_717_200_000_000_000_000)  # 2024-06-01T00:00:00Z
    '2024-05-31'
    """
    return format_instant((end_ns - 1) // DAY_NS * DAY_NS)[:10]


def inside_of(ends_ns: IntArray) -> NDArray[np.datetime64]:
    """Return an instant within each bar, its last, which tells its day, month and year, UTC."""
    return (ends_ns - 1).astype("M8[ns]")


def depth_of(wealth: FloatArray) -> FloatArray:
    """Return wealth / high - 1 of a wealth (T,) that was 1.0 before its first bar, NaN where it is.

    Examples
    --------
    >>> depth_of(np.array([np.nan, 0.5, 2.0, 1.0])).tolist()
    [nan, -0.5, 0.0, -0.5]
    """
    return wealth / np.fmax.accumulate(np.fmax(wealth, 1.0)) - 1.0


def wealth_of(net: FloatArray) -> FloatArray:
    """Compound returns (T,) from 1.0 before the first; NaN before the first return."""
    with np.errstate(over="ignore"):
        growth = np.cumprod(1.0 + np.where(np.isnan(net), 0.0, net))
    begun = np.logical_or.accumulate(~np.isnan(net))
    return np.where(begun, growth, np.nan)


def headline_of(
    net: FloatArray,
    cost: FloatArray,
    turnover: FloatArray,
    *,
    periods_per_year: float,
    luck: float | None,
) -> Headline:
    """Work out the figures of a whole series.

    Parameters
    ----------
    net, cost, turnover
        (T,) of each bar.
    periods_per_year
        P.
    luck
        Sharpe ratio a bar that the deflated one is against, None where it is not known.
    """
    count, values, undefined = series_metrics(net, periods_per_year)
    figures: dict[str, float | None] = {name: values.get(name) for name in METRICS}
    undefined = dict(undefined)
    figures["total_return"] = float(np.prod(1.0 + net) - 1.0)
    figures["turnover_annual"] = float(turnover.mean() * periods_per_year)
    figures["cost_annual"] = float(cost.mean() * periods_per_year)
    figures |= dict.fromkeys((*_CERTAINTY, "deflated_sharpe"))
    if count < _OBSERVATIONS_MIN:
        undefined |= dict.fromkeys((*_CERTAINTY, "deflated_sharpe"), "too_few")
        return Headline(n_obs=count, figures=figures, undefined=undefined)
    asked = Asked(periods_per_year=periods_per_year)
    found = whole_figures(net[:, None], np.full(len(net), np.nan), asked)
    told = dict(zip(found.names, found.block.values[:, 0, 0].tolist(), strict=True))
    for name in _CERTAINTY:
        figures[name] = None if np.isnan(told[name]) else told[name]
        if figures[name] is None:
            undefined[name] = "zero_variance"
    figures["deflated_sharpe"], why = _deflated(values.get("sharpe"), told, asked, luck)
    if why:
        undefined["deflated_sharpe"] = why
    return Headline(n_obs=count, figures=figures, undefined=undefined)


def _deflated(
    sharpe: float | None, told: dict[str, float], asked: Asked, luck: float | None
) -> tuple[float | None, str]:
    root = np.sqrt(asked.periods_per_year)
    error = told["sharpe_standard_error_iid"] / root
    if luck is None:
        return None, "returns_unknown"
    if sharpe is None or not error > 0.0:
        return None, "zero_variance"
    ratio = np.array([sharpe / root])
    return float(probabilistic_sharpe(ratio, np.array([error]), luck)[0]), ""


def luck_of(values: FloatArray, trials: int | None, periods_per_year: float) -> float | None:
    """Estimate the Sharpe ratio a bar that the best of the strategies would show by luck alone.

    Parameters
    ----------
    values
        (T, N) returns of the strategies, NaN = missing.
    trials
        How many were tried before these were chosen; None: as many as there are.
    periods_per_year
        P.

    Returns
    -------
    float or None
        None where fewer than two strategies have a ratio.
    """
    found = [series_metrics(column, periods_per_year)[1].get("sharpe") for column in values.T]
    root = np.sqrt(periods_per_year)
    ratios = np.array([np.nan if ratio is None else ratio / root for ratio in found])
    count = len(ratios) if trials is None else trials
    best = float(expected_best(ratios, max(count, 1))[0])
    return None if np.isnan(best) else best


def months_of(ends_ns: IntArray, net: FloatArray) -> Months:
    """Compound returns (T,) by the calendar month that each bar's last instant lies in, UTC."""
    month = inside_of(ends_ns).astype("M8[M]").astype(np.int64)
    years = month // 12 + 1970
    told = sorted(set(years.tolist()))
    table: list[list[float | None]] = [[None] * 12 for _ in told]
    for number in sorted(set(month.tolist())):
        row = told.index(number // 12 + 1970)
        table[row][number % 12] = float(np.prod(1.0 + net[month == number]) - 1.0)
    totals = [float(np.prod(1.0 + net[years == year]) - 1.0) for year in told]
    return Months(years=told, months=table, totals=totals)


def rolling_of(net: FloatArray, window: int, periods_per_year: float) -> Rolling:
    """Follow volatility and Sharpe ratio, with its error, through a window.

    Parameters
    ----------
    net
        (T,) returns without a hole.
    window
        Bars, at least 2.
    periods_per_year
        P.
    """
    windows = RollingWindows((window,), 1)
    performance = Performance((window,), window, Asked(periods_per_year=periods_per_year))
    figures = np.full((3, len(net)), np.nan)
    places = [METRICS.index(name) for name in ("volatility_annual", "sharpe")]
    for start in range(0, len(net), RUN_BARS_MAX):
        stop = min(start + RUN_BARS_MAX, len(net))
        run = windows.extend(net[start:stop, None])
        block = run_metrics(windows, run, periods_per_year, tails=False)
        figures[:2, start:stop] = block.values[places, :, 0, 0]
        past = net[max(start - window, 0) : stop]
        nobody = np.full(len(past), np.nan)
        found = performance.advance(past[:, None], nobody, stop, stop - start)[0]
        error = found.names.index("sharpe_standard_error")
        figures[2, start:stop] = found.block.values[error, :, 0]
    figures[:, : window - 1] = np.nan
    volatility, sharpe, error_annual = figures
    return Rolling(
        window=window,
        volatility_annual=volatility,
        sharpe=sharpe,
        sharpe_standard_error=error_annual,
    )


def falls_of(wealth: FloatArray) -> list[Fall]:
    """List the drawdowns of a wealth (T,), the deepest first.

    Wealth was 1.0 before the first bar, which is a high too. A fall starts with its first bar below
    the high before it, and has recovered with the first bar that is at that high again.

    Examples
    --------
    >>> [(f.start, f.trough, f.recovery, round(f.depth, 3)) for f in
    ...  falls_of(np.array([1.1, 0.99, 1.1, 1.2, 1.14]))]
    [(1, 1, 2, -0.1), (4, 4, None, -0.05)]
    """
    depth = depth_of(wealth)
    under = np.concatenate([[False], depth < 0.0, [False]])
    edges = np.flatnonzero(np.diff(under.astype(np.int8)))
    falls = []
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        trough = start + int(depth[start:stop].argmin())
        open_ended = stop == len(wealth)
        falls.append(
            Fall(
                start=start,
                trough=trough,
                recovery=None if open_ended else stop,
                depth=float(depth[trough]),
                bars=stop - start,
                bars_to_recover=None if open_ended else stop - trough,
            )
        )
    return sorted(falls, key=lambda fall: (fall.depth, fall.start))
