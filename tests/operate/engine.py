"""`apse up` as a process of its own on the test's broker, and the commands that find it."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

from confluent_kafka import Consumer, Producer, TopicPartition

START_TIMEOUT_S = 60.0
WAIT_S = 60.0  # an event takes milliseconds; a loaded machine and a first start take their time
APSE = [sys.executable, "-c", "from streams.cli import main; main()"]


@contextmanager
def running_engine(broker, scope, folder, *portfolios):
    """Run `apse up`; what it says goes to a file in ``folder``, where it also remembers itself."""
    environment = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
        "TMPDIR": str(folder),
        "OMP_NUM_THREADS": "1",
    }
    options = [part for path in portfolios for part in ("--portfolio", str(path))]
    said = folder / "up.log"
    with said.open("wb") as log:
        command = [*APSE, "up", "--scope", scope, "--logs", str(folder / "logs"), *options]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: "engine running" in said.read_text(), START_TIMEOUT_S)
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(holds, timeout_s=WAIT_S):
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


class Outsider:
    """Somebody with a plain Kafka client and JSON, and no line of our code."""

    def __init__(self, bootstrap, scope):
        self._scope = scope
        reading = {"group.id": "outsider", "fetch.wait.max.ms": 50, "log_level": 0}
        self._consumer = Consumer({"bootstrap.servers": bootstrap} | reading)
        self._found, self._next = {}, {}
        writing = {"compression.type": "gzip", "log_level": 0}
        self._producer = Producer({"bootstrap.servers": bootstrap} | writing)

    def publish(self, strategy, end, value):
        row = {"strategy_id": strategy, "period_end": end, "return": value}
        self.send("strategy.returns.v1", strategy, json.dumps(row).encode())

    def send(self, topic, key, value):
        self._producer.produce(self._scope + topic, value, key)
        assert self._producer.flush(20.0) == 0

    def read(self, topic, portfolio):
        """All records of a portfolio so far, in their order."""
        name = self._scope + topic
        if name not in self._found:
            self._found[name] = []
            numbers = self._consumer.list_topics(name, 10.0).topics[name].partitions
            self._next |= {(name, number): 0 for number in numbers}
            self._consumer.assign([TopicPartition(*place, at) for place, at in self._next.items()])
        places = [TopicPartition(*place) for place in self._next if place[0] == name]
        ends = {
            (name, place.partition): self._consumer.get_watermark_offsets(place, 10.0)[1]
            for place in places
        }
        deadline = time.monotonic() + WAIT_S
        while any(self._next[place] < high for place, high in ends.items()):
            assert time.monotonic() < deadline, f"{name} cannot be read to {ends}"
            message = self._consumer.poll(1.0)
            if message is not None and message.error() is None:
                self._found[message.topic()].append(json.loads(message.value()))
                self._next[message.topic(), message.partition()] = message.offset() + 1
        return [record for record in self._found[name] if record["portfolio_id"] == portfolio]

    def close(self):
        self._consumer.close()

    def wait_for(self, topic, portfolio, holds):
        """Wait until the records of a portfolio satisfy ``holds``; return them."""
        end = time.monotonic() + WAIT_S
        while not holds(found := self.read(topic, portfolio)):
            assert time.monotonic() < end, f"waited in vain; last: {found[-1:]}"
            time.sleep(0.1)
        return found


def replayed_alike(apse, returns_file, policy_file, folder):
    """Replay in process (into `here`) and over the broker (`there`): the same is said of both."""
    base = ["replay", "--returns", returns_file, "--portfolio", policy_file, "--json"]
    here = apse(*base, "--out", folder / "here")
    there = apse(*base, "--out", folder / "there", "--kafka")
    assert there.code == here.code == 0, there.err
    assert here.json["decisions"] > 0
    assert here.json | {"out": ""} == there.json | {"out": ""}
    return there
