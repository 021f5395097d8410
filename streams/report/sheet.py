"""All that a report tells, worked out once: the page draws it, and ``--json`` prints it."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from schemas.decisions import Decision
from schemas.policy import PortfolioPolicy
from schemas.units import format_instant
from streams.core.arrays import FloatArray, IntArray
from streams.core.errors import DataError
from streams.core.performance import CONVENTIONS
from streams.report.benchmarks import BENCHMARKS, aligned, follow
from streams.report.book import Book, Panel
from streams.report.figures import (
    Fall,
    Headline,
    Months,
    Rolling,
    date_of,
    falls_of,
    headline_of,
    inside_of,
    luck_of,
    months_of,
    rolling_of,
    wealth_of,
)
from streams.report.words import limits_of, outcome_of, trigger_of

__all__ = ["Line", "Sheet", "Trading", "make_sheet", "told"]

PORTFOLIO: Final = "portfolio"
_MONTHS_SHOWN_MAX: Final = 36
_GROWTH_MAX: Final = 1e15
"""More is a mistake of unit in the returns, and nothing that could be drawn."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """One book through the bars of the report: the portfolio's, or a benchmark's.

    ``net`` (T,) is NaN before the book was built; ``rolling`` is None where no window is full.
    """

    key: str
    name: str
    net: FloatArray
    wealth: FloatArray
    headline: Headline
    rolling: Rolling | None


class Trading(msgspec.Struct, frozen=True, kw_only=True):
    """What was traded in a year or a month; ``cost`` and ``turnover`` are sums, shares of NAV."""

    period: str
    turnover: float
    cost: float
    decisions: int
    accepted: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sheet:
    """A whole report.

    Attributes
    ----------
    policy
        The portfolio file.
    ends_ns
        (T,) ends of the bars since something was first held; ``warm_up_bars`` came before.
    lines
        The portfolio first, then what it is measured against.
    held, risk
        (T, N) weights, and shares of the variance as told by the decision in force, NaN before the
        first that told any.
    notes
        Sentences on what the figures rest on.
    """

    policy: PortfolioPolicy
    source: str
    ends_ns: IntArray
    warm_up_bars: int
    names: tuple[str, ...]
    lines: tuple[Line, ...]
    held: FloatArray
    risk: FloatArray
    turnover: FloatArray
    cost: FloatArray
    coverage: FloatArray
    months: Months
    falls: tuple[Fall, ...]
    trading: tuple[Trading, ...]
    decisions: tuple[Decision, ...]
    decision_bars: IntArray
    notes: tuple[str, ...]

    def date(self, bar: int) -> str:
        """Name the day that a bar belongs to."""
        return date_of(int(self.ends_ns[bar]))


def make_sheet(
    book: Book, policy: PortfolioPolicy, panel: Panel | str, *, source: str = "a replay"
) -> Sheet:
    """Work a report out.

    Parameters
    ----------
    book
        The portfolio.
    policy
        Its file: periods a year, window, schedule, costs.
    panel
        Returns of its strategies by bar for the benchmarks, or why there are none.
    source
        What it was made from, in words.

    Raises
    ------
    DataError
        When book, policy and returns are not of one portfolio, or are of no portfolio that can be.
    """
    others = {decision.portfolio_id for decision in book.decisions} - {policy.portfolio_id}
    if others:
        message = (
            f"the decisions are of portfolio {min(others)!r}, the portfolio file is of"
            f" {policy.portfolio_id!r}"
        )
        raise DataError(message)
    start = _first_held(book)
    taken = aligned(panel, book) if isinstance(panel, Panel) else None
    periods = policy.periods_per_year
    luck = None
    bars = len(book.ends_ns) - start
    if taken is not None:
        luck = luck_of(taken.values[-bars:], policy.estimation.trials, periods)
    window = _window(policy, bars)
    own = (book.net[start:], book.cost[start:], book.turnover[start:])
    lines = [_line(PORTFOLIO, "Portfolio", own, (window, periods, luck))]
    if taken is not None:
        lines += _papers(taken, policy, len(book.ends_ns), start, (window, periods, luck))
    ends_ns = book.ends_ns[start:]
    decision_bars = _decision_bars(book, start)
    return Sheet(
        policy=policy,
        source=source,
        ends_ns=ends_ns,
        warm_up_bars=start,
        names=book.names,
        lines=tuple(lines),
        held=book.held[start:],
        risk=_risk(book, decision_bars, bars),
        turnover=own[2],
        cost=own[1],
        coverage=book.coverage[start:],
        months=months_of(ends_ns, own[0]),
        falls=tuple(falls_of(lines[0].wealth)),
        trading=_trading(book, start, decision_bars),
        decisions=book.decisions,
        decision_bars=decision_bars,
        notes=tuple(_notes(book, start, panel, lines)),
    )


def told(sheet: Sheet, decisions: int) -> dict[str, Any]:
    """Return the figures of a report as plain values, with the last ``decisions`` decisions."""
    newest = sheet.risk[-1]
    return {
        "portfolio_id": sheet.policy.portfolio_id,
        "as_of": format_instant(int(sheet.ends_ns[-1])),
        "from": sheet.date(0),
        "to": sheet.date(-1),
        "bars": len(sheet.ends_ns),
        "warm_up_bars": sheet.warm_up_bars,
        "bar": sheet.policy.bar,
        "periods_per_year": sheet.policy.periods_per_year,
        "conventions": CONVENTIONS,
        "source": sheet.source,
        "coverage": {
            "mean": float(sheet.coverage.mean()),
            "least": float(sheet.coverage.min()),
        },
        "headline": {
            line.key: {
                "name": line.name,
                "n_obs": line.headline.n_obs,
                **line.headline.figures,
                "undefined": line.headline.undefined,
            }
            for line in sheet.lines
        },
        "months": msgspec.to_builtins(sheet.months),
        "rolling": {
            line.key: _last_rolling(line.rolling)
            for line in sheet.lines
            if line.rolling is not None
        },
        "drawdowns": [_fall(sheet, fall) for fall in sheet.falls],
        "trading": msgspec.to_builtins(sheet.trading),
        "weights": dict(zip(sheet.names, sheet.held[-1].tolist(), strict=True)),
        "cash": 1.0 - float(sheet.held[-1].sum()),
        "risk_contributions": (
            None if np.isnan(newest).all() else dict(zip(sheet.names, newest.tolist(), strict=True))
        ),
        "decisions": [_decision(each) for each in last_decisions(sheet, decisions)],
        "notes": list(sheet.notes),
    }


def last_decisions(sheet: Sheet, count: int) -> tuple[Decision, ...]:
    """Return the newest decisions, the newest first."""
    return tuple(reversed(sheet.decisions))[:count]


def _first_held(book: Book) -> int:
    """Return the first bar over which something was held; the first of all where none ever was."""
    invested = (book.held != 0.0).any(axis=1) | (book.turnover > 0.0)
    return int(invested.argmax())


def _window(policy: PortfolioPolicy, bars: int) -> int | None:
    """Return the policy's window, or the longest shown one, that is filled twice; else once."""
    preferred = policy.estimation.window_bars
    lengths = (*sorted(policy.estimation.windows), preferred)
    for times in (2, 1):
        fitting = [length for length in lengths if length * times <= bars]
        if fitting:
            return fitting[-1]
    return None


