"""Storms over the whole engine: workers come, go and freeze while returns flow.

    python -m tests.agents.storms --seeds 1-20 --at-once 4 --table docs/faults.md

A storm has two workers to begin with, a third that joins and may leave again, ingest, the optimizer
and the paper executor; portfolios on two shards. Workers are killed, terminated and frozen past
their session at moments that the seed decides, and one of the other processes is killed as well. It
passes when at the end

- decisions, commands, metrics and covariances are those of a replay in this process, byte for byte,
  none missing and none foreign, in their order, and no id ever had two contents;
- states are, but for the last version that was acknowledged: reports come when they come;
- every command has one final report;
- the checkpoints hold the replay's state, byte for byte.
"""

import argparse
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from schemas.topics import CHECKPOINTS, REBALANCE, REPORTS, STATE
from schemas.units import format_instant
from streams.agents.checkpoint import Gatherer, plan
from streams.core.image import decode_image
from streams.files import to_messages
from streams.kafka.admin import delete_scope
from streams.kafka.broker import resolve_broker
from streams.observe.clock import now_ns
from streams.operate.read import Reader
from streams.operate.supervisor import INGEST, OPTIMIZER, PORTFOLIO, executor
from streams.simulation.reference import settled_image
from tests.agents.faults import (
    FREEZE_S,
    PORTFOLIOS,
    Outcome,
    judge,
    policy_of,
    replayed,
    running,
    table_of,
)

SHARDS = (3, 8)  # with two workers each has one of them
DAYS = 240
SLICES = 36
SLICE_S = 0.3
UP_SLICES = 4  # published before the first blow
UP_S = 60.0
REST_S = 60.0
WORKERS = ("a", "b", "c")
EDGES = ("ingest", "optimizer", "executor")
BEGIN, END = "<!-- python -m tests.agents.storms -->", "<!-- end -->"


@dataclass
class Blow:
    """What happens after which slice, and to whom: a draw that meets who is up then."""

    slice: int
    what: str
    draw: float


def blows_of(seed):
    rng = np.random.default_rng([seed, 11])
    whats = ["kill", "kill", "term", "freeze", "join", "edge"] + ["leave"] * int(seed % 2)
    places = np.sort(rng.integers(UP_SLICES, SLICES - 4, len(whats))).tolist()
    order = rng.permutation(len(whats)).tolist()
    draws = rng.random(len(whats)).tolist()
    return [
        Blow(place, whats[i], draw) for place, i, draw in zip(places, order, draws, strict=True)
    ]


@dataclass
class Storm:
    """One run's processes, and who is frozen until when."""

    run: object
    edges: dict[str, tuple[str, ...]]
    outcome: Outcome
    workers: dict[str, object] = field(default_factory=dict)
    frozen: dict[int, float] = field(default_factory=dict)

    def start(self, name):
        self.workers[name] = self.run.beside(PORTFOLIO)

    def strike(self, blow):
        names = sorted(self.workers)
        name = names[int(blow.draw * len(names))]
        match blow.what:
            case "kill":
                self._signal(name, signal.SIGKILL)
            case "term":
                self._signal(name, signal.SIGTERM)
            case "freeze":
                self._signal(name, signal.SIGSTOP)
                self.frozen[self.workers[name].pid_of(PORTFOLIO)] = time.monotonic() + FREEZE_S
            case "join":
                self.outcome.faults.append("join")
                self.start("c")
            case "leave" if len(names) > len(SHARDS):
                self.outcome.faults.append(f"{name} leaves")
                leaving = self.workers.pop(name)
                self.run.others.remove(leaving)
                leaving.stop()
            case "leave":  # the third has not come yet
                self._signal(name, signal.SIGTERM)
            case "edge":
                edge = EDGES[int(blow.draw * len(EDGES))]
                self.outcome.faults.append(f"{edge} SIGKILL")
                _send(self.run.engine.pid_of(self.edges[edge]), signal.SIGKILL)

    def _signal(self, name, how):
        self.outcome.faults.append(f"{name} {how.name}")
        _send(self.workers[name].pid_of(PORTFOLIO), how)

    def thaw(self, *, all_of_them=False):
        for pid, until_s in list(self.frozen.items()):
            if all_of_them or time.monotonic() >= until_s:
                del self.frozen[pid]
                _send(pid, signal.SIGCONT)


