"""Performance figures of many strategies over runs of bars, and of whole tables.

What is kept here between runs only saves work: it follows from the bars of the windows, and the
figures of a bar depend on the returns in its windows and on its number alone, to the bit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.core.arrays import FloatArray
from streams.core.metrics import MetricsBlock
from streams.core.performance.figures import (
    BENCHMARK_FIGURES,
    PATH_FIGURES,
    SHAPE_FIGURES,
    WINDOW_FIGURES,
    Asked,
    Material,
    figures_of,
)
from streams.core.performance.path import WealthPath, WealthPaths, path_due
from streams.core.performance.sums import Bars, SlidingSums
from streams.core.performance.tails import QuantileTails
from streams.core.performance.terms import (
    LappedSums,
    Moments,
    PlainTerms,
    Relation,
    relations_in,
)
from streams.core.performance.variants import VARIANT_NAMES, VARIANTS_EVERY, window_variants

__all__ = ["BarFigures", "FigureRun", "Performance", "WindowFigures", "whole_figures"]

COLUMNS_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WindowFigures:
    """Figures of one window at each of K bars.

    Attributes
    ----------
    window
        Bars.
    names
        Which figures.
    block
        values (len(names), K, N).
    portfolio
        The same of the portfolio's own net returns, (len(names), K, 1).
    path
        (K, N) of the estimation window, else None.
    paths_told
        At which of the K bars it was followed; there alone figures of it exist.
    variants_told
        At which of them the variants of other conventions exist.
    """

    window: int
    names: tuple[str, ...]
    block: MetricsBlock
    portfolio: MetricsBlock
    path: WealthPath | None = None
    paths_told: tuple[bool, ...] = ()
    variants_told: tuple[bool, ...] = ()

    def at(self, place: int) -> tuple[tuple[str, ...], FloatArray, NDArray[np.uint8]]:
        """Give the figures told at one of the K bars: names, values and reasons (len(names), N)."""
        if self.path is None or self.variants_told[place]:
            return self.names, self.block.values[:, place], self.block.undefined[:, place]
        absent = {*VARIANT_NAMES, *(() if self.paths_told[place] else PATH_FIGURES)}
        kept = [i for i, name in enumerate(self.names) if name not in absent]
        names = tuple(self.names[i] for i in kept)
        return names, self.block.values[kept, place], self.block.undefined[kept, place]


FigureRun = tuple[WindowFigures, ...]


class BarFigures(NamedTuple):
    """The figures of one bar of a run, the bar number ``place`` of it; no windows: none asked."""

    windows: FigureRun
    place: int


class Performance:
    """Figures over several windows: all of them over one, the shape of returns over the others.

    Parameters
    ----------
    windows
        Lengths in bars, at least 2.
    window_bars
        The one of them that everything is told of.
    asked
        Periods a year, benchmark, trials.
    always
        Go through the window at every bar, not at the few that are due.
    """

    def __init__(
        self, windows: tuple[int, ...], window_bars: int, asked: Asked, *, always: bool = False
    ) -> None:
        assert window_bars in windows, (window_bars, windows)
        assert min(windows) > 1, windows
        self.windows = windows
        self.asked = asked
        self.window_bars = window_bars
        self._always = always
        self._tails = QuantileTails(window_bars)
        self._paths = WealthPaths(window_bars)
        references = 1 if asked.benchmark is None else 2
        self._sums = {
            window: SlidingSums(window, PlainTerms(references if window == window_bars else 0))
            for window in windows
        }
        self._lapped = LappedSums(windows)

    def forget(self) -> None:
        """Take everything from the history at the next run: a bar was corrected, or columns moved.

        Nothing else needs to be told: a gap or another number of columns is noticed.
        """
        self._tails.forget()
        self._lapped.forget()
        for window in self.windows:
            self._sums[window].forget()

    def advance(
        self,
        rows: FloatArray,
        own: FloatArray,
        stop: int,
        count: int,
        low: FloatArray | None = None,
    ) -> FigureRun:
        """Give the figures at each of the newest bars.

        Parameters
        ----------
        rows
            (H + K, N) returns, oldest first: K new bars and at least the longest window before
            them, or all that there were.
        own
            (H + K,) net returns of the portfolio in the same bars, NaN where it had none.
        stop
            Number of the newest bar, counted from the first ever.
        count
            K, new bars.
        low
            (K, N) the 5 % quantile of the returns of ``window_bars``, where it is known: it is
            value at risk with its sign turned.
        """
        beside = [own]
        if self.asked.benchmark is not None:
            beside.append(rows[:, self.asked.benchmark])
        alone, bars = Bars(rows, stop), Bars(rows, stop, np.stack(beside, axis=1))
        with np.errstate(all="ignore"):  # overflow is told by the figures that suffer from it
            sums = [self._sums[window].advance(bars, count) for window in self.windows]
            moments = Moments.side_by_side(sums)
            place = self.windows.index(self.window_bars)
            longest, _ = sums[place]
            observed = longest[0, :, : alone.columns].astype(np.int64)
            references = range(relations_in(len(longest)))
            material = Material(
                moments=moments,
                lapped=self._lapped.advance(bars, count),
                place=place,
                relations=tuple(Relation.of(longest, number) for number in references),
                path=self._follow(alone, count),
                quantiles=self._tails.advance(alone, count, observed, low),
            )
        return self._told(material, self._variants(alone, count), stop)

    def _told(self, material: Material, variants: MetricsBlock, stop: int) -> FigureRun:
        names = WINDOW_FIGURES
        if self.asked.benchmark is not None:
            names = (*WINDOW_FIGURES, *BENCHMARK_FIGURES)
        count, strategies = variants.n_obs.shape
        shape, whole, portfolio = figures_of(material, self.asked, names, strategies)
        return tuple(
            WindowFigures(
                window=window,
                names=(*names, *VARIANT_NAMES),
                block=MetricsBlock(
                    whole.n_obs,
                    np.concatenate([whole.values, variants.values]),
                    np.concatenate([whole.undefined, variants.undefined]),
                ),
                portfolio=portfolio.at(place),
                path=material.path,
                paths_told=self._due(stop, count, strategies),
                variants_told=self._due(stop, count, strategies, VARIANTS_EVERY),
            )
            if place == material.place
            else WindowFigures(
                window=window,
                names=SHAPE_FIGURES,
                block=shape.at(place),
                portfolio=portfolio.at(place),
            )
            for place, window in enumerate(self.windows)
        )

    # Which of the newest bars are due to be gone through the window at.
    def _due(self, stop: int, count: int, strategies: int, every: int = 1) -> tuple[bool, ...]:
        bars = range(stop - count + 1, stop + 1)
        return tuple(self._always or path_due(bar, strategies, every) for bar in bars)

    def _follow(self, bars: Bars, count: int) -> WealthPath:
        path = WealthPath.unknown(count, bars.columns)
        for places, rows in self._windows(bars, count):
            path.put(places, self._paths.follow(rows))
        return path

    def _variants(self, bars: Bars, count: int) -> MetricsBlock:
        values = np.full((len(VARIANT_NAMES), count, bars.columns), np.nan)
        undefined = np.zeros(values.shape, dtype=np.uint8)
        told = MetricsBlock(np.zeros(values.shape[1:], dtype=np.int64), values, undefined)
        for places, rows in self._windows(bars, count, VARIANTS_EVERY):
            told.put(places, window_variants(rows, self.asked.periods_per_year))
        return told

    # The windows (window_bars, M) that end at the bars that are due, side by side, and which bars
    # these are. As many at once as make a thousand columns or so: few cost as much as many.
    def _windows(
        self, bars: Bars, count: int, every: int = 1
    ) -> Iterator[tuple[list[int], FloatArray]]:
        first = bars.stop - count + 1
        told = self._due(bars.stop, count, bars.columns, every)
        due = [place for place, yes in enumerate(told) if yes]
        some = max(COLUMNS_AT_ONCE // max(bars.columns, 1), 1)
        for begun in range(0, len(due), some):
            places = due[begun : begun + some]
            windows = [bars.read(first + at - self.window_bars, first + at) for at in places]
            yield places, np.concatenate(windows, axis=1)


def whole_figures(rows: FloatArray, own: FloatArray, asked: Asked) -> WindowFigures:
    """Give every figure of a whole table: one window as long as its rows.

    Parameters
    ----------
    rows
        (T, N) simple returns, oldest first, NaN = missing, T > 1.
    own
        (T,) returns to compare with, NaN throughout where there are none.
    asked
        Periods a year, benchmark, trials.

    Returns
    -------
    WindowFigures
        K = 1.
    """
    length = len(rows)
    run = Performance((length,), length, asked, always=True).advance(rows, own, length, 1)
    return run[0]
