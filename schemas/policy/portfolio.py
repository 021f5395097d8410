"""A whole portfolio file."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from schemas.policy.constraints import Constraints, Name
from schemas.policy.estimation import Estimation
from schemas.policy.objective import TAKES_CHARGES, Objective
from schemas.policy.section import Section
from schemas.policy.terms import Attribute
from schemas.policy.trading import Cash, Costs, Execution, Explain, Overlay, Rebalance
from schemas.units import Family, Instant, PortfolioId, StrategyId, Weight

Bar = Literal["1s", "5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w", "1mo"]


class DatedBounds(Section, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Bounds of a strategy's weight for bars that end after ``from`` and not after ``until``."""

    from_: Instant | None = None
    until: Instant | None = None
    weight_min: Weight | None = None
    weight_max: Weight | None = None


class StrategyEntry(Section, frozen=True, kw_only=True):
    """One strategy of the portfolio: family, account, tags, factor betas, bounds of its own.

    Of ``dated`` bounds those that hold at the bar's end take the place of the others, the last of
    several. ``attributes`` are figures that a custom objective may use by name.
    """

    id: StrategyId
    family: Family = "other"
    weight_min: Weight | None = None
    weight_max: Weight | None = None
    account: str | None = None
    tags: tuple[Name, ...] = ()
    factors: dict[Name, float] = field(default_factory=dict)
    dated: tuple[DatedBounds, ...] = ()
    attributes: dict[Attribute, float] = field(default_factory=dict)


class FromReturns(Section, frozen=True, kw_only=True):
    """All strategies found in the returns file, family ``other``."""

    from_returns: Literal[True]


class Shadow(Section, frozen=True, kw_only=True):
    """A paper book that follows another objective on the same live data; it is never commanded.

    ``constraints`` take the place of the portfolio's as a whole; left out, they are the same.
    """

    name: Name
    objective: Objective
    constraints: Constraints | None = None


class PortfolioPolicy(Section, frozen=True, kw_only=True):
    """A whole portfolio file."""

    portfolio_id: PortfolioId
    bar: Bar
    periods_per_year: Annotated[float, Meta(gt=0.0, le=1e9)]
    strategies: tuple[StrategyEntry, ...] | FromReturns
    initial_weights: dict[StrategyId, Weight] = field(default_factory=dict)
    estimation: Estimation = Estimation()
    objective: Objective = Objective()
    constraints: Constraints = Constraints()
    costs: Costs = Costs()
    cash: Cash = Cash()
    execution: Execution = Execution()
    ledger: Literal["assumed", "reported"] = "assumed"
    clock: Literal["event", "wall"] = "event"
    rebalance: Rebalance = Rebalance()
    overlay: Overlay = Overlay()
    fallback: tuple[Literal["other_solver", "hrp", "inverse_volatility", "hold"], ...] = ("hold",)
    explain: Explain = Explain()
    shadows: tuple[Shadow, ...] = ()


def policy_of(policy: PortfolioPolicy, shadow: Shadow) -> PortfolioPolicy:
    """Return the policy that a paper book's problems come from.

    It trades all of every answer: without gate, band and lots. Costs are weighed in a solve where
    its objective can.
    """
    weighs = shadow.objective.type in TAKES_CHARGES
    return msgspec.structs.replace(
        policy,
        objective=shadow.objective,
        constraints=policy.constraints if shadow.constraints is None else shadow.constraints,
        costs=policy.costs if weighs else msgspec.structs.replace(policy.costs, horizon_bars=None),
        execution=Execution(delay_bars=policy.execution.delay_bars),
        rebalance=Rebalance(),
        shadows=(),
    )
