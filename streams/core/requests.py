"""Between the optimizer's wire pair and its arrays: request to problem, outcome to reply."""

from dataclasses import replace
from typing import assert_never

import msgspec
import numpy as np

from schemas.explain import Explanation
from schemas.optimize import (
    BindingLimit,
    CorrelationFigures,
    CorrelationNumbers,
    LinearBound,
    OptimizeReply,
    OptimizeRequest,
    SolveDiagnostics,
)
from streams.core.arrays import FloatArray
from streams.core.custom_terms import custom_of
from streams.core.errors import DataError
from streams.core.optimize import Failed, GroupLimit, Infeasible, Outcome, Problem, Solved
from streams.core.optimize.correlation import (
    CorrelationLimits,
    achieved,
    correlation_rows,
    correlation_structure,
    penalty_matrix,
)
from streams.core.optimize.elastic import relax
from streams.core.optimize.explain import explain
from streams.core.optimize.ladder import allowed_steps, solve_with_fallback
from streams.core.optimize.terms import Aim, Caps, TradeCosts


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
    groups += [_linear(limit) for limit in request.limits]
    weight_max, caps = _vector(request.weight_max), _caps_of(request)
    structure, penalty = None, None
    if (asked := request.correlation) is not None:
        structure = correlation_structure(request.strategies, cov, _correlation_limits(asked))
        groups += correlation_rows(request.strategies, cov, weight_max, structure)
        pairs = structure.capped if asked.exclusive else ()
        caps = replace(
            caps,
            diversification_ratio_min=asked.diversification_ratio_min,
            held_correlation_max=asked.held_correlation_max,
            exclusive=(*asked.exclusive_sets, *pairs),
        )
        if asked.penalty > 0.0 and asked.pair_limit is not None:
            penalty = penalty_matrix(cov, asked.pair_limit, asked.penalty)
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
        weight_max=weight_max,
        groups=tuple(groups),
        cash_min=request.cash_min,
        cash_max=request.cash_max,
        turnover_max=request.turnover_max,
        long_only=request.long_only,
        aim=_aim_of(request),
        caps=caps,
        costs=_costs_of(request),
        correlation=structure,
        penalty=penalty,
        scenarios=_vector(request.scenarios).reshape(-1, size) if request.scenarios else None,
        periods_per_year=request.periods_per_year,
        cash_return=request.cash_return,
        custom=custom_of(request.custom, size),
    )


def _linear(limit: LinearBound) -> GroupLimit:
    loadings = _vector(limit.loadings)
    return GroupLimit(
        key=limit.key,
        members=loadings != 0.0,
        minimum=limit.minimum,
        maximum=limit.maximum,
        loadings=loadings,
    )


def _aim_of(request: OptimizeRequest) -> Aim:
    if (given := request.aim) is None:
        return Aim()
    reference = _vector(given.reference) if given.reference else None
    return Aim(
        target=given.target,
        budgets=_vector(given.budgets) if given.budgets else None,
        alpha=given.alpha,
        reference=reference,
        kappa=given.kappa,
        years=given.years,
    )


def _caps_of(request: OptimizeRequest) -> Caps:
    return Caps() if request.caps is None else Caps(**msgspec.structs.asdict(request.caps))


def _costs_of(request: OptimizeRequest) -> TradeCosts | None:
    if (given := request.costs) is None:
        return None
    size = len(request.strategies)
    return TradeCosts(
        linear=np.full(size, given.linear),
        impact=_vector(given.impact) if given.impact else np.zeros(size),
        horizon_years=given.horizon_years,
    )


def _correlation_limits(given: CorrelationNumbers) -> CorrelationLimits:
    return CorrelationLimits(
        pair_limit=given.pair_limit,
        pair_weight_max=given.pair_weight_max,
        confidence=given.confidence,
        cluster_limit=given.cluster_limit,
        cluster_weight_max=given.cluster_weight_max,
        cluster_risk_max=given.cluster_risk_max,
        exclusive=given.exclusive,
        penalty=given.penalty,
        observations=given.observations,
        previous=given.previous,
    )


def solve_request(request: OptimizeRequest) -> Outcome:
    """Solve a request; numbers that cannot be used are a failed solve, never an exception."""
    try:
        problem = problem_of(request)
    except DataError as error:
        return Failed(reason=str(error))
    outcome, step = solve_with_fallback(problem, allowed_steps(request.fallback))
    return replace(outcome, step=step) if isinstance(outcome, Solved) else outcome


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
            gap=outcome.gap,
            instead=outcome.fallback,
            correlation=_figures(request, outcome),
            step=outcome.step,
            explanation=_explanation(request, outcome),
            diagnostics=diagnostics,
        )
    if isinstance(outcome, Infeasible):
        return OptimizeReply(
            request_id=request.request_id,
            portfolio_id=request.portfolio_id,
            status="infeasible",
            violated=outcome.violated,
            relax=relax(problem_of(request)),
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


def _explanation(request: OptimizeRequest, solved: Solved) -> Explanation | None:
    """Explain the answer as far as the request asks for it; what a fallback gave has no price."""
    if solved.step not in {"none", "other_solver"} or not (request.prices or request.resamples):
        return None
    return explain(
        problem_of(request),
        solved,
        seed=request.request_id,
        n_common=request.n_common,
        prices=request.prices,
        resamples=request.resamples,
    )


def _figures(request: OptimizeRequest, solved: Solved) -> CorrelationFigures | None:
    """Measure what the weights achieve, where correlation is limited."""
    if request.correlation is None:
        return None
    problem = problem_of(request)
    structure = problem.correlation
    assert structure is not None
    found = achieved(structure, problem.cov_annual, solved.weights)
    names = request.strategies
    return CorrelationFigures(
        average=found.average,
        diversification_ratio=found.diversification_ratio,
        pair=() if found.pair is None else tuple(names[i] for i in found.pair),
        pair_max=found.pair_max,
        capped=tuple((names[i], names[j]) for i, j in structure.capped),
        watched=tuple((names[i], names[j]) for i, j in structure.watched),
        clusters=tuple(tuple(names[i] for i in cluster) for cluster in structure.clusters),
        cluster_weights=found.cluster_weights,
        cluster_risks=found.cluster_risks,
    )


def _binding(key: str, side: str, price: float, strategy: str | None) -> BindingLimit:
    assert side in {"min", "max"}, side
    return BindingLimit(
        constraint=key, side="min" if side == "min" else "max", price=price, strategy=strategy
    )


def _vector(data: bytes) -> FloatArray:
    return np.frombuffer(data, dtype="<f8").astype(np.float64)
