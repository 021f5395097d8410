"""Between the optimizer's wire pair and its arrays."""

import msgspec
import numpy as np
import pytest

from schemas.codec import decode_record, decode_request, encode_record
from schemas.journal import Reply
from schemas.optimize import GroupBound, OptimizeRequest, SolveDiagnostics
from streams.core.optimize import Binding, Failed, Infeasible, Solved
from streams.core.requests import problem_of, reply_to, solve_request

FACTS = SolveDiagnostics(solve_seconds=0.5, worker="w", iterations=3)
COV = np.array([[0.04, 0.01, 0.0], [0.01, 0.09, -0.02], [0.0, -0.02, 0.16]])


def numbers(*values):
    return np.array(values, dtype=float).tobytes()


def request(**changes):
    given = OptimizeRequest(
        request_id="r",
        attempt=1,
        portfolio_id="p",
        shard=0,
        strategies=("a", "b", "c"),
        mean_annual=numbers(0.1, 0.2, 0.3),
        cov_annual_lower=COV[np.tril_indices(3)].tobytes(),
        held=numbers(0.5, 0.25, 0.25),
        held_cash=0.0,
        held_elsewhere=0.0,
        objective="min_variance",
        risk_aversion=1.0,
        weight_min=numbers(0, 0, 0),
        weight_max=numbers(1, 1, 1),
        groups=(GroupBound("families.trend", (0, 2), 0.1, 0.6),),
        cash_min=0.0,
        cash_max=0.0,
        turnover_max=None,
        long_only=True,
    )
    return msgspec.structs.replace(given, **changes)


def test_a_request_s_bytes_come_back_as_the_problem():
    problem = problem_of(decode_request(encode_record(request())))
    assert problem.cov_annual.tolist() == COV.tolist()
    assert problem.mean_annual.tolist() == [0.1, 0.2, 0.3]
    (group,) = problem.groups
    assert (group.key, group.members.tolist()) == ("families.trend", [True, False, True])
    assert (group.minimum, group.maximum) == (0.1, 0.6)


def test_a_request_is_solved_and_its_reply_carries_the_weights():
    outcome = solve_request(request(groups=()))
    reply = decode_record(encode_record(Reply(reply=reply_to(request(), outcome, FACTS)))).reply
    weights = np.frombuffer(reply.weights)
    inverse = np.linalg.inv(COV) @ np.ones(3)  # all weights positive: the textbook solution
    assert weights == pytest.approx(inverse / inverse.sum(), abs=1e-9)
    assert (reply.status, reply.request_id, reply.diagnostics) == ("solved", "r", FACTS)
    assert reply.objective_value == pytest.approx(1 / inverse.sum(), rel=1e-9)


def test_numbers_that_cannot_be_used_are_a_failed_solve():
    outcome = solve_request(request(mean_annual=numbers(0.1, np.nan, 0.3)))
    assert isinstance(outcome, Failed)
    assert "finite" in outcome.reason


def test_limits_in_conflict_are_named():
    outcome = solve_request(request(weight_max=numbers(0.2, 0.2, 0.2)))
    reply = reply_to(request(), outcome, FACTS)
    assert isinstance(outcome, Infeasible)
    assert (reply.status, reply.weights) == ("infeasible", b"")
    assert "weight_max" in reply.violated


def test_a_failure_carries_its_reason():
    reply = reply_to(request(), Failed(reason="deadline"), FACTS)
    assert (reply.status, reply.reason) == ("failed", "deadline")


def test_binding_limits_keep_key_side_price_and_name():
    limit = Binding(key="weight_max", side="max", price=0.25, strategy="b")
    outcome = Solved(
        weights=np.zeros(3),
        cash=1.0,
        objective_value=0.0,
        binding=(limit,),
        solver="s",
        iterations=1,
        exact=True,
    )
    (found,) = reply_to(request(), outcome, FACTS).binding
    assert (found.constraint, found.side, found.price, found.strategy) == (
        "weight_max",
        "max",
        0.25,
        "b",
    )
