"""The sections of a report that are drawn: equity, rolling figures, weights, risk, trading."""

from typing import Final

import numpy as np

from streams.core.arrays import FloatArray, IntArray
from streams.report.charts import (
    Beside,
    Chart,
    Curve,
    bars_chart,
    line_chart,
    share_rows,
    stacked_chart,
    ticks_of,
)
from streams.report.figures import Rolling, depth_of, inside_of
from streams.report.sheet import Sheet
from streams.report.style import LAYERS
from streams.report.svg import tag, words
from streams.report.tables import behind, key, table
from streams.report.words import ABSENT, bps, percent, ratio

__all__ = ["equity_section", "rolling_section", "trading_section", "weights_section"]

_STYLES: Final = ("own-line", "one", "two-line")
_NORMAL_95: Final = 1.96
_FALLS_MARKED: Final = 3
_YEARS_TOLD_MIN: Final = 5
_PLACES_TOLD_MAX: Final = 60
_SHOWN_MIN: Final = 5e-5
"""A weight or a share of risk below it prints as 0.0 %."""
_RISKS_SHOWN: Final = 16
_ROUND: Final = 1e-6  # of a tick that is a whole number of percents


def section(title: str, lead: str, *content: str, style: str | None = None) -> str:
    """Return a section with its title and a sentence on what it shows; both plain words."""
    head = tag("h2", words(title)) + (tag("p", words(lead), class_="lead") if lead else "")
    return tag("section", head, *content, class_=style)


def equity_section(sheet: Sheet) -> str:
    """Draw what became of 1, and the way below its highs, with decisions marked."""
    own = sheet.lines[0]
    ticks = ticks_of(sheet.ends_ns)
    curves = [Curve(line.wealth, style) for line, style in zip(sheet.lines, _STYLES, strict=False)]
    ends = ", ".join(f"{line.name} {ratio(float(line.wealth[-1]), 3)}" for line in sheet.lines)
    grown = line_chart(
        Chart(
            "equity",
            "Growth of 1",
            f"From {sheet.date(0)} to {sheet.date(-1)}, net: {ends}.",
            330.0,
        ),
        curves,
        ticks,
        _level,
        Beside(ground=1.0, rug=_rug(sheet)),
    )
    fallen = [
        Curve(depth_of(line.wealth), style)
        for line, style in zip(sheet.lines, ("fall", *_STYLES[1:]), strict=False)
    ]
    count = len(sheet.ends_ns)
    marks = tuple(
        (fall.trough / max(count - 1, 1), fall.depth, str(number))
        for number, fall in enumerate(sheet.falls[:_FALLS_MARKED], start=1)
    )
    deepest = own.headline.figures["max_drawdown"]
    under = line_chart(
        Chart("underwater", "Drawdown", f"Deepest: {percent(deepest)} of the portfolio.", 190.0),
        fallen[:2],
        ticks,
        _round_percent,
        Beside(ground=0.0, labels=marks),
    )
    names = list(zip(_STYLES, [line.name for line in sheet.lines], strict=False))
    rows = [
        [sheet.date(bar)]
        + [_known(float(line.wealth[bar]), 4) for line in sheet.lines]
        + [percent(float(depth_of(own.wealth)[bar]), 2)]
        for bar in _told_at(sheet.ends_ns)
    ]
    head = ["until", *(line.name for line in sheet.lines), "drawdown"]
    return section(
        "Growth and drawdown",
        "What became of 1 after costs. The strokes below are rebalances, as tall as their turnover"
        " (the largest are cut); red marks are decisions that were declined. Numbers are those of"
        " the drawdown table.",
        key(names),
        grown,
        tag("h3", "Below the highest value so far"),
        under,
        behind("Figures behind the chart", table("Growth and drawdown", head, rows)),
    )


