"""Allocation rules that need no solver: equal weight and inverse volatility."""

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.optimize.problem import RULES, Problem


def rule_weights(problem: Problem) -> FloatArray:
    """Spread the investable amount 1 − cash_min by the rule, limits not yet looked at.

    Parameters
    ----------
    problem : Problem
        With the objective "equal" or "inverse_volatility".

    Returns
    -------
    FloatArray
        (N,) summing to 1 − cash_min. Inverse volatility with strategies of no volatility is its
        limit: they share everything equally.
    """
    assert problem.objective in RULES, problem.objective
    invested = 1.0 - problem.cash_min
    volatility = np.sqrt(problem.cov_annual.diagonal())  # (N,) per sqrt year
    lowest = float(volatility.min())
    if problem.objective == "equal" or lowest == 0.0:
        share = np.ones(len(problem.strategies))
        if problem.objective == "inverse_volatility":
            share = (volatility == 0.0).astype(np.float64)
    else:
        share = lowest / volatility  # in (0, 1]: no overflow however small the volatility
    return np.asarray(invested * share / share.sum())
