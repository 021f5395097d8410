import csv
import json
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest

from tests.cli.files import BARS, NAMES, ragged_values, write_policy, write_wide

FILES = ("performance.csv", "weights.csv", "metrics.csv", "shadows.csv", "decisions.jsonl")
PERFORMANCE = "bar_end,return_gross,return_net,cost,turnover,nav,drawdown,coverage"

SHADOWS = "bar_end,book,nav,return_net,cost,turnover,sharpe,n_obs,regret_best,regret_equal"


@pytest.fixture
def replayed(apse, returns_file, policy_file, tmp_path):
    out = tmp_path / "out"
    base = ["--returns", returns_file, "--portfolio", policy_file]
    answer = apse("replay", *base, "--out", out, "--json")
    assert answer.code == 0, answer.err
    return out, answer.json


def decisions(out):
    return [json.loads(line) for line in (out / "decisions.jsonl").read_bytes().splitlines()]


def test_five_files_with_the_promised_columns_and_a_row_a_bar(replayed):
    out, told = replayed
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    heads = {name: (out / name).read_text().splitlines()[0] for name in FILES[:4]}
    assert heads["performance.csv"] == PERFORMANCE
    assert heads["weights.csv"] == "bar_end,strategy_id,target_weight,held_weight"
    assert heads["metrics.csv"] == "bar_end,strategy_id,window,metric,value"
    assert heads["shadows.csv"] == SHADOWS
    performance = pd.read_csv(out / "performance.csv")
    assert len(performance) == BARS == told["bars"]
    assert len(pd.read_csv(out / "weights.csv")) == BARS * len(NAMES)
    assert performance["bar_end"].is_monotonic_increasing
    assert told["nav"] == performance["nav"].iloc[-1]
    assert told["decisions"] == len(decisions(out)) > told["declined"]
    assert told["commands"] == told["decisions"] - told["declined"]


def test_beta_of_an_estimate_may_be_to_what_a_replay_held(apse, replayed, tmp_path):
    out, _ = replayed
    source = write_wide(tmp_path / "returns.csv", ragged_values())

    def told(*more):
        given = ("estimate", "--returns", source, "--periods-per-year", 252, "--json", *more)
        answer = apse(*given)
        assert answer.code == 0, answer.err
        return answer.json

    own = pd.read_csv(out / "performance.csv")["return_net"].to_numpy()
    for document, net in (
        (told("--replay", out), own),
        (told(), np.nan_to_num(ragged_values()).mean(axis=1)),
    ):
        for column, name in enumerate(NAMES):
            seen = ~np.isnan(ragged_values()[:, column])
            slope, _ = np.polyfit(net[seen], ragged_values()[seen, column], 1)
            assert document["metrics"][name]["beta"] == pytest.approx(slope, rel=1e-9)
    assert told()["portfolio"] == "equal_weights"
    other = write_wide(tmp_path / "short.csv", ragged_values(bars=2))
    text = other.read_text().replace("2020-01-01", "2019-01-01").replace("2020-01-02", "2019-01-02")
    other.write_text(text)
    given = ("estimate", "--returns", other, "--periods-per-year", 252, "--replay", out)
    refused = apse(*given)
    assert refused.code == 2
    assert "no bar ends at a stamp" in refused.err


def test_nav_compounds_the_net_returns_and_costs_follow_the_trades(replayed):
    performance = pd.read_csv(replayed[0] / "performance.csv")
    nav = (1 + performance["return_net"]).cumprod()
    # 160 roundings of 1e-16
    np.testing.assert_allclose(performance["nav"], nav, rtol=1e-12)
    high = np.maximum.accumulate(np.concatenate([[1.0], nav]))[1:]
    np.testing.assert_allclose(performance["drawdown"], nav / high - 1, atol=1e-12)
    net = (1 - performance["cost"]) * (1 + performance["return_gross"]) - 1
    np.testing.assert_allclose(performance["return_net"], net, atol=1e-14)
    assert (performance["cost"] >= 0).all()
    assert performance["cost"].max() == pytest.approx(5e-4)  # the build from cash: 5 bps of all