def _send(pid, how):
    with suppress(ProcessLookupError):  # it left at this very moment
        os.kill(pid, how)


def run_storm(bootstrap, scope, seed, logs, *, slices=SLICES, days=DAYS):
    """Publish a table slice by slice, with blows between slices, and judge what came out."""
    policies = [policy_of(name) for name in PORTFOLIOS]
    table = table_of(seed, days)
    expected, images = replayed(policies, table)
    expected = {
        place: dict.fromkeys(map(unacknowledged, found)) if place[0] == STATE.name else found
        for place, found in expected.items()
    }
    outcome = Outcome(seed)
    begun_s = time.monotonic()
    edges = {"ingest": INGEST, "optimizer": OPTIMIZER, "executor": executor(bootstrap, scope)}
    settings = {"APSE_ENGINE__CHECKPOINT_INTERVAL_MS": "1500"}  # so that there is much to repeat
    with running(bootstrap, scope, logs, commands=tuple(edges.values()), **settings) as run:
        run.watcher = StormWatcher(run.watcher)
        storm = Storm(run, edges, outcome)
        for name in WORKERS[:2]:
            storm.start(name)
        run.register(*policies, shards=SHARDS)
        _flow(storm, table, policies[0].bar, seed, slices)
        drained_s = time.monotonic()
        judge(run, expected, outcome)
        outcome.drain_s = time.monotonic() - drained_s
        outcome.problems += run.watcher.conflicts
        _judge_reports(run, outcome)
        _judge_images(run, images, outcome)
        if outcome.problems:
            for log in sorted(logs.rglob("*.log")):
                sys.stderr.write(f"--- {log}\n{log.read_text(errors='replace')[-2000:]}\n")
    outcome.seconds = time.monotonic() - begun_s
    return outcome


def _flow(storm, table, bar, seed, slices):
    run = storm.run
    messages = [row.message() for row in to_messages(table, bar)]
    blows = blows_of(seed)
    for number, portion in enumerate(np.array_split(np.arange(len(messages)), slices)):
        run.publish([messages[int(i)] for i in portion])
        if number == UP_SLICES - 1:
            assert run.until(lambda: run.watcher.records > 0, UP_S), "the engine did not start"
        for blow in blows:
            if blow.slice == number:
                storm.strike(blow)
        run.step(SLICE_S)
        storm.thaw()
    while storm.frozen:
        run.step(0.2)
        storm.thaw()


def unacknowledged(state):
    """A state without the version that was acknowledged."""
    fields = json.loads(state)
    fields.pop("acknowledged_version", None)
    return json.dumps(fields).encode()


class StormWatcher:
    """Takes states without what was acknowledged, and sees an id that has two contents."""

    def __init__(self, watcher) -> None:
        self._watcher = watcher
        self._first = defaultdict(dict)
        self.conflicts = []

    def __getattr__(self, name):
        return getattr(self._watcher, name)

    def poll(self, timeout_s=0.05):
        inner = self._watcher
        for record in inner._reader.poll(timeout_s):
            inner.records += 1
            place = (record.topic, record.key.decode())
            value = unacknowledged(record.value) if record.topic == STATE.name else record.value
            if self._first[place].setdefault(value, record.value) != record.value:
                self.conflicts.append(f"{place}: two contents of {value!r:.200}")
            if value not in inner.streams[place]:
                inner.streams[place][value] = None
                inner.new_s = time.monotonic()


