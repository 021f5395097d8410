"""The views of a store as the answers need them: which portfolio, how fresh, parsed values."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple, TypeVar

import msgspec
import orjson

from schemas.events import PortfolioRegistration
from schemas.units import format_instant, parse_instant
from streams.api.problems import ProblemError
from streams.core.calendar import bar_length_ns
from streams.core.deciding import FILLS
from streams.readmodel.store import FILLING, Entry, Store
from streams.readmodel.writer import Health

Body = dict[str, Any]
T = TypeVar("T")
_place = attrgetter("place")
Status = Literal["live", "warming_up", "stale", "degraded"]

STALE_BARS: Final = 3  # a live portfolio whose newest bar ended so many bars ago is stale
BARS_MAX: Final = 20_000  # of a series that are remembered,
BARS_BYTES_MAX: Final = 64 * 1024 * 1024  # and how much they may weigh
_ALL: Final = 1_000_000
SILENT_NS: Final = 60 * 1_000_000_000  # the same for one whose clock is its data


class _Bars(NamedTuple):
    """Bars of a series as they were read, and what they are those of: a filling and an epoch."""

    mark: tuple[bytes | None, int | None]
    entries: list[Entry]


class Stand(NamedTuple):
    """Where an image of a portfolio stands; it lags behind the views by some seconds."""

    epoch: int
    version: int
    bar_number: int
    policy_version: int
    acknowledged_version: int


class _PolicyVersion(msgspec.Struct):
    """As much of a registration as names its version."""

    policy_version: int = 1


class _Acknowledged(msgspec.Struct):
    """As much of a report as tells what it acknowledges."""

    epoch: int = 0
    version: int = 0
    status: str = ""


_read_version: Final = msgspec.json.Decoder(_PolicyVersion).decode
_read_acknowledged: Final = msgspec.json.Decoder(_Acknowledged).decode


class Views:
    """What one store holds; ``health`` tells how well it is kept."""

    def __init__(
        self, store: Store, health: Health, clock_ns: Callable[[], int], default: str | None
    ) -> None:
        self.store = store
        self._health = health
        self._clock_ns = clock_ns
        self._default = default
        self._bars: dict[str, _Bars] = {}  # of portfolios that exist: there are few

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
        policy = self._policy_version(name)
        if state is None:
            return f"0.0.0.{policy}.0"
        newest = self.newest(f"{name}/reports")
        reports = 0 if newest is None else newest.place + 1
        return f"{state['epoch']}.{state['version']}.{state['bar_number']}.{policy}.{reports}"

    def version_of(self, name: str, image: Stand) -> str:
        """Return the version of an image: that of the views where it knows all that they do."""
        state = self.json(f"portfolio/{name}/state")
        if state is not None:
            newest = self.newest(f"{name}/reports")
            report = _Acknowledged() if newest is None else _read_acknowledged(newest.value)
            # The engine passes over a report on a version that it never gave out.
            is_ours = report.status in FILLS and report.epoch == image.epoch
            unheard = is_ours and image.acknowledged_version < report.version <= image.version
            seen = state["epoch"], state["version"], state["bar_number"], self._policy_version(name)
            if seen == image[:4] and not unheard:
                return self.version(name, state)
        return ".".join(str(part) for part in image[:4]) + ".checkpoint"

    def _policy_version(self, name: str) -> int:
        held = self.store.get(f"portfolio/{name}/registration")
        return 0 if held is None else _read_version(held).policy_version

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

    def newest(self, series: str) -> Entry | None:
        """Return the newest entry of a series."""
        return next(iter(self.store.series(series, limit=1, newest_first=True)), None)

    def at(self, series: str, place: int) -> Body | None:
        """Return the value at a place of a series, parsed."""
        entries = self.store.series(series, after=place - 1, before=place + 1, limit=1)
        return orjson.loads(entries[0].value) if entries else None

    def bars(self, name: str, kind: str, after: int | None, before: int | None) -> list[Entry]:
        """Return a portfolio's bars of a series between two places.

        What was read is remembered, and only what came since is read: a bar that is told again has
        the same bytes, but for the newest one, as long as neither the store is filled anew nor the
        portfolio begins anew (its epoch).
        """
        series, state = f"{name}/{kind}", self.json(f"portfolio/{name}/state")
        mark = self.store.get(FILLING), None if state is None else state["epoch"]
        held = self._bars.get(series)
        entries: list[Entry] = []
        if held is not None and held.mark == mark:
            newest = self.store.series(series, after=held.entries[-1].place - 1, limit=_ALL)
            entries = [*held.entries[:-1], *newest] if newest else []
        entries = entries or self.all(series, None, None)
        weight = sum(len(entry.value) for entry in entries)
        if 0 < len(entries) <= BARS_MAX and weight <= BARS_BYTES_MAX:
            self._bars[series] = _Bars(mark, entries)
        else:
            self._bars.pop(series, None)
        first = 0 if after is None else bisect_right(entries, after, key=_place)
        last = len(entries) if before is None else bisect_left(entries, before, key=_place)
        return entries[first:last]

    def all(self, series: str, after: int | None, before: int | None) -> list[Entry]:
        """Return every entry of a series between two places."""
        return self.store.series(series, after=after, before=before, limit=_ALL)


def thinned(entries: list[T], count: int) -> list[T]:
    """Return at most ``count`` entries, evenly apart, with the first and the last."""
    if len(entries) <= count:
        return entries
    if count == 1:
        return entries[-1:]
    last = len(entries) - 1
    return [entries[round(i * last / (count - 1))] for i in range(count)]


def _is_registered(key: str) -> bool:
    return key.endswith("/registration")
