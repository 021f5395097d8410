"""Custom objectives in cvxpy: any convex mix of the vocabulary's terms under a problem's limits.

Unlike the modelled road nothing is compiled ahead: the vocabulary has no fixed shape, and building
takes some milliseconds. One `Model` serves many solves of the same limits, which is what the
multi-objective methods of `multi` need.
"""

import math
import warnings
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.errors import DataError
from streams.core.optimize.problem import Binding, Problem
from streams.core.optimize.registry import registered
from streams.core.optimize.verify import verify
from streams.core.optimize.vocabulary import Custom, Term

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import cvxpy as cp

# Tight first; where the arithmetic does not reach that, what verify would still pass.
_TOLERANCES = (1e-10, 1e-8)
# A multiplier below this is the interior point's distance from the limit.
_PRICE_MIN = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """An answer of a model.

    Parameters
    ----------
    weights : FloatArray
        (N,) verified.
    cash : float
        1 − Σw.
    binding : tuple of Binding
        Limits with a price in what was minimised.
    iterations : int
        Of the solver.
    """

    weights: FloatArray
    cash: float
    binding: tuple[Binding, ...]
    iterations: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Limit:
    key: str
    side: str
    constraint: "cp.Constraint"
    each: bool = False  # one multiplier for each strategy
    share_of: FloatArray | None = None  # (N,) the limit is a share of this sum
    size: float = 1.0  # what both sides of the limit were divided by


