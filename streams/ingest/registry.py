"""Which strategy belongs where: the registry topic folded into routes.

Members of a portfolio are the entries of its policy and the registrations that name it. The fold of
each shard decides membership; the routes here are a superset of it.
"""

from schemas.events import PortfolioRegistration, StrategyRegistration
from schemas.journal import Position
from schemas.policy import Bar, FromReturns
from streams.ingest.arrivals import Registered, Retirement, registry_key


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
        self._listed: dict[str, set[str]] = {}
        self._places: dict[str, tuple[str, ...]] = {}
        self._members: dict[str, tuple[str, ...]] | None = None

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
            self._places.pop(event.strategy_id, None)
        elif isinstance(event, PortfolioRegistration):
            self._drop(event.portfolio_id)
            self.portfolios[event.portfolio_id] = event
            for name in _entries(event):
                self._listed.setdefault(name, set()).add(event.portfolio_id)
        elif event.kind == "strategy":
            self.strategies.pop(event.id, None)
            self._retired.add(event.id)
            self._places.pop(event.id, None)
        else:
            self._drop(event.id)
        self._touch(event)

    def concerned(self, event: Registered) -> list[int]:
        """Return, sorted, the shards of an applied record's subject, now or ever."""
        self._touch(event)
        return sorted(self._touched[registry_key(event)])

    def shards_of(self, strategy_id: str) -> tuple[int, ...]:
        """Return the shards of a strategy's portfolios, sorted; empty where it has none."""
        names = self.portfolios_of(strategy_id)
        return tuple(sorted({self.portfolios[name].shard for name in names}))

    def bars_of(self, strategy_id: str) -> tuple[Bar, ...]:
        """Return the bars of a strategy's portfolios."""
        return tuple(self.portfolios[name].policy.bar for name in self.portfolios_of(strategy_id))

    def portfolios_of(self, strategy_id: str) -> tuple[str, ...]:
        """Return the registered portfolios a strategy is in, sorted."""
        places = self._places.get(strategy_id)
        if places is None:
            places = self._places[strategy_id] = self._find_places(strategy_id)
        return places

    def members(self) -> dict[str, tuple[str, ...]]:
        """Return the strategies of every portfolio, sorted."""
        if self._members is None:
            found: dict[str, list[str]] = {name: [] for name in self.portfolios}
            for strategy_id in sorted({*self.strategies, *self._listed}):
                for name in self.portfolios_of(strategy_id):
                    found[name].append(strategy_id)
            self._members = {name: tuple(ids) for name, ids in found.items()}
        return self._members

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

    def _find_places(self, strategy_id: str) -> tuple[str, ...]:
        if strategy_id in self._retired:
            return ()
        places = set(self._listed.get(strategy_id, ()))
        if strategy_id in self.strategies:
            named = self.strategies[strategy_id][0].portfolios
            places.update(name for name in named if name in self.portfolios)
        return tuple(sorted(places))

    def _drop(self, portfolio_id: str) -> None:
        """Forget a portfolio, and every route that was worked out."""
        portfolio = self.portfolios.pop(portfolio_id, None)
        for name in () if portfolio is None else _entries(portfolio):
            self._listed[name].discard(portfolio_id)
        self._places.clear()


def _entries(portfolio: PortfolioRegistration) -> list[str]:
    entries = portfolio.policy.strategies
    return [] if isinstance(entries, FromReturns) else [entry.id for entry in entries]
