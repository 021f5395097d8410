"""Forecasts of risk, judged: against brute force, and known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.policy import Demote, Estimation, PortfolioPolicy, Quality, StrategyEntry
from streams.core.covariance import covariance, parse_covariance
from streams.core.quality import (
    ForecastQuality,
    forecast_rows,
    quality_of,
    random_portfolios,
    scores,
)
from streams.core.windows import RollingWindows
from tests.core.oracles import ragged_returns

NAMES = ("a", "b", "c", "d")


def policy_of(**estimation):
    given_policy = {"window_bars": 60, "windows": (60,), "min_bars": 20, **estimation}
    return PortfolioPolicy(
        portfolio_id="p",
        bar="1d",
        periods_per_year=252,
        strategies=tuple(StrategyEntry(id=name) for name in NAMES),
        estimation=Estimation(**given_policy),
    )


class Judge:
    """Windows and a record over them, as a walk would move them."""

    def __init__(self, policy):
        self.policy = policy
        self.windows = RollingWindows((60,), 4, 60 + 64)
        self.quality = ForecastQuality(policy)
        self.held = []

    def push(self, rows, held=(0.4, 0.3, 0.2, 0.1)):
        for row in rows:
            self.windows.push(row)
            self.held.append(held)
            self.quality.follow(self.windows, self.windows.count, np.array(self.held[-64:]), NAMES)
        return self

    def restored(self):
        other = Judge(self.policy)
        other.windows = RollingWindows.from_state(self.windows.to_state())
        other.quality = ForecastQuality.from_state(self.policy, self.quality.to_state())
        other.held = list(self.held)
        return other


def test_random_portfolios_are_fixed_spread_and_each_strategys_own():
    weights = random_portfolios("p", ("a", "b", "c"), 250)
    assert (weights > 0).all()
    np.testing.assert_array_equal(weights[:, [2, 0]], random_portfolios("p", ("c", "a"), 250))
    assert (weights != random_portfolios("q", ("a", "b", "c"), 250)).all()
    assert weights.mean() == pytest.approx(1.0, abs=0.1)  # exponential: mean and deviation 1
    assert weights.std() == pytest.approx(1.0, abs=0.1)
    # What other machines must find too: once published, a record is compared with the next.
    assert weights[:2, 0].tolist() == pytest.approx([0.9922249335672323, 0.12725424984449468])


@given(seed=st.integers(0, 2**32 - 1), missing=st.sampled_from([0.0, 0.3]))
def test_scores_equal_portfolio_by_portfolio(seed, missing):
    rng = np.random.default_rng(seed)
    returns = ragged_returns(seed, 7, 4, missing)
    held, random = rng.dirichlet(np.ones(4), 7), rng.dirichlet(np.ones(4), 3)
    cov = covariance(ragged_returns(seed, 50, 4, 0.0), parse_covariance("sample"))
    squares, logs = scores(returns, held, random, cov)
    for bar in range(7):
        here = ~np.isnan(returns[bar])
        for number, weights in enumerate([*random, held[bar]]):
            w = weights[here]
            h = w @ cov[np.ix_(here, here)] @ w
            if not here.any():
                assert np.isnan(squares[bar, number])
                continue
            assert squares[bar, number] == pytest.approx((w @ returns[bar][here]) ** 2 / h)
            assert logs[bar, number] == pytest.approx(np.log(h))


def test_a_right_forecast_has_bias_one_and_the_least_qlike():
    rng = np.random.default_rng(1)
    truth = np.diag([1.0, 4.0, 9.0, 2.0]) * 1e-4
    returns = rng.multivariate_normal(np.zeros(4), truth, 4000)
    held = np.full((4000, 4), 0.25)
    random = random_portfolios("p", NAMES, 8)

    def judged(cov):
        return quality_of("x", *scores(returns, held, random, cov))

    right, low, high = judged(truth), judged(truth / 4), judged(4 * truth)
    assert right.bias_random == pytest.approx(1.0, abs=0.03)
    assert right.bias_held == pytest.approx(1.0, abs=0.03)
    assert (low.bias_random, high.bias_random) == pytest.approx(
        (2 * right.bias_random, right.bias_random / 2)
    )
    assert right.qlike_random < min(low.qlike_random, high.qlike_random)
    assert right.qlike_held < min(low.qlike_held, high.qlike_held)
    assert right.bias_random_min <= right.bias_random <= right.bias_random_max
    assert right.n_bars == 4000


def test_nothing_held_and_nothing_known_have_no_figures():
    squares, logs = scores(
        np.array([[0.01, 0.02], [np.nan, np.nan]]), np.zeros((2, 2)), np.ones((1, 2)), np.eye(2)
    )
    got = quality_of("x", squares, logs)
    assert (got.n_bars, got.bias_held, got.qlike_held) == (1, None, None)
    assert got.bias_random == pytest.approx(0.03 / np.sqrt(2))
    none = quality_of("x", squares[1:], logs[1:])
    assert (none.n_bars, none.bias_random, none.bias_random_max) == (0, None, None)


def test_the_record_is_of_forecasts_made_before_the_bars():
    rows = ragged_returns(2, 120, 4, 0.05)
    estimation = {"covariance": "ewma:0.94", "compare": ("sample", "ewma:0.94")}
    judge = Judge(policy_of(**estimation, quality=Quality(window_bars=50, every_bars=10)))
    judge.push(rows)
    latest = judge.quality.latest
    assert [one.covariance for one in latest] == ["ewma:0.94", "sample"]
    held = np.array([0.4, 0.3, 0.2, 0.1])
    ratios = []
    for made in range(70, 120, 10):
        before = rows[made - 60 : made]
        complete = before[~np.isnan(before).any(axis=1)]
        cov = covariance(complete, parse_covariance("sample"))
        for row in rows[made : made + 10]:
            w = np.where(np.isnan(row), 0.0, held)
            ratios.append((w @ np.nan_to_num(row)) ** 2 / (w @ cov @ w))
    assert latest[1].n_bars == 50
    assert latest[1].bias_held == pytest.approx(np.sqrt(np.mean(ratios)), rel=1e-10)


@given(
    seed=st.integers(0, 2**32 - 1),
    cut=st.integers(1, 150),
    every=st.sampled_from([1, 7, 20]),
)
def test_a_restart_at_any_bar_changes_no_bit(seed, cut, every):
    rows = ragged_returns(seed, 150, 4, 0.1)
    policy = policy_of(
        quality=Quality(window_bars=30, portfolios=3, every_bars=every),
        compare=("ewma:0.9",),
        demote=Demote(to="ledoit_wolf", min_bars=10),
    )
    whole = Judge(policy).push(rows)
    parts = Judge(policy).push(rows[:cut]).restored().push(rows[cut:])
    assert repr(whole.quality.latest) == repr(parts.quality.latest)
    assert whole.quality.demoted == parts.quality.demoted
    for key in ("squares", "logs"):
        mine, other = whole.quality.to_state()[key], parts.quality.to_state()[key]
        assert {k: v.tobytes() for k, v in mine.items()} == {
            k: v.tobytes() for k, v in other.items()
        }


def test_an_estimator_that_misses_its_band_is_demoted_and_comes_back():
    rng = np.random.default_rng(3)
    policy = policy_of(
        quality=Quality(window_bars=60, portfolios=8, every_bars=5),
        demote=Demote(to="ewma:0.8", min_bars=30, band=(0.7, 1.5)),
    )
    judge = Judge(policy).push(0.01 * rng.standard_normal((120, 4)))
    assert (judge.quality.covariance, judge.quality.reason()) == ("sample", "")
    judge.push(0.04 * rng.standard_normal((30, 4)))
    assert judge.quality.covariance == "ewma:0.8"
    assert "sample demoted to ewma:0.8: bias " in judge.quality.reason()
    assert "band 0.7 to 1.5" in judge.quality.reason()
    judge.push(0.04 * rng.standard_normal((150, 4)))
    assert judge.quality.covariance == "sample"
    literals = [one.covariance for one in judge.quality.latest]
    assert literals == ["sample", "ewma:0.8"]


def test_a_demotion_outlives_the_bars_that_it_came_from():
    rng = np.random.default_rng(3)
    policy = policy_of(
        quality=Quality(window_bars=10, portfolios=4, every_bars=1),
        demote=Demote(to="oas", min_bars=3, band=(0.99, 1.01)),
    )
    judge = Judge(policy).push(0.01 * rng.standard_normal((120, 4)))
    assert judge.quality.demoted
    judge.push(np.zeros((120, 4)))  # nothing at risk: the window holds no score any more
    assert "bias unknown over 0 bars" in judge.quality.reason()


@pytest.mark.parametrize("size", [1e155, 1e300])
def test_returns_whose_squares_are_no_numbers_leave_figures_that_are(size):
    rows = np.full((3, 2), size)
    shares = np.full((1, 2), 0.5)
    told = quality_of("sample", *scores(rows, np.full((3, 2), 0.5), shares, np.eye(2)))
    assert np.isfinite([told.bias_random, told.bias_held, told.qlike_held]).all()
    beyond = np.full((2, 2), np.inf)
    untold = quality_of("sample", *scores(rows, np.full((3, 2), 0.5), shares, beyond))
    assert untold.bias_random is None


def test_a_forecast_is_of_those_who_had_enough_and_fresh_values_then():
    rows = ragged_returns(5, 60, 4, 0.0)
    rows[:30, 1] = np.nan
    rows[30:, 3] = np.nan
    judge = Judge(policy_of()).push(rows)
    columns, before = forecast_rows(judge.windows, 40, policy_of())
    assert columns.tolist() == [0, 2]
    np.testing.assert_array_equal(before, rows[:40][:, [0, 2]])
    assert forecast_rows(judge.windows, 60, policy_of())[0].tolist() == [0, 1, 2]


def test_too_few_rows_for_a_forecast_leave_nothing_scored():
    judge = Judge(policy_of()).push(ragged_returns(4, 39, 4, 0.0))
    assert judge.quality.latest == ()
    judge = Judge(policy_of(covariance="denoise")).push(ragged_returns(4, 80, 4, 0.0))
    assert judge.quality.latest == ()  # four strategies are too few for it
