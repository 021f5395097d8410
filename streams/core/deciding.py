"""The decisions of one portfolio: look at the mix, ask the optimizer, follow its answer.

What is held, wanted and known stands here as of the last walked bar; ``walk`` moves it on.
"""

import math
from typing import Final

import msgspec
import numpy as np

from schemas.decisions import Decision, GateWaiver, Trigger
from schemas.events import ExecutionReport
from schemas.journal import Nudge
from schemas.optimize import OptimizeReply
from schemas.policy import PolicyError, PortfolioPolicy, with_overrides
from schemas.shadows import EQUAL
from schemas.topics import DECISIONS, OPTIMIZE, REBALANCE
from streams.core.arrays import FloatArray
from streams.core.bars import NEVER_NS
from streams.core.commands import command_for, expiry_ns
from streams.core.conclusions import Pending, declined, given_up
from streams.core.decide import decide, pending_of, reduce_by_overlay
from streams.core.drawdown import drawdown_multiplier
from streams.core.eligibility import Book, Selection, select, too_few_eligible, waived_minima
from streams.core.gain import bounded
from streams.core.identity import Context
from streams.core.ledger import Fill, Order
from streams.core.outputs import Output
from streams.core.shadows import equal_weights, targets_of, with_shadows
from streams.core.signals import MarketSigns, turbulence
from streams.core.standing import Standing
from streams.core.study import Study
from streams.core.triggers import Moment, cooling, drift_risk, due_trigger, still_fired

FILLS: Final = ("accepted", "partially_filled", "filled")
NUDGES_MAX: Final = 3
"""A request is issued again at most this often before it is given up."""


