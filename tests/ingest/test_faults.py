"""Faults around ingest on a real broker: nothing lost, nothing counted twice, nobody wronged."""

import time

import pytest
from confluent_kafka import Producer

from schemas.journal import Release
from schemas.topics import DEAD_LETTERS, RETURNS, STATE
from streams.core.errors import DeliveryError
from streams.ingest.service import Ingest
from streams.kafka.clients import producer_config
from tests.core.worlds import of_topic
from tests.ingest.arriving import portfolio, return_bytes, strategy
from tests.ingest.doomed_ingest import POINTS
from tests.ingest.working import SHARD, WAIT_S, drive

NAMES = ("s0", "s1", "s2")

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def publish(bench, seconds, names=NAMES):
    for second in seconds:
        for partition, name in enumerate(names):
            value = return_bytes(name, second, 0.001 * (1 + second % 7))
            bench.send(RETURNS, value, name.encode(), partition=partition)
    bench.flush()


def bars_of(bench, shard=SHARD):
    """Bars of the fold of the journal: end and returns of the strategies held, by bar."""
    fold, outputs = bench.folded(shard)
    walk = fold.portfolios["p"].walk
    windows = walk.study.windows
    rows = windows.values(windows.capacity)
    return walk.status.bar_number, rows, of_topic(outputs, STATE.name)


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_each_point_of_a_poll_loses_and_doubles_nothing(bench, point):
    publish(bench, range(400))
    few = {"APSE_INGEST__POLL_ROWS": "100"}
    doomed = bench.start("-m", "tests.ingest.doomed_ingest", point, "3", wait=False, **few)
    assert doomed.wait(WAIT_S) == -9
    bench.stop(bench.start())
    offsets = bench.offsets()
    assert {partition: sorted(set(seen)) for partition, seen in offsets.items()} == {
        partition: list(range(400)) for partition in range(3)
    }
    bars, rows, states = bars_of(bench)
    assert bars == 400  # a row that stood in the journal twice would have been a revision
    assert rows[-1].tolist() == pytest.approx([0.001 * (1 + 399 % 7)] * 3, abs=0)
    assert all(state.data is None or not state.data.revised for state in states)


def test_an_outage_of_an_hour_marks_nobody_silent_while_it_is_caught_up(bench):
    hour = 3_600
    publish(bench, range(60))
    bench.stop(bench.start())
    for partition, name in enumerate(NAMES):  # each wrote on alone while nobody read
        for second in range(60, 60 + hour):
            bench.send(RETURNS, return_bytes(name, second), name.encode(), partition=partition)
    bench.flush()
    # a poll takes a part of one partition, and the shortest silence there is passes between polls
    settings = bench.settings(silence_ms=1, poll_rows=500)
    ingest = Ingest(settings)
    ingest._probe_ns = 0  # asks at each poll, as after a second each
    drive(ingest, lambda: ingest._source.joined)
    drive(ingest, lambda: ingest.is_ready)
    ingest.close()
    assert [record for record in bench.journal() if isinstance(record, Release)] == []
    bars, _, states = bars_of(bench)
    assert bars == 60 + hour
    assert all(state.data is None for state in states)


def test_a_row_dated_2106_neither_enters_nor_releases_anybody(bench):
    publish(bench, range(10))
    far = 83 * 365 * 86_400
    bench.send(RETURNS, return_bytes("s0", far), b"s0")
    bench.flush()
    ingest = Ingest(bench.settings(silence_ms=100))
    drive(ingest, lambda: ingest._source.joined and ingest.is_ready)
    begun_s = time.monotonic()
    drive(ingest, lambda: time.monotonic() - begun_s > 2.0)
    ingest.close()
    (letter,) = bench.read(DEAD_LETTERS)
    headers = dict(letter.headers())
    assert headers["apse_error_code"] == b"far_future"
    assert b"2106" in headers["apse_error_detail"]
    assert letter.value() == return_bytes("s0", far)
    assert not any(isinstance(record, Release) for record in bench.journal())
    assert bars_of(bench)[0] == 10


def test_a_delivery_that_times_out_between_two_frames_ends_it_before_its_commit(bench):
    bench.register(portfolio("q", shard=5), *(strategy(f"t{i}", "q") for i in range(3)))
    publish(bench, range(50))
    publish(bench, range(50), names=("t0", "t1", "t2"))
    ingest = Ingest(bench.settings())
    append = ingest._writer.append
    shards = []

    def stalling(shard, record):
        shards.append(shard)
        if len(set(shards)) == 2:  # the first shard has its frame, the broker is out of reach now
            ingest._writer._producer.flush(10.0)
            ingest._writer._producer = Producer(
                producer_config("127.0.0.1:9", client_id="test", gapless=True)
                | {"delivery.timeout.ms": 1_000, "log_level": 0}
            )
        append(shard, record)

    ingest._writer.append = stalling
    with pytest.raises(DeliveryError):
        drive(ingest, lambda: False)
    ingest.close()
    assert len(set(shards)) == 2
    bench.stop(bench.start())
    for shard, name in ((SHARD, "p"), (5, "q")):
        fold, _ = bench.folded(shard)
        assert fold.portfolios[name].walk.status.bar_number == 50
        assert not fold.portfolios[name].walk.corrections


def test_a_second_ingest_across_a_change_of_the_registry_agrees_with_the_first(bench):
    first = bench.start(APSE_INGEST__INSTANCE="one")
    publish(bench, range(40))
    second = bench.start(wait=False, APSE_INGEST__INSTANCE="two")
    bench.register(portfolio("q", shard=5), strategy("s3", "p", "q"), strategy("s1", "p", "q"))
    publish(bench, range(40, 80), names=(*NAMES, "s3"))
    bench.await_ready(second)
    bench.register(strategy("s4", "q"))
    publish(bench, range(80, 120), names=(*NAMES, "s3", "s4"))
    bench.wait_for(lambda: {len(set(seen)) for seen in bench.offsets().values()} >= {120, 80})
    bench.stop(first)
    bench.stop(second)
    assert bench.read(DEAD_LETTERS) == []
    fold, _ = bench.folded()
    assert fold.portfolios["p"].walk.status.bar_number == 120
    fold, _ = bench.folded(5)
    assert set(fold.portfolios["q"].members) == {"s1", "s3", "s4"}
    assert fold.portfolios["q"].builder.closed_ns == fold.portfolios["q"].walk.status.end_ns
    seen = {name for record in bench.journal(5) for name in getattr(record, "strategies", ())}
    assert seen == {"s1", "s3", "s4"}


def test_a_frozen_broker_is_waited_for_and_nothing_is_lost_or_doubled(bench, broker):
    publish(bench, range(4_000))
    worker = bench.start(wait=False, APSE_INGEST__POLL_ROWS="50")
    bench.wait_for(bench.offsets)
    broker.pause()
    try:
        time.sleep(3.0)
        assert worker.poll() is None
    finally:
        broker.resume()
    bench.await_ready(worker)
    bench.stop(worker)
    assert {p: sorted(set(seen)) for p, seen in bench.offsets().items()} == {
        p: list(range(4_000)) for p in range(3)
    }
    bars, _, states = bars_of(bench)
    assert bars == 4_000
    assert all(state.data is None for state in states)
