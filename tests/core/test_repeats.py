"""An id is known again as long as it is remembered, and no longer."""

from streams.core.repeats import REMEMBERED, is_repeated


def test_the_last_ids_are_known_again_and_no_more_are_kept():
    told = []
    assert not any(is_repeated(f"r{number}", told) for number in range(REMEMBERED + 1))
    assert told == [f"r{number}" for number in range(1, REMEMBERED + 1)]
    assert is_repeated("r1", told)  # the oldest that is kept
    assert len(told) == REMEMBERED
    assert not is_repeated("r0", told)  # forgotten, and new again
    assert told[-2:] == [f"r{REMEMBERED}", "r0"]
