"""Figures and decisions as a person reads them."""

from typing import Final

from schemas.decisions import Decision
from schemas.optimize import BindingLimit
from streams.core.commands import words_of as words_of_trigger

__all__ = [
    "ABSENT",
    "bps",
    "limits_of",
    "outcome_of",
    "percent",
    "probability",
    "ratio",
    "signed_percent",
    "trigger_of",
]

ABSENT: Final = "–"
_MINUS: Final = "\N{MINUS SIGN}"
_LIMITS_TOLD: Final = 4
_REASONS: Final = {
    "too_few_eligible": "too few strategies had enough fresh data",
    "infeasible": "no weights met every limit",
    "solver_failed": "no solver found an answer",
    "verification_failed": "the answer broke a limit when it was checked",
    "no_answer": "the optimizer did not answer in time",
    "voided": "something changed while it was solved",
    "halted": "the portfolio was halted",
    "paused": "the portfolio was paused",
    "gate": "the trade was not worth its cost",
    "no_trade": "nothing was to be traded",
}


def percent(value: float | None, decimals: int = 1) -> str:
    """Write a share as a percentage; what does not exist as a dash.

    Examples
    --------
    >>> percent(0.0123), percent(-0.5, 0), percent(None)
    ('1.2%', '−50%', '–')
    """
    return ABSENT if value is None else _minus(f"{value:.{decimals}%}")


def signed_percent(value: float | None, decimals: int = 1) -> str:
    """Write a share as a percentage with its sign.

    Examples
    --------
    >>> signed_percent(0.0123)
    '+1.2%'
    """
    return ABSENT if value is None else _minus(f"{value:+.{decimals}%}")


def ratio(value: float | None, decimals: int = 2) -> str:
    """Write a figure without a unit.

    Examples
    --------
    >>> ratio(-0.456)
    '−0.46'
    """
    return ABSENT if value is None else _minus(f"{value:.{decimals}f}")


def probability(value: float | None) -> str:
    """Write a probability; never as certain as rounding would have it.

    Examples
    --------
    >>> probability(0.973), probability(0.99999), probability(1e-9)
    ('97.3%', '>99.9%', '<0.1%')
    """
    if value is None:
        return ABSENT
    least = 0.001
    if value < least:
        return f"<{least:.1%}"
    return f">{1.0 - least:.1%}" if value > 1.0 - least else f"{value:.1%}"


def bps(value: float | None, decimals: int = 1) -> str:
    """Write a share of NAV in basis points.

    Examples
    --------
    >>> bps(0.00123)
    '12.3 bps'
    """
    return ABSENT if value is None else f"{_minus(f'{value * 1e4:.{decimals}f}')} bps"


def trigger_of(decision: Decision) -> str:
    """Tell why the mix was looked at."""
    if decision.trigger.kind == "schedule":  # which boundary it was, the bar beside it tells
        told = f"{decision.trigger.threshold} schedule"
    else:
        told = words_of_trigger(decision.trigger)
    return told[:1].upper() + told[1:]


def outcome_of(decision: Decision) -> str:
    """Tell what came of it."""
    if decision.outcome == "accepted":
        if decision.multiplier < 1.0:
            return f"Accepted; a risk overlay left {decision.multiplier:.0%} of the weights"
        return "Accepted"
    kind, _, detail = decision.reason.partition(": ")
    told = _REASONS.get(kind, kind) + (f": {detail}" if detail else "")
    violated = f" ({', '.join(decision.violated)})" if decision.violated else ""
    return f"Declined: {told}{violated}"


def limits_of(decision: Decision) -> str:
    """Tell which limits held the mix back, the dearest first; several of one kind together."""
    groups: dict[tuple[str, str], list[BindingLimit]] = {}
    for limit in decision.binding:
        if not _is_plain(limit, decision):
            groups.setdefault((limit.constraint, limit.side), []).append(limit)
    dearest = sorted(
        groups.items(), key=lambda item: (-max(abs(limit.price) for limit in item[1]), item[0])
    )
    told = [_limit(constraint, side, limits) for (constraint, side), limits in dearest]
    more = len(told) - _LIMITS_TOLD
    shown = "; ".join(told[:_LIMITS_TOLD])
    return f"{shown}; and {more} more" if more > 0 else shown


# Nobody is told that weights stop at nothing, and that there is no cash to spare.
def _is_plain(limit: BindingLimit, decision: Decision) -> bool:
    if decision.stages is None:
        return False
    if (limit.constraint, limit.side) == ("cash", "max"):
        return decision.stages.cash["rounded"] == 0.0
    if (limit.constraint, limit.side) != ("weight_min", "min") or limit.strategy is None:
        return False
    weights = dict(zip(decision.strategies, decision.stages.rounded, strict=True))
    return weights.get(limit.strategy) == 0.0


def _limit(constraint: str, side: str, limits: list[BindingLimit]) -> str:
    edge = "its maximum" if side == "max" else "its minimum"
    if constraint.startswith("families."):
        return f"family {constraint.removeprefix('families.')} at {edge}"
    whom = sorted({limit.strategy for limit in limits if limit.strategy})
    if not whom:
        return f"{constraint.replace('_', ' ')} at {edge}"
    who = ", ".join(whom)
    names = {"weight_max": "largest weight", "weight_min": "smallest weight"}
    return f"{names.get(constraint, constraint.replace('_', ' '))}: {who}"


# A figure that rounds to nothing has no sign.
def _minus(text: str) -> str:
    if not any(sign in "123456789" for sign in text):
        return text.replace("-", "").replace("+", "")
    return text.replace("-", _MINUS)
