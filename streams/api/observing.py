"""How the API itself is watched: probes, version, Prometheus metrics."""

import time
from importlib.metadata import version as version_of
from typing import Final

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.api import bodies
from streams.api.openapi import answers
from streams.api.parameters import require_known_parameters
from streams.api.problems import declared
from streams.api.services import Services
from streams.api.serving import as_json

router = APIRouter(
    tags=["operation"],
    dependencies=[Depends(require_known_parameters)],
    responses=declared(422),
)
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class ApiMetrics:
    """Prometheus metrics of one API process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.seconds = Histogram(
            "apse_http_request_duration_seconds",
            "Time from a request's arrival to the begin of its answer.",
            ("route", "method", "status"),
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self.listeners = Gauge(
            "apse_sse_clients", "Listeners to live events.", registry=self.registry
        )
        self.caught_up = Gauge(
            "apse_views_caught_up", "1 while the views follow the topics.", registry=self.registry
        )
        self.writes = Gauge(
            "apse_views_writer",
            "1 in the process that keeps the views, 0 in one that stands by.",
            registry=self.registry,
        )
        self.unreadable = Counter(
            "apse_views_unreadable_records",
            "Records of public topics that were no message of theirs.",
            registry=self.registry,
        )


class Timing:
    """Times every request by its route, never by its path."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note when its answer begins."""
        began_s = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "other")
                self._metrics.seconds.labels(route, scope["method"], message["status"]).observe(
                    time.perf_counter() - began_s
                )
            await send(message)

        await self._app(scope, receive, timed)


@router.get("/livez", responses=answers(bodies.Probe, "The process is there."))
async def livez() -> Response:
    """Tell that the process answers."""
    return _probe("")


@router.get(
    "/readyz",
    responses={
        **answers(bodies.Probe, "Views follow the topics."),
        **answers(bodies.Probe, "They do not.", status=503),
    },
)
def readyz(request: Request) -> Response:
    """Tell whether the views follow the topics, and what is wrong where they do not."""
    health = Services.of(request).health
    return _probe("" if health.caught_up else health.trouble or "reading the topics")


@router.get("/version", responses=answers(bodies.Version, "The build."))
def version() -> Response:
    """Tell which build answers."""
    return as_json({"name": "apse", "version": version_of("apse")})


@router.get(
    "/metrics",
    responses={
        200: {
            "description": "Prometheus metrics.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
def metrics(request: Request) -> Response:
    """Show the metrics of this process."""
    services = Services.of(request)
    held: ApiMetrics = request.app.state.metrics
    held.listeners.set(services.broadcaster.listeners)
    held.caught_up.set(services.health.caught_up)
    held.writes.set(services.health.writes)
    held.unreadable.reset()
    held.unreadable.inc(services.health.unreadable)
    return Response(generate_latest(held.registry), media_type=CONTENT_TYPE_LATEST)


def _probe(reason: str) -> Response:
    content = {"status": "not_ready" if reason else "ok", "reason": reason}
    return as_json(content, 503 if reason else 200)
