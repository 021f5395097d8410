"""Publishing a file at a pace: all at once, or so many bars a second."""

import time
from collections.abc import Callable, Iterable
from itertools import groupby

from streams.files import FileRow
from streams.operate.send import Sender


class Pace:
    """Waits so that bars leave at a steady rate.

    Parameters
    ----------
    bars_per_s
        None does not wait at all.
    """

    def __init__(self, bars_per_s: float | None) -> None:
        self._interval_s = None if bars_per_s is None else 1.0 / bars_per_s
        self._due_s = time.monotonic()

    def wait(self, meanwhile: Callable[[], None] = lambda: time.sleep(0.01)) -> None:
        """Wait until the next bar is due, calling ``meanwhile`` at least once.

        A late one is not made up for.
        """
        meanwhile()
        if self._interval_s is None:
            return
        while time.monotonic() < self._due_s:
            meanwhile()
        self._due_s = max(self._due_s, time.monotonic() - self._interval_s) + self._interval_s


def publish_table(sender: Sender, rows: Iterable[FileRow], pace: Pace) -> int:
    """Send rows in their order, one stamp after the other at the given pace; return how many."""
    count = 0
    for _, same_stamp in groupby(rows, key=lambda row: row.at_ns):
        pace.wait()
        count += sender.returns(row.message() for row in same_stamp)
    return count
