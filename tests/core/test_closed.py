"""A closed bar that waits in a checkpoint is the same bar when it comes back."""

import numpy as np

from schemas.journal import Reported
from streams.core.closed import ClosedBar
from streams.core.image import decode_image, encode_image


def test_a_bar_put_back_is_the_same():
    bar = ClosedBar(
        7,
        np.array([0.1, np.nan]),
        np.array([False, True]),
        {0: Reported(0, 0.2, None)},
        {1: 2},
        {0: 3},
        frozenset({1}),
        {1: 5.0},
    )
    again = ClosedBar.from_state(decode_image(encode_image(bar.to_state())))
    assert encode_image(again.to_state()) == encode_image(bar.to_state())
    assert again.reported == bar.reported
    assert (again.revised, again.late) == ({1: 2}, {0: 3})
    assert (again.vouched, again.quarantined) == (frozenset({1}), {1: 5.0})


def test_a_bar_of_which_nothing_is_told_is_empty_in_every_part():
    bar = ClosedBar(7, np.zeros(1), np.zeros(1, dtype=bool))
    again = ClosedBar.from_state(bar.to_state())
    told = (again.reported, again.revised, again.late, again.vouched, again.quarantined)
    assert not any(told)
