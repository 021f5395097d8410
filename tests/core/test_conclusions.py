"""Decisions that change nothing: what they keep, and their ids."""

import msgspec

from schemas.decisions import Decision
from schemas.optimize import OptimizeReply, SolveDiagnostics
from streams.core.conclusions import blank, declined, given_up, sealed
from tests.core.test_decide import NAMES, asked, book, context
from tests.core.worlds import policy_for

POLICY = policy_for(NAMES)


def test_a_decline_says_why_and_who_was_left_out():
    decision = declined(context(), "too_few_eligible", POLICY, NAMES, {"d": "stale"})
    assert (decision.outcome, decision.reason, decision.fallback) == (
        "declined",
        "too_few_eligible",
        "hold",
    )
    assert (decision.excluded, decision.stages, decision.turnover) == ({"d": "stale"}, None, 0.0)


def test_what_is_given_up_keeps_what_the_optimizer_said():
    pending = asked(POLICY, book(POLICY), context())
    reply = OptimizeReply(
        request_id="x",
        portfolio_id="p",
        status="failed",
        reason="too hot",
        solver="piqp",
        violated=("cash",),
        diagnostics=SolveDiagnostics(solve_seconds=0.0, worker="", iterations=0),
    )
    decision = given_up(pending, "solver_failed", POLICY, reply)
    assert decision.reason == "solver_failed: too hot"
    assert (decision.solver, decision.violated) == ("piqp", ("cash",))
    assert decision.estimates == pending.estimates
    assert given_up(pending, "no_answer", POLICY, reply, "late").reason == "no_answer: late"


def test_an_id_is_of_the_content_and_seals_it_once():
    first = sealed(blank(context(), NAMES, POLICY))
    assert len(first.decision_id) == 32
    assert sealed(blank(context(), NAMES, POLICY)) == first
    other = sealed(blank(context(multiplier=0.5), NAMES, POLICY))
    assert other.decision_id != first.decision_id


def test_a_decision_of_before_the_new_fields_is_still_read():
    old = msgspec.to_builtins(declined(context(), "halted", POLICY, NAMES))
    new = {"gate", "cost_parts", "fallback_steps", "correlations", "risk_contributions", "spread"}
    assert not new & set(old)
    assert msgspec.convert(old, Decision).reason == "halted"