class Model:
    """A problem's limits and the expressions of some terms, to be solved for any mix of them.

    Parameters
    ----------
    problem : Problem
        N strategies; its objective is not looked at.
    terms : sequence of Term
        Sought and bounded ones.

    Raises
    ------
    DataError
        Where a term is not convex in its sense, naming it.
    """

    def __init__(self, problem: Problem, terms: "Sequence[Term]") -> None:
        model = cvxpy()
        self.problem = problem
        self.custom = Custom(terms=tuple(terms)) if terms else None
        self.weights = model.Variable(len(problem.strategies))
        self.cash = model.Variable()
        self.expressions = {term.name: self._expression(term) for term in terms}
        for term in terms:
            check_curvature(term, self.expressions[term.name])
        self._budget = model.sum(self.weights) + self.cash == 1.0
        self._limits = [*self._linear(), *self._caps(), *self._bounds(terms)]

    def minimised(self, term: Term) -> "cp.Expression":
        """Return a term as it is minimised: maximised ones with their sign turned."""
        expression = self.expressions[term.name]
        return -expression if term.sense == "maximise" else expression

    def minimise(
        self, expression: "cp.Expression", extra: "Sequence[cp.Constraint]" = ()
    ) -> Found | str:
        """Minimise an expression of the weights within the limits.

        Parameters
        ----------
        expression : cp.Expression
            Convex scalar.
        extra : sequence of cp.Constraint
            Further limits.

        Returns
        -------
        Found or str
            Verified weights, or what the solver said.
        """
        constraints = [self._budget, *(limit.constraint for limit in self._limits), *extra]
        program = cvxpy().Problem(cvxpy().Minimize(expression), constraints)
        said = []
        for tolerance in _TOLERANCES:
            status = _run(program, tolerance)
            if status != cvxpy().OPTIMAL:
                said.append(f"cvxpy/clarabel at {tolerance:g}: {status}")
                continue
            found = self._found(program.solver_stats.num_iters or 0)
            if isinstance(found, Found):
                return found
            said.append(f"cvxpy/clarabel at {tolerance:g}: {found}")
        return "; ".join(said)

    def _found(self, iterations: int) -> Found | str:
        problem = self.problem
        inside = np.clip(self.weights.value, problem.weight_min, problem.weight_max) + 0.0
        weights = np.asarray(inside, dtype=np.float64)
        cash = float(np.clip(1.0 - math.fsum(weights.tolist()), problem.cash_min, problem.cash_max))
        if faults := verify(replace(problem, custom=self.custom), weights, cash):
            return "; ".join(faults)
        return Found(
            weights=weights, cash=cash, binding=tuple(self._binding()), iterations=iterations
        )

    def _binding(self) -> list[Binding]:
        """Prices of the limits; both ends of a limit that leaves no room make one price."""
        prices: dict[tuple[str, str | None], float] = {}
        sizes = {limit.key: limit.size for limit in self._limits}
        for limit in self._limits:
            if limit.constraint.dual_value is None:
                continue
            duals = np.atleast_1d(np.asarray(limit.constraint.dual_value, dtype=np.float64))
            names = self.problem.strategies if limit.each else (None,)
            unit = 1.0
            if limit.share_of is not None:  # raising the share by one moves the row by this much
                unit = float(limit.share_of @ self.weights.value)
            for name, dual in zip(names, duals.tolist(), strict=False):
                # minimised: raising a maximum gains, raising a minimum costs
                price = unit * dual * (-1.0 if limit.side == "max" else 1.0)
                key = (limit.key, name)
                prices[key] = prices.get(key, 0.0) + price
        return [
            Binding(
                key=key,
                strategy=name,
                side="max" if price < 0.0 else "min",
                price=price / sizes[key],
            )
            for (key, name), price in prices.items()
            if abs(price) > _PRICE_MIN
        ]

    def _expression(self, term: Term) -> "cp.Expression":
        model, weights = cvxpy(), self.weights
        if term.kind == "cvar":
            return self._cvar(term.alpha)
        if term.kind == "python":
            return registered(term.python).expression(weights, self.problem)
        built: cp.Expression  # cvxpy leaves its atoms untyped
        if term.kind == "linear":
            built = term.loadings @ weights
        elif term.kind == "norm1":
            built = model.norm1(weights - term.reference)
        elif term.kind == "norm2":
            built = model.norm(weights - term.reference, 2)
        else:
            levels, vectors = np.linalg.eigh(self.problem.cov_annual)
            factor = np.sqrt(np.maximum(levels, 0.0))[:, None] * vectors.T  # Σ = factor'factor
            built = model.sum_squares((factor * term.loadings) @ weights)
        return built

    def _cvar(self, alpha: float) -> "cp.Expression":
        scenarios = self.problem.scenarios
        assert scenarios is not None, "cvar needs the returns of the window"
        losses = -(scenarios @ self.weights + self.cash * self.problem.cash_return)
        # Rockafellar and Uryasev (2000), eq. 4: the least over the threshold. Written out, because
        # cvxpy's own cvar cannot be solved twice where (1 − α)T is no whole number.
        model, threshold = cvxpy(), cvxpy().Variable()
        tail = (1.0 - alpha) * len(scenarios)
        built: cp.Expression = threshold + model.sum(model.pos(losses - threshold)) / tail
        return built

    def _linear(self) -> list[_Limit]:
        problem, model = self.problem, cvxpy()
        limits = [
            _Limit(
                key="weight_max",
                side="max",
                constraint=self.weights <= problem.weight_max,
                each=True,
            ),
            _Limit(
                key="weight_min",
                side="min",
                constraint=self.weights >= problem.weight_min,
                each=True,
            ),
            _Limit(key="cash", side="max", constraint=self.cash <= problem.cash_max),
            _Limit(key="cash", side="min", constraint=self.cash >= problem.cash_min),
        ]
        for group in problem.groups:
            value = group.coefficients @ self.weights
            if np.isfinite(group.row_maximum):
                below = value <= group.row_maximum
                limits.append(
                    _Limit(key=group.key, side="max", constraint=below, share_of=group.share_of)
                )
            if np.isfinite(group.row_minimum):
                limits.append(
                    _Limit(key=group.key, side="min", constraint=value >= group.row_minimum)
                )
        if problem.turnover_max is not None:
            moved = model.norm1(self.weights - problem.held) + model.abs(
                self.cash - problem.held_cash
            )
            bound = problem.turnover_max - 0.5 * problem.held_elsewhere
            limits.append(_Limit(key="turnover_max", side="max", constraint=0.5 * moved <= bound))
        return limits

    def _caps(self) -> list[_Limit]:
        caps, model, weights = self.problem.caps, cvxpy(), self.weights
        others = caps.given((*caps.ITERATED, *caps.WHOLE))
        assert not others, f"{others} are for `iterated` and `whole`, which come before"
        levels, vectors = np.linalg.eigh(self.problem.cov_annual)
        factor = np.sqrt(np.maximum(levels, 0.0))[:, None] * vectors.T
        sigma = np.sqrt(self.problem.cov_annual.diagonal())
        built: dict[str, Callable[[], cp.Expression]] = {
            "volatility_max": lambda: model.norm(factor @ weights, 2),
            "cvar_max": lambda: self._cvar(caps.cvar_alpha),
            "leverage_max": lambda: model.norm1(weights),
            "short_max": lambda: model.sum(model.neg(weights)),
        }
        limits = [
            _Limit(key=name, side="max", constraint=build() <= getattr(caps, name))
            for name, build in built.items()
            if getattr(caps, name) is not None
        ]
        if caps.diversification_ratio_min is not None:
            ratio = caps.diversification_ratio_min
            cone = ratio * model.norm(factor @ weights, 2) <= sigma @ weights
            limits.append(_Limit(key="diversification_ratio_min", side="min", constraint=cone))
        return limits

    def _bounds(self, terms: "Sequence[Term]") -> list[_Limit]:
        limits = []
        for term in terms:
            if term.bound is None:
                continue
            size = size_of(term, term.bound)
            value, bound = self.expressions[term.name] / size, term.bound / size
            side = "min" if term.sense == "ge" else "max"
            constraint = value >= bound if side == "min" else value <= bound
            limits.append(_Limit(key=term.name, side=side, constraint=constraint, size=size))
        return limits


