import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.report.svg import axis, number, path_data, tag, thinned, words


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 0.1, 5),
        (-0.07, 0.08, 6),
        (0.0, 0.0, 2),
        (0.0, 123.0, 6),
    ],
)
def test_ticks_are_few_round_and_enclose_the_values(low, high, ticks):
    found = axis(low, high, 0.0, 100.0)
    assert found.ticks[0] <= low
    assert found.ticks[-1] >= high
    assert ticks <= len(found.ticks) <= 9
    assert found(found.low) == 0.0
    assert found(found.high) == 100.0


@given(st.text())
def test_nobodys_words_become_markup(text):
    told = words(text)
    assert not {"<", ">", '"', "'"} & set(told)
    assert tag("p", told, title=text).count("<") == 2


def test_what_nobody_sees_is_shown():
    assert words("a\u202eb\u0000c\u200dd") == "a\ufffdb\ufffdc\ufffdd"
    assert words("two\n lines") == "two lines"


def test_coordinates_are_short():
    assert [number(value) for value in (0.0, -0.01, 10.04, -3.96)] == ["0", "0", "10", "-4"]
    assert path_data([(0.0, 1.0), (2.0, 3.5)], closed=True) == "M0 1L2 3.5Z"
    assert not path_data([])


@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=300),
    st.integers(1, 20),
)
def test_a_thinned_curve_keeps_the_lowest_and_highest_of_each_column(values, columns):
    values = np.array(values, dtype=np.float64)
    chosen = thinned(values, columns)
    assert (np.diff(chosen) > 0).all()
    assert len(chosen) <= 2 * columns + 2
    known = np.flatnonzero(~np.isnan(values))
    for column in range(columns):
        inside = [place for place in known.tolist() if place * columns // len(values) == column]
        if inside:
            kept = values[[place for place in inside if place in set(chosen.tolist())]]
            assert kept.min() == values[inside].min()
            assert kept.max() == values[inside].max()
