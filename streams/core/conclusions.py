"""Decisions that change nothing, and what all decisions have in common: blank fields and an id."""

import hashlib

import msgspec

from schemas.codec import canonical_json
from schemas.decisions import Decision, Estimates
from schemas.optimize import OptimizeReply, OptimizeRequest
from schemas.policy import PortfolioPolicy
from schemas.units import format_instant
from streams.core.identity import Context


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A request that waits for its answer, with all that the decision will need.

    ``impact`` holds the coefficients of the cost of trading ``names``; empty without impact.
    ``nav`` is what the portfolio's capital grew to.
    """

    context: Context
    request: OptimizeRequest
    estimates: Estimates
    excluded: dict[str, str]
    names: tuple[str, ...]
    held: tuple[float, ...]
    held_cash: float
    impact: tuple[float, ...] = ()
    nav: float = 1.0


def declined(
    context: Context,
    reason: str,
    policy: PortfolioPolicy,
    names: tuple[str, ...],
    excluded: dict[str, str] | None = None,
) -> Decision:
    """Return a decision that changes nothing, and why, where no optimizer was asked."""
    return sealed(
        msgspec.structs.replace(
            blank(context, names, policy),
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
    return sealed(
        msgspec.structs.replace(
            blank(pending.context, pending.names, policy),
            reason=f"{reason}: {words}" if words else reason,
            excluded=pending.excluded,
            estimates=pending.estimates,
            violated=reply.violated if reply else (),
            relaxed=reply.relax if reply else (),
            solver=reply.solver if reply else "",
            fallback="hold",
        )
    )


def blank(context: Context, names: tuple[str, ...], policy: PortfolioPolicy) -> Decision:
    """Return a declined decision with nothing in it but what identifies it."""
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
        multiplier=context.multiplier,
    )


def sealed(decision: Decision) -> Decision:
    """Give the decision its id: a digest of its content."""
    digest = hashlib.sha256(canonical_json(decision)).hexdigest()[:32]
    return msgspec.structs.replace(decision, decision_id=digest)
