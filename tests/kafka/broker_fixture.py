"""One real broker for a whole test session, and a scope of topics for each test on it."""

import itertools
import os
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient

from streams.kafka.admin import delete_scope
from streams.kafka.broker import Broker, resolve_broker
from streams.kafka.clients import admin_config

_scopes = itertools.count(1)


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """The broker DESIGN.md chooses; no broker is an error of the machine, not a reason to skip."""
    with resolve_broker() as found:
        yield found


@pytest.fixture
def scope(broker: Broker) -> Iterator[str]:
    """A prefix for topics and groups that nobody else uses; what bears it is deleted afterwards."""
    prefix = f"test-{os.getpid()}-{next(_scopes)}-"
    known = AdminClient(admin_config(broker.bootstrap)).list_topics(timeout=10.0).topics
    assert not any(name.startswith(prefix) for name in known)
    yield prefix
    delete_scope(broker.bootstrap, prefix)
