"""Create the topics a table asks for, check those that exist, and remove a run's own scope."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, missing from __all__
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from streams.core.errors import TopicMismatchError
from streams.kafka.clients import ClientConfig, admin_config

REQUEST_TIMEOUT_S = 20.0
VISIBLE_TIMEOUT_S = 20.0  # metadata follows a creation within a second
BROKER_DEFAULT_REPLICATION = -1
# With another policy a checkpoint would expire, or a journal lose records: never acceptable.
BINDING_CONFIGS = frozenset({"cleanup.policy"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """What a topic must be; ``config`` holds the broker's own setting names and values."""

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicsReport:
    """What :func:`ensure_topics` did: names in the order of the specs, differences as sentences."""

    created: tuple[str, ...]
    existing: tuple[str, ...]
    differences: tuple[str, ...]


def ensure_topics(
    bootstrap: str,
    specs: Iterable[TopicSpec],
    prefix: str = "",
    security: ClientConfig | None = None,
) -> TopicsReport:
    """Create the topics that are missing and check those that exist.

    Settings that differ are reported, not altered: retention belongs to those who run the broker.

    Parameters
    ----------
    bootstrap
        Where the broker is.
    specs
        The table of topics.
    prefix
        Put before every name: the scope of one run on a shared broker.
    security
        What logs a client in (:meth:`streams.settings.KafkaSettings.security`); none by default.

    Raises
    ------
    TopicMismatchError
        A topic exists with another number of partitions, or with another cleanup policy.
    """
    client = AdminClient(admin_config(bootstrap) | (security or {}))
    wanted = {prefix + spec.name: spec for spec in specs}
    found = client.list_topics(timeout=REQUEST_TIMEOUT_S).topics
    existing = tuple(name for name in wanted if name in found)
    for name in existing:
        _check_partitions(name, len(found[name].partitions), wanted[name].partitions)
    differences = _differences(client, {name: wanted[name] for name in existing})
    missing = {name: spec for name, spec in wanted.items() if name not in found}
    created = _create(client, missing)
    _wait_visible(client, wanted)
    return TopicsReport(created=created, existing=existing, differences=differences)


def delete_scope(
    bootstrap: str, prefix: str, security: ClientConfig | None = None
) -> tuple[str, ...]:
    """Delete every topic, and every idle consumer group, whose name starts with ``prefix``.

    ``security`` is what logs a client in, as in :func:`ensure_topics`.

    Returns
    -------
    tuple of str
        The topics deleted, sorted.
    """
    assert prefix, "an empty prefix would delete every topic of the broker"
    client = AdminClient(admin_config(bootstrap) | (security or {}))
    names = _names(client, prefix)
    if names:
        deleting = client.delete_topics(names, operation_timeout=REQUEST_TIMEOUT_S)
        for name in names:
            _settle(deleting[name], forgiven=KafkaError.UNKNOWN_TOPIC_OR_PART)
    listed = client.list_consumer_groups(request_timeout=REQUEST_TIMEOUT_S).result()
    groups = [group.group_id for group in listed.valid if group.group_id.startswith(prefix)]
    if groups:
        for future in client.delete_consumer_groups(groups).values():
            # A member that still leaves holds its group; the name is never used again.
            _settle(future, forgiven=KafkaError.NON_EMPTY_GROUP)
    end = time.monotonic() + VISIBLE_TIMEOUT_S
    while _names(client, prefix) and time.monotonic() < end:
        time.sleep(0.05)
    return tuple(names)


def _names(client: AdminClient, prefix: str) -> list[str]:
    topics = client.list_topics(timeout=REQUEST_TIMEOUT_S).topics
    return sorted(name for name in topics if name.startswith(prefix))


def _check_partitions(name: str, found: int, wanted: int) -> None:
    if found != wanted:
        reason = (
            f"topic {name} has {found} partitions, {wanted} expected; keys would move between"
            " partitions, so it is never altered in place: use another prefix or migrate it"
        )
        raise TopicMismatchError(reason)


def _differences(client: AdminClient, existing: Mapping[str, TopicSpec]) -> tuple[str, ...]:
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in existing]
    if not resources:
        return ()
    told = client.describe_configs(resources, request_timeout=REQUEST_TIMEOUT_S)
    sentences = []
    for resource, future in told.items():
        actual = future.result(REQUEST_TIMEOUT_S)
        for key, wanted in existing[resource.name].config.items():
            found = actual[key].value if key in actual else None
            if found == wanted:
                continue
            sentence = f"topic {resource.name} has {key}={found}, {wanted} expected"
            if key in BINDING_CONFIGS:
                raise TopicMismatchError(sentence)
            sentences.append(sentence)
    return tuple(sorted(sentences))


def _create(client: AdminClient, missing: Mapping[str, TopicSpec]) -> tuple[str, ...]:
    if not missing:
        return ()
    new = [
        NewTopic(
            name,
            num_partitions=spec.partitions,
            replication_factor=BROKER_DEFAULT_REPLICATION,
            config=dict(spec.config),
        )
        for name, spec in missing.items()
    ]
    creating = client.create_topics(new, operation_timeout=REQUEST_TIMEOUT_S)
    # Another process of the system may start at the same moment; what it made is checked after.
    for future in creating.values():
        _settle(future, forgiven=KafkaError.TOPIC_ALREADY_EXISTS)
    return tuple(missing)


def _settle(future: object, *, forgiven: int) -> None:
    try:
        future.result(REQUEST_TIMEOUT_S)  # type: ignore[attr-defined]  # futures are untyped
    except KafkaException as error:
        if error.args[0].code() != forgiven:
            raise


def _wait_visible(client: AdminClient, wanted: Mapping[str, TopicSpec]) -> None:
    if not wanted:
        return
    names = TopicCollection(list(wanted))
    end = time.monotonic() + VISIBLE_TIMEOUT_S
    behind = list(wanted)
    while time.monotonic() < end:
        behind = []
        for name, future in client.describe_topics(names).items():
            try:
                described = future.result(REQUEST_TIMEOUT_S)
            except KafkaException:
                behind.append(name)
                continue
            _check_partitions(name, len(described.partitions), wanted[name].partitions)
            if any(partition.leader is None for partition in described.partitions):
                behind.append(name)
        if not behind:
            return
        time.sleep(0.05)
    reason = f"topics {sorted(behind)} are not ready {VISIBLE_TIMEOUT_S:.0f} s after their creation"
    raise TopicMismatchError(reason)
