"""Paper books beside a portfolio: amounts held, the NAV they made, and what they have traded.

A book holds amounts of money (1 = the portfolio's NAV at its start) in N strategies and in cash,
which grow by 1 + r: NAV is their sum, weights are shares of it. A fill at NAV v and cost c (a share
of v) makes them w v (1 - c). That is the ledger's arithmetic without a division a bar, so that all
books take many bars at once; what comes of a bar is the same to the bit however the bars are cut
into runs. Costs, delay and missing returns are as in the ledger.
"""

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np

from schemas.policy import PortfolioPolicy
from schemas.shadows import EQUAL
from streams.core.arrays import BoolArray, FloatArray, IntArray
from streams.core.bars import NEVER_NS
from streams.core.costs import linear_costs
from streams.core.history import history_bars
from streams.core.ledger import BarResult, Fill, Ledger, turnover
from streams.core.shadows.earned import Earned, window_of
from streams.core.shadows.past import MARK_BARS, Past, columns_of, growth_of
from streams.core.windows import RollingWindows

T = TypeVar("T")

NAV_MAX: Final = 1e300
"""A NAV beyond it is kept as cash: a number stays a number whatever returns are claimed."""


class Verdict(NamedTuple):
    """What a decision was for a book: a target (N,) and cash, or the reason why it holds."""

    reason: str
    target: tuple[float, ...] = ()
    cash: float = 0.0

    def select(self, picked: IntArray) -> "Verdict":
        """Return the verdict over other columns: the old one of each, -1 for a new strategy."""
        if self.reason:
            return self
        target = [*self.target, 0.0]
        return self._replace(target=tuple(target[place] for place in picked.tolist()))


class BooksBar(NamedTuple):
    """What one bar made of the 1 + K books, the main one first; a Sharpe ratio may be NaN."""

    nav: list[float]
    net: list[float]
    cost: list[float]
    turnover: list[float]
    cost_total: list[float]
    turnover_total: list[float]
    sharpe: list[float]
    n_obs: list[int]

    def select(self, columns: IntArray, nav: float) -> "BooksBar":
        """Return the bar over other books; one that is new, -1, has nothing but its NAV."""

        def picked(row: list[T], new: T) -> list[T]:
            return [[*row, new][place] for place in columns.tolist()]

        return BooksBar(
            nav=picked(self.nav, nav),
            net=picked(self.net, 0.0),
            cost=picked(self.cost, 0.0),
            turnover=picked(self.turnover, 0.0),
            cost_total=picked(self.cost_total, 0.0),
            turnover_total=picked(self.turnover_total, 0.0),
            sharpe=picked(self.sharpe, math.nan),
            n_obs=picked(self.n_obs, 0),
        )