class Deciding(Standing):
    """What moves a portfolio's mix: triggers, decisions, reports of what became of them."""

    # ------------------------------------------------------------------ triggers

    def sense(self, values: FloatArray) -> None:
        """Measure a bar's returns (N,) against what was known before it, where signals prompt."""
        limits, windows = self.policy.rebalance.signals, self.study.windows
        self.signals = {}
        if limits is None:
            self.signs = None
            return
        if self.signs is None:
            self.signs = MarketSigns(len(self.names))
            self.signs.push(windows.values(windows.capacity))
        told = self.signs.push(values[None])
        found = {
            "volatility_regime": float(told.volatility_regime[0]),
            "correlation_break": float(told.correlation_break[0]),
        }
        covariance = self.study.covariance
        if limits.turbulence is not None and covariance is not None:
            unusual = turbulence(values[covariance.eligible], _matrix(self.study))
            found["turbulence"] = math.nan if unusual is None else unusual
        self.signals = {n: bounded(value) for n, value in found.items() if not math.isnan(value)}

    def judge(self, bars_ago: int) -> None:
        """Score the forecasts of risk where it was a bar's turn; who is in force may change by it.

        The windows and the history may be ahead of that bar.
        """
        quality, windows = self.quality, self.study.windows
        count = windows.count - bars_ago
        if quality is not None and quality.due(count):
            held = self.history.held(quality.every_bars, bars_ago)
            quality.follow(windows, count, held, self.names)
            self.study.use(quality.covariance)

    @property
    def walks_singly(self) -> bool:
        """Tell whether each bar has to be known before the next: what is asked for looks back."""
        rebalance = self.policy.rebalance
        limits_risk = rebalance.drift is not None and rebalance.drift.max_risk is not None
        return limits_risk or rebalance.signals is not None

    def due(self) -> Trigger | None:
        """Look at a bar's close: return what asks for a decision, the drawdown overlay first."""
        if self.policy.ledger == "reported":
            self.ledger.forget_expired(self.status.end_ns)
            self.status.applied_multiplier = self.ledger.coming_multiplier
        return self._follow_drawdown() or self._due()

    def follow(self, trigger: Trigger) -> list[Output]:
        """Do what a bar's trigger asks for."""
        return self._shrink(trigger) if trigger.kind == "drawdown" else self.evaluate(trigger)

    def _due(self) -> Trigger | None:
        """Return the trigger of this bar, and remember what was looked at."""
        status, rebalance = self.status, self.policy.rebalance
        moment = Moment(
            previous_end_ns=(
                status.previous_end_ns if status.served_ns == NEVER_NS else status.served_ns
            ),
            end_ns=status.end_ns,
            bar_number=status.bar_number,
            accepted_bar_number=status.accepted_bar_number,
            has_target=status.accepted_bar_number is not None or bool(self.policy.initial_weights),
            drift_risk=self._drift_risk(),
            signals=self.signals,
            fired=tuple(status.fired),
        )
        trigger = due_trigger(rebalance, moment, self.ledger)
        if not cooling(rebalance, moment):
            status.served_ns = status.end_ns
        prompted = "" if trigger is None else trigger.kind
        status.fired = still_fired(rebalance.signals, status.fired, self.signals, prompted)
        return trigger

    def _drift_risk(self) -> float | None:
        drift, covariance = self.policy.rebalance.drift, self.study.covariance
        if drift is None or drift.max_risk is None or covariance is None:
            return None
        cov_annual = _matrix(self.study) * self.policy.periods_per_year
        found = drift_risk(self.ledger, covariance.eligible, cov_annual)
        return None if math.isnan(found) else bounded(found)

    def _follow_drawdown(self) -> Trigger | None:
        """Let the drawdown overlay follow the NAV; tell where what is held has to shrink."""
        overlay, status = self.policy.overlay.drawdown, self.status
        if overlay is None:
            status.drawdown_multiplier = 1.0
            return None
        status.drawdown_multiplier = drawdown_multiplier(
            overlay, self.ledger.drawdown, status.drawdown_multiplier
        )
        near = status.wanted_multiplier > status.applied_multiplier - overlay.step
        if near or status.halted or not self._has_to_shrink():
            return None
        return Trigger(kind="drawdown", value=-self.ledger.drawdown, threshold=overlay.start)

    # ------------------------------------------------------------------ decisions

    def evaluate(self, trigger: Trigger) -> list[Output]:
        """Look at the mix: ask the optimizer, or decline at once where that is already certain."""
        stopped = "halted" if self.status.halted else "paused" if self.status.paused else ""
        try:
            policy = with_overrides(self.policy, trigger.overrides)
        except PolicyError as error:  # the policy may have changed since they were asked for
            policy, stopped = self.policy, stopped or f"overrides: {error}"
        context = self._next_context(trigger, policy)
        if stopped:
            return self._conclude(declined(context, stopped, policy, self.names), context)
        book = self._book()
        selection = select(book, policy)
        if too_few_eligible(book, selection, policy):
            return self._decline(context, "too_few_eligible", policy, selection)
        exempt = (*context.exempt, *waived_minima(book, selection, policy))
        context = msgspec.structs.replace(context, exempt=exempt)
        pending = pending_of(book, selection, policy, context)
        if isinstance(pending, str):
            return self._decline(context, pending, policy, selection)
        self.pending = self._beside(pending, book, selection)
        request = self.pending.request
        return [Output(OPTIMIZE, self.policy.portfolio_id, request, partition=self.shard)]

    def _beside(self, pending: Pending, book: Book, selection: Selection) -> Pending:
        """Let the paper books decide beside the main one: 1/N at once, the others ask with it."""
        weights, cash = equal_weights(selection, self.policy, len(self.names))
        self._trade_on_paper(EQUAL, (weights, cash) if weights.any() else "too_few_eligible")
        return with_shadows(pending, book, selection, self.policy, self.shadows)

    def _trade_on_paper(self, name: str, target: tuple[FloatArray, float] | str) -> None:
        """Let a paper book trade to weights (N,) and cash, or hold for a reason."""
        place = self.shadows.names.index(name)
        if isinstance(target, str):
            self.shadows.hold(place, target)
            return
        before_bar = self.status.bar_number + 1 + self.policy.execution.delay_bars
        self.shadows.decide(place, Fill(before_bar, *target, self._costs()))

    def _decline(
        self, context: Context, reason: str, policy: PortfolioPolicy, selection: Selection
    ) -> list[Output]:
        decision = declined(context, reason, policy, self.names, selection.excluded)
        return self._conclude(decision, context)

    def reply(self, reply: OptimizeReply) -> list[Output]:
        """Take an answer; the first one to the pending request wins, any other changes nothing."""
        if self.pending is None or reply.request_id != self.pending.request.request_id:
            return []
        pending, self.pending = self.pending, None
        facts = reply.diagnostics
        headers = (("apse_solve_seconds", repr(facts.solve_seconds)), ("apse_worker", facts.worker))
        policy = self._policy_of(pending)
        decision = decide(pending, reply, policy, self._book().returns)
        asked, usual = policy.constraints.correlation, self.policy.constraints.correlation
        if reply.correlation is not None and asked == usual:  # other limits are for once
            self.clusters = reply.correlation.clusters
        for name, target in targets_of(pending.request, reply, self.names):
            self._trade_on_paper(name, target)
        found = {answer.name: answer.clusters for answer in reply.shadows if answer.clusters}
        self.shadows.clusters.update(found)
        return self._conclude(decision, pending.context, headers)

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
        for shadow in pending.request.shadows:
            self._trade_on_paper(shadow.name, reason)
        return self._conclude(given_up(pending, reason, self._policy_of(pending)), pending.context)

    def _policy_of(self, pending: Pending) -> PortfolioPolicy:
        """Return the policy that a request was made under: it does not change while one waits."""
        return with_overrides(self.policy, pending.context.trigger.overrides)

    def reduce(self, multiplier: float, reason: str) -> list[Output]:
        """Scale the weights to a risk overlay's multiplier.

        A larger one only counts from the next decision on.
        """
        self.status.multiplier = multiplier
        before = self.status.applied_multiplier  # the one in what is held: it may have risen since
        return self._shrink(Trigger(kind="risk", value=multiplier, threshold=before, reason=reason))

    def _shrink(self, trigger: Trigger) -> list[Output]:
        """Scale what is held to the smallest overlay, unless it is that small already."""
        if not self._has_to_shrink():
            return []
        wanted, before = self.status.wanted_multiplier, self.status.applied_multiplier
        book, context = self._book(), self._next_context(trigger, self.policy)
        if self.status.halted:
            decision = declined(context, "halted", self.policy, self.names)
            return self._conclude(decision, context)
        decision = reduce_by_overlay(book, context, wanted / before, self.policy)
        return self._conclude(decision, context)

    def _has_to_shrink(self) -> bool:
        held, _ = self.ledger.coming()
        smaller = self.status.wanted_multiplier < self.status.applied_multiplier
        return smaller and self.last is not None and bool(held.any())

    def _next_context(self, trigger: Trigger, policy: PortfolioPolicy) -> Context:
        status = self.status
        status.version += 1
        bounded = policy.constraints.turnover_max is not None
        return Context(
            portfolio_id=self.policy.portfolio_id,
            shard=self.shard,
            epoch=self.epoch,
            version=status.version,
            policy_version=self.policy_version,
            bar_end_ns=status.end_ns,
            trigger=trigger,
            exempt=("turnover_max",) if bounded and status.builds(self.policy) else (),
            multiplier=status.wanted_multiplier,
            gate_waived=self._gate_waiver(trigger),
        )

    def _gate_waiver(self, trigger: Trigger) -> GateWaiver:
        """Return why cost alone may not hold this decision back; empty where it may."""
        if self.status.overlaid:
            return "overlay"
        if self.status.builds(self.policy):
            return "first_build"
        if trigger.kind in {"risk", "drawdown"}:
            return "risk"
        return "manual" if trigger.kind == "manual" else ""

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
            command = command_for(
                decision, context, self.policy, self.status.last_command_id, self.ledger.nav
            )
            self.ledger.aim(weights, cash)
            if self.policy.ledger == "assumed":
                before_bar = self.status.bar_number + 1 + self.policy.execution.delay_bars
                self.ledger.fill_later(before_bar, weights, cash, self._costs())
            else:
                expires_ns = expiry_ns(context, self.policy)
                self.ledger.order(
                    Order(context.version, context.multiplier, expires_ns, weights, cash)
                )
            self.status.accepted_bar_number = self.status.bar_number
            self.status.applied_multiplier = context.multiplier
            self.status.last_command_id = command.command_id
            outputs.append(Output(REBALANCE, key, command))
        return [*outputs, *self._finish(full=True)]

    def acknowledge(self, report: ExecutionReport) -> list[Output]:
        """Note a report; a reported ledger follows the newest version, and the state says so."""
        status, reported = self.status, self.policy.ledger == "reported"
        known = report.epoch == self.epoch and report.version <= status.version
        stale = report.version < status.acknowledged_version
        if stale or not known:
            return []
        if report.status not in FILLS:
            if reported:
                self.unfilled(report.version)
            return []
        status.acknowledged_version = report.version
        if not reported:
            return []
        self.filled(report.version, report.filled_weights, whole=report.status == "filled")
        return self.announce()

    def filled(self, version: int, weights: dict[str, float] | None, *, whole: bool) -> None:
        """Move the held weights as the execution layer reported, before the next bar's returns.

        A command that was filled as a whole, with no weights told, is filled as it was sent.
        """
        sent = self.ledger.ordered(version)
        if weights is not None:
            target = np.array([weights.get(name, 0.0) for name in self.names])
            cash = 1.0 - float(target.sum())
            self.ledger.fill_later(self.status.bar_number + 1, target, cash, self._costs())
        elif whole and sent is not None:
            before_bar = self.status.bar_number + 1
            self.ledger.fill_later(before_bar, sent.weights, sent.cash, self._costs())
        if whole:
            self._settle(version, filled=True)

    def unfilled(self, version: int) -> None:
        """Note that a command was rejected or expired: what it asked for is not coming."""
        self._settle(version, filled=False)

    def _settle(self, version: int, *, filled: bool) -> None:
        self.ledger.conclude(version, filled=filled)
        self.status.applied_multiplier = self.ledger.coming_multiplier


def _matrix(study: Study) -> FloatArray:
    """Return the covariance per bar of those eligible, NaN while too few rows are common."""
    found = study.estimate()
    if found is not None:
        return found.matrix
    size = 0 if study.covariance is None else study.covariance.eligible.size
    return np.full((size, size), np.nan)
