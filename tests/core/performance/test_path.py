"""Ways of wealth against a walk bar by bar."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.performance.path import PATH_COLUMNS, WealthPaths, path_due
from tests.core.oracles import ragged_returns
from tests.core.performance.reference import CLOSE, water


@given(
    seed=st.integers(0, 2**32 - 1), missing=st.sampled_from([0.0, 0.4]), columns=st.integers(1, 5)
)
def test_paths_are_what_a_walk_finds(seed, missing, columns):
    rows = ragged_returns(seed, 40, columns, missing)
    rows[:, 0] = np.where(np.arange(40) == seed % 40, -1.0, rows[:, 0])
    path = WealthPaths(40).follow(rows)
    for column in range(columns):
        expected = water(rows[:, column])
        assert path.under_water[column] == expected["under_water_bars"]
        assert path.longest[column] == expected["under_water_bars_longest"]
        assert (path.start[column], path.trough[column]) == expected["dates"]
        np.testing.assert_allclose(path.max_drawdown[column], expected["max_drawdown"], **CLOSE)
        observed = np.count_nonzero(~np.isnan(rows[:, column]))
        ulcer = np.sqrt(path.squares[column] / observed)
        np.testing.assert_allclose(ulcer, expected["ulcer_index"], **CLOSE)


@pytest.mark.parametrize("columns", [1, 2, 3, 7])
def test_a_column_has_the_same_bits_alone_and_among_others(columns):
    rows = ragged_returns(columns, 252, 9, 0.2)
    among = WealthPaths(252).follow(rows)
    paths = WealthPaths(252)
    for first in range(0, 9 - columns + 1, columns):
        alone = paths.follow(rows[:, first : first + columns])
        for name in alone.__slots__:
            some = getattr(among, name)[first : first + columns]
            assert getattr(alone, name).tobytes() == some.tobytes(), name


def test_wealth_beyond_any_number_is_not_told():
    rows = np.full((5, 1), 1e300)
    path = WealthPaths(5).follow(rows)
    assert np.isnan(path.squares[0])
    assert path.start[0] == -1


def test_paths_are_due_at_fewer_bars_the_more_columns_there_are():
    assert all(path_due(bar, PATH_COLUMNS) for bar in range(1, 9))
    assert [path_due(bar, PATH_COLUMNS + 1) for bar in range(1, 5)] == [False, True, False, True]
    assert sum(path_due(bar, 20 * PATH_COLUMNS) for bar in range(1, 101)) == 5
