"""The command that an accepted decision publishes."""

from typing import Final

from schemas.decisions import Decision, RebalanceCommand, Trigger
from schemas.policy import PortfolioPolicy
from schemas.units import TEXT_LENGTH_MAX, format_instant
from streams.core.calendar import bar_length_ns
from streams.core.identity import Context, identify
from streams.core.lots import capital_of

WORDS: Final = {
    "drift_risk": "drift: the book's risk is {value:.2%} a year from its target's, above"
    " {threshold:.2%}",
    "turbulence": "turbulence: returns are unusual together, {value:.2f} times their expected"
    " distance, above {threshold:g}",
    "correlation_break": "correlations have moved by {value:.3f} from the window's, above"
    " {threshold:g}",
    "volatility_regime": "volatility is {value:.2f} times its usual size, above {threshold:g}",
    "drawdown": "drawdown of {value:.2%}: the overlay that starts at {threshold:.2%} shrinks the"
    " book",
}
EXPIRY_BARS: Final = 5
"""A command expires this many nominal bars after its bar's end: more than a weekend."""


def command_for(
    decision: Decision,
    context: Context,
    policy: PortfolioPolicy,
    previous_id: str | None,
    nav: float = 1.0,
) -> RebalanceCommand:
    """Return the command of an accepted decision; names at or moving to 0 are in it while held.

    Where the policy knows the capital, the command tells the money beside the weights; ``nav`` is
    what it has grown to.
    """
    capital = capital_of(policy.execution, nav)
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
        expires_at=format_instant(expiry_ns(context, policy)),
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
        capital=capital,
        target_capital=None if capital is None else _in_money(after, concerned, capital, policy),
        currency=policy.execution.currency,
    )


def _in_money(
    weights: dict[str, float], names: list[str], capital: float, policy: PortfolioPolicy
) -> dict[str, float]:
    """Return the money behind each weight, in whole lots where the policy has lots."""
    execution = policy.execution
    found = {}
    for name in names:
        lot = execution.lots.get(name, execution.lot)
        money = weights[name] * capital
        found[name] = money if lot is None else round(money / lot) * lot
    return found


def expiry_ns(context: Context, policy: PortfolioPolicy) -> int:
    """Return the instant from which nobody carries the command of a decision out any more."""
    return context.bar_end_ns + EXPIRY_BARS * bar_length_ns(policy.bar)


def words_of(trigger: Trigger) -> str:
    """Return a trigger as a sentence for a person."""
    if trigger.kind == "schedule":
        return f"{trigger.threshold} schedule: boundary {trigger.value} reached"
    if trigger.kind == "drift":
        distance = float(trigger.value or 0.0)
        return f"drift: a weight is {distance:.4f} from its target, above {trigger.threshold}"
    if trigger.kind in WORDS:
        return WORDS[trigger.kind].format(
            value=float(trigger.value or 0.0), threshold=float(trigger.threshold or 0.0)
        )
    if trigger.kind == "risk":
        size = trigger.value
        return f"risk signal: weights reduced to {size} of their size. {trigger.reason}".strip()
    return f"manual: {trigger.reason}" if trigger.reason else "manual"
