"""How much faster is a mean-variance solve than the textbook problem, built anew each time?"""

import cvxpy as cp
import numpy as np

from benchmarks.report import Result, alone, best_of, load
from benchmarks.worlds import names_of, returns_of
from streams.core.arrays import FloatArray
from streams.core.optimize import Problem, Solved, solve

PERIODS = 252.0
RISK_AVERSION = 3.0
WEIGHT_MAX = 0.25
OBJECTIVE_TOLERANCE = 1e-6  # what the target asks for
SIZES = {20: (30, 20), 200: (15, 8), 1000: (4, 2)}  # N: rounds of ours, rounds of the peer


def textbook(mean: FloatArray, cov: FloatArray) -> float:
    """Build and solve the problem as any introduction to cvxpy does; return the utility."""
    weights = cp.Variable(len(mean))
    utility = mean @ weights - 0.5 * RISK_AVERSION * cp.quad_form(weights, cp.psd_wrap(cov))
    limits = [cp.sum(weights) == 1, weights >= 0, weights <= WEIGHT_MAX]
    return float(cp.Problem(cp.Maximize(utility), limits).solve())


def problem_of(mean: FloatArray, cov: FloatArray) -> Problem:
    """Return the same problem for the engine's optimizer."""
    size = len(mean)
    return Problem(
        strategies=names_of(size),
        mean_annual=mean,
        cov_annual=cov,
        held=np.zeros(size),
        held_cash=1.0,
        objective="mean_variance",
        risk_aversion=RISK_AVERSION,
        weight_min=np.zeros(size),
        weight_max=np.full(size, WEIGHT_MAX),
        groups=(),
        cash_min=0.0,
        cash_max=0.0,
        turnover_max=None,
        long_only=True,
    )


def run(*, quick: bool) -> list[Result]:
    """Time both on one estimate a size; the objectives must agree."""
    results = []
    for size, (ours, theirs) in SIZES.items():
        returns = returns_of(size, 3 * size + 252, size)
        mean = returns.mean(axis=0) * PERIODS
        cov = np.cov(returns, rowvar=False) * PERIODS
        cov = (cov + cov.T) / 2.0
        problem = problem_of(mean, cov)
        outcome = solve(problem)
        assert isinstance(outcome, Solved), outcome
        found = outcome.weights
        utility = float(mean @ found - 0.5 * RISK_AVERSION * found @ cov @ found)
        apart = abs(utility - textbook(mean, cov))
        assert apart <= OBJECTIVE_TOLERANCE, (size, apart)
        # the verified solve as a decision makes it: problem, solver, polish, independent check
        seconds = best_of(lambda p=problem: solve(p), rounds=ours)
        peer = best_of(lambda m=mean, c=cov: textbook(m, c), rounds=1 if quick else theirs, warm=0)
        note = f"objectives {apart:.0e} apart, {load()}"
        results.append(
            Result(f"solve_mean_variance_n{size}", seconds * 1e3, "ms", "cvxpy", peer * 1e3, note)
        )
    return results


if __name__ == "__main__":
    alone(run)