def size_of(term: Term, bound: float) -> float:
    """Give the size of a bounded term's numbers, which both sides are divided by.

    An attribute in dollars would drown the weights in the solver's arithmetic.

    Parameters
    ----------
    term : Term
        Any kind; only attributes have a unit of their own.
    bound : float
        In the term's unit.

    Returns
    -------
    float
        ≥ 1.
    """
    largest = float(np.abs(term.loadings).max()) if term.kind == "linear" else 0.0
    return max(1.0, abs(bound), largest)


def check_curvature(term: Term, expression: "cp.Expression") -> None:
    """Refuse a term that is not convex in its sense, by the rules of disciplined programming.

    Parameters
    ----------
    term : Term
        Whose sense counts.
    expression : cp.Expression
        What the solver would see.

    Raises
    ------
    DataError
        Naming the term and its curvature.
    """
    convex = term.sense in {"minimise", "le"}
    fits = expression.is_convex() if convex else expression.is_concave()
    if not expression.is_scalar() or not fits:
        wanted = "convex" if convex else "concave"
        shape = expression.curvature.lower() if expression.is_scalar() else "not one number"
        message = (
            f"objective.terms: {term.name!r} is {shape}; to {term.sense} it must be {wanted} (DCP)"
        )
        raise DataError(message)


def cvxpy() -> ModuleType:
    """Import cvxpy when it is needed: it takes most of a second."""
    import cvxpy as model  # noqa: PLC0415  see the line above

    return model


def _run(program: "cp.Problem", tolerance: float) -> str:
    solve: Callable[..., object] = program.solve  # cvxpy leaves it untyped
    with warnings.catch_warnings():
        # An inaccurate solution is told by the status, and then not used.
        warnings.simplefilter("ignore", UserWarning)
        try:
            solve(
                solver="CLARABEL",
                warm_start=False,  # the answer depends on nothing that was solved before
                tol_gap_abs=tolerance,
                tol_gap_rel=tolerance,
                tol_feas=tolerance,
                max_threads=1,
            )
        except (cvxpy().SolverError, ValueError) as error:  # the latter: a number overflowed
            return str(error)
    return str(program.status)
