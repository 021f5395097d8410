"""Which strategy belongs where: the registry topic folded into routes.

Members of a portfolio are the entries of its policy and the registrations that name it. The fold of
each shard decides membership; the routes here are a superset of it.
"""

from typing import Final

from schemas.events import PortfolioRegistration, StrategyRegistration
from schemas.journal import Position
from schemas.policy import Bar, FromReturns
from streams.ingest.arrivals import Registered, Retirement, registry_key

_NOBODY: Final[tuple[int, ...]] = ()


class Registry:
    """Strategies, portfolios and shards as of the newest record applied.

    Applying a record again, or one older than what is known under its key, changes nothing.
    """

    def __init__(self) -> None:
        self.strategies: dict[str, tuple[StrategyRegistration, Position]] = {}
        self.portfolios: dict[str, PortfolioRegistration] = {}
        self._retired: set[str] = set()
        self._offsets: dict[str, int] = {}
        self._touched: dict[str, set[int]] = {}
        self._members: dict[str, tuple[str, ...]] | None = None
        self._routes: dict[str, tuple[int, ...]] = {}
        self._portfolios_of: dict[str, tuple[str, ...]] = {}

    def apply(self, source: Position, event: Registered) -> None:
        """Take a record of the registry topic in."""
        key = registry_key(event)
        if source.offset <= self._offsets.get(key, -1):
            return
        self._touch(event)
        self._offsets[key] = source.offset
        self._members = None
        if isinstance(event, StrategyRegistration):
            self.strategies[event.strategy_id] = (event, source)
            self._retired.discard(event.strategy_id)
        elif isinstance(event, PortfolioRegistration):
            self.portfolios[event.portfolio_id] = event
        elif event.kind == "strategy":
            self.strategies.pop(event.id, None)
            self._retired.add(event.id)
        else:
            self.portfolios.pop(event.id, None)
        self._touch(event)

    def concerned(self, event: Registered) -> list[int]:
        """Return, sorted, the shards of an applied record's subject, now or ever."""
        self._touch(event)
        return sorted(self._touched[registry_key(event)])

    def knows(self, strategy_id: str) -> bool:
        """Tell whether a strategy is registered, or stands in a portfolio's policy."""
        return strategy_id in self.strategies or bool(self.shards_of(strategy_id))

    def shards_of(self, strategy_id: str) -> tuple[int, ...]:
        """Return the shards of a strategy's portfolios, sorted; empty where it has none."""
        self._index()
        return self._routes.get(strategy_id, _NOBODY)

    def members(self) -> dict[str, tuple[str, ...]]:
        """Return the strategies of every portfolio, sorted."""
        self._index()
        assert self._members is not None
        return self._members

    def bars_of(self, strategy_id: str) -> tuple[Bar, ...]:
        """Return the bars of a strategy's portfolios."""
        self._index()
        names = self._portfolios_of.get(strategy_id, ())
        return tuple(self.portfolios[name].policy.bar for name in names)

    def newcomers(self, registration: PortfolioRegistration, before: int) -> list[str]:
        """Return the strategies that named a portfolio before its own record at offset ``before``.

        Its shard may have heard of none of them. Oldest registration first.
        """
        found = [
            (source.offset, name)
            for name, (strategy, source) in self.strategies.items()
            if registration.portfolio_id in strategy.portfolios and source.offset < before
        ]
        return [name for _, name in sorted(found)]

    def wall_shards(self) -> list[int]:
        """Return, sorted, the shards of portfolios that live by the wall clock."""
        return sorted({p.shard for p in self.portfolios.values() if p.policy.clock == "wall"})

    def _touch(self, event: Registered) -> None:
        touched = self._touched.setdefault(registry_key(event), set())
        if isinstance(event, StrategyRegistration):
            touched.update(self.shards_of(event.strategy_id))
            return
        if isinstance(event, Retirement) and event.kind == "strategy":
            touched.update(self.shards_of(event.id))
            return
        name = event.portfolio_id if isinstance(event, PortfolioRegistration) else event.id
        if name in self.portfolios:
            touched.add(self.portfolios[name].shard)
        if isinstance(event, PortfolioRegistration):
            touched.add(event.shard)

    def _index(self) -> None:
        if self._members is not None:
            return
        members: dict[str, set[str]] = {name: set() for name in self.portfolios}
        for name, portfolio in self.portfolios.items():
            entries = portfolio.policy.strategies
            if not isinstance(entries, FromReturns):
                members[name].update(entry.id for entry in entries)
        for strategy, _ in self.strategies.values():
            for name in strategy.portfolios:
                if name in members:
                    members[name].add(strategy.strategy_id)
        places: dict[str, list[str]] = {}
        for name, ids in members.items():
            ids.difference_update(self._retired)
            for strategy_id in ids:
                places.setdefault(strategy_id, []).append(name)
        self._members = {name: tuple(sorted(ids)) for name, ids in members.items()}
        self._portfolios_of = {name: tuple(sorted(where)) for name, where in places.items()}
        self._routes = {
            name: tuple(sorted({self.portfolios[place].shard for place in where}))
            for name, where in places.items()
        }
