"""Limits that contradict each other whatever the data say."""

import difflib
from collections.abc import Iterator
from typing import Final

from schemas.policy.constraints import FamilyLimit
from schemas.policy.portfolio import FromReturns, PortfolioPolicy, StrategyEntry
from schemas.policy.section import PolicyError
from schemas.units import FAMILIES

_SUM_TOLERANCE: Final = 1e-9


def check_policy(policy: PortfolioPolicy) -> None:
    """Refuse limits that contradict each other whatever the data say.

    Raises
    ------
    PolicyError
        Naming the first contradiction.
    """
    for problem in _contradictions(policy):
        raise PolicyError(problem)


def _contradictions(policy: PortfolioPolicy) -> Iterator[str]:
    limits, cash = policy.constraints, policy.cash
    if limits.weight_min > limits.weight_max:
        low, high = limits.weight_min, limits.weight_max
        yield f"constraints.weight_min {low} is above constraints.weight_max {high}"
    if limits.long_only and limits.weight_min < 0:
        yield f"constraints.weight_min {limits.weight_min} is negative while long_only is true"
    if cash.min > cash.max:
        yield f"cash.min {cash.min} is above cash.max {cash.max}"
    estimation = policy.estimation
    if estimation.min_bars is not None and estimation.min_bars > estimation.window_bars:
        low, high = estimation.min_bars, estimation.window_bars
        yield f"estimation.min_bars {low} is above window_bars {high}"
    if len(set(estimation.windows)) != len(estimation.windows) or not estimation.windows:
        yield f"estimation.windows {list(estimation.windows)} must be one or more different lengths"
    initial = policy.initial_weights
    if initial and sum(initial.values()) > 1 + _SUM_TOLERANCE:
        yield f"initial_weights sum to {sum(initial.values())}, above 1"
    entries = () if isinstance(policy.strategies, FromReturns) else policy.strategies
    yield from _contradictory_families(limits.families, {entry.family for entry in entries})
    if not isinstance(policy.strategies, FromReturns):
        yield from _contradictory_strategies(policy, entries)


def _contradictory_families(limits: dict[str, FamilyLimit], present: set[str]) -> Iterator[str]:
    known = sorted(present.union(FAMILIES))
    for name, limit in limits.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            yield f"constraints.families: no strategy is of {name!r}; did you mean {near[0]!r}?"
        if limit.min > limit.max:
            yield f"constraints.families.{name}.min {limit.min} is above its max {limit.max}"


def _contradictory_strategies(
    policy: PortfolioPolicy, entries: tuple[StrategyEntry, ...]
) -> Iterator[str]:
    limits = policy.constraints
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            yield f"strategies: id {entry.id!r} stands twice"
        seen.add(entry.id)
        low = limits.weight_min if entry.weight_min is None else entry.weight_min
        high = limits.weight_max if entry.weight_max is None else entry.weight_max
        if low > high:
            yield f"strategies: {entry.id!r} has weight_min {low} above weight_max {high}"
        if limits.long_only and low < 0:
            yield f"strategies: {entry.id!r} has weight_min {low} while long_only is true"
    for name in policy.initial_weights:
        if name not in seen:
            near = difflib.get_close_matches(name, sorted(seen), n=1, cutoff=0.0)
            hint = f"; did you mean {near[0]!r}?" if near else ", of which there are none"
            yield f"initial_weights: {name!r} is not among the strategies{hint}"
