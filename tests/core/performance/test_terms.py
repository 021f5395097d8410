"""Lapped sums are Newey and West's estimate, and relations are co-moments."""

import numpy as np
import pytest

from streams.core.performance.sums import Bars, SlidingSums
from streams.core.performance.terms import (
    LappedSums,
    PlainTerms,
    Relation,
    lags_of,
    relations_in,
)
from tests.core.oracles import ragged_returns


@pytest.mark.parametrize("window", [2, 3, 4, 5, 20, 60])
@pytest.mark.parametrize("missing", [0.0, 0.5])
def test_lapped_sums_are_bartlett_weighted_autocovariances(window, missing):
    rows = ragged_returns(window, 130, 4, missing)
    lapped = LappedSums((60, window, 252)).advance(Bars(rows, 130), 130)
    lags = lags_of(window)
    a, b, c = 0.3, 2.0, -5.0
    shift = lapped.anchors[1]
    # y = a + b x + c x^2 with x = r, in terms of r - anchor
    constant = a + b * shift + c * shift * shift
    weights = constant, b + 2 * c * shift, np.full_like(shift, c)
    found = lapped.of_quadratic(*weights)[1]
    for bar in range(130):
        last = rows[max(0, bar - window + 1) : bar + 1]
        y = np.where(np.isnan(last), 0.0, a + b * last + c * last * last)
        expected = (y * y).sum(axis=0)
        for lag in range(1, min(lags, len(y) - 1) + 1):
            expected += 2 * (1 - lag / (lags + 1)) * (y[lag:] * y[:-lag]).sum(axis=0)
        np.testing.assert_allclose(found[bar], expected, rtol=1e-10, atol=1e-13)


def test_a_reference_that_stands_still_has_no_squares_left():
    rows = np.column_stack([ragged_returns(1, 50, 3, 0.2), np.full(50, 0.0017)])
    sums, _ = SlidingSums(20, PlainTerms(1)).advance(Bars(rows, 50), 50)
    assert relations_in(len(sums)) == 1
    relation = Relation.of(sums, 0)
    assert (relation.reference == 0.0).all()
    assert (relation.own[20:, :3] > 0.0).all()
