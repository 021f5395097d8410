"""What was held over a bar of the past follows from marks and returns alone."""

import numpy as np
import pytest

from streams.core.image import decode_image, encode_image
from streams.core.shadows.past import MARK_BARS, Past, columns_of, growth_of
from streams.core.windows import RollingWindows

BARS, CAPACITY = 120, 80
RATE = 0.0002


@pytest.fixture
def played():
    """Two books over bars with holes, with a fill before bar 50; amounts before every bar."""
    rng = np.random.default_rng(6)
    returns = rng.normal(0.001, 0.02, (BARS, 3))
    returns[rng.random(returns.shape) < 0.1] = np.nan
    windows, past, held = RollingWindows((CAPACITY,), 3), Past(CAPACITY), []
    amounts = np.array([[0.5, 0.2, 0.1, 0.2], [-0.5, 0.5, 0.5, 0.5]])
    for number, row in enumerate(returns, start=1):
        if number == 50:
            amounts = np.array([[0.1, 0.6, 0.2, 0.1], [0.9, 0.0, 0.0, 0.1]])
        past.note(number, amounts, always=number == 50)
        held.append(amounts)
        windows.push(row)
        amounts = amounts * np.append(1.0 + np.nan_to_num(row), 1.0 + RATE)
    return windows, past, [*held, amounts]


def test_what_was_held_over_any_bar_at_hand_is_found(played):
    windows, past, held = played
    found = {ago: past.held_over(windows, BARS, ago, RATE) for ago in range(BARS)}
    known = [ago for ago, pair in found.items() if pair is not None]
    # a mark at most MARK_BARS before the bar has to be at hand with its returns
    assert known == list(range(len(known)))
    assert CAPACITY - MARK_BARS <= len(known) <= CAPACITY
    for ago in known:
        before, after = found[ago]
        number = BARS - ago
        np.testing.assert_allclose(before, held[number - 1], rtol=1e-13)
        np.testing.assert_allclose(after, held[number].sum(axis=1), rtol=1e-13)


def test_marks_are_few_and_old_ones_are_dropped(played):
    _, past, held = played
    numbers = [number for number, _ in past.to_state()["marks"]]
    past.note(4 * MARK_BARS, held[-1], always=False)
    later = [number for number, _ in past.to_state()["marks"]]
    assert later == [32, 50, 64, 96, 128]
    assert numbers == [1, 32, 50, 64, 96]


def test_a_restored_past_is_the_same(played):
    windows, past, _ = played
    image = encode_image(past.to_state())
    again = Past.from_state(decode_image(image))
    assert encode_image(again.to_state()) == image
    ours, theirs = (p.held_over(windows, BARS, 9, RATE) for p in (past, again))
    assert [a.tolist() for a in ours] == [a.tolist() for a in theirs]


def test_windows_that_were_filled_anew_know_nothing_older(played):
    """A policy with longer windows numbers its bars from the oldest at hand."""
    windows, past, held = played
    longer = RollingWindows((2 * CAPACITY,), 3)
    for row in windows.values(CAPACITY):
        longer.push(row)
    past.capacity = 2 * CAPACITY
    assert past.held_over(longer, BARS, CAPACITY - 1, RATE) is None  # its mark is older than that
    before, _ = past.held_over(longer, BARS, 5, RATE)
    np.testing.assert_allclose(before, held[BARS - 6], rtol=1e-13)


def test_books_and_columns_that_are_new_held_nothing(played):
    windows, past, _ = played
    past.select(np.array([2, -1, 0, 1]))
    windows.select_columns(np.array([2, -1, 0, 1]))
    past.select_books(np.array([1, -1]))
    before, after = past.held_over(windows, BARS, 3, RATE)
    assert not before[:, 1].any()
    assert not before[1].any()
    assert after[1] == 0.0
    past.note(BARS + 1, np.ones((2, 5)), always=False)  # due now, for the new book's sake
    assert past.to_state()["marks"][-1][0] == BARS + 1


def test_a_missing_return_is_no_growth_and_cash_has_its_rate():
    growth = growth_of(np.array([[0.1, np.nan], [-1.0, 0.0]]), 0.5)
    assert growth.tolist() == [[1.1, 1.0, 1.5], [0.0, 1.0, 1.5]]


def test_cash_stays_the_last_column():
    found = columns_of(np.array([[1.0, 2.0, 9.0]]), np.array([1, -1, 0]))
    assert found.tolist() == [[2.0, 0.0, 1.0, 9.0]]