def _line(
    key: str,
    name: str,
    series: tuple[FloatArray, FloatArray, FloatArray],
    asked: tuple[int | None, float, float | None],
) -> Line:
    net, cost, turnover = series
    window, periods, luck = asked
    known = ~np.isnan(net)
    begun = int(known.argmax())
    own = net[begun:]
    wealth = wealth_of(net)
    most = float(np.nanmax(np.abs(wealth)))
    if not most <= _GROWTH_MAX:
        message = f"{name} grew to {most:g} times its start; expected at most {_GROWTH_MAX:g}"
        raise DataError(message)
    headline = headline_of(own, cost[begun:], turnover[begun:], periods_per_year=periods, luck=luck)
    rolling = None
    if window is not None and len(own) >= window:
        found = rolling_of(own, window, periods)
        ahead = np.full(begun, np.nan)
        rolling = Rolling(
            window=window,
            volatility_annual=np.concatenate([ahead, found.volatility_annual]),
            sharpe=np.concatenate([ahead, found.sharpe]),
            sharpe_standard_error=np.concatenate([ahead, found.sharpe_standard_error]),
        )
    return Line(key=key, name=name, net=net, wealth=wealth, headline=headline, rolling=rolling)


def _papers(
    panel: Panel,
    policy: PortfolioPolicy,
    bars: int,
    start: int,
    asked: tuple[int | None, float, float | None],
) -> list[Line]:
    older = len(panel.ends_ns) - bars
    first = older + start
    begin = max(first - 1 - policy.execution.delay_bars, 0)
    lines = []
    for key, name, rule in BENCHMARKS:
        paper = follow(panel, policy, begin, rule)
        net = paper.net[first:]
        if not np.isnan(net).all():
            lines.append(_line(key, name, (net, paper.cost[first:], paper.turnover[first:]), asked))
    return lines


