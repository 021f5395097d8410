"""Ingest at work on a real broker: topics to fill, processes to start and end, what came of it."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.codec import decode_record
from schemas.journal import Frame
from schemas.topics import JOURNAL, REGISTRY, RETURNS
from streams.core.fold import Shard
from streams.core.frames import unpack
from streams.kafka.clients import producer_config, reader_config
from streams.settings import IngestSettings, KafkaSettings, Settings
from tests.ingest.arriving import on_registry

REPOSITORY = Path(__file__).parents[2]
SHARD = 3
WAIT_S = 60.0


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

    def start(self, *command, wait=True, **variables):
        """Start an ingest, or another command that is one."""
        env = {
            **os.environ,
            "APSE_KAFKA__BOOTSTRAP": self.bootstrap,
            "APSE_KAFKA__SCOPE": self.scope,
            "APSE_INGEST__INSTANCE": "one",
            "APSE_LOG__FORMAT": "json",
            **variables,
        }
        worker = subprocess.Popen(
            [sys.executable, *(command or ("-m", "streams.ingest.service"))],
            stderr=subprocess.PIPE,
            bufsize=0,  # select must not miss a line that Python has read ahead
            cwd=REPOSITORY,
            env=env,
        )
        self.workers.append(worker)
        if wait:
            self.await_ready(worker)
        return worker

    def await_ready(self, worker):
        said = []
        for _ in range(100):
            assert select.select([worker.stderr], [], [], WAIT_S)[0]
            line = worker.stderr.readline()
            assert line, f"it ended before it was ready: {said}"
            said.append(line)
            if line.startswith(b"{") and json.loads(line)["event"] == "ready":
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

    def folded(self, shard=SHARD):
        """The fold of what stands in the journal of a shard, and what it puts out."""
        fold, outputs = Shard(shard), []
        for message in self.read(JOURNAL, shard):
            outputs += fold.step([(message.offset(), decode_record(message.value()))])
        return fold, outputs

    def wait_for(self, condition):
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if condition():
                return
            time.sleep(0.2)
        pytest.fail("not within the time")


def drive(ingest, condition, wait_s=WAIT_S):
    """Turn the loop by hand until something holds."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        ingest.cycle()
        if condition():
            return
    pytest.fail("not within the time")