def test_gross_return_is_that_of_the_weights_held_over_the_bar(replayed):
    out, _ = replayed
    performance = pd.read_csv(out / "performance.csv")
    weights = pd.read_csv(out / "weights.csv").pivot(index="bar_end", columns="strategy_id")
    target = weights["target_weight"][list(NAMES)].to_numpy()
    held = weights["held_weight"][list(NAMES)].to_numpy()
    decided = {d["bar_end"] for d in decisions(out) if d["outcome"] == "accepted"}
    after = np.where(weights.index.isin(decided)[:, None], target, held)
    returns = np.nan_to_num(ragged_values())
    gross = (after[:-1] * returns[1:]).sum(axis=1)
    np.testing.assert_allclose(performance["return_gross"][1:], gross, atol=1e-12)
    drifted = after[:-1] * (1 + returns[1:]) / (1 + gross)[:, None]
    np.testing.assert_allclose(held[1:], drifted, atol=1e-12)


def test_weights_and_cash_of_every_accepted_decision_sum_to_one(replayed):
    accepted = [d for d in decisions(replayed[0]) if d["outcome"] == "accepted"]
    assert accepted
    for decision in accepted:
        stages = decision["stages"]
        total = sum(stages["rounded"]) + stages["cash"]["rounded"]
        assert total == pytest.approx(1.0, abs=1e-12)
        assert min(stages["rounded"]) >= 0.0
        assert max(stages["rounded"]) <= 0.6 + 1e-12


def test_decisions_are_canonical_and_free_of_machine_and_clock(replayed):
    lines = (replayed[0] / "decisions.jsonl").read_bytes().splitlines()
    told = [json.loads(line) for line in lines]
    # canonical: no blanks, one encoding; a second pass through json changes nothing but floats' e
    for line, decision in zip(lines, told, strict=True):
        assert json.loads(json.dumps(decision)) == decision
        assert b'": ' not in line
        assert b"diagnostics" not in line
        assert b"seconds" not in line
    assert [d["version"] for d in told] == list(range(1, len(told) + 1))
    assert len({d["decision_id"] for d in told}) == len(told)


def test_rolling_metrics_are_those_of_pandas(replayed):
    rows = pd.read_csv(replayed[0] / "metrics.csv")
    rows = rows[(rows["window"] == "20") & (rows["strategy_id"] == "trend-b")]
    told = rows.pivot(index="bar_end", columns="metric", values="value")
    rolling = pd.Series(ragged_values()[:, 3]).rolling(20, min_periods=2)
    np.testing.assert_allclose(
        told["volatility_annual"], rolling.std().dropna() * 252**0.5, rtol=1e-10
    )
    np.testing.assert_allclose(told["mean_annual"], rolling.mean()[1:] * 252, rtol=1e-10)
    assert (told["n_obs"] == np.minimum(np.arange(2, BARS + 1), 20)).all()


def test_a_second_replay_writes_the_same_bytes(apse, replayed, returns_file, policy_file, tmp_path):
    lines = returns_file.read_text().splitlines()
    shuffled = [lines[0], *np.random.default_rng(3).permutation(lines[1:])]
    returns_file.write_text("\n".join(shuffled) + "\n")
    base = ["--returns", returns_file, "--portfolio", policy_file]
    apse("replay", *base, "--out", tmp_path / "again")
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (replayed[0] / name).read_bytes()


def test_a_replay_stops_at_a_bad_row_and_names_it(apse, returns_file, policy_file, tmp_path):
    text = returns_file.read_text().splitlines()
    text[9] = text[9].rsplit(",", 1)[0] + ",-1.5"
    returns_file.write_text("\n".join(text) + "\n")
    base = ["--returns", returns_file, "--portfolio", policy_file]
    answer = apse("replay", *base, "--out", tmp_path / "no")
    assert answer.code == 2
    assert "-1.5" in answer.err
    assert "10" in answer.err


