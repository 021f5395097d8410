"""Choose a Kafka broker, and start one if none is given.

Order: ``KAFKA_BOOTSTRAP_SERVERS`` if set, else a container if a Docker engine answers, else Apache
Kafka's own jars if Java is there. When every road fails the error says why each did, and the caller
goes on with the in-process runtime, saying so.
"""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Self

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.core.errors import BrokerUnavailableError
from streams.kafka.clients import admin_config
from streams.kafka.jars import HEAP_MB_DEFAULT, KAFKA_VERSION, JarServer, find_jars
from streams.settings import BOOTSTRAP_VARIABLE, KafkaSettings, load_settings

BrokerKind = Literal["external", "docker", "jars"]

EXTERNAL_TIMEOUT_S = 10.0  # a broker across a network answers metadata in well under a second
DOCKER_HOST_DEFAULT = "unix:///var/run/docker.sock"
DOCKER_PING_TIMEOUT_S = 3
DOCKER_START_TIMEOUT_S = 90  # the first start also pulls the image
DOCKER_IMAGE = "confluentinc/cp-kafka:8.1.0"  # carries Apache Kafka 4.1
DOCKER_SETTINGS = {
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_MESSAGE_MAX_BYTES": "33554432",
    "KAFKA_REPLICA_FETCH_MAX_BYTES": "33554432",
    "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_DEFAULT_REPLICATION_FACTOR": "1",
}


class Broker:
    """A broker to talk to; as a context manager it ends what was started for it.

    Attributes
    ----------
    bootstrap
        ``host:port[,host:port]`` for clients.
    kind
        ``external``, ``docker`` or ``jars``.
    note
        One sentence for people: which broker this is, and why.
    """

    def __init__(
        self,
        *,
        bootstrap: str,
        kind: BrokerKind,
        note: str,
        server: JarServer | None = None,
        close: Callable[[], None] | None = None,
        login: KafkaSettings | None = None,
    ) -> None:
        self._login = KafkaSettings() if login is None else login
        self.bootstrap = bootstrap
        self.kind = kind
        self.note = note
        self._server = server
        self._close = close

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def settings(self, scope: str) -> KafkaSettings:
        """Return how the clients of a run reach this broker, with the login that it asks for."""
        return msgspec.structs.replace(self._login, bootstrap=self.bootstrap, scope=scope)

    def stop(self) -> None:
        """End the broker if it was started here, and remove its data if its place was made here."""
        close, self._close = self._close, None
        if close is not None:
            close()

    def kill(self) -> None:
        """End the broker process at once; its data stays for :meth:`restart` (own jars only)."""
        self._owned().kill()

    def pause(self) -> None:
        """Freeze the broker process (own jars only)."""
        self._owned().pause()

    def resume(self) -> None:
        """Let a frozen broker process go on (own jars only)."""
        self._owned().resume()

    def restart(self) -> None:
        """Stop if it runs, then start on the same port and data; returns when it answers."""
        server = self._owned()
        server.stop()
        server.start()

    @property
    def log_path(self) -> Path | None:
        """The log of a broker run from jars."""
        return None if self._server is None else self._server.log_path

    @property
    def pid(self) -> int | None:
        """Process id of a running broker that was started from jars."""
        return None if self._server is None else self._server.pid

    def _owned(self) -> JarServer:
        assert self._server is not None, f"a {self.kind} broker's process is not ours to control"
        return self._server


def resolve_broker(
    *,
    environment: Mapping[str, str] | None = None,
    root: Path | None = None,
    data_dir: Path | None = None,
    heap_mb: int = HEAP_MB_DEFAULT,
) -> Broker:
    """Return the first broker that can be had: the given one, a container, or local jars.

    A broker named by the environment that does not answer is an error: falling through to another
    one would leave its owner waiting for data that went elsewhere.

    Parameters
    ----------
    environment
        Defaults to the process's own; the login of a broker that it names is in the settings.
    root
        The repository that holds ``deploy/kafka``; defaults to the one this file is in.
    data_dir
        Where a jar broker keeps its data; by default a fresh place, removed at the end.
    heap_mb
        Largest heap of a jar broker.

    Raises
    ------
    BrokerUnavailableError
        Saying for each road why it is closed.
    ConfigError
        Where the settings cannot be used.
    """
    env = os.environ if environment is None else environment
    given = env.get(BOOTSTRAP_VARIABLE, "").strip()
    if given:
        return _external(given, load_settings(env).kafka)
    reasons = [f"{BOOTSTRAP_VARIABLE} is not set"]
    try:
        return _docker(env)
    except BrokerUnavailableError as error:
        reasons.append(f"Docker: {error}")
    try:
        return _jars(root or Path(__file__).parents[2], env, data_dir=data_dir, heap_mb=heap_mb)
    except BrokerUnavailableError as error:
        reasons.append(f"local jars: {error}")
    reason = "no Kafka broker can be had. " + "; ".join(reasons)
    raise BrokerUnavailableError(reason)


