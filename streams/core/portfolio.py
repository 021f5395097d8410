"""One portfolio as a fold: rows become bars, bars and events queue, the walk takes them in order.

Halt, pause and reduce act at their place in the journal and void a pending request. Everything else
queues with the bars; the walk stops, for this portfolio alone, while a decision is awaited, and
goes on with the answer.
"""

from collections import deque
from itertools import islice, takewhile
from typing import Any, assert_never

import msgspec
import numpy as np

from schemas.decisions import Trigger
from schemas.events import PortfolioRegistration, StrategyRegistration
from schemas.journal import (
    Control,
    Nudge,
    PortfolioRegistered,
    Position,
    Release,
    Reply,
    Report,
    Risk,
    StrategyRegistered,
)
from schemas.policy import FromReturns, PortfolioPolicy, StrategyEntry
from streams.core.bars import ALWAYS_NS, BarBuilder, ClosedBar
from streams.core.frames import Rows
from streams.core.history import history_bars
from streams.core.late import add_correction, late_letters
from streams.core.outputs import Output
from streams.core.quarantine import Screen
from streams.core.repeats import is_repeated
from streams.core.walk import Walk

Addressed = (
    StrategyRegistered | PortfolioRegistered | Control | Risk | Report | Release | Reply | Nudge
)
Queued = StrategyRegistered | PortfolioRegistered | Control | Risk | Report
URGENT_ACTIONS = ("halt", "reduce", "pause")
BARS_AHEAD_MAX = 256  # at which a walk looks; what it does not take stays in the queue


