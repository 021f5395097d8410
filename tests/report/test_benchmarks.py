import msgspec
import numpy as np
import pandas as pd
import pytest

from schemas.policy import PortfolioPolicy, StrategyEntry
from schemas.policy.trading import Cash, Costs, Execution, Rebalance
from streams.core.errors import DataError
from streams.files import ReturnsTable
from streams.report.benchmarks import aligned, equal_weight, follow, inverse_volatility
from streams.report.book import Panel, panel_of

BARS, BEGIN = 260, 30


def policy(schedule="weekly", delay=0, **costs):
    return PortfolioPolicy(
        portfolio_id="p",
        bar="1d",
        periods_per_year=252.0,
        strategies=tuple(StrategyEntry(id=name) for name in "abc"),
        estimation=msgspec.convert(
            {"window_bars": 40, "min_bars": 20, "stale_bars": 2, "windows": [20]},
            PortfolioPolicy.__annotations__["estimation"],
        ),
        costs=Costs(**({"linear_bps": 9.0} | costs)),
        cash=Cash(max=1.0, rate=0.0001),
        execution=Execution(delay_bars=delay),
        rebalance=Rebalance(schedule=schedule),
    )


@pytest.fixture
def panel():
    """Three strategies on business days: one comes late, one goes early, one has holes."""
    days = pd.bdate_range("2021-01-04", periods=BARS) + pd.Timedelta(days=1)
    values = 0.01 * np.random.default_rng(3).standard_normal((BARS, 3)) * [1.0, 2.0, 0.5]
    values[:70, 0] = np.nan
    values[200:, 1] = np.nan
    values[[92, 93, 94, 153, 154], 2] = np.nan  # up to Fridays: too long, and just not
    stamps_ns = days.astype("datetime64[ns]").astype("int64").to_numpy()
    return panel_of(ReturnsTable(stamps_ns=stamps_ns, names=("a", "b", "c"), values=values), "1d")


def by_hand(panel, weigh, *, weekly, delay, linear_bps, rate):
    """Another account of the same book: money in each strategy and in cash, day by day."""
    days = pd.to_datetime(panel.ends_ns)
    table = pd.DataFrame(panel.values)
    last = [table[c].last_valid_index() for c in table]
    money, cash, orders, net, costs, built = np.zeros(3), 1.0, {}, [], [], False
    for bar in range(len(table)):
        before = money.sum() + cash
        paid = 0.0
        if bar in orders:
            target = orders.pop(bar)
            traded = np.abs(target - money / before).sum()
            paid = linear_bps * 1e-4 * traded
            after = before * (1 - paid)
            money, cash = target * after, (1 - target.sum()) * after
        returns = table.loc[bar].fillna(0.0).to_numpy()
        money, cash = money * (1 + returns), cash * (1 + rate)
        net.append((money.sum() + cash) / before - 1)
        costs.append(paid)
        # A week ends with its Friday, whose bar ends on Saturday at 00:00.
        session = days[bar] - pd.Timedelta(days=1)
        over = session.to_period("W-FRI") != days[bar].to_period("W-FRI")
        if bar < BEGIN or (built and not (weekly and over)):
            continue
        window = table.loc[max(bar - 39, 0) : bar]
        members = [
            c
            for c in table
            if window[c].count() >= 20
            and window[c].iloc[-3:].notna().any()
            and (bar < last[c] or last[c] == len(table) - 1)
        ]
        if members:
            built = True
            target = np.zeros(3)
            target[members] = weigh(window[members])
            orders[bar + 1 + delay] = target
    return np.array(net), np.array(costs)


@pytest.mark.parametrize("delay", [0, 1])
@pytest.mark.parametrize("schedule", ["weekly", "never"])
@pytest.mark.parametrize(
    ("rule", "weigh"),
    [
        (equal_weight, lambda window: 1 / window.shape[1]),
        (inverse_volatility, lambda window: (1 / window.std()) / (1 / window.std()).sum()),
    ],
)
def test_a_benchmark_is_what_another_account_of_it_says(panel, rule, weigh, schedule, delay):
    paper = follow(panel, policy(schedule, delay), BEGIN, rule)
    net, costs = by_hand(
        panel, weigh, weekly=schedule == "weekly", delay=delay, linear_bps=9.0, rate=0.0001
    )
    assert paper.begun == BEGIN + 1 + delay
    assert np.isnan(paper.net[: paper.begun]).all()
    # two accounts of the same money, 260 bars of rounding apart
    np.testing.assert_allclose(paper.net[paper.begun :], net[paper.begun :], rtol=0, atol=1e-13)
    np.testing.assert_allclose(paper.cost, costs, rtol=0, atol=1e-15)
    assert paper.turnover[paper.begun] == pytest.approx(1.0)


def test_impact_and_tickets_are_paid_too(panel):
    plain = follow(panel, policy(), BEGIN, equal_weight)
    dear = follow(
        panel,
        policy(
            ticket_bps=1.0,
            impact=msgspec.convert({"coefficient": 0.5}, Costs.__annotations__["impact"]),
        ),
        BEGIN,
        equal_weight,
    )
    first = plain.begun
    window = pd.DataFrame(panel.values[BEGIN - 30 : BEGIN + 1, 1:]).std().to_numpy()
    impact = (0.5 * window * 0.5**1.5).sum()
    assert dear.cost[first] == pytest.approx(9e-4 + impact + 2e-4, rel=1e-9)
    assert (dear.cost >= plain.cost).all()


def test_it_waits_until_somebody_can_be_weighed(panel):
    late = Panel(
        ends_ns=panel.ends_ns,
        names=panel.names[:1],
        values=panel.values[:, :1],
        ended=panel.ended[:, :1],
    )
    assert follow(late, policy(), 0, equal_weight).begun == 70 + 20
    nobody = Panel(
        ends_ns=panel.ends_ns[:10],
        names=panel.names,
        values=panel.values[:10],
        ended=panel.ended[:10],
    )
    paper = follow(nobody, policy(), 0, equal_weight)
    assert np.isnan(paper.net).all()


def test_strategies_that_stand_still_are_weighed_alike():
    assert inverse_volatility(np.zeros((5, 2))).tolist() == [0.5, 0.5]
    assert inverse_volatility(np.array([[0.0, 0.1], [0.0, -0.1]])).tolist() == [0.0, 1.0]


def test_returns_of_something_else_are_refused(small):
    panel = small.panel
    cut = Panel(
        ends_ns=panel.ends_ns[:-1],
        names=panel.names,
        values=panel.values[:-1],
        ended=panel.ended[:-1],
    )
    with pytest.raises(DataError, match="only the portfolio knew a bar ending 2021-06-30"):
        aligned(cut, small.book)
    other = Panel(
        ends_ns=panel.ends_ns, names=("x",), values=panel.values[:, :1], ended=panel.ended
    )
    with pytest.raises(DataError, match="none of the portfolio's strategies"):
        aligned(other, small.book)
