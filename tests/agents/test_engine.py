"""The engine's processes on a real broker: whatever ends, what is published is the replay's."""

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.codec import decode_record, encode_record
from schemas.events import ControlRequest
from schemas.journal import Frame, Reply
from schemas.topics import CHECKPOINTS, DEAD_LETTERS, DECISIONS, JOURNAL, OPTIMIZE, REBALANCE, STATE
from streams.agents.crash import CRASH_POINTS, CRASH_VARIABLE
from streams.files import to_messages
from streams.kafka.clients import admin_config, producer_config
from streams.operate import supervisor
from streams.operate.read import Reader
from streams.operate.send import Sender
from streams.operate.supervisor import INGEST, OPTIMIZER, PORTFOLIO, EngineStoppedError
from tests.agents.faults import (
    SHARD,
    Outcome,
    differences,
    judge,
    policy_of,
    reference,
    run_faults,
    running,
    table_of,
)

pytestmark = pytest.mark.kafka

UP_S = 120.0  # three starts on a very busy machine
TURNS = {
    "after_fold": "after_fold:3",
    "after_output_ack": "after_output_ack:20",
    "mid_solve": "mid_solve:3",  # of each process of the pool: the first would end every try
}
OPTIMIZER_POINTS = ("mid_solve", "while_solving", "before_reply", "after_reply")


def messages_of(table):
    return [row.message() for row in to_messages(table, "1d")]


def no_problems(run, expected):
    outcome = Outcome(0)
    judge(run, expected, outcome)
    assert outcome.problems == [], run.said()
    return outcome


def journal_end(kafka):
    client = AdminClient(admin_config(kafka.bootstrap))
    place = TopicPartition(kafka.scope + JOURNAL.name, SHARD)
    return client.list_offsets({place: OffsetSpec.latest()})[place].result(10.0).offset


def records_of(kafka, topic):
    with Reader(kafka, (topic,)) as reader:
        return list(reader.to_end())


def checkpointed(kafka):
    """The furthest position on the checkpoint topic."""
    positions = [r for r in records_of(kafka, CHECKPOINTS) if r.key == b"%d/position" % SHARD]
    return max((msgspec.msgpack.decode(r.value)["next_offset"] for r in positions), default=0)


def test_processes_killed_in_turn_publish_what_a_replay_does(broker, scope, tmp_path):
    faults = tuple((name, signal.SIGKILL) for name in ("portfolio", "ingest", "optimizer"))
    outcome = run_faults(broker.bootstrap, scope, 11, tmp_path, days=60, faults=faults, slices=12)
    assert outcome.problems == []
    assert len(outcome.faults) == 3
    assert outcome.commands >= 10


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])  # more: python -m tests.agents.faults
def test_killed_stopped_and_frozen_processes_publish_what_a_replay_does(
    broker, scope, tmp_path, seed
):
    outcome = run_faults(broker.bootstrap, scope, seed, tmp_path)
    assert outcome.problems == []
    assert len(outcome.faults) == 5


@pytest.mark.slow
def test_a_crash_at_every_named_point_is_invisible(broker, scope, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "BACKOFF_MAX_S", 0.5)  # so many ends in a minute are the plan
    policies = [policy_of("first"), policy_of("second")]
    table = table_of(5, days=90)
    messages = messages_of(table)
    slices = np.array_split(np.arange(len(messages)), len(CRASH_POINTS) + 1)
    with running(broker.bootstrap, scope, tmp_path) as run:
        run.register(*policies)
        run.publish([messages[i] for i in slices[0]])
        assert run.until(lambda: run.watcher.records > 0, UP_S), run.said()
        for number, point in enumerate(CRASH_POINTS):
            stage = "optimizer" if point in OPTIMIZER_POINTS else "portfolio"
            planned = f"planned crash at {point}"
            restart_with(run, stage, {CRASH_VARIABLE: TURNS.get(point, point)})
            portion = slices[number + 1]
            for part in np.array_split(portion, 4):
                run.publish([messages[i] for i in part])
                run.step(0.3)
            assert run.until(lambda: planned in run.log_of(stage), UP_S), (point, run.said())  # noqa: B023  # called at once
        no_problems(run, reference(policies, table))


