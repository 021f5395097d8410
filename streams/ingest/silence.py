"""Who is silent, and through which instant the others of a portfolio need not wait for it.

A strategy is behind in a portfolio when its newest stamp is more than the allowance, in bars of
that portfolio, behind the newest credible value of its members. Values, not marks, make that
frontier: a bar exists only where somebody has a value, so nobody ever waits beyond the newest one.
One that was never heard is behind. Silent means that it is behind and says nothing at all: a
publisher that works off its backlog speaks.

A release cannot be taken back, so one mistaken date must not move the frontier. A value counts
there once something bears it out: another stamp of the same strategy no further before it than the
allowance, or after it; or a value of another member as new. So nobody is released on account of a
single row, while a strategy that is alone after the others died moves the frontier with its second
one. What stands alone counts no further than the time of its publication.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from schemas.journal import Release
from streams.core.calendar import bar_length_ns, last_bar_end
from streams.ingest.registry import Registry

NS_PER_MS = 1_000_000


@dataclass(slots=True)
class Heard:
    """The two newest distinct stamps of a strategy, and of its values, oldest first."""

    stamps_ns: tuple[int, ...] = ()
    values_ns: tuple[int, ...] = ()
    published_ns: int | None = None  # the newest publication

    def credible_ns(self, allowance_ns: int) -> int | None:
        """Return the newest value that other stamps of the strategy bear out; None without one."""
        if not self.values_ns:
            return None
        newest_ns = self.values_ns[-1]
        others_ns = [stamp_ns for stamp_ns in self.stamps_ns if stamp_ns != newest_ns]
        if others_ns and max(others_ns) >= newest_ns - allowance_ns:
            credible_ns = newest_ns
        elif len(self.values_ns) > 1:
            credible_ns = self.values_ns[0]  # the newest one comes after it
        else:
            return None
        return credible_ns if self.published_ns is None else min(credible_ns, self.published_ns)


class Silence:
    """Stamps heard, and wall time of silence.

    Parameters
    ----------
    allowance_bars
        Bars of a portfolio that a strategy may be behind in it.
    silence_ms
        Wall time it must be silent while behind.
    """

    def __init__(self, allowance_bars: int, silence_ms: int) -> None:
        self.allowance_bars = allowance_bars
        self.silence_ns = silence_ms * NS_PER_MS
        self._heard: dict[str, Heard] = {}
        self._ended: set[str] = set()
        self._since_ns: dict[str, dict[str, int]] = {}  # strategy -> portfolio -> wall time
        self._released: dict[tuple[str, str], int] = {}  # (portfolio, strategy) -> bar end

    def heard(
        self,
        strategy_id: str,
        stamps_ns: Sequence[int],
        values_ns: Sequence[int],
        *,
        published_ns: int | None = None,
        ended: bool = False,
    ) -> None:
        """Note that a strategy spoke.

        Parameters
        ----------
        strategy_id
            Who.
        stamps_ns, values_ns
            At least the two newest distinct stamps of its rows, and of those with a value.
        published_ns
            When the newest of them was published; None if that is not known.
        ended
            Whether it said that it has ended.
        """
        known = self._heard.setdefault(strategy_id, Heard())
        known.stamps_ns = tuple(sorted({*known.stamps_ns, *stamps_ns})[-2:])
        known.values_ns = tuple(sorted({*known.values_ns, *values_ns})[-2:])
        if published_ns is not None:
            known.published_ns = max(published_ns, known.published_ns or published_ns)
        if ended:
            self._ended.add(strategy_id)
        self._since_ns.pop(strategy_id, None)

    def newest_ns(self, strategy_id: str) -> int | None:
        """Return the newest stamp heard of a strategy; None if there is none."""
        known = self._heard.get(strategy_id)
        return known.stamps_ns[-1] if known is not None and known.stamps_ns else None

    def revive(self, strategy_id: str) -> None:
        """Expect an ended strategy again."""
        self._ended.discard(strategy_id)

    def behind(self, registry: Registry) -> dict[tuple[str, str], int]:
        """Return who is behind, as (portfolio, strategy), and through when it could be released."""
        found: dict[tuple[str, str], int] = {}
        for name, ids in registry.members().items():
            allowance_ns = self.allowance_bars * bar_length_ns(registry.portfolios[name].policy.bar)
            frontier_ns = self._frontier_ns(ids, allowance_ns)
            if frontier_ns is None:
                continue
            through_ns = frontier_ns - allowance_ns
            for strategy_id in ids:
                if strategy_id in self._ended:
                    continue
                newest_ns = self.newest_ns(strategy_id)
                if newest_ns is None or newest_ns < through_ns:
                    found[name, strategy_id] = through_ns
        return found

    def _frontier_ns(self, ids: Iterable[str], allowance_ns: int) -> int | None:
        """Return the newest value of some members that something bears out; None without one."""
        heard = [self._heard[name] for name in ids if name in self._heard]
        credible_ns = [known.credible_ns(allowance_ns) for known in heard]
        found_ns = [stamp_ns for stamp_ns in credible_ns if stamp_ns is not None]
        # what one of them says at last, another has reached
        found_ns += sorted(known.values_ns[-1] for known in heard if known.values_ns)[-2:-1]
        return max(found_ns, default=None)

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
        since_ns: dict[str, dict[str, int]] = {}
        for portfolio_id, strategy_id in behind:
            known = self._since_ns.get(strategy_id, {})
            since_ns.setdefault(strategy_id, {})[portfolio_id] = known.get(portfolio_id, now_ns)
        self._since_ns = since_ns
        silent = [
            place
            for place in sorted(behind, key=lambda place: (place[1], place[0]))
            if now_ns - since_ns[place[1]][place[0]] >= self.silence_ns
        ]
        return list(self._releases(registry, {place: behind[place] for place in silent}))

    def _releases(
        self, registry: Registry, through: dict[tuple[str, str], int]
    ) -> Iterator[tuple[int, Release]]:
        for place, through_ns in through.items():
            portfolio_id, strategy_id = place
            portfolio = registry.portfolios[portfolio_id]
            # what a release does is to finish bars; one that finishes none more is not said
            end_ns = last_bar_end(through_ns, portfolio.policy.bar)
            if self._released.get(place) == end_ns:
                continue
            self._released[place] = end_ns
            release = Release(
                strategy_id=strategy_id, through_ns=through_ns, portfolio_id=portfolio_id
            )
            yield portfolio.shard, release
