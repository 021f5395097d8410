"""What became of each strategy's share of a bar: value, flat, missing or inactive, and more."""

import numpy as np

from schemas.views import BarData
from streams.core.arrays import IntArray
from streams.core.bars import ClosedBar


def bar_data(
    bar: ClosedBar, names: tuple[str, ...], age_bars: IntArray, stale_bars: int
) -> BarData | None:
    """Return who had no ordinary value in a bar, and what came late; None where nothing stands out.

    Parameters
    ----------
    bar
        As it is walked.
    names
        Its columns (N,).
    age_bars
        Bars since each strategy's last value (N,), 0 for one in this bar.
    stale_bars
        How old the last value may be.
    """
    values, ended = bar.values, bar.ended
    none = np.isnan(values)
    if not (none.any() or ended.any() or (values == 0.0).any() or bar.revised or bar.late):
        return None
    held = np.zeros(len(names), dtype=bool)
    held[list(bar.quarantined)] = True
    live = ~ended

    def of(chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[str, ...]:
        return tuple(names[i] for i in np.flatnonzero(chosen).tolist())

    return BarData(
        flat=of(values == 0.0),
        missing=of(none & live & ~held),
        inactive=of(ended),
        stale=of(none & live & (age_bars > stale_bars)),
        quarantined={names[i]: value for i, value in sorted(bar.quarantined.items())},
        revised={names[i]: count for i, count in sorted(bar.revised.items())},
        late={names[i]: count for i, count in sorted(bar.late.items())},
    )
