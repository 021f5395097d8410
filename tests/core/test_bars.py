"""Bars: by hand, and the fast road against the row-by-row one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.journal import ROW_INACTIVE, ROW_PROGRESS
from streams.core.bars import ALWAYS_NS, BarBuilder, Correction
from streams.core.calendar import DAY_NS, bar_ends
from streams.core.image import encode_image
from tests.core.worlds import Row, frame

NAN = float("nan")
NAMES = ("a", "b", "c")


def built(names=NAMES[:2], horizon=50, bar="1d"):
    return BarBuilder(bar, tuple(names), horizon)


def put(builder, *rows):
    """Absorb rows and close; return the bars as (day, values) and the corrections."""
    table = frame(list(rows), 0)
    columns = np.array([builder.names.index(table.names[i]) for i in table.strategy])
    corrections = builder.absorb(table, columns)
    return [(bar.end_ns / DAY_NS, bar.values.tolist()) for bar in builder.close()], corrections


def value(name, day, number, revision=0):
    return Row(name, int(day * DAY_NS), number, revision=revision)


def mark(name, day, kind=ROW_PROGRESS):
    return Row(name, int(day * DAY_NS), kind=kind)


# ----------------------------------------------------------------------- when a bar closes


def test_a_bar_closes_when_every_share_is_final():
    builder = built()
    assert put(builder, value("a", 1, 0.1), value("a", 2, 0.2)) == ([], [])
    assert put(builder, value("b", 1, 0.3))[0] == [(1.0, [0.1, 0.3])]
    assert put(builder, mark("b", 2))[0] == [(2.0, [0.2, pytest.approx(NAN, nan_ok=True)])]


def test_a_row_inside_a_bar_does_not_make_its_share_final():
    builder = built(["a"])
    assert put(builder, value("a", 0.5, 0.1)) == ([], [])
    assert put(builder, mark("a", 0.9)) == ([], [])
    closed, _ = put(builder, value("a", 1, 0.1))
    assert closed == [(1.0, [pytest.approx(1.1 * 1.1 - 1, rel=1e-15)])]


def test_a_bar_nobody_has_a_value_in_does_not_exist():
    builder = built()
    rows = [value("a", 1, 0.1), mark("b", 1), mark("a", 3), mark("b", 3), value("a", 4, 0.4)]
    closed, _ = put(builder, *rows, mark("b", 4))
    assert [day for day, _ in closed] == [1.0, 4.0]


def test_a_release_lets_bars_close_without_a_silent_strategy():
    builder = built()
    put(builder, value("a", 1, 0.1), value("a", 2, 0.2))
    builder.release(1, int(1.9 * DAY_NS))
    assert [bar.end_ns for bar in builder.close()] == [DAY_NS]


def test_an_ended_strategy_is_awaited_no_more_and_told_with_the_bar():
    builder = built()
    put(builder, value("a", 1, 0.1), value("b", 1, 0.1), mark("b", 1, ROW_INACTIVE))
    table = frame([value("a", 2, 0.2)], 0)
    builder.absorb(table, np.array([0]))
    (bar,) = builder.close()
    assert bar.ended.tolist() == [False, True]


def test_the_bar_of_the_last_value_is_not_yet_without_the_strategy():
    builder = built()
    rows = frame([value("a", 1, 0.1), value("b", 1, 0.1), mark("b", 1, ROW_INACTIVE)], 0)
    builder.absorb(rows, np.array([0, 1, 1]))
    (bar,) = builder.close()
    assert bar.ended.tolist() == [False, False]


def test_an_end_older_than_what_is_final_does_not_reach_back():
    builder = built()
    put(builder, value("b", 1, 0.1), value("b", 2, 0.1), mark("b", 1, ROW_INACTIVE))
    assert builder.ended_ns[1] == 2 * DAY_NS


def test_a_return_of_minus_one_ends_the_strategy_with_its_bar():
    builder = built()
    rows = frame([value("a", 1, 0.1), value("b", 1, -1.0)], 0)
    builder.absorb(rows, np.array([0, 1]))
    (bar,) = builder.close()
    assert (bar.values.tolist(), bar.ended.tolist()) == ([0.1, -1.0], [False, True])
    assert put(builder, value("b", 2, 0.5), value("a", 2, 0.2))[0][0][1][0] == 0.2


def test_an_outdated_revision_of_minus_one_kills_nobody():
    builder = built(["a"])
    put(builder, value("a", 0.5, 0.1, revision=1), value("a", 0.5, -1.0, revision=0))
    assert builder.ended_ns[0] == ALWAYS_NS


def test_a_late_death_ends_the_strategy_after_what_is_final():
    builder = built(["a"])
    put(builder, value("a", 1, 0.1), value("a", 2, 0.2))
    _, corrections = put(builder, value("a", 1, -1.0, revision=1))
    assert corrections == [Correction(2 * DAY_NS, DAY_NS, 0, 0.1, -1.0)]
    assert builder.ended_ns[0] == 2 * DAY_NS


def test_a_revived_strategy_is_awaited_from_the_first_bar_that_is_not_closed():
    builder = built()
    put(builder, value("a", 1, 0.1), value("b", 1, 0.1), mark("b", 1, ROW_INACTIVE))
    builder.revive(1)
    assert put(builder, value("a", 2, 0.2))[0] == []
    assert put(builder, value("b", 2, 0.3))[0] == [(2.0, [0.2, 0.3])]


# ----------------------------------------------------------------------- revisions


def test_a_late_row_is_a_correction_from_the_first_bar_not_yet_final():
    builder = built()
    put(builder, value("a", 1, 0.1), value("b", 1, 0.1), value("a", 2, 0.2), value("a", 3, 0.3))
    closed, corrections = put(builder, value("a", 1, 0.15, revision=1))
    assert (closed, corrections) == ([], [Correction(3 * DAY_NS, DAY_NS, 0, 0.1, 0.15)])


def test_a_late_row_of_a_bar_that_is_still_open_does_not_enter_it():
    builder = built()
    put(builder, value("a", 1, 0.1), value("a", 2, 0.2))
    _, corrections = put(builder, value("a", 1, 0.5, revision=1))
    assert corrections == [Correction(2 * DAY_NS, DAY_NS, 0, 0.1, 0.5)]
    assert put(builder, value("b", 1, 0.0))[0] == [(1.0, [0.1, 0.0])]


def test_a_value_that_comes_late_where_there_was_none_corrects_from_nothing():
    builder = built()
    put(builder, mark("a", 1), value("b", 1, 0.1))
    _, (correction,) = put(builder, value("a", 1, 0.2))
    assert np.isnan(correction.old)
    assert correction.new == 0.2


def test_duplicates_and_older_revisions_change_nothing():
    builder = built(["a"])
    put(builder, value("a", 1, 0.1, revision=2))
    before = encode_image(builder.to_state())
    for row in (value("a", 1, 0.1, revision=2), value("a", 1, 0.9), value("a", 1, 0.9, 1)):
        assert put(builder, row) == ([], [])
    assert encode_image(builder.to_state()) == before


def test_a_row_of_a_bar_no_longer_remembered_is_dropped():
    builder = built(["a"], horizon=2)
    for day in range(1, 5):
        put(builder, value("a", day, 0.1))
    assert put(builder, value("a", 1, 0.5, revision=1)) == ([], [])
    assert len(put(builder, value("a", 3, 0.5, revision=1))[1]) == 1


def test_returns_beyond_all_numbers_leave_a_number():
    builder = built(["a"])
    closed, _ = put(builder, value("a", 0.3, 1e300), value("a", 0.6, 1e300), value("a", 1, -0.5))
    assert np.isfinite(closed[0][1][0])


# ----------------------------------------------------------------------- membership


def test_a_new_strategy_gets_its_column_and_is_awaited_from_the_first_open_bar():
    builder = built(("b", "d"))
    put(builder, value("b", 1, 0.1), value("d", 1, 0.1), value("d", 2, 0.2), value("d", 0.5, 0.3))
    builder.set_names(("a", "b", "c", "d"))
    assert builder.final_ns.tolist() == [DAY_NS, DAY_NS, DAY_NS, 2 * DAY_NS]
    closed, _ = put(builder, value("b", 2, 0.5), value("a", 2, 0.6), mark("c", 2))
    assert closed[0][1] == [0.6, 0.5, pytest.approx(NAN, nan_ok=True), 0.2]


# ----------------------------------------------------------------------- the two roads

ROWS = st.lists(
    st.builds(
        Row,
        st.sampled_from(NAMES),
        st.integers(0, 24).map(lambda sixth: sixth * DAY_NS // 4),
        st.sampled_from([0.1, -0.2, 0.3, 0.0, 1e-9, -1.0]),
        st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2]),
        st.sampled_from([0, 0, 0, 1]),
    ),
    max_size=25,
)
ORDERED = st.lists(st.integers(0, 2**6 - 1), min_size=1, max_size=6).map(
    lambda masks: [
        value(name, day + 1, 0.01 * (day + 1))
        for day, mask in enumerate(masks)
        for i, name in enumerate(NAMES)
        if mask >> i & 1
    ]
)


def one_by_one(builder, table, columns):
    found = []
    ends_ns = bar_ends(table.period_end_ns, builder.bar)
    for number, row in enumerate(builder._each(table, columns, ends_ns)):
        correction = builder._absorb_row(number, row, table.reported.get(number))
        found += [] if correction is None else [correction]
        builder._ready += builder._settle()
    return found


@given(st.lists(ROWS | ORDERED, min_size=1, max_size=4))
def test_a_batch_is_the_same_as_its_rows_one_by_one(batches):
    fast, slow = built(NAMES), built(NAMES)
    for rows in batches:
        table = frame(rows, 0)
        columns = np.array([NAMES.index(table.names[i]) for i in table.strategy], dtype=np.int64)
        # a NaN is no number to compare with: text tells the same from another
        assert str(fast.absorb(table, columns)) == str(one_by_one(slow, table, columns))
        ours, theirs = fast.close(), slow.close()
        assert [bar.end_ns for bar in ours] == [bar.end_ns for bar in theirs]
        for bar, other in zip(ours, theirs, strict=True):
            assert bar.values.tobytes() == other.values.tobytes()
            assert bar.ended.tobytes() == other.ended.tobytes()
    assert encode_image(fast.to_state()) == encode_image(slow.to_state())


@given(st.lists(ROWS, min_size=2, max_size=4), st.data())
def test_a_builder_put_back_goes_on_as_if_nothing_had_been(batches, data):
    at = data.draw(st.integers(0, len(batches) - 1))
    builder = built(NAMES, horizon=3)
    for number, rows in enumerate(batches):
        if number == at:
            other = BarBuilder.from_state("1d", builder.to_state())
        put(builder, *rows)
        if number >= at:
            put(other, *rows)
    assert encode_image(builder.to_state()) == encode_image(other.to_state())


def test_the_laws_meet_the_fast_road(monkeypatch):
    taken = []
    scatter = BarBuilder._scatter
    monkeypatch.setattr(
        BarBuilder, "_scatter", lambda *given: (taken.append(1), scatter(*given))[1]
    )
    put(built(NAMES), *[value(name, day, 0.1) for day in (1, 2) for name in NAMES])
    assert taken


# ----------------------------------------------------------------------- many rows a bar


def seconds(name, day, count, value=1e-5):
    """Rows of the last seconds of a day; the last one ends it."""
    end_ns = day * DAY_NS
    return [Row(name, end_ns - s * 10**9, value) for s in range(count - 1, -1, -1)]


@given(st.integers(1, 400), st.randoms(use_true_random=False))
def test_rows_inside_a_bar_give_the_same_bits_in_any_frames(count, random):
    rows = [*seconds("a", 1, count), *seconds("b", 1, count), mark("c", 1)]
    whole, split = built(NAMES), built(NAMES)
    closed, _ = put(whole, *rows)
    found, start = [], 0
    while start < len(rows):
        size = random.randint(1, 60)
        found += put(split, *rows[start : start + size])[0]
        start += size
    assert str(found) == str(closed)
    assert encode_image(whole.to_state()) == encode_image(split.to_state())


def test_a_day_of_seconds_takes_bounded_state_and_its_recent_rows_can_be_revised():
    builder = built(["a"], horizon=500)
    for day in range(1, 4):
        closed, _ = put(builder, *seconds("a", day, 20_000))
        assert closed == [(float(day), [pytest.approx(1.00001**20_000 - 1, rel=1e-11)])]
    # 28 bytes a row: those of one bar, and as many of the bars before
    assert len(encode_image(builder.to_state())) < 28 * 3 * 4_096
    day_ns = 3 * DAY_NS
    revised = Row("a", day_ns - 100 * 10**9, 0.5, revision=1)
    _, (correction,) = put(builder, revised)
    growth = (1 + correction.new) / (1 + correction.old)
    assert growth == pytest.approx(1.5 / 1.00001, rel=1e-12)


def test_a_row_that_can_no_longer_be_told_from_a_duplicate_is_refused():
    builder = built(["a"])
    put(builder, *seconds("a", 1, 20_000))
    table = frame([Row("a", DAY_NS - 19_000 * 10**9, 0.5, revision=1)], 0)
    assert builder.absorb(table, np.array([0])) == []
    assert [(refusal.row, refusal.reason) for refusal in builder.refusals()] == [(0, "too_late")]


def test_late_and_revised_rows_are_counted_with_the_next_bar():
    builder = built(["a"], horizon=2)
    for day in range(1, 5):
        put(builder, value("a", day, 0.1))
    rows = [value("a", 1, 0.5), value("a", 4, 0.5, revision=1), value("a", 4, 0.1), mark("a", 1)]
    table = frame([*rows, value("a", 5, 0.1), value("a", 6, 0.1)], 0)
    builder.absorb(table, np.zeros(6, dtype=np.int64))
    assert [(bar.late, bar.revised) for bar in builder.close()] == [({0: 1}, {0: 1}), ({}, {})]
