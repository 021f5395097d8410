"""The ends of partitions are heard of without a consumer, again and again."""

import pytest
from confluent_kafka import Producer

from streams.kafka import ends
from streams.kafka.admin import TopicSpec, ensure_topics
from streams.kafka.clients import producer_config
from streams.kafka.ends import Ends
from streams.settings import KafkaSettings
from tests.kafka.test_broker import wait_for


@pytest.mark.kafka
def test_what_is_written_is_heard_of(broker, scope, monkeypatch):
    monkeypatch.setattr(ends, "ASKED_EVERY_S", 0.1)
    topic = scope + "portfolio.journal.v1"
    ensure_topics(broker.bootstrap, [TopicSpec(name="portfolio.journal.v1", partitions=3)], scope)
    heard = Ends(KafkaSettings(bootstrap=broker.bootstrap, scope=scope), topic, 3)
    producer = Producer(producer_config(broker.bootstrap, client_id="writer", gapless=True))
    for end in (2, 4):
        for _ in range(2):
            producer.produce(topic, b"record", partition=1)
        assert producer.flush(10.0) == 0
        assert wait_for(lambda: heard.of(1) == end)  # noqa: B023  # at once
    assert (heard.of(0), heard.of(2)) == (0, 0)


def test_where_nobody_answers_nothing_is_known():
    assert Ends(KafkaSettings(bootstrap="127.0.0.1:1"), "journal", 2).of(1) == 0
