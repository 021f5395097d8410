"""Many bars at once are one bar after the other, to the bit."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.metrics import all_window_metrics, run_metrics
from streams.core.windows import RUN_BARS_MAX, EwmaMoments, RollingWindows, tail_depth
from tests.core.oracles import ragged_returns

WINDOWS = (3, 7, 20)


def cut(total, sizes):
    """Places at which a total is cut into pieces of these sizes, taken in turn."""
    start = turn = 0
    while start < total:
        stop = min(total, start + sizes[turn % len(sizes)])
        yield start, stop
        start, turn = stop, turn + 1


@given(
    seed=st.integers(0, 2**32 - 1),
    missing=st.sampled_from([0.0, 0.3, 0.8]),
    sizes=st.lists(st.integers(1, RUN_BARS_MAX), min_size=1, max_size=4),
    asked=st.sampled_from([1, 2, 3]),
)
def test_a_run_tells_after_each_bar_what_single_bars_would_have_told(seed, missing, sizes, asked):
    returns = ragged_returns(seed, 150, 3, missing)
    single, many = RollingWindows(WINDOWS, 3), RollingWindows(WINDOWS, 3)
    for turn, (start, stop) in enumerate(cut(len(returns), sizes)):
        run = many.extend(returns[start:stop])
        tells_tails = turn % asked == 0  # tails that nobody asks for follow later
        block = run_metrics(many, run, 252.0, tails=tells_tails)
        for bar, row in enumerate(returns[start:stop]):
            single.push(row)
            wanted = all_window_metrics(single, 252.0, tails=tells_tails)
            assert block.at(bar).values.tobytes() == wanted.values.tobytes()
            assert block.at(bar).undefined.tobytes() == wanted.undefined.tobytes()
            assert run.ages[bar].tolist() == single.last_value_age().tolist()
            summary = single.summaries()
            for field in fields(summary):
                found = getattr(run.summary, field.name)[bar]
                assert found.tobytes() == getattr(summary, field.name).tobytes(), field.name
    depth = tail_depth(single.summary(20).count)
    for column in range(3):
        ours, theirs = (table.tail(20)[: depth[column], column] for table in (many, single))
        assert ours.tobytes() == theirs.tobytes()
    assert many.values(20).tobytes() == single.values(20).tobytes()


@pytest.mark.parametrize("sizes", [(1,), (40, 1, 9)])
def test_among_many_columns_each_is_the_bits_that_it_is_among_few(sizes):
    rows = ragged_returns(5, 260, 720, 0.05)
    few = np.array([0, 300, 719])
    many, alone = RollingWindows((7, 20, 130), 720), RollingWindows((7, 20, 130), 3)
    for start, stop in cut(len(rows), sizes):
        wide = run_metrics(many, many.extend(rows[start:stop]), 252.0)
        narrow = run_metrics(alone, alone.extend(rows[start:stop, few]), 252.0)
        assert np.ascontiguousarray(wide.values[..., few]).tobytes() == narrow.values.tobytes()


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_exponential_sums_of_a_run_are_those_of_single_bars(missing):
    returns = ragged_returns(9, 60, 4, missing)
    single, many = EwmaMoments(4), EwmaMoments(4)
    sums = many.extend(returns)
    for bar, row in enumerate(returns):
        single.push(row)
        assert sums[:, bar].tobytes() == single.sums().tobytes()
    assert many.to_state()["sums"].tobytes() == single.to_state()["sums"].tobytes()


@pytest.mark.parametrize("bars", [0, RUN_BARS_MAX + 1])
def test_a_run_of_no_bars_or_too_many_is_an_own_mistake(bars):
    with pytest.raises(AssertionError):
        RollingWindows(WINDOWS, 2).extend(np.zeros((bars, 2)))
