"""From solved weights to those that are sent: risk overlay, no-trade band, lots, rounding.

What was solved holds every limit. Each step after it is checked again by the independent verifier;
one that breaks a limit is not taken (band), or stops the decision (lots, rounding).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from schemas.decisions import Stages
from schemas.policy import PortfolioPolicy
from streams.core.arrays import FloatArray, IntArray
from streams.core.bands import banded, to_the_edge
from streams.core.conclusions import Pending
from streams.core.lots import Lots, in_lots, loosened, lots_of
from streams.core.optimize import Problem, round_weights, verify

WEIGHT_QUANTUM: Final = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Staged:
    """Weights (N,) and cash after each step; ``band`` says why the band was not kept, if so."""

    weights: dict[str, FloatArray]
    cash: dict[str, float]
    band: str = ""

    def spread(self, picked: IntArray, size: int) -> Stages:
        """Return the stages over all ``size`` members; ``picked`` are those of the problem."""

        def over_all(stage: str) -> tuple[float, ...]:
            out = np.zeros(size)
            out[picked] = self.weights[stage]
            return tuple(out.tolist())

        return Stages(
            held=over_all("held"),
            raw=over_all("raw"),
            overlay=over_all("overlay"),
            banded=over_all("banded"),
            rounded=over_all("rounded"),
            cash=self.cash,
        )


def staged(
    problem: Problem,
    raw: FloatArray,
    raw_cash: float,
    policy: PortfolioPolicy,
    pending: Pending,
) -> Staged | str:
    """Take solved weights (N,) through all steps, or say which one broke a limit.

    Parameters
    ----------
    problem
        What was solved.
    raw, raw_cash
        The verified answer.
    policy
        Band, lots and capital.
    pending
        NAV, and the overlay's multiplier: below 1 the rest goes to cash, and limits from below are
        left behind. The band does not count while building, nor into or out of an overlay.
    """
    multiplier, nav = pending.context.multiplier, pending.nav
    in_band = pending.context.gate_waived not in {"first_build", "overlay"}
    overlay = raw * multiplier
    overlay_cash = raw_cash if multiplier == 1.0 else 1.0 - float(overlay.sum())
    chosen, cash, note = overlay, overlay_cash, ""
    band = policy.rebalance.band
    if band is not None and in_band:
        edge = to_the_edge(band, policy.costs.ticket_bps)
        chosen, cash = banded(problem, overlay, overlay_cash, band, edge=edge)
        complaints = verify(problem, chosen, cash)
        if complaints:
            chosen, cash, note = overlay, overlay_cash, complaints[0]
    lots = lots_of(policy.execution, problem.strategies, nav)
    limits = problem if multiplier == 1.0 else None
    rounded, rounded_cash = _rounded(problem, chosen, cash, lots, limits)
    slack = 1e-8 + len(raw) * WEIGHT_QUANTUM  # rounding moves its residual to the largest weight
    if multiplier == 1.0:
        bounds = problem if lots is None else loosened(problem, lots)
        complaints = verify(bounds, rounded, rounded_cash, slack)
    else:
        room = 0.0 if lots is None else float(lots.units.max())
        complaints = verify_overlay(raw, rounded, rounded_cash, multiplier, room)
    if complaints:
        return complaints[0] if lots is None else f"lots: {complaints[0]}"
    return Staged(
        weights={
            "held": problem.held,
            "raw": raw,
            "overlay": overlay,
            "banded": chosen,
            "rounded": rounded,
        },
        cash={
            "held": problem.held_cash,
            "raw": raw_cash,
            "overlay": overlay_cash,
            "banded": cash,
            "rounded": rounded_cash,
        },
        band=note,
    )


# An overlay leaves the limits of turnover and cash behind: `limits` is None then.
def _rounded(
    problem: Problem, weights: FloatArray, cash: float, lots: Lots | None, limits: Problem | None
) -> tuple[FloatArray, float]:
    if lots is not None:
        rows = tuple((group.coefficients, group.row_maximum) for group in problem.groups)
        weights = in_lots(lots, weights, problem.weight_max, rows, limits)
        cash = 1.0 - float(weights.sum())
    return round_weights(weights, cash)


def scaled(
    held: FloatArray, factor: float, policy: PortfolioPolicy, names: tuple[str, ...], nav: float
) -> tuple[FloatArray, FloatArray, float] | str:
    """Return what is held (N,) scaled, the same as sent with its cash; or what is wrong with it."""
    overlay = held * factor
    lots = lots_of(policy.execution, names, nav)
    chosen = overlay if lots is None else in_lots(lots, overlay, np.maximum(overlay, 0.0))
    rounded, cash = round_weights(chosen, 1.0 - float(chosen.sum()))
    room = 0.0 if lots is None else float(lots.units.max())
    complaints = verify_overlay(held, rounded, cash, factor, room)
    return complaints[0] if complaints else (overlay, rounded, cash)


def verify_overlay(
    raw: FloatArray, rounded: FloatArray, cash: float, multiplier: float, lot: float = 0.0
) -> tuple[str, ...]:
    """Check that the sent weights are the verified ones scaled, the rest in cash.

    Overlays may leave minima behind. ``lot`` is the largest weight of a lot that is rounded to.
    """
    tolerance = 1e-8 + len(raw) * WEIGHT_QUANTUM
    if float(np.abs(rounded - multiplier * raw).max(initial=0.0)) > tolerance + lot:
        return (f"overlay: weights are not {multiplier} times the solved ones",)
    if abs(float(rounded.sum()) + cash - 1.0) > tolerance:
        return (f"budget: weights and cash sum to {float(rounded.sum()) + cash!r}, expected 1",)
    return ()
