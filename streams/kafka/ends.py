"""Where the partitions of a topic end, asked over a connection of its own.

A consumer knows an end from its last fetch. One whose fetch hangs is told nothing any more, and so
cannot know that it stands still.
"""

import threading
import time
from collections.abc import Iterable
from typing import Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, missing from __all__
    AdminClient,
    OffsetSpec,
)

from streams.kafka.clients import admin_config
from streams.settings import KafkaSettings

ASKED_EVERY_S: Final = 5.0
ANSWER_TIMEOUT_S: Final = 4.0


def ends_of(
    admin: AdminClient, places: Iterable[TopicPartition], timeout_s: float
) -> dict[TopicPartition, int]:
    """Ask the broker where partitions end now.

    Not through a consumer: its connection answers only behind a fetch that waits for data, a tenth
    of a second for each partition.

    Raises
    ------
    confluent_kafka.KafkaException
        When it does not answer in time.
    """
    newest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # a constant, untyped
    told = admin.list_offsets(dict.fromkeys(places, newest), request_timeout=timeout_s)
    return {place: end.result().offset for place, end in told.items()}


class Ends:
    """Asks for the ends of a topic's partitions from a thread of its own.

    Parameters
    ----------
    kafka
        Where the broker is.
    topic
        Its name on the broker.
    partitions
        How many it has.
    """

    def __init__(self, kafka: KafkaSettings, topic: str, partitions: int) -> None:
        config = admin_config(kafka.bootstrap, client_id="apse-ends") | kafka.security()
        self._client = AdminClient(config)
        self._places = [TopicPartition(topic, number) for number in range(partitions)]
        self._found: dict[int, int] = {}
        threading.Thread(target=self._watch, name="ends", daemon=True).start()

    def of(self, partition: int) -> int:
        """Return where a partition ended when it was last heard of; 0 before."""
        return self._found.get(partition, 0)

    def _watch(self) -> None:
        while True:
            try:
                told = ends_of(self._client, self._places, ANSWER_TIMEOUT_S)
            except KafkaException:
                pass  # nobody answers: what was heard last still stood then
            else:
                self._found = {place.partition: end for place, end in told.items()}
            time.sleep(ASKED_EVERY_S)
