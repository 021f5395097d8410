"""The efficient frontier of a portfolio, with what to compare it to."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import numpy as np

from schemas.policy import PortfolioPolicy
from streams.core.arrays import FloatArray
from streams.core.frames import Rows
from streams.core.optimize import Failed, Infeasible, Problem, Solved, solve, verify
from streams.core.optimize.elastic import relax
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
    found = frontier_of(problem, points)
    if found["status"] == "infeasible":
        return found | {"relax": msgspec.to_builtins(relax(problem))}
    if found["status"] == "solved":
        found["marks"] = list(_marks(problem))
        found["excluded"] = asked.pending.excluded
        found["n_common"] = asked.pending.estimates.n_common
    return found


def frontier_of(problem: Problem, points: int) -> dict[str, Any]:
    """Return the frontier of a problem, or why there is none, as plain values."""
    swept = frontier(problem, points)
    if isinstance(swept, Infeasible):
        return {"status": "infeasible", "violated": list(swept.violated)}
    if isinstance(swept, Failed):
        return {"status": "failed", "reason": swept.reason}
    return {
        "status": "solved",
        "strategies": list(problem.strategies),
        "points": [_told(problem, point) for point in swept.points],
        "knee": swept.knee,
        "tangency": swept.tangency,
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
    yield mark_of(problem, "held", "held", problem.held)
    yield from optimum_mark(problem, "target")
    yield from plain_marks(problem)


def optimum_mark(problem: Problem, kind: str) -> Iterator[dict[str, Any]]:
    """Yield the place of what the problem's own objective chooses, where it can be solved."""
    found = solve(problem)
    if isinstance(found, Solved):
        yield mark_of(problem, kind, f"{kind} ({problem.objective})", found.weights)


def plain_marks(problem: Problem) -> Iterator[dict[str, Any]]:
    """Yield the places of the mixes that nobody chose: equal weight, and each strategy alone."""
    size = len(problem.strategies)
    equal = np.full(size, (1.0 - problem.cash_min) / size)
    yield mark_of(problem, "equal_weight", "equal weight", equal)
    for name, alone in zip(problem.strategies, np.eye(size), strict=True):
        yield mark_of(problem, "strategy", name, alone)


def mark_of(problem: Problem, kind: str, name: str, weights: FloatArray) -> dict[str, Any]:
    """Return the place of a mix (N,); ``within`` tells whether it keeps the limits."""
    point = point_at(problem, weights)
    return {
        "kind": kind,
        "name": name,
        "return_annual": point.return_annual,
        "volatility_annual": point.volatility_annual,
        "sharpe": point.sharpe,
        "within": not verify(problem, weights, point.cash),
    }
