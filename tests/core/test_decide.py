"""From estimates to a request, from an answer to a decision."""

import msgspec
import numpy as np
import pandas as pd
import pytest

from schemas.codec import encode_message
from schemas.decisions import Trigger
from schemas.optimize import OptimizeReply, SolveDiagnostics
from streams.core.conclusions import declined, given_up
from streams.core.decide import build_request, decide, pending_of, reduce_by_overlay
from streams.core.eligibility import Book, select
from streams.core.identity import Context
from streams.core.requests import problem_of, reply_to, solve_request
from tests.core.worlds import policy_for

NAMES = ("a", "b", "c", "d")
NOBODY = SolveDiagnostics(solve_seconds=0.0, worker="", iterations=0)
RNG_SEED = 5
ROUNDED = 1e-9  # weights are multiples of 1e-10 and four of them were rounded


def context(**changes):
    given = {
        "portfolio_id": "p",
        "shard": 0,
        "epoch": 1,
        "version": 1,
        "policy_version": 1,
        "bar_end_ns": 0,
        "trigger": Trigger(kind="manual"),
        "exempt": (),
        "multiplier": 1.0,
    }
    return Context(**{**given, **changes})


def book(policy, **changes):
    returns = np.random.default_rng(RNG_SEED).normal(0.001, 0.01, (15, 4))
    given = {
        "names": NAMES,
        "entries": policy.strategies,
        "returns": returns,
        "n_obs": np.full(4, 15),
        "age_bars": np.zeros(4, dtype=int),
        "ended": np.zeros(4, dtype=bool),
        "held": np.array([0.4, 0.3, 0.2, 0.1]),
        "held_cash": 0.0,
    }
    return Book(**{**given, **changes})


def asked(policy, found, at):
    selection = select(found, policy)
    return pending_of(found, selection, policy, at)


def answer(pending, **changes):
    reply = reply_to(pending.request, solve_request(pending.request), NOBODY)
    return msgspec.structs.replace(reply, **changes)


def weights_of(decision):
    return dict(zip(decision.strategies, decision.stages.rounded, strict=True))


def test_the_estimates_are_annual_and_those_of_pandas():
    policy = policy_for(NAMES, estimation__covariance="sample")
    found = book(policy)
    pending = asked(policy, found, context())
    table = pd.DataFrame(found.returns)
    problem = problem_of(pending.request)
    assert problem.cov_annual == pytest.approx(table.cov().to_numpy() * 252, rel=1e-12)
    assert problem.mean_annual == pytest.approx(table.mean().to_numpy() * 252, rel=1e-12)
    assert pending.estimates.n_common == 15
    pairs = table.corr().to_numpy()[np.triu_indices(4, 1)]
    assert pending.estimates.average_correlation == pytest.approx(pairs.mean(), rel=1e-10)


def test_rows_that_are_not_common_to_all_who_take_part_are_left_out():
    policy = policy_for(NAMES, estimation__covariance="sample")
    found = book(policy)
    found.returns[3, 1] = found.returns[9, 2] = np.nan
    pending = asked(policy, found, context())
    assert pending.estimates.n_common == 13
    full = pd.DataFrame(found.returns).dropna().cov().to_numpy() * 252
    assert problem_of(pending.request).cov_annual == pytest.approx(full, rel=1e-12)


def test_fewer_than_two_common_rows_give_no_request():
    policy = policy_for(NAMES)
    found = book(policy)
    found.returns[:8, 0] = found.returns[7:14, 1] = np.nan
    assert build_request(found, select(found, policy), policy, context()) == "too_few_common"


def test_estimates_beyond_numbers_give_no_request():
    policy = policy_for(NAMES)
    found = book(policy)
    found.returns[2, 0] = 1e200
    reason = build_request(found, select(found, policy), policy, context())
    assert reason.startswith("not_finite: ")


def test_what_is_held_by_others_than_those_who_take_part_counts_as_turnover():
    policy = policy_for(NAMES, constraints={"weight_max": 0.7, "turnover_max": 0.2})
    found = book(policy, ended=np.array([0, 0, 0, 1], dtype=bool))
    request = asked(policy, found, context()).request
    assert (request.held_elsewhere, request.turnover_max) == (0.1, 0.2)
    exempt = asked(policy, found, context(exempt=("turnover_max",))).request
    assert exempt.turnover_max is None


def test_families_bound_those_who_take_part():
    constraints = {"families": {"trend": {"max": 0.4}, "arbitrage": {"min": 0.1, "max": 0.5}}}
    policy = policy_for(NAMES, constraints=constraints)  # a, d trend; b arbitrage; c the third
    found = book(policy, ended=np.array([1, 1, 0, 0], dtype=bool))
    groups = asked(policy, found, context()).request.groups
    assert [(g.key, g.members, g.minimum, g.maximum) for g in groups] == [
        ("families.trend", (1,), 0.0, 0.4)
    ]


