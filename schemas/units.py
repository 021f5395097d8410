"""Units of the contracts: what a number or a string means wherever it travels.

Time is an integer count of nanoseconds since 1970-01-01T00:00:00Z inside, and an RFC 3339 instant
with a zone on public topics. Returns are simple and net, weights are shares of the portfolio's NAV,
costs are in basis points of the traded value.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Final

from msgspec import Meta

NS_PER_SECOND: Final = 1_000_000_000
TS_NS_MAX: Final = 2**63 - 1

INSTANT: Final = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]((?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])"
    r"(?:\.([0-9]{1,9}))?([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$(?!\n)"
)
"""Day, clock, fraction and zone of an RFC 3339 instant, to nanoseconds."""

IDENTIFIER: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$(?!\n)"
"""Ids are safe in file names, topic keys, metric labels and URLs; no newline slips by ``$``."""

Identifier = Annotated[str, Meta(pattern=IDENTIFIER)]
StrategyId = Annotated[str, Meta(pattern=IDENTIFIER, description="id of a strategy")]
PortfolioId = Annotated[str, Meta(pattern=IDENTIFIER, description="id of a portfolio")]
Family = Annotated[
    str,
    Meta(
        pattern=IDENTIFIER,
        description="trend, arbitrage, mean_reversion, market_making or other",
    ),
]
Instant = Annotated[
    str,
    Meta(
        description="RFC 3339 instant with a zone",
        examples=["2024-05-31T20:00:00Z"],
        extra_json_schema={"format": "date-time", "pattern": INSTANT},
    ),
]
TsNs = Annotated[int, Meta(description="nanoseconds since 1970-01-01T00:00:00Z")]
SimpleReturn = Annotated[
    float, Meta(ge=-1.0, description="simple return of the bar, net of the strategy's own costs")
]
INTEGER_MAX: Final = 2**53 - 1
"""Largest integer that every reader of JSON has exactly."""

Weight = Annotated[
    float, Meta(ge=-100.0, le=100.0, description="share of the portfolio's NAV, 100 at the most")
]
Ordinal = Annotated[int, Meta(ge=1, le=INTEGER_MAX, description="counts from 1, and rises")]
Bps = Annotated[float, Meta(ge=0.0, le=10_000.0, description="basis points, 1e-4")]
TEXT_LENGTH_MAX: Final = 2000
Text = Annotated[str, Meta(max_length=TEXT_LENGTH_MAX)]

FAMILIES: Final = ("trend", "arbitrage", "mean_reversion", "market_making", "other")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_INSTANT: Final = re.compile(INSTANT)


@lru_cache(maxsize=65_536)  # stamps repeat over all strategies of a bar: one parse serves them all
def parse_instant(text: str) -> int:
    """Return the nanoseconds since the epoch of an RFC 3339 instant.

    Parameters
    ----------
    text
        An instant with a zone, to at most nine decimals of a second.

    Raises
    ------
    ValueError
        When the text is no instant, names no zone, or does not fit 64 bits of nanoseconds.

    Examples
    --------
    >>> parse_instant("2024-05-31T20:00:00Z")
    1717185600000000000
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        message = (
            f"{text[:40]!r} is not an RFC 3339 instant with a zone, such as 2024-05-31T20:00:00Z"
        )
        raise ValueError(message)
    day, clock, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}")
        whole_ns = (moment - _EPOCH) // _MICROSECOND * 1_000
    except (ValueError, OverflowError) as error:
        message = f"{text[:40]!r} is not a date and time that exists: {error}"
        raise ValueError(message) from error
    ts_ns = whole_ns + int((fraction or "0").ljust(9, "0"))
    if not -TS_NS_MAX <= ts_ns <= TS_NS_MAX:
        message = f"{text[:40]!r} is outside 1677-09-22 to 2262-04-11, what 64 bits of ns can hold"
        raise ValueError(message)
    return ts_ns


@lru_cache(maxsize=65_536)
def format_instant(ts_ns: int) -> str:
    """Return the RFC 3339 instant, in UTC, of nanoseconds since the epoch.

    Examples
    --------
    >>> format_instant(1717185600000000000)
    '2024-05-31T20:00:00Z'
    >>> format_instant(1717185600000000001)
    '2024-05-31T20:00:00.000000001Z'
    """
    seconds, fraction_ns = divmod(ts_ns, NS_PER_SECOND)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction_ns:09d}".rstrip("0") + "Z" if fraction_ns else text + "Z"
