"""Bytes of every message, checked in both directions.

Reading gives a typed value or a :class:`RefusedInputError` with a code and a sentence. Writing
encodes, reads the bytes back and compares, so that a value that JSON cannot carry (a NaN becomes
``null``) is caught by its producer.
"""

import json
from functools import cache
from typing import Final, TypeVar

import msgspec

from schemas.checkpoint import PortfolioCheckpoint, ShardPosition
from schemas.events import ControlRequest, ExecutionReport, Registration, RiskSignal, StrategyReturn
from schemas.journal import Record
from schemas.optimize import OptimizeRequest
from schemas.units import Instant, parse_instant

T = TypeVar("T")

OVERSIZE: Final = "oversize"
MALFORMED: Final = "malformed"
DUPLICATE_KEY: Final = "duplicate_key"
INVALID: Final = "invalid"
BAD_PERIOD_END: Final = "bad_period_end"
BAD_INSTANT: Final = "bad_instant"


class RefusedInputError(ValueError):
    """Input that cannot be used: a stable ``code`` for counters, and a sentence for the reader.

    The sentence names the value and what was expected.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class UnpublishableError(ValueError):
    """A message of our own that does not survive its encoding; a bug in its producer."""


_json: Final = msgspec.json.Encoder(order="deterministic")
_msgpack: Final = msgspec.msgpack.Encoder(order="deterministic")
_return: Final = msgspec.json.Decoder(StrategyReturn)
_registration: Final[msgspec.json.Decoder[Registration]] = msgspec.json.Decoder(Registration)
_control: Final = msgspec.json.Decoder(ControlRequest)
_risk: Final = msgspec.json.Decoder(RiskSignal)
_report: Final = msgspec.json.Decoder(ExecutionReport)
_record: Final[msgspec.msgpack.Decoder[Record]] = msgspec.msgpack.Decoder(Record)
_request: Final = msgspec.msgpack.Decoder(OptimizeRequest)
_chunk: Final = msgspec.msgpack.Decoder(PortfolioCheckpoint)
_position: Final = msgspec.msgpack.Decoder(ShardPosition)

INPUT_BYTES_MAX: Final = 64 * 1024
"""Largest public input message that is decoded; a return is a few hundred bytes."""
LONG_INPUT_BYTES_MAX: Final = 1024 * 1024
"""The same for registrations and reports, which may name every strategy."""
_QUOTED_BYTES: Final = 60
_DETAIL_CHARS: Final = 400


def canonical_json(message: object) -> bytes:
    """Return the deterministic JSON of a message.

    Struct order for fields, sorted keys for mappings, shortest floats.
    """
    return _json.encode(message)


def encode_message(message: msgspec.Struct) -> bytes:
    """Return the canonical JSON of a public message, after reading it back and comparing.

    Raises
    ------
    UnpublishableError
        When a reader would refuse the bytes or find another message in them: NaN, infinity, a value
        out of its bounds, a return without a number, an instant without a zone.
    """
    name = type(message).__name__
    try:
        data = _json.encode(message)
        again = msgspec.json.decode(data, type=type(message))
    except (msgspec.ValidationError, TypeError) as error:
        text = f"{name} would not be readable: {error}"
        raise UnpublishableError(text) from error
    if again != message:
        text = (
            f"{name} changes when written; a NaN or infinite number, or a type that JSON does not "
            f"have, in {message!r:.300}"
        )
        raise UnpublishableError(text)
    try:
        _check_instants(again)
        if isinstance(again, StrategyReturn):
            _check_status(again)
    except RefusedInputError as error:
        text = f"{name} would be refused: {error}"
        raise UnpublishableError(text) from error
    return data


def encode_record(record: Record | OptimizeRequest | PortfolioCheckpoint | ShardPosition) -> bytes:
    """Return the MessagePack of an internal record."""
    return _msgpack.encode(record)


def decode_return(data: bytes) -> StrategyReturn:
    """Return a strategy's return or mark.

    Raises
    ------
    RefusedInputError
        ``oversize``, ``malformed`` (no JSON), ``duplicate_key``, ``invalid`` (wrong type, range or
        status), ``bad_period_end``.

    Examples
    --------
    >>> minimal = b'{"strategy_id": "m", "period_end": "2024-05-31T20:00:00Z", "return": 0.01}'
    >>> decode_return(minimal).value
    0.01
    >>> decode_return(b'{"strategy_id": "m", "period_end": "2024-05-31T20:00:00Z"}')
    Traceback (most recent call last):
    ...
    schemas.codec.RefusedInputError: invalid: a row of status "value" needs "return", a number
    """
    message = _read(_return, data, INPUT_BYTES_MAX)
    if not _has_only_known_keys_once(message, data):
        _refuse_duplicate_keys(data)
    _check_status(message)
    try:
        parse_instant(message.period_end)
    except ValueError as error:
        raise RefusedInputError(BAD_PERIOD_END, f"period_end {error}") from error
    return message


def decode_registration(data: bytes) -> Registration:
    """Return a registration; refusals as in :func:`decode_return`."""
    return _decode(_registration, data, LONG_INPUT_BYTES_MAX)


def decode_control(data: bytes) -> ControlRequest:
    """Return a control request; refusals as in :func:`decode_return`."""
    return _decode(_control, data)


def decode_risk(data: bytes) -> RiskSignal:
    """Return a risk signal; refusals as in :func:`decode_return`."""
    return _decode(_risk, data)


def decode_report(data: bytes) -> ExecutionReport:
    """Return an execution report; refusals as in :func:`decode_return`, ``bad_instant`` too."""
    report = _decode(_report, data, LONG_INPUT_BYTES_MAX)
    _check_instants(report)
    return report


def decode_record(data: bytes) -> Record:
    """Return a journal record. A failure is a bug or corruption, and is raised as it is."""
    return _record.decode(data)


def decode_request(data: bytes) -> OptimizeRequest:
    """Return an optimize request."""
    return _request.decode(data)


def decode_chunk(data: bytes) -> PortfolioCheckpoint:
    """Return one chunk of a portfolio's checkpoint."""
    return _chunk.decode(data)


