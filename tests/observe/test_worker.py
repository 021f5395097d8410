"""A worker's gauges are those of the newest state, and its counters those of its outputs."""

import msgspec
import numpy as np
import pytest
from prometheus_client import generate_latest

from schemas.events import StrategyReturn
from schemas.topics import DEAD_LETTERS, DECISIONS, REBALANCE, SHADOWS, STATE
from schemas.views import BarData
from streams.core.image import decode_image, encode_image
from streams.core.outputs import Output
from streams.core.portfolio import Portfolio
from streams.observe import worker
from streams.observe.metrics import (
    DECLINE_REASONS,
    LATE_ROWS,
    OTHER,
    SHARE_STATES,
    TRIGGERS,
    registry_for,
)
from streams.observe.worker import ShardFacts, WorkerMetrics, look_at
from tests.core.worlds import World, in_time_order, of_topic, policy_for, ragged
from tests.observe.exposition import parse

NAMES = ("a", "b", "c", "d", "e")

GAUGES = ("apse_portfolio_", "apse_strategy_")


@pytest.fixture(scope="module")
def world():
    made = World(policy_for(NAMES))
    made.publish(in_time_order(ragged(11, NAMES, 40)), [5])
    return made


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


def facts_of(names, acknowledged=0):
    return ShardFacts(
        shard=3,
        lag_records=7,
        checkpoint_age_s=1.5,
        recovery_s=2.5,
        walk_lag_bars=dict.fromkeys(names, 4),
        acknowledged=dict.fromkeys(names, acknowledged),
    )


def shown(metrics):
    families = parse(generate_latest(registry_for("worker", [metrics])).decode())
    return {
        (name, *labels.values()): value
        for family in families.values()
        for name, labels, value in family.samples
    }


def test_gauges_are_those_of_the_newest_state(world):
    metrics = WorkerMetrics(lambda: [facts_of(["p"])])
    metrics.observe(world.outputs)
    state = of_topic(world.outputs, STATE.name)[-1]
    found = shown(metrics)
    assert found["apse_portfolio_nav_ratio", "p"] == state.nav
    assert found["apse_portfolio_drawdown_ratio", "p"] == state.drawdown <= 0
    for name, held, target in zip(state.strategies, state.held, state.target, strict=True):
        assert found["apse_strategy_held_weight_ratio", "p", name] == held
        assert found["apse_strategy_target_weight_ratio", "p", name] == target
    for row in state.rolling:
        assert found["apse_portfolio_volatility_ratio", "p", row.window] == row.volatility_annual
        assert found["apse_portfolio_sharpe", "p", row.window] == row.sharpe
    statuses = {key[2]: n for key, n in found.items() if key[0] == "apse_portfolio_status"}
    assert [status for status, n in statuses.items() if n == 1] == [state.status]
    assert found["apse_stream_lag_records", "3"] == 7
    assert found["apse_walk_lag_bars", "p"] == 4
    assert found["apse_checkpoint_age_seconds", "3"] == 1.5
    assert found["apse_recovery_seconds", "3"] == 2.5


def test_counters_go_up_by_what_the_outputs_hold(world):
    metrics = WorkerMetrics(lambda: [facts_of(["p"])])
    before = shown(metrics)
    metrics.observe(world.outputs)
    after = shown(metrics)
    decisions = of_topic(world.outputs, DECISIONS.name)
    assert {d.outcome for d in decisions} == {"accepted", "declined"}

    def rise(name):
        return sum(after[key] - before[key] for key in after if key[0] == name)

    assert rise("apse_decisions_total") == len(decisions)
    assert rise("apse_declines_total") == sum(d.outcome == "declined" for d in decisions)
    assert rise("apse_commands_total") == len(of_topic(world.outputs, REBALANCE.name))
    assert rise("apse_bars_closed_total") == world.portfolio.walk.status.bar_number


def test_each_trigger_and_reason_of_the_walk_is_on_the_list(world):
    seen = look_at(world.outputs)
    assert {trigger for trigger, _ in seen.decisions} <= set(TRIGGERS) - {OTHER}
    assert set(seen.declines) <= set(DECLINE_REASONS) - {OTHER}


def test_a_trigger_that_is_not_on_the_list_makes_no_series_of_its_own(world):
    decision = of_topic(world.outputs, DECISIONS.name)[0]
    output = next(o for o in world.outputs if o.message is decision)
    trigger = msgspec.structs.replace(decision.trigger, kind="x")
    odd = msgspec.structs.replace(decision, trigger=trigger)
    seen = look_at([type(output)(output.topic, output.key, odd)])
    assert seen.decisions == [(OTHER, decision.outcome)]


