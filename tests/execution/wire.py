"""What the tests of the execution side put on a broker and read back from it."""

import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from schemas.codec import canonical_json, decode_report
from schemas.topics import REBALANCE, REPORTS, STATE
from streams.kafka.admin import TopicSpec, ensure_topics
from streams.kafka.clients import producer_config, reader_config


def make_topics(bootstrap, scope, *topics):
    ensure_topics(
        bootstrap,
        [
            TopicSpec(name=topic.name, partitions=topic.partitions, config=topic.config())
            for topic in topics or (REBALANCE, REPORTS, STATE)
        ],
        scope,
    )


def send(bootstrap, topic, records):
    """Send (key, value) pairs in their order and wait for all."""
    errors = []
    producer = Producer(producer_config(bootstrap, client_id="test"))
    for key, value in records:
        producer.produce(topic, value, key, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(30) == 0
    assert set(errors) <= {None}


def send_commands(bootstrap, scope, commands):
    records = [(c.portfolio_id.encode(), canonical_json(c)) for c in commands]
    send(bootstrap, scope + REBALANCE.name, records)


def read_all(bootstrap, topic):
    """Every record of a topic up to its present end."""
    consumer = Consumer(reader_config(bootstrap, client_id="test"))
    count = len(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, number, 0) for number in range(count)])
    unread, found, end_s = set(range(count)), [], time.monotonic() + 30
    while unread:
        assert time.monotonic() < end_s, f"{topic} {unread} was not read in time"
        for message in consumer.consume(1000, timeout=0.2):
            if message.error() is None:
                found.append(message)
            else:
                assert message.error().code() == KafkaError._PARTITION_EOF
                unread.discard(message.partition())
    consumer.close()
    return found


def read_reports(bootstrap, scope):
    messages = read_all(bootstrap, scope + REPORTS.name)
    return [decode_report(message.value()) for message in messages]


def wait_for_reports(bootstrap, scope, count, timeout_s=30):
    end_s = time.monotonic() + timeout_s
    while True:
        reports = read_reports(bootstrap, scope)
        if len(reports) >= count:
            return reports
        assert time.monotonic() < end_s, f"{len(reports)} of {count} reports"
        time.sleep(0.02)
