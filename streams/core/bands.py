"""No-trade bands: small changes are not worth a trade, and what is traded goes no further than due.

With proportional costs the best trade ends at the edge of the region where none is worth it; with
a cost for each trade whatever its size it ends at the target (Davis and Norman 1990, Eastham and
Hastings 1988). Keeping a leg where it is moves the sum and the groups; the legs are then led back
towards their targets, where every limit holds, until budget, cash and groups are met again.
"""

from typing import Final

import numpy as np

from schemas.policy import Band
from streams.core.arrays import BoolArray, FloatArray
from streams.core.optimize import Problem

ROUNDS_MAX: Final = 256
_MET: Final = 1e-13  # a few roundings of weights of size 1


def to_the_edge(band: Band, ticket_bps: float) -> bool:
    """Tell whether trades end at the band's edge rather than at the target."""
    return band.trade_to == "edge" or (band.trade_to == "auto" and ticket_bps == 0.0)


def banded(
    problem: Problem, target: FloatArray, target_cash: float, band: Band, *, edge: bool
) -> tuple[FloatArray, float]:
    """Return weights (N,) and cash that trade as little as the band allows.

    Every leg ends between what is held and its target, within the band's width of it. Bounds of
    weights, budget, cash and groups hold; the verifier has the last word on all limits. Where
    limits without any room between them are not met within `ROUNDS_MAX` rounds (3 in 1000 random
    problems with exact groups), the target itself is returned.

    Parameters
    ----------
    problem
        What is held, and the linear limits.
    target, target_cash
        (N,) solved weights and cash, within all limits.
    band
        Width, a share of NAV.
    edge
        Legs outside the band go to its edge; otherwise to their targets.
    """
    away = problem.held - target  # (N,)
    inside = np.abs(away) <= band.width
    kept = np.where(inside, away, np.clip(away, -band.width, band.width) if edge else 0.0)
    # what is held may have drifted out of its bounds: the part outside is traded in any case
    kept = np.clip(target + kept, problem.weight_min, problem.weight_max) - target
    kept = np.where(np.sign(kept) == np.sign(away), kept, 0.0)
    room = (target_cash - problem.cash_max, target_cash - problem.cash_min)
    everybody = np.ones(len(target))
    for _ in range(ROUNDS_MAX):
        before = kept
        for group in problem.groups:
            row = group.coefficients
            total = float(row @ target)
            low, high = group.row_minimum - total, group.row_maximum - total
            kept = _led_back(kept, row, inside, (min(low, 0.0), max(high, 0.0)))
        kept = _led_back(kept, everybody, inside, (min(room[0], 0.0), max(room[1], 0.0)))
        if float(np.abs(kept - before).max(initial=0.0)) <= _MET:
            return target + kept, target_cash - float(kept.sum())
    return target, target_cash


def _led_back(
    kept: FloatArray, row: FloatArray, inside: BoolArray, room: tuple[float, float]
) -> FloatArray:
    """Shrink distances from the targets (N,) until the row's sum of them is within the room.

    Legs that are traded anyway move first. The room holds 0, so that no distance at all is within.
    """
    low, high = room
    total = float(row @ kept)
    sign, excess = (1.0, total - high) if total > high else (-1.0, low - total)
    if excess <= 0.0:
        return kept
    left = kept.copy()
    for chosen in (~inside, inside):
        push = np.where(chosen, np.maximum(sign * row * left, 0.0), 0.0)
        volume = float(push.sum())
        if volume <= 0.0:
            continue
        taken = min(excess, volume)
        left = np.where(push > 0.0, left * (1.0 - taken / volume), left)
        excess -= taken
        if excess <= 0.0:
            break
    return left
