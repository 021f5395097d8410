"""What paper books held over the bars of the past, to book a revised return into the NAV of today.

Amounts are kept at marks alone, a few bars apart; what was held in between follows from the returns
since. So the past of a book is small beside the returns themselves.
"""

from typing import Any, Final

import numpy as np

from streams.core.arrays import FloatArray, IntArray
from streams.core.windows import RollingWindows

MARK_BARS: Final = 32
"""Amounts are marked at bar numbers that this divides, and where something was filled."""


class Past:
    """Amounts (K, N + 1) held over marked bars, cash last, oldest first.

    Parameters
    ----------
    capacity
        Bars remembered, as many as the windows of returns hold.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._marks: list[tuple[int, FloatArray]] = []
        self._due = True  # at the next bar, whatever its number

    def note(self, number: int, amounts: FloatArray, *, always: bool) -> None:
        """Mark what is held over a bar, where that is due; the array is kept as it is."""
        if not (always or self._due) and number % MARK_BARS:
            return
        self._due = False
        self._marks.append((number, amounts))
        while len(self._marks) > 1 and self._marks[1][0] <= number - self.capacity:
            del self._marks[0]

    def held_over(
        self, windows: RollingWindows, last: int, bars_ago: int, cash_rate: float
    ) -> tuple[FloatArray, FloatArray] | None:
        """Return what was held over a bar, and the NAV made of it; None where that is not known.

        Parameters
        ----------
        windows
            Returns, the newest of them those of bar ``last``.
        last, bars_ago
            Which bar.
        cash_rate
            Simple return of cash per bar.

        Returns
        -------
        before : FloatArray
            (K, N + 1) amounts.
        after : FloatArray
            (K,).
        """
        number = last - bars_ago
        marks = [mark for mark in self._marks if mark[0] <= number]
        if not marks:
            return None
        since, amounts = marks[-1]
        stop = windows.count - bars_ago
        start = stop - 1 - (number - since)
        if start < max(windows.count - min(windows.capacity, self.capacity), 0):
            return None  # the returns since the mark are not all at hand any more
        growth = growth_of(windows.rows(start, stop), cash_rate)
        with np.errstate(over="ignore", invalid="ignore"):
            before = amounts * growth[:-1].prod(axis=0)
            return before, (before * growth[-1]).sum(axis=1)

    def select(self, picked: IntArray) -> None:
        """Change the columns: the old one of each, -1 for a new strategy; cash is not named."""
        self._marks = [(number, columns_of(held, picked)) for number, held in self._marks]

    def select_books(self, picked: IntArray) -> None:
        """Change the books: the old one of each, -1 for one that held nothing then."""
        self._marks = [
            (number, np.vstack([held, np.zeros(held.shape[1])])[picked])
            for number, held in self._marks
        ]
        self._due = True

    def to_state(self) -> dict[str, Any]:
        """Return everything as plain values and arrays."""
        marks = [list(mark) for mark in self._marks]
        return {"capacity": self.capacity, "marks": marks, "due": self._due}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Past":
        """Return the past that :meth:`to_state` described."""
        past = cls(state["capacity"])
        past._marks = [(number, amounts) for number, amounts in state["marks"]]
        past._due = state["due"]
        return past


def growth_of(returns: FloatArray, cash_rate: float) -> FloatArray:
    """Return the factors (T, N + 1) by which amounts and cash grow; a missing return is none."""
    growth = np.empty((len(returns), returns.shape[1] + 1))
    growth[:, :-1] = np.where(np.isnan(returns), 1.0, 1.0 + returns)
    growth[:, -1] = 1.0 + cash_rate
    return growth


def columns_of(amounts: FloatArray, picked: IntArray) -> FloatArray:
    """Return amounts (K, N + 1) over other columns, cash last as before; 0 for a new strategy."""
    padded = np.insert(amounts, amounts.shape[1] - 1, 0.0, axis=1)
    old = amounts.shape[1] - 1
    # Sums over a row depend on how it lies in memory: as in one that is put back from its state.
    return np.ascontiguousarray(padded[:, np.append(np.where(picked < 0, old, picked), old + 1)])
