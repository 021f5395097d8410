"""The vocabulary of a custom objective: named terms with a weight or a bound.

A term is one expression of the weights w: ``linear`` (an attribute of the strategies, ``return`` or
``volatility``), ``norm1`` and ``norm2`` (distance to the held or the reference weights),
``variance`` and ``sum`` (of the strategies in a scope), ``cvar`` (of the bars of the window, per
bar) or ``python`` (a class that the process has registered). With ``weight`` it is part of what is
sought, with ``bound`` it is a limit. Terms that would make the problem non-convex are refused.
"""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from msgspec import Meta

from schemas.policy.section import Section, Share

EXPRESSIONS: Final = ("linear", "norm1", "norm2", "variance", "cvar", "sum", "python")
AFFINE: Final = ("linear", "sum")
BUILT_IN_ATTRIBUTES: Final = ("return", "volatility")
SCOPES: Final = ("families", "tags", "accounts", "strategies")

Sense = Literal["minimise", "maximise", "le", "ge"]
Combine = Literal["weighted_sum", "epsilon_constraint", "lexicographic"]
Attribute = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$(?!\n)", max_length=64)]


class Distance(Section, frozen=True, kw_only=True):
    """Distance to which weights: those held, or ``objective.reference``."""

    to: Literal["held", "reference"] = "held"


class Scope(Section, frozen=True, kw_only=True):
    """Which strategies count.

    ``all``, ``families.trend``, ``tags.slow``, ``accounts.a`` or ``strategies.momentum-us``.
    """

    scope: str = "all"


class Tail(Section, frozen=True, kw_only=True):
    """Conditional value at risk beyond ``alpha``, a positive loss per bar."""

    alpha: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.95


class Term(Section, frozen=True, kw_only=True):
    """One term: an expression, and its ``weight`` in what is sought or its ``bound``.

    ``sense`` is ``minimise`` (default) or ``maximise`` with a weight, ``le`` (default) or ``ge``
    with a bound. ``give_up`` is the share of the way from the term's best value to its worst that
    the other terms may take: in the order of the terms where they are lexicographic, of every term
    but the first where they are ``epsilon_constraint``.
    """

    name: str | None = None
    linear: Attribute | None = None
    norm1: Distance | None = None
    norm2: Distance | None = None
    variance: Scope | None = None
    cvar: Tail | None = None
    sum: Scope | None = None
    python: Annotated[str, Meta(max_length=128)] | None = None
    weight: Annotated[float, Meta(gt=0.0)] | None = None
    bound: float | None = None
    sense: Sense | None = None
    give_up: Share = 0.0

    @property
    def expression(self) -> str:
        """The first expression that is set; `check_terms` sees to it that there is one."""
        return next((name for name in EXPRESSIONS if getattr(self, name) is not None), "")

    @property
    def direction(self) -> Sense:
        """The sense, or its default."""
        return self.sense or ("le" if self.bound is not None else "minimise")

    @property
    def title(self) -> str:
        """The name, or words for the expression: "linear capacity", "sum families.trend"."""
        if self.name is not None:
            return self.name
        value = getattr(self, self.expression)
        if isinstance(value, Scope):
            detail = value.scope
        elif isinstance(value, Distance):
            detail = f"to {value.to}"
        else:
            detail = f"{value.alpha:g}" if isinstance(value, Tail) else str(value)
        return f"{self.expression} {detail}"


def faults_of_terms(terms: tuple[Term, ...]) -> Iterator[str]:
    """Say what cannot be used in some terms whatever the strategies are.

    Yields
    ------
    str
        One sentence for each fault, beginning with the key.
    """
    if not any(term.weight is not None for term in terms):
        yield "objective.terms: type custom takes at least one term with a weight"
    seen: set[str] = set()
    for number, term in enumerate(terms):
        where = f"objective.terms.{number}"
        given = [name for name in EXPRESSIONS if getattr(term, name) is not None]
        if len(given) != 1:
            found = ", ".join(given) or "none"
            yield f"{where}: expected one of {', '.join(EXPRESSIONS)}, got {found}"
            continue
        if term.title in seen:
            yield f"{where}: the name {term.title!r} stands twice"
        seen.add(term.title)
        yield from _fault_of(where, term)


def _fault_of(where: str, term: Term) -> Iterator[str]:
    if (term.weight is None) == (term.bound is None):
        yield f"{where} ({term.title}): expected either a weight or a bound"
        return
    senses = ("minimise", "maximise") if term.weight is not None else ("le", "ge")
    if term.direction not in senses:
        kind = "weight" if term.weight is not None else "bound"
        yield (
            f"{where} ({term.title}): sense {term.sense!r} does not go with a {kind}, expected"
            f" {' or '.join(senses)}"
        )
    elif term.expression not in (*AFFINE, "python") and term.direction in {"maximise", "ge"}:
        yield (
            f"{where} ({term.title}): {term.direction} of {term.expression} is not convex; it can"
            " be minimised, or bounded with le"
        )
