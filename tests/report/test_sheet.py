import itertools
from dataclasses import replace

import msgspec
import numpy as np
import pandas as pd
import pytest

from streams.report.figures import headline_of, luck_of
from streams.report.sheet import make_sheet, told


def later(book, start):
    """The same book as if it had begun later, as a topic that forgets tells it."""
    part = {
        name: getattr(book, name)[start:]
        for name in ("ends_ns", "net", "gross", "cost", "turnover", "nav", "coverage", "held")
    }
    return replace(book, **part)


def test_bars_before_anything_was_held_are_left_out(small):
    sheet = small.sheet
    held = (small.book.held != 0).any(axis=1)
    assert sheet.warm_up_bars == int(held.argmax()) > 0
    assert len(sheet.ends_ns) == len(small.book.ends_ns) - sheet.warm_up_bars
    assert f"{sheet.warm_up_bars} bars before anything was held" in sheet.notes[0]
    # the first of them paid for the build
    assert sheet.cost[0] > 0.0


def test_benchmarks_begin_with_the_portfolio_and_not_before(small):
    own, *papers = small.sheet.lines
    assert [line.key for line in papers] == ["equal_weight", "inverse_volatility"]
    for paper in papers:
        assert np.isnan(paper.net).tolist() == np.isnan(own.net).tolist()
        assert paper.headline.n_obs == own.headline.n_obs


def test_returns_of_before_the_book_are_known_and_not_counted(small):
    start = 150
    sheet = make_sheet(later(small.book, start), small.policy, small.panel)
    assert sheet.warm_up_bars == 0
    own = sheet.lines[0]
    expected = headline_of(
        own.net,
        sheet.cost,
        sheet.turnover,
        periods_per_year=252.0,
        luck=luck_of(small.panel.values[start:], None, 252.0),
    )
    assert own.headline == expected
    alone = make_sheet(later(small.book, start), small.policy, "none")
    assert alone.lines[0].headline.undefined["deflated_sharpe"] == "returns_unknown"
    assert all(line.headline.n_obs >= len(sheet.ends_ns) - 2 for line in sheet.lines[1:])


def test_risk_is_held_from_one_decision_to_the_next(small):
    sheet = small.sheet
    told_at = [
        (bar, decision)
        for decision, bar in zip(sheet.decisions, sheet.decision_bars.tolist(), strict=True)
        if decision.outcome == "accepted" and decision.risk_contributions
    ]
    assert len(told_at) > 5
    for (bar, decision), (following, _) in itertools.pairwise(told_at):
        shares = [decision.risk_contributions.get(name, 0.0) for name in sheet.names]
        for place in (max(bar, 0), following - 1):
            np.testing.assert_array_equal(sheet.risk[place], shares)


def test_trading_adds_up_by_month_and_by_year(small):
    sheet = small.sheet
    ends = pd.to_datetime(sheet.ends_ns - 1)
    by_month = pd.Series(sheet.turnover).groupby(ends.strftime("%Y-%m")).sum()
    assert [each.period for each in sheet.trading] == by_month.index.tolist()
    np.testing.assert_allclose([each.turnover for each in sheet.trading], by_month, atol=1e-15)
    assert sum(each.cost for each in sheet.trading) == pytest.approx(sheet.cost.sum())
    inside = int((sheet.decision_bars >= 0).sum())
    assert sum(each.decisions for each in sheet.trading) == inside
    # one bar a week of four years: by year
    weeks = 86_400_000_000_000 * 7 * np.arange(1, len(small.book.ends_ns) + 1)
    slow = make_sheet(
        replace(small.book, ends_ns=weeks, decisions=()), small.policy, "other returns"
    )
    assert next(each.period for each in slow.trading) == "1970"
    assert len(slow.trading) == 8


@pytest.mark.parametrize(
    ("bars", "window"), [(390, 60), (120, 60), (119, 20), (40, 20), (25, 20), (10, None)]
)
def test_the_window_is_the_policys_where_it_is_filled_twice_else_a_shorter_one(small, bars, window):
    start = small.sheet.warm_up_bars
    part = later(small.book, start)
    part = replace(
        part,
        **{
            name: np.resize(getattr(part, name), (bars, *getattr(part, name).shape[1:]))
            for name in ("net", "gross", "cost", "turnover", "nav", "coverage", "held")
        },
        ends_ns=86_400_000_000_000 * np.arange(1, bars + 1),
        decisions=(),
    )
    found = make_sheet(part, small.policy, "none").lines[0].rolling
    assert (found.window if found else None) == window


def test_told_figures_are_plain_values_and_repeat_to_the_byte(small):
    encoded = msgspec.json.encode(told(small.sheet, 5))
    again = make_sheet(small.book, small.policy, small.panel)
    assert msgspec.json.encode(told(again, 5)) == encoded
    assert len(told(small.sheet, 0)["decisions"]) == 0
