"""The walk of one portfolio over its closed bars: metrics, covariance, ledger, triggers.

It takes as many bars as wait, to the bits of one by one, and stands still while a decision is
awaited. All that it needs to go on is in its state, which is always that of the last walked bar.
"""

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from schemas.decisions import Trigger
from schemas.policy import PortfolioPolicy, StrategyEntry
from schemas.topics import METRICS
from streams.core.bars import NEVER_NS, ClosedBar
from streams.core.calendar import bar_length_ns
from streams.core.data_states import bar_data
from streams.core.deciding import Deciding
from streams.core.history import coalesced
from streams.core.ledger import BarResult
from streams.core.metrics import run_metrics
from streams.core.outputs import Output
from streams.core.records import (
    Close,
    close_of,
    compare_reported,
    metrics_messages,
    rolling_of,
)
from streams.core.standing import new_quality
from streams.core.status import Status
from streams.core.walk_state import put_back, state_of
from streams.core.windows import RUN_BARS_MAX, RollingWindows

_RUN_CELLS_MAX: Final = 16_384  # bars times strategies taken at once: their tables fit the cache


class _Walked(NamedTuple):
    """What the ledger made of a bar, and the counters after it."""

    status: Status
    close: Close
    last: BarResult


class Walk(Deciding):
    """One portfolio, moved on by its closed bars."""

    # ------------------------------------------------------------------ membership and policy

    def set_members(self, entries: dict[str, StrategyEntry]) -> None:
        """Change the members to ``entries``, a superset of the present ones."""
        first = not self.names
        names = tuple(sorted(entries))
        picked = np.array(
            [self.names.index(n) if n in self.names else -1 for n in names], dtype=np.int64
        )
        self.status.ended = np.append(self.status.ended, False)[picked]  # -1 finds the appended one
        self.study.select(picked, self.status.ended)
        self.ledger.select(picked)
        self.shadows.select(picked)
        self.history.select(picked)
        if self.signs is not None:
            self.signs.select(picked)
        self.names = names
        self.rolling = None
        self.figures.begin(self.policy, names)
        self.entries = tuple(entries[name] for name in names)
        if self.last is not None:
            contribution = np.append(self.last.contribution, 0.0)[picked]
            self.last = replace(self.last, contribution=contribution)
        if first and self.policy.initial_weights:
            weights = np.array([self.policy.initial_weights.get(name, 0.0) for name in names])
            self.ledger.start_with(weights)
            self.shadows.start_with(weights)

    def set_policy(self, policy: PortfolioPolicy, version: int) -> None:
        """Go on under another policy.

        Windows of new lengths are filled from the bars still held.
        """
        old, self.policy, self.policy_version = self.policy, policy, version
        self.rolling = None
        self.figures.begin(policy, self.names)
        self.shadows.set_policy(policy, self.ledger, self.status.end_ns)
        if old.estimation == policy.estimation:
            return
        self.study.set_policy(policy, self.status.ended)
        self.quality = new_quality(policy)
        earned = self.own.values(self.own.capacity)
        self.own = RollingWindows(policy.estimation.windows, 1)
        for row in earned:
            self.own.push(row)
        self.history.resize(self.study.windows.capacity)

    # ------------------------------------------------------------------ bars

    def advance(self, bars: Sequence[ClosedBar]) -> tuple[int, list[Output]]:
        """Walk closed bars, through the first whose decision is awaited.

        The ledger goes ahead, bar by bar, to the first that asks for a decision; then the tables
        take all of these bars at once.

        Parameters
        ----------
        bars
            In their order, of the present columns.

        Returns
        -------
        walked : int
            How many of them.
        outputs : list
            What they emit.
        """
        walked = 0
        outputs: list[Output] = []
        while walked < len(bars) and self.pending is None:
            ahead = bars[walked : walked + self._bars_at_once()]
            corrected = self._is_corrected(ahead[0])
            stretch, trigger = self._go_ahead(ahead, corrected=corrected)
            walked += len(stretch)
            outputs += self._take_in(ahead[: len(stretch)], stretch, corrected=corrected)
            if self.walks_singly:
                trigger = self.due()
            outputs += self._finish(full=False) if trigger is None else self.follow(trigger)
        return walked, outputs

    def _bars_at_once(self) -> int:
        if self.walks_singly:
            return 1
        most = min(RUN_BARS_MAX, max(1, _RUN_CELLS_MAX // max(1, len(self.names))))
        if self.quality is None:
            return most
        # Forecasts are judged by what was held before the bar, which is to be at hand after more.
        return min(most, self.history.capacity - self.quality.every_bars)

    def _go_ahead(
        self, bars: Sequence[ClosedBar], *, corrected: bool
    ) -> tuple[list[_Walked], Trigger | None]:
        """Let the ledger take bars, through the first that asks for a decision.

        A bar from which on the tables are corrected begins a stretch of its own.
        """
        stretch: list[_Walked] = []
        adjustment = self._apply_corrections(bars[0].end_ns) if corrected else 0.0
        for bar in bars:
            if stretch and self._is_corrected(bar):
                break
            last = self._step(bar, adjustment)
            adjustment = 0.0
            trigger = None if self.walks_singly else self.due()
            stretch.append(_Walked(copy(self.status), close_of(self.ledger), last))
            if trigger is not None:
                return stretch, trigger
        return stretch, None

    def _step(self, bar: ClosedBar, adjustment: float) -> BarResult:
        """Move status and ledger on by one bar."""
        status, policy = self.status, self.policy
        status.bar_number += 1
        status.previous_end_ns = (
            status.end_ns if status.end_ns != NEVER_NS else bar.end_ns - bar_length_ns(policy.bar)
        )
        status.end_ns = bar.end_ns
        status.ended = bar.ended
        self.last = self.ledger.advance(
            status.bar_number, bar.values, policy.cash.rate, policy.costs.linear_bps, adjustment
        )
        self.history.push(bar.end_ns, self.ledger.over_bar, self.last.return_gross)
        self.sense(bar.values)
        return self.last

    def _take_in(
        self, bars: Sequence[ClosedBar], stretch: Sequence[_Walked], *, corrected: bool
    ) -> list[Output]:
        """Let the tables take the bars of a stretch; publish all but the last one's state."""
        study, policy = self.study, self.policy
        values = np.array([bar.values for bar in bars])
        run = study.take(values, np.array([bar.ended for bar in bars]))
        earned = self.own.extend(np.array([[at.last.return_net] for at in stretch]))
        own = run_metrics(self.own, earned, policy.periods_per_year, tails=False)
        books = self.shadows.take(
            stretch[0].status.bar_number,
            values,
            policy,
            [(at.last, at.close.nav) for at in stretch],
        )
        told = self.figures.take(study.windows, self.own, run.block)
        messages = metrics_messages(
            policy, self.names, study.windows.windows, run, told, self.history
        )
        rolling = rolling_of(policy.estimation.windows, own, told[0].windows)
        stale_bars = policy.estimation.stale_bars
        outputs: list[Output] = []
        for number, (bar, at, message) in enumerate(zip(bars, stretch, messages, strict=True)):
            self.judge(len(bars) - 1 - number)
            study.follow(run, number, corrected=corrected and number == 0)
            self.rolling = rolling[number]
            self.reported = compare_reported(bar.reported, self.names, run, number)
            self.data = bar_data(bar, self.names, run.ages[number], stale_bars)
            outputs.append(Output(METRICS, policy.portfolio_id, message))
            if number + 1 < len(bars):
                who = run.eligible[number]
                snapshot = self._snapshot(at.status, at.close, at.last, who, books[number])
                outputs += self._records(snapshot, full=False)
        return outputs

    def _is_corrected(self, bar: ClosedBar) -> bool:
        return any(correction.after_ns < bar.end_ns for correction in self.corrections)

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
            self.shadows.revise(
                self.study.windows,
                (self.status.bar_number, ago, column),
                correction.new - (0.0 if math.isnan(correction.old) else correction.old),
                self.policy.cash.rate,
            )
            self.study.correct(ago, column, correction.old, correction.new)
            self.figures.forget()
            kept *= 1.0 + self.history.revise(ago, column, correction.old, correction.new)
        return kept - 1.0

    # ------------------------------------------------------------------ state

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
