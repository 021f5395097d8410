"""Several aims at once: weighted, bounded or in order, on a common scale.

The scale of a term runs from its best value (utopia, 0) to its worst among the answers that are
best for the other terms (nadir, 1): the payoff table of Miettinen, Nonlinear Multiobjective
Optimization (1999), sections 2.2, 3.1, 3.2 and 4.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.errors import DataError
from streams.core.optimize.custom import Found, Model, cvxpy, size_of
from streams.core.optimize.problem import Failed, Problem, Solved
from streams.core.optimize.terms import Caps
from streams.core.optimize.vocabulary import Custom, Term, term_value

if TYPE_CHECKING:
    import cvxpy as cp

SOLVER = "cvxpy/clarabel"
# Terms whose best and worst are this close do not compete: any scale would be rounding.
_RANGE_MIN = 1e-12
# What a bound at a term's own best value leaves the solver, as a share of the term's range.
BOUND_ROOM = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scale:
    """Utopia and nadir of k terms, in the sense in which they are minimised.

    Parameters
    ----------
    utopia, nadir : FloatArray
        (k,).
    """

    utopia: FloatArray
    nadir: FloatArray

    @classmethod
    def of_payoffs(cls, payoffs: FloatArray) -> "Scale":
        """Read it off (k, k) values: a row where each term is at its best, a column a term."""
        return cls(utopia=payoffs.diagonal().copy(), nadir=payoffs.max(axis=0))

    @property
    def range(self) -> FloatArray:
        """(k,) nadir − utopia, 1 where the term has no range."""
        span = self.nadir - self.utopia
        return np.where(span > _RANGE_MIN, span, 1.0)

    def normalised(self, values: FloatArray) -> FloatArray:
        """Values (…, k) between 0 at utopia and 1 at nadir."""
        return np.asarray((values - self.utopia) / self.range)


def solve_custom(problem: Problem) -> Solved | Failed:
    """Solve a problem with a custom objective; infeasible or not is not decided here.

    Parameters
    ----------
    problem : Problem
        N strategies, with `custom`.

    Returns
    -------
    Solved or Failed
        Verified. The prices are in the unit of the last thing minimised. Failed too where a term
        is not convex in its sense, or not registered: a portfolio file with such a term is refused
        before.
    """
    custom = problem.custom
    assert custom is not None, "objective custom without terms"
    try:
        model = Model(problem, custom.terms)
    except DataError as error:
        return Failed(reason=str(error))
    found = _COMBINED[custom.combine](model, custom)
    if isinstance(found, str):
        return Failed(reason=found)
    return Solved(
        weights=found.weights,
        cash=found.cash,
        objective_value=problem.objective_value(found.weights),
        binding=found.binding,
        solver=SOLVER,
        exact=False,
        iterations=found.iterations,
    )


def bounds_conflict(problem: Problem, failed: Failed) -> bool:
    """Tell whether the bounds of custom terms are why limits that can be met are not.

    Parameters
    ----------
    problem : Problem
        N strategies, whose other limits can be met.
    failed : Failed
        What the solver said.

    Returns
    -------
    bool
        True where the solver proved that no weights meet them, and without them there are some.
    """
    custom = problem.custom
    if custom is None or not custom.bounded or "infeasible" not in failed.reason:
        return False
    convex = Caps(**{name: getattr(problem.caps, name) for name in (*Caps.CONIC, "cvar_alpha")})
    model = Model(replace(problem, caps=convex), ())
    return isinstance(model.minimise(model.cash), Found)


def scale_of_terms(model: Model, terms: Sequence[Term]) -> Scale | str:
    """Find the best value of each term, and the worst where another term is at its best.

    Parameters
    ----------
    model : Model
        Made with the terms.
    terms : sequence of Term
        k of them.

    Returns
    -------
    Scale or str
        What the solver said where it did not answer.
    """
    payoff = np.zeros((len(terms), len(terms)))
    for row, term in enumerate(terms):
        found = model.minimise(model.minimised(term))
        if isinstance(found, str):
            return f"{term.name}: {found}"
        payoff[row] = minimised_values(model.problem, terms, found.weights)
    return Scale.of_payoffs(payoff)


def minimised_values(problem: Problem, terms: Sequence[Term], weights: FloatArray) -> FloatArray:
    """Values (k,) of terms at some weights (N,), maximised ones with their sign turned."""
    return np.array([term.sign * term_value(term, problem, weights) for term in terms])


def _weighted(model: Model, custom: Custom) -> Found | str:
    sought = custom.sought
    spans = np.ones(len(sought))
    if custom.normalise:
        scale = scale_of_terms(model, sought)
        if isinstance(scale, str):
            return scale
        spans = scale.range
    parts = [
        cvxpy().multiply((term.weight or 0.0) / span, model.minimised(term))
        for term, span in zip(sought, spans.tolist(), strict=True)
    ]
    return model.minimise(cvxpy().sum(cvxpy().hstack(parts)))


def _epsilon(model: Model, custom: Custom) -> Found | str:
    scale = scale_of_terms(model, custom.sought)
    if isinstance(scale, str):
        return scale
    return _bounded(model, custom.sought, scale, [term.give_up for term in custom.sought])


def _bounded(
    model: Model, terms: Sequence[Term], scale: Scale, shares: Sequence[float]
) -> Found | str:
    """Seek the first term, the others no farther than a share of the way to their nadir."""
    limits = [
        _at_most(model, term, float(best + max(share, BOUND_ROOM) * span))
        for term, share, best, span in list(
            zip(terms, shares, scale.utopia.tolist(), scale.range.tolist(), strict=True)
        )[1:]
    ]
    return model.minimise(model.minimised(terms[0]), limits)


def _lexicographic(model: Model, custom: Custom) -> Found | str:
    scale = scale_of_terms(model, custom.sought)
    if isinstance(scale, str):
        return scale
    limits: list[cp.Constraint] = []
    found: Found | str = "no term"
    for term, span in zip(custom.sought, scale.range.tolist(), strict=True):
        found = model.minimise(model.minimised(term), limits)
        if isinstance(found, str):
            return f"{term.name}: {found}"
        best = term.sign * term_value(term, model.problem, found.weights)
        limits.append(_at_most(model, term, best + max(term.give_up, BOUND_ROOM) * span))
    return found


def _at_most(model: Model, term: Term, bound: float) -> "cp.Constraint":
    size = size_of(term, bound)
    built: cp.Constraint = model.minimised(term) / size <= bound / size
    return built


_COMBINED = {
    "weighted_sum": _weighted,
    "epsilon_constraint": _epsilon,
    "lexicographic": _lexicographic,
}
