"""Sums of windows against windows summed anew."""

import numpy as np
import pytest

from streams.core.performance.sums import Bars, SlidingSums
from streams.core.performance.terms import Moments, PlainTerms
from tests.core.oracles import ragged_returns


def test_bars_before_the_first_are_missing():
    bars = Bars(np.arange(6.0).reshape(3, 2), 10, np.array([[7.0], [8.0], [9.0]]))
    assert bars.columns == 3
    np.testing.assert_array_equal(bars.read(8, 10), [[2, 3, 8], [4, 5, 9]])
    padded = bars.read(5, 8)
    assert np.isnan(padded[:2]).all()
    assert padded[2].tolist() == [0.0, 1.0, 7.0]
    assert np.isnan(bars.read(-3, 2)).all()


@pytest.mark.parametrize("window", [1, 2, 15, 16, 17, 33])
def test_a_million_steps_do_not_drift(window):
    """Of fifty columns over twenty thousand bars the last window is as exact as the first."""
    bars = 20_000
    rows = ragged_returns(1, bars, 50, 0.1)
    sums = SlidingSums(window, PlainTerms(0))
    for stop in range(500, bars + 1, 500):
        found, anchors = sums.advance(Bars(rows[max(0, stop - 600) : stop], stop), 500)
    moments = Moments.of(found[:, -1], anchors[-1])
    last = rows[-window:]
    seen = ~np.isnan(last)
    count = seen.sum(axis=0)
    np.testing.assert_array_equal(moments.count, count)
    mean = np.where(seen, last, 0.0).sum(axis=0) / np.maximum(count, 1)
    np.testing.assert_allclose(moments.mean[count > 0], mean[count > 0], rtol=1e-10, atol=1e-15)
    d = np.where(seen, last - mean, 0.0)
    np.testing.assert_allclose(moments.second, (d**2).sum(axis=0), rtol=1e-10, atol=1e-18)
    np.testing.assert_allclose(moments.fourth, (d**4).sum(axis=0), rtol=1e-10, atol=1e-22)


def test_an_anchor_that_leaves_before_the_seam_moves_takes_its_size_with_it():
    rng = np.random.default_rng(3)
    rows = 1e-4 * rng.standard_normal((80, 1))
    rows[34] = 0.5  # the newest return before the seam at bar 40
    rows[35:40] = np.nan
    sums = SlidingSums(20, PlainTerms(0))
    found, anchors = sums.advance(Bars(rows, 80), 80)
    moments = Moments.of(found, anchors)
    for bar in range(55, 60):  # it has left, and the next seam is still to come
        last = rows[bar - 19 : bar + 1, 0]
        last = last[~np.isnan(last)]
        fourth = ((last - last.mean()) ** 4).sum()
        assert moments.fourth[bar, 0] == pytest.approx(fourth, rel=1e-12)
