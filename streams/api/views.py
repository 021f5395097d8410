"""The views of a store as the answers need them: which portfolio, how fresh, parsed values."""

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec
import orjson

from schemas.events import PortfolioRegistration
from schemas.units import format_instant, parse_instant
from streams.api.problems import ProblemError
from streams.core.calendar import bar_length_ns
from streams.readmodel.store import Entry, Store
from streams.readmodel.writer import Health

Body = dict[str, Any]
Status = Literal["live", "warming_up", "stale", "degraded"]

STALE_BARS: Final = 3  # a live portfolio whose newest bar ended so many bars ago is stale
SILENT_NS: Final = 60 * 1_000_000_000  # the same for one whose clock is its data


class Views:
    """What one store holds; ``health`` tells how well it is kept."""

    def __init__(
        self, store: Store, health: Health, clock_ns: Callable[[], int], default: str | None
    ) -> None:
        self.store = store
        self._health = health
        self._clock_ns = clock_ns
        self._default = default

    @property
    def caught_up(self) -> bool:
        """Tell whether the views follow the topics."""
        return self._health.caught_up

    def portfolio(self, wanted: str | None) -> str:
        """Return the id of a portfolio that exists: the one wanted, or the default."""
        known = self.portfolio_ids()
        chosen = wanted or self._default or next(iter(known), None)
        if chosen is None:
            raise ProblemError(404, "no portfolio is registered; `apse up --portfolio FILE` does")
        if chosen not in known:
            listed = ", ".join(known) or "none"
            raise ProblemError(404, f"portfolio {chosen!r} is not registered (there is: {listed})")
        return chosen

    def portfolio_ids(self) -> list[str]:
        """Return the ids of all portfolios."""
        return [key.split("/")[1] for key in self.store.keys("portfolio/") if _is_registered(key)]

    def registration(self, name: str) -> PortfolioRegistration:
        """Return the newest registration of a portfolio, with its policy."""
        held = self.store.get(f"portfolio/{name}/registration")
        assert held is not None, name
        return msgspec.json.decode(held, type=PortfolioRegistration)

    def head(self, name: str) -> Body:
        """Return what begins every body: the newest bar, its version, and the status."""
        state = self.json(f"portfolio/{name}/state")
        return {
            "portfolio_id": name,
            "as_of": None if state is None else state["bar_end"],
            "version": self.version(name, state),
            "status": self.status(name, state),
        }

    def version(self, name: str, state: Body | None) -> str:
        """Return what changes whenever the answers about a portfolio may."""
        if state is None:
            return "0.0.0"
        newest = self.store.series(f"{name}/reports", limit=1, newest_first=True)
        reports = newest[0].place + 1 if newest else 0
        return f"{state['epoch']}.{state['version']}.{state['bar_number']}.{reports}"

    def status(self, name: str, state: Body | None) -> Status:
        """Tell how far the views of a portfolio can be trusted now."""
        if not self._health.caught_up:
            return "degraded"
        if state is None:
            return "warming_up"
        policy = self.registration(name).policy
        now_ns = self._clock_ns()
        if policy.clock == "wall":
            late_ns = now_ns - parse_instant(state["bar_end"])
            if late_ns > STALE_BARS * bar_length_ns(policy.bar):
                return "stale"
        elif now_ns - self._health.received_ns > SILENT_NS:
            return "stale"
        return "warming_up" if state["status"] == "warming_up" else "live"

    def overall(self) -> Body:
        """Return what begins a body that is about no one portfolio."""
        caught_up = self._health.caught_up
        return {
            "as_of": format_instant(self._clock_ns()),
            "version": str(self.store.newest_told()),
            "status": "live" if caught_up else "degraded",
        }

    def state(self, name: str) -> Body:
        """Return a portfolio's newest state; one without a bar has none."""
        state = self.json(f"portfolio/{name}/state")
        if state is None:
            raise ProblemError(404, f"portfolio {name!r} has closed no bar yet")
        return state

    def json(self, key: str) -> Body | None:
        """Return the newest value under a key, parsed."""
        value = self.store.get(key)
        return None if value is None else orjson.loads(value)

    def at(self, series: str, place: int) -> Body | None:
        """Return the value at a place of a series, parsed."""
        entries = self.store.series(series, after=place - 1, before=place + 1, limit=1)
        return orjson.loads(entries[0].value) if entries else None

    def all(self, series: str, after: int | None, before: int | None) -> list[Entry]:
        """Return every entry of a series between two places."""
        return self.store.series(series, after=after, before=before, limit=1_000_000)


def _is_registered(key: str) -> bool:
    return key.endswith("/registration")
