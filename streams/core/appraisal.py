"""What a weight vector promises under the estimates: return, risk, tails, who carries the risk."""

import math
from typing import Final

import numpy as np

from schemas.decisions import Correlations, ExAnte, ObjectiveTerm, WatchedPair
from schemas.policy import PortfolioPolicy
from streams.core.arrays import FloatArray
from streams.core.optimize import Problem
from streams.core.optimize.correlation import (
    Correlation,
    CorrelationLimits,
    achieved,
    correlation_of,
)

TAIL_SHARE: Final = 0.05
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
        cvar_95=tail_mean(rows @ weights + carry) if len(rows) else None,
    )


def tail_mean(returns: FloatArray, share: float = TAIL_SHARE) -> float:
    """Return the expected loss in the worst ``share`` of returns (T,), as a positive number.

    Exact for a whole number of returns and between (Rockafellar and Uryasev 2002, Proposition 8):
    the last return counts for the part of it that is in the tail.

    Examples
    --------
    >>> import numpy as np
    >>> tail_mean(np.arange(-20.0, 20.0))
    19.5
    """
    mass = round(share * len(returns), 9)  # 0.05 of 20 returns is one, not 1 + 1e-17
    whole = math.floor(mass)
    ordered = np.sort(returns)
    if mass <= 1.0:
        return -float(ordered[0])
    part = (mass - whole) * float(ordered[whole]) if mass > whole else 0.0
    return -(float(ordered[:whole].sum()) + part) / mass


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
    """Return the named terms of the objective at some weights, annual."""
    variance = float(weights @ problem.cov_annual @ weights)
    if problem.objective == "mean_variance":
        return (
            ObjectiveTerm(name="return", value=float(problem.mean_annual @ weights)),
            ObjectiveTerm(name="risk", value=-0.5 * problem.risk_aversion * variance),
        )
    return (ObjectiveTerm(name="variance", value=variance),)