def restart_with(run, stage, extra):
    """End a process; the one that follows it, and only that one, has more in its environment."""
    pid = run.pid(stage)
    run.engine._environment.update(extra)
    run.engine._children[("ingest", "portfolio", "optimizer").index(stage)].process.kill()
    assert run.until(lambda: run.pid(stage) != pid, UP_S)
    for name in extra:
        del run.engine._environment[name]


def test_a_journal_shorter_than_the_checkpoint_is_refused_once_and_clearly(broker, scope, tmp_path):
    policy = policy_of("first")
    messages = messages_of(table_of(7, days=30))
    half = len(messages) // 2
    with running(broker.bootstrap, scope, tmp_path) as run:
        run.register(policy)
        run.publish(messages[:half])
        assert run.until(lambda: run.watcher.records > 0, UP_S), run.said()
        run.step(1.5)  # some checkpoints
        kafka, environment = run.kafka, run.environment
        run.engine.stop()
    kept = checkpointed(kafka)
    assert kept > 0
    with running(
        broker.bootstrap, scope, tmp_path / "ingest", commands=(INGEST,), **environment
    ) as run:
        run.publish(messages[half:])
        assert run.until(lambda: journal_end(kafka) > kept, UP_S)
        end = journal_end(kafka)
        place = TopicPartition(scope + JOURNAL.name, SHARD, end)
        client = AdminClient(admin_config(broker.bootstrap))
        client.delete_records([place])[place].result(10.0)
        worker = run.beside(PORTFOLIO)
        words = (
            rf"streams.agents.portfolio refuses to go on.*shard {SHARD}.*offset {kept}.*{end} to"
        )
        with pytest.raises(EngineStoppedError, match=words):
            run.until(lambda: False, UP_S)
        assert worker._children[0].restarts == 0


def test_a_foreign_record_is_passed_over_buried_and_the_fold_goes_on(broker, scope, tmp_path):
    policies = [policy_of("first")]
    table = table_of(8, days=40)
    messages = messages_of(table)
    half = len(messages) // 2
    uneven = Frame(
        topic="t",
        strategies=("s0",),
        strategy=b"\0\0",
        period_end_ns=b"\0" * 8,
        value=b"\0" * 3,
        kind=b"\0",
        revision=b"\0" * 4,
        source_partition=b"\0" * 4,
        source_offset=b"\0" * 8,
    )
    garbage = [b"no record", b"", b"\xff" * 100, encode_record(uneven)]
    with running(broker.bootstrap, scope, tmp_path) as run:
        run.register(*policies)
        run.publish(messages[:half])
        assert run.until(lambda: run.watcher.records > 0, UP_S), run.said()
        foreign = Producer(producer_config(broker.bootstrap, client_id="foreign"))
        for value in garbage:
            foreign.produce(scope + JOURNAL.name, value, partition=SHARD)
            foreign.produce(scope + OPTIMIZE.name, value, partition=SHARD)
        assert foreign.flush(10.0) == 0
        pids = [run.pid(stage) for stage in ("portfolio", "optimizer")]
        run.publish(messages[half:])
        no_problems(run, reference(policies, table))
        assert [run.pid(stage) for stage in ("portfolio", "optimizer")] == pids
        buried = records_of(run.kafka, DEAD_LETTERS)
        assert [record.value for record in buried] == garbage
        for record in buried:
            assert record.headers["apse_error_code"] == b"malformed"
            assert record.headers["apse_source_topic"].decode() == scope + JOURNAL.name
            assert int(record.headers["apse_source_partition"]) == SHARD
        offsets = [int(record.headers["apse_source_offset"]) for record in buried]
        assert offsets == sorted(set(offsets))


