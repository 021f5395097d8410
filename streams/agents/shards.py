"""The shards one process owns: records applied, outputs sent, checkpoints written, nudges.

A checkpoint is taken of a state, and written only after every output up to it was acknowledged by
the broker; the position of the shard comes last. Any delivery error ends the process. Called by one
thread; acknowledgements come on another.
"""

import threading
import time
from collections.abc import Iterable
from typing import Final

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from schemas.codec import encode_record
from schemas.journal import Record
from schemas.topics import CHECKPOINTS, DEAD_LETTERS, JOURNAL, OPTIMIZE
from streams.agents.checkpoint import (
    LOAD_TIMEOUT_MS,
    CheckpointError,
    CheckpointsUnreadError,
    Resume,
    position_key,
    read_checkpoints,
    why_refused,
)
from streams.agents.crash import (
    EXIT_DELIVERY,
    EXIT_GAP,
    EXIT_REFUSED,
    EXIT_STALL,
    crash_point,
    leave,
)
from streams.agents.owned import Owned, Unacknowledged, resumed
from streams.agents.records import read_record
from streams.core.outputs import Output, encode_output
from streams.kafka.clients import producer_config, reader_config
from streams.kafka.walk_lag import WalkLag
from streams.observe import metrics
from streams.observe.log import get_logger
from streams.observe.progress import Progress
from streams.observe.worker import ShardFacts, WorkerMetrics
from streams.settings import Settings

WATERMARK_TIMEOUT_S: Final = 10.0
LAG_RECORDS_MAX: Final = 1_000  # of the journal: seconds of a fold that keeps up
ANY_PARTITION: Final = -1  # the client chooses, by key

log = get_logger("shards")


