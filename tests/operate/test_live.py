"""A running engine, used as people use it: commands, a plain Kafka client, and nothing else."""

import datetime as dt

import pytest

from tests.cli.files import ragged_values, write_wide

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def day(number):
    """End of the n-th session of a long January."""
    return (dt.datetime(2024, 1, 2, tzinfo=dt.UTC) + dt.timedelta(days=number)).strftime(
        "%Y-%m-%dT00:00:00Z"
    )


def add(apse, strategy, portfolio):
    answer = apse("strategy", "add", strategy, "--family", "trend", "--portfolio", portfolio)
    assert answer.code == 0, answer.err


def ends(records):
    return {record["bar_end"] for record in records}


def test_a_return_of_a_plain_producer_without_our_code_appears_in_the_metrics(apse, outsider):
    add(apse, "one", "pair")
    add(apse, "two", "pair")
    for number, value in enumerate((0.01, -0.02, 0.03)):
        outsider.publish("one", day(number), value)
        outsider.publish("two", day(number), 2 * value)
    told = outsider.wait_for("strategy.metrics.v1", "pair", lambda found: day(2) in ends(found))
    last = next(record for record in told if record["bar_end"] == day(2))
    window = next(found for found in last["windows"] if found["window"] == "5")
    assert last["strategies"] == ["one", "two"]
    assert window["n_obs"] == [3, 3]
    # a mean of 2/300 over three bars, times 252
    assert window["metrics"]["mean_annual"] == pytest.approx([1.68, 3.36], rel=1e-12)
    commands = outsider.wait_for("portfolio.rebalance.v1", "pair", bool)
    assert sum(commands[0]["target_weights"].values()) + commands[0][
        "target_cash"
    ] == pytest.approx(1)
    assert commands[0]["target_weights"]["one"] == pytest.approx(2 / 3)  # twice the volatility
    outsider.wait_for(
        "execution.reports.v1",
        "pair",
        lambda found: {c["command_id"] for c in commands} <= {r["command_id"] for r in found},
    )


def test_halt_stops_commands_at_once_and_resume_clears_it(apse, outsider):
    for name in ("left", "right"):
        add(apse, name, "steered")
    days = iter(range(300))

    def bar():
        number = next(days)
        outsider.publish("left", day(number), 0.01 * (-1) ** number)
        outsider.publish("right", day(number), 0.005 * (1 + number % 3))
        found = outsider.wait_for(
            "portfolio.state.v1", "steered", lambda told: day(number) in ends(told)
        )
        return next(record for record in found if record["bar_end"] == day(number))

    def commands():
        return len(outsider.read("portfolio.rebalance.v1", "steered"))

    def bars_until(holds, most=100):
        for _ in range(most):
            if holds(bar()):
                return
        pytest.fail("never happened")

    bars_until(lambda _: commands() > 0)
    assert apse("halt", "--portfolio", "steered", "--reason", "test").code == 0
    bars_until(lambda state: state["status"] == "halted")
    before = commands()
    for _ in range(3):
        assert bar()["status"] == "halted"
    assert commands() == before
    assert apse("resume", "--portfolio", "steered").code == 0
    bars_until(lambda state: state["status"] != "halted")
    bars_until(lambda _: commands() > before)
    last = apse("explain", "last", "--portfolio", "steered", "--json").json
    assert last["outcome"] == "accepted"


def test_a_refused_record_is_listed_with_its_cure_which_heals_it(apse, outsider):
    outsider.publish("stranger", day(0), 0.01)
    outsider.publish("stranger", day(1), 0.02)
    outsider.send("strategy.returns.v1", "stranger", b'{"strategy_id": "stranger", "period')

    def letters():
        found = apse("dlq", "list", "--json").json
        return [letter for letter in found if letter["key"] == "stranger"]

    def listed():
        return len(letters()) >= 3

    from tests.operate.engine import wait_until  # noqa: PLC0415  # beside its use

    wait_until(listed)
    codes = [letter["code"] for letter in letters()]
    assert codes.count("unknown_strategy") == 2
    assert codes.count("malformed") == 1
    assert all(letter["source"].count("/") == 2 for letter in letters())
    cure = next(le["detail"] for le in letters() if le["code"] == "unknown_strategy")
    assert "apse strategy add stranger --family" in cure
    assert "apse strategy add stranger --family" in apse("dlq", "list").out
    add(apse, "stranger", "later")
    answer = apse("dlq", "replay", "--code", "unknown_strategy", "--json")
    assert answer.json["records_published"] == 2
    found = outsider.wait_for(
        "portfolio.state.v1", "later", lambda told: {day(0), day(1)} <= ends(told)
    )
    assert found[-1]["strategies"] == ["stranger"]


def test_a_report_of_the_running_engine_tells_what_its_topics_do(apse, outsider, tmp_path):
    for name in ("left-told", "right-told"):
        add(apse, name, "told")
    for number in range(8):
        outsider.publish("left-told", day(number), 0.01 * (-1) ** number)
        outsider.publish("right-told", day(number), 0.005 * (1 + number % 3))
    found = outsider.wait_for("portfolio.state.v1", "told", lambda told: day(7) in ends(told))
    page = tmp_path / "page.html"
    answer = apse("report", "--live", "--portfolio-id", "told", "--output", page, "--json")
    assert answer.code == 0, answer.err
    states = {state["bar_end"]: state for state in found}
    assert answer.json["as_of"] == day(7)
    assert answer.json["bars"] + answer.json["warm_up_bars"] == len(states)
    total = answer.json["headline"]["portfolio"]["total_return"]
    assert total == pytest.approx(states[day(7)]["nav"] - 1, rel=1e-12)
    assert answer.json["weights"] == dict(
        zip(states[day(7)]["strategies"], states[day(7)]["held"], strict=True)
    )
    assert answer.json["headline"]["equal_weight"]["n_obs"] == answer.json["bars"]
    decided = {d["decision_id"] for d in outsider.read("portfolio.decisions.v1", "told")}
    assert {d["decision_id"] for d in answer.json["decisions"]} <= decided
    assert "the running engine" in page.read_text()
    unsaid = apse("report", "--live", "--json")
    assert unsaid.code == 2
    assert "later, pair, steered, told" in unsaid.err


@pytest.mark.usefixtures("outsider")
def test_publishing_a_file_twice_changes_nothing(apse, tmp_path):
    path = write_wide(tmp_path / "two.csv", ragged_values(bars=30)[:, [0, 3]], names=("f1", "f2"))
    first = apse("publish", path, "--portfolio", "later", "--json")
    assert first.code == 0, first.err
    assert first.json["bar"] == "1d"
    # strategies of 2020 in a portfolio that is in 2024: their rows are old; taken, and no bar made
    again = apse("publish", path, "--json")
    assert again.json["records_published"] == first.json["records_published"]
    known = apse("publish", path, "--portfolio", "nowhere")
    assert known.code == 2
    assert "nowhere" in known.err
    assert "later" in known.err


@pytest.mark.usefixtures("outsider")
def test_topics_tail_and_doctor_know_the_running_engine(apse):
    add(apse, "seen", "later")
    told = apse("tail", "registry", "--from-beginning", "-n", 1, "--json")
    assert '"topic":"portfolio.registry.v1"' in told.out
    assert apse("topics", "--create", "--json").json["created"] == []
    answer = apse("doctor", "--json")
    assert answer.code == 0
    assert {finding["what"]: finding["status"] for finding in answer.json}["topics"] == "ok"