def _external(bootstrap: str, login: KafkaSettings) -> Broker:
    try:
        client = AdminClient(admin_config(bootstrap) | login.security())
        nodes = len(client.list_topics(timeout=EXTERNAL_TIMEOUT_S).brokers)
    except KafkaException as error:
        reason = (
            f"{BOOTSTRAP_VARIABLE}={bootstrap} does not answer within {EXTERNAL_TIMEOUT_S:.0f} s"
            f" ({error.args[0].str()}); unset it to let a local broker be started"
        )
        raise BrokerUnavailableError(reason) from error
    note = f"Kafka at {bootstrap} ({BOOTSTRAP_VARIABLE}), {nodes} node(s)"
    return Broker(bootstrap=bootstrap, kind="external", note=note, login=login)


def docker_refusal(environment: Mapping[str, str]) -> str | None:
    """Say why no container can be started, or None when a Docker engine answers."""
    refusal = _socket_refusal(environment.get("DOCKER_HOST", DOCKER_HOST_DEFAULT))
    if refusal is not None:
        return f"no engine answers ({refusal})"
    try:
        import docker  # type: ignore[import-untyped]  # noqa: PLC0415  # heavy, seldom needed
    except ImportError as error:
        return f"the client library is missing ({error})"
    try:
        client = docker.from_env(timeout=DOCKER_PING_TIMEOUT_S, environment=environment)
        client.ping()
        client.close()
    except (docker.errors.DockerException, OSError) as error:
        return f"no engine answers ({_root_cause(error)})"
    return None


# The client library leaves a refused unix socket open, so the usual refusal is found without it.
def _socket_refusal(host: str) -> str | None:
    scheme, _, path = host.partition("://")
    if scheme != "unix":
        return None
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(DOCKER_PING_TIMEOUT_S)
        try:
            probe.connect(path)
        except OSError as error:
            return f"{path}: {error.strerror}"
    return None


# Docker's client wraps a socket error three times; only the innermost sentence means something.
def _root_cause(error: BaseException) -> str:
    while error.__context__ is not None:
        error = error.__context__
    return str(error)


def _docker(environment: Mapping[str, str]) -> Broker:
    refusal = docker_refusal(environment)
    if refusal is not None:
        raise BrokerUnavailableError(refusal)
    try:
        from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415  # as above
    except ImportError as error:
        reason = f"testcontainers is missing ({error})"
        raise BrokerUnavailableError(reason) from error
    container = KafkaContainer(DOCKER_IMAGE).with_kraft()
    for name, value in DOCKER_SETTINGS.items():
        container.with_env(name, value)
    try:
        container.start(timeout=DOCKER_START_TIMEOUT_S)
    except Exception as error:  # the engine, the registry and the wait raise unrelated types
        container.stop()
        reason = f"the container did not start ({error})"
        raise BrokerUnavailableError(reason) from error
    note = f"Kafka in a container ({DOCKER_IMAGE})"
    return Broker(
        bootstrap=container.get_bootstrap_server(), kind="docker", note=note, close=container.stop
    )


def _jars(
    root: Path, environment: Mapping[str, str], *, data_dir: Path | None, heap_mb: int
) -> Broker:
    home = find_jars(root, environment)
    server = JarServer(home, data_dir=data_dir, heap_mb=heap_mb)
    try:
        server.start()
    except BaseException:
        server.discard()
        raise
    note = f"Apache Kafka {KAFKA_VERSION} from local jars at {server.bootstrap}"
    return Broker(
        bootstrap=server.bootstrap, kind="jars", note=note, server=server, close=server.discard
    )
