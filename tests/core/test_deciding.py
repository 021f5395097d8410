"""Decisions in the fold: what is under way, what is postponed, what is not worth it."""

import itertools

import msgspec
import numpy as np
import pytest

from schemas.events import ControlRequest
from schemas.journal import Control, Release
from schemas.policy import ConstraintOverrides, CorrelationLimits, Overrides
from schemas.topics import OPTIMIZE, STATE
from streams.core.fold import Shard
from streams.core.optimize import verify
from streams.core.requests import problem_of
from tests.core.test_portfolio import DAY, NAMES, Book, built, quiet
from tests.core.worlds import START_NS, Row, canonical, of_topic

ROUNDED = 1e-9  # weights are multiples of 1e-10
DRIFTING = {"schedule": "never", "drift": {"max_abs": 0.002}}


def shown(decisions):
    return [(decision.trigger.kind, decision.outcome) for decision in decisions]


def sent(command):
    return np.array(list(command.target_weights.values()))


@pytest.mark.parametrize("other", [None, CorrelationLimits(cluster_limit=0.999)])
def test_clusters_under_other_limits_are_not_those_of_the_decision_before(other):
    limits = {"cluster_limit": 0.0, "cluster_weight_max": 1.0}
    book = built(constraints={"weight_max": 0.7, "correlation": limits})
    before = book.portfolio.walk.clusters
    assert before == (NAMES,)
    asked = Overrides(constraints=ConstraintOverrides(correlation=other))
    request = ControlRequest(
        request_id="c", portfolio_id="p", action="rebalance", overrides=asked, reason="what if"
    )
    book.append(Control(source=book.at("control"), request=request))
    assert book.decisions[-1].trigger.overrides == asked
    assert book.portfolio.walk.clusters == before


# --------------------------------------------------------------------------- reported ledger


def test_a_reduction_before_the_first_fill_is_reported_scales_what_was_ordered():
    book = built(ledger="reported")
    book.risk("reduce", 0.5)
    first, second = book.commands
    assert sent(second) == pytest.approx(0.5 * sent(first), abs=ROUNDED)
    book.risk("reduce", 0.25)
    assert sent(book.commands[-1]) == pytest.approx(0.25 * sent(first), abs=ROUNDED)


@pytest.mark.parametrize("fate", ["rejected", "expired"])
def test_a_reduction_that_was_refused_does_not_count_as_made(fate):
    book = built(ledger="reported")
    book.report(1, book.commands[0].target_weights)
    book.bars(1)
    book.risk("reduce", 0.5)
    book.report(2, status=fate)
    assert book.portfolio.walk.status.applied_multiplier == 1.0
    held = sum(book.held.values())
    book.risk("reduce", 0.4)
    assert sent(book.commands[-1]).sum() == pytest.approx(0.4 * held, abs=ROUNDED)


def test_the_fill_of_a_superseded_command_leaves_the_newer_one_under_way():
    book = built(ledger="reported")
    book.risk("reduce", 0.5)
    book.report(1, book.commands[0].target_weights)
    book.bars(1)
    assert sum(book.held.values()) == pytest.approx(1.0, abs=ROUNDED)
    book.report(2, book.commands[1].target_weights)
    book.bars(1)
    assert sum(book.held.values()) == pytest.approx(0.5, abs=0.01)  # a bar's drift
    assert not book.portfolio.walk.ledger.moving


def test_drift_waits_for_the_fill_of_our_own_order_and_goes_on_after_it():
    book = Book(quiet(ledger="reported", rebalance=DRIFTING))
    book.bars(6)
    book.control("rebalance")
    book.bars(4)
    assert shown(book.decisions) == [("manual", "accepted")]
    book.report(1, book.commands[0].target_weights)
    book.bars(3)
    assert ("drift", "accepted") in shown(book.decisions)
    decided = len(book.decisions)
    book.bars(2)  # the command of the second decision is still good
    assert len(book.decisions) == decided


