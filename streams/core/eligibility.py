"""Who takes part in a decision, and within which bounds.

Eligible: at least ``min_bars`` observations in the window and a last value at most ``stale_bars``
bars ago. Stale while held is reduce-only; not eligible yet, or ended, has target 0 and its minimum
is waived.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from schemas.policy import FamilyLimit, PortfolioPolicy, StrategyEntry
from schemas.units import parse_instant
from streams.core.arrays import BoolArray, FloatArray, IntArray
from streams.core.covariance import complete_rows

_BUDGET_TOLERANCE: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Book:
    """What a decision is taken on: members, their data in the window, and what is held.

    Arrays are (N,) or (T, N). ``nav`` is what a unit of capital has become. ``covariance`` is the
    estimator in force, None = the policy's own; ``demotion`` says why it is not that one.
    """

    names: tuple[str, ...]
    entries: tuple[StrategyEntry, ...]
    returns: FloatArray  # (T, N) the window, NaN missing
    n_obs: IntArray
    age_bars: IntArray
    ended: BoolArray
    held: FloatArray
    held_cash: float
    nav: float = 1.0
    covariance: str | None = None
    demotion: str = ""
    clusters: tuple[tuple[str, ...], ...] | None = None  # of the decision before, for hysteresis


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """Who takes part: columns of the problem, who may only shrink, why the others are out."""

    columns: IntArray
    reduce_only: BoolArray  # (len(columns),)
    excluded: dict[str, str]


def minimum_bars(policy: PortfolioPolicy, members: int) -> int:
    """Return ``min_bars``, by default min(window_bars, max(20, N + 2)); who ended is no member."""
    given = policy.estimation.min_bars
    return min(policy.estimation.window_bars, max(20, members + 2)) if given is None else given


def select(book: Book, policy: PortfolioPolicy) -> Selection:
    """Return who takes part in the decision."""
    least = minimum_bars(policy, int((~book.ended).sum()))
    enough = book.n_obs >= least
    fresh = book.age_bars <= policy.estimation.stale_bars
    eligible = enough & fresh & ~book.ended
    shrinking = enough & ~fresh & ~book.ended & (book.held > 0.0)
    if shrinking.any():
        _, n_common = complete_rows(book.returns, np.flatnonzero(eligible | shrinking))
        if n_common < least:
            shrinking[:] = (
                False  # silent too long to be estimated beside the others: its target is 0
            )
    taking_part = eligible | shrinking
    return Selection(
        columns=np.flatnonzero(taking_part),
        reduce_only=shrinking[taking_part],
        excluded={
            name: "ended" if book.ended[i] else "stale" if enough[i] else "too_few_observations"
            for i, name in enumerate(book.names)
            if not taking_part[i]
        },
    )


def too_few_eligible(book: Book, selection: Selection, policy: PortfolioPolicy) -> bool:
    """Tell whether those who take part cannot fill the budget though all members together could."""
    if not len(selection.columns):
        return True
    _, all_high = limits_of(book.entries, policy)
    _, high = problem_limits(book, selection, policy)
    everyone = capacity(book.entries, all_high, policy)
    some = capacity(tuple(book.entries[i] for i in selection.columns), high, policy)
    return some < 1.0 - _BUDGET_TOLERANCE <= everyone


def waived_minima(book: Book, selection: Selection, policy: PortfolioPolicy) -> tuple[str, ...]:
    """Return the families' minima that nobody can be held for: no member of theirs takes part.

    As a strategy that is not eligible has its own minimum waived, so has a family of such.
    """
    taking_part = {book.entries[i].family for i in selection.columns}
    families = sorted(policy.constraints.families.items())
    return tuple(
        f"families.{name}.min"
        for name, limit in families
        if limit.min > 0.0 and name not in taking_part
    )


def capacity(
    entries: tuple[StrategyEntry, ...], weight_max: FloatArray, policy: PortfolioPolicy
) -> float:
    """Return the largest total of weights, each at most ``weight_max`` (N,), and cash."""
    by_family: dict[str, float] = {}
    for entry, high in zip(entries, weight_max.tolist(), strict=True):
        by_family[entry.family] = by_family.get(entry.family, 0.0) + high
    families = policy.constraints.families
    return policy.cash.max + sum(
        min(total, families.get(name, FamilyLimit(max=total)).max)
        for name, total in by_family.items()
    )


def bounds_of(
    entry: StrategyEntry, policy: PortfolioPolicy, bar_end_ns: int | None = None
) -> tuple[float, float]:
    """Return the lower and upper weight of a strategy: its own, else the portfolio's.

    At a bar's end its dated bounds count, before the others.
    """
    limits = policy.constraints
    low = limits.weight_min if entry.weight_min is None else entry.weight_min
    high = limits.weight_max if entry.weight_max is None else entry.weight_max
    for bounds in entry.dated:
        if bar_end_ns is None:
            break
        begun = bounds.from_ is None or parse_instant(bounds.from_) < bar_end_ns
        if begun and (bounds.until is None or bar_end_ns <= parse_instant(bounds.until)):
            low = low if bounds.weight_min is None else bounds.weight_min
            high = high if bounds.weight_max is None else bounds.weight_max
    if limits.long_only:
        low, high = max(low, 0.0), max(high, 0.0)
    return min(low, high), high  # a registration of its own may contradict the portfolio's limits


def limits_of(
    entries: tuple[StrategyEntry, ...], policy: PortfolioPolicy, bar_end_ns: int | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return the lower and upper weights (N,) of some strategies."""
    pairs = [bounds_of(entry, policy, bar_end_ns) for entry in entries]
    return np.array([low for low, _ in pairs]), np.array([high for _, high in pairs])


def problem_limits(
    book: Book, selection: Selection, policy: PortfolioPolicy, bar_end_ns: int | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return the bounds of those who take part; who may only shrink is bounded by what is held."""
    low, high = limits_of(tuple(book.entries[i] for i in selection.columns), policy, bar_end_ns)
    high = np.where(selection.reduce_only, np.minimum(high, book.held[selection.columns]), high)
    low = np.where(selection.reduce_only, np.minimum(low, 0.0), low)
    return low, high
