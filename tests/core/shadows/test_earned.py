"""Sharpe ratios of books, against the statistics of plain Python."""

import statistics

import numpy as np
import pytest

from streams.core.shadows.earned import Earned

PERIODS = 252.0


def by_hand(returns):
    if len(returns) < 2 or max(returns) == min(returns):
        return None
    return statistics.mean(returns) / statistics.stdev(returns) * PERIODS**0.5


def test_ratios_are_those_of_the_last_returns_of_each_book():
    rng = np.random.default_rng(3)
    net = rng.normal(0.001, 0.01, (60, 3))
    net[:, 1] = 0.0001  # cash
    earned, found = Earned(3, 12), []
    for start in range(0, 60, 7):
        found += list(zip(*earned.extend(net[start : start + 7], PERIODS), strict=True))
    for bar, (sharpe, n_obs) in enumerate(found):
        assert n_obs.tolist() == [min(bar + 1, 12)] * 3
        for book in range(3):
            wanted = by_hand(net[max(0, bar - 11) : bar + 1, book].tolist())
            if wanted is None:
                assert np.isnan(sharpe[book])
            else:
                assert sharpe[book] == pytest.approx(wanted, rel=1e-10)  # exact fractions there


@pytest.mark.parametrize("sizes", [(1,), (3, 11), (60,)])
def test_runs_of_any_length_give_the_same_bits(sizes):
    net = np.random.default_rng(4).normal(0.0, 0.01, (60, 3))
    whole, cut = Earned(3, 12), Earned(3, 12)
    wanted = whole.extend(net, PERIODS)[0]
    found, start, turn = [], 0, 0
    while start < 60:
        size = sizes[turn % len(sizes)]
        found.append(cut.extend(net[start : start + size], PERIODS)[0])
        start, turn = start + size, turn + 1
    assert np.concatenate(found).tobytes() == wanted.tobytes()
    assert cut.values.tobytes() == whole.values.tobytes()


def test_a_new_book_has_returns_of_its_own_and_a_new_window_keeps_what_it_can():
    net = np.random.default_rng(5).normal(0.0, 0.01, (20, 2))
    earned = Earned(2, 12)
    earned.extend(net, PERIODS)
    earned.change(np.array([1, -1, 0]), 16)
    assert earned.values[0, -12:].tolist() == net[-12:, 1].tolist()
    assert np.isnan(earned.values[:, :4]).all()
    sharpe, n_obs = earned.extend(np.array([[0.01, 0.02, 0.03]]), PERIODS)
    assert n_obs.tolist() == [[13, 1, 13]]
    assert np.isnan(sharpe[0, 1])
    earned.change(np.arange(3), 5)
    assert earned.values.shape == (3, 5)


def test_returns_beyond_what_can_be_squared_have_no_ratio():
    sharpe, n_obs = Earned(1, 4).extend(np.array([[1e300], [0.0], [0.1]]), PERIODS)
    assert np.isnan(sharpe).all()
    assert n_obs.ravel().tolist() == [1, 2, 3]
