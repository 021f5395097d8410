"""The tree of deliberate errors: what outside data or the surroundings can do to us."""


class ApseError(Exception):
    """Root of every error raised on purpose; its message is written for the person who reads it."""


class DataError(ApseError):
    """A value that came from outside cannot be used; the message names it and what was expected."""


class ConfigError(ApseError):
    """A setting or a literal cannot be used; the message names it and what was expected."""


class ImageError(ApseError):
    """A saved state cannot be read, as one by another version of the engine; it says what lacks."""


class BrokerUnavailableError(ApseError):
    """No Kafka broker can be had; the message says for each road why it is closed."""


class TopicMismatchError(ApseError):
    """A topic exists, but not as the table of topics wants it."""


class DeliveryError(ApseError):
    """The broker did not acknowledge a record in time, or refused it."""


class CommandNotHeldError(ApseError):
    """An answer to a command that this executor does not hold, or holds no more."""