def rolling_section(sheet: Sheet) -> str:
    """Draw volatility and Sharpe ratio through a window."""
    own = sheet.lines[0].rolling
    if own is None:
        lead = f"{len(sheet.ends_ns)} bars fill no window of the policy yet."
        return section("Rolling figures", lead)
    ticks = ticks_of(sheet.ends_ns)
    found = [
        (line, line.rolling, style)
        for line, style in zip(sheet.lines, _STYLES, strict=False)
        if line.rolling is not None
    ]
    last = (float(own.volatility_annual[-1]), float(own.sharpe[-1]))
    volatility = line_chart(
        Chart("volatility", "Rolling volatility", f"Newest: {percent(last[0])} a year."),
        [Curve(rolling.volatility_annual, style) for _, rolling, style in found],
        ticks,
        _round_percent,
        Beside(ground=0.0),
    )
    wide = _NORMAL_95 * own.sharpe_standard_error
    sharpe = ""
    if not np.isnan(own.sharpe).all():
        sharpe = line_chart(
            Chart("sharpe", "Rolling Sharpe ratio", f"Newest: {_known(last[1], 2)}."),
            [Curve(rolling.sharpe, style) for _, rolling, style in found[:2]],
            ticks,
            lambda value: ratio(value, 0 if float(value).is_integer() else 1),
            Beside(between=(own.sharpe - wide, own.sharpe + wide), ground=0.0),
        )
    names = [(style, line.name) for line, _, style in found]
    window = own.window
    return section(
        "Rolling figures",
        f"Over the last {window} bars, annual. The band is 95% of what chance leaves open about the"
        " Sharpe ratio, autocorrelation allowed for: where it holds 0, there is no evidence of a"
        " return above 0.",
        tag(
            "div",
            tag("div", tag("h3", "Volatility"), key(names), volatility),
            tag(
                "div",
                tag("h3", "Sharpe ratio"),
                key([*names[:2], ("band", "95% of the portfolio's")]),
                sharpe,
            ),
            class_="two",
        ),
        behind(
            "Figures behind the charts",
            table(
                "Rolling volatility and Sharpe ratio",
                ["until", "volatility", "Sharpe ratio", "standard error"],
                [_rolling_row(sheet, own, bar) for bar in _told_at(sheet.ends_ns)],
            ),
        ),
    )


def weights_section(sheet: Sheet) -> str:
    """Draw what was held, and who carries the risk."""
    chosen, others = _largest(sheet.held)
    cash = 1.0 - sheet.held.sum(axis=1)
    ticks = ticks_of(sheet.ends_ns)
    layers, names = _layers(sheet, sheet.held, chosen, others)
    if (np.abs(cash) > _SHOWN_MIN).any():
        layers.append(Curve(cash, "cash"))
        names.append(("cash", "cash"))
    held = stacked_chart(
        Chart("weights", "Weights held", f"Shares of NAV; newest: {_newest(sheet)}.", 280.0),
        layers,
        ticks,
        _round_percent,
    )
    places = _told_at(sheet.ends_ns)
    rows = [
        [sheet.date(bar)]
        + [percent(float(sheet.held[bar, column])) for column in chosen]
        + ([percent(float(sheet.held[bar, others].sum()))] if others else [])
        + [percent(float(cash[bar]))]
        for bar in places
    ]
    head = ["until", *(sheet.names[column] for column in chosen)]
    head += [f"{len(others)} others"] * bool(others) + ["cash"]
    return section(
        "Weights and risk",
        "Weights as they had drifted to at each close. Risk is each strategy's share of the"
        " variance that the optimizer expected when it decided.",
        tag("h3", "Weights held"),
        key(names, areas=True),
        held,
        behind("Figures behind the chart", table("Weights held", head, rows)),
        _risk(sheet, chosen, others),
    )


def trading_section(sheet: Sheet) -> str:
    """Draw turnover and cost by year, or by month."""
    names = [each.period for each in sheet.trading]
    span = "month" if len(names[0]) > len("2024") else "year"
    total = sum(each.turnover for each in sheet.trading)
    paid = sum(each.cost for each in sheet.trading)
    turnover = bars_chart(
        Chart("turnover", f"Turnover by {span}", f"{percent(total, 0)} of NAV in all.", 210.0),
        names,
        [each.turnover for each in sheet.trading],
        _round_percent,
    )
    cost = bars_chart(
        Chart("cost", f"Cost by {span}", f"{bps(paid)} of NAV in all.", 210.0),
        names,
        [each.cost for each in sheet.trading],
        lambda value: f"{value * 1e4:g}",
    )
    rows = [
        [
            each.period,
            percent(each.turnover),
            bps(each.cost),
            str(each.decisions),
            str(each.accepted),
        ]
        for each in sheet.trading
    ]
    head = [span, "turnover", "cost", "decisions", "accepted"]
    return section(
        "Turnover and cost",
        "Turnover is one way: half of all that was bought and sold, as a share of NAV. The first"
        f" and the last {span} are told as far as they are in the report.",
        tag(
            "div",
            tag("div", tag("h3", words(f"Turnover by {span}")), turnover),
            tag("div", tag("h3", words(f"Cost by {span}, bps of NAV")), cost),
            class_="two",
        ),
        behind("Figures behind the charts", table(f"Turnover and cost by {span}", head, rows)),
    )


