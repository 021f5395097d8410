"""Commands from a real broker are handed out, answered and committed once."""

import threading
import time

import msgspec
import pytest
import structlog
from confluent_kafka import Consumer, TopicPartition
from structlog.testing import CapturingLogger

from schemas.topics import REBALANCE, REPORTS, STATE
from schemas.units import parse_instant
from streams.core.errors import BrokerUnavailableError, CommandNotHeldError, DeliveryError
from streams.execution import EventClock, RebalanceConsumer, WallClock
from streams.execution import consumer as consumer_module
from streams.execution.kit import example_command, golden
from streams.kafka.clients import group_consumer_config
from tests.execution.wire import make_topics, read_all, read_reports, send, send_commands

pytestmark = [pytest.mark.kafka]

WAIT_S = 15.0
OUTCOMES = ("admitted", "duplicate", "fenced", "expired", "conflict")


@pytest.fixture
def place(broker, scope):
    make_topics(broker.bootstrap, scope)
    return broker.bootstrap, scope


@pytest.fixture
def log():
    return CapturingLogger()


def desk(place, log=None, clock=None):
    bootstrap, scope = place
    return RebalanceConsumer(
        bootstrap, "desk", scope=scope, clock=clock, instance_id="desk-1", log=log
    )


def drain(consumer, count=0, answer="filled"):
    """Answer commands until `count` came, or, for 0, until none comes for a while."""
    seen = []
    end_s = time.monotonic() + WAIT_S
    while time.monotonic() < end_s and (not count or len(seen) < count):
        command = consumer.poll(1.0 if not count or len(seen) < count else 0.1)
        if command is not None:
            seen.append(command)
            if answer:
                consumer.ack(command, answer)
        elif not count and consumer.counts.total():
            break
    return seen


def committed(place, partition):
    bootstrap, scope = place
    consumer = Consumer(
        group_consumer_config(bootstrap, group=f"{scope}execution.desk", client_id="test")
    )
    (found,) = consumer.committed(
        [TopicPartition(scope + REBALANCE.name, partition)], timeout=WAIT_S
    )
    consumer.close()
    return found.offset


def test_fills_come_back_as_reports_beside_their_commands(place):
    commands = [example_command(p, 1, v) for v in (1, 2, 3) for p in ("a", "b", "c")]
    send_commands(*place, commands)
    with desk(place) as consumer:
        for command in drain(consumer, count=0, answer=None):
            consumer.ack(command, "filled", filled_weights=command.target_weights, cost=0.001)
    reports = {report.command_id: report for report in read_reports(*place)}
    assert reports.keys() == {command.command_id for command in commands}
    for command in commands:
        report = reports[command.command_id]
        assert report.filled_weights == command.target_weights
        assert (report.status, report.as_of, report.cost) == ("filled", command.bar_end, 0.001)
    topics = [read_all(place[0], place[1] + topic.name) for topic in (REBALANCE, REPORTS)]
    asked, told = ({m.key(): m.partition() for m in messages} for messages in topics)
    assert asked == told


def test_only_what_follows_the_committed_offset_is_read_again(place):
    send_commands(*place, [example_command("a", 1, version) for version in (1, 2)])
    with desk(place) as consumer:
        assert len(drain(consumer, 2)) == 2
    send_commands(*place, [example_command("a", 1, 3)])
    with desk(place) as consumer:
        assert [command.version for command in drain(consumer, 1)] == [3]
        assert consumer.counts == {"admitted": 1}


def test_nothing_is_committed_past_a_command_without_final_answer(place):
    send_commands(*place, [example_command("a", 1, version) for version in (1, 2, 3)])
    partition = read_all(place[0], place[1] + REBALANCE.name)[0].partition()
    with desk(place) as consumer:
        one, two, three = drain(consumer, 3, answer=None)
        consumer.ack(one, "filled")
        consumer.ack(three, "filled")
        assert committed(place, partition) == 1
        consumer.ack(two, "rejected", reason="superseded")
        assert committed(place, partition) == 3


def test_interrupted_work_is_handed_out_again_and_says_so(place):
    send_commands(*place, [example_command("a", 1, version) for version in (1, 2)])
    with desk(place) as consumer:
        one, two = drain(consumer, 2, answer=None)
        consumer.ack(one, "filled")
        consumer.ack(two, "accepted")
        consumer.ack(two, "partially_filled", {"trend-us": 0.5}, 0.0)
        assert not consumer.resumed(two)
    with desk(place) as consumer:
        (again,) = drain(consumer, 1, answer=None)
        assert again == two
        assert consumer.resumed(again)
        assert consumer.ordinal(again) == 2
        consumer.ack(again, "partially_filled", {"trend-us": 0.55}, 0.0, final=True)
    with desk(place) as consumer:
        assert consumer.poll(2.0) is None
    statuses = [report.status for report in read_reports(*place)]
    assert statuses == ["filled", "accepted", "partially_filled", "partially_filled"]
    assert len({report.report_id for report in read_reports(*place)}) == 4


