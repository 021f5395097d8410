"""The application: routes over one store, which a thread of this process keeps."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.gzip import GZipMiddleware

from streams.api import acting, observing, openapi, problems, reading
from streams.api.answers import Answers
from streams.api.decisions import Decisions
from streams.api.frontiers import Frontiers
from streams.api.headers import SecurityHeaders
from streams.api.hosting import PAGE
from streams.api.limits import BodyLimit, RateLimit
from streams.api.observing import ApiMetrics, Timing
from streams.api.orders import Orders, Outbox
from streams.api.paper_books import PaperBooks
from streams.api.security import Token, check_bind, read_tokens
from streams.api.services import Services
from streams.api.serving import Server
from streams.api.stream import Broadcaster
from streams.api.views import Views
from streams.api.whatif import Checkpoints, ImageOf, Images
from streams.observe.clock import now_ns
from streams.operate.send import Sender
from streams.readmodel.embedded import EmbeddedStore
from streams.readmodel.redis_store import RedisStore
from streams.readmodel.store import Store
from streams.readmodel.writer import Health, Writer
from streams.settings import ApiSettings, Settings

ORDER_TIMEOUT_S: Final = 10.0  # for the broker to take an order
GZIP_BYTES_MIN: Final = 1_000


class Follower(Protocol):
    """Keeps a store's views while it runs."""

    health: Health

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End, with what was read stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the application stands on: where views are, who keeps them, where orders go."""

    store: Store
    follower: Follower
    outbox: Outbox
    image_of: ImageOf
    clock_ns: Callable[[], int] = now_ns


def parts_of(settings: Settings) -> Parts:
    """Return the parts of an engine on a broker."""
    store = open_store(settings)
    return Parts(
        store=store,
        follower=Writer(settings.kafka, store),
        outbox=Sender(settings.kafka, flush_timeout_s=ORDER_TIMEOUT_S),
        image_of=Checkpoints(settings.kafka).image,
    )


def build_app(settings: Settings, parts: Parts | None = None) -> FastAPI:
    """Return the application over an engine's parts, by default those on the settings' broker.

    Raises
    ------
    ConfigError
        When it would listen to other machines without tokens, or a token cannot be used.
    """
    api = settings.api
    tokens: tuple[Token, ...] = () if api.tokens is None else read_tokens(Path(api.tokens))
    check_bind(api.host, tokens)
    parts = parts_of(settings) if parts is None else parts
    store, follower, health = parts.store, parts.follower, parts.follower.health
    views = Views(store, health, parts.clock_ns, api.default_portfolio)
    broadcaster = Broadcaster(store)
    decisions = Decisions(views)
    images = Images(parts.image_of)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        follower.start()
        broadcaster.start()
        yield
        await broadcaster.stop()
        follower.stop()
        store.close()

    app = FastAPI(
        title="Adaptive Portfolio of Strategies Engine",
        version="1",
        summary="Weights, performance, decisions and orders of portfolios of strategies.",
        lifespan=lifespan,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.openapi_version = "3.2.0"
    app.state.tokens = tokens
    app.state.metrics = ApiMetrics()
    app.state.services = Services(
        views=views,
        answers=Answers(views, decisions),
        decisions=decisions,
        server=Server(views, parts.clock_ns),
        orders=Orders(parts.outbox, store, health),
        images=images,
        frontiers=Frontiers(views, images),
        paper_books=PaperBooks(views),
        broadcaster=broadcaster,
        health=health,
    )
    _equip(app, api)
    return app


def open_store(settings: Settings) -> Store:
    """Return the store that the settings name: a Redis URL, a file, or one that ends with us."""
    where = settings.api.store
    if where.startswith(("redis://", "rediss://", "unix://")):
        return RedisStore(where, prefix=f"apse:{settings.kafka.scope}")
    return EmbeddedStore(Path(where) if where else None)


def _equip(app: FastAPI, api: ApiSettings) -> None:
    problems.install(app)
    openapi.install(app)
    app.include_router(reading.router)
    app.include_router(acting.router)
    app.include_router(observing.router)
    page = Path(api.page) if api.page else PAGE
    if page.is_dir():
        files = GZipMiddleware(StaticFiles(directory=page, html=True), minimum_size=GZIP_BYTES_MIN)
        app.mount("/", files, name="dashboard")
    app.add_middleware(BodyLimit)
    app.add_middleware(RateLimit, per_s=api.requests_per_s)
    # Within the layers that follow: the framework's own stands around them all, and what it
    # answers to a fault would have no headers and be timed by nobody.
    app.add_middleware(ServerErrorMiddleware, handler=problems.faulted)
    app.add_middleware(Timing, metrics=app.state.metrics)
    app.add_middleware(SecurityHeaders)
