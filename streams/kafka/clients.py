"""Every librdkafka setting in one place, one function for each kind of client."""

from typing import Any, Final

ClientConfig = dict[str, Any]

LOG_LEVEL: Final = 3  # errors; connections that come and go, and "experimental", are not news

# The largest record: a covariance of N = 2000 as a float64 lower triangle is 16 MB; twice that.
RECORD_BYTES_MAX: Final = 33_554_432
# Worst answer to one fetch, plus room for its envelope.
RESPONSE_BYTES_MAX: Final = 100_000_000
SESSION_TIMEOUT_MS: Final = 6_000  # a killed worker is missed after this long
HEARTBEAT_MS: Final = 1_500  # a quarter of the session: three may be lost
POLL_INTERVAL_MAX_MS: Final = 300_000  # a fold that takes longer than this is stuck
DELIVERY_TIMEOUT_MS: Final = 30_000  # then the send has failed, and the writer exits


def producer_config(bootstrap: str, *, client_id: str, gapless: bool = False) -> ClientConfig:
    """Return the settings of an idempotent producer, partitioning by key as Java clients do.

    Parameters
    ----------
    bootstrap
        Where the broker is.
    client_id
        Name in the broker's logs and metrics.
    gapless
        Stop for good when a record is lost between others (journal writers: what follows a hole
        must not be appended).
    """
    return {
        "bootstrap.servers": bootstrap,
        "client.id": client_id,
        "log_level": LOG_LEVEL,
        "acks": "all",
        "enable.idempotence": True,
        "enable.gapless.guarantee": gapless,
        # librdkafka's own default hashes keys unlike every other client.
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "linger.ms": 5,
        "delivery.timeout.ms": DELIVERY_TIMEOUT_MS,
        "message.max.bytes": RECORD_BYTES_MAX,
    }


def group_consumer_config(
    bootstrap: str, *, group: str, client_id: str, instance_id: str | None = None
) -> ClientConfig:
    """Return the settings of a member of a consumer group that commits by hand.

    Parameters
    ----------
    bootstrap
        Where the broker is.
    group
        The group's id.
    client_id
        Name in the broker's logs and metrics.
    instance_id
        Static membership: a member that comes back under its id within the session gets its
        partitions again without a rebalance. None leaves the group on stop.
    """
    config = _reader_config(bootstrap, client_id=client_id) | {
        "group.id": group,
        "session.timeout.ms": SESSION_TIMEOUT_MS,
        "heartbeat.interval.ms": HEARTBEAT_MS,
        "max.poll.interval.ms": POLL_INTERVAL_MAX_MS,
        "partition.assignment.strategy": "range",
    }
    if instance_id is not None:
        config["group.instance.id"] = instance_id
    return config


def reader_config(bootstrap: str, *, client_id: str) -> ClientConfig:
    """Return the settings of a reader of partitions it names itself, told when it reaches an end.

    No group is joined and nothing is committed; librdkafka wants a group id all the same.
    """
    return _reader_config(bootstrap, client_id=client_id) | {
        "group.id": client_id,
        "enable.partition.eof": True,
    }


def admin_config(bootstrap: str, *, client_id: str = "apse-admin") -> ClientConfig:
    """Return the settings of the administration client; its errors are raised, not printed."""
    return {"bootstrap.servers": bootstrap, "client.id": client_id, "log_level": 0}


def _reader_config(bootstrap: str, *, client_id: str) -> ClientConfig:
    return {
        "bootstrap.servers": bootstrap,
        "client.id": client_id,
        "log_level": LOG_LEVEL,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        # A partition's share of one answer; a larger single record still comes.
        "fetch.message.max.bytes": 4_194_304,
        "fetch.max.bytes": 67_108_864,
        "receive.message.max.bytes": RESPONSE_BYTES_MAX,
        "queued.max.messages.kbytes": 65_536,
        "fetch.wait.max.ms": 100,
        # The pause after 100 000 messages wait to be taken; the default of a second idles us.
        "fetch.queue.backoff.ms": 10,
    }
