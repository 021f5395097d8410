"""What `apse estimate` tells of each strategy: every figure, in our conventions and in others'."""

from typing import Any, Final

import numpy as np

from schemas.units import format_instant
from streams.core.arrays import FloatArray, IntArray
from streams.core.metrics import METRICS, OBSERVATIONS_MIN, UNDEFINED_REASONS, series_metrics
from streams.core.performance import (
    BENCHMARK_FIGURES,
    WINDOW_FIGURES,
    Asked,
    WindowFigures,
    series_variants,
    whole_figures,
)

_TO_PORTFOLIO: Final = ("beta", "correlation")  # a table of strategies has no portfolio


def strategy_figures(
    names: tuple[str, ...],
    returns: FloatArray,
    ends_ns: IntArray,
    periods_per_year: float,
    benchmark: str | None,
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
    """
    found = None
    if len(returns) >= OBSERVATIONS_MIN and names:
        place = None if benchmark is None else names.index(benchmark)
        asked = Asked(periods_per_year=periods_per_year, benchmark=place)
        found = whole_figures(returns, np.full(len(returns), np.nan), asked)
    wanted = (*WINDOW_FIGURES, *(() if benchmark is None else BENCHMARK_FIGURES))
    told = tuple(name for name in wanted if name not in _TO_PORTFOLIO)
    return {
        name: _strategy(returns[:, column], periods_per_year, _beyond(found, told, column))
        | _dates(found, column, ends_ns)
        for column, name in enumerate(names)
    }


def _strategy(
    returns: FloatArray, periods_per_year: float, beyond: dict[str, float | str]
) -> dict[str, Any]:
    n_obs, values, undefined = series_metrics(returns, periods_per_year)
    reasons = {**undefined, **{n: why for n, why in beyond.items() if isinstance(why, str)}}
    figures = {
        "n_obs": n_obs,
        "coverage": n_obs / max(len(returns), 1),
        **{name: values.get(name) for name in METRICS},
        **{name: None if isinstance(told, str) else told for name, told in beyond.items()},
        "variants": series_variants(returns, periods_per_year),
    }
    return {**figures, "undefined": reasons} if reasons else figures


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
