"""One poll of the source topics, decoded: columns of returns, requests, registrations, refusals.

Every arrival ends up in exactly one of the four.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from schemas.codec import (
    INVALID,
    RefusedInputError,
    decode_control,
    decode_registration,
    decode_report,
    decode_return,
    decode_risk,
)
from schemas.events import (
    ControlRequest,
    ExecutionReport,
    PortfolioRegistration,
    RiskSignal,
    StrategyRegistration,
)
from schemas.journal import ROW_INACTIVE, ROW_PROGRESS, ROW_VALUE, Position, Reported
from schemas.policy import PolicyError, check_policy
from schemas.topics import CONTROL, REGISTRY, REPORTS, RETURNS, RISK
from schemas.units import parse_instant
from streams.core.arrays import FloatArray, IntArray
from streams.core.calendar import check_schedule
from streams.core.covariance import parse_covariance
from streams.core.errors import ConfigError
from streams.core.frames import reported_in

STAMP_LIMIT_NS: Final = 2**62
"""Stamps beyond are no dates but mistakes (years 1823 and 2116), and are marks of the core."""

EMPTY: Final = "empty"
BAD_KEY: Final = "bad_key"
BAD_STAMP: Final = "bad_period_end"
_NAN: Final = float("nan")
_KINDS: Final = {"value": ROW_VALUE, "progress": ROW_PROGRESS, "inactive": ROW_INACTIVE}


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """A record as it came; ``topic`` is the name in the table of topics, without scope.

    ``published_ns`` is the record's own timestamp; None where it has none.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    published_ns: int | None = None

    @property
    def position(self) -> Position:
        """Where it stood in its source."""
        return Position(self.topic, self.partition, self.offset)


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """A record that cannot be used: its bytes as they came, a code for counters and a sentence."""

    key: bytes | None
    value: bytes | None
    code: str
    detail: str
    source: Position


class Retirement(msgspec.Struct, frozen=True, gc=False):
    """An empty record on the registry topic: what its key names is no more."""

    kind: str
    id: str


Registered = StrategyRegistration | PortfolioRegistration | Retirement
Request = ControlRequest | RiskSignal | ExecutionReport


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Returns:
    """Rows of returns and marks in arrival order; columns are (R,).

    ``code`` indexes ``names``; ``value`` is NaN for marks; ``arrivals`` are the R records.
    ``published_ns`` is ``STAMP_LIMIT_NS``, later than any stamp, where it is not known.
    """

    names: tuple[str, ...]
    code: IntArray
    period_end_ns: IntArray
    published_ns: IntArray
    value: FloatArray
    kind: IntArray
    revision: IntArray
    source_partition: IntArray
    source_offset: IntArray
    arrivals: list[Arrival]
    reported: dict[int, Reported]

    def __len__(self) -> int:
        return len(self.arrivals)

    def take(self, chosen: IntArray) -> "Returns":
        """Return some of the rows, by number, in the order given; the names stay."""
        return Returns(
            names=self.names,
            code=self.code[chosen],
            period_end_ns=self.period_end_ns[chosen],
            published_ns=self.published_ns[chosen],
            value=self.value[chosen],
            kind=self.kind[chosen],
            revision=self.revision[chosen],
            source_partition=self.source_partition[chosen],
            source_offset=self.source_offset[chosen],
            arrivals=[self.arrivals[row] for row in chosen.tolist()],
            reported=reported_in(self.reported, chosen),
        )


@dataclass(slots=True, kw_only=True, eq=False)
class Batch:
    """A decoded poll; each list keeps the order of arrival."""

    returns: Returns
    registered: list[tuple[Arrival, Registered]] = field(default_factory=list)
    requests: list[tuple[Arrival, Request]] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)


def dead_letter(arrival: Arrival, code: str, detail: str) -> DeadLetter:
    """Return the dead letter of an arrival."""
    return DeadLetter(arrival.key, arrival.value, code, detail, arrival.position)


def decode(arrivals: Iterable[Arrival]) -> Batch:
    """Return a poll decoded and validated; what is refused becomes a dead letter, no error."""
    dead: list[DeadLetter] = []
    of_returns: list[Arrival] = []
    others: list[Arrival] = []
    for arrival in arrivals:
        (of_returns if arrival.topic == RETURNS.name else others).append(arrival)
    batch = Batch(returns=_decode_returns(of_returns, dead), dead=dead)
    for arrival in others:
        try:
            if arrival.topic == REGISTRY.name:
                batch.registered.append((arrival, _decode_registered(arrival)))
            else:
                batch.requests.append((arrival, _REQUESTS[arrival.topic](_bytes_of(arrival))))
        except RefusedInputError as error:
            dead.append(dead_letter(arrival, error.code, error.detail))
    return batch


