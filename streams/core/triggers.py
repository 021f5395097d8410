"""Reasons to look at the mix, each with its measured value and its threshold.

A schedule fires at the first bar close at or past its boundary; drift is the largest distance of a
held, drifted weight (or cash) from its last target, over the union of names. A cooldown holds both
back; a person and a risk signal are never held back.
"""

from dataclasses import dataclass

import numpy as np

from schemas.decisions import Trigger
from schemas.policy import Rebalance
from schemas.units import format_instant
from streams.core.calendar import crossed_boundary
from streams.core.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Where the walk stands: this bar, the end of the one before, the last accepted decision's."""

    previous_end_ns: int
    end_ns: int
    bar_number: int
    accepted_bar_number: int | None
    has_target: bool


def due_trigger(policy: Rebalance, moment: Moment, ledger: Ledger) -> Trigger | None:
    """Return the trigger that fires at this bar's close, the schedule before drift, or None."""
    if _cooling(policy, moment):
        return None
    boundary_ns = crossed_boundary(policy.schedule, moment.previous_end_ns, moment.end_ns)
    if boundary_ns is not None:
        return Trigger(
            kind="schedule", value=format_instant(boundary_ns), threshold=policy.schedule
        )
    if policy.drift is None or not moment.has_target or ledger.fills:
        return None  # an unfilled rebalance of our own is no drift
    distance = drift(ledger)
    if distance > policy.drift.max_abs:
        return Trigger(kind="drift", value=distance, threshold=policy.drift.max_abs)
    return None


def drift(ledger: Ledger) -> float:
    """Return max_i |held_i - target_i| over all names and cash."""
    over_names = float(np.abs(ledger.held - ledger.target).max(initial=0.0))
    return max(over_names, abs(ledger.cash - ledger.target_cash))


def _cooling(policy: Rebalance, moment: Moment) -> bool:
    if moment.accepted_bar_number is None:
        return False
    return (
        moment.bar_number - moment.accepted_bar_number <= policy.cooldown_bars
        and policy.cooldown_bars > 0
    )
