"""What works on this machine and on this broker, and how to mend what does not."""

import os
import shutil
import sys
from pathlib import Path
from typing import Literal

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas.topics import TOPICS
from streams.core.errors import BrokerUnavailableError
from streams.kafka.broker import docker_refusal
from streams.kafka.clients import admin_config
from streams.kafka.jars import find_jars
from streams.settings import Settings

METADATA_TIMEOUT_S = 3.0
PYTHON_LEAST = (3, 11)


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    what: str
    status: Literal["ok", "warn", "bad"]
    detail: str


def examine(settings: Settings) -> list[Finding]:
    """Look at everything; nothing is started or changed."""
    return [_python(), _kcat(), _docker(), _jars(), *_broker(settings)]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", "ok" if sys.version_info >= PYTHON_LEAST else "bad", version)


def _kcat() -> Finding:
    found = shutil.which("kcat")
    return Finding(
        "kcat", "ok" if found else "warn", found or "not here; only the examples by hand need it"
    )


def _docker() -> Finding:
    refusal = docker_refusal(os.environ)
    return Finding("Docker", "warn" if refusal else "ok", refusal or "an engine answers")


def _jars() -> Finding:
    try:
        home = find_jars(Path(__file__).parents[2], os.environ)
    except BrokerUnavailableError as error:
        return Finding("local broker", "warn", str(error))
    return Finding("local broker", "ok", str(home.lib))


def _broker(settings: Settings) -> list[Finding]:
    kafka = settings.kafka
    client = AdminClient(admin_config(kafka.bootstrap) | kafka.security())
    try:
        found = client.list_topics(timeout=METADATA_TIMEOUT_S).topics
    except KafkaException as error:
        reason = error.args[0].str() if error.args else str(error)
        detail = (
            f"{kafka.bootstrap} does not answer ({reason}); `apse up` or `apse demo` starts one"
        )
        return [Finding("broker", "warn", detail)]
    missing = [topic.name for topic in TOPICS if kafka.scope + topic.name not in found]
    topics = Finding(
        "topics",
        "bad" if missing else "ok",
        f"missing: {', '.join(missing)}; `apse topics --create` makes them"
        if missing
        else f"all {len(TOPICS)}, scope {kafka.scope!r}",
    )
    return [Finding("broker", "ok", kafka.bootstrap), topics]
