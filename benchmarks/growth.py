"""How does the cost of a bar grow with strategies, portfolios and workers?

Strategies and portfolios: the fold and its encoded outputs, in process, of one bar of each
portfolio past its warm-up, no decisions. Workers: returns a second over the broker, of portfolios
spread over the shards.
"""

import time

from benchmarks.engine import engine_on, fill
from benchmarks.report import Result, alone, load
from benchmarks.worlds import bar_ends_ns, default_policy, frames_of, names_of, returns_of
from schemas.events import PortfolioRegistration
from schemas.journal import PortfolioRegistered, Position
from schemas.topics import METRICS, REGISTRY, STATE
from schemas.units import parse_instant
from streams.core.fold import Shard
from streams.core.outputs import encode_output
from streams.kafka.broker import Broker, resolve_broker
from streams.operate.supervisor import INGEST, OPTIMIZER, PORTFOLIO

STRATEGIES = (10, 20, 50, 100, 200, 500, 1_000, 2_000)
PORTFOLIOS = (1, 10, 100, 1_000)
WORKERS = (1, 2, 3)
SMALL = 10  # strategies of each portfolio where portfolios grow
WARM_BARS = 80  # past min_bars
SPREAD = 6  # portfolios over the shards, where workers grow
SPREAD_STRATEGIES = 50
BOUND_S = 120.0


def bar_seconds(portfolios: int, strategies: int, bars: int) -> float:
    """Return the processor seconds of one bar of all portfolios, outputs encoded."""
    shard, names = Shard(0), names_of(strategies)
    policies = [
        default_policy(f"p{number}", names, rebalance={"schedule": "never"})
        for number in range(portfolios)
    ]
    for number, policy in enumerate(policies):
        registration = PortfolioRegistration(
            portfolio_id=policy.portfolio_id, shard=0, policy=policy
        )
        source = Position(REGISTRY.name, 0, number)
        shard.step(
            [(shard.next_offset, PortfolioRegistered(source=source, registration=registration))]
        )
    begun_s = 0.0
    rows = frames_of(policies[0], names, returns_of(3, WARM_BARS + bars, strategies))
    for number, frame in enumerate(rows):
        if number == WARM_BARS:
            begun_s = time.process_time()
        for output in shard.absorb(frame):
            encode_output(output)
    return (time.process_time() - begun_s) / bars


def in_process(*, quick: bool) -> list[Result]:
    """Grow strategies, then portfolios."""
    results = []
    for strategies in STRATEGIES[: 4 if quick else None]:
        seconds = bar_seconds(1, strategies, 40 if strategies < SPREAD_STRATEGIES * 20 else 20)
        note = f"{seconds / strategies * 1e6:.1f} us a return"
        results.append(Result(f"growth_strategies_{strategies}", seconds * 1e6, "us", note=note))
    for portfolios in PORTFOLIOS[: 2 if quick else None]:
        seconds = bar_seconds(portfolios, SMALL, max(2, 40 // portfolios))
        note = f"{seconds / portfolios * 1e6:.0f} us a portfolio of {SMALL}"
        results.append(Result(f"growth_portfolios_{portfolios}", seconds * 1e6, "us", note=note))
    return results


def with_workers(broker: Broker, workers: int, bars: int) -> Result:
    """Return the rate of so many workers; each portfolio has its own strategies and shard."""
    with engine_on(broker) as engine:
        for number in range(SPREAD):
            names = tuple(f"p{number}-{name}" for name in names_of(SPREAD_STRATEGIES))
            policy = default_policy(f"p{number}", names, bar="1m")
            engine.register(policy, shard=2 * number)
            returns = returns_of(number, bars, SPREAD_STRATEGIES)
            fill(engine.kafka, names, bar_ends_ns(policy, bars), returns)
        engine.start((PORTFOLIO,) * workers + (OPTIMIZER,))
        engine.until(lambda: engine.workers_assigned(workers), BOUND_S, "the workers")
        engine.start((INGEST,))
        end_s = engine.until(
            lambda: all(engine.count(topic) >= bars * SPREAD for topic in (METRICS, STATE)),
            BOUND_S,
            "the last outputs",
        )
        begun_s = parse_instant(engine.said("ingest-service", "assigned")[0]["at"]) / 1e9
    rate = bars * SPREAD * SPREAD_STRATEGIES / (end_s - begun_s)
    note = f"{SPREAD} portfolios of {SPREAD_STRATEGIES}, 2 cores for all, {load()}"
    return Result(f"growth_workers_{workers}", rate, "returns/s", note=note)


def on(broker: Broker, *, quick: bool) -> list[Result]:
    """Measure, where needed on a broker that runs."""
    bars = 200 if quick else 1_000
    return [
        *in_process(quick=quick),
        *(with_workers(broker, workers, bars) for workers in WORKERS[: 2 if quick else None]),
    ]


def run(*, quick: bool) -> list[Result]:
    """Measure on a broker of our own, or the one that is named."""
    with resolve_broker() as broker:
        return on(broker, quick=quick)


if __name__ == "__main__":
    alone(run)