def _decode_risk(data: bytes) -> RiskSignal:
    """Decode a risk signal; a reduction says to what."""
    signal = decode_risk(data)
    if signal.action == "reduce" and signal.multiplier is None:
        detail = 'a signal "reduce" needs "multiplier", the share of the weights to keep, 0 to 1'
        raise RefusedInputError(INVALID, detail)
    return signal


_REQUESTS: Final[dict[str, Callable[[bytes], Request]]] = {
    CONTROL.name: decode_control,
    RISK.name: _decode_risk,
    REPORTS.name: decode_report,
}


def _decode_returns(arrivals: list[Arrival], dead: list[DeadLetter]) -> Returns:
    """Decode row by row into plain lists; the only loop that runs once a return."""
    codes: dict[str, int] = {}
    # Lists of numbers, not of tuples: ten thousand tuples a poll would wake the garbage collector.
    code: list[int] = []
    stamps_ns: list[int] = []
    values: list[float] = []
    kinds: list[int] = []
    revisions: list[int] = []
    accepted: list[Arrival] = []
    reported: dict[int, Reported] = {}
    for arrival in arrivals:
        try:
            message = decode_return(_bytes_of(arrival))
        except RefusedInputError as error:
            dead.append(dead_letter(arrival, error.code, error.detail))
            continue
        stamp_ns = parse_instant(message.period_end)
        if not -STAMP_LIMIT_NS < stamp_ns < STAMP_LIMIT_NS:
            dead.append(dead_letter(arrival, BAD_STAMP, _out_of_range(message.period_end)))
            continue
        value = message.value
        code.append(codes.setdefault(message.strategy_id, len(codes)))
        stamps_ns.append(stamp_ns)
        values.append(_NAN if value is None else value)
        kinds.append(_KINDS[message.status])
        revisions.append(message.revision)
        if (message.reported_volatility_annual, message.reported_drawdown) != (None, None):
            row = len(accepted)
            reported[row] = Reported(
                row, message.reported_volatility_annual, message.reported_drawdown
            )
        accepted.append(arrival)
    return Returns(
        names=tuple(codes),
        code=np.array(code, dtype=np.int64),
        period_end_ns=np.array(stamps_ns, dtype=np.int64),
        published_ns=np.array(
            [STAMP_LIMIT_NS if a.published_ns is None else a.published_ns for a in accepted],
            dtype=np.int64,
        ),
        value=np.array(values, dtype=np.float64),
        kind=np.array(kinds, dtype=np.int64),
        revision=np.array(revisions, dtype=np.int64),
        source_partition=np.array([a.partition for a in accepted], dtype=np.int64),
        source_offset=np.array([a.offset for a in accepted], dtype=np.int64),
        arrivals=accepted,
        reported=reported,
    )


def _out_of_range(text: str) -> str:
    return f"period_end {text} is out of range, expected a year from 1824 to 2115"


def _bytes_of(arrival: Arrival) -> bytes:
    if not arrival.value:
        detail = "the record has no value, expected a JSON object"
        raise RefusedInputError(EMPTY, detail)
    return arrival.value


def _decode_registered(arrival: Arrival) -> Registered:
    """Decode a registration; its key must be the one that compaction keeps it by."""
    key = (arrival.key or b"").decode("utf-8", errors="replace")
    if not arrival.value:
        kind, _, name = key.partition("/")
        if kind not in ("strategy", "portfolio") or not name:
            detail = f"an empty record with key {key!r}, expected strategy/ID or portfolio/ID"
            raise RefusedInputError(BAD_KEY, detail)
        return Retirement(kind, name)
    registration = decode_registration(arrival.value)
    if isinstance(registration, PortfolioRegistration):
        try:
            check_policy(registration.policy)
            check_schedule(registration.policy.rebalance.schedule)
            parse_covariance(registration.policy.estimation.covariance)
        except (PolicyError, ConfigError) as error:
            raise RefusedInputError(INVALID, f"policy: {error}") from error
    else:
        _check_bounds(registration)
    expected = registry_key(registration)
    if key != expected:
        detail = f"key {key!r}, expected {expected!r} for this record"
        raise RefusedInputError(BAD_KEY, detail)
    return registration


def _check_bounds(registration: StrategyRegistration) -> None:
    low, high = registration.weight_min, registration.weight_max
    if low is not None and high is not None and low > high:
        detail = f"weight_min {low} is above weight_max {high}"
        raise RefusedInputError(INVALID, detail)


def registry_key(event: Registered) -> str:
    """Return the key of a registration on the registry topic."""
    if isinstance(event, StrategyRegistration):
        return f"strategy/{event.strategy_id}"
    if isinstance(event, PortfolioRegistration):
        return f"portfolio/{event.portfolio_id}"
    return f"{event.kind}/{event.id}"
