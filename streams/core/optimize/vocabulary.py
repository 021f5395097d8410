"""Terms of a custom objective with their numbers, and what each comes to at some weights.

Plain arithmetic, nothing shared with the solvers: the optimizer's answer is checked with it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from streams.core.arrays import FloatArray
from streams.core.errors import DataError
from streams.core.optimize.objectives import cvar, outcomes
from streams.core.optimize.registry import registered

if TYPE_CHECKING:
    from streams.core.optimize.problem import Problem

Kind: TypeAlias = Literal["linear", "norm1", "norm2", "variance", "cvar", "python"]
Sense: TypeAlias = Literal["minimise", "maximise", "le", "ge"]
Combine: TypeAlias = Literal["weighted_sum", "epsilon_constraint", "lexicographic"]

# By how much a bounded term may be missed, relative to the size of its bound.
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Term:
    """One expression of the weights, sought (with a weight) or bounded.

    Parameters
    ----------
    name : str
        For people; unique in an objective.
    kind : Kind
        Which expression.
    loadings : FloatArray
        (N,) what each weight counts: Σ loadings·w for linear, w'DΣDw with D = diag(loadings) for
        variance. Not used by the others.
    reference : FloatArray
        (N,) weights that norm1 and norm2 measure the distance to. Not used by the others.
    alpha : float
        Tail of cvar.
    python : str
        Registered name for python.
    weight, bound : float or None
        One of them is set.
    sense : Sense
        minimise or maximise with a weight, le or ge with a bound.
    give_up : float
        Share of the way from the term's best value to its worst that other terms may take.
    """

    name: str
    kind: Kind
    loadings: FloatArray
    reference: FloatArray
    alpha: float = 0.95
    python: str = ""
    weight: float | None = None
    bound: float | None = None
    sense: Sense = "minimise"
    give_up: float = 0.0

    @property
    def sign(self) -> float:
        """Of the term in what is minimised: −1 where it is maximised."""
        return -1.0 if self.sense == "maximise" else 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Custom:
    """A custom objective.

    Parameters
    ----------
    terms : tuple of Term
        At least one with a weight.
    combine : Combine
        weighted_sum: Σ weight·term; epsilon_constraint: the first sought term, the others kept
        within give_up of their best; lexicographic: one after the other, each kept within its
        give_up while the next is sought.
    normalise : bool
        weighted_sum: terms count as (value − utopia)/(nadir − utopia).
    """

    terms: tuple[Term, ...]
    combine: Combine = "weighted_sum"
    normalise: bool = False

    @property
    def sought(self) -> tuple[Term, ...]:
        """Terms with a weight, in order."""
        return tuple(term for term in self.terms if term.weight is not None)

    @property
    def bounded(self) -> tuple[Term, ...]:
        """Terms with a bound, in order."""
        return tuple(term for term in self.terms if term.bound is not None)


def term_value(term: Term, problem: "Problem", weights: FloatArray) -> float:
    """Give what a term comes to.

    Parameters
    ----------
    term : Term
        Over N strategies.
    problem : Problem
        N strategies.
    weights : FloatArray
        (N,).

    Returns
    -------
    float
        In the term's own unit, whatever its sense.
    """
    if term.kind == "linear":
        return float(term.loadings @ weights)
    if term.kind == "norm1":
        return math.fsum(np.abs(weights - term.reference).tolist())
    if term.kind == "norm2":
        return float(np.linalg.norm(weights - term.reference))
    if term.kind == "variance":
        counted = term.loadings * weights
        return float(counted @ problem.cov_annual @ counted)
    if term.kind == "cvar":
        return cvar(-outcomes(problem, weights), term.alpha)
    return registered(term.python).value(weights, problem)


def custom_terms(custom: Custom, problem: "Problem", weights: FloatArray) -> dict[str, float]:
    """Give the sought terms by name, each with its sign and weight.

    Parameters
    ----------
    custom : Custom
        Over N strategies.
    problem : Problem
        N strategies.
    weights : FloatArray
        (N,).

    Returns
    -------
    dict of str to float
        Their sum, to be minimised, is the objective: maximised ones count against.
    """
    return {
        term.name: term.sign * (term.weight or 0.0) * term_value(term, problem, weights)
        for term in custom.sought
    }


def custom_faults(custom: Custom, problem: "Problem", weights: FloatArray) -> Iterator[str]:
    """Check the bounded terms at some weights.

    Parameters
    ----------
    custom : Custom
        Over N strategies.
    problem : Problem
        N strategies.
    weights : FloatArray
        (N,).

    Yields
    ------
    str
        One message for each bound that does not hold.
    """
    for term in custom.bounded:
        assert term.bound is not None
        try:
            value = term_value(term, problem, weights)
        except DataError as error:  # what this process does not know it cannot vouch for
            yield str(error)
            continue
        over = value - term.bound if term.sense == "le" else term.bound - value
        if over > _TOLERANCE * max(abs(term.bound), 1e-2):
            side = ">" if term.sense == "le" else "<"
            yield f"objective.terms: {term.name} is {value!r} {side} {term.bound!r}"
