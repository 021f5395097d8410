"""What a trade is good for: the gain in annual utility, and the standard error of that figure.

The gain is an estimate from the same returns as the weights. Its standard error comes from the
influence function of each bar (delta method: Hampel et al., Robust Statistics, 1986, section 2.1):
the utility is a smooth function of means, covariances and tails, each bar moves it by a known
amount, and the error is the spread of these amounts over sqrt(T). Fat tails are in it,
autocorrelation is not.

A cost is a share of NAV, so that a gain must be one too. Objectives that seek a return gain what
they seek: mu'w and its charges for risk (``mean_variance``, ``robust_mean_variance``), growth
(``kelly``), the return (``target_volatility``). A Sharpe ratio is turned into the return that it is
worth at the volatility of the new weights (M squared: Modigliani and Modigliani, Journal of
Portfolio Management, 1997). A variance costs risk_aversion/2 a year (``min_variance``,
``target_return``, and ``tracking`` for that of the distance to the reference). Any other measure of
risk has no such price; the held weights count as the new ones at a volatility as much larger as
their CVaR, CDaR or inverse diversification ratio is. What is left (``risk_parity``, ``hrp`` and the
other rules) names weights and no utility, and a ``custom`` objective has the units of its file: the
loss of staying away from these weights is risk_aversion/2 d'Sigma d with d = after - before, which
is the second order of any utility around its best point.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.optimize import Problem
from streams.core.optimize.objectives import (
    cvar,
    drawdowns,
    excess_of,
    expected_return,
    outcomes,
    reference_of,
    robustness,
)
from streams.core.optimize.problem import SCENARIO

FIGURE_MAX: Final = 1e300
"""Returns that are claimed to be huge make no figure beyond this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What a trade is good for, in annual utility, and the standard error of that figure."""

    annual: float
    error_annual: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Estimate:
    """A figure and by how much each bar moves it (T,): the error is their spread over sqrt(T)."""

    value: float
    moved: FloatArray

    def plus(self, other: "_Estimate", times: float = 1.0) -> "_Estimate":
        return _Estimate(
            value=self.value + times * other.value, moved=self.moved + times * other.moved
        )

    def over(self, other: "_Estimate") -> "_Estimate":
        ratio = self.value / other.value
        return _Estimate(value=ratio, moved=(self.moved - ratio * other.moved) / other.value)

    def times(self, other: "_Estimate") -> "_Estimate":
        moved = self.moved * other.value + other.moved * self.value
        return _Estimate(value=self.value * other.value, moved=moved)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sample:
    """A problem and the returns (T, N) per bar that its estimates come from."""

    problem: Problem
    rows: FloatArray
    centred: FloatArray

    @property
    def half(self) -> float:
        """What a unit of annual variance costs a year."""
        return 0.5 * self.problem.risk_aversion

    def expected(self, weights: FloatArray, *, value: float) -> _Estimate:
        """Annual mean of some weights."""
        return _Estimate(
            value=value, moved=self.problem.periods_per_year * (self.centred @ weights)
        )

    def variance(self, weights: FloatArray) -> _Estimate:
        """Annual variance of some weights."""
        value = float(weights @ self.problem.cov_annual @ weights)
        squares = self.problem.periods_per_year * (self.centred @ weights) ** 2
        return _Estimate(value=value, moved=squares - squares.mean())

    def volatility(self, weights: FloatArray) -> _Estimate:
        """Annual volatility of some weights."""
        variance = self.variance(weights)
        root = math.sqrt(max(variance.value, 0.0))
        return _Estimate(value=root, moved=variance.moved / (2.0 * root if root > 0.0 else 1.0))


def utility_gain(problem: Problem, before: FloatArray, after: FloatArray, rows: FloatArray) -> Gain:
    """Return the utility gained by going from some weights to others.

    Parameters
    ----------
    problem
        Objective and estimates, N strategies.
    before, after
        (N,) weights; what they leave is cash.
    rows
        (T, N) returns per bar that the estimates come from, without holes.

    Returns
    -------
    Gain
        Share of NAV a year.
    """
    sample = _Sample(
        problem=replace(problem, scenarios=rows) if len(rows) else problem,
        rows=rows,
        centred=rows - rows.mean(axis=0) if len(rows) else rows,
    )
    told = problem.objective not in SCENARIO or sample.problem.scenarios is not None
    measure = _MEASURES.get(problem.objective, _apart) if told else _apart
    found = measure(sample, before, after)
    if not math.isfinite(found.value):  # a ratio without a denominator
        found = _apart(sample, before, after)
    size = float(np.abs(found.moved).max(initial=0.0)) or 1.0  # its square may be beyond float64
    count = len(found.moved)
    spread = size * float((found.moved / size).std(ddof=1)) if count > 1 else 0.0
    error = spread / math.sqrt(max(count, 1))
    return Gain(annual=bounded(found.value), error_annual=bounded(error, unknown=FIGURE_MAX))


def bounded(figure: float, unknown: float = -FIGURE_MAX) -> float:
    """Return a figure that JSON can tell; one that is no number counts against the trade."""
    return unknown if math.isnan(figure) else min(max(figure, -FIGURE_MAX), FIGURE_MAX)


def _apart(sample: _Sample, before: FloatArray, after: FloatArray) -> _Estimate:
    return _none(sample).plus(sample.variance(after - before), sample.half)


def _none(sample: _Sample) -> _Estimate:
    return _Estimate(value=0.0, moved=np.zeros(len(sample.rows)))


def _calmer(sample: _Sample, before: FloatArray, after: FloatArray) -> _Estimate:
    return (
        _none(sample)
        .plus(sample.variance(before), sample.half)
        .plus(sample.variance(after), -sample.half)
        .plus(_charge(sample, before, after))
    )


def _charge(sample: _Sample, before: FloatArray, after: FloatArray) -> _Estimate:
    """Return what less penalty for correlation is worth; it is taken as known."""
    none, penalty = _none(sample), sample.problem.penalty
    if penalty is None:
        return none
    return replace(none, value=0.5 * float(before @ penalty @ before - after @ penalty @ after))


def _useful(sample: _Sample, before: FloatArray, after: FloatArray) -> _Estimate:
    moved = after - before
    more = sample.expected(moved, value=float(sample.problem.mean_annual @ moved))
    return more.plus(_calmer(sample, before, after))


def _robust(sample: _Sample, before: FloatArray, after: FloatArray) -> _Estimate:
    kappa = robustness(sample.problem)
    surer = sample.volatility(before).plus(sample.volatility(after), -1.0)
    return _useful(sample, before, after).plus(surer, kappa)


def _earned(sample: _Sample, before: FloatArray, after: FloatArray) -> _Estimate:
    value = expected_return(sample.problem, after) - expected_return(sample.problem, before)
    return sample.expected(after - before, value=value)


def _grown(sample: _Sample, before: FloatArray, after: FloatArray) -> _Estimate:
    gained = [1.0 + outcomes(sample.problem, weights) for weights in (after, before)]
    if min(float(each.min(initial=1.0)) for each in gained) <= 0.0:
        return replace(_none(sample), value=math.nan)  # ruin is below any growth
    moved = sample.problem.periods_per_year * (np.log(gained[0]) - np.log(gained[1]))
    return _Estimate(value=float(moved.mean()), moved=moved)


def _sharper(sample: _Sample, before: FloatArray, after: FloatArray) -> _Estimate:
    """Return the excess return at the new volatility: m_after - m_before vol_after / vol_before."""
    excess = excess_of(sample.problem)
    new, old = (
        sample.expected(weights, value=float(excess @ weights)) for weights in (after, before)
    )
    calm, wild = sample.volatility(after), sample.volatility(before)
    if wild.value <= 0.0:  # cash earns no excess
        return new
    return new.plus(old.times(calm.over(wild)), -1.0)


def _closer(sample: _Sample, before: FloatArray, after: FloatArray) -> _Estimate:
    reference = reference_of(sample.problem)
    return (
        _none(sample)
        .plus(sample.variance(before - reference), sample.half)
        .plus(sample.variance(after - reference), -sample.half)
    )


def _safer(
    risk: Callable[[_Sample, FloatArray], _Estimate],
) -> Callable[[_Sample, FloatArray, FloatArray], _Estimate]:
    """Return the gain by a risk: risk_aversion/2 var_after ((risk_before/risk_after)^2 - 1)."""

    def gain(sample: _Sample, before: FloatArray, after: FloatArray) -> _Estimate:
        new, old = risk(sample, after), risk(sample, before)
        if not (new.value > 0.0 and math.isfinite(old.value)):
            return replace(_none(sample), value=math.nan)
        ratio, variance = old.over(new), sample.variance(after)
        worse = variance.times(ratio.times(ratio)).plus(variance, -1.0)
        return _none(sample).plus(worse, sample.half)

    return gain


def _tail(losses: FloatArray, alpha: float) -> _Estimate:
    """Return the mean of the worst losses (T,), each as far beyond the threshold as it is."""
    if not len(losses):
        return _Estimate(value=math.nan, moved=losses)
    value = cvar(losses, alpha)
    threshold = float(np.quantile(losses, alpha))
    beyond = np.maximum(losses - threshold, 0.0) / (1.0 - alpha)
    return _Estimate(value=value, moved=beyond - beyond.mean())


def _shortfall(sample: _Sample, weights: FloatArray) -> _Estimate:
    problem = sample.problem
    return _tail(-outcomes(problem, weights), problem.aim.alpha)


def _drawdown(sample: _Sample, weights: FloatArray) -> _Estimate:
    problem = sample.problem
    return _tail(drawdowns(outcomes(problem, weights)), problem.aim.alpha)


def _concentration(sample: _Sample, weights: FloatArray) -> _Estimate:
    """Return the inverse of the diversification ratio."""
    sigma = np.sqrt(sample.problem.cov_annual.diagonal())
    squares = sample.problem.periods_per_year * sample.centred**2
    each = (squares - squares.mean(axis=0)) / (2.0 * np.where(sigma > 0.0, sigma, np.inf))
    parts = _Estimate(value=float(sigma @ weights), moved=each @ weights)
    if parts.value <= 0.0:
        return _Estimate(value=math.nan, moved=parts.moved)
    return sample.volatility(weights).over(parts)


_MEASURES: Final[dict[str, Callable[[_Sample, FloatArray, FloatArray], _Estimate]]] = {
    "mean_variance": _useful,
    "robust_mean_variance": _robust,
    "min_variance": _calmer,
    "target_return": _calmer,
    "target_volatility": _earned,
    "kelly": _grown,
    "max_sharpe": _sharper,
    "tracking": _closer,
    "min_cvar": _safer(_shortfall),
    "min_cdar": _safer(_drawdown),
    "max_diversification": _safer(_concentration),
}
