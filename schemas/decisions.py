"""A decision with its causes, and the command that follows an accepted one. JSON, canonical.

The bytes of a decision hold no offset, wall time, duration, worker or host; ``diagnostics`` travels
beside them on the topic and is left out of ``decisions.jsonl`` and of every hash.
"""

from typing import Any, Literal

import msgspec

from schemas.explain import RelaxedLimit, ShadowPrice, WeightSpread
from schemas.optimize import BindingLimit
from schemas.policy import Overrides
from schemas.units import Instant, Ordinal, PortfolioId, StrategyId, Text, Weight

Version = Ordinal
DeclineReason = Literal[
    "too_few_eligible",
    "infeasible",
    "solver_failed",
    "verification_failed",
    "no_answer",
    "voided",
    "halted",
    "paused",
    "gate",
    "no_trade",
    "overrides",
]
FallbackStep = Literal["none", "hold", "other_solver", "hrp", "inverse_volatility"]
GateWaiver = Literal["", "first_build", "manual", "risk", "limits", "leaving", "overlay"]
TriggerKind = Literal[
    "schedule",
    "drift",
    "manual",
    "risk",
    "drift_risk",
    "turbulence",
    "correlation_break",
    "volatility_regime",
    "drawdown",
]


class Trigger(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why the mix was looked at: the measured value against its threshold.

    ``reason`` holds the words of the person for a manual one, ``overrides`` what they wanted for
    that one decision in place of the policy's own.
    """

    kind: TriggerKind
    value: float | str | None = None
    threshold: float | str | None = None
    reference: str | None = None
    reason: Text = ""
    overrides: Overrides | None = None


class Estimates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the optimizer was told, in the order of ``Decision.strategies``; annual units.

    ``mean_standard_error_annual`` is what the sampling of returns leaves open. ``mean_shrinkage``
    and ``shrinkage`` are shares of what means and covariance were shrunk to, ``n_effective`` the
    equally weighted rows the covariance is worth, ``repair_distance`` the share of their norm that
    making it semi-definite moved the correlations by. ``unused_views`` are positions of views on
    strategies that take no part; ``demotion`` says why the covariance is not the policy's own.
    """

    covariance: str
    mean: str
    n_common: int
    mean_annual: tuple[float, ...]
    volatility_annual: tuple[float, ...]
    average_correlation: float | None
    mean_standard_error_annual: tuple[float, ...] = ()
    mean_shrinkage: float | None = None
    unused_views: tuple[int, ...] = ()
    n_effective: float | None = None
    shrinkage: float | None = None
    repair_distance: float = 0.0
    demotion: str = ""


class Stages(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Weights at each stage, in the order of ``Decision.strategies``; ``cash`` by stage."""

    held: tuple[float, ...]
    raw: tuple[float, ...]
    overlay: tuple[float, ...]
    banded: tuple[float, ...]
    rounded: tuple[float, ...]
    cash: dict[str, float]


class ExAnte(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Annual figures of a weight vector under the estimates; no ``sharpe`` at volatility 0.

    ``cvar_95`` is per bar, positive, of the weights held fixed over the bars of the estimates.
    """

    return_annual: float
    volatility_annual: float
    sharpe: float | None
    cvar_95: float | None = None


class ObjectiveTerm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One named term of the objective, at the chosen weights, in annual units."""

    name: str
    value: float


class CostParts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The cost of the trade by cause, as shares of NAV."""

    linear: float = 0.0
    impact: float = 0.0
    ticket: float = 0.0


class GateCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether the trade is worth its cost: passes where ``gain`` exceeds ``k`` times ``cost``.

    ``gain_annual`` is the utility gained a year, ``gain_error_annual`` its standard error from the
    sampling of the estimates; ``gain`` is what is left of it over the horizon once
    ``standard_errors`` of them are taken off. ``waived`` says why the gate had no say; it is empty
    where it had.
    """

    passed: bool
    gain: float
    cost: float
    k: float
    horizon_bars: int
    gain_annual: float
    gain_error_annual: float
    standard_errors: float
    waived: GateWaiver = ""


class WatchedPair(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Two strategies whose correlation stands out, and how it does."""

    strategies: tuple[StrategyId, StrategyId]
    correlation: float


class Correlations(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Correlation figures that a weight vector achieves under the estimates.

    ``average`` is weighted by w sigma of both sides of each pair; ``max_pair`` is the most
    correlated pair of which both sides are held. None where fewer than two strategies are held.
    """

    average: float | None
    diversification_ratio: float | None
    max_pair: WatchedPair | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One evaluation of the mix, accepted or declined, with everything needed to explain it.

    One that the gate declined keeps the stages it would have sent. ``band`` says why the no-trade
    band was not kept; ``risk_contributions`` are shares of the variance of what is sent;
    ``watched`` are pairs over their limit that chance may explain, so that they were not capped.
    ``spread`` stands in the order of ``strategies``, 0 for those who took no part; ``relaxed`` says
    what would have to give where no weights meet the limits. ``instead`` names the objective that
    was solved in place of the one asked for, and why; ``gap`` is the share of the objective by
    which the optimum may be better than the answer, None where no bound is known.
    """

    decision_id: str
    portfolio_id: PortfolioId
    epoch: Version
    version: Version
    bar_end: Instant
    trigger: Trigger
    outcome: Literal["accepted", "declined"]
    reason: str
    policy_version: Version
    strategies: tuple[StrategyId, ...]
    excluded: dict[StrategyId, str]
    estimates: Estimates | None
    stages: Stages | None
    objective: str
    objective_value: float | None
    objective_terms: tuple[ObjectiveTerm, ...]
    ex_ante_held: ExAnte | None
    ex_ante: ExAnte | None
    binding: tuple[BindingLimit, ...]
    violated: tuple[str, ...]
    turnover: float
    cost: float
    solver: str
    fallback: FallbackStep
    exempt: tuple[str, ...]
    fallback_steps: tuple[str, ...] = ()
    cost_parts: CostParts | None = None
    gate: GateCheck | None = None
    band: str = ""
    multiplier: float = 1.0
    risk_contributions: dict[StrategyId, float] | None = None
    correlations_held: Correlations | None = None
    correlations: Correlations | None = None
    watched: tuple[WatchedPair, ...] = ()
    shadow_prices: tuple[ShadowPrice, ...] = ()
    spread: WeightSpread | None = None
    relaxed: tuple[RelaxedLimit, ...] = ()
    instead: str = ""
    gap: float | None = 0.0


class RebalanceCommand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The target state of a portfolio at (epoch, version): absolute, deterministic, expiring.

    An executor applies it when (epoch, version) is above the last it applied and its clock is not
    past ``expires_at``; the same ``command_id`` with other content is refused and alarmed.
    """

    command_id: str
    decision_id: str
    portfolio_id: PortfolioId
    epoch: Version
    version: Version
    bar_end: Instant
    expires_at: Instant
    trigger: str
    reason: Text
    target_weights: dict[StrategyId, Weight]
    target_cash: Weight
    previous_weights: dict[StrategyId, float]
    previous_cash: float
    turnover: float
    cost: float
    policy_version: Version
    supersedes: str | None = None
    account_id: str | None = None
    capital: float | None = None
    target_capital: dict[StrategyId, float] | None = None
    currency: str | None = None
    legs: tuple[dict[str, Any], ...] | None = None
    phase: str | None = None
    glide: dict[str, Any] | None = None
