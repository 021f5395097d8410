"""What every command has in common: help, --json, words instead of traces, and its exit code."""

import subprocess
import sys

import pytest
import typer

from streams.cli import app as application
from streams.ingest.registry import Registry
from streams.settings import KafkaSettings

COMMANDS = {
    "estimate", "optimize", "replay", "init", "policy check", "up", "demo", "topics", "publish",
    "tail", "doctor", "explain", "halt", "resume", "reduce", "rebalance", "pause", "strategy add",
    "dlq list", "dlq replay", "api", "token", "frontier", "report",
}  # fmt: skip
NEEDS_BROKER = [
    ["halt", "--portfolio", "p"],
    ["resume", "--portfolio", "p"],
    ["reduce", "--portfolio", "p", "--to", "0.5"],
    ["rebalance", "--portfolio", "p"],
    ["pause", "--portfolio", "p"],
    ["strategy", "add", "s", "--family", "trend", "--portfolio", "p"],
    ["dlq", "list"],
    ["dlq", "replay"],
    ["tail"],
    ["explain"],
    ["topics", "--create"],
    ["api"],
    ["report", "--live", "--json"],
]


def leaves(command, name=""):
    inner = getattr(command, "commands", None)
    if not inner:
        yield name.strip(), command
        return
    for part, below in inner.items():
        yield from leaves(below, f"{name} {part}")


def all_commands():
    return dict(leaves(typer.main.get_command(application.app)))


def test_the_commands_are_those_promised():
    assert set(all_commands()) == COMMANDS


@pytest.mark.parametrize("name", sorted(COMMANDS - {"up", "api"}))
def test_what_prints_an_answer_prints_json_too(name):
    flags = {flag for option in all_commands()[name].params for flag in option.opts}
    assert "--json" in flags


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_says_what_each_option_is_for(apse, name):
    command = all_commands()[name]
    assert command.help
    for option in command.params:
        assert getattr(option, "help", None), f"{name} {option.name}"
    assert apse(*name.split(), "--help").code == 0


@pytest.mark.parametrize("arguments", NEEDS_BROKER, ids=lambda parts: " ".join(parts[:2]))
def test_without_a_broker_one_sentence_and_exit_4(apse, monkeypatch, arguments):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")  # nobody listens there
    monkeypatch.setattr("streams.operate.current.ANSWER_TIMEOUT_S", 0.3)
    answer = apse(*arguments)
    assert answer.code == 4
    assert "127.0.0.1:1" in answer.err
    assert "apse up" in answer.err
    assert answer.err.count("\n") == 1
    assert not answer.out


def test_a_family_that_is_none_is_refused_before_a_broker_is_sought(apse):
    answer = apse("strategy", "add", "s", "--family", "trendy", "--portfolio", "p")
    assert answer.code == 2
    assert "trend" in answer.err


def test_a_portfolio_that_is_not_registered_is_refused_by_name(apse, monkeypatch):
    registry = Registry()
    registry.portfolios["main"] = None
    monkeypatch.setattr("streams.cli.steer.reachable_kafka", KafkaSettings)
    monkeypatch.setattr("streams.cli.steer.read_registry", lambda _: registry)
    options = ("--family", "trend", "--portfolio", "main", "--portfolio", "mian")
    answer = apse("strategy", "add", "s", *options)
    assert answer.code == 2
    assert "portfolio 'mian' is not registered; did you mean 'main'?" in answer.err
    assert answer.err.count("\n") == 1
    assert not answer.out


def test_a_topic_name_that_fits_none_lists_those_there_are(apse):
    answer = apse("tail", "nonsense")
    assert answer.code == 2
    assert "portfolio.rebalance.v1" in answer.err


def test_the_table_of_topics_is_the_contracts(apse):
    from schemas.topics import TOPICS  # noqa: PLC0415  # the oracle of this test alone

    told = apse("topics", "--json").json
    assert [row["name"] for row in told] == [topic.name for topic in TOPICS]
    shown = apse("topics")
    assert all(topic.name in shown.out for topic in TOPICS)


def test_doctor_without_a_broker_warns_and_says_how_to_get_one(apse, monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setattr("streams.operate.doctor.METADATA_TIMEOUT_S", 0.3)
    answer = apse("doctor", "--json")
    found = {finding["what"]: finding for finding in answer.json}
    assert found["broker"]["status"] == "warn"
    assert "apse up" in found["broker"]["detail"]
    assert found["Python"]["status"] == "ok"


def test_a_reader_that_leaves_ends_the_command_in_silence():
    made = subprocess.run(
        f"{sys.executable} -c 'from streams.cli import main; main()' topics --json | head -1",
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert made.stdout == "[\n"
    assert made.stderr == ""
