"""The walk of one portfolio over its closed bars: metrics, covariance, ledger, decisions.

It takes bars one by one and stands still while a decision is awaited. All that it needs to go on is
in its state.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from schemas.decisions import Decision, Trigger
from schemas.journal import Nudge
from schemas.optimize import OptimizeReply
from schemas.policy import PortfolioPolicy, StrategyEntry
from schemas.topics import COVARIANCE, DECISIONS, METRICS, OPTIMIZE, REBALANCE, STATE
from streams.core.arrays import BoolArray, IntArray
from streams.core.bars import NEVER_NS, ClosedBar
from streams.core.calendar import bar_length_ns
from streams.core.commands import command_for
from streams.core.covariance import RollingCovariance, parse_covariance
from streams.core.decide import (
    Pending,
    build_request,
    decide,
    declined,
    given_up,
    reduce_by_overlay,
)
from streams.core.eligibility import Book, Selection, minimum_bars, select, too_few_eligible
from streams.core.history import DueCorrection, History, coalesced, history_bars
from streams.core.identity import Context
from streams.core.ledger import BarResult, Ledger
from streams.core.outputs import Output
from streams.core.records import (
    Snapshot,
    compare_reported,
    covariance_record,
    metrics_message,
    state_record,
)
from streams.core.status import Status
from streams.core.triggers import Moment, due_trigger
from streams.core.walk_state import put_back, state_of
from streams.core.windows import EwmaMoments, RollingWindows

if TYPE_CHECKING:
    from schemas.views import ReportedFigures

NUDGES_MAX: Final = 3
"""A request is issued again at most this often before it is given up."""

COVARIANCE_EVERY_BARS: Final = 20
"""The full matrix is published with each decision and at every bar number that this divides."""


class Walk:
    """One portfolio as of its last walked bar. Columns are ``names``, sorted."""

    def __init__(
        self, policy: PortfolioPolicy, policy_version: int, epoch: int, shard: int
    ) -> None:
        self.policy = policy
        self.policy_version = policy_version
        self.epoch = epoch
        self.shard = shard
        self.names: tuple[str, ...] = ()
        self.entries: tuple[StrategyEntry, ...] = ()
        self.windows = self._new_windows(0)
        self.own = RollingWindows(policy.estimation.windows, 1)
        self.ewma = EwmaMoments(0)
        self.covariance: RollingCovariance | None = None  # while nobody is eligible
        self.ledger = Ledger(0)
        self.status = Status()
        self.corrections: list[DueCorrection] = []
        self.pending: Pending | None = None
        self.last: BarResult | None = None
        self.reported: dict[str, ReportedFigures] = {}  # with the last walked bar
        self.history = History(self.windows.capacity)

    # ------------------------------------------------------------------ membership and policy

    def set_members(self, entries: dict[str, StrategyEntry]) -> None:
        """Change the members to ``entries``, a superset of the present ones."""
        first = not self.names
        names = tuple(sorted(entries))
        picked = np.array(
            [self.names.index(n) if n in self.names else -1 for n in names], dtype=np.int64
        )
        self.windows.select_columns(picked)
        self.ewma.select_columns(picked)
        self.ledger.select(picked)
        self.history.select(picked)
        self.names = names
        self.entries = tuple(entries[name] for name in names)
        self.status.ended = np.append(self.status.ended, False)[picked]  # -1 finds the appended one
        if self.last is not None:
            contribution = np.append(self.last.contribution, 0.0)[picked]
            self.last = replace(self.last, contribution=contribution)
        self.covariance = self._new_covariance(np.flatnonzero(self._eligible()))
        if first and self.policy.initial_weights:
            self.ledger.start_with(
                np.array([self.policy.initial_weights.get(name, 0.0) for name in names])
            )

    def set_policy(self, policy: PortfolioPolicy, version: int) -> None:
        """Go on under another policy.

        Windows of new lengths are filled from the bars still held.
        """
        old, self.policy, self.policy_version = self.policy, policy, version
        if old.estimation == policy.estimation:
            return
        held = (
            self.windows.values(self.windows.capacity)
            if self.windows.count
            else np.empty((0, len(self.names)))
        )
        self.windows = self._new_windows(len(self.names))
        for row in held:
            self.windows.push(row)
        earned = self.own.values(self.own.capacity) if self.own.count else np.empty((0, 1))
        self.own = RollingWindows(policy.estimation.windows, 1)
        for row in earned:
            self.own.push(row)
        self.history.resize(self.windows.capacity)
        self.covariance = self._new_covariance(np.flatnonzero(self._eligible()))

    # ------------------------------------------------------------------ bars

    def advance(self, bar: ClosedBar) -> list[Output]:
        """Walk one closed bar."""
        status = self.status
        status.bar_number += 1
        status.previous_end_ns = (
            status.end_ns
            if status.end_ns != NEVER_NS
            else bar.end_ns - bar_length_ns(self.policy.bar)
        )
        status.end_ns = bar.end_ns
        status.ended = bar.ended
        adjusted = any(correction.after_ns < bar.end_ns for correction in self.corrections)
        adjustment = self._apply_corrections(bar.end_ns) if adjusted else 0.0
        policy = self.policy
        self.last = self.ledger.advance(
            status.bar_number, bar.values, policy.cash.rate, policy.costs.linear_bps, adjustment
        )
        self.history.push(bar.end_ns, self.ledger.over_bar, self.last.return_gross)
        self.windows.push(bar.values)
        self.ewma.push(bar.values)
        self.reported = compare_reported(bar.reported, self.names, self.windows, policy)
        self.own.push(np.array([self.last.return_net]))
        self._follow_covariance(corrected=adjusted)
        message = metrics_message(policy, bar.end_ns, self.names, self.windows, self.ewma)
        outputs = [Output(METRICS, policy.portfolio_id, message)]
        trigger = due_trigger(self.policy.rebalance, self._moment(), self.ledger)
        if trigger is None:
            return [*outputs, *self._finish(full=False)]
        return [*outputs, *self.evaluate(trigger)]

    def _moment(self) -> Moment:
        status = self.status
        return Moment(
            previous_end_ns=status.previous_end_ns,
            end_ns=status.end_ns,
            bar_number=status.bar_number,
            accepted_bar_number=status.accepted_bar_number,
            has_target=status.accepted_bar_number is not None or bool(self.policy.initial_weights),
        )

    def _apply_corrections(self, end_ns: int) -> float:
        """Correct the windows from this bar on; return what the NAV is adjusted by."""
        due = coalesced([c for c in self.corrections if c.after_ns < end_ns])
        self.corrections = [c for c in self.corrections if c.after_ns >= end_ns]
        kept = 1.0
        for correction in due:
            ago = self.history.bars_ago(correction.end_ns)
            if ago is None or correction.name not in self.names:
                continue  # no longer in any window
            column = self.names.index(correction.name)
            later = self.windows.values(ago)[:, column]
            self.windows.correct(ago, column, correction.new)
            self.ewma.correct(column, correction.old, correction.new, later)
            kept *= 1.0 + self.history.revise(ago, column, correction.old, correction.new)
        return kept - 1.0

    # ------------------------------------------------------------------ decisions

    def evaluate(self, trigger: Trigger) -> list[Output]:
        """Look at the mix: ask the optimizer, or decline at once where that is already certain."""
        context = self._next_context(trigger)
        stopped = "halted" if self.status.halted else "paused" if self.status.paused else ""
        if stopped:
            return self._conclude(declined(context, stopped, self.policy, self.names), context)
        book = self._book()
        selection = select(book, self.policy)
        if too_few_eligible(book, selection, self.policy):
            return self._decline(context, "too_few_eligible", selection)
        built = build_request(book, selection, self.policy, context)
        if isinstance(built, str):
            return self._decline(context, built, selection)
        request, estimates = built
        self.pending = Pending(
            context=context,
            request=request,
            estimates=estimates,
            excluded=selection.excluded,
            names=self.names,
            held=tuple(book.held.tolist()),
            held_cash=book.held_cash,
        )
        return [Output(OPTIMIZE, self.policy.portfolio_id, request, partition=self.shard)]

    def _decline(self, context: Context, reason: str, selection: Selection) -> list[Output]:
        decision = declined(context, reason, self.policy, self.names, selection.excluded)
        return self._conclude(decision, context)

    def reply(self, reply: OptimizeReply) -> list[Output]:
        """Take an answer; the first one to the pending request wins, any other changes nothing."""
        if self.pending is None or reply.request_id != self.pending.request.request_id:
            return []
        pending, self.pending = self.pending, None
        facts = reply.diagnostics
        headers = (("apse_solve_seconds", repr(facts.solve_seconds)), ("apse_worker", facts.worker))
        return self._conclude(decide(pending, reply, self.policy), pending.context, headers)

    def nudge(self, nudge: Nudge) -> list[Output]:
        """Issue the pending request again, or give it up after the last attempt."""
        pending = self.pending
        if (
            pending is None
            or nudge.request_id != pending.request.request_id
            or nudge.attempt != pending.request.attempt
        ):
            return []
        if nudge.attempt > NUDGES_MAX:
            return self.void("no_answer")
        request = msgspec.structs.replace(pending.request, attempt=nudge.attempt + 1)
        self.pending = msgspec.structs.replace(pending, request=request)
        return [Output(OPTIMIZE, self.policy.portfolio_id, request, partition=self.shard)]

    def void(self, reason: str) -> list[Output]:
        """Give the pending request up, if there is one."""
        if self.pending is None:
            return []
        pending, self.pending = self.pending, None
        return self._conclude(given_up(pending, reason, self.policy), pending.context)

    def reduce(self, multiplier: float, reason: str) -> list[Output]:
        """Scale the weights to a risk overlay's multiplier.

        A larger one only counts from the next decision on.
        """
        self.status.multiplier = multiplier
        before = self.status.applied_multiplier  # the one in what is held: it may have risen since
        book = self._book()
        if multiplier >= before or self.last is None or not book.held.any():
            return []
        context = self._next_context(
            Trigger(kind="risk", value=multiplier, threshold=before, reason=reason)
        )
        if self.status.halted:
            decision = declined(context, "halted", self.policy, self.names)
            return self._conclude(decision, context)
        decision = reduce_by_overlay(book, context, multiplier / before, self.policy)
        return self._conclude(decision, context)

    def _next_context(self, trigger: Trigger) -> Context:
        status = self.status
        status.version += 1
        bounded = self.policy.constraints.turnover_max is not None
        return Context(
            portfolio_id=self.policy.portfolio_id,
            shard=self.shard,
            epoch=self.epoch,
            version=status.version,
            policy_version=self.policy_version,
            bar_end_ns=status.end_ns,
            trigger=trigger,
            exempt=("turnover_max",) if bounded and status.builds(self.policy) else (),
            multiplier=status.multiplier,
        )

    def _conclude(
        self, decision: Decision, context: Context, headers: tuple[tuple[str, str], ...] = ()
    ) -> list[Output]:
        """Publish a decision, follow it where it is accepted, and finish the bar."""
        key = self.policy.portfolio_id
        outputs = [Output(DECISIONS, key, decision, headers=headers)]
        if decision.outcome == "accepted":
            assert decision.stages is not None
            weights = np.array(decision.stages.rounded)
            cash = decision.stages.cash["rounded"]
            command = command_for(decision, context, self.policy, self.status.last_command_id)
            self.ledger.aim(weights, cash)
            if self.policy.ledger == "assumed":
                self.ledger.fill_later(
                    self.status.bar_number + 1 + self.policy.execution.delay_bars, weights, cash
                )
            self.status.accepted_bar_number = self.status.bar_number
            self.status.applied_multiplier = context.multiplier
            self.status.last_command_id = command.command_id
            outputs.append(Output(REBALANCE, key, command))
        return [*outputs, *self._finish(full=True)]

    def filled(self, weights: dict[str, float]) -> None:
        """Move the held weights as the execution layer reported, before the next bar's returns."""
        target = np.array([weights.get(name, 0.0) for name in self.names])
        self.ledger.fill_later(self.status.bar_number + 1, target, 1.0 - float(target.sum()))

    # ------------------------------------------------------------------ views

    def _book(self) -> Book:
        window = self.policy.estimation.window_bars
        held, held_cash = self.ledger.coming()
        return Book(
            names=self.names,
            entries=self.entries,
            returns=self.windows.values(window),
            n_obs=self.windows.observed(window),
            age_bars=self.windows.last_value_age(),
            ended=self.status.ended,
            held=held,
            held_cash=held_cash,
        )

    def announce(self) -> list[Output]:
        """Publish the state again: what a person or the risk function changed shows at once."""
        return self._finish(full=False)[-1:]

    def _finish(self, *, full: bool) -> list[Output]:
        """Publish the bar's covariance and state, now that its decision is known."""
        if self.last is None:
            return []
        full = full or self.status.bar_number % COVARIANCE_EVERY_BARS == 0
        at = Snapshot(
            policy=self.policy,
            epoch=self.epoch,
            names=self.names,
            status=self.status,
            ledger=self.ledger,
            last=self.last,
            own=self.own,
            eligible=self._eligible(),
            covariance=self.covariance,
            reported=self.reported,
        )
        key = self.policy.portfolio_id
        return [
            Output(COVARIANCE, key, covariance_record(at, full=full)),
            Output(STATE, key, state_record(at)),
        ]

    def _eligible(self) -> BoolArray:
        """Return who has enough and fresh observations, (N,)."""
        estimation = self.policy.estimation
        least = minimum_bars(self.policy, len(self.names))
        enough = self.windows.observed(estimation.window_bars) >= least
        return (
            enough & (self.windows.last_value_age() <= estimation.stale_bars) & ~self.status.ended
        )

    def _follow_covariance(self, *, corrected: bool) -> None:
        """Take the newest bar into the rolling covariance of those who are eligible now."""
        eligible = np.flatnonzero(self._eligible())
        now = self.covariance
        if corrected or now is None or not np.array_equal(eligible, now.eligible):
            self.covariance = self._new_covariance(eligible)
        else:
            now.push(self.windows)

    # ------------------------------------------------------------------ state

    def _new_windows(self, columns: int) -> RollingWindows:
        estimation = self.policy.estimation
        lengths = tuple(sorted({*estimation.windows, estimation.window_bars}))
        return RollingWindows(lengths, columns, history_bars(self.policy))

    def _new_covariance(self, eligible: IntArray) -> RollingCovariance | None:
        if not eligible.size:
            return None
        estimation = self.policy.estimation
        return RollingCovariance(
            self.windows, estimation.window_bars, parse_covariance(estimation.covariance), eligible
        )

    def to_state(self) -> dict[str, Any]:
        """Return everything as plain values and arrays; :meth:`from_state` restores it."""
        return state_of(self)

    @classmethod
    def from_state(cls, shard: int, state: dict[str, Any]) -> "Walk":
        """Return the walk that :meth:`to_state` described."""
        policy = msgspec.msgpack.decode(state["policy"], type=PortfolioPolicy)
        walk = cls(policy, state["policy_version"], state["epoch"], shard)
        put_back(walk, state)
        return walk
