"""Routes that order something, or ask what an order would do."""

from typing import Annotated, Any, Final

import msgspec
import orjson
from fastapi import APIRouter, Depends, Header, Request, Response
from starlette.requests import ClientDisconnect

from schemas.policy import PolicyError, PortfolioPolicy, load_policy
from schemas.units import format_instant
from streams.api import beside, bodies
from streams.api.decisions import proposed
from streams.api.openapi import answers, takes
from streams.api.orders import KEY_LENGTH_MAX, checked_overrides, decode_order
from streams.api.problems import ProblemError, declared
from streams.api.reading import PortfolioId, Reader
from streams.api.security import Caller, requires
from streams.api.services import Services
from streams.api.serving import as_json
from streams.api.views import Body
from streams.api.whatif import preview_of
from streams.observe.clock import now_ns

router = APIRouter(tags=["orders"])
Rebalancer = Annotated[Caller, Depends(requires("rebalance"))]
Admin = Annotated[Caller, Depends(requires("admin"))]
IfMatch = Annotated[
    str | None, Header(description="Act only if the version is still this one; else 412.")
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=KEY_LENGTH_MAX,
        description="Names the order: told twice it is one order.",
    ),
]
_ORDER: Final = declared(400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 503)


async def _body(request: Request) -> bytes:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if kind != "application/json":
        raise ProblemError(415, f"Content-Type: {kind[:60]!r}, expected application/json")
    try:
        return await request.body()
    except ClientDisconnect as error:  # nobody is there to read this
        raise ProblemError(400, "the client left before its body was read") from error


RawBody = Annotated[bytes, Depends(_body)]


