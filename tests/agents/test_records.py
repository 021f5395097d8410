"""A record of the journal is whole, or refused before anything of it is folded."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import encode_record
from schemas.journal import Tick
from streams.agents.records import read_record
from streams.core.frames import pack, unpack
from tests.core.worlds import frame, in_time_order, ragged

NAMES = ("a", "b", "c")
COLUMNS = (
    "strategy",
    "period_end_ns",
    "value",
    "kind",
    "revision",
    "source_partition",
    "source_offset",
)


def whole():
    return pack(frame(in_time_order(ragged(1, NAMES, 9)), 0))


def test_a_whole_frame_is_read_back():
    rows = unpack(read_record(encode_record(whole())))
    assert np.array_equal(rows.period_end_ns, unpack(whole()).period_end_ns)


def test_a_frame_without_rows_and_other_records_are_read():
    empty = msgspec.structs.replace(whole(), **dict.fromkeys(COLUMNS, b""))
    assert read_record(encode_record(empty)) == empty
    assert read_record(encode_record(Tick(now_ns=5))) == Tick(now_ns=5)


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0" * 8])
def test_a_frame_of_uneven_columns_is_refused(column, change):
    broken = msgspec.structs.replace(whole(), **{column: change(getattr(whole(), column))})
    with pytest.raises(ValueError, match="of a frame has"):
        read_record(encode_record(broken))


def test_a_frame_that_names_a_strategy_it_does_not_list_is_refused():
    broken = msgspec.structs.replace(whole(), strategies=("a",))
    with pytest.raises(ValueError, match="names strategy 2 of 1"):
        read_record(encode_record(broken))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_record_are_refused_and_nothing_else_is_raised(data):
    with pytest.raises(ValueError):  # noqa: PT011  # any kind of it, and no other error
        read_record(data)
