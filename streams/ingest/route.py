"""Route decoded polls into frames and records by shard, and dead letters. Pure.

Nothing is lost: every arrival ends in a frame, a record, or a dead letter. Rows keep their order of
arrival in each shard, so that the rows of one source partition stand in the journal in the order of
their offsets.
"""

import difflib
from dataclasses import dataclass, field
from typing import Final, assert_never

import numpy as np

from schemas.codec import encode_record
from schemas.events import (
    ControlRequest,
    ExecutionReport,
    PortfolioRegistration,
    RiskSignal,
    StrategyRegistration,
)
from schemas.journal import (
    FRAME_BYTES_MAX,
    ROW_INACTIVE,
    ROW_VALUE,
    ROWS_PER_FRAME_MAX,
    Control,
    Frame,
    PortfolioRegistered,
    Record,
    Release,
    Report,
    Risk,
    StrategyRegistered,
    Tick,
)
from schemas.topics import JOURNAL, KIB, RETURNS
from streams.core.arrays import BoolArray, IntArray
from streams.core.bars import DEAD_RETURN
from streams.core.frames import Rows, pack, reported_in
from streams.ingest.arrivals import (
    STAMP_LIMIT_NS,
    Arrival,
    Batch,
    DeadLetter,
    Registered,
    Request,
    Retirement,
    Returns,
    dead_letter,
)
from streams.ingest.future import FAR_FUTURE, FutureGuard, kept_rows
from streams.ingest.registry import Registry
from streams.ingest.silence import Silence

ID_BYTES_MAX: Final = 64
ROW_BYTES: Final = 2 + 8 + 8 + 1 + 4 + 4 + 8
# Even a frame in which every row has an id of its own, of full length, stays below the limit.
assert ROWS_PER_FRAME_MAX * (ROW_BYTES + ID_BYTES_MAX + 2) + KIB < FRAME_BYTES_MAX
RECORD_BYTES_MAX: Final = JOURNAL.record_bytes_max - 4 * KIB  # room for the broker's own envelope


@dataclass(slots=True, kw_only=True, eq=False)
class Routed:
    """What one poll becomes. Records of a shard precede its frames."""

    records: dict[int, list[Record]] = field(default_factory=dict)
    frames: dict[int, list[Frame]] = field(default_factory=dict)
    dead: list[DeadLetter] = field(default_factory=list)

    def shards(self) -> list[int]:
        """Return the shards that get something, sorted."""
        return sorted(set(self.records) | set(self.frames))

    def journal(self, shard: int) -> list[Record]:
        """Return a shard's records in the order of the journal."""
        return [*self.records.get(shard, ()), *self.frames.get(shard, ())]


