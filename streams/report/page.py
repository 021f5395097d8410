"""The page: one file of HTML with its own styles and drawings, no script, nothing from elsewhere.

It holds nothing of the moment it was written in: the same figures give the same bytes.
"""

import base64
import hashlib
from collections.abc import Callable
from typing import Final

import numpy as np

from schemas.decisions import Decision
from schemas.units import format_instant
from streams.core.performance import CONVENTIONS
from streams.report.charts import AREA_COLUMNS, COLUMNS
from streams.report.panels import (
    equity_section,
    rolling_section,
    section,
    trading_section,
    weights_section,
)
from streams.report.sheet import Sheet, last_decisions
from streams.report.style import STYLE
from streams.report.svg import tag, words
from streams.report.tables import small, table
from streams.report.words import (
    ABSENT,
    bps,
    limits_of,
    outcome_of,
    percent,
    probability,
    ratio,
    signed_percent,
    trigger_of,
)

__all__ = ["page_of"]

Write = Callable[[float | None], str]

_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)
_FALLS_TOLD: Final = 10
_STEPS: Final = 5
_REASONS: Final = {
    "too_few": "too few bars",
    "zero_variance": "no variation",
    "zero_downside": "no loss",
    "zero_drawdown": "no drawdown",
    "overflow": "beyond all numbers",
    "returns_unknown": "needs the strategies' returns",
}
_FIGURES: Final[tuple[tuple[str, str, str, Write], ...]] = (
    ("total_return", "Total return", "of the whole span, net", signed_percent),
    ("cagr", "Annual return", "compound, CAGR", lambda v: signed_percent(v, 2)),
    ("volatility_annual", "Volatility", "annual", lambda v: percent(v, 2)),
    ("sharpe", "Sharpe ratio", "± standard error, autocorrelation allowed for", ratio),
    ("probabilistic_sharpe", "Probabilistic Sharpe", "that the true ratio is above 0", probability),
    (
        "deflated_sharpe",
        "Deflated Sharpe",
        "that it beats the luckiest of the strategies",
        probability,
    ),
    ("sortino", "Sortino ratio", "", ratio),
    ("calmar", "Calmar ratio", "annual return over deepest drawdown", ratio),
    ("max_drawdown", "Deepest drawdown", "", lambda v: percent(v, 2)),
    ("cvar_95", "CVaR 95%", "mean loss of the worst twentieth of bars", lambda v: percent(v, 2)),
    ("hit_rate", "Hit ratio", "bars with a gain", percent),
    ("skew", "Skew", "", ratio),
    ("kurtosis", "Excess kurtosis", "", ratio),
    ("turnover_annual", "Turnover", "one way, a year", lambda v: percent(v, 0)),
    ("cost_annual", "Cost", "a year, of NAV", bps),
)
_SOURCES: Final = (
    "Standard errors: Lo (2002), Newey and West (1987). Probabilistic and deflated Sharpe ratio:"
    " Bailey and López de Prado (2012, 2014); the latter is the probability that the true ratio is"
    " above the best that as many strategies without skill would show."
)
_BAR_WORDS: Final = {"1d": "daily", "1w": "weekly", "1mo": "monthly", "1h": "hourly"}


def page_of(sheet: Sheet, decisions: int) -> str:
    """Return the report as one HTML document.

    Parameters
    ----------
    sheet
        What it tells.
    decisions
        How many of the newest decisions it lists.
    """
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    name = words(sheet.policy.portfolio_id)
    # Plain text and not built by `tag`, for these have no end tag; the policy needs its quotes.
    head = (
        '<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="generator" content="apse report">\n'
        f"<title>{name}: portfolio report to {sheet.date(-1)}</title>\n"
        f"<style>{STYLE}</style>\n"
    )
    main = [
        _cards(sheet),
        equity_section(sheet),
        _figures(sheet),
        _months(sheet),
        rolling_section(sheet),
        weights_section(sheet),
        trading_section(sheet),
        _falls(sheet),
        _decisions(sheet, decisions),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n'
        f"{head}</head>\n<body>\n{_header(sheet)}\n"
        + tag("main", "\n".join(main))
        + f"\n{_footer(sheet)}\n</body>\n</html>\n"
    )


