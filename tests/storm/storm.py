"""The storm: workers join and are killed at seeded moments while a producer never stops.

    python -m tests.storm.storm --runs 20 [--shell faust plain] [--seed 1] [--report FILE]

A run passes when every image on the checkpoint topic is the fold of a prefix of the journal, the
furthest ones hold every event exactly once, every output is there with the right content, and no
id was ever written with two contents, all within a bounded time after the last event.
"""

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition

from streams.kafka.admin import TopicSpec, delete_scope, ensure_topics
from streams.kafka.broker import resolve_broker
from streams.kafka.clients import producer_config, reader_config
from tests.storm.toy_fold import CHAIN_START, EVENT, State, link, output_id

REPOSITORY = Path(__file__).parents[2]
MEMBERS = ("a", "b")
DRAIN_S = 40.0  # a session of 6 s, a rebalance, a start on a busy machine, twice over
TERMINATE_S = 10.0
SELF_EXITS_MAX = 30  # a worker that cannot start is not restarted for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one run does; everything that is chance follows from the seed."""

    seed: int
    shell: str
    partitions: int = 6
    events: int = 12_000
    kills: int = 6
    kill_every_s: float = 3.0

    @property
    def static(self) -> bool:
        """Odd seeds run with static membership, even ones without."""
        return self.seed % 2 == 1

    @property
    def produce_s(self) -> float:
        return self.kill_every_s * (self.kills + 2)


@dataclass(frozen=True, slots=True)
class Kill:
    at_s: float
    member: str
    how: signal.Signals
    down_s: float


def kills_of(plan: Plan) -> list[Kill]:
    """Kills spread over the run; one in five stays away for longer than a session.

    One more is no kill: the member is frozen for longer than a session, and wakes as a zombie.
    """
    rng = np.random.default_rng(plan.seed)
    kills = []
    freeze = int(rng.integers(plan.kills + 1))
    for number in range(plan.kills + 1):
        at_s = plan.kill_every_s * (number + 1) + rng.uniform(-0.8, 0.8)
        member = MEMBERS[int(rng.integers(2))]
        how = (signal.SIGKILL, signal.SIGTERM)[int(rng.integers(2))]
        down_s = rng.uniform(0.1, 1.0) if rng.random() < 0.8 else rng.uniform(6.5, 8.0)
        if number == freeze:
            how, down_s = signal.SIGSTOP, rng.uniform(6.5, 8.0)
        kills.append(Kill(at_s, member, how, down_s))
    return kills


@dataclass(slots=True)
class Outcome:
    plan: Plan
    problems: list[str] = field(default_factory=list)
    joins: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    self_exits: Counter[int] = field(default_factory=Counter)
    hung_on_sigterm: int = 0
    repeated_outputs: int = 0
    images: int = 0
    older_images: int = 0  # written after a further one: by a member that had been frozen
    seconds: float = 0.0
    drain_s: float = 0.0
    first_record_s: list[float] = field(default_factory=list)

    def line(self) -> str:
        """The run in one line, for the table of the decision record."""
        verdict = "PASS" if not self.problems else "FAIL " + "; ".join(self.problems[:3])
        told = {
            "shell": self.plan.shell,
            "seed": self.plan.seed,
            "membership": "static" if self.plan.static else "dynamic",
            "events": self.plan.events,
            "joins": self.joins,
            "sigkill": self.kills["SIGKILL"],
            "sigterm": self.kills["SIGTERM"],
            "frozen": self.kills["SIGSTOP"],
            "self_exits": {str(code): n for code, n in sorted(self.self_exits.items())},
            "hung_on_sigterm": self.hung_on_sigterm,
            "repeated_outputs": self.repeated_outputs,
            "images": self.images,
            "older_images": self.older_images,
            "drain_s": round(self.drain_s, 1),
            "seconds": round(self.seconds, 1),
            "first_record_s": [round(value, 1) for value in sorted(self.first_record_s)],
        }
        return f"{verdict} {json.dumps(told)}"


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


def furthest(images: list[tuple[int, bytes, bytes]]) -> dict[int, State]:
    """The furthest image of each partition: the newest may be a zombie's, which is no less true."""
    states: dict[int, State] = defaultdict(State)
    for partition, _, image in images:
        states[partition] = max(states[partition], State.decode(image), key=lambda s: s.next_offset)
    return states


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


def judge_images(
    images: list[tuple[int, bytes, bytes]], sent: dict[int, list[bytes]], outcome: Outcome
) -> None:
    links = {partition: chains(events) for partition, events in sent.items()}
    reached: Counter[int] = Counter()
    for partition, _, image in images:
        state = State.decode(image)
        whole = state.count == state.next_offset <= len(sent[partition])
        if not whole or state.chain != links[partition][state.count]:
            outcome.problems.append(f"partition {partition}: {state} is no fold of the journal")
        outcome.older_images += state.next_offset < reached[partition]
        reached[partition] = max(reached[partition], state.next_offset)
    outcome.images = len(images)
    for partition, state in sorted(furthest(images).items()):
        events = sent[partition]
        expected = (len(events), sum(EVENT.unpack(event)[2] for event in events))
        if (state.count, state.total) != expected:
            found = (state.count, state.total)
            outcome.problems.append(f"partition {partition}: state {found}, expected {expected}")
    for partition in sorted(sent.keys() - {partition for partition, _, _ in images}):
        outcome.problems.append(f"partition {partition}: no image")


def judge_outputs(
    records: list[tuple[int, bytes, bytes]], sent: dict[int, list[bytes]], outcome: Outcome
) -> None:
    expected = {
        output_id(partition, place): content
        for partition, events in sent.items()
        for place, content in enumerate(chains(events)[1:])
    }
    contents: dict[bytes, set[bytes]] = {}
    for _, key, content in records:
        contents.setdefault(key, set()).add(content)
    missing = expected.keys() - contents.keys()
    unknown = contents.keys() - expected.keys()
    conflicting = [key for key, found in contents.items() if len(found) > 1]
    wrong = [key for key in expected.keys() & contents.keys() if expected[key] not in contents[key]]
    for what, keys in (
        ("missing", missing),
        ("unknown", unknown),
        ("conflicting", conflicting),
        ("wrong", wrong),
    ):
        if keys:
            outcome.problems.append(f"{len(keys)} outputs {what}, first {min(keys)!r}")
    outcome.repeated_outputs = len(records) - len(contents)


def chains(events: list[bytes]) -> list[bytes]:
    return list(itertools.accumulate(events, link, initial=CHAIN_START))


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
