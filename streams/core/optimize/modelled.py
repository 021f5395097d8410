"""The modelled road: the same problem written in cvxpy, compiled once a shape, solved by Clarabel.

It shares with the direct road the meaning of a `Problem`, the rules' weights and the scale, and
nothing else, which makes it the oracle of that road, and the place where objectives that are no
quadratic program go.
"""

import warnings
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.optimize.binding import bindings
from streams.core.optimize.problem import RULES, Failed, Problem, Solved
from streams.core.optimize.quadratic import Point, scale_of
from streams.core.optimize.rules import rule_weights
from streams.core.optimize.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    import cvxpy as cp

# Compiled problems kept: each holds a factor of N² numbers, 32 MB at N = 2000.
_COMPILED_MAX = 8
# Tight first: weights are only as good as the root of the gap. Where the arithmetic does not reach
# that, what still gives weights to 1e-5.
_TOLERANCES = (1e-13, 1e-10)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    names: int
    groups: int
    turnover: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Compiled:
    problem: "cp.Problem"
    weights: "cp.Variable"
    cash: "cp.Variable"
    parameters: "dict[str, cp.Parameter]"
    constraints: "dict[str, cp.Constraint]"


def _cvxpy() -> ModuleType:
    # Not at the top: the import takes most of a second, and only this road needs it.
    import cvxpy  # noqa: PLC0415  see the line above

    return cvxpy


def solve_modelled(problem: Problem) -> Solved | Failed:
    """Solve on the modelled road; whether a failure means infeasible is not decided here.

    Parameters
    ----------
    problem : Problem
        N strategies.

    Returns
    -------
    Solved or Failed
        Verified and not polished: `exact` is False.
    """
    shape = _Shape(
        names=len(problem.strategies),
        groups=len(problem.groups),
        turnover=problem.turnover_max is not None,
    )
    compiled = _compile(shape)
    unit = _fill(compiled.parameters, problem)
    said = []
    for tolerance in _TOLERANCES:
        try:
            _run(compiled.problem, tolerance)
        except _cvxpy().SolverError as error:
            said.append(f"cvxpy/clarabel at {tolerance:g}: {error}")
            continue
        if compiled.problem.status == _cvxpy().OPTIMAL:
            return _solved(problem, compiled, unit)
        said.append(f"cvxpy/clarabel at {tolerance:g}: {compiled.problem.status}")
    return Failed(reason="; ".join(said))


def _run(problem: "cp.Problem", tolerance: float) -> None:
    solve: Callable[..., object] = problem.solve  # cvxpy leaves it untyped
    with warnings.catch_warnings():
        # An inaccurate solution is told by the status, and then not used.
        warnings.simplefilter("ignore", UserWarning)
        solve(
            solver="CLARABEL",
            tol_gap_abs=tolerance,
            tol_gap_rel=tolerance,
            tol_feas=tolerance,
            max_threads=1,
        )


def _solved(problem: Problem, compiled: _Compiled, unit: float) -> Solved | Failed:
    weights = np.clip(_value(compiled.weights), problem.weight_min, problem.weight_max) + 0.0
    cash = float(np.clip(_value(compiled.cash), problem.cash_min, problem.cash_max))
    if faults := verify(problem, weights, cash):
        return Failed(reason=f"cvxpy/clarabel: {'; '.join(faults)}")
    return Solved(
        weights=weights,
        cash=cash,
        objective_value=problem.objective_value(weights),
        binding=bindings(problem, _point(problem, compiled), unit),
        solver="cvxpy/clarabel",
        exact=False,
        iterations=compiled.problem.solver_stats.num_iters or 0,
    )


def _value(variable: "cp.Variable") -> FloatArray:
    return np.asarray(variable.value, dtype=np.float64)


def _point(problem: Problem, compiled: _Compiled) -> Point:
    price = {
        key: np.atleast_1d(_price(constraint)) for key, constraint in compiled.constraints.items()
    }
    groups = np.zeros(0)
    if problem.groups:
        groups = price["group_max"] - price["group_min"]
    return Point(
        legs=np.append(_value(compiled.weights), _value(compiled.cash)),
        row_prices=np.append(0.0, groups),
        buys_price=float(price["turnover"][0]) if "turnover" in price else 0.0,
        pull=np.append(
            price["weight_min"] - price["weight_max"], price["cash_min"] - price["cash_max"]
        ),
    )