def test_a_restored_portfolio_shows_what_it_showed_before(world):
    state = world.portfolio.to_state()
    again = Portfolio.from_state(decode_image(encode_image(state)))
    metrics, before = (WorkerMetrics(lambda: [facts_of(["p"])]) for _ in range(2))
    metrics.restore(again.walk)
    before.observe(world.outputs)
    gauges = {k: v for k, v in shown(before).items() if k[0].startswith(GAUGES) and "p" in k}
    found = shown(metrics)
    assert {key: found[key] for key in gauges} == gauges
    books = {key[1]: v for key, v in gauges.items() if key[0] == "apse_portfolio_shadow_nav_ratio"}
    assert books == {"equal": of_topic(world.outputs, SHADOWS.name)[-1].books[1].nav}


def test_a_portfolio_before_its_first_bar_has_no_samples():
    metrics = WorkerMetrics(lambda: [facts_of(["p"])])
    metrics.restore(World(policy_for(NAMES)).portfolio.walk)
    assert ("apse_portfolio_nav_ratio", "p") not in shown(metrics)


def test_a_shard_that_went_away_takes_its_portfolios_along(world):
    owned = [facts_of(["p"])]
    metrics = WorkerMetrics(lambda: owned)
    metrics.observe(world.outputs)
    assert ("apse_portfolio_nav_ratio", "p") in shown(metrics)
    owned.clear()
    assert not any("p" in key[1:] for key in shown(metrics))


def test_a_command_waits_until_a_report_accepts_its_version(world):
    clock, known_version = Clock(), [0]
    metrics = WorkerMetrics(lambda: [facts_of(["p"], known_version[0])], clock)
    assert shown(metrics)["apse_command_unacknowledged_seconds", "p"] == 0
    metrics.observe(world.outputs)
    clock.now_s = 130.0
    assert shown(metrics)["apse_command_unacknowledged_seconds", "p"] == 30
    known_version[0] = of_topic(world.outputs, REBALANCE.name)[-1].version
    assert shown(metrics)["apse_command_unacknowledged_seconds", "p"] == 0


def test_the_number_of_series_is_bounded_and_what_is_left_out_is_counted(world, monkeypatch):
    monkeypatch.setattr(worker, "PORTFOLIOS_MAX", 4)
    monkeypatch.setattr(worker, "STRATEGIES_MAX", 12)
    state = of_topic(world.outputs, STATE.name)[-1]
    names = [f"p{number}" for number in range(6)]
    metrics = WorkerMetrics(lambda: [facts_of(names)])
    output = next(o for o in world.outputs if o.message is state)
    metrics.observe(
        type(output)(output.topic, name, msgspec.structs.replace(state, portfolio_id=name))
        for name in names
    )
    found = shown(metrics)
    assert sum(key[0] == "apse_portfolio_nav_ratio" for key in found) == 4
    assert sum(key[0] == "apse_strategy_held_weight_ratio" for key in found) == 2 * len(NAMES)
    assert found["apse_hidden_portfolios",] == 4  # two without weights, two left out


def test_shares_and_late_rows_are_counted_once_a_bar(world):
    def counts():
        found = shown(WorkerMetrics(list))
        states = [found["apse_bar_shares_total", state] for state in SHARE_STATES]
        return [*states, *(found["apse_late_rows_total", outcome] for outcome in LATE_ROWS)]

    metrics = WorkerMetrics(list)
    before = counts()
    metrics.observe(world.outputs)
    metrics.observe(world.outputs)  # told again, as after a pause or a restart
    states = {state.bar_number: state for state in of_topic(world.outputs, STATE.name)}.values()
    data = [state.data or BarData() for state in states]
    wanted = {
        "flat": sum(len(one.flat) for one in data),
        "missing": sum(len(one.missing) for one in data),
        "inactive": sum(len(one.inactive) for one in data),
        "quarantined": 0,
    }
    wanted["value"] = len(NAMES) * len(data) - sum(wanted.values())
    assert wanted["missing"] > 0
    told = dict(zip(SHARE_STATES, np.subtract(counts(), before).tolist(), strict=False))
    assert told == wanted


def test_a_letter_of_the_fold_is_counted_by_its_reason():
    letter = Output(
        DEAD_LETTERS,
        "a",
        StrategyReturn(strategy_id="a", period_end="2024-05-31T20:00:00Z", value=0.1),
        headers=(("apse_error_code", "too_late"),),
    )
    assert look_at([letter]).letters == ["too_late"]
    before = shown(WorkerMetrics(list))["apse_dlq_records_total", "too_late"]
    WorkerMetrics(list).observe([letter])
    assert shown(WorkerMetrics(list))["apse_dlq_records_total", "too_late"] == before + 1
