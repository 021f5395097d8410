"""How good forecasts of risk have been: judged by what came after them.

At every n-th bar each estimator's covariance of the bar n before is held against the n bars since:
for the held portfolio and for random ones, h = w'Sigma w was forecast and (w'r)^2 came. Over a
window of bars: the bias statistic is the root of the mean of (w'r)^2 / h, 1 where the forecast is
right and above it where risk was told too low (Menchero, Morozov and Shepard 2010, "Global equity
risk modeling"); QLIKE is the mean of ln h + (w'r)^2 / h, the lower the better, to compare
estimators by and with no level of its own (Patton 2011, "Volatility forecast comparison using
imperfect volatility proxies").
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from schemas.policy import PortfolioPolicy
from streams.core.arrays import FloatArray, IntArray
from streams.core.covariance import covariance_spec, estimate
from streams.core.eligibility import minimum_bars
from streams.core.errors import DataError
from streams.core.windows import RollingWindows

__all__ = [
    "EstimatorQuality",
    "ForecastQuality",
    "forecast_rows",
    "quality_of",
    "random_portfolios",
    "scores",
]
_SQUARE_MAX: Final = 1e200  # claimed returns beyond float64 leave a sum that is told


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorQuality:
    """One estimator's record. Figures of the held portfolio are None while nothing was held.

    Attributes
    ----------
    covariance
        The estimator.
    n_bars
        Bars scored, of the window.
    bias_held, bias_random
        Bias statistic of the held portfolio, and the average over the random ones.
    bias_random_min, bias_random_max
        Its range over the random ones.
    qlike_held, qlike_random
        QLIKE, of returns per bar.
    """

    covariance: str
    n_bars: int
    bias_held: float | None
    bias_random: float | None
    bias_random_min: float | None
    bias_random_max: float | None
    qlike_held: float | None
    qlike_random: float | None


def random_portfolios(portfolio_id: str, names: Sequence[str], count: int) -> FloatArray:
    """Give the weights of random long-only portfolios, before they are scaled to sum 1.

    Exponential numbers from a digest of the portfolio's and the strategy's id: over any strategies
    they make points spread evenly over the simplex, and a strategy's own never change when others
    come and go.

    Returns
    -------
    FloatArray
        (count, N), positive.
    """
    weights = np.empty((count, len(names)))
    for column, name in enumerate(names):
        digest = hashlib.shake_256(f"{portfolio_id}/{name}".encode()).digest(8 * count)
        whole = np.frombuffer(digest, dtype="<u8") >> np.uint64(11)
        weights[:, column] = -np.log((whole.astype(np.float64) + 0.5) * 2.0**-53)
    return weights


def forecast_rows(
    windows: RollingWindows, count: int, policy: PortfolioPolicy
) -> tuple[IntArray, FloatArray]:
    """Give the columns that were eligible after `count` bars, and their rows of the window.

    Nothing of a forecast is kept: it follows from the rows before it, so that what was restored or
    corrected says the same to the bit.

    Parameters
    ----------
    windows
        Must still hold the window of that bar.
    count
        Bars known at the time.
    policy
        Windows and eligibility.

    Returns
    -------
    columns : IntArray
        (M,) with enough observations in the window, and a fresh one.
    rows : FloatArray
        (T, M) oldest first, NaN = missing.
    """
    estimation = policy.estimation
    rows = windows.rows(max(count - estimation.window_bars, 0), count)
    present = ~np.isnan(rows)
    enough = present.sum(axis=0) >= minimum_bars(policy, windows.columns)
    fresh = present[-(estimation.stale_bars + 1) :].any(axis=0)
    columns = np.flatnonzero(enough & fresh)
    return columns, rows[:, columns]


def scores(
    returns: FloatArray, held: FloatArray, random: FloatArray, cov: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Score a forecast on the bars after it; what a bar lacks, the portfolios do not hold.

    Parameters
    ----------
    returns
        (B, N), NaN = missing.
    held
        (B, N) weights over each bar.
    random
        (M, N) weights.
    cov
        (N, N) per bar.

    Returns
    -------
    squares : FloatArray
        (B, M + 1) of (w'r)^2 / h, the held portfolio last; NaN where nothing was at risk, or more
        than a number tells.
    logs : FloatArray
        (B, M + 1) of ln h.
    """
    present = ~np.isnan(returns)
    known = np.where(present, returns, 0.0)
    variance = np.empty((len(returns), len(random) + 1))
    variance[:, :-1] = ((random @ cov) * random).sum(axis=1)
    for bar in np.flatnonzero(~present.all(axis=1)).tolist():
        left = random * present[bar]
        variance[bar, :-1] = ((left @ cov) * left).sum(axis=1)
    own = held * present
    variance[:, -1] = ((own @ cov) * own).sum(axis=1)
    earned = np.empty_like(variance)
    earned[:, :-1] = known @ random.T
    earned[:, -1] = (own * known).sum(axis=1)
    risky = (variance > 0.0) & np.isfinite(variance)
    with np.errstate(over="ignore"):
        squares = np.divide(
            earned * earned, variance, out=np.full_like(variance, np.nan), where=risky
        )
    squares = np.minimum(squares, _SQUARE_MAX)
    logs = np.log(variance, out=np.full_like(variance, np.nan), where=risky)
    return squares, logs


