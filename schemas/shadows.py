"""Paper books beside a portfolio: what other policies would have made of the same bars.

JSON on a public topic. Nothing here is ever ordered.
"""

from typing import Final, Literal

import msgspec

from schemas.units import Identifier, Instant, PortfolioId, StrategyId

MAIN: Final = "main"
"""Book of the portfolio itself, as its ledger has it."""
EQUAL: Final = "equal"
"""Paper book of 1/N: an equal weight for each eligible strategy. It is always kept."""


class ShadowBook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One book at the close of one bar, in simple returns and shares of its own NAV.

    A book begins as a copy of the main one, at the close of the bar ``since`` (null: before the
    first bar). ``turnover_total`` and ``cost_total`` are sums over the bars since then. ``sharpe``
    is that of ``return_net`` over the record's window, of ``n_obs`` returns: null where undefined.

    Regret is a gap in cumulative log NAV, positive where the other book is ahead:
    ``regret_best`` = max over all books of ln(NAV) - ln(NAV of this one), never below 0, and
    ``regret_equal`` = ln(NAV of ``equal``) - ln(NAV of this one); null where a NAV is 0.

    ``outcome`` is told with a bar at which the main book asked its optimizer: ``decided`` comes
    with ``target`` (over the record's ``strategies``) and ``target_cash``, ``held`` with the
    ``reason`` why this book stays as it is. The main book has neither: its decisions are told
    elsewhere.
    """

    book: Identifier
    objective: str
    nav: float
    return_net: float
    cost: float
    turnover: float
    turnover_total: float
    cost_total: float
    sharpe: float | None
    n_obs: int
    regret_best: float | None
    regret_equal: float | None
    since: Instant | None = None
    outcome: Literal["", "decided", "held"] = ""
    reason: str = ""
    target: tuple[float, ...] = ()
    target_cash: float | None = None


class ShadowRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All books of one portfolio at one bar: first ``main``, then ``equal``, then the policy's.

    ``window`` is how many bars the Sharpe ratios look back, the ``window_bars`` of the policy.
    ``strategies`` are named with decisions alone. A later record of the same bar replaces this one.
    """

    portfolio_id: PortfolioId
    bar_end: Instant
    bar_number: int
    window: int
    books: tuple[ShadowBook, ...]
    strategies: tuple[StrategyId, ...] = ()