def _header(sheet: Sheet) -> str:
    bar = _BAR_WORDS.get(sheet.policy.bar, sheet.policy.bar)
    held = int((np.abs(sheet.held) > 0.0).any(axis=0).sum())
    days = f"{sheet.date(0)} to {sheet.date(-1)}"
    span = f"{days} · {len(sheet.ends_ns):,} {bar} bars · {held} strategies held"
    return tag(
        "header",
        tag("p", "Portfolio report", class_="over"),
        tag("h1", tag("bdi", words(sheet.policy.portfolio_id))),
        tag("p", words(span), class_="under"),
        tag(
            "p",
            words(f"As of the bar ending {format_instant(int(sheet.ends_ns[-1]))}. Net of costs."),
            class_="under",
        ),
    )


def _cards(sheet: Sheet) -> str:
    found = sheet.lines[0].headline.figures
    error = found["sharpe_standard_error"]
    deepest = sheet.falls[0] if sheet.falls else None
    when = ""
    if deepest is not None:
        when = f"at its lowest on {sheet.date(deepest.trough)}" + (
            "" if deepest.recovery else ", not recovered"
        )
    sure = probability(found["probabilistic_sharpe"])
    cards = (
        ("Annual return", signed_percent(found["cagr"], 2),
         f"{signed_percent(found['total_return'])} in all"),
        ("Volatility", percent(found["volatility_annual"], 2), "annual"),
        ("Sharpe ratio", ratio(found["sharpe"]) + (f" ± {ratio(error)}" if error else ""),
         f"above 0 with probability {sure}" if sure != ABSENT else ""),
        ("Deepest drawdown", percent(found["max_drawdown"], 2), when),
        ("CVaR 95%", percent(found["cvar_95"], 2), "a bar, mean of the worst twentieth"),
        ("Cost", bps(found["cost_annual"]),
         f"a year, at {percent(found['turnover_annual'], 0)} turnover"),
    )  # fmt: skip
    told = [
        tag("div", tag("dt", words(name)), tag("dd", small(words(value), beside)))
        for name, value, beside in cards
    ]
    return tag("dl", *told, class_="cards")


def _figures(sheet: Sheet) -> str:
    rows: list[list[str | tuple[str, str]]] = []
    for name, title, beside, write in _FIGURES:
        row: list[str | tuple[str, str]] = [small(words(title), beside)]
        for line in sheet.lines:
            value = line.headline.figures[name]
            error = line.headline.figures["sharpe_standard_error"]
            told = write(value)
            if name == "sharpe" and value is not None and error is not None:
                told += f" ± {ratio(error)}"
            why = line.headline.undefined.get(name, "")
            row.append(small(words(told), _REASONS.get(why, why) if value is None else ""))
        rows.append(row)
    rows.append(["Bars", *(f"{line.headline.n_obs:,}" for line in sheet.lines)])
    least, mean = float(sheet.coverage.min()), float(sheet.coverage.mean())
    covered = small(words(percent(mean, 2)), f"least {percent(least)}")
    others = [ABSENT] * (len(sheet.lines) - 1)
    rows.append([small("Coverage", "of what was held, bars with a return"), covered, *others])
    return section(
        "Figures",
        "The benchmarks hold the same strategies over the same bars, with the same costs and drift:"
        " built when the portfolio was, and set back at each boundary of its schedule."
        if len(sheet.lines) > 1
        else "",
        table("Figures", ["Figure", *(line.name for line in sheet.lines)], rows, style="first"),
    )


def _months(sheet: Sheet) -> str:
    months = sheet.months
    every = [abs(value) for row in months.months for value in row if value is not None]
    scale = float(np.quantile(every, 0.95)) or 1.0
    whole = float(np.quantile(np.abs(months.totals), 0.95)) or 1.0
    rows: list[list[str | tuple[str, str]]] = []
    for year, row, total in sorted(
        zip(months.years, months.months, months.totals, strict=True), reverse=True
    ):
        cells = [_heat(value, scale) for value in row]
        rows.append([str(year), *cells, _heat(total, whole)])
    return section(
        "Monthly returns",
        "In percent, net, compounded; UTC months. Colours stand for size: months beside months,"
        " years beside years.",
        table("Monthly returns in percent", ["Year", *_MONTHS, "Total"], rows, style="heat"),
        style="long",
    )


