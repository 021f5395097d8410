"""From estimates to a request, and from the optimizer's answer to a decision with its causes.

Nothing here knows of queues, bars or brokers.
"""

import hashlib
import math
from typing import Final

import msgspec
import numpy as np

from schemas.codec import canonical_json
from schemas.decisions import (
    Decision,
    Estimates,
    ExAnte,
    ObjectiveTerm,
    Stages,
)
from schemas.optimize import GroupBound, OptimizeReply, OptimizeRequest
from schemas.policy import PortfolioPolicy
from schemas.units import format_instant
from streams.core.arrays import FloatArray
from streams.core.covariance import average_correlation, complete_rows, covariance, parse_covariance
from streams.core.eligibility import Book, Selection, problem_limits
from streams.core.errors import DataError
from streams.core.identity import Context, identify
from streams.core.ledger import trade_cost, turnover
from streams.core.optimize import Problem, round_weights, verify
from streams.core.requests import problem_of

WEIGHT_QUANTUM: Final = 1e-10
_COMMON_ROWS_MIN: Final = 2


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A request that waits for its answer, with all that the decision will need."""

    context: Context
    request: OptimizeRequest
    estimates: Estimates
    excluded: dict[str, str]
    names: tuple[str, ...]
    held: tuple[float, ...]
    held_cash: float


def build_request(
    book: Book, selection: Selection, policy: PortfolioPolicy, context: Context
) -> tuple[OptimizeRequest, Estimates] | str:
    """Return the self-contained problem and its estimates, or the reason why there are none."""
    columns = selection.columns
    rows, n_common = complete_rows(book.returns, columns)
    if n_common < _COMMON_ROWS_MIN:
        return "too_few_common"
    periods = policy.periods_per_year
    try:
        cov_annual = covariance(rows, parse_covariance(policy.estimation.covariance)) * periods
    except DataError as error:
        return f"not_finite: {error}"
    with np.errstate(over="ignore"):
        mean_annual = rows.mean(axis=0) * periods
    if not (np.isfinite(cov_annual).all() and np.isfinite(mean_annual).all()):
        return "not_finite: an annual estimate is beyond float64"
    low, high = problem_limits(book, selection, policy)
    outside = np.ones(len(book.names), dtype=bool)
    outside[columns] = False
    request = OptimizeRequest(
        request_id=identify("request", context, policy.portfolio_id),
        attempt=1,
        portfolio_id=policy.portfolio_id,
        shard=context.shard,
        strategies=tuple(book.names[i] for i in columns),
        mean_annual=mean_annual.tobytes(),
        cov_annual_lower=cov_annual[np.tril_indices(len(columns))].tobytes(),
        held=book.held[columns].tobytes(),
        held_cash=book.held_cash,
        held_elsewhere=float(np.abs(book.held[outside]).sum()),
        objective=policy.objective.type,
        risk_aversion=policy.objective.risk_aversion,
        weight_min=low.tobytes(),
        weight_max=high.tobytes(),
        groups=_groups(book, selection, policy),
        cash_min=policy.cash.min,
        cash_max=policy.cash.max,
        turnover_max=None if "turnover_max" in context.exempt else policy.constraints.turnover_max,
        long_only=policy.constraints.long_only,
    )
    estimates = Estimates(
        covariance=policy.estimation.covariance,
        mean=policy.estimation.mean,
        n_common=n_common,
        mean_annual=tuple(mean_annual.tolist()),
        volatility_annual=tuple(np.sqrt(cov_annual.diagonal()).tolist()),
        average_correlation=average_correlation(cov_annual),
    )
    return request, estimates


def decide(pending: Pending, reply: OptimizeReply, policy: PortfolioPolicy) -> Decision:
    """Turn an answer into a decision.

    Whatever is not solved and verified is declined, and the held weights stay.
    """
    if reply.status != "solved":
        reason = "infeasible" if reply.status == "infeasible" else "solver_failed"
        return given_up(pending, reason, policy, reply)
    complaint = _unusable(reply)
    if complaint:
        return given_up(pending, "verification_failed", policy, detail=complaint)
    problem = problem_of(pending.request)
    raw = np.frombuffer(reply.weights, dtype="<f8")
    complaints = verify(problem, raw, reply.cash)
    if complaints:
        return given_up(pending, "verification_failed", policy, reply, complaints[0])
    multiplier = pending.context.multiplier
    overlay = raw * multiplier
    overlay_cash = reply.cash if multiplier == 1.0 else 1.0 - float(overlay.sum())
    rounded, cash = round_weights(overlay, overlay_cash)
    tolerance = (
        1e-8 + len(raw) * WEIGHT_QUANTUM
    )  # rounding moves its residual to the largest weight
    complaints = (
        verify(problem, rounded, cash, tolerance)
        if multiplier == 1.0
        else verify_overlay(raw, rounded, cash, multiplier)
    )
    if complaints:
        return given_up(pending, "verification_failed", policy, reply, complaints[0])
    stages = {
        "held": problem.held,
        "raw": raw,
        "overlay": overlay,
        "banded": overlay,
        "rounded": rounded,
    }
    cashes = {
        "held": pending.held_cash,
        "raw": reply.cash,
        "overlay": overlay_cash,
        "banded": overlay_cash,
        "rounded": cash,
    }
    return _accepted(pending, reply, policy, problem, stages, cashes)


def _unusable(reply: OptimizeReply) -> str:
    """Say why a reply's bytes or figures cannot be read or published; empty where they can."""
    if len(reply.weights) % 8:
        return f"weights of {len(reply.weights)} bytes, expected whole float64 numbers"
    figures = (reply.objective_value, *(limit.price for limit in reply.binding))
    if not all(math.isfinite(figure) for figure in figures):
        return "the objective or a price is not finite"
    return ""