class Router:
    """Routes polls by the registry, and knows who is silent.

    Parameters
    ----------
    shards
        Partitions of the journal; a portfolio on another shard is refused.
    allowance_bars, silence_ms
        As in :class:`streams.ingest.silence.Silence`.
    """

    def __init__(self, *, shards: int, allowance_bars: int = 2, silence_ms: int = 2_000) -> None:
        self.shards = shards
        self.registry = Registry()
        self.silence = Silence(allowance_bars, silence_ms)
        self._guard = FutureGuard(self.registry, self.silence)

    def learn(self, batch: Batch) -> None:
        """Apply registrations that the journal already has; nothing is emitted."""
        for arrival, event in batch.registered:
            if self._bad_shard(event) is None:
                self.registry.apply(arrival.position, event)

    def is_puzzled(self, batch: Batch) -> bool:
        """Tell whether a poll names something unknown: the registry is then read to its end."""
        return any(not self.registry.shards_of(name) for name in batch.returns.names) or any(
            request.portfolio_id not in self.registry.portfolios for _, request in batch.requests
        )

    def route(self, batch: Batch) -> Routed:
        """Return what a poll becomes; its registrations take effect before its returns."""
        routed = Routed(dead=list(batch.dead))
        for arrival, event in batch.registered:
            self._register(arrival, event, routed)
        for arrival, request in batch.requests:
            self._request(arrival, request, routed)
        if len(batch.returns):
            self._frame(batch.returns, routed)
        return routed

    def due_releases(self, now_ns: int, *, at_end: bool) -> list[tuple[int, Release]]:
        """Return the releases due at a wall time; see :meth:`.Silence.due`."""
        return self.silence.due(self.registry, now_ns, at_end=at_end)

    def anybody_behind(self) -> bool:
        """Tell whether a release could become due."""
        return bool(self.silence.behind(self.registry))

    def ticks(self, now_ns: int) -> list[tuple[int, Tick]]:
        """Return the wall clock for the shards whose portfolios live by it."""
        return [(shard, Tick(now_ns=now_ns)) for shard in self.registry.wall_shards()]

    # ------------------------------------------------------------------ registry

    def _register(self, arrival: Arrival, event: Registered, routed: Routed) -> None:
        refusal = self._bad_shard(event)
        if refusal is not None:
            routed.dead.append(dead_letter(arrival, "bad_shard", refusal))
            return
        source = arrival.position
        self.registry.apply(source, event)
        shards = self.registry.concerned(event)
        if isinstance(event, StrategyRegistration):
            self.silence.revive(event.strategy_id)
            self._emit(
                arrival, StrategyRegistered(source=source, registration=event), shards, routed
            )
            if not shards:
                names = ", ".join(event.portfolios) or "none"
                detail = (
                    f"strategy {event.strategy_id!r} joins when a portfolio that it names is"
                    f" registered; it names {names}"
                )
                routed.dead.append(dead_letter(arrival, "unknown_portfolio", detail))
        elif isinstance(event, PortfolioRegistration):
            self._emit(
                arrival, PortfolioRegistered(source=source, registration=event), shards, routed
            )
            for name in self.registry.newcomers(event, source.offset):
                strategy, position = self.registry.strategies[name]
                record = StrategyRegistered(source=position, registration=strategy)
                routed.records.setdefault(event.shard, []).append(record)
        elif event.kind == "strategy":
            self._retire(arrival, event, shards, routed)
        else:
            detail = f"portfolio {event.id!r} is not routed any more; its shard keeps what it has"
            routed.dead.append(dead_letter(arrival, "retired", detail))

    def _retire(
        self, arrival: Arrival, event: Retirement, shards: list[int], routed: Routed
    ) -> None:
        """End a strategy as its own last mark would, at the tombstone's place in the registry."""
        if not shards:
            detail = f"strategy {event.id!r} belongs to no portfolio that is registered"
            routed.dead.append(dead_letter(arrival, "unknown_strategy", detail))
            return
        newest_ns = self.silence.newest_ns(event.id)
        self.silence.heard(event.id, (), (), ended=True)
        rows = Rows(
            topic=arrival.topic,
            names=(event.id,),
            strategy=np.zeros(1, dtype=np.int64),
            period_end_ns=np.array([newest_ns or 0], dtype=np.int64),
            value=np.array([np.nan]),
            kind=np.array([ROW_INACTIVE], dtype=np.int64),
            revision=np.zeros(1, dtype=np.int64),
            source_partition=np.array([arrival.partition], dtype=np.int64),
            source_offset=np.array([arrival.offset], dtype=np.int64),
        )
        for shard in shards:
            routed.records.setdefault(shard, []).append(pack(rows))

    def _bad_shard(self, event: Registered) -> str | None:
        if isinstance(event, PortfolioRegistration) and event.shard >= self.shards:
            return (
                f"portfolio {event.portfolio_id!r} is on shard {event.shard},"
                f" expected 0 to {self.shards - 1}"
            )
        return None

    # ------------------------------------------------------------------ requests

    def _request(self, arrival: Arrival, request: Request, routed: Routed) -> None:
        portfolio = self.registry.portfolios.get(request.portfolio_id)
        if portfolio is None:
            near = difflib.get_close_matches(
                request.portfolio_id, self.registry.portfolios, n=1, cutoff=0.0
            )
            hint = f"; did you mean {near[0]!r}?" if near else "; none is registered"
            detail = f"portfolio {request.portfolio_id!r} is not registered{hint}"
            routed.dead.append(dead_letter(arrival, "unknown_portfolio", detail))
            return
        source = arrival.position
        record: Record
        match request:
            case ControlRequest():
                record = Control(source=source, request=request)
            case RiskSignal():
                record = Risk(source=source, signal=request)
            case ExecutionReport():
                record = Report(source=source, report=request)
            case _:
                assert_never(request)
        self._emit(arrival, record, [portfolio.shard], routed)

    def _emit(self, arrival: Arrival, record: Record, shards: list[int], routed: Routed) -> None:
        assert arrival.value is not None
        # A record takes less than four times its JSON: only large ones are measured.
        if len(arrival.value) > RECORD_BYTES_MAX // 4:
            size = len(encode_record(record))
            if size > RECORD_BYTES_MAX:
                detail = f"{size} bytes as a journal record, expected at most {RECORD_BYTES_MAX}"
                routed.dead.append(dead_letter(arrival, "oversize", detail))
                return
        for shard in shards:
            routed.records.setdefault(shard, []).append(record)

    # ------------------------------------------------------------------ rows of returns

    def _frame(self, returns: Returns, routed: Routed) -> None:
        """Give each shard the rows of its strategies; refuse the rows of those that have none."""
        early = self._guard.refused(returns)
        if early:
            for row, detail in early.items():
                routed.dead.append(dead_letter(returns.arrivals[row], FAR_FUTURE, detail))
            returns = returns.take(kept_rows(len(returns), early))
        routes = [self.registry.shards_of(name) for name in returns.names]
        homeless = np.array([not shards for shards in routes])
        for row in np.flatnonzero(homeless[returns.code]).tolist():
            name = returns.names[int(returns.code[row])]
            routed.dead.append(dead_letter(returns.arrivals[row], *self._why_homeless(name)))
        for shard in sorted({shard for shards in routes for shard in shards}):
            here = np.array([shard in shards for shards in routes])
            rows = np.flatnonzero(here[returns.code])
            routed.frames[shard] = [
                _frame_of(returns, rows[start : start + ROWS_PER_FRAME_MAX])
                for start in range(0, len(rows), ROWS_PER_FRAME_MAX)
            ]
        self._listen(returns, homeless)

    def _why_homeless(self, name: str) -> tuple[str, str]:
        known = list(self.registry.portfolios)
        place = known[0] if len(known) == 1 else "PORTFOLIO"
        cure = f"apse strategy add {name} --family FAMILY --portfolio {place}"
        if name not in self.registry.strategies:
            return "unknown_strategy", f"strategy {name!r} is not registered; run: {cure}"
        registration, _ = self.registry.strategies[name]
        named = ", ".join(registration.portfolios) or "none"
        detail = f"strategy {name!r} names no portfolio that is registered ({named}); run: {cure}"
        return "unknown_portfolio", detail

    def _listen(self, returns: Returns, homeless: BoolArray) -> None:
        """Note the newest stamps of the strategies heard."""
        stamps_ns = _two_newest(returns.code, returns.period_end_ns)
        of_value = returns.kind == ROW_VALUE
        values_ns = _two_newest(returns.code[of_value], returns.period_end_ns[of_value])
        published_ns = np.full(len(returns.names), -STAMP_LIMIT_NS, dtype=np.int64)
        np.maximum.at(published_ns, returns.code, returns.published_ns)
        last = (returns.kind == ROW_INACTIVE) | (returns.value == DEAD_RETURN)
        ended = set(returns.code[last].tolist())
        for code, newest_ns in stamps_ns.items():
            if not homeless[code]:
                at_ns = int(published_ns[code])
                self.silence.heard(
                    returns.names[code],
                    newest_ns,
                    values_ns.get(code, ()),
                    published_ns=None if at_ns == STAMP_LIMIT_NS else at_ns,
                    ended=code in ended,
                )


