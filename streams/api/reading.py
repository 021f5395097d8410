"""Routes that read."""

import base64
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from schemas.units import IDENTIFIER, parse_instant
from streams.api import beside, bodies
from streams.api.openapi import answers
from streams.api.problems import ProblemError, declared
from streams.api.security import Caller, requires
from streams.api.services import Services
from streams.api.stream import parse_last
from streams.api.views import Body

router = APIRouter(tags=["portfolio"])
PAGE_MAX: Final = 500
_ID: Final = IDENTIFIER.replace("(?!\\n)", "")

Reader = Annotated[Caller, Depends(requires("read"))]
PortfolioId = Annotated[
    str | None,
    Query(pattern=_ID, description="The portfolio; without it, the default one."),
]
Since = Annotated[
    str | None, Query(alias="from", description="Only bars that end after this instant.")
]
Until = Annotated[str | None, Query(alias="to", description="Only bars that end before it.")]
MaxPoints = Annotated[int, Query(ge=1, le=10_000)]
_READ: Final = declared(401, 403, 404, 406, 422, 429, 503)
_TABLE: Final = {
    "text/csv": {"schema": {"type": "string"}},
    "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
}
_EVENTS: Final = {"text/event-stream": {"schema": {"type": "string"}}}


def _instant(text: str | None, where: str) -> int | None:
    if text is None:
        return None
    try:
        return parse_instant(text)
    except ValueError as error:
        raise ProblemError(422, f"{where}: {error}") from error


def _declares(kind: type[Any], description: str, *, table: bool = False) -> dict[int | str, Any]:
    found = answers(kind, description)
    if table:
        found[200]["content"] |= _TABLE
    return {**found, 304: {"description": "Nothing changed since the version named."}, **_READ}


def _give(
    request: Request,
    portfolio_id: str | None,
    build: Callable[[Services, str], Body],
    rows: str | None = None,
) -> Response:
    """Give an answer about a portfolio; ``rows`` names the list in it that may be a table."""
    services = Services.of(request)

    def made() -> Body:
        return build(services, services.views.portfolio(portfolio_id))

    return services.server.give(request, made, rows)


@router.get("/portfolios", responses=_declares(bodies.Portfolios, "All portfolios."))
def portfolios(request: Request, _: Reader) -> Response:
    """List the portfolios."""
    services = Services.of(request)
    return services.server.give(request, services.answers.portfolios)


@router.get("/portfolio/weights", responses=_declares(bodies.Weights, "Weights.", table=True))
def weights(request: Request, _: Reader, portfolio_id: PortfolioId = None) -> Response:
    """Tell the target and held weights of the newest bar."""
    return _give(request, portfolio_id, lambda of, name: of.answers.weights(name), "strategies")


@router.get(
    "/portfolio/weights/history",
    responses=_declares(bodies.WeightsOverTime, "Weights over time.", table=True),
)
def weights_history(
    request: Request,
    _: Reader,
    portfolio_id: PortfolioId = None,
    since: Since = None,
    until: Until = None,
) -> Response:
    """Tell the weights of the past, thinned to 2000 bars."""
    after, before = _instant(since, "from"), _instant(until, "to")

    def build(of: Services, name: str) -> Body:
        return of.answers.weights_over_time(name, after, before)

    return _give(request, portfolio_id, build, "points")


@router.get(
    "/portfolio/performance",
    responses=_declares(bodies.Performance, "Performance.", table=True),
)
def performance(
    request: Request,
    _: Reader,
    portfolio_id: PortfolioId = None,
    since: Since = None,
    until: Until = None,
    max_points: MaxPoints = 2_000,
) -> Response:
    """Tell NAV, net returns and drawdown bar by bar, and the rolling figures of now."""
    after, before = _instant(since, "from"), _instant(until, "to")

    def build(of: Services, name: str) -> Body:
        return of.answers.performance(name, after, before, max_points)

    return _give(request, portfolio_id, build, "points")


@router.get("/portfolio/history", responses=_declares(bodies.History, "Decisions.", table=True))
def history(
    request: Request,
    _: Reader,
    portfolio_id: PortfolioId = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
    trigger: Annotated[str | None, Query(description="Only this kind of trigger.")] = None,
    outcome: Annotated[str | None, Query(pattern="^(accepted|declined)$")] = None,
) -> Response:
    """List decisions, newest first, with what became of each command."""
    before = None if cursor is None else _place(cursor)

    def build(of: Services, name: str) -> Body:
        items, last = of.decisions.history(
            name, before=before, limit=limit, trigger=trigger, outcome=outcome
        )
        following = None if last is None else _cursor(last)
        return {**of.views.head(name), "items": items, "next_cursor": following}

    return _give(request, portfolio_id, build, "items")


@router.get("/portfolio/optimization", responses=_declares(bodies.Optimization, "Optimization."))
def optimization(request: Request, _: Reader, portfolio_id: PortfolioId = None) -> Response:
    """Tell what is asked of the optimizer, and its newest decision in full."""
    return _give(request, portfolio_id, lambda of, name: of.answers.optimization(name))


