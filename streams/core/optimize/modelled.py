"""The modelled road: the same problem written in cvxpy, compiled once a shape, solved by Clarabel.

It shares with the direct road the meaning of a `Problem`, the rules' weights and the scale, and
nothing else, which makes it the oracle of that road, and the place where objectives and limits that
are no quadratic program go. Where Clarabel does not answer, SCS is asked.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.optimize.binding import PRICE_MIN, bindings
from streams.core.optimize.model import SUM_OF_SQUARES, Compiled, Shape, compiled, cvxpy
from streams.core.optimize.objectives import excess_of, robustness
from streams.core.optimize.problem import (
    MAXIMISED,
    RULES,
    SCENARIO,
    Binding,
    Failed,
    Problem,
    Solved,
)
from streams.core.optimize.quadratic import Point, curvature_of, scale_of, slope_of
from streams.core.optimize.rules import rule_weights
from streams.core.optimize.terms import Caps
from streams.core.optimize.verify import verify

if TYPE_CHECKING:
    import cvxpy as cp

# Tight first: weights are only as good as the root of the gap. Where the arithmetic does not reach
# that, what still gives weights to 1e-5; and last a first-order method, which needs no factor.
_ATTEMPTS = (("clarabel", 1e-13), ("clarabel", 1e-10), ("scs", 1e-10))
_SCS_ITERATIONS_MAX = 20_000
# Caps that are cones are tightened by this much, so that an interior point's rounding stays inside.
_MARGIN = 1e-9
# A budget missed by less is rounding and goes to the roomiest leg; by more the answer is wrong.
_ROUNDING_MAX = 1e-8
# A ratio whose denominator is below this share of what its parts have is not a number.
_NO_RISK = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Units:
    """Scales of one fill: what a scaled figure of 1 is worth."""

    objective: float  # price of a scaled multiplier of 1, κ = 1
    variance: float
    scenario: float
    mean: float


def solve_modelled(problem: Problem) -> Solved | Failed:
    """Solve on the modelled road; whether a failure means infeasible is not decided here.

    Parameters
    ----------
    problem : Problem
        N strategies, without the caps that iterate or take whole numbers.

    Returns
    -------
    Solved or Failed
        Verified and not polished: `exact` is False.
    """
    needed = problem.objective in SCENARIO or problem.caps.cvar_max is not None
    if needed and problem.scenarios is None:
        return Failed(reason=f"{problem.objective}: no bar has a return of every strategy")
    program = compiled(_shape_of(problem))
    units = _fill(program, problem)
    said = []
    for solver, tolerance in _ATTEMPTS:
        try:
            _run(program.problem, tolerance, solver)
        except (cvxpy().SolverError, ValueError) as error:  # the latter: a parameter overflowed
            said.append(f"cvxpy/{solver} at {tolerance:g}: {error}")
            continue
        status = str(program.problem.status)
        if status == cvxpy().OPTIMAL:
            found = _solved(problem, program, units, f"cvxpy/{solver}")
            if isinstance(found, Solved):
                return found
            said.append(found.reason)
            continue
        said.append(f"cvxpy/{solver} at {tolerance:g}: {status}")
        if status == cvxpy().INFEASIBLE:
            break
    return Failed(reason="; ".join(said))


def _shape_of(problem: Problem) -> Shape:
    kind = problem.objective
    scenarios = kind in SCENARIO or problem.caps.cvar_max is not None
    plain = kind in SUM_OF_SQUARES and kind not in {"target_return", "robust_mean_variance"}
    costs, count = problem.costs, len(problem.groups)
    return Shape(
        names=len(problem.strategies),
        # A power of two: caps on pairs come and go without a new program.
        groups=0 if count == 0 else 1 << (count - 1).bit_length(),
        bars=len(problem.scenarios) if scenarios and problem.scenarios is not None else 0,
        objective="quadratic" if plain else kind,
        turnover=problem.turnover_max is not None,
        linear_cost=costs is not None and bool(costs.linear.any()),
        impact_cost=costs is not None and bool(costs.impact.any()),
        caps=problem.caps.given(Caps.CONIC),
    )


def _run(problem: "cp.Problem", tolerance: float, solver: str = "clarabel") -> None:
    solve: Callable[..., object] = problem.solve  # cvxpy leaves it untyped
    options: dict[str, Any] = {"tol_gap_abs": tolerance, "tol_gap_rel": tolerance}
    options |= {"tol_feas": tolerance, "max_threads": 1}
    if solver == "scs":
        options = {"eps_abs": tolerance, "eps_rel": tolerance, "max_iters": _SCS_ITERATIONS_MAX}
    with warnings.catch_warnings():
        # An inaccurate solution is told by the status, and then not used.
        warnings.simplefilter("ignore", UserWarning)
        # Not warm: a kept solver scales by the numbers it first saw, and its answers by them.
        solve(solver=solver.upper(), warm_start=False, **options)


def _solved(problem: Problem, program: Compiled, units: _Units, solver: str) -> Solved | Failed:
    scale = 1.0 if program.scale is None else float(_value(program.scale))
    if scale <= 0.0:
        return Failed(reason=f"{solver}: the weights have no scale")
    weights = np.clip(_value(program.weights) / scale, problem.weight_min, problem.weight_max)
    cash = float(np.clip(_value(program.cash) / scale, problem.cash_min, problem.cash_max))
    weights, cash = in_budget(problem, weights + 0.0, cash)
    if faults := verify(problem, weights, cash):
        return Failed(reason=f"{solver}: {'; '.join(faults)}")
    value = problem.objective_value(weights)
    if _without_risk(problem, weights) or not math.isfinite(value):
        return Failed(reason=f"{problem.objective} is undefined: the weights found have no risk")
    unit = units.objective * _unit_of_ratio(problem, program, units, scale)
    point = _point(problem, program)
    return Solved(
        weights=weights,
        cash=cash,
        objective_value=value,
        binding=(
            *bindings(problem, point, unit),
            *_cap_bindings(problem, program, units, unit, scale),
        ),
        solver=solver,
        exact=False,
        iterations=program.problem.solver_stats.num_iters or 0,
    )


def in_budget(problem: Problem, weights: FloatArray, cash: float) -> tuple[FloatArray, float]:
    """Give what rounding left of the budget to cash, or to the leg with most room.

    Parameters
    ----------
    problem : Problem
        N strategies.
    weights : FloatArray
        (N,) within their bounds; may be changed in place.
    cash : float
        Within its bounds.

    Returns
    -------
    tuple of FloatArray and float
        Weights and cash; as they are where more than rounding is missing.
    """
    left = 1.0 - float(weights.sum()) - cash
    if abs(left) > _ROUNDING_MAX:
        return weights, cash  # verify says what is wrong
    if problem.cash_min <= cash + left <= problem.cash_max:
        return weights, cash + left
    room = problem.weight_max - weights if left > 0.0 else weights - problem.weight_min
    weights[int(np.argmax(room))] += left
    return weights, cash


def _without_risk(problem: Problem, weights: FloatArray) -> bool:
    if problem.objective not in {"max_sharpe", "max_diversification", "risk_parity"}:
        return False
    volatility = math.sqrt(max(0.0, float(weights @ problem.cov_annual @ weights)))
    parts = float(np.sqrt(problem.cov_annual.diagonal()) @ np.abs(weights))
    return volatility <= _NO_RISK * parts


def _value(variable: "cp.Variable") -> FloatArray:
    return np.asarray(variable.value, dtype=np.float64)


def _unit_of_ratio(problem: Problem, program: Compiled, units: _Units, scale: float) -> float:
    """Price in the ratio of a multiplier of the program over y, for a limit scaled by κ.

    The ratio is S = g'y / √(y'Σy) at fixed g'y, so that dS = −S/(y'Σy)·d(½y'Σy).
    """
    if program.scale is None:
        return 1.0
    variance = 2.0 * float(np.asarray(program.problem.value)) * units.variance
    if problem.objective == "risk_parity":
        return 2.0 * units.variance / scale
    gain = float(np.asarray(program.parameters["one"].value))
    # in parts of size 1: a variance of 1e250 to the power 1.5 would raise
    return float(gain * units.mean / math.sqrt(variance) * (units.variance / variance) * scale)


def _point(problem: Problem, program: Compiled) -> Point:
    price = {
        key: np.atleast_1d(_price(constraint)) for key, constraint in program.constraints.items()
    }
    groups = np.zeros(0)
    if problem.groups:
        groups = (price["group_max"] - price["group_min"])[: len(problem.groups)]
    return Point(
        legs=np.append(_value(program.weights), _value(program.cash)),
        row_prices=np.append(0.0, groups),
        buys_price=float(price["turnover"][0]) if "turnover" in price else 0.0,
        pull=np.append(
            price["weight_min"] - price["weight_max"], price["cash_min"] - price["cash_max"]
        ),
    )


def _cap_bindings(
    problem: Problem, program: Compiled, units: _Units, unit: float, scale: float
) -> Iterator[Binding]:
    maximised = -1.0 if problem.objective in MAXIMISED else 1.0
    spread = math.sqrt(units.variance)
    worth = {
        "volatility_max": 1.0 / spread,
        "cvar_max": 1.0 / units.scenario,
        "leverage_max": 1.0,
        "short_max": 1.0,
    }
    for name in problem.caps.given(Caps.CONIC):
        price = float(_price(program.constraints[name]))
        if price <= PRICE_MIN:
            continue
        if name == "diversification_ratio_min":
            risk = _value(program.parameters["risk"]) @ _value(program.weights)
            # The constraint is ‖Fw‖ ≤ σ'w / floor, and binds: its slope by the floor is ‖Fw‖/floor.
            floor = problem.caps.diversification_ratio_min or 1.0
            value = price * float(np.linalg.norm(risk)) / floor / scale
            key = f"correlation.{name}"
            yield Binding(key=key, strategy=None, side="min", price=maximised * unit * value)
        else:
            value = price * worth[name]
            yield Binding(key=name, strategy=None, side="max", price=-maximised * unit * value)


def _price(constraint: "cp.Constraint") -> FloatArray:
    """Multipliers that exceed their slack; the others are the interior point's distance."""
    dual = np.asarray(constraint.dual_value, dtype=np.float64)
    slack = np.abs(np.asarray(constraint.expr.value, dtype=np.float64))
    return np.where(dual > slack, dual, 0.0)


def _fill(program: Compiled, problem: Problem) -> _Units:
    """Set every parameter."""
    units = _units_of(problem)
    values = _limits_of(problem, units) | _aims_of(problem, units)
    if problem.objective in SUM_OF_SQUARES:
        values |= _squares_of(problem, units)
    for name, parameter in program.parameters.items():
        if name == "groups" or name.startswith("group_"):
            continue
        parameter.value = values[name]
    if "groups" in program.parameters:
        _fill_groups(program.parameters, problem)
    return units


def _units_of(problem: Problem) -> _Units:
    variance = scale_of_variance(problem)
    scenario = 1.0
    if problem.scenarios is not None and problem.objective != "kelly":  # log(1 + r) has its scale
        scenario = float(np.sqrt(np.mean(problem.scenarios**2))) or 1.0
    mean = float(np.abs(problem.mean_annual).max()) or 1.0
    if problem.objective == "max_diversification":
        mean = math.sqrt(variance)
    objective = {
        "min_cvar": scenario,
        "min_cdar": scenario,
        "kelly": problem.periods_per_year,
        "target_volatility": mean,
        "target_return": 2.0 * scale_of(problem),
    }.get(problem.objective, 1.0)
    if problem.objective in {"min_variance", "tracking"}:
        objective = 2.0 * scale_of(problem)
    elif problem.objective in {"mean_variance", "robust_mean_variance"}:
        objective = scale_of(problem)
    return _Units(objective=objective, variance=variance, scenario=scenario, mean=mean)


def scale_of_variance(problem: Problem) -> float:
    """Size of an annual variance near the optimum."""
    variances = problem.cov_annual.diagonal()
    return float(np.median(variances)) or float(variances.max()) or 1.0


def _limits_of(problem: Problem, units: _Units) -> dict[str, Any]:
    caps = problem.caps
    spread = math.sqrt(units.variance)
    values: dict[str, Any] = {
        "weight_min": problem.weight_min,
        "weight_max": problem.weight_max,
        "cash_min": problem.cash_min,
        "cash_max": problem.cash_max,
        "held": problem.held,
        "held_cash": problem.held_cash,
        "risk": _factor(problem.cov_annual) / spread,
        "leverage_max": caps.leverage_max,
        "short_max": caps.short_max,
    }
    if problem.turnover_max is not None:
        values["turnover_max"] = problem.turnover_max - 0.5 * problem.held_elsewhere
    if caps.volatility_max is not None:
        values["volatility_max"] = caps.volatility_max / spread * (1.0 - _MARGIN)
    if caps.diversification_ratio_min is not None:
        floor = spread * caps.diversification_ratio_min * (1.0 + _MARGIN)
        values["volatility_over_floor"] = np.sqrt(problem.cov_annual.diagonal()) / floor
    if problem.scenarios is not None:
        values["scenarios"] = problem.scenarios / units.scenario
        values["cash_return"] = problem.cash_return / units.scenario
        count = len(problem.scenarios)
        values["tail_share"] = 1.0 / ((1.0 - problem.aim.alpha) * count)
        values["cap_share"] = 1.0 / ((1.0 - caps.cvar_alpha) * count)
    if caps.cvar_max is not None:
        values["cvar_max"] = caps.cvar_max / units.scenario - _MARGIN
    return values


def _aims_of(problem: Problem, units: _Units) -> dict[str, Any]:
    kind, names = problem.objective, len(problem.strategies)
    values: dict[str, Any] = {
        "mean": problem.mean_annual / units.mean,
        "cash_mean": problem.cash_return_annual / units.mean,
    }
    if kind == "max_sharpe":
        gain = excess_of(problem) / units.mean
        values |= {"gain": gain, "one": float(gain.max())}
    if kind == "max_diversification":
        gain = np.sqrt(problem.cov_annual.diagonal()) / units.mean
        values |= {"gain": gain, "one": float(gain.mean())}
    if kind == "risk_parity":
        budgets = problem.aim.budgets
        shares = np.full(names, 1.0 / names) if budgets is None else budgets / budgets.sum()
        calm = 1.0 / np.sqrt(problem.cov_annual.diagonal())
        values |= {"budgets": shares, "barrier": float(shares @ np.log(calm / calm.sum()))}
    target = problem.aim.target
    if target is not None:
        spread = math.sqrt(units.variance)
        values["target"] = target / (spread if kind == "target_volatility" else units.mean)
        if kind == "target_volatility":
            values["target"] *= 1.0 - _MARGIN
    return values


def _squares_of(problem: Problem, units: _Units) -> dict[str, Any]:
    names = len(problem.strategies)
    if problem.objective in RULES:
        return {"factor": np.eye(names), "gradient": -rule_weights(problem)}
    scale = scale_of(problem)
    values: dict[str, Any] = {
        "factor": _factor(curvature_of(problem)) / math.sqrt(scale),
        "gradient": slope_of(problem) / scale,
    }
    if problem.objective == "robust_mean_variance":
        values["robustness"] = robustness(problem) * math.sqrt(units.variance) / scale
    if problem.costs is not None:
        # min_variance: ½w'Σw + cost / (λ·horizon), half of what it reports.
        worth = 1.0 / (scale * problem.costs.horizon_years)
        if problem.objective == "min_variance":
            worth /= problem.risk_aversion
        values["linear_cost"] = worth * problem.costs.linear
        values["impact_cost"] = worth * problem.costs.impact
    return values


def _factor(matrix: FloatArray) -> FloatArray:
    levels, vectors = np.linalg.eigh(matrix)
    return np.asarray(np.sqrt(np.maximum(levels, 0.0))[:, None] * vectors.T)  # F'F = matrix


def _fill_groups(parameters: "dict[str, cp.Parameter]", problem: Problem) -> None:
    rows, names = parameters["groups"].shape
    counts = np.zeros((rows, names))
    low, high = np.full(rows, -np.inf), np.full(rows, np.inf)
    for row, group in enumerate(problem.groups):
        counts[row] = group.coefficients
        low[row], high[row] = group.row_minimum, group.row_maximum
    # A limit that is absent becomes one the bounds of the members cannot pass.
    ends = counts * problem.weight_min, counts * problem.weight_max
    parameters["groups"].value = counts
    parameters["group_min"].value = np.maximum(low, np.minimum(*ends).sum(axis=1) - 1.0)
    parameters["group_max"].value = np.minimum(high, np.maximum(*ends).sum(axis=1) + 1.0)