def test_an_optimizer_that_never_answers_is_asked_again_and_then_given_up(broker, scope, tmp_path):
    policy = policy_of("first", rebalance={"schedule": "weekly"})
    messages = messages_of(table_of(9, days=40))
    settings = {"APSE_ENGINE__NUDGE_AFTER_MS": "300"}
    commands = (INGEST, PORTFOLIO)
    with running(broker.bootstrap, scope, tmp_path, commands=commands, **settings) as run:
        run.register(policy)
        run.publish(messages)
        assert run.until(lambda: len(run.watcher.streams[STATE.name, "first"]) >= 40, UP_S * 2)
        decisions = [json.loads(value) for value in run.watcher.streams[DECISIONS.name, "first"]]
        requests = records_of(run.kafka, OPTIMIZE)
    assert not run.watcher.streams[REBALANCE.name, "first"]
    given_up = [decision for decision in decisions if decision["reason"] == "no_answer"]
    assert len(given_up) >= 3
    assert {decision["outcome"] for decision in decisions} == {"declined"}
    attempts = [msgspec.msgpack.decode(record.value)["attempt"] for record in requests]
    assert attempts == [1, 2, 3, 4] * len(given_up)


@pytest.mark.slow
def test_an_optimizer_that_starts_after_ten_thousand_bars_gives_the_same_decisions(
    broker, scope, tmp_path, record_property
):
    estimation = {"window_bars": 40, "min_bars": 15, "windows": [10, 40], "figures": "standard"}
    policies = [policy_of("first", estimation=estimation, rebalance={"schedule": "monthly"})]
    table = table_of(10, days=10_000, rows_per_day=1)
    settings = {
        "APSE_ENGINE__NUDGE_AFTER_MS": "600000",  # nobody gives up meanwhile
        "APSE_INGEST__WALK_LAG_BARS_MAX": "1000000",  # and nobody slows down
    }
    commands = (INGEST, PORTFOLIO)
    with running(broker.bootstrap, scope, tmp_path, commands=commands, **settings) as run:
        run.register(*policies)
        run.publish(messages_of(table)[: 6 * 30])
        assert run.until(lambda: run.watcher.records > 0, UP_S), run.said()
        run.step(1.0)
        before_mb = resident_mb(run.pid("portfolio"))
        run.publish(messages_of(table)[6 * 30 :])
        assert run.until(lambda: run_through(run), UP_S), run.said()
        held_mb = resident_mb(run.pid("portfolio")) - before_mb
        run.beside(OPTIMIZER)
        outcome = no_problems(run, reference(policies, table))
    record_property("worker_held_mb", round(held_mb, 1))
    sys.stdout.write(f"10 000 bars of 6 strategies in the queue: {held_mb:.1f} MB more resident\n")
    assert outcome.commands > 300  # one a month
    # a queued bar is an array and a few objects, some 500 bytes, a checkpoint of all of them twice
    # its size; the rest is the clients' buffers
    assert held_mb < 80.0


@pytest.mark.slow
def test_returns_wait_in_their_topic_while_the_walk_is_far_behind(broker, scope, tmp_path):
    policies = [policy_of("first")]
    table = table_of(12, days=1_500, rows_per_day=1)
    settings = {
        "APSE_ENGINE__NUDGE_AFTER_MS": "600000",
        "APSE_INGEST__WALK_LAG_BARS_MAX": "400",
        "APSE_INGEST__POLL_ROWS": "300",
    }
    commands = (INGEST, PORTFOLIO)
    with running(broker.bootstrap, scope, tmp_path, commands=commands, **settings) as run:
        run.register(*policies)
        half = len(messages_of(table)) // 2
        run.publish(messages_of(table)[:half])
        assert run.until(lambda: "returns_held" in run.log_of("ingest"), UP_S), run.said()
        assert run.until(lambda: run_through(run), UP_S), run.said()
        rows, end = journaled_rows(run.kafka), journal_end(run.kafka)
        run.publish(messages_of(table)[half:])
        with Sender(run.kafka) as sender:  # a person is heard all the same
            request = ControlRequest(request_id="resume", portfolio_id="first", action="resume")
            sender.control(request)
        assert run.until(lambda: journal_end(run.kafka) > end, UP_S)
        run.step(1.0)
        assert journaled_rows(run.kafka) == rows <= half
        run.beside(OPTIMIZER)
        no_problems(run, reference(policies, table))
        assert "returns_go_on" in run.log_of("ingest")