@router.post(
    "/portfolio/rebalance",
    status_code=202,
    responses={
        **answers(bodies.PreviewAnswer, "The preview, where `dry_run` is true."),
        **answers(
            bodies.RequestAnswer, "Ordered; `Location` tells what becomes of it.", status=202
        ),
        **_ORDER,
    },
    openapi_extra=takes(bodies.RebalanceOrder, {"reason": "month end", "dry_run": False}),
)
def rebalance(
    request: Request,
    caller: Rebalancer,
    body: RawBody,
    portfolio_id: PortfolioId = None,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Order a decision now; it enters the engine as an event, and is answered at once."""
    services = Services.of(request)
    order = decode_order(bodies.RebalanceOrder, body)
    name = services.views.portfolio(portfolio_id)
    if order.dry_run:
        return as_json(_preview(services, name, order))
    known = services.orders.ordered(name, order, caller.name, idempotency_key)
    if known is not None:  # what was ordered is not void because the version has moved on since
        return _ordered(services.decisions.request(known))
    checked_overrides(services.views.registration(name).policy, order.overrides)
    head = services.views.head(name)
    if if_match is not None and if_match.strip('"') not in {"*", head["version"]}:
        message = f"the version is {head['version']}, If-Match said {if_match}; preview again"
        raise ProblemError(412, message)
    request_id = services.orders.rebalance(name, order, caller.name, idempotency_key)
    return _ordered(proposed(head, request_id, order.reason, caller.name))


def _ordered(answer: Body) -> Response:
    return as_json(answer, 202, {"Location": f"/portfolio/rebalances/{answer['request_id']}"})


@router.post(
    "/portfolio/preview",
    responses={
        **answers(bodies.PreviewAnswer, "What would be decided."),
        **_ORDER,
    },
    openapi_extra=takes(bodies.PreviewOrder, {"reason": "what if"}),
)
def preview(
    request: Request, _: Reader, body: RawBody, portfolio_id: PortfolioId = None
) -> Response:
    """Tell what a rebalance would decide now; nothing is changed by it."""
    services = Services.of(request)
    order = decode_order(bodies.PreviewOrder, body)
    return as_json(_preview(services, services.views.portfolio(portfolio_id), order))


def _preview(
    services: Services, name: str, order: bodies.PreviewOrder | bodies.RebalanceOrder
) -> Body:
    registration = services.views.registration(name)
    overrides = checked_overrides(registration.policy, order.overrides)
    with services.images.turn():
        portfolio = services.images.portfolio(name, registration.shard)
        found = preview_of(portfolio, order.reason, overrides)
    decided: Any = msgspec.to_builtins(found)
    head = services.views.head(name)
    version = services.views.version_of(name, found.stand)
    return {
        **head,
        "version": version,
        "current": version == head["version"],
        **{key: decided[key] for key in ("bar_end", "bar_number", "decision", "command")},
    }


@router.post(
    "/portfolio/frontier",
    responses={**answers(beside.Frontier, "The frontier within other limits."), **_ORDER},
    openapi_extra=takes(
        beside.FrontierOrder, {"points": 20, "overrides": {"constraints": {"weight_max": 0.5}}}
    ),
)
def frontier_within(
    request: Request, _: Reader, body: RawBody, portfolio_id: PortfolioId = None
) -> Response:
    """Tell the efficient frontier within other limits than the policy's; nothing is changed."""
    services = Services.of(request)
    order = decode_order(beside.FrontierOrder, body)
    name = services.views.portfolio(portfolio_id)
    with services.images.turn():
        return as_json(services.frontiers.frontier(name, order.points, order.overrides))


@router.put(
    "/portfolio/policy",
    responses={
        **answers(bodies.PolicyAnswer, "In force from the next bar."),
        **_ORDER,
    },
    openapi_extra=takes(
        PortfolioPolicy,
        {
            "portfolio_id": "main",
            "bar": "1d",
            "periods_per_year": 252,
            "strategies": [{"id": "trend-a", "family": "trend"}],
        },
    ),
)
def put_policy(
    request: Request,
    _: Admin,
    body: RawBody,
    portfolio_id: PortfolioId = None,
    if_match: IfMatch = None,
) -> Response:
    """Put a new policy in force; its version is one above the one before."""
    services = Services.of(request)
    try:
        policy = load_policy(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise ProblemError(400, f"body: no JSON: {error}") from error
    except PolicyError as error:
        raise ProblemError(422, str(error)) from error
    name = services.views.portfolio(portfolio_id or policy.portfolio_id)
    now = services.views.registration(name)
    if policy.portfolio_id != name:
        raise ProblemError(409, f"the policy is of {policy.portfolio_id!r}, put to {name!r}")
    if policy.bar != now.policy.bar:
        message = f"bar {policy.bar!r}: the bar of a portfolio stays what it is, {now.policy.bar!r}"
        raise ProblemError(409, message)
    version = services.orders.policy(policy, None if if_match is None else if_match.strip('"'))
    content: Any = msgspec.to_builtins(policy)
    return as_json({**services.views.head(name), "policy_version": version, "policy": content})


@router.post(
    "/risk",
    status_code=202,
    responses={
        **answers(bodies.Accepted, "Appended; it acts at its place in the journal.", status=202),
        **_ORDER,
    },
    openapi_extra=takes(bodies.RiskOrder, {"action": "halt", "reason": "exchange outage"}),
)
def risk(
    request: Request, caller: Admin, body: RawBody, portfolio_id: PortfolioId = None
) -> Response:
    """Halt, reduce, pause, or resume a portfolio."""
    services = Services.of(request)
    order = decode_order(bodies.RiskOrder, body)
    if (order.multiplier is None) != (order.action != "reduce"):
        message = (
            f"multiplier {order.multiplier!r} with {order.action!r}: it goes with reduce alone"
        )
        raise ProblemError(422, message)
    name = services.views.portfolio(portfolio_id)
    identifier = services.orders.risk(name, order, caller.name)
    head = services.views.head(name)
    return as_json(
        {
            "as_of": format_instant(now_ns()),
            "version": head["version"],
            "status": head["status"],
            "id": identifier,
            "action": order.action,
        },
        202,
    )
