"""The engine on a real broker, with processes ended and frozen at seeded points of a replay.

    python -m tests.agents.faults --seeds 1 2 3 [--logs FOLDER]

A run passes when every record that the engine published is one that a replay in this process
publishes, byte for byte, none is missing, and the first copies stand in the same order.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from schemas.events import PortfolioRegistration, StrategyReturn
from schemas.optimize import OptimizeRequest
from schemas.policy import load_policy
from schemas.topics import COVARIANCE, DECISIONS, METRICS, REBALANCE, SHADOWS, STATE
from streams.core.calendar import DAY_NS
from streams.core.outputs import encode_output
from streams.files import ReturnsTable, to_messages, to_rows
from streams.kafka.admin import delete_scope
from streams.kafka.broker import resolve_broker
from streams.operate.read import Reader
from streams.operate.send import Sender
from streams.operate.supervisor import ENGINE, INGEST, OPTIMIZER, PORTFOLIO, Supervisor
from streams.operate.topics import create_topics
from streams.runtime.local import LocalEngine
from streams.settings import KafkaSettings
from streams.simulation.reference import walked_image

CANONICAL = (DECISIONS, REBALANCE, STATE, METRICS, COVARIANCE, SHADOWS)
PORTFOLIOS = ("first", "second")
SHARD = 3
NAMES = tuple(f"s{number}" for number in range(6))
ROWS_PER_DAY = 3  # partial bars: a day comes in pieces
START_NS = 19_000 * DAY_NS
DRAIN_S = 180.0  # a freeze, a session, a rebalance and two starts on a very busy machine
FREEZE_S = 7.5  # longer than a session
FAULTS = (
    ("portfolio", signal.SIGKILL),
    ("portfolio", signal.SIGTERM),
    ("portfolio", signal.SIGSTOP),
    ("ingest", signal.SIGKILL),
    ("optimizer", signal.SIGKILL),
)
COMMANDS = {"portfolio": PORTFOLIO, "ingest": INGEST, "optimizer": OPTIMIZER}
Streams = dict[tuple[str, str], dict[bytes, None]]
"""Distinct records in the order of their first copies, by topic and portfolio."""


def policy_of(portfolio_id, **changes):
    document = {
        "portfolio_id": portfolio_id,
        "bar": "1d",
        "periods_per_year": 252,
        "strategies": [{"id": name, "family": "trend"} for name in NAMES],
        "estimation": {
            "window_bars": 40,
            "min_bars": 15,
            "windows": [10, 40],
            "covariance": "ledoit_wolf" if portfolio_id == PORTFOLIOS[0] else "sample",
        },
        "objective": {"type": "min_variance"},
        "costs": {"linear_bps": 5},
        "constraints": {"weight_max": 0.5},
        "rebalance": {"schedule": "weekly", "drift": {"max_abs": 0.03}},
        "shadows": [{"name": "parity", "objective": {"type": "inverse_volatility"}}],
    }
    return load_policy(document | changes)


def table_of(seed, days, rows_per_day=ROWS_PER_DAY):
    """Returns with holes, a late start and an early end; some rows a day, the last at its end."""
    rng = np.random.default_rng([seed, 7])
    rows = days * rows_per_day
    values = rng.normal(0.0002, 0.006, (rows, 1)) + rng.normal(0.0, 0.008, (rows, len(NAMES)))
    values[rng.random(values.shape) < 0.05] = np.nan
    values[: rows // 8, 1] = np.nan
    values[-rows // 8 :, 2] = np.nan
    values[:, 0] = np.where(np.isnan(values[:, 0]), 0.0, values[:, 0])
    stamps_ns = START_NS + (np.arange(rows, dtype=np.int64) + 1) * (DAY_NS // rows_per_day)
    return ReturnsTable(stamps_ns=stamps_ns, names=NAMES, values=values)


def reference(policies, table) -> Streams:
    """What a replay in this process publishes."""
    return replayed(policies, table)[0]


def replayed(policies, table) -> tuple[Streams, dict[str, bytes]]:
    """What a replay in this process publishes, and the walked state it ends with."""
    streams: Streams = {}
    images = {}
    for policy in policies:
        registration = PortfolioRegistration(
            portfolio_id=policy.portfolio_id, shard=SHARD, policy=policy
        )
        engine = LocalEngine(registration)
        for output in engine.feed(to_rows(table, policy.bar)):
            if not isinstance(output.message, OptimizeRequest):
                place = streams.setdefault((output.topic.name, output.key), {})
                place[encode_output(output)] = None
        images[policy.portfolio_id] = walked_image(engine.shard, policy.portfolio_id)
    return streams, images


class Watcher:
    """Reads what the engine publishes, and tells when something new came last."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._reader = Reader(kafka, CANONICAL)
        self.streams: Streams = defaultdict(dict)
        self.records = 0
        self.new_s = time.monotonic()

    def poll(self, timeout_s=0.05) -> None:
        for record in self._reader.poll(timeout_s):
            self.records += 1
            place = self.streams[record.topic, record.key.decode()]
            if record.value not in place:
                place[record.value] = None
                self.new_s = time.monotonic()

    def has(self, expected: Streams) -> bool:
        return all(len(self.streams[place]) >= len(found) for place, found in expected.items())

    def close(self) -> None:
        self._reader._consumer.close()


