"""Checkpoint and re-fold, the part both shells share: what is applied, acknowledged and written.

A shard is one partition's state. It is a function of a prefix of the partition's log, so any image
of it is right for ever, whoever wrote it; an older one only makes the next fold longer. A shard's
image is written after every output it includes was acknowledged by the broker.
"""

import os
import sys
import threading
import time
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from streams.kafka.clients import producer_config, reader_config
from tests.storm.toy_fold import State, step

CHECKPOINT_EVERY_S = 0.5
STALL_S = 15.0  # longer than a session and a rebalance together
LOAD_TIMEOUT_S = 20.0

EXIT_GAP = 42
EXIT_DELIVERY = 43
EXIT_STALL = 44


def leave(code: int, why: str) -> None:
    """Crash-only: the supervisor starts the process again, the checkpoint says from where."""
    say(f"exit {code}: {why}")
    os._exit(code)


def say(what: str) -> None:
    sys.stderr.write(f"{time.monotonic():.3f} {what}\n")
    sys.stderr.flush()


@dataclass(slots=True)
class Unacknowledged:
    """How many of the outputs of one interval between checkpoints the broker has not confirmed."""

    count: int = 0


@dataclass(slots=True)
class Shard:
    state: State
    open: Unacknowledged = field(default_factory=Unacknowledged)
    image: bytes | None = None  # waits for ``closed`` to come down to 0
    closed: Unacknowledged = field(default_factory=Unacknowledged)
    written_offset: int = -1
    moved_s: float = field(default_factory=time.monotonic)


class Shards:
    """The shards this process owns, its outputs and checkpoints; called by one thread."""

    def __init__(self, bootstrap: str, scope: str) -> None:
        self._bootstrap = bootstrap
        self._outputs = f"{scope}outputs"
        self._checkpoints = f"{scope}checkpoints"
        self._producer = Producer(producer_config(bootstrap, client_id="toy-worker", gapless=True))
        self._lock = threading.Lock()  # counts go up in the shell's thread, down in the acker's
        self._written_s = time.monotonic()
        self._first = True
        self.owned: dict[int, Shard] = {}
        threading.Thread(target=self._serve_acks, daemon=True).start()

    def missing(self, assigned: set[int]) -> set[int]:
        """Drop what is no longer assigned; return what has to be loaded.

        A shard that stays keeps its state: whatever others did meanwhile, it is still a fold.
        Its image is written again, for a member that was frozen may have put an older one on top.
        """
        for partition in set(self.owned) - assigned:
            del self.owned[partition]
        for shard in self.owned.values():
            shard.moved_s = time.monotonic()
            shard.written_offset = -1
        return assigned - set(self.owned)

    def load(self, partitions: set[int]) -> dict[int, State]:
        """Read the newest image of each partition (blocking; touches nothing of this object)."""
        states = {partition: State() for partition in partitions}
        if not partitions:
            return states
        reader = Consumer(reader_config(self._bootstrap, client_id="toy-loader"))
        reader.assign([TopicPartition(self._checkpoints, p, 0) for p in sorted(partitions)])
        behind = set(partitions)
        end_s = time.monotonic() + LOAD_TIMEOUT_S
        while behind:
            if time.monotonic() > end_s:
                leave(EXIT_STALL, f"checkpoints of {sorted(behind)} could not be read")
            for message in reader.consume(500, timeout=0.2):
                if message.error():
                    behind.discard(message.partition())
                else:
                    states[message.partition()] = State.decode(message.value())
        reader.close()
        return states

    def install(self, states: dict[int, State]) -> None:
        for partition, state in states.items():
            self.owned.setdefault(partition, Shard(state, written_offset=state.next_offset))

    def apply(self, partition: int, offset: int, event: bytes) -> None:
        """Take one record: skip what is applied, leave on a gap, else fold and send."""
        shard = self.owned.get(partition)
        if shard is None or offset < shard.state.next_offset:
            return
        if offset > shard.state.next_offset:
            leave(EXIT_GAP, f"{partition}: expected {shard.state.next_offset}, got {offset}")
        output, content = step(shard.state, partition, event)
        shard.state.next_offset = offset + 1
        shard.moved_s = time.monotonic()
        self._send(self._outputs, output, content, partition, shard.open)
        if self._first:
            self._first = False
            say(f"first record {partition}:{offset}")

    def tick(self) -> None:
        """Write the images whose outputs are acknowledged, and take new ones when it is time."""
        for partition, shard in self.owned.items():
            if shard.image is not None and shard.closed.count == 0:
                self._send(
                    self._checkpoints, b"%d" % partition, shard.image, partition, Unacknowledged()
                )
                shard.image = None
        if time.monotonic() - self._written_s < CHECKPOINT_EVERY_S:
            return
        self._written_s = time.monotonic()
        for shard in self.owned.values():
            if shard.image is None and shard.state.next_offset > shard.written_offset:
                shard.image = shard.state.encode()
                shard.written_offset = shard.state.next_offset
                shard.closed, shard.open = shard.open, Unacknowledged()

    def watch(self, partition: int, end_offset: int | None) -> None:
        """Leave when records wait in the log and none has arrived for long."""
        shard = self.owned.get(partition)
        if shard is None or end_offset is None:
            return
        waits_s = time.monotonic() - shard.moved_s
        if end_offset > shard.state.next_offset and waits_s > STALL_S:
            leave(
                EXIT_STALL, f"{partition}: {shard.state.next_offset} of {end_offset} stands still"
            )

    def _send(
        self, topic: str, key: bytes, value: bytes, partition: int, count: Unacknowledged
    ) -> None:
        def acknowledged(error: object, _: object) -> None:
            if error is not None:
                leave(EXIT_DELIVERY, f"{topic}: {error}")
            with self._lock:
                count.count -= 1

        with self._lock:
            count.count += 1
        self._producer.produce(topic, value, key, partition, on_delivery=acknowledged)

    def _serve_acks(self) -> None:
        while True:
            try:
                self._producer.poll(0.05)
            except KafkaException as error:
                leave(EXIT_DELIVERY, str(error))
