"""Answers about paper books: what other policies would have made of a portfolio's bars."""

from typing import Any, Final

import msgspec

from schemas.shadows import ShadowBook, ShadowRecord
from streams.api.views import Body, Views, thinned

_decode: Final = msgspec.json.Decoder(ShadowRecord).decode
_POINT: Final = (
    "nav",
    "return_net",
    "sharpe",
    "turnover_total",
    "cost_total",
    "regret_best",
    "regret_equal",
)


class PaperBooks:
    """Answers about the books of a portfolio that nobody trades."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def shadows(self, name: str, after: int | None, before: int | None, points_max: int) -> Body:
        """Return every book of the newest bar: as it stands, and its past, thinned."""
        entries = self._views.bars(name, "shadows", after, before)
        records = [_decode(entry.value) for entry in entries]
        newest = records[-1] if records else None
        return {
            **self._views.head(name),
            "bar_end": None if newest is None else newest.bar_end,
            "window": None if newest is None else newest.window,
            "bars": len(records),
            "books": [] if newest is None else _books(newest, records, points_max),
        }


def _books(newest: ShadowRecord, records: list[ShadowRecord], points_max: int) -> list[Body]:
    bars: dict[str, list[tuple[str, ShadowBook]]] = {book.book: [] for book in newest.books}
    for record in records:
        for book in record.books:
            if book.book in bars:  # one that the policy has dropped is told no longer
                bars[book.book].append((record.bar_end, book))
    return [
        {
            "book": book.book,
            "objective": book.objective,
            "since": book.since,
            "newest": msgspec.to_builtins(book),
            "max_drawdown": _max_drawdown([past for _, past in bars[book.book]]),
            "points": [_point(*bar) for bar in thinned(bars[book.book], points_max)],
        }
        for book in newest.books
    ]


def _point(bar_end: str, book: ShadowBook) -> dict[str, Any]:
    return {"bar_end": bar_end} | {key: getattr(book, key) for key in _POINT}


def _max_drawdown(bars: list[ShadowBook]) -> float:
    """Return the least NAV / peak - 1 since the NAV that the first of the bars began with."""
    first = bars[0]
    lost_all = first.return_net <= -1.0
    peak, deepest = first.nav if lost_all else first.nav / (1.0 + first.return_net), 0.0
    for book in bars:
        peak = max(peak, book.nav)
        deepest = min(deepest, book.nav / peak - 1.0 if peak > 0.0 else 0.0)
    return -1.0 if lost_all else deepest
