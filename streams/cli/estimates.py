"""What `apse estimate` tells of each strategy: every figure, in our conventions and in others'."""

from typing import Any

import numpy as np

from schemas.units import format_instant
from streams.core.arrays import FloatArray, IntArray
from streams.core.metrics import METRICS, OBSERVATIONS_MIN, UNDEFINED_REASONS, series_metrics
from streams.core.performance import (
    BENCHMARK_FIGURES,
    VARIANT_NAMES,
    WINDOW_FIGURES,
    Asked,
    WindowFigures,
    whole_figures,
)


def strategy_figures(
    names: tuple[str, ...],
    returns: FloatArray,
    ends_ns: IntArray,
    periods_per_year: float,
    benchmark: str | None,
    portfolio: FloatArray | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the figures of each strategy over a whole table.

    Parameters
    ----------
    names
        N strategies.
    returns
        (T, N), oldest first, NaN = missing.
    ends_ns
        (T,) when the rows end.
    periods_per_year
        Rows in a year.
    benchmark
        One of the names, or None.
    portfolio
        (T,) returns of the portfolio that `beta` and `correlation` are to, NaN = none; by default
        those of equal weights.
    """
    found = None
    if len(returns) >= OBSERVATIONS_MIN and names:
        place = None if benchmark is None else names.index(benchmark)
        asked = Asked(periods_per_year=periods_per_year, benchmark=place)
        own = equal_weights(returns) if portfolio is None else portfolio
        found = whole_figures(returns, own, asked)
    told = (*WINDOW_FIGURES, *(() if benchmark is None else BENCHMARK_FIGURES))
    return {
        name: _strategy(returns[:, column], periods_per_year, _beyond(found, told, column))
        | {"variants": _values(_beyond(found, VARIANT_NAMES, column))}
        | _dates(found, column, ends_ns)
        for column, name in enumerate(names)
    }


def equal_weights(returns: FloatArray) -> FloatArray:
    """Return what equal weights earn that are restored at each row, (T,).

    A missing return contributes 0, as it does to a portfolio that holds the strategy; a row in
    which nobody has one is no bar.

    Examples
    --------
    >>> equal_weights(np.array([[0.02, 0.04], [0.02, np.nan], [np.nan, np.nan]]))
    array([0.03, 0.01,  nan])
    """
    known = ~np.isnan(returns)
    earned = np.where(known, returns, 0.0).sum(axis=1) / returns.shape[1]
    return np.where(known.any(axis=1), earned, np.nan)


def _strategy(
    returns: FloatArray, periods_per_year: float, beyond: dict[str, float | str]
) -> dict[str, Any]:
    n_obs, values, undefined = series_metrics(returns, periods_per_year)
    reasons = {**undefined, **{n: why for n, why in beyond.items() if isinstance(why, str)}}
    figures = {
        "n_obs": n_obs,
        "coverage": n_obs / max(len(returns), 1),
        **{name: values.get(name) for name in METRICS},
        **_values(beyond),
    }
    return {**figures, "undefined": reasons} if reasons else figures


def _values(figures: dict[str, float | str]) -> dict[str, float | None]:
    return {name: None if isinstance(told, str) else told for name, told in figures.items()}


# Each figure, or the reason why there is none.
def _beyond(
    found: WindowFigures | None, told: tuple[str, ...], column: int
) -> dict[str, float | str]:
    if found is None:
        return dict.fromkeys(told, "too_few")
    places = [found.names.index(name) for name in told]
    values = found.block.values[places, 0, column].tolist()
    codes = found.block.undefined[places, 0, column].tolist()
    return {
        name: UNDEFINED_REASONS[code] if code else value
        for name, value, code in zip(told, values, codes, strict=True)
    }


def _dates(found: WindowFigures | None, column: int, ends_ns: IntArray) -> dict[str, str | None]:
    if found is None or found.path is None:
        return {"max_drawdown_start": None, "max_drawdown_trough": None}
    start, trough = int(found.path.start[0, column]), int(found.path.trough[0, column])
    places = {"max_drawdown_start": start, "max_drawdown_trough": trough}
    return {
        name: None if ago < 0 else format_instant(int(ends_ns[-1 - ago]))
        for name, ago in places.items()
    }
