"""What workers tell of their lag is what ingest is told; nobody's lag is none."""

import time

import pytest

from streams.kafka import walk_lag
from streams.kafka.admin import TopicSpec, ensure_topics
from streams.kafka.walk_lag import WalkLag
from streams.settings import load_settings
from tests.kafka.test_broker import wait_for


def settings_for(bootstrap, scope):
    return load_settings({"APSE_KAFKA__BOOTSTRAP": bootstrap, "APSE_KAFKA__SCOPE": scope})


@pytest.mark.kafka
def test_the_largest_lag_that_was_told_last_is_the_answer(broker, scope):
    ensure_topics(broker.bootstrap, [TopicSpec(name="portfolio.journal.v1", partitions=12)], scope)
    first, second, asker = (WalkLag(settings_for(broker.bootstrap, scope)) for _ in range(3))
    assert asker.ask() == 0
    first.tell({3: (70, 12), 4: (5, 0)})
    assert wait_for(lambda: asker.ask() == 12)
    second.tell({8: (9, 40)})
    assert wait_for(lambda: asker.ask() == 40)
    time.sleep(walk_lag.TOLD_EVERY_S)
    second.tell({8: (11, 0)})
    assert wait_for(lambda: asker.ask() == 12)
    for client in (first, second, asker):
        client.close()


def test_a_broker_that_does_not_answer_gives_no_answer():
    asker = WalkLag(settings_for("127.0.0.1:1", ""))
    assert asker.ask() is None
    asker.close()