def test_an_accepted_decision_explains_itself():
    policy = policy_for(NAMES)
    found = book(policy, ended=np.array([0, 0, 0, 1], dtype=bool))
    pending = asked(policy, found, context())
    decision = decide(pending, answer(pending), policy, found.returns)
    weights = np.array(decision.stages.rounded)
    assert (decision.outcome, decision.reason, decision.fallback) == ("accepted", "", "none")
    assert decision.excluded == {"d": "ended"}
    assert weights[3] == 0.0
    assert round(sum(weights * 1e10)) + round(decision.stages.cash["rounded"] * 1e10) == 10**10
    cov = np.zeros((4, 4))
    cov[:3, :3] = problem_of(pending.request).cov_annual
    variance = weights @ cov @ weights
    assert decision.objective_value == pytest.approx(variance, rel=1e-6)
    assert decision.objective_terms[0].value == pytest.approx(variance, rel=1e-12)
    assert decision.ex_ante.volatility_annual == pytest.approx(np.sqrt(variance), rel=1e-12)
    moved = np.abs(weights - found.held).sum()
    assert decision.turnover == pytest.approx(moved / 2, abs=ROUNDED)
    assert decision.cost == pytest.approx(7e-4 * moved, abs=ROUNDED)
    assert decision.stages.held == tuple(found.held)


def test_an_overlay_scales_the_solved_weights_and_moves_the_rest_to_cash():
    policy = policy_for(NAMES)
    plain, reduced = (asked(policy, book(policy), context(multiplier=m)) for m in (1.0, 0.4))
    whole, part = (decide(p, answer(p), policy, book(policy).returns) for p in (plain, reduced))
    assert np.array(part.stages.rounded) == pytest.approx(
        0.4 * np.array(whole.stages.rounded), abs=ROUNDED
    )
    assert part.stages.cash["rounded"] == pytest.approx(0.6, abs=ROUNDED)
    assert part.stages.raw == whole.stages.raw


@pytest.mark.parametrize(
    ("weights", "cash", "words"),
    [
        ([0.25, 0.25, 0.25, 0.2], 0.0, "budget"),
        ([0.8, 0.1, 0.05, 0.05], 0.0, "weight_max"),
        ([1.05, -0.05, 0.0, 0.0], 0.0, "weight"),
        ([0.25, 0.25, 0.25, np.nan], 0.0, "not finite"),
        ([0.5, 0.5], 0.0, "shape"),
        ([0.2, 0.2, 0.2, 0.2], 0.2, "cash_max"),
    ],
)
def test_an_answer_that_breaks_a_limit_is_declined_whoever_gave_it(weights, cash, words):
    policy = policy_for(NAMES)
    pending = asked(policy, book(policy), context())
    reply = answer(pending, weights=np.array(weights).tobytes(), cash=cash)
    decision = decide(pending, reply, policy, book(policy).returns)
    assert (decision.outcome, decision.stages, decision.fallback) == ("declined", None, "hold")
    assert decision.reason.startswith("verification_failed: ")
    assert words.replace("cash_max", "cash") in decision.reason


@pytest.mark.parametrize(
    ("status", "reason"), [("infeasible", "infeasible"), ("failed", "solver_failed: too hot")]
)
def test_no_solution_is_declined_with_what_is_known(status, reason):
    policy = policy_for(NAMES)
    pending = asked(policy, book(policy), context())
    words = "too hot" if status == "failed" else ""
    reply = OptimizeReply(
        request_id=pending.request.request_id,
        portfolio_id="p",
        status=status,
        violated=("weight_max",),
        reason=words,
        diagnostics=NOBODY,
    )
    decision = decide(pending, reply, policy, book(policy).returns)
    assert (decision.outcome, decision.reason) == ("declined", reason)
    assert decision.violated == ("weight_max",)
    assert decision.estimates == pending.estimates


def test_reducing_needs_no_optimizer_and_keeps_proportions():
    policy = policy_for(NAMES)
    decision = reduce_by_overlay(book(policy), context(), 0.25, policy)
    assert weights_of(decision) == pytest.approx(
        {"a": 0.1, "b": 0.075, "c": 0.05, "d": 0.025}, abs=ROUNDED
    )
    assert decision.stages.cash["rounded"] == pytest.approx(0.75, abs=ROUNDED)
    assert (decision.outcome, decision.solver) == ("accepted", "overlay")
    assert decision.turnover == pytest.approx(0.75, abs=ROUNDED)


def test_a_decision_s_id_is_that_of_its_content_and_of_nothing_else():
    policy = policy_for(NAMES)
    first, again = (declined(context(), "halted", policy, NAMES) for _ in range(2))
    assert first == again
    others = [
        declined(context(version=2), "halted", policy, NAMES),
        declined(context(), "paused", policy, NAMES),
        declined(context(), "halted", policy, NAMES, {"a": "stale"}),
    ]
    assert len({first.decision_id, *(d.decision_id for d in others)}) == 4


def test_who_answered_and_how_fast_changes_no_decision():
    policy = policy_for(NAMES)
    pending = asked(policy, book(policy), context())
    slow = SolveDiagnostics(solve_seconds=9.0, worker="far", iterations=7)
    returns = book(policy).returns
    assert decide(pending, answer(pending), policy, returns) == decide(
        pending, answer(pending, diagnostics=slow), policy, returns
    )


def test_an_answer_without_a_bound_is_told_without_one():
    policy = policy_for(NAMES)
    pending = asked(policy, book(policy), context())
    decision = decide(pending, answer(pending, gap=np.inf), policy, book(policy).returns)
    assert decision.outcome == "accepted"
    assert msgspec.json.decode(encode_message(decision))["gap"] is None


def test_a_request_given_up_keeps_its_estimates():
    policy = policy_for(NAMES)
    pending = asked(policy, book(policy), context())
    decision = given_up(pending, "no_answer", policy)
    assert (decision.reason, decision.outcome) == ("no_answer", "declined")
    assert decision.estimates == pending.estimates
