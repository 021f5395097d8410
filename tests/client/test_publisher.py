"""Returns reach a real broker in order, in the right partition, after their registration."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from aiokafka.partitioner import DefaultPartitioner
from confluent_kafka import KafkaException

from schemas.codec import decode_registration, decode_return
from schemas.events import StrategyRegistration
from schemas.topics import REBALANCE, REGISTRY, REPORTS, RETURNS
from streams.client import ReturnPublisher
from streams.core.errors import BrokerUnavailableError, DeliveryError
from streams.execution.kit import example_command
from tests.execution.wire import make_topics, read_all, send, send_commands, wait_for_reports

pytestmark = [pytest.mark.kafka]

EXAMPLES = Path(__file__).parents[2] / "examples" / "clients"
DAYS = [f"2024-05-{day:02d}T00:00:00Z" for day in range(1, 11)]


@pytest.fixture
def place(broker, scope):
    make_topics(broker.bootstrap, scope, RETURNS, REGISTRY)
    return broker.bootstrap, scope


def returns_of(place):
    return read_all(place[0], place[1] + RETURNS.name)


def registry_of(place):
    return read_all(place[0], place[1] + REGISTRY.name)


def test_returns_and_marks_of_a_strategy_arrive_in_their_order(place):
    with ReturnPublisher(*place) as publisher:
        for number, day in enumerate(DAYS):
            publisher.publish("a", day, number / 100)
            publisher.publish("b", day, -number / 100, revision=1, currency="EUR")
        publisher.progress("a", "2024-05-20T00:00:00Z")
        publisher.end("b", "2024-05-20T00:00:00Z")
    rows = [decode_return(message.value()) for message in returns_of(place)]
    assert [row.value for row in rows if row.strategy_id == "a"] == [
        *(number / 100 for number in range(10)),
        None,
    ]
    of_b = [row for row in rows if row.strategy_id == "b"]
    assert [row.period_end for row in of_b] == [*DAYS, "2024-05-20T00:00:00Z"]
    assert [row.status for row in of_b] == ["value"] * 10 + ["inactive"]
    assert registry_of(place) == []


def test_partition_is_the_one_other_clients_choose_for_the_key(place):
    partitions = list(range(RETURNS.partitions))
    choose = DefaultPartitioner()  # murmur2 of another client, the oracle
    names = [f"strategy-{number}" for number in range(50)]
    with ReturnPublisher(*place) as publisher:
        for name in names:
            publisher.publish(name, DAYS[0], 0.0)
    found = {message.key().decode(): message.partition() for message in returns_of(place)}
    assert found == {name: choose(name.encode(), partitions, partitions) for name in names}
    assert len(set(found.values())) > 6


def test_registration_is_on_the_broker_before_the_first_return(place):
    names = [f"s{number}" for number in range(8)]
    with ReturnPublisher(*place, register="trend", portfolios=("demo", "live")) as publisher:
        for day in DAYS[:3]:
            for name in names:
                publisher.publish(name, day, 0.01)
    registered = {message.key().decode(): message for message in registry_of(place)}
    assert len(registry_of(place)) == len(names)
    first = {}
    for message in returns_of(place):
        first.setdefault(message.key().decode(), message.timestamp()[1])
    for name in names:
        message = registered[f"strategy/{name}"]
        assert decode_registration(message.value()) == StrategyRegistration(
            strategy_id=name, family="trend", portfolios=("demo", "live")
        )
        assert message.timestamp()[1] <= first[name]


def test_return_waits_for_the_acknowledgement_of_the_registration(broker, scope):
    """With nowhere to register, no return leaves."""
    make_topics(broker.bootstrap, scope, RETURNS)
    tiny = msgspec.structs.replace(REGISTRY, record_bytes_max=60)  # no registration fits
    make_topics(broker.bootstrap, scope, tiny)
    place = (broker.bootstrap, scope)
    publisher = ReturnPublisher(*place, register="trend")
    with pytest.raises(DeliveryError, match=r"strategy/a: .*too large"):
        publisher.publish("a", DAYS[0], 0.0)
    publisher.flush()
    assert returns_of(place) == []


def test_registration_that_is_there_stays_as_it_is(place):
    known = StrategyRegistration(
        strategy_id="a", family="arbitrage", portfolios=("live",), weight_max=0.1
    )
    records = [(b"strategy/a", msgspec.json.encode(known)), (b"strategy/gone", b"")]
    send(place[0], place[1] + REGISTRY.name, records)
    for _ in range(2):
        with ReturnPublisher(*place, register="trend") as publisher:
            publisher.publish("a", DAYS[0], 0.0)
            publisher.publish("b", DAYS[0], 0.0)
    keys = [message.key() for message in registry_of(place)]
    assert keys == [b"strategy/a", b"strategy/gone", b"strategy/b"]


def test_wrong_value_is_refused_and_nothing_of_it_is_sent(place):
    with ReturnPublisher(*place, register="trend") as publisher:
        publisher.publish("a", DAYS[0], 0.01)
        for wrong in (float("nan"), -2.0, None):
            with pytest.raises(ValueError, match="return"):
                publisher.publish("wrong", DAYS[1], wrong)
        publisher.publish("a", DAYS[1], 0.02)
    assert [decode_return(message.value()).value for message in returns_of(place)] == [0.01, 0.02]
    assert [message.key() for message in registry_of(place)] == [b"strategy/a"]


def test_undelivered_return_is_an_error_on_exit(broker, scope):
    make_topics(broker.bootstrap, scope, msgspec.structs.replace(RETURNS, record_bytes_max=60))

    def block():
        with ReturnPublisher(broker.bootstrap, scope) as publisher:
            publisher.publish("a", DAYS[0], 0.0)
            publisher.publish("a", DAYS[1], 0.0)

    with pytest.raises(DeliveryError, match=r"2 messages .*returns\.v1 a: .*too large"):
        block()
    assert returns_of((broker.bootstrap, scope)) == []


def test_undelivered_return_does_not_hide_the_error_of_the_block(broker, scope):
    make_topics(broker.bootstrap, scope, msgspec.structs.replace(RETURNS, record_bytes_max=60))

    def block():
        with ReturnPublisher(broker.bootstrap, scope) as publisher:
            publisher.publish("a", DAYS[0], 0.0)
            _ = {}["mine"]

    with pytest.raises(KeyError, match="mine") as raised:
        block()
    assert "1 messages were not delivered" in raised.value.__notes__[0]


def test_undelivered_return_is_an_error_of_the_next_one(broker, scope):
    make_topics(broker.bootstrap, scope, msgspec.structs.replace(RETURNS, record_bytes_max=60))
    with ReturnPublisher(broker.bootstrap, scope) as publisher:
        publisher.publish("a", DAYS[0], 0.0)
        with pytest.raises(DeliveryError, match="1 messages were not delivered"):
            publisher.flush()
        publisher.publish("a", DAYS[1], 0.0)
        publisher._producer.flush(20)
        with pytest.raises(DeliveryError, match="1 messages were not delivered"):
            publisher.publish("a", DAYS[2], 0.0)


def test_missing_registry_is_named(broker, scope):
    make_topics(broker.bootstrap, scope, RETURNS)
    publisher = ReturnPublisher(broker.bootstrap, scope, register="trend")
    with pytest.raises(BrokerUnavailableError, match=r"portfolio\.registry\.v1 cannot be read"):
        publisher.publish("a", DAYS[0], 0.0)


def run_example(name, place):
    environment = os.environ | {"KAFKA_BOOTSTRAP_SERVERS": place[0], "APSE_KAFKA__SCOPE": place[1]}
    return subprocess.Popen(
        [sys.executable, EXAMPLES / name],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_five_line_example_publishes(place):
    example = run_example("publish_five_lines.py", place)
    said, _ = example.communicate(timeout=60)
    assert example.returncode == 0, said
    values = [decode_return(message.value()).value for message in returns_of(place)]
    assert values == [0.0123, -0.0041]
    assert [message.key() for message in registry_of(place)] == [b"strategy/momentum-us"]


def test_executor_example_answers_and_stops_when_asked(place):
    make_topics(*place, REBALANCE, REPORTS)
    send_commands(*place, [example_command("a", 1, version) for version in (1, 2)])
    example = run_example("execute.py", place)
    try:
        reports = wait_for_reports(*place, 2, 40)
        example.terminate()
        said, _ = example.communicate(timeout=30)
    finally:
        example.kill()
        example.wait()
    assert example.returncode == 0, said
    assert [report.status for report in reports] == ["filled", "filled"]


def test_the_login_reaches_the_client():
    with pytest.raises(KafkaException, match=r"security\.protocol"):
        ReturnPublisher("127.0.0.1:9", security={"security.protocol": "no such thing"})
