"""Covariance of the last bars, kept by rank-one updates."""

from typing import Final, TypedDict

import numpy as np

from streams.core.arrays import FloatArray, IntArray
from streams.core.covariance.batch import ROWS_MIN, CovarianceSpec, complete_rows, require_finite
from streams.core.covariance.sums import CovarianceSummary, ProductSums
from streams.core.errors import DataError
from streams.core.windows import RollingWindows

__all__ = ["REBUILD_BARS", "CovarianceState", "RollingCovariance"]

# Bars between exact rebuilds. Rounding grows with them; a rebuild costs about as much as half as
# many updates as the window has bars, so at 252 bars it about doubles the updates between.
REBUILD_BARS: Final = 64


class CovarianceState(TypedDict):
    """What is kept of `RollingCovariance` beside the windows; the sums follow from both."""

    window: int
    eligible: IntArray
    rebuilt_at: int


class RollingCovariance:
    """Covariance over the last `window` bars of the rows complete in the eligible columns.

    Sums of products of d = r - shift are kept, a row added and a row taken out by each bar; shift
    is the mean at the last rebuild. A rebuild comes at bar numbers divisible by `REBUILD_BARS`, on
    a change of the eligible columns, on a correction, and where too little is left of a sum. So the
    sums follow from the bars held, the bar of the last rebuild and the eligible set alone.

    Parameters
    ----------
    windows
        Where the bars are; `history(window)` bars must be its capacity at least. It is asked again
        at each `push`, and not kept.
    window
        Length in bars.
    spec
        Which estimator.
    eligible
        (M,) columns, in the order of the matrix, at least one.
    """

    __slots__ = ("_count", "_eligible", "_rebuilt_at", "_spec", "_sums", "_window")

    def __init__(
        self,
        windows: RollingWindows,
        window: int,
        spec: CovarianceSpec,
        eligible: IntArray,
        count: int | None = None,
    ) -> None:
        assert windows.capacity >= self.history(window), (windows.capacity, window)
        self._window = window
        self._spec = spec
        self._eligible = eligible.copy()
        self._rebuild(windows, windows.count if count is None else count)

    @staticmethod
    def history(window: int) -> int:
        """Count the bars to hold, so that the sums can be made again to the bit."""
        return window + REBUILD_BARS

    @property
    def eligible(self) -> IntArray:
        """(M,) columns, in the order of the matrix."""
        return self._eligible.copy()

    @property
    def count(self) -> int:
        """Bars there were, of those the windows number, when the last one was taken in."""
        return self._count

    @property
    def n_common(self) -> int:
        """Complete rows in the window."""
        return self._sums.count

    def push(self, windows: RollingWindows, count: int | None = None) -> None:
        """Take a bar in and the one that leaves out; `windows` has it already.

        It is the newest, or the last of the first `count` bars, next after the one before.
        """
        self._advance(windows, windows.count if count is None else count)

    def set_eligible(self, windows: RollingWindows, eligible: IntArray) -> None:
        """Change the eligible columns; nothing happens if they are the same, in the same order."""
        if not np.array_equal(eligible, self._eligible):
            self._eligible = eligible.copy()
            self._rebuild(windows, windows.count)

    def rebuild(self, windows: RollingWindows) -> None:
        """Make the sums anew: after a correction of the bars, or when columns moved."""
        self._rebuild(windows, windows.count)

    def matrix(self) -> FloatArray:
        """Give the covariance per bar.

        Returns
        -------
        FloatArray
            (M, M), exactly symmetric; equal to `covariance` of the window's complete rows.

        Raises
        ------
        DataError
            Fewer than two complete rows, or an entry beyond float64.
        """
        if self.n_common < ROWS_MIN:
            msg = f"covariance needs at least {ROWS_MIN} complete rows, there are {self.n_common}"
            raise DataError(msg)
        with np.errstate(all="ignore"):  # what overflows is refused
            return require_finite(self._sums.matrix())

    def summary(self) -> CovarianceSummary:
        """Summarise; what cannot be told is None. Much cheaper than the matrix."""
        return self._sums.summary()

    def to_state(self) -> CovarianceState:
        """Give all that, with the windows, is needed to go on bit for bit."""
        return {
            "window": self._window,
            "eligible": self._eligible.copy(),
            "rebuilt_at": self._rebuilt_at,
        }

    @classmethod
    def from_state(
        cls, state: CovarianceState, spec: CovarianceSpec, windows: RollingWindows
    ) -> "RollingCovariance":
        """Go on from what `to_state` gave, with the windows of the same bar."""
        rolling = cls(windows, state["window"], spec, state["eligible"])
        rolling._rebuild(windows, state["rebuilt_at"])
        for count in range(state["rebuilt_at"] + 1, windows.count + 1):
            rolling._advance(windows, count)
        return rolling

    # Sums as they are right after bar number count - 1, from the bars themselves.
    def _rebuild(self, windows: RollingWindows, count: int) -> None:
        assert self._eligible.size > 0, "no eligible column"
        bars = windows.rows(max(count - self._window, 0), count)
        rows, _ = complete_rows(bars, self._eligible)
        self._sums = ProductSums(self._spec, rows)
        self._rebuilt_at = self._count = count

    # One bar on, to the state after bar number count - 1.
    def _advance(self, windows: RollingWindows, count: int) -> None:
        self._count = count
        if count % REBUILD_BARS == 0:
            self._rebuild(windows, count)
            return
        entering = windows.rows(count - 1, count)[0, self._eligible]
        enters = not np.isnan(entering).any()
        if enters:
            self._sums.enter(entering)
        leaves = False
        if count > self._window:
            last = count - self._window
            leaving = windows.rows(last - 1, last)[0, self._eligible]
            leaves = not np.isnan(leaving).any()
            if leaves:
                self._sums.leave(leaving)
        if (enters or leaves) and self._sums.worn():
            self._rebuild(windows, count)