class Shards:
    """All shards of this process.

    Parameters
    ----------
    settings
        Where the broker is, and the engine's intervals.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._scope = settings.kafka.scope
        config = producer_config(settings.kafka.bootstrap, client_id="apse-portfolio", gapless=True)
        self._producer = Producer(config | {"linger.ms": 0} | settings.kafka.security())
        self._lag = WalkLag(settings)
        self._lock = threading.Lock()  # counts go up in the shell's thread, down in the acker's
        self._taken_s = time.monotonic()
        self._assigned: frozenset[int] | None = None
        self.owned: dict[int, Owned] = {}
        self.metrics = WorkerMetrics(self.facts)
        threading.Thread(target=self._serve_acks, name="acks", daemon=True).start()

    # ------------------------------------------------------------------ assignment

    def missing(self, assigned: set[int]) -> set[int]:
        """Drop what is no longer assigned; return what has to be loaded.

        A shard that stays keeps its state: whatever others did meanwhile, it is still a fold. It is
        written again, for a worker that was frozen may have put an older checkpoint on top.
        """
        self._assigned = frozenset(assigned)
        for shard in set(self.owned) - assigned:
            del self.owned[shard]
        for owned in self.owned.values():
            owned.moved_s = time.monotonic()
            owned.write_all_again()
        return assigned - set(self.owned)

    def load(self, shards: set[int]) -> dict[int, Owned]:
        """Read the newest complete checkpoint of each shard (blocking; changes nothing here)."""
        if not shards:
            return {}
        begun_s = time.monotonic()
        config = reader_config(self._settings.kafka.bootstrap, client_id="apse-portfolio-loader")
        reader = Consumer(config | self._settings.kafka.security())
        try:
            found = read_checkpoints(
                reader, self._scope + CHECKPOINTS.name, shards, LOAD_TIMEOUT_MS
            )
            loaded = {}
            for number in sorted(shards):
                owned, resume = resumed(number, found[number])
                end_offset = self._check_journal(reader, number, resume)
                for why in resume.unreadable:
                    log.error("checkpoint_unreadable", error=why, from_offset=resume.next_offset)
                owned.progress = Progress(begun_s=begun_s, goal_offset=end_offset)
                loaded[number] = owned
        except CheckpointError as error:
            leave(EXIT_REFUSED, str(error))
        except (CheckpointsUnreadError, KafkaException) as error:
            leave(EXIT_STALL, f"checkpoints could not be read: {error}")
        finally:
            reader.close()
        return loaded

    def install(self, loaded: dict[int, Owned]) -> None:
        """Own the loaded shards."""
        for number, owned in loaded.items():
            self.owned.setdefault(number, owned)
            owned.progress.caught_up(owned.shard.next_offset, time.monotonic())
            for portfolio in owned.shard.portfolios.values():
                self.metrics.restore(portfolio.walk)

    def facts(self) -> list[ShardFacts]:
        """Return where the shards stand; called from the thread that shows the metrics."""
        now_s = time.monotonic()
        return [owned.facts(now_s) for _, owned in sorted(self.owned.items())]

    def not_ready(self) -> list[str]:
        """Return why the fold is not where its journal is; called from any thread."""
        if self._assigned is None:
            return ["no shard was assigned yet"]
        reasons = [
            f"shard {number} is being resumed" for number in self._assigned - set(self.owned)
        ]
        for fact in self.facts():
            if fact.recovery_s is None:
                reasons.append(f"shard {fact.shard} recovers, {fact.lag_records} records behind")
            elif fact.lag_records > LAG_RECORDS_MAX:
                reasons.append(f"shard {fact.shard} is {fact.lag_records} records behind")
        return reasons

    def _check_journal(self, reader: Consumer, number: int, resume: Resume) -> int:
        """Return the journal's end; refuse one that has not, or never had, where to resume."""
        place = TopicPartition(self._scope + JOURNAL.name, number)
        low, high = reader.get_watermark_offsets(place, timeout=WATERMARK_TIMEOUT_S)
        if refusal := why_refused(number, resume, low, high):
            raise CheckpointError(refusal)
        return high

    # ------------------------------------------------------------------ records

    def apply(self, number: int, records: Iterable[tuple[int, bytes | None]]) -> None:
        """Take records (offset, value) of a shard's journal: fold them, send what they emit.

        What is applied already is skipped, a gap ends the process, and bytes that are no journal
        record go to the dead letters: whoever folds this journal passes them over the same way.
        """
        owned = self.owned.get(number)
        if owned is None:
            return
        run: list[tuple[int, Record]] = []
        for offset, value in records:
            expected = owned.shard.next_offset + len(run)
            if offset > expected:
                leave(EXIT_GAP, f"shard {number}: expected offset {expected}, got {offset}")
            if offset < expected:
                continue
            try:
                run.append((offset, read_record(value or b"")))
            except ValueError as error:
                self._fold(owned, run)
                run = []
                self._bury(owned, offset, value, str(error))
        self._fold(owned, run)

    def _fold(self, owned: Owned, run: list[tuple[int, Record]]) -> None:
        owned.moved_s = time.monotonic()
        outputs = owned.shard.step(run)
        owned.progress.applied(owned.shard.next_offset, owned.moved_s)
        self.metrics.observe(outputs)
        if outputs:
            crash_point("after_fold")
        # Requests first: they are solved while the rest is encoded, and the walk awaits the answer.
        for output in sorted(outputs, key=lambda output: output.topic.name != OPTIMIZE.name):
            self._publish(owned, output)

    def _bury(self, owned: Owned, offset: int, value: bytes | None, why: str) -> None:
        number = owned.shard.shard
        log.error("journal_record_refused", shard=number, offset=offset, error=why)
        owned.shard.skip(offset)
        metrics.DEAD_LETTERS.labels("malformed").inc()
        headers = [
            ("apse_error_code", b"malformed"),
            ("apse_error_detail", why.encode()),
            ("apse_source_topic", (self._scope + JOURNAL.name).encode()),
            ("apse_source_partition", str(number).encode()),
            ("apse_source_offset", str(offset).encode()),
        ]
        self._send(DEAD_LETTERS.name, None, value, owned.open, headers=headers)

    def _publish(self, owned: Owned, output: Output) -> None:
        headers = [(name, text.encode()) for name, text in output.headers]
        self._send(
            output.topic.name,
            output.key.encode(),
            encode_output(output),
            owned.open,
            partition=output.partition,
            headers=headers,
        )

    # ------------------------------------------------------------------ intervals

    def tick(self) -> None:
        """Write the checkpoints whose outputs are acknowledged, take new ones in time, nudge."""
        now_s = time.monotonic()
        self._lag.tell({n: (o.shard.next_offset, o.walk_lag_bars) for n, o in self.owned.items()})
        for owned in self.owned.values():
            if owned.image is not None and owned.closed.count == 0:
                self._write(owned.shard.shard, owned.image)
                owned.image = None
                owned.progress.written()
            self._nudge(owned, now_s)
        if (now_s - self._taken_s) * 1_000 < self._settings.engine.checkpoint_interval_ms:
            return
        self._taken_s = now_s
        for owned in self.owned.values():
            if owned.is_due:
                owned.take()

    def watch(self, number: int, end_offset: int) -> None:
        """Leave when records have waited in the journal for long and none has arrived."""
        owned = self.owned.get(number)
        if owned is None:
            return
        if owned.stands_still(end_offset, time.monotonic()):
            place = f"{owned.shard.next_offset} of {end_offset}"
            leave(EXIT_STALL, f"shard {number}: {place} stands still")

    def _write(self, number: int, records: list[tuple[bytes, bytes | None]]) -> None:
        """Send the records of a checkpoint; the partition keeps their order."""
        untold = Unacknowledged()  # one that fails ends the process, and nothing else waits for it
        for place, (key, value) in enumerate(records):
            if key == position_key(number):
                crash_point("before_position", self._producer.flush)
            elif place > 0 and value is not None:
                crash_point("between_checkpoint_chunks", self._producer.flush)
            self._send(CHECKPOINTS.name, key, value, untold, partition=number)
        crash_point("after_position", self._producer.flush)

    def _nudge(self, owned: Owned, now_s: float) -> None:
        """Append a nudge for each request that waited too long; the fold decides what it means."""
        for nudge in owned.due_nudges(now_s, self._settings.engine.nudge_after_ms):
            log.warning("optimizer_silent", portfolio_id=nudge.portfolio_id, attempt=nudge.attempt)
            record = encode_record(nudge)
            self._send(JOURNAL.name, None, record, owned.open, partition=owned.shard.shard)

    # ------------------------------------------------------------------ sending

    def _send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        count: Unacknowledged,
        *,
        partition: int | None = None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        def acknowledged(error: object, _: object) -> None:
            if error is not None:
                leave(EXIT_DELIVERY, f"{topic}: {error}")
            crash_point("before_output_ack")
            with self._lock:
                count.count -= 1
            crash_point("after_output_ack")

        with self._lock:
            count.count += 1
        while True:
            try:
                self._producer.produce(
                    self._scope + topic,
                    value,
                    key,
                    ANY_PARTITION if partition is None else partition,
                    headers=list(headers or []),
                    on_delivery=acknowledged,
                )
            except BufferError:  # the queue is full: the acker's thread empties it
                time.sleep(0.001)
            else:
                return

    def _serve_acks(self) -> None:
        while True:
            try:
                self._producer.poll(0.05)
            except KafkaException as error:
                leave(EXIT_DELIVERY, str(error))
