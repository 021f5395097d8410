"""A frame carries its rows bit for bit."""

import numpy as np
import pytest

from schemas.codec import decode_record, encode_record
from streams.core.frames import pack, unpack
from tests.core.worlds import Row, frame

COLUMNS = (
    "strategy",
    "period_end_ns",
    "value",
    "kind",
    "revision",
    "source_partition",
    "source_offset",
)
ROWS = [
    Row("b", -5, 0.25),
    Row("a", 2**61, kind=1),
    Row("b", 7, -1.0, revision=2**31 - 1),
    Row("a", 7, -0.0),
]


def test_rows_come_back_from_a_frame_s_bytes():
    rows = frame(ROWS, 2**40)
    back = unpack(decode_record(encode_record(pack(rows))))
    assert (back.topic, back.names, len(back)) == (rows.topic, ("a", "b"), 4)
    for column in COLUMNS:
        ours, theirs = getattr(rows, column), getattr(back, column)
        assert ours.dtype == theirs.dtype
        assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("chosen", [[], [2], [3, 0, 0]])
def test_taking_rows_keeps_the_order_asked_for(chosen):
    rows = frame(ROWS, 0)
    taken = rows.take(np.array(chosen, dtype=np.int64))
    assert taken.source_offset.tolist() == chosen
    assert [taken.names[i] for i in taken.strategy] == [ROWS[i].name for i in chosen]
    assert taken.period_end_ns.tolist() == [ROWS[i].stamp_ns for i in chosen]
