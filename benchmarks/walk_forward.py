"""Does the shipped policy earn its keep out of sample, beside 1/N and what other libraries do?

    python -m benchmarks.walk_forward            # prints the tables, writes them into README.md
    python -m benchmarks.walk_forward --print    # prints only

The policy is the committed file of the demo, unchanged. It and every peer knows the same rows of
the same strategies at the same scheduled bars (the policy also looks when the mix has drifted), and
all are booked by the same arithmetic: held weights drift; a trade costs basis points of both sides
and is filled at the close that decided, or one bar later. Sharpe ratios are net and annual. Their
difference to 1/N has a standard error by the circular block bootstrap (Politis and Romano, 1992);
the deflated Sharpe ratio (Bailey and López de Prado, 2014) is the probability that the true one is
above what the best of all configurations tried would show by luck.
"""

import argparse
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import msgspec
import numpy as np
from skfolio.optimization import HierarchicalRiskParity, MeanRisk

from examples.strategies.prices import load_prices
from examples.strategies.table import build_sleeves
from schemas.decisions import Decision
from schemas.events import PortfolioRegistration
from schemas.policy import PortfolioPolicy, load_policy
from schemas.units import parse_instant
from streams.core.arrays import FloatArray
from streams.core.calendar import DAY_NS
from streams.files import ReturnsTable, to_rows
from streams.operate.portfolio_file import read_policy
from streams.runtime.local import LocalEngine
from streams.runtime.replay import members_of

ROOT = Path(__file__).parents[1]
POLICY = ROOT / "examples" / "strategies" / "portfolio.yaml"
README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- walk-forward: written by walk_forward.py -->", "<!-- end of walk-forward -->"

PERIODS = 252.0
BLOCK_BARS = 63  # a quarter: longer than the memory of volatility in these returns
RESAMPLES = 1000
SEED = 20_261_122
DELAYS = (0, 1)
COSTS_BPS = (0.0, 5.0, 20.0)
TABLE_DELAY, TABLE_COST = 0, 5.0
SHIPPED, UNLIMITED = "apse, shipped policy", "apse, no correlation limit"
NO_GATE: dict[str, Any] = {"rebalance": {"gate": "none"}, "costs": {"horizon_bars": None}}
# Each differs from the shipped policy in what its name says, and in nothing else.
VARIANTS: dict[str, dict[str, Any]] = {
    SHIPPED: {},
    UNLIMITED: {"constraints": {"correlation": None}},
    "apse, clusters from 0.6": {
        "constraints": {"correlation": {"cluster_limit": 0.6, "cluster_weight_max": 0.35}}
    },
    "apse, no gate": NO_GATE,
    "apse, no gate, no correlation limit": NO_GATE | {"constraints": {"correlation": None}},
    "apse, min_variance, no gate": NO_GATE | {"objective": {"type": "min_variance"}},
}
CRISES = {"2008": ("2008-01-01", "2009-01-01"), "2020": ("2020-01-01", "2021-01-01")}
ALL_YEARS = ("1990-01-01", "2023-01-01")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """One scheduled bar: who takes part, and the complete rows of their window."""

    bar: int
    columns: FloatArray
    rows: FloatArray


Targets = dict[int, FloatArray]  # bar: weights (N,), the rest is cash
Rule = Callable[[FloatArray], FloatArray]  # complete rows (T, n) to weights (n,)


def returns_table(policy: PortfolioPolicy) -> ReturnsTable:
    """Build the example strategies' returns on real prices."""
    table = build_sleeves(load_prices())
    kept = np.isfinite(table.returns).any(axis=1)
    sessions = table.sessions[kept].astype("datetime64[D]").astype(np.int64)
    wide = ReturnsTable(
        stamps_ns=(sessions + 1) * DAY_NS, names=tuple(table.ids), values=table.returns[kept]
    )
    return wide.with_absent(members_of(policy))


def decisions_of(policy: PortfolioPolicy, table: ReturnsTable) -> list[Decision]:
    """Replay a policy through the engine; return its decisions."""
    registration = PortfolioRegistration(portfolio_id=policy.portfolio_id, shard=0, policy=policy)
    outputs = LocalEngine(registration).feed(to_rows(table, policy.bar))
    return [each.message for each in outputs if isinstance(each.message, Decision)]


