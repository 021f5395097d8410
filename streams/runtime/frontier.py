"""The frontier of a portfolio, of return or of its own terms, with what to compare it to."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from schemas.policy import PortfolioPolicy
from streams.core.arrays import FloatArray
from streams.core.errors import DataError
from streams.core.frames import Rows
from streams.core.optimize import Failed, Infeasible, Problem, Solved, solve, verify
from streams.core.optimize.elastic import relax
from streams.core.optimize.frontier import FrontierPoint, frontier, point_at
from streams.core.optimize.pareto import Front, pareto
from streams.core.optimize.vocabulary import Term, term_value
from streams.core.requests import problem_of
from streams.runtime.whatif import Asked, ask_once


def frontier_once(
    policy: PortfolioPolicy, rows: Iterable[Rows], points: int, terms: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the frontier and its marks, as ``apse frontier --json`` prints them.

    With names of sought terms of a custom objective, the Pareto front of these: the first is sought
    while the second is bounded.

    Raises
    ------
    DataError
        When the rows make fewer than two bars, an estimate cannot be used, or the policy seeks no
        term of such a name.
    """
    _check_sought(policy, terms)
    asked = ask_once(policy, rows)
    if not isinstance(asked, Asked):
        return asked
    problem = problem_of(asked.pending.request)
    sought = {} if problem.custom is None else {term.name: term for term in problem.custom.sought}
    swept = [sought[name] for name in terms]
    found = front_of(problem, swept, points) if swept else frontier_of(problem, points)
    if found["status"] == "infeasible":
        return found | {"relax": msgspec.to_builtins(relax(problem))}
    if found["status"] == "solved":
        found["marks"] = list(_marks(problem, swept))
        found["excluded"] = asked.pending.excluded
        found["n_common"] = asked.pending.estimates.n_common
    return found


def frontier_of(problem: Problem, points: int) -> dict[str, Any]:
    """Return the frontier of a problem, or why there is none, as plain values."""
    swept = frontier(problem, points)
    if isinstance(swept, Infeasible | Failed):
        return _refused(swept)
    return {
        "status": "solved",
        "strategies": list(problem.strategies),
        "points": [_told(problem, point) for point in swept.points],
        "knee": swept.knee,
        "tangency": swept.tangency,
    }


def front_of(problem: Problem, terms: Sequence[Term], points: int) -> dict[str, Any]:
    """Return the Pareto front of two terms, or why there is none, as plain values."""
    swept = pareto(problem, terms, points)
    if not isinstance(swept, Front):
        return _refused(swept)
    signs = np.array([term.sign for term in terms])
    ends = zip(terms, signs * swept.scale.utopia, signs * swept.scale.nadir, strict=True)
    return {
        "status": "solved",
        "strategies": list(problem.strategies),
        "terms": [
            {"name": term.name, "sense": term.sense, "utopia": float(best), "nadir": float(worst)}
            for term, best, worst in ends
        ],
        "points": [_told(problem, point_at(problem, w), terms) for w in swept.weights],
        "knee": swept.knee,
        "unsolved": list(swept.unsolved),
    }


def _check_sought(policy: PortfolioPolicy, names: Sequence[str]) -> None:
    sought = [term.title for term in policy.objective.terms if term.weight is not None]
    for name in names:
        if name not in sought:
            there = ", ".join(map(repr, sought)) or f"none, it is of type {policy.objective.type}"
            message = f"{name!r} is no term that the objective seeks; there are: {there}"
            raise DataError(message)
    if len(set(names)) < len(names):
        message = f"a front is of two terms, got {names[0]!r} twice"
        raise DataError(message)


def _refused(outcome: Infeasible | Failed) -> dict[str, Any]:
    if isinstance(outcome, Infeasible):
        return {"status": "infeasible", "violated": list(outcome.violated)}
    return {"status": "failed", "reason": outcome.reason}


def _told(problem: Problem, point: FrontierPoint, terms: Sequence[Term] = ()) -> dict[str, Any]:
    return {
        **_figures(problem, point, terms),
        "cash": point.cash,
        "weights": dict(zip(problem.strategies, point.weights.tolist(), strict=True)),
    }


def _figures(problem: Problem, point: FrontierPoint, terms: Sequence[Term]) -> dict[str, Any]:
    values = {term.name: term_value(term, problem, point.weights) for term in terms}
    return {
        **({"values": values} if terms else {}),
        "return_annual": point.return_annual,
        "volatility_annual": point.volatility_annual,
        "sharpe": point.sharpe,
    }


def _marks(problem: Problem, terms: Sequence[Term]) -> Iterator[dict[str, Any]]:
    yield mark_of(problem, "held", "held", problem.held, terms)
    yield from optimum_mark(problem, "target", terms)
    yield from plain_marks(problem, terms)


def optimum_mark(
    problem: Problem, kind: str, terms: Sequence[Term] = ()
) -> Iterator[dict[str, Any]]:
    """Yield the place of what the problem's own objective chooses, where it can be solved."""
    found = solve(problem)
    if isinstance(found, Solved):
        yield mark_of(problem, kind, f"{kind} ({problem.objective})", found.weights, terms)


def plain_marks(problem: Problem, terms: Sequence[Term] = ()) -> Iterator[dict[str, Any]]:
    """Yield the places of the mixes that nobody chose: equal weight, and each strategy alone."""
    size = len(problem.strategies)
    equal = np.full(size, (1.0 - problem.cash_min) / size)
    yield mark_of(problem, "equal_weight", "equal weight", equal, terms)
    for name, alone in zip(problem.strategies, np.eye(size), strict=True):
        yield mark_of(problem, "strategy", name, alone, terms)


def mark_of(
    problem: Problem, kind: str, name: str, weights: FloatArray, terms: Sequence[Term] = ()
) -> dict[str, Any]:
    """Return the place of a mix (N,); ``within`` tells whether it keeps the limits."""
    point = point_at(problem, weights)
    return {
        "kind": kind,
        "name": name,
        **_figures(problem, point, terms),
        "within": not verify(problem, weights, point.cash),
    }
