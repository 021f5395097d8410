"""Returns files are read as the reference page says, and sent in an order that closes every bar."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import decode_return, encode_message
from schemas.journal import ROW_INACTIVE, ROW_PROGRESS, ROW_VALUE, ROWS_PER_FRAME_MAX
from schemas.units import format_instant, parse_instant
from streams.core.bars import BarBuilder
from streams.core.errors import DataError
from streams.files import ReturnsTable, read_returns, to_messages, to_rows

DAY_NS = 86_400 * 10**9
NAN = float("nan")


def ns(text):
    return parse_instant(text)


def read(tmp_path, text, name="r.csv"):
    path = tmp_path / name
    path.write_text(text)
    return read_returns(path)


def test_long_and_wide_in_any_order_are_the_same_table(tmp_path):
    wide = read(tmp_path, "timestamp,b,a\n2024-01-03,0.02,\n2024-01-02,0.01,-0.5\n")
    long = read(
        tmp_path,
        "strategy_id,timestamp,return\nb,2024-01-03,0.02\na,2024-01-02,-0.5\nb,2024-01-02,0.01\n",
    )
    for table in (wide, long):
        assert table.names == ("a", "b")
        assert table.stamps_ns.tolist() == [ns("2024-01-03T00:00:00Z"), ns("2024-01-04T00:00:00Z")]
        np.testing.assert_array_equal(table.values, [[-0.5, 0.01], [NAN, 0.02]])


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-05-31", "2024-06-01T00:00:00Z"),
        ("2024-05-31 00:00:00", "2024-06-01T00:00:00Z"),
        ("2024-05-31T00:00:00.000000", "2024-06-01T00:00:00Z"),
        ("2024-05-31T00:00:00Z", "2024-05-31T00:00:00Z"),
        ("2024-05-31T20:00:00Z", "2024-05-31T20:00:00Z"),
        ("2024-05-31 16:00:00-04:00", "2024-05-31T20:00:00Z"),
    ],
)
def test_a_session_means_the_end_of_its_day_and_an_instant_itself(tmp_path, text, instant):
    assert read(tmp_path, f"timestamp,a\n{text},0.1\n").stamps_ns.tolist() == [ns(instant)]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("timestamp,a\n2024-05-31T16:00:00,0.1\n", r"row 2: .*'2024-05-31T16:00:00' has no zone"),
        ("timestamp,a\n2024-01-02,0.1\n2024-02-30,0.1\n", r"row 3: .*'2024-02-30' is no date"),
        ("timestamp,a\nyesterday,0.1\n", r"row 2: timestamp 'yesterday' is no date"),
        ("timestamp,a\n1066-10-14,0.1\n", r"row 2: timestamp '1066-10-14' is no date"),
        ("timestamp,a\n,0.1\n", r"row 2: no timestamp"),
        ("timestamp,a\n2024-01-02,oops\n", r"row 2, strategy 'a': return oops, expected a finite"),
        ("timestamp,a\n2024-01-02,nan\n", r"row 2, strategy 'a': return nan"),
        ("timestamp,a\n2024-01-02,inf\n", r"row 2, strategy 'a': return inf"),
        ("timestamp,a\n2024-01-02,0\n2024-01-03,-1.01\n", r"row 3, strategy 'a': return -1\.01"),
        ("timestamp,a\n2024-01-02,0.1\n2024-01-02,0.2\n", r"row 3: a second return .*'a'.*0\.2"),
        (
            "timestamp,strategy_id,return\n2024-01-02,a,0.1\n2024-01-02,b,1\n2024-01-02,a,0.1\n",
            r"row 4: a second return .* 'a' at 2024-01-03T00:00:00Z, 0\.1; row 2 has 0\.1",
        ),
        ("timestamp,strategy_id,return\n2024-01-02,x y,0.1\n", r"row 2: 'x y' is no strategy id"),
        ("timestamp,strategy_id,return\n2024-01-02,,0.1\n", r"row 2: '' is no strategy id"),
        ("timestamp,strategy_id,return,note\n2024-01-02,a,0.1,x\n", r"column 'note' is not one of"),
        ("timestamp,a,a\n2024-01-02,1,1\n", r"column 'a' twice"),
        ("timestamp,a b\n2024-01-02,1\n", r"the header: 'a b' is no strategy id"),
        ("date,a\n2024-01-02,1\n", r"no column 'timestamp'; it has \['date', 'a'\]"),
        ("timestamp\n2024-01-02\n", r"no column but 'timestamp'"),
        ("timestamp,a\n2024-01-02,\n", r"holds no return"),
        ("timestamp,a\n", r"holds no return"),
        ("timestamp,a\n2024-01-02,1,2,3\n", r"r\.csv cannot be read"),
        ("", r"r\.csv cannot be read"),
    ],
)
def test_what_cannot_be_used_is_refused_naming_row_and_value(tmp_path, text, complaint):
    with pytest.raises(DataError, match=complaint):
        read(tmp_path, text)


def test_absent_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"absent\.csv cannot be read"):
        read_returns(tmp_path / "absent.csv")


def test_bom_blank_lines_and_spaces_do_no_harm(tmp_path):
    table = read(
        tmp_path, "\ufefftimestamp, a\n\n2024-01-02, 0.5\n2024-01-03,\n2024-01-04, 1e-2 \n\n"
    )
    assert table.names == ("a",)
    np.testing.assert_array_equal(table.values[:, 0], [0.5, 0.01])


def test_row_named_behind_a_blank_line_is_the_line_of_the_file(tmp_path):
    with pytest.raises(DataError, match="row 4,"):
        read(tmp_path, "timestamp,a\n2024-01-02,0\n\n2024-01-03,oops\n")


def test_least_return_is_minus_one_and_dead(tmp_path):
    assert read(tmp_path, "timestamp,a\n2024-01-02,-1\n").values.tolist() == [[-1.0]]


@pytest.mark.parametrize("unit", ["ns", "us", "ms"])
def test_parquet_stamps_of_every_kind(tmp_path, unit):
    midnight = dt.datetime(2024, 5, 31)  # noqa: DTZ001  # naive on purpose
    instant = dt.datetime(2024, 5, 31, 20, tzinfo=dt.UTC)
    path = tmp_path / "r.parquet"
    for stamp, kind, expected in (
        (midnight.date(), pl.Date, "2024-06-01T00:00:00Z"),
        (midnight, pl.Datetime(unit), "2024-06-01T00:00:00Z"),
        (instant, pl.Datetime(unit, "UTC"), "2024-05-31T20:00:00Z"),
        (instant, pl.Datetime(unit, "America/New_York"), "2024-05-31T20:00:00Z"),
        ("2024-05-31", pl.String, "2024-06-01T00:00:00Z"),
    ):
        pl.DataFrame({"timestamp": pl.Series([stamp], dtype=kind), "a": [0.25]}).write_parquet(path)
        table = read_returns(path)
        assert format_instant(int(table.stamps_ns[0])) == expected
        assert table.values.tolist() == [[0.25]]


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"timestamp": [dt.datetime(2024, 1, 2, 9)], "a": [0.1]}, "row 1: .* has no zone"),  # noqa: DTZ001  # naive on purpose
        ({"timestamp": [20240102], "a": [0.1]}, "column 'timestamp' holds Int64"),
        ({"timestamp": ["2024-01-02"], "a": [NAN]}, "row 1, strategy 'a': return nan"),
        ({"timestamp": ["2024-01-02"], "a": [True]}, "column 'a' holds Boolean"),
        ({"timestamp": [dt.datetime(2500, 1, 2)], "a": [0.1]}, "out of range"),  # noqa: DTZ001  # naive on purpose
    ],
)
def test_parquet_that_cannot_be_used_is_refused(tmp_path, columns, complaint):
    path = tmp_path / "r.parquet"
    pl.DataFrame(columns).write_parquet(path)
    with pytest.raises(DataError, match=complaint):
        read_returns(path)


def test_parquet_nulls_are_empty_and_integers_are_numbers(tmp_path):
    path = tmp_path / "r.parquet"
    days = [dt.date(2024, 1, d) for d in (1, 2, 3)]
    pl.DataFrame({"timestamp": days, "a": [0, None, 1], "b": [None, 0.5, None]}).write_parquet(path)
    np.testing.assert_array_equal(read_returns(path).values, [[0, NAN], [NAN, 0.5], [1, NAN]])


def table_of(values):
    values = np.array(values, dtype=np.float64)
    return ReturnsTable(
        stamps_ns=(np.arange(len(values), dtype=np.int64) + 20_000) * DAY_NS,
        names=tuple(f"s{i}" for i in range(values.shape[1])),
        values=values,
    )


def test_order_of_messages_for_late_start_hole_end_and_no_value():
    table = table_of([[0.1, NAN, 0.2, NAN], [NAN, NAN, 0.3, NAN], [0.4, 0.5, NAN, NAN]])
    day = dict(enumerate(table.stamps_ns.tolist()))
    sent = [(m.strategy_id, m.period_end_ns, m.kind) for m in to_messages(table, "1d")]
    assert sent == [
        ("s1", day[1], ROW_PROGRESS),
        ("s3", day[0], ROW_INACTIVE),
        ("s0", day[0], ROW_VALUE),
        ("s2", day[0], ROW_VALUE),
        ("s0", day[1], ROW_PROGRESS),
        ("s2", day[1], ROW_VALUE),
        ("s2", day[1], ROW_INACTIVE),
        ("s0", day[2], ROW_VALUE),
        ("s1", day[2], ROW_VALUE),
        ("s0", day[2], ROW_PROGRESS),
        ("s1", day[2], ROW_PROGRESS),
    ]


def test_end_of_input_reaches_the_end_of_the_last_bar():
    table = table_of([[0.1], [0.2]])
    last = list(to_messages(table, "1mo"))[-1]
    assert last.kind == ROW_PROGRESS
    assert format_instant(last.period_end_ns) == "2024-11-01T00:00:00Z"  # day 20001 is in October


ragged = st.integers(1, 5).flatmap(
    lambda n: st.lists(
        st.lists(st.one_of(st.just(NAN), st.floats(-0.2, 0.2)), min_size=n, max_size=n),
        min_size=1,
        max_size=12,
    )
)
bars = st.sampled_from(["1d", "1w", "1mo", "1h"])


@given(ragged, bars)
def test_columns_are_the_very_sequence_of_messages(values, bar):
    table = table_of(values)
    messages = list(to_messages(table, bar))
    rows = list(to_rows(table, bar))
    joined = [
        (chunk.names[s], int(t), k, repr(float(v)), o)
        for chunk in rows
        for s, t, k, v, o in zip(
            chunk.strategy,
            chunk.period_end_ns,
            chunk.kind,
            chunk.value,
            chunk.source_offset.tolist(),
            strict=True,
        )
    ]
    assert joined == [
        (m.strategy_id, m.period_end_ns, m.kind, repr(m.value), i) for i, m in enumerate(messages)
    ]
    assert [m.at_ns for m in messages] == sorted(m.at_ns for m in messages)
    for message in messages:
        again = decode_return(encode_message(message.message()))
        assert (again.strategy_id, parse_instant(again.period_end)) == message[1:3]


@given(ragged)
def test_every_bar_closes_at_its_stamp_and_none_is_left_open(values):
    table = table_of(values)
    builder = BarBuilder("1d", table.names, horizon_bars=100)
    closed = []
    for rows in to_rows(table, "1d"):
        for row in range(len(rows)):
            one = rows.take(np.array([row]))
            builder.absorb(one, one.strategy)
            for bar in builder.close():
                closed.append(bar)
                # never before its own stamp was reached
                assert bar.end_ns <= rows.period_end_ns[row] or rows.kind[row] == ROW_INACTIVE
    filled = ~np.isnan(table.values).all(axis=1)
    assert [bar.end_ns for bar in closed] == table.stamps_ns[filled].tolist()
    for bar, expected in zip(closed, table.values[filled], strict=True):
        np.testing.assert_array_equal(bar.values, expected)


def test_chunks_hold_at_most_a_frame():
    chunks = list(to_rows(table_of(np.zeros((3000, 3))), "1d"))
    assert [len(chunk) for chunk in chunks] == [ROWS_PER_FRAME_MAX, ROWS_PER_FRAME_MAX, 811]
