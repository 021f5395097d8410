"""How far the weights would move had another history of the same law been seen.

Michaud's resampling (Efficient Asset Management, 1998, ch. 6), used to tell the error and not to
make the weights: estimates are drawn from their sampling distribution under normal returns,
μ* ~ N(μ, Σ/years) and Σ* ~ Wishart(Σ, n − 1)/(n − 1), and the problem is solved for each.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.optimize.batch import Batch, optima
from streams.core.optimize.direct import rough_optimum
from streams.core.optimize.problem import QUADRATIC, Problem, Solved
from streams.core.optimize.quadratic import curvature_of, quadratic_of, scale_of, slope_of
from streams.core.optimize.roads import solve
from streams.core.optimize.terms import TradeCosts

# Beyond this the solves take longer than a decision may wait.
RESAMPLED_NAMES_MAX = 100
_LOW, _HIGH = 5.0, 95.0
# Draws that are solved at once: 64 systems of 100 strategies are 6 MB.
_TOGETHER = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spread:
    """Percentiles of the weights over resampled estimates.

    Parameters
    ----------
    low, high : FloatArray
        (N,) the 5th and 95th percentile.
    resamples : int
        Draws that were solved.
    """

    low: FloatArray
    high: FloatArray
    resamples: int


def weight_spread(
    problem: Problem, weights: FloatArray, seed: str, n_common: int, resamples: int
) -> Spread | None:
    """Solve a problem for resampled estimates.

    The draws depend on the seed alone (a counter-based generator keyed by its digest), so that the
    same request is told the same spread wherever and whenever it is solved.

    Parameters
    ----------
    problem : Problem
        N strategies.
    weights : FloatArray
        (N,) its optimum, near which those of the draws are sought.
    seed : str
        The request's id.
    n_common : int
        Rows behind the estimates; `problem.periods_per_year` of them make a year.
    resamples : int
        Draws; 0 for none.

    Returns
    -------
    Spread or None
        None where it would take too long (more than `RESAMPLED_NAMES_MAX` strategies, or no plain
        quadratic program), where the rows are too few, or where no draw could be solved.
    """
    cheap = problem.objective in QUADRATIC and not problem.caps.given(_caps(problem))
    if not cheap or resamples < 1 or n_common < 2:  # noqa: PLR2004  # one row has no variance
        return None
    if len(problem.strategies) > RESAMPLED_NAMES_MAX:
        return None
    key = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:16], "little")
    chance = np.random.Generator(np.random.Philox(key=key))
    found: list[FloatArray] = []
    while resamples > 0:
        count = min(resamples, _TOGETHER)
        found += _solved(problem, weights, *_draw(chance, problem, n_common, count))
        resamples -= count
    if not found:
        return None
    low, high = np.percentile(np.array(found), [_LOW, _HIGH], axis=0)
    return Spread(low=low, high=high, resamples=len(found))


def _caps(problem: Problem) -> tuple[str, ...]:
    caps = problem.caps
    return caps.CONIC + caps.ITERATED + caps.WHOLE


def _solved(
    problem: Problem, weights: FloatArray, means: FloatArray, covs: FloatArray
) -> Iterator[FloatArray]:
    """Solve the problem for each estimate: all at once, and singly what does not settle."""
    drawn = [
        replace(problem, mean_annual=mean, cov_annual=cov)
        for mean, cov in zip(means, covs, strict=True)
    ]
    if problem.costs is not None and bool(problem.costs.impact.any()):  # a power is no kink
        yield from _singly(drawn)
        return
    batch = _batch(problem, drawn)
    found, settled = optima(batch, np.append(weights, 1.0 - weights.sum()))
    for row, each in enumerate(drawn):
        legs: FloatArray | None = found[row] if settled[row] else None
        if legs is None and problem.costs is None:
            legs = rough_optimum(batch.one(row))
        if legs is None:
            yield from _singly([each])
        else:
            yield legs[:-1]


def _singly(drawn: list[Problem]) -> Iterator[FloatArray]:
    for each in drawn:
        outcome = solve(each)
        if isinstance(outcome, Solved):
            yield outcome.weights


def _batch(problem: Problem, drawn: list[Problem]) -> Batch:
    """Write the draws as quadratic programs over the legs, cash last, on one scale."""
    names, scale = len(problem.strategies), scale_of(problem)
    hessians = np.zeros((len(drawn), names + 1, names + 1))
    gradients = np.zeros((len(drawn), names + 1))
    for row, each in enumerate(drawn):
        hessians[row, :-1, :-1] = curvature_of(each) / scale
        gradients[row, :-1] = slope_of(each) / scale
    return Batch(
        limits=quadratic_of(replace(problem, costs=None))[0],
        hessians=hessians,
        gradients=gradients,
        fees=np.append(_fees(problem, problem.costs) / scale, 0.0),
    )


def _fees(problem: Problem, costs: TradeCosts | None) -> FloatArray:
    """Linear costs (N,) in the unit of what is minimised, as the modelled road charges them."""
    if costs is None:
        return np.zeros(len(problem.strategies))
    worth = problem.risk_aversion if problem.objective == "min_variance" else 1.0
    return np.asarray(costs.linear / (costs.horizon_years * worth))


def _draw(
    chance: np.random.Generator, problem: Problem, n_common: int, count: int
) -> tuple[FloatArray, FloatArray]:
    """Draw means (d, N) and covariances (d, N, N) that other samples of the size would show."""
    factor = _root(problem.cov_annual)
    names, freedom = len(factor), n_common - 1
    years = n_common / problem.periods_per_year
    normals = chance.standard_normal((count, names))
    means = problem.mean_annual + normals @ factor.T / np.sqrt(years)
    if freedom >= names:
        # Bartlett: a triangle of normals with roots of chi squares on its diagonal.
        root = np.tril(chance.standard_normal((count, names, names)), -1)
        squares = chance.chisquare(freedom - np.arange(names), (count, names))
        root[:, range(names), range(names)] = np.sqrt(squares)
    else:
        root = chance.standard_normal((count, names, freedom))
    half = factor @ root / np.sqrt(freedom)
    covs = half @ half.transpose(0, 2, 1)
    return means, (covs + covs.transpose(0, 2, 1)) / 2.0


def _root(cov: FloatArray) -> FloatArray:
    """(N, N) F with FF' = Σ, which may be singular."""
    levels, vectors = np.linalg.eigh(cov)
    return np.asarray(vectors * np.sqrt(np.maximum(levels, 0.0)))
