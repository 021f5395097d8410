"""Logging: events with fields, one line each, on standard error."""

import logging
import sys
from typing import cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from schemas.units import format_instant
from streams.observe.clock import now_ns
from streams.settings import LogSettings


def configure_logging(settings: LogSettings, *, process: str) -> None:
    """Set structured logging up for this process.

    Parameters
    ----------
    settings
        Format and least level.
    process
        Name of the process, a field of every line.
    """

    def stamp(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {"at": format_instant(now_ns()), "process": process, **event}

    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        stamp,
    ]
    if settings.format == "json":
        chain += [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    else:
        chain.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="at"))
    structlog.configure(
        processors=chain,
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def get_logger(component: str) -> FilteringBoundLogger:
    """Return a logger whose lines carry the component's name."""
    return cast("FilteringBoundLogger", structlog.get_logger(component=component))
