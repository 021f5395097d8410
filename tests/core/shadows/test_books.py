"""Paper books against a ledger kept by hand, cut into any runs, and at the edge of float64."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from streams.core.costs import CostModel, linear_costs
from streams.core.image import decode_image, encode_image
from streams.core.ledger import BarResult, Fill, Ledger
from streams.core.shadows.books import NAV_MAX, ShadowBooks
from streams.core.windows import RollingWindows
from tests.core.worlds import policy_for

NAMES = ("a", "b", "c")
SHADOWS = [
    {"name": "parity", "objective": {"type": "risk_parity"}},
    {"name": "short", "objective": {"type": "min_variance"}},
]
POLICY = policy_for(NAMES, shadows=SHADOWS, cash={"min": 0, "max": 1, "rate": 0.0001})
BPS = 7e-4


def main_bars(returns):
    """A main book that earns the first strategy's returns."""
    nav, bars = 1.0, []
    for row in returns:
        net = 0.0 if np.isnan(row[0]) else float(row[0])
        nav *= 1.0 + net
        told = BarResult(
            return_gross=net, return_net=net, cost=0.0, turnover=0.0, coverage=1.0,
            adjustment=0.0, contribution=np.zeros(len(row)),
        )  # fmt: skip
        bars.append((told, nav))
    return bars


def play(books, returns, fills, sizes, policy=POLICY):
    """Take bars in pieces; ``fills`` are (after bar, book, fill), queued as a decision would."""
    told, first, turn, main = [], 1, 0, main_bars(returns)
    breaks = sorted({0, *(after for after, _, _ in fills), len(returns)})
    for start, stop in itertools.pairwise(breaks):
        for after, book, fill in fills:
            if after == start:
                books.decide(book, fill)
        done = start
        while done < stop:
            piece = slice(done, min(stop, done + sizes[turn % len(sizes)]))
            told += books.take(first + done, returns[piece], policy, main[piece])
            done, turn = piece.stop, turn + 1
    return told


def kept_by_hand(returns, fills, book, linear=BPS, cash_rate=0.0001):
    """NAV, cost and turnover of a book, bar by bar, with weights that drift."""
    held, cash, nav, rows = np.zeros(returns.shape[1]), 1.0, 1.0, []
    for number, row in enumerate(np.nan_to_num(returns), start=1):
        cost = traded = 0.0
        for _, whose, fill in fills:
            if whose == book and fill.before_bar == number:
                part = linear * np.abs(fill.weights - held).sum()
                traded += 0.5 * (np.abs(fill.weights - held).sum() + abs(fill.cash - cash))
                cost = 1.0 - (1.0 - cost) * (1.0 - part)
                held, cash = fill.weights, fill.cash
        gross = float(held @ row) + cash * cash_rate
        nav *= (1.0 - cost) * (1.0 + gross)
        held, cash = held * (1.0 + row) / (1.0 + gross), cash * (1.0 + cash_rate) / (1.0 + gross)
        rows.append((nav, (1.0 - cost) * (1.0 + gross) - 1.0, cost, traded))
    return np.array(rows)


def scene(seed=3, bars=90):
    rng = np.random.default_rng(seed)
    returns = rng.normal(0.0005, 0.01, (bars, 3))
    returns[rng.random(returns.shape) < 0.1] = np.nan
    fills = []
    for after in (5, 6, 33, 70):
        for book in range(3):
            weights = rng.dirichlet(np.ones(4))[:3]
            fills.append((after, book, Fill(after + 1 + book % 2, weights, 1 - weights.sum())))
    return returns, fills


def test_every_book_is_what_a_ledger_kept_by_hand_says():
    returns, fills = scene()
    told = play(ShadowBooks(POLICY, 3), returns, fills, (7,))
    for book in range(3):
        found = np.array([(b.nav, b.net, b.cost, b.turnover) for b in told])[:, :, 1 + book]
        wanted = kept_by_hand(returns, fills, book)
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)  # 90 roundings of 1e-16
        totals = np.array([(b.cost_total, b.turnover_total) for b in told])[:, :, 1 + book]
        np.testing.assert_allclose(totals, np.cumsum(wanted[:, 2:], axis=0), rtol=1e-12)


def test_sharpe_ratios_are_those_of_pandas_over_the_window():
    returns, fills = scene()
    told = play(ShadowBooks(POLICY, 3), returns, fills, (64,))
    net = pd.DataFrame([bar.net for bar in told])
    rolling = net.rolling(15, min_periods=2)
    wanted = (rolling.mean() / rolling.std() * np.sqrt(252)).to_numpy()
    found = np.array([bar.sharpe for bar in told])
    defined = ~np.isnan(found)
    assert not defined[:5, 1:].any()  # in cash: the same return each bar has no spread
    assert defined[20:].all()
    # pandas keeps running sums, ours are made anew: 1e-9 is its rounding
    np.testing.assert_allclose(found[defined], wanted[defined], rtol=1e-9)
    assert [bar.n_obs for bar in told] == [[min(n, 15)] * 4 for n in range(1, 91)]


