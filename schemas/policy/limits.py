"""Limits that contradict each other whatever the data say."""

import difflib
from collections.abc import Collection, Iterator
from typing import Final

from schemas.policy.constraints import Constraints
from schemas.policy.objective import TAKES_CHARGES, contradictory_objective
from schemas.policy.portfolio import PortfolioPolicy, StrategyEntry
from schemas.units import parse_instant

_SUM_TOLERANCE: Final = 1e-9


def contradictory_limits(
    policy: PortfolioPolicy, entries: tuple[StrategyEntry, ...] | None
) -> Iterator[str]:
    """Yield what in the objective and the limits contradicts itself.

    ``entries`` is None where the strategies are not known yet.
    """
    limits = policy.constraints
    yield from contradictory_objective(policy.objective)
    yield from _sizes(policy, limits)
    yield from _correlation(policy, limits)
    for name in ("families", "accounts", "tags"):
        for key, limit in getattr(limits, name).items():
            if name != "families" and limit.min > limit.max:
                yield f"constraints.{name}.{key}.min {limit.min} is above its max {limit.max}"
    for key, factor in limits.factors.items():
        if factor.min is not None and factor.max is not None and factor.min > factor.max:
            yield f"constraints.factors.{key}.min {factor.min} is above its max {factor.max}"
    if entries is not None:
        yield from _names(policy, limits, entries)
        yield from _counts(policy, limits, entries)
        yield from _dates(entries)


def _sizes(policy: PortfolioPolicy, limits: Constraints) -> Iterator[str]:
    invested = 1.0 - policy.cash.max
    if limits.leverage_max is not None and limits.leverage_max < invested - _SUM_TOLERANCE:
        yield (
            f"constraints.leverage_max {limits.leverage_max} is below {invested},"
            " what cash.max leaves to invest"
        )
    if limits.long_only and limits.short_max:
        yield f"constraints.short_max {limits.short_max} while long_only is true"
    if limits.position_min is not None and limits.position_min > limits.weight_max:
        low, high = limits.position_min, limits.weight_max
        yield f"constraints.position_min {low} is above constraints.weight_max {high}"
    counted = {
        "cardinality_max": limits.cardinality_max is not None,
        "position_min": limits.position_min is not None,
        "correlation.exclusive": limits.correlation is not None
        and bool(limits.correlation.exclusive),
    }
    for name, given in counted.items():
        if given and not limits.long_only:
            yield f"constraints.{name} needs long_only true"
    unused = policy.costs.horizon_bars is not None and policy.rebalance.gate == "none"
    if unused and policy.objective.type not in TAKES_CHARGES:
        yield (
            f"costs.horizon_bars: costs can be weighed by {', '.join(TAKES_CHARGES)},"
            f" got objective.type {policy.objective.type}"
        )


def _correlation(policy: PortfolioPolicy, limits: Constraints) -> Iterator[str]:
    asked = limits.correlation
    if asked is None:
        return
    needs = {
        "pair_weight_max": ("pair_limit", asked.pair_weight_max is not None),
        "exclusive": ("pair_limit", asked.exclusive is True),
        "penalty": ("pair_limit", asked.penalty > 0.0),
        "cluster_weight_max": ("cluster_limit", asked.cluster_weight_max is not None),
        "cluster_risk_max": ("cluster_limit", asked.cluster_risk_max is not None),
    }
    for name, (other, given) in needs.items():
        if given and getattr(asked, other) is None:
            yield f"constraints.correlation.{name} needs constraints.correlation.{other}"
    if asked.penalty > 0.0 and policy.objective.type not in TAKES_CHARGES:
        yield (
            f"constraints.correlation.penalty can be charged to {', '.join(TAKES_CHARGES)},"
            f" got objective.type {policy.objective.type}"
        )
    if not limits.long_only and (asked.diversification_ratio_min or asked.cluster_risk_max):
        yield "constraints.correlation: ratio and shares of risk need long_only true"


def _names(
    policy: PortfolioPolicy, limits: Constraints, entries: tuple[StrategyEntry, ...]
) -> Iterator[str]:
    ids = {entry.id for entry in entries}
    yield from _unknown("objective.budgets", policy.objective.budgets, ids)
    yield from _unknown("objective.reference", policy.objective.reference, ids)
    if limits.correlation is not None and not isinstance(limits.correlation.exclusive, bool):
        for chosen in limits.correlation.exclusive:
            yield from _unknown("constraints.correlation.exclusive", chosen, ids)
    accounts = {entry.account for entry in entries if entry.account is not None}
    yield from _unknown("constraints.accounts", limits.accounts, accounts)
    tags = {tag for entry in entries for tag in entry.tags}
    yield from _unknown("constraints.tags", limits.tags, tags)
    factors = {name for entry in entries for name in entry.factors}
    yield from _unknown("constraints.factors", limits.factors, factors)


def _unknown(where: str, named: Collection[str], known: Collection[str]) -> Iterator[str]:
    for name in named:
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.0)
            hint = f"; did you mean {near[0]!r}?" if near else ", of which there are none"
            yield f"{where}: {name!r} is not among the strategies'{hint}"


def _counts(
    policy: PortfolioPolicy, limits: Constraints, entries: tuple[StrategyEntry, ...]
) -> Iterator[str]:
    invested = 1.0 - policy.cash.max - _SUM_TOLERANCE
    highs = sorted(
        (limits.weight_max if e.weight_max is None else e.weight_max for e in entries), reverse=True
    )
    count = limits.cardinality_max
    if count is not None and sum(highs[:count]) < invested:
        yield (
            f"constraints.cardinality_max {count} strategies can hold {sum(highs[:count])} at most,"
            f" but {1.0 - policy.cash.max} must be invested"
        )
    share = limits.risk_contribution_max
    if share is not None and entries and share * len(entries) < 1.0 - _SUM_TOLERANCE:
        yield (
            f"constraints.risk_contribution_max {share} of {len(entries)} strategies is below 1:"
            " contributions sum to 1"
        )


def _dates(entries: tuple[StrategyEntry, ...]) -> Iterator[str]:
    for entry in entries:
        for bounds in entry.dated:
            where = f"strategies: {entry.id!r}"
            if bounds.from_ is None and bounds.until is None:
                yield f"{where} has dated bounds without from or until"
            try:
                start = None if bounds.from_ is None else parse_instant(bounds.from_)
                end = None if bounds.until is None else parse_instant(bounds.until)
            except ValueError as error:
                yield f"{where} has dated bounds with an instant that cannot be read: {error}"
                continue
            if start is not None and end is not None and start >= end:
                yield f"{where} has dated bounds from {bounds.from_} that is not before until"
            low, high = bounds.weight_min, bounds.weight_max
            if low is not None and high is not None and low > high:
                yield f"{where} has dated weight_min {low} above weight_max {high}"
