"""The command writes files the engine reads, and the README holds the table it prints."""

import csv
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

import examples.strategies
from examples.strategies import SLEEVES
from examples.strategies import __main__ as command
from examples.strategies import prices as module
from schemas.policy import CorrelationLimits, Objective, load_policy

HERE = Path(examples.strategies.__file__).parent


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_wide_file_holds_every_return_to_the_last_bit(table, tmp_path):
    out = tmp_path / "returns.csv"
    assert command.main(["--out", str(out)]) == 0
    header, *rows = rows_of(out)

    assert header == ["timestamp", *table.ids]
    kept = np.isfinite(table.returns).any(axis=1)
    assert [row[0] for row in rows] == [str(session) for session in table.sessions[kept]]
    read = np.array([[float(cell) if cell else np.nan for cell in row[1:]] for row in rows])
    np.testing.assert_array_equal(read, table.returns[kept])


@pytest.mark.slow
def test_long_file_says_the_same_as_the_wide_one(tmp_path):
    wide, long = tmp_path / "wide.csv", tmp_path / "long.csv"
    dates = ["--from", "2014-01-02", "--to", "2014-12-31"]
    assert command.main(["--out", str(wide), "--wide", *dates]) == 0
    assert command.main(["--out", str(long), "--long", *dates]) == 0
    header, *rows = rows_of(wide)
    expected = [
        [row[0], sleeve_id, cell]
        for row in rows
        for sleeve_id, cell in zip(header[1:], row[1:], strict=True)
        if cell
    ]

    assert rows_of(long) == [["timestamp", "strategy_id", "return"], *expected]
    assert rows[0][0] == "2014-01-02"
    assert rows[-1][0] == "2014-12-31"


@pytest.mark.slow
def test_parquet_holds_dates_and_nulls(tmp_path, capsys):
    out = tmp_path / "returns.parquet"
    assert command.main(["--out", str(out), "--from", "2018-12-31"]) == 0
    frame = pl.read_parquet(out)

    assert frame.schema["timestamp"] == pl.Date
    assert frame["trend-crossing-nasdaq"].null_count() == frame.height - 1
    assert frame["trend-sma-200d-spx"].null_count() == 0
    assert "24 strategies, sessions 2018-12-31 to 2022-12-28" in capsys.readouterr().out


@pytest.mark.parametrize("last", ["1989-12-31", "1990-01-02", "1990-02-01"])
def test_dates_without_returns_are_refused(tmp_path, capsys, last):
    out = tmp_path / "returns.csv"

    assert command.main(["--out", str(out), "--to", last]) == 2
    assert f"no session up to {last} has a return" in capsys.readouterr().err
    assert not out.exists()


def test_missing_package_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)

    assert command.main(["--out", str(tmp_path / "returns.csv")]) == 2
    assert "'skfolio' is not installed" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--table", "--out", "x.csv"], ["--wide", "--long"]])
def test_contradictory_options_are_refused(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(arguments)
    assert "usage: python -m examples.strategies" in capsys.readouterr().err


def test_readme_holds_the_table_the_command_prints(capsys):
    assert command.main(["--table"]) == 0
    readme = (HERE / "README.md").read_text(encoding="utf-8")

    assert capsys.readouterr().out in readme


def test_readme_names_every_sleeve_with_its_rule():
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    missing = [s.id for s in SLEEVES if f"- `{s.id}`: {s.description}" not in readme]

    assert not missing


def test_portfolio_file_lists_every_sleeve_on_the_default_policy():
    policy = load_policy(yaml.safe_load((HERE / "portfolio.yaml").read_text(encoding="utf-8")))

    assert [(s.id, s.family) for s in policy.strategies] == [(s.id, s.family) for s in SLEEVES]
    assert (policy.portfolio_id, policy.bar, policy.periods_per_year) == ("demo", "1d", 252)
    estimation = policy.estimation
    assert (estimation.window_bars, estimation.min_bars) == (252, 63)
    assert (estimation.covariance, estimation.mean) == ("ledoit_wolf", "sample")
    assert policy.objective == Objective(type="risk_parity", risk_aversion=100.0)
    assert policy.constraints.weight_max == 0.25
    limits = {family: limit.max for family, limit in policy.constraints.families.items()}
    assert limits == dict.fromkeys({sleeve.family for sleeve in SLEEVES}, 0.4)
    assert policy.constraints.correlation == CorrelationLimits(
        pair_limit=0.7,
        pair_weight_max=0.08,
        cluster_limit=0.4,
        cluster_weight_max=0.35,
        cluster_risk_max=0.35,
    )
    assert (policy.costs.linear_bps, policy.costs.horizon_bars) == (5, 63)
    assert (policy.rebalance.schedule, policy.rebalance.drift.max_abs) == ("weekly", 0.05)
    assert (policy.rebalance.gate, policy.ledger, policy.execution.delay_bars) == (
        "net_benefit",
        "assumed",
        0,
    )
