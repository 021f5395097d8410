"""What trading costs, when it happens, and what makes the mix be looked at."""

from typing import Annotated, Literal

from msgspec import Meta

from schemas.policy.section import Section, Share
from schemas.units import Bps


class Costs(Section, frozen=True, kw_only=True):
    """Cost model of a trade: linear on both sides, cash free."""

    linear_bps: Bps = 0.0


class Cash(Section, frozen=True, kw_only=True):
    """Bounds of cash, and its simple return per bar."""

    min: Share = 0.0
    max: Share = 0.0
    rate: Annotated[float, Meta(ge=-1.0, le=1.0)] = 0.0


class Execution(Section, frozen=True, kw_only=True):
    """When a decision is filled: 0 at its own bar's close, 1 one bar later."""

    delay_bars: Literal[0, 1] = 0


class Drift(Section, frozen=True, kw_only=True):
    """Largest distance of a held, drifted weight (or cash) from its last target."""

    max_abs: Annotated[float, Meta(gt=0.0)]


class Rebalance(Section, frozen=True, kw_only=True):
    """When the mix is looked at."""

    schedule: Annotated[
        str, Meta(pattern=r"^(never|every_bar|daily|weekly|monthly|cron:.+)$(?!\n)")
    ] = "never"
    drift: Drift | None = None
    gate: Literal["none"] = "none"
    cooldown_bars: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