def decode_position(data: bytes) -> ShardPosition:
    """Return the position record of a shard."""
    return _position.decode(data)


def _decode(decoder: msgspec.json.Decoder[T], data: bytes, limit_bytes: int = INPUT_BYTES_MAX) -> T:
    message = _read(decoder, data, limit_bytes)
    _refuse_duplicate_keys(data)
    return message


def _read(decoder: msgspec.json.Decoder[T], data: bytes, limit_bytes: int) -> T:
    if len(data) > limit_bytes:
        detail = f"{len(data)} bytes, expected at most {limit_bytes}"
        raise RefusedInputError(OVERSIZE, detail)
    try:
        if not data.isascii():
            data.decode()  # fields that nobody reads are not looked into by the decoder
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise RefusedInputError(INVALID, _detail(error, data)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedInputError(MALFORMED, _detail(error, data)) from error


def _detail(error: Exception, data: bytes) -> str:
    return f"{str(error)[:_DETAIL_CHARS]}; the record begins {data[:_QUOTED_BYTES]!r}"


def _has_only_known_keys_once(message: StrategyReturn, data: bytes) -> bool:
    """Tell, for next to nothing, that the usual short record repeats no key; False is "perhaps".

    Without escapes every colon follows a key or stands in a string. A record of three keys that
    holds no more colons than these and its instant account for has each of them once.
    """
    keys = 3 if message.revision == 0 else 4  # id, instant, return or status, and a revision
    return data.count(b":") == keys + message.period_end.count(":") and b"\\" not in data


def _refuse_duplicate_keys(data: bytes) -> None:
    """Read the record once more, by a parser that shows each pair; numbers stay text."""
    try:
        json.loads(data.decode(), object_pairs_hook=_unique, parse_int=str, parse_float=str)
    except RecursionError as error:
        raise RefusedInputError(MALFORMED, _detail(error, data)) from error


def _unique(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            detail = f"key {key[:_QUOTED_BYTES]!r} stands twice in one object, expected once"
            raise RefusedInputError(DUPLICATE_KEY, detail)
        seen.add(key)


def _check_status(message: StrategyReturn) -> None:
    if message.status == "value":
        if message.value is None:
            detail = 'a row of status "value" needs "return", a number'
            raise RefusedInputError(INVALID, detail)
    elif message.value is not None:
        detail = f'a mark of status "{message.status}" carries no "return", got {message.value}'
        raise RefusedInputError(INVALID, detail)


def _check_instants(message: msgspec.Struct) -> None:
    for name in _instant_fields(type(message)):
        try:
            parse_instant(getattr(message, name))
        except ValueError as error:
            raise RefusedInputError(BAD_INSTANT, f"{name} {error}") from error


@cache
def _instant_fields(type_: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(type_) if field.type == Instant)
