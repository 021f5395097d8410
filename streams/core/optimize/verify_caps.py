"""Independent check of the caps and of the limits on correlation: plain arithmetic."""

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.optimize.problem import Problem
from streams.core.optimize.terms import Caps

# A weight that is sent is a multiple of 1e-10: what is smaller is no position.
POSITION_MIN = 1e-9
# A return target is a figure of size 0.1 a year that depends on weights rounded to 1e-10.
_SURE_MARGIN = 1e-12


def verify_caps(problem: Problem, weights: FloatArray, tolerance: float) -> Iterator[str]:
    """Check what `verify` does not: risk, tails, leverage, number and correlation of positions.

    Parameters
    ----------
    problem : Problem
        The constraints.
    weights : FloatArray
        (N,) finite.
    tolerance : float
        Excess over a limit that is still passed.

    Yields
    ------
    str
        One message for each limit that does not hold.
    """
    yield from _risk(problem, weights, tolerance)
    yield from _tail(problem, weights, tolerance)
    yield from _sizes(problem, weights, tolerance)
    yield from _positions(problem, weights, tolerance)
    yield from _contributions(problem, weights, tolerance)
    yield from _pairs(problem, weights, tolerance)
    yield from _clusters(problem, weights, tolerance)
    yield from _target(problem, weights, tolerance)


def _volatility(problem: Problem, weights: FloatArray) -> float:
    return math.sqrt(max(0.0, float(weights @ (problem.cov_annual @ weights))))


def _risk(problem: Problem, weights: FloatArray, tolerance: float) -> Iterator[str]:
    caps, floor = problem.caps, problem.caps.diversification_ratio_min
    targeted = problem.objective == "target_volatility"
    if caps.volatility_max is None and floor is None and not targeted:
        return
    volatility = _volatility(problem, weights)
    if caps.volatility_max is not None and volatility > caps.volatility_max + tolerance:
        yield f"volatility_max: {volatility!r} > {caps.volatility_max!r}"
    target = problem.aim.target
    if targeted and volatility > (target or 0.0) + tolerance:
        yield f"objective.target: volatility {volatility!r} > {target!r}"
    if floor is not None:
        spread = float(np.sqrt(problem.cov_annual.diagonal()) @ weights)
        if floor * volatility > spread + tolerance:
            ratio = spread / volatility
            yield f"correlation.diversification_ratio_min: {ratio!r} < {floor!r}"


def _tail(problem: Problem, weights: FloatArray, tolerance: float) -> Iterator[str]:
    limit = problem.caps.cvar_max
    if limit is None or problem.scenarios is None:
        return
    cash = 1.0 - float(weights.sum())
    losses = np.sort(-(problem.scenarios @ weights) - cash * problem.cash_return)[::-1]
    # Rockafellar and Uryasev: each loss has the probability 1/T, the tail 1 − α.
    left, total = 1.0 - problem.caps.cvar_alpha, 0.0
    for loss in losses.tolist():
        share = min(left, 1.0 / len(losses))
        total += share * loss
        left -= share
        if left <= _SURE_MARGIN:
            break
    value = total / (1.0 - problem.caps.cvar_alpha)
    if value > limit + tolerance:
        yield f"cvar_max: {value!r} > {limit!r}"


def _sizes(problem: Problem, weights: FloatArray, tolerance: float) -> Iterator[str]:
    caps, sizes = problem.caps, np.abs(weights)
    if caps.leverage_max is None and caps.short_max is None:
        return
    gross, short = float(sizes.sum()), float(-weights[weights < 0.0].sum())
    if caps.leverage_max is not None and gross > caps.leverage_max + tolerance:
        yield f"leverage_max: {gross!r} > {caps.leverage_max!r}"
    if caps.short_max is not None and short > caps.short_max + tolerance:
        yield f"short_max: {short!r} > {caps.short_max!r}"


def _positions(problem: Problem, weights: FloatArray, tolerance: float) -> Iterator[str]:
    caps, sizes = problem.caps, np.abs(weights)
    if not caps.given(Caps.WHOLE):
        return
    held = np.flatnonzero(sizes > POSITION_MIN).tolist()
    if caps.cardinality_max is not None and len(held) > caps.cardinality_max:
        yield f"cardinality_max: {len(held)} > {caps.cardinality_max}"
    if caps.position_min is not None:
        for index in held:
            if sizes[index] < caps.position_min - tolerance:
                name, size = problem.strategies[index], float(sizes[index])
                yield f"position_min: {name} has {size!r} < {caps.position_min!r}"
    for chosen in caps.exclusive:
        together = [problem.strategies[index] for index in chosen if index in held]
        if len(together) > 1:
            yield f"correlation.exclusive: {' and '.join(together)} are held together"


