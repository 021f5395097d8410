"""How each strategy does beyond the plain metrics: shape, certainty, drawdown paths, relations."""

from streams.core.performance.figures import (
    BENCHMARK_FIGURES,
    CONVENTIONS,
    FIGURES,
    PATH_FIGURES,
    PORTFOLIO_FIGURES,
    SHAPE_FIGURES,
    WINDOW_FIGURES,
    Asked,
)
from streams.core.performance.follow import PortfolioFigures, performance_of
from streams.core.performance.run import (
    BarFigures,
    FigureRun,
    Performance,
    WindowFigures,
    whole_figures,
)
from streams.core.performance.variants import VARIANT_NAMES, VARIANTS

__all__ = [
    "BENCHMARK_FIGURES",
    "CONVENTIONS",
    "FIGURES",
    "PATH_FIGURES",
    "PORTFOLIO_FIGURES",
    "SHAPE_FIGURES",
    "VARIANTS",
    "VARIANT_NAMES",
    "WINDOW_FIGURES",
    "Asked",
    "BarFigures",
    "FigureRun",
    "Performance",
    "PortfolioFigures",
    "WindowFigures",
    "performance_of",
    "whole_figures",
]
