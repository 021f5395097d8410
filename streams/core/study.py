"""What is known of the strategies alone: windows, exponential moments, covariance, eligibility.

Nothing here depends on weights or decisions, so many bars are taken at once; what comes of a bar is
the same to the bit however the bars are cut into runs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.policy import PortfolioPolicy
from streams.core.arrays import BoolArray, FloatArray, IntArray
from streams.core.covariance import (
    CovarianceEstimate,
    CovarianceSpec,
    RollingCovariance,
    covariance_spec,
    estimate,
    finish,
)
from streams.core.eligibility import minimum_bars
from streams.core.errors import DataError
from streams.core.history import history_bars
from streams.core.metrics import MetricsBlock, run_ewma_metrics, run_metrics
from streams.core.windows import RUN_BARS_MAX, EwmaMoments, RollingWindows


class Study:
    """Tables of N strategies as of the last bar taken in.

    Parameters
    ----------
    policy
        Windows, estimator of the covariance, and who is eligible.
    """

    def __init__(self, policy: PortfolioPolicy) -> None:
        self._policy = policy
        self.windows = _new_windows(policy, 0)
        self.ewma = EwmaMoments(0)
        self.literal = policy.estimation.covariance  # the estimator in force
        self.covariance: RollingCovariance | None = None  # while nobody is eligible

    def take(self, values: FloatArray, ended: BoolArray) -> "StudyRun":
        """Take bars in; the covariance waits for :meth:`follow`.

        Parameters
        ----------
        values
            (K, N) oldest first, NaN = missing; K at most `RUN_BARS_MAX`.
        ended
            (K, N) who was over by then.
        """
        estimation, periods = self._policy.estimation, self._policy.periods_per_year
        begun = self.windows.count
        run = self.windows.extend(values)
        block = run_metrics(self.windows, run, periods)
        place = self.windows.windows.index(estimation.window_bars)
        return StudyRun(
            begun=begun,
            block=block,
            ewma=run_ewma_metrics(self.ewma.extend(values), periods),
            eligible=self._who(block.n_obs[:, place], run.ages, ended),
            ages=run.ages,
            window_bars=place,
        )

    def follow(self, run: "StudyRun", bar: int, *, corrected: bool) -> None:
        """Let the covariance follow, bar by bar, those who are eligible then.

        ``corrected`` tells that bars of the past have changed since the last one.
        """
        count = run.begun + bar + 1
        eligible = np.flatnonzero(run.eligible[bar])
        now = self.covariance
        if corrected or now is None or not np.array_equal(eligible, now.eligible):
            self.covariance = self._new_covariance(eligible, count)
        else:
            now.push(self.windows, count)

    def use(self, literal: str) -> None:
        """Estimate the covariance by another estimator, from the bar that is being taken in on."""
        if literal != self.literal:
            self.literal = literal
            self.covariance = None

    def estimate(self) -> CovarianceEstimate | None:
        """Return the covariance per bar of those eligible; None where too little is known."""
        if self.covariance is None:
            return None
        count = self.covariance.count
        start = max(count - self._policy.estimation.window_bars, 0)
        rows = self.windows.rows(start, count)
        rows = rows[:, self.covariance.eligible]
        try:
            if self._spec.is_finished_online:
                return finish(self.covariance.matrix(), rows, self._spec)
            return estimate(rows, self._spec)
        except DataError:
            return None

    def eligible(self, ended: BoolArray) -> BoolArray:
        """Return who has enough and fresh observations and has not ``ended``, (N,)."""
        observed = self.windows.observed(self._policy.estimation.window_bars)
        return self._who(observed, self.windows.last_value_age(), ended)

    def _who(self, observed: IntArray, ages: IntArray, ended: BoolArray) -> BoolArray:
        alive = np.count_nonzero(~ended, axis=-1)
        least = np.array([minimum_bars(self._policy, int(n)) for n in alive.ravel()])
        enough = observed >= least.reshape(*alive.shape, 1)
        return enough & (ages <= self._policy.estimation.stale_bars) & ~ended

    def correct(self, bars_ago: int, column: int, old: float, new: float) -> None:
        """Replace one return by its revision; the covariance follows with the next bar."""
        later = self.windows.values(bars_ago)[:, column]
        self.windows.correct(bars_ago, column, new)
        self.ewma.correct(column, old, new, later)

    def select(self, picked: IntArray, ended: BoolArray) -> None:
        """Change the columns: the old one of each new one, -1 for a new strategy."""
        self.windows.select_columns(picked)
        self.ewma.select_columns(picked)
        self._start_covariance(ended)

    def set_policy(self, policy: PortfolioPolicy, ended: BoolArray) -> None:
        """Go on under another policy; new windows are filled from the bars still held."""
        self._policy = policy
        self.literal = policy.estimation.covariance
        held = self.windows.values(self.windows.capacity)
        self.windows = _new_windows(policy, self.windows.columns)
        for start in range(0, len(held), RUN_BARS_MAX):
            self.windows.extend(held[start : start + RUN_BARS_MAX])
        self._start_covariance(ended)

    def to_state(self) -> dict[str, Any]:
        """Return everything as plain values and arrays."""
        return {
            "windows": self.windows.to_state(),
            "ewma": self.ewma.to_state(),
            "literal": self.literal,
            "covariance": None if self.covariance is None else self.covariance.to_state(),
        }

    @classmethod
    def from_state(cls, policy: PortfolioPolicy, state: dict[str, Any]) -> "Study":
        """Return the study that :meth:`to_state` described."""
        study = cls(policy)
        study.windows = RollingWindows.from_state(state["windows"])
        study.ewma = EwmaMoments.from_state(state["ewma"])
        study.literal = state["literal"]
        if state["covariance"] is not None:
            study.covariance = RollingCovariance.from_state(
                state["covariance"], study._spec.online, study.windows
            )
        return study

    def _start_covariance(self, ended: BoolArray) -> None:
        eligible = np.flatnonzero(self.eligible(ended))
        self.covariance = self._new_covariance(eligible, self.windows.count)

    def _new_covariance(self, eligible: IntArray, count: int) -> RollingCovariance | None:
        if not eligible.size:
            return None
        window_bars = self._policy.estimation.window_bars
        return RollingCovariance(self.windows, window_bars, self._spec.online, eligible, count)

    @property
    def _spec(self) -> CovarianceSpec:
        return covariance_spec(self._policy.estimation, self.literal)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyRun:
    """What came of K bars, W windows and N strategies.

    Attributes
    ----------
    begun
        Bars the windows had before.
    block, ewma
        Values (len(METRICS), K, W, N) and (len(EWMA_METRICS), K, N).
    eligible, ages
        (K, N): who has enough and fresh observations, and bars since the last value.
    window_bars
        Which of the windows is the one of the estimates.
    """

    begun: int
    block: MetricsBlock
    ewma: MetricsBlock
    eligible: BoolArray
    ages: IntArray
    window_bars: int


def _new_windows(policy: PortfolioPolicy, columns: int) -> RollingWindows:
    estimation = policy.estimation
    lengths = tuple(sorted({*estimation.windows, estimation.window_bars}))
    return RollingWindows(lengths, columns, history_bars(policy))
