"""What was held over each remembered bar, to book a revised return into the NAV of today."""

from typing import Any, NamedTuple

import numpy as np

from schemas.policy import PortfolioPolicy
from streams.core.arrays import FloatArray, IntArray
from streams.core.covariance import RollingCovariance


def history_bars(policy: PortfolioPolicy) -> int:
    """Return how many bars a policy needs at hand: its longest window, and room to rebuild it."""
    estimation = policy.estimation
    return RollingCovariance.history(max(*estimation.windows, estimation.window_bars))


class DueCorrection(NamedTuple):
    """A corrected value of a past bar.

    Takes effect at the first bar that ends after ``after_ns``.
    """

    after_ns: int
    end_ns: int
    name: str
    old: float
    new: float


def coalesced(corrections: list[DueCorrection]) -> list[DueCorrection]:
    """Return one correction a strategy and bar, from its first old value to its last new one."""
    last: dict[tuple[str, int], DueCorrection] = {}
    for correction in corrections:
        key = (correction.name, correction.end_ns)
        first = last.get(key, correction)
        last[key] = correction._replace(old=first.old)
    return list(last.values())


class History:
    """Ends, weights (N,) and gross returns of the last bars.

    Parameters
    ----------
    capacity
        Bars remembered: as many as the windows hold.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._ends_ns: list[int] = []
        self._weights: list[FloatArray] = []
        self._gross: list[float] = []

    def push(self, end_ns: int, weights: FloatArray, gross: float) -> None:
        """Remember the newest bar, with the weights held over it."""
        self._ends_ns.append(end_ns)
        self._weights.append(weights)
        self._gross.append(gross)
        if len(self._ends_ns) > self._capacity:
            del self._ends_ns[0], self._weights[0], self._gross[0]

    @property
    def capacity(self) -> int:
        """Most bars remembered."""
        return self._capacity

    def held(self, bars: int, bars_ago: int = 0) -> FloatArray:
        """Return the weights (B, N) held over ``bars`` bars, oldest first, to that of then."""
        stop = len(self._weights) - bars_ago
        return np.array(self._weights[max(stop - bars, 0) : stop])

    def bars_ago(self, end_ns: int) -> int | None:
        """Return how long ago a bar was, 0 for the newest.

        None where it is not remembered, or never was.
        """
        if end_ns not in self._ends_ns:
            return None
        return len(self._ends_ns) - 1 - self._ends_ns.index(end_ns)

    @property
    def ends_ns(self) -> list[int]:
        """When each remembered bar ended, oldest first."""
        return self._ends_ns.copy()

    def revise(self, bars_ago: int, column: int, old: float, new: float) -> float:
        """Return what a revised return adds to the NAV: w (new - old) / (1 + r_p) of that bar.

        A missing ``old`` (NaN) had counted as 0. The bar's gross return is kept as revised, for the
        next revision.
        """
        place = len(self._ends_ns) - 1 - bars_ago
        change = float(self._weights[place][column]) * (new - (0.0 if np.isnan(old) else old))
        growth = 1.0 + self._gross[place]
        self._gross[place] += change
        return change / growth if growth > 0.0 else 0.0

    def select(self, picked: IntArray) -> None:
        """Change the columns.

        ``picked`` holds the old column of each new one, -1 for a new strategy.
        """
        self._weights = [np.append(weights, 0.0)[picked] for weights in self._weights]

    def resize(self, capacity: int) -> None:
        """Remember more bars from now on, or forget all but the newest."""
        self._capacity = capacity
        surplus = max(0, len(self._ends_ns) - capacity)
        del self._ends_ns[:surplus], self._weights[:surplus], self._gross[:surplus]

    def to_state(self) -> dict[str, Any]:
        """Return everything as plain values and arrays."""
        return {
            "capacity": self._capacity,
            "ends_ns": list(self._ends_ns),
            "weights": np.array(self._weights),
            "gross": list(self._gross),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "History":
        """Return the history that :meth:`to_state` described."""
        history = cls(state["capacity"])
        history._ends_ns = list(state["ends_ns"])
        history._weights = list(state["weights"])
        history._gross = list(state["gross"])
        return history
