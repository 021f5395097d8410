"""A place for ingest to work in."""

import pytest

from schemas.topics import TOPICS
from streams.kafka.admin import TopicSpec, ensure_topics
from tests.ingest.arriving import portfolio, strategy
from tests.ingest.working import SHARD, Bench


@pytest.fixture
def bench(broker, scope):
    """Topics of a scope with one portfolio of three strategies, and hands to work them."""
    specs = [TopicSpec(name=t.name, partitions=t.partitions, config=t.config()) for t in TOPICS]
    ensure_topics(broker.bootstrap, specs, scope)
    made = Bench(broker.bootstrap, scope)
    made.register(portfolio("p", shard=SHARD), *(strategy(f"s{i}", "p") for i in range(3)))
    yield made
    made.end()