def _two_newest(code: IntArray, stamps_ns: IntArray) -> dict[int, tuple[int, ...]]:
    """Return the newest stamps of each code, two at the most, no one twice."""
    if not len(code):
        return {}
    order = np.lexsort((stamps_ns, code))
    code, stamps_ns = code[order], stamps_ns[order]
    distinct = np.flatnonzero(
        np.append(True, (code[1:] != code[:-1]) | (stamps_ns[1:] != stamps_ns[:-1]))
    )
    code, stamps_ns = code[distinct], stamps_ns[distinct]
    stops = np.append(np.flatnonzero(code[1:] != code[:-1]) + 1, len(code)).tolist()
    found, start = {}, 0
    for stop in stops:
        found[int(code[start])] = tuple(stamps_ns[max(start, stop - 2) : stop].tolist())
        start = stop
    return found


def _frame_of(returns: Returns, rows: IntArray) -> Frame:
    """Return the frame of some rows, with a dictionary of the names that are in it."""
    codes, strategy = np.unique(returns.code[rows], return_inverse=True)
    return pack(
        Rows(
            topic=RETURNS.name,
            names=tuple(returns.names[code] for code in codes.tolist()),
            strategy=strategy.astype(np.int64),
            period_end_ns=returns.period_end_ns[rows],
            value=returns.value[rows],
            kind=returns.kind[rows],
            revision=returns.revision[rows],
            source_partition=returns.source_partition[rows],
            source_offset=returns.source_offset[rows],
            reported=reported_in(returns.reported, rows),
        )
    )
