"""One record of a public topic becomes changes of the views: a pure function, without memory.

Every change names its place, so that the same record told twice changes nothing: the views can be
rebuilt from the topics at any time, and a store that was lost loses nothing.
"""

from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

import msgspec

from schemas.codec import decode_control, decode_registration, decode_report, decode_risk
from schemas.decisions import Decision, RebalanceCommand
from schemas.events import PortfolioRegistration
from schemas.topics import (
    CONTROL,
    COVARIANCE,
    DECISIONS,
    METRICS,
    REBALANCE,
    REGISTRY,
    REPORTS,
    RISK,
    SHADOWS,
    STATE,
    Topic,
)
from schemas.units import parse_instant
from schemas.views import RollingPerformance, StateRecord

VERSION_BITS: Final = 32  # (epoch, version) as one number that rises with both


class Source(NamedTuple):
    """A record of a public topic."""

    topic: str
    offset: int
    key: str
    value: bytes


class Put(NamedTuple):
    """The newest value under a key."""

    key: str
    value: bytes


class Append(NamedTuple):
    """A value at its place in a series; places rise with time, a repeat takes the same place."""

    series: str
    place: int
    value: bytes


class Tell(NamedTuple):
    """A live event of a portfolio for whoever listens; ``value`` is JSON."""

    kind: Literal["weights", "performance", "optimization", "rebalance", "health"]
    portfolio_id: str
    value: bytes


Change = Put | Append | Tell


class PerformancePoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A bar of a portfolio's performance; ``rolling`` by window."""

    bar_end: str
    bar_number: int
    status: str
    return_gross: float
    return_net: float
    cost: float
    turnover: float
    nav: float
    drawdown: float
    coverage: float
    adjustment: float
    rolling: list[RollingPerformance]


class WeightsPoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A bar of a portfolio's weights: ``held`` drifted and before the bar's fill, ``target`` after.

    ``contribution`` is w_i r_i of the bar.
    """

    bar_end: str
    strategies: tuple[str, ...]
    held: list[float]
    target: list[float]
    contribution: list[float]
    held_cash: float
    target_cash: float


READ: Final[tuple[Topic, ...]] = (
    REGISTRY,
    CONTROL,
    RISK,
    METRICS,
    COVARIANCE,
    STATE,
    SHADOWS,
    DECISIONS,
    REBALANCE,
    REPORTS,
)


def changes_of(source: Source) -> Iterator[Change]:
    """Yield what a record changes.

    Raises
    ------
    ValueError
        When the bytes are no message of their topic (also msgspec's errors, which are ValueErrors).
    """
    try:
        yield from _FOLDS[source.topic](source)
    except RecursionError as error:
        message = "nested too deeply to be a message"
        raise ValueError(message) from error


def version_place(epoch: int, version: int) -> int:
    """Return the place of (epoch, version) in a series of decisions or commands."""
    return (epoch << VERSION_BITS) | version


class _Matrix(msgspec.Struct, frozen=True):
    """As much of a covariance record as tells whether it holds the matrix."""

    portfolio_id: str
    bar_end: str
    matrix_annual: msgspec.Raw = msgspec.Raw(b"null")


class _Bar(msgspec.Struct, frozen=True):
    """The head of a record of one bar."""

    portfolio_id: str
    bar_end: str


def _registry(source: Source) -> Iterator[Change]:
    if not source.value:
        return
    registration = decode_registration(source.value)
    kind, name = (
        ("portfolio", registration.portfolio_id)
        if isinstance(registration, PortfolioRegistration)
        else ("strategy", registration.strategy_id)
    )
    yield Put(f"{kind}/{name}/registration", source.value)
    if kind == "portfolio":
        assert isinstance(registration, PortfolioRegistration)
        place = version_place(registration.epoch, registration.policy_version)
        yield Append(f"{name}/policies", place, source.value)


def _control(source: Source) -> Iterator[Change]:
    request = decode_control(source.value)
    yield Put(f"request/{request.request_id}", source.value)
    yield Append(f"{request.portfolio_id}/requests", source.offset, source.value)


def _risk(source: Source) -> Iterator[Change]:
    signal = decode_risk(source.value)
    yield Append(f"{signal.portfolio_id}/signals", source.offset, source.value)


def _metrics(source: Source) -> Iterator[Change]:
    bar = _decode_bar(source.value)
    yield Put(f"portfolio/{bar.portfolio_id}/metrics", source.value)


def _covariance(source: Source) -> Iterator[Change]:
    record = _decode_matrix(source.value)
    name = record.portfolio_id
    yield Put(f"portfolio/{name}/covariance_summary", source.value)
    if bytes(record.matrix_annual) != b"null":
        yield Put(f"portfolio/{name}/covariance", source.value)
        yield Append(f"{name}/covariances", parse_instant(record.bar_end), source.value)


def _state(source: Source) -> Iterator[Change]:
    state = _decode_state(source.value)
    name, place = state.portfolio_id, parse_instant(state.bar_end)
    yield Put(f"portfolio/{name}/state", source.value)
    performance = msgspec.convert(state, PerformancePoint, from_attributes=True)
    weights = msgspec.convert(state, WeightsPoint, from_attributes=True)
    for kind, point in (("performance", performance), ("weights", weights)):
        value = _encoder.encode(point)
        yield Append(f"{name}/{kind}", place, value)
        yield Tell("performance" if kind == "performance" else "weights", name, value)


def _shadows(source: Source) -> Iterator[Change]:
    bar = _decode_bar(source.value)
    yield Put(f"portfolio/{bar.portfolio_id}/shadows", source.value)
    yield Append(f"{bar.portfolio_id}/shadows", parse_instant(bar.bar_end), source.value)


def _decision(source: Source) -> Iterator[Change]:
    decision = _decode_decision(source.value)
    name, place = decision.portfolio_id, version_place(decision.epoch, decision.version)
    yield Append(f"{name}/decisions", place, source.value)
    yield Put(f"decision/{decision.decision_id}", f"{name} {place}".encode())
    if decision.trigger.kind == "manual" and decision.trigger.reference:
        yield Put(f"request/{decision.trigger.reference}/decision", f"{name} {place}".encode())
    told = {
        "decision_id": decision.decision_id,
        "epoch": decision.epoch,
        "version": decision.version,
        "bar_end": decision.bar_end,
        "trigger": decision.trigger,
        "outcome": decision.outcome,
        "reason": decision.reason,
        "turnover": decision.turnover,
    }
    yield Tell("optimization", name, _encoder.encode(told))


def _command(source: Source) -> Iterator[Change]:
    command = _decode_command(source.value)
    name, place = command.portfolio_id, version_place(command.epoch, command.version)
    yield Append(f"{name}/commands", place, source.value)
    yield Put(f"command/{command.command_id}", f"{name} {place}".encode())
    told = {
        "command_id": command.command_id,
        "decision_id": command.decision_id,
        "epoch": command.epoch,
        "version": command.version,
        "status": "published",
    }
    yield Tell("rebalance", name, _encoder.encode(told))


def _report(source: Source) -> Iterator[Change]:
    report = decode_report(source.value)
    yield Append(f"{report.portfolio_id}/reports", source.offset, source.value)
    yield Append(f"command/{report.command_id}/reports", source.offset, source.value)
    told = {
        "command_id": report.command_id,
        "epoch": report.epoch,
        "version": report.version,
        "status": report.status,
    }
    yield Tell("rebalance", report.portfolio_id, _encoder.encode(told))


_encoder: Final = msgspec.json.Encoder(order="deterministic")
_decode_bar: Final = msgspec.json.Decoder(_Bar).decode
_decode_matrix: Final = msgspec.json.Decoder(_Matrix).decode
_decode_state: Final = msgspec.json.Decoder(StateRecord).decode
_decode_decision: Final = msgspec.json.Decoder(Decision).decode
_decode_command: Final = msgspec.json.Decoder(RebalanceCommand).decode

_FOLDS: Final[dict[str, Callable[[Source], Iterator[Change]]]] = {
    REGISTRY.name: _registry,
    CONTROL.name: _control,
    RISK.name: _risk,
    METRICS.name: _metrics,
    COVARIANCE.name: _covariance,
    STATE.name: _state,
    SHADOWS.name: _shadows,
    DECISIONS.name: _decision,
    REBALANCE.name: _command,
    REPORTS.name: _report,
}