def engine_targets(
    decisions: list[Decision], table: ReturnsTable, *, declined: bool = False
) -> Targets:
    """Return what the engine decided, by bar; with what its gate ``declined`` if asked."""
    place = {int(end): bar for bar, end in enumerate(table.stamps_ns)}
    column = {name: index for index, name in enumerate(table.names)}
    targets: Targets = {}
    for decision in decisions:
        if decision.stages is None or (decision.outcome != "accepted" and not declined):
            continue
        weights = np.zeros(len(table.names))
        for name, weight in zip(decision.strategies, decision.stages.rounded, strict=True):
            weights[column[name]] = weight
        targets[place[parse_instant(decision.bar_end)]] = weights
    return targets


def asked_at(decisions: list[Decision], table: ReturnsTable, window: int) -> list[Asked]:
    """Return the scheduled bars with what was known there, the same for every method."""
    place = {int(end): bar for bar, end in enumerate(table.stamps_ns)}
    found = []
    for decision in decisions:
        if decision.trigger.kind != "schedule" or decision.estimates is None:
            continue
        bar = place[parse_instant(decision.bar_end)]
        out = decision.excluded
        columns = np.array([i for i, name in enumerate(table.names) if name not in out])
        rows = table.values[max(0, bar + 1 - window) : bar + 1][:, columns]
        found.append(Asked(bar=bar, columns=columns, rows=rows[np.isfinite(rows).all(axis=1)]))
    return found


def peers(weight_max: float) -> dict[str, Rule]:
    """Return the rules that need nothing but a window of returns (T, n)."""

    def inverse_volatility(rows: FloatArray) -> FloatArray:
        share = 1.0 / rows.std(axis=0, ddof=1)
        return np.asarray(share / share.sum())

    return {
        "1/N": lambda rows: np.full(rows.shape[1], 1.0 / rows.shape[1]),
        "inverse volatility": among_moving(inverse_volatility),
        "skfolio HRP": among_moving(
            lambda rows: np.asarray(HierarchicalRiskParity().fit(rows).weights_)
        ),
        "skfolio MeanRisk": among_moving(
            lambda rows: np.asarray(
                MeanRisk(max_weights=max(weight_max, 1.0 / rows.shape[1])).fit(rows).weights_
            )
        ),
    }


def among_moving(rule: Rule) -> Rule:
    """Give a rule only the strategies that were not flat in the window: it refuses the others."""

    def weights_of(rows: FloatArray) -> FloatArray:
        moving = np.flatnonzero(np.ptp(rows, axis=0) > 0.0)
        weights = np.zeros(rows.shape[1])
        weights[moving] = rule(rows[:, moving])
        return weights

    return weights_of


def book(
    targets: Targets, values: FloatArray, delay: int, cost_bps: float
) -> tuple[FloatArray, float]:
    """Book targets bar by bar; return net returns from the first fill on, and annual turnover."""
    held, turnover, net, begun = np.zeros(values.shape[1]), 0.0, [], False
    for bar, gross in enumerate(np.nan_to_num(values)):
        earned = float(held @ gross)
        if begun:
            net.append(earned)
            held = held * (1.0 + gross) / (1.0 + earned)
        wanted = targets.get(bar - delay)
        if wanted is None:
            continue
        moved = float(np.abs(wanted - held).sum())
        cash = abs(float(wanted.sum() - held.sum()))
        if begun:  # the first build is the same for all, and paid by all
            net[-1] = (1.0 - cost_bps * 1e-4 * moved) * (1.0 + net[-1]) - 1.0
            turnover += 0.5 * (moved + cash)
        held, begun = wanted.copy(), True
    return np.array(net), turnover * PERIODS / len(net)


def sharpe(net: FloatArray) -> float:
    """Annual Sharpe ratio of net returns."""
    return float(net.mean() / net.std(ddof=1) * math.sqrt(PERIODS))


def drawdown(net: FloatArray) -> float:
    """Deepest loss from a high, ≤ 0."""
    wealth = np.append(1.0, np.cumprod(1.0 + net))
    return float((wealth / np.maximum.accumulate(wealth) - 1.0).min())


