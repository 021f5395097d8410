"""Whether the broker can be reached: asked over a connection of its own, every second."""

import threading
import time
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas.topics import JOURNAL
from streams.kafka.clients import admin_config
from streams.observe.probes import Reasons
from streams.settings import KafkaSettings, Settings

ASKED_EVERY_S: Final = 1.0
ANSWER_TIMEOUT_S: Final = 2.0
NEWS_MAX_S: Final = 5.0  # an answer older than that says nothing of now
RECONNECT_MS: Final = 500  # a broker that is back is found within this; the default grows to 10 s


def watch_broker(settings: Settings) -> Reasons:
    """Watch the broker, if this process shows its metrics; return why it cannot be worked with."""
    if not settings.metrics.port:
        return lambda: ()
    return Reach(settings.kafka).reasons


class Reach:
    """Asks, from a thread of its own, for the leaders of the journal.

    Parameters
    ----------
    kafka
        Where the broker is.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._bootstrap = kafka.bootstrap
        self._journal = kafka.scope + JOURNAL.name
        config = admin_config(kafka.bootstrap, client_id="apse-probe") | kafka.security()
        self._client = AdminClient(config | {"reconnect.backoff.max.ms": RECONNECT_MS})
        self._found = (time.monotonic(), f"{self._bootstrap} was not asked yet")
        threading.Thread(target=self._watch, name="reach", daemon=True).start()

    def reasons(self) -> list[str]:
        """Return why the broker cannot be worked with; nothing when it can."""
        at_s, reason = self._found
        if time.monotonic() - at_s > NEWS_MAX_S:
            return [f"{self._bootstrap} has not answered for {time.monotonic() - at_s:.0f} s"]
        return [reason] if reason else []

    def _watch(self) -> None:
        while True:
            reason = self._ask()
            self._found = (time.monotonic(), reason)
            time.sleep(ASKED_EVERY_S)

    def _ask(self) -> str:
        try:
            told = self._client.list_topics(self._journal, timeout=ANSWER_TIMEOUT_S)
        except KafkaException as error:
            return f"{self._bootstrap} does not answer: {error.args[0].str()}"
        partitions = told.topics[self._journal].partitions
        if not partitions:
            return f"{self._bootstrap} has no topic {self._journal}"
        orphans = sorted(number for number, place in partitions.items() if place.leader < 0)
        return f"{self._journal} has no leader for partitions {orphans}" if orphans else ""
