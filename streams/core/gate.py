"""Is a trade worth its cost: the gain in utility over the holding horizon against the cost."""

from typing import Final

from schemas.decisions import GateCheck, GateWaiver
from schemas.policy import NetBenefit, PortfolioPolicy
from streams.core.gain import Gain, bounded

BREACH_MAX: Final = 0.01
"""Held weights may pass a limit by this much before the gate has no say: prices moved them there,
and a limit that binds is passed by a little at every bar."""


def gate_of(policy: PortfolioPolicy) -> NetBenefit | None:
    """Return the gate that a policy asks for, or None."""
    gate = policy.rebalance.gate
    if isinstance(gate, NetBenefit):
        return gate
    return NetBenefit() if gate == "net_benefit" else None


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
    left = bounded(years * (gain.annual - gate.standard_errors * gain.error_annual))
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
