"""What one decision is asked to do otherwise than the policy: what-if controls, never kept."""

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from schemas.policy.check import check_policy
from schemas.policy.constraints import Above, Constraints, CorrelationLimits, FamilyLimit
from schemas.policy.objective import Objective
from schemas.policy.portfolio import PortfolioPolicy
from schemas.policy.section import PositiveInt, Section
from schemas.units import Family, Weight

Part = Annotated[float, Meta(gt=0.0, le=1.0)]


class ConstraintOverrides(Section, frozen=True, kw_only=True):
    """Limits that stand in place of the policy's for one decision; those left out stay.

    ``null`` lifts a limit. ``families`` changes the families that it names, and no others;
    ``correlation`` replaces all limits on correlation. A strategy's own bounds still come first.
    """

    weight_min: Weight | UnsetType = UNSET
    weight_max: Weight | UnsetType = UNSET
    families: dict[Family, FamilyLimit | None] | UnsetType = UNSET
    turnover_max: Above | UnsetType | None = UNSET
    leverage_max: Above | UnsetType | None = UNSET
    volatility_max: Above | UnsetType | None = UNSET
    cvar_max: Above | UnsetType | None = UNSET
    risk_contribution_max: Part | UnsetType | None = UNSET
    cardinality_max: PositiveInt | UnsetType | None = UNSET
    position_min: Part | UnsetType | None = UNSET
    correlation: CorrelationLimits | UnsetType | None = UNSET


class Overrides(Section, frozen=True, kw_only=True):
    """What one manual decision seeks and is bounded by, where that is not as the policy has it.

    ``objective`` replaces the policy's as a whole; ``constraints`` changes those that it names.
    """

    objective: Objective | None = None
    constraints: ConstraintOverrides | None = None


def with_overrides(policy: PortfolioPolicy, overrides: Overrides | None) -> PortfolioPolicy:
    """Return the policy that one decision is taken under.

    Raises
    ------
    PolicyError
        When what is asked for contradicts itself or the rest of the policy.

    Examples
    --------
    >>> from schemas.policy import StrategyEntry
    >>> policy = PortfolioPolicy(
    ...     portfolio_id="p", bar="1d", periods_per_year=252, strategies=(StrategyEntry(id="a"),)
    ... )
    >>> asked = Overrides(constraints=ConstraintOverrides(weight_max=0.3))
    >>> with_overrides(policy, asked).constraints.weight_max
    0.3
    """
    if overrides is None:
        return policy
    limits = policy.constraints
    if overrides.constraints is not None:
        changes = dict(_changes(limits, overrides.constraints))
        limits = msgspec.structs.replace(limits, **changes)
    changed = msgspec.structs.replace(
        policy, objective=overrides.objective or policy.objective, constraints=limits
    )
    check_policy(changed)
    return changed


def _changes(limits: Constraints, asked: ConstraintOverrides) -> Iterator[tuple[str, object]]:
    for name in asked.__struct_fields__:
        value = getattr(asked, name)
        if value is UNSET:
            continue
        if name == "families":
            named = {**limits.families, **value}
            value = {family: limit for family, limit in named.items() if limit is not None}
        yield name, value
