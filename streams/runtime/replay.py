"""Replay a returns file through the same stages as live, in this process."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from schemas.decisions import Decision, RebalanceCommand
from schemas.events import PortfolioRegistration
from schemas.policy import FromReturns, PortfolioPolicy, StrategyEntry, check_policy
from schemas.shadows import ShadowRecord
from schemas.topics import SHADOWS, STATE
from schemas.views import StateRecord
from streams.core.errors import DataError
from streams.core.frames import Rows
from streams.core.outputs import BarMetrics
from streams.runtime.files import ReplayFiles, bar_of_arrays
from streams.runtime.local import LocalEngine

VIEWS_WRITTEN: Final = frozenset((SHADOWS, STATE))
"""Of the records of each bar, those that the files are made of; nobody reads the others."""


@dataclass(slots=True)
class ReplaySummary:
    """What a replay came to."""

    bars: int = 0
    decisions: int = 0
    declined: int = 0
    commands: int = 0
    last: StateRecord | None = None


def with_members(policy: PortfolioPolicy, names: Iterable[str]) -> PortfolioPolicy:
    """Return the policy with its strategies spelled out, those of the returns where it says so.

    Raises
    ------
    DataError
        When the returns hold none of the portfolio's strategies.
    PolicyError
        When ``initial_weights`` name a strategy that the returns do not hold.
    """
    found = tuple(sorted(names))
    if isinstance(policy.strategies, FromReturns):
        entries = tuple(StrategyEntry(id=name) for name in found)
        spelled = msgspec.structs.replace(policy, strategies=entries)
        check_policy(spelled)
        return spelled
    listed = {entry.id for entry in policy.strategies}
    if not listed & set(found):
        message = (
            f"the returns hold none of the portfolio's strategies; they hold {', '.join(found[:5])}"
        )
        raise DataError(message)
    return policy


def members_of(policy: PortfolioPolicy) -> tuple[str, ...]:
    """Return the ids that a policy spells out; one the returns do not hold is inactive in them."""
    assert not isinstance(policy.strategies, FromReturns), "members are spelled out before"
    return tuple(entry.id for entry in policy.strategies)


def replay(policy: PortfolioPolicy, rows: Iterable[Rows], files: ReplayFiles) -> ReplaySummary:
    """Run rows through the engine in process and write what it publishes."""
    registration = PortfolioRegistration(portfolio_id=policy.portfolio_id, shard=0, policy=policy)
    engine = LocalEngine(registration, VIEWS_WRITTEN)
    summary = ReplaySummary()
    for output in engine.feed(rows):
        message = output.message
        if isinstance(message, BarMetrics):
            files.metrics(bar_of_arrays(message))
        elif isinstance(message, StateRecord):
            files.state(message)
            summary.bars, summary.last = message.bar_number, message
        elif isinstance(message, ShadowRecord):
            files.shadows(message)
        elif isinstance(message, Decision):
            files.decision(message)
            summary.decisions += 1
            summary.declined += message.outcome == "declined"
        elif isinstance(message, RebalanceCommand):
            summary.commands += 1
    return summary
