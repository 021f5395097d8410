"""Event time moves forward by portfolio; a clock of the caller is only read."""

from hypothesis import given
from hypothesis import strategies as st

from streams.execution.clock import EventClock, WallClock
from streams.execution.gate import CommandGate
from streams.execution.place import Place, read_state_clock


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(-(10**18), 10**18)), min_size=1),
)
def test_event_clock_is_the_newest_bar_of_each_portfolio(seen):
    clock = EventClock()
    for portfolio, bar_end_ns in seen:
        clock.observe(portfolio, bar_end_ns)
    for portfolio in {name for name, _ in seen}:
        assert clock.now_ns(portfolio) == max(ns for name, ns in seen if name == portfolio)


def test_event_clock_stamps_a_report_with_its_bar():
    clock = EventClock()
    clock.observe("a", 50)
    assert clock.as_of_ns(20) == 20


def test_wall_clock_heeds_the_caller_alone():
    clock = WallClock(iter((7, 8)).__next__)
    clock.observe("a", 50)
    assert (clock.now_ns("a"), clock.as_of_ns(50)) == (7, 8)
    assert not clock.follows_state


NESTED = b'{"portfolio_id": "a", "more": ' + b"[" * 100_000


def test_state_record_drives_the_clock_and_a_broken_one_does_not():
    clock = EventClock(follows_state=True)
    assert read_state_clock(clock, b'{"portfolio_id": "a", "bar_end": "1970-01-01T00:00:01Z"}')
    assert clock.now_ns("a") == 1_000_000_000
    for broken in (None, b"", b"{}", b'{"portfolio_id": "a", "bar_end": "later"}', NESTED):
        assert not read_state_clock(clock, broken)
    assert clock.now_ns("a") == 1_000_000_000


def test_commit_stops_before_the_first_open_command():
    place = Place(gate=CommandGate())
    assert not place.is_ahead()
    place.next_offset = 9
    place.open_offsets = {4, 7}
    assert (place.is_ahead(), place.committable()) == (True, 4)
    place.committed = 4
    assert not place.is_ahead()
    place.open_offsets = set()
    assert (place.is_ahead(), place.committable()) == (True, 9)