def test_late_and_wrong_commands_are_answered_without_being_handed_out(place, log):
    three, two = example_command("a", 1, 3), example_command("a", 1, 2)
    broken = msgspec.structs.replace(example_command("a", 1, 4), target_cash=0.7)
    other = msgspec.structs.replace(three, cost=0.5)
    late = msgspec.structs.replace(
        example_command("a", 1, 5), bar_end="2024-01-01T00:00:00Z", expires_at=two.bar_end
    )
    send_commands(*place, [three, three, two, other, broken])
    send(place[0], place[1] + REBALANCE.name, [(b"a", b"{nonsense")])
    send_commands(*place, [late, two, late])
    with desk(place, structlog.wrap_logger(log, processors=[])) as consumer:
        assert drain(consumer, 0) == [three]
        assert consumer.counts == {
            "admitted": 2,
            "duplicate": 3,
            "fenced": 1,
            "conflict": 1,
            "command_conflict": 1,
            "contradictory": 1,
            "malformed_command": 1,
            "expired": 1,
        }
    reports = {report.command_id: report for report in read_reports(*place)}
    assert {
        version: reports[c.command_id].status
        for version, c in {"three": three, "two": two, "broken": broken, "late": late}.items()
    } == {
        "three": "filled",
        "two": "rejected",
        "broken": "rejected",
        "late": "expired",
    }
    assert len(read_reports(*place)) == 4
    assert "not above epoch 1 version 3" in reports[two.command_id].reason
    assert "sum to 1.6" in reports[broken.command_id].reason
    alarms = [call.kwargs["event"] for call in log.calls if call.method_name == "error"]
    assert sorted(alarms) == ["command_conflict", "command_contradictory", "malformed_command"]


def test_conflict_is_found_after_a_restart_too(place):
    command = example_command("a", 1, 3)
    send_commands(*place, [command])
    with desk(place) as consumer:
        assert drain(consumer, 1) == [command]
    send_commands(*place, [msgspec.structs.replace(command, cost=0.5), command])
    with desk(place) as consumer:
        assert drain(consumer) == []
        assert consumer.counts == {"conflict": 1, "command_conflict": 1, "duplicate": 1}


def test_fence_and_event_clock_outlive_a_restart(place):
    send_commands(*place, [example_command("a", 1, 9)])
    with desk(place) as consumer:
        drain(consumer, 1)
    back = msgspec.structs.replace(
        example_command("a", 1, 10),
        bar_end="2024-01-01T00:00:00Z",
        expires_at="2024-01-02T00:00:00Z",
    )
    send_commands(*place, [example_command("a", 1, 8), back])
    with desk(place) as consumer:
        assert drain(consumer) == []
        assert consumer.counts == {"fenced": 1, "expired": 1}


def test_wall_clock_of_the_caller_judges_expiry_and_stamps_reports(place):
    now_ns = parse_instant("2024-06-05T12:00:00Z")
    send_commands(*place, [example_command("a", 1, version) for version in (1, 2, 3)])
    with desk(place, clock=WallClock(lambda: now_ns)) as consumer:
        assert [command.version for command in drain(consumer)] == [3]
    reports = read_reports(*place)
    assert [report.status for report in reports] == ["expired", "expired", "filled"]
    assert {report.as_of for report in reports} == {"2024-06-05T12:00:00Z"}


def test_state_records_drive_the_event_clock_when_asked(place):
    state = b'{"portfolio_id": "a", "bar_end": "2024-06-20T00:00:00Z", "nav": 1.0}'
    send(place[0], place[1] + STATE.name, [(b"a", b"broken"), (b"a", state)])
    clock = EventClock(follows_state=True)
    with desk(place, clock=clock) as consumer:
        end_s = time.monotonic() + WAIT_S
        while not clock._newest_ns and time.monotonic() < end_s:
            consumer.poll(0.2)
        send_commands(*place, [example_command("a", 1, version) for version in (2, 18)])
        assert [command.version for command in drain(consumer, 1)] == [18]
        assert (consumer.counts["expired"], consumer.counts["malformed_state"]) == (1, 1)


def test_second_answer_is_refused(place):
    send_commands(*place, [example_command("a", 1, 1)])
    with desk(place) as consumer:
        (command,) = drain(consumer, 1)
        with pytest.raises(CommandNotHeldError, match="answered before"):
            consumer.ack(command, "filled")
    assert len(read_reports(*place)) == 1


