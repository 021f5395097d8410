"""Records of the journal as the shell reads them: whole, or refused before anything is folded."""

from typing import Final

import numpy as np

from schemas.codec import decode_record
from schemas.journal import Frame, Record

_COLUMN_BYTES: Final = {
    "strategy": 2,
    "period_end_ns": 8,
    "value": 8,
    "kind": 1,
    "revision": 4,
    "source_partition": 4,
    "source_offset": 8,
}
"""Width of each column of a frame."""


def read_record(data: bytes) -> Record:
    """Return a journal record.

    Raises
    ------
    ValueError
        When the bytes are none, or a frame whose columns do not belong together.
    """
    record = decode_record(data)
    if isinstance(record, Frame):
        _check_columns(record)
    return record


def _check_columns(frame: Frame) -> None:
    rows = len(frame.kind)
    for name, width in _COLUMN_BYTES.items():
        found = len(getattr(frame, name))
        if found != rows * width:
            message = f"column {name} of a frame has {found} bytes, expected {rows} rows of {width}"
            raise ValueError(message)
    strategy = np.frombuffer(frame.strategy, dtype="<u2")
    if rows and int(strategy.max()) >= len(frame.strategies):
        message = f"a frame names strategy {strategy.max()} of {len(frame.strategies)}"
        raise ValueError(message)
