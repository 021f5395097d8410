"""Several aims at once: weighted, bounded or in order, on a common scale; and the Pareto front.

The scale of a term runs from its best value (utopia, 0) to its worst among the answers that are
best for the other terms (nadir, 1): the payoff table of Miettinen, Nonlinear Multiobjective
Optimization (1999), sections 2.2, 3.1, 3.2 and 4.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.errors import DataError
from streams.core.optimize.custom import Found, Model, cvxpy
from streams.core.optimize.problem import Failed, Problem, Solved
from streams.core.optimize.terms import Caps
from streams.core.optimize.vocabulary import Custom, Term, term_value

if TYPE_CHECKING:
    import cvxpy as cp

SOLVER = "cvxpy/clarabel"
# Terms whose best and worst are this close do not compete: any scale would be rounding.
_RANGE_MIN = 1e-12
# What a bound at a term's own best value leaves the solver, as a share of the term's range.
_ROOM = 1e-7


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

    @property
    def range(self) -> FloatArray:
        """(k,) nadir − utopia, 1 where the term has no range."""
        span = self.nadir - self.utopia
        return np.where(span > _RANGE_MIN, span, 1.0)

    def normalised(self, values: FloatArray) -> FloatArray:
        """Values (…, k) between 0 at utopia and 1 at nadir."""
        return np.asarray((values - self.utopia) / self.range)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Front:
    """Points of which none is better in one term without being worse in another.

    Parameters
    ----------
    weights : FloatArray
        (m, N), each verified.
    values : FloatArray
        (m, k) of the terms, in their own unit.
    knee : int
        The point farthest from the chord between the ends.
    scale : Scale
        Of the terms as minimised.
    """

    weights: FloatArray
    values: FloatArray
    knee: int
    scale: Scale


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
        payoff[row] = _values(model.problem, terms, found.weights)
    return Scale(utopia=payoff.diagonal().copy(), nadir=payoff.max(axis=0))


def pareto(problem: Problem, terms: Sequence[Term], points: int) -> Front | str:
    """Sweep the Pareto front by the ε-constraint method.

    The first term is sought while the others are bounded on a grid between utopia and nadir;
    points that another one dominates are left out.

    Parameters
    ----------
    problem : Problem
        N strategies.
    terms : sequence of Term
        k ≥ 2 sought terms.
    points : int
        ≥ 2 of the grid of each bounded term.

    Returns
    -------
    Front or str
        Sorted by the terms in order; what the solver said where it found no point.
    """
    assert len(terms) > 1, "a front needs two terms"
    assert points > 1, "a front needs two points"
    model = Model(problem, terms)
    scale = scale_of_terms(model, terms)
    if isinstance(scale, str):
        return scale
    grid = np.linspace(0.0, 1.0, points)
    found = []
    for shares in product(grid, repeat=len(terms) - 1):
        answer = _bounded(model, terms, scale, (0.0, *shares))
        if isinstance(answer, Found):
            found.append(answer.weights)
    if not found:
        return "no point of the front could be solved"
    values = np.array([_values(problem, terms, weights) for weights in found])
    kept = _undominated(scale.normalised(values))
    order = kept[np.lexsort(values[kept].T[::-1])]
    signs = np.array([term.sign for term in terms])
    return Front(
        weights=np.array(found)[order],
        values=values[order] * signs,
        knee=knee_of(scale.normalised(values[order])),
        scale=scale,
    )


def knee_of(values: FloatArray) -> int:
    """Find the point farthest below the chord between the two ends of a front.

    Parameters
    ----------
    values : FloatArray
        (m, k) normalised and minimised; the ends are best in the first and the last term.

    Returns
    -------
    int
        Row, the first of equals (Das, On characterizing the "knee" of the Pareto curve, 1999).

    Examples
    --------
    >>> knee_of(np.array([[0.0, 1.0], [0.1, 0.2], [0.6, 0.1], [1.0, 0.0]]))
    1
    """
    first, last = values[int(np.argmin(values[:, 0]))], values[int(np.argmin(values[:, -1]))]
    chord = last - first
    length = float(np.linalg.norm(chord))
    if length == 0.0:
        return 0
    away = values - first
    along = np.outer(away @ chord / length, chord / length)
    distance = np.linalg.norm(away - along, axis=1)
    below = (values.sum(axis=1) <= (first + along).sum(axis=1)) | (distance == 0.0)
    return int(np.argmax(np.where(below, distance, -1.0)))


def _values(problem: Problem, terms: Sequence[Term], weights: FloatArray) -> FloatArray:
    return np.array([term.sign * term_value(term, problem, weights) for term in terms])


def _undominated(values: FloatArray) -> FloatArray:
    """Rows that no other row betters in one column and matches in all, each once."""
    slack = 1e-6  # of the range: what the solver leaves between equal points
    kept: list[int] = []
    for row, point in enumerate(values):
        worse = (values <= point + slack).all(axis=1) & (values < point - slack).any(axis=1)
        same = any(bool((np.abs(values[other] - point) <= slack).all()) for other in kept)
        if not bool(worse.any()) and not same:
            kept.append(row)
    return np.array(kept, dtype=np.int64)


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
        _at_most(model, term, float(best + max(share, _ROOM) * span))
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
        limits.append(_at_most(model, term, best + max(term.give_up, _ROOM) * span))
    return found


def _at_most(model: Model, term: Term, bound: float) -> "cp.Constraint":
    built: cp.Constraint = model.minimised(term) <= bound
    return built


_COMBINED = {
    "weighted_sum": _weighted,
    "epsilon_constraint": _epsilon,
    "lexicographic": _lexicographic,
}
