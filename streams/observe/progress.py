"""How far one shard has come: what of it is written, and when it had caught up.

Seconds are those of any clock that never goes back.
"""

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Progress:
    """Times and offsets of one shard since its assignment.

    Attributes
    ----------
    begun_s
        When its checkpoint began to be loaded.
    goal_offset
        End of the journal at that time: recovered means that all before it is applied.
    end_offset
        End of the journal as last heard.
    """

    begun_s: float
    goal_offset: int
    end_offset: int = 0
    recovered_s: float | None = None
    _unwritten_s: float | None = None  # oldest record that no taken checkpoint holds
    _taken_s: float | None = None  # the same, of the checkpoint that waits to be written

    def applied(self, next_offset: int, now_s: float) -> None:
        """Note that all records before an offset are applied."""
        if self._unwritten_s is None:
            self._unwritten_s = now_s
        self.caught_up(next_offset, now_s)

    def caught_up(self, next_offset: int, now_s: float) -> None:
        """Note where the fold stands; nothing to apply is a recovery too."""
        if self.recovered_s is None and next_offset >= self.goal_offset:
            self.recovered_s = now_s - self.begun_s

    def taken(self) -> None:
        """Note that a checkpoint of everything applied was taken."""
        self._taken_s, self._unwritten_s = self._unwritten_s, None

    def written(self) -> None:
        """Note that the checkpoint taken last was written."""
        self._taken_s = None

    def checkpoint_age_s(self, now_s: float) -> float:
        """Return the age of the oldest applied record that no written checkpoint holds."""
        since_s = self._unwritten_s if self._taken_s is None else self._taken_s
        return 0.0 if since_s is None else max(0.0, now_s - since_s)

    def lag_records(self, next_offset: int) -> int:
        """Return how many records of the journal are not applied."""
        return max(0, max(self.end_offset, self.goal_offset) - next_offset)
