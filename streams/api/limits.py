"""Limits of what is taken in: the size of a body, and the rate of requests of one client."""

import time
from collections import OrderedDict
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.api.problems import problem

BODY_BYTES_MAX: Final = 256 * 1024  # a policy of 2000 strategies is some 150 kB
CLIENTS_MAX: Final = 4_096  # remembered; the one not seen for longest is forgotten


class _TooLargeError(Exception):
    """A body went past its limit while it was read."""


class BodyLimit:
    """Refuses a body that is too large, before it is held as a whole."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its body counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > BODY_BYTES_MAX:
                raise _TooLargeError
            return message

        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > BODY_BYTES_MAX:
            await _refuse_body(scope, receive, send)
            return
        try:
            await self._app(scope, counted, send)
        except _TooLargeError:
            await _refuse_body(scope, receive, send)


async def _refuse_body(scope: Scope, receive: Receive, send: Send) -> None:
    answer = problem(413, f"a body holds at most {BODY_BYTES_MAX} bytes")
    await answer(scope, receive, send)


class RateLimit:
    """A bucket of tokens for each address: refilled at a rate, emptied by requests."""

    def __init__(self, app: ASGIApp, per_s: float) -> None:
        self._app = app
        self._per_s = per_s
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # (left, at)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or self._take((scope.get("client") or ("",))[0]):
            await self._app(scope, receive, send)
            return
        answer = problem(
            429, f"more than {self._per_s:g} requests a second", headers={"Retry-After": "1"}
        )
        await answer(scope, receive, send)

    def _take(self, client: str) -> bool:
        now_s = time.monotonic()
        left, at_s = self._buckets.pop(client, (2 * self._per_s, now_s))
        left = min(left + (now_s - at_s) * self._per_s, 2 * self._per_s)  # two seconds' worth
        allowed = left >= 1.0
        self._buckets[client] = (left - 1.0 if allowed else left, now_s)
        if len(self._buckets) > CLIENTS_MAX:
            self._buckets.popitem(last=False)
        return allowed
