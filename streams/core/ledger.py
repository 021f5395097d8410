"""Held weights, NAV and costs of one portfolio, bar by bar.

A decision at the close of bar t is filled in full at that bar's closing NAV, before the returns of
bar t+1 (``delay_bars`` 1: one bar later). Held weights drift with returns,
w_i (1 + r_i) / (1 + r_p). The cost of a trade is c = linear_bps 1e-4 sum|dw_i|, with impact and
tickets where the policy has them, and return_net = (1 - c)(1 + return_gross) - 1. Turnover is
(sum|dw_i| + |dcash|) / 2.

A ledger that moves by reports keeps what it has ordered until the reports say what became of it.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from streams.core.arrays import FloatArray, IntArray
from streams.core.costs import CostModel, linear_costs

_NAV_MAX: Final = float(
    np.finfo(np.float64).max
)  # a NAV stays a number whatever returns are claimed


@dataclass(frozen=True, slots=True, eq=False)
class Fill:
    """Target weights (N,) and cash that take effect before the returns of bar ``before_bar``.

    ``costs`` None is the linear cost of the policy at the time.
    """

    before_bar: int
    weights: FloatArray
    cash: float
    costs: CostModel | None = None

    def select(self, picked: IntArray) -> "Fill":
        """Return the fill over other columns: ``picked`` holds the old one of each, -1 if new."""
        weights = np.append(self.weights, 0.0)[picked]  # -1 finds the appended one
        costs = self.costs and self.costs.select(picked)
        return Fill(self.before_bar, weights, self.cash, costs)

    def to_state(self) -> list[Any]:
        """Return everything as plain values and arrays."""
        costs = self.costs and self.costs.to_state()
        return [self.before_bar, self.weights, self.cash, costs]

    @classmethod
    def from_state(cls, state: list[Any]) -> "Fill":
        """Return the fill that :meth:`to_state` described."""
        before_bar, weights, cash, costs = state
        return cls(before_bar, weights.copy(), cash, costs and CostModel.from_state(costs))


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """Target weights (N,) and cash of a command whose fill was not reported yet.

    ``multiplier`` is the risk overlay's in it; after ``expires_ns`` nobody carries it out.
    """

    version: int
    multiplier: float
    expires_ns: int
    weights: FloatArray
    cash: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BarResult:
    """What one bar did to the portfolio, in simple returns and shares of NAV.

    ``contribution`` (N,) is w_i r_i.
    """

    return_gross: float
    return_net: float
    cost: float
    turnover: float
    coverage: float
    adjustment: float
    contribution: FloatArray


def turnover(before: FloatArray, cash_before: float, after: FloatArray, cash_after: float) -> float:
    """Return (sum|dw_i| + |dcash|) / 2 of a trade, a share of NAV."""
    return 0.5 * (float(np.abs(after - before).sum()) + abs(cash_after - cash_before))


class Ledger:
    """Weights held in N strategies and cash, the NAV they made, and fills that wait for their bar.

    ``over_bar`` (N,) is what was held over the last bar: after its fills, before its drift.
    ``orders`` are commands under way, oldest first, where only reports move the ledger.
    """

    def __init__(self, columns: int) -> None:
        self.held = np.zeros(columns)
        self.cash = 1.0
        self.target = np.zeros(columns)
        self.target_cash = 1.0
        self.nav = 1.0
        self.high = 1.0
        self.over_bar = self.held
        self.fills: list[Fill] = []
        self.orders: list[Order] = []
        self.held_multiplier = 1.0  # of the last command that was filled

    @property
    def drawdown(self) -> float:
        """Return NAV over its high minus 1, at most 0.

        The high includes the 1.0 before the first bar.
        """
        return self.nav / self.high - 1.0

    def start_with(self, weights: FloatArray) -> None:
        """Begin from initial weights (N,) instead of cash."""
        self.held, self.target = weights.copy(), weights.copy()
        self.cash = self.target_cash = 1.0 - float(weights.sum())

    def aim(self, weights: FloatArray, cash: float) -> None:
        """Set the target of the last accepted decision."""
        self.target, self.target_cash = weights.copy(), cash

    def fill_later(
        self, before_bar: int, weights: FloatArray, cash: float, costs: CostModel | None = None
    ) -> None:
        """Queue a fill; fills take effect in the order they were queued."""
        self.fills.append(Fill(before_bar, weights.copy(), cash, costs))

    @property
    def moving(self) -> bool:
        """Tell whether a trade of our own is ordered and not yet in what is held."""
        return bool(self.fills or self.orders)

    def order(self, order: Order) -> None:
        """Remember a command until its reports say what became of it."""
        self.orders.append(order)

    def ordered(self, version: int) -> Order | None:
        """Return the command of a version, if it is still under way."""
        return next((order for order in self.orders if order.version == version), None)

    def conclude(self, version: int, *, filled: bool) -> None:
        """Forget the command of a version and those it superseded: it was filled, or never will be.

        What nobody carried out is not coming any more, so that drift is measured again.
        """
        for order in self.orders:
            if filled and order.version == version:
                self.held_multiplier = order.multiplier
        self.orders = [order for order in self.orders if order.version > version]

    def forget_expired(self, now_ns: int) -> None:
        """Forget commands that nobody will carry out any more."""
        self.orders = [order for order in self.orders if order.expires_ns > now_ns]

    @property
    def coming_multiplier(self) -> float:
        """Return the risk overlay's multiplier in :meth:`coming`."""
        return self.orders[-1].multiplier if self.orders else self.held_multiplier

    def coming(self) -> tuple[FloatArray, float]:
        """Return weights (N,) and cash after all that is already ordered.

        A new decision changes these.
        """
        if self.orders:
            return self.orders[-1].weights, self.orders[-1].cash
        if self.fills:
            return self.fills[-1].weights, self.fills[-1].cash
        return self.held, self.cash

    def advance(
        self,
        bar_number: int,
        returns: FloatArray,
        cash_rate: float,
        linear_bps: float,
        adjustment: float,
    ) -> BarResult:
        """Take one bar: due fills first, then the bar's returns (N,), NaN where missing.

        ``adjustment`` is the simple return by which revised past returns change the NAV now; it
        never restates the past.
        """
        traded, cost = self._fill_due(bar_number, linear_bps)
        self.over_bar = self.held
        present = ~np.isnan(returns)
        known = np.where(
            present, returns, 0.0
        )  # a held strategy with no value contributes 0, and lowers coverage
        contribution = self.held * known
        gross = float(contribution.sum()) + self.cash * cash_rate
        exposure = float(np.abs(self.held).sum())
        coverage = float(np.abs(self.held[present]).sum()) / exposure if exposure > 0 else 1.0
        self._drift(known, cash_rate, gross)
        net = (1.0 - cost) * (1.0 + gross) - 1.0
        nav = self.nav * (1.0 + net) * (1.0 + adjustment)
        self.nav = max(0.0, min(nav, _NAV_MAX))  # shorts may lose more than all; a NAV of 0 is over
        self.high = max(self.high, self.nav)
        return BarResult(
            return_gross=gross,
            return_net=net,
            cost=cost,
            turnover=traded,
            coverage=coverage,
            adjustment=adjustment,
            contribution=contribution,
        )

    def _fill_due(self, bar_number: int, linear_bps: float) -> tuple[float, float]:
        """Fill what is due.

        Return the turnover and the cost, which compounds over several fills.
        """
        traded, cost = 0.0, 0.0
        while self.fills and self.fills[0].before_bar <= bar_number:
            fill = self.fills.pop(0)
            traded += turnover(self.held, self.cash, fill.weights, fill.cash)
            costs = linear_costs(linear_bps) if fill.costs is None else fill.costs
            next_cost = costs.of(self.held, fill.weights).total
            cost = cost + next_cost - cost * next_cost
            self.held, self.cash = fill.weights.copy(), fill.cash
        return traded, cost

    def _drift(self, known: FloatArray, cash_rate: float, gross: float) -> None:
        growth = 1.0 + gross
        if growth <= 0.0:  # wiped out: nothing is held any more
            self.held, self.cash = np.zeros_like(self.held), 1.0
            return
        self.held = self.held * (1.0 + known) / growth
        self.cash = self.cash * (1.0 + cash_rate) / growth

    def select(self, picked: IntArray) -> None:
        """Change the columns.

        ``picked`` holds the old column of each new one, -1 for a new strategy.
        """

        def move(weights: FloatArray) -> FloatArray:
            moved: FloatArray = np.append(weights, 0.0)[picked]  # -1 finds the appended one
            return moved

        self.held, self.target = move(self.held), move(self.target)
        self.fills = [fill.select(picked) for fill in self.fills]
        self.orders = [replace(order, weights=move(order.weights)) for order in self.orders]

    def to_state(self) -> dict[str, Any]:
        """Return everything as plain values and arrays."""
        return {
            "held": self.held,
            "cash": self.cash,
            "target": self.target,
            "target_cash": self.target_cash,
            "nav": self.nav,
            "high": self.high,
            "fills": [fill.to_state() for fill in self.fills],
            "orders": [[getattr(order, name) for name in Order.__slots__] for order in self.orders],
            "held_multiplier": self.held_multiplier,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Ledger":
        """Return the ledger that :meth:`to_state` described."""
        ledger = cls(len(state["held"]))
        ledger.held, ledger.cash = state["held"].copy(), state["cash"]
        ledger.target, ledger.target_cash = state["target"].copy(), state["target_cash"]
        ledger.nav, ledger.high = state["nav"], state["high"]
        ledger.fills = [Fill.from_state(fill) for fill in state["fills"]]
        ledger.orders = [Order(*fields) for fields in state["orders"]]
        ledger.held_multiplier = state["held_multiplier"]
        return ledger
