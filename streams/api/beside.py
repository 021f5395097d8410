"""The shape of bodies about what else a portfolio could be: its efficient frontier, paper books."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.policy import Overrides
from schemas.shadows import ShadowBook
from schemas.units import Instant, StrategyId
from streams.api.bodies import Head, Share

POINTS_MAX = 100
POINTS_DEFAULT = 20
Points = Annotated[int, Meta(ge=2, le=POINTS_MAX)]


class FrontierPoint(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The mix of the least volatility for its return, ex ante and annual; no ``sharpe`` at 0."""

    return_annual: float
    volatility_annual: float
    sharpe: float | None
    cash: Share
    weights: dict[StrategyId, Share]


class FrontierMark(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A mix to look at beside the frontier; ``within`` tells whether it keeps every limit.

    ``held`` is what is held, ``target`` that of the newest command, ``optimum`` what would be
    decided now, ``equal_weight`` 1/N, and ``strategy`` one strategy alone.
    """

    kind: Literal["held", "target", "optimum", "equal_weight", "strategy"]
    name: str
    return_annual: float
    volatility_annual: float
    sharpe: float | None
    within: bool


class Frontier(Head, kw_only=True, forbid_unknown_fields=True):
    """The efficient frontier within the limits, at the bar it names; nothing was changed.

    ``knee`` and ``tangency`` (the largest Sharpe ratio) are places in ``points``, which rise in
    return and volatility. Where ``outcome`` is not solved there are none, and ``reason`` says why.
    """

    bar_end: Instant
    bar_number: int
    outcome: Literal["solved", "infeasible", "failed", "too_few_eligible", "not_estimated"]
    reason: str
    objective: str
    strategies: list[StrategyId]
    excluded: dict[StrategyId, str]
    points: list[FrontierPoint]
    knee: int | None
    tangency: int | None
    marks: list[FrontierMark]


class FrontierOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A frontier within other limits than the policy's."""

    points: Points = POINTS_DEFAULT
    overrides: Overrides | None = None


class BookPoint(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One book at the close of a bar of the past; regret is a gap in cumulative log NAV."""

    bar_end: Instant
    nav: float
    return_net: float
    sharpe: float | None
    turnover_total: float
    cost_total: float
    regret_best: float | None
    regret_equal: float | None


class BookOverTime(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One book: as it stands, its deepest drawdown, and its past, thinned.

    ``max_drawdown`` is the least NAV / peak - 1 over all its bars, 0 where it never fell.
    """

    book: str
    objective: str
    since: Instant | None
    newest: ShadowBook
    max_drawdown: float
    points: list[BookPoint]


class Shadows(Head, kw_only=True, forbid_unknown_fields=True):
    """Paper books beside the portfolio: ``main`` is the portfolio itself, ``equal`` is 1/N.

    ``window`` is how many bars the Sharpe ratios look back; ``bars`` were thinned.
    """

    bar_end: Instant | None
    window: int | None
    bars: int
    books: list[BookOverTime]
