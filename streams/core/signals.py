"""Signs that markets are not what they were: turbulence, correlations, volatility, jumps.

Pure functions of a bar's returns, and sums that follow them bar by bar. Raw returns are judged; in
the sums they count at most as `WINSOR_DEVIATIONS`, so that one wild value is told once and does not
hide the next for half-lives. NAV and Σ are untouched by any of this.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from streams.core.arrays import BoolArray, FloatArray, IntArray

__all__ = [
    "FAST_DECAY",
    "JUMP_DEVIATIONS",
    "SLOW_DECAY",
    "WARM_BARS",
    "MarketSigns",
    "Signs",
    "correlation_distance",
    "turbulence",
]

FAST_DECAY: Final = 0.5 ** (1.0 / 20.0)  # half-life 20 bars: a month of days
SLOW_DECAY: Final = 0.5 ** (1.0 / 120.0)  # half-life 120 bars: half a year of days
JUMP_DEVIATIONS: Final = 6.0
WINSOR_DEVIATIONS: Final = 6.0
_RETURN_MAX: Final = 1e150  # in the sums by strategy: the square of a larger one has no end
WARM_BARS: Final = 40
"""Observations of a strategy, and bars, before its signs are told: two fast half-lives."""

_WARM_WEIGHT: Final = (1.0 - SLOW_DECAY**WARM_BARS) / (1.0 - SLOW_DECAY) * (1.0 - 1e-9)
_WEIGHT, _SQUARES, _COUNT = range(3)  # rows of the sums by strategy
_PRODUCTS, _PAIRS, _LEVEL, _BARS = range(4)  # entries of the sums over strategies


def turbulence(returns: FloatArray, cov: FloatArray) -> float | None:
    """Give the Mahalanobis distance of a bar's returns over its expected value.

    r' Sigma^-1 r / N, about 1 in quiet times: Kritzman and Li (2010), "Skulls, financial
    turbulence, and risk management", about zero and divided by the number of strategies.

    Parameters
    ----------
    returns
        (N,) of one bar, NaN = missing: those columns are left out.
    cov
        (N, N) per bar, as it was forecast before the bar.

    Returns
    -------
    float or None
        None where nothing is present or the covariance is singular.
    """
    present = ~np.isnan(returns)
    if not present.any():
        return None
    inner = cov[np.ix_(present, present)]
    scale = np.sqrt(np.diag(inner))
    if not (scale > 0.0).all():
        return None
    correlation = inner / np.multiply.outer(scale, scale)
    try:
        pivots = np.diag(np.linalg.cholesky(correlation))
    except np.linalg.LinAlgError:
        return None
    if (pivots * pivots).min() <= 8 * len(inner) * np.finfo(np.float64).eps:
        return None  # what is left of a column beside the others is no more than rounding
    with np.errstate(over="ignore", invalid="ignore"):  # beyond float64 it is infinite
        standard = returns[present] / scale
        return float(standard @ np.linalg.solve(correlation, standard)) / len(inner)


def correlation_distance(one: FloatArray, other: FloatArray) -> float:
    """Give the root mean square difference of two correlation matrices over their pairs.

    Parameters
    ----------
    one, other
        (N, N) correlations.

    Returns
    -------
    float
        From 0 to 2; 0 where there is no pair.
    """
    pairs = len(one) * (len(one) - 1)
    if not pairs:
        return 0.0
    off = ~np.eye(len(one), dtype=bool)
    return float(np.sqrt(((one - other)[off] ** 2).sum() / pairs))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signs:
    """What a run of B bars says; NaN while there is too little to tell.

    Attributes
    ----------
    volatility_regime
        (B,) fast over slow volatility, pooled over the strategies: 1 = as usual.
    correlation_fast, correlation_slow
        (B,) average correlation over pairs, of two memories.
    deviations
        (B, N) each return over its slow volatility of before the bar.
    """

    volatility_regime: FloatArray
    correlation_fast: FloatArray
    correlation_slow: FloatArray
    deviations: FloatArray

    @property
    def correlation_break(self) -> FloatArray:
        """(B,) how far the average correlation has moved: |fast - slow|."""
        moved: FloatArray = np.abs(self.correlation_fast - self.correlation_slow)
        return moved

    def jumps(self, bar: int, limit: float = JUMP_DEVIATIONS) -> IntArray:
        """Columns whose return in a bar of the run is beyond some deviations."""
        with np.errstate(invalid="ignore"):
            return np.flatnonzero(np.abs(self.deviations[bar]) > limit)


class MarketSigns:
    """Sums that tell the signs of each bar from the bars before it.

    Slow volatility of strategy i before the bar: s_i^2 = sum of w r^2 / sum of w, weights
    SLOW_DECAY^age over the bars in which it has a value. With z_i = r_i / s_i, cut at
    WINSOR_DEVIATIONS, the products over pairs are (sum z)^2 - sum z^2, their number m (m - 1) with
    m strategies present: the ratio of their fading sums is the average correlation, in O(N) a bar
    and whatever is missing. The level sum z^2 / m gives the volatility regime.

    Parameters
    ----------
    columns
        N.
    """

    __slots__ = ("_fast", "_own", "_slow")

    def __init__(self, columns: int) -> None:
        self._own = np.zeros((3, columns))
        self._fast = np.zeros(4)
        self._slow = np.zeros(4)

    def push(self, rows: FloatArray) -> Signs:
        """Take a run of bars in, (B, N) NaN = missing; cutting it into others changes no bit."""
        present = ~np.isnan(rows)
        before = self._follow_strategies(np.where(present, rows, 0.0), present)
        known = present & (before[:, _COUNT] >= WARM_BARS) & (before[:, _SQUARES] > 0.0)
        variance = np.divide(
            before[:, _SQUARES], before[:, _WEIGHT], out=np.ones_like(rows), where=known
        )
        deviations = np.divide(
            rows, np.sqrt(variance), out=np.full(rows.shape, np.nan), where=known
        )
        told = self._follow_all(np.where(known, deviations, 0.0), known)
        return Signs(
            volatility_regime=told[0],
            correlation_fast=told[1],
            correlation_slow=told[2],
            deviations=deviations,
        )

    def select(self, index: IntArray) -> None:
        """Change the columns: (M,) old numbers, -1 for a new strategy."""
        self._own = np.column_stack([self._own, np.zeros(3)])[:, index]

    def to_state(self) -> dict[str, Any]:
        """Give all that is needed to go on, bit for bit."""
        return {"own": self._own.copy(), "fast": self._fast.copy(), "slow": self._slow.copy()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "MarketSigns":
        """Go on from what `to_state` gave."""
        signs = cls(state["own"].shape[1])
        signs._own = state["own"].copy()
        signs._fast = state["fast"].copy()
        signs._slow = state["slow"].copy()
        return signs

    # Moves the sums by strategy over a run; gives them as they were before each bar, (B, 3, N).
    def _follow_strategies(self, rows: FloatArray, present: BoolArray) -> FloatArray:
        before = np.empty((len(rows), *self._own.shape))
        bounded = np.clip(rows, -_RETURN_MAX, _RETURN_MAX)
        squares = bounded * bounded
        entering = np.stack([present, squares, present], axis=1)  # (B, 3, N)
        fade = np.array([[SLOW_DECAY], [SLOW_DECAY], [1.0]])
        own = self._own.copy()
        for bar in range(len(rows)):
            before[bar] = own
            # r^2 > k^2 s^2, without a division: seldom true, so the cut is worth no array a bar.
            wild = squares[bar] * own[_WEIGHT] > WINSOR_DEVIATIONS**2 * own[_SQUARES]
            if wild.any():
                wild &= (own[_COUNT] >= WARM_BARS) & (own[_SQUARES] > 0.0)
                limit = WINSOR_DEVIATIONS**2 * own[_SQUARES, wild] / own[_WEIGHT, wild]
                entering[bar, _SQUARES, wild] = limit
            own *= fade
            own += entering[bar]
        self._own = own
        return before

    # Moves the sums over strategies by standardised returns (B, N), 0 where not known; tells of
    # each bar.
    def _follow_all(self, standard: FloatArray, known: BoolArray) -> FloatArray:
        cut = np.clip(standard, -WINSOR_DEVIATIONS, WINSOR_DEVIATIONS)
        members = known.sum(axis=1)
        square = (cut * cut).sum(axis=1)
        entering = np.empty((len(cut), 4))
        entering[:, _PRODUCTS] = cut.sum(axis=1) ** 2 - square
        entering[:, _PAIRS] = members * (members - 1.0)
        entering[:, _LEVEL] = square / np.maximum(members, 1)
        entering[:, _BARS] = 1.0
        told = np.full((3, len(cut)), np.nan)
        for bar in range(len(cut)):
            if members[bar]:
                self._fast = self._fast * FAST_DECAY + entering[bar]
                self._slow = self._slow * SLOW_DECAY + entering[bar]
            told[:, bar] = self._tell()
        return told

    def _tell(self) -> tuple[float, float, float]:
        if self._slow[_BARS] < _WARM_WEIGHT:
            return np.nan, np.nan, np.nan
        fast = self._fast[_LEVEL] / self._fast[_BARS]
        slow = self._slow[_LEVEL] / self._slow[_BARS]
        regime = float(np.sqrt(fast / slow)) if slow > 0.0 else np.nan
        return regime, _average(self._fast, fast), _average(self._slow, slow)


# Average product over pairs, over the average square: a correlation.
def _average(sums: FloatArray, level: float) -> float:
    if sums[_PAIRS] <= 0.0 or level <= 0.0:
        return float(np.nan)
    return float(np.clip(sums[_PRODUCTS] / sums[_PAIRS] / level, -1.0, 1.0))