class Portfolio:
    """State of one portfolio, and the one way to change it: records of the journal, in order."""

    def __init__(self, registration: PortfolioRegistration, source: Position) -> None:
        policy = registration.policy
        self.walk = Walk(
            policy, registration.policy_version, registration.epoch, registration.shard
        )
        self.members: dict[str, StrategyEntry] = {}
        self.builder = BarBuilder(policy.bar, (), self.walk.study.windows.capacity)
        self.screen = Screen(policy.estimation.quarantine, self.builder.horizon_bars)
        self.queue: deque[ClosedBar | Queued] = deque()
        self.seen: dict[str, int] = {}  # "topic/partition" -> first source offset not yet seen
        self.columns: dict[str, int] = {}
        self.joined: set[str] = set()  # members by a registration of their own
        self.reports: list[str] = []  # ids of the last reports, oldest first
        self.requests: list[str] = []  # and of the last wishes of persons
        self._is_new(source, "portfolio")
        self._join(_entries(policy))
        self.walk.set_members(self.members)

    @property
    def idle(self) -> bool:
        """Tell whether nothing is queued and no answer is awaited."""
        return not self.queue and self.walk.pending is None

    # ------------------------------------------------------------------ journal in

    def absorb(self, rows: Rows) -> list[Output]:
        """Take a frame's rows in: drop what was seen or is not ours, close bars.

        They wait to be walked, together with those of more frames, until :meth:`drain`.
        """
        fresh = self._unseen(rows)
        columns = np.array([self.columns.get(name, -1) for name in rows.names], dtype=np.int64)[
            rows.strategy
        ]
        chosen = np.flatnonzero(fresh & (columns >= 0))
        if not len(chosen):
            return []
        if len(chosen) < len(rows):
            rows, columns = rows.take(chosen), columns[chosen]
        corrections = self.builder.absorb(rows, columns)
        outputs = self.drain() if corrections else []  # these are noted at the last closed bar
        for correction in corrections:
            name = self.builder.names[correction.column]
            due, walk = self.screen.corrected(correction, name), self.walk
            add_correction(walk.corrections, due, walk.history, walk.status.end_ns)
        letters = late_letters(rows, self.builder.refusals(), self.walk.policy.portfolio_id)
        self._enqueue_closed()
        return [*outputs, *letters]

    def apply(self, record: Addressed) -> list[Output]:
        """Take one record other than a frame in."""
        if isinstance(record, Reply):
            return [*self.walk.reply(record.reply), *self.drain()]
        if isinstance(record, Nudge):
            return [*self.walk.nudge(record), *self.drain()]
        if isinstance(record, Release):
            if record.strategy_id in self.columns:
                self.builder.release(self.columns[record.strategy_id], record.through_ns)
            return self._close()
        if not self._is_new(record.source, _entity(record)) or self._is_repeated(record):
            return []
        if _is_urgent(record):
            self._forget_resumes(record)
            return [*self._act(record), *self.drain()]
        return self._enqueue(record)

    def _enqueue(self, record: Queued) -> list[Output]:
        """Let a record wait its turn behind the bars; who is awaited changes at once."""
        if isinstance(record, StrategyRegistered):
            if self.walk.policy.portfolio_id not in record.registration.portfolios:
                self._leave(record.registration.strategy_id)
                return self._close()
            self._register(record.registration)
        elif isinstance(record, PortfolioRegistered):
            if record.registration.shard != self.walk.shard:
                self.walk.status.halted = True  # another shard speaks for it from now on
                return [*self.walk.void("voided: moved"), *self.drain()]
            if not self._is_newer(record.registration):
                return []
            self._change_members(record.registration.policy)
        self.queue.append(record)
        return [*self._close(), *self.drain()]

    def _forget_resumes(self, record: Queued) -> None:
        """Drop queued resumes that an urgent order, which acts before them, comes after."""
        kept = [item for item in self.queue if not _is_resume(item, type(record))]
        self.queue = deque(kept)

    def _unseen(self, rows: Rows) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return which rows (R,) are past what was seen of their source, and remember them."""
        fresh = np.ones(len(rows), dtype=bool)
        for partition in np.unique(rows.source_partition).tolist():
            key = f"{rows.topic}/{partition}"
            here = rows.source_partition == partition
            first = self.seen.get(key, 0)
            fresh[here] = rows.source_offset[here] >= first
            self.seen[key] = max(first, int(rows.source_offset[here].max()) + 1)
        return fresh

    def _is_new(self, source: Position, entity: str) -> bool:
        """Tell whether a record stands past what was seen of its source, and remember it.

        The registry is compacted and may be told again from its beginning, hence one mark an
        entity.
        """
        key = f"{source.topic}/{source.partition}/{entity}"
        if source.offset < self.seen.get(key, 0):
            return False
        self.seen[key] = source.offset + 1
        return True

    def _is_repeated(self, record: Queued) -> bool:
        """Tell whether a report or a wish was seen under the same id; remember it otherwise."""
        if isinstance(record, Report):
            return is_repeated(record.report.report_id, self.reports)
        if isinstance(record, Control):
            # under an id used twice another wish is a wish of its own: no pause may be lost
            wish = f"{record.request.action}/{record.request.request_id}"
            return is_repeated(wish, self.requests)
        return False

    # ------------------------------------------------------------------ membership

    def _join(self, entries: dict[str, StrategyEntry]) -> None:
        self.members.update(entries)
        names = tuple(sorted({*self.members, *self.columns}))
        if names != self.builder.names:
            self.builder.set_names(names)
            self.columns = {name: column for column, name in enumerate(names)}

    def _register(self, registration: StrategyRegistration) -> None:
        """Let a strategy join, or change it; one that had ended is awaited again."""
        column = self.columns.get(registration.strategy_id)
        if column is not None and self.builder.ended_ns[column] != ALWAYS_NS:
            self.builder.revive(column)
        self.joined.add(registration.strategy_id)
        self._join({registration.strategy_id: _entry(registration)})

    def _leave(self, name: str) -> None:
        """End a strategy whose registration no longer names us, unless our own policy lists it."""
        column = self.columns.get(name)
        if column is not None and name not in _entries(self.walk.policy):
            self.builder.end(column, self.builder.closed_ns)
            self.members.pop(name, None)
            self.joined.discard(name)

    def _is_newer(self, registration: PortfolioRegistration) -> bool:
        """Tell whether a policy follows on those we know; the bar of a portfolio never changes."""
        waiting = [r.registration for r in self.queue if isinstance(r, PortfolioRegistered)]
        newest = max([self.walk.policy_version, *(r.policy_version for r in waiting)])
        return registration.policy_version > newest and registration.policy.bar == self.builder.bar

    def _change_members(self, policy: PortfolioPolicy) -> None:
        """Follow the list of a new policy: names join; those left out end, and may come back."""
        entries = _entries(policy)
        self.builder.horizon_bars = history_bars(policy)
        self.screen.rule = policy.estimation.quarantine
        self.screen.horizon_bars = self.builder.horizon_bars
        for name in set(entries) & (set(self.columns) - set(self.members)):
            self.builder.revive(self.columns[name])
        if not isinstance(policy.strategies, FromReturns):
            for name in set(self.members) - set(entries) - self.joined:
                self.builder.end(self.columns[name], self.builder.closed_ns)
                del self.members[name]
        self._join(entries)

    # ------------------------------------------------------------------ the walk

    def _close(self) -> list[Output]:
        self._enqueue_closed()
        return self.drain()

    def _enqueue_closed(self) -> None:
        names, due = self.builder.names, self.walk.corrections
        self.queue.extend(self.screen.screened(bar, names, due) for bar in self.builder.close())

    def drain(self) -> list[Output]:
        """Walk the queue until it is empty or a decision is awaited."""
        outputs: list[Output] = []
        while self.walk.pending is None and self.queue:
            bars = self._bars_ahead()
            if bars:
                walked, made = self.walk.advance(bars)
                for _ in range(walked):
                    self.queue.popleft()
                outputs += made
            elif (item := self._next()) is None:
                break
            elif isinstance(item, ClosedBar):
                outputs += self.walk.advance([item])[1]
            else:
                outputs += self._act(item)
        return outputs

    def _bars_ahead(self) -> list[ClosedBar]:
        """Return the closed bars at the head of the queue, which stay there."""
        ahead = takewhile(lambda item: isinstance(item, ClosedBar), self.queue)
        return [bar for bar in islice(ahead, BARS_AHEAD_MAX) if isinstance(bar, ClosedBar)]

    def _next(self) -> ClosedBar | Queued | None:
        """Take the next item; a person's wish for a rebalance awaits the first bar."""
        for place, item in enumerate(self.queue):
            if self.walk.last is not None or not _is_manual(item):
                del self.queue[place]
                return item
        return None

    def _act(self, record: Queued) -> list[Output]:
        """Let an event take effect on the last walked bar."""
        walk = self.walk
        match record:
            case StrategyRegistered(registration=registration):
                entries = dict(zip(walk.names, walk.entries, strict=True))
                walk.set_members({**entries, registration.strategy_id: _entry(registration)})
            case PortfolioRegistered(registration=registration):
                entries = dict(zip(walk.names, walk.entries, strict=True))
                walk.set_policy(registration.policy, registration.policy_version)
                walk.epoch = max(walk.epoch, registration.epoch)
                walk.set_members({**entries, **_entries(registration.policy)})
            case Control(request=request):
                if request.action == "pause":
                    walk.status.paused = True
                    return walk.void("voided: paused") or walk.announce()
                if request.action == "resume":
                    walk.status.paused = False
                    return walk.announce()
                return walk.evaluate(
                    Trigger(
                        kind="manual",
                        reference=request.request_id,
                        reason=request.reason,
                        overrides=request.overrides,
                    )
                )
            case Risk():
                return self._risk(record)
            case Report(report=report):
                return walk.acknowledge(report)
            case _:
                assert_never(record)
        return []

    def _risk(self, record: Risk) -> list[Output]:
        walk, signal = self.walk, record.signal
        if signal.action == "halt":
            walk.status.halted = True
            return walk.void("voided: halted") or walk.announce()
        if signal.action == "resume":
            walk.status.halted = False
            walk.status.multiplier = 1.0
            return walk.announce()
        multiplier = 1.0 if signal.multiplier is None else signal.multiplier
        return [*walk.void("voided: reduced"), *walk.reduce(multiplier, signal.reason)]

    # ------------------------------------------------------------------ state

    def to_state(self) -> dict[str, Any]:
        """Return everything as plain values and arrays; :meth:`from_state` restores it."""
        return {
            "shard": self.walk.shard,
            "members": msgspec.msgpack.encode(list(self.members.values())),
            "seen": dict(self.seen),
            "reports": list(self.reports),
            "requests": list(self.requests),
            "joined": sorted(self.joined),
            "builder": self.builder.to_state(),
            "screen": self.screen.to_state(),
            "walk": self.walk.to_state(),
            "queue": [_queued_state(item) for item in self.queue],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Portfolio":
        """Return the portfolio that :meth:`to_state` described."""
        portfolio = cls.__new__(cls)
        portfolio.walk = Walk.from_state(state["shard"], state["walk"])
        members = msgspec.msgpack.decode(state["members"], type=list[StrategyEntry])
        portfolio.members = {entry.id: entry for entry in members}
        portfolio.seen = dict(state["seen"])
        portfolio.reports = list(state["reports"])
        portfolio.requests = list(state.get("requests", ()))  # versions before remembered none
        portfolio.joined = set(state["joined"])
        portfolio.builder = BarBuilder.from_state(portfolio.walk.policy.bar, state["builder"])
        portfolio.screen = Screen.from_state(state["screen"])
        portfolio.columns = {name: column for column, name in enumerate(portfolio.builder.names)}
        portfolio.queue = deque(_queued_item(item) for item in state["queue"])
        return portfolio


def _entries(policy: PortfolioPolicy) -> dict[str, StrategyEntry]:
    if isinstance(policy.strategies, FromReturns):
        return {}
    return {entry.id: entry for entry in policy.strategies}


def _entry(registration: StrategyRegistration) -> StrategyEntry:
    return StrategyEntry(
        id=registration.strategy_id,
        family=registration.family,
        weight_min=registration.weight_min,
        weight_max=registration.weight_max,
        account=registration.account_id,
    )


def _entity(record: Queued) -> str:
    if isinstance(record, StrategyRegistered):
        return f"strategy/{record.registration.strategy_id}"
    return "portfolio" if isinstance(record, PortfolioRegistered) else ""


def _is_resume(item: ClosedBar | Queued, kind: type) -> bool:
    if isinstance(item, Risk):
        return kind is Risk and item.signal.action == "resume"
    return isinstance(item, Control) and kind is Control and item.request.action == "resume"


def _is_urgent(record: Queued) -> bool:
    if isinstance(record, Risk):
        return record.signal.action in URGENT_ACTIONS
    return isinstance(record, Control) and record.request.action in URGENT_ACTIONS


def _is_manual(item: ClosedBar | Queued) -> bool:
    return isinstance(item, Control) and item.request.action == "rebalance"


def _queued_state(item: ClosedBar | Queued) -> dict[str, Any]:
    if isinstance(item, ClosedBar):
        return item.to_state()
    return {"record": msgspec.msgpack.encode(item)}


def _queued_item(state: dict[str, Any]) -> ClosedBar | Queued:
    if "record" in state:
        item: Queued = msgspec.msgpack.decode(state["record"], type=Queued)
        return item
    return ClosedBar.from_state(state)
