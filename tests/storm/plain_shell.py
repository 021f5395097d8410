"""The plain shell: a librdkafka consumer that starts each partition where its checkpoint says."""

import signal

from confluent_kafka import Consumer, TopicPartition

from streams.kafka.clients import group_consumer_config
from tests.storm.shards import Shards, leave, say

EXIT_CONSUMER = 46


def run(bootstrap: str, scope: str, member: str, *, static: bool) -> None:
    shards = Shards(bootstrap, scope)
    journal = f"{scope}journal"
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    consumer = Consumer(
        group_consumer_config(
            bootstrap,
            group=f"{scope}fold",
            client_id=member,
            instance_id=member if static else None,
        )
    )

    def assigned(_: object, partitions: list[TopicPartition]) -> None:
        shards.install(shards.load(shards.missing({tp.partition for tp in partitions})))
        for tp in partitions:
            tp.offset = shards.owned[tp.partition].state.next_offset
        consumer.assign(partitions)
        say(f"assigned {[(tp.partition, tp.offset) for tp in partitions]}")

    # Nothing is saved on the way out: there is one recovery path, and it is always taken.
    consumer.subscribe([journal], on_assign=assigned)
    while not stopping:
        for message in consumer.consume(500, timeout=0.1):
            if message.error():
                leave(EXIT_CONSUMER, str(message.error()))
            shards.apply(message.partition(), message.offset(), message.value())
        shards.tick()
        for partition in shards.owned:
            _, end = consumer.get_watermark_offsets(TopicPartition(journal, partition), cached=True)
            shards.watch(partition, end if end >= 0 else None)
    consumer.close()
