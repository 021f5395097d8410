"""Between the optimizer's wire pair and its arrays: request to problem, outcome to reply."""

from typing import assert_never

import numpy as np

from schemas.optimize import BindingLimit, OptimizeReply, OptimizeRequest, SolveDiagnostics
from streams.core.arrays import FloatArray
from streams.core.errors import DataError
from streams.core.optimize import Failed, GroupLimit, Infeasible, Outcome, Problem, Solved, solve


def problem_of(request: OptimizeRequest) -> Problem:
    """Return the problem a request describes.

    Raises
    ------
    DataError
        When a number in it is not finite.
    """
    size = len(request.strategies)
    cov = np.zeros((size, size))
    cov[np.tril_indices(size)] = _vector(request.cov_annual_lower)
    cov = cov + np.tril(cov, -1).T
    groups = []
    for group in request.groups:
        members = np.zeros(size, dtype=bool)
        members[list(group.members)] = True
        groups.append(
            GroupLimit(key=group.key, members=members, minimum=group.minimum, maximum=group.maximum)
        )
    return Problem(
        strategies=request.strategies,
        mean_annual=_vector(request.mean_annual),
        cov_annual=cov,
        held=_vector(request.held),
        held_cash=request.held_cash,
        held_elsewhere=request.held_elsewhere,
        objective=request.objective,
        risk_aversion=request.risk_aversion,
        weight_min=_vector(request.weight_min),
        weight_max=_vector(request.weight_max),
        groups=tuple(groups),
        cash_min=request.cash_min,
        cash_max=request.cash_max,
        turnover_max=request.turnover_max,
        long_only=request.long_only,
    )


def solve_request(request: OptimizeRequest) -> Outcome:
    """Solve a request; numbers that cannot be used are a failed solve, never an exception."""
    try:
        problem = problem_of(request)
    except DataError as error:
        return Failed(reason=str(error))
    return solve(problem)


def reply_to(
    request: OptimizeRequest, outcome: Outcome, diagnostics: SolveDiagnostics
) -> OptimizeReply:
    """Return the reply that carries an outcome."""
    if isinstance(outcome, Solved):
        return OptimizeReply(
            request_id=request.request_id,
            portfolio_id=request.portfolio_id,
            status="solved",
            weights=outcome.weights.astype("<f8").tobytes(),
            cash=outcome.cash,
            objective_value=outcome.objective_value,
            binding=tuple(
                _binding(limit.key, limit.side, limit.price, limit.strategy)
                for limit in outcome.binding
            ),
            solver=outcome.solver,
            exact=outcome.exact,
            diagnostics=diagnostics,
        )
    if isinstance(outcome, Infeasible):
        return OptimizeReply(
            request_id=request.request_id,
            portfolio_id=request.portfolio_id,
            status="infeasible",
            violated=outcome.violated,
            diagnostics=diagnostics,
        )
    if isinstance(outcome, Failed):
        return OptimizeReply(
            request_id=request.request_id,
            portfolio_id=request.portfolio_id,
            status="failed",
            reason=outcome.reason,
            diagnostics=diagnostics,
        )
    assert_never(outcome)


def _binding(key: str, side: str, price: float, strategy: str | None) -> BindingLimit:
    assert side in {"min", "max"}, side
    return BindingLimit(
        constraint=key, side="min" if side == "min" else "max", price=price, strategy=strategy
    )


def _vector(data: bytes) -> FloatArray:
    return np.frombuffer(data, dtype="<f8").astype(np.float64)
