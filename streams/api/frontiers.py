"""The efficient frontier at the engine's newest checkpoint, kept as long as nothing moved.

The problem is the one that a manual rebalance would ask the optimizer to solve there. A halt does
not hide it: it says what could be, and orders nothing.
"""

import threading
from collections import OrderedDict
from typing import Any, Final

import numpy as np

from schemas.codec import canonical_json
from schemas.decisions import Decision, Trigger
from schemas.policy import Overrides
from schemas.units import format_instant
from streams.api.orders import checked_overrides
from streams.api.views import Body, Views
from streams.api.whatif import Images, settled, stand_of
from streams.core.optimize import Problem
from streams.core.outputs import Output
from streams.core.portfolio import Portfolio
from streams.core.requests import problem_of
from streams.core.walk import Walk
from streams.runtime.frontier import frontier_of, mark_of, optimum_mark, plain_marks

_KEPT_MAX: Final = 64
_WITHOUT: Final[Body] = {"points": [], "knee": None, "tangency": None, "marks": []}


class Frontiers:
    """Sweeps frontiers, one at a time; any thread may ask."""

    def __init__(self, views: Views, images: Images) -> None:
        self._views = views
        self._images = images
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int, bytes], tuple[str, Body]] = OrderedDict()

    def frontier(self, name: str, points: int, overrides: Overrides | None) -> Body:
        """Return a portfolio's frontier at its newest image's bar.

        Raises
        ------
        ProblemError
            409 before the first bar, 422 for overrides that contradict the policy, 503 while there
            is no image yet.
        """
        head = self._views.head(name)
        registration = self._views.registration(name)
        checked_overrides(registration.policy, overrides)
        question = (name, points, canonical_json(overrides))
        with self._lock:
            kept = self._kept.get(question)
            if kept is None or kept[0] != head["version"]:
                portfolio = self._images.portfolio(name, registration.shard)
                stand = stand_of(portfolio)
                kept = head["version"], frontier_at(portfolio, points, overrides)
                # An image lags behind the views: what was made of an old one is not kept.
                if self._views.version_of(name, stand) == head["version"]:
                    self._keep(question, kept)
        return {**head, **kept[1]}

    def _keep(self, question: tuple[str, int, bytes], kept: tuple[str, Body]) -> None:
        self._kept[question] = kept
        self._kept.move_to_end(question)
        if len(self._kept) > _KEPT_MAX:
            self._kept.popitem(last=False)


def frontier_at(portfolio: Portfolio, points: int, overrides: Overrides | None) -> Body:
    """Return the frontier at the last walked bar, and what lies beside it; spends the portfolio.

    Raises
    ------
    ProblemError
        409 before the first bar.
    """
    walk = settled(portfolio)
    walk.status.halted = walk.status.paused = False
    outputs = walk.evaluate(Trigger(kind="manual", overrides=overrides))
    at = {"bar_end": format_instant(walk.status.end_ns), "bar_number": walk.status.bar_number}
    if walk.pending is None:
        return at | _WITHOUT | _why(outputs)
    request = walk.pending.request
    problem = problem_of(request)
    found = frontier_of(problem, points)
    told = {
        "outcome": found["status"],
        "reason": found.get("reason", "; ".join(found.get("violated", ()))),
        "objective": request.objective,
        "strategies": list(problem.strategies),
        "excluded": walk.pending.excluded,
    }
    if found["status"] != "solved":
        return at | _WITHOUT | told
    swept = {name: found[name] for name in ("points", "knee", "tangency")}
    return at | told | swept | {"marks": _marks(problem, walk)}


def _marks(problem: Problem, walk: Walk) -> list[dict[str, Any]]:
    columns = [walk.names.index(name) for name in problem.strategies]
    target = walk.ledger.target[np.array(columns, dtype=np.int64)]
    return [
        mark_of(problem, "held", "held", problem.held),
        mark_of(problem, "target", "target", target),
        *optimum_mark(problem, "optimum"),
        *plain_marks(problem),
    ]


def _why(outputs: list[Output]) -> Body:
    """Tell why no optimizer would be asked."""
    decision = next(o.message for o in outputs if isinstance(o.message, Decision))
    few = decision.reason == "too_few_eligible"
    return {
        "outcome": "too_few_eligible" if few else "not_estimated",
        "reason": decision.reason,
        "objective": decision.objective,
        "strategies": [name for name in decision.strategies if name not in decision.excluded],
        "excluded": decision.excluded,
    }
