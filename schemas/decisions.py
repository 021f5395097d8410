"""A decision with its causes, and the command that follows an accepted one. JSON, canonical.

The bytes of a decision hold no offset, wall time, duration, worker or host; ``diagnostics`` travels
beside them on the topic and is left out of ``decisions.jsonl`` and of every hash.
"""

from typing import Any, Literal

import msgspec

from schemas.optimize import BindingLimit
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
]


class Trigger(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why the mix was looked at: the measured value against its threshold.

    ``reason`` holds the words of the person for a manual one.
    """

    kind: Literal["schedule", "drift", "manual", "risk"]
    value: float | str | None = None
    threshold: float | str | None = None
    reference: str | None = None
    reason: Text = ""


class Estimates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the optimizer was told, in the order of ``Decision.strategies``; annual units."""

    covariance: str
    mean: str
    n_common: int
    mean_annual: tuple[float, ...]
    volatility_annual: tuple[float, ...]
    average_correlation: float | None


class Stages(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Weights at each stage, in the order of ``Decision.strategies``; ``cash`` by stage."""

    held: tuple[float, ...]
    raw: tuple[float, ...]
    overlay: tuple[float, ...]
    banded: tuple[float, ...]
    rounded: tuple[float, ...]
    cash: dict[str, float]


class ExAnte(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Annual figures of a weight vector under the estimates; no ``sharpe`` at volatility 0."""

    return_annual: float
    volatility_annual: float
    sharpe: float | None


class ObjectiveTerm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One named term of the objective, at the chosen weights, in annual units."""

    name: str
    value: float


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One evaluation of the mix, accepted or declined, with everything needed to explain it."""

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
    fallback: Literal["none", "hold"]
    exempt: tuple[str, ...]


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
