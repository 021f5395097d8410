"""A row that can no longer be placed is counted with the next bar; a revision gets an answer."""

import numpy as np
import pytest

from schemas.codec import decode_return
from schemas.journal import ROW_INACTIVE
from schemas.topics import DEAD_LETTERS, STATE
from streams.core.calendar import DAY_NS
from streams.core.history import DueCorrection, History
from streams.core.late import WAITING_MAX, add_correction
from streams.core.outputs import encode_output
from tests.core.worlds import START_NS, Row, World, of_topic, policy_for

NAMES = ("a", "b")


def world_of(days):
    world = World(
        policy_for(
            NAMES,
            estimation={"window_bars": 3, "min_bars": 2, "windows": [2]},
            rebalance={"schedule": "never"},
        )
    )
    world.publish([row for day in range(1, days + 1) for row in bar(day)], [50])
    return world


def bar(day):
    return [at(day, 0.01, name=name) for name in NAMES]


def at(day, value, revision=0, name="a"):
    return Row(name, START_NS + day * DAY_NS, value, revision=revision)


def letters(world):
    return [output for output in world.outputs if output.topic is DEAD_LETTERS]


def told(world):
    data = of_topic(world.outputs, STATE.name)[-1].data
    return {} if data is None else data.late


def test_a_revision_older_than_everything_held_is_answered_and_counted():
    world = world_of(400)
    world.publish([at(2, 0.5, revision=3), *bar(401)], [1])
    (letter,) = letters(world)
    headers = dict(letter.headers)
    assert headers["apse_error_code"] == "too_late"
    assert headers["apse_error_detail"] == (
        "revision 3 of 'a' for 2019-04-16T00:00:00Z changes nothing in 'p': its bar is older than"
        " all that is held, expected one within the windows"
    )
    assert headers["apse_source_offset"] == "800"
    assert letter.key == "a"
    message = decode_return(encode_output(letter))
    assert (message.strategy_id, message.value, message.revision) == ("a", 0.5, 3)
    assert told(world) == {"a": 1}


def test_a_file_that_is_published_twice_is_counted_and_fills_no_dead_letters():
    world = world_of(400)
    world.publish([at(day, 0.01) for day in range(1, 11)] + bar(401), [4])
    assert letters(world) == []
    assert told(world) == {"a": 10}
    world.publish(bar(402), [2])
    assert told(world) == {}


def test_a_revision_of_a_strategy_that_has_ended_is_answered():
    world = world_of(5)
    end = Row("a", START_NS + 5 * DAY_NS, kind=ROW_INACTIVE)
    world.publish([end, at(4, 0.5, revision=1), at(6, 0.1, name="b")], [1])
    (letter,) = letters(world)
    assert dict(letter.headers)["apse_error_code"] == "ended"
    assert "register it again" in dict(letter.headers)["apse_error_detail"]
    assert told(world) == {"a": 1}


def test_a_late_row_of_a_bar_that_nobody_had_is_answered():
    world = world_of(5)
    world.publish([*bar(9), at(7, 0.5, revision=1), *bar(10)], [1])
    (letter,) = letters(world)
    assert dict(letter.headers)["apse_error_code"] == "too_late"


@pytest.mark.parametrize("size", [1, 2, 7])
def test_the_counts_stand_with_the_same_bars_whatever_the_frames(size):
    world = world_of(400)
    rows = [at(2, 0.5), *bar(401), at(3, 0.5), at(4, 0.5, name="b"), at(5, 0.5), *bar(402)]
    world.publish(rows, [size])
    found = of_topic(world.outputs, STATE.name)[-2:]
    assert [state.data.late for state in found] == [{"a": 1}, {"a": 2, "b": 1}]


# ----------------------------------------------------------------------- corrections that wait


def history_of(ends):
    history = History(100)
    for end_ns in ends:
        history.push(end_ns, np.zeros(1), 0.0)
    return history


def test_revisions_without_end_of_few_bars_stay_few():
    waiting = []
    for number in range(10 * WAITING_MAX):
        due = DueCorrection(10**6, number % 5, "a", float(number), float(number + 1))
        add_correction(waiting, due, history_of(range(5)), 4)
        assert len(waiting) <= WAITING_MAX
    last = {item.end_ns: item.new for item in waiting}
    numbers = range(10 * WAITING_MAX)
    assert last == {end: float(max(n for n in numbers if n % 5 == end) + 1) for end in range(5)}
    first = {item.end_ns: item.old for item in reversed(waiting)}
    assert first == {end: float(end) for end in range(5)}  # what stood there at the beginning


def test_what_waits_for_a_bar_that_is_forgotten_goes_and_the_rest_stays():
    waiting = []
    history = history_of(range(50, 60))
    for number in range(WAITING_MAX):
        add_correction(waiting, DueCorrection(10**6, number % 70, "a", 0.0, 1.0), history, 59)
    assert {item.end_ns for item in waiting} == set(range(50, 70))  # from 60 on: not yet walked


def test_a_strategy_that_is_final_far_ahead_keeps_its_corrections_bounded():
    world = world_of(5)
    far = Row("a", START_NS + 9_000 * DAY_NS, 0.01)
    world.publish([far], [1])
    for day in range(6, 1_500):
        world.publish([at(day, 0.01, name="b"), at(day, 0.02)], [2])
    assert len(world.portfolio.walk.corrections) <= WAITING_MAX
