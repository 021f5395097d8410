"""A broker in memory, and the chance that everything here is decided by."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")
ROLLS: Final = 1024  # drawn at a time: a single draw costs as much as twenty of a block


class Entry(NamedTuple):
    """One record of a topic."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


Place = tuple[str, int]
"""Topic, partition."""


class Log:
    """Topics with partitions, each a list that only grows, or is compacted.

    Parameters
    ----------
    watch
        Told of every record right after it was appended.
    """

    def __init__(self, watch: Callable[[str, int, Entry], None]) -> None:
        self._entries: dict[Place, list[Entry]] = {}
        self._watch = watch

    def append(
        self,
        topic: str,
        partition: int,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> int:
        """Append a record; return its offset."""
        entries = self._entries.setdefault((topic, partition), [])
        entry = Entry(key, value, tuple(headers))
        entries.append(entry)
        self._watch(topic, partition, entry)
        return len(entries) - 1

    def end(self, topic: str, partition: int) -> int:
        """Return the offset that the next record will have."""
        return len(self._entries.get((topic, partition), ()))

    def at(self, topic: str, partition: int, offset: int) -> Entry:
        """Return one record."""
        return self._entries[topic, partition][offset]

    def all(self, topic: str, partition: int) -> list[Entry]:
        """Return every record of a partition."""
        return list(self._entries.get((topic, partition), ()))

    def compacted(self, topic: str, partition: int) -> list[Entry]:
        """Return what compaction would leave: the last record of each key, unless it deletes it."""
        entries = self._entries.get((topic, partition), [])
        last = {entry.key: place for place, entry in enumerate(entries)}
        kept = (entries[place] for place in sorted(last.values()))
        return [entry for entry in kept if entry.value is not None]

    def compact(self, topic: str, partition: int) -> None:
        """Forget all but the last record of each key. Who reads the partition reads all of it."""
        self._entries[topic, partition] = self.compacted(topic, partition)


class Dice:
    """Chance, drawn in blocks from a generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._rolls: list[float] = []

    def roll(self) -> float:
        """Return a number in [0, 1)."""
        if not self._rolls:
            self._rolls = self._rng.random(ROLLS).tolist()
        return self._rolls.pop()

    def chance(self, probability: float) -> bool:
        """Return True with a probability."""
        return self.roll() < probability

    def below(self, count: int) -> int:
        """Return one of 0 … count − 1."""
        return int(self.roll() * count)

    def between(self, low: int, high: int) -> int:
        """Return one of low … high."""
        return low + self.below(high - low + 1)

    def pick(self, items: Sequence[T]) -> T:
        """Return one of the items."""
        return items[self.below(len(items))]

    def normal(self, count: int) -> list[float]:
        """Return standard normal numbers."""
        drawn: list[float] = self._rng.standard_normal(count).tolist()
        return drawn
