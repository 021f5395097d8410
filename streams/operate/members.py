"""Who belongs to which portfolio, as the registry topic has it."""

from collections.abc import Iterable

from schemas.policy import Bar
from schemas.topics import REGISTRY
from streams.core.errors import ConfigError
from streams.ingest.arrivals import Arrival, decode
from streams.ingest.registry import Registry
from streams.operate.read import Reader
from streams.settings import KafkaSettings


def read_registry(kafka: KafkaSettings) -> Registry:
    """Return the registry as of the present end of its topic."""
    registry = Registry()
    with Reader(kafka, (REGISTRY,)) as reader:
        for record in reader.to_end():
            place = (record.topic, record.partition, record.offset)
            batch = decode([Arrival(*place, record.key, record.value)])
            for arrival, event in batch.registered:
                registry.apply(arrival.position, event)
    return registry


def bar_of(registry: Registry, names: Iterable[str], portfolio: str | None) -> Bar | None:
    """Return the bar of the portfolio, or of all portfolios these strategies are in.

    None where they are in no portfolio.

    Raises
    ------
    ConfigError
        When the portfolio is not registered, or several bars are in question.
    """
    if portfolio is not None:
        if portfolio not in registry.portfolios:
            known = ", ".join(sorted(registry.portfolios)) or "none"
            message = (
                f"portfolio {portfolio!r} is not registered (registered: {known});"
                " `apse up --portfolio FILE` registers one"
            )
            raise ConfigError(message)
        return registry.portfolios[portfolio].policy.bar
    found = sorted({bar for name in names for bar in registry.bars_of(name)})
    if len(found) > 1:
        message = f"the strategies' portfolios have bars of {', '.join(found)}: say --bar"
        raise ConfigError(message)
    return found[0] if found else None
