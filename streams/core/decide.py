"""From estimates to a request, and from the optimizer's answer to a decision with its causes.

Nothing here knows of queues, bars or brokers.
"""

import math
from dataclasses import replace
from typing import Final

import msgspec
import numpy as np

from schemas.decisions import (
    CostParts,
    Decision,
    Estimates,
    GateCheck,
    GateWaiver,
    Stages,
)
from schemas.optimize import OptimizeReply, OptimizeRequest
from schemas.policy import PortfolioPolicy
from streams.core.appraisal import (
    correlations,
    ex_ante,
    objective_terms,
    risk_contributions,
    watched,
)
from streams.core.arrays import FloatArray
from streams.core.conclusions import Pending, blank, declined, given_up, sealed
from streams.core.costs import BPS, TRADED_MIN, CostModel, impact_coefficients, spread_of
from streams.core.covariance import average_correlation, complete_rows, covariance_spec, estimate
from streams.core.eligibility import Book, Selection
from streams.core.errors import DataError
from streams.core.expected import expected_returns
from streams.core.gain import utility_gain
from streams.core.gate import BREACH_MAX, check, gate_of, words_of
from streams.core.identity import Context, identify
from streams.core.ledger import turnover
from streams.core.limits import own_limits, with_limits
from streams.core.optimize import Problem, verify
from streams.core.replies import (
    COMMON_ROWS_MIN,
    known_rows,
    spread_over,
    step_of,
    steps_of,
    unusable,
)
from streams.core.requests import problem_of
from streams.core.stages import Staged, scaled, staged

ROUNDED_MAX: Final = 1e-6
"""Rounding moves no weight by more: 4096 strategies of 1e-10, all of it to one."""


def build_request(
    book: Book, selection: Selection, policy: PortfolioPolicy, context: Context
) -> tuple[OptimizeRequest, Estimates] | str:
    """Return the self-contained problem and its estimates, or the reason why there are none."""
    columns = selection.columns
    rows, n_common = complete_rows(book.returns, columns)
    estimation, periods = policy.estimation, policy.periods_per_year
    names = tuple(book.names[i] for i in columns)
    literal = book.covariance or estimation.covariance
    if estimation.ragged != "complete_rows":
        rows = book.returns[:, columns]
    elif n_common < COMMON_ROWS_MIN:
        return "too_few_common"
    try:
        found = estimate(rows, covariance_spec(estimation, literal))
        with np.errstate(over="ignore", invalid="ignore"):  # what is beyond float64 is told below
            cov_annual = found.matrix * periods
            expected = expected_returns(rows, cov_annual, names, estimation, periods)
    except DataError as error:
        return f"not_finite: {error}"
    mean_annual = expected.mean
    if not all(np.isfinite(a).all() for a in (cov_annual, mean_annual, expected.standard_error)):
        return "not_finite: an annual estimate is beyond float64"
    request = OptimizeRequest(
        request_id=identify("request", context, policy.portfolio_id),
        attempt=1,
        portfolio_id=policy.portfolio_id,
        shard=context.shard,
        strategies=names,
        mean_annual=mean_annual.tobytes(),
        cov_annual_lower=cov_annual[np.tril_indices(len(columns))].tobytes(),
        **own_limits(
            book, selection, policy, context.bar_end_ns, builds="turnover_max" in context.exempt
        ),
        cash_min=policy.cash.min,
        cash_max=policy.cash.max,
        fallback=tuple(step for step in policy.fallback if step != "hold"),
        n_common=n_common,
        prices=policy.explain.prices,
        resamples=policy.explain.resamples,
    )
    request = with_limits(request, book, selection, policy, n_effective=found.n_effective)
    estimates = Estimates(
        covariance=literal,
        mean=estimation.mean,
        n_common=n_common,
        mean_annual=tuple(mean_annual.tolist()),
        volatility_annual=tuple(np.sqrt(cov_annual.diagonal()).tolist()),
        average_correlation=average_correlation(cov_annual),
        mean_standard_error_annual=tuple(expected.standard_error.tolist()),
        mean_shrinkage=expected.shrinkage,
        unused_views=expected.unused_views,
        n_effective=found.n_effective,
        shrinkage=found.shrinkage,
        repair_distance=found.repair_distance,
        demotion=book.demotion,
    )
    return request, estimates


