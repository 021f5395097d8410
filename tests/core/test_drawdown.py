"""The drawdown overlay's curve, and the way back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.policy import DrawdownOverlay
from streams.core.drawdown import drawdown_multiplier

OVERLAY = DrawdownOverlay(start=0.05, full=0.15, floor=0.3, recover=0.02)
ROUNDING = 1e-12


@pytest.mark.parametrize(
    ("drawdown", "expected"),
    [(0.0, 1.0), (-0.05, 1.0), (-0.10, 0.65), (-0.15, 0.3), (-0.9, 0.3)],
)
def test_the_book_shrinks_in_a_straight_line_to_its_floor(drawdown, expected):
    assert drawdown_multiplier(OVERLAY, drawdown, 1.0) == pytest.approx(expected, abs=ROUNDING)


def test_it_shrinks_at_once_and_grows_by_a_little_a_bar():
    assert drawdown_multiplier(OVERLAY, -0.2, 1.0) == pytest.approx(0.3, abs=ROUNDING)
    assert drawdown_multiplier(OVERLAY, 0.0, 0.3) == pytest.approx(0.32, abs=ROUNDING)
    assert drawdown_multiplier(OVERLAY, 0.0, 0.99) == 1.0


@given(st.lists(st.floats(-0.99, 0.0), min_size=1, max_size=60))
def test_it_is_never_below_its_floor_nor_locked_out(drawdowns):
    now = 1.0
    for drawdown in drawdowns:
        after = drawdown_multiplier(OVERLAY, drawdown, now)
        assert OVERLAY.floor - ROUNDING <= after <= min(1.0, now + OVERLAY.recover) + ROUNDING
        now = after
    for _ in range(40):  # 0.7 at 0.02 a bar is 35 bars
        now = drawdown_multiplier(OVERLAY, 0.0, now)
    assert now == 1.0
