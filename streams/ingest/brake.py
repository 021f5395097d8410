"""Slow down by walk lag: returns wait in their topic while too many closed bars wait for answers.

Requests, risk signals and reports are read all the same.
"""

import time
from typing import Final, Protocol

from streams.observe.log import get_logger
from streams.observe.metrics import RETURNS_HELD

ASKED_EVERY_S: Final = 0.25


class Lag(Protocol):
    """Who knows the lag."""

    def ask(self) -> int | None:
        """Return how many closed bars wait; None when it is not known now."""


class Holdable(Protocol):
    """Who reads the returns."""

    def hold(self, held: bool) -> None:  # noqa: FBT001  # a switch
        """Stop reading returns, or go on."""


class Brake:
    """Holds the returns above ``bars_max``, and lets them go at half of it.

    Parameters
    ----------
    lag, source
        Who is asked, and who is held.
    bars_max
        Closed bars that may wait on a shard.
    """

    def __init__(self, lag: Lag, source: Holdable, bars_max: int) -> None:
        self._lag = lag
        self._source = source
        self._bars_max = bars_max
        self._held = False
        self._due_s = 0.0
        self._log = get_logger("brake")

    def check(self) -> None:
        """Ask, at most every :data:`ASKED_EVERY_S`; what is not known changes nothing."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        self._due_s = now_s + ASKED_EVERY_S
        bars = self._lag.ask()
        if bars is None:
            return
        if not self._held and bars > self._bars_max:
            self._turn(bars, held=True)
        elif self._held and bars <= self._bars_max // 2:
            self._turn(bars, held=False)

    def _turn(self, bars: int, *, held: bool) -> None:
        self._held = held
        self._source.hold(held)
        RETURNS_HELD.set(held)
        self._log.info("returns_held" if held else "returns_go_on", walk_lag_bars=bars)