def pending_of(
    book: Book,
    selection: Selection,
    policy: PortfolioPolicy,
    context: Context,
) -> Pending | str:
    """Return the request to wait for with all that its decision needs, or why there is none."""
    built = build_request(book, selection, policy, context)
    if isinstance(built, str):
        return built
    request, estimates = built
    return Pending(
        context=context,
        request=request,
        estimates=estimates,
        excluded=selection.excluded,
        names=book.names,
        held=tuple(book.held.tolist()),
        held_cash=book.held_cash,
        impact=tuple(
            impact_coefficients(policy.costs, book.names, spread_of(book.returns)).tolist()
        ),
        nav=book.nav,
    )


def cost_model(policy: PortfolioPolicy, impact: tuple[float, ...]) -> CostModel:
    """Return the cost of trading under a policy, with the impact coefficients (N,) of the time."""
    return CostModel(
        linear=policy.costs.linear_bps * BPS,
        impact=np.array(impact),
        ticket=policy.costs.ticket_bps * BPS,
    )


def decide(
    pending: Pending, reply: OptimizeReply, policy: PortfolioPolicy, returns: FloatArray
) -> Decision:
    """Turn an answer into a decision.

    Whatever is not solved and verified is declined, and the held weights stay. ``returns`` (T, N)
    are those of the window, in the order of ``pending.names``, NaN where missing.
    """
    if reply.status != "solved":
        reason = "infeasible" if reply.status == "infeasible" else "solver_failed"
        return given_up(pending, reason, policy, reply)
    complaint = unusable(reply)
    if complaint:
        return given_up(pending, "verification_failed", policy, detail=complaint)
    problem = problem_of(pending.request)
    raw = np.frombuffer(reply.weights, dtype="<f8")
    complaints = verify(problem, raw, reply.cash)
    if complaints:
        return given_up(pending, "verification_failed", policy, reply, complaints[0])
    result = staged(problem, raw, reply.cash, policy, pending)
    if isinstance(result, str):
        return given_up(pending, "verification_failed", policy, reply, result)
    return _judged(pending, reply, policy, problem, result, returns)


def reduce_by_overlay(
    book: Book, context: Context, factor: float, policy: PortfolioPolicy
) -> Decision:
    """Return the decision that scales what is held by ``factor``, the rest to cash, at once."""
    found = scaled(book.held, factor, policy, book.names, book.nav)
    if isinstance(found, str):
        return declined(context, f"verification_failed: {found}", policy, book.names)
    overlay, rounded, cash = found
    overlay_cash = 1.0 - float(overlay.sum())
    impact = impact_coefficients(policy.costs, book.names, spread_of(book.returns))
    parts = cost_model(policy, tuple(impact.tolist())).of(book.held, rounded)
    return sealed(
        msgspec.structs.replace(
            blank(context, book.names, policy),
            outcome="accepted",
            stages=Stages(
                held=tuple(book.held.tolist()),
                raw=tuple(book.held.tolist()),
                overlay=tuple(overlay.tolist()),
                banded=tuple(overlay.tolist()),
                rounded=tuple(rounded.tolist()),
                cash={
                    "held": book.held_cash,
                    "raw": book.held_cash,
                    "overlay": overlay_cash,
                    "banded": overlay_cash,
                    "rounded": cash,
                },
            ),
            turnover=turnover(book.held, book.held_cash, rounded, cash),
            cost=parts.total,
            cost_parts=CostParts(linear=parts.linear, impact=parts.impact, ticket=parts.ticket),
            solver="overlay",
        )
    )