def test_delay_of_a_bar_fills_one_bar_later(apse, returns_file, tmp_path):
    policy = write_policy(tmp_path / "late.yaml", execution="{delay_bars: 1}")
    base = ["--returns", returns_file, "--portfolio", policy]
    assert apse("replay", *base, "--out", tmp_path / "late").code == 0
    held = defaultdict(float)
    with (tmp_path / "late" / "weights.csv").open() as file:
        for row in csv.DictReader(file):
            held[row["bar_end"]] += float(row["held_weight"])
    first = next(d for d in decisions(tmp_path / "late") if d["outcome"] == "accepted")
    ends = sorted(held)
    built = next(end for end in ends if held[end] > 0)
    # decided at t, filled at the close of t+1, seen drifted at t+2
    assert ends.index(built) == ends.index(first["bar_end"]) + 2


def test_a_listed_strategy_that_the_file_does_not_hold_is_inactive_in_it(
    apse, returns_file, tmp_path
):
    listed = ", ".join(f"{{id: {name}}}" for name in (*NAMES, "absent"))
    with_it = write_policy(tmp_path / "absent.yaml", strategies=f"[{listed}]")
    base = ["--returns", returns_file, "--portfolio", with_it, "--json"]
    replayed = apse("replay", *base, "--out", tmp_path / "absent")
    assert (replayed.code, replayed.json["bars"]) == (0, BARS)
    weights = pd.read_csv(tmp_path / "absent" / "weights.csv")
    assert (weights[weights.strategy_id == "absent"].target_weight == 0).all()
    assert apse("optimize", *base).json["excluded"]["absent"] == "ended"


def test_initial_weights_of_a_strategy_that_is_not_there_are_refused(apse, returns_file, tmp_path):
    policy = write_policy(tmp_path / "typo.yaml", initial_weights="{trend-c: 0.5}")
    base = ["--returns", returns_file, "--portfolio", policy]
    answer = apse("replay", *base, "--out", tmp_path / "typo")
    assert answer.code == 2
    assert "trend-c" in answer.err
    assert "rev-c" in answer.err or "trend-b" in answer.err


def test_files_alone_explain_a_decision(apse, replayed):
    out, _ = replayed
    file = out / "decisions.jsonl"
    wanted = [d for d in decisions(out) if d["outcome"] == "accepted"][3]
    told = apse("explain", wanted["decision_id"][:12], "--file", file, "--json")
    assert told.json == wanted
    words = apse("explain", wanted["decision_id"], "--file", file)
    assert words.code == 0
    assert wanted["trigger"]["kind"] in words.out
    for name, share in zip(wanted["strategies"], wanted["stages"]["rounded"], strict=True):
        if share > 0:
            assert name in words.out
            assert f"{share:.4%}" in words.out
    declined = next(d for d in decisions(out) if d["outcome"] == "declined")
    words = apse("explain", declined["decision_id"], "--file", file)
    assert declined["reason"] in words.out


@pytest.mark.parametrize(("wanted", "named"), [("ffffffffffff", "ffffffffffff"), ("", "say more")])
def test_an_id_that_fits_none_or_many_is_refused(apse, replayed, wanted, named):
    answer = apse("explain", wanted, "--file", replayed[0] / "decisions.jsonl")
    assert answer.code == 2
    assert named in answer.err


def test_a_file_that_holds_no_decisions_is_named_with_its_line(apse, policy_file):
    answer = apse("explain", "last", "--file", policy_file)
    assert answer.code == 2
    assert "line 1" in answer.err


def test_one_bar_alone_makes_its_row(apse, tmp_path, policy_file):
    path = write_wide(tmp_path / "one.csv", ragged_values()[30:31])
    answer = apse("replay", "--returns", path, "--portfolio", policy_file, "--out", tmp_path / "o")
    assert answer.code == 0, answer.err
    assert len(pd.read_csv(tmp_path / "o" / "performance.csv")) == 1
