"""Values that look like a mistake of unit are kept out until somebody confirms them.

A value is kept out where its size is over ``return_abs_max``, or over ``jump_sigmas`` times the
root mean square of the strategy's own last values. It is missing in windows, covariance and NAV
then, and told with its bar. Any revision of the bar's rows, with the same value or another, is
somebody's word: it takes effect as any late value does. A return of -1 is the end of a strategy,
and no jump.

The rule sees values in the order of a strategy's own bars, so that it gives the same whatever the
interleaving of the strategies.
"""

from dataclasses import replace
from typing import Any, Final

import msgspec
import numpy as np

from schemas.policy import Quarantine
from streams.core.bars import DEAD_RETURN, ClosedBar, Correction
from streams.core.history import DueCorrection

DECAY: Final = 0.97
"""Of the mean square, a bar; the first values count equally."""

OBSERVATIONS_MIN: Final = 20
"""Values of a strategy before a jump of it can be told."""


class Screen:
    """Keeps values out of closed bars, and knows which until they are confirmed.

    Parameters
    ----------
    rule
        What is kept out; None lets everything pass.
    horizon_bars
        Bars whose values can still be confirmed.
    """

    def __init__(self, rule: Quarantine | None, horizon_bars: int) -> None:
        self.rule = rule
        self.horizon_bars = horizon_bars
        self._names: tuple[str, ...] = ()
        self._count = np.zeros(0, dtype=np.int64)
        self._mean_square = np.zeros(0)
        self._held: dict[int, list[str]] = {}  # bar end -> strategies, oldest bar first

    def screened(
        self, bar: ClosedBar, names: tuple[str, ...], due: list[DueCorrection]
    ) -> ClosedBar:
        """Return a bar without what the rule keeps out.

        Parameters
        ----------
        bar
            As it closed.
        names
            Its columns.
        due
            Corrections that wait. Those of a value kept out are changed in place: where they began,
            there is nothing.
        """
        if self.rule is None:
            return bar
        self._follow(names)
        jumps = self._jumps(bar.values, bar.vouched)
        self._learn(bar.values, jumps)
        columns = np.flatnonzero(jumps).tolist()
        if not columns:
            return bar
        values = np.where(jumps, np.nan, bar.values)
        held = [names[column] for column in columns]
        for place, correction in enumerate(due):
            if correction.end_ns == bar.end_ns and correction.name in held:
                held.remove(correction.name)
                due[place] = correction._replace(old=float("nan"))
        self._held[bar.end_ns] = held
        while len(self._held) > self.horizon_bars:
            del self._held[next(iter(self._held))]
        quarantined = {column: float(bar.values[column]) for column in columns}
        return replace(bar, values=values, quarantined=quarantined)

    def corrected(self, correction: Correction, name: str) -> DueCorrection:
        """Return a correction as it is due: the first one of a value kept out lets it in."""
        old = correction.old
        held = self._held.get(correction.end_ns, [])
        if name in held:
            held.remove(name)
            old = float("nan")
        return DueCorrection(correction.after_ns, correction.end_ns, name, old, correction.new)

    def _jumps(self, values: np.ndarray[Any, Any], vouched: frozenset[int]) -> np.ndarray[Any, Any]:
        """Return which values (N,) are kept out."""
        assert self.rule is not None
        size = np.abs(np.nan_to_num(values))
        jumps = np.zeros(len(values), dtype=bool)
        if self.rule.return_abs_max is not None:
            jumps |= size > self.rule.return_abs_max
        if self.rule.jump_sigmas is not None:
            usual = (self._count >= OBSERVATIONS_MIN) & (self._mean_square > 0.0)
            jumps |= usual & (size > self.rule.jump_sigmas * np.sqrt(self._mean_square))
        jumps &= values != DEAD_RETURN
        jumps[list(vouched)] = False
        return jumps

    def _learn(self, values: np.ndarray[Any, Any], jumps: np.ndarray[Any, Any]) -> None:
        """Take what passed into the mean squares."""
        passed = ~np.isnan(values) & ~jumps
        self._count[passed] += 1
        weight = np.maximum(1.0 / np.maximum(self._count[passed], 1), 1.0 - DECAY)
        old = self._mean_square[passed]
        self._mean_square[passed] = old + weight * (np.square(values[passed]) - old)

    def _follow(self, names: tuple[str, ...]) -> None:
        if names == self._names:
            return
        source = [self._names.index(name) if name in self._names else -1 for name in names]
        picked = np.array(source, dtype=np.int64)
        self._count = np.append(self._count, 0)[picked]  # -1 finds the appended one
        self._mean_square = np.append(self._mean_square, 0.0)[picked]
        self._names = names

    def to_state(self) -> dict[str, Any]:
        """Return everything as plain values and arrays."""
        return {
            "rule": msgspec.msgpack.encode(self.rule),
            "horizon_bars": self.horizon_bars,
            "names": list(self._names),
            "count": self._count,
            "mean_square": self._mean_square,
            "held": [[end_ns, list(names)] for end_ns, names in self._held.items()],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Screen":
        """Return the screen that :meth:`to_state` described."""
        rule = msgspec.msgpack.decode(state["rule"], type=Quarantine | None)
        screen = cls(rule, state["horizon_bars"])
        screen._names = tuple(state["names"])
        screen._count = state["count"].copy()
        screen._mean_square = state["mean_square"].copy()
        screen._held = {end_ns: list(names) for end_ns, names in state["held"]}
        return screen
