"""Rows inside a bar against one product over all of them, sorted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.image import decode_image, encode_image
from streams.core.parts import ROWS_KEPT, Parts

ROWS = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.integers(0, 3),
        st.floats(-1.0, 1e3, allow_nan=False) | st.sampled_from([0.0, 1e300]),
    ),
    max_size=40,
)


def product_of(rows):
    """All rows of the newest revision each, the first where two have the same, by stamp."""
    newest = {}
    for stamp, revision, value in rows:
        if stamp not in newest or revision > newest[stamp][0]:
            newest[stamp] = (revision, value)
    values = [value for _, (_, value) in sorted(newest.items())]
    if not values:
        return float("nan")
    if len(values) == 1:
        return values[0]
    growth = 1.0
    for value in values:
        growth = min(growth * (1.0 + value), float(np.finfo(np.float64).max))
    return growth - 1.0


@given(ROWS)
def test_any_order_of_rows_compounds_to_the_same_bits(rows):
    parts = Parts()
    for row in rows:
        parts.insert(*row)
    # bitwise: the same multiplications in the same order
    assert np.float64(parts.value()).tobytes() == np.float64(product_of(rows)).tobytes()


@given(ROWS, ROWS)
def test_rows_put_back_go_on_as_if_nothing_had_been(rows, later):
    parts = Parts()
    for row in rows:
        parts.insert(*row)
    other = Parts.from_state(decode_image(encode_image({"parts": parts.to_state()}))["parts"])
    for row in later:
        assert other.insert(*row) == parts.insert(*row)
    assert encode_image({"p": other.to_state()}) == encode_image({"p": parts.to_state()})
    assert repr(other.value()) == repr(parts.value())


def test_outcomes():
    parts = Parts()
    assert parts.insert(10, 0, 0.1) == "changed"
    assert parts.insert(10, 0, 0.1) == "same"
    assert parts.insert(10, 1, 0.1) == "changed"
    assert parts.insert(10, 0, 0.5) == "same"
    assert parts.insert(5, 0, 0.2) == "changed"
    parts.fold(1)
    assert parts.insert(5, 9, 0.3) == "too_late"
    assert parts.insert(7, 0, 0.3) == "changed"
    assert parts.value() == pytest.approx(1.2 * 1.3 * 1.1 - 1, rel=1e-15)


def test_a_day_of_seconds_is_exact_and_keeps_a_bounded_number_of_rows():
    rng = np.random.default_rng(3)
    values = rng.normal(0.0, 1e-4, 86_400).tolist()
    parts = Parts()
    most = 0
    for second, value in enumerate(values):
        assert parts.insert(second, 0, value) == "changed"
        most = max(most, len(parts))
    assert most < 2 * ROWS_KEPT
    assert parts.value() == product_of([(s, 0, v) for s, v in enumerate(values)])
    assert parts.insert(86_399, 1, 0.5) == "changed"  # what is recent can be revised
    assert parts.insert(100, 1, 0.5) == "too_late"


def test_rows_that_are_folded_count_as_before():
    parts = Parts()
    for second in range(10):
        parts.insert(second, 0, 0.01 * second)
    before = parts.value()
    parts.fold(10)
    assert (len(parts), parts.value(), parts.newest_ns) == (0, before, 9)
    parts.fold(0)
    assert parts.value() == before
