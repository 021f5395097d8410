"""What a storm does, and the verdict on how it went: pure functions of seeds and records."""

import itertools
import json
import signal
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np

from tests.storm.toy_fold import CHAIN_START, EVENT, State, link, output_id

MEMBERS = ("a", "b")


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


def furthest(images: list[tuple[int, bytes, bytes]]) -> dict[int, State]:
    """The furthest image of each partition: the newest may be a zombie's, which is no less true."""
    states: dict[int, State] = defaultdict(State)
    for partition, _, image in images:
        states[partition] = max(states[partition], State.decode(image), key=lambda s: s.next_offset)
    return states
