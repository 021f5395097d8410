"""What does one bad record in ten cost those who send good ones?

The same good returns pass ingest alone, and with bad ones of every kind among them, all over the
broker: from the first offset read until the journal has acknowledged the last. Every bad record is
found again in the dead letters, so that nothing is gained by looking away.
"""

import time
from collections.abc import Iterator

from confluent_kafka import Producer

from benchmarks.engine import Engine, engine_on
from benchmarks.report import Result, alone, load
from benchmarks.worlds import bar_ends_ns, default_policy, names_of, returns_of
from schemas.topics import DEAD_LETTERS, RETURNS
from schemas.units import format_instant
from streams.ingest.service import Ingest
from streams.kafka.broker import Broker, resolve_broker
from streams.kafka.clients import producer_config
from streams.settings import IngestSettings, Settings

STRATEGIES = 200
BAD_EVERY = 10
BIG_EVERY = 1_000  # bad records; of two megabytes
BOUND_S = 120.0
ROUNDS = 2
HEAD = b'{"strategy_id":"s000","period_end":"2024-05-31T20:00:00Z","return":'
BAD = (
    b"not json",
    HEAD + b"NaN}",
    HEAD + b"Infinity}",
    HEAD + b"-1.5}",
    HEAD + b'"0.01"}',
    HEAD + b'0.01,"return":0.02}',
    HEAD.replace(b"s000", b"ghost") + b"0.01}",
    HEAD.replace(b"2024", b"2106") + b"0.01}",
    HEAD.replace(b"s000", b"s\xff00") + b"0.01}",
    b"[" * 2_000,
    b'{"a":' * 500,
    b"",
)
BIG = HEAD + b" " * 2_000_000 + b"0.01}"


def bad_ones() -> Iterator[bytes]:
    """Yield bad records without end, of each kind in turn."""
    number = 0
    while True:
        number += 1
        yield BIG if number % BIG_EVERY == 0 else BAD[number % len(BAD)]


def fill(engine: Engine, bars: int, *, poisoned: bool) -> tuple[int, int]:
    """Publish returns, with bad ones among them where asked; return how many of each."""
    policy = default_policy("poison", names_of(STRATEGIES), bar="1m")
    engine.register(policy)
    topic = engine.kafka.scope + RETURNS.name
    producer = Producer(
        producer_config(engine.kafka.bootstrap, client_id="bench-poison")
        | {"queue.buffering.max.messages": 1_000_000, "queue.buffering.max.kbytes": 1_000_000}
    )
    names, returns, bad = names_of(STRATEGIES), returns_of(1, bars, STRATEGIES), bad_ones()
    good_count = bad_count = 0
    for end_ns, row in zip(bar_ends_ns(policy, bars), returns.tolist(), strict=True):
        end = format_instant(end_ns)
        for name, value in zip(names, row, strict=True):
            record = f'{{"strategy_id":"{name}","period_end":"{end}","return":{value!r}}}'
            producer.produce(topic, record.encode(), name.encode())
            good_count += 1
            if poisoned and good_count % (BAD_EVERY - 1) == 0:
                producer.produce(topic, next(bad), b"" if bad_count % 2 else name.encode())
                bad_count += 1
        producer.poll(0)
    assert producer.flush(BOUND_S) == 0
    return good_count, bad_count


def seconds_of(broker: Broker, bars: int, *, poisoned: bool) -> tuple[float, int]:
    """Return what ingest needs for a topic that was filled before, and how many good rows it had.

    It runs in this process: a restart would stop the clock, and fail.
    """
    with engine_on(broker) as engine:
        good, bad = fill(engine, bars, poisoned=poisoned)
        ingest = Ingest(Settings(kafka=engine.kafka, ingest=IngestSettings()))
        begun_s = end_s = time.perf_counter()
        while not ingest.is_ready:
            before_s = time.perf_counter()
            ingest.cycle()
            if not ingest.has_begun:
                begun_s = before_s  # it has not been given its partitions yet
            end_s = time.perf_counter()
            assert end_s - begun_s < BOUND_S
        ingest.close()
        assert engine.count(DEAD_LETTERS) == bad
        return end_s - begun_s, good


def on(broker: Broker, *, quick: bool) -> list[Result]:
    """Measure on a broker that runs; the best of some rounds each, taken in turn."""
    bars = 250 if quick else 1_000
    best = {False: float("inf"), True: float("inf")}
    good = 0
    for _ in range(ROUNDS):
        for poisoned in (False, True):
            seconds, good = seconds_of(broker, bars, poisoned=poisoned)
            best[poisoned] = min(best[poisoned], seconds)
    rate, clean = good / best[True], good / best[False]
    note = f"{good} good returns, 1 of {BAD_EVERY} records bad: {rate / clean:.0%}, {load()}"
    return [Result("poison_throughput", rate, "returns/s", "without bad records", clean, note)]


def run(*, quick: bool) -> list[Result]:
    """Measure on a broker of our own, or the one that is named."""
    with resolve_broker() as broker:
        return on(broker, quick=quick)


if __name__ == "__main__":
    alone(run)