@pytest.mark.parametrize("fate", ["rejected", "expired"])
def test_drift_fires_again_once_an_order_was_refused(fate):
    book = Book(quiet(ledger="reported", rebalance=DRIFTING))
    book.bars(6)
    book.control("rebalance")
    book.bars(1)
    book.report(1, status=fate)
    book.bars(1)
    assert shown(book.decisions) == [("manual", "accepted"), ("drift", "accepted")]


def test_an_order_that_nobody_answers_expires_with_its_command():
    book = Book(quiet(ledger="reported", rebalance=DRIFTING))
    book.bars(6)
    book.control("rebalance")
    book.bars(4)
    assert len(book.decisions) == 1
    book.bars(1)  # the fifth bar after its own ends when the command does
    assert shown(book.decisions)[1:] == [("drift", "accepted")]


def test_a_partial_fill_moves_what_is_held_and_leaves_the_rest_under_way():
    book = built(ledger="reported")
    half = {name: weight / 2 for name, weight in book.commands[0].target_weights.items()}
    book.report(1, half, status="partially_filled")
    book.bars(1)
    assert sum(book.held.values()) == pytest.approx(0.5, abs=0.01)  # a bar's drift
    held, _ = book.portfolio.walk.ledger.coming()
    assert held.sum() == pytest.approx(1.0, abs=ROUNDED)


def test_filled_as_a_whole_with_no_weights_told_is_filled_as_it_was_sent():
    book = built(ledger="reported")
    book.report(1)
    book.bars(1)
    ledger = book.portfolio.walk.ledger
    assert sum(book.held.values()) == pytest.approx(1.0, abs=ROUNDED)
    assert not ledger.moving


# --------------------------------------------------------------------------- schedule


def test_a_boundary_that_falls_into_a_cooldown_fires_at_the_first_bar_after_it():
    book = Book(quiet(rebalance={"schedule": "weekly", "cooldown_bars": 9}))
    book.bars(40)
    bars = [state.bar_end for state in of_topic(book.outputs, STATE.name)]
    scheduled = [bars.index(decision.bar_end) for decision in book.decisions]
    accepted = [
        bars.index(decision.bar_end)
        for decision in book.decisions
        if decision.outcome == "accepted"
    ]
    # nine bars hold the boundary seven bars on back until the tenth
    between = {later - before for before, later in itertools.pairwise(accepted)}
    assert between == {10}
    assert len(accepted) >= 3
    assert set(accepted) <= set(scheduled)


# --------------------------------------------------------------------------- families


def test_a_minimum_of_a_family_that_takes_no_part_is_waived_and_listed():
    families = {"trend": {"min": 0.1}, "mean_reversion": {"min": 0.2}}
    book = Book(quiet(constraints={"weight_max": 0.7, "families": families}))
    book.bars(6, names=("a", "b"))  # c, the only one of its family, never speaks
    book.publish([], (1,))
    for name in NAMES:
        book.append(_release(name, book))
    book.control("rebalance")
    (decision,) = book.decisions
    assert decision.outcome == "accepted"
    assert decision.exempt == ("families.mean_reversion.min",)
    assert decision.excluded == {"c": "too_few_observations"}


def _release(name, book):
    return Release(strategy_id=name, through_ns=START_NS + book.day * DAY)


# --------------------------------------------------------------------------- costs and the gate


def gated(k=1.0, **gate):
    policy = quiet(
        costs={"linear_bps": 50, "horizon_bars": 1},
        rebalance={"schedule": "every_bar", "gate": {"k": k, **gate}},
        objective={"type": "equal", "risk_aversion": 1.0},
    )
    book = Book(policy)
    book.bars(12)
    return book


def test_the_gate_lets_the_first_build_by_and_holds_small_gains_back():
    book = gated()
    done = [decision for decision in book.decisions if decision.stages is not None]
    assert done[0].gate.waived == "first_build"
    assert {decision.outcome for decision in done[1:]} == {"declined"}
    assert len(book.commands) == 1


