"""How late are metrics behind the return that closes their bar, and a command behind its trigger?

Both from the producer's call to the moment a reader has the record, in one process's clock: 1000
returns a second of 20 strategies, evenly spread; then wishes for a rebalance of 100 strategies, one
at a time.
"""

import queue
import threading
import time
from types import TracebackType
from typing import Self

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.engine import Engine, engine_on, fill
from benchmarks.report import Result, alone, load, percentiles_ms
from benchmarks.worlds import bar_ends_ns, default_policy, names_of, returns_of
from schemas.events import ControlRequest
from schemas.topics import CONTROL, METRICS, REBALANCE, RETURNS, STATE, Topic
from schemas.units import format_instant
from streams.kafka.broker import Broker, resolve_broker
from streams.kafka.clients import producer_config, reader_config
from streams.operate.send import Sender

STRATEGIES = 20
RETURNS_PER_S = 1_000
TRIGGER_STRATEGIES = 100
HISTORY_BARS = 100  # past min_bars: metrics and covariance are at work
WARM_BARS = 50
START_S = 60.0
ANSWER_S = 20.0
LISTEN_S = 0.1


class Ear:
    """Reads a topic from its end in a thread of its own, and notes when each record came.

    A context manager. The thread sleeps in the client's own wait: one that asked again and again
    would take a core from the engine that is measured.
    """

    def __init__(self, engine: Engine, topic: Topic) -> None:
        config = reader_config(engine.kafka.bootstrap, client_id="bench-ear")
        self._consumer = Consumer(config | {"log_level": 0, "fetch.wait.max.ms": 10})
        places = []
        for partition in range(topic.partitions):
            place = TopicPartition(engine.kafka.scope + topic.name, partition)
            place.offset = self._consumer.get_watermark_offsets(place, timeout=10.0)[1]
            places.append(place)
        self._consumer.assign(places)
        self._heard: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        self._deaf = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="ear")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._deaf.set()
        self._thread.join()
        self._consumer.close()

    def hear(self, timeout_s: float) -> tuple[float, bytes] | None:
        """Return when the next record came, and its value; None where none comes in time."""
        try:
            return self._heard.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def _listen(self) -> None:
        while not self._deaf.is_set():
            message = self._consumer.poll(LISTEN_S)
            if message is not None and message.error() is None:
                self._heard.put((time.perf_counter(), message.value() or b""))


class Head(msgspec.Struct):
    """What is looked at of a metrics record."""

    bar_end: str


def metrics_seconds(engine: Engine, bars: int) -> list[float]:
    """Publish at the pace; return how late the metrics of each bar were."""
    names = names_of(STRATEGIES)
    policy = default_policy("latency", names, bar="1m")
    engine.register(policy)
    ends_ns = bar_ends_ns(policy, HISTORY_BARS + WARM_BARS + bars)
    returns = returns_of(5, len(ends_ns), STRATEGIES)
    fill(engine.kafka, names, ends_ns[:HISTORY_BARS], returns[:HISTORY_BARS])
    engine.until(lambda: engine.count(STATE) >= HISTORY_BARS, START_S, "history")
    config = producer_config(engine.kafka.bootstrap, client_id="bench-pace") | {"linger.ms": 0}
    producer, topic = Producer(config), engine.kafka.scope + RETURNS.name
    sent_s: dict[str, float] = {}
    heard_s: dict[str, float] = {}
    with Ear(engine, METRICS) as ear:
        due_s = time.perf_counter()
        for end_ns, row in zip(
            ends_ns[HISTORY_BARS:], returns[HISTORY_BARS:].tolist(), strict=True
        ):
            end = format_instant(end_ns)
            for name, value in zip(names, row, strict=True):
                due_s += 1.0 / RETURNS_PER_S
                time.sleep(max(0.0, due_s - time.perf_counter()))
                record = msgspec.json.encode(
                    {"strategy_id": name, "period_end": end, "return": value}
                )
                sent_s[end] = time.perf_counter()  # the last one of a bar closes it
                producer.produce(topic, record, name.encode())
                producer.poll(0)
        while len(heard_s) < len(sent_s) and (heard := ear.hear(ANSWER_S)) is not None:
            heard_s[msgspec.json.decode(heard[1], type=Head).bar_end] = heard[0]
    assert set(heard_s) == set(sent_s), f"{len(sent_s) - len(heard_s)} bars were not heard of"
    return [heard_s[end] - sent_s[end] for end in list(sent_s)[WARM_BARS:]]


def trigger_seconds(engine: Engine, requests: int) -> list[float]:
    """Ask for rebalances one by one; return how late each command was."""
    names = names_of(TRIGGER_STRATEGIES)
    policy = default_policy("trigger", names, rebalance={"schedule": "never"})
    before = engine.count(STATE)
    engine.register(policy, shard=1)
    ends_ns = bar_ends_ns(policy, HISTORY_BARS)
    fill(engine.kafka, names, ends_ns, returns_of(6, HISTORY_BARS, TRIGGER_STRATEGIES))
    engine.until(lambda: engine.count(STATE) >= before + HISTORY_BARS, START_S, "history")
    seconds = []
    with Ear(engine, REBALANCE) as ear, Sender(engine.kafka) as sender:
        for number in range(requests + 5):
            request = ControlRequest(
                request_id=f"bench-{number}", portfolio_id="trigger", action="rebalance"
            )
            record = msgspec.json.encode(request)
            begun_s = time.perf_counter()
            sender.raw(CONTROL, b"trigger", record)
            sender.flush()  # a person's request does not linger
            heard = ear.hear(ANSWER_S)
            assert heard is not None, f"no command after {ANSWER_S} s"
            seconds.append(heard[0] - begun_s)
    return seconds[5:]


def on(broker: Broker, *, quick: bool) -> list[Result]:
    """Measure on a broker that runs."""
    bars, requests = (250, 40) if quick else (1_500, 300)
    with engine_on(broker) as engine:
        engine.start()
        p50, p99 = percentiles_ms(metrics_seconds(engine, bars))
        note = f"{bars} bars of {STRATEGIES}, {load()}"
        _, command_p99 = percentiles_ms(late := trigger_seconds(engine, requests))
        command_note = f"{len(late)} triggers, p50 {percentiles_ms(late)[0]:.0f} ms, {load()}"
    return [
        Result("latency_return_to_metrics_p50_ms", p50, "ms", note=note),
        Result("latency_return_to_metrics_p99_ms", p99, "ms", note=note),
        Result("latency_trigger_to_command_p99_ms", command_p99, "ms", note=command_note),
    ]


def run(*, quick: bool) -> list[Result]:
    """Measure on a broker of our own, or the one that is named."""
    with resolve_broker() as broker:
        return on(broker, quick=quick)


if __name__ == "__main__":
    alone(run)
