"""Is a trade worth its cost: the gain in utility over the holding horizon against the cost.

The gain is an estimate from the same returns as the weights. Its standard error comes from the
influence function of each bar (delta method: Hampel et al., Robust Statistics, 1986, section 2.1):
the utility is a smooth function of means and covariances, each bar moves it by a known amount, and
the error is the spread of these amounts over sqrt(T). Fat tails are in it, autocorrelation is not.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from schemas.decisions import GateCheck, GateWaiver
from schemas.policy import NetBenefit, PortfolioPolicy
from streams.core.arrays import FloatArray

EXPECTING: Final = ("mean_variance", "robust_mean_variance", "kelly")
"""Objectives whose utility counts expected returns, at ``objective.risk_aversion``."""
BREACH_MAX: Final = 0.01
"""Held weights may pass a limit by this much before the gate has no say: prices moved them there,
and a limit that binds is passed by a little at every bar."""
_FIGURE_MAX: Final = 1e300
"""Returns that are claimed to be huge make no figure beyond this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What a trade is good for, in annual utility, and the standard error of that figure."""

    annual: float
    error_annual: float


def gate_of(policy: PortfolioPolicy) -> NetBenefit | None:
    """Return the gate that a policy asks for, or None."""
    gate = policy.rebalance.gate
    if isinstance(gate, NetBenefit):
        return gate
    return NetBenefit() if gate == "net_benefit" else None


def utility_gain(
    policy: PortfolioPolicy,
    before: FloatArray,
    after: FloatArray,
    mean_annual: FloatArray,
    cov_annual: FloatArray,
    rows: FloatArray,
) -> Gain:
    """Return the utility gained by going from weights ``before`` (N,) to ``after``.

    With expected returns in the objective, U = mu'w - risk_aversion/2 w'Sigma w; for minimum
    variance the second term alone. Every other objective names a target rather than a utility: the
    loss of staying away from it is risk_aversion/2 d'Sigma d with d = after - before, which is the
    second order of any utility around its best point.

    Parameters
    ----------
    policy
        Objective, risk aversion and periods per year.
    before, after
        (N,) weights.
    mean_annual, cov_annual
        (N,) and (N, N), annual.
    rows
        (T, N) returns per bar that the estimates come from, without holes.
    """
    objective, half = policy.objective.type, 0.5 * policy.objective.risk_aversion
    centred = rows - rows.mean(axis=0)  # (T, N)
    if objective in EXPECTING or objective == "min_variance":
        weight = 1.0 if objective in EXPECTING else 0.0
        gain = weight * float(mean_annual @ (after - before)) - half * (
            float(after @ cov_annual @ after) - float(before @ cov_annual @ before)
        )
        moved = weight * (centred @ (after - before)) - half * (
            (centred @ after) ** 2 - (centred @ before) ** 2
        )
    else:
        apart = after - before
        gain = half * float(apart @ cov_annual @ apart)
        moved = half * (centred @ apart) ** 2
    size = float(np.abs(moved).max(initial=0.0)) or 1.0  # its square may be beyond float64
    spread = size * float((moved / size).std(ddof=1)) if len(moved) > 1 else 0.0
    error = policy.periods_per_year * spread / math.sqrt(max(len(moved), 1))
    return Gain(annual=_bounded(gain), error_annual=_bounded(error, unknown=_FIGURE_MAX))


def check(
    policy: PortfolioPolicy,
    gate: NetBenefit,
    gain: Gain,
    cost: float,
    waived: GateWaiver = "",
) -> GateCheck:
    """Return whether the gain over the horizon, less its error, exceeds ``k`` times the cost.

    Parameters
    ----------
    policy
        Horizon and periods per year.
    gate
        ``k`` and how many standard errors the gain is lowered by.
    gain
        Annual.
    cost
        Of the whole trade, a share of NAV.
    waived
        Why the gate has no say, or empty.
    """
    horizon = policy.costs.horizon_bars
    assert horizon is not None, "the policy is checked: a gate has a horizon"
    years = horizon / policy.periods_per_year
    left = _bounded(years * (gain.annual - gate.standard_errors * gain.error_annual))
    return GateCheck(
        passed=left > gate.k * cost,
        gain=left,
        cost=cost,
        k=gate.k,
        horizon_bars=horizon,
        gain_annual=gain.annual,
        gain_error_annual=gain.error_annual,
        standard_errors=gate.standard_errors,
        waived=waived,
    )


def _bounded(figure: float, unknown: float = -_FIGURE_MAX) -> float:
    """Return a figure that JSON can tell; one that is no number counts against the trade."""
    return unknown if math.isnan(figure) else min(max(figure, -_FIGURE_MAX), _FIGURE_MAX)


def words_of(check: GateCheck) -> str:
    """Return a verdict as a clause for a person.

    Examples
    --------
    >>> words_of(GateCheck(passed=False, gain=0.0001, cost=0.0003, k=1.0, horizon_bars=21,
    ...     gain_annual=0.002, gain_error_annual=0.0008, standard_errors=1.0))
    'a gain of 1.00 bps over 21 bars is not above 1 times the cost of 3.00 bps'
    """
    verb = "is above" if check.passed else "is not above"
    return (
        f"a gain of {check.gain * 1e4:.2f} bps over {check.horizon_bars} bars {verb}"
        f" {check.k:g} times the cost of {check.cost * 1e4:.2f} bps"
    )
