"""Numbers that only some objectives and limits need: the aim, the caps, the cost of trading."""

from dataclasses import dataclass

import numpy as np

from streams.core.arrays import BoolArray, FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupLimit:
    """Bounds on a weighted sum of weights, or on its share of another one.

    Parameters
    ----------
    key : str
        Where the limit stands in the portfolio file, "families.trend",
        "correlation.cluster_weight_max.a/b". The part before the first dot (the first two of
        correlation limits) names the kind, which is what an infeasible answer lists.
    members : BoolArray
        (N,) true for the strategies that count.
    minimum, maximum : float
        Bounds of the value; −inf and inf where absent.
    loadings : FloatArray or None
        (N,) what each weight counts; 1 for the members where None.
    share_of : FloatArray or None
        (N,) where given, the value is (loadings·w) / (share_of·w), the limit a share of it, and
        only `maximum` may be set.
    unit : float
        By how much the row's bound moves with the limit that people set, where that is another.
    """

    key: str
    members: BoolArray
    minimum: float
    maximum: float
    loadings: FloatArray | None = None
    share_of: FloatArray | None = None
    unit: float = 1.0

    def __post_init__(self) -> None:
        assert self.minimum <= self.maximum, f"{self.key}: {self.minimum} > {self.maximum}"
        assert self.share_of is None or self.minimum == -np.inf, f"{self.key}: a share has no min"

    @property
    def kind(self) -> str:
        """Portfolio-file key without the member: "families", "correlation.pair_weight_max"."""
        parts = self.key.split(".")
        return ".".join(parts[:2]) if parts[0] == "correlation" else parts[0]

    @property
    def coefficients(self) -> FloatArray:
        """(N,) a of the row that the solvers see: `row_minimum` ≤ a·w ≤ `row_maximum`."""
        counts = self.members.astype(np.float64) if self.loadings is None else self.loadings
        return counts if self.share_of is None else counts - self.maximum * self.share_of

    @property
    def row_minimum(self) -> float:
        """Lower bound of the row."""
        return self.minimum

    @property
    def row_maximum(self) -> float:
        """Upper bound of the row: a share is written as a·w ≤ 0."""
        return self.maximum if self.share_of is None else 0.0

    def price_of_limit(self, row_price: float, weights: FloatArray) -> float:
        """Turn the multiplier of the row into that of the limit as the file has it.

        Raising the share by one moves the row's bound by share_of·w.
        """
        if self.share_of is None:
            return row_price * self.unit
        return row_price * float(self.share_of @ weights)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Aim:
    """Numbers of the objective.

    Parameters
    ----------
    target : float or None
        Annual volatility of target_volatility, annual return of target_return.
    budgets : FloatArray or None
        (N,) > 0 shares of risk for risk_parity; equal where None.
    alpha : float
        Tail of CVaR and CDaR: 0.95 is the worst twentieth.
    reference : FloatArray or None
        (N,) weights that tracking follows.
    kappa : float
        robust_mean_variance: standard errors of the mean that are held against it.
    years : float or None
        Length of the record behind the mean, which its standard error comes from.
    """

    target: float | None = None
    budgets: FloatArray | None = None
    alpha: float = 0.95
    reference: FloatArray | None = None
    kappa: float = 1.0
    years: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Caps:
    """Limits that are no bound of a weighted sum; None is no limit.

    Parameters
    ----------
    volatility_max : float or None
        Annual.
    cvar_max : float or None
        Per bar, at `cvar_alpha`, a loss as a positive number.
    cvar_alpha : float
        Tail of cvar_max.
    leverage_max : float or None
        Σ|w|, cash not counted.
    short_max : float or None
        Σmax(−w, 0).
    diversification_ratio_min : float or None
        Σwσ / √(w'Σw), for weights ≥ 0.
    risk_contribution_max : float or None
        Of wᵢ(Σw)ᵢ / w'Σw, each strategy. Not convex.
    held_correlation_max : float or None
        Of the correlation of each strategy held after the trade with the whole. Not convex.
    cardinality_max : int or None
        Strategies with a weight that is not 0. Takes whole numbers.
    position_min : float or None
        Smallest weight that is not 0. Takes whole numbers.
    exclusive : tuple of tuple of int
        Sets of strategies (by index) of which one at most is held. Takes whole numbers.
    """

    volatility_max: float | None = None
    cvar_max: float | None = None
    cvar_alpha: float = 0.95
    leverage_max: float | None = None
    short_max: float | None = None
    diversification_ratio_min: float | None = None
    risk_contribution_max: float | None = None
    held_correlation_max: float | None = None
    cardinality_max: int | None = None
    position_min: float | None = None
    exclusive: tuple[tuple[int, ...], ...] = ()

    CONIC = (
        "volatility_max",
        "cvar_max",
        "leverage_max",
        "short_max",
        "diversification_ratio_min",
    )
    ITERATED = ("risk_contribution_max", "held_correlation_max")
    WHOLE = ("cardinality_max", "position_min", "exclusive")

    def given(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those of some caps that are set."""
        return tuple(name for name in names if getattr(self, name) not in (None, ()))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TradeCosts:
    """What trading costs, spread over the time that the new weights are expected to be held.

    Parameters
    ----------
    linear : FloatArray
        (N,) cost of |Δwᵢ| = 1, a share of NAV: 5 bps is 0.0005.
    impact : FloatArray
        (N,) cost of |Δwᵢ|^(3/2) = 1 (Almgren et al., 2005: impact grows with the root of size).
    horizon_years : float
        > 0. The objective is charged cost / horizon_years a year.
    """

    linear: FloatArray
    impact: FloatArray
    horizon_years: float

    def __post_init__(self) -> None:
        assert self.horizon_years > 0.0, self.horizon_years

    def per_year(self, moved: FloatArray) -> float:
        """Annual charge of some changes of weight (N,)."""
        size = np.abs(moved)
        return float(self.linear @ size + self.impact @ size**1.5) / self.horizon_years