def differences(expected: Streams, found: Streams) -> list[str]:
    """In words, where two sets of streams are not the same bytes in the same order."""
    problems = []
    for place in sorted(expected.keys() | found.keys()):
        ours, theirs = list(expected.get(place, ())), list(found.get(place, ()))
        if ours != theirs:
            missing = len(set(ours) - set(theirs))
            foreign = [value for value in theirs if value not in set(ours)]
            words = f"{place}: {missing} of {len(ours)} missing, {len(foreign)} foreign"
            problems.append(f"{words} {first_fields(ours, theirs)}")
    return problems


def first_fields(ours, theirs):
    """The fields in which the first records that differ do."""
    for mine, other in zip(ours, theirs, strict=False):
        if mine != other:
            try:
                left, right = json.loads(mine), json.loads(other)
            except ValueError:
                return f"{other!r:.300}"
            fields = sorted(name for name in {*left, *right} if left.get(name) != right.get(name))
            told = [
                f"{name} {left.get(name)!r:.100}, found {right.get(name)!r:.100}" for name in fields
            ]
            return "; ".join(told[:4]) or "the order of fields"
    return "one is the beginning of the other"


@dataclass
class Outcome:
    seed: int
    problems: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    restart_s: list[float] = field(default_factory=list)
    records: int = 0
    distinct: int = 0
    decisions: int = 0
    commands: int = 0
    reports: int = 0
    drain_s: float = 0.0
    seconds: float = 0.0

    def line(self) -> str:
        told = {name: value for name, value in vars(self).items() if name != "problems"}
        told["restart_s"] = [round(value, 1) for value in self.restart_s]
        told["seconds"] = round(self.seconds, 1)
        verdict = "PASS" if not self.problems else "FAIL " + "; ".join(self.problems[:3])
        return f"{verdict} {json.dumps(told)}"


class Run:
    """An engine on a scope of its own, fed from a table in slices."""

    def __init__(self, bootstrap, scope, logs: Path, *, commands=ENGINE, **environment) -> None:
        self.kafka = KafkaSettings(bootstrap=bootstrap, scope=scope)
        create_topics(self.kafka)
        self.environment = {
            "APSE_KAFKA__BOOTSTRAP": bootstrap,
            "APSE_KAFKA__SCOPE": scope,
            "APSE_ENGINE__CHECKPOINT_INTERVAL_MS": "300",
            # four nudges are enough for a start on a busy machine, one for a new pool's paper books
            "APSE_ENGINE__NUDGE_AFTER_MS": "20000",
            "APSE_OPTIMIZER__DEADLINE_MS": "20000",
        } | environment
        self.logs = logs
        self.engine = Supervisor(commands, self.environment, logs=logs)
        self.others: list[Supervisor] = []
        self.watcher = Watcher(self.kafka)

    def close(self) -> None:
        for supervisor in (self.engine, *self.others):
            supervisor.stop()
        self.watcher.close()

    def beside(self, *commands) -> Supervisor:
        """Start more processes on the same scope."""
        logs = self.logs / f"beside-{len(self.others)}"
        self.others.append(Supervisor(commands, self.environment, logs=logs))
        return self.others[-1]

    def register(self, *policies, shards=(SHARD, SHARD)) -> None:
        with Sender(self.kafka) as sender:
            for policy, shard in zip(policies, shards, strict=False):
                sender.portfolio(policy, shard=shard)

    def publish(self, messages: list[StrategyReturn]) -> None:
        with Sender(self.kafka) as sender:
            sender.returns(messages)

    def step(self, seconds: float = 0.0) -> None:
        """Keep the processes running and read what they publish, for a while."""
        end_s = time.monotonic() + seconds
        while True:
            for supervisor in (self.engine, *self.others):
                supervisor.check()
            self.watcher.poll()
            if time.monotonic() >= end_s:
                return

    def until(self, reached: Callable[[], bool], bound_s: float = DRAIN_S) -> bool:
        end_s = time.monotonic() + bound_s
        while not reached():
            if time.monotonic() > end_s:
                return False
            self.step()
        return True

    def pid(self, stage: str) -> int:
        return self.engine.pid_of(COMMANDS[stage])

    def log_of(self, stage: str) -> str:
        path = self.engine._log_of(COMMANDS[stage])
        return path.read_text(errors="replace") if path.exists() else ""

    def said(self) -> str:
        return "\n".join(f"--- {s}\n{self.log_of(s)[-3000:]}" for s in COMMANDS)