def verify_overlay(
    raw: FloatArray, rounded: FloatArray, cash: float, multiplier: float
) -> tuple[str, ...]:
    """Check that the sent weights are the verified ones scaled, the rest in cash.

    Overlays may leave minima behind.
    """
    tolerance = 1e-8 + len(raw) * WEIGHT_QUANTUM
    if float(np.abs(rounded - multiplier * raw).max(initial=0.0)) > tolerance:
        return (f"overlay: weights are not {multiplier} times the solved ones",)
    if abs(float(rounded.sum()) + cash - 1.0) > tolerance:
        return (f"budget: weights and cash sum to {float(rounded.sum()) + cash!r}, expected 1",)
    return ()


def reduce_by_overlay(
    book: Book, context: Context, factor: float, policy: PortfolioPolicy
) -> Decision:
    """Return the decision that scales what is held by ``factor``, the rest to cash, at once."""
    overlay = book.held * factor
    rounded, cash = round_weights(overlay, 1.0 - float(overlay.sum()))
    complaints = verify_overlay(book.held, rounded, cash, factor)
    if complaints:
        return declined(context, f"verification_failed: {complaints[0]}", policy, book.names)
    after = {"overlay": 1.0 - float(overlay.sum()), "rounded": cash}
    decision = _blank(context, book.names, policy)
    return _sealed(
        msgspec.structs.replace(
            decision,
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
                    "banded": after["overlay"],
                    **after,
                },
            ),
            turnover=turnover(book.held, book.held_cash, rounded, cash),
            cost=trade_cost(book.held, rounded, policy.costs.linear_bps),
            solver="overlay",
        )
    )


def declined(
    context: Context,
    reason: str,
    policy: PortfolioPolicy,
    names: tuple[str, ...],
    excluded: dict[str, str] | None = None,
) -> Decision:
    """Return a decision that changes nothing, and why, where no optimizer was asked."""
    return _sealed(
        msgspec.structs.replace(
            _blank(context, names, policy),
            reason=reason,
            excluded=excluded or {},
            fallback="hold",
        )
    )


def given_up(
    pending: Pending,
    reason: str,
    policy: PortfolioPolicy,
    reply: OptimizeReply | None = None,
    detail: str = "",
) -> Decision:
    """Return a decision that changes nothing, with what is known of the request it gives up."""
    words = detail or (reply.reason if reply else "")
    return _sealed(
        msgspec.structs.replace(
            _blank(pending.context, pending.names, policy),
            reason=f"{reason}: {words}" if words else reason,
            excluded=pending.excluded,
            estimates=pending.estimates,
            violated=reply.violated if reply else (),
            solver=reply.solver if reply else "",
            fallback="hold",
        )
    )


