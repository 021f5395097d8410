"""Messages of a strategy, checked before they leave: a wrong value is an error here, at its source.

Pure: nothing is sent.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from numbers import Integral, Real
from typing import Any, Final, TypeVar

import msgspec

from schemas.codec import RefusedInputError, decode_registration, decode_return
from schemas.events import StrategyRegistration, StrategyReturn
from schemas.units import format_instant, parse_instant

Stamp = str | datetime | int
"""RFC 3339 text with a zone, an aware datetime, or nanoseconds since 1970 UTC."""

# Counts of seconds, milliseconds and microseconds of our days are below this; as nanoseconds it is
# April 1970.
NANOSECONDS_PLAUSIBLE: Final = 10**16

OPTIONAL_FIELDS: Final = tuple(
    field
    for field in StrategyReturn.__struct_fields__
    if field not in {"strategy_id", "period_end", "value", "status", "revision"}
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE: Final = re.compile(r"(.*?) - at `\$\.([a-z_]+)[^`]*`", re.DOTALL)
_Message = TypeVar("_Message", StrategyReturn, StrategyRegistration)


def instant_of(stamp: Stamp) -> str:
    """Return the RFC 3339 text of a stamp.

    Raises
    ------
    ValueError
        Naming the stamp and what was expected.

    Examples
    --------
    >>> instant_of(datetime(2024, 5, 31, 16, 0, tzinfo=UTC))
    '2024-05-31T16:00:00Z'
    >>> instant_of(1717185600000000000)
    '2024-05-31T20:00:00Z'
    """
    try:
        text = _text_of(stamp)
        parse_instant(text)  # within what 64 bits of nanoseconds hold
    except (ValueError, OverflowError) as error:
        message = f"period_end {stamp!r}: {error}"
        raise ValueError(message) from error
    return text


def _text_of(stamp: object) -> str:
    if isinstance(stamp, str):
        return stamp
    if isinstance(stamp, datetime):
        if stamp.tzinfo is None:
            text = "it has no zone, an aware datetime was expected"
            raise ValueError(text)
        return format_instant((stamp - _EPOCH) // timedelta(microseconds=1) * 1_000)
    if isinstance(stamp, bool) or not isinstance(stamp, int):
        text = "expected RFC 3339 text, an aware datetime or integer nanoseconds"
        raise ValueError(text)  # noqa: TRY004  # one type of error for every bad value
    if 0 < stamp < NANOSECONDS_PLAUSIBLE:
        text = "that would be in early 1970, expected nanoseconds since then"
        raise ValueError(text)
    return format_instant(stamp)


def return_message(
    strategy_id: str,
    period_end: Stamp,
    value: float | None,
    revision: int,
    optional: Mapping[str, object],
) -> bytes:
    """Return the bytes of one return.

    Parameters
    ----------
    strategy_id
        Whose return.
    period_end
        The end of its period.
    value
        Simple, net of the strategy's own costs, at least -1.
    revision
        Above 0 for a correction of an earlier value of the same period.
    optional
        The optional fields of :class:`schemas.events.StrategyReturn`, by their names.

    Raises
    ------
    ValueError
        Naming the value that is wrong and what was expected.
    """
    for name in optional:
        if name not in OPTIONAL_FIELDS:
            text = f"{name!r} is no field of a return; there are {', '.join(OPTIONAL_FIELDS)}"
            raise ValueError(text)
    if value is None:
        text = f"return None of {strategy_id!r}; a period without a value is a progress mark"
        raise ValueError(text)
    fields: dict[str, Any] = {name: _number(name, told) for name, told in optional.items()}
    fields |= {"value": _number("return", value), "revision": _number("revision", revision)}
    return _checked(
        StrategyReturn(strategy_id=strategy_id, period_end=instant_of(period_end), **fields)
    )


def mark_message(strategy_id: str, period_end: Stamp, *, ended: bool) -> bytes:
    """Return the bytes of a mark: no value up to an instant, or, ``ended``, none ever after.

    Raises
    ------
    ValueError
        As :func:`return_message`.
    """
    message = StrategyReturn(
        strategy_id=strategy_id,
        period_end=instant_of(period_end),
        status="inactive" if ended else "progress",
    )
    return _checked(message)


def registration_message(strategy_id: str, family: str, portfolios: tuple[str, ...]) -> bytes:
    """Return the bytes of a strategy's registration.

    Raises
    ------
    ValueError
        As :func:`return_message`.
    """
    return _checked(
        StrategyRegistration(strategy_id=strategy_id, family=family, portfolios=portfolios)
    )


# NumPy's scalars are numbers too, and a number that JSON cannot carry is named here.
def _number(name: str, told: object) -> object:
    if isinstance(told, bool) or not isinstance(told, Real):
        return told
    if isinstance(told, Integral):
        return int(told)
    number = float(told)
    if not math.isfinite(number):
        text = f"{name} {number}, expected a finite number"
        raise ValueError(text)
    return number


def _checked(message: _Message) -> bytes:
    try:
        data = msgspec.json.encode(message, order="deterministic")
        again = decode_return(data) if _is_return(message) else decode_registration(data)
    except (TypeError, RefusedInputError) as error:
        raise ValueError(_explained(message, error)) from error
    assert again == message, f"{message} does not survive its encoding"
    return data


def _is_return(message: StrategyReturn | StrategyRegistration) -> bool:
    return isinstance(message, StrategyReturn)


def _explained(message: StrategyReturn | StrategyRegistration, error: Exception) -> str:
    place = _PLACE.match(getattr(error, "detail", str(error)))
    if place is None:
        return f"{message}: {error}"
    expected, name = place.groups()
    value = getattr(message, "value" if name == "return" else name, None)
    return f"{name} {value!r} of {message.strategy_id!r}: {expected}"
