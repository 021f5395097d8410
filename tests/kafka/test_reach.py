"""A process knows of a broker that does not answer, or has not its topics."""

import time

import pytest

from schemas.topics import JOURNAL
from streams.kafka.admin import TopicSpec, ensure_topics
from streams.kafka.reach import Reach, watch_broker
from streams.settings import KafkaSettings, Settings, load_settings

SOON_S = 10.0  # an interval and an answer's time-out are 3 s; the machine is busy


def says(reach, words):
    """Whether it comes to say so; no words stand for a broker that is there."""
    end_s = time.monotonic() + SOON_S
    while time.monotonic() < end_s:
        reasons = reach.reasons()
        if any(words in reason for reason in reasons) if words else not reasons:
            return True
        time.sleep(0.05)
    return False


def test_a_process_that_shows_no_metrics_asks_nobody():
    assert watch_broker(load_settings({}))() == ()
    assert Settings().metrics.port == 0


def test_a_broker_that_is_not_there_is_named():
    reach = Reach(KafkaSettings(bootstrap="127.0.0.1:1"))
    assert reach.reasons() == ["127.0.0.1:1 was not asked yet"]
    assert says(reach, "127.0.0.1:1 does not answer")


@pytest.mark.kafka  # one that goes away and comes back: tests/agents/test_broker_faults.py
def test_a_broker_without_the_journal_will_not_do_and_one_that_has_it_will(broker, scope):
    reach = Reach(KafkaSettings(bootstrap=broker.bootstrap, scope=scope))
    assert says(reach, f"{broker.bootstrap} has no topic {scope}portfolio.journal.v1")
    ensure_topics(broker.bootstrap, [TopicSpec(name=JOURNAL.name, partitions=2)], scope)
    assert says(reach, "")