def test_a_decision_that_the_gate_declined_tells_its_numbers_and_what_it_would_have_sent():
    decision = gated().decisions[-1]
    gate = decision.gate
    assert decision.reason.startswith("gate: a gain of ")
    assert (gate.passed, gate.waived, gate.k, gate.horizon_bars) == (False, "", 1.0, 1)
    assert gate.gain == pytest.approx((gate.gain_annual - gate.gain_error_annual) / 252, abs=1e-15)
    moved = np.abs(np.array(decision.stages.rounded) - np.array(decision.stages.held)).sum()
    assert gate.cost == pytest.approx(50e-4 * moved, abs=1e-12)
    assert (decision.turnover, decision.cost, decision.fallback) == (0.0, 0.0, "hold")


def test_a_person_s_wish_passes_the_gate_and_sees_its_verdict():
    book = gated()
    book.control("rebalance")
    decision = book.decisions[-1]
    assert (decision.outcome, decision.gate.waived, decision.gate.passed) == (
        "accepted",
        "manual",
        False,
    )


def test_trades_that_cost_nothing_pass_the_gate():
    assert len(gated(k=0.0, standard_errors=0.0).commands) > 1


def test_who_must_leave_is_not_held_back_by_costs():
    book = gated()
    book.policy(
        msgspec.structs.replace(
            book.portfolio.walk.policy,
            strategies=book.portfolio.walk.policy.strategies[:2],
        ),
        version=2,
    )
    book.bars(1, names=("a", "b"))
    decision = book.decisions[-1]
    assert (decision.outcome, decision.gate.waived) == ("accepted", "leaving")


def test_every_cause_of_cost_is_told_and_paid():
    costs = {"linear_bps": 5, "ticket_bps": 2, "impact": {"coefficient": 1.0, "capacity": 2.0}}
    book = built(costs=costs)
    decision = book.decisions[-1]
    parts = decision.cost_parts
    assert parts.linear == pytest.approx(5e-4, abs=1e-12)
    assert parts.ticket == pytest.approx(6e-4, abs=1e-15)
    assert parts.impact > 0.0
    assert decision.cost == pytest.approx(parts.linear + parts.impact + parts.ticket, abs=1e-15)
    assert of_topic(book.outputs, STATE.name)[-1].cost == pytest.approx(decision.cost, abs=1e-6)


# --------------------------------------------------------------------------- bands and lots


def test_a_band_trades_less_and_holds_every_limit():
    plain = Book(quiet(rebalance={"schedule": "every_bar"}))
    banded = Book(quiet(rebalance={"schedule": "every_bar", "band": {"width": 0.004}}))
    for book in (plain, banded):
        book.bars(20)
    traded = [sum(c.turnover for c in book.commands[1:]) for book in (plain, banded)]
    assert traded[1] < 0.7 * traded[0]
    requests = {request.request_id: request for request in of_topic(banded.outputs, OPTIMIZE.name)}
    problems = [problem_of(request) for request in requests.values()]
    solved = [decision for decision in banded.decisions if decision.stages is not None]
    assert len(problems) == len(solved) > 10
    for problem, decision in zip(problems, solved, strict=True):
        stages = decision.stages
        assert verify(problem, np.array(stages.banded), stages.cash["banded"]) == ()
        away = np.abs(np.array(stages.rounded) - np.array(stages.overlay)).max()
        assert away <= 0.004 + ROUNDED


def test_lots_are_sent_in_money_and_in_weights():
    execution = {"capital": 1_000_000, "lot": 30_000, "currency": "EUR"}
    book = built(execution=execution)
    (command,) = book.commands
    assert (command.capital, command.currency) == (1_000_000.0, "EUR")
    for name, money in command.target_capital.items():
        assert money % 30_000 == 0.0
        assert command.target_weights[name] == pytest.approx(money / 1_000_000, abs=ROUNDED)
    assert sum(command.target_capital.values()) <= 1_000_000
    assert 0.0 < command.target_cash < 0.09


def test_nothing_is_sent_where_everything_is_within_the_band():
    book = Book(quiet(rebalance={"schedule": "every_bar", "band": {"width": 0.2}}))
    book.bars(12)
    assert len(book.commands) == 1
    assert {decision.reason for decision in book.decisions[-3:]} == {
        "no_trade: every weight is within 0.2 of its target"
    }


# --------------------------------------------------------------------------- overlays and signals


