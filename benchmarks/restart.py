"""After kill -9 of the portfolio worker: how long until the next new output, and is all there once?

Returns flow all the while. Every record that came must be one of those that a replay in this
process publishes, and none may be missing: repeats are the same bytes.
"""

import os
import signal
import time
from collections.abc import Callable

from benchmarks.engine import Engine, engine_on, fill
from benchmarks.report import Result, alone, load
from benchmarks.worlds import bar_ends_ns, default_policy, frames_of, names_of, returns_of
from schemas.events import PortfolioRegistration
from schemas.policy import PortfolioPolicy
from schemas.topics import DECISIONS, REBALANCE, STATE
from streams.core.arrays import FloatArray
from streams.core.outputs import encode_output
from streams.kafka.broker import Broker, resolve_broker
from streams.operate.read import Reader
from streams.runtime.local import LocalEngine

STRATEGIES = 20
HISTORY_BARS = 300
BARS_PER_S = 20
KILL_AFTER_S = 5.0  # past a checkpoint
BOUND_S = 60.0
WATCHED = (STATE, DECISIONS, REBALANCE)


class Feed:
    """Publishes bars at a steady pace, and notes when each distinct output was first seen."""

    def __init__(self, engine: Engine, reader: Reader, policy: PortfolioPolicy, bars: int) -> None:
        self._engine, self._reader, self._names = engine, reader, names_of(STRATEGIES)
        self._ends_ns = bar_ends_ns(policy, bars)
        self.returns = returns_of(8, bars, STRATEGIES)
        self.sent = 0
        self.seen: dict[tuple[str, bytes], float] = {}

    def publish(self, bars: int) -> None:
        """Publish the next bars at once."""
        chosen = slice(self.sent, self.sent + bars)
        fill(self._engine.kafka, self._names, self._ends_ns[chosen], self.returns[chosen])
        self.sent += bars

    def look(self) -> None:
        """Keep the processes running, and read what has come."""
        self._engine.keep()
        for record in self._reader.poll(0.01):
            self.seen.setdefault((record.topic, record.value), time.perf_counter())

    def publish_until(self, reached: Callable[[], bool]) -> None:
        """Publish at the pace until something holds."""
        due_s, end_s = time.perf_counter(), time.perf_counter() + BOUND_S
        while not reached():
            assert time.perf_counter() < end_s, f"not within {BOUND_S} s"
            self.publish(1)
            due_s += 1.0 / BARS_PER_S
            self.look()
            while time.perf_counter() < due_s:
                self.look()


def seconds_of(engine: Engine, kills: int) -> list[float]:
    """Kill so many times; return how long each time the outputs stood still after the kill."""
    policy = default_policy("restart", names_of(STRATEGIES))
    engine.register(policy)
    bars = HISTORY_BARS + int(kills * (KILL_AFTER_S + BOUND_S) * BARS_PER_S)
    seconds = []
    with Reader(engine.kafka, WATCHED) as reader:
        feed = Feed(engine, reader, policy, bars)
        feed.publish(HISTORY_BARS)
        feed.publish_until(lambda: len(feed.seen) >= HISTORY_BARS)
        for _ in range(kills):
            calm_s = time.perf_counter() + KILL_AFTER_S
            feed.publish_until(lambda end_s=calm_s: time.perf_counter() > end_s)
            os.kill(engine.worker_pid(), signal.SIGKILL)
            killed_s = time.perf_counter()
            feed.look()
            known = len(feed.seen)  # what was on its way
            feed.publish_until(lambda known=known: len(feed.seen) > known)
            seconds.append(list(feed.seen.values())[known] - killed_s)
        expected = expected_of(policy, feed.returns[: feed.sent])
        end_s = time.perf_counter() + BOUND_S
        while len(feed.seen) < len(expected) and time.perf_counter() < end_s:
            feed.look()
    missing, foreign = expected - set(feed.seen), set(feed.seen) - expected
    assert not missing, f"{len(missing)} of {len(expected)} lost"
    assert not foreign, f"{len(foreign)} that no replay publishes"
    return seconds


def expected_of(policy: PortfolioPolicy, returns: FloatArray) -> set[tuple[str, bytes]]:
    """Return what a replay in this process publishes on the watched topics."""
    registration = PortfolioRegistration(portfolio_id="restart", shard=0, policy=policy)
    rows = frames_of(policy, names_of(STRATEGIES), returns)
    return {
        (output.topic.name, encode_output(output))
        for output in LocalEngine(registration).feed(rows)
        if output.topic in WATCHED
    }


def on(broker: Broker, *, quick: bool) -> list[Result]:
    """Measure on a broker that runs."""
    with engine_on(broker) as engine:
        engine.start()
        seconds = seconds_of(engine, 1 if quick else 3)
    told = ", ".join(f"{value:.1f}" for value in seconds)
    note = f"worst of {told}; nothing lost, nothing twice, {load()}"
    return [Result("restart_after_kill_s", max(seconds), "s", note=note)]


def run(*, quick: bool) -> list[Result]:
    """Measure on a broker of our own, or the one that is named."""
    with resolve_broker() as broker:
        return on(broker, quick=quick)


if __name__ == "__main__":
    alone(run)
