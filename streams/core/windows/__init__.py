"""Windowed tables of the engine: event-time rings with exact rolling aggregates."""

from streams.core.windows.ewma import EWMA_DECAY, EwmaMoments, EwmaState
from streams.core.windows.rolling import NEVER, RollingWindows, WindowsState, WindowSummary
from streams.core.windows.tail import TAIL_PERCENTS, nth, tail_depth

__all__ = [
    "EWMA_DECAY",
    "NEVER",
    "TAIL_PERCENTS",
    "EwmaMoments",
    "EwmaState",
    "RollingWindows",
    "WindowSummary",
    "WindowsState",
    "nth",
    "tail_depth",
]
