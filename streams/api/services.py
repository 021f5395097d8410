"""What the routes work with, put together once."""

from dataclasses import dataclass

from fastapi import Request

from streams.api.answers import Answers
from streams.api.decisions import Decisions
from streams.api.frontiers import Frontiers
from streams.api.orders import Orders
from streams.api.paper_books import PaperBooks
from streams.api.serving import Server
from streams.api.stream import Broadcaster
from streams.api.views import Views
from streams.api.whatif import Images
from streams.readmodel.writer import Health


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts that a route needs."""

    views: Views
    answers: Answers
    decisions: Decisions
    server: Server
    orders: Orders
    images: Images
    frontiers: Frontiers
    paper_books: PaperBooks
    broadcaster: Broadcaster
    health: Health

    @staticmethod
    def of(request: Request) -> "Services":
        """Return the services of the application that a request came to."""
        services = request.app.state.services
        assert isinstance(services, Services)
        return services