def _judged(
    pending: Pending,
    reply: OptimizeReply,
    policy: PortfolioPolicy,
    problem: Problem,
    result: Staged,
    returns: FloatArray,
) -> Decision:
    """Let the gate judge, and tell all that explains the answer over all members."""
    names, held = pending.names, np.array(pending.held)
    picked = np.array([names.index(name) for name in problem.strategies], dtype=np.int64)
    rows = known_rows(returns, picked)
    stages = result.spread(picked, len(names))
    stages = msgspec.structs.replace(stages, held=pending.held)
    after = np.array(stages.rounded)
    parts = cost_model(policy, pending.impact).of(held, after)
    gate = _gate(pending, policy, problem, result, rows, parts.total)
    told = _told(pending, reply, policy, problem, result, rows)
    told = msgspec.structs.replace(
        told,
        stages=stages,
        gate=gate,
        spread=spread_over(reply, picked, len(names)),
    )
    reason = _not_worth_it(policy, gate, result, held, after)
    if reason:
        return sealed(msgspec.structs.replace(told, reason=reason, fallback="hold"))
    cash = result.cash["rounded"]
    return sealed(
        msgspec.structs.replace(
            told,
            outcome="accepted",
            turnover=turnover(held, pending.held_cash, after, cash),
            cost=parts.total,
            cost_parts=CostParts(linear=parts.linear, impact=parts.impact, ticket=parts.ticket),
        )
    )


def _not_worth_it(
    policy: PortfolioPolicy,
    gate: GateCheck | None,
    result: Staged,
    held: FloatArray,
    after: FloatArray,
) -> str:
    """Say why nothing is traded; empty where something is."""
    band = policy.rebalance.band
    still = np.abs(result.weights["banded"] - result.weights["held"]).max(initial=0.0)
    if band is not None and still <= TRADED_MIN and np.abs(after - held).max() <= ROUNDED_MAX:
        return f"no_trade: every weight is within {band.width:g} of its target"
    if gate is None or gate.passed or gate.waived:
        return ""
    return f"gate: {words_of(gate)}"


def _told(
    pending: Pending,
    reply: OptimizeReply,
    policy: PortfolioPolicy,
    problem: Problem,
    result: Staged,
    rows: FloatArray,
) -> Decision:
    """Return what explains the answer, whether or not it is followed."""
    after, cash = result.weights["rounded"], result.cash["rounded"]
    return msgspec.structs.replace(
        blank(pending.context, pending.names, policy),
        excluded=pending.excluded,
        estimates=pending.estimates,
        objective_value=reply.objective_value,
        objective_terms=objective_terms(problem, after),
        ex_ante_held=ex_ante(problem, problem.held, pending.held_cash, policy, rows),
        ex_ante=ex_ante(problem, after, cash, policy, rows),
        binding=reply.binding,
        solver=reply.solver,
        band=result.band,
        risk_contributions=risk_contributions(problem, after),
        correlations_held=correlations(problem, problem.held),
        correlations=correlations(problem, after),
        watched=watched(problem),
        fallback=step_of(reply),
        fallback_steps=steps_of(pending.request, reply),
        instead=reply.instead,
        gap=reply.gap if math.isfinite(reply.gap) else None,  # a local optimum has no bound
        shadow_prices=reply.explanation.shadow_prices if reply.explanation else (),
    )


def _gate(
    pending: Pending,
    policy: PortfolioPolicy,
    problem: Problem,
    result: Staged,
    rows: FloatArray,
    cost: float,
) -> GateCheck | None:
    gate = gate_of(policy)
    if gate is None:
        return None
    gain = utility_gain(problem, problem.held, result.weights["rounded"], rows)
    waived: GateWaiver = pending.context.gate_waived or _cannot_stay(pending, problem)
    return check(policy, gate, gain, cost, waived)


def _cannot_stay(pending: Pending, problem: Problem) -> GateWaiver:
    """Say why what is held cannot be kept, whatever leaving it costs; empty where it can."""
    if problem.held_elsewhere > TRADED_MIN:
        return "leaving"
    staying = replace(problem, turnover_max=None)
    return "limits" if verify(staying, problem.held, pending.held_cash, BREACH_MAX) else ""
