"""What identifies a decision, and the ids of all that it emits."""

import hashlib

import msgspec

from schemas.codec import canonical_json
from schemas.decisions import Decision, GateWaiver, Trigger
from schemas.units import parse_instant


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What identifies a decision, and which of its limits are waived.

    ``gate_waived`` says why the gate has no say, as far as the book tells; empty where it has.
    """

    portfolio_id: str
    shard: int
    epoch: int
    version: int
    policy_version: int
    bar_end_ns: int
    trigger: Trigger
    exempt: tuple[str, ...]
    multiplier: float
    gate_waived: GateWaiver = ""


def identify(kind: str, context: Context, portfolio_id: str) -> str:
    """Return a deterministic id of what one decision emits: no time, offset or chance in it."""
    return _digest(
        kind,
        portfolio_id,
        context.epoch,
        context.version,
        context.bar_end_ns,
        context.trigger.kind,
        context.policy_version,
    )


def _digest(*parts: str | int) -> str:
    return hashlib.sha256(canonical_json(parts)).hexdigest()[:32]


def command_id_of(decision: Decision) -> str:
    """Return the id of the command that follows a decision, if it is accepted."""
    return _digest(
        "command",
        decision.portfolio_id,
        decision.epoch,
        decision.version,
        parse_instant(decision.bar_end),
        decision.trigger.kind,
        decision.policy_version,
    )
