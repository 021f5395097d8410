"""The two messages of the execution protocol: commands read and checked, reports made. Pure."""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from schemas.codec import RefusedInputError
from schemas.decisions import RebalanceCommand
from schemas.events import ExecutionReport
from schemas.units import IDENTIFIER, format_instant, parse_instant
from streams.execution.gate import Expired, Fenced, command_digest

Status = Literal["accepted", "rejected", "partially_filled", "filled", "expired"]

FINAL_STATUSES: Final = frozenset({"filled", "rejected", "expired"})
"""After one of these nothing more is said of a command."""

# Weights are rounded to 1e-10 with the residual on the largest; a sum of thousands adds 1e-12.
BUDGET_TOLERANCE: Final = 1e-9

INVALID: Final = "invalid"
MALFORMED: Final = "malformed"

_command: Final = msgspec.json.Decoder(RebalanceCommand)
_identifier: Final = re.compile(IDENTIFIER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a command: weights are shares of NAV, ``cost`` a fraction of NAV."""

    status: Status
    filled_weights: Mapping[str, float] | None = None
    cost: float | None = None
    reason: str = ""


def decode_command(data: bytes) -> RebalanceCommand:
    """Return a command.

    Raises
    ------
    RefusedInputError
        ``malformed`` (no JSON), or ``invalid`` (a field of the wrong type, a bad id or instant).
    """
    try:
        command = _command.decode(data)
    except msgspec.ValidationError as error:
        raise RefusedInputError(INVALID, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        detail = f"{error}; the record begins {data[:60]!r}"
        raise RefusedInputError(MALFORMED, detail) from error
    if _identifier.search(command.command_id) is None:
        detail = f"command_id {command.command_id[:80]!r}, expected to match {IDENTIFIER}"
        raise RefusedInputError(INVALID, detail)
    for field in ("bar_end", "expires_at"):
        value = getattr(command, field)
        try:
            parse_instant(value)
        except ValueError as error:
            detail = f"{field} {value[:40]!r}, expected an RFC 3339 instant with a zone"
            raise RefusedInputError(INVALID, detail) from error
    return command


def contradiction(command: RebalanceCommand) -> str | None:
    """Say why a well-formed command cannot be meant, or return None.

    A budget that does not add up is never traded: corrupt data is worse than no data.
    """
    total = math.fsum((*command.target_weights.values(), command.target_cash))
    if not abs(total - 1.0) <= BUDGET_TOLERANCE:
        return f"target_weights and target_cash sum to {total!r}, expected 1"
    if parse_instant(command.expires_at) < parse_instant(command.bar_end):
        return f"expires_at {command.expires_at} is before bar_end {command.bar_end}"
    return None


def report_of(
    command: RebalanceCommand, answer: Answer, *, executor: str, as_of_ns: int
) -> ExecutionReport:
    """Return the report of an answer.

    Its id is a digest of the command's content, the executor and the status, so that a repeat is
    recognised; for partial fills, of which a command may have several, of the fill as well.
    """
    fills = None if answer.filled_weights is None else dict(answer.filled_weights)
    told: list[object] = [command.command_id, command_digest(command), executor, answer.status]
    if answer.status == "partially_filled":
        told += [fills, answer.cost]
    digest = hashlib.sha256(msgspec.json.encode(told, order="deterministic")).hexdigest()
    return ExecutionReport(
        report_id=f"rep-{digest[:32]}",
        command_id=command.command_id,
        portfolio_id=command.portfolio_id,
        epoch=command.epoch,
        version=command.version,
        status=answer.status,
        as_of=format_instant(as_of_ns),
        filled_weights=fills,
        cost=answer.cost,
        reason=answer.reason,
        executor=executor,
    )


def refusal_of(command: RebalanceCommand, outcome: Fenced | Expired) -> Answer:
    """Return the answer to a command that comes too late; its words depend on no clock."""
    if isinstance(outcome, Expired):
        return Answer(status="expired", reason=f"expires_at {command.expires_at} has passed")
    epoch, version = outcome.last
    reason = (
        f"fenced: epoch {command.epoch} version {command.version} is not above"
        f" epoch {epoch} version {version}, admitted before"
    )
    return Answer(status="rejected", reason=reason)