@pytest.mark.parametrize(
    "wrong", [{"cost": -0.1}, {"cost": float("nan")}, {"filled_weights": {"a b": 1.0}}]
)
def test_report_that_cannot_be_written_is_refused_and_the_command_stays_held(place, wrong):
    send_commands(*place, [example_command("a", 1, 1)])
    with desk(place) as consumer:
        (command,) = drain(consumer, 1, answer=None)
        with pytest.raises(ValueError, match=f"report on command {command.command_id}"):
            consumer.ack(command, "filled", **wrong)
        consumer.ack(command, "filled")
    assert len(read_reports(*place)) == 1


def test_report_that_the_broker_refuses_is_an_error_and_nothing_is_committed(broker, scope):
    make_topics(broker.bootstrap, scope, REBALANCE)
    small = msgspec.structs.replace(REPORTS, record_bytes_max=300)  # a report has 600
    make_topics(broker.bootstrap, scope, small)
    command = example_command("a", 1, 1)
    send_commands(broker.bootstrap, scope, [command])
    place = (broker.bootstrap, scope)
    partition = read_all(broker.bootstrap, scope + REBALANCE.name)[0].partition()
    with desk(place) as consumer:
        (held,) = drain(consumer, 1, answer=None)
        with pytest.raises(DeliveryError, match="too large"):
            consumer.ack(held, "filled")
    assert committed(place, partition) <= 0  # the command comes again


def test_missing_topics_and_brokers_are_named(broker, scope):
    with pytest.raises(BrokerUnavailableError, match=r"no topic .*rebalance\.v1"):
        desk((broker.bootstrap, scope)).__enter__()


def test_members_share_the_portfolios_and_answer_each_command_once(place):
    bootstrap, scope = place
    stop = threading.Event()
    answered = {0: [], 1: []}
    failures = []

    def member(number):
        try:
            with RebalanceConsumer(bootstrap, "desk", scope=scope) as consumer:
                for command in consumer.commands(stop):
                    answered[number].append(command.command_id)
                    consumer.ack(command, "filled")
        except Exception as error:  # noqa: BLE001  # shown by the assertion below
            failures.append(error)

    commands = [example_command(f"p{n}", 1, v) for v in range(1, 11) for n in range(12)]
    threads = [threading.Thread(target=member, args=(number,)) for number in (0, 1)]
    threads[0].start()
    send_commands(bootstrap, scope, commands[:60])
    threads[1].start()
    send_commands(bootstrap, scope, commands[60:])
    end_s = time.monotonic() + 40
    while sum(map(len, answered.values())) < len(commands) and time.monotonic() < end_s:
        time.sleep(0.1)
        assert not failures
    stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert not failures
    told = [report.command_id for report in read_reports(bootstrap, scope)]
    assert sorted(told) == sorted(command.command_id for command in commands)


def test_golden_stream_comes_out_of_the_consumer_as_the_kit_expects(place):
    now = {"ns": 0}
    with desk(place, clock=WallClock(lambda: now["ns"])) as consumer:
        for number, case in enumerate(golden()):
            now["ns"] = case.now_ns
            send_commands(*place, [case.command])
            end_s = time.monotonic() + WAIT_S
            while sum(consumer.counts[name] for name in OUTCOMES) == number:
                assert time.monotonic() < end_s, case.name
                command = consumer.poll(0.1)
                if command is not None:
                    consumer.ack(command, "filled", filled_weights=command.target_weights)
    told = [(r.portfolio_id, r.command_id, r.status) for r in read_reports(*place)]
    expected = [
        (case.command.portfolio_id, case.command.command_id, case.expected)
        for case in golden()
        if case.expected != "silence"
    ]
    for portfolio in ("book", "side"):
        assert [r for r in told if r[0] == portfolio] == [e for e in expected if e[0] == portfolio]


def test_answers_whose_commit_was_lost_are_not_given_again(place, monkeypatch):
    commands = [example_command("a", 1, version) for version in (1, 2, 3)]
    send_commands(*place, commands)
    with monkeypatch.context() as without:
        without.setattr(RebalanceConsumer, "_commit", lambda *_: None)
        with desk(place) as consumer:
            assert drain(consumer, 3) == commands
    with monkeypatch.context() as without:  # what the rebuilt gate is for
        without.setattr(RebalanceConsumer, "_commit", lambda *_: None)
        nothing = {number: [] for number in range(REPORTS.partitions)}
        without.setattr(consumer_module, "read_answers", lambda *_: nothing)
        with desk(place) as consumer:
            assert drain(consumer, 3, answer=None) == commands
    with desk(place) as consumer:
        assert drain(consumer) == []
        assert consumer.counts == {"duplicate": 3}
    assert len(read_reports(*place)) == 3
