"""Columns of a journal frame, between ``bytes`` and arrays."""

from dataclasses import dataclass, field

import numpy as np

from schemas.journal import Frame, Reported
from streams.core.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Rows of returns and marks in reading order; every column is (R,).

    ``strategy`` indexes ``names``; ``value`` is NaN for marks; ``kind`` is one of
    ``schemas.journal.ROW_*``.
    """

    topic: str
    names: tuple[str, ...]
    strategy: IntArray
    period_end_ns: IntArray
    value: FloatArray
    kind: IntArray
    revision: IntArray
    source_partition: IntArray
    source_offset: IntArray
    reported: dict[int, Reported] = field(default_factory=dict)  # by row, where any

    def __len__(self) -> int:
        return len(self.value)

    def take(self, chosen: IntArray) -> "Rows":
        """Return some of the rows, by number, in the order given."""
        return Rows(
            topic=self.topic,
            names=self.names,
            strategy=self.strategy[chosen],
            period_end_ns=self.period_end_ns[chosen],
            value=self.value[chosen],
            kind=self.kind[chosen],
            revision=self.revision[chosen],
            source_partition=self.source_partition[chosen],
            source_offset=self.source_offset[chosen],
            reported=reported_in(self.reported, chosen),
        )


def reported_in(reported: dict[int, Reported], chosen: IntArray) -> dict[int, Reported]:
    """Return what strategies reported in the chosen rows, by their place among these."""
    if not reported:
        return {}
    told = ((new, reported.get(old)) for new, old in enumerate(chosen.tolist()))
    return {
        new: Reported(new, figures.volatility_annual, figures.drawdown)
        for new, figures in told
        if figures is not None
    }


def pack(rows: Rows) -> Frame:
    """Return the journal record of some rows."""
    return Frame(
        topic=rows.topic,
        strategies=rows.names,
        strategy=rows.strategy.astype("<u2").tobytes(),
        period_end_ns=rows.period_end_ns.astype("<i8").tobytes(),
        value=rows.value.astype("<f8").tobytes(),
        kind=rows.kind.astype("u1").tobytes(),
        revision=rows.revision.astype("<i4").tobytes(),
        source_partition=rows.source_partition.astype("<i4").tobytes(),
        source_offset=rows.source_offset.astype("<i8").tobytes(),
        reported=tuple(figures for _, figures in sorted(rows.reported.items())),
    )


def unpack(frame: Frame) -> Rows:
    """Return the rows of a journal record."""
    return Rows(
        topic=frame.topic,
        names=frame.strategies,
        strategy=np.frombuffer(frame.strategy, dtype="<u2").astype(np.int64),
        period_end_ns=np.frombuffer(frame.period_end_ns, dtype="<i8").astype(np.int64),
        value=np.frombuffer(frame.value, dtype="<f8").astype(np.float64),
        kind=np.frombuffer(frame.kind, dtype="u1").astype(np.int64),
        revision=np.frombuffer(frame.revision, dtype="<i4").astype(np.int64),
        source_partition=np.frombuffer(frame.source_partition, dtype="<i4").astype(np.int64),
        source_offset=np.frombuffer(frame.source_offset, dtype="<i8").astype(np.int64),
        reported={figures.row: figures for figures in frame.reported},
    )
