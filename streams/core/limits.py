"""From the portfolio file to the limits, aims and costs of a request."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np

from schemas.optimize import (
    AimNumbers,
    CapNumbers,
    CorrelationNumbers,
    CostNumbers,
    GroupBound,
    LinearBound,
    OptimizeRequest,
)
from schemas.policy import FamilyLimit, PortfolioPolicy, StrategyEntry
from schemas.policy.objective import TAKES_CHARGES
from streams.core.arrays import FloatArray
from streams.core.costs import BPS, impact_coefficients, spread_of
from streams.core.covariance import complete_rows
from streams.core.custom_terms import custom_numbers, needs_scenarios
from streams.core.eligibility import Book, Selection, problem_limits

_NEEDS_SCENARIOS: Final = ("min_cvar", "min_cdar", "kelly")
_CAPS: Final = CapNumbers.__struct_fields__


def own_limits(
    book: Book, selection: Selection, policy: PortfolioPolicy, bar_end_ns: int, *, builds: bool
) -> dict[str, Any]:
    """Return what a request holds of a book and its policy alone, by field.

    Parameters
    ----------
    book, selection
        What is held, and who takes part.
    policy
        Whose objective and limits count.
    bar_end_ns
        For dated bounds.
    builds
        Whether the book leaves cash for the first time: its turnover is not bounded then.
    """
    columns = selection.columns
    low, high = problem_limits(book, selection, policy, bar_end_ns)
    outside = np.ones(len(book.names), dtype=bool)
    outside[columns] = False
    return {
        "held": book.held[columns].tobytes(),
        "held_cash": book.held_cash,
        "held_elsewhere": float(np.abs(book.held[outside]).sum()),
        "objective": policy.objective.type,
        "risk_aversion": policy.objective.risk_aversion,
        "weight_min": low.tobytes(),
        "weight_max": high.tobytes(),
        "groups": _groups(book, selection, policy),
        "turnover_max": None if builds else policy.constraints.turnover_max,
        "long_only": policy.constraints.long_only,
    }


def _groups(book: Book, selection: Selection, policy: PortfolioPolicy) -> tuple[GroupBound, ...]:
    families = [book.entries[i].family for i in selection.columns]
    return tuple(
        GroupBound(
            key=f"families.{name}",
            members=tuple(i for i, family in enumerate(families) if family == name),
            minimum=limit.min,
            maximum=limit.max,
        )
        for name, limit in sorted(policy.constraints.families.items())
        if name in families
    )


def with_limits(
    request: OptimizeRequest,
    book: Book,
    selection: Selection,
    policy: PortfolioPolicy,
    *,
    n_effective: float,
) -> OptimizeRequest:
    """Return a request with every limit, aim and cost of a policy that it does not hold yet.

    Parameters
    ----------
    request
        With bounds, families, cash and turnover.
    book, selection
        Who takes part.
    policy
        Of the portfolio.
    n_effective
        Effective number of observations behind the covariance.
    """
    entries = tuple(book.entries[i] for i in selection.columns)
    caps = {name: getattr(policy.constraints, name) for name in _CAPS}
    rows, _ = complete_rows(book.returns, selection.columns)
    needed = (
        policy.objective.type in _NEEDS_SCENARIOS
        or caps["cvar_max"] is not None
        or needs_scenarios(policy)
    )
    return msgspec.structs.replace(
        request,
        limits=tuple(_linear(entries, policy)),
        aim=_aim(entries, policy, n_effective),
        caps=CapNumbers(**caps) if any(value is not None for value in caps.values()) else None,
        costs=_costs(book, selection, policy),
        correlation=_correlation(entries, policy, n_effective, book.clusters),
        scenarios=np.ascontiguousarray(rows).tobytes() if needed else b"",
        periods_per_year=policy.periods_per_year,
        cash_return=policy.cash.rate,
        custom=custom_numbers(request, entries, policy),
    )


def _linear(entries: tuple[StrategyEntry, ...], policy: PortfolioPolicy) -> Iterator[LinearBound]:
    limits = policy.constraints
    for name, limit in sorted(limits.accounts.items()):
        member = np.array([entry.account == name for entry in entries], dtype=np.float64)
        yield from _bound(f"accounts.{name}", member, limit)
    for name, limit in sorted(limits.tags.items()):
        member = np.array([name in entry.tags for entry in entries], dtype=np.float64)
        yield from _bound(f"tags.{name}", member, limit)
    for name, factor in sorted(limits.factors.items()):
        loadings = np.array([entry.factors.get(name, 0.0) for entry in entries])
        if loadings.any():
            yield LinearBound(
                key=f"factors.{name}",
                loadings=loadings.tobytes(),
                minimum=-np.inf if factor.min is None else factor.min,
                maximum=np.inf if factor.max is None else factor.max,
            )


def _bound(key: str, member: FloatArray, limit: FamilyLimit) -> Iterator[LinearBound]:
    if member.any():  # the minimum of those who do not take part is waived
        yield LinearBound(key=key, loadings=member.tobytes(), minimum=limit.min, maximum=limit.max)


def _aim(
    entries: tuple[StrategyEntry, ...], policy: PortfolioPolicy, n_effective: float
) -> AimNumbers | None:
    wanted = policy.objective
    budgets = [wanted.budgets.get(entry.id, 1.0) for entry in entries] if wanted.budgets else []
    reference = (
        [wanted.reference.get(entry.id, 0.0) for entry in entries] if wanted.reference else []
    )
    return AimNumbers(
        target=wanted.target,
        budgets=np.array(budgets).tobytes(),
        alpha=wanted.alpha,
        reference=np.array(reference).tobytes(),
        kappa=wanted.kappa,
        years=(
            n_effective / policy.periods_per_year if wanted.type == "robust_mean_variance" else None
        ),
    )


def _costs(book: Book, selection: Selection, policy: PortfolioPolicy) -> CostNumbers | None:
    costs = policy.costs
    if costs.horizon_bars is None or policy.objective.type not in TAKES_CHARGES:
        return None
    impact = impact_coefficients(costs, book.names, spread_of(book.returns))
    if costs.linear_bps == 0.0 and not impact.any():
        return None
    return CostNumbers(
        linear=costs.linear_bps * BPS,
        impact=impact[selection.columns].tobytes() if impact.size else b"",
        horizon_years=costs.horizon_bars / policy.periods_per_year,
    )


def _correlation(
    entries: tuple[StrategyEntry, ...],
    policy: PortfolioPolicy,
    n_effective: float,
    previous: tuple[tuple[str, ...], ...] | None,
) -> CorrelationNumbers | None:
    asked = policy.constraints.correlation
    if asked is None:
        return None
    place = {entry.id: index for index, entry in enumerate(entries)}
    sets = () if isinstance(asked.exclusive, bool) else asked.exclusive
    present = (tuple(place[name] for name in chosen if name in place) for chosen in sets)
    return CorrelationNumbers(
        observations=n_effective,
        pair_limit=asked.pair_limit,
        pair_weight_max=asked.pair_weight_max,
        confidence=asked.confidence,
        cluster_limit=asked.cluster_limit,
        cluster_weight_max=asked.cluster_weight_max,
        cluster_risk_max=asked.cluster_risk_max,
        diversification_ratio_min=asked.diversification_ratio_min,
        exclusive=asked.exclusive is True,
        exclusive_sets=tuple(chosen for chosen in present if len(chosen) > 1),
        held_correlation_max=asked.held_correlation_max,
        penalty=asked.penalty,
        previous=None if asked.cluster_limit is None else previous,
    )
