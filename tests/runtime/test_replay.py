"""The replay's files against an independent replay written from the contract alone."""

import csv
import json

import pandas as pd
import pytest

from schemas.policy import load_policy
from streams.core.errors import DataError
from streams.files import read_returns, to_rows
from streams.runtime.files import ReplayFiles
from streams.runtime.replay import replay, with_members
from tests.core.oracle_replay import Oracle, Plan, ragged_table

NAMES = ["a", "b", "c", "d", "e", "f"]
KINDS = ("trend", "trend", "arbitrage", "arbitrage", "other", "other")
FAMILIES = dict(zip(NAMES, KINDS, strict=True))

# The oracle solves each problem itself and then goes on with the engine's weights, so that every
# solve starts from the same state and the rest is arithmetic: a few hundred roundings of 1e-16.
EXACT = 1e-12
# The optimum is unique (Sigma positive definite), so both solvers stand at the same point; an
# interior point stops at a relative gap of 1e-13, and the step in weights is at most its root.
WEIGHT_TOLERANCE = 1e-6


def document(plan):
    low, high, rate = plan.cash
    return {
        "portfolio_id": "p",
        "bar": plan.bar,
        "periods_per_year": plan.periods,
        "strategies": [entry(plan, name) for name in plan.names],
        "initial_weights": plan.initial,
        "estimation": {
            "window_bars": plan.window,
            **({} if plan.min_bars is None else {"min_bars": plan.min_bars}),
            "stale_bars": plan.stale_bars,
            "windows": [5, 12],
            "covariance": plan.covariance,
        },
        "objective": {"type": plan.objective, "risk_aversion": plan.risk_aversion},
        "constraints": {
            "weight_min": plan.weight_min,
            "weight_max": plan.weight_max,
            "families": {k: {"min": v[0], "max": v[1]} for k, v in plan.family_limits.items()},
            **({} if plan.turnover_max is None else {"turnover_max": plan.turnover_max}),
        },
        "costs": {"linear_bps": plan.bps},
        "cash": {"min": low, "max": high, "rate": rate},
        "execution": {"delay_bars": plan.delay},
        "rebalance": {
            "schedule": plan.schedule,
            **({} if plan.drift is None else {"drift": {"max_abs": plan.drift}}),
            "cooldown_bars": plan.cooldown,
        },
    }


def entry(plan, name):
    found = {"id": name, "family": plan.families[name]}
    if name in plan.own_limits:
        found["weight_min"], found["weight_max"] = plan.own_limits[name]
    return found


def run_engine(table, plan, folder):
    path = folder / "returns.csv"
    stamped = table.copy()
    stamped.insert(0, "timestamp", [s.strftime("%Y-%m-%dT%H:%M:%SZ") for s in table.index])
    stamped.to_csv(path, index=False)
    policy = load_policy(document(plan))
    returns = read_returns(path)
    with ReplayFiles(folder / "out", metrics=False) as files:
        summary = replay(with_members(policy, returns.names), to_rows(returns, plan.bar), files)
    out = folder / "out"
    decisions = [json.loads(line) for line in (out / "decisions.jsonl").read_text().splitlines()]
    return summary, rows_of(out / "performance.csv"), rows_of(out / "weights.csv"), decisions


def adopted(decisions, names):
    taken = {}
    for decision in decisions:
        if decision["outcome"] == "accepted":
            stages = decision["stages"]
            weights = pd.Series(dict(zip(decision["strategies"], stages["rounded"], strict=True)))
            taken[stamp(decision["bar_end"])] = weights[names], stages["cash"]["rounded"]
    return taken


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def stamp(text):
    return pd.Timestamp(text)


