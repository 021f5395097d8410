"""What a weight vector promises under the estimates: return, risk, tails, who carries the risk."""

import math
from typing import Final

from schemas.decisions import Correlations, ExAnte, ObjectiveTerm, WatchedPair
from schemas.policy import PortfolioPolicy
from streams.core.arrays import FloatArray
from streams.core.errors import DataError
from streams.core.optimize import Problem
from streams.core.optimize.correlation import (
    Correlation,
    CorrelationLimits,
    achieved,
    correlation_of,
)
from streams.core.optimize.objectives import cvar
from streams.core.optimize.objectives import objective_terms as terms_of
from streams.core.optimize.problem import SCENARIO

TAIL: Final = 0.95
_NO_LIMITS: Final = Correlation(limits=CorrelationLimits(), capped=(), watched=(), clusters=())


def ex_ante(
    problem: Problem, weights: FloatArray, cash: float, policy: PortfolioPolicy, rows: FloatArray
) -> ExAnte:
    """Return mu'w (cash at its rate included), sqrt(w'Sigma w), their ratio, and the tail.

    ``rows`` (T, N) are the returns behind the estimates, without holes; the tail is per bar.
    """
    carry = cash * policy.cash.rate  # per bar
    expected = float(problem.mean_annual @ weights) + carry * policy.periods_per_year
    volatility = math.sqrt(max(0.0, float(weights @ problem.cov_annual @ weights)))
    return ExAnte(
        return_annual=expected,
        volatility_annual=volatility,
        sharpe=expected / volatility if volatility > 0 else None,
        cvar_95=cvar(-(rows @ weights + carry), TAIL) if len(rows) else None,
    )


def risk_contributions(problem: Problem, weights: FloatArray) -> dict[str, float]:
    """Return each held strategy's share of the variance, w_i (Sigma w)_i / w'Sigma w."""
    marginal = problem.cov_annual @ weights
    variance = float(weights @ marginal)
    if variance <= 0.0:
        return {}
    shares = weights * marginal / variance
    pairs = zip(problem.strategies, weights.tolist(), shares.tolist(), strict=True)
    return {name: share for name, weight, share in pairs if weight != 0.0}


def correlations(problem: Problem, weights: FloatArray) -> Correlations:
    """Return the correlation figures that weights (N,) achieve under the problem's covariance.

    ``average`` is sum v_i v_j rho_ij / sum v_i v_j over pairs with v = w sigma;
    ``diversification_ratio`` is sum v / sqrt(w'Sigma w).
    """
    found = achieved(problem.correlation or _NO_LIMITS, problem.cov_annual, weights)
    return Correlations(
        average=found.average,
        diversification_ratio=found.diversification_ratio,
        max_pair=None if found.pair is None else _pair(problem, found.pair),
    )


def watched(problem: Problem) -> tuple[WatchedPair, ...]:
    """Return the pairs over the limit of which chance may be the reason: they are not capped."""
    structure = problem.correlation or _NO_LIMITS
    return tuple(_pair(problem, pair) for pair in structure.watched)


def _pair(problem: Problem, pair: tuple[int, int]) -> WatchedPair:
    first, second = pair
    return WatchedPair(
        strategies=(problem.strategies[first], problem.strategies[second]),
        correlation=float(correlation_of(problem.cov_annual)[pair]),
    )


def objective_terms(problem: Problem, weights: FloatArray) -> tuple[ObjectiveTerm, ...]:
    """Return the named terms of the objective at some weights; their sum is its value.

    None where the returns that an objective is made of are missing, or a term in Python is known to
    the optimizer's process alone; and none of a ratio without a denominator, which is no number.
    """
    if problem.scenarios is None and problem.objective in SCENARIO:
        return ()
    try:
        terms = terms_of(problem, weights)
    except DataError:
        return ()
    return tuple(
        ObjectiveTerm(name=name, value=value)
        for name, value in terms.items()
        if math.isfinite(value)
    )