def _groups(book: Book, selection: Selection, policy: PortfolioPolicy) -> tuple[GroupBound, ...]:
    families = [book.entries[i].family for i in selection.columns]
    return tuple(
        GroupBound(
            key=f"families.{name}",
            members=tuple(i for i, family in enumerate(families) if family == name),
            minimum=limit.min,
            maximum=limit.max,
        )
        for name, limit in sorted(policy.constraints.families.items())
        if name in families
    )


def _accepted(
    pending: Pending,
    reply: OptimizeReply,
    policy: PortfolioPolicy,
    problem: Problem,
    stages: dict[str, FloatArray],
    cash: dict[str, float],
) -> Decision:
    """Spread the problem's weights over all members and add what explains them."""
    names = pending.names
    held = np.array(pending.held)
    column = {name: i for i, name in enumerate(names)}
    picked = np.array([column[name] for name in problem.strategies], dtype=np.int64)

    def spread(weights: FloatArray) -> FloatArray:
        out = np.zeros(len(names))
        out[picked] = weights
        return out

    rounded = spread(stages["rounded"])
    after_cash = cash["rounded"]
    return _sealed(
        msgspec.structs.replace(
            _blank(pending.context, names, policy),
            outcome="accepted",
            excluded=pending.excluded,
            estimates=pending.estimates,
            stages=Stages(
                held=tuple(held.tolist()),
                raw=tuple(spread(stages["raw"]).tolist()),
                overlay=tuple(spread(stages["overlay"]).tolist()),
                banded=tuple(spread(stages["banded"]).tolist()),
                rounded=tuple(rounded.tolist()),
                cash=cash,
            ),
            objective_value=reply.objective_value,
            objective_terms=objective_terms(problem, stages["rounded"]),
            ex_ante_held=ex_ante(problem, problem.held, pending.held_cash, policy),
            ex_ante=ex_ante(problem, stages["rounded"], after_cash, policy),
            binding=reply.binding,
            turnover=turnover(held, pending.held_cash, rounded, after_cash),
            cost=trade_cost(held, rounded, policy.costs.linear_bps),
            solver=reply.solver,
        )
    )


def ex_ante(problem: Problem, weights: FloatArray, cash: float, policy: PortfolioPolicy) -> ExAnte:
    """Return mu'w (cash at its rate included), sqrt(w'Sigma w) and their ratio, annual."""
    expected = (
        float(problem.mean_annual @ weights) + cash * policy.cash.rate * policy.periods_per_year
    )
    volatility = float(np.sqrt(max(0.0, float(weights @ problem.cov_annual @ weights))))
    return ExAnte(
        return_annual=expected,
        volatility_annual=volatility,
        sharpe=expected / volatility if volatility > 0 else None,
    )


def objective_terms(problem: Problem, weights: FloatArray) -> tuple[ObjectiveTerm, ...]:
    """Return the named terms of the objective at some weights, annual."""
    variance = float(weights @ problem.cov_annual @ weights)
    if problem.objective == "mean_variance":
        return (
            ObjectiveTerm(name="return", value=float(problem.mean_annual @ weights)),
            ObjectiveTerm(name="risk", value=-0.5 * problem.risk_aversion * variance),
        )
    return (ObjectiveTerm(name="variance", value=variance),)


def _blank(context: Context, names: tuple[str, ...], policy: PortfolioPolicy) -> Decision:
    return Decision(
        decision_id="",
        portfolio_id=policy.portfolio_id,
        epoch=context.epoch,
        version=context.version,
        bar_end=format_instant(context.bar_end_ns),
        trigger=context.trigger,
        outcome="declined",
        reason="",
        policy_version=context.policy_version,
        strategies=names,
        excluded={},
        estimates=None,
        stages=None,
        objective=policy.objective.type,
        objective_value=None,
        objective_terms=(),
        ex_ante_held=None,
        ex_ante=None,
        binding=(),
        violated=(),
        turnover=0.0,
        cost=0.0,
        solver="",
        fallback="none",
        exempt=context.exempt,
    )


def _sealed(decision: Decision) -> Decision:
    """Give the decision its id: a digest of its content."""
    digest = hashlib.sha256(canonical_json(decision)).hexdigest()[:32]
    return msgspec.structs.replace(decision, decision_id=digest)
