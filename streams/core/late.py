"""Corrections that wait for their bar, and answers to rows that come too late for it."""

from typing import Final

from schemas.events import StrategyReturn
from schemas.topics import DEAD_LETTERS
from schemas.units import format_instant
from streams.core.bars import ENDED, Refusal
from streams.core.frames import Rows
from streams.core.history import DueCorrection, History
from streams.core.outputs import Output

WAITING_MAX: Final = 1_024
"""Corrections that wait before those that can have no effect are looked for."""

_LOOK_EVERY: Final = 256


def add_correction(
    waiting: list[DueCorrection], correction: DueCorrection, history: History, walked_ns: int
) -> None:
    """Let a correction wait for its bar; drop what can have no effect any more.

    A strategy that once dated a row far ahead is final until then: everything it says before
    is a correction that waits as long. What waits is at most one correction of each strategy and
    remembered bar.

    Parameters
    ----------
    waiting
        Corrections in their order, changed in place.
    correction
        The new one.
    history
        Bars that the walk remembers, up to ``walked_ns``.
    walked_ns
        End of the last walked bar.
    """
    waiting.append(correction)
    if len(waiting) < WAITING_MAX or len(waiting) % _LOOK_EVERY:
        return
    merged: dict[tuple[str, int, int], DueCorrection] = {}
    for item in waiting:
        if item.end_ns <= walked_ns and history.bars_ago(item.end_ns) is None:
            continue  # its bar is forgotten, and will be when it is due
        key = (item.name, item.end_ns, item.after_ns)
        merged[key] = item._replace(old=merged[key].old) if key in merged else item
    waiting[:] = merged.values()


def late_letters(rows: Rows, refusals: list[Refusal], portfolio_id: str) -> list[Output]:
    """Return the dead letters of revisions that could not be placed.

    Whoever sends a revision means to correct something, and is told that it was not. A row without
    a revision number may be one that is sent twice, which must change nothing: it is counted with
    the bar, and gets no letter.
    """
    letters = []
    for row, reason in refusals:
        revision = int(rows.revision[row])
        if revision == 0:
            continue
        name = rows.names[int(rows.strategy[row])]
        stamp = format_instant(int(rows.period_end_ns[row]))
        message = StrategyReturn(
            strategy_id=name, period_end=stamp, value=float(rows.value[row]), revision=revision
        )
        headers = (
            ("apse_error_code", reason),
            ("apse_error_detail", _detail(name, stamp, revision, reason, portfolio_id)),
            ("apse_source_topic", rows.topic),
            ("apse_source_partition", str(int(rows.source_partition[row]))),
            ("apse_source_offset", str(int(rows.source_offset[row]))),
        )
        letters.append(Output(DEAD_LETTERS, name, message, headers=headers))
    return letters


def _detail(name: str, stamp: str, revision: int, reason: str, portfolio_id: str) -> str:
    said = f"revision {revision} of {name!r} for {stamp} changes nothing in {portfolio_id!r}: "
    if reason == ENDED:
        return said + "the strategy has ended there; register it again to go on"
    return said + "its bar is older than all that is held, expected one within the windows"
