"""The engine as it runs: processes on a real broker, a scope of its own, topics filled before."""

import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.policy import PortfolioPolicy
from schemas.topics import RETURNS, SHARDS_DEFAULT, TOPICS, Topic
from schemas.units import format_instant
from streams.core.arrays import FloatArray
from streams.kafka.admin import delete_scope
from streams.kafka.broker import Broker
from streams.kafka.clients import producer_config, reader_config
from streams.operate.send import Sender
from streams.operate.supervisor import ENGINE, OPTIMIZER, PORTFOLIO, Command, Supervisor
from streams.operate.topics import create_topics
from streams.settings import KafkaSettings

METADATA_S = 10.0
START_S = 60.0
LOOK_S = 0.01  # how often the ends of topics are asked for: the resolution of what is timed


class Engine:
    """Topics in a scope, and the engine's processes on them once :meth:`start` is called."""

    def __init__(self, broker: Broker, logs: Path, **environment: str) -> None:
        scope = f"bench-{secrets.token_hex(3)}."
        self.kafka = KafkaSettings(bootstrap=broker.bootstrap, scope=scope)
        self.logs = logs / scope.strip(".")
        self._environment = {
            "APSE_KAFKA__BOOTSTRAP": broker.bootstrap,
            "APSE_KAFKA__SCOPE": scope,
            "APSE_LOG__FORMAT": "json",
        } | environment
        self.supervisors: list[Supervisor] = []
        create_topics(self.kafka)
        self._ends = Consumer(
            reader_config(broker.bootstrap, client_id="bench-ends") | {"log_level": 0}
        )

    def register(self, policy: PortfolioPolicy, shard: int = 0) -> None:
        """Register a portfolio."""
        with Sender(self.kafka) as sender:
            sender.portfolio(policy, shard=shard)

    def start(self, commands: tuple[Command, ...] = ENGINE) -> Supervisor:
        """Start processes; more of them with each call."""
        logs = self.logs / str(len(self.supervisors))
        self.supervisors.append(Supervisor(commands, self._environment, logs=logs))
        return self.supervisors[-1]

    def start_behind_ingest(self) -> None:
        """Start all but ingest, and wait until the worker has its shards: nothing is read yet."""
        self.start((PORTFOLIO, OPTIMIZER))
        log = self.logs / "0" / "agents-portfolio.log"
        self.until(lambda: b"assigned" in log.read_bytes(), START_S, "the worker")

    def workers_assigned(self, workers: int) -> bool:
        """Tell whether the shards were shared among so many workers, by their common log."""
        log = (self.logs / "0" / "agents-portfolio.log").read_bytes()
        shares = {tuple(found.split(b",")) for found in re.findall(rb"\[([0-9][0-9, ]*)\]", log)}
        return sum(len(share) == SHARDS_DEFAULT // workers for share in shares) >= workers

    def keep(self) -> None:
        """Start again what has left."""
        for supervisor in self.supervisors:
            supervisor.check()

    def worker_pid(self) -> int:
        """Return the process id of the first portfolio worker."""
        return self.supervisors[0].pid_of(PORTFOLIO)

    def count(self, topic: Topic) -> int:
        """Return how many records a topic has."""
        total = 0
        for partition in range(topic.partitions):
            place = TopicPartition(self.kafka.scope + topic.name, partition)
            low, high = self._ends.get_watermark_offsets(place, timeout=METADATA_S)
            total += high - low
        return total

    def until(self, reached: Callable[[], bool], bound_s: float, what: str) -> float:
        """Wait until something holds; return the wall time, in seconds since the epoch."""
        end_s = time.monotonic() + bound_s
        while not reached():
            if time.monotonic() > end_s:
                message = f"{what}: not within {bound_s:.0f} s; logs in {self.logs}"
                raise TimeoutError(message)
            self.keep()
            time.sleep(LOOK_S)
        return time.time()  # noqa: TID251  # compared with the processes' own logs

    def said(self, stage: str, event: str) -> list[dict[str, Any]]:
        """Return the lines of an event in the logs of a stage."""
        found = []
        for path in self.logs.glob(f"*/{stage}.log"):
            for line in path.read_bytes().splitlines():
                if line.startswith(b"{") and event.encode() in line:
                    entry = orjson.loads(line)
                    if entry.get("event") == event:
                        found.append(entry)
        return found

    def close(self) -> None:
        """End the processes and delete the topics."""
        for supervisor in self.supervisors:
            supervisor.stop()
        self._ends.close()
        delete_scope(self.kafka.bootstrap, self.kafka.scope)


@contextmanager
def engine_on(broker: Broker, **environment: str) -> Iterator[Engine]:
    """Give an engine that is ended and cleared away afterwards; logs stay where it fails."""
    logs = Path(tempfile.mkdtemp(prefix="apse-bench-"))
    engine = Engine(broker, logs, **environment)
    try:
        yield engine
    finally:
        engine.close()
    shutil.rmtree(logs)


def fill(
    kafka: KafkaSettings, names: tuple[str, ...], ends_ns: list[int], returns: FloatArray
) -> int:
    """Publish returns (T, N) bar by bar, as strategies do; return how many."""
    config = producer_config(kafka.bootstrap, client_id="bench-fill")
    producer = Producer(config | kafka.security() | {"queue.buffering.max.messages": 1_000_000})
    topic, keys = kafka.scope + RETURNS.name, [name.encode() for name in names]
    for end_ns, row in zip(ends_ns, returns.tolist(), strict=True):
        end = format_instant(end_ns)
        for key, name, value in zip(keys, names, row, strict=True):
            record = orjson.dumps({"strategy_id": name, "period_end": end, "return": value})
            producer.produce(topic, record, key)
        producer.poll(0)
    left = producer.flush(METADATA_S * 6)
    assert left == 0, f"{left} returns unacknowledged"
    return returns.size


def bytes_of(kafka: KafkaSettings, topics: tuple[Topic, ...] = TOPICS) -> dict[str, list[int]]:
    """Return records and bytes (keys and values) of topics, read to their ends."""
    reader = Consumer(reader_config(kafka.bootstrap, client_id="bench-bytes") | {"log_level": 0})
    places = [
        TopicPartition(kafka.scope + topic.name, partition, 0)
        for topic in topics
        for partition in range(topic.partitions)
    ]
    reader.assign(places)
    sizes = {topic.name: [0, 0] for topic in topics}
    behind = len(places)
    while behind:
        for message in reader.consume(500, timeout=1.0):
            error = message.error()
            if error is not None:
                behind -= error.name() == "_PARTITION_EOF"
                continue
            size = sizes[(message.topic() or "").removeprefix(kafka.scope)]
            size[0] += 1
            size[1] += len(message.value() or b"") + len(message.key() or b"")
    reader.close()
    return sizes


def peak_memory_mb(pid: int) -> float:
    """Return the most memory a process has had resident."""
    text = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in text.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
