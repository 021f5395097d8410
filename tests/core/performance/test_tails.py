"""Quantiles of both tails against numpy."""

import numpy as np
import pytest

from streams.core.performance.sums import Bars
from streams.core.performance.tails import QuantileTails
from tests.core.oracles import ragged_returns


@pytest.mark.parametrize("missing", [0.0, 0.5])
def test_quantiles_are_numpys_linear_ones(missing):
    rows = ragged_returns(7, 150, 5, missing)
    observed = np.array(
        [np.count_nonzero(~np.isnan(rows[max(0, t - 40) : t + 1]), axis=0) for t in range(150)]
    )
    tails = QuantileTails(41)
    first = tails.advance(Bars(rows[:90], 90), 90, observed[:90])
    found = np.concatenate([first, tails.advance(Bars(rows, 150), 60, observed[90:])], axis=1)
    for bar in range(5, 150):
        last = rows[max(0, bar - 40) : bar + 1]
        known = observed[bar] > 0
        expected = np.nanquantile(last[:, known], [0.05, 0.95], axis=0)
        np.testing.assert_allclose(found[:, bar, known], expected, rtol=1e-12)
