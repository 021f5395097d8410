"""The application and its exit codes."""

import os
import sys

import typer
from confluent_kafka import KafkaException

from schemas.policy import PolicyError
from streams.cli import estimate, frontier, letters, live, offline, report, serve, steer
from streams.core.errors import ApseError, BrokerUnavailableError
from streams.operate.console import EXIT_INPUT, EXIT_UNAVAILABLE, fail

EPILOG = """Exit codes: 0 done; 1 a fault of the program; 2 bad arguments, file or input; 3 no
weights satisfy the limits; 4 no broker could be had, or it does not answer; 5 the optimizer or a
check failed."""

app = typer.Typer(
    name="apse",
    help="Adaptive Portfolio of Strategies Engine: estimates, decisions and commands on Kafka.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
estimate.register(app)
offline.register(app)
frontier.register(app)
report.register(app)
live.register(app)
steer.register(app)
serve.register(app)
letters.register(app)


def main() -> None:
    """Run the command; a deliberate error becomes one sentence and an exit code."""
    try:
        app()
    except BrokerUnavailableError as error:
        fail(str(error), EXIT_UNAVAILABLE)
    except KafkaException as error:
        fail(f"Kafka: {error.args[0].str()}", EXIT_UNAVAILABLE)
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more to flush to
        sys.exit(0)
    except (ApseError, PolicyError, OSError) as error:
        fail(str(error), EXIT_INPUT)
