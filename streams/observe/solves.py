"""What an optimizer shows: its solves by status, and those that its pool gave up."""

from typing import Final

from schemas.codec import decode_record
from schemas.journal import Reply
from streams.observe.metrics import POOL, SOLVE

LATE: Final = "no answer within"  # how a pool words a missed deadline


def observe_reply(record: bytes, elapsed_s: float) -> None:
    """Count one answer of the pool.

    Parameters
    ----------
    record
        The encoded journal record of the reply.
    elapsed_s
        How long the pool took, used where the solve itself could not tell.
    """
    decoded = decode_record(record)
    assert isinstance(decoded, Reply)
    reply = decoded.reply
    facts = reply.diagnostics
    gave_up = not facts.worker  # a solve names its process; the pool itself does not
    SOLVE.labels(reply.status).observe(elapsed_s if gave_up else facts.solve_seconds)
    if gave_up:
        POOL.labels("deadline" if reply.reason.startswith(LATE) else "died").inc()