def _price(constraint: "cp.Constraint") -> FloatArray:
    """Multipliers that exceed their slack; the others are the interior point's distance."""
    dual = np.asarray(constraint.dual_value, dtype=np.float64)
    slack = np.abs(np.asarray(constraint.expr.value, dtype=np.float64))
    return np.where(dual > slack, dual, 0.0)


@lru_cache(maxsize=_COMPILED_MAX)
def _compile(shape: _Shape) -> _Compiled:
    """Build one problem for every objective of a shape: ½‖Fw‖² + g'w."""
    model = _cvxpy()
    names = shape.names
    weights, cash = model.Variable(names), model.Variable()
    parameters = {
        "factor": model.Parameter((names, names)),
        "gradient": model.Parameter(names),
        "weight_min": model.Parameter(names),
        "weight_max": model.Parameter(names),
        "cash_min": model.Parameter(),
        "cash_max": model.Parameter(),
    }
    constraints = {
        "budget": model.sum(weights) + cash == 1.0,
        "weight_min": weights >= parameters["weight_min"],
        "weight_max": weights <= parameters["weight_max"],
        "cash_min": cash >= parameters["cash_min"],
        "cash_max": cash <= parameters["cash_max"],
    }
    if shape.groups:
        parameters["groups"] = model.Parameter((shape.groups, names))
        parameters["group_min"] = model.Parameter(shape.groups)
        parameters["group_max"] = model.Parameter(shape.groups)
        sums = parameters["groups"] @ weights
        constraints["group_min"] = sums >= parameters["group_min"]
        constraints["group_max"] = sums <= parameters["group_max"]
    if shape.turnover:
        parameters["held"] = model.Parameter(names)
        parameters["held_cash"] = model.Parameter()
        parameters["turnover_max"] = model.Parameter()
        moved = model.norm1(weights - parameters["held"]) + model.abs(
            cash - parameters["held_cash"]
        )
        constraints["turnover"] = 0.5 * moved <= parameters["turnover_max"]
    risk = 0.5 * model.sum_squares(parameters["factor"] @ weights)
    objective = model.Minimize(risk + parameters["gradient"] @ weights)
    problem = model.Problem(objective, list(constraints.values()))
    assert problem.is_dcp(dpp=True)
    return _Compiled(
        problem=problem,
        weights=weights,
        cash=cash,
        parameters=parameters,
        constraints=constraints,
    )


def _fill(parameters: "dict[str, cp.Parameter]", problem: Problem) -> float:
    """Set every parameter; return the price of a scaled multiplier of 1."""
    factor, gradient, unit = _objective(problem)
    values = {
        "factor": factor,
        "gradient": gradient,
        "weight_min": problem.weight_min,
        "weight_max": problem.weight_max,
        "cash_min": problem.cash_min,
        "cash_max": problem.cash_max,
    }
    if problem.groups:
        members = np.array([group.members for group in problem.groups], dtype=np.float64)
        # A limit that is absent becomes one the bounds of the members cannot pass.
        lowest, highest = members @ problem.weight_min - 1.0, members @ problem.weight_max + 1.0
        values["groups"] = members
        values["group_min"] = np.maximum([group.minimum for group in problem.groups], lowest)
        values["group_max"] = np.minimum([group.maximum for group in problem.groups], highest)
    if problem.turnover_max is not None:
        values["held"], values["held_cash"] = problem.held, problem.held_cash
        values["turnover_max"] = problem.turnover_max - 0.5 * problem.held_elsewhere
    for name, value in values.items():
        parameters[name].value = value
    return unit


def _objective(problem: Problem) -> tuple[FloatArray, FloatArray, float]:
    names = len(problem.strategies)
    if problem.objective in RULES:
        return np.eye(names), -rule_weights(problem), 1.0
    levels, vectors = np.linalg.eigh(problem.cov_annual)
    factor = np.sqrt(np.maximum(levels, 0.0))[:, None] * vectors.T  # (N, N), Σ = factor'factor
    scale = scale_of(problem)
    if problem.objective == "min_variance":
        return factor / np.sqrt(scale), np.zeros(names), 2.0 * scale
    factor *= np.sqrt(problem.risk_aversion / scale)
    return factor, -problem.mean_annual / scale, scale
