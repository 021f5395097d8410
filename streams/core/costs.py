"""What a trade costs: linear, market impact, and a ticket for each traded name.

Impact follows the square-root law: trading a share q of what a strategy can take in a bar moves its
price by coefficient * volatility per bar * sqrt(q), so that a trade dw costs
coefficient * sigma * |dw|^1.5 / sqrt(capacity) (Boyd et al., Multi-Period Trading via Convex
Optimization, 2017, section 2.3). All costs are shares of NAV, paid once.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from schemas.policy import Costs
from streams.core.arrays import FloatArray, IntArray

BPS: Final = 1e-4
TRADED_MIN: Final = 1e-9
"""A change of weight up to this is rounding, and no trade that takes a ticket."""
_SQUARABLE_MAX: Final = 1e150
_COEFFICIENT_MAX: Final = 1e100
"""Any trade costs all there is long before: the product with no trade is 0, and not NaN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostParts:
    """The cost of one trade as shares of NAV, by cause."""

    linear: float
    impact: float
    ticket: float

    @property
    def total(self) -> float:
        """Return the whole cost, a share of NAV."""
        return self.linear + self.impact + self.ticket


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CostModel:
    """Coefficients of the cost of a trade in N strategies, as shares of NAV.

    Parameters
    ----------
    linear : float
        Per unit of weight traded.
    impact : FloatArray
        (N,) per |dw|^1.5; empty where there is none.
    ticket : float
        Per traded name.
    """

    linear: float
    impact: FloatArray
    ticket: float

    def of(self, before: FloatArray, after: FloatArray) -> CostParts:
        """Return the cost of going from weights (N,) to others: both sides, cash free."""
        traded = np.abs(after - before)
        # a trade costs no more than all there is, whatever volatility its impact comes from
        impact = min(float(self.impact @ traded**1.5), 1.0) if self.impact.size else 0.0
        names = int((traded > TRADED_MIN).sum()) if self.ticket else 0
        return CostParts(
            linear=self.linear * float(traded.sum()), impact=impact, ticket=self.ticket * names
        )

    def select(self, picked: IntArray) -> "CostModel":
        """Return the costs of other columns: ``picked`` holds the old one of each, -1 if new."""
        if not self.impact.size:
            return self
        return replace(self, impact=np.append(self.impact, 0.0)[picked])

    def to_state(self) -> list[Any]:
        """Return everything as plain values and arrays."""
        return [self.linear, self.impact, self.ticket]

    @classmethod
    def from_state(cls, state: list[Any]) -> "CostModel":
        """Return the costs that :meth:`to_state` described."""
        linear, impact, ticket = state
        return cls(linear=linear, impact=impact.copy(), ticket=ticket)


def linear_costs(linear_bps: float) -> CostModel:
    """Return costs that are proportional to what is traded, and nothing else."""
    return CostModel(linear=linear_bps * BPS, impact=np.zeros(0), ticket=0.0)


def impact_coefficients(
    policy: Costs, names: tuple[str, ...], volatility_per_bar: FloatArray
) -> FloatArray:
    """Return the cost (N,) of each strategy per |dw|^1.5 as shares of NAV; empty without impact."""
    impact = policy.impact
    if impact is None:
        return np.zeros(0)
    capacity = np.array([impact.capacities.get(name, impact.capacity) for name in names])
    with np.errstate(over="ignore"):
        found = impact.coefficient * volatility_per_bar / np.sqrt(capacity)
    return np.asarray(np.minimum(found, _COEFFICIENT_MAX))


def spread_of(returns: FloatArray) -> FloatArray:
    """Return the standard deviation (N,) of each column of returns (T, N), NaN where missing.

    0 for a column with fewer than two returns: nothing is known of it.
    """
    known = ~np.isnan(returns)
    count = known.sum(axis=0)
    values = np.where(known, returns, 0.0)
    centre = values.sum(axis=0) / np.maximum(count, 1)
    apart = np.where(known, values - centre, 0.0)
    size = np.abs(apart).max(axis=0, initial=0.0)
    size = np.where(size > _SQUARABLE_MAX, size, 1.0)  # the square of more is beyond float64
    squares = ((apart / size) ** 2).sum(axis=0)
    return np.asarray(np.where(count > 1, size * np.sqrt(squares / np.maximum(count - 1, 1)), 0.0))
