"""33 years of 20 daily strategies, all rolling figures, monthly minimum variance: how long?

The peer is skfolio's walk-forward of the same decisions, which computes no rolling figures. Months
of 21 sessions make the calendar's months and the peer's steps the same, so that weights compare.
"""

import time

import numpy as np
import pandas as pd
from skfolio.measures import RiskMeasure
from skfolio.model_selection import WalkForward, cross_val_predict
from skfolio.optimization import MeanRisk, ObjectiveFunction

from benchmarks.report import Result, alone, load
from benchmarks.worlds import default_policy, names_of, returns_of
from schemas.decisions import Decision
from schemas.events import PortfolioRegistration
from schemas.policy import PortfolioPolicy
from schemas.units import parse_instant
from streams.core.arrays import FloatArray
from streams.core.calendar import DAY_NS
from streams.core.outputs import BarMetrics
from streams.files import ReturnsTable, to_rows
from streams.runtime.local import LocalEngine
from streams.runtime.replay import VIEWS_WRITTEN

YEARS = 33
STRATEGIES = 20
MONTH_BARS = 21
WINDOW = 252
WEIGHT_MAX = 0.25
# The peer's interior-point solver stops 1e-6 above the least variance, where weights are still some
# 4e-4 from the optimum; windows that differ by one session would put them 0.04 apart.
WEIGHT_TOLERANCE = 2e-3


def table_of(years: int) -> ReturnsTable:
    """Return sessions on the days 1 to 21 of each month."""
    months = pd.date_range("1990-01-01", periods=12 * years, freq="MS").asi8
    unit_ns = int(months[1] - months[0]) // 31  # a day of the index, whatever its resolution
    days = (months // unit_ns)[:, None] + np.arange(1, MONTH_BARS + 1)  # session D ends at D + 1
    stamps_ns = days.ravel() * DAY_NS
    values = returns_of(33, len(stamps_ns), STRATEGIES)
    return ReturnsTable(
        stamps_ns=stamps_ns.astype(np.int64), names=names_of(STRATEGIES), values=values
    )


def policy_of(names: tuple[str, ...]) -> PortfolioPolicy:
    """Return monthly minimum variance on a year of history, without drift or costs."""
    return default_policy(
        "offline",
        names,
        estimation={"window_bars": WINDOW, "min_bars": WINDOW, "covariance": "sample"},
        constraints={"weight_max": WEIGHT_MAX},
        rebalance={"schedule": "monthly"},
        costs={},
    )


def ours(policy: PortfolioPolicy, table: ReturnsTable) -> tuple[float, list[FloatArray], int]:
    """Replay in process; return seconds, the accepted weights in order, and bars with metrics."""
    begun_s = time.perf_counter()
    registration = PortfolioRegistration(portfolio_id="offline", shard=0, policy=policy)
    weights, bars = [], 0
    for output in LocalEngine(registration, VIEWS_WRITTEN).feed(to_rows(table, policy.bar)):
        message = output.message
        if isinstance(message, BarMetrics):
            bars += 1
        elif isinstance(message, Decision) and message.outcome == "accepted":
            assert message.stages is not None
            assert parse_instant(message.bar_end) % DAY_NS == 0
            weights.append(np.array(message.stages.rounded))
    return time.perf_counter() - begun_s, weights, bars


def theirs(table: ReturnsTable) -> tuple[float, list[FloatArray]]:
    """Walk forward with skfolio over the same training windows."""
    # Our month begins with the first session's close: the peer's windows start one row later.
    frame = pd.DataFrame(
        table.values[1:], index=pd.to_datetime(table.stamps_ns[1:]), columns=list(table.names)
    )
    model = MeanRisk(
        objective_function=ObjectiveFunction.MINIMIZE_RISK,
        risk_measure=RiskMeasure.VARIANCE,
        min_weights=0.0,
        max_weights=WEIGHT_MAX,
    )
    begun_s = time.perf_counter()
    walk = WalkForward(train_size=WINDOW, test_size=MONTH_BARS)
    found = cross_val_predict(model, frame, cv=walk)
    seconds = time.perf_counter() - begun_s
    return seconds, [np.asarray(portfolio.weights) for portfolio in found]


def run(*, quick: bool) -> list[Result]:
    """Time both; the weights of each month must agree."""
    years = 8 if quick else YEARS
    table = table_of(years)
    policy = policy_of(table.names)
    runs = [ours(policy, table) for _ in range(1 if quick else 3)]
    seconds, weights, bars = min(runs, key=lambda found: found[0])
    assert bars == len(table.stamps_ns), (bars, len(table.stamps_ns))
    peer_s, peer_weights = theirs(table)
    pairs = list(zip(weights, peer_weights, strict=False))
    assert len(weights) - len(peer_weights) in {0, 1}, (len(weights), len(peer_weights))
    apart = max(float(np.abs(a - b).max()) for a, b in pairs)
    assert apart < WEIGHT_TOLERANCE, f"weights {apart} apart"
    for month, (a, b) in enumerate(pairs):
        first = 1 + month * MONTH_BARS
        cov = np.cov(table.values[first : first + WINDOW], rowvar=False)
        assert a @ cov @ a <= b @ cov @ b * (1.0 + 1e-8), f"month {month}: not the least variance"
    note = f"{years} years, {len(pairs)} decisions, weights {apart:.0e} apart at most, {load()}"
    return [Result("offline_replay", seconds, "s", "skfolio WalkForward", peer_s, note)]


if __name__ == "__main__":
    alone(run)
