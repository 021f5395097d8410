"""Slow down by walk lag: returns wait in their topic while too many closed bars wait for answers.

Requests, risk signals and reports are read all the same. A question takes the broker's time and
ours, and the returns wait for it meanwhile: none is asked while the answer cannot matter.
"""

import time
from typing import Final, Protocol

from streams.observe.log import get_logger
from streams.observe.metrics import RETURNS_HELD

ASKED_EVERY_S: Final = 0.25  # where the answer may matter
ASKED_AGAIN_S: Final = 5.0  # where it should not: a return that leaps ahead closes many bars


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
        self._bars = 0  # by the last answer
        self._returns = bars_max  # since then; so many: the first question is asked
        self._due_s = self._again_s = 0.0
        self._log = get_logger("brake")

    def check(self, returns: int) -> None:
        """Ask, at most every :data:`ASKED_EVERY_S`; what is not known changes nothing.

        Parameters
        ----------
        returns
            How many were taken since the last check. A return closes one bar at most, unless it
            leaps ahead; half the bound leaves room for those that the answer did not know of.
        """
        self._returns += returns
        now_s = time.monotonic()
        matters = self._held or self._bars + self._returns > self._bars_max // 2
        if now_s < (self._due_s if matters else self._again_s):
            return
        self._due_s, self._again_s = now_s + ASKED_EVERY_S, now_s + ASKED_AGAIN_S
        bars = self._lag.ask()
        if bars is None:
            return
        self._bars, self._returns = bars, 0
        if not self._held and bars > self._bars_max:
            self._turn(bars, held=True)
        elif self._held and bars <= self._bars_max // 2:
            self._turn(bars, held=False)

    def _turn(self, bars: int, *, held: bool) -> None:
        self._held = held
        self._source.hold(held)
        RETURNS_HELD.set(held)
        self._log.info("returns_held" if held else "returns_go_on", walk_lag_bars=bars)
