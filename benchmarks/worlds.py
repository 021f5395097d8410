"""Made-up returns and the policy under test, the same in every benchmark."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from schemas.policy import PortfolioPolicy, load_policy
from schemas.topics import RETURNS
from streams.core.arrays import FloatArray
from streams.core.calendar import bar_length_ns
from streams.core.frames import Rows

FAMILIES = ("trend", "arbitrage", "mean_reversion", "market_making")
START_NS = 946_857_600 * 10**9  # Monday, 3 January 2000


def names_of(strategies: int) -> tuple[str, ...]:
    """Return ids that sort by number."""
    return tuple(f"strategy-{number:04d}" for number in range(strategies))


def default_policy(portfolio_id: str, names: tuple[str, ...], **changes: Any) -> PortfolioPolicy:
    """Return the shipped default policy for these strategies.

    ``changes`` name a key, or a section's key as ``section__key``.
    """
    document: dict[str, Any] = {
        "portfolio_id": portfolio_id,
        "bar": "1d",
        "periods_per_year": 252,
        "strategies": [
            {"id": name, "family": FAMILIES[i % len(FAMILIES)]} for i, name in enumerate(names)
        ],
        "estimation": {"window_bars": 252, "min_bars": 63, "covariance": "ledoit_wolf"},
        "objective": {"type": "min_variance"},
        "constraints": {"weight_max": 0.25, "families": {name: {"max": 0.4} for name in FAMILIES}},
        "costs": {"linear_bps": 5},
        "rebalance": {"schedule": "weekly", "drift": {"max_abs": 0.05}},
    }
    for key, value in changes.items():
        section, _, inner = key.partition("__")
        if inner:
            document[section] = {**document[section], inner: value}
        else:
            document[section] = value
    return load_policy(document)


def returns_of(seed: int, bars: int, strategies: int) -> FloatArray:
    """Return simple returns (bars, strategies) with a common factor."""
    rng = np.random.default_rng(seed)
    common = rng.normal(0.0002, 0.005, (bars, 1))
    return common + rng.normal(0.0001, 0.01, (bars, strategies))


def bar_ends_ns(policy: PortfolioPolicy, bars: int) -> list[int]:
    """Return the ends of consecutive bars."""
    length_ns = bar_length_ns(policy.bar)
    return [START_NS + (number + 1) * length_ns for number in range(bars)]


def frames_of(
    policy: PortfolioPolicy, names: tuple[str, ...], returns: FloatArray, bars_per_frame: int = 1
) -> Iterator[Rows]:
    """Yield the rows as ingest hands them over, some bars a frame."""
    strategies = len(names)
    ends_ns = np.array(bar_ends_ns(policy, len(returns)), dtype=np.int64)
    for start in range(0, len(returns), bars_per_frame):
        chunk = slice(start, start + bars_per_frame)
        bars = len(returns[chunk])
        zeros = np.zeros(bars * strategies, dtype=np.int64)
        yield Rows(
            topic=RETURNS.name,
            names=names,
            strategy=np.tile(np.arange(strategies, dtype=np.int64), bars),
            period_end_ns=np.repeat(ends_ns[chunk], strategies),
            value=returns[chunk].ravel(),
            kind=zeros,
            revision=zeros,
            source_partition=np.tile(np.arange(strategies, dtype=np.int64) % 12, bars),
            source_offset=np.repeat(np.arange(start, start + bars, dtype=np.int64), strategies)
            * strategies
            + np.tile(np.arange(strategies, dtype=np.int64), bars),
        )
