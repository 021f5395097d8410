"""The portfolio file: what a portfolio holds, how it estimates, what it wants and what bounds it.

Keys and literals are those of the reference page of the project; a key that does not exist is
refused, naming the nearest one that does. Times are bars, costs are basis points, weights are
shares of NAV.
"""

from schemas.policy.check import check_policy
from schemas.policy.constraints import Constraints, FamilyLimit
from schemas.policy.estimation import Estimation
from schemas.policy.load import load_policy
from schemas.policy.objective import Objective
from schemas.policy.portfolio import Bar, FromReturns, PortfolioPolicy, StrategyEntry
from schemas.policy.section import PolicyError
from schemas.policy.trading import Cash, Costs, Drift, Execution, Rebalance

__all__ = [
    "Bar",
    "Cash",
    "Constraints",
    "Costs",
    "Drift",
    "Estimation",
    "Execution",
    "FamilyLimit",
    "FromReturns",
    "Objective",
    "PolicyError",
    "PortfolioPolicy",
    "Rebalance",
    "StrategyEntry",
    "check_policy",
    "load_policy",
]
