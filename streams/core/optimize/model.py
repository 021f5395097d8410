"""The cvxpy programs of the modelled road, one a shape, compiled once.

Every number is a parameter (disciplined parametrised programming is asserted), every number is
scaled to size 1. Objectives that do not change when all weights are scaled (Sharpe ratio,
diversification ratio, risk parity) are written over y = κw with κ > 0 free, and every limit is
scaled by κ with them (Schaible, 1974); for the others κ = 1.
"""

from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from streams.core.optimize.problem import HOMOGENEOUS, RULES

if TYPE_CHECKING:
    import cvxpy as cp

# Compiled problems kept: each holds a factor of N² numbers, 32 MB at N = 2000.
_COMPILED_MAX = 8
# Objectives that are ½‖Fw‖² + g'w.
SUM_OF_SQUARES = (
    *RULES,
    "mean_variance",
    "min_variance",
    "tracking",
    "target_return",
    "robust_mean_variance",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What decides the form of a program, numbers apart.

    Parameters
    ----------
    names, groups, bars : int
        Strategies, rows of limits (padded), scenarios (0 where not used).
    objective : str
        "quadratic" for every plain sum of squares.
    turnover, linear_cost, impact_cost : bool
        Whether there is one.
    caps : tuple of str
        Names of `Caps.CONIC` that are set.
    """

    names: int
    groups: int = 0
    bars: int = 0
    objective: str = "quadratic"
    turnover: bool = False
    linear_cost: bool = False
    impact_cost: bool = False
    caps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compiled:
    """A program and the handles to its numbers; `scale` is κ, None where it is 1."""

    problem: "cp.Problem"
    weights: "cp.Variable"
    cash: "cp.Variable"
    scale: "cp.Variable | None"
    parameters: "dict[str, cp.Parameter]"
    constraints: "dict[str, cp.Constraint]"


def cvxpy() -> ModuleType:
    """Import cvxpy: not at the top, it takes most of a second, and only this road needs it."""
    import cvxpy as model  # noqa: PLC0415  see above

    return model


@lru_cache(maxsize=_COMPILED_MAX)
def compiled(shape: Shape) -> Compiled:
    """Build the program of a shape."""
    writer = _Writer(shape)
    writer.linear_limits()
    writer.trading_limits()
    objective = writer.objective()
    writer.cone_limits()
    problem = cvxpy().Problem(cvxpy().Minimize(objective), list(writer.constraints.values()))
    assert problem.is_dcp(dpp=True), shape
    return Compiled(
        problem=problem,
        weights=writer.weights,
        cash=writer.cash,
        scale=writer.scale,
        parameters=writer.parameters,
        constraints=writer.constraints,
    )


class _Writer:
    """Writes one program, part by part."""

    def __init__(self, shape: Shape) -> None:
        model = cvxpy()
        self.shape = shape
        self.weights, self.cash = model.Variable(shape.names), model.Variable()
        homogeneous = shape.objective in HOMOGENEOUS
        self.scale = model.Variable(nonneg=True) if homogeneous else None
        self.parameters: dict[str, cp.Parameter] = {}
        self.constraints: dict[str, cp.Constraint] = {}

    def given(self, name: str, *size: int, nonneg: bool = False) -> "cp.Parameter":
        """Return the parameter of a name, made once."""
        if name not in self.parameters:
            self.parameters[name] = cvxpy().Parameter(size, nonneg=nonneg, name=name)
        return self.parameters[name]

    def limit(self, name: str, *size: int) -> Any:  # noqa: ANN401  cvxpy's expressions
        """Return a limit, scaled with the weights where they are."""
        value = self.given(name, *size)
        return value if self.scale is None else value * self.scale

    def linear_limits(self) -> None:
        """Budget, bounds, groups."""
        names, groups = self.shape.names, self.shape.groups
        total = 1.0 if self.scale is None else self.scale
        self.constraints |= {
            "budget": cvxpy().sum(self.weights) + self.cash == total,
            "weight_min": self.weights >= self.limit("weight_min", names),
            "weight_max": self.weights <= self.limit("weight_max", names),
            "cash_min": self.cash >= self.limit("cash_min"),
            "cash_max": self.cash <= self.limit("cash_max"),
        }
        if groups:
            sums = self.given("groups", groups, names) @ self.weights
            self.constraints["group_min"] = sums >= self.limit("group_min", groups)
            self.constraints["group_max"] = sums <= self.limit("group_max", groups)

    def trading_limits(self) -> None:
        """Turnover."""
        if self.shape.turnover:
            model, moved = cvxpy(), self._moved()
            cash = self.cash - self.limit("held_cash")
            turnover = 0.5 * (model.norm1(moved) + model.abs(cash))
            self.constraints["turnover"] = turnover <= self.limit("turnover_max")

    def _moved(self) -> Any:  # noqa: ANN401  cvxpy's expressions
        return self.weights - self.limit("held", self.shape.names)

    def _volatility(self) -> Any:  # noqa: ANN401  cvxpy's expressions
        names = self.shape.names
        return cvxpy().norm2(self.given("risk", names, names) @ self.weights)

    def _variance(self) -> Any:  # noqa: ANN401  cvxpy's expressions
        names = self.shape.names
        return 0.5 * cvxpy().sum_squares(self.given("risk", names, names) @ self.weights)

    def _outcomes(self) -> Any:  # noqa: ANN401  cvxpy's expressions
        returns = self.given("scenarios", self.shape.bars, self.shape.names) @ self.weights
        return returns + self.given("cash_return") * self.cash

    def _tail(self, losses: Any, name: str) -> Any:  # noqa: ANN401  cvxpy's expressions
        """CVaR of equally likely losses (Rockafellar and Uryasev, 2000)."""
        model = cvxpy()
        threshold, over = model.Variable(), model.Variable(self.shape.bars, nonneg=True)
        self.constraints[f"{name}_over"] = over >= losses - threshold
        return threshold + self.given(f"{name}_share", nonneg=True) * model.sum(over)

    def objective(self) -> Any:  # noqa: ANN401  cvxpy's expressions
        """Return what is minimised, and write its own constraints."""
        kind = self.shape.objective
        if kind in {"max_sharpe", "max_diversification"}:
            names = self.shape.names
            self.constraints["unit"] = self.given("gain", names) @ self.weights == self.given("one")
            return self._variance()
        if kind == "risk_parity":
            budgets = self.given("budgets", self.shape.names, nonneg=True)
            spread = budgets @ cvxpy().log(self.weights)
            self.constraints["barrier"] = spread >= self.given("barrier")
            return self._variance()
        if kind == "target_volatility":
            self.constraints["target"] = self._volatility() <= self.given("target")
            return -self._expected()
        if kind in {"min_cvar", "min_cdar", "kelly"}:
            return self._over_scenarios(kind)
        return self._sum_of_squares(kind)

    def _expected(self) -> Any:  # noqa: ANN401  cvxpy's expressions
        gained = self.given("mean", self.shape.names) @ self.weights
        return gained + self.given("cash_mean") * self.cash

    def _over_scenarios(self, kind: str) -> Any:  # noqa: ANN401  cvxpy's expressions
        model, outcomes = cvxpy(), self._outcomes()
        if kind == "kelly":
            return -model.sum(model.log(1.0 + outcomes)) / self.shape.bars
        if kind == "min_cvar":
            return self._tail(-outcomes, "tail")
        peak = model.Variable(self.shape.bars, nonneg=True)
        path = model.cumsum(outcomes)
        self.constraints["peak"] = peak >= path
        if self.shape.bars > 1:
            self.constraints["peak_holds"] = peak[1:] >= peak[:-1]
        return self._tail(peak - path, "tail")

    def _sum_of_squares(self, kind: str) -> Any:  # noqa: ANN401  cvxpy's expressions
        model, names = cvxpy(), self.shape.names
        risk = 0.5 * model.sum_squares(self.given("factor", names, names) @ self.weights)
        total = risk + self.given("gradient", names) @ self.weights
        if kind == "target_return":
            self.constraints["target"] = self._expected() >= self.given("target")
        if kind == "robust_mean_variance":
            # A parameter may multiply a variable, not an expression with parameters of its own.
            spread = model.Variable()
            self.constraints["spread"] = spread >= self._volatility()
            total += self.given("robustness", nonneg=True) * spread
        return total + self._costs() if self.shape.linear_cost or self.shape.impact_cost else total

    def _costs(self) -> Any:  # noqa: ANN401  cvxpy's expressions
        model, names, total = cvxpy(), self.shape.names, 0.0
        moved = model.Variable(names)
        self.constraints["moved"] = moved == self._moved()
        if self.shape.linear_cost:
            total += self.given("linear_cost", names, nonneg=True) @ model.abs(moved)
        if self.shape.impact_cost:
            impact = model.power(model.abs(moved), 1.5)
            total += self.given("impact_cost", names, nonneg=True) @ impact
        return total

    def cone_limits(self) -> None:
        """Write the caps that are convex and no bound of a weighted sum."""
        model, limits = cvxpy(), self.constraints
        if "volatility_max" in self.shape.caps:
            limits["volatility_max"] = self._volatility() <= self.limit("volatility_max")
        if "diversification_ratio_min" in self.shape.caps:
            spread = self.given("volatility_over_floor", self.shape.names) @ self.weights
            limits["diversification_ratio_min"] = self._volatility() <= spread
        if "leverage_max" in self.shape.caps:
            limits["leverage_max"] = model.norm1(self.weights) <= self.limit("leverage_max")
        if "short_max" in self.shape.caps:
            limits["short_max"] = model.sum(model.neg(self.weights)) <= self.limit("short_max")
        if "cvar_max" in self.shape.caps:
            tail = self._tail(-self._outcomes(), "cap")
            limits["cvar_max"] = tail <= self.limit("cvar_max")
