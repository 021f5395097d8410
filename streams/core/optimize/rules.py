"""Allocation rules that need no solver: equal weight, inverse volatility, hierarchical parity."""

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.optimize.hrp import hrp_shares
from streams.core.optimize.problem import RULES, Problem


def rule_weights(problem: Problem) -> FloatArray:
    """Spread the investable amount 1 − cash_min by the rule, limits not yet looked at.

    Parameters
    ----------
    problem : Problem
        With the objective "equal", "inverse_volatility" or "hrp".

    Returns
    -------
    FloatArray
        (N,) summing to 1 − cash_min. With strategies of no volatility the last two are their
        limit: these share everything equally.
    """
    assert problem.objective in RULES, problem.objective
    invested = 1.0 - problem.cash_min
    volatility = np.sqrt(problem.cov_annual.diagonal())  # (N,) per sqrt year
    lowest = float(volatility.min())
    if problem.objective == "equal" or lowest == 0.0:
        share = np.ones(len(problem.strategies))
        if problem.objective != "equal":
            share = (volatility == 0.0).astype(np.float64)
    elif problem.objective == "hrp":
        share = hrp_shares(problem.cov_annual)
    else:
        share = lowest / volatility  # in (0, 1]: no overflow however small the volatility
    return np.asarray(invested * share / share.sum())
