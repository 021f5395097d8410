"""How an answer is given: cached while nothing changed, in the format asked for, never as fresher.

Where the store does not answer, the last answer to the same question does, marked degraded.
"""

import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import orjson
import polars as pl
from fastapi import Request, Response

from streams.api.problems import ProblemError
from streams.api.views import Body, Views
from streams.readmodel.store import StoreUnavailableError

CACHED_MAX: Final = 512
CACHED_BYTES_MAX: Final = 64 * 1024 * 1024  # of what they are sent as
CSV: Final = "text/csv"
PARQUET: Final = "application/vnd.apache.parquet"
JSON: Final = "application/json"
_FORMULA: Final = r"^[=+\-@\t\r\n]"  # how text begins that a spreadsheet would work out
_STALE_STEP_NS: Final = 5_000_000_000  # so long may "live" stand after it became "stale"
_BUILDING: Final = 64  # locks, shared by the questions


class _Cached(NamedTuple):
    stamp: tuple[int, int, bool]
    body: Body
    data: bytes
    digest: str


class Server:
    """Gives answers from views."""

    def __init__(self, views: Views, clock_ns: Callable[[], int]) -> None:
        self._views = views
        self._clock_ns = clock_ns
        self._cached: OrderedDict[str, _Cached] = OrderedDict()
        self._cached_bytes = 0
        self._lock = threading.Lock()
        self._building = tuple(threading.Lock() for _ in range(_BUILDING))

    def give(
        self, request: Request, build: Callable[[], Body], rows: str | None = None
    ) -> Response:
        """Return the answer to a request.

        Parameters
        ----------
        build
            Makes the body.
        rows
            Key of the list that is given as CSV or Parquet where the client prefers that.
        """
        wanted = _format(request, tabular=rows is not None)
        question = f"{request.url.path}?{request.url.query}"
        cached = self._answer(question, build)
        etag = f'"{cached.digest}-{wanted.rpartition("/")[2]}"'
        if _names(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers={"ETag": etag, "Vary": "Accept"})
        headers = {"ETag": etag, "Cache-Control": "no-cache", "Vary": "Accept"}
        if wanted == JSON:
            return Response(cached.data, 200, headers, JSON)
        assert rows is not None
        return Response(_tabular(orjson.loads(cached.data)[rows], wanted), 200, headers, wanted)

    def _answer(self, question: str, build: Callable[[], Body]) -> _Cached:
        held = self._held(question)
        try:
            if held is not None and held.stamp == self._stamp():
                return held
            # Who asks the same meanwhile waits: built once is sooner than built by each at once.
            with self._building[hash(question) % _BUILDING]:
                stamp, held = self._stamp(), self._held(question)
                if held is not None and held.stamp == stamp:
                    return held
                fresh = _cached(stamp, build())
        except StoreUnavailableError:
            if held is None:
                raise
            return _cached(held.stamp, _degraded(held.body))
        with self._lock:
            before = self._cached.pop(question, None)
            self._cached[question] = fresh
            self._cached_bytes += len(fresh.data) - (0 if before is None else len(before.data))
            while len(self._cached) > CACHED_MAX or self._cached_bytes > CACHED_BYTES_MAX:
                self._cached_bytes -= len(self._cached.popitem(last=False)[1].data)
        return fresh

    def _held(self, question: str) -> _Cached | None:
        with self._lock:
            return self._cached.get(question)

    def _stamp(self) -> tuple[int, int, bool]:
        """Return what an answer depends on: events so far, the time, the health of the views."""
        step = self._clock_ns() // _STALE_STEP_NS
        return self._views.store.newest_told(), step, self._views.caught_up


def as_json(content: Body, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return content that is asked for once, as the answer to an order is."""
    return Response(orjson.dumps(content), status, headers, JSON)


def _degraded(body: Body) -> Body:
    """Return a body marked as no longer kept up, by the word that is not about an order."""
    marked = {**body, "freshness" if "freshness" in body else "status": "degraded"}
    if "portfolios" in body:
        marked["portfolios"] = [{**line, "status": "degraded"} for line in body["portfolios"]]
    return marked


def _cached(stamp: tuple[int, int, bool], body: Body) -> _Cached:
    data = orjson.dumps(body)
    return _Cached(stamp, body, data, hashlib.blake2b(data, digest_size=12).hexdigest())


def _names(listed: str, etag: str) -> bool:
    """Tell whether an If-None-Match header names an ETag."""
    named = {one.strip().removeprefix("W/") for one in listed.split(",")}
    return bool(named & {etag, "*"})


def _format(request: Request, *, tabular: bool) -> str:
    """Return the format of the Accept header that is offered and liked most."""
    offered = (JSON, CSV, PARQUET) if tabular else (JSON,)
    accepted = request.headers.get("accept", JSON)
    ranges = [_range(part) for part in accepted.split(",")]
    for kind, quality in sorted(ranges, key=lambda found: -found[1]):
        if quality > 0.0 and kind in {"*/*", "application/*", ""}:
            return JSON
        if quality > 0.0 and kind in offered:
            return kind
    message = f"Accept: {accepted[:100]}; offered are {', '.join(offered)}"
    raise ProblemError(406, message)


def _range(part: str) -> tuple[str, float]:
    """Return one range of an Accept header, and how much it is liked: 1 unless it says less."""
    kind, *parameters = (text.strip().lower() for text in part.split(";"))
    weights = [text.removeprefix("q=") for text in parameters if text.startswith("q=")]
    try:
        return kind, float(weights[0]) if weights else 1.0
    except ValueError:
        return kind, 1.0


def _tabular(rows: list[dict[str, Any]], kind: str) -> bytes:
    """Return rows as a table.

    What is nested in a row is JSON text there; a table within a row has no place in one. In CSV
    an apostrophe keeps a spreadsheet from taking text for a formula (OWASP, "CSV Injection").
    """
    flat = [
        {key: _flat(value) for key, value in row.items() if not _is_table(value)} for row in rows
    ]
    frame = pl.DataFrame(flat, infer_schema_length=None)
    target = io.BytesIO()
    if kind == CSV:
        frame.with_columns(pl.col(pl.String).str.replace(_FORMULA, "'${0}")).write_csv(target)
    else:
        frame.write_parquet(target)
    return target.getvalue()


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _flat(value: object) -> object:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value