def journaled_rows(kafka):
    records = [decode_record(record.value) for record in records_of(kafka, JOURNAL)]
    return sum(len(record.kind) for record in records if isinstance(record, Frame))


def test_an_optimizer_killed_mid_solve_loses_no_request_and_decides_once(broker, scope, tmp_path):
    policies = [policy_of("first"), policy_of("second")]
    table = table_of(13, days=120)
    messages = messages_of(table)
    parts = [[messages[i] for i in part] for part in np.array_split(np.arange(len(messages)), 3)]
    settings = {
        "APSE_ENGINE__NUDGE_AFTER_MS": "30000",  # a slow restart comes first
        "APSE_OPTIMIZER__DEADLINE_MS": "60000",  # the kill comes first, on a slow machine too
    }
    with running(broker.bootstrap, scope, tmp_path, **settings) as run:
        run.register(*policies)
        run.publish(parts[0])
        assert run.until(lambda: answered(run) > 0, UP_S), run.said()

        solver = slow_solve(run, parts[1])
        os.kill(solver, signal.SIGKILL)  # the process that solves: the pool makes another
        assert run.until(lambda: requested(run) == answered(run), UP_S), run.said()

        pid, solver = run.pid("optimizer"), slow_solve(run, parts[2])
        os.kill(pid, signal.SIGKILL)  # all of the optimizer: its successor finds the request
        with suppress(ProcessLookupError):  # a stopped orphan may have been hung up already
            os.kill(solver, signal.SIGCONT)  # where it was not, it ends once it is awake
        assert run.until(lambda: run.pid("optimizer") != pid, UP_S)
        outcome = no_problems(run, reference(policies, table))
        decided = [json.loads(record.value) for record in records_of(run.kafka, DECISIONS)]
        assert requested(run) == answered(run)
    assert outcome.decisions == len({decision["decision_id"] for decision in decided})
    assert {decision["reason"] for decision in decided}.isdisjoint({"solver_failed", "no_answer"})


def slow_solve(run, messages):
    """Freeze the solving process and publish until a request waits for it; return its id."""
    solver = solver_of(run.pid("optimizer"))
    os.kill(solver, signal.SIGSTOP)
    before = requested(run)
    run.publish(messages)
    assert run.until(lambda: requested(run) > before, UP_S), run.said()
    run.step(0.5)  # the optimizer has it, and has given it to the pool
    return solver


def solver_of(pid):
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for task in tasks for child in task.read_text().split()]
    made = [c for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]
    assert len(made) == 1
    return made[0]


def requested(run):
    found = [msgspec.msgpack.decode(record.value) for record in records_of(run.kafka, OPTIMIZE)]
    return len({request["request_id"] for request in found})


def answered(run):
    records = [decode_record(record.value) for record in records_of(run.kafka, JOURNAL)]
    return len({record.reply.request_id for record in records if isinstance(record, Reply)})


def run_through(run):
    """Whether the fold has taken in all that ingest will append."""
    end = journal_end(run.kafka)
    run.step(1.0)
    return journal_end(run.kafka) == end and checkpointed(run.kafka) == end


def resident_mb(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def test_the_judge_can_say_no():
    ours = {("t", "p"): dict.fromkeys([b"a", b"b"])}
    assert differences(ours, {("t", "p"): dict.fromkeys([b"a", b"b"])}) == []
    for other in ([b"a"], [b"b", b"a"], [b"a", b"b", b"c"], [b"a", b"x"], []):
        assert differences(ours, {("t", "p"): dict.fromkeys(other)})
