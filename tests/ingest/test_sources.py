"""A poll gathers while records keep coming, and keeps none back that comes after a silence."""

from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError

from streams.ingest import sources as module
from streams.ingest.sources import BEAT_S, Source


class Quiet:
    """A client that has one record for each poll, and notes how long it was asked to gather."""

    def __init__(self):
        self.gathered_s = []

    def poll(self, _):
        return Faulty()

    def consume(self, _, timeout):
        self.gathered_s.append(timeout)
        return []


class Faulty:
    """What has nothing but an error that passes: it is looked at no further."""

    def error(self):
        return KafkaError(KafkaError._TRANSPORT)


@pytest.fixture
def clock(monkeypatch):
    now_s = [100.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    return now_s


def source_of(client):
    source = Source.__new__(Source)  # without a broker to join
    source._consumer, source._failure, source._taken_s = client, None, 0.0
    return source


def test_the_first_record_after_a_silence_goes_on_at_once(clock):
    client = Quiet()
    source = source_of(client)
    for _ in range(3):
        clock[0] += BEAT_S
        source.take(10, 0.0)
    assert client.gathered_s == pytest.approx([0.0] * 3, abs=1e-9)


def test_one_that_follows_waits_for_others_until_the_beat_is_over(clock):
    client = Quiet()
    source = source_of(client)
    source.take(10, 0.0)
    clock[0] += BEAT_S / 4
    source.take(10, 0.0)
    assert client.gathered_s == pytest.approx([0.0, BEAT_S * 3 / 4])


def test_a_poll_of_one_record_gathers_nothing():
    client = Quiet()
    source_of(client).take(1, 0.0)
    assert client.gathered_s == []