DEFAULT = {"names": NAMES, "families": FAMILIES, "schedule": "weekly", "bps": 10.0}
FRIDAYS = pd.date_range("2019-01-04", "2022-01-01", freq="W-FRI", tz="UTC") + pd.Timedelta("16h")
CASES = {
    "weekly minimum variance": {"weight_max": 0.6},
    "warm-up too short for the budget": {"weight_max": 0.34, "min_bars": 15, "schedule": "daily"},
    "default min_bars": {"min_bars": None, "window": 40},
    "mean-variance with cash": {
        "objective": "mean_variance",
        "risk_aversion": 6.0,
        "cash": (0.05, 0.5, 0.0001),
        "weight_max": 0.5,
    },
    "families and own bounds": {
        "family_limits": {"trend": (0.1, 0.3), "other": (0.0, 0.5)},
        "own_limits": {"a": (0.05, 0.2), "e": (0.0, 0.25)},
        "covariance": "ledoit_wolf",
    },
    "turnover": {"turnover_max": 0.08, "schedule": "every_bar", "covariance": "ewma:0.94"},
    "delay": {"delay": 1, "drift": 0.02, "objective": "inverse_volatility", "weight_max": 0.4},
    "delay and turnover": {"delay": 1, "turnover_max": 0.05, "schedule": "every_bar"},
    "stale beyond the budget": {"weight_max": 0.26, "schedule": "daily", "stale_bars": 1},
    "equal with caps": {"objective": "equal", "own_limits": {"a": (0.0, 0.1)}, "drift": 0.01},
    "monthly": {"schedule": "monthly", "covariance": "ledoit_wolf"},
    "cron": {"schedule": "cron:0 16 * * 5", "boundaries": FRIDAYS},
    "drift after initial weights": {
        "schedule": "never",
        "drift": 0.015,
        "initial": {"a": 0.5, "e": 0.4},
        "cash": (0.0, 0.2, 0.0),
        "cooldown": 4,
        "turnover_max": 0.3,
    },
    "sub-daily rows, daily bars": {"freq": "5h", "bars": 500},
    "hourly rows, weekly bars": {"freq": "17h", "bars": 700, "bar": "1w", "periods": 52.0},
    "hourly rows, monthly bars": {
        "freq": "31h",
        "bars": 900,
        "bar": "1mo",
        "periods": 12.0,
        "schedule": "every_bar",
        "covariance": "ledoit_wolf",
    },
    "four-hour bars": {"freq": "150min", "bars": 400, "bar": "4h", "schedule": "daily"},
    "a death": {"dead": 4, "weight_max": 0.7},
    "a death of one who is all": {"dead": 0, "schedule": "never", "initial": {"a": 1.0}},
}
TABLE = ("freq", "bars", "dead", "seed", "holes")


def case(name, seed):
    given = {**DEFAULT, **CASES[name]}
    table = {"bars": 130, **{key: given.pop(key) for key in TABLE if key in given}}
    bars = table.pop("bars")
    return ragged_table(seed, NAMES, bars, **table), Plan(**given)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", CASES)
def test_the_engine_s_files_are_those_of_the_oracle(name, seed, tmp_path):
    table, plan = case(name, seed)
    summary, performance, weights, decisions = run_engine(table, plan, tmp_path)
    told = Oracle(table, plan, adopted(decisions, plan.names)).run()
    assert summary.bars == len(performance) == len(told.performance)

    assert len(decisions) == len(told.decisions)
    for ours, (end, trigger, outcome, reason, target, cash) in zip(
        decisions, told.decisions, strict=True
    ):
        assert stamp(ours["bar_end"]) == end
        found = (ours["trigger"]["kind"], ours["outcome"], ours["reason"].partition(":")[0])
        assert found == (trigger, outcome, reason), end
        if target is not None:
            rounded = dict(zip(ours["strategies"], ours["stages"]["rounded"], strict=True))
            assert rounded == pytest.approx(dict(target), abs=WEIGHT_TOLERANCE), end
            assert ours["stages"]["cash"]["rounded"] == pytest.approx(cash, abs=WEIGHT_TOLERANCE)

    for row, (end, *expected) in zip(performance, told.performance, strict=True):
        assert stamp(row["bar_end"]) == end
        found = [float(row[key]) for key in list(row)[1:]]
        assert found == pytest.approx(expected, abs=EXACT), (end, list(row))

    for row, (end, strategy, target, held) in zip(weights, told.weights, strict=True):
        assert (stamp(row["bar_end"]), row["strategy_id"]) == (end, strategy)
        found = float(row["target_weight"]), float(row["held_weight"])
        assert found == pytest.approx((target, held), abs=EXACT), (end, strategy)


def test_the_cases_show_accepted_and_declined_decisions_and_why():
    shown = ("turnover", "drift after initial weights", "warm-up too short for the budget")
    rows = [row for name in shown for row in Oracle(*case(name, 1)).run().decisions]
    assert {(row[1], row[2]) for row in rows} >= {("schedule", "accepted"), ("drift", "accepted")}
    assert {row[3] for row in rows} >= {"", "too_few_eligible", "infeasible"}


def test_returns_that_hold_none_of_the_strategies_are_refused():
    plan = Plan(**DEFAULT)
    with pytest.raises(DataError, match="none of the portfolio's strategies; they hold x, y"):
        with_members(load_policy(document(plan)), ["y", "x"])


def test_all_strategies_of_the_returns_are_taken_where_the_file_says_so():
    plan = Plan(**DEFAULT)
    policy = load_policy({**document(plan), "strategies": {"from_returns": True}})
    entries = with_members(policy, ["y", "x"]).strategies
    assert [(entry.id, entry.family) for entry in entries] == [("x", "other"), ("y", "other")]
