"""Terms of a custom objective on their way: portfolio file, request, problem."""

import numpy as np

from schemas.optimize import CustomNumbers, OptimizeRequest, TermNumbers
from schemas.policy import PortfolioPolicy, StrategyEntry
from schemas.policy.term_names import members_of_scope
from schemas.policy.terms import Term as PolicyTerm
from streams.core.arrays import FloatArray
from streams.core.errors import DataError
from streams.core.optimize.custom import Model
from streams.core.optimize.problem import Problem
from streams.core.optimize.vocabulary import Custom, Kind, Term

_KINDS: dict[str, Kind] = {
    "linear": "linear",
    "sum": "linear",
    "norm1": "norm1",
    "norm2": "norm2",
    "variance": "variance",
    "cvar": "cvar",
    "python": "python",
}


def custom_numbers(
    request: OptimizeRequest, entries: tuple[StrategyEntry, ...], policy: PortfolioPolicy
) -> CustomNumbers | None:
    """Return the terms of a policy with their numbers, None for every other objective.

    Parameters
    ----------
    request
        With means, covariance and held weights.
    entries
        Of the request's strategies, in order.
    policy
        Of the portfolio.
    """
    if policy.objective.type != "custom":
        return None
    return CustomNumbers(
        terms=tuple(_numbers(term, request, entries, policy) for term in policy.objective.terms),
        combine=policy.objective.combine,
        normalise=policy.objective.normalise,
    )


def custom_of(given: CustomNumbers | None, size: int) -> Custom | None:
    """Return the objective that the numbers of a request describe, over ``size`` strategies."""
    if given is None:
        return None
    terms = tuple(
        Term(
            name=term.name,
            kind=_KINDS[term.kind],
            loadings=_vector(term.loadings, size),
            reference=_vector(term.reference, size),
            alpha=term.alpha,
            python=term.python,
            weight=term.weight,
            bound=term.bound,
            sense=term.sense,
            give_up=term.give_up,
        )
        for term in given.terms
    )
    return Custom(terms=terms, combine=given.combine, normalise=given.normalise)


def needs_scenarios(policy: PortfolioPolicy) -> bool:
    """Tell whether a term looks at the bars of the window."""
    terms = policy.objective.terms
    return any(term.cvar is not None or term.python is not None for term in terms)


def check_terms(policy: PortfolioPolicy) -> None:
    """Refuse terms written in Python that are unknown to this process or not convex.

    The others are refused with the portfolio file.

    Raises
    ------
    DataError
        Naming the term.
    """
    written = [term for term in policy.objective.terms if term.python is not None]
    if not written:
        return
    # The names do not matter for the shape of an expression, only that there are some.
    known = policy.strategies if isinstance(policy.strategies, tuple) else ()
    names = tuple(sorted(entry.id for entry in known)) or ("one", "other")
    size = len(names)
    nothing = np.zeros(size)
    problem = Problem(
        strategies=names,
        mean_annual=nothing,
        cov_annual=np.eye(size),
        held=nothing,
        held_cash=1.0,
        objective="custom",
        risk_aversion=1.0,
        weight_min=nothing,
        weight_max=np.ones(size),
        groups=(),
        cash_min=0.0,
        cash_max=1.0,
        turnover_max=None,
        long_only=True,
        scenarios=np.zeros((2, size)),
    )
    Model(problem, [_bare(term, nothing) for term in written])


def _bare(term: PolicyTerm, nothing: FloatArray) -> Term:
    assert term.python is not None
    return Term(
        name=term.title,
        kind="python",
        loadings=nothing,
        reference=nothing,
        python=term.python,
        weight=term.weight,
        bound=term.bound,
        sense=term.direction,
    )


def _numbers(
    term: PolicyTerm,
    request: OptimizeRequest,
    entries: tuple[StrategyEntry, ...],
    policy: PortfolioPolicy,
) -> TermNumbers:
    kind, loadings, reference = term.expression, b"", b""
    scope = term.variance or term.sum
    if scope is not None:
        loadings = np.array(members_of_scope(scope.scope, entries), dtype=np.float64).tobytes()
    if term.linear is not None:
        loadings = _attribute(term.linear, request, entries).tobytes()
    distance = term.norm1 or term.norm2
    if distance is not None:
        followed = policy.objective.reference
        reference = request.held
        if distance.to == "reference":
            reference = np.array([followed.get(entry.id, 0.0) for entry in entries]).tobytes()
    return TermNumbers(
        name=term.title,
        kind=kind,
        loadings=loadings,
        reference=reference,
        alpha=term.cvar.alpha if term.cvar is not None else 0.95,
        python=term.python or "",
        weight=term.weight,
        bound=term.bound,
        sense=term.direction,
        give_up=term.give_up,
    )


def _attribute(
    name: str, request: OptimizeRequest, entries: tuple[StrategyEntry, ...]
) -> FloatArray:
    if name == "return":
        return np.frombuffer(request.mean_annual, dtype="<f8")
    if name == "volatility":
        size = len(entries)
        lower = np.frombuffer(request.cov_annual_lower, dtype="<f8")
        diagonal = np.cumsum(np.arange(1, size + 1)) - 1  # (i, i) of a triangle row by row
        return np.asarray(np.sqrt(lower[diagonal]))
    lacking = [entry.id for entry in entries if name not in entry.attributes]
    if lacking:  # a strategy that joined later, without the attribute
        message = f"objective.terms: {lacking[0]!r} has no attribute {name!r}"
        raise DataError(message)
    return np.array([entry.attributes[name] for entry in entries])


def _vector(data: bytes, size: int) -> FloatArray:
    return np.frombuffer(data, dtype="<f8").astype(np.float64) if data else np.zeros(size)
