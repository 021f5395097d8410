"""Query parameters that a route does not have are refused: a misspelt filter filters nothing."""

import difflib

from fastapi import Request
from fastapi.routing import APIRoute

from streams.api.problems import ProblemError, fault

_QUOTED_CHARS = 40


async def require_known_parameters(request: Request) -> None:
    """Refuse as :func:`refuse_unknown_parameters` does, as a dependency of a route."""
    refuse_unknown_parameters(request)


def refuse_unknown_parameters(request: Request) -> None:
    """Refuse a request that names a parameter which its route does not have, or one twice.

    Raises
    ------
    ProblemError
        422, naming it and the nearest one that there is.
    """
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    known = [parameter.alias for parameter in route.dependant.query_params]
    named = [name for name, _ in request.query_params.multi_items()]
    wrong = next((name for name in named if name not in known), None)
    if wrong is not None:
        near = difflib.get_close_matches(wrong, known, n=1, cutoff=0.0)
        hint = f"; did you mean {near[0]!r}?" if near else "; this takes none"
        _refuse(wrong, f"there is no parameter {wrong[:_QUOTED_CHARS]!r}{hint}")
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        _refuse(twice, f"parameter {twice!r} stands {named.count(twice)} times, expected once")


def _refuse(name: str, words: str) -> None:
    raise ProblemError(422, words, errors=[fault(f"query.{name[:_QUOTED_CHARS]}", words)])
