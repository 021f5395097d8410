"""A solve is counted by its status; one that the pool gave up, by why."""

import pytest
from prometheus_client import generate_latest

from schemas.codec import encode_record
from schemas.journal import Reply
from schemas.optimize import OptimizeReply, SolveDiagnostics
from streams.observe.metrics import registry_for
from streams.observe.solves import observe_reply
from tests.observe.exposition import parse


def value(name, **wanted):
    families = parse(generate_latest(registry_for("optimizer")).decode())
    return next(
        amount
        for family in families.values()
        for sample, labels, amount in family.samples
        if sample == name and labels == wanted
    )


def record(status, worker, seconds, reason=""):
    facts = SolveDiagnostics(solve_seconds=seconds, worker=worker, iterations=0)
    reply = OptimizeReply(
        request_id="r", portfolio_id="p", status=status, reason=reason, diagnostics=facts
    )
    return encode_record(Reply(reply=reply))


@pytest.mark.parametrize("status", ["solved", "infeasible", "failed"])
def test_a_solve_is_timed_by_its_own_clock(status):
    before = value("apse_solve_seconds_sum", status=status)
    gave_up = value("apse_optimizer_pool_failures_total", reason="died")
    observe_reply(record(status, "pid-1", 0.25), 9.0)
    assert value("apse_solve_seconds_sum", status=status) - before == pytest.approx(0.25)
    assert value("apse_optimizer_pool_failures_total", reason="died") == gave_up


@pytest.mark.parametrize(
    ("words", "reason"),
    [("no answer within 5.0 s", "deadline"), ("the solving process died", "died")],
)
def test_a_solve_given_up_is_timed_from_outside_and_counted_by_why(words, reason):
    before = value("apse_optimizer_pool_failures_total", reason=reason)
    time_before = value("apse_solve_seconds_sum", status="failed")
    observe_reply(record("failed", "", 0.0, words), 5.0)
    assert value("apse_optimizer_pool_failures_total", reason=reason) - before == 1
    assert value("apse_solve_seconds_sum", status="failed") - time_before == pytest.approx(5.0)
