"""The ingest process on a real broker: nothing lost, nothing stopped, whatever is thrown at it."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.codec import decode_record, encode_message
from schemas.events import RiskSignal
from schemas.journal import Frame, Release, Risk, StrategyRegistered, Tick
from schemas.topics import DEAD_LETTERS, JOURNAL, REGISTRY, RETURNS, RISK, TOPICS
from streams.core.errors import ConfigError, DeliveryError
from streams.core.frames import unpack
from streams.ingest.journal import JournalWriter
from streams.ingest.service import Ingest
from streams.kafka.admin import TopicSpec, ensure_topics
from streams.kafka.clients import producer_config, reader_config
from streams.settings import IngestSettings, KafkaSettings, Settings
from tests.ingest.arriving import POISON, on_registry, portfolio, return_bytes, strategy

REPOSITORY = Path(__file__).parents[2]
SHARD = 3
WAIT_S = 60.0

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def bench(broker, scope):
    """Topics of a scope with one portfolio of three strategies, and hands to work them."""
    specs = [TopicSpec(name=t.name, partitions=t.partitions, config=t.config()) for t in TOPICS]
    ensure_topics(broker.bootstrap, specs, scope)
    made = Bench(broker.bootstrap, scope)
    made.register(portfolio("p", shard=SHARD), *(strategy(f"s{i}", "p") for i in range(3)))
    yield made
    made.end()


class Bench:
    def __init__(self, bootstrap, scope):
        self.bootstrap, self.scope = bootstrap, scope
        self.producer = Producer(producer_config(bootstrap, client_id="test"))
        self.registered = 0
        self.workers = []

    def settings(self, **ingest):
        return Settings(
            kafka=KafkaSettings(bootstrap=self.bootstrap, scope=self.scope),
            ingest=IngestSettings(**ingest),
        )

    def send(self, topic, value, key=None, partition=0):
        while True:
            try:
                self.producer.produce(self.scope + topic.name, value, key, partition=partition)
                break
            except BufferError:
                self.producer.poll(0.1)

    def flush(self):
        assert self.producer.flush(WAIT_S) == 0

    def register(self, *events):
        for event in events:
            arrival = on_registry(self.registered, event)
            self.send(REGISTRY, arrival.value, arrival.key)
            self.registered += 1
        self.flush()

    def start(self, *, wait=True, **variables):
        env = {
            **os.environ,
            "APSE_KAFKA__BOOTSTRAP": self.bootstrap,
            "APSE_KAFKA__SCOPE": self.scope,
            "APSE_INGEST__INSTANCE": "one",
            "APSE_LOG__FORMAT": "json",
            **variables,
        }
        worker = subprocess.Popen(
            [sys.executable, "-m", "streams.ingest.service"],
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env=env,
        )
        self.workers.append(worker)
        if wait:
            self.await_ready(worker)
        return worker

    def await_ready(self, worker):
        for _ in range(100):
            assert select.select([worker.stderr], [], [], WAIT_S)[0]
            line = worker.stderr.readline()
            assert line, "it ended before it was ready"
            if line.startswith("{") and json.loads(line)["event"] == "ready":
                return
        pytest.fail("never ready")

    def stop(self, worker):
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(WAIT_S) == 0

    def end(self):
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait(WAIT_S)
            worker.stderr.close()

    def read(self, topic, partition=0):
        """All messages of a partition, to its present end."""
        consumer = Consumer(reader_config(self.bootstrap, client_id="test"))
        place = TopicPartition(self.scope + topic.name, partition, 0)
        consumer.assign([place])
        found = []
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            message = consumer.poll(1.0)
            if message is None:
                continue
            if message.error():
                break
            found.append(message)
        consumer.close()
        return found

    def journal(self, shard=SHARD):
        return [decode_record(message.value()) for message in self.read(JOURNAL, shard)]

    def offsets(self):
        """Source offsets in the journal, by source partition, in the order of the journal."""
        found = defaultdict(list)
        for record in self.journal():
            if isinstance(record, Frame) and record.topic == RETURNS.name:
                rows = unpack(record)
                for partition, offset in zip(
                    rows.source_partition.tolist(), rows.source_offset.tolist(), strict=True
                ):
                    found[partition].append(offset)
        return found

    def wait_for(self, condition):
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if condition():
                return
            time.sleep(0.2)
        pytest.fail("not within the time")


def source_offset(letter):
    return int(dict(letter.headers())["apse_source_offset"])


def drive(ingest, condition, wait_s=WAIT_S):
    """Turn the loop by hand until something holds."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        ingest.cycle()
        if condition():
            return
    pytest.fail("not within the time")


