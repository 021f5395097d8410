"""What a world has to come to: of rows alone, or of a journal, with no fault anywhere."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np

from schemas.codec import canonical_json, decode_record, encode_record
from schemas.decisions import Decision, RebalanceCommand
from schemas.events import StrategyReturn
from schemas.journal import (
    ROW_INACTIVE,
    ROW_PROGRESS,
    ROW_VALUE,
    PortfolioRegistered,
    Position,
    Record,
    Reply,
)
from schemas.optimize import OptimizeReply, OptimizeRequest, SolveDiagnostics
from schemas.topics import REGISTRY, RETURNS
from schemas.units import parse_instant
from schemas.views import BarData
from streams.core.fold import Shard
from streams.core.frames import Rows, pack
from streams.core.image import encode_image
from streams.core.outputs import Output
from streams.core.shadows import answered
from streams.simulation.scenario import Scenario

NOBODY: Final = SolveDiagnostics(solve_seconds=0.0, worker="simulated", iterations=0)
SOLVED_MAX: Final = 2_000
_KINDS: Final = {"value": ROW_VALUE, "progress": ROW_PROGRESS, "inactive": ROW_INACTIVE}
_solved: dict[bytes, OptimizeReply] = {}


@dataclass(slots=True, eq=False)
class Reference:
    """Bytes of decisions and commands by (portfolio, epoch, version), images by portfolio."""

    decisions: dict[tuple[str, int, int], bytes] = field(default_factory=dict)
    commands: dict[tuple[str, int, int], bytes] = field(default_factory=dict)
    images: dict[str, bytes] = field(default_factory=dict)

    def take(self, outputs: Iterable[Output]) -> None:
        """Keep the decisions and commands among some outputs."""
        for output in outputs:
            message = output.message
            if isinstance(message, Decision | RebalanceCommand):
                at = (message.portfolio_id, message.epoch, message.version)
                kept = self.decisions if isinstance(message, Decision) else self.commands
                kept[at] = canonical_json(message)


def answer(request: OptimizeRequest) -> OptimizeReply:
    """Return the reply to a request; one that was solved before is not solved again."""
    key = encode_record(msgspec.structs.replace(request, attempt=0))
    found = _solved.get(key)
    if found is None:
        if len(_solved) >= SOLVED_MAX:
            _solved.clear()
        found = _solved[key] = answered(request, NOBODY)
    return found


def of_rows(scenario: Scenario) -> Reference:
    """Return what the rows of a calm world come to: all in one frame, every answer at once."""
    reference = Reference()
    for registration in scenario.portfolios:
        shard = Shard(registration.shard)
        source = Position(topic=REGISTRY.name, partition=0, offset=0)
        rows = [row for name in scenario.members_of(registration) for row in scenario.rows[name]]
        waiting = deque[Record](
            [
                PortfolioRegistered(source=source, registration=registration),
                pack(_in_time_order(rows)),
            ]
        )
        while waiting:
            outputs = shard.step([(shard.next_offset, waiting.popleft())])
            reference.take(outputs)
            requests = [o.message for o in outputs if isinstance(o.message, OptimizeRequest)]
            waiting.extendleft(Reply(reply=answer(request)) for request in reversed(requests))
        name = registration.portfolio_id
        reference.images[name] = walked_image(shard, name)
    return reference


def of_journals(journals: dict[int, list[bytes]]) -> Reference:
    """Return what some journals come to, each folded once from its beginning."""
    reference = Reference()
    for number, records in sorted(journals.items()):
        shard = Shard(number)
        for offset, data in enumerate(records):
            reference.take(shard.step([(offset, decode_record(data))]))
        for name in shard.portfolios:
            reference.images[name] = shard.image_of(name)
    return reference


def walked_image(shard: Shard, name: str) -> bytes:
    """Return windows, ledger and all else that a portfolio's bars alone determine."""
    return settled_image(shard.portfolios[name].walk.to_state())


def settled_image(state: dict[str, Any]) -> bytes:
    """Return the image of a walk's state without what depends on when something came.

    Reports come when they come, and so do rows that are too late to count, or are sent again.
    """
    state["status"]["acknowledged_version"] = 0
    data = msgspec.msgpack.decode(state["data"], type=BarData | None)
    if data is not None:
        data = msgspec.structs.replace(data, late={}, revised={})
    state["data"] = msgspec.msgpack.encode(None if data == BarData() else data)
    return encode_image(state)


def _in_time_order(messages: list[StrategyReturn]) -> Rows:
    """Return rows as a file would be published: by stamp."""
    stamped = sorted(((parse_instant(m.period_end), m) for m in messages), key=lambda pair: pair[0])
    names = tuple(sorted({m.strategy_id for m in messages}))
    rows = [m for _, m in stamped]
    return Rows(
        topic=RETURNS.name,
        names=names,
        strategy=np.array([names.index(m.strategy_id) for m in rows], dtype=np.int64),
        period_end_ns=np.array([stamp_ns for stamp_ns, _ in stamped], dtype=np.int64),
        value=np.array([np.nan if m.value is None else m.value for m in rows]),
        kind=np.array([_KINDS[m.status] for m in rows], dtype=np.int64),
        revision=np.zeros(len(rows), dtype=np.int64),
        source_partition=np.zeros(len(rows), dtype=np.int64),
        source_offset=np.arange(len(rows), dtype=np.int64),
    )
