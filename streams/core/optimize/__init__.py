"""From estimates and limits to target weights: two roads, one meaning, and an independent check."""

from streams.core.optimize.problem import (
    OBJECTIVES,
    Binding,
    Failed,
    Infeasible,
    Outcome,
    Problem,
    Solved,
)
from streams.core.optimize.roads import Road, solve
from streams.core.optimize.rounding import round_weights
from streams.core.optimize.terms import Aim, Caps, GroupLimit, TradeCosts
from streams.core.optimize.verify import verify

__all__ = [
    "OBJECTIVES",
    "Aim",
    "Binding",
    "Caps",
    "Failed",
    "GroupLimit",
    "Infeasible",
    "Outcome",
    "Problem",
    "Road",
    "Solved",
    "TradeCosts",
    "round_weights",
    "solve",
    "verify",
]
