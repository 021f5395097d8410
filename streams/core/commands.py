"""The command that an accepted decision publishes."""

from typing import Final

from schemas.decisions import Decision, RebalanceCommand, Trigger
from schemas.policy import PortfolioPolicy
from schemas.units import TEXT_LENGTH_MAX, format_instant
from streams.core.calendar import bar_length_ns
from streams.core.identity import Context, identify

EXPIRY_BARS: Final = 5
"""A command expires this many nominal bars after its bar's end: more than a weekend."""


def command_for(
    decision: Decision, context: Context, policy: PortfolioPolicy, previous_id: str | None
) -> RebalanceCommand:
    """Return the command of an accepted decision; names at or moving to 0 are in it while held."""
    stages = decision.stages
    assert stages is not None
    assert decision.outcome == "accepted"
    before = dict(zip(decision.strategies, stages.held, strict=True))
    after = dict(zip(decision.strategies, stages.rounded, strict=True))
    concerned = [name for name in decision.strategies if after[name] != 0.0 or before[name] != 0.0]
    return RebalanceCommand(
        command_id=identify("command", context, policy.portfolio_id),
        decision_id=decision.decision_id,
        portfolio_id=policy.portfolio_id,
        epoch=decision.epoch,
        version=decision.version,
        bar_end=decision.bar_end,
        expires_at=format_instant(context.bar_end_ns + EXPIRY_BARS * bar_length_ns(policy.bar)),
        trigger=decision.trigger.kind,
        reason=words_of(decision.trigger)[:TEXT_LENGTH_MAX],
        target_weights={name: after[name] for name in concerned},
        target_cash=stages.cash["rounded"],
        previous_weights={name: before[name] for name in concerned},
        previous_cash=stages.cash["held"],
        turnover=decision.turnover,
        cost=decision.cost,
        policy_version=decision.policy_version,
        supersedes=previous_id,
    )


def words_of(trigger: Trigger) -> str:
    """Return a trigger as a sentence for a person."""
    if trigger.kind == "schedule":
        return f"{trigger.threshold} schedule: boundary {trigger.value} reached"
    if trigger.kind == "drift":
        distance = float(trigger.value or 0.0)
        return f"drift: a weight is {distance:.4f} from its target, above {trigger.threshold}"
    if trigger.kind == "risk":
        size = trigger.value
        return f"risk signal: weights reduced to {size} of their size. {trigger.reason}".strip()
    return f"manual: {trigger.reason}" if trigger.reason else "manual"