class ShadowBooks:
    """K paper books in N strategies: ``equal`` first, then those of the policy.

    Parameters
    ----------
    policy
        Names of the books, their first weights, and the window of their Sharpe ratios.
    columns
        N.
    """

    def __init__(self, policy: PortfolioPolicy, columns: int) -> None:
        self.names = names_of(policy)
        books = len(self.names)
        self.amounts = np.zeros((books, columns + 1))  # the last column is cash
        self.amounts[:, -1] = 1.0
        self.since_ns = [NEVER_NS] * books
        self.built = [bool(policy.initial_weights)] * books
        self.fills: list[list[Fill]] = [[] for _ in self.names]
        self.clusters: dict[str, tuple[tuple[str, ...], ...]] = {}  # of the last answer
        self.verdicts: dict[str, Verdict] = {}  # of the last bar
        self.latest: BooksBar | None = None
        self._totals = np.zeros((2, 1 + books))  # costs and turnover
        self._earned = Earned(1 + books, window_of(policy))
        self._past = Past(history_bars(policy))

    # ------------------------------------------------------------------ what is held

    def coming(self, book: int) -> tuple[FloatArray, float]:
        """Return weights (N,) and cash of a book after all that is under way."""
        if self.fills[book]:
            return self.fills[book][-1].weights, self.fills[book][-1].cash
        return self._weights(book)

    def _weights(self, book: int) -> tuple[FloatArray, float]:
        nav = float(self.amounts[book].sum())
        if nav <= 0.0:
            return np.zeros(self.amounts.shape[1] - 1), 1.0
        weights = self.amounts[book] / nav
        return weights[:-1], float(weights[-1])

    def start_with(self, weights: FloatArray) -> None:
        """Begin from initial weights (N,) instead of cash."""
        self.amounts[:, :-1], self.amounts[:, -1] = weights, 1.0 - float(weights.sum())

    def decide(self, book: int, fill: Fill) -> None:
        """Let a book trade to what a fill says, when it says."""
        self.fills[book].append(fill)
        self.verdicts[self.names[book]] = Verdict("", tuple(fill.weights.tolist()), fill.cash)
        self.built[book] = True

    def hold(self, book: int, reason: str) -> None:
        """Let a book stay as it is, and say why."""
        self.verdicts[self.names[book]] = Verdict(reason)

    # ------------------------------------------------------------------ bars

    def take(
        self,
        first_bar: int,
        returns: FloatArray,
        policy: PortfolioPolicy,
        main: Sequence[tuple[BarResult, float]],
    ) -> list[BooksBar]:
        """Take bars in: due fills first, then the returns.

        Parameters
        ----------
        first_bar
            Number of the first of them.
        returns
            (T, N) simple, NaN where missing.
        policy
            Rate of cash and linear costs per bar, bars a year.
        main
            What each bar made of the main book, and its NAV then.

        Returns
        -------
        list
            What became of all books with each of the bars.
        """
        bars, books = len(returns), 1 + len(self.names)
        made = np.zeros((4, bars, books))
        nav, net, cost, traded = made
        made[:, :, 0] = np.array([(at, r.return_net, r.cost, r.turnover) for r, at in main]).T
        growth = growth_of(returns, policy.cash.rate)
        self.verdicts = {}
        done = 0
        with np.errstate(over="ignore", invalid="ignore"):  # what is beyond float64 is seen to
            while done < bars:
                before = self.amounts.sum(axis=1)
                number = first_bar + done
                filled = self._fill_due(number, policy, cost[done, 1:], traded[done, 1:])
                self._past.note(number, self.amounts, always=filled)
                piece = slice(done, done + min(bars - done, self._until_next(number)))
                idle = self._grow(growth[piece], nav[piece, 1:])
                done += len(idle)
                piece = slice(piece.start, done)
                kept = np.maximum(1.0 - cost[piece, 1:], 0.0) * (1.0 + policy.cash.rate) - 1.0
                net[piece, 1:] = _returns(before, nav[piece, 1:], idle, kept)
        np.minimum(net, NAV_MAX, out=net)
        return self._tell(made, policy.periods_per_year)

    def _until_next(self, number: int) -> int:
        """Return how many bars there are until a mark of the past or a fill is due."""
        ahead = [fill.before_bar - number for fills in self.fills for fill in fills]
        return min([MARK_BARS - number % MARK_BARS, *ahead])

    def _fill_due(
        self, number: int, policy: PortfolioPolicy, cost: FloatArray, traded: FloatArray
    ) -> bool:
        """Fill what is due before a bar; write its cost and turnover (K,)."""
        filled = False
        for book, fills in enumerate(self.fills):
            while fills and fills[0].before_bar <= number:
                fill = fills.pop(0)
                filled = True
                nav = float(self.amounts[book].sum())
                before, cash = self._weights(book)
                costs = fill.costs or linear_costs(policy.costs.linear_bps)
                part = costs.of(before, fill.weights).total
                traded[book] += turnover(before, cash, fill.weights, fill.cash)
                cost[book] += part - cost[book] * part
                left = nav * max(0.0, 1.0 - part)
                self.amounts = self.amounts.copy()  # the past may hold the other
                self.amounts[book] = np.append(fill.weights, fill.cash) * left
        return filled

    def _grow(self, growth: FloatArray, nav: FloatArray) -> BoolArray:
        """Let what is held grow by factors (T, N + 1), through the first bar that ends a book.

        Write the NAV (T, K); return of each bar taken who was in cash alone over it.
        """
        path = np.empty((len(growth), *self.amounts.shape))
        now = self.amounts
        for bar, factors in enumerate(growth):
            now = np.multiply(now, factors, out=path[bar])
        value = path.sum(axis=-1)
        sound = ((value > 0.0) & (value <= NAV_MAX)) | ~self.amounts.any(axis=1)
        unsound = np.flatnonzero(~sound.all(axis=1))
        taken = int(unsound[0]) + 1 if unsound.size else len(growth)
        idle = np.empty((taken, len(self.names)), dtype=bool)
        idle[0] = ~self.amounts[:, :-1].any(axis=1)
        idle[1:] = ~path[: taken - 1, :, :-1].any(axis=-1)
        nav[:taken] = value[:taken]
        self.amounts = path[taken - 1].copy()
        if unsound.size:
            over = ~sound[taken - 1]  # shorts may lose more than all; a NAV of 0 is over
            self.amounts[over] = 0.0
            self.amounts[over, -1] = np.where(value[taken - 1, over] > 0.0, NAV_MAX, 0.0)
            nav[taken - 1, over] = self.amounts[over, -1]
        return idle

    def _tell(self, made: FloatArray, periods_per_year: float) -> list[BooksBar]:
        """Return what is told of bars: (4, T, 1 + K) NAV, net return, cost and turnover."""
        totals = np.concatenate([self._totals[:, None], made[2:]], axis=1).cumsum(axis=1)
        self._totals = totals[:, -1].copy()
        sharpe, n_obs = self._earned.extend(made[1], periods_per_year)
        columns = (*made.tolist(), *totals[:, 1:].tolist(), sharpe.tolist(), n_obs.tolist())
        told = [BooksBar(*bar) for bar in zip(*columns, strict=True)]
        self.latest = told[-1]
        return told

    def revise(
        self,
        windows: RollingWindows,
        bar: tuple[int, int, int],
        change: float,
        cash_rate: float,
    ) -> None:
        """Book a return that is ``change`` above the one that was counted into the NAV of today.

        As in the main book it adds w change / (1 + r_p) of its bar.

        Parameters
        ----------
        windows
            Returns, which still hold the former one.
        bar
            Number of their newest bar, how many bars ago the revised one was, and its column.
        change
            The new return less what was counted, 0 for a missing one.
        cash_rate
            Simple return of cash per bar.
        """
        last, bars_ago, column = bar
        found = self._past.held_over(windows, last, bars_ago, cash_rate)
        if found is not None:
            before, after = found
            part = np.zeros(len(after))
            np.divide(before[:, column] * change, after, out=part, where=after > 0.0)
            factor = np.where(np.isfinite(part), np.maximum(1.0 + part, 0.0), 1.0)
            self.amounts = self.amounts * factor[:, None]

    # ------------------------------------------------------------------ membership and policy

    def select(self, picked: IntArray) -> None:
        """Change the columns.

        ``picked`` holds the old column of each new one, -1 for a new strategy.
        """
        self.amounts = columns_of(self.amounts, picked)
        self._past.select(picked)
        self.verdicts = {name: told.select(picked) for name, told in self.verdicts.items()}
        self.fills = [[fill.select(picked) for fill in fills] for fills in self.fills]

    def set_policy(self, policy: PortfolioPolicy, main: Ledger, end_ns: int) -> None:
        """Go on under another policy: a book that is new begins as a copy of the main one.

        A book whose name stays goes on with what it holds, whatever it follows from now on.
        ``end_ns`` is the end of the last bar.
        """
        names = names_of(policy)
        picked = np.array([_place(self.names, name) for name in names])
        copy = np.append(main.held, main.cash) * main.nav
        self.amounts = np.vstack([self.amounts, copy])[picked]
        self.since_ns = [[*self.since_ns, end_ns][place] for place in picked]
        self.built = [[*self.built, bool(main.held.any())][place] for place in picked]
        self.fills = [list([*self.fills, main.fills][place]) for place in picked]
        self.clusters = {name: self.clusters[name] for name in names if name in self.clusters}
        self.verdicts = {name: self.verdicts[name] for name in names if name in self.verdicts}
        self._past.select_books(picked)
        self._past.capacity = history_bars(policy)
        columns = np.append(0, np.where(picked < 0, -1, picked + 1))
        self._totals = np.column_stack([self._totals, np.zeros(2)])[:, columns]
        self._earned.change(columns, window_of(policy))
        if self.latest is not None:
            self.latest = self.latest.select(columns, main.nav)
        self.names = names

    # ------------------------------------------------------------------ state

    def to_state(self) -> dict[str, Any]:
        """Return everything as plain values and arrays."""
        return {
            "names": list(self.names),
            "amounts": self.amounts,
            "since_ns": list(self.since_ns),
            "built": list(self.built),
            "fills": [[fill.to_state() for fill in fills] for fills in self.fills],
            "clusters": {name: [list(c) for c in found] for name, found in self.clusters.items()},
            "verdicts": {name: list(verdict) for name, verdict in self.verdicts.items()},
            "latest": None if self.latest is None else list(self.latest),
            "totals": self._totals,
            "earned": self._earned.values,
            "past": self._past.to_state(),
        }

    @classmethod
    def from_state(cls, policy: PortfolioPolicy, state: dict[str, Any]) -> "ShadowBooks":
        """Return the books that :meth:`to_state` described."""
        books = cls(policy, state["amounts"].shape[1] - 1)
        books.names = tuple(state["names"])
        books.amounts = state["amounts"]
        books.since_ns, books.built = list(state["since_ns"]), list(state["built"])
        books.fills = [[Fill.from_state(fill) for fill in fills] for fills in state["fills"]]
        books.clusters = {
            name: tuple(tuple(c) for c in found) for name, found in state["clusters"].items()
        }
        books.verdicts = {
            name: Verdict(reason, tuple(target), cash)
            for name, (reason, target, cash) in state["verdicts"].items()
        }
        if state["latest"] is not None:
            books.latest = BooksBar(*state["latest"])
        books._totals = state["totals"]
        books._earned.values = state["earned"]
        books._past = Past.from_state(state["past"])
        return books


def names_of(policy: PortfolioPolicy) -> tuple[str, ...]:
    """Return the names of a policy's paper books, that of 1/N first."""
    return (EQUAL, *(shadow.name for shadow in policy.shadows))


def _place(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else -1


def _returns(before: FloatArray, nav: FloatArray, idle: BoolArray, kept: FloatArray) -> FloatArray:
    """Return what NAVs (T, K) are above those of the bar before; 0 once there is none.

    Those in cash alone earn what is ``kept``, the same each bar to the bit.
    """
    former = np.vstack([before, nav[:-1]])
    gained = np.divide(nav, former, out=np.ones_like(nav), where=former > 0.0) - 1.0
    return np.where(idle & (former > 0.0), kept, gained)