def _judge_reports(run, outcome):
    """Each command has one final report, whatever ended while it was answered."""
    commands = {
        json.loads(value)["command_id"]
        for (topic, _), found in run.watcher.streams.items()
        if topic == REBALANCE.name
        for value in found
    }
    finals = Counter()

    def answered():
        with Reader(run.kafka, (REPORTS,)) as reader:
            ids = {r.value for r in reader.to_end() if r.headers.get("final") == b"1"}
        finals.clear()
        finals.update(json.loads(value)["command_id"] for value in ids)
        return commands <= set(finals)

    run.until(answered, REST_S)
    if finals != dict.fromkeys(commands, 1):
        outcome.problems.append(f"final reports {finals}, expected one for each of {commands}")
    outcome.reports = len(finals)


def _judge_images(run, images, outcome):
    """The newest checkpoints hold what the replay ends with."""
    found = {}

    def equal():
        found.clear()
        gatherers = defaultdict(Gatherer)
        with Reader(run.kafka, (CHECKPOINTS,)) as reader:
            for record in reader.to_end():
                gatherers[record.partition].add(record.key, record.value or None)
        for shard in SHARDS:
            for name, restored in plan(shard, gatherers[shard].found()).portfolios.items():
                found[name] = settled_image(decode_image(restored.image.data)["walk"])
        return found == images

    if not run.until(equal, REST_S):
        wrong = sorted(name for name in images if found.get(name) != images[name])
        outcome.problems.append(f"state of {wrong} is not the replay's")


# -------------------------------------------------------------------------- the command


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="1-20", help="FIRST-LAST, or one")
    parser.add_argument("--at-once", type=int, default=4, help="storms beside each other")
    parser.add_argument("--table", type=Path, help="file whose marked part gets the results")
    parser.add_argument("--logs", type=Path, default=None)
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    begun_s = time.monotonic()
    with resolve_broker() as broker, tempfile.TemporaryDirectory(prefix="apse-storms-") as own:
        logs = options.logs or Path(own)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(options.at_once, context) as pool:
            running_ = [pool.submit(_storm, broker.bootstrap, seed, logs) for seed in seeds]
            outcomes = []
            for future in running_:
                outcomes.append(future.result())
                sys.stdout.write(outcomes[-1].line() + "\n")
                sys.stdout.flush()
    text = table_text(outcomes, time.monotonic() - begun_s)
    sys.stdout.write(text)
    if options.table:
        write_table(options.table, text)
    sys.exit(any(outcome.problems for outcome in outcomes))


def _storm(bootstrap, seed, logs):
    scope = f"storm-{os.getpid()}-{seed}."
    try:
        outcome = run_storm(bootstrap, scope, seed, logs / str(seed))
    except Exception as error:  # noqa: BLE001  # one storm must not end the others
        outcome = Outcome(seed, problems=[repr(error)])
    delete_scope(bootstrap, scope)
    return outcome


def table_text(outcomes, seconds):
    """The results as Markdown."""
    passed = sum(not outcome.problems for outcome in outcomes)
    lines = [
        f"{passed} of {len(outcomes)} passed, {format_instant(now_ns())[:10]}, {seconds:.0f} s.",
        "",
        "| seed | result | records (distinct) | decisions | commands | drain s | what happened |",
        "|--:|---|--:|--:|--:|--:|---|",
    ]
    for outcome in outcomes:
        result = "FAIL" if outcome.problems else "pass"
        lines.append(
            f"| {outcome.seed} | {result} | {outcome.records} ({outcome.distinct}) |"
            f" {outcome.decisions} | {outcome.commands} | {outcome.drain_s:.1f} |"
            f" {', '.join(outcome.faults)} |"
        )
    return "\n".join([*lines, ""])


def write_table(path, text):
    """Put the results between the marks of a file."""
    before, _, rest = path.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{text}{END}{after}")


if __name__ == "__main__":
    main()
