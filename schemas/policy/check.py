"""Limits that contradict each other whatever the data say."""

import difflib
from collections.abc import Iterator
from typing import Final

from schemas.policy.constraints import FamilyLimit
from schemas.policy.estimation import contradictory_estimation
from schemas.policy.limits import contradictory_limits
from schemas.policy.portfolio import FromReturns, PortfolioPolicy, StrategyEntry, policy_of
from schemas.policy.section import PolicyError
from schemas.policy.term_names import contradictory_terms
from schemas.shadows import EQUAL, MAIN
from schemas.units import FAMILIES

SHADOWS_MAX: Final = 8  # each is one more solve beside every decision
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
    yield from contradictory_estimation(policy.estimation)
    initial = policy.initial_weights
    if initial and sum(initial.values()) > 1 + _SUM_TOLERANCE:
        yield f"initial_weights sum to {sum(initial.values())}, above 1"
    yield from _contradictory_trading(policy)
    entries = () if isinstance(policy.strategies, FromReturns) else policy.strategies
    yield from _contradictory_families(limits.families, {entry.family for entry in entries})
    if not isinstance(policy.strategies, FromReturns):
        yield from _contradictory_strategies(policy, entries)
    known = None if isinstance(policy.strategies, FromReturns) else policy.strategies
    yield from contradictory_limits(policy, known)
    yield from contradictory_terms(policy, known)
    yield from _contradictory_shadows(policy)


def _contradictory_shadows(policy: PortfolioPolicy) -> Iterator[str]:
    if len(policy.shadows) > SHADOWS_MAX:
        yield f"shadows: {len(policy.shadows)} of them, expected at most {SHADOWS_MAX}"
    seen: set[str] = set()
    for shadow in policy.shadows:
        if shadow.name in (MAIN, EQUAL):
            yield f"shadows: name {shadow.name!r} is taken by a book that is always kept"
        elif shadow.name in seen:
            yield f"shadows: name {shadow.name!r} stands twice"
        seen.add(shadow.name)
        for problem in _contradictions(policy_of(policy, shadow)):
            yield f"shadows: {shadow.name!r}: {problem}"


def _contradictory_trading(policy: PortfolioPolicy) -> Iterator[str]:
    costs, execution, rebalance = policy.costs, policy.execution, policy.rebalance
    if rebalance.gate != "none" and costs.horizon_bars is None:
        yield "rebalance.gate needs costs.horizon_bars: how many bars a trade is held"
    if (execution.lot is not None or execution.lots) and execution.capital is None:
        yield "execution.lot is money, and needs execution.capital: the money at NAV 1"
    drift = rebalance.drift
    if drift is not None and drift.max_abs is None and drift.max_risk is None:
        yield "rebalance.drift needs max_abs or max_risk"
    signals = rebalance.signals
    for name in () if signals is None else signals.__struct_fields__:
        limit = getattr(signals, name)
        if limit is not None and limit.rearm is not None and limit.rearm > limit.above:
            yield f"rebalance.signals.{name}.rearm {limit.rearm} is above its above {limit.above}"
    overlay = policy.overlay.drawdown
    if overlay is not None and overlay.start >= overlay.full:
        yield f"overlay.drawdown.start {overlay.start} is not below its full {overlay.full}"


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
