"""The admin step: topics made from the one table, under a scope."""

from schemas.topics import TOPICS
from streams.kafka.admin import TopicSpec, TopicsReport, ensure_topics
from streams.settings import KafkaSettings


def create_topics(kafka: KafkaSettings) -> TopicsReport:
    """Create the topics that are missing and check those that exist."""
    specs = [
        TopicSpec(name=topic.name, partitions=topic.partitions, config=topic.config())
        for topic in TOPICS
    ]
    return ensure_topics(kafka.bootstrap, specs, kafka.scope, kafka.security())
