"""Names that the terms of a custom objective use, against the strategies of the portfolio."""

import difflib
from collections.abc import Iterator

from schemas.policy.portfolio import PortfolioPolicy, StrategyEntry
from schemas.policy.terms import BUILT_IN_ATTRIBUTES, SCOPES, Term, faults_of_terms


def contradictory_terms(
    policy: PortfolioPolicy, entries: tuple[StrategyEntry, ...] | None
) -> Iterator[str]:
    """Yield what in the terms cannot be used.

    ``entries`` is None where the strategies are not known yet.
    """
    objective = policy.objective
    if objective.type != "custom":
        if objective.terms:
            yield f"objective.terms are for custom, got type {objective.type}"
        return
    yield from faults_of_terms(objective.terms)
    for number, term in enumerate(objective.terms):
        where = f"objective.terms.{number} ({term.title})"
        distance = term.norm1 or term.norm2
        if distance is not None and distance.to == "reference" and not objective.reference:
            yield f"{where}: to reference needs objective.reference: the weights to compare with"
        if entries is not None:
            yield from _unknown(where, term, entries)


def members_of_scope(scope: str, entries: tuple[StrategyEntry, ...]) -> tuple[bool, ...]:
    """Tell of each strategy whether a scope counts it.

    Examples
    --------
    >>> members_of_scope("families.trend", (StrategyEntry(id="a", family="trend"),))
    (True,)
    """
    kind, _, name = scope.partition(".")
    if kind == "families":
        return tuple(entry.family == name for entry in entries)
    if kind == "tags":
        return tuple(name in entry.tags for entry in entries)
    if kind == "accounts":
        return tuple(entry.account == name for entry in entries)
    if kind == "strategies":
        return tuple(entry.id == name for entry in entries)
    return tuple(scope == "all" for _ in entries)


def _unknown(where: str, term: Term, entries: tuple[StrategyEntry, ...]) -> Iterator[str]:
    if term.linear is not None and term.linear not in BUILT_IN_ATTRIBUTES:
        lacking = [entry.id for entry in entries if term.linear not in entry.attributes]
        if lacking:
            known = sorted({*BUILT_IN_ATTRIBUTES}.union(*(entry.attributes for entry in entries)))
            near = difflib.get_close_matches(term.linear, known, n=1, cutoff=0.0)[0]
            hint = f"; did you mean {near!r}?" if near != term.linear else ""
            yield f"{where}: {lacking[0]!r} has no attribute {term.linear!r}{hint}"
    scope = term.variance or term.sum
    if scope is not None and not any(members_of_scope(scope.scope, entries)):
        kinds = ", ".join(f"{kind}.NAME" for kind in SCOPES)
        yield f"{where}: no strategy is in {scope.scope!r}; expected all, {kinds}"
