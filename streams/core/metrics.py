"""Rolling metrics of each strategy: one table of formulas, for windows, series and portfolios.

P is periods_per_year, n the observations in the window, r their simple returns. Annual figures come
from n bars whatever n is: with n < P they are extrapolations, which `n_obs` beside them tells.
A figure that does not exist is NaN here with the reason beside it, and null on every wire.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.core.arrays import BoolArray, FloatArray, IntArray
from streams.core.windows import (
    TAIL_PERCENTS,
    EwmaMoments,
    RollingWindows,
    WindowsRun,
    WindowSummary,
    normalised,
)

__all__ = [
    "EWMA_METRICS",
    "METRICS",
    "OBSERVATIONS_MIN",
    "UNDEFINED_REASONS",
    "MetricsBlock",
    "all_window_metrics",
    "ewma_metrics",
    "finished_block",
    "run_ewma_metrics",
    "run_metrics",
    "series_metrics",
    "window_metrics",
]

METRICS: Final = (
    "mean_annual",
    "cagr",
    "volatility_annual",
    "downside_deviation_annual",
    "sharpe",
    "sortino",
    "drawdown",
    "max_drawdown",
    "calmar",
    "hit_rate",
    "var_95",
    "var_99",
    "cvar_95",
    "cvar_99",
)
EWMA_METRICS: Final = ("ewma_mean_annual", "ewma_volatility_annual")
OBSERVATIONS_MIN: Final = 2  # below it there is no standard deviation, and nothing is published

# What a code in `MetricsBlock.undefined` means; 0 is "defined".
UNDEFINED_REASONS: Final = (
    "",
    "too_few",
    "zero_variance",
    "zero_downside",
    "zero_drawdown",
    "overflow",
    "no_losses",
    "zero_tail",
)
_TOO_FEW = UNDEFINED_REASONS.index("too_few")
_OVERFLOW = UNDEFINED_REASONS.index("overflow")
# Ratios and what they divide by: a zero there is the reason that they do not exist.
_RATIOS: Final = (
    ("sharpe", "volatility_annual", UNDEFINED_REASONS.index("zero_variance")),
    ("sortino", "downside_deviation_annual", UNDEFINED_REASONS.index("zero_downside")),
    ("calmar", "max_drawdown", UNDEFINED_REASONS.index("zero_drawdown")),
)
_AT = {name: position for position, name in enumerate(METRICS)}
_WIPED_OUT = -1.0
_PERCENT = 100


@dataclass(frozen=True, slots=True, eq=False)
class MetricsBlock:
    """Metrics of many columns.

    Attributes
    ----------
    n_obs
        (..., N) observations.
    values
        (len(names), ..., N), NaN where undefined, never infinite.
    undefined
        Same shape, index into `UNDEFINED_REASONS`, 0 where defined.
    """

    n_obs: IntArray
    values: FloatArray
    undefined: NDArray[np.uint8]

    def at(self, place: int) -> "MetricsBlock":
        """Return one bar of a run, or one window of several: of the first trailing axis."""
        return MetricsBlock(self.n_obs[place], self.values[:, place], self.undefined[:, place])

    def put(self, places: list[int], bars: "MetricsBlock") -> None:
        """Write several bars, side by side in ``bars``, each into its place of this run."""
        wide = (len(places), -1)
        self.n_obs[places] = bars.n_obs.reshape(wide)
        self.values[:, places] = bars.values.reshape(len(self.values), *wide)
        self.undefined[:, places] = bars.undefined.reshape(len(self.values), *wide)


def window_metrics(
    windows: RollingWindows, window: int, periods_per_year: float, risk_free: float = 0.0
) -> MetricsBlock:
    """Compute every metric of every column over one window.

    Parameters
    ----------
    windows, window
        Where, and which length in bars.
    periods_per_year
        P, bars a year.
    risk_free
        Simple return per bar, subtracted in `sharpe` only.

    Returns
    -------
    MetricsBlock
        values (len(METRICS), N).
    """
    return _metrics(windows.summary(window), windows.tail(window), periods_per_year, risk_free)


def all_window_metrics(
    windows: RollingWindows,
    periods_per_year: float,
    risk_free: float = 0.0,
    *,
    tails: bool = True,
) -> MetricsBlock:
    """Compute every metric over all windows at once, cheaper than one by one, to the same bits.

    Without ``tails`` value at risk and its mean stay undefined, for half the cost.

    Returns
    -------
    MetricsBlock
        values (len(METRICS), W, N), windows in the order of `windows.windows`.
    """
    tail = windows.tails() if tails else None
    return _metrics(windows.summaries(), tail, periods_per_year, risk_free)


def run_metrics(
    windows: RollingWindows,
    run: WindowsRun,
    periods_per_year: float,
    risk_free: float = 0.0,
    *,
    tails: bool = True,
) -> MetricsBlock:
    """Compute what :func:`all_window_metrics` would have given after each of the newest bars.

    Parameters
    ----------
    windows, run
        Where, and what came of the last run of B bars.
    periods_per_year
        P, bars a year.
    risk_free
        Simple return per bar.
    tails
        As in :func:`all_window_metrics`.

    Returns
    -------
    MetricsBlock
        values (len(METRICS), B, W, N), to the same bits for any B.
    """
    tail = windows.run_tails(run.summary.count) if tails else None
    return _metrics(run.summary, tail, periods_per_year, risk_free)


def series_metrics(
    returns: FloatArray, periods_per_year: float, risk_free: float = 0.0
) -> tuple[int, dict[str, float], dict[str, str]]:
    """Compute every metric of one whole series: one window as long as its observations.

    Parameters
    ----------
    returns
        (T,) simple returns, oldest first; NaN rows are left out.
    periods_per_year
        P, bars a year.
    risk_free
        Simple return per bar.

    Returns
    -------
    n_obs : int
    values : dict
        The metrics that exist, in the order of METRICS.
    undefined : dict
        The reason for each of the others.

    Examples
    --------
    >>> count, values, undefined = series_metrics(np.array([0.01, 0.03]), 252.0)
    >>> count, values["mean_annual"], undefined
    (2, 5.04, {'sortino': 'zero_downside', 'calmar': 'zero_drawdown'})
    """
    observed = returns[~np.isnan(returns)]
    length = max(observed.size, 1)
    windows = RollingWindows.from_state(
        {
            "windows": (length,),
            "capacity": length,
            "count": observed.size,
            "rows": observed[:, None],
            "ages": np.zeros(1, dtype=np.int64),
        }
    )
    block = window_metrics(windows, length, periods_per_year, risk_free)
    codes = block.undefined[:, 0].tolist()
    values = dict(zip(METRICS, block.values[:, 0].tolist(), strict=True))
    undefined = {
        name: UNDEFINED_REASONS[code] for name, code in zip(METRICS, codes, strict=True) if code
    }
    return observed.size, {n: v for n, v in values.items() if n not in undefined}, undefined


def ewma_metrics(moments: EwmaMoments, periods_per_year: float) -> MetricsBlock:
    """Annualise exponentially weighted mean and volatility about zero.

    Returns
    -------
    MetricsBlock
        values (len(EWMA_METRICS), N); `n_obs` is 0 before a column's first observation, else 1:
        these figures have no window to count in.
    """
    return run_ewma_metrics(moments.sums(), periods_per_year)


def run_ewma_metrics(sums: FloatArray, periods_per_year: float) -> MetricsBlock:
    """Annualise as :func:`ewma_metrics`, from sums (3, ...) of `EwmaMoments.extend`."""
    seen = (sums[0] > 0.0).astype(np.int64)
    values = normalised(sums) * periods_per_year
    np.sqrt(values[1], out=values[1])
    undefined = np.zeros(values.shape, dtype=np.uint8)
    undefined[:, seen == 0] = _TOO_FEW
    return finished_block(seen, values, undefined)


# Shapes: summary (..., N), tail (K, ..., N), result (len(METRICS), ..., N).
def _metrics(
    summary: WindowSummary, tail: FloatArray | None, periods_per_year: float, risk_free: float
) -> MetricsBlock:
    count = summary.count
    values = np.empty((len(METRICS), *count.shape))
    with np.errstate(all="ignore"):  # what does not come out finite is given its reason below
        _moments(values, summary, periods_per_year, risk_free)
        _wealth(values, summary, periods_per_year)
        if tail is None:
            values[_AT["var_95"] :] = np.nan
        else:
            _tails(values, count, tail)
    undefined = np.zeros(values.shape, dtype=np.uint8)
    for ratio, divisor, reason in _RATIOS:
        undefined[_AT[ratio], values[_AT[divisor]] == 0.0] = reason
    undefined[:, count < OBSERVATIONS_MIN] = _TOO_FEW
    return finished_block(count, values, undefined)


def _moments(values: FloatArray, s: WindowSummary, periods: float, risk_free: float) -> None:
    root = np.sqrt(periods)
    deviation = np.sqrt(s.squares / (s.count - 1))
    downside = np.sqrt(s.downside / s.count)
    values[_AT["mean_annual"]] = s.mean * periods
    values[_AT["volatility_annual"]] = deviation * root
    values[_AT["downside_deviation_annual"]] = downside * root
    values[_AT["sharpe"]] = (s.mean - risk_free) / deviation * root
    values[_AT["sortino"]] = s.mean / downside * root
    values[_AT["hit_rate"]] = s.hits / s.count


def _wealth(values: FloatArray, s: WindowSummary, periods: float) -> None:
    cagr = np.expm1(np.log(s.growth) * (periods / s.count))
    dead = s.low == _WIPED_OUT  # even if the wealth before or after it is beyond float64
    figures = {"cagr": cagr, "drawdown": s.drawdown, "max_drawdown": s.max_drawdown}
    for name, figure in figures.items():
        values[_AT[name]] = np.where(dead, _WIPED_OUT, figure)
    values[_AT["calmar"]] = values[_AT["cagr"]] / -values[_AT["max_drawdown"]]


class _Positions(NamedTuple):
    """For so many returns, (P, counts), where in their order the figures of each tail lie.

    A quantile is between number ``below`` and the next one, ``share`` of the way; in the tail are
    ``whole`` returns and ``part`` of the next, ``in_tail`` together.
    """

    below: IntArray
    share: FloatArray
    whole: IntArray
    part: FloatArray
    in_tail: FloatArray


# Integer divisions, once for every count there may be.
@cache
def _positions(counts: int) -> _Positions:
    count, percents = np.arange(counts), np.array(TAIL_PERCENTS)[:, None]
    below, share = np.divmod(np.maximum(count - 1, 0) * percents, _PERCENT)
    whole, part = np.divmod(count * percents, _PERCENT)
    in_tail = count * percents / _PERCENT
    return _Positions(below, share / _PERCENT, whole, part / _PERCENT, in_tail)


# Quantiles by linear interpolation (Hyndman and Fan (1996), type 7), and the mean of the worst
# n percent/100 returns with the last one in part: Rockafellar and Uryasev (2002), "Conditional
# value-at-risk for general loss distributions", proposition 8. Positions are integer fractions.
def _tails(values: FloatArray, count: IntArray, tail: FloatArray) -> None:
    # (P, ..., N): all the tails at once.
    most = int(count.max(initial=0))
    at = _positions(1 << most.bit_length())
    columns, ordered = count.size, tail.reshape(-1)
    places = np.arange(columns).reshape(count.shape)
    lower = at.below.take(count, axis=1) * columns + places
    low = ordered.take(lower)
    high = ordered.take(lower + columns, mode="clip")  # past the end it has no share
    share = at.share.take(count, axis=1)
    quantile = np.where(share > 0.0, low + (high - low) * share, low)
    total = np.zeros((int(at.whole[:, most].max()) + 1, *tail.shape[1:]))
    for place in range(1, len(total)):  # row after row: an accumulating ufunc is slower
        np.add(total[place - 1], tail[place - 1], out=total[place])
    part = at.part.take(count, axis=1)
    next_one = at.whole.take(count, axis=1) * columns + places
    worst = total.reshape(-1).take(next_one)
    worst += np.where(part > 0.0, ordered.take(next_one, mode="clip") * part, 0.0)
    worst /= at.in_tail.take(count, axis=1)
    for index, percent in enumerate(TAIL_PERCENTS):
        values[_AT[f"var_{_PERCENT - percent}"]] = -quantile[index]
        values[_AT[f"cvar_{_PERCENT - percent}"]] = -worst[index]


def finished_block(
    count: IntArray, values: FloatArray, undefined: NDArray[np.uint8]
) -> MetricsBlock:
    """Take what is not finite for overflow, and leave no value beside a reason; in place."""
    infinite: BoolArray = ~np.isfinite(values)
    if infinite.any():
        np.copyto(undefined, _OVERFLOW, where=infinite & (undefined == 0))
    np.copyto(values, np.nan, where=undefined > 0)
    values += 0.0  # no negative zero
    return MetricsBlock(n_obs=count, values=values, undefined=undefined)
