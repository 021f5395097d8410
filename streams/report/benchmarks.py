"""The books that a portfolio has to beat: equal weights, and weights by inverse volatility.

They hold what the portfolio may hold, know what it knew, and pay what it pays. Each is built at the
close at which the portfolio first traded, set back to its weights at every boundary of the policy's
schedule, and drifts in between. Who takes part is told as for the portfolio: enough observations in
the window, a fresh value, not ended. Limits, bands and gates are the portfolio's own and not
theirs.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from schemas.policy import PortfolioPolicy
from schemas.units import format_instant
from streams.core.arrays import BoolArray, FloatArray, IntArray
from streams.core.calendar import crossed_boundary
from streams.core.costs import impact_coefficients, spread_of
from streams.core.decide import cost_model
from streams.core.eligibility import minimum_bars
from streams.core.errors import DataError
from streams.core.ledger import Ledger
from streams.report.book import Book, Panel

__all__ = ["BENCHMARKS", "Paper", "aligned", "equal_weight", "follow", "inverse_volatility"]

Rule = Callable[[FloatArray], FloatArray]
"""From the window's returns (W, n) of those who take part to their weights (n,)."""


class Paper:
    """What a benchmark made of it: ``net``, ``cost`` and ``turnover`` (T,) of the portfolio's bars.

    ``net`` is NaN before ``begun``.
    """

    __slots__ = ("begun", "cost", "net", "turnover")

    def __init__(self, bars: int, begun: int) -> None:
        self.begun = begun
        self.net = np.full(bars, np.nan)
        self.cost = np.zeros(bars)
        self.turnover = np.zeros(bars)


def equal_weight(rows: FloatArray) -> FloatArray:
    """Give everybody the same: 1/n (DeMiguel, Garlappi and Uppal, 2009).

    Examples
    --------
    >>> equal_weight(np.zeros((2, 4))).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    count = rows.shape[1]
    return np.full(count, 1.0 / count)


def inverse_volatility(rows: FloatArray) -> FloatArray:
    """Weigh each by 1 over the standard deviation of its returns; equal where all stand still.

    One without any volatility has a weight of 0: nothing is known of its risk.

    Examples
    --------
    >>> inverse_volatility(np.array([[0.01, 0.02], [-0.01, -0.02]])).round(6).tolist()
    [0.666667, 0.333333]
    """
    spread = spread_of(rows)
    if not (spread > 0.0).any():
        return equal_weight(rows)
    inverse = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0.0)
    weights: FloatArray = inverse / inverse.sum()
    return weights


BENCHMARKS: Final[tuple[tuple[str, str, Rule], ...]] = (
    ("equal_weight", "1/N", equal_weight),
    ("inverse_volatility", "Inverse volatility", inverse_volatility),
)
"""Key, name for a person, rule."""


def aligned(panel: Panel, book: Book) -> Panel:
    """Take the portfolio's strategies and bars out of a panel.

    Returns
    -------
    Panel
        Rows as in ``book``; before them as many older ones as there are.

    Raises
    ------
    DataError
        When the returns lack a bar of the portfolio, have one more than it, or none of its
        strategies.
    """
    members = set(book.names)
    columns = [place for place, name in enumerate(panel.names) if name in members]
    if not columns:
        message = "the returns hold none of the portfolio's strategies"
        raise DataError(message)
    values = panel.values[:, columns]
    filled = ~np.isnan(values).all(axis=1) & (panel.ends_ns <= book.ends_ns[-1])
    ends_ns = panel.ends_ns[filled]
    within = ends_ns[ends_ns >= book.ends_ns[0]]
    if not np.array_equal(within, book.ends_ns):
        odd = int(np.setxor1d(within, book.ends_ns)[0])
        who = "the returns" if odd in within else "the portfolio"
        message = (
            f"the returns are not those of the portfolio: only {who} knew a bar ending"
            f" {format_instant(odd)}"
        )
        raise DataError(message)
    return Panel(
        ends_ns=ends_ns,
        names=tuple(panel.names[place] for place in columns),
        values=values[filled],
        ended=panel.ended[filled][:, columns],
    )


def follow(panel: Panel, policy: PortfolioPolicy, begin: int, rule: Rule) -> Paper:
    """Keep a book by a rule.

    Parameters
    ----------
    panel
        The portfolio's strategies and bars, see :func:`aligned`.
    policy
        Schedule, costs, delay, cash rate and who is eligible.
    begin
        Number of the bar at whose close the book is built, or later where nobody is eligible yet.
    rule
        Weights.

    Returns
    -------
    Paper
        Of the bars of ``panel``.
    """
    estimation, costs = policy.estimation, policy.costs
    bars, columns = panel.values.shape
    ledger = Ledger(columns)
    paper = Paper(bars, begun=bars)
    age = np.full(columns, bars + estimation.stale_bars + 1)
    for bar in range(bars):
        row = panel.values[bar]
        result = ledger.advance(bar, row, policy.cash.rate, costs.linear_bps, adjustment=0.0)
        if bar >= paper.begun:
            paper.net[bar] = result.return_net
        paper.cost[bar], paper.turnover[bar] = result.cost, result.turnover
        age = np.where(np.isnan(row), age + 1, 0)
        built = paper.begun < bars
        if bar < begin or (built and not _due(policy, panel.ends_ns, bar)):
            continue
        rows = panel.values[max(bar + 1 - estimation.window_bars, 0) : bar + 1]
        eligible = _eligible(policy, rows, age, panel.ended[bar])
        if not eligible.any():
            continue
        weights = np.zeros(columns)
        weights[eligible] = rule(rows[:, eligible])
        fill = bar + 1 + policy.execution.delay_bars
        paper.begun = min(paper.begun, fill)
        impact = impact_coefficients(costs, panel.names, spread_of(rows))
        ledger.fill_later(
            fill, weights, 1.0 - float(weights.sum()), cost_model(policy, tuple(impact.tolist()))
        )
    return paper


def _due(policy: PortfolioPolicy, ends_ns: IntArray, bar: int) -> bool:
    schedule = policy.rebalance.schedule
    return crossed_boundary(schedule, int(ends_ns[bar - 1]), int(ends_ns[bar])) is not None


def _eligible(
    policy: PortfolioPolicy, rows: FloatArray, age: IntArray, ended: BoolArray
) -> BoolArray:
    observed = (~np.isnan(rows)).sum(axis=0)
    least = minimum_bars(policy, int((~ended).sum()))
    fresh = age <= policy.estimation.stale_bars
    return np.asarray((observed >= least) & fresh & ~ended)
