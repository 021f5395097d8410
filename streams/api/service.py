"""``python -m streams.api.service``: the API as a process."""

import sys

import structlog
import uvicorn

from streams.api.app import build_app
from streams.core.errors import ConfigError
from streams.observe.log import configure_logging
from streams.settings import load_settings

EXIT_INPUT = 2
GRACE_S = 2  # for answers under way; listeners are told at once


def run() -> int:
    """Serve until told to end; return the process's exit code."""
    settings = load_settings()
    configure_logging(settings.log, process="api")
    log = structlog.get_logger()
    api = settings.api
    try:
        app = build_app(settings)
    except ConfigError as error:
        sys.stderr.write(f"apse: {error}\n")
        return EXIT_INPUT
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
    return 0


if __name__ == "__main__":
    sys.exit(run())