@pytest.mark.parametrize("sizes", [(1,), (2, 5), (64,), (31, 1, 33)])
def test_runs_of_any_length_give_the_same_bits(sizes):
    returns, fills = scene(8)
    returns[40, 0] = 1e308  # beyond what a NAV may be
    whole, cut = ShadowBooks(POLICY, 3), ShadowBooks(POLICY, 3)
    told = play(whole, returns, fills, (64,))
    found = play(cut, returns, fills, sizes)
    assert encode_image({"told": [list(map(list, bar)) for bar in found]}) == encode_image(
        {"told": [list(map(list, bar)) for bar in told]}
    )
    assert encode_image(cut.to_state()) == encode_image(whole.to_state())


def test_a_state_that_is_put_back_goes_on_bit_for_bit():
    returns, fills = scene(9)
    books = ShadowBooks(POLICY, 3)
    play(books, returns[:34], fills[:9], (7,))
    image = encode_image(books.to_state())
    again = ShadowBooks.from_state(POLICY, decode_image(image))
    assert encode_image(again.to_state()) == image
    main = main_bars(returns)[34:40]
    ours, theirs = (b.take(35, returns[34:40], POLICY, main) for b in (books, again))
    assert ours == theirs
    assert encode_image(again.to_state()) == encode_image(books.to_state())


def test_a_target_that_is_told_again_after_a_strategy_joined_has_one_weight_a_name():
    books = ShadowBooks(POLICY, 3)
    books.decide(0, Fill(1, np.array([0.5, 0.3, 0.1]), 0.1))
    books.hold(1, "why")
    books.select(np.array([0, -1, 1, 2]))
    assert books.verdicts["equal"].target == (0.5, 0.0, 0.3, 0.1)
    assert books.verdicts["parity"] == ("why", (), 0.0)


@pytest.mark.parametrize("seed", range(8))
def test_a_state_put_back_after_a_strategy_joined_goes_on_bit_for_bit(seed):
    """Of ten strategies or more the order in which numpy adds them is another by layout."""
    rng = np.random.default_rng(seed)
    names = tuple(f"s{place:02}" for place in range(12))
    policy = policy_for(names, shadows=SHADOWS)
    books, returns = ShadowBooks(policy, 12), rng.normal(0.0005, 0.01, (40, 12))
    for book in range(3):
        weights = rng.dirichlet(np.ones(13))[:12]
        books.decide(book, Fill(1, weights, 1 - weights.sum()))
    main = main_bars(returns)
    books.take(1, returns[:35], policy, main[:35])
    books.select(np.append(np.arange(12), -1))
    again = ShadowBooks.from_state(policy, decode_image(encode_image(books.to_state())))
    joined = np.column_stack([returns, np.zeros(40)])
    windows = RollingWindows((15,), 13, 79)
    windows.extend(joined)
    for each in (books, again):
        each.revise(windows, (35, 3, 0), 0.02, 0.0)
    ours, theirs = (b.take(36, joined[35:], policy, main[35:]) for b in (books, again))
    assert ours == theirs
    assert encode_image(again.to_state()) == encode_image(books.to_state())


def test_a_book_that_loses_more_than_all_is_over_and_no_other_is():
    books = ShadowBooks(POLICY, 3)
    books.decide(1, Fill(1, np.array([0.5, 0.5, 0.0]), 0.0))
    books.decide(2, Fill(1, np.array([-1.0, 0.0, 0.0]), 2.0))
    returns = np.array([[0.1, 0.0, 0.0], [3.0, 0.0, 0.0], [0.1, 0.1, 0.1]])
    told = books.take(1, returns, POLICY, main_bars(returns))
    assert [bar.nav[3] > 0 for bar in told] == [True, False, False]
    assert told[1].nav[3] == told[2].nav[3] == 0.0
    assert (told[1].net[3], told[2].net[3]) == (-1.0, 0.0)
    assert told[2].nav[2] > 2.0
    books.decide(2, Fill(4, np.array([1.0, 0.0, 0.0]), 0.0))
    (after,) = books.take(4, np.array([[0.5, 0.0, 0.0]]), POLICY, main_bars(returns[:1]))
    assert (after.nav[3], after.net[3]) == (0.0, 0.0)


