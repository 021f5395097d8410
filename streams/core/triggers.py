"""Reasons to look at the mix, each with its measured value and its threshold.

A schedule fires at the first bar close at or past its boundary; drift is the largest distance of a
held, drifted weight (or cash) from its last target, over the union of names, or the volatility of
that difference. A signal fires when it rises above its limit, and again only once it has been at or
below where it is armed again. A cooldown holds all of them back, and a boundary of the schedule
that falls into it fires at the first bar after; a person and a risk signal are never held back.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

import numpy as np

from schemas.decisions import Trigger
from schemas.policy import Drift, Rebalance, SignalLimit, Signals
from schemas.units import format_instant
from streams.core.arrays import FloatArray, IntArray
from streams.core.calendar import crossed_boundary
from streams.core.ledger import Ledger

SignalName = Literal["turbulence", "correlation_break", "volatility_regime"]
SIGNALS: Final[tuple[SignalName, ...]] = get_args(SignalName)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Where the walk stands: this bar, and the last accepted decision's.

    ``previous_end_ns`` is the end of the last bar at which the schedule was looked at. The distance
    in risk is annual, None where it is not known or not asked for; ``signals`` are those known.
    """

    previous_end_ns: int
    end_ns: int
    bar_number: int
    accepted_bar_number: int | None
    has_target: bool
    drift_risk: float | None = None
    signals: dict[str, float] = field(default_factory=dict)
    fired: tuple[str, ...] = ()


def due_trigger(policy: Rebalance, moment: Moment, ledger: Ledger) -> Trigger | None:
    """Return the trigger that fires at this bar's close, or None.

    The schedule goes before drift, drift before signals.
    """
    if cooling(policy, moment):
        return None
    boundary_ns = crossed_boundary(policy.schedule, moment.previous_end_ns, moment.end_ns)
    if boundary_ns is not None:
        return Trigger(
            kind="schedule", value=format_instant(boundary_ns), threshold=policy.schedule
        )
    return _drifted(policy.drift, moment, ledger) or _signalled(policy.signals, moment)


def _drifted(limits: Drift | None, moment: Moment, ledger: Ledger) -> Trigger | None:
    if limits is None or not moment.has_target or ledger.moving:
        return None  # an unfilled rebalance of our own is no drift
    if limits.max_abs is not None and (distance := drift(ledger)) > limits.max_abs:
        return Trigger(kind="drift", value=distance, threshold=limits.max_abs)
    risk = moment.drift_risk
    if limits.max_risk is not None and risk is not None and risk > limits.max_risk:
        return Trigger(kind="drift_risk", value=risk, threshold=limits.max_risk)
    return None


def _signalled(limits: Signals | None, moment: Moment) -> Trigger | None:
    for name, limit in _limits(limits):
        value = moment.signals.get(name)
        if value is not None and value > limit.above and name not in moment.fired:
            return Trigger(kind=name, value=value, threshold=limit.above)
    return None


def still_fired(
    limits: Signals | None, fired: Iterable[str], values: dict[str, float], prompted: str
) -> list[str]:
    """Return the signals that must come down before they prompt again, ``prompted`` now among them.

    One that is not known at this bar stays as it was.
    """
    now: list[str] = []
    for name, limit in _limits(limits):
        rearm = limit.above if limit.rearm is None else limit.rearm
        high = name not in values or values[name] > rearm
        if name == prompted or (name in fired and high):
            now.append(name)
    return now


def _limits(limits: Signals | None) -> Iterator[tuple[SignalName, SignalLimit]]:
    for name in SIGNALS:
        limit: SignalLimit | None = getattr(limits, name, None)
        if limit is not None:
            yield name, limit


def drift(ledger: Ledger) -> float:
    """Return max_i |held_i - target_i| over all names and cash."""
    over_names = float(np.abs(ledger.held - ledger.target).max(initial=0.0))
    return max(over_names, abs(ledger.cash - ledger.target_cash))


def drift_risk(ledger: Ledger, columns: IntArray, cov_annual: FloatArray) -> float:
    """Return sqrt(d' Sigma d), d = held - target of the columns that Sigma (M, M) is of.

    Annual; NaN where the covariance is.
    """
    apart = (ledger.held - ledger.target)[columns]
    variance = float(apart @ cov_annual @ apart)
    return variance if math.isnan(variance) else math.sqrt(max(0.0, variance))


def cooling(policy: Rebalance, moment: Moment) -> bool:
    """Tell whether a decision was accepted so few bars ago that nothing fires yet."""
    if moment.accepted_bar_number is None:
        return False
    return (
        moment.bar_number - moment.accepted_bar_number <= policy.cooldown_bars
        and policy.cooldown_bars > 0
    )