@contextmanager
def running(*arguments, **settings) -> Iterator[Run]:
    run = Run(*arguments, **settings)
    try:
        yield run
    finally:
        run.close()


def judge(run: Run, expected: Streams, outcome: Outcome) -> None:
    """Wait until all is there, then a moment for what should not be, and compare."""
    run.until(lambda: run.watcher.has(expected))
    run.step(1.0)
    found = run.watcher.streams
    outcome.problems += differences(expected, found)
    outcome.records = run.watcher.records
    outcome.distinct = sum(len(place) for place in found.values())
    for (topic, _), place in found.items():
        outcome.decisions += len(place) * (topic == DECISIONS.name)
        outcome.commands += len(place) * (topic == REBALANCE.name)


def run_faults(bootstrap, scope, seed, logs, *, days=90, faults=FAULTS, slices=30) -> Outcome:
    """Publish a table slice by slice, with faults between slices, and judge what came out."""
    rng = np.random.default_rng(seed)
    policies = [policy_of(name) for name in PORTFOLIOS]
    table = table_of(seed, days)
    expected = reference(policies, table)
    outcome = Outcome(seed)
    begun_s = time.monotonic()
    order = [faults[int(i)] for i in rng.permutation(len(faults))]
    places = np.sort(rng.choice(np.arange(4, slices), len(order), replace=False)).tolist()
    with running(bootstrap, scope, logs) as run:
        run.register(*policies)
        messages = [row.message() for row in to_messages(table, policies[0].bar)]
        portions = np.array_split(np.arange(len(messages)), slices)
        for number, portion in enumerate(portions):
            run.publish([messages[int(i)] for i in portion])
            if number == 3:  # the first bars are through: everything is up
                run.until(lambda: run.watcher.records > 0)
            run.step(float(rng.uniform(0.1, 0.5)))
            if number in places:
                stage, how = order[places.index(number)]
                inflict(run, stage, how, outcome)
        judge(run, expected, outcome)
        if outcome.problems:
            sys.stderr.write(run.said())
    outcome.seconds = time.monotonic() - begun_s
    return outcome


def inflict(run: Run, stage: str, how: signal.Signals, outcome: Outcome) -> None:
    """End or freeze a process."""
    outcome.faults.append(f"{stage} {how.name}")
    pid = run.pid(stage)
    os.kill(pid, how)
    at_s = time.monotonic()
    if how == signal.SIGSTOP:
        run.step(FREEZE_S)
        os.kill(pid, signal.SIGCONT)
        return
    assert run.until(lambda: run.pid(stage) != pid), f"{stage} was not started again"
    if stage == "portfolio" and how == signal.SIGKILL:
        with_news = run.until(lambda: run.watcher.new_s > at_s, 20.0)
        if with_news:
            outcome.restart_s.append(run.watcher.new_s - at_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--logs", type=Path, default=None)
    options = parser.parse_args()
    failed = 0
    with resolve_broker() as broker, tempfile.TemporaryDirectory(prefix="apse-faults-") as own:
        for seed in options.seeds:
            scope = f"faults-{os.getpid()}-{seed}."
            logs = (options.logs or Path(own)) / str(seed)
            outcome = run_faults(broker.bootstrap, scope, seed, logs)
            delete_scope(broker.bootstrap, scope)
            failed += bool(outcome.problems)
            sys.stdout.write(outcome.line() + "\n")
            sys.stdout.flush()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
