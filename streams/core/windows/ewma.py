"""Exponentially weighted moments that forget by observation, not by bar."""

from typing import Final, TypedDict

import numpy as np

from streams.core.arrays import FloatArray, IntArray

__all__ = ["EWMA_DECAY", "EwmaMoments", "EwmaState", "normalised"]

EWMA_DECAY: Final = 0.94  # RiskMetrics (1996), Technical Document, section 5.3: daily returns


class EwmaState(TypedDict):
    """What is kept of `EwmaMoments`, exactly."""

    decay: float
    sums: FloatArray


class EwmaMoments:
    """Exponentially weighted mean and second moment of N columns.

    Weights are decay^k over the observations, k = 0 the newest, normalised to 1; a missing return
    leaves its column as it is. There is no bias towards the start value: there is none.

    Parameters
    ----------
    columns
        N, number of strategies.
    decay
        Between 0 and 1, both excluded.
    """

    __slots__ = ("_decay", "_sums")

    def __init__(self, columns: int, decay: float = EWMA_DECAY) -> None:
        assert 0.0 < decay < 1.0, decay
        self._decay = decay
        self._sums = np.zeros((3, columns))  # sums of decay^k times 1, r and r^2

    @property
    def columns(self) -> int:
        """N, number of strategies."""
        return int(self._sums.shape[1])

    def push(self, row: FloatArray) -> None:
        """Append the next bar, (N,), NaN = missing."""
        self.extend(row[None])

    def extend(self, rows: FloatArray) -> FloatArray:
        """Append the next bars, (K, N), NaN = missing.

        Returns
        -------
        FloatArray
            (3, K, N) after each of them: sums of decay^k times 1, r and r^2.
        """
        missing = np.isnan(rows)
        holes = np.asarray(missing.any(axis=1)).tolist()
        sums = np.empty((len(rows), *self._sums.shape))
        before = self._sums
        with np.errstate(over="ignore"):
            added = np.stack([np.ones_like(rows), rows, rows * rows], axis=1)
            for after, new, hole, absent in zip(sums, added, holes, missing, strict=True):
                np.multiply(before, self._decay, out=after)
                np.add(after, new, out=after)
                if hole:
                    np.copyto(after, before, where=absent)
                before = after
        self._sums = before.copy()
        return sums.transpose(1, 0, 2)

    def sums(self) -> FloatArray:
        """Give sums of decay^k times 1, r and r^2, (3, N): all 0 before any observation."""
        return self._sums.copy()

    def weight(self) -> FloatArray:
        """Give the sum of the weights before they are normalised, (N,): 0 = no observation yet."""
        weight: FloatArray = self._sums[0].copy()
        return weight

    def mean(self) -> FloatArray:
        """Give the weighted mean per bar, (N,), NaN before the first observation."""
        mean: FloatArray = normalised(self._sums)[0]
        return mean

    def second_moment(self) -> FloatArray:
        """Give the weighted mean of r^2 per bar, (N,), NaN before the first observation."""
        second: FloatArray = normalised(self._sums)[1]
        return second

    def correct(self, column: int, before: float, after: float, later: FloatArray) -> None:
        """Replace one return by its revision, as if it had always been so.

        Parameters
        ----------
        column
            Which strategy.
        before, after
            The return as pushed and as revised, NaN = missing.
        later
            (T,) what was pushed of that column after it, oldest first, NaN = missing.
        """
        newer = EwmaMoments(1, self._decay)
        for value in later:
            newer.push(np.array([value]))
        fade = self._decay ** int(np.count_nonzero(~np.isnan(later)))
        older = self._sums[:, column] - newer._sums[:, 0]
        if not np.isnan(before):
            older = (older - fade * _powers(before)) / self._decay
        if not np.isnan(after):
            older = older * self._decay + fade * _powers(after)
        self._sums[:, column] = older + newer._sums[:, 0]

    def select_columns(self, index: IntArray) -> None:
        """Reorder, drop and insert columns: (M,) old numbers, -1 for one without any value yet."""
        padded = np.column_stack([self._sums, np.zeros(3)])
        self._sums = padded[:, index]

    def to_state(self) -> EwmaState:
        """Give all that is needed to go on, bit for bit."""
        return {"decay": self._decay, "sums": self._sums.copy()}

    @classmethod
    def from_state(cls, state: EwmaState) -> "EwmaMoments":
        """Go on from what `to_state` gave."""
        moments = cls(state["sums"].shape[1], state["decay"])
        moments._sums = state["sums"].copy()
        return moments


def normalised(sums: FloatArray) -> FloatArray:
    """Give mean and second moment per bar, (2, ...), of sums (3, ...); NaN without observation."""
    weight = sums[0]
    ratio = np.full((2, *weight.shape), np.nan)
    np.divide(sums[1:], weight, out=ratio, where=weight > 0.0)
    return ratio


def _powers(value: float) -> FloatArray:
    return np.array([1.0, value, value * value])
