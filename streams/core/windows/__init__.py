"""Windowed tables of the engine: event-time rings with exact rolling aggregates."""

from streams.core.windows.ewma import EWMA_DECAY, EwmaMoments, EwmaState, normalised
from streams.core.windows.rolling import (
    NEVER,
    RUN_BARS_MAX,
    RollingWindows,
    WindowsState,
)
from streams.core.windows.summary import WindowsRun, WindowSummary
from streams.core.windows.tail import TAIL_PERCENTS, tail_depth

__all__ = [
    "EWMA_DECAY",
    "NEVER",
    "RUN_BARS_MAX",
    "TAIL_PERCENTS",
    "EwmaMoments",
    "EwmaState",
    "RollingWindows",
    "WindowSummary",
    "WindowsRun",
    "WindowsState",
    "normalised",
    "tail_depth",
]
