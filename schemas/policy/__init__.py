"""The portfolio file: what a portfolio holds, how it estimates, what it wants and what bounds it.

Keys and literals are those of the reference page of the project; a key that does not exist is
refused, naming the nearest one that does. Times are bars, costs are basis points, weights are
shares of NAV.
"""

from schemas.policy.check import check_policy
from schemas.policy.constraints import Constraints, CorrelationLimits, FactorLimit, FamilyLimit
from schemas.policy.estimation import (
    Demote,
    Equilibrium,
    Estimation,
    Quality,
    Quarantine,
    View,
)
from schemas.policy.load import load_policy
from schemas.policy.objective import Objective
from schemas.policy.overrides import ConstraintOverrides, Overrides, with_overrides
from schemas.policy.portfolio import (
    Bar,
    DatedBounds,
    FromReturns,
    PortfolioPolicy,
    Shadow,
    StrategyEntry,
)
from schemas.policy.section import PolicyError
from schemas.policy.trading import (
    Band,
    Cash,
    Costs,
    DrawdownOverlay,
    Drift,
    Execution,
    Explain,
    Impact,
    NetBenefit,
    Overlay,
    Rebalance,
    SignalLimit,
    Signals,
)

__all__ = [
    "Band",
    "Bar",
    "Cash",
    "ConstraintOverrides",
    "Constraints",
    "CorrelationLimits",
    "Costs",
    "DatedBounds",
    "Demote",
    "DrawdownOverlay",
    "Drift",
    "Equilibrium",
    "Estimation",
    "Execution",
    "Explain",
    "FactorLimit",
    "FamilyLimit",
    "FromReturns",
    "Impact",
    "NetBenefit",
    "Objective",
    "Overlay",
    "Overrides",
    "PolicyError",
    "PortfolioPolicy",
    "Quality",
    "Quarantine",
    "Rebalance",
    "Shadow",
    "SignalLimit",
    "Signals",
    "StrategyEntry",
    "View",
    "check_policy",
    "load_policy",
    "with_overrides",
]
