"""How far the weights would move had another history of the same law been seen.

Michaud's resampling (Efficient Asset Management, 1998, ch. 6), used to tell the error and not to
make the weights: estimates are drawn from their sampling distribution under normal returns,
μ* ~ N(μ, Σ/years) and Σ* ~ Wishart(Σ, n − 1)/(n − 1), and the problem is solved for each.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.optimize.problem import QUADRATIC, Problem, Solved
from streams.core.optimize.roads import solve

# Beyond this the solves take longer than a decision may wait.
RESAMPLED_NAMES_MAX = 100
_LOW, _HIGH = 5.0, 95.0


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


def weight_spread(problem: Problem, seed: str, n_common: int, resamples: int) -> Spread | None:
    """Solve a problem for resampled estimates.

    The draws depend on the seed alone (a counter-based generator keyed by its digest), so that the
    same request is told the same spread wherever and whenever it is solved.

    Parameters
    ----------
    problem : Problem
        N strategies.
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
    levels, vectors = np.linalg.eigh(problem.cov_annual)
    factor = vectors * np.sqrt(np.maximum(levels, 0.0))  # (N, N), Σ = factor·factor'
    found = []
    for _ in range(resamples):
        mean, cov = _draw(chance, problem, factor, n_common)
        outcome = solve(replace(problem, mean_annual=mean, cov_annual=cov))
        if isinstance(outcome, Solved):
            found.append(outcome.weights)
    if not found:
        return None
    low, high = np.percentile(np.array(found), [_LOW, _HIGH], axis=0)
    return Spread(low=low, high=high, resamples=len(found))


def _caps(problem: Problem) -> tuple[str, ...]:
    caps = problem.caps
    return caps.CONIC + caps.ITERATED + caps.WHOLE


def _draw(
    chance: np.random.Generator, problem: Problem, factor: FloatArray, n_common: int
) -> tuple[FloatArray, FloatArray]:
    """Draw the mean and the covariance that another sample of the same size would have shown."""
    names, freedom = len(factor), n_common - 1
    years = n_common / problem.periods_per_year
    mean = problem.mean_annual + factor @ chance.standard_normal(names) / np.sqrt(years)
    if freedom >= names:
        # Bartlett: a triangle of normals with roots of chi squares on its diagonal.
        root = np.tril(chance.standard_normal((names, names)), -1)
        root[range(names), range(names)] = np.sqrt(chance.chisquare(freedom - np.arange(names)))
    else:
        root = chance.standard_normal((names, freedom))
    half = factor @ root / np.sqrt(freedom)
    cov = half @ half.T
    return mean, (cov + cov.T) / 2.0
