"""What is told of all books at a bar."""

import math
from typing import Any, Final

from schemas.policy import PortfolioPolicy
from schemas.shadows import EQUAL, MAIN, ShadowBook, ShadowRecord
from schemas.units import format_instant
from streams.core.bars import NEVER_NS
from streams.core.shadows.books import BooksBar, ShadowBooks, Verdict
from streams.core.shadows.earned import window_of
from streams.core.status import Status

_EQUAL_PLACE: Final = 1  # among all books, the main one first


def shadow_record(
    policy: PortfolioPolicy,
    strategies: tuple[str, ...],
    status: Status,
    books: ShadowBooks,
    bar: BooksBar,
) -> ShadowRecord:
    """Return the record of one bar.

    Parameters
    ----------
    policy
        Names what the books follow.
    strategies
        (N,) ids, told where a book was decided.
    status
        Of the bar.
    books
        Who they are, since when, and what was decided at the last bar.
    bar
        What the bar made of them.
    """
    told = books.verdicts
    names = (MAIN, *books.names)
    follow = (policy.objective.type, EQUAL, *(each.objective.type for each in policy.shadows))
    since = (NEVER_NS, *books.since_ns)
    logs = [math.log(nav) if nav > 0.0 else -math.inf for nav in bar.nav]
    best, equal = max(logs), logs[_EQUAL_PLACE]
    return ShadowRecord(
        portfolio_id=policy.portfolio_id,
        bar_end=format_instant(status.end_ns),
        bar_number=status.bar_number,
        window=window_of(policy),
        strategies=strategies if any(not verdict.reason for verdict in told.values()) else (),
        books=tuple(
            ShadowBook(
                book=name,
                objective=follow[book],
                nav=bar.nav[book],
                return_net=bar.net[book],
                cost=bar.cost[book],
                turnover=bar.turnover[book],
                turnover_total=bar.turnover_total[book],
                cost_total=bar.cost_total[book],
                sharpe=_known(bar.sharpe[book]),
                n_obs=bar.n_obs[book],
                regret_best=_known(best - logs[book]),
                regret_equal=_known(equal - logs[book]),
                since=None if since[book] == NEVER_NS else format_instant(since[book]),
                **_verdict(told[name]) if name in told else {},
            )
            for book, name in enumerate(names)
        ),
    )


def _verdict(verdict: Verdict) -> dict[str, Any]:
    if verdict.reason:
        return {"outcome": "held", "reason": verdict.reason}
    return {"outcome": "decided", "target": verdict.target, "target_cash": verdict.cash}


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
