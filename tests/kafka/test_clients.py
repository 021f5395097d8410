"""Topics are what their table says, and every codec and size that is promised passes."""

import numpy as np
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.core.errors import TopicMismatchError
from streams.kafka.admin import TopicSpec, delete_scope, ensure_topics
from streams.kafka.clients import (
    RECORD_BYTES_MAX,
    admin_config,
    group_consumer_config,
    producer_config,
    reader_config,
)

pytestmark = [pytest.mark.kafka]

COMPACTED = TopicSpec(name="c", partitions=3, config={"cleanup.policy": "compact"})
LARGE = TopicSpec(name="l", partitions=1, config={"max.message.bytes": str(RECORD_BYTES_MAX)})


def read(bootstrap, topic, count, partition=0):
    consumer = Consumer(reader_config(bootstrap, client_id="test"))
    consumer.assign([TopicPartition(topic, partition, 0)])
    values = [message.value() for message in consumer.consume(count, timeout=20)]
    consumer.close()
    return values


def test_topics_are_created_once_with_partitions_and_policy(broker, scope):
    first = ensure_topics(broker.bootstrap, [COMPACTED, LARGE], scope)
    again = ensure_topics(broker.bootstrap, [COMPACTED, LARGE], scope)
    assert (first.created, first.existing) == ((f"{scope}c", f"{scope}l"), ())
    assert (again.created, again.existing) == ((), (f"{scope}c", f"{scope}l"))
    assert again.differences == ()
    topics = AdminClient(admin_config(broker.bootstrap)).list_topics(timeout=10).topics
    assert len(topics[f"{scope}c"].partitions) == 3


def test_other_partition_count_or_policy_is_refused(broker, scope):
    ensure_topics(broker.bootstrap, [COMPACTED], scope)
    grown = TopicSpec(name="c", partitions=4, config=COMPACTED.config)
    with pytest.raises(TopicMismatchError, match="has 3 partitions, 4 expected"):
        ensure_topics(broker.bootstrap, [grown], scope)
    expiring = TopicSpec(name="c", partitions=3, config={"cleanup.policy": "delete"})
    with pytest.raises(TopicMismatchError, match=r"cleanup\.policy=compact, delete expected"):
        ensure_topics(broker.bootstrap, [expiring], scope)


def test_other_retention_is_reported_and_left_alone(broker, scope):
    ensure_topics(broker.bootstrap, [TopicSpec(name="r", partitions=1)], scope)
    wanted = TopicSpec(name="r", partitions=1, config={"retention.ms": "1000"})
    for _ in range(2):
        report = ensure_topics(broker.bootstrap, [wanted], scope)
        assert report.differences == (f"topic {scope}r has retention.ms=604800000, 1000 expected",)


def test_unknown_topic_is_not_created_by_writing_to_it(broker, scope):
    failures = []
    config = producer_config(broker.bootstrap, client_id="test") | {"delivery.timeout.ms": 2000}
    producer = Producer(config)
    producer.produce(f"{scope}typo", b"x", on_delivery=lambda error, _: failures.append(error))
    assert producer.flush(10) == 0
    assert [error is not None for error in failures] == [True]
    topics = AdminClient(admin_config(broker.bootstrap)).list_topics(timeout=10).topics
    assert f"{scope}typo" not in topics


def test_scope_is_deleted_and_neighbours_stay(broker, scope):
    ensure_topics(broker.bootstrap, [COMPACTED], f"{scope}a-")
    ensure_topics(broker.bootstrap, [COMPACTED], f"{scope}b-")
    assert delete_scope(broker.bootstrap, f"{scope}a-") == (f"{scope}a-c",)
    names = AdminClient(admin_config(broker.bootstrap)).list_topics(timeout=10).topics
    assert [name for name in names if name.startswith(scope)] == [f"{scope}b-c"]


@pytest.mark.parametrize("codec", ["lz4", "zstd", "snappy", "gzip", "none"])
async def test_every_codec_is_read_by_both_clients(broker, scope, codec):
    import aiokafka  # noqa: PLC0415  # Faust's driver

    ensure_topics(broker.bootstrap, [LARGE], scope)
    sent = [f"return {i}".encode() * 50 for i in range(500)]
    config = producer_config(broker.bootstrap, client_id="test") | {"compression.type": codec}
    producer = Producer(config)
    for value in sent:
        producer.produce(f"{scope}l", value)
    assert producer.flush(20) == 0
    assert read(broker.bootstrap, f"{scope}l", 500) == sent

    consumer = aiokafka.AIOKafkaConsumer(
        f"{scope}l", bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        assert [(await consumer.getone()).value for _ in sent] == sent
    finally:
        await consumer.stop()


@pytest.mark.parametrize("size_bytes", [2_000_000, 30_000_000])
def test_large_record_passes(broker, scope, size_bytes):
    ensure_topics(broker.bootstrap, [LARGE], scope)
    record = np.random.default_rng(5).bytes(size_bytes)  # does not compress
    errors = []
    producer = Producer(producer_config(broker.bootstrap, client_id="test"))
    producer.produce(f"{scope}l", record, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(30) == 0
    assert errors == [None]
    assert read(broker.bootstrap, f"{scope}l", 1) == [record]


def test_key_goes_to_the_partition_java_clients_choose(broker, scope):
    ensure_topics(broker.bootstrap, [TopicSpec(name="k", partitions=6)], scope)
    from aiokafka.partitioner import murmur2  # noqa: PLC0415  # an implementation of its own

    chosen = {}
    producer = Producer(producer_config(broker.bootstrap, client_id="test"))
    keys = [f"portfolio-{i}".encode() for i in range(40)]
    for key in keys:
        producer.produce(
            f"{scope}k",
            b"",
            key,
            on_delivery=lambda _, message: chosen.update({message.key(): message.partition()}),
        )
    assert producer.flush(20) == 0
    assert chosen == {key: (murmur2(key) & 0x7FFFFFFF) % 6 for key in keys}


def test_static_member_returns_to_its_partitions_without_commit_of_its_own(broker, scope):
    ensure_topics(broker.bootstrap, [COMPACTED], scope)
    producer = Producer(producer_config(broker.bootstrap, client_id="test", gapless=True))
    producer.produce(f"{scope}c", b"v", b"k", partition=0)
    assert producer.flush(20) == 0
    config = group_consumer_config(
        broker.bootstrap, group=f"{scope}g", client_id="test", instance_id="one"
    )
    for _ in range(2):
        consumer = Consumer(config)
        consumer.subscribe([f"{scope}c"])
        assert [message.value() for message in consumer.consume(1, timeout=20)] == [b"v"]
        consumer.close()
