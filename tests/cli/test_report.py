import json

import pandas as pd
import pytest

from tests.cli.files import NAMES, write_policy


@pytest.fixture
def replayed(apse, returns_file, policy_file, tmp_path):
    out = tmp_path / "run"
    answer = apse("replay", "--returns", returns_file, "--portfolio", policy_file, "--out", out)
    assert answer.code == 0, answer.err
    return out


def test_a_replay_and_its_returns_give_the_same_page(
    apse, replayed, returns_file, policy_file, tmp_path
):
    base = ["--returns", returns_file, "--portfolio", policy_file]
    pages = [tmp_path / "one.html", tmp_path / "two.html"]
    one = apse("report", "--replay", replayed, *base, "--output", pages[0], "--json")
    two = apse("report", *base, "--output", pages[1], "--json")
    assert one.code == two.code == 0, one.err + two.err
    assert pages[0].read_bytes() == pages[1].read_bytes()
    assert one.json == two.json


def test_json_tells_the_figures_of_the_files(apse, replayed, returns_file, policy_file):
    answer = apse(
        "report", "--replay", replayed, "--portfolio", policy_file, "--returns", returns_file,
        "--json", "--decisions", 3,
    )  # fmt: skip
    told = answer.json
    performance = pd.read_csv(replayed / "performance.csv")
    decisions = [
        json.loads(line) for line in (replayed / "decisions.jsonl").read_text().splitlines()
    ]
    assert told["as_of"] == performance["bar_end"].iloc[-1]
    assert told["bars"] + told["warm_up_bars"] == len(performance)
    held = performance.iloc[told["warm_up_bars"] :]
    head = told["headline"]["portfolio"]
    assert head["total_return"] == pytest.approx(held["nav"].iloc[-1] - 1, rel=1e-12)
    assert head["max_drawdown"] == pytest.approx(performance["drawdown"].min(), rel=1e-12)
    assert head["turnover_annual"] == pytest.approx(held["turnover"].mean() * 252, rel=1e-12)
    assert set(told["headline"]) == {"portfolio", "equal_weight", "inverse_volatility"}
    assert [d["decision_id"] for d in told["decisions"]] == [
        d["decision_id"] for d in reversed(decisions[-3:])
    ]
    assert set(told["weights"]) == set(NAMES)
    assert sum(told["weights"].values()) + told["cash"] == pytest.approx(1)
    assert sum(told["risk_contributions"].values()) == pytest.approx(1)
    assert sum(year["decisions"] for year in told["trading"]) <= len(decisions)


def test_without_the_strategies_returns_it_says_what_is_missing(
    apse, replayed, policy_file, tmp_path
):
    page = tmp_path / "page.html"
    answer = apse("report", "--replay", replayed, "--portfolio", policy_file, "--output", page)
    assert answer.code == 0
    assert "--returns FILE" in answer.err
    assert f"wrote {page}" in answer.out
    assert "1/N" not in answer.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--live"], "--output FILE"),
        (["--json"], "--portfolio FILE"),
        (["--json", "--portfolio", "POLICY"], "--replay DIR"),
        (["--json", "--live", "--portfolio", "POLICY"], "--live takes neither"),
        (["--json", "--portfolio-id", "x", "--portfolio", "POLICY"], "goes with --live"),
        (["--json", "--replay", "HERE", "--portfolio", "POLICY"], "performance.csv cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(apse, policy_file, tmp_path, arguments, words):
    places = {"POLICY": policy_file, "HERE": tmp_path}
    answer = apse("report", *[places.get(part, part) for part in arguments])
    assert answer.code == 2
    assert words in answer.err
    assert not answer.out


def test_decisions_of_another_portfolio_are_refused(apse, replayed, tmp_path):
    other = write_policy(tmp_path / "other.yaml", portfolio_id="other")
    answer = apse("report", "--replay", replayed, "--portfolio", other, "--json")
    assert answer.code == 2
    assert "'main'" in answer.err
    assert "'other'" in answer.err