def _risk(sheet: Sheet, chosen: list[int], others: list[int]) -> str:
    newest = sheet.risk[-1]
    if np.isnan(newest).all():
        return tag("p", "No decision told contributions to risk.", class_="lead")
    order = sorted(range(len(newest)), key=lambda column: (-newest[column], sheet.names[column]))
    told = [
        column
        for column in order
        if max(abs(newest[column]), abs(sheet.held[-1, column])) > _SHOWN_MIN
    ]
    rows = []
    for column in told[:_RISKS_SHOWN]:
        weight, risk = float(sheet.held[-1, column]), float(newest[column])
        right = f"{percent(weight)} · {percent(risk)}"
        rows.append((sheet.names[column], weight, risk, right))
    newest_told = tag("p", "Nothing is held.", class_="lead")
    if rows:
        largest = f"Most is carried by {rows[0][0]}: {percent(rows[0][2])}."
        newest_told = share_rows(Chart("risk", "Weight and risk now", largest), rows)
    layers, names = _layers(sheet, sheet.risk, chosen, others)
    through = stacked_chart(
        Chart("risks", "Shares of risk", "Ex ante, as of the decision in force.", 280.0),
        layers,
        ticks_of(sheet.ends_ns),
        _round_percent,
    )
    every = table(
        "Weight and risk now",
        ["strategy", "weight", "share of risk"],
        [
            [
                tag("bdi", words(sheet.names[column])),
                percent(float(sheet.held[-1, column]), 2),
                percent(float(newest[column]), 2),
            ]
            for column in order
        ],
    )
    more = f", the {_RISKS_SHOWN} largest" if len(told) > _RISKS_SHOWN else ""
    return tag(
        "div",
        tag(
            "div",
            tag("h3", words(f"Weight and risk now{more}")),
            key([("light", "weight"), ("own-line", "share of risk")], areas=True),
            newest_told,
            behind("Figures behind the chart", every),
        ),
        tag("div", tag("h3", "Shares of risk through time"), key(names, areas=True), through),
        class_="two",
    )


def _layers(
    sheet: Sheet, values: FloatArray, chosen: list[int], others: list[int]
) -> tuple[list[Curve], list[tuple[str, str]]]:
    layers = [Curve(values[:, column], f"l{place}") for place, column in enumerate(chosen)]
    names = [(f"l{place}", sheet.names[column]) for place, column in enumerate(chosen)]
    if others:
        layers.append(Curve(values[:, others].sum(axis=1), "rest"))
        names.append(("rest", f"{len(others)} others"))
    return layers, names


def _largest(held: FloatArray) -> tuple[list[int], list[int]]:
    """Return who has a layer of its own, by average size, and all others that were ever held."""
    size = np.abs(held).mean(axis=0)
    ever = [column for column in np.argsort(-size, kind="stable").tolist() if size[column] > 0.0]
    return ever[:LAYERS], ever[LAYERS:]


def _newest(sheet: Sheet) -> str:
    newest = sheet.held[-1]
    order = np.argsort(-np.abs(newest), kind="stable")[:3].tolist()
    told = [f"{sheet.names[c]} {percent(float(newest[c]))}" for c in order if newest[c] != 0.0]
    return ", ".join(told) or "nothing but cash"


def _rug(sheet: Sheet) -> tuple[FloatArray, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    declined = np.zeros(len(sheet.ends_ns), dtype=bool)
    for decision, bar in zip(sheet.decisions, sheet.decision_bars.tolist(), strict=True):
        if decision.outcome == "declined" and bar >= 0:
            declined[bar] = True
    return sheet.turnover, declined


def _rolling_row(sheet: Sheet, own: Rolling, bar: int) -> list[str]:
    return [
        sheet.date(bar),
        _share(float(own.volatility_annual[bar])),
        _known(float(own.sharpe[bar]), 2),
        _known(float(own.sharpe_standard_error[bar]), 2),
    ]


def _told_at(ends_ns: IntArray) -> list[int]:
    """Return the bars a table behind a chart tells: the last of each year, else of each month."""
    inside = inside_of(ends_ns)
    years = inside.astype("M8[Y]")
    many = int((years[-1] - years[0]).astype(np.int64)) >= _YEARS_TOLD_MIN
    period = years if many else inside.astype("M8[M]")
    last = np.flatnonzero(np.append(period[1:] != period[:-1], True))
    return [int(bar) for bar in last[-_PLACES_TOLD_MAX:]]


def _level(value: float) -> str:
    return ratio(value, 2)


def _round_percent(value: float) -> str:
    whole = abs(100.0 * value - round(100.0 * value)) < _ROUND
    return percent(value, 0 if whole else 1)


def _share(value: float) -> str:
    return ABSENT if np.isnan(value) else percent(value)


def _known(value: float, decimals: int) -> str:
    return ABSENT if np.isnan(value) else ratio(value, decimals)
