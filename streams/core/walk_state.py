"""The state of a walk as plain values and arrays, and back."""

from typing import TYPE_CHECKING, Any

import msgspec

from schemas.policy import StrategyEntry
from schemas.views import BarData, ReportedFigures
from streams.core.conclusions import Pending
from streams.core.history import DueCorrection, History
from streams.core.ledger import BarResult, Ledger
from streams.core.quality import ForecastQuality
from streams.core.shadows import ShadowBooks
from streams.core.signals import MarketSigns
from streams.core.status import Status
from streams.core.study import Study
from streams.core.windows import RollingWindows

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
        **walk.study.to_state(),
        "own": walk.own.to_state(),
        "ledger": walk.ledger.to_state(),
        "shadows": walk.shadows.to_state(),
        "status": walk.status.to_state(),
        "corrections": [list(c) for c in walk.corrections],
        "pending": None if walk.pending is None else msgspec.msgpack.encode(walk.pending),
        "last": None
        if last is None
        else {name: getattr(last, name) for name in BarResult.__slots__},
        "clusters": None if walk.clusters is None else [list(c) for c in walk.clusters],
        "history": walk.history.to_state(),
        "signs": None if walk.signs is None else walk.signs.to_state(),
        "quality": None if walk.quality is None else walk.quality.to_state(),
        "reported": msgspec.msgpack.encode(walk.reported),
        "data": msgspec.msgpack.encode(walk.data),
    }


def put_back(walk: "Walk", state: dict[str, Any]) -> None:
    """Give a new walk of the same policy the state that :func:`state_of` described."""
    walk.names = tuple(state["names"])
    walk.entries = msgspec.msgpack.decode(state["entries"], type=tuple[StrategyEntry, ...])
    walk.study = Study.from_state(walk.policy, state)
    walk.own = RollingWindows.from_state(state["own"])
    walk.figures.begin(walk.policy, walk.names)
    walk.ledger = Ledger.from_state(state["ledger"])
    walk.shadows = ShadowBooks.from_state(walk.policy, state["shadows"])
    walk.status = Status.from_state(state["status"])
    walk.corrections = [DueCorrection(*c) for c in state["corrections"]]
    if state["pending"] is not None:
        walk.pending = msgspec.msgpack.decode(state["pending"], type=Pending)
    if state["last"] is not None:
        walk.last = BarResult(**state["last"])
    if state["clusters"] is not None:
        walk.clusters = tuple(tuple(cluster) for cluster in state["clusters"])
    walk.history = History.from_state(state["history"])
    if state["signs"] is not None:
        walk.signs = MarketSigns.from_state(state["signs"])
    if state["quality"] is not None:
        walk.quality = ForecastQuality.from_state(walk.policy, state["quality"])
    walk.reported = msgspec.msgpack.decode(state["reported"], type=dict[str, ReportedFigures])
    walk.data = msgspec.msgpack.decode(state["data"], type=BarData | None)