@router.get(
    "/portfolio/frontier",
    responses=_declares(beside.Frontier, "The frontier.") | declared(409),
)
def frontier(
    request: Request,
    _: Reader,
    portfolio_id: PortfolioId = None,
    points: Annotated[int, Query(ge=2, le=beside.POINTS_MAX)] = beside.POINTS_DEFAULT,
) -> Response:
    """Tell what return each volatility can buy within the limits, and where the mix stands."""
    with Services.of(request).images.turn():

        def build(of: Services, name: str) -> Body:
            return of.frontiers.frontier(name, points, None)

        return _give(request, portfolio_id, build)


@router.get("/portfolio/shadows", responses=_declares(beside.Shadows, "Paper books."))
def shadows(
    request: Request,
    _: Reader,
    portfolio_id: PortfolioId = None,
    since: Since = None,
    until: Until = None,
    max_points: MaxPoints = 500,
) -> Response:
    """Tell what paper books that follow other policies would have made of the same bars."""
    after, before = _instant(since, "from"), _instant(until, "to")

    def build(of: Services, name: str) -> Body:
        return of.paper_books.shadows(name, after, before, max_points)

    return _give(request, portfolio_id, build)


@router.get("/portfolio/covariance", responses=_declares(bodies.Covariance, "Covariance."))
def covariance(
    request: Request,
    _: Reader,
    portfolio_id: PortfolioId = None,
    at: Annotated[str | None, Query(description="The newest before this instant.")] = None,
) -> Response:
    """Tell the newest full covariance, annual, and the summary of the newest bar."""
    before = _instant(at, "at")
    return _give(request, portfolio_id, lambda of, name: of.answers.covariance(name, before))


@router.get(
    "/portfolio/decisions/{decision_id}",
    responses=_declares(bodies.DecisionDetail, "The decision."),
)
def decision(
    request: Request,
    _: Reader,
    decision_id: Annotated[str, Path(pattern=_ID)],
) -> Response:
    """Tell one decision with its causes, its command and what became of it."""
    services = Services.of(request)
    return services.server.give(request, partial(services.decisions.decision, decision_id))


@router.get("/portfolio/policy", responses=_declares(bodies.PolicyAnswer, "The policy."))
def policy(request: Request, _: Reader, portfolio_id: PortfolioId = None) -> Response:
    """Tell the policy in force."""
    return _give(request, portfolio_id, lambda of, name: of.answers.policy(name))


@router.get("/portfolio/audit", responses=_declares(bodies.Audit, "The audit.", table=True))
def audit(
    request: Request,
    _: Reader,
    portfolio_id: PortfolioId = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
) -> Response:
    """List who ordered what, and every version of the policy."""
    return _give(request, portfolio_id, lambda of, name: of.decisions.audit(name, limit), "events")


@router.get("/strategies", responses=_declares(bodies.Strategies, "Strategies."))
def strategies(request: Request, _: Reader, portfolio_id: PortfolioId = None) -> Response:
    """List the strategies with their figures and standing."""
    return _give(request, portfolio_id, lambda of, name: of.answers.strategies(name))


@router.get("/strategies/{strategy_id}", responses=_declares(bodies.StrategyDetail, "One."))
def strategy(
    request: Request,
    _: Reader,
    strategy_id: Annotated[str, Path(pattern=_ID)],
    portfolio_id: PortfolioId = None,
) -> Response:
    """Tell one strategy's figures, standing and weights over time."""
    return _give(request, portfolio_id, lambda of, name: of.answers.strategy(name, strategy_id))


@router.get(
    "/portfolio/rebalances/{request_id}",
    responses=_declares(bodies.RequestAnswer, "What became of it."),
)
def rebalance_status(
    request: Request, _: Reader, request_id: Annotated[str, Path(pattern=_ID)]
) -> Response:
    """Tell what became of a manual rebalance."""
    services = Services.of(request)
    return services.server.give(request, partial(services.decisions.request, request_id))


@router.get(
    "/portfolio/stream",
    responses={
        200: {
            "description": "Live events.",
            "content": _EVENTS,
        },
        **declared(401, 403, 404, 422, 429, 503),
    },
)
def stream(request: Request, _: Reader, portfolio_id: PortfolioId = None) -> StreamingResponse:
    """Send live events: weights, performance, optimization, rebalance, with rising ids.

    ``Last-Event-ID`` resumes after that event; ``reset`` says that it is kept no longer.
    """
    services = Services.of(request)
    name = services.views.portfolio(portfolio_id)
    try:
        last = parse_last(request.headers.get("last-event-id", ""))
    except ValueError as error:
        raise ProblemError(422, f"Last-Event-ID: {error}") from error
    events = services.broadcaster.events(name, last)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, 200, headers, "text/event-stream")


def _cursor(place: int) -> str:
    return base64.urlsafe_b64encode(str(place).encode()).decode().rstrip("=")


def _place(cursor: str) -> int:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place = int(base64.b64decode(padded, altchars=b"-_", validate=True))
    except ValueError:  # also what is no base64
        place = -1
    if not 0 <= place < 2**63:
        message = f"cursor: {cursor[:40]!r} is none of ours"
        raise ProblemError(422, message)
    return place
