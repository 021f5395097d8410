"""The hard limits of every decision."""

from typing import Annotated

from msgspec import Meta, field

from schemas.policy.section import PositiveInt, Section, Share
from schemas.units import Family, StrategyId, Weight

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$(?!\n)")]
Above = Annotated[float, Meta(gt=0.0)]
AtLeast = Annotated[float, Meta(ge=0.0)]


class FamilyLimit(Section, frozen=True, kw_only=True):
    """Bounds of the total weight of a family, an account or a tag."""

    min: float = 0.0
    max: float = 1.0


class FactorLimit(Section, frozen=True, kw_only=True):
    """Bounds of the portfolio's exposure to a factor: weights times ``factors`` of strategies."""

    min: float | None = None
    max: float | None = None


class CorrelationLimits(Section, frozen=True, kw_only=True):
    """Limits on holding what moves together; only positive correlation is punished.

    A pair is capped at ``pair_weight_max`` where the lower confidence bound of its correlation is
    above ``pair_limit`` (``confidence`` 0: the estimate itself), and watched where only the
    estimate is. Clusters, by average linkage at ``cluster_limit``, hold ``cluster_weight_max`` of
    NAV and ``cluster_risk_max`` of the sum of w sigma. ``exclusive`` is true for capped pairs of
    which one at most is held, or sets of ids of which one at most is. ``held_correlation_max``
    bounds the correlation of each strategy that is held after the trade with the whole portfolio.
    ``penalty`` charges correlation above ``pair_limit`` to the objective, made convex by a charge
    for size.
    """

    pair_limit: Share | None = None
    pair_weight_max: Share | None = None
    confidence: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.9
    cluster_limit: Share | None = None
    cluster_weight_max: Share | None = None
    cluster_risk_max: Share | None = None
    diversification_ratio_min: Annotated[float, Meta(ge=1.0)] | None = None
    exclusive: bool | tuple[tuple[StrategyId, ...], ...] = False
    held_correlation_max: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    penalty: AtLeast = 0.0


class Constraints(Section, frozen=True, kw_only=True):
    """Hard limits of every decision.

    ``leverage_max`` bounds the sum of absolute weights, ``short_max`` that of short ones;
    ``position_min`` is the smallest weight that is not 0. ``volatility_max`` is annual,
    ``cvar_max`` a loss per bar in the worst twentieth, ``risk_contribution_max`` a share of the
    portfolio's variance.
    """

    long_only: bool = True
    weight_min: Weight = 0.0
    weight_max: Weight = 1.0
    families: dict[Family, FamilyLimit] = field(default_factory=dict)
    turnover_max: Above | None = None
    accounts: dict[str, FamilyLimit] = field(default_factory=dict)
    tags: dict[Name, FamilyLimit] = field(default_factory=dict)
    factors: dict[Name, FactorLimit] = field(default_factory=dict)
    leverage_max: Above | None = None
    short_max: AtLeast | None = None
    cardinality_max: PositiveInt | None = None
    position_min: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    volatility_max: Above | None = None
    cvar_max: Above | None = None
    risk_contribution_max: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    correlation: CorrelationLimits | None = None
