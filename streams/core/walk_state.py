"""The state of a walk as plain values and arrays, and back."""

from typing import TYPE_CHECKING, Any

import msgspec

from schemas.policy import StrategyEntry
from schemas.views import ReportedFigures
from streams.core.covariance import RollingCovariance, parse_covariance
from streams.core.decide import Pending
from streams.core.history import DueCorrection, History
from streams.core.ledger import BarResult, Ledger
from streams.core.status import Status
from streams.core.windows import EwmaMoments, RollingWindows

if TYPE_CHECKING:
    from streams.core.walk import Walk


def state_of(walk: "Walk") -> dict[str, Any]:
    """Return everything a walk needs to go on; :func:`put_back` restores it bit for bit."""
    last = walk.last
    return {
        "policy_version": walk.policy_version,
        "epoch": walk.epoch,
        "policy": msgspec.msgpack.encode(walk.policy),
        "names": list(walk.names),
        "entries": msgspec.msgpack.encode(walk.entries),
        "windows": walk.windows.to_state(),
        "own": walk.own.to_state(),
        "ewma": walk.ewma.to_state(),
        "covariance": None if walk.covariance is None else walk.covariance.to_state(),
        "ledger": walk.ledger.to_state(),
        "status": walk.status.to_state(),
        "corrections": [list(c) for c in walk.corrections],
        "pending": None if walk.pending is None else msgspec.msgpack.encode(walk.pending),
        "last": None
        if last is None
        else {name: getattr(last, name) for name in BarResult.__slots__},
        "history": walk.history.to_state(),
        "reported": msgspec.msgpack.encode(walk.reported),
    }


def put_back(walk: "Walk", state: dict[str, Any]) -> None:
    """Give a new walk of the same policy the state that :func:`state_of` described."""
    walk.names = tuple(state["names"])
    walk.entries = msgspec.msgpack.decode(state["entries"], type=tuple[StrategyEntry, ...])
    walk.windows = RollingWindows.from_state(state["windows"])
    walk.own = RollingWindows.from_state(state["own"])
    walk.ewma = EwmaMoments.from_state(state["ewma"])
    if state["covariance"] is not None:
        spec = parse_covariance(walk.policy.estimation.covariance)
        walk.covariance = RollingCovariance.from_state(state["covariance"], spec, walk.windows)
    walk.ledger = Ledger.from_state(state["ledger"])
    walk.status = Status.from_state(state["status"])
    walk.corrections = [DueCorrection(*c) for c in state["corrections"]]
    if state["pending"] is not None:
        walk.pending = msgspec.msgpack.decode(state["pending"], type=Pending)
    if state["last"] is not None:
        walk.last = BarResult(**state["last"])
    walk.history = History.from_state(state["history"])
    walk.reported = msgspec.msgpack.decode(state["reported"], type=dict[str, ReportedFigures])