def difference_error(net: FloatArray, base: FloatArray) -> float:
    """Estimate the error of a difference of Sharpe ratios, by circular blocks of both at once."""
    chance = np.random.default_rng(SEED)
    bars = len(net)
    blocks = math.ceil(bars / BLOCK_BARS)
    found = []
    for _ in range(RESAMPLES):
        starts = chance.integers(0, bars, blocks)
        picked = (starts[:, None] + np.arange(BLOCK_BARS)).ravel()[:bars] % bars
        found.append(sharpe(net[picked]) - sharpe(base[picked]))
    return float(np.std(found, ddof=1))


def deflated(net: FloatArray, tried: list[float]) -> float:
    """Probability that the true Sharpe ratio exceeds the best of the trials under no skill."""
    normal = NormalDist()
    per_bar = sharpe(net) / math.sqrt(PERIODS)
    spread = float(np.std(np.array(tried) / math.sqrt(PERIODS), ddof=1))
    count, euler = len(tried), float(np.euler_gamma)
    luck = spread * (
        (1.0 - euler) * normal.inv_cdf(1.0 - 1.0 / count)
        + euler * normal.inv_cdf(1.0 - 1.0 / (count * math.e))
    )
    scaled = (net - net.mean()) / net.std()
    skew, kurtosis = float((scaled**3).mean()), float((scaled**4).mean())
    error = math.sqrt(1.0 - skew * per_bar + (kurtosis - 1.0) / 4.0 * per_bar**2)
    return normal.cdf((per_bar - luck) * math.sqrt(len(net) - 1) / error)


def average_correlation(weights: FloatArray, rows: FloatArray) -> float:
    """ρ̄(w) = Σᵢ≠ⱼ vᵢvⱼρᵢⱼ / Σᵢ≠ⱼ vᵢvⱼ with v = wσ; a flat strategy has v = 0 and no ρ."""
    moving = np.flatnonzero(np.ptp(rows, axis=0) > 0.0)
    weights, rows = weights[moving], rows[:, moving]
    value = weights * rows.std(axis=0, ddof=1)
    together = np.outer(value, value)
    np.fill_diagonal(together, 0.0)
    return float((together * np.corrcoef(rows, rowvar=False)).sum() / together.sum())


def variant_of(policy: PortfolioPolicy, changes: dict[str, Any]) -> PortfolioPolicy:
    """Return the policy with other keys in its sections; None takes a key out."""
    document: dict[str, Any] = msgspec.to_builtins(policy)
    for section, keys in changes.items():
        merged = document[section] | keys
        document[section] = {key: value for key, value in merged.items() if value is not None}
    return load_policy(document)


def through(
    crisis: tuple[str, str], targets: Targets, asked: list[Asked], table: ReturnsTable
) -> float:
    """Average ρ̄(w) of the weights decided at the scheduled bars of a crisis."""
    first, last = (int(np.datetime64(day, "ns").astype(np.int64)) for day in crisis)
    found = [
        average_correlation(targets[one.bar][one.columns], one.rows)
        for one in asked
        if first < int(table.stamps_ns[one.bar]) <= last and one.bar in targets
    ]
    return float(np.mean(found)) if found else math.nan


def tables() -> str:
    """Run everything; return the two tables as Markdown."""
    policy = read_policy(POLICY)
    table = returns_table(policy)
    every: dict[str, Targets] = {}
    decisions: dict[str, list[Decision]] = {}
    for name, changes in VARIANTS.items():
        decisions[name] = decisions_of(variant_of(policy, changes), table)
        every[name] = engine_targets(decisions[name], table)
    asked = asked_at(decisions[SHIPPED], table, policy.estimation.window_bars)
    for name, rule in peers(policy.constraints.weight_max).items():
        every[name] = {}
        for one in asked:
            weights = np.zeros(len(table.names))
            weights[one.columns] = rule(one.rows)
            every[name][one.bar] = weights
    nets = {
        (name, delay, cost): book(targets, table.values, delay, cost)
        for name, targets in every.items()
        for delay in DELAYS
        for cost in COSTS_BPS
    }
    return "\n\n".join(
        [
            _heading(table, asked, len(every), policy),
            _performance(every, nets),
            _correlations(decisions, every, nets, asked, table),
        ]
    )


