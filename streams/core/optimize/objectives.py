"""What each objective comes to at some weights, written apart from every solver.

Annual units, except CVaR and CDaR (per bar). A sample of T returns is taken as T equally likely
outcomes.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from streams.core.arrays import FloatArray

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.optimize.problem import Problem

# (1 − 0.95)·20 is 1.0000000000000009: counts are floored after this much.
_COUNT_SLACK = 1e-9


def objective_value(problem: "Problem", weights: FloatArray) -> float:
    """Give the maximised utility or the minimised risk.

    Parameters
    ----------
    problem : Problem
        N strategies.
    weights : FloatArray
        (N,).

    Returns
    -------
    float
        The sum of `objective_terms`; NaN where a ratio has no denominator.
    """
    return math.fsum(objective_terms(problem, weights).values())


def objective_terms(problem: "Problem", weights: FloatArray) -> dict[str, float]:
    """Name the terms of the objective at some weights; their sum is its value.

    mean_variance: μ'w − ½λw'Σw − ½w'Pw − cost / horizon, and robust_mean_variance less κ standard
    errors of μ'w. min_variance is 2/λ times the negative of that without μ, so that it is w'Σw
    where nothing is charged: λ then says how much variance a cost is worth.

    Parameters
    ----------
    problem : Problem
        N strategies.
    weights : FloatArray
        (N,).

    Returns
    -------
    dict of str to float
        "return", "risk", "estimation_error", "correlation", "cost", or the objective's one term.
    """
    if problem.objective == "custom" and problem.custom is not None:
        from streams.core.optimize.vocabulary import custom_terms  # noqa: PLC0415  it reads cvar here

        return custom_terms(problem.custom, problem, weights)
    kind, variance = problem.objective, float(weights @ problem.cov_annual @ weights)
    if kind in {"mean_variance", "robust_mean_variance"}:
        terms = {
            "return": float(problem.mean_annual @ weights),
            "risk": -0.5 * problem.risk_aversion * variance,
        }
        if kind == "robust_mean_variance":
            terms["estimation_error"] = -robustness(problem) * math.sqrt(max(variance, 0.0))
        return terms | {name: -value for name, value in _charges(problem, weights).items()}
    if kind == "min_variance":
        charges = _charges(problem, weights)
        worth = 2.0 / problem.risk_aversion if charges else 0.0
        return {"variance": variance, **{name: worth * each for name, each in charges.items()}}
    return {_NAMES.get(kind, "variance"): _single(problem, weights, variance)}


_NAMES = {
    "tracking": "tracking_variance",
    "max_sharpe": "sharpe",
    "max_diversification": "diversification_ratio",
    "risk_parity": "volatility",
    "target_volatility": "return",
    "min_cvar": "cvar",
    "min_cdar": "cdar",
    "kelly": "growth",
}


def _charges(problem: "Problem", weights: FloatArray) -> dict[str, float]:
    charges = {}
    if problem.penalty is not None:
        charges["correlation"] = 0.5 * float(weights @ problem.penalty @ weights)
    if problem.costs is not None:
        charges["cost"] = problem.costs.per_year(weights - problem.held)
    return charges


def _single(problem: "Problem", weights: FloatArray, variance: float) -> float:
    measure = _MEASURES.get(problem.objective)
    if measure is not None:
        return measure(problem, weights)
    volatility = math.sqrt(max(variance, 0.0))
    if problem.objective == "max_sharpe":
        return _ratio(float(excess_of(problem) @ weights), volatility)
    if problem.objective == "max_diversification":
        return _ratio(float(np.sqrt(problem.cov_annual.diagonal()) @ weights), volatility)
    return volatility if problem.objective == "risk_parity" else variance


def _tracking(problem: "Problem", weights: FloatArray) -> float:
    apart = weights - reference_of(problem)
    return float(apart @ problem.cov_annual @ apart)


def _growth(problem: "Problem", weights: FloatArray) -> float:
    gained = outcomes(problem, weights)
    if float(gained.min()) <= -1.0:
        return math.nan
    return problem.periods_per_year * float(np.log1p(gained).mean())


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0.0 else math.nan


def reference_of(problem: "Problem") -> FloatArray:
    """Weights (N,) that tracking follows."""
    assert problem.aim.reference is not None, "tracking needs a reference"
    return problem.aim.reference


def excess_of(problem: "Problem") -> FloatArray:
    """Mean over cash (N,), per year: what cash earns is earned by not investing."""
    return np.asarray(problem.mean_annual - problem.cash_return_annual)


def expected_return(problem: "Problem", weights: FloatArray) -> float:
    """μ'w and what cash earns, per year."""
    cash = 1.0 - math.fsum(weights.tolist())
    return float(problem.mean_annual @ weights) + cash * problem.cash_return_annual


def robustness(problem: "Problem") -> float:
    """κ/√years: standard errors of the annual mean, per unit of annual volatility.

    The mean of n returns has the covariance Σ/n; over Y = n/P years the annual mean has Σ/Y.
    """
    assert problem.aim.years is not None, "robust_mean_variance needs the length of the record"
    return problem.aim.kappa / math.sqrt(problem.aim.years)


def outcomes(problem: "Problem", weights: FloatArray) -> FloatArray:
    """Portfolio returns (T,) of the scenarios, cash at its rate."""
    assert problem.scenarios is not None, f"{problem.objective} needs scenarios"
    cash = 1.0 - math.fsum(weights.tolist())
    return np.asarray(problem.scenarios @ weights + cash * problem.cash_return)


def cvar(losses: FloatArray, alpha: float) -> float:
    """Mean of the worst (1 − α) of T losses, the last counted in part (Rockafellar and Uryasev).

    Parameters
    ----------
    losses : FloatArray
        (T,) a loss is positive.
    alpha : float
        In [0, 1).

    Returns
    -------
    float
        In the unit of the losses.

    Examples
    --------
    >>> cvar(np.arange(20.0), 0.95), cvar(np.arange(20.0), 0.9)
    (19.0, 18.5)
    """
    count = (1.0 - alpha) * len(losses)
    whole = int(count + _COUNT_SLACK)
    worst = np.sort(losses)[::-1]
    if whole == 0:
        return float(worst[0])
    part = count - whole
    if part <= _COUNT_SLACK:
        return math.fsum(worst[:whole].tolist()) / whole
    return (math.fsum(worst[:whole].tolist()) + part * float(worst[whole])) / count


def drawdowns(returns: FloatArray) -> FloatArray:
    """Fall of the running sum of returns (T,) from its peak, which includes the start."""
    path = np.cumsum(returns)
    return np.asarray(np.maximum(np.maximum.accumulate(path), 0.0) - path)


def cdar(returns: FloatArray, alpha: float) -> float:
    """CVaR of the drawdowns of the running sum of returns (Chekhlov, Uryasev and Zabarankin, 2005).

    Sums, not products, which keeps it convex in the weights; the peak includes the start.
    """
    return cvar(drawdowns(returns), alpha)


_MEASURES: dict[str, "Callable[[Problem, FloatArray], float]"] = {
    "tracking": _tracking,
    "target_volatility": expected_return,
    "min_cvar": lambda problem, weights: cvar(-outcomes(problem, weights), problem.aim.alpha),
    "min_cdar": lambda problem, weights: cdar(outcomes(problem, weights), problem.aim.alpha),
    "kelly": _growth,
}
