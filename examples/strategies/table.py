"""The table of returns: sleeves on one calendar, absent before their first and after their last."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from examples.strategies.book import Book, simple_returns
from examples.strategies.prices import FloatArray, Prices, SessionArray
from examples.strategies.registry import SLEEVES, Sleeve


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SleeveTable:
    """Returns of N sleeves over T sessions."""

    sessions: SessionArray  # (T,) datetime64[D]; the return of session D is known at its close
    ids: tuple[str, ...]  # (N,) sorted
    families: tuple[str, ...]  # (N,)
    returns: FloatArray  # (T, N) simple, net of costs; NaN = absent
    benchmark: FloatArray  # (T,) S&P 500 price index, simple; NaN at the first session


def build_sleeves(
    prices: Prices, until: dt.date | None = None, sleeves: Sequence[Sleeve] = SLEEVES
) -> SleeveTable:
    """Compute every sleeve.

    Parameters
    ----------
    prices
        From `load_prices`.
    until
        Last session to use; no later price is looked at. None: all.
    sleeves
        The rules to run.

    Returns
    -------
    SleeveTable
        Columns sorted by id. Inside a sleeve's life every value is finite and above -1.
    """
    seen = prices.cut(until)
    ordered = sorted(sleeves, key=lambda sleeve: sleeve.id)
    returns = np.full((len(seen.sessions), len(ordered)), np.nan)
    for column, sleeve in enumerate(ordered):
        book = sleeve.rule(seen, sleeve.cost_bps)
        _require_life(sleeve, book)
        returns[book.first : book.first + len(book.returns), column] = book.returns
    return SleeveTable(
        sessions=seen.sessions,
        ids=tuple(sleeve.id for sleeve in ordered),
        families=tuple(sleeve.family for sleeve in ordered),
        returns=returns,
        benchmark=simple_returns(seen.spx.close)[:, 0],
    )


def _require_life(sleeve: Sleeve, book: Book) -> None:
    # our own mistake, not the data's: after the warm-up a rule has a value for every bar
    alive = np.isfinite(book.returns)
    assert not alive.any() or alive[alive.argmax() :].all(), f"{sleeve.id}: hole in its returns"
    assert (book.returns[alive] > -1.0).all(), f"{sleeve.id}: lost more than it had"
