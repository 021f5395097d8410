"""One frozen tree of settings, from an optional file and the environment; typos are refused.

A variable is ``APSE_`` and the path of a key with ``__`` between its parts, such as
``APSE_INGEST__POLL_ROWS=5000``. The file is YAML with one mapping a section, named by the caller or
by ``APSE_SETTINGS_FILE``. The environment wins over the file, and ``KAFKA_BOOTSTRAP_SERVERS``
stands in for ``APSE_KAFKA__BOOTSTRAP`` where that is not set.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import yaml
from msgspec import Meta

from streams.core.errors import ConfigError

PREFIX: Final = "APSE_"
FILE_VARIABLE: Final = "APSE_SETTINGS_FILE"
BOOTSTRAP_VARIABLE: Final = "KAFKA_BOOTSTRAP_SERVERS"
RESERVED: Final = frozenset(
    {FILE_VARIABLE, "APSE_PYTHON", "APSE_TEST_PROFILE", "APSE_CRASH_AT", "APSE_SEED"}
)
"""Variables of the project that are no settings: set-up, tests, planned crashes."""

PositiveInt = Annotated[int, Meta(ge=1)]


class Secret(str):
    """Text that does not show itself when printed; :meth:`reveal` is for the client."""

    __slots__ = ()

    def __repr__(self) -> str:  # type: ignore[explicit-override]  # a decorator of Python 3.12
        return "'***'"

    def __str__(self) -> str:  # type: ignore[explicit-override]  # a decorator of Python 3.12
        return "***"

    def __format__(self, spec: str) -> str:  # type: ignore[explicit-override]  # of Python 3.12
        return format("***", spec)

    def reveal(self) -> str:
        """Return the text itself."""
        return str.__str__(self)


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the broker is, and which of its topics are ours.

    Attributes
    ----------
    bootstrap
        ``host:port[,host:port]``.
    scope
        Put before every topic and group: keeps runs on one broker apart.
    username, password
        SCRAM-SHA-512 over TLS where a user is named. Empty is nobody.
    ssl_ca_location
        File of the authorities (PEM) that the broker's certificate is checked against; without a
        user it makes the line TLS alone. Empty: those of the system, and plaintext without a user.
    """

    bootstrap: str = "127.0.0.1:9092"
    scope: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{0,64}$")] = ""
    username: str | None = None
    password: Secret | None = None
    ssl_ca_location: str = ""

    def security(self) -> dict[str, str]:
        """Return the librdkafka settings that log a client in; empty for a plaintext broker."""
        trusted = {"ssl.ca.location": self.ssl_ca_location} if self.ssl_ca_location else {}
        if not self.username:
            return {"security.protocol": "ssl", **trusted} if trusted else {}
        return {
            **trusted,
            "security.protocol": "sasl_ssl",
            "sasl.mechanisms": "SCRAM-SHA-512",
            "sasl.username": self.username,
            "sasl.password": "" if self.password is None else self.password.reveal(),
        }

    def environment(self) -> dict[str, str]:
        """Return the variables that lead a child process to the same topics, logged in alike.

        The password is no part of them: a child has it where this process has it from.
        """
        told = {
            "bootstrap": self.bootstrap,
            "scope": self.scope,
            "username": self.username or "",
            "ssl_ca_location": self.ssl_ca_location,
        }
        return {f"{PREFIX}KAFKA__{key}".upper(): value for key, value in told.items()}


class IngestSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The way from the source topics into the journal.

    Attributes
    ----------
    poll_rows
        Most records taken in one poll.
    allowance_bars
        Bars a strategy may be behind its co-members before it can be released.
    silence_ms
        Wall time a strategy that is behind must be silent before it is released.
    tick_interval_ms
        Distance of wall-clock ticks, for portfolios whose clock is ``wall``.
    publish_timeout_ms
        A poll's appends must be acknowledged within this time, else the process exits.
    walk_lag_bars_max
        Closed bars of a shard that may wait for the optimizer: above it returns are not read, and
        from half of it on they are again.
    instance
        Static membership: an ingest restarted under the same name gets its partitions back at
        once. Two that run at the same time need two names; None is no name.
    """

    poll_rows: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    allowance_bars: PositiveInt = 2
    silence_ms: PositiveInt = 2_000
    tick_interval_ms: PositiveInt = 1_000
    publish_timeout_ms: PositiveInt = 35_000
    walk_lag_bars_max: PositiveInt = 10_000
    instance: str | None = None


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fold over the journal.

    Attributes
    ----------
    shards
        Partitions of the journal; portfolios name theirs.
    checkpoint_interval_ms
        Distance of checkpoints.
    nudge_after_ms
        Wait for an optimizer's answer before the request is re-issued.
    instance
        Static membership of a portfolio worker; None is no name.
    """

    shards: Annotated[int, Meta(ge=1, le=1_000)] = 12
    checkpoint_interval_ms: PositiveInt = 3_000
    nudge_after_ms: PositiveInt = 5_000
    instance: str | None = None


class OptimizerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The stateless solvers.

    Attributes
    ----------
    processes
        Size of the pool.
    deadline_ms
        Time a live solve may take.
    memory_max_mb
        What a solving process may hold; one that holds more is replaced. 0 is no bound.
    instance
        Static membership of an optimizer worker; None is no name.
    """

    processes: Annotated[int, Meta(ge=1, le=64)] = 1
    deadline_ms: PositiveInt = 5_000
    memory_max_mb: Annotated[int, Meta(ge=0, le=1_000_000)] = 2_048
    instance: str | None = None


class LogSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the processes say.

    Attributes
    ----------
    format
        ``json`` for machines, ``console`` for people.
    level
        Least level that is written.
    """

    format: Literal["json", "console"] = "console"
    level: Literal["debug", "info", "warning", "error"] = "info"


class MetricsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a process shows its Prometheus metrics.

    Attributes
    ----------
    host
        Address that is listened on.
    port
        0 is off. Under ``apse up`` the engine's processes take this port and the next ones.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 0


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The HTTP API and the views that it reads.

    Attributes
    ----------
    host, port
        Where it listens; anything but loopback needs ``tokens``.
    store
        ``redis://HOST:PORT/N``, a file, or empty for one that ends with the process.
    tokens
        File of tokens, made by ``apse token``; none on loopback leaves the API open.
    default_portfolio
        Answered about where a request names none; None is the first by name.
    requests_per_s
        Most requests a second of one address, with bursts of two seconds' worth.
    page
        Folder of the built dashboard; empty for the one of this checkout.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    store: str = ""
    tokens: str | None = None
    default_portfolio: str | None = None
    requests_per_s: Annotated[float, Meta(gt=0.0)] = 1_000.0
    page: str = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole tree."""

    kafka: KafkaSettings = KafkaSettings()
    ingest: IngestSettings = IngestSettings()
    engine: EngineSettings = EngineSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    api: ApiSettings = ApiSettings()


def load_settings(
    environment: Mapping[str, str] | None = None, file: Path | None = None
) -> Settings:
    """Return the settings of this process.

    Parameters
    ----------
    environment
        Defaults to the process's own.
    file
        A YAML file; defaults to the one ``APSE_SETTINGS_FILE`` names, if any.

    Raises
    ------
    ConfigError
        For an unknown key, naming the nearest one, and for a value of the wrong type or range.

    Examples
    --------
    >>> load_settings({"APSE_INGEST__POLL_ROWS": "50"}).ingest.poll_rows
    50
    >>> load_settings({"APSE_ENGINE__SHARD": "5"})
    Traceback (most recent call last):
    ...
    streams.core.errors.ConfigError: unknown setting APSE_ENGINE__SHARD; did you mean
    APSE_ENGINE__SHARDS?
    """
    env = os.environ if environment is None else environment
    named = env.get(FILE_VARIABLE)
    place = file if file is not None or named is None else Path(named)
    tree = {} if place is None else _read_file(place)
    if env.get(BOOTSTRAP_VARIABLE, "").strip():
        tree.setdefault("kafka", {})["bootstrap"] = env[BOOTSTRAP_VARIABLE].strip()
    for variable, (section, key) in _variables(env).items():
        tree.setdefault(section, {})[key] = env[variable]
    try:
        settings = msgspec.convert(tree, Settings, strict=False, dec_hook=_decode_secret)
    except msgspec.ValidationError as error:
        raise ConfigError(_readable(error, tree)) from error
    authorities = settings.kafka.ssl_ca_location
    if authorities and not Path(authorities).is_file():
        message = f"kafka.ssl_ca_location: there is no file {authorities!r}"
        raise ConfigError(message)
    return settings


def _keys() -> dict[str, tuple[str, str]]:
    """Return every setting, from its variable to its section and key."""
    return {
        f"{PREFIX}{section.name}__{key.name}".upper(): (section.name, key.name)
        for section in msgspec.structs.fields(Settings)
        for key in msgspec.structs.fields(section.type)
    }


def _variables(environment: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    known = _keys()
    given = {name for name in environment if name.startswith(PREFIX)} - RESERVED
    for name in sorted(given - set(known)):
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
        message = f"unknown setting {name}; did you mean {near}?"
        raise ConfigError(message)
    return {name: known[name] for name in sorted(given)}


def _read_file(place: Path) -> dict[str, dict[str, Any]]:
    try:
        document = yaml.safe_load(place.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        message = f"settings file {place} cannot be read: {error}"
        raise ConfigError(message) from error
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(v, dict) for v in document.values()):
        message = f"settings file {place} must be a mapping of sections, each a mapping of keys"
        raise ConfigError(message)
    known = {f"{section}.{key}" for section, key in _keys().values()}
    for section, content in document.items():
        for key in content:
            if f"{section}.{key}" not in known:
                near = difflib.get_close_matches(f"{section}.{key}", known, n=1, cutoff=0.0)[0]
                message = f"unknown setting {section}.{key} in {place}; did you mean {near}?"
                raise ConfigError(message)
    return document


def _decode_secret(kind: type, value: object) -> object:
    assert kind is Secret
    if not isinstance(value, str):
        message = f"Expected `str`, got `{type(value).__name__}`"
        raise TypeError(message)
    return Secret(value)


def _readable(error: msgspec.ValidationError, tree: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the error with the variable and the value found; a secret's value stays out."""
    text, _, place = str(error).partition(" - at `$.")
    section, _, key = place.rstrip("`").partition(".")
    variable = f"{PREFIX}{section}__{key}".upper()
    if key == "password":
        return f"{variable}: {text}"
    return f"{variable}: {text}, got {tree[section][key]!r}"