def quality_of(covariance: str, squares: FloatArray, logs: FloatArray) -> EstimatorQuality:
    """Sum up scores (n, M + 1), the held portfolio last."""
    random = ~np.isnan(squares[:, :-1]).any(axis=1)
    own = ~np.isnan(squares[:, -1])
    bias = np.sqrt(squares[random, :-1].mean(axis=0)) if random.any() else np.empty(0)
    qlike = squares + logs
    return EstimatorQuality(
        covariance=covariance,
        n_bars=int(random.sum()),
        bias_held=float(np.sqrt(squares[own, -1].mean())) if own.any() else None,
        bias_random=float(bias.mean()) if bias.size else None,
        bias_random_min=float(bias.min()) if bias.size else None,
        bias_random_max=float(bias.max()) if bias.size else None,
        qlike_held=float(qlike[own, -1].mean()) if own.any() else None,
        qlike_random=float(qlike[random, :-1].mean()) if random.any() else None,
    )


class ForecastQuality:
    """The record of every estimator a policy runs, and which of them is in force.

    Its own estimator, the one that may take over, and those to compare with are scored alike.
    Bars of `windows` are scored at the bar numbers that `every_bars` divides.

    Parameters
    ----------
    policy
        `estimation.quality` must be there.
    """

    __slots__ = ("_latest", "_logs", "_policy", "_random", "_squares", "demoted")

    def __init__(self, policy: PortfolioPolicy) -> None:
        assert policy.estimation.quality is not None, "no quality asked for"
        self._policy = policy
        self._squares: dict[str, FloatArray] = {}
        self._logs: dict[str, FloatArray] = {}
        for literal in self.literals:
            self._squares[literal] = np.empty((0, policy.estimation.quality.portfolios + 1))
            self._logs[literal] = self._squares[literal]
        self._latest: tuple[EstimatorQuality, ...] = ()
        self._random: tuple[list[str], FloatArray] | None = None  # the last names', and theirs
        self.demoted = False

    @property
    def literals(self) -> tuple[str, ...]:
        """The estimators running, the policy's own first."""
        estimation = self._policy.estimation
        other = () if estimation.demote is None else (estimation.demote.to,)
        return tuple(dict.fromkeys((estimation.covariance, *other, *estimation.compare)))

    @property
    def covariance(self) -> str:
        """The estimator in force: the policy's own, unless its bias has put another there."""
        estimation = self._policy.estimation
        if self.demoted and estimation.demote is not None:
            return estimation.demote.to
        return estimation.covariance

    @property
    def every_bars(self) -> int:
        """Bars from one scoring to the next."""
        assert self._policy.estimation.quality is not None
        return self._policy.estimation.quality.every_bars

    @property
    def latest(self) -> tuple[EstimatorQuality, ...]:
        """Each estimator's record as of the last scoring, in the order of `literals`."""
        return self._latest

    def due(self, count: int) -> bool:
        """Tell whether the bars up to `count` are to be scored now."""
        return count % self.every_bars == 0

    def follow(
        self, windows: RollingWindows, count: int, held: FloatArray, names: Sequence[str]
    ) -> None:
        """Score the last bars of the first `count`, if it is their turn.

        Parameters
        ----------
        windows
            Those bars are in already, and perhaps others after them.
        count
            Bars that are known.
        held
            (B, N) weights over the last of these, oldest first, B at least `every_bars`.
        names
            (N,) ids.
        """
        quality = self._policy.estimation.quality
        assert quality is not None
        every = quality.every_bars
        if not self.due(count) or count == every:
            return
        columns, before = forecast_rows(windows, count - every, self._policy)
        if not columns.size:
            return
        returns = windows.rows(count - every, count)[:, columns]
        random = self._random_of([names[i] for i in columns.tolist()], quality.portfolios)
        for literal in self.literals:
            spec = covariance_spec(self._policy.estimation, literal)
            try:
                matrix = estimate(before, spec).matrix
            except DataError:
                continue  # no forecast was made: there is nothing to score
            new = scores(returns, held[-every:][:, columns], random, matrix)
            for kept, entering in zip((self._squares, self._logs), new, strict=True):
                kept[literal] = np.vstack([kept[literal], entering])[-quality.window_bars :]
        self._sum_up()
        self._judge()

    def _random_of(self, names: list[str], count: int) -> FloatArray:
        """Give weights (count, M) of random portfolios, sum 1; mostly the names stay the same."""
        if self._random is None or self._random[0] != names:
            random = random_portfolios(self._policy.portfolio_id, names, count)
            self._random = names, random / random.sum(axis=1, keepdims=True)
        return self._random[1]

    def reason(self) -> str:
        """Say why the policy's own estimator is not in force; empty while it is."""
        demote = self._policy.estimation.demote
        if not self.demoted or demote is None:
            return ""
        own = self._latest[0]
        low, high = demote.band
        # where nothing was at risk in any bar that is left, no bias brings the own one back
        bias = "unknown" if own.bias_random is None else f"{own.bias_random:.4f}"
        return (
            f"{own.covariance} demoted to {demote.to}: bias {bias} over "
            f"{own.n_bars} bars, band {low:g} to {high:g}"
        )

    def to_state(self) -> dict[str, Any]:
        """Give all that is needed to go on, bit for bit."""
        return {
            "squares": {name: rows.copy() for name, rows in self._squares.items()},
            "logs": {name: rows.copy() for name, rows in self._logs.items()},
            "demoted": self.demoted,
        }

    @classmethod
    def from_state(cls, policy: PortfolioPolicy, state: dict[str, Any]) -> "ForecastQuality":
        """Go on from what `to_state` gave."""
        quality = cls(policy)
        quality._squares = {name: rows.copy() for name, rows in state["squares"].items()}
        quality._logs = {name: rows.copy() for name, rows in state["logs"].items()}
        quality.demoted = state["demoted"]
        quality._sum_up()
        return quality

    def _sum_up(self) -> None:
        if any(len(rows) for rows in self._squares.values()):
            self._latest = tuple(
                quality_of(name, self._squares[name], self._logs[name]) for name in self.literals
            )

    # Out of its band the own estimator is demoted; back it comes only from well inside: between
    # the roots of the bounds, so that a bias at the edge does not change the estimator each time.
    def _judge(self) -> None:
        demote = self._policy.estimation.demote
        own = self._latest[0] if self._latest else None
        if demote is None or own is None or own.bias_random is None or own.n_bars < demote.min_bars:
            return
        low, high = demote.band
        if self.demoted:
            self.demoted = not math.sqrt(low) <= own.bias_random <= math.sqrt(high)
        else:
            self.demoted = not low <= own.bias_random <= high
