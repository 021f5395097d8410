"""Alive and ready: two questions that a supervisor or a load balancer asks a process over HTTP.

``/livez`` says that the process runs. ``/readyz`` says 200 when it does its work now, and 503 with
one reason a line when it cannot: no broker, a fold that is still catching up, nothing assigned. Not
ready is no reason to end a process: it goes on by itself, or leaves by itself.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

Reasons = Callable[[], Sequence[str]]
"""Why a process is not ready, in words; nothing when it is."""

ALIVE: Final = "/livez"
READY: Final = "/readyz"


def all_of(*asked: Reasons) -> Reasons:
    """Return the reasons of several: a process is ready when all of them say so."""
    return lambda: [reason for reasons in asked for reason in reasons()]


def serve_probes(
    host: str, port: int, registry: CollectorRegistry, not_ready: Reasons
) -> WSGIServer:
    """Answer the probes, and any other path with the metrics, from a thread of their own.

    Raises
    ------
    OSError
        When the port cannot be had.
    """
    metrics: WSGIApplication = make_wsgi_app(registry)

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path not in (ALIVE, READY):
            return metrics(environ, start_response)
        reasons = not_ready() if path == READY else ()
        status = "503 Service Unavailable" if reasons else "200 OK"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return ["\n".join([*(reasons or ["ok"]), ""]).encode()]

    server = make_server(host, port, answer, _Server, _Quiet)
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()
    return server


class _Server(ThreadingMixIn, WSGIServer):
    """One that hangs must not keep the others waiting, or the process from its end."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(  # type: ignore[explicit-override]  # a decorator of Python 3.12
        self,
        format: str,  # noqa: A002  # its given name
        *args: object,
    ) -> None:
        """Say nothing: a scrape every few seconds is no news."""
