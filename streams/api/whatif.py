"""What a rebalance would do now: the engine's own steps on its newest checkpoint, kept to itself.

The state is the exact image that the engine would go on from, and the steps are those of the fold,
so that a preview and the decision that follows it at the same bar agree to the last digit.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from confluent_kafka import Consumer

from schemas.decisions import Decision, RebalanceCommand, Trigger
from schemas.optimize import OptimizeReply, OptimizeRequest, SolveDiagnostics
from schemas.policy import Overrides
from schemas.topics import CHECKPOINTS
from schemas.units import format_instant
from streams.agents.checkpoint import plan, read_checkpoints
from streams.api.problems import ProblemError
from streams.api.views import Stand
from streams.core.errors import ImageError
from streams.core.fold import portfolio_of
from streams.core.portfolio import Portfolio
from streams.core.requests import reply_to, solve_request
from streams.core.walk import Walk
from streams.kafka.clients import reader_config
from streams.settings import KafkaSettings

_READ_TIMEOUT_MS: Final = 3_000
TURNS_MAX: Final = 8
_NOBODY: Final = SolveDiagnostics(solve_seconds=0.0, worker="", iterations=0)

ImageOf = Callable[[str, int], bytes | None]
"""Portfolio and shard to the bytes of its newest image, None where there is none."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that was not taken, the command it would publish, and the bar it is for.

    ``stand`` is where the portfolio stood before it, with what it awaited answered.
    """

    stand: Stand
    bar_end: str
    bar_number: int
    decision: Decision
    command: RebalanceCommand | None


def stand_of(portfolio: Portfolio) -> Stand:
    """Return where a portfolio stands, as versions tell it."""
    walk, status = portfolio.walk, portfolio.walk.status
    return Stand(
        walk.epoch,
        status.version,
        status.bar_number,
        walk.policy_version,
        status.acknowledged_version,
    )


class Images:
    """The portfolios that an engine would go on from; any thread may ask."""

    def __init__(self, image_of: ImageOf) -> None:
        self._image_of = image_of
        self._turns = threading.BoundedSemaphore(TURNS_MAX)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Take one of the turns at work that takes long, so that short work finds a thread.

        Raises
        ------
        ProblemError
            429 while all are taken.
        """
        if not self._turns.acquire(blocking=False):
            message = f"{TURNS_MAX} previews and frontiers are under way; try again in a moment"
            raise ProblemError(429, message, {"Retry-After": "1"})
        try:
            yield
        finally:
            self._turns.release()

    def portfolio(self, portfolio_id: str, shard: int) -> Portfolio:
        """Return a portfolio of the caller's own, as of the newest image.

        Raises
        ------
        ProblemError
            503 while there is no image yet that can be read.
        """
        data = self._image_of(portfolio_id, shard)
        if data is None:
            raise ProblemError(
                503,
                f"there is no checkpoint of portfolio {portfolio_id!r} yet; try again in a moment",
                {"Retry-After": "3"},
            )
        try:
            return portfolio_of(data)
        except ImageError as error:
            message = f"the newest checkpoint of portfolio {portfolio_id!r} cannot be read: {error}"
            raise ProblemError(503, message, {"Retry-After": "30"}) from error


class Checkpoints:
    """The newest images on the broker."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._lock = threading.Lock()  # one reader at a time: a checkpoint may be many megabytes

    def image(self, portfolio_id: str, shard: int) -> bytes | None:
        """Return the newest image of a portfolio; None where there is none yet."""
        with self._lock:
            consumer = Consumer(
                reader_config(self._kafka.bootstrap, client_id="apse-preview")
                | self._kafka.security()
            )
            try:
                topic = self._kafka.scope + CHECKPOINTS.name
                found = read_checkpoints(consumer, topic, {shard}, _READ_TIMEOUT_MS)
            finally:
                consumer.close()
        resumed = plan(shard, found[shard]).portfolios.get(portfolio_id)
        return None if resumed is None else resumed.image.data


def preview_of(portfolio: Portfolio, reason: str, overrides: Overrides | None = None) -> Preview:
    """Return what a manual rebalance would decide at the last walked bar; spends the portfolio.

    Raises
    ------
    ProblemError
        409 before the first bar.
    """
    walk = settled(portfolio)
    stand = stand_of(portfolio)
    outputs = walk.evaluate(Trigger(kind="manual", reason=reason, overrides=overrides))
    if walk.pending is not None:
        outputs = walk.reply(_answer(walk.pending.request))
    messages = [output.message for output in outputs]
    decision = next(message for message in messages if isinstance(message, Decision))
    command = next((m for m in messages if isinstance(m, RebalanceCommand)), None)
    return Preview(
        stand=stand,
        bar_end=format_instant(walk.status.end_ns),
        bar_number=walk.status.bar_number,
        decision=decision,
        command=command,
    )


def settled(portfolio: Portfolio) -> Walk:
    """Return the walk of a portfolio, with what it awaits answered as it would be.

    Raises
    ------
    ProblemError
        409 before the first bar.
    """
    walk = portfolio.walk
    if walk.last is None:
        raise ProblemError(409, "no bar is closed yet: there is nothing to decide on")
    if walk.pending is not None:
        walk.reply(_answer(walk.pending.request))
    return walk


def _answer(request: OptimizeRequest) -> OptimizeReply:
    return reply_to(request, solve_request(request), _NOBODY)