def test_a_nav_stays_a_number_whatever_is_claimed():
    books = ShadowBooks(POLICY, 3)
    books.decide(0, Fill(1, np.array([0.5, 0.25, 0.25]), 0.0))
    returns = np.array([[1e308, 1e308, -1.0]] * 3)
    told = books.take(1, returns, POLICY, [(main_bars(returns[:1] * 0)[0][0], 1.0)] * 3)
    assert [bar.nav[1] for bar in told] == [NAV_MAX] * 3
    assert all(np.isfinite([bar.net, bar.cost, bar.turnover]).all() for bar in told)


CLAIMS = (-1.0, -0.999999, 0.0, 1e-300, 0.5, 30.0, 1e150, 1e308, math.nan)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_claimed_and_held_all_that_is_told_is_a_number(seed):
    rng = np.random.default_rng(seed)
    returns = rng.choice(CLAIMS, (40, 3), p=[0.02, 0.05, 0.4, 0.05, 0.2, 0.1, 0.03, 0.05, 0.1])
    costs = CostModel(linear=1.0, impact=rng.uniform(0.0, 1e100, 3), ticket=0.5)
    fills = []
    for after in (1, 2, 9, 20, 21, 33):
        for book in range(3):
            weights = rng.choice([-100.0, -1.0, 0.0, 0.25, 1.0, 100.0], 3)
            model = costs if rng.random() < 0.1 else linear_costs(0.0)
            fills.append((after, book, Fill(after + 1, weights, 1.0 - weights.sum(), model)))
    whole, cut = ShadowBooks(POLICY, 3), ShadowBooks(POLICY, 3)
    told = play(whole, returns, fills, (64,))
    assert encode_image(cut.to_state()) != encode_image(whole.to_state())
    play(cut, returns, fills, (1, 3))
    assert encode_image(cut.to_state()) == encode_image(whole.to_state())
    for bar in told:
        ours = [row[1:] for row in bar]  # the main book's own figures are the ledger's care
        assert np.isfinite(ours[:6]).all()
        assert min(ours[0]) >= 0.0
        assert min(ours[1]) >= -1.0
    assert np.isfinite(whole.amounts).all()


def test_impact_and_tickets_are_charged_as_the_fill_says():
    costs = CostModel(linear=1e-3, impact=np.array([0.01, 0.02, 0.0]), ticket=1e-4)
    books = ShadowBooks(POLICY, 3)
    books.decide(1, Fill(1, np.array([0.5, 0.25, 0.0]), 0.25, costs))
    (bar,) = books.take(1, np.zeros((1, 3)), POLICY, main_bars(np.zeros((1, 3))))
    wanted = 1e-3 * 0.75 + 0.01 * 0.5**1.5 + 0.02 * 0.25**1.5 + 2e-4
    assert bar.cost[2] == pytest.approx(wanted, rel=1e-14)
    assert bar.turnover[2] == 0.75


def test_a_strategy_that_joins_finds_its_column_and_changes_no_nav():
    returns, fills = scene(4, 40)
    books = ShadowBooks(POLICY, 3)
    play(books, returns, fills[:9], (7,))
    books.decide(1, Fill(41, np.array([0.2, 0.3, 0.1]), 0.4))
    before = books.amounts.copy()
    books.select(np.array([0, -1, 1, 2]))
    assert books.amounts[:, [0, 2, 3, 4]].tolist() == before.tolist()
    assert not books.amounts[:, 1].any()
    weights, cash = books.coming(1)
    assert (weights.tolist(), cash) == ([0.2, 0.0, 0.3, 0.1], 0.4)


def test_a_new_book_is_a_copy_of_the_main_one_and_a_name_that_stays_goes_on():
    returns, fills = scene(5, 40)
    books = ShadowBooks(POLICY, 3)
    play(books, returns, fills[:9], (7,))
    main = Ledger(3)
    main.start_with(np.array([0.5, 0.2, 0.1]))
    main.nav = 1.25
    main.fill_later(42, np.array([0.3, 0.3, 0.3]), 0.1)
    kept, equal = books.amounts[1].tolist(), books.amounts[0].tolist()
    added = {"name": "new", "objective": {"type": "hrp"}}
    other = policy_for(NAMES, shadows=[added, SHADOWS[0]])
    books.set_policy(other, main, 77)
    assert books.names == ("equal", "new", "parity")
    assert books.amounts[[0, 2]].tolist() == [equal, kept]
    np.testing.assert_allclose(books.amounts[1], [0.625, 0.25, 0.125, 0.25], rtol=1e-15)
    assert (books.since_ns[1], books.built[1]) == (77, True)
    assert len(books.fills[1]) == 1
    assert (books.latest.nav[2], books.latest.n_obs[2]) == (1.25, 0)
    (bar,) = books.take(41, np.zeros((1, 3)), other, main_bars(np.zeros((1, 3))))
    assert bar.nav[2] == 1.25
    assert bar.n_obs == [15, 15, 1, 15]
