"""How much faster is a solve than the textbook problem built anew, and than portfolio libraries?"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cvxpy as cp
import numpy as np

from benchmarks.report import Result, alone, best_of, load, peer_answer
from benchmarks.worlds import names_of, returns_of
from streams.core.arrays import FloatArray
from streams.core.optimize import Problem, Solved, solve

PERIODS = 252.0
RISK_AVERSION = 3.0
WEIGHT_MAX = 0.25
OBJECTIVE_TOLERANCE = 1e-6  # what the target asks for
SIZES = {20: (30, 20), 200: (15, 8), 1000: (4, 2)}  # N: rounds of ours, rounds of the peers
LIBRARIES = ("PyPortfolioOpt", "Riskfolio-Lib", "skfolio")
LIBRARY_OBJECTIVES = ("mean_variance", "risk_parity", "min_cvar", "max_diversification", "hrp")
LIBRARY_TOLERANCE = 1e-4  # relative, of the objective: their solvers stop at 1e-8 of other scales


def textbook(mean: FloatArray, cov: FloatArray) -> float:
    """Build and solve the problem as any introduction to cvxpy does; return the utility."""
    weights = cp.Variable(len(mean))
    utility = mean @ weights - 0.5 * RISK_AVERSION * cp.quad_form(weights, cp.psd_wrap(cov))
    limits = [cp.sum(weights) == 1, weights >= 0, weights <= WEIGHT_MAX]
    return float(cp.Problem(cp.Maximize(utility), limits).solve())


def problem_of(returns: FloatArray) -> Problem:
    """Return the same problem for the engine's optimizer, from returns (T, N) per bar."""
    size = returns.shape[1]
    cov = np.cov(returns, rowvar=False) * PERIODS
    return Problem(
        strategies=names_of(size),
        mean_annual=returns.mean(axis=0) * PERIODS,
        cov_annual=(cov + cov.T) / 2.0,
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
        scenarios=returns,
        periods_per_year=PERIODS,
    )


def solved(problem: Problem) -> Solved:
    """Return the verified solve as a decision makes it: solver, polish, independent check."""
    outcome = solve(problem)
    assert isinstance(outcome, Solved), outcome
    return outcome


def against_textbook(problem: Problem, ours: int, theirs: int) -> Result:
    """Time both on one estimate; the objectives must agree."""
    mean, cov = problem.mean_annual, problem.cov_annual
    found = solved(problem).weights
    utility = float(mean @ found - 0.5 * RISK_AVERSION * found @ cov @ found)
    apart = abs(utility - textbook(mean, cov))
    assert apart <= OBJECTIVE_TOLERANCE, (len(mean), apart)
    seconds = best_of(lambda: solve(problem), rounds=ours)
    peer = best_of(lambda: textbook(mean, cov), rounds=theirs, warm=0)
    note = f"objectives {apart:.0e} apart, {load()}"
    name = f"solve_mean_variance_n{len(mean)}"
    return Result(name, seconds * 1e3, "ms", "cvxpy", peer * 1e3, note)


def answers_of(problem: Problem, rounds: int, objectives: tuple[str, ...]) -> dict[str, Any]:
    """Return what the libraries find by objective and library: seconds and weights."""
    found: dict[str, Any] = {name: {} for name in objectives}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "problem.npz"
        np.savez(
            path,
            mean=problem.mean_annual / PERIODS,
            cov=problem.cov_annual / PERIODS,
            returns=problem.scenarios,
            cap=WEIGHT_MAX,
            aversion=RISK_AVERSION,
        )
        for library in LIBRARIES:
            answers = peer_answer("portfolio_solve", library, str(path), str(rounds), *objectives)
            for objective, answer in (answers or {}).items():
                found[objective][library] = answer
    return found


def against_libraries(problem: Problem, ours: int, theirs: int) -> Iterator[Result]:
    """Time the same problem in the libraries: a row an objective, against the fastest of them."""
    size = len(problem.strategies)
    objectives = LIBRARY_OBJECTIVES if size <= 200 else LIBRARY_OBJECTIVES[:1]
    for objective, answers in answers_of(problem, theirs, objectives).items():
        if not answers:
            continue
        asked = replace(problem, objective=objective)
        weights = solved(asked).weights
        work: Callable[[], object] = lambda asked=asked: solve(asked)  # noqa: E731  a round of it
        seconds = best_of(work, rounds=ours)
        apart = _apart(asked, weights, answers)
        times = {library: answer[0] * 1e3 for library, answer in answers.items()}
        fastest = min(times, key=lambda library: times[library])
        others = [f"{name} {ms:.3g} ms" for name, ms in times.items() if name != fastest]
        note = ", ".join([*others, apart, load()])
        name = f"solve_{objective}_n{size}_libraries"
        yield Result(name, seconds * 1e3, "ms", fastest, times[fastest], note)


def _apart(problem: Problem, weights: FloatArray, answers: dict[str, Any]) -> str:
    """Say how far the answers are apart; the optimum of the same problem must be the same."""
    theirs = [np.array(found) / sum(found) for _, found in answers.values()]
    if problem.objective == "hrp":  # a rule, and theirs builds its tree by another distance
        most = max(float(np.abs(other - weights).max()) for other in theirs)
        return f"other trees: weights up to {most:.0e} apart"
    value = problem.objective_value(weights)
    apart = max(abs(problem.objective_value(other) / value - 1.0) for other in theirs)
    assert apart <= LIBRARY_TOLERANCE, (problem.objective, len(weights), apart)
    return f"objectives {apart:.0e} apart"


def run(*, quick: bool) -> list[Result]:
    """Time all on one estimate a size."""
    results = []
    for size, (ours, theirs) in SIZES.items():
        problem = problem_of(returns_of(size, 3 * size + 252, size))
        rounds = 1 if quick else theirs
        results.append(against_textbook(problem, ours, rounds))
        if not (quick and size > 200):
            results += against_libraries(problem, ours, rounds)
    return results


if __name__ == "__main__":
    alone(run)
