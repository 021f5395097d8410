"""The storm: workers join and are killed at seeded moments while a producer never stops.

    python -m tests.storm.storm --runs 20 [--shell faust plain] [--seed 1] [--report FILE]

A run passes when every image on the checkpoint topic is the fold of a prefix of the journal, the
furthest ones hold every event exactly once, every output is there with the right content, and no
id was ever written with two contents, all within a bounded time after the last event.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition

from streams.kafka.admin import TopicSpec, delete_scope, ensure_topics
from streams.kafka.broker import resolve_broker
from streams.kafka.clients import producer_config, reader_config
from tests.storm.judge import (
    MEMBERS,
    Kill,
    Outcome,
    Plan,
    furthest,
    judge_images,
    judge_outputs,
    kills_of,
)
from tests.storm.toy_fold import EVENT

REPOSITORY = Path(__file__).parents[2]
DRAIN_S = 40.0  # a session of 6 s, a rebalance, a start on a busy machine, twice over
TERMINATE_S = 10.0
SELF_EXITS_MAX = 30  # a worker that cannot start is not restarted for ever


class Member:
    """One worker under a supervisor that starts it again when it leaves by itself."""

    def __init__(self, name: str, command: list[str], log: Path, outcome: Outcome) -> None:
        self._name = name
        self._command = command
        self._log = log
        self._outcome = outcome
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen = False

    @property
    def up(self) -> bool:
        return self._process is not None and not self._frozen

    def start(self) -> None:
        """Start the process, or let a frozen one go on."""
        if self._process is not None:
            self._frozen = False
            self._process.send_signal(signal.SIGCONT)
            return
        self._outcome.joins += 1
        with self._log.open("ab") as log:
            log.write(f"{time.monotonic():.3f} spawn\n".encode())
            log.flush()
            self._process = subprocess.Popen(
                self._command,
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )

    def supervise(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            self._outcome.self_exits[self._process.returncode] += 1
            self._process = None
            if sum(self._outcome.self_exits.values()) <= SELF_EXITS_MAX:
                self.start()

    def freeze(self) -> None:
        assert self._process is not None
        self._outcome.kills["SIGSTOP"] += 1
        self._frozen = True
        self._process.send_signal(signal.SIGSTOP)

    def end(self, how: signal.Signals, *, counted: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if counted:
            self._outcome.kills[how.name] += 1
        process.send_signal(signal.SIGCONT)
        process.send_signal(how)
        try:
            process.wait(TERMINATE_S)
        except subprocess.TimeoutExpired:
            self._outcome.hung_on_sigterm += 1
            process.kill()
            process.wait()


class Journal(threading.Thread):
    """Appends events at a steady pace, and remembers what it appended."""

    def __init__(self, bootstrap: str, topic: str, plan: Plan) -> None:
        super().__init__(daemon=True)
        config = producer_config(bootstrap, client_id="storm-journal", gapless=True)
        self._producer = Producer(config)
        self._topic = topic
        self._plan = plan
        self.sent: dict[int, list[bytes]] = {p: [] for p in range(plan.partitions)}
        self.errors: list[str] = []

    def run(self) -> None:
        rng = np.random.default_rng([self._plan.seed, 1])
        pause_s = self._plan.produce_s / self._plan.events
        begin_s = time.monotonic()
        for number in range(self._plan.events):
            partition = int(rng.integers(self._plan.partitions))
            value = int(rng.integers(-1_000_000, 1_000_000))
            event = EVENT.pack(partition, len(self.sent[partition]), value)
            self.sent[partition].append(event)
            self._producer.produce(self._topic, event, partition=partition, on_delivery=self._told)
            self._producer.poll(0)
            time.sleep(max(0.0, begin_s + number * pause_s - time.monotonic()))
        left = self._producer.flush(30)
        if left:
            self.errors.append(f"{left} events not delivered")

    def _told(self, error: object, _: object) -> None:
        if error is not None:
            self.errors.append(str(error))


def run_storm(bootstrap: str, plan: Plan, logs: Path) -> Outcome:
    """Run one storm on the broker, and judge it."""
    outcome = Outcome(plan)
    scope = f"storm-{os.getpid()}-{plan.shell}-{plan.seed}-"
    compacted = {"cleanup.policy": "compact", "segment.ms": "10000"}
    ensure_topics(
        bootstrap,
        [
            TopicSpec(name="journal", partitions=plan.partitions),
            TopicSpec(name="outputs", partitions=plan.partitions),
            TopicSpec(name="checkpoints", partitions=plan.partitions, config=compacted),
        ],
        scope,
    )
    begin_s = time.monotonic()
    journal = Journal(bootstrap, f"{scope}journal", plan)
    static = "static" if plan.static else "dynamic"
    members = {
        name: Member(
            name,
            [
                sys.executable,
                "-m",
                "tests.storm.toy_worker",
                plan.shell,
                bootstrap,
                scope,
                name,
                static,
            ],
            logs / f"{plan.shell}-{plan.seed}-{name}.log",
            outcome,
        )
        for name in MEMBERS
    }
    try:
        journal.start()
        blow(plan, members)
        journal.join()
        drain_begin_s = time.monotonic()
        drain(bootstrap, scope, journal.sent, members)
        outcome.drain_s = time.monotonic() - drain_begin_s
    finally:
        for member in members.values():
            member.end(signal.SIGTERM, counted=False)
    outcome.problems += journal.errors
    judge_images(
        read_topic(bootstrap, f"{scope}checkpoints", plan.partitions), journal.sent, outcome
    )
    judge_outputs(read_topic(bootstrap, f"{scope}outputs", plan.partitions), journal.sent, outcome)
    outcome.seconds = time.monotonic() - begin_s
    for name in MEMBERS:
        outcome.first_record_s += first_record_times(logs / f"{plan.shell}-{plan.seed}-{name}.log")
    delete_scope(bootstrap, scope)
    return outcome


def blow(plan: Plan, members: dict[str, Member]) -> None:
    """Start the members, then kill and start them again as planned."""
    begin_s = time.monotonic()
    waiting = sorted(kills_of(plan), key=lambda kill: kill.at_s)
    returns: list[tuple[float, str]] = [(0.0, name) for name in MEMBERS]
    while waiting or returns:
        now_s = time.monotonic() - begin_s
        for item in [item for item in returns if item[0] <= now_s]:
            returns.remove(item)
            members[item[1]].start()
        while waiting and waiting[0].at_s <= now_s:
            kill = waiting.pop(0)
            name = kill.member if members[kill.member].up else other(kill.member)
            if members[name].up:
                if kill.how == signal.SIGSTOP:
                    members[name].freeze()
                else:
                    members[name].end(kill.how, counted=True)
                returns.append((time.monotonic() - begin_s + kill.down_s, name))
            else:  # both are away already: this one waits for the first to come back
                waiting.insert(0, Kill(now_s + 0.5, kill.member, kill.how, kill.down_s))
                break
        for member in members.values():
            member.supervise()
        time.sleep(0.02)


def other(name: str) -> str:
    return MEMBERS[1 - MEMBERS.index(name)]


def drain(
    bootstrap: str, scope: str, sent: dict[int, list[bytes]], members: dict[str, Member]
) -> None:
    """Wait until the images say that everything is applied, or the bound is over."""
    end_s = time.monotonic() + DRAIN_S
    while time.monotonic() < end_s:
        for member in members.values():
            member.supervise()
        images = read_topic(bootstrap, f"{scope}checkpoints", len(sent))
        ends = furthest(images)
        if all(ends[p].next_offset >= len(events) for p, events in sent.items()):
            return
        time.sleep(0.2)


def read_topic(bootstrap: str, topic: str, partitions: int) -> list[tuple[int, bytes, bytes]]:
    """Read all (partition, key, value) of a topic up to its ends."""
    consumer = Consumer(reader_config(bootstrap, client_id="storm-reader"))
    consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    records, open_ends = [], set(range(partitions))
    end_s = time.monotonic() + 30.0
    while open_ends and time.monotonic() < end_s:
        for message in consumer.consume(1000, timeout=0.2):
            if message.error():
                open_ends.discard(message.partition())
            else:
                records.append((message.partition(), message.key(), message.value()))
    consumer.close()
    assert not open_ends, f"{topic} could not be read to its ends {open_ends}"
    return records


def first_record_times(log: Path) -> list[float]:
    """Seconds from each spawn to the first record the process took."""
    times, spawned_s = [], None
    for text in log.read_text(errors="replace").splitlines():
        stamp, _, what = text.partition(" ")
        if what == "spawn":
            spawned_s = float(stamp)
        elif what.startswith("first record") and spawned_s is not None:
            times.append(float(stamp) - spawned_s)
            spawned_s = None
    return times


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; one more for each")
    parser.add_argument("--shell", nargs="+", default=["faust", "plain"])
    parser.add_argument("--report", type=Path, help="append one line a run to this file")
    parser.add_argument("--logs", type=Path, help="keep the workers' logs here")
    chosen = parser.parse_args(arguments)
    logs = chosen.logs or Path(tempfile.mkdtemp(prefix="storm-logs-"))
    logs.mkdir(parents=True, exist_ok=True)
    failed = 0
    with resolve_broker() as broker:
        say(f"{broker.note}, logs {logs}")
        for seed in range(chosen.seed, chosen.seed + chosen.runs):
            for shell in chosen.shell:
                outcome = run_storm(broker.bootstrap, Plan(seed=seed, shell=shell), logs)
                failed += bool(outcome.problems)
                say(outcome.line())
                if chosen.report:
                    with chosen.report.open("a") as report:
                        report.write(outcome.line() + "\n")
    return 1 if failed else 0


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
