"""Which engine a command talks to.

The settings where they say so, else the run that was started last on this machine.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Final

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.core.errors import BrokerUnavailableError
from streams.kafka.clients import admin_config
from streams.settings import BOOTSTRAP_VARIABLE, KafkaSettings, Settings, load_settings

ANSWER_TIMEOUT_S: Final = 5.0  # a broker across a network answers in well under a second

_VARIABLES: Final = (
    BOOTSTRAP_VARIABLE,
    "APSE_KAFKA__BOOTSTRAP",
    "APSE_KAFKA__SCOPE",
    "APSE_SETTINGS_FILE",
)
_REMEMBERED: Final = ("bootstrap", "scope", "username", "ssl_ca_location")


def _file() -> Path:
    return Path(tempfile.gettempdir()) / f"apse-{os.getuid()}" / "current.json"


def remember_run(kafka: KafkaSettings) -> None:
    """Make a run the one that other commands reach by default; its password is not kept."""
    path = _file()
    path.parent.mkdir(mode=0o700, exist_ok=True)
    told = {name: getattr(kafka, name) for name in _REMEMBERED}
    path.write_text(json.dumps(told | {"pid": os.getpid()}))


def forget_run() -> None:
    """Forget the run, if it is ours."""
    path = _file()
    if path.exists() and json.loads(path.read_text()).get("pid") == os.getpid():
        path.unlink()


def reachable_settings() -> Settings:
    """Return the settings; where nothing names a broker, that of the run started last."""
    settings = load_settings()
    path = _file()
    if any(name in os.environ for name in _VARIABLES) or not path.exists():
        return settings
    run = json.loads(path.read_text())
    told = {name: run[name] for name in _REMEMBERED}
    kafka = msgspec.structs.replace(settings.kafka, **told)
    return msgspec.structs.replace(settings, kafka=kafka)


def reachable_kafka() -> KafkaSettings:
    """Return where the engine's broker is, having heard it answer.

    Raises
    ------
    BrokerUnavailableError
        When it does not answer; the message says how to get one.
    """
    kafka = reachable_settings().kafka
    try:
        client = AdminClient(admin_config(kafka.bootstrap) | kafka.security())
        client.list_topics(timeout=ANSWER_TIMEOUT_S)
    except KafkaException as error:
        message = (
            f"no broker answers at {kafka.bootstrap}; start one with the engine by `apse up` or"
            f" `apse demo`, or name yours in {BOOTSTRAP_VARIABLE}"
        )
        raise BrokerUnavailableError(message) from error
    return kafka