def test_poison_among_returns_is_all_buried_and_stops_nothing(bench):
    sent, good = [], 0
    poison = [value for value, _ in POISON if value]
    for number in range(2_000):
        if number % 10 == 0:
            value = poison[number // 10 % len(poison)]
            sent.append(value)
            bench.send(RETURNS, value, b"k%d" % number)
        else:
            bench.send(RETURNS, return_bytes(f"s{number % 3}", number), b"k")
            good += 1
    bench.send(RETURNS, None, b"nothing")
    bench.flush()
    bench.stop(bench.start())
    letters = sorted(bench.read(DEAD_LETTERS), key=source_offset)
    assert [letter.value() for letter in letters] == [*sent, None]
    assert [source_offset(letter) for letter in letters] == [*range(0, 2_000, 10), 2_000]
    for letter in letters:
        headers = dict(letter.headers())
        assert headers["apse_source_topic"].decode() == RETURNS.name
        assert headers["apse_source_partition"] == b"0"
        assert headers["apse_error_code"]
        assert headers["apse_error_detail"]
    codes = {dict(letter.headers())["apse_error_code"] for letter in letters}
    assert {b"empty", b"malformed", b"invalid", b"bad_period_end", b"unknown_strategy"} <= codes
    assert max(len(letter.value() or b"") for letter in letters) > 2_000_000
    assert bench.offsets()[0] == [n for n in range(2_000) if n % 10]
    assert good == 1_800


def test_kill_at_any_moment_leaves_no_hole_and_keeps_the_order(bench):
    rng = np.random.default_rng(7)
    count, partitions = 60_000, 3
    per_partition = [0] * partitions
    for number in range(count):
        partition = number % partitions
        value = return_bytes(f"s{partition}", number // partitions)
        bench.send(RETURNS, value, b"k", partition=partition)
        per_partition[partition] += 1
    bench.flush()
    few = {"APSE_INGEST__POLL_ROWS": "500"}
    for life_s in rng.uniform(0.6, 2.0, size=5).tolist():
        worker = bench.start(wait=False, **few)
        time.sleep(life_s)
        worker.kill()
        worker.wait(WAIT_S)
    bench.stop(bench.start())
    offsets = bench.offsets()
    repeated = 0
    for partition in range(partitions):
        seen = offsets[partition]
        expected = 0
        for offset in seen:  # it may go back to what was not committed, but never jumps ahead
            assert offset <= expected
            repeated += offset < expected
            expected = max(expected, offset + 1)
        assert expected == per_partition[partition]
    sys.stdout.write(f"rows appended again after kills: {repeated}\n")
    assert bench.read(DEAD_LETTERS) == []


def test_publishing_twice_gives_no_dead_letter_and_the_rows_again(bench):
    for _ in range(2):
        for second in range(5):
            bench.send(RETURNS, return_bytes("s0", second), b"s0")
    bench.flush()
    bench.stop(bench.start())
    assert bench.offsets()[0] == list(range(10))
    assert bench.read(DEAD_LETTERS) == []


def test_strategy_registered_just_before_its_first_return_is_not_refused(bench):
    worker = bench.start()
    for number in range(20):
        name = f"fresh{number}"
        bench.register(strategy(name, "p"))
        bench.send(RETURNS, return_bytes(name, number), name.encode())
        bench.flush()
    bench.wait_for(lambda: len(bench.offsets()[0]) == 20)
    bench.stop(worker)
    assert bench.read(DEAD_LETTERS) == []
    known = set()
    for record in bench.journal():
        if isinstance(record, StrategyRegistered):
            known.add(record.registration.strategy_id)
        elif isinstance(record, Frame):
            assert set(record.strategies) <= known  # each is introduced before its rows


def test_restart_journals_no_registration_twice_and_knows_all(bench):
    bench.stop(bench.start())
    before = len(bench.journal())
    assert before == 4
    bench.send(RETURNS, return_bytes("s2", 1), b"s2")
    bench.flush()
    bench.stop(bench.start())
    assert len(bench.journal()) == before + 1


def test_two_at_once_lose_nothing_and_share_the_work(bench):
    first = bench.start(wait=False, APSE_INGEST__INSTANCE="one")
    second = bench.start(wait=False, APSE_INGEST__INSTANCE="two")
    for number in range(6_000):
        if number == 3_000:
            bench.flush()
            second.kill()
        partition = number % RETURNS.partitions
        bench.send(RETURNS, return_bytes(f"s{number % 3}", number), b"k", partition=partition)
        if number % 500 == 0:
            time.sleep(0.2)
    bench.flush()
    bench.wait_for(lambda: sum(len(set(o)) for o in bench.offsets().values()) == 6_000)
    bench.stop(first)
    assert bench.read(DEAD_LETTERS) == []
    for seen in bench.offsets().values():
        assert sorted(set(seen)) == list(range(500))


def test_silent_member_is_released_and_only_behind_the_allowance(bench):
    ingest = Ingest(bench.settings(silence_ms=400))
    for second in range(10):
        for name in ("s0", "s1"):
            bench.send(RETURNS, return_bytes(name, second), name.encode())
    bench.send(RETURNS, return_bytes("s2", 2), b"s2")
    bench.flush()
    releases = []

    def released():
        releases[:] = [record for record in bench.journal() if isinstance(record, Release)]
        return bool(releases)

    drive(ingest, released)
    ingest.close()
    assert [(r.strategy_id, r.through_ns % 10**12) for r in releases] == [("s2", 7 * 10**9)]


def test_risk_signal_and_ticks_reach_the_shard_of_their_portfolio(bench):
    bench.register(portfolio("w", shard=5, clock="wall"))
    signal_ = RiskSignal(signal_id="k", portfolio_id="w", action="halt")
    bench.send(RISK, encode_message(signal_), b"w")
    bench.flush()
    ingest = Ingest(bench.settings(tick_interval_ms=50))

    def arrived():
        kinds = [type(record) for record in bench.journal(5)]
        return Risk in kinds and kinds.count(Tick) >= 2

    drive(ingest, arrived)
    ingest.close()
    assert not any(isinstance(record, Tick) for record in bench.journal())


def test_failed_delivery_ends_it_before_its_commit(bench):
    bench.send(RETURNS, return_bytes("s0", 1), b"s0")
    bench.flush()
    ingest = Ingest(bench.settings())
    ingest._writer._journal += ".absent"
    ingest._writer._producer = Producer(
        producer_config(bench.bootstrap, client_id="test", gapless=True)
        | {"delivery.timeout.ms": 1_000, "topic.metadata.propagation.max.ms": 500}
    )
    with pytest.raises(DeliveryError):
        drive(ingest, lambda: False)
    ingest.close()
    bench.stop(bench.start())
    assert bench.offsets()[0] == [0]


def test_record_that_the_broker_refuses_is_an_error(bench):
    writer = JournalWriter(bench.settings())
    release = Release(strategy_id="s0", through_ns=1)
    writer.append(SHARD, release)
    writer.settle()
    with pytest.raises(DeliveryError, match=r"journal\.v1/99 is refused"):
        writer.append(99, release)  # no such partition


def test_topics_that_are_not_those_of_the_table_are_refused(bench):
    settings = Settings(kafka=KafkaSettings(bootstrap=bench.bootstrap, scope="absent-"))
    with pytest.raises(ConfigError, match=r"absent-portfolio\.journal\.v1 has 0 partitions"):
        Ingest(settings)


def test_process_that_cannot_work_says_why_and_exits_with_1(bench):
    worker = bench.start(wait=False, APSE_KAFKA__SCOPE="absent-")
    assert worker.wait(WAIT_S) == 1
    last = json.loads(worker.stderr.read().splitlines()[-1])
    assert last["event"] == "ingest_failed"
    assert "absent-portfolio.journal.v1" in json.dumps(last)
