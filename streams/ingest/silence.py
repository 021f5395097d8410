"""Who is silent, and through which instant the others need not wait for it.

A strategy is behind when its newest stamp is more than the allowance behind the newest value among
its co-members. Values, not marks, make that frontier: a bar exists only where somebody has a value,
so nobody ever waits beyond the newest one. One that was never heard is behind. Silent means that it
is behind and says nothing at all: a publisher that works off its backlog speaks.
"""

from collections.abc import Iterable

from schemas.journal import Release
from streams.core.calendar import bar_length_ns, last_bar_end
from streams.ingest.registry import Registry

NS_PER_MS = 1_000_000


class Silence:
    """Stamps heard, and wall time of silence.

    Parameters
    ----------
    allowance_bars
        Bars (of its portfolios' longest) that a strategy may be behind.
    silence_ms
        Wall time it must be silent while behind.
    """

    def __init__(self, allowance_bars: int, silence_ms: int) -> None:
        self.allowance_bars = allowance_bars
        self.silence_ns = silence_ms * NS_PER_MS
        self._newest_ns: dict[str, int] = {}
        self._valued_ns: dict[str, int] = {}
        self._ended: set[str] = set()
        self._since_ns: dict[str, int] = {}
        self._released: dict[str, tuple[int, ...]] = {}

    def heard(
        self, strategy_id: str, newest_ns: int, valued_ns: int | None, *, ended: bool
    ) -> None:
        """Note that a strategy spoke: its newest stamp, its newest value's, whether it ended."""
        self._newest_ns[strategy_id] = max(newest_ns, self._newest_ns.get(strategy_id, newest_ns))
        if valued_ns is not None:
            known_ns = self._valued_ns.get(strategy_id, valued_ns)
            self._valued_ns[strategy_id] = max(valued_ns, known_ns)
        if ended:
            self._ended.add(strategy_id)
        self._since_ns.pop(strategy_id, None)

    def newest_ns(self, strategy_id: str) -> int | None:
        """Return the newest stamp heard of a strategy; None if there is none."""
        return self._newest_ns.get(strategy_id)

    def revive(self, strategy_id: str) -> None:
        """Expect an ended strategy again."""
        self._ended.discard(strategy_id)

    def behind(self, registry: Registry) -> dict[str, int]:
        """Return who is behind, and the instant through which they could be released."""
        found: dict[str, int] = {}
        for ids in registry.members().values():
            valued_ns = [self._valued_ns[i] for i in ids if i in self._valued_ns]
            if not valued_ns:
                continue
            frontier_ns = max(valued_ns)
            for strategy_id in ids:
                if strategy_id in self._ended:
                    continue
                through_ns = frontier_ns - self._allowance_ns(registry, strategy_id)
                newest_ns = self._newest_ns.get(strategy_id)
                if newest_ns is None or newest_ns < through_ns:
                    found[strategy_id] = max(through_ns, found.get(strategy_id, through_ns))
        return found

    def due(self, registry: Registry, now_ns: int, *, at_end: bool) -> list[tuple[int, Release]]:
        """Return the releases that are due, with their shards.

        Parameters
        ----------
        registry
            Who belongs where.
        now_ns
            Wall time.
        at_end
            Whether all that the source held at ``now_ns`` has been read; while it has not, nobody
            is called silent and silence begins anew.
        """
        if not at_end:
            self._since_ns.clear()
            return []
        behind = self.behind(registry)
        self._since_ns = {i: self._since_ns.get(i, now_ns) for i in behind}
        silent = [i for i in sorted(behind) if now_ns - self._since_ns[i] >= self.silence_ns]
        return list(self._releases(registry, {i: behind[i] for i in silent}))

    def _releases(
        self, registry: Registry, through: dict[str, int]
    ) -> Iterable[tuple[int, Release]]:
        for strategy_id, through_ns in through.items():
            # what a release does is to finish bars; one that finishes none more is not said
            ends = tuple(last_bar_end(through_ns, bar) for bar in registry.bars_of(strategy_id))
            if self._released.get(strategy_id) == ends:
                continue
            self._released[strategy_id] = ends
            for shard in registry.shards_of(strategy_id):
                yield shard, Release(strategy_id=strategy_id, through_ns=through_ns)

    def _allowance_ns(self, registry: Registry, strategy_id: str) -> int:
        longest_ns = max(bar_length_ns(bar) for bar in registry.bars_of(strategy_id))
        return self.allowance_bars * longest_ns
