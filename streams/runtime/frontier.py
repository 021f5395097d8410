"""The efficient frontier of a portfolio file on a file of returns, with what to compare it to."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import numpy as np

from schemas.policy import PortfolioPolicy
from streams.core.arrays import FloatArray
from streams.core.frames import Rows
from streams.core.optimize import Failed, Infeasible, Problem, Solved, solve, verify
from streams.core.optimize.explain import relaxed_limits
from streams.core.optimize.frontier import FrontierPoint, frontier, point_at
from streams.core.requests import problem_of
from streams.runtime.whatif import Asked, ask_once


def frontier_once(policy: PortfolioPolicy, rows: Iterable[Rows], points: int) -> dict[str, Any]:
    """Return the frontier and its marks, as ``apse frontier --json`` prints them.

    Raises
    ------
    DataError
        When the rows make fewer than two bars, or an estimate cannot be used.
    """
    asked = ask_once(policy, rows)
    if not isinstance(asked, Asked):
        return asked
    problem = problem_of(asked.pending.request)
    swept = frontier(problem, points)
    if isinstance(swept, Infeasible):
        relax = msgspec.to_builtins(relaxed_limits(problem))
        return {"status": "infeasible", "violated": list(swept.violated), "relax": relax}
    if isinstance(swept, Failed):
        return {"status": "failed", "reason": swept.reason}
    return {
        "status": "solved",
        "strategies": list(problem.strategies),
        "points": [_told(problem, point) for point in swept.points],
        "knee": swept.knee,
        "tangency": swept.tangency,
        "marks": list(_marks(problem)),
        "excluded": asked.pending.excluded,
        "n_common": asked.pending.estimates.n_common,
    }


def _told(problem: Problem, point: FrontierPoint) -> dict[str, Any]:
    return {
        "return_annual": point.return_annual,
        "volatility_annual": point.volatility_annual,
        "sharpe": point.sharpe,
        "cash": point.cash,
        "weights": dict(zip(problem.strategies, point.weights.tolist(), strict=True)),
    }


def _marks(problem: Problem) -> Iterator[dict[str, Any]]:
    """Mixes to look at beside the frontier; `within` tells whether they keep the limits."""
    size = len(problem.strategies)
    yield _mark(problem, "held", "held", problem.held)
    target = solve(problem)
    if isinstance(target, Solved):
        yield _mark(problem, "target", f"target ({problem.objective})", target.weights)
    equal = np.full(size, (1.0 - problem.cash_min) / size)
    yield _mark(problem, "equal_weight", "equal weight", equal)
    for name, alone in zip(problem.strategies, np.eye(size), strict=True):
        yield _mark(problem, "strategy", name, alone)


def _mark(problem: Problem, kind: str, name: str, weights: FloatArray) -> dict[str, Any]:
    point = point_at(problem, weights)
    return {
        "kind": kind,
        "name": name,
        "return_annual": point.return_annual,
        "volatility_annual": point.volatility_annual,
        "sharpe": point.sharpe,
        "within": not verify(problem, weights, point.cash),
    }