def _heat(value: float | None, scale: float) -> tuple[str, str]:
    if value is None:
        return "", "none"
    told = signed_percent(value).replace("%", "")
    step = min(int(np.ceil(_STEPS * abs(value) / scale)), _STEPS)
    return told, f"{'u' if value > 0.0 else 'd'}{step}" if step and value else ""


def _falls(sheet: Sheet) -> str:
    if not sheet.falls:
        return section("Drawdowns", "There was none.")
    rows: list[list[str | tuple[str, str]]] = []
    for number, fall in enumerate(sheet.falls[:_FALLS_TOLD], start=1):
        end = "not yet" if fall.recovery is None else sheet.date(fall.recovery)
        rows.append(
            [
                str(number),
                (percent(fall.depth, 2), "own"),
                (sheet.date(fall.start), "day"),
                (sheet.date(fall.trough), "day"),
                (end, "day"),
                f"{fall.bars:,}",
                ABSENT if fall.bars_to_recover is None else f"{fall.bars_to_recover:,}",
            ]
        )
    head = ["no.", "depth", "start", "trough", "end", "bars", "recovery"]
    return section(
        "Drawdowns",
        "The deepest, from the first bar below the high before it to the first bar back at it."
        " Bars under water, and bars from the trough to the end.",
        table("Deepest drawdowns", head, rows),
    )


def _decisions(sheet: Sheet, count: int) -> str:
    taken = len(sheet.decisions)
    accepted = sum(decision.outcome == "accepted" for decision in sheet.decisions)
    if not taken:
        return section("Decisions", "None was taken.")
    rows = [_decision(decision) for decision in last_decisions(sheet, count)]
    if not rows:
        return section("Decisions", f"{taken:,} were taken, {accepted:,} of them accepted.")
    head = ["bar", "why", "outcome", "turnover", "cost", "held back by"]
    return section(
        "Decisions",
        f"The newest {len(rows)} of {taken:,}, of which {accepted:,} were accepted.",
        table("Newest decisions", head, rows, wordy=(1, 2, 5)),
        style="long",
    )


def _decision(decision: Decision) -> list[str | tuple[str, str]]:
    bar = words(decision.bar_end.removesuffix("T00:00:00Z"))
    traded = decision.outcome == "accepted"
    return [
        (small(bar, decision.decision_id[:8]), "day"),
        tag("bdi", words(trigger_of(decision))),
        tag("bdi", words(outcome_of(decision))),
        percent(decision.turnover) if traded else ABSENT,
        bps(decision.cost) if traded else ABSENT,
        tag("bdi", words(limits_of(decision) or "nothing")),
    ]


def _footer(sheet: Sheet) -> str:
    periods = f"{sheet.policy.periods_per_year:g}"
    costs = sheet.policy.costs
    impact = ", market impact" if costs.impact is not None else ""
    ticket = f", {costs.ticket_bps:g} bps a ticket" if costs.ticket_bps else ""
    told = (
        (
            f"Made by apse report from {sheet.source}. Conventions {CONVENTIONS}: simple returns,"
            f" {periods} periods a year, risk-free rate 0, standard deviations with n − 1."
        ),
        (
            f"Costs in all figures: {costs.linear_bps:g} bps of what is traded, on both sides"
            f"{impact}{ticket}. A day ends at 00:00 UTC; a bar belongs to the day it ends with."
        ),
        _SOURCES,
        (
            f"Curves are drawn on {COLUMNS} columns and keep the lowest and highest value of each;"
            f" areas show the last bar of each of {AREA_COLUMNS}. Tables tell the exact figures."
        ),
        *sheet.notes,
    )
    return tag("footer", tag("h2", "Notes"), tag("ul", *(tag("li", words(each)) for each in told)))
