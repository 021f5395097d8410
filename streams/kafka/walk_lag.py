"""How far the walk is behind, told by the workers and asked by who writes the journal.

The agent never refuses a record of the journal, for the awaited decision lies behind it. So writers
slow down: a worker commits, for a group that nobody joins, the place in the journal up to which a
shard is folded, and in the commit's metadata how many closed bars wait there for an answer. Any
Kafka tool shows that group, and no record has to be read to know it. Decisions enter the journal
through the optimizer, requests and reports through ingest as ever: holding back returns alone can
stop nothing that is awaited.
"""

import time
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.topics import JOURNAL
from streams.kafka.clients import group_consumer_config
from streams.settings import Settings

GROUP: Final = "walk"
TOLD_EVERY_S: Final = 0.25
TOLD_AGAIN_S: Final = 10.0  # a worker that was frozen may have told what is no longer so
ASK_TIMEOUT_S: Final = 1.0

Places = dict[int, tuple[int, int]]
"""By shard: next offset of the journal, closed bars that wait."""


class WalkLag:
    """Tells the lag of some shards, or asks for that of all; use it from one thread.

    Parameters
    ----------
    settings
        Where the broker is, and how many shards there are.
    """

    def __init__(self, settings: Settings) -> None:
        kafka = settings.kafka
        config = group_consumer_config(
            kafka.bootstrap, group=kafka.scope + GROUP, client_id="apse-walk-lag"
        )
        self._client = Consumer(config | kafka.security())
        self._journal = kafka.scope + JOURNAL.name
        self._shards = settings.engine.shards
        self._told: Places = {}
        self._due_s = self._again_s = 0.0

    def tell(self, places: Places) -> None:
        """Commit what has changed, not more often than every :data:`TOLD_EVERY_S`."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        self._due_s = now_s + TOLD_EVERY_S
        if now_s >= self._again_s:
            self._again_s, self._told = now_s + TOLD_AGAIN_S, {}
        news = {shard: place for shard, place in places.items() if self._told.get(shard) != place}
        if not news:
            return
        self._told |= news
        offsets = [
            TopicPartition(self._journal, shard, offset, str(bars))
            for shard, (offset, bars) in sorted(news.items())
        ]
        # Asynchronous: one that fails is made good by the next.
        self._client.commit(offsets=offsets, asynchronous=True)

    def ask(self) -> int | None:
        """Return the closed bars that wait on the shard with most; None when nobody answers."""
        places = [TopicPartition(self._journal, shard) for shard in range(self._shards)]
        try:
            found = self._client.committed(places, timeout=ASK_TIMEOUT_S)
        except KafkaException:
            return None
        return max((int(place.metadata or 0) for place in found), default=0)

    def close(self) -> None:
        """End the client."""
        self._client.close()
