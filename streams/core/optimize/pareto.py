"""The Pareto front of some terms: what one of them costs the others within a problem's limits.

The ε-constraint method (Haimes, Lasdon and Wismer, 1971; Miettinen, Nonlinear Multiobjective
Optimization, 1999, section 3.2): one term is sought while the others are bounded on a grid between
their best and their worst value. Every point is one solve of the problem, with all of its limits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.optimize.multi import BOUND_ROOM, Scale, minimised_values
from streams.core.optimize.problem import Failed, Infeasible, Outcome, Problem, Solved
from streams.core.optimize.roads import solve
from streams.core.optimize.vocabulary import Custom, Term

# Shares of the range: what the solver leaves between points that are equal.
_SAME = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Front:
    """Points of which none is better in one term without being worse in another.

    Parameters
    ----------
    weights : FloatArray
        (m, N), each verified.
    values : FloatArray
        (m, k) of the terms, in their own unit.
    knee : int or None
        The point farthest from the chord between the ends; None where all lie on it.
    scale : Scale
        Of the terms as minimised: their best values, and the worst on the front.
    unsolved : tuple of str
        Bounds of the grid that no solver met, with the reason; empty where all limits are convex.
    """

    weights: FloatArray
    values: FloatArray
    knee: int | None
    scale: Scale
    unsolved: tuple[str, ...]


def pareto(problem: Problem, terms: Sequence[Term], points: int) -> Front | Infeasible | Failed:
    """Sweep the Pareto front of some terms; how the problem's objective joins them has no say.

    The first term is sought while the others are bounded; points that another one dominates are
    left out. The bounded terms of the problem's own objective hold at every point.

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
    Front, Infeasible or Failed
        Sorted by the terms in order; the latter two where some term alone cannot be solved.

    Raises
    ------
    DataError
        Where a term is not registered in this process, naming it.
    """
    assert len(terms) > 1, "a front needs two terms"
    assert points > 1, "a front needs two points"
    scale = _scale(problem, terms)
    if not isinstance(scale, Scale):
        return scale
    found, unsolved = [], []
    for shares in product(np.linspace(0.0, 1.0, points), repeat=len(terms) - 1):
        limits = _within(terms, scale, (1.0, *shares))[1:]
        outcome = _solved(problem, terms[:1], limits)
        if isinstance(outcome, Solved):
            found.append(outcome.weights)
        else:
            bounds = ", ".join(f"{one.name} {one.sense} {one.bound:.6g}" for one in limits)
            unsolved.append(f"{bounds}: {_reason(outcome)}")
    if not found:
        return Failed(reason="; ".join(unsolved))
    values = np.array([minimised_values(problem, terms, weights) for weights in found])
    kept = _undominated(scale.normalised(values))
    order = kept[np.lexsort(values[kept].T[::-1])]
    bulge = _below_chord(scale.normalised(values[order]))
    return Front(
        weights=np.array(found)[order],
        values=values[order] * [term.sign for term in terms],
        knee=int(np.argmax(bulge)) if bulge.max() > _SAME else None,
        scale=scale,
        unsolved=tuple(unsolved),
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
    return int(np.argmax(_below_chord(values)))


def _below_chord(values: FloatArray) -> FloatArray:
    """Distances (m,) from the chord between the two ends; −1 above it."""
    first, last = values[int(np.argmin(values[:, 0]))], values[int(np.argmin(values[:, -1]))]
    chord = last - first
    length = float(np.linalg.norm(chord))
    if length == 0.0:
        return np.zeros(len(values))
    away = values - first
    along = np.outer(away @ chord / length, chord / length)
    distance = np.asarray(np.linalg.norm(away - along, axis=1))
    below = (values.sum(axis=1) <= (first + along).sum(axis=1)) | (distance == 0.0)
    return np.where(below, distance, -1.0)


def _scale(problem: Problem, terms: Sequence[Term]) -> Scale | Infeasible | Failed:
    """Find the best of each term, and the worst that it is on the front.

    Many weights may be best for one term. Of these the front has those that are best for the
    others, so that each row of the payoff table is solved twice (Mavrotas, Effective implementation
    of the ε-constraint method, 2009, section 3.1). With two terms the nadir is then exact.
    """
    rows = []
    for term in terms:
        outcome = _solved(problem, (term,))
        if not isinstance(outcome, Solved):
            return outcome
        rows.append(minimised_values(problem, terms, outcome.weights))
    loose = Scale.of_payoffs(np.array(rows))
    nothing = np.zeros(len(terms)).tolist()
    for row, limit in enumerate(_within(terms, loose, nothing)):
        others = [
            replace(term, weight=1.0 / span)
            for number, (term, span) in enumerate(zip(terms, loose.range.tolist(), strict=True))
            if number != row
        ]
        outcome = _solved(problem, others, (limit,))
        if isinstance(outcome, Solved):  # else the first answer stands, which is a looser end
            values = minimised_values(problem, terms, outcome.weights)
            values[row] = rows[row][row]
            rows[row] = values
    return Scale.of_payoffs(np.array(rows))


def _within(terms: Sequence[Term], scale: Scale, shares: Sequence[float]) -> list[Term]:
    """Bound each term at a share of the way from its best to its worst value."""
    bounds = scale.utopia + np.maximum(shares, BOUND_ROOM) * scale.range
    return [
        replace(
            term,
            weight=None,
            bound=term.sign * bound,
            sense="ge" if term.sense == "maximise" else "le",
        )
        for term, bound in zip(terms, bounds.tolist(), strict=True)
    ]


def _solved(problem: Problem, sought: Sequence[Term], limits: Sequence[Term] = ()) -> Outcome:
    if len(sought) == 1:
        sought = (replace(sought[0], weight=1.0),)
    bounded = () if problem.custom is None else problem.custom.bounded
    custom = Custom(terms=(*sought, *limits, *bounded))
    return solve(replace(problem, objective="custom", custom=custom, costs=None, penalty=None))


def _reason(outcome: Infeasible | Failed) -> str:
    if isinstance(outcome, Failed):
        return outcome.reason
    return f"limits in conflict: {', '.join(outcome.violated)}"


def _undominated(values: FloatArray) -> FloatArray:
    """Rows that no other row betters in one column and matches in all, each once."""
    kept: list[int] = []
    for row, point in enumerate(values):
        worse = (values <= point + _SAME).all(axis=1) & (values < point - _SAME).any(axis=1)
        same = any(bool((np.abs(values[other] - point) <= _SAME).all()) for other in kept)
        if not bool(worse.any()) and not same:
            kept.append(row)
    return np.array(kept, dtype=np.int64)
