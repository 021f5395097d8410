"""The executor's clock: event time as the records tell it, or a clock that the caller brings."""

from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """What time it is for a portfolio. ``follows_state``: wants the portfolio state records too."""

    @property
    def follows_state(self) -> bool:
        """Whether the consumer reads ``portfolio.state.v1`` to drive this clock."""

    def observe(self, portfolio_id: str, bar_end_ns: int) -> None:
        """Take note of a bar that the engine has closed."""

    def now_ns(self, portfolio_id: str) -> int:
        """Return the time against which a command of this portfolio expires."""

    def as_of_ns(self, bar_end_ns: int) -> int:
        """Return the stamp of a report on a command of the bar that ended then."""


class EventClock:
    """The newest bar end seen of each portfolio; a pause of the world is no lapse of time.

    Portfolios do not share a clock: one that replays its past is not late because another lives
    in the present. On commands alone the clock is a function of the topic's order.

    Parameters
    ----------
    follows_state
        Also let the state records, one a bar, drive the clock: a command expires while no newer
        one comes, and how far the executor lags then matters.
    """

    def __init__(self, *, follows_state: bool = False) -> None:
        self.follows_state = follows_state
        self._newest_ns: dict[str, int] = {}

    def observe(self, portfolio_id: str, bar_end_ns: int) -> None:
        """Take note of a bar that the engine has closed; an older one changes nothing."""
        self._newest_ns[portfolio_id] = max(
            bar_end_ns, self._newest_ns.get(portfolio_id, bar_end_ns)
        )

    def now_ns(self, portfolio_id: str) -> int:
        """Return the newest bar end seen of a portfolio that was observed before."""
        return self._newest_ns[portfolio_id]

    def as_of_ns(self, bar_end_ns: int) -> int:
        """Return the bar's own end: the stamp is then the same on every repeat."""
        return bar_end_ns


class WallClock:
    """The time of day, from the caller's own source of it.

    Parameters
    ----------
    now
        Returns nanoseconds UTC.
    """

    follows_state = False

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now

    def observe(self, portfolio_id: str, bar_end_ns: int) -> None:
        """Ignore what the records say of time."""

    def now_ns(self, portfolio_id: str) -> int:  # noqa: ARG002  # one time for all portfolios
        """Return the time of day."""
        return self._now()

    def as_of_ns(self, bar_end_ns: int) -> int:  # noqa: ARG002  # the report's own moment
        """Return the time of day."""
        return self._now()
