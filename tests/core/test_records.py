"""The views of a bar against pandas over what was published before."""

import numpy as np
import pandas as pd
import pytest

from schemas.topics import COVARIANCE, STATE
from tests.core.worlds import World, in_time_order, of_topic, policy_for, ragged

NAMES = ("a", "b", "c", "d")
BARS = 45


@pytest.fixture(scope="module")
def world():
    policy = policy_for(NAMES, estimation__covariance="sample", cash={"max": 0.3, "rate": 0.0001})
    found = World(policy)
    found.publish(in_time_order(ragged(11, NAMES, BARS)), (9,))
    return found


@pytest.fixture(scope="module")
def returns():
    rows = [row for row in in_time_order(ragged(11, NAMES, BARS)) if row.kind == 0]
    table = pd.DataFrame([(row.stamp_ns, row.name, row.value) for row in rows])
    return table.pivot_table(index=0, columns=1, values=2).reindex(columns=list(NAMES))


def states(world):
    found = {state.bar_number: state for state in of_topic(world.outputs, STATE.name)}
    return [found[number] for number in sorted(found)]


def test_there_is_a_state_for_every_bar_and_weights_and_cash_sum_to_one(world, returns):
    assert [state.bar_number for state in states(world)] == list(range(1, len(returns) + 1))
    for state in states(world):
        assert sum(state.held) + state.held_cash == pytest.approx(1.0, abs=1e-12)
        assert sum(state.target) + state.target_cash == pytest.approx(1.0, abs=1e-9)


def test_contributions_and_cash_make_the_gross_return(world):
    cash_held, cash_aimed = 1.0, 1.0
    for state in states(world):
        cash = cash_aimed if state.turnover else cash_held  # a fill comes before the returns
        expected = sum(state.contribution) + cash * 0.0001
        assert state.return_gross == pytest.approx(expected, abs=1e-12)
        cash_held, cash_aimed = state.held_cash, state.target_cash


def test_rolling_figures_are_those_of_the_net_returns_published(world):
    net = pd.Series([state.return_net for state in states(world)])
    for number, state in enumerate(states(world), 1):
        for figures in state.rolling:
            window = net[:number].tail(int(figures.window))
            assert figures.n_obs == len(window)
            if len(window) < 2:
                continue
            # rolling sums against batch sums: 1e-10 relative of figures of about 0.1
            deviation = window.std() * np.sqrt(252)
            assert figures.volatility_annual == pytest.approx(deviation, abs=1e-10)
            growth = (1 + window).prod() ** (252 / len(window)) - 1
            assert figures.return_annual == pytest.approx(growth, rel=1e-9, abs=1e-10)
            wealth = np.append(1.0, (1 + window).cumprod())
            worst = (wealth / np.maximum.accumulate(wealth) - 1).min()
            assert figures.max_drawdown == pytest.approx(worst, abs=1e-10)


def test_the_matrix_and_its_summary_are_those_of_the_eligible_over_common_rows(world, returns):
    full = [r for r in of_topic(world.outputs, COVARIANCE.name) if r.matrix_annual is not None]
    assert full
    for record in full:
        at = returns.index.get_loc(pd.Timestamp(record.bar_end).value)
        rows = returns.iloc[max(0, at - 14) : at + 1][list(record.strategies)].dropna()
        assert record.n_common == len(rows)
        assert np.array(record.matrix_annual) == pytest.approx(
            rows.cov().to_numpy() * 252, rel=1e-9
        )
        if len(record.strategies) < 2:
            assert record.max_pair is None
            continue
        pairs = rows.corr().where(np.triu(np.ones((len(rows.columns),) * 2, dtype=bool), 1))
        # a correlation divides rolling sums: 1e-10 relative each
        assert record.max_correlation == pytest.approx(pairs.stack().max(), abs=1e-9)
        assert tuple(record.max_pair) == pairs.stack().idxmax()


def test_the_matrix_comes_with_decisions_and_every_twentieth_bar(world):
    records = of_topic(world.outputs, COVARIANCE.name)
    decided = {state.bar_end for state in states(world) if state.bar_number % 20 == 0}
    assert len(decided) == 2
    full = {record.bar_end for record in records if record.matrix_annual is not None}
    assert decided <= full
    assert len(full) < len({record.bar_end for record in records})


def test_the_state_lists_those_the_covariance_is_of(world):
    by_bar = {record.bar_end: record for record in of_topic(world.outputs, COVARIANCE.name)}
    assert len({tuple(state.eligible) for state in states(world)}) > 2
    for state in states(world):
        assert tuple(state.eligible) == by_bar[state.bar_end].strategies
