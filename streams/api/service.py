"""``python -m streams.api.service``: the API as a process."""

import sys

import structlog
import uvicorn

from streams.api.app import build_app
from streams.core.errors import ConfigError
from streams.observe.log import configure_logging
from streams.settings import Settings, load_settings

EXIT_INPUT = 2
SWITCH_S = 0.001  # a thread that builds an answer lets others go on five times as soon
GRACE_S = 2  # for answers under way; listeners are told at once


def run() -> int:
    """Serve until told to end; return the process's exit code."""
    settings = load_settings()
    configure_logging(settings.log, process="api")
    try:
        serve(settings)
    except ConfigError as error:
        sys.stderr.write(f"apse: {error}\n")
        return EXIT_INPUT
    return 0


def serve(settings: Settings) -> None:
    """Serve until told to end.

    Raises
    ------
    ConfigError
        When the settings cannot be served under.
    """
    sys.setswitchinterval(SWITCH_S)
    app = build_app(settings)
    api = settings.api
    log = structlog.get_logger()
    if api.tokens is None:
        log.warning("api_open", reason="no tokens: whoever is on this machine may do everything")
    log.info("api_serving", url=f"http://{api.host}:{api.port}/")
    uvicorn.run(
        app,
        host=api.host,
        port=api.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )


if __name__ == "__main__":
    sys.exit(run())
