"""The figures of a portfolio as its walk goes on."""

import numpy as np

from schemas.policy import PortfolioPolicy
from streams.core.arrays import FloatArray
from streams.core.metrics import METRICS, MetricsBlock
from streams.core.performance.figures import Asked
from streams.core.performance.run import BarFigures, FigureRun, Performance
from streams.core.windows import RollingWindows

__all__ = ["PortfolioFigures", "performance_of"]


def performance_of(policy: PortfolioPolicy, names: tuple[str, ...]) -> Performance | None:
    """Make what follows the figures that a policy asks for; None where it asks for none.

    Everything is told over ``window_bars``, or over the longest window where that is not shown.
    """
    estimation = policy.estimation
    if estimation.figures == "standard":
        return None
    shown = estimation.windows
    longest = estimation.window_bars if estimation.window_bars in shown else max(shown)
    known = estimation.benchmark in names
    asked = Asked(
        periods_per_year=policy.periods_per_year,
        trials=estimation.trials,
        benchmark=names.index(estimation.benchmark) if known and estimation.benchmark else None,
    )
    return Performance(shown, longest, asked)


class PortfolioFigures:
    """The figures of a portfolio's last walked bar; made anew from its windows after a restart."""

    __slots__ = ("_found", "_performance")

    def __init__(self) -> None:
        self._performance: Performance | None = None
        self._found: BarFigures | None = None

    def begin(self, policy: PortfolioPolicy, names: tuple[str, ...]) -> None:
        """Go on under a policy or with members that may be others, from the windows there are."""
        self._performance = performance_of(policy, names)
        self._found = None

    def forget(self) -> None:
        """Take everything from the windows again at the next bar: a return was revised."""
        if self._performance is not None:
            self._performance.forget()
        self._found = None

    def take(
        self, windows: RollingWindows, own: RollingWindows, block: MetricsBlock
    ) -> list[BarFigures]:
        """Take in the bars that were pushed last; give the figures of each.

        ``block`` holds the metrics over each of the windows, (len(METRICS), K, W, N).
        """
        bars, low = len(block.n_obs), None
        if self._performance is not None:
            place = windows.windows.index(self._performance.window_bars)
            low = -block.values[METRICS.index("var_95"), :, place]
        found = self._follow(windows, own, bars, low)
        told = [BarFigures(found, place) for place in range(bars)]
        self._found = told[-1]
        return told

    def at(self, windows: RollingWindows, own: RollingWindows) -> BarFigures:
        """Give the figures of the newest bar, none where the policy asks for none."""
        if self._found is None:
            self._found = BarFigures(self._follow(windows, own, 1), 0)
        return self._found

    def _follow(
        self,
        windows: RollingWindows,
        own: RollingWindows,
        bars: int,
        low: FloatArray | None = None,
    ) -> FigureRun:
        if self._performance is None or not windows.columns:
            return ()
        longest = max(self._performance.windows)
        rows = windows.rows(max(windows.count - longest - bars, 0), windows.count)
        net = np.full(len(rows), np.nan)
        earned = own.rows(max(own.count - longest - bars + 1, 0), own.count)[-len(rows) :, 0]
        net[len(rows) - len(earned) :] = earned
        return self._performance.advance(rows, net, windows.count, bars, low)
