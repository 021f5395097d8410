"""What paper books ask the optimizer: beside the main book, of the same strategies and estimates.

Both ways stand here: from books to the problems in a request, and from one of these to a request of
its own, as the optimizer solves it.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import msgspec
import numpy as np

from schemas.optimize import OptimizeRequest, ShadowProblem
from schemas.policy import PortfolioPolicy
from schemas.policy.portfolio import policy_of
from streams.core.arrays import FloatArray
from streams.core.conclusions import Pending
from streams.core.eligibility import Book, Selection
from streams.core.errors import DataError
from streams.core.limits import own_limits, with_limits
from streams.core.shadows.books import ShadowBooks

_OWN: Final = tuple(
    name for name in ShadowProblem.__struct_fields__ if name in OptimizeRequest.__struct_fields__
)


def with_shadows(
    pending: Pending,
    book: Book,
    selection: Selection,
    policy: PortfolioPolicy,
    books: ShadowBooks,
) -> Pending:
    """Return a request that waits with the problems of a policy's paper books in it.

    Who takes part is the main book's ``selection``. A strategy that may only shrink is bounded by
    what each book holds of it itself. A book that cannot ask holds, and says why.

    Parameters
    ----------
    pending
        The request of the main book.
    book, selection, policy
        What it was made from; the policy is the portfolio's own.
    books
        What each of them holds.
    """
    request, n_effective = pending.request, pending.estimates.n_effective
    assert n_effective is not None, "estimates of a request say what they come from"
    problems: list[ShadowProblem] = []
    scenarios = bool(request.scenarios)
    for shadow in policy.shadows:
        own = policy_of(policy, shadow)
        place = books.names.index(shadow.name)
        held, held_cash = books.coming(place)
        mine = replace(
            book, held=held, held_cash=held_cash, clusters=books.clusters.get(shadow.name)
        )
        limits = own_limits(
            mine, selection, own, pending.context.bar_end_ns, builds=not books.built[place]
        )
        alone = msgspec.structs.replace(request, **limits)
        try:
            asked = with_limits(alone, mine, selection, own, n_effective=n_effective)
        except DataError as error:
            books.hold(place, str(error))
            continue
        fields = {name: getattr(asked, name) for name in _OWN}
        if scenarios:
            fields["scenarios"] = b""
        scenarios = scenarios or bool(asked.scenarios)
        needs = bool(asked.scenarios)
        problems.append(ShadowProblem(name=shadow.name, needs_scenarios=needs, **fields))
    request = msgspec.structs.replace(request, shadows=tuple(problems))
    return msgspec.structs.replace(pending, request=request)


def requests_of(request: OptimizeRequest) -> Iterator[tuple[str, OptimizeRequest]]:
    """Yield the name of each paper book that asks, and its problem as a request of its own."""
    given = (request.scenarios, *(shadow.scenarios for shadow in request.shadows))
    scenarios = next((data for data in given if data), b"")
    for shadow in request.shadows:
        fields = {name: getattr(shadow, name) for name in _OWN}
        fields["scenarios"] = scenarios if shadow.needs_scenarios else b""
        yield (
            shadow.name,
            msgspec.structs.replace(request, shadows=(), prices=0, resamples=0, **fields),
        )


def equal_weights(
    selection: Selection, policy: PortfolioPolicy, size: int
) -> tuple[FloatArray, float]:
    """Return 1/N over those who take part in full, the least cash beside them; limits aside.

    A strategy that may only shrink has no weight.

    Returns
    -------
    weights : FloatArray
        (size,); all 0 where nobody takes part in full.
    cash : float
    """
    weights = np.zeros(size)
    members = selection.columns[~selection.reduce_only]
    cash = policy.cash.min if members.size else 1.0
    weights[members] = (1.0 - cash) / max(members.size, 1)
    return weights, cash