def falling(book, bars):
    """Bars that lose two percent each."""
    for _ in range(bars):
        book.day += 1
        stamp_ns = START_NS + book.day * DAY
        book.publish([Row(name, stamp_ns, -0.02) for name in NAMES], (3,))


def test_a_drawdown_shrinks_the_book_at_once_and_it_comes_back_slowly():
    drawdown = {"start": 0.05, "full": 0.15, "floor": 0.4, "recover": 0.1}
    book = built(overlay={"drawdown": drawdown})
    built_until = len(book.decisions)
    falling(book, 12)
    kinds = {decision.trigger.kind for decision in book.decisions[built_until:]}
    assert kinds == {"drawdown"}
    multipliers = [decision.multiplier for decision in book.decisions[built_until:]]
    assert multipliers == sorted(multipliers, reverse=True)
    assert min(multipliers) >= 0.4
    held = sum(book.held.values())
    assert held == pytest.approx(multipliers[-1], abs=0.03)  # drift of a few bars
    book.bars(8, drift=0.05)
    book.control("rebalance")
    assert book.decisions[-1].multiplier > multipliers[-1]


def test_no_drawdown_is_deep_enough_to_lock_the_book_out():
    drawdown = {"start": 0.02, "full": 0.04, "floor": 0.3, "recover": 0.5}
    book = built(overlay={"drawdown": drawdown})
    falling(book, 30)
    assert sum(book.held.values()) > 0.15  # what is left of the floor after losing against cash
    book.bars(60, drift=0.05)
    book.control("rebalance")
    assert book.decisions[-1].multiplier == 1.0


def test_a_turbulent_bar_prompts_an_evaluation():
    signals = {"turbulence": {"above": 20.0}}
    book = Book(quiet(rebalance={"schedule": "never", "signals": signals}))
    book.bars(20)
    assert book.decisions == []
    book.bars(1, drift=0.4)
    (decision,) = book.decisions
    assert decision.trigger.kind == "turbulence"
    assert decision.trigger.value > 20.0


def test_a_turbulence_beyond_float64_is_told_as_a_number():
    signals = {"turbulence": {"above": 20.0}}
    book = Book(quiet(rebalance={"schedule": "never", "signals": signals}))
    book.bars(20)
    stamp_ns = START_NS + (book.day + 1) * DAY
    book.publish(
        [Row("a", stamp_ns, 1e300), Row("b", stamp_ns, 0.01), Row("c", stamp_ns, 0.0)], (3,)
    )
    (decision,) = book.decisions
    assert decision.trigger.kind == "turbulence"
    assert decision.trigger.value >= 1e300
    assert canonical(book.outputs)  # what JSON cannot tell is refused there


def test_drift_in_risk_prompts_an_evaluation():
    book = built(rebalance={"schedule": "never", "drift": {"max_risk": 0.0005}})
    book.bars(10)
    assert "drift_risk" in {decision.trigger.kind for decision in book.decisions}


@pytest.mark.parametrize("cut", [3, 9, 14])
def test_a_restart_anywhere_keeps_orders_signals_overlays_and_postponed_boundaries(cut):
    def played(restarted):
        policy = quiet(
            ledger="reported",
            costs={"linear_bps": 5, "impact": {}, "horizon_bars": 20},
            rebalance={
                "schedule": "weekly",
                "cooldown_bars": 9,
                "drift": {"max_risk": 0.001},
                "signals": {"volatility_regime": {"above": 1.0}, "turbulence": {"above": 2.0}},
                "gate": "net_benefit",
            },
            overlay={"drawdown": {"start": 0.01, "full": 0.1}},
        )
        book = Book(policy)
        for step in range(18):
            if restarted and step == cut:
                _restart(book)
            book.bars(3)
            if step % 4 == 2 and book.commands:
                newest = book.commands[-1]
                book.report(newest.version, newest.target_weights)
        return canonical(book.outputs)

    assert played(restarted=True) == played(restarted=False)


def _restart(book):
    image, at = book.shard.image_of("p"), book.shard.next_offset
    book.shard = Shard(0)
    book.shard.restore("p", image, at)
    book.shard.next_offset = at
