"""The API as a process beside an engine: which port, whether there is a page, opening it."""

import os
import socket
import sys
import threading
import time
import webbrowser
from pathlib import Path
from typing import Final

from streams.core.errors import ConfigError

API: Final = ("streams.api.service",)
"""The module that is run with ``python -m``, its settings in the environment."""
PAGE: Final = Path(__file__).parents[2] / "dashboard" / "dist"
HOST: Final = "127.0.0.1"
PORTS: Final = range(8080, 8100)
"""Those tried where none is asked for."""
ANSWER_TIMEOUT_S: Final = 30.0
_POLL_S: Final = 0.1


def choose_port(wanted: int | None) -> int:
    """Return the port to listen on: the one wanted, or the first free one.

    Raises
    ------
    ConfigError
        When the one wanted is taken, or all of those that are tried.
    """
    if wanted is not None and not _is_free(wanted):
        message = f"port {wanted} of {HOST} is taken; choose another"
        raise ConfigError(message)
    found = wanted if wanted is not None else next(filter(_is_free, PORTS), None)
    if found is None:
        message = f"ports {PORTS.start} to {PORTS.stop - 1} of {HOST} are taken; choose another"
        raise ConfigError(message)
    return found


def environment_of(port: int) -> dict[str, str]:
    """Return the settings of an API process that listens to this machine alone."""
    return {"APSE_API__HOST": HOST, "APSE_API__PORT": str(port)}


def url_of(port: int) -> str:
    """Return where the page is, and the API under it."""
    return f"http://{HOST}:{port}/"


def words_of(port: int) -> str:
    """Return a line that tells where it is served, and what is missing."""
    if (PAGE / "index.html").is_file():
        return f"dashboard and API: {url_of(port)}"
    missing = "the dashboard is not built: `make setup` does, with Node.js 20.19 or later"
    return f"API: {url_of(port)} ({missing})"


def open_browser(port: int) -> None:
    """Show the page once it answers, where there is a screen and a page; returns at once."""
    has_screen = sys.platform != "linux" or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if has_screen and PAGE.is_dir():
        threading.Thread(target=_open, args=(port,), name="browser", daemon=True).start()


def _open(port: int) -> None:
    if answers(port, ANSWER_TIMEOUT_S):
        webbrowser.open(url_of(port))


def answers(port: int, timeout_s: float) -> bool:
    """Wait until somebody listens on a port of this machine; tell whether that came to be."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        try:
            socket.create_connection((HOST, port), timeout=_POLL_S).close()
        except OSError:
            time.sleep(_POLL_S)
        else:
            return True
    return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
