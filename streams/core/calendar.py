"""Bars and schedules on the UTC calendar: the bar of an instant, and boundaries crossed.

Bars are (start, end], named by their end, in int64 nanoseconds. Fixed lengths are aligned to the
epoch, weeks end on Saturday 00:00Z, months on the 1st 00:00Z. No calendar of the future is
consulted: a schedule only compares two bar ends.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from croniter import croniter

from schemas.policy import Bar
from streams.core.arrays import IntArray
from streams.core.errors import ConfigError

SECOND_NS: Final = 1_000_000_000
DAY_NS: Final = 86_400 * SECOND_NS
WEEK_NS: Final = 7 * DAY_NS
_SATURDAY_NS: Final = 2 * DAY_NS  # 1970-01-03, the first Saturday of the epoch
_FIXED_NS: Final[dict[str, int]] = {
    "1s": SECOND_NS,
    "5s": 5 * SECOND_NS,
    "10s": 10 * SECOND_NS,
    "30s": 30 * SECOND_NS,
    "1m": 60 * SECOND_NS,
    "5m": 300 * SECOND_NS,
    "15m": 900 * SECOND_NS,
    "30m": 1800 * SECOND_NS,
    "1h": 3600 * SECOND_NS,
    "4h": 14_400 * SECOND_NS,
    "1d": DAY_NS,
    "1w": WEEK_NS,
}
_SOME_END_NS: Final = 20_000 * DAY_NS  # where a new expression is tried out
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def bar_length_ns(bar: Bar) -> int:
    """Return the nominal length of a bar in nanoseconds; a month counts 31 days."""
    return _FIXED_NS.get(bar, 31 * DAY_NS)


def bar_ends(instants_ns: IntArray, bar: Bar) -> IntArray:
    """Return the end of the bar each instant (R,) falls in: the first bar end at or after it."""
    if bar == "1mo":
        months = instants_ns.astype("M8[ns]").astype("M8[M]")
        starts_ns = months.astype("M8[ns]").astype(np.int64)
        next_ns = (months + 1).astype("M8[ns]").astype(np.int64)
        return np.where(starts_ns == instants_ns, instants_ns, next_ns)
    length_ns, offset_ns = _grid(bar)
    return -((offset_ns - instants_ns) // length_ns) * length_ns + offset_ns


def bar_end(instant_ns: int, bar: Bar) -> int:
    """Return the end of the bar an instant falls in.

    Examples
    --------
    >>> bar_end(1, "1s"), bar_end(1_000_000_000, "1s")
    (1000000000, 1000000000)
    """
    if bar == "1mo":
        return int(bar_ends(np.array([instant_ns], dtype=np.int64), bar)[0])
    length_ns, offset_ns = _grid(bar)
    return -((offset_ns - instant_ns) // length_ns) * length_ns + offset_ns


def last_bar_ends(instants_ns: IntArray, bar: Bar) -> IntArray:
    """Return the newest bar end at or before each instant (R,): shares through it are final."""
    if bar == "1mo":
        return instants_ns.astype("M8[ns]").astype("M8[M]").astype("M8[ns]").astype(np.int64)
    length_ns, offset_ns = _grid(bar)
    return (instants_ns - offset_ns) // length_ns * length_ns + offset_ns


def last_bar_end(instant_ns: int, bar: Bar) -> int:
    """Return the newest bar end at or before an instant."""
    if bar == "1mo":
        return int(last_bar_ends(np.array([instant_ns], dtype=np.int64), bar)[0])
    length_ns, offset_ns = _grid(bar)
    return (instant_ns - offset_ns) // length_ns * length_ns + offset_ns


def check_schedule(schedule: str) -> None:
    """Refuse a cron expression that cannot be read, never fires, or fires at random.

    Raises
    ------
    ConfigError
        When the expression after ``cron:`` is not valid.
    """
    if schedule.startswith("cron:") and _last_cron_moment(schedule, _SOME_END_NS) is None:
        message = (
            f"rebalance.schedule {schedule!r} is not a cron expression such as 'cron:0 16 * * 5'"
        )
        raise ConfigError(message)


def crossed_boundary(schedule: str, previous_end_ns: int, end_ns: int) -> int | None:
    """Return the newest boundary b of the schedule with previous_end < b <= end, or None.

    Skipped boundaries coalesce into the newest. ``every_bar`` names the bar's own end.
    """
    if schedule == "never":
        return None
    if schedule == "every_bar":
        return end_ns
    boundary_ns = _last_boundary(schedule, end_ns)
    return boundary_ns if boundary_ns is not None and boundary_ns > previous_end_ns else None


def _last_boundary(schedule: str, end_ns: int) -> int | None:
    if schedule == "daily":
        return last_bar_end(end_ns, "1d")
    if schedule == "weekly":
        return last_bar_end(end_ns, "1w")
    if schedule == "monthly":
        return last_bar_end(end_ns, "1mo")
    return _last_cron_moment(schedule, end_ns)


def _last_cron_moment(schedule: str, end_ns: int) -> int | None:
    """Return the newest moment of an expression at or before an instant.

    None where there is none, where it cannot be read, and where it asks for chance (fields of ``R``
    or ``H``): :func:`check_schedule` refuses those, and the fold must not stop at one.
    """
    expression = schedule.removeprefix("cron:")
    if any(field[0] in "rRhH" for field in expression.split()):
        return None
    # croniter looks strictly before its start and counts whole seconds: one microsecond past the
    # bar includes its end
    after = _EPOCH + timedelta(microseconds=end_ns // 1_000 + 1)
    try:
        moment: datetime = croniter(expression, after).get_prev(datetime)
    except ValueError:  # the root of the errors of croniter
        return None
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def _grid(bar: Bar) -> tuple[int, int]:
    return _FIXED_NS[bar], _SATURDAY_NS if bar == "1w" else 0