def _decision_bars(book: Book, start: int) -> IntArray:
    """Return the bar of the report each decision was taken at; -1: before the first."""
    place = {format_instant(end): bar - start for bar, end in enumerate(book.ends_ns.tolist())}
    return np.array([max(place.get(d.bar_end, -1), -1) for d in book.decisions], dtype=np.int64)


def _risk(book: Book, decision_bars: IntArray, bars: int) -> FloatArray:
    """Hold the shares of risk of each decision that told any until the next one, (bars, N)."""
    column = {name: place for place, name in enumerate(book.names)}
    risk = np.full((bars, len(book.names)), np.nan)
    for decision, bar in zip(book.decisions, decision_bars.tolist(), strict=True):
        if decision.outcome == "accepted" and decision.risk_contributions is not None:
            risk[max(bar, 0) :] = 0.0
            for name, share in decision.risk_contributions.items():
                if name in column:
                    risk[max(bar, 0) :, column[name]] = share
    return risk


def _trading(book: Book, start: int, decision_bars: IntArray) -> tuple[Trading, ...]:
    inside = inside_of(book.ends_ns[start:])
    month = inside.astype("M8[M]")
    by_month = int((month[-1] - month[0]).astype(np.int64)) < _MONTHS_SHOWN_MAX
    period = month.astype(str) if by_month else inside.astype("M8[Y]").astype(str)
    found = []
    for name in np.unique(period).tolist():
        bars = np.flatnonzero(period == name)
        within = np.isin(decision_bars, bars)
        taken = [d for d, ours in zip(book.decisions, within.tolist(), strict=True) if ours]
        found.append(
            Trading(
                period=name,
                turnover=float(book.turnover[start:][bars].sum()),
                cost=float(book.cost[start:][bars].sum()),
                decisions=len(taken),
                accepted=sum(decision.outcome == "accepted" for decision in taken),
            )
        )
    return tuple(found)


def _notes(book: Book, start: int, panel: Panel | str, lines: list[Line]) -> list[str]:
    notes = []
    if start:
        notes.append(
            f"The {start} bars before anything was held are left out of every figure and chart."
        )
    if isinstance(panel, str):
        notes.append(f"No benchmarks and no deflated Sharpe ratio: {panel}.")
    for line in lines[1:]:
        late = int(np.isnan(line.net).sum())
        if late:
            notes.append(
                f"{line.name} could only be built {late} bars later than the portfolio: its figures"
                " are of the bars since."
            )
    if book.revised:
        notes.append(
            f"Revised returns of the past moved NAV in {book.revised} bars; they count where they"
            " were booked."
        )
    return notes


def _last_rolling(rolling: Rolling) -> dict[str, float | int | None]:
    figures = ("volatility_annual", "sharpe", "sharpe_standard_error")
    last = {name: float(getattr(rolling, name)[-1]) for name in figures}
    return {"window": rolling.window} | {
        name: None if np.isnan(value) else value for name, value in last.items()
    }


def _fall(sheet: Sheet, fall: Fall) -> dict[str, Any]:
    return {
        "start": sheet.date(fall.start),
        "trough": sheet.date(fall.trough),
        "recovery": None if fall.recovery is None else sheet.date(fall.recovery),
        "depth": fall.depth,
        "bars": fall.bars,
        "bars_to_recover": fall.bars_to_recover,
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "decision_id": decision.decision_id,
        "bar_end": decision.bar_end,
        "why": trigger_of(decision),
        "outcome": outcome_of(decision),
        "turnover": decision.turnover,
        "cost": decision.cost,
        "held_back_by": limits_of(decision),
    }
