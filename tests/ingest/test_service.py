"""The ingest process on a real broker: nothing lost, nothing stopped, whatever is thrown at it."""

import json
import sys
import time

import numpy as np
import pytest
from confluent_kafka import Producer

from schemas.codec import encode_message
from schemas.events import RiskSignal
from schemas.journal import Frame, Release, Risk, StrategyRegistered, Tick
from schemas.topics import DEAD_LETTERS, RETURNS, RISK
from streams.core.errors import ConfigError, DeliveryError
from streams.ingest.journal import JournalWriter
from streams.ingest.service import Ingest
from streams.kafka.clients import producer_config
from streams.settings import KafkaSettings, Settings
from tests.ingest.arriving import POISON, portfolio, return_bytes, strategy
from tests.ingest.working import SHARD, WAIT_S, drive

CENTURY_S = 80 * 365 * 86_400

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def source_offset(letter):
    return int(dict(letter.headers())["apse_source_offset"])


def test_poison_among_returns_is_all_buried_and_stops_nothing(bench):
    sent, good = [], 0
    poison = [return_bytes("s0", CENTURY_S), *(value for value, _ in POISON if value)]
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
    assert codes == {
        b"bad_period_end",
        b"duplicate_key",
        b"empty",
        b"far_future",
        b"invalid",
        b"malformed",
        b"oversize",
        b"unknown_strategy",
    }
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
