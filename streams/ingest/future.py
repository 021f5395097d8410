"""Stamps that nobody can have meant: too far ahead of their own publication and of their peers.

Nobody knows a return before its period has ended, so a row is dated no later than it is published:
live as in history, and the same whenever the source is read again, for the time of publication is
the record's own. Only time that is simulated may run ahead of it. Such rows come one after another,
and each is near to the last one of its strategy or of its co-members. Refused is what is near to
neither. How far is near counts a week at least: a calendar has long weekends, and a session is
dated by its end.
"""

from typing import Final

import numpy as np

from schemas.units import format_instant
from streams.core.arrays import BoolArray, IntArray
from streams.core.calendar import DAY_NS, bar_length_ns
from streams.ingest.arrivals import Returns
from streams.ingest.registry import Registry
from streams.ingest.silence import Silence

FAR_FUTURE: Final = "far_future"
LEAD_NS: Final = 7 * DAY_NS
LOWEST_NS: Final = -(2**62)  # before any stamp


class FutureGuard:
    """Tells which rows are dated too far ahead.

    Parameters
    ----------
    registry
        Who belongs where, and with which bars.
    silence
        The newest stamps heard; only of rows that were not refused.
    """

    def __init__(self, registry: Registry, silence: Silence) -> None:
        self._registry = registry
        self._silence = silence

    def refused(self, returns: Returns) -> dict[int, str]:
        """Return the rows of a poll to be refused, each with a sentence, in their order."""
        early = returns.period_end_ns - returns.published_ns > LEAD_NS
        if not early.any():
            return {}
        found: dict[int, str] = {}
        reached: dict[str, IntArray] = {}  # of each portfolio before each row, by rows not early
        stepped_ns: dict[str, int] = {}  # by early rows that were let in
        for row in np.flatnonzero(early).tolist():
            name = returns.names[int(returns.code[row])]
            places = self._registry.portfolios_of(name)
            known_ns = published_ns = int(returns.published_ns[row])
            for place in places:
                if place not in reached:
                    reached[place] = self._reached_ns(place, returns, early)
                    stepped_ns[place] = LOWEST_NS
                known_ns = max(known_ns, int(reached[place][row]), stepped_ns[place])
            stamp_ns, lead_ns = int(returns.period_end_ns[row]), self._lead_ns(name)
            if places and stamp_ns - known_ns > lead_ns:
                found[row] = _sentence(stamp_ns, published_ns, known_ns, lead_ns)
                continue
            for place in places:
                stepped_ns[place] = max(stepped_ns[place], stamp_ns)
        return found

    def _reached_ns(self, portfolio_id: str, returns: Returns, early: BoolArray) -> IntArray:
        """Return the newest stamp of a portfolio's members before each row (R,) of a poll."""
        members = self._registry.members()[portfolio_id]
        newest_ns = [self._silence.newest_ns(name) for name in members]
        before_ns = max((n for n in newest_ns if n is not None), default=LOWEST_NS)
        member = np.array([name in members for name in returns.names])
        here = member[returns.code] & ~early
        stamps_ns = np.where(here, returns.period_end_ns, LOWEST_NS)
        return np.maximum.accumulate(np.append(before_ns, stamps_ns)[:-1])

    def _lead_ns(self, name: str) -> int:
        """Return how far ahead of what is known a row may be: bars may be longer than a week."""
        bars = self._registry.bars_of(name)
        longest_ns = max((bar_length_ns(bar) for bar in bars), default=0)
        return max(LEAD_NS, self._silence.allowance_bars * longest_ns)


def kept_rows(count: int, refused: dict[int, str]) -> IntArray:
    """Return the numbers of the rows that are not refused."""
    kept = np.ones(count, dtype=bool)
    kept[list(refused)] = False
    return np.flatnonzero(kept)


def _sentence(stamp_ns: int, published_ns: int, known_ns: int, lead_ns: int) -> str:
    days = lead_ns / DAY_NS
    newest = "" if known_ns == published_ns else f"; its portfolio is at {format_instant(known_ns)}"
    return (
        f"period_end {format_instant(stamp_ns)} is in the future of its publication at"
        f" {format_instant(published_ns)}{newest}; expected at most {days:g} days later"
    )
