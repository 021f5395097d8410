"""One portfolio as of its last walked bar: what is held, wanted and known of it, and its views."""

from typing import TYPE_CHECKING, Final

from schemas.policy import PortfolioPolicy, StrategyEntry
from schemas.topics import COVARIANCE, SHADOWS, STATE
from schemas.views import RollingPerformance
from streams.core.arrays import BoolArray
from streams.core.costs import CostModel, impact_coefficients, spread_of
from streams.core.decide import cost_model
from streams.core.eligibility import Book
from streams.core.history import DueCorrection, History
from streams.core.ledger import BarResult, Ledger
from streams.core.metrics import MetricsBlock, all_window_metrics
from streams.core.outputs import Output
from streams.core.performance import PortfolioFigures
from streams.core.quality import ForecastQuality
from streams.core.records import (
    Close,
    Snapshot,
    close_of,
    covariance_record,
    rolling_of,
    state_record,
)
from streams.core.shadows import BooksBar, ShadowBooks, shadow_record
from streams.core.status import Status
from streams.core.study import Study
from streams.core.windows import RollingWindows

if TYPE_CHECKING:
    from schemas.views import BarData, ReportedFigures
    from streams.core.conclusions import Pending
    from streams.core.signals import MarketSigns

VIEWS: Final = frozenset((COVARIANCE, SHADOWS, STATE))
"""Topics that are told of each bar beside its metrics."""
COVARIANCE_EVERY_BARS: Final = 20
"""The full matrix is published with each decision and at every bar number that this divides."""


class Standing:
    """State of one portfolio as of its last walked bar. Columns are ``names``, sorted."""

    def __init__(
        self, policy: PortfolioPolicy, policy_version: int, epoch: int, shard: int
    ) -> None:
        self.policy = policy
        self.policy_version = policy_version
        self.epoch = epoch
        self.shard = shard
        self.names: tuple[str, ...] = ()
        self.entries: tuple[StrategyEntry, ...] = ()
        self.study = Study(policy)
        self.own = RollingWindows(policy.estimation.windows, 1)
        self.figures = PortfolioFigures()
        self.figures.begin(policy, ())
        self.ledger = Ledger(0)
        self.shadows = ShadowBooks(policy, 0)
        self.status = Status()
        self.corrections: list[DueCorrection] = []
        self.pending: Pending | None = None
        self.last: BarResult | None = None
        self.clusters: tuple[tuple[str, ...], ...] | None = None  # of the last answer that had any
        self.reported: dict[str, ReportedFigures] = {}  # with the last walked bar
        self.rolling: list[RollingPerformance] | None = None  # figures of `own`, once made
        self.data: BarData | None = None  # of the last walked bar
        self.history = History(self.study.windows.capacity)
        self.signs: MarketSigns | None = None  # while no signal is asked for
        self.signals: dict[str, float] = {}  # of the bar that is being walked
        self.quality = new_quality(policy)
        self.views = VIEWS  # which are made: a replay asks for fewer

    # ------------------------------------------------------------------ views

    def _book(self) -> Book:
        window, windows = self.policy.estimation.window_bars, self.study.windows
        held, held_cash = self.ledger.coming()
        return Book(
            names=self.names,
            entries=self.entries,
            returns=windows.values(window),
            n_obs=windows.observed(window),
            age_bars=windows.last_value_age(),
            ended=self.status.ended,
            held=held,
            held_cash=held_cash,
            nav=self.ledger.nav,
            clusters=self.clusters,
            covariance=self.study.literal,
            demotion="" if self.quality is None else self.quality.reason(),
        )

    def announce(self) -> list[Output]:
        """Publish the state again: what a person or the risk function changed shows at once."""
        at = self.snapshot()
        if at is None or STATE not in self.views:
            return []
        return [Output(STATE, self.policy.portfolio_id, state_record(at))]

    def snapshot(self) -> Snapshot | None:
        """Return what the records of the last walked bar are made of; None before the first."""
        if self.last is None:
            return None
        eligible = self.study.eligible(self.status.ended)
        assert self.shadows.latest is not None, "the books took the last bar as the ledger did"
        return self._snapshot(
            self.status, close_of(self.ledger), self.last, eligible, self.shadows.latest
        )

    def _snapshot(
        self,
        status: Status,
        close: Close,
        last: BarResult,
        eligible: BoolArray,
        books: BooksBar,
    ) -> Snapshot:
        if self.rolling is None:
            self.rolling = self._rolling_anew()
        return Snapshot(
            policy=self.policy,
            epoch=self.epoch,
            names=self.names,
            status=status,
            ledger=close,
            last=last,
            rolling=self.rolling,
            eligible=eligible,
            covariance=self.study.covariance,
            literal=self.study.literal,
            quality=self.quality,
            reported=self.reported,
            data=self.data,
            books=books,
        )

    def _rolling_anew(self) -> list[RollingPerformance]:
        """Return the portfolio's own figures of the last bar, from the windows alone."""
        own = all_window_metrics(self.own, self.policy.periods_per_year, tails=False)
        run = MetricsBlock(own.n_obs[None], own.values[:, None], own.undefined[:, None])
        figures, place = self.figures.at(self.study.windows, self.own)
        bar = slice(place, place + 1)
        return rolling_of(self.policy.estimation.windows, run, figures, bar)[0]

    def _finish(self, *, full: bool) -> list[Output]:
        """Publish the last bar's covariance and state, now that its decision is known."""
        at = self.snapshot()
        return [] if at is None else self._records(at, full=full)

    def _records(self, at: Snapshot, *, full: bool) -> list[Output]:
        key, views = self.policy.portfolio_id, self.views
        outputs = []
        if COVARIANCE in views:
            full = full or at.status.bar_number % COVARIANCE_EVERY_BARS == 0
            record = covariance_record(at, self.study.estimate() if full else None)
            outputs.append(Output(COVARIANCE, key, record))
        if SHADOWS in views:
            books = shadow_record(self.policy, self.names, at.status, self.shadows, at.books)
            outputs.append(Output(SHADOWS, key, books))
        if STATE in views:
            outputs.append(Output(STATE, key, state_record(at)))
        return outputs

    def _costs(self) -> CostModel | None:
        """Return what a fill costs now; None where that is linear alone."""
        costs = self.policy.costs
        if costs.impact is None and not costs.ticket_bps:
            return None
        volatility_per_bar = spread_of(self._book().returns)
        impact = impact_coefficients(costs, self.names, volatility_per_bar)
        return cost_model(self.policy, tuple(impact.tolist()))


def new_quality(policy: PortfolioPolicy) -> ForecastQuality | None:
    """Return an empty record of forecasts, where the policy wants one."""
    return None if policy.estimation.quality is None else ForecastQuality(policy)