def _heading(table: ReturnsTable, asked: list[Asked], methods: int, policy: PortfolioPolicy) -> str:
    days = [np.datetime64(int(table.stamps_ns[one.bar]), "ns") for one in (asked[0], asked[-1])]
    first, last = (str(day.astype("datetime64[D]")) for day in days)
    tried = methods * len(DELAYS) * len(COSTS_BPS)
    return (
        f"`python -m benchmarks.walk_forward` on {time.strftime('%Y-%m-%d', time.gmtime())}:"
        f" {first} to {last}, {len(asked)} scheduled looks ({policy.rebalance.schedule}), objective"
        f" of the shipped policy {policy.objective.type}."
        f" Configurations tried: {methods} methods × {len(DELAYS)} delays × {len(COSTS_BPS)} costs"
        f" = {tried}; all are in the table. Delay {TABLE_DELAY} and {TABLE_COST:g} bps where"
        " nothing else is said."
    )


def _performance(
    every: dict[str, Targets], nets: dict[tuple[str, int, float], tuple[FloatArray, float]]
) -> str:
    head = ["method", "return/y", "vol/y", "max drawdown", "turnover/y", "deflated Sharpe"]
    head += [f"Sharpe, delay {delay}, {cost:g} bps" for delay in DELAYS for cost in COSTS_BPS]
    head += ["Sharpe − 1/N ± error"]
    lines = [f"| {' | '.join(head)} |", "|---" + "|---:" * (len(head) - 1) + "|"]
    tried = [sharpe(net) for net, _ in nets.values()]
    base = nets["1/N", TABLE_DELAY, TABLE_COST][0]
    for name in every:
        net, turnover = nets[name, TABLE_DELAY, TABLE_COST]
        growth = float(np.prod(1.0 + net)) ** (PERIODS / len(net)) - 1.0
        cells = [
            name,
            f"{growth:.2%}",
            f"{net.std(ddof=1) * math.sqrt(PERIODS):.2%}",
            f"{drawdown(net):.1%}",
            f"{turnover:.1f}",
            f"{deflated(net, tried):.2f}",
            *(f"{sharpe(nets[name, d, c][0]):.2f}" for d in DELAYS for c in COSTS_BPS),
        ]
        bars = min(len(net), len(base))
        apart = sharpe(net[-bars:]) - sharpe(base[-bars:])
        error = difference_error(net[-bars:], base[-bars:])
        cells.append("" if name == "1/N" else f"{apart:+.2f} ± {error:.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _correlations(
    decisions: dict[str, list[Decision]],
    every: dict[str, Targets],
    nets: dict[tuple[str, int, float], tuple[FloatArray, float]],
    asked: list[Asked],
    table: ReturnsTable,
) -> str:
    first = "ρ̄(w) of the solved weights, mean over the looks of"
    head = [first, *CRISES, "all years", "looks where a limit on correlation binds"]
    head += ["turnover/y", "Sharpe"]
    lines = [f"| {' | '.join(head)} |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for name in (SHIPPED, UNLIMITED, "apse, no gate", "apse, no gate, no correlation limit"):
        solved = engine_targets(decisions[name], table, declined=True)
        spans = [*CRISES.values(), ALL_YEARS]
        found = [f"{through(span, solved, asked, table):.3f}" for span in spans]
        binding = sum(
            any(limit.constraint.startswith("correlation") for limit in decision.binding)
            for decision in decisions[name]
            if decision.trigger.kind == "schedule"
        )
        net, turnover = nets[name, TABLE_DELAY, TABLE_COST]
        cells = [name, *found, f"{binding}", f"{turnover:.2f}", f"{sharpe(net):.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    equal = [f"{through(span, every['1/N'], asked, table):.3f}" for span in spans]
    net, turnover = nets["1/N", TABLE_DELAY, TABLE_COST]
    lines.append(f"| {' | '.join(['1/N', *equal, '', f'{turnover:.2f}', f'{sharpe(net):.2f}'])} |")
    return "\n".join(lines)


def main() -> None:
    """Print the tables; write them between their markers in README.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--print", action="store_true", help="leave README.md alone")
    options = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the peers' libraries deprecate among themselves
        text = tables()
    print(text)
    if options.print:
        return
    whole = README.read_text(encoding="utf-8")
    before, _, rest = whole.partition(BEGIN)
    after = rest.partition(END)[2]
    README.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
