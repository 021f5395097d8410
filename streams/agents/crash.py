"""Crash-only: a process that cannot go on leaves at once; its checkpoint says where to resume."""

import os
import sys
from collections import Counter
from collections.abc import Callable
from typing import Final, NoReturn

EXIT_REFUSED: Final = 3
"""Starting again cannot help: a person has to look. The supervisor stops."""

EXIT_GAP: Final = 42
EXIT_DELIVERY: Final = 43
EXIT_STALL: Final = 44
EXIT_AGENT: Final = 45
EXIT_PLANNED: Final = 86
"""A test asked for a crash at this point."""

CRASH_VARIABLE: Final = "APSE_CRASH_AT"
"""``POINT`` or ``POINT:N``: leave the N-th time (first by default) that the point is passed."""

CRASH_POINTS: Final = (
    "after_fold",
    "before_output_ack",
    "after_output_ack",
    "between_checkpoint_chunks",
    "before_position",
    "after_position",
    "mid_solve",
    "while_solving",
    "before_reply",
    "after_reply",
)

_passed: Counter[str] = Counter()


def leave(code: int, why: str) -> NoReturn:
    """End the process without cleaning up, saying why on standard error."""
    sys.stderr.write(f"leaving with code {code}: {why}\n")
    sys.stderr.flush()
    os._exit(code)


def crash_point(name: str, settle: Callable[[], object] | None = None) -> None:
    """Leave here if a test planned it.

    Parameters
    ----------
    name
        One of :data:`CRASH_POINTS`.
    settle
        Called before leaving: lets what was sent before this point reach the broker.
    """
    if _planned is None or _planned[0] != name:
        return
    _passed[name] += 1
    if _passed[name] == _planned[1]:
        if settle is not None:
            settle()
        leave(EXIT_PLANNED, f"planned crash at {name}")


def _plan(text: str) -> tuple[str, int] | None:
    """Return the point and the turn that a crash is planned at."""
    if not text:
        return None
    name, _, turn = text.partition(":")
    if name not in CRASH_POINTS or not (turn or "1").isdigit() or turn == "0":
        expected = f"expected POINT or POINT:N with one of {', '.join(CRASH_POINTS)}"
        leave(EXIT_REFUSED, f"{CRASH_VARIABLE}={text!r}: {expected}")
    return name, int(turn or 1)


_planned: Final = _plan(os.environ.get(CRASH_VARIABLE, ""))