def _contributions(problem: Problem, weights: FloatArray, tolerance: float) -> Iterator[str]:
    caps = problem.caps
    if not caps.given(Caps.ITERATED):
        return
    pull = problem.cov_annual @ weights
    variance = float(weights @ pull)
    if variance <= 0.0:
        return
    if caps.risk_contribution_max is not None:
        shares = weights * pull / variance
        for index in np.flatnonzero(shares > caps.risk_contribution_max + tolerance):
            name, share = problem.strategies[index], float(shares[index])
            yield f"risk_contribution_max: {name} has {share!r} > {caps.risk_contribution_max!r}"
    if caps.held_correlation_max is not None:
        volatility = np.sqrt(problem.cov_annual.diagonal())
        limit = caps.held_correlation_max * volatility * math.sqrt(variance)
        over = (pull > limit + tolerance) & (np.abs(weights) > POSITION_MIN)
        for index in np.flatnonzero(over):
            value = float(pull[index] / volatility[index] / math.sqrt(variance))
            yield (
                f"correlation.held_correlation_max: {problem.strategies[index]} has {value!r}"
                f" > {caps.held_correlation_max!r}"
            )


def _pairs(problem: Problem, weights: FloatArray, tolerance: float) -> Iterator[str]:
    if problem.correlation is None:
        return
    limits = problem.correlation.limits
    if limits.pair_limit is None:
        return
    volatility = np.sqrt(problem.cov_annual.diagonal())
    quantile = NormalDist().inv_cdf(limits.confidence) if limits.confidence > 0.0 else 0.0
    held = np.flatnonzero(np.abs(weights) > POSITION_MIN).tolist()
    for place, i in enumerate(held):
        for j in held[place + 1 :]:
            scale = volatility[i] * volatility[j]
            rho = min(1.0, float(problem.cov_annual[i, j] / scale)) if scale > 0.0 else 0.0
            if rho <= limits.pair_limit:
                continue
            bound = _bound(rho, quantile, limits.observations, plain=limits.confidence == 0.0)
            if bound <= limits.pair_limit + _SURE_MARGIN:
                continue
            both = float(weights[i] + weights[j])
            names = f"{problem.strategies[i]} and {problem.strategies[j]}"
            if limits.pair_weight_max is not None and both > limits.pair_weight_max + tolerance:
                yield (
                    f"correlation.pair_weight_max: {names} have {both!r}"
                    f" > {limits.pair_weight_max!r}"
                )
            if limits.exclusive:
                yield f"correlation.exclusive: {names} are held together at correlation {rho!r}"


def _bound(rho: float, quantile: float, observations: float, *, plain: bool) -> float:
    if plain or rho >= 1.0:
        return rho
    if observations <= 3.0:  # noqa: PLR2004  Fisher's z has the variance 1 / (n − 3)
        return -1.0
    z = 0.5 * math.log((1.0 + rho) / (1.0 - rho)) - quantile / math.sqrt(observations - 3.0)
    return math.tanh(z)


def _clusters(problem: Problem, weights: FloatArray, tolerance: float) -> Iterator[str]:
    if problem.correlation is None:
        return
    limits = problem.correlation.limits
    volatility = np.sqrt(problem.cov_annual.diagonal())
    whole = math.fsum((weights * volatility).tolist())
    for cluster in problem.correlation.clusters:
        chosen = list(cluster)
        name = f"the cluster of {problem.strategies[cluster[0]]}"
        value = math.fsum(weights[chosen].tolist())
        if limits.cluster_weight_max is not None and value > limits.cluster_weight_max + tolerance:
            yield f"correlation.cluster_weight_max: {name} has {value!r}"
        risk = math.fsum((weights * volatility)[chosen].tolist())
        share = risk / whole if whole > 0.0 else 0.0
        if limits.cluster_risk_max is not None and share > limits.cluster_risk_max + tolerance:
            yield f"correlation.cluster_risk_max: {name} has {share!r} of the risk"


def _target(problem: Problem, weights: FloatArray, tolerance: float) -> Iterator[str]:
    target = problem.aim.target
    if problem.objective == "target_return" and target is not None:
        cash = 1.0 - float(weights.sum())
        value = float(problem.mean_annual @ weights) + cash * problem.cash_return_annual
        if value < target - tolerance * max(1.0, float(np.abs(problem.mean_annual).sum())):
            yield f"objective.target: return {value!r} < {target!r}"
