"""What is asked of the optimizer, and the three ways it can answer.

A `Problem` has three layers. The linear core stands in `Problem` itself: bounds, cash, turnover,
and `groups`, where every limit on a weighted sum goes (families, accounts, tags, factors, pair and
cluster caps); whoever reads rows uses `GroupLimit.coefficients`, `.row_minimum`, `.row_maximum`.
`caps` holds what needs cones, iteration or whole numbers. `aim`, `costs` and `correlation` hold the
numbers of the objective, of trading and of the correlation limits. All three have defaults that
mean "nothing", so that `dataclasses.replace` makes variants of a problem freely.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.errors import DataError
from streams.core.optimize.correlation import Correlation
from streams.core.optimize.objectives import objective_value
from streams.core.optimize.terms import Aim, Caps, GroupLimit, TradeCosts
from streams.core.optimize.vocabulary import Custom

QUADRATIC = ("mean_variance", "min_variance", "tracking")
RULES = ("equal", "inverse_volatility", "hrp")
HOMOGENEOUS = ("max_sharpe", "max_diversification", "risk_parity")
SCENARIO = ("min_cvar", "min_cdar", "kelly")
MEAN_VARIANCE_LIKE = ("mean_variance", "robust_mean_variance", "min_variance")
MAXIMISED = (
    "mean_variance",
    "robust_mean_variance",
    "max_sharpe",
    "max_diversification",
    "target_volatility",
    "kelly",
)
OBJECTIVES = (
    *QUADRATIC,
    *RULES,
    *HOMOGENEOUS,
    *SCENARIO,
    "target_volatility",
    "target_return",
    "robust_mean_variance",
    "custom",
)

# Asymmetry above this share of the largest entry is not rounding but a wrong matrix.
_ASYMMETRY_MAX = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """One allocation problem over N strategies and cash, in annual units.

    Weights and cash are shares of NAV, Σw + cash = 1. Turnover is ½(Σ|Δwᵢ| + |Δcash|) against the
    drifted held weights, names outside the problem included.

    Parameters
    ----------
    strategies : tuple of str
        N names.
    mean_annual : FloatArray
        (N,) μ, per year.
    cov_annual : FloatArray
        (N, N) Σ, per year, symmetric positive semidefinite.
    held, held_cash : FloatArray, float
        (N,) drifted held weights of these names, and cash now.
    held_elsewhere : float
        Σ|held| of names outside the problem: they go to 0.
    objective : str
        One of `OBJECTIVES`.
    risk_aversion : float
        ≥ 0, used by mean_variance.
    weight_min, weight_max : FloatArray
        (N,) finite bounds.
    groups : tuple of GroupLimit
        Family limits and the like.
    cash_min, cash_max : float
        Bounds of cash.
    turnover_max : float or None
        Bound of the turnover; None is no bound.
    long_only : bool
        weight_min is then ≥ 0, and relaxing weight_min never goes short.
    aim : Aim
        Numbers of the objective.
    caps : Caps
        Limits that are no bound of a weighted sum.
    costs : TradeCosts or None
        Charged to the objective by mean_variance, robust_mean_variance and min_variance.
    correlation : Correlation or None
        What the limits on correlation came to for this Σ; its rows are among `groups`.
    penalty : FloatArray or None
        (N, N) positive semidefinite P: the objectives that take costs are charged ½w'Pw a year.
    scenarios : FloatArray or None
        (T, N) returns of T bars, complete, for CVaR, CDaR and Kelly.
    periods_per_year : float
        Bars of `scenarios` in a year.
    cash_return : float
        Simple return of cash per bar.
    custom : Custom or None
        Terms of the objective custom.

    Raises
    ------
    DataError
        If a number is not finite or Σ is not symmetric with a diagonal ≥ 0.
    """

    strategies: tuple[str, ...]
    mean_annual: FloatArray
    cov_annual: FloatArray
    held: FloatArray
    held_cash: float
    held_elsewhere: float = 0.0
    objective: str
    risk_aversion: float
    weight_min: FloatArray
    weight_max: FloatArray
    groups: tuple[GroupLimit, ...]
    cash_min: float
    cash_max: float
    turnover_max: float | None
    long_only: bool
    aim: Aim = field(default_factory=Aim)
    caps: Caps = field(default_factory=Caps)
    costs: TradeCosts | None = None
    correlation: Correlation | None = None
    penalty: FloatArray | None = None
    scenarios: FloatArray | None = None
    periods_per_year: float = 1.0
    cash_return: float = 0.0
    custom: Custom | None = None

    def __post_init__(self) -> None:
        self._check_meaning()
        self._check_numbers()

    def _check_meaning(self) -> None:
        names = len(self.strategies)
        assert names >= 1, "a problem has at least one strategy"
        assert self.objective in OBJECTIVES, f"objective {self.objective!r}, not in {OBJECTIVES}"
        for vector in (self.mean_annual, self.held, self.weight_min, self.weight_max):
            assert vector.shape == (names,), f"shape {vector.shape}, expected ({names},)"
        assert self.cov_annual.shape == (names, names), self.cov_annual.shape
        assert all(group.members.shape == (names,) for group in self.groups)
        assert bool(np.all(self.weight_min <= self.weight_max)), "weight_min > weight_max"
        assert self.cash_min <= self.cash_max, "cash min > max"
        assert self.risk_aversion >= 0.0, f"risk_aversion {self.risk_aversion}, expected >= 0"
        assert self.held_elsewhere >= 0.0, f"held_elsewhere {self.held_elsewhere}, expected >= 0"
        assert self.turnover_max is None or self.turnover_max >= 0.0, "turnover_max < 0"
        lowest = float(self.weight_min.min())
        assert not self.long_only or lowest >= 0.0, f"long_only, weight_min {lowest}"

    def _check_numbers(self) -> None:
        named: dict[str, FloatArray | float] = {
            "mean_annual": self.mean_annual,
            "cov_annual": self.cov_annual,
            "held": self.held,
            "weight_min": self.weight_min,
            "weight_max": self.weight_max,
            "held_cash": self.held_cash,
            "held_elsewhere": self.held_elsewhere,
            "cash": np.array([self.cash_min, self.cash_max]),
            "risk_aversion": self.risk_aversion,
        }
        for name, value in named.items():
            if not np.isfinite(value).all():
                message = f"{name} has a value that is not finite; expected finite numbers"
                raise DataError(message)
        cov = self.cov_annual
        if (lowest := float(cov.diagonal().min())) < 0.0:
            message = f"cov_annual has the variance {lowest}; expected >= 0"
            raise DataError(message)
        skew = float(np.abs(cov - cov.T).max())
        if skew > _ASYMMETRY_MAX * float(np.abs(cov).max()):
            message = f"cov_annual differs from its transpose by {skew}; expected them equal"
            raise DataError(message)

    @property
    def cash_return_annual(self) -> float:
        """Simple return of cash times bars in a year."""
        return self.cash_return * self.periods_per_year

    def objective_value(self, weights: FloatArray) -> float:
        """Give what the objective comes to, in the unit and sign it is reported in.

        Parameters
        ----------
        weights : FloatArray
            (N,); what they leave is cash.

        Returns
        -------
        float
            As `objectives.objective_value`.
        """
        return objective_value(self, weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A limit that costs something, and its price.

    Parameters
    ----------
    key : str
        As in the portfolio file: "weight_max", "weight_min", "families.trend", "turnover_max",
        "cash".
    strategy : str or None
        The strategy, for weight_max and weight_min.
    side : str
        "min" or "max": which end of the limit binds.
    price : float
        Change of the objective when the limit rises by one, all else equal. mean_variance: of the
        maximised utility per year, so ≥ 0 on "max" and ≤ 0 on "min". min_variance: of the annual
        variance, so ≤ 0 on "max" and ≥ 0 on "min". equal, inverse_volatility: of half the squared
        distance to the rule's weights (no unit), signs as for min_variance.
    """

    key: str
    strategy: str | None
    side: str
    price: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solved:
    """The optimum.

    Parameters
    ----------
    weights : FloatArray
        (N,), exactly at the bound where a bound is active.
    cash : float
        1 − Σw.
    objective_value : float
        `Problem.objective_value` of the weights.
    binding : tuple of Binding
        Limits with a price that is not zero.
    solver : str
        "piqp", "clarabel", "newton", "highs", "cvxpy/clarabel", "cvxpy/scs"; "rule" where the rule
        itself is feasible, "limits" where the limits leave a single point.
    exact : bool
        The optimality conditions were solved as equations and hold to rounding.
    iterations : int
        Of the solver; 0 for a rule.
    gap : float
        With whole numbers: how much better than this the optimum may be, as a share of the
        objective; inf where no bound is known. Above `whole.GAP_MAX` this is no optimum.
    fallback : str
        The objective that was solved instead and why; "" as a rule.
    step : str
        Of the ladder that led here when no solver answered: "other_solver", "hrp",
        "inverse_volatility"; "none" where none was needed.
    """

    weights: FloatArray
    cash: float
    objective_value: float
    binding: tuple[Binding, ...]
    solver: str
    exact: bool
    iterations: int
    gap: float = 0.0
    fallback: str = ""
    step: str = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasible:
    """No weights satisfy the limits; confirmed by a linear program.

    Parameters
    ----------
    violated : tuple of str
        The smallest set of portfolio-file keys whose relaxation makes the problem feasible.
    """

    violated: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """No solver answered, though the limits can be met.

    Parameters
    ----------
    reason : str
        What each solver said.
    """

    reason: str


Outcome: TypeAlias = Solved | Infeasible | Failed
