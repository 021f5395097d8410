"""How many returns a second pass through the whole path, from topic to acknowledged outputs?

200 strategies in one portfolio, one return a bar, the shipped default policy, publishing on, a
topic that was filled before, all over the broker: from the first offset read until the last output
is there. Beside it, over the same topic: a plain Faust windowed table, and Quix Streams' windowed
mean. With daily bars the weekly schedule asks the optimizer at each seventh bar, and the walk waits
for the answer; with bars of a minute decisions are rare.
"""

import sys
from pathlib import Path

from benchmarks.engine import Engine, bytes_of, engine_on, fill, peak_memory_mb
from benchmarks.report import Result, alone, load, peer_answer
from benchmarks.worlds import bar_ends_ns, default_policy, names_of, returns_of
from schemas.topics import COVARIANCE, DECISIONS, METRICS, REBALANCE, RETURNS, STATE
from schemas.units import parse_instant
from streams.kafka.broker import Broker, resolve_broker
from streams.operate.supervisor import INGEST

STRATEGIES = 200
OUTPUTS = (METRICS, COVARIANCE, STATE, DECISIONS, REBALANCE)
BOUND_S = 180.0
PEER_EVENTS = {"faust_table": 30_000, "quix_mean": 150_000}
QUICK_SHARE = 5  # a quick run gives the peers a fifth: their rates are steady after a second


def measure(engine: Engine, bars: int, bar: str) -> tuple[float, str]:
    """Run the engine over a filled topic; return returns a second, and what came out."""
    names = names_of(STRATEGIES)
    policy = default_policy("whole-path", names, bar=bar)
    engine.register(policy)
    count = fill(engine.kafka, names, bar_ends_ns(policy, bars), returns_of(1, bars, STRATEGIES))
    engine.start_behind_ingest()
    engine.start((INGEST,))
    views = (METRICS, COVARIANCE, STATE)
    end_s = engine.until(
        lambda: all(engine.count(topic) >= bars for topic in reversed(views)),
        BOUND_S,
        "the last outputs",
    )
    peak_mb = peak_memory_mb(engine.worker_pid())
    # Ingest says when its partitions are assigned; its first read follows.
    begun_s = parse_instant(engine.said("ingest-service", "assigned")[0]["at"]) / 1e9
    sizes = bytes_of(engine.kafka, OUTPUTS)
    assert all(sizes[topic.name][0] == bars for topic in views), sizes
    records = sum(size[0] for size in sizes.values())
    megabytes = sum(size[1] for size in sizes.values()) / 1e6
    decisions = sizes[DECISIONS.name][0]
    note = (
        f"{count} returns, {bars} bars, {decisions} decisions, {records} records and"
        f" {megabytes:.0f} MB out, worker {peak_mb:.0f} MB, {load()}"
    )
    return count / (end_s - begun_s), note


def peers(engine: Engine, events: int, *, quick: bool) -> dict[str, float | None]:
    """Run the peers over the topic that the engine has read; return returns a second."""
    topic = engine.kafka.scope + RETURNS.name
    rates: dict[str, float | None] = {}
    for module, most in PEER_EVENTS.items():
        count = min(most // QUICK_SHARE if quick else most, events)
        wanted = (engine.kafka.bootstrap, topic, str(count))
        if module == "faust_table":
            rates[module] = peer_answer(module, *wanted, python=Path(sys.executable))
        else:
            rates[module] = peer_answer(module, *wanted)
    return rates


def on(broker: Broker, *, quick: bool) -> list[Result]:
    """Measure on a broker that runs."""
    bars = 500 if quick else 2_000
    results = []
    with engine_on(broker) as engine:
        rate, note = measure(engine, bars, "1d")
        for supervisor in engine.supervisors:
            supervisor.stop()
        rates = peers(engine, bars * STRATEGIES, quick=quick)
    name = "whole_path_returns_per_s"
    quix, faust = rates["quix_mean"], rates["faust_table"]
    results.append(Result(name, rate, "returns/s", "Quix Streams windowed mean", quix, note))
    results.append(Result(f"{name}_faust", rate, "returns/s", "Faust windowed table", faust))
    with engine_on(broker) as engine:
        rate, note = measure(engine, bars, "1m")
    results.append(
        Result(f"{name}_minute_bars", rate, "returns/s", "Quix Streams windowed mean", quix, note)
    )
    return results


def run(*, quick: bool) -> list[Result]:
    """Measure on a broker of our own, or the one that is named."""
    with resolve_broker() as broker:
        return on(broker, quick=quick)


if __name__ == "__main__":
    alone(run)
