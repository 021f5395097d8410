"""What the optimizer seeks."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from msgspec import Meta, field

from schemas.policy.section import Section
from schemas.policy.terms import Combine, Term
from schemas.units import StrategyId, Weight

ObjectiveType = Literal[
    "mean_variance",
    "min_variance",
    "equal",
    "inverse_volatility",
    "max_sharpe",
    "target_volatility",
    "target_return",
    "risk_parity",
    "max_diversification",
    "min_cvar",
    "min_cdar",
    "hrp",
    "kelly",
    "tracking",
    "robust_mean_variance",
    "custom",
]
TAKES_CHARGES: Final = ("mean_variance", "robust_mean_variance", "min_variance")
"""Objectives that costs and the correlation penalty can be charged to."""
TARGETS: Final = ("target_volatility", "target_return")


class Objective(Section, frozen=True, kw_only=True):
    """What the optimizer seeks.

    ``risk_aversion`` is for mean_variance, robust_mean_variance, and the price of costs in variance
    for min_variance; ``target`` is the annual volatility or return of target_volatility and
    target_return; ``budgets`` are the shares of risk of risk_parity, 1 for those not named;
    ``alpha`` is the tail of min_cvar and min_cdar; ``reference`` are the weights that tracking
    follows, 0 for those not named; ``kappa`` is how many standard errors of the mean
    robust_mean_variance holds against it. ``terms`` make up custom, which ``combine`` says how to
    weigh; ``normalise`` puts the terms of a weighted sum on the scale from best to worst value.
    """

    type: ObjectiveType = "min_variance"
    risk_aversion: Annotated[float, Meta(gt=0.0)] = 1.0
    target: float | None = None
    budgets: dict[StrategyId, Annotated[float, Meta(gt=0.0)]] = field(default_factory=dict)
    alpha: Annotated[float, Meta(ge=0.5, lt=1.0)] = 0.95
    reference: dict[StrategyId, Weight] = field(default_factory=dict)
    kappa: Annotated[float, Meta(ge=0.0)] = 1.0
    terms: tuple[Term, ...] = ()
    combine: Combine = "weighted_sum"
    normalise: bool = False


def contradictory_objective(objective: Objective) -> Iterator[str]:
    """Yield what in it contradicts itself whatever the data say."""
    kind, target = objective.type, objective.target
    if kind in TARGETS and target is None:
        yield f"objective.type {kind} needs objective.target"
    if kind not in TARGETS and target is not None:
        yield f"objective.target is for {' and '.join(TARGETS)}, got type {kind}"
    if kind == "target_volatility" and target is not None and target <= 0.0:
        yield f"objective.target {target} is no volatility, expected above 0"
    if objective.budgets and kind != "risk_parity":
        yield f"objective.budgets are for risk_parity, got type {kind}"
    if kind == "tracking" and not objective.reference:
        yield "objective.type tracking needs objective.reference: the weights to follow"
