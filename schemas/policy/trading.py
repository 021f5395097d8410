"""What trading costs, when it happens, and what makes the mix be looked at."""

from typing import Annotated, Literal

from msgspec import Meta, field

from schemas.policy.section import PositiveInt, Section, Share
from schemas.units import Bps, StrategyId

Positive = Annotated[float, Meta(gt=0.0, le=1e18)]
NonNegative = Annotated[float, Meta(ge=0.0, le=1e18)]
Money = Annotated[float, Meta(ge=1e-9, le=1e18)]


class Impact(Section, frozen=True, kw_only=True):
    """Market impact of a trade dw: coefficient * volatility per bar * |dw|^1.5 / sqrt(capacity).

    ``capacity`` is what can be traded of one strategy in a bar, as a multiple of NAV;
    ``capacities`` gives single strategies their own.
    """

    coefficient: NonNegative = 1.0
    capacity: Positive = 1.0
    capacities: dict[StrategyId, Positive] = field(default_factory=dict)


class Costs(Section, frozen=True, kw_only=True):
    """Cost model of a trade: linear on both sides, impact, a ticket a traded name; cash free.

    ``horizon_bars`` is how long a trade is expected to be held. Where it is given, the optimizer
    weighs the costs of a trade, spread over it, against what the trade is good for.
    """

    linear_bps: Bps = 0.0
    impact: Impact | None = None
    ticket_bps: Bps = 0.0
    horizon_bars: PositiveInt | None = None


class Cash(Section, frozen=True, kw_only=True):
    """Bounds of cash, and its simple return per bar."""

    min: Share = 0.0
    max: Share = 0.0
    rate: Annotated[float, Meta(ge=-1.0, le=1.0)] = 0.0


class Execution(Section, frozen=True, kw_only=True):
    """When a decision is filled: 0 at its own bar's close, 1 one bar later; and in what units.

    ``capital`` is the money behind the portfolio at NAV 1, in ``currency``; it grows and shrinks
    with NAV where ``compounding`` is full. ``lot`` is the smallest amount of money by which a
    strategy's allocation can change, ``lots`` that of single strategies; both need ``capital``.
    """

    delay_bars: Literal[0, 1] = 0
    capital: Money | None = None
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3,8}$(?!\n)")] | None = None
    compounding: Literal["full", "fixed"] = "full"
    lot: Money | None = None
    lots: dict[StrategyId, Money] = field(default_factory=dict)


class Drift(Section, frozen=True, kw_only=True):
    """How far what is held may be from the last target, in weight or in risk.

    ``max_abs`` bounds the largest distance of a held, drifted weight (or cash) from its target;
    ``max_risk`` bounds the annual volatility of the difference, sqrt(d' Sigma d).
    """

    max_abs: Positive | None = None
    max_risk: Positive | None = None


class SignalLimit(Section, frozen=True, kw_only=True):
    """A measured signal that prompts an evaluation when it rises above ``above``.

    It prompts again only after it has been at or below ``rearm``, by default ``above``.
    """

    above: float
    rearm: float | None = None


class Signals(Section, frozen=True, kw_only=True):
    """Signals of the market's state that prompt an evaluation, each with its own hysteresis.

    ``turbulence`` is the Mahalanobis distance of the bar's returns over its expected value,
    ``correlation_break`` the distance of recent correlations from the window's, and
    ``volatility_regime`` recent over usual volatility.
    """

    turbulence: SignalLimit | None = None
    correlation_break: SignalLimit | None = None
    volatility_regime: SignalLimit | None = None


class NetBenefit(Section, frozen=True, kw_only=True):
    """Trade only where the gain over ``costs.horizon_bars`` exceeds ``k`` times the cost.

    The gain is lowered by ``standard_errors`` times its own sampling error first.
    """

    k: NonNegative = 1.0
    standard_errors: NonNegative = 1.0


class Band(Section, frozen=True, kw_only=True):
    """Weights within ``width`` of the solved ones are not traded; others go to the band's edge.

    With a cost for each trade whatever its size, ``auto`` goes to the solved weight instead.
    """

    width: Annotated[float, Meta(gt=0.0, le=1.0)]
    trade_to: Literal["auto", "edge", "centre"] = "auto"


class Rebalance(Section, frozen=True, kw_only=True):
    """When the mix is looked at, and what of the answer is traded."""

    schedule: Annotated[
        str, Meta(pattern=r"^(never|every_bar|daily|weekly|monthly|cron:.+)$(?!\n)")
    ] = "never"
    drift: Drift | None = None
    gate: Literal["none", "net_benefit"] | NetBenefit = "none"
    cooldown_bars: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    band: Band | None = None
    signals: Signals | None = None


class Explain(Section, frozen=True, kw_only=True):
    """What is computed beside each solve for people to read; it takes time.

    ``prices`` of binding limits are measured by solving twice more each; ``resamples`` solves for
    other returns of the same law give the spread of the weights.
    """

    prices: Annotated[int, Meta(ge=0, le=64)] = 0
    resamples: Annotated[int, Meta(ge=0, le=1024)] = 0


class DrawdownOverlay(Section, frozen=True, kw_only=True):
    """Shrinks the book as its drawdown deepens from ``start`` to ``full``, never below ``floor``.

    Drawdowns are positive shares of the high. The multiplier is 1 down to ``start`` and falls in a
    straight line to ``floor`` at ``full``; on the way back it rises by at most ``recover`` a bar.
    The book shrinks at once when the multiplier is ``step`` below the one in it; it grows again
    with the next decision.
    """

    start: Annotated[float, Meta(gt=0.0, lt=1.0)]
    full: Annotated[float, Meta(gt=0.0, lt=1.0)]
    floor: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.25
    recover: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.02
    step: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.05


class Overlay(Section, frozen=True, kw_only=True):
    """What shrinks the solved weights without being asked; the rest goes to cash."""

    drawdown: DrawdownOverlay | None = None
